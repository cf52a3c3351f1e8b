/*
 * metrics_fn.c
 *		Aggregates over scores and relevances: ndcg, recall_at, precision_at,
 *		average_precision, reciprocal_rank, auc; and the interval of a rate.
 *
 * The state of the aggregates is bytea, so that parallel workers and a distributed PostgreSQL
 * pass it along as it is (core/state.h).  A row without a score has NaN there,
 * which no row may give.  Room doubles as it fills, and rows are added in
 * place, where the aggregate owns the state: else every row would copy all
 * before it.  Answers do not depend on the order of the rows: they are sorted,
 * and equal scores are averaged over.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "core/metrics.h"
#include "core/state.h"

PG_FUNCTION_INFO_V1(commrec_metric_accum);
PG_FUNCTION_INFO_V1(commrec_metric_accum_label);
PG_FUNCTION_INFO_V1(commrec_auc_accum);
PG_FUNCTION_INFO_V1(commrec_auc_accum_label);
PG_FUNCTION_INFO_V1(commrec_metric_combine);
PG_FUNCTION_INFO_V1(commrec_ndcg_final);
PG_FUNCTION_INFO_V1(commrec_recall_final);
PG_FUNCTION_INFO_V1(commrec_precision_final);
PG_FUNCTION_INFO_V1(commrec_average_precision_final);
PG_FUNCTION_INFO_V1(commrec_reciprocal_rank_final);
PG_FUNCTION_INFO_V1(commrec_auc_final);
PG_FUNCTION_INFO_V1(commrec_wilson);

#define ROOM_MIN		16
#define ROOM_MAX		((int64) ((MaxAllocSize - VARHDRSZ - CR_RANKING_STATE_HEADER) / sizeof(CrRankingRow)))
#define PASS_PLACES		32768	/* of a ranking between two polls */

/* A state's rows in order, for the final functions. */
typedef struct MetricRanking
{
	CrRankingRow *rows;			/* best score first, in the end those without; equals by relevance */
	int64		count;
	int64		scored;			/* that have a score */
	int64		relevant;
	int64		k;				/* PG_INT64_MAX: all */
} MetricRanking;

/* Take a state apart; anything but a sound one is XX001. */
static void
DecodeState(bytea *bytes, CrRankingState *state)
{
	if (cr_ranking_state_check((const uint8 *) VARDATA(bytes), VARSIZE(bytes) - VARHDRSZ,
							   state) != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the state of an aggregate over a ranking is damaged"),
				 errhint("Call the aggregates, such as commrec.ndcg(), not their support functions.")));
}

/* A new state with room for more rows, in "context"; its header is not there yet. */
static bytea *
MakeState(MemoryContext context, int64 count, int64 room)
{
	bytea	   *bytes;
	Size		size;

	if (count > ROOM_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a ranking has at most " INT64_FORMAT " rows", ROOM_MAX),
				 errhint("Group the rows, by user for instance, and average over the groups.")));
	room = Min(Max(room, ROOM_MIN), ROOM_MAX);
	size = VARHDRSZ + cr_ranking_state_size(room);
	bytes = MemoryContextAllocZero(context, size);
	SET_VARSIZE(bytes, size);
	return bytes;
}

static void
CheckSameK(int64 k, int64 other)
{
	if (k != other)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be the same in all rows of a ranking"),
				 errhint("Group by k, too.")));
}

/* Where the state lives, and whether it may be changed in place. */
static MemoryContext
StateContext(FunctionCallInfo fcinfo, bool *is_ours)
{
	MemoryContext context;

	*is_ours = AggCheckCallContext(fcinfo, &context) != 0;
	return *is_ours ? context : CurrentMemoryContext;
}

/* Add rows to a state (NULL: none yet); the result may be the state itself, grown. */
static bytea *
AddRows(FunctionCallInfo fcinfo, bytea *bytes, const uint8 *rows, int64 count, int64 k)
{
	bool		is_ours;
	MemoryContext context = StateContext(fcinfo, &is_ours);
	CrRankingState state = {0};
	int64		total;

	if (bytes != NULL)
	{
		DecodeState(bytes, &state);
		CheckSameK(state.k, k);
	}
	total = state.count + count;
	if (!is_ours || total > state.room)
	{
		bytes = MakeState(context, total, is_ours ? 2 * total : total);
		if (state.count > 0)
			memcpy(VARDATA(bytes) + CR_RANKING_STATE_HEADER, state.rows,
				   (Size) state.count * sizeof(CrRankingRow));
	}
	cr_ranking_state_put_header(total, k, (uint8 *) VARDATA(bytes));
	memcpy(VARDATA(bytes) + cr_ranking_state_size(state.count), rows,
		   (Size) count * sizeof(CrRankingRow));
	return bytes;
}

static void pg_attribute_noreturn()
ReportOutOfRange(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s", message),
			 errhint("Leave such rows out with FILTER, or give NULL.")));
}

/* k, the argument after the relevance, where the aggregate has one. */
static int64
KArgument(FunctionCallInfo fcinfo)
{
	int32		k;

	if (PG_NARGS() < 4 || PG_ARGISNULL(3))
		return 0;
	k = PG_GETARG_INT32(3);
	if (k < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1, not %d", k),
				 errhint("Give NULL for the whole ranking.")));
	return k;
}

static Datum
AccumulateRow(FunctionCallInfo fcinfo, double relevance)
{
	bytea	   *state = PG_ARGISNULL(0) ? NULL : PG_GETARG_BYTEA_P(0);
	CrRankingRow row;

	row.score = PG_ARGISNULL(1) ? NAN : PG_GETARG_FLOAT8(1);
	row.relevance = relevance;
	if (isnan(row.score) && !PG_ARGISNULL(1))
		ReportOutOfRange("score must not be NaN");
	if (!isfinite(relevance))
		ReportOutOfRange("relevance must be finite");
	PG_RETURN_BYTEA_P(AddRows(fcinfo, state, (const uint8 *) &row, 1, KArgument(fcinfo)));
}

/* metric_accum(state bytea, score double precision, relevance double precision [, k integer]) */
Datum
commrec_metric_accum(PG_FUNCTION_ARGS)
{
	return AccumulateRow(fcinfo, PG_ARGISNULL(2) ? 0.0 : PG_GETARG_FLOAT8(2));
}

/* metric_accum(state bytea, score double precision, relevance boolean [, k integer]) */
Datum
commrec_metric_accum_label(PG_FUNCTION_ARGS)
{
	return AccumulateRow(fcinfo, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2) ? 1.0 : 0.0);
}

/* A row that lacks its score or its label says nothing about either class. */
static Datum
AccumulateLabelled(FunctionCallInfo fcinfo, double label)
{
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		return AccumulateRow(fcinfo, label);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* auc_accum(state bytea, score double precision, label double precision) */
Datum
commrec_auc_accum(PG_FUNCTION_ARGS)
{
	return AccumulateLabelled(fcinfo, PG_ARGISNULL(2) ? 0.0 : PG_GETARG_FLOAT8(2));
}

/* auc_accum(state bytea, score double precision, label boolean) */
Datum
commrec_auc_accum_label(PG_FUNCTION_ARGS)
{
	return AccumulateLabelled(fcinfo, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2) ? 1.0 : 0.0);
}

/* metric_combine(state bytea, other bytea) -> bytea; the second is not touched */
Datum
commrec_metric_combine(PG_FUNCTION_ARGS)
{
	CrRankingState other;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	DecodeState(PG_GETARG_BYTEA_P(1), &other);
	PG_RETURN_BYTEA_P(AddRows(fcinfo, PG_ARGISNULL(0) ? NULL : PG_GETARG_BYTEA_P(0), other.rows,
							  other.count, other.k));
}

/* Best first; polls, since a long ranking takes its time to sort. */
static int
CompareRows(const void *left, const void *right)
{
	const CrRankingRow *a = (const CrRankingRow *) left;
	const CrRankingRow *b = (const CrRankingRow *) right;
	bool		a_scored = !isnan(a->score);
	bool		b_scored = !isnan(b->score);

	CHECK_FOR_INTERRUPTS();
	if (a_scored != b_scored)
		return a_scored ? -1 : 1;
	if (a_scored && a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->relevance > b->relevance ? -1 : a->relevance < b->relevance;
}

static int
CompareRelevances(const void *left, const void *right)
{
	double		a = ((const CrRankingRow *) left)->relevance;
	double		b = ((const CrRankingRow *) right)->relevance;

	CHECK_FOR_INTERRUPTS();
	return a > b ? -1 : a < b;
}

/* The ranking that the argument, a state that is not NULL, describes. */
static void
ReadRanking(FunctionCallInfo fcinfo, MetricRanking *ranking)
{
	CrRankingState state;

	DecodeState(PG_GETARG_BYTEA_P(0), &state);
	ranking->count = state.count;
	ranking->k = state.k == 0 ? PG_INT64_MAX : state.k;
	ranking->rows = palloc_extended((Size) state.count * sizeof(CrRankingRow), MCXT_ALLOC_HUGE);
	memcpy(ranking->rows, state.rows, (Size) state.count * sizeof(CrRankingRow));
	ranking->scored = 0;
	ranking->relevant = 0;
	for (int64 i = 0; i < state.count; i++)
	{
		ranking->scored += !isnan(ranking->rows[i].score);
		ranking->relevant += ranking->rows[i].relevance > 0;
	}
	qsort(ranking->rows, (size_t) state.count, sizeof(CrRankingRow), CompareRows);
}

/* The rows from "from" on with one score; returns where the next score begins. */
static int64
FindTies(const MetricRanking *ranking, int64 from, CrTies *ties)
{
	int64		to = from;

	ties->relevant = 0;
	ties->gain = 0;
	while (to < ranking->scored && ranking->rows[to].score == ranking->rows[from].score)
	{
		ties->relevant += ranking->rows[to].relevance > 0;
		ties->gain += ranking->rows[to].relevance;
		to++;
	}
	ties->count = to - from;
	return to;
}

/* Walk through the ranking; what has no score is at no place. */
static void
WalkRanking(const MetricRanking *ranking, CrRanking *walk)
{
	int64		at = 0;

	cr_ranking_begin(walk, ranking->k);
	while (at < ranking->scored)
	{
		CrTies		ties;
		int64		next = FindTies(ranking, at, &ties);

		cr_ranking_group(walk, &ties);
		for (; at < next; at += PASS_PLACES)
		{
			CHECK_FOR_INTERRUPTS();
			cr_ranking_pass(walk, Min(PASS_PLACES, next - at));
		}
		at = next;
	}
}

/* The DCG of the best order there could be. */
static double
IdealGain(MetricRanking *ranking)
{
	double		gain = 0;

	qsort(ranking->rows, (size_t) ranking->count, sizeof(CrRankingRow), CompareRelevances);
	for (int64 i = 0; i < Min(ranking->relevant, ranking->k); i++)
	{
		if (i % PASS_PLACES == 0)
			CHECK_FOR_INTERRUPTS();
		gain += ranking->rows[i].relevance * cr_discount(i + 1);
	}
	return gain;
}

/* Read and walk; false if no row is relevant, so that the metric is not defined. */
static bool
RankRows(FunctionCallInfo fcinfo, MetricRanking *ranking, CrRanking *walk)
{
	if (PG_ARGISNULL(0))
		return false;
	ReadRanking(fcinfo, ranking);
	WalkRanking(ranking, walk);
	return ranking->relevant > 0;
}

/* ndcg_final(state bytea) -> double precision */
Datum
commrec_ndcg_final(PG_FUNCTION_ARGS)
{
	MetricRanking ranking;
	CrRanking	walk;
	double		ideal;

	if (!RankRows(fcinfo, &ranking, &walk))
		PG_RETURN_NULL();
	for (int64 i = 0; i < ranking.count; i++)
	{
		if (ranking.rows[i].relevance < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("relevance must not be negative, but one is %g",
							ranking.rows[i].relevance),
					 errhint("A gain of 0 stands for what is not relevant.")));
	}
	ideal = IdealGain(&ranking);
	if (!isfinite(ideal))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the sum of the relevances overflows"),
				 errhint("Give smaller relevances.")));
	PG_RETURN_FLOAT8(walk.dcg / ideal);
}

/* recall_final(state bytea) -> double precision */
Datum
commrec_recall_final(PG_FUNCTION_ARGS)
{
	MetricRanking ranking;
	CrRanking	walk;

	if (!RankRows(fcinfo, &ranking, &walk))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(walk.hits / (double) ranking.relevant);
}

/* precision_final(state bytea) -> double precision */
Datum
commrec_precision_final(PG_FUNCTION_ARGS)
{
	MetricRanking ranking;
	CrRanking	walk;
	int64		places;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	(void) RankRows(fcinfo, &ranking, &walk);
	places = ranking.k == PG_INT64_MAX ? ranking.scored : ranking.k;
	if (places == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(walk.hits / (double) places);
}

/* average_precision_final(state bytea) -> double precision */
Datum
commrec_average_precision_final(PG_FUNCTION_ARGS)
{
	MetricRanking ranking;
	CrRanking	walk;

	if (!RankRows(fcinfo, &ranking, &walk))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(walk.precision_sum / (double) ranking.relevant);
}

/* reciprocal_rank_final(state bytea) -> double precision */
Datum
commrec_reciprocal_rank_final(PG_FUNCTION_ARGS)
{
	MetricRanking ranking;
	CrRanking	walk;

	if (!RankRows(fcinfo, &ranking, &walk))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(walk.reciprocal);
}

/* auc_final(state bytea) -> double precision */
Datum
commrec_auc_final(PG_FUNCTION_ARGS)
{
	MetricRanking ranking;
	CrAuc		auc = {0, 0, 0};
	int64		at = 0;
	double		value;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	ReadRanking(fcinfo, &ranking);
	while (at < ranking.scored)
	{
		CrTies		ties;

		at = FindTies(&ranking, at, &ties);
		cr_auc_add(&auc, ties.relevant, ties.count - ties.relevant);
	}
	value = cr_auc_value(&auc);
	if (isnan(value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

/* wilson(successes bigint, trials bigint, confidence double precision) -> rate, low, high */
Datum
commrec_wilson(PG_FUNCTION_ARGS)
{
	int64		successes = PG_GETARG_INT64(0);
	int64		trials = PG_GETARG_INT64(1);
	double		confidence = PG_GETARG_FLOAT8(2);
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};
	TupleDesc	descriptor;
	double		low;
	double		high;

	if (successes < 0 || trials < successes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("successes must be between 0 and trials"),
				 errhint("They are counts: of trials, and of those that succeeded.")));
	if (!(confidence > 0 && confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be above 0 and below 1, not %g", confidence),
				 errhint("Leave it out for 0.95.")));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (trials > 0)
	{
		cr_wilson(successes, trials, cr_normal_quantile((1 + confidence) / 2), &low, &high);
		values[0] = Float8GetDatum((double) successes / (double) trials);
		values[1] = Float8GetDatum(low);
		values[2] = Float8GetDatum(high);
		memset(nulls, false, sizeof(nulls));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
