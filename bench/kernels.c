/*
 * kernels.c
 *		CPU seconds per epoch of the half steps, by level, solver and number of factors.
 *
 *		synthetic --binary USERS ITEMS EVENTS SEED |
 *			kernels [-k FACTORS,...] [-l LEVEL,...] [-s SOLVER,...] [-e EPOCHS] [-w] [-a A0] [-r LAMBDA] [-g]
 *
 * Reads integer pairs as COPY binary writes them, ordered by user, and trains
 * with one thread for EPOCHS epochs per combination.  A line has the mean
 * CPU time of an epoch, in whole and by half step, the arithmetic rate by the
 * lower bound 2 nnz k(k+1) + (U+I) k^3/3, its share of what sgemm reaches here,
 * and the loss after each epoch.  SOLVER: cholesky, cg, or blas: exact by CBLAS
 * and LAPACKE, for which LEVEL does not matter.  -w gives events weights; -g leaves
 * the factors in their basis, where cg takes three steps instead of two.
 *
 * bench/kernels.sh builds and runs it.
 */
#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/algorithm.h"
#include "core/basis.h"
#include "core/csr.h"
#include "core/ials.h"
#include "core/rng.h"
#include "ials_blas.h"
#include "pairs.h"

#define EPOCHS_MAX	64

typedef enum Solver
{
	SOLVER_CHOLESKY,
	SOLVER_CG,
	SOLVER_BLAS,
	SOLVERS
} Solver;

static const char *const solver_names[] = {"cholesky", "cg", "blas"};

typedef struct Options
{
	const char *factors;
	const char *levels;
	const char *solvers;
	int			epochs;
	int			is_weighted;
	int			is_turned;
	double		unobserved_weight;
	double		regularization;
} Options;

/* One side's half step and where it is kept. */
typedef struct Side
{
	CrCsr		csr;
	float	   *factors;
	CrIalsHalf	half;
	double		cpu;			/* of all epochs */
} Side;

typedef struct Run
{
	CrIalsParams params;
	Solver		solver;
	Side		users;
	Side		items;
	int			is_turned;
	float	   *gram;
	CrBasis		basis;
	double	   *partial;
	void	   *workspace;
	double		loss[EPOCHS_MAX];
} Run;

static float *
random_weights(int64_t pairs)
{
	float	   *weight = allocate((size_t) pairs * sizeof(float));
	CrRng		rng;

	cr_rng_init(&rng, 7, 7);
	for (int64_t i = 0; i < pairs; i++)
		weight[i] = (float) (0.5 + cr_rng_uniform(&rng));
	return weight;
}

/* The Gram matrix of the side that is fixed, in its eigenbasis unless told otherwise. */
static void
compute_gram(Run *run, const Side *side, const Side *fixed)
{
	int32_t		k = run->params.factors;

	memset(run->partial, 0, (size_t) k * k * sizeof(double));
	cr_gram_add(&run->params, fixed->factors, 0, fixed->csr.rows, run->partial, run->workspace);
	if (!run->is_turned)
	{
		cr_gram_finish(run->partial, 1, k, run->params.unobserved_weight, run->gram);
		return;
	}
	if (cr_basis_find(&run->basis, run->partial, 1) != CR_OK)
		fail("there is no eigenbasis");
	cr_basis_turn(&run->basis, &run->params, fixed->factors, 0, fixed->csr.rows, run->workspace);
	cr_basis_turn_improved(&run->basis, &side->half, 0, side->csr.rows, run->workspace);
}

static CrIalsLoss
half_step(Run *run, Side *side, const Side *other)
{
	CrIalsLoss	loss = {0, 0};
	double		began = cpu_seconds();
	CrStatus	status;

	compute_gram(run, side, other);
	status = run->solver == SOLVER_BLAS ?
		ials_blas_solve_rows(&side->half, 0, side->csr.rows, &loss, run->workspace) :
		cr_ials_solve_rows(&side->half, 0, side->csr.rows, &loss, run->workspace);
	if (status != CR_OK)
		fail("a row could not be solved");
	side->cpu += cpu_seconds() - began;
	return loss;
}

static void
side_begin(Run *run, Side *side, const CrCsr *csr, const Side *other)
{
	side->cpu = 0;
	side->half = (CrIalsHalf) {.params = &run->params, .interactions = csr,
	.fixed = other->factors, .gram = run->gram, .solved = side->factors,
	.cg_steps = run->solver != SOLVER_CG ? 0 : run->is_turned ? CR_CG_STEPS_TURNED : CR_CG_STEPS};
	if (run->is_turned)
		side->half.spectrum = run->basis.spectrum;
}

static void
start_users(Run *run)
{
	int32_t		k = run->params.factors;

	for (int64_t user = 0; user < run->users.csr.rows; user++)
	{
		CrRng		rng;

		cr_rng_init(&rng, 42, 2 * (uint64_t) user);
		cr_rng_normal(&rng, 0.1 / sqrt(k),
					  run->users.factors + (size_t) user * cr_factor_stride(k), (size_t) k);
	}
}

/* Flop/s that sgemm reaches on matrices of 1024 x 1024. */
static double
sgemm_peak(void)
{
	const int	n = 1024;
	float	   *a = allocate(3 * sizeof(float) * (size_t) n * n);
	double		best = 0;

	for (int i = 0; i < 10; i++)
	{
		double		began = cpu_seconds();

		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, a + n * n, n, 0,
					a + 2 * n * n, n);
		best = fmax(best, 2.0 * n * n * n / (cpu_seconds() - began));
	}
	free(a);
	return best;
}

/* The work is that of exact half steps in their primal form, whatever the solver did. */
static void
report(const Run *run, int epochs, double peak)
{
	double		k = run->params.factors;
	double		work = 2.0 * (double) run->users.csr.start[run->users.csr.rows] * k * (k + 1) +
		(double) (run->users.csr.rows + run->items.csr.rows) * k * k * k / 3;
	double		users = run->users.cpu / epochs;
	double		items = run->items.cpu / epochs;
	double		rate = work / (users + items);

	printf("%-8s %-8s k=%-3d cpu s/epoch %.3f (users %.3f items %.3f) nominally %.1f GFLOP/s = %.0f%% of sgemm; loss",
		   solver_names[run->solver], cr_simd_name(run->params.simd), run->params.factors,
		   users + items, users, items, 1e-9 * rate,
		   100 * rate / peak);
	for (int epoch = 0; epoch < epochs; epoch++)
		printf(" %.10g", run->loss[epoch]);
	printf("\n");
	fflush(stdout);
}

static void
basis_begin(Run *run)
{
	int32_t		k = run->params.factors;
	size_t		stride = (size_t) cr_factor_stride(k);

	run->basis = (CrBasis) {k, allocate(stride * sizeof(float)),
							allocate((size_t) k * stride * sizeof(float)),
							allocate((size_t) k * k * sizeof(double)),
							allocate(cr_basis_workspace_size(k))};
	cr_basis_begin(&run->basis);
}

static void
basis_end(Run *run)
{
	free(run->basis.spectrum);
	free(run->basis.turn);
	free(run->basis.product);
	free(run->basis.workspace);
}

static void
train(Run *run, const Options *options, double peak)
{
	int32_t		k = run->params.factors;
	size_t		stride = (size_t) cr_factor_stride(k);
	size_t		size = cr_ials_workspace_size(k, CR_IALS_CACHED_EVENTS);

	run->users.factors = allocate((size_t) run->users.csr.rows * stride * sizeof(float));
	run->items.factors = allocate((size_t) run->items.csr.rows * stride * sizeof(float));
	run->gram = allocate((size_t) k * stride * sizeof(float));
	run->partial = allocate((size_t) k * k * sizeof(double));
	run->workspace = allocate(size + ials_blas_workspace_size(k));
	run->is_turned = options->is_turned && run->solver != SOLVER_BLAS;
	basis_begin(run);
	side_begin(run, &run->users, &run->users.csr, &run->items);
	side_begin(run, &run->items, &run->items.csr, &run->users);
	start_users(run);
	for (int epoch = 0; epoch < options->epochs; epoch++)
	{
		double		penalty = half_step(run, &run->items, &run->users).penalty;

		run->loss[epoch] = half_step(run, &run->users, &run->items).fit + penalty;
	}
	report(run, options->epochs, peak);
	free(run->users.factors);
	free(run->items.factors);
	free(run->gram);
	basis_end(run);
	free(run->partial);
	free(run->workspace);
}

/* Is word one of those in the list, which commas separate? */
static int
is_listed(const char *list, const char *word)
{
	size_t		length = strlen(word);

	for (const char *at = list; at != NULL; at = strchr(at, ','))
	{
		at += *at == ',';
		if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return 1;
	}
	return 0;
}

static void
run_levels(Run *run, const Options *options, double peak)
{
	for (int simd = CR_SIMD_PORTABLE; simd <= CR_SIMD_AVX512; simd++)
	{
		run->params.simd = (CrSimd) simd;
		if (!cr_simd_is_available((CrSimd) simd) ||
			!is_listed(options->levels, cr_simd_name((CrSimd) simd)))
			continue;
		train(run, options, peak);
		if (run->solver == SOLVER_BLAS)
			return;
	}
}

static Options
read_options(int argc, char **argv)
{
	Options		options = {"64,128", "portable,avx2,avx512", "cholesky,cg,blas", 2, 0, 1, 0.05, 0.01};
	int			option;

	while ((option = getopt(argc, argv, "k:l:s:e:a:r:wg")) != -1)
	{
		if (option == 'k')
			options.factors = optarg;
		else if (option == 'l')
			options.levels = optarg;
		else if (option == 's')
			options.solvers = optarg;
		else if (option == 'e')
			options.epochs = atoi(optarg);
		else if (option == 'a')
			options.unobserved_weight = atof(optarg);
		else if (option == 'r')
			options.regularization = atof(optarg);
		else if (option == 'w')
			options.is_weighted = 1;
		else if (option == 'g')
			options.is_turned = 0;
		else
			fail("usage: see the head of bench/kernels.c");
	}
	if (optind != argc || options.epochs < 1 || options.epochs > EPOCHS_MAX)
		fail("usage: see the head of bench/kernels.c");
	return options;
}

int
main(int argc, char **argv)
{
	Options		options = read_options(argc, argv);
	Run			run = {0};
	double		peak;
	const char *factors;

	run.users.csr = read_pairs(stdin);
	if (options.is_weighted)
		run.users.csr.weight = random_weights(run.users.csr.start[run.users.csr.rows]);
	run.items.csr = transpose(&run.users.csr);
	peak = sgemm_peak();
	printf("%" PRId64 " users, %" PRId64 " items, %" PRId64 " events%s; sgemm %.1f GFLOP/s (%s)\n",
		   run.users.csr.rows, run.items.csr.rows, run.users.csr.start[run.users.csr.rows],
		   options.is_weighted ? ", weighted" : "", 1e-9 * peak,
		   openblas_get_corename());
	for (factors = options.factors; factors != NULL; factors = strchr(factors, ','))
	{
		factors += *factors == ',';
		run.params = (CrIalsParams) {atoi(factors), options.unobserved_weight,
									 options.regularization, 1.0, CR_SIMD_PORTABLE};
		if (run.params.factors < 1 || run.params.factors > CR_FACTORS_MAX)
			fail("factors are 1 to 512");
		for (int solver = 0; solver < SOLVERS; solver++)
		{
			run.solver = (Solver) solver;
			if (is_listed(options.solvers, solver_names[solver]))
				run_levels(&run, &options, peak);
		}
	}
	return 0;
}
