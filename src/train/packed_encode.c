/*
 * packed_encode.c
 *		From the result of a training to the bytes of a packed model.
 *
 * The format is that of core/pack.h.  Sizes come first, so that the value is
 * allocated once, after it has been counted.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/checksum.h"
#include "common/compat.h"
#include "common/errors.h"
#include "core/pack.h"
#include "core/vector.h"
#include "train/packed.h"

#define PURPOSE		"the packed model"
#define ALGORITHM	"ials"

/* A key to sort items by, in descending order. */
typedef struct Ordered
{
	float		key;
	int32		number;
} Ordered;

typedef struct Encoder
{
	const PackedModel *model;
	MemoryBudget *budget;
	CrPackHeader header;
	uint8	   *out;
	Ordered    *by_norm;		/* by item_no */
	Ordered    *by_popularity;
	int32	   *item_no;		/* by number */
	float	   *vector;			/* dims */
} Encoder;

/* Descending key, then ascending number: a total order, so that any sort gives the same. */
static int
CompareOrdered(const void *left, const void *right)
{
	const Ordered *a = left;
	const Ordered *b = right;

	CHECK_FOR_INTERRUPTS();
	if (a->key != b->key)
		return a->key > b->key ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

/* The vector of an item: its factors, then its popularity. */
static const float *
ItemVector(const Encoder *encoder, int32 number)
{
	const PackedModel *model = encoder->model;

	if (model->factors == 0)
		return encoder->vector;
	memcpy(encoder->vector,
		   model->result->item_factors + (Size) number * model->result->stride,
		   model->factors * sizeof(float));
	if (model->popularity_score != NULL)
		encoder->vector[model->factors] = model->popularity_score[number];
	return encoder->vector;
}

/* NULL if nothing was learned of the user: all zero. */
static const float *
UserVector(const Encoder *encoder, int32 user)
{
	const PackedModel *model = encoder->model;
	const float *row;
	bool		is_learned = false;

	if (model->factors == 0)
		return NULL;
	row = model->result->user_factors + (Size) user * model->result->stride;
	for (int32 i = 0; i < model->factors; i++)
	{
		encoder->vector[i] = row[i];
		is_learned |= row[i] != 0;
	}
	if (model->popularity_score != NULL)
		encoder->vector[model->factors] = 1;
	return is_learned ? encoder->vector : NULL;
}

static void
OrderItems(Encoder *encoder)
{
	int32		items = encoder->header.items;

	for (int32 i = 0; i < items; i++)
	{
		CHECK_FOR_INTERRUPTS();
		encoder->by_norm[i].number = i;
		encoder->by_norm[i].key = cr_norm_upper(ItemVector(encoder, i), encoder->header.dims);
		encoder->by_popularity[i].number = i;
		encoder->by_popularity[i].key = (float) encoder->model->interactions->popularity[i];
		if (!isfinite(encoder->by_norm[i].key))
			CheckComputation(CR_NOT_FINITE, "the norm of an item's embedding");
		if (!isfinite(encoder->by_popularity[i].key))
			CheckComputation(CR_NOT_FINITE, "the popularity of an item");
	}
	qsort(encoder->by_norm, items, sizeof(Ordered), CompareOrdered);
	qsort(encoder->by_popularity, items, sizeof(Ordered), CompareOrdered);
	for (int32 i = 0; i < items; i++)
		encoder->item_no[encoder->by_norm[i].number] = i;
}

/* An id as the core takes it; text stays where the map has it. */
static CrPackId
PackId(IdMap *map, CrPackIdType type, int32 number)
{
	Datum		value = IdMapGet(map, number);
	CrPackId	id = {0};

	if (type == CR_PACK_BIGINT)
	{
		id.integer = DatumGetInt64(value);
		return id;
	}
	id.text = (const uint8_t *) VARDATA_ANY(DatumGetPointer(value));
	id.length = (uint32_t) VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	return id;
}

static uint64
TextBytes(IdMap *map, CrPackIdType type)
{
	uint64		bytes = 0;

	for (int32 i = 0; type == CR_PACK_TEXT && i < IdMapCount(map); i++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += PackId(map, type, i).length;
	}
	return bytes;
}

static uint64
RecordBytes(const Encoder *encoder)
{
	const Touched *touched = &encoder->model->interactions->touched;
	uint64		bytes = 0;

	for (int32 user = 0; user < touched->users; user++)
	{
		CHECK_FOR_INTERRUPTS();
		bytes += cr_pack_record_size(encoder->header.dims, UserVector(encoder, user) != NULL,
									 (uint32) (touched->start[user + 1] - touched->start[user]));
	}
	return bytes;
}

/* All parameters, into "out", or only their size where it is NULL. */
static Size
PutParameters(const Encoder *encoder, uint8 *out)
{
	const CrAlgorithm *algorithm = cr_algorithm_find(ALGORITHM);
	Size		at = 0;

	if (out != NULL)
		cr_pack_put_parameter(out, algorithm->name, NULL);
	at += cr_pack_parameter_size(algorithm->name, NULL);
	for (int i = 0; i < algorithm->parameter_count; i++)
	{
		const CrParameter *parameter = &algorithm->parameters[i];
		const double *value = (const double *)
			((const char *) encoder->model->hyperparameters + parameter->offset);

		if (out != NULL)
			cr_pack_put_parameter(out + at, parameter->name, value);
		at += cr_pack_parameter_size(parameter->name, value);
	}
	return at;
}

static CrPackIdType
PackIdType(IdMap *map)
{
	return IdMapKind(map) == ID_TEXT ? CR_PACK_TEXT : CR_PACK_BIGINT;
}

static void
FillHeader(Encoder *encoder)
{
	const PackedModel *model = encoder->model;
	const PackedInteractions *interactions = model->interactions;
	const EngineResult *result = model->result;
	CrPackHeader *header = &encoder->header;

	header->user_type = PackIdType(interactions->users);
	header->item_type = PackIdType(interactions->items);
	header->factors = model->factors;
	header->dims = model->factors + (model->popularity_score != NULL ? 1 : 0);
	header->users = interactions->touched.users;
	header->items = interactions->touched.items;
	header->pairs = interactions->touched.positive;
	header->rows = model->rows;
	header->epochs = result != NULL ? result->epochs : 0;
	header->loss = result != NULL && result->epochs > 0 ? result->loss[result->epochs - 1] : NAN;
	header->parameter_bytes = (uint32) PutParameters(encoder, NULL);
	encoder->vector = palloc0(Max(header->dims, 1) * sizeof(float));
	cr_pack_layout(header, TextBytes(interactions->items, header->item_type),
				   TextBytes(interactions->users, header->user_type), RecordBytes(encoder));
}

static bytea *
AllocateModel(Encoder *encoder)
{
	uint64		total = encoder->header.total;
	bytea	   *packed;

	if (total > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("packed model of %llu MB is too large, the limit is %zu MB",
						(unsigned long long) total / (1024 * 1024),
						(Size) MaxAllocSize / (1024 * 1024) + 1),
				 errhint("Lower the hyperparameter \"factors\", or use commrec.train().")));
	BudgetReserve(encoder->budget, total, PURPOSE);
	packed = palloc(VARHDRSZ + total);
	SET_VARSIZE(packed, VARHDRSZ + total);
	encoder->out = (uint8 *) VARDATA(packed);
	return packed;
}

static void
PutItems(Encoder *encoder)
{
	const CrPackHeader *header = &encoder->header;
	uint64		text = 0;

	PutParameters(encoder, encoder->out + CR_PACK_HEADER);
	for (int32 item_no = 0; item_no < header->items; item_no++)
	{
		int32		number = encoder->by_norm[item_no].number;
		CrPackItem	item;
		CrPackId	id = PackId(encoder->model->interactions->items, header->item_type, number);

		CHECK_FOR_INTERRUPTS();
		item.norm = encoder->by_norm[item_no].key;
		item.popularity = (float) encoder->model->interactions->popularity[number];
		item.vector = ItemVector(encoder, number);
		cr_pack_put_item(header, encoder->out, item_no, &item);
		cr_pack_put_item_id(header, encoder->out, item_no, &id, &text);
		cr_pack_put_orders(header, encoder->out, item_no,
						   encoder->item_no[encoder->by_popularity[item_no].number],
						   encoder->item_no[item_no]);
	}
}

/* Ascending item_no, which is above the bit of dislike. */
static int
CompareEntries(const void *left, const void *right)
{
	uint32		a = *(const uint32 *) left;
	uint32		b = *(const uint32 *) right;

	CHECK_FOR_INTERRUPTS();
	return a < b ? -1 : a > b;
}

/* What the user has had to do with, into "entries". */
static uint32
FillSeen(const Encoder *encoder, int32 user, uint32 *entries)
{
	const Touched *touched = &encoder->model->interactions->touched;
	int64		from = touched->start[user];
	uint32		count = (uint32) (touched->start[user + 1] - from);

	for (uint32 i = 0; i < count; i++)
		entries[i] = (uint32) encoder->item_no[touched->item[from + i]] << 1 |
			(touched->preference[from + i] < 0 ? 1 : 0);
	qsort(entries, count, sizeof(uint32), CompareEntries);
	return count;
}

static void
PutUsers(Encoder *encoder)
{
	const CrPackHeader *header = &encoder->header;
	uint32	   *entries = BudgetAlloc(encoder->budget, (Size) header->items * sizeof(uint32),
									  PURPOSE);
	uint64		text = 0;
	uint64		records = 0;

	for (int32 user = 0; user < header->users; user++)
	{
		CrPackId	id = PackId(encoder->model->interactions->users, header->user_type, user);
		CrPackUser	packed;

		CHECK_FOR_INTERRUPTS();
		packed.seen = entries;
		packed.seen_count = FillSeen(encoder, user, entries);
		packed.vector = UserVector(encoder, user);
		cr_pack_put_user_id(header, encoder->out, user, &id, &text);
		cr_pack_put_record(header, encoder->out, user, &packed, &records);
	}
	BudgetFree(encoder->budget, entries, (Size) header->items * sizeof(uint32));
}

static void
PutHeader(Encoder *encoder)
{
	CrPackHeader *header = &encoder->header;

	header->items_checksum = ChecksumBytes(encoder->out + CR_PACK_HEADER,
										   header->items_end - CR_PACK_HEADER);
	header->users_checksum = ChecksumBytes(encoder->out + header->items_end,
										   header->users_end - header->items_end);
	cr_pack_put_header(header, encoder->out);
}

bytea *
PackedEncode(const PackedModel *model, MemoryBudget *budget)
{
	Encoder		encoder = {0};
	Size		items = model->interactions->touched.items;
	bytea	   *packed;

	encoder.model = model;
	encoder.budget = budget;
	FillHeader(&encoder);
	encoder.by_norm = BudgetAlloc(budget, items * sizeof(Ordered), PURPOSE);
	encoder.by_popularity = BudgetAlloc(budget, items * sizeof(Ordered), PURPOSE);
	encoder.item_no = BudgetAlloc(budget, items * sizeof(int32), PURPOSE);
	OrderItems(&encoder);
	packed = AllocateModel(&encoder);
	PutItems(&encoder);
	PutUsers(&encoder);
	PutHeader(&encoder);
	BudgetFree(budget, encoder.by_norm, items * sizeof(Ordered));
	BudgetFree(budget, encoder.by_popularity, items * sizeof(Ordered));
	BudgetFree(budget, encoder.item_no, items * sizeof(int32));
	pfree(encoder.vector);
	return packed;
}
