/*
 * progress.c
 *		Telling what a training does: pg_stat_activity, verbose lines, time left.
 *
 * A Progress belongs to one process.  Workers fill one of their own, so that
 * every participant's line in pg_stat_activity tells the same story.
 */
#include "postgres.h"

#include <math.h>

#include "pgstat.h"
#include "tcop/tcopprot.h"

#include "train/progress.h"

#define REPORT_INTERVAL		0.1		/* seconds between changes of the text */
#define BAR_WIDTH			16
#define TEXT_SIZE			512
#define MAIN_PHASE			"training"	/* goes without saying while epochs run */

/* Below this fraction an estimate of the time left says nothing. */
#define DONE_MIN_FOR_ESTIMATE	0.01

static double
seconds_since(instr_time then)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, then);
	return INSTR_TIME_GET_DOUBLE(now);
}

bool
ProgressIsDue(const Progress *progress)
{
	return !progress->is_quiet &&
		(INSTR_TIME_IS_ZERO(progress->reported) ||
		 seconds_since(progress->reported) >= REPORT_INTERVAL);
}

/* If the text may change again, the clock of the throttle starts anew. */
static bool
begin_report(Progress *progress)
{
	if (!ProgressIsDue(progress))
		return false;
	INSTR_TIME_SET_CURRENT(progress->reported);
	return true;
}

/* Seconds that the rest will take if it goes on as it went; negative if unknown. */
static double
seconds_left(const Progress *progress, double done)
{
	if (done < DONE_MIN_FOR_ESTIMATE)
		return -1;
	return seconds_since(progress->epochs_started) * (1.0 - done) / done;
}

void
ProgressBegin(Progress *progress, const char *model, bool verbose)
{
	memset(progress, 0, sizeof(Progress));
	strlcpy(progress->model, model, sizeof(progress->model));
	progress->verbose = verbose;
	INSTR_TIME_SET_CURRENT(progress->started);
	progress->epochs_started = progress->started;
}

void
ProgressPhase(Progress *progress, const char *phase, int64 count)
{
	char		text[TEXT_SIZE];
	char		number[32] = "";
	bool		is_new = strcmp(progress->phase, phase) != 0;

	if (is_new)
	{
		strlcpy(progress->phase, phase, sizeof(progress->phase));
		INSTR_TIME_SET_CURRENT(progress->epochs_started);
		INSTR_TIME_SET_ZERO(progress->reported);
		if (progress->verbose)
			ereport(INFO, (errmsg_internal("%s", phase)));
	}
	if (!begin_report(progress))
		return;

	if (count >= 0)
		snprintf(number, sizeof(number), " " INT64_FORMAT, count);
	snprintf(text, sizeof(text), "commrec: training %s, %s%s", progress->model, progress->phase,
			 number);
	pgstat_report_activity(STATE_RUNNING, text);
}

void
ProgressEpoch(Progress *progress, int epoch, int epochs, const char *side, double done)
{
	char		text[TEXT_SIZE];
	char		left[32] = "";
	bool		is_main = strcmp(progress->phase, MAIN_PHASE) == 0;
	double		seconds;

	if (!begin_report(progress))
		return;

	seconds = seconds_left(progress, done);
	if (seconds >= 0)
		snprintf(left, sizeof(left), ", %.0f s left", seconds);
	snprintf(text, sizeof(text), "commrec: training %s, %s%sepoch %d/%d, %s%s%d %%%s", progress->model,
			 is_main ? "" : progress->phase, is_main ? "" : ", ", epoch, epochs,
			 side == NULL ? "" : side, side == NULL ? "" : ", ", (int) floor(100.0 * done), left);
	pgstat_report_activity(STATE_RUNNING, text);
}

void
ProgressEpochDone(Progress *progress, int epoch, int epochs, double loss, double seconds)
{
	double		done = (double) epoch / epochs;
	char		bar[BAR_WIDTH + 1];
	char		total[16];
	int			width = snprintf(total, sizeof(total), "%d", epochs);

	if (!progress->verbose)
		return;

	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < (int) (done * BAR_WIDTH + 0.5) ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	ereport(INFO,
			(errmsg_internal("epoch %*d/%s [%s] %3d %%  %s%.2f s  %.0f s left",
							 width, epoch, total, bar, (int) floor(100.0 * done),
							 isnan(loss) ? "" : psprintf("loss %.6g  ", loss), seconds,
							 Max(seconds_left(progress, done), 0.0))));
}

void
ProgressEnd(Progress *progress)
{
	progress->phase[0] = '\0';
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
}
