/*
 * explain.c
 *		What a user's past items contribute to the score of an item.
 *
 * How, depends on the model:
 *
 *	iALS		the user's vector is x = A^-1 sum c_i y_i over his items i, so that the
 *				score of item j is y_j'x = sum c_i (y_j' A^-1 y_i) (Hu, Koren & Volinsky
 *				2008, section 5).  A is made from the stored Gram matrix and his preferences.
 *	sums		x = sum c_i y_i: an item contributes c_i (y_i'y_j)
 *	lists		an item contributes c_i W_ij
 *	others		what is learned of a user does not follow from his items in closed form.  It
 *				is projected on them: a = argmin |x - sum a_i y_i|^2 + r |a|^2, so that an
 *				item contributes a_i (y_i'y_j), and what they do not say is the rest.
 *
 * The items' vectors are read twice where there is something to be solved, so
 * that memory does not grow with them.  The stored x has been rounded, and may
 * come from a solver that was not exact: what the contributions do not explain
 * of the score is spread over them in proportion where it is no more than
 * rounding, and is told apart otherwise.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/seen.h"
#include "core/vector.h"
#include "serve/chain.h"
#include "serve/explain.h"
#include "serve/lists.h"
#include "store/fold_in.h"
#include "store/version.h"

/* Beyond this part of the largest score that vectors of such lengths can have, a difference is not rounding. */
#define ROUNDING	1e-5

/* Of a projection: r, in parts of the mean square of the items' norms. */
#define PROJECTION_RIDGE	0.1

#define ALIGNMENT	64			/* of the solver's workspace */

/* Rows beside those of items: popularity, biases and the rest. */
#define OTHER_ROWS	3

typedef struct Explanation
{
	RecommendCall *call;
	Oid			schema;
	const DeployedVersion *deployed;
	Datum		user;
	StoredUser	stored;
	float	   *preferences;	/* of the seen items */
	int32		target_no;		/* the item that is explained */
	float	   *target;			/* its embedding */
	double	   *weights;		/* A^-1 y_j, or A^-1 x */
	ItemReader	items;			/* by number */
	float	   *embedding;		/* of the past item that is looked at */
	FoldIn		fold;
	CrFoldIn	projection;
	Contribution *rows;
	int32		count;
} Explanation;

const char *
ContributionSourceName(ContributionSource source)
{
	static const char *const names[] = {"item", "popularity", "bias", "rest"};

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
		explanation->target_no = item->item_no;
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

/* A row for the i-th seen item, which the reader of items stands on. */
static void
AddPast(Explanation *explanation, double confidence, double amount)
{
	Contribution *row = AddRow(explanation, CONTRIBUTION_ITEM, amount);

	row->item_id = ItemReaderId(&explanation->items);
	row->confidence = confidence;
}

/* Go to the i-th seen item, and get its embedding. */
static void
ReadPast(Explanation *explanation, uint32 i)
{
	CHECK_FOR_INTERRUPTS();
	ItemReaderFindNo(&explanation->items, (int32) (explanation->stored.seen[i] >> 1));
	ItemReaderEmbedding(&explanation->items, explanation->embedding);
}

/*
 * First pass: what the user prefers, with the confidence in it; 0 marks what
 * does not count.  On the way A is added up, if there is one.
 */
static float *
AddUpPast(Explanation *explanation)
{
	uint32		count = explanation->stored.seen_count;
	float	   *confidence = palloc_extended(sizeof(float) * Max(count, 1),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 i = 0; i < count; i++)
	{
		if (!(explanation->preferences[i] > 0))
			continue;
		ReadPast(explanation, i);
		(void) FoldInAdd(&explanation->fold, explanation->embedding, explanation->preferences[i],
						 &confidence[i]);
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

/* Second pass: c_i y_i' A^-1 y_j, or c_i y_i'y_j where x is but a sum. */
static void
WeighPast(Explanation *explanation, const float *confidence)
{
	int32		factors = explanation->deployed->factors;

	for (int32 i = 0; i < factors; i++)
		explanation->weights[i] = explanation->target[i];
	if (explanation->fold.kind == CR_FOLD_RIDGE)
		cr_fold_in_solve(&explanation->fold.solver, explanation->weights);
	for (uint32 i = 0; i < explanation->stored.seen_count; i++)
	{
		if (confidence[i] == 0)
			continue;
		ReadPast(explanation, i);
		AddPast(explanation, confidence[i],
				confidence[i] * Dot(explanation->weights, explanation->embedding, factors));
	}
}

/* Does the i-th seen item say something of the user?  A model of ratings learns from bad ones, too. */
static bool
IsProjected(const Explanation *explanation, const CrAlgorithm *algorithm, uint32 i)
{
	return algorithm->is_explicit || explanation->preferences[i] > 0;
}

/*
 * First pass of a projection: with z = (sum y_i y_i' + r I)^-1 x, the
 * coefficients are a_i = y_i'z.  False if no item has a vector.
 */
static bool
BeginProjection(Explanation *explanation, const CrAlgorithm *algorithm)
{
	int32		factors = explanation->deployed->factors;
	CrFoldIn   *projection = &explanation->projection;
	char	   *memory = palloc(cr_fold_in_workspace_size(factors) + ALIGNMENT);
	double		squares = 0;
	int64		items = 0;

	cr_fold_in_begin_empty(projection, factors, (void *) TYPEALIGN(ALIGNMENT, memory));
	for (uint32 i = 0; i < explanation->stored.seen_count; i++)
	{
		double		norm;

		if (!IsProjected(explanation, algorithm, i))
			continue;
		ReadPast(explanation, i);
		norm = cr_norm_upper(explanation->embedding, factors);
		cr_fold_in_add(projection, explanation->embedding, 1);
		squares += norm * norm;
		items += norm > 0;
	}
	if (items == 0)
		return false;
	CheckComputation(cr_fold_in_finish(projection, PROJECTION_RIDGE * squares / (double) items),
					 "the projection of a user on his items");
	for (int32 i = 0; i < factors; i++)
		explanation->weights[i] = explanation->stored.embedding[i];
	cr_fold_in_solve(projection, explanation->weights);
	return true;
}

/* Second pass: a_i y_i'y_j. */
static void
WeighProjection(Explanation *explanation, const CrAlgorithm *algorithm)
{
	int32		factors = explanation->deployed->factors;

	for (uint32 i = 0; i < explanation->stored.seen_count; i++)
	{
		double		coefficient;

		if (!IsProjected(explanation, algorithm, i))
			continue;
		ReadPast(explanation, i);
		if (cr_norm_upper(explanation->embedding, factors) == 0)
			continue;
		coefficient = Dot(explanation->weights, explanation->embedding, factors);
		AddPast(explanation, coefficient,
				coefficient * cr_dot(explanation->embedding, explanation->target, factors));
	}
}

/* Make the rows add up to the score; what is below ROUNDING of "largest" is not told apart. */
static void
Reconcile(Explanation *explanation, double score, double largest)
{
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

/* The largest score that vectors of such lengths can have. */
static double
LargestScore(const Explanation *explanation)
{
	int32		dims = explanation->deployed->dims;

	return (double) cr_norm_upper(explanation->stored.embedding, dims) *
		cr_norm_upper(explanation->target, dims);
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

/* What is not about the user's items: popularity, and biases and constants, if there are any. */
static void
AddOthers(Explanation *explanation, const CrHyperparameters *used)
{
	int32		popularity = PopularityCoordinate(explanation->deployed, used);
	int32		biases = 0;
	double		bias = 0;

	for (int32 i = explanation->deployed->factors; i < explanation->deployed->dims; i++)
	{
		double		amount = (double) explanation->stored.embedding[i] * explanation->target[i];

		if (i == popularity)
			AddRow(explanation, CONTRIBUTION_POPULARITY, amount);
		else
		{
			bias += amount;
			biases++;
		}
	}
	if (biases > 0)
		AddRow(explanation, CONTRIBUTION_BIAS, bias);
}

static void
ExplainByModel(Explanation *explanation)
{
	const DeployedVersion *deployed = explanation->deployed;
	const CrAlgorithm *algorithm;

	explanation->preferences = ReadUserPreferences(explanation->schema, deployed,
												   explanation->user,
												   explanation->stored.seen_count);
	explanation->weights = palloc(sizeof(double) * Max(deployed->factors, 1));
	explanation->embedding = palloc(sizeof(float) * deployed->dims);
	FoldInBegin(&explanation->fold, explanation->schema, deployed);
	ItemReaderOpen(&explanation->items, explanation->schema, deployed, ITEM_BY_NO);
	algorithm = ReadVersionHyperparameters(explanation->schema, deployed, &explanation->fold.used);
	if (explanation->fold.kind != CR_FOLD_NONE)
		WeighPast(explanation, AddUpPast(explanation));
	else if (deployed->factors > 0 && BeginProjection(explanation, algorithm))
		WeighProjection(explanation, algorithm);
	ItemReaderClose(&explanation->items);
	AddOthers(explanation, &explanation->fold.used);
	Reconcile(explanation, cr_dot(explanation->stored.embedding, explanation->target,
								  deployed->dims), LargestScore(explanation));
}

/* What the lists of his items say. */
static void
ExplainByLists(Explanation *explanation)
{
	const StoredUser *stored = &explanation->stored;
	ServeView  *view = explanation->call->view;
	double		largest = fabs(explanation->target[0]);

	ItemReaderOpen(&explanation->items, explanation->schema, explanation->deployed, ITEM_BY_NO);
	for (uint32 i = 0; i < stored->seen_count; i++)
	{
		int32		item_no = (int32) (stored->seen[i] >> 1);
		double		amount;

		CHECK_FOR_INTERRUPTS();
		if (stored->confidence[i] == 0)
			continue;
		amount = (double) stored->confidence[i] *
			cr_neighbors_weight(ServeViewList(view, item_no), explanation->target_no);
		largest += fabs(amount);
		ItemReaderFindNo(&explanation->items, item_no);
		AddPast(explanation, stored->confidence[i], amount);
	}
	ItemReaderClose(&explanation->items);
	if (explanation->target[0] != 0)
		AddRow(explanation, CONTRIBUTION_POPULARITY, explanation->target[0]);
	Reconcile(explanation, ScoreByLists(view, stored, explanation->target_no,
										explanation->target[0]), largest);
}

/* The vector points to one item: that and popularity is all there is. */
static void
ExplainBySimilar(Explanation *explanation)
{
	int32		factors = explanation->deployed->factors;
	CrHyperparameters used;
	StoredUser	stored;
	int32		last;
	Contribution *row;

	(void) UserReaderRead(&explanation->call->users, explanation->user, &stored);
	last = ChainLastItem(explanation->call, explanation->user, &stored);
	row = AddRow(explanation, CONTRIBUTION_ITEM,
				 cr_dot(explanation->stored.embedding, explanation->target, factors));
	row->item_id = ServeViewItemId(explanation->call->view, last);
	row->confidence = 1;
	ReadVersionHyperparameters(explanation->schema, explanation->deployed, &used);
	AddOthers(explanation, &used);
	Reconcile(explanation, cr_dot(explanation->stored.embedding, explanation->target,
								  explanation->deployed->dims), LargestScore(explanation));
}

int32
Explain(RecommendCall *call, Datum user, Datum item_id, Contribution **rows)
{
	ChainRequest request = {.is_known_id = true, .user = user, .is_fresh = false};
	Explanation explanation = {0};
	RecommendSource source;
	StoredItem	item;

	explanation.call = call;
	explanation.schema = call->schema;
	explanation.deployed = ServeViewDeployed(call->view);
	explanation.user = user;
	explanation.target = palloc(sizeof(float) * Max(explanation.deployed->dims, 1));
	source = ChainResolve(call, &request, &explanation.stored);
	if (explanation.stored.seen == NULL || !ReadTarget(&explanation, item_id, &item))
		return 0;
	explanation.rows = palloc_extended(mul_size(sizeof(Contribution),
												add_size(explanation.stored.seen_count, OTHER_ROWS)),
									   MCXT_ALLOC_HUGE);
	if (source == SOURCE_MODEL && ScoresByLists(explanation.deployed))
		ExplainByLists(&explanation);
	else if (source == SOURCE_MODEL)
		ExplainByModel(&explanation);
	else if (source == SOURCE_SIMILAR)
		ExplainBySimilar(&explanation);
	else
		AddRow(&explanation, CONTRIBUTION_POPULARITY, ChainColdScore(call, &item));
	qsort(explanation.rows, explanation.count, sizeof(Contribution), CompareContributions);
	*rows = explanation.rows;
	return explanation.count;
}
