/*
 * evaluate_score.c
 *		Metrics of the lists: means over users, intervals, strata.
 *
 * A user's figures, of all scorers together, are one row of columns; rows are
 * added up in chunks, once as they are and once for the bootstrap.  Columns
 * that are not defined for every user have another column that says where they
 * are.  A stratum of users takes some rows; a stratum of items lets only its
 * own items count as relevant, for the users who have any.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "core/bootstrap.h"
#include "core/metrics.h"
#include "core/rank.h"
#include "core/vector.h"
#include "train/evaluate_internal.h"

#define SCORERS_MAX		4

/* What is measured at every k. */
typedef enum Metric
{
	METRIC_RECALL,
	METRIC_PRECISION,
	METRIC_NDCG,
	METRIC_MAP,
	METRIC_MRR,
	METRIC_HIT_RATE,
	METRIC_NOVELTY,
	METRIC_DIVERSITY,
	METRIC_AUC,					/* not at any k */
	METRIC_LEAD,				/* nDCG of the model less that of a baseline */
	METRIC_DEFINED				/* 1 where another column is defined; not shown */
} Metric;

static const char *const metric_names[] = {
	"recall", "precision", "ndcg", "map", "mrr", "hit_rate", "novelty", "diversity", "auc", "ndcg"
};

typedef struct Column
{
	Metric		metric;
	int			scorer;
	int			cutoff;			/* -1: none */
	int			defined;		/* column that says where it is */
} Column;

/* Which users, and which of their items count. */
typedef struct Stratum
{
	const char *name;
	int64		seen_low;		/* items seen by the user, both ends included */
	int64		seen_high;
	const uint8 *counts;		/* by position: 1 for items of the stratum; NULL: all */
	bool		missing_count;	/* do items that the catalogue does not have? */
} Stratum;

typedef struct Scoring
{
	const EvaluateCatalogue *catalogue;
	const EvaluateUsers *users;
	const EvaluateLists *lists;
	int			scorers;
	const EvaluateOptions *options;
	EvaluateMemory *memory;
	EvaluateRows *rows;
	Column	   *column;
	int			columns;
	float	   *figures;		/* CR_BOOTSTRAP_USERS rows of columns */
	int32		filled;
	double	   *sums;			/* by column */
	int32		counted;		/* users of the stratum */
	float	   *information;	/* by position: how surprising the item is, bits */
	float	   *inverse_norm;	/* by position, of what was learned; 0: nothing */
	double	   *direction;		/* factors: sum of unit vectors */
	int32	   *ranks;			/* k: of the hits of a list */
	CrBootstrap bootstrap;
	void	   *workspace;
	double	   *means;			/* replicates */
} Scoring;

static int
add_column(Scoring *scoring, Metric metric, int scorer, int cutoff, int defined)
{
	Column	   *column = &scoring->column[scoring->columns];

	column->metric = metric;
	column->scorer = scorer;
	column->cutoff = cutoff;
	column->defined = defined;
	return scoring->columns++;
}

/* In the order in which fill_scorer() writes them. */
static void
make_columns(Scoring *scoring)
{
	int			cutoffs = scoring->options->cutoffs;
	int			always;

	scoring->column = palloc((Size) (1 + scoring->scorers * (2 + cutoffs * 11)) * sizeof(Column));
	scoring->columns = 0;
	always = add_column(scoring, METRIC_DEFINED, 0, -1, 0);
	for (int scorer = 0; scorer < scoring->scorers; scorer++)
	{
		int			defined;

		for (int cutoff = 0; cutoff < cutoffs; cutoff++)
		{
			for (Metric metric = METRIC_RECALL; metric <= METRIC_HIT_RATE; metric++)
				add_column(scoring, metric, scorer, cutoff, always);
			for (Metric metric = METRIC_NOVELTY; metric <= METRIC_DIVERSITY; metric++)
			{
				defined = add_column(scoring, METRIC_DEFINED, scorer, cutoff, 0);
				add_column(scoring, metric, scorer, cutoff, defined);
			}
		}
		defined = add_column(scoring, METRIC_DEFINED, scorer, -1, 0);
		add_column(scoring, METRIC_AUC, scorer, -1, defined);
	}
	for (int scorer = 1; scorer < scoring->scorers; scorer++)
		for (int cutoff = 0; cutoff < cutoffs; cutoff++)
			add_column(scoring, METRIC_LEAD, scorer, cutoff, always);
}

/* Number of columns of one scorer. */
static int
scorer_columns(const Scoring *scoring)
{
	return scoring->options->cutoffs * 10 + 2;
}

static bool
is_test(const EvaluateUsers *users, int32 user, int32 position)
{
	int64		low = users->test_start[user];
	int64		high = users->test_start[user + 1];

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (users->test[middle] < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low < users->test_start[user + 1] && users->test[low] == position;
}

/* Ranks of the user's relevant items in a list. */
static int32
find_hits(const EvaluateUsers *users, const EvaluateLists *lists, const Stratum *stratum,
		  int32 user, int32 *ranks)
{
	const int32 *list = lists->position + (Size) user * (Size) lists->k;
	int32		hits = 0;

	for (int32 i = 0; i < lists->count[user]; i++)
	{
		if ((stratum->counts == NULL || stratum->counts[list[i]]) &&
			is_test(users, user, list[i]))
			ranks[hits++] = i + 1;
	}
	return hits;
}

static int32
count_relevant(const EvaluateUsers *users, const Stratum *stratum, int32 user)
{
	int32		count = stratum->missing_count ? users->missing[user] : 0;

	for (int64 i = users->test_start[user]; i < users->test_start[user + 1]; i++)
		count += stratum->counts == NULL || stratum->counts[users->test[i]];
	return count;
}

/* The six metrics of hits at one k. */
static float *
fill_hits(const int32 *ranks, int32 hits, int32 relevant, int32 k, float *out)
{
	int32		within = 0;

	while (within < hits && ranks[within] <= k)
		within++;
	*out++ = (float) within / (float) relevant;
	*out++ = (float) within / (float) k;
	*out++ = (float) cr_ndcg(ranks, within, relevant, k);
	*out++ = (float) cr_average_precision(ranks, within, relevant, k);
	*out++ = within > 0 ? 1.0f / (float) ranks[0] : 0.0f;
	*out++ = within > 0 ? 1.0f : 0.0f;
	return out;
}

/* A figure with whether it is defined before it. */
static float *
fill_defined(double value, float *out)
{
	bool		is_defined = isfinite(value);

	*out++ = is_defined ? 1.0f : 0.0f;
	*out++ = is_defined ? (float) value : 0.0f;
	return out;
}

/* What the items [from, to) of a list add to the sum of unit vectors; returns how many have one. */
static int32
add_directions(const Scoring *scoring, const int32 *list, int32 from, int32 to)
{
	const EvaluateCatalogue *catalogue = scoring->catalogue;
	int32		added = 0;

	for (int32 i = from; i < to; i++)
	{
		const float *vector = catalogue->vector + (Size) list[i] * (Size) catalogue->stride;
		float		scale = scoring->inverse_norm[list[i]];

		added += scale > 0;
		for (int32 d = 0; d < catalogue->factors; d++)
			scoring->direction[d] += scale * vector[d];
	}
	return added;
}

/* Mean of 1 - cosine over the pairs of n unit vectors, from their sum. */
static double
mean_distance(const Scoring *scoring, int32 count)
{
	double		square = 0;

	for (int32 d = 0; d < scoring->catalogue->factors; d++)
		square += scoring->direction[d] * scoring->direction[d];
	return count < 2 ? NAN : 1 - (square - count) / ((double) count * (count - 1));
}

/* All columns of one scorer for one user. */
static float *
fill_scorer(const Scoring *scoring, const Stratum *stratum, int scorer, int32 user,
			int32 relevant, float *out)
{
	const EvaluateLists *lists = &scoring->lists[scorer];
	const int32 *list = lists->position + (Size) user * (Size) lists->k;
	bool		of_users = stratum->counts == NULL;
	bool		of_catalogue = of_users && scoring->users->negative_start == NULL;
	int32		hits = find_hits(scoring->users, lists, stratum, user, scoring->ranks);
	int32		done = 0;
	int32		directed = 0;
	double		information = 0;

	memset(scoring->direction, 0, (Size) scoring->catalogue->factors * sizeof(double));
	for (int cutoff = 0; cutoff < scoring->options->cutoffs; cutoff++)
	{
		int32		k = scoring->options->k[cutoff];
		int32		until = Min(k, lists->count[user]);

		out = fill_hits(scoring->ranks, hits, relevant, k, out);
		if (of_catalogue)
			directed += add_directions(scoring, list, done, until);
		for (; done < until; done++)
			information += scoring->information[list[done]];
		out = fill_defined(of_catalogue && until > 0 ? information / until : NAN, out);
		out = fill_defined(of_catalogue ? mean_distance(scoring, directed) : NAN, out);
	}
	return fill_defined(of_users ? lists->auc[user] : NAN, out);
}

static void
flush_figures(Scoring *scoring)
{
	if (scoring->filled == 0)
		return;
	for (int32 i = 0; i < scoring->filled; i++)
		for (int c = 0; c < scoring->columns; c++)
			scoring->sums[c] += scoring->figures[(Size) i * scoring->columns + c];
	if (scoring->options->replicates > 0)
		cr_bootstrap_add(&scoring->bootstrap, scoring->figures, scoring->filled);
	scoring->counted += scoring->filled;
	scoring->filled = 0;
	CHECK_FOR_INTERRUPTS();
}

/* The row of one user, if the stratum has him. */
static void
add_user(Scoring *scoring, const Stratum *stratum, int32 user)
{
	const EvaluateUsers *users = scoring->users;
	int64		seen = users->seen_start[user + 1] - users->seen_start[user];
	int32		relevant = count_relevant(users, stratum, user);
	int			cutoffs = scoring->options->cutoffs;
	float	   *row = scoring->figures + (Size) scoring->filled * scoring->columns;
	float	   *out = row;

	CHECK_FOR_INTERRUPTS();
	if (seen < stratum->seen_low || seen > stratum->seen_high || relevant == 0)
		return;
	*out++ = 1;
	for (int scorer = 0; scorer < scoring->scorers; scorer++)
		out = fill_scorer(scoring, stratum, scorer, user, relevant, out);
	for (int scorer = 1; scorer < scoring->scorers; scorer++)
		for (int cutoff = 0; cutoff < cutoffs; cutoff++)
		{
			int			column = 1 + cutoff * 10 + METRIC_NDCG;

			*out++ = row[column] - row[column + scorer * scorer_columns(scoring)];
		}
	if (++scoring->filled == CR_BOOTSTRAP_USERS)
		flush_figures(scoring);
}

static StoredMetric *
add_row(EvaluateRows *rows)
{
	if (rows->count == rows->room)
	{
		rows->room = Max(64, 2 * rows->room);
		rows->row = rows->row == NULL ? palloc((Size) rows->room * sizeof(StoredMetric)) :
			repalloc(rows->row, (Size) rows->room * sizeof(StoredMetric));
	}
	return &rows->row[rows->count++];
}

static int
compare_doubles(const void *left, const void *right)
{
	double		a = *(const double *) left;
	double		b = *(const double *) right;

	return a < b ? -1 : a > b;
}

void
EvaluateInterval(double *means, int32 count, double confidence, double *low, double *high)
{
	qsort(means, (size_t) count, sizeof(double), compare_doubles);
	*low = cr_quantile(means, count, (1 - confidence) / 2);
	*high = cr_quantile(means, count, (1 + confidence) / 2);
}

static void
set_interval(Scoring *scoring, int column, StoredMetric *row)
{
	int32		count;

	row->low = row->high = NAN;
	if (scoring->options->replicates == 0)
		return;
	count = cr_bootstrap_means(&scoring->bootstrap, column, scoring->column[column].defined,
							   scoring->means);
	EvaluateInterval(scoring->means, count, scoring->options->confidence, &row->low, &row->high);
}

static const char *
scorer_name(const Scoring *scoring, const Column *column)
{
	const char *name = scoring->lists[column->scorer].name;

	return column->metric != METRIC_LEAD ? name :
		psprintf("%s - %s", scoring->lists[0].name, name);
}

static void
emit_column(Scoring *scoring, const Stratum *stratum, int number)
{
	const Column *column = &scoring->column[number];
	double		users = scoring->sums[column->defined];
	StoredMetric *row;

	CHECK_FOR_INTERRUPTS();
	if (column->metric == METRIC_DEFINED || users == 0)
		return;
	row = add_row(scoring->rows);
	row->scorer = scorer_name(scoring, column);
	row->stratum = stratum->name;
	row->metric = metric_names[column->metric];
	row->k = column->cutoff < 0 ? 0 : scoring->options->k[column->cutoff];
	row->value = scoring->sums[number] / users;
	row->users = (int64) users;
	set_interval(scoring, number, row);
}

static void
score_stratum(Scoring *scoring, const Stratum *stratum)
{
	scoring->counted = 0;
	memset(scoring->sums, 0, (Size) scoring->columns * sizeof(double));
	if (scoring->options->replicates > 0)
		cr_bootstrap_begin(&scoring->bootstrap, scoring->options->replicates, scoring->columns,
						   scoring->options->seed, scoring->workspace);
	for (int32 user = 0; user < scoring->users->users; user++)
		add_user(scoring, stratum, user);
	flush_figures(scoring);
	for (int column = 0; column < scoring->columns; column++)
		emit_column(scoring, stratum, column);
}

static int
compare_counts(const void *left, const void *right)
{
	int64		a = *(const int64 *) left;
	int64		b = *(const int64 *) right;

	CHECK_FOR_INTERRUPTS();
	return a < b ? -1 : a > b;
}

static void
emit_whole(Scoring *scoring, int scorer, const char *metric, int32 k, double value)
{
	StoredMetric *row = add_row(scoring->rows);

	row->scorer = scoring->lists[scorer].name;
	row->stratum = "all";
	row->metric = metric;
	row->k = k;
	row->value = value;
	row->low = row->high = NAN;
	row->users = scoring->users->users;
}

/* How much of the catalogue the lists show, and how unevenly. */
static void
score_coverage(Scoring *scoring, int scorer, int32 k, int64 *shown)
{
	const EvaluateLists *lists = &scoring->lists[scorer];
	int32		items = scoring->catalogue->items;
	int64		covered = 0;

	memset(shown, 0, (Size) items * sizeof(int64));
	for (int32 user = 0; user < scoring->users->users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int32 i = 0; i < Min(k, lists->count[user]); i++)
			shown[lists->position[(Size) user * (Size) lists->k + i]]++;
	}
	for (int32 i = 0; i < items; i++)
		covered += shown[i] > 0;
	qsort(shown, (size_t) items, sizeof(int64), compare_counts);
	emit_whole(scoring, scorer, "coverage", k, (double) covered / items);
	emit_whole(scoring, scorer, "gini", k, cr_gini(shown, items));
}

/* Of items: how surprising they are, and how long what was learned of them is. */
static void
look_at_items(Scoring *scoring)
{
	const EvaluateCatalogue *catalogue = scoring->catalogue;
	int32		items = catalogue->items;

	scoring->information = EvaluateAlloc(scoring->memory, items, sizeof(float));
	scoring->inverse_norm = EvaluateAlloc(scoring->memory, items, sizeof(float));
	for (int32 i = 0; i < items; i++)
	{
		double		share = (double) catalogue->users[i] / (double) Max(catalogue->known_users, 1);
		float		norm = catalogue->dims == 0 ? 0 :
			cr_norm_upper(catalogue->vector + (Size) i * (Size) catalogue->stride,
						  catalogue->factors);

		scoring->information[i] = (float) -log2(Max(share, 1e-9));
		scoring->inverse_norm[i] = norm > 0 ? 1 / norm : 0;
	}
}

static void
scoring_init(Scoring *scoring)
{
	int32		replicates = scoring->options->replicates;
	int32		k = 1;

	make_columns(scoring);
	for (int scorer = 0; scorer < scoring->scorers; scorer++)
		k = Max(k, scoring->lists[scorer].k);
	scoring->figures = EvaluateAlloc(scoring->memory,
									 (int64) CR_BOOTSTRAP_USERS * scoring->columns,
									 sizeof(float));
	scoring->sums = palloc((Size) scoring->columns * sizeof(double));
	scoring->direction = palloc((Size) Max(scoring->catalogue->factors, 1) * sizeof(double));
	scoring->ranks = palloc((Size) k * sizeof(int32));
	scoring->means = palloc((Size) Max(replicates, 1) * sizeof(double));
	scoring->workspace = EvaluateAlloc(scoring->memory, 1,
									   cr_bootstrap_workspace_size(replicates,
																   scoring->columns));
	look_at_items(scoring);
}

static void
score_activity(Scoring *scoring)
{
	static const Stratum strata[] = {
		{"activity 0", 0, 0, NULL, true},
		{"activity 1-4", 1, 4, NULL, true},
		{"activity 5-19", 5, 19, NULL, true},
		{"activity 20-99", 20, 99, NULL, true},
		{"activity 100+", 100, PG_INT64_MAX, NULL, true}
	};

	for (int i = 0; i < (int) lengthof(strata); i++)
		score_stratum(scoring, &strata[i]);
}

/* Items of a third of all pairs each: the most popular, the middle, the long tail. */
static void
score_popularity(Scoring *scoring, uint8 *counts)
{
	static const char *const names[] = {"popularity head", "popularity middle",
	"popularity tail"};
	const EvaluateCatalogue *catalogue = scoring->catalogue;
	double		total = 0;

	for (int32 i = 0; i < catalogue->items; i++)
		total += catalogue->users[i];
	for (int third = 0; third < 3; third++)
	{
		Stratum		stratum = {names[third], 0, PG_INT64_MAX, counts, false};
		double		before = 0;

		for (int32 i = 0; i < catalogue->items; i++)
		{
			int32		position = catalogue->by_users[i];

			counts[position] = Min((int) (3 * before / Max(total, 1)), 2) == third;
			before += catalogue->users[position];
		}
		score_stratum(scoring, &stratum);
	}
}

static void
score_ages(Scoring *scoring, uint8 *counts)
{
	static const struct
	{
		const char *name;
		float		low;		/* days */
		float		high;
	}			ages[] = {
		{"item age 0-6 days", -INFINITY, 7},
		{"item age 7-29 days", 7, 30},
		{"item age 30-364 days", 30, 365},
		{"item age 365+ days", 365, INFINITY}
	};
	const EvaluateCatalogue *catalogue = scoring->catalogue;
	Stratum		unknown = {"item age new", 0, PG_INT64_MAX, counts, true};

	memset(counts, 0, (Size) catalogue->items);
	score_stratum(scoring, &unknown);
	for (int i = 0; i < (int) lengthof(ages); i++)
	{
		Stratum		stratum = {ages[i].name, 0, PG_INT64_MAX, counts, false};

		for (int32 at = 0; at < catalogue->items; at++)
			counts[at] = catalogue->age[at] >= ages[i].low && catalogue->age[at] < ages[i].high;
		score_stratum(scoring, &stratum);
	}
}

void
EvaluateMeasureParse(const char *text, EvaluateMeasure *measure)
{
	const char *at = strchr(text, '@');

	for (int metric = METRIC_RECALL; metric <= METRIC_HIT_RATE && at != NULL; metric++)
	{
		char	   *end;
		long		k;

		if (strlen(metric_names[metric]) != (size_t) (at - text) ||
			strncmp(metric_names[metric], text, (size_t) (at - text)) != 0)
			continue;
		errno = 0;
		k = strtol(at + 1, &end, 10);
		if (errno != 0 || end == at + 1 || *end != '\0' || k < 1 || k > EVALUATE_K_MAX)
			break;
		measure->metric = metric;
		measure->k = (int32) k;
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized metric \"%s\"", text),
			 errhint("Use recall, precision, ndcg, map, mrr or hit_rate with a k from 1 to %d, such as ndcg@10.",
					 EVALUATE_K_MAX)));
}

void
EvaluateFigures(const EvaluateUsers *users, const EvaluateLists *lists,
				const EvaluateMeasure *measure, float *figures)
{
	static const Stratum all = {"all", 0, PG_INT64_MAX, NULL, true};
	int32	   *ranks = palloc((Size) Max(lists->k, 1) * sizeof(int32));
	float		metrics[METRIC_HIT_RATE + 1];

	for (int32 user = 0; user < users->users; user++)
	{
		int32		hits = find_hits(users, lists, &all, user, ranks);

		CHECK_FOR_INTERRUPTS();
		(void) fill_hits(ranks, hits, count_relevant(users, &all, user), measure->k, metrics);
		figures[user] = metrics[measure->metric];
	}
	pfree(ranks);
}

void
EvaluateScore(const EvaluateCatalogue *catalogue, const EvaluateUsers *users,
			  const EvaluateLists *lists, int scorers, const EvaluateOptions *options,
			  EvaluateMemory *memory, EvaluateRows *rows)
{
	static const Stratum all = {"all", 0, PG_INT64_MAX, NULL, true};
	Scoring		scoring = {.catalogue = catalogue, .users = users, .lists = lists,
	.scorers = scorers, .options = options, .memory = memory, .rows = rows};
	int64	   *shown = EvaluateAlloc(memory, catalogue->items, sizeof(int64));
	uint8	   *counts = EvaluateAlloc(memory, catalogue->items, 1);

	scoring_init(&scoring);
	score_stratum(&scoring, &all);
	for (int scorer = 0; scorer < scorers && users->negative_start == NULL; scorer++)
		for (int cutoff = 0; cutoff < options->cutoffs; cutoff++)
			score_coverage(&scoring, scorer, options->k[cutoff], shown);
	if (!options->strata)
		return;
	score_activity(&scoring);
	score_popularity(&scoring, counts);
	if (catalogue->age != NULL)
		score_ages(&scoring, counts);
}
