/*
 * packed.c
 *		Answers from a packed model: opening it, and the users and items in it.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/detoast.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "common/checksum.h"
#include "common/compat.h"
#include "common/errors.h"
#include "core/bytes.h"
#include "core/seen.h"
#include "core/topk.h"
#include "core/vector.h"
#include "serve/packed.h"

#define POLL_ITEMS	1024		/* items between two polls for interrupts */

struct OpenPacked
{
	MemoryContext context;
	bool		is_external;	/* "pointer" tells which value it is */
	struct varatt_external pointer;
	bool		has_slices;		/* any part can be had without the others */
	Datum		source;			/* of the bytes */
	CrPackHeader header;
	CrPackItems items;
	bool		has_users;		/* the index of users has been fetched */
	CrPackUsers users;
};

static void
CheckPacked(CrStatus status)
{
	if (status == CR_OK)
		return;
	if (status == CR_UNSUPPORTED_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the packed model is in a newer format"),
				 errhint("Update the extension, or train the model again with commrec.ials().")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the packed model is damaged"),
			 errhint("Train it again with commrec.ials().")));
}

/*
 * Which value it is, if it is stored out of line, and where its bytes come
 * from: slices of the stored value, or all of it where it has to be unpacked.
 */
static void
SetSource(OpenPacked *open, Datum model)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(model);

	open->is_external = VARATT_IS_EXTERNAL_ONDISK(value);
	if (open->is_external)
		VARATT_EXTERNAL_GET_POINTER(open->pointer, value);
	open->has_slices = open->is_external && !VARATT_EXTERNAL_IS_COMPRESSED(open->pointer);
	open->source = open->has_slices ? datumCopy(model, false, -1) :
		PointerGetDatum(PG_DETOAST_DATUM_PACKED(model));
}

/*
 * Copy the bytes [from, to) of the value to *out, in pieces between which a
 * cancel is noticed; returns their checksum, the first "skip" bytes left out.
 */
static uint32
FetchBytes(const OpenPacked *open, uint64 from, uint64 to, Size skip, uint8 **out)
{
	uint64		piece = open->has_slices ? CR_CHECKSUM_CHUNK : Max(to - from, 1);
	uint8	   *bytes = palloc(Max(to - from, 1));

	for (uint64 at = from; at < to; at += piece)
	{
		Size		size = Min(piece, to - at);
		struct varlena *slice = PG_DETOAST_DATUM_SLICE(open->source, (int32) at, (int32) size);

		CHECK_FOR_INTERRUPTS();
		if (VARSIZE_ANY_EXHDR(slice) != size)
			CheckPacked(CR_CORRUPT);
		memcpy(bytes + (at - from), VARDATA_ANY(slice), size);
		pfree(slice);
	}
	*out = bytes;
	return ChecksumBytes(bytes + skip, to - from - skip);
}

OpenPacked *
PackedOpen(Datum model)
{
	OpenPacked *open = palloc0(sizeof(OpenPacked));
	uint64		total = toast_raw_datum_size(model) - VARHDRSZ;
	uint8	   *bytes;

	open->context = CurrentMemoryContext;
	SetSource(open, model);
	(void) FetchBytes(open, 0, Min(total, CR_PACK_HEADER), 0, &bytes);
	CheckPacked(cr_pack_check_header(bytes, total, &open->header));
	pfree(bytes);
	if (FetchBytes(open, 0, open->header.items_end, CR_PACK_HEADER, &bytes) !=
		open->header.items_checksum)
		CheckPacked(CR_CORRUPT);
	CheckPacked(cr_pack_check_items(bytes, &open->header, &open->items));
	return open;
}

bool
PackedIsOpen(const OpenPacked *open, Datum model)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(model);
	struct varatt_external pointer;

	if (!open->is_external || !VARATT_IS_EXTERNAL_ONDISK(value))
		return false;
	VARATT_EXTERNAL_GET_POINTER(pointer, value);
	return memcmp(&pointer, &open->pointer, sizeof(pointer)) == 0;
}

const CrPackHeader *
PackedHeader(const OpenPacked *open)
{
	return &open->header;
}

const CrPackItems *
PackedItems(const OpenPacked *open)
{
	return &open->items;
}

static IdKind
KindOf(CrPackIdType type)
{
	return type == CR_PACK_TEXT ? ID_TEXT : ID_INT8;
}

IdKind
PackedUserKind(const OpenPacked *open)
{
	return KindOf(open->header.user_type);
}

IdKind
PackedItemKind(const OpenPacked *open)
{
	return KindOf(open->header.item_type);
}

static CrPackId
IdFromDatum(Datum value, CrPackIdType type)
{
	CrPackId	id = {0};
	text	   *string;

	if (type == CR_PACK_BIGINT)
	{
		id.integer = DatumGetInt64(value);
		return id;
	}
	string = DatumGetTextPP(value);
	id.text = (const uint8_t *) VARDATA_ANY(string);
	id.length = (uint32_t) VARSIZE_ANY_EXHDR(string);
	return id;
}

static Datum
AnswerId(const OpenPacked *open, int32 item_no)
{
	CrPackId	id = cr_pack_id(&open->items.ids, item_no);

	if (open->header.item_type == CR_PACK_BIGINT)
		return Int64GetDatum(id.integer);
	return PointerGetDatum(cstring_to_text_with_len((const char *) id.text, (int) id.length));
}

/* What is stored of a user; false if he is unknown. */
static bool
ReadUser(const PackedRequest *request, CrPackRecord *record)
{
	OpenPacked *open = request->open;
	const CrPackHeader *header = &open->header;
	CrPackId	id = IdFromDatum(request->id, header->user_type);
	int32		place;
	uint64		from;
	uint64		to;
	uint8	   *bytes;

	if (!open->has_users)
	{
		MemoryContext old_context = MemoryContextSwitchTo(open->context);

		if (FetchBytes(open, header->items_end, header->users_end, 0, &bytes) !=
			header->users_checksum)
			CheckPacked(CR_CORRUPT);
		MemoryContextSwitchTo(old_context);
		CheckPacked(cr_pack_check_users(bytes, header, &open->users));
		open->has_users = true;
	}
	place = cr_pack_find_user(&open->users, &id);
	if (place < 0)
		return false;
	from = cr_pack_record_start(&open->users, header, place);
	to = cr_pack_record_end(&open->users, header, place);
	(void) FetchBytes(open, from, to, 0, &bytes);
	CheckPacked(cr_pack_check_record(bytes, to - from, header, record));
	return true;
}

/* Copy an embedding out; one that is not finite is damage. */
static void
LoadEmbedding(const uint8 *bytes, int32 dims, float *out)
{
	cr_load_floats(bytes, out, dims);
	if (!cr_all_finite(out, dims))
		CheckPacked(CR_CORRUPT);
}

static const uint8 *
ItemEmbedding(const OpenPacked *open, int32 item_no)
{
	return open->items.embeddings + sizeof(float) * (Size) item_no * open->header.dims;
}

/* Items that are not to be recommended, in ascending order. */
typedef struct Excluded
{
	uint32	   *entries;		/* item_no << 1 | disliked */
	uint32		count;
	bool		is_seen_excluded;
} Excluded;

static void
LoadExcluded(const CrPackRecord *record, bool exclude_seen, Excluded *excluded)
{
	excluded->count = record->seen_count;
	excluded->is_seen_excluded = exclude_seen;
	excluded->entries = palloc(sizeof(uint32) * Max(record->seen_count, 1));
	cr_load_u32s(record->seen, excluded->entries, record->seen_count);
}

static bool
IsExcluded(const Excluded *excluded, int32 item_no)
{
	CrSeenState state = cr_seen_lookup(excluded->entries, excluded->count, item_no);

	return state == CR_DISLIKED || (state == CR_SEEN && excluded->is_seen_excluded);
}

static PackedAnswer *
AllocateAnswers(int32 k)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, sizeof(PackedAnswer) * (Size) Max(k, 1));
}

static CrScored *
AllocateTop(int32 k)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CrScored) * (Size) Max(k, 1));
}

static int32
AnswersFromTop(const OpenPacked *open, CrTopK *top, PackedAnswer **answers)
{
	*answers = AllocateAnswers(top->count);
	cr_topk_sort(top);
	for (int32 i = 0; i < top->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		(*answers)[i].item_id = AnswerId(open, top->entries[i].item_no);
		(*answers)[i].score = top->entries[i].score;
		(*answers)[i].is_popular = false;
	}
	return top->count;
}

/*
 * Items descend in norm, so that the first one whose bound falls below the
 * k-th best score ends the walk (Cauchy-Schwarz); the allowance is for the
 * rounding of the inner product's float sum.
 */
static int32
RecommendByModel(const PackedRequest *request, const CrPackRecord *record,
				 const Excluded *excluded, PackedAnswer **answers)
{
	const OpenPacked *open = request->open;
	int32		dims = open->header.dims;
	float	   *user = palloc(sizeof(float) * dims);
	float	   *item = palloc(sizeof(float) * dims);
	int32		k = Min(request->k, open->header.items);
	double		norm;
	CrTopK		top;

	LoadEmbedding(record->embedding, dims, user);
	norm = cr_norm_upper(user, dims) * (1.0 + dims * FLT_EPSILON);
	cr_topk_init(&top, AllocateTop(k), k);
	for (int32 item_no = 0; item_no < open->header.items; item_no++)
	{
		float		score;

		if (item_no % POLL_ITEMS == 0)
			CHECK_FOR_INTERRUPTS();
		if (norm * cr_load_float(open->items.norms + sizeof(float) * (Size) item_no) <
			cr_topk_threshold(&top))
			break;
		if (IsExcluded(excluded, item_no))
			continue;
		LoadEmbedding(ItemEmbedding(open, item_no), dims, item);
		score = cr_dot(user, item, dims);
		if (!isfinite(score))
			CheckComputation(CR_NOT_FINITE, psprintf("score of item number %d", item_no));
		cr_topk_offer(&top, score, item_no);
	}
	return AnswersFromTop(open, &top, answers);
}

static int32
RecommendPopular(const PackedRequest *request, const Excluded *excluded, PackedAnswer **answers)
{
	const OpenPacked *open = request->open;
	int32		k = Min(request->k, open->header.items);
	int32		count = 0;

	*answers = AllocateAnswers(k);
	for (int32 i = 0; i < open->header.items && count < k; i++)
	{
		int32		item_no = (int32) cr_load_u32(open->items.by_popularity + 4 * (Size) i);

		if (i % POLL_ITEMS == 0)
			CHECK_FOR_INTERRUPTS();
		if (IsExcluded(excluded, item_no))
			continue;
		(*answers)[count].item_id = AnswerId(open, item_no);
		(*answers)[count].score = cr_load_float(open->items.popularity + 4 * (Size) item_no);
		(*answers)[count].is_popular = true;
		count++;
	}
	return count;
}

int32
PackedRecommend(const PackedRequest *request, PackedAnswer **answers)
{
	CrPackRecord record = {0};
	Excluded	excluded;

	if (request->is_known_id)
		(void) ReadUser(request, &record);
	LoadExcluded(&record, request->exclude_seen, &excluded);
	if (record.embedding != NULL)
		return RecommendByModel(request, &record, &excluded, answers);
	return RecommendPopular(request, &excluded, answers);
}

int32
PackedSimilar(const PackedRequest *request, PackedAnswer **answers)
{
	const OpenPacked *open = request->open;
	CrPackId	id = IdFromDatum(request->id, open->header.item_type);
	int32		item_no = cr_pack_find_item(&open->items, &id);
	int32		factors = open->header.factors;
	int32		k = Min(request->k, open->header.items);
	float	   *query;
	float	   *other;
	double		norm;
	CrTopK		top;

	*answers = NULL;
	if (item_no < 0 || factors == 0)
		return 0;
	query = palloc(sizeof(float) * factors);
	other = palloc(sizeof(float) * factors);
	LoadEmbedding(ItemEmbedding(open, item_no), factors, query);
	norm = cr_norm_upper(query, factors);
	cr_topk_init(&top, AllocateTop(k), k);
	for (int32 i = 0; norm > 0 && i < open->header.items; i++)
	{
		double		other_norm;
		double		cosine;

		if (i % POLL_ITEMS == 0)
			CHECK_FOR_INTERRUPTS();
		LoadEmbedding(ItemEmbedding(open, i), factors, other);
		other_norm = cr_norm_upper(other, factors);
		if (i == item_no || other_norm == 0)
			continue;
		cosine = cr_dot(query, other, factors) / (norm * other_norm);
		if (!isfinite(cosine))
			CheckComputation(CR_NOT_FINITE, psprintf("similarity of item number %d", i));
		cr_topk_offer(&top, (float) Min(Max(cosine, -1.0), 1.0), i);
	}
	return AnswersFromTop(open, &top, answers);
}
