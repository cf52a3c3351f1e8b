/*
 * fold_in.c
 *		Solving one user against the deployed version: what is stored for it.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"

#include "common/blas.h"
#include "common/errors.h"
#include "core/ials.h"
#include "core/preferences.h"
#include "core/vector.h"
#include "store/fold_in.h"
#include "store/model.h"
#include "store/version.h"

#define ALIGNMENT	64			/* of the solver's workspace */

enum { FOLD_VERSION, FOLD_AGE_ORIGIN, FOLD_GRAM, FOLD_UNTIL, FOLD_EVENTS, FOLD_ITEMS };
enum { USER_VERSION, USER_ID, USER_PREFERENCES };

static const LookupLayout fold_layout = {
	MODEL_FOLD_IN, 1, 6,
	{{"version", INT4OID}, {"age_origin", TIMESTAMPTZOID}, {"gram", BYTEAOID},
	{"folded_until", TIMESTAMPTZOID}, {"folded_events", INT8OID}, {"trained_items", INT4OID}}
};

static const LookupLayout user_layout = {
	MODEL_USER_EMBEDDING, 2, 3,
	{{"version", INT4OID}, {"user_id", InvalidOid}, {"preferences", BYTEAOID}}
};

static void
BeginRidge(FoldIn *fold)
{
	CrStatus	status = cr_fold_in_begin(&fold->solver, fold->deployed->factors, fold->gram,
										  fold->gram_bytes, fold->workspace);

	CheckStoredBytes(status, ModelSchemaName(fold->schema),
					 status == CR_OK ? NULL : psprintf("Gram matrix of version %d",
													   fold->deployed->version));
}

static void
BeginSolver(FoldIn *fold, Lookup *lookup)
{
	int32		factors = fold->deployed->factors;
	char	   *memory = palloc(cr_fold_in_workspace_size(factors) + ALIGNMENT);
	const uint8 *gram = LookupBytes(lookup, FOLD_GRAM, &fold->gram_bytes);

	BlasPrepare();
	fold->workspace = (void *) TYPEALIGN(ALIGNMENT, memory);
	if (gram == NULL)
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(fold->schema),
						 psprintf("Gram matrix of version %d", fold->deployed->version));
	fold->gram = palloc(fold->gram_bytes);
	memcpy(fold->gram, gram, fold->gram_bytes);
	BeginRidge(fold);
}

void
FoldInBegin(FoldIn *fold, Oid schema, const DeployedVersion *deployed)
{
	Datum		version = Int32GetDatum(deployed->version);
	Lookup		lookup;
	bool		is_null;

	fold->schema = schema;
	fold->deployed = deployed;
	ReadVersionHyperparameters(schema, deployed, &fold->used);
	fold->kind = deployed->dims > 0 ? deployed->fold : CR_FOLD_NONE;
	fold->events_until = ReadVersionEventsUntil(schema, deployed);
	LookupOpen(&lookup, schema, &fold_layout);
	LookupStart(&lookup, 1, &version);
	if (!LookupNext(&lookup))
		CheckStoredBytes(CR_CORRUPT, ModelSchemaName(schema),
						 psprintf("row of version %d in table \"%s\"", deployed->version,
								  MODEL_FOLD_IN));
	fold->age_origin = DatumGetTimestampTz(LookupValue(&lookup, FOLD_AGE_ORIGIN, &is_null));
	fold->has_age_origin = !is_null;
	fold->folded_until = DatumGetTimestampTz(LookupValue(&lookup, FOLD_UNTIL, &is_null));
	if (is_null)
		fold->folded_until = DT_NOBEGIN;
	fold->folded_events = DatumGetInt64(LookupValue(&lookup, FOLD_EVENTS, &is_null));
	if (is_null)
		fold->folded_events = 0;
	fold->trained_items = DatumGetInt32(LookupValue(&lookup, FOLD_ITEMS, &is_null));
	if (is_null)
		fold->trained_items = deployed->items;
	if (fold->kind == CR_FOLD_RIDGE)
		BeginSolver(fold, &lookup);
	else if (fold->kind == CR_FOLD_SUM)
		fold->sum = palloc0(sizeof(double) * Max(deployed->factors, 1));
	LookupClose(&lookup);
}

void
FoldInAgain(FoldIn *fold)
{
	if (fold->kind == CR_FOLD_RIDGE)
		BeginRidge(fold);
	else if (fold->kind == CR_FOLD_SUM)
		memset(fold->sum, 0, sizeof(double) * Max(fold->deployed->factors, 1));
}

/* Items that min_item_users left out, and those that nobody likes, have no factors. */
static bool
IsTrained(const FoldIn *fold, const float *embedding)
{
	for (int32 i = 0; i < fold->deployed->factors; i++)
	{
		if (embedding[i] != 0)
			return true;
	}
	return false;
}

bool
FoldInAdd(FoldIn *fold, const float *embedding, double preference, float *confidence)
{
	if (!(preference > 0) || !IsTrained(fold, embedding))
		return false;
	*confidence = UserConfidence(fold->used.alpha, preference);
	if (fold->kind == CR_FOLD_RIDGE)
		cr_fold_in_add(&fold->solver, embedding, *confidence);
	else if (fold->kind == CR_FOLD_SUM)
	{
		for (int32 i = 0; i < fold->deployed->factors; i++)
			fold->sum[i] += (double) *confidence * embedding[i];
	}
	return true;
}

void
FoldInFinish(FoldIn *fold)
{
	CrIalsParams params = {
		.factors = fold->deployed->factors,
		.unobserved_weight = fold->used.unobserved_weight,
		.regularization = fold->used.regularization,
		.regularization_exponent = fold->used.regularization_exponent
	};

	if (fold->kind != CR_FOLD_RIDGE)
		return;
	CheckComputation(cr_fold_in_finish(&fold->solver,
									   cr_ials_row_regularization(&params,
																  fold->solver.weight_sum,
																  fold->trained_items)),
					 "folding a user in");
}

void
FoldInUser(FoldIn *fold, float *embedding)
{
	const DeployedVersion *deployed = fold->deployed;
	CrStatus	status = CR_OK;

	if (fold->kind == CR_FOLD_RIDGE)
		status = cr_fold_in_user(&fold->solver, embedding);
	else
	{
		for (int32 i = 0; i < deployed->factors; i++)
			embedding[i] = (float) fold->sum[i];
		if (!cr_all_finite(embedding, deployed->factors))
			status = CR_NOT_FINITE;
	}
	CheckComputation(status, "folding a user in");
	if (deployed->dims > deployed->factors)
		embedding[deployed->factors] = 1;
}

float *
ReadUserPreferences(Oid schema, const DeployedVersion *deployed, Datum user, uint32 count)
{
	float	   *preferences = palloc_extended(sizeof(float) * Max(count, 1), MCXT_ALLOC_HUGE);
	CrStatus	status = CR_CORRUPT;
	Size		length = 0;
	const uint8 *bytes = NULL;
	Datum		keys[2];
	Lookup		lookup;

	keys[0] = Int32GetDatum(deployed->version);
	keys[1] = user;
	LookupOpen(&lookup, schema, &user_layout);
	LookupStart(&lookup, 2, keys);
	if (LookupNext(&lookup))
		bytes = LookupBytes(&lookup, USER_PREFERENCES, &length);
	if (bytes != NULL)
		status = cr_preferences_decode(bytes, length, count, preferences);
	if (status != CR_OK)
		CheckStoredBytes(status, ModelSchemaName(schema),
						 psprintf("preferences of user \"%s\"",
								  IdToCString(user, lookup.id_kind)));
	LookupClose(&lookup);
	return preferences;
}
