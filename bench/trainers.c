/*
 * trainers.c
 *		CPU seconds per epoch of the algorithms that implement core/trainer.h, one thread.
 *
 *		synthetic --binary USERS ITEMS EVENTS SEED | trainers [-l LEVEL] ALGORITHM[:NAME=VALUE,...]...
 *
 * Reads integer pairs as COPY binary writes them, ordered by user.  A line has
 * the CPU time of the cheapest epoch and of all, nanoseconds a pair of that
 * epoch, the longest unit in CPU milliseconds, which nobody can interrupt, and the
 * bytes of the plan.  Values are numbers; of a choice, the place of the word.
 *
 * bench/trainers.sh builds and runs it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/algorithm.h"
#include "core/trainer.h"
#include "pairs.h"

typedef struct Measured
{
	double		least;			/* CPU seconds of an epoch */
	double		all;
	double		longest;		/* of a unit */
	double		loss;
} Measured;

static double
thread_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static void
run_step(const CrTrainer *trainer, const CrTrainerRun *run, int32_t epoch, int64_t step,
		 Measured *measured)
{
	int64_t		units = trainer->units(run, epoch, step);

	for (int64_t unit = 0; unit < units; unit++)
	{
		double		began = thread_seconds();

		if (trainer->work(run, epoch, step, unit) != CR_OK)
			fail("training did not converge");
		measured->longest = fmax(measured->longest, thread_seconds() - began);
	}
}

static Measured
run_epochs(const CrTrainer *trainer, const CrTrainerRun *run, const CrTrainerPlan *plan)
{
	Measured	measured = {INFINITY, 0, 0, NAN};

	for (int32_t epoch = 0; epoch < plan->epochs; epoch++)
	{
		double		began = cpu_seconds();
		double		taken;

		for (int64_t step = 0; step < plan->steps; step++)
			run_step(trainer, run, epoch, step, &measured);
		taken = cpu_seconds() - began;
		measured.all += taken;
		measured.least = fmin(measured.least, taken);
		if (trainer->loss != NULL)
			measured.loss = trainer->loss(run, epoch);
	}
	return measured;
}

static void
measure(const CrAlgorithm *algorithm, CrTrainerRun *run)
{
	CrTrainerPlan plan;
	Measured	measured;

	if (algorithm->trainer->plan(&run->shape, &plan) != CR_OK)
		fail("these pairs cannot be trained on");
	run->shared = allocate(plan.shared);
	run->scratch = allocate(plan.scratch);
	measured = run_epochs(algorithm->trainer, run, &plan);
	printf("%-14s k=%-3.0f %-8s cpu s/epoch %.3f = %.1f ns a pair; %d epochs %.2f; unit up to %.1f ms; %.1f MB; loss %.6g\n",
		   algorithm->name, run->shape.used->factors, cr_simd_name(run->shape.simd), measured.least,
		   1e9 * measured.least / (double) run->shape.pairs, plan.epochs, measured.all,
		   1e3 * measured.longest, 1e-6 * (double) plan.shared, measured.loss);
	fflush(stdout);
	free(run->shared);
	free(run->scratch);
}

/* ALGORITHM[:NAME=VALUE,...] */
static const CrAlgorithm *
read_recipe(char *text, CrHyperparameters *used)
{
	char	   *name = strtok(text, ":");
	const CrAlgorithm *algorithm = name == NULL ? NULL : cr_algorithm_find(name);

	if (algorithm == NULL || algorithm->trainer == NULL)
		fail("there is no such algorithm with a trainer");
	cr_parameters_preset(algorithm, used);
	while ((name = strtok(NULL, "=")) != NULL)
	{
		const CrParameter *parameter = cr_parameter_find(algorithm, name);
		const char *value = strtok(NULL, ",");

		if (parameter == NULL || value == NULL || !cr_parameter_allows(parameter, atof(value)))
			fail("a hyperparameter is unknown, or its value not allowed");
		*(double *) ((char *) used + parameter->offset) = atof(value);
	}
	return algorithm;
}

static CrSimd
level_of(const char *name)
{
	for (int simd = CR_SIMD_PORTABLE; simd <= CR_SIMD_AVX512; simd++)
	{
		if (strcmp(cr_simd_name((CrSimd) simd), name) == 0 && cr_simd_is_available((CrSimd) simd))
			return (CrSimd) simd;
	}
	fail("there is no such level here");
	return CR_SIMD_PORTABLE;
}

int
main(int argc, char **argv)
{
	CrTrainerRun run = {0};
	CrHyperparameters used;
	int			option;

	run.shape.simd = cr_simd_best();
	while ((option = getopt(argc, argv, "l:")) != -1)
	{
		if (option != 'l')
			fail("usage: see the head of bench/trainers.c");
		run.shape.simd = level_of(optarg);
	}
	run.users = read_pairs(stdin);
	run.items = transpose(&run.users);
	run.shape.users = run.users.rows;
	run.shape.items = run.items.rows;
	run.shape.pairs = run.users.start[run.users.rows];
	run.shape.used = &used;
	printf("%" PRId64 " users, %" PRId64 " items, %" PRId64 " pairs\n", run.shape.users,
		   run.shape.items, run.shape.pairs);
	for (int i = optind; i < argc; i++)
	{
		const CrAlgorithm *algorithm = read_recipe(argv[i], &used);

		cr_defaults_from_shape(algorithm, &used, run.shape.users, run.shape.items, run.shape.pairs);
		measure(algorithm, &run);
	}
	return 0;
}
