/*
 * forget.c
 *		Users who are to be left out of everything: what is remembered of them.
 *
 * The list is read like everything that serves, on behalf of whoever asks: a
 * reader needs no privilege on it, and gets nothing but "left out" from it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "store/forget.h"
#include "store/model.h"

#define BLOCK_BYTES		64		/* of SHA-256 */
#define INNER_PAD		0x36
#define OUTER_PAD		0x5c

#define FIRST_HASHES	64

static const LookupLayout key_layout = {
	MODEL_FORGET_KEY, 1, 2,
	{{"only_row", BOOLOID}, {"key", BYTEAOID}}
};

static const LookupLayout hash_layout = {
	MODEL_FORGOTTEN, 1, 1,
	{{"user_hash", BYTEAOID}}
};

/* SHA-256 of a padded key and a message: one of the two rounds of an HMAC. */
static bytea *
HashRound(const uint8 *key, uint8 pad, const void *message, Size length)
{
	bytea	   *bytes = palloc(VARHDRSZ + BLOCK_BYTES + length);
	uint8	   *at = (uint8 *) VARDATA(bytes);

	SET_VARSIZE(bytes, VARHDRSZ + BLOCK_BYTES + length);
	for (int i = 0; i < BLOCK_BYTES; i++)
		at[i] = key[i] ^ pad;
	memcpy(at + BLOCK_BYTES, message, length);
	return DatumGetByteaP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(bytes)));
}

/*
 * RFC 2104 over the server's SQL-callable hash, which is there in every version
 * that we support; common/hmac.h is not.
 */
bytea *
ForgetHash(const bytea *key, const char *id)
{
	uint8		block[BLOCK_BYTES] = {0};
	const bytea *inner;

	if (VARSIZE(key) - VARHDRSZ > BLOCK_BYTES)
		key = DatumGetByteaP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(key)));
	memcpy(block, VARDATA(key), VARSIZE(key) - VARHDRSZ);
	inner = HashRound(block, INNER_PAD, id, strlen(id));
	return HashRound(block, OUTER_PAD, VARDATA(inner), VARSIZE(inner) - VARHDRSZ);
}

/* A copy of the model's key; NULL if it has none. */
static bytea *
ReadKey(Oid schema)
{
	Datum		only_row = BoolGetDatum(true);
	Size		length = 0;
	const uint8 *bytes = NULL;
	bytea	   *key = NULL;
	Lookup		lookup;

	LookupOpen(&lookup, schema, &key_layout);
	LookupStart(&lookup, 1, &only_row);
	if (LookupNext(&lookup))
		bytes = LookupBytes(&lookup, 1, &length);
	if (bytes != NULL)
	{
		key = palloc(VARHDRSZ + length);
		SET_VARSIZE(key, VARHDRSZ + length);
		memcpy(VARDATA(key), bytes, length);
	}
	LookupClose(&lookup);
	return key;
}

/* Index order is the order of memcmp. */
static void
ReadHashes(ForgottenUsers *list, Oid schema)
{
	int64		room = FIRST_HASHES;
	Lookup		lookup;

	list->hashes = MemoryContextAllocHuge(CurrentMemoryContext, room * FORGET_HASH_BYTES);
	LookupOpen(&lookup, schema, &hash_layout);
	LookupStart(&lookup, 0, NULL);
	while (LookupNext(&lookup))
	{
		Size		length = 0;
		const uint8 *hash = LookupBytes(&lookup, 0, &length);

		CHECK_FOR_INTERRUPTS();
		if (hash == NULL || length != FORGET_HASH_BYTES)
			continue;
		if (list->count == room)
		{
			room *= 2;
			list->hashes = repalloc_huge(list->hashes, room * FORGET_HASH_BYTES);
		}
		memcpy(list->hashes + FORGET_HASH_BYTES * list->count++, hash, FORGET_HASH_BYTES);
	}
	LookupClose(&lookup);
}

bool
ForgottenLoad(ForgottenUsers *list, Oid schema)
{
	memset(list, 0, sizeof(*list));
	PushActiveSnapshot(GetLatestSnapshot());
	list->key = ReadKey(schema);
	if (list->key != NULL)
		ReadHashes(list, schema);
	PopActiveSnapshot();
	return list->count > 0;
}

static int
CompareHashes(const void *left, const void *right)
{
	return memcmp(left, right, FORGET_HASH_BYTES);
}

bool
ForgottenHas(const ForgottenUsers *list, Datum user, IdKind kind)
{
	const bytea *hash = ForgetHash(list->key, IdToCString(user, kind));

	return bsearch(VARDATA(hash), list->hashes, list->count, FORGET_HASH_BYTES,
				   CompareHashes) != NULL;
}

bool
IsForgotten(Oid schema, Datum user, IdKind kind)
{
	const bytea *key = ReadKey(schema);
	bool		is_forgotten;
	Datum		hash;
	Lookup		lookup;

	if (key == NULL)
		return false;
	hash = PointerGetDatum(ForgetHash(key, IdToCString(user, kind)));
	LookupOpen(&lookup, schema, &hash_layout);
	LookupStart(&lookup, 1, &hash);
	is_forgotten = LookupNext(&lookup);
	LookupClose(&lookup);
	return is_forgotten;
}
