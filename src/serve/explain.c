/*
 * explain.c
 *		What a user's past items contribute to the score of an item.
 *
 * The user's vector is x = A^-1 sum c_i y_i over his items i, so that the score
 * of item j is y_j'x = sum c_i (y_j' A^-1 y_i) (Hu, Koren & Volinsky 2008,
 * section 5).  A is made from the stored Gram matrix and his preferences; his
 * items' vectors are read twice, first to add up A, then to be weighed, so
 * that memory does not grow with them.  The stored x has been rounded, and
 * comes from a solver that may not have been exact: what these contributions
 * do not explain of the score is spread over them in proportion where it is
 * no more than rounding, and is told apart otherwise.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/seen.h"
#include "core/vector.h"
#include "serve/chain.h"
#include "serve/explain.h"
#include "store/fold_in.h"
#include "store/model.h"

/* Beyond this part of the largest score that vectors of such lengths can have, a difference is not rounding. */
#define ROUNDING	1e-5

typedef struct Explanation
{
	Oid			schema;
	const DeployedVersion *deployed;
	Datum		user;
	StoredUser	stored;
	float	   *preferences;	/* of the seen items */
	float	   *target;			/* the item's embedding */
	double	   *weights;		/* A^-1 y_j */
	ItemReader	items;			/* by number */
	float	   *embedding;		/* of the past item that is looked at */
	FoldIn		fold;
	Contribution *rows;
	int32		count;
} Explanation;

const char *
ContributionSourceName(ContributionSource source)
{
	static const char *const names[] = {"item", "popularity", "rest"};

	return names[source];
}

/* The item to be explained; false if the version does not know it. */
static bool
ReadTarget(Explanation *explanation, Datum item_id, StoredItem *item)
{
	ItemReader	items;
	bool		found;

	ItemReaderOpen(&items, explanation->schema, explanation->deployed, ITEM_BY_ID);
	found = ItemReaderFindId(&items, item_id);
	if (found)
	{
		ItemReaderGet(&items, item);
		if (explanation->stored.embedding != NULL)
			ItemReaderEmbedding(&items, explanation->target);
	}
	ItemReaderClose(&items);
	return found;
}

static Contribution *
AddRow(Explanation *explanation, ContributionSource source, double amount)
{
	Contribution *row = &explanation->rows[explanation->count++];

	memset(row, 0, sizeof(*row));
	row->place = explanation->count;
	row->source = source;
	row->amount = amount;
	return row;
}

/* The embedding of the i-th seen item; false if nothing is preferred about it. */
static bool
ReadPast(Explanation *explanation, uint32 i)
{
	CHECK_FOR_INTERRUPTS();
	if (!(explanation->preferences[i] > 0))
		return false;
	ItemReaderFindNo(&explanation->items, (int32) (explanation->stored.seen[i] >> 1));
	ItemReaderEmbedding(&explanation->items, explanation->embedding);
	return true;
}

/* First pass: A, from all that the user prefers.  A confidence of 0 marks what does not count. */
static float *
AddUpPast(Explanation *explanation)
{
	uint32		count = explanation->stored.seen_count;
	float	   *confidence = palloc_extended(sizeof(float) * Max(count, 1),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 i = 0; i < count; i++)
	{
		if (ReadPast(explanation, i))
			(void) FoldInAdd(&explanation->fold, explanation->embedding,
							 explanation->preferences[i], &confidence[i]);
	}
	FoldInFinish(&explanation->fold);
	return confidence;
}

static double
Dot(const double *a, const float *b, int32 dims)
{
	double		sum = 0;

	for (int32 i = 0; i < dims; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Second pass: c_i y_i' A^-1 y_j. */
static void
WeighPast(Explanation *explanation, const float *confidence)
{
	int32		factors = explanation->deployed->factors;

	for (int32 i = 0; i < factors; i++)
		explanation->weights[i] = explanation->target[i];
	cr_fold_in_solve(&explanation->fold.solver, explanation->weights);
	for (uint32 i = 0; i < explanation->stored.seen_count; i++)
	{
		Contribution *row;

		if (confidence[i] == 0 || !ReadPast(explanation, i))
			continue;
		row = AddRow(explanation, CONTRIBUTION_ITEM, confidence[i] *
					 Dot(explanation->weights, explanation->embedding, factors));
		row->item_id = ItemReaderId(&explanation->items);
		row->confidence = confidence[i];
	}
}

/* Make the rows add up to the score. */
static void
Reconcile(Explanation *explanation, double score)
{
	int32		dims = explanation->deployed->dims;
	double		largest = (double) cr_norm_upper(explanation->stored.embedding, dims) *
		cr_norm_upper(explanation->target, dims);
	double		rest = score;
	double		size = 0;

	for (int32 i = 0; i < explanation->count; i++)
	{
		rest -= explanation->rows[i].amount;
		size += fabs(explanation->rows[i].amount);
	}
	if (fabs(rest) > ROUNDING * largest)
		AddRow(explanation, CONTRIBUTION_REST, rest);
	else if (size > 0)
	{
		for (int32 i = 0; i < explanation->count; i++)
			explanation->rows[i].amount += rest * (fabs(explanation->rows[i].amount) / size);
	}
}

static int
CompareContributions(const void *left, const void *right)
{
	const Contribution *a = left;
	const Contribution *b = right;

	CHECK_FOR_INTERRUPTS();
	if (a->amount != b->amount)
		return a->amount > b->amount ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

static void
ExplainByModel(Explanation *explanation)
{
	int32		dims = explanation->deployed->dims;
	int32		factors = explanation->deployed->factors;
	float		score = cr_dot(explanation->stored.embedding, explanation->target, dims);

	explanation->preferences = ReadUserPreferences(explanation->schema, explanation->deployed,
												   explanation->user,
												   explanation->stored.seen_count);
	explanation->weights = palloc(sizeof(double) * Max(factors, 1));
	explanation->embedding = palloc(sizeof(float) * dims);
	explanation->rows = palloc_extended(sizeof(Contribution) *
										((Size) explanation->stored.seen_count + 2),
										MCXT_ALLOC_HUGE);
	FoldInBegin(&explanation->fold, explanation->schema, explanation->deployed);
	if (!explanation->fold.is_solvable)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("scores of model \"%s\" cannot be explained", ModelSchemaName(explanation->schema)),
				 errdetail("It learned ratings; contributions of past items are those of a model of preferences."),
				 errhint("Use commrec.similar_items() to show what an item is like, or train with algorithm \"ials\".")));
	ItemReaderOpen(&explanation->items, explanation->schema, explanation->deployed, ITEM_BY_NO);
	WeighPast(explanation, AddUpPast(explanation));
	ItemReaderClose(&explanation->items);
	if (dims > factors)
		AddRow(explanation, CONTRIBUTION_POPULARITY,
			   (double) explanation->stored.embedding[factors] * explanation->target[factors]);
	Reconcile(explanation, score);
	qsort(explanation->rows, explanation->count, sizeof(Contribution), CompareContributions);
}

/* The vector points to one item: that and popularity is all there is. */
static void
ExplainBySimilar(Explanation *explanation, RecommendCall *call)
{
	int32		factors = explanation->deployed->factors;
	StoredUser	stored;
	int32		last;
	Contribution *row;

	(void) UserReaderRead(&call->users, explanation->user, &stored);
	last = ChainLastItem(call, explanation->user, &stored);
	explanation->rows = palloc(2 * sizeof(Contribution));
	row = AddRow(explanation, CONTRIBUTION_ITEM,
				 cr_dot(explanation->stored.embedding, explanation->target, factors));
	row->item_id = ServeViewItemId(call->view, last);
	row->confidence = 1;
	if (explanation->deployed->dims > factors)
		AddRow(explanation, CONTRIBUTION_POPULARITY, explanation->target[factors]);
	Reconcile(explanation, cr_dot(explanation->stored.embedding, explanation->target,
								  explanation->deployed->dims));
	qsort(explanation->rows, explanation->count, sizeof(Contribution), CompareContributions);
}

int32
Explain(RecommendCall *call, Datum user, Datum item_id, Contribution **rows)
{
	ChainRequest request = {.is_known_id = true, .user = user, .is_fresh = false};
	Explanation explanation = {0};
	RecommendSource source;
	StoredItem	item;

	explanation.schema = call->schema;
	explanation.deployed = ServeViewDeployed(call->view);
	explanation.user = user;
	explanation.target = palloc(sizeof(float) * Max(explanation.deployed->dims, 1));
	source = ChainResolve(call, &request, &explanation.stored);
	if (explanation.stored.seen == NULL || !ReadTarget(&explanation, item_id, &item))
		return 0;
	if (source == SOURCE_MODEL)
		ExplainByModel(&explanation);
	else if (source == SOURCE_SIMILAR)
		ExplainBySimilar(&explanation, call);
	else
	{
		explanation.rows = palloc(sizeof(Contribution));
		AddRow(&explanation, CONTRIBUTION_POPULARITY, ChainColdScore(call, &item));
	}
	*rows = explanation.rows;
	return explanation.count;
}
