/*
 * costs.c
 *		What each phase of a training costs: seconds of the clock and of the CPU.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/parallel.h"

#include "train/costs.h"

static const char *const phase_names[TRAIN_PHASES] = {
	"read", "map", "knowledge", "validation", "csr", "epochs", "publish"
};

static double
TimevalSeconds(const struct timeval *time)
{
	return (double) time->tv_sec + (double) time->tv_usec / 1e6;
}

double
ProcessCpuSeconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return TimevalSeconds(&usage.ru_utime) + TimevalSeconds(&usage.ru_stime);
}

double
CostsEpochBegin(void)
{
	return IsParallelWorker() ? 0 : ProcessCpuSeconds();
}

void
CostsEpochEnd(pg_atomic_uint64 *epoch, pg_atomic_uint64 *workers, double *counted)
{
	double		cpu_seconds = ProcessCpuSeconds();
	int64		spent = (int64) ((cpu_seconds - *counted) * 1e6);

	pg_atomic_fetch_add_u64(epoch, spent);
	if (IsParallelWorker())
		pg_atomic_fetch_add_u64(workers, spent);
	*counted = cpu_seconds;
}

double *
CostsEpochSeconds(pg_atomic_uint64 *epoch, int epochs)
{
	double	   *seconds = (double *) palloc(Max(epochs, 1) * sizeof(double));

	for (int i = 0; i < epochs; i++)
		seconds[i] = (double) pg_atomic_read_u64(&epoch[i]) / 1e6;
	return seconds;
}

void
CostsBegin(TrainCosts *costs, TrainPhase phase)
{
	CostsEnd(costs);
	costs->is_running = true;
	costs->current = phase;
	costs->cpu_started = ProcessCpuSeconds();
	INSTR_TIME_SET_CURRENT(costs->started);
}

void
CostsAddWorkers(TrainCosts *costs, double cpu_seconds)
{
	Assert(costs->is_running);
	costs->phase[costs->current].cpu_seconds += cpu_seconds;
}

void
CostsEnd(TrainCosts *costs)
{
	PhaseCost  *cost = &costs->phase[costs->current];
	instr_time	now;

	if (!costs->is_running)
		return;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, costs->started);
	cost->seconds += INSTR_TIME_GET_DOUBLE(now);
	cost->cpu_seconds += ProcessCpuSeconds() - costs->cpu_started;
	costs->is_running = false;
}

const char *
PhaseName(TrainPhase phase)
{
	return phase_names[phase];
}

void
CostsReport(const TrainCosts *costs)
{
	for (int i = 0; i < TRAIN_PHASES; i++)
		ereport(INFO,
				(errmsg_internal("%-10s %9.3f s %9.3f s of CPU", phase_names[i],
								 costs->phase[i].seconds, costs->phase[i].cpu_seconds)));
}
