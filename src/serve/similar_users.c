/*
 * similar_users.c
 *		The users nearest to another user, by what was learned.
 *
 * All users of the version are compared, in the order of their ids; there are
 * no blocks of users as there are of items, since nothing that is asked often
 * looks for users.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/embedding.h"
#include "core/vector.h"
#include "serve/similar_users.h"
#include "store/model.h"
#include "store/reader.h"

enum { USER_VERSION, USER_ID, USER_EMBEDDING };

static const LookupLayout users_layout = {
	MODEL_USER_EMBEDDING, 2, 3,
	{{"version", INT4OID}, {"user_id", InvalidOid}, {"embedding", BYTEAOID}}
};

typedef struct UserSearch
{
	Lookup		lookup;
	const DeployedVersion *deployed;
	Datum		user;			/* whom the others are compared with */
	const float *query;			/* his embedding */
	double		norm;			/* its norm */
	float	   *embedding;		/* of the user being compared */
	Best		best;
} UserSearch;

static bool
IsUser(const UserSearch *search, Lookup *lookup, Datum other)
{
	ScanKey		key = &lookup->key[1];

	return DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation, search->user, other));
}

/* Offer the user of the current row. */
static void
CompareUser(UserSearch *search)
{
	int32		dims = search->deployed->factors;
	const uint8 *bytes;
	bool		is_null;
	Size		length;
	Datum		other = LookupValue(&search->lookup, USER_ID, &is_null);
	double		norm;
	double		cosine;
	CrStatus	status;

	if (is_null || IsUser(search, &search->lookup, other))
		return;
	bytes = LookupBytes(&search->lookup, USER_EMBEDDING, &length);
	if (bytes == NULL)
		return;
	status = cr_embedding_decode(bytes, length, search->deployed->dims, search->embedding);
	if (status != CR_OK)
		CheckStoredBytes(status, ModelSchemaName(search->lookup.schema),
						 psprintf("embedding of user \"%s\"",
								  IdToCString(other, search->lookup.id_kind)));
	norm = cr_norm_upper(search->embedding, dims);
	if (norm == 0)
		return;
	cosine = cr_dot(search->query, search->embedding, dims) / (search->norm * norm);
	if (!isfinite(cosine))
		CheckComputation(CR_NOT_FINITE, psprintf("similarity of user \"%s\"",
												 IdToCString(other, search->lookup.id_kind)));
	BestOffer(&search->best, (float) Min(Max(cosine, -1.0), 1.0), 0, other);
}

static void
SearchUsers(UserSearch *search, Oid schema)
{
	Datum		version = Int32GetDatum(search->deployed->version);

	LookupOpen(&search->lookup, schema, &users_layout);
	LookupStart(&search->lookup, 1, &version);
	while (LookupNext(&search->lookup))
	{
		CHECK_FOR_INTERRUPTS();
		CompareUser(search);
	}
	LookupClose(&search->lookup);
}

/* The inner product of two users' confidences, whose items ascend. */
static double
ConfidenceDot(const StoredUser *a, const StoredUser *b)
{
	double		dot = 0;
	uint32		i = 0;
	uint32		j = 0;

	while (i < a->seen_count && j < b->seen_count)
	{
		uint32		a_no = a->seen[i] >> 1;
		uint32		b_no = b->seen[j] >> 1;

		if (a_no == b_no)
			dot += (double) a->confidence[i] * b->confidence[j];
		i += a_no <= b_no;
		j += b_no <= a_no;
	}
	return dot;
}

/* All users by what they want: what their items have in common is what scores come from. */
static void
SearchByConfidence(UserSearch *search, Oid schema, const StoredUser *query)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "commrec user",
												  ALLOCSET_DEFAULT_SIZES);
	double		square = ConfidenceDot(query, query);
	UserReader	users;

	UserReaderOpen(&users, schema, search->deployed);
	UserReaderStart(&users);
	while (UserReaderNext(&users))
	{
		MemoryContext old_context = MemoryContextSwitchTo(scratch);
		StoredUser	stored;
		double		norm;

		CHECK_FOR_INTERRUPTS();
		UserReaderGet(&users, &stored);
		MemoryContextSwitchTo(old_context);
		norm = sqrt(square * ConfidenceDot(&stored, &stored));
		if (norm > 0 && !IsUser(search, &users.lookup, UserReaderId(&users)))
			BestOffer(&search->best, (float) Min(ConfidenceDot(query, &stored) / norm, 1.0), 0,
					  UserReaderId(&users));
		MemoryContextReset(scratch);
	}
	UserReaderClose(&users);
	MemoryContextDelete(scratch);
}

int32
SimilarUsers(Oid schema, Datum user, int32 k, BestRow **rows)
{
	DeployedVersion deployed;
	StoredUser	stored;
	UserSearch	search;

	ReadDeployedVersion(schema, &deployed);
	if (!ReadUser(schema, &deployed, user, &stored) || stored.embedding == NULL)
		return 0;
	search.deployed = &deployed;
	search.user = user;
	search.query = stored.embedding;
	search.norm = cr_norm_upper(stored.embedding, deployed.factors);
	search.embedding = palloc(sizeof(float) * deployed.dims);
	if (search.norm == 0 && !ScoresByLists(&deployed))
		return 0;
	BestInit(&search.best, k, LookupIdKind(schema, MODEL_USER_EMBEDDING, "user_id"));
	if (ScoresByLists(&deployed))
		SearchByConfidence(&search, schema, &stored);
	else
		SearchUsers(&search, schema);
	*rows = search.best.rows;
	return BestFinish(&search.best);
}
