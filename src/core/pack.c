/*
 * pack.c
 *		Reading and checking a packed model; pack_write.c makes it.
 */
#include <math.h>

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/pack.h"
#include "core/pack_layout.h"

static int
is_id_type(uint8_t type)
{
	return type == CR_PACK_BIGINT || type == CR_PACK_TEXT;
}

/* May ids whose fixed part ends at "from" end at "end"? */
static int
ids_may_end(CrPackIdType type, int32_t count, uint64_t from, uint64_t end)
{
	if (end < from)
		return 0;
	return end - from <= (type == CR_PACK_TEXT ? (uint64_t) count * CR_PACK_TEXT_MAX : 0);
}

static void
load_header(const uint8_t *bytes, CrPackHeader *header)
{
	header->user_type = (CrPackIdType) bytes[5];
	header->item_type = (CrPackIdType) bytes[6];
	header->dims = (int32_t) cr_load_u32(bytes + 8);
	header->factors = (int32_t) cr_load_u32(bytes + 12);
	header->users = (int32_t) cr_load_u32(bytes + 16);
	header->items = (int32_t) cr_load_u32(bytes + 20);
	header->pairs = (int64_t) cr_load_u64(bytes + 24);
	header->rows = (int64_t) cr_load_u64(bytes + 32);
	header->epochs = (int32_t) cr_load_u32(bytes + 40);
	header->parameter_bytes = cr_load_u32(bytes + 44);
	header->loss = cr_load_double(bytes + 48);
	header->items_end = cr_load_u64(bytes + 56);
	header->users_end = cr_load_u64(bytes + 64);
	header->total = cr_load_u64(bytes + 72);
	header->items_checksum = cr_load_u32(bytes + 80);
	header->users_checksum = cr_load_u32(bytes + 84);
}

static int
dims_are_sound(const CrPackHeader *header)
{
	if (header->dims < 1 || header->dims > CR_PACK_DIMS_MAX)
		return header->dims == 0 && header->factors == 0;
	return header->factors >= 1 &&
		(header->factors == header->dims || header->factors == header->dims - 1);
}

static int
counts_are_sound(const CrPackHeader *header)
{
	return dims_are_sound(header) && header->users >= 1 && header->items >= 1 &&
		header->pairs >= 0 && header->rows >= 1 && header->epochs >= 0 &&
		header->parameter_bytes <= CR_PACK_PARAMETERS_MAX;
}

/* The counts are bounded, so that nothing wraps in 64 bits; nor does an end that is compared first. */
static int
ends_are_sound(const CrPackHeader *header)
{
	uint64_t	items_from;
	uint64_t	users_from;

	cr_pack_fixed_ends(header, &items_from, &users_from);
	return ids_may_end(header->item_type, header->items, items_from, header->items_end) &&
		ids_may_end(header->user_type, header->users, users_from, header->users_end) &&
		header->total >= header->users_end &&
		header->total - header->users_end >= (uint64_t) header->users * CR_PACK_RECORD;
}

/* What a newer version keeps elsewhere is not looked at: it would only seem damaged. */
CrStatus
cr_pack_check_header(const uint8_t *bytes, uint64_t total, CrPackHeader *header)
{
	if (total < CR_PACK_HEADER || memcmp(bytes, CR_PACK_MAGIC, 4) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != CR_PACK_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	if (cr_load_u32(bytes + 92) != cr_checksum(0, bytes, 92) || bytes[7] != 0 ||
		!is_id_type(bytes[5]) || !is_id_type(bytes[6]) || cr_load_u32(bytes + 88) != 0)
		return CR_CORRUPT;
	load_header(bytes, header);
	if (!counts_are_sound(header) || !ends_are_sound(header) || header->total != total)
		return CR_CORRUPT;
	return CR_OK;
}

/* Set up and check ids that end at "end": the ends of texts rise by no more than a text may have. */
static CrStatus
check_ids(const uint8_t *from, const uint8_t *end, CrPackIds *ids)
{
	uint32_t	before = 0;

	ids->fixed = from;
	ids->text = from + (uint64_t) ids->count * cr_pack_id_width(ids->type);
	if (ids->type == CR_PACK_BIGINT)
		return CR_OK;
	for (int32_t i = 0; i < ids->count; i++)
	{
		uint32_t	stored = cr_load_u32(from + 4 * (size_t) i);

		if (stored < before || stored - before > CR_PACK_TEXT_MAX)
			return CR_CORRUPT;
		before = stored;
	}
	return (size_t) (end - ids->text) == before ? CR_OK : CR_CORRUPT;
}

CrPackId
cr_pack_id(const CrPackIds *ids, int32_t i)
{
	CrPackId	id = {0};
	uint32_t	start;

	if (ids->type == CR_PACK_BIGINT)
	{
		id.integer = (int64_t) cr_load_u64(ids->fixed + 8 * (size_t) i);
		return id;
	}
	start = i == 0 ? 0 : cr_load_u32(ids->fixed + 4 * ((size_t) i - 1));
	id.text = ids->text + start;
	id.length = cr_load_u32(ids->fixed + 4 * (size_t) i) - start;
	return id;
}

static int
compare_ids(CrPackIdType type, const CrPackId *a, const CrPackId *b)
{
	uint32_t	shorter = a->length < b->length ? a->length : b->length;
	int			order;

	if (type == CR_PACK_BIGINT)
		return (a->integer > b->integer) - (a->integer < b->integer);
	order = shorter == 0 ? 0 : memcmp(a->text, b->text, shorter);
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* The i-th item in an order; -1 if there is no such item. */
static int32_t
ordered_item(const uint8_t *order, int32_t i, int32_t items)
{
	uint32_t	item_no = cr_load_u32(order + 4 * (size_t) i);

	return item_no < (uint32_t) items ? (int32_t) item_no : -1;
}

/* Strictly ascending ids: so every item occurs, and once. */
static CrStatus
check_order_of_ids(const CrPackItems *items)
{
	CrPackId	before = {0};

	for (int32_t i = 0; i < items->ids.count; i++)
	{
		int32_t		item_no = ordered_item(items->by_id, i, items->ids.count);
		CrPackId	id;

		if (item_no < 0)
			return CR_CORRUPT;
		id = cr_pack_id(&items->ids, item_no);
		if (i > 0 && compare_ids(items->ids.type, &before, &id) >= 0)
			return CR_CORRUPT;
		before = id;
	}
	return CR_OK;
}

/* Descending popularity, then ascending id. */
static CrStatus
check_order_of_popularity(const CrPackItems *items)
{
	CrPackId	before = {0};
	float		popularity_before = INFINITY;

	for (int32_t i = 0; i < items->ids.count; i++)
	{
		int32_t		item_no = ordered_item(items->by_popularity, i, items->ids.count);
		float		popularity;
		CrPackId	id;

		if (item_no < 0)
			return CR_CORRUPT;
		popularity = cr_load_float(items->popularity + 4 * (size_t) item_no);
		id = cr_pack_id(&items->ids, item_no);
		if (!isfinite(popularity) || popularity > popularity_before ||
			(popularity == popularity_before && compare_ids(items->ids.type, &before, &id) >= 0))
			return CR_CORRUPT;
		popularity_before = popularity;
		before = id;
	}
	return CR_OK;
}

static CrStatus
check_norms(const CrPackItems *items)
{
	float		before = INFINITY;

	for (int32_t i = 0; i < items->ids.count; i++)
	{
		float		norm = cr_load_float(items->norms + 4 * (size_t) i);

		if (!isfinite(norm) || norm < 0 || norm > before)
			return CR_CORRUPT;
		before = norm;
	}
	return CR_OK;
}

static CrStatus
check_parameters(const CrPackItems *items, const CrPackHeader *header)
{
	uint32_t	at = 0;
	int			is_value = 0;	/* all but the first have one */

	while (at < header->parameter_bytes)
	{
		uint32_t	length = items->parameters[at];
		uint32_t	size = 1 + length + (is_value ? 8 : 0);

		if (length == 0 || size > header->parameter_bytes - at)
			return CR_CORRUPT;
		at += size;
		is_value = 1;
	}
	return is_value ? CR_OK : CR_CORRUPT;
}

CrStatus
cr_pack_check_items(const uint8_t *bytes, const CrPackHeader *header, CrPackItems *items)
{
	CrPackPlaces places;
	CrStatus	status;

	cr_pack_places(header, &places);
	items->parameters = bytes + CR_PACK_HEADER;
	items->norms = bytes + places.norms;
	items->popularity = bytes + places.popularity;
	items->by_popularity = bytes + places.by_popularity;
	items->by_id = bytes + places.by_id;
	items->embeddings = bytes + places.embeddings;
	items->ids.type = header->item_type;
	items->ids.count = header->items;

	/* The orders compare ids, which therefore come first. */
	status = check_parameters(items, header);
	if (status == CR_OK)
		status = check_ids(bytes + places.item_ids, bytes + header->items_end, &items->ids);
	if (status == CR_OK)
		status = check_norms(items);
	if (status == CR_OK)
		status = check_order_of_ids(items);
	if (status == CR_OK)
		status = check_order_of_popularity(items);
	return status;
}

CrStatus
cr_pack_check_users(const uint8_t *bytes, const CrPackHeader *header, CrPackUsers *users)
{
	uint64_t	before = 0;
	CrStatus	status;

	users->ends = bytes;
	users->ids.type = header->user_type;
	users->ids.count = header->users;
	status = check_ids(bytes + 8 * (size_t) header->users,
					   bytes + (header->users_end - header->items_end), &users->ids);
	if (status != CR_OK)
		return status;
	for (int32_t i = 0; i < header->users; i++)
	{
		CrPackId	id = cr_pack_id(&users->ids, i);
		CrPackId	next = i + 1 < header->users ? cr_pack_id(&users->ids, i + 1) : id;
		uint64_t	end = cr_load_u64(users->ends + 8 * (size_t) i);

		if (end < before || (i + 1 < header->users &&
							 compare_ids(header->user_type, &id, &next) >= 0))
			return CR_CORRUPT;
		before = end;
	}
	return before == header->total - header->users_end ? CR_OK : CR_CORRUPT;
}

static CrStatus
check_seen(const CrPackRecord *record, const CrPackHeader *header)
{
	int64_t		before = -1;

	for (uint32_t i = 0; i < record->seen_count; i++)
	{
		int64_t		item_no = cr_load_u32(record->seen + 4 * (size_t) i) >> 1;

		if (item_no <= before || item_no >= header->items)
			return CR_CORRUPT;
		before = item_no;
	}
	return CR_OK;
}

CrStatus
cr_pack_check_record(const uint8_t *bytes, uint64_t length, const CrPackHeader *header,
					 CrPackRecord *record)
{
	uint32_t	is_learned;

	if (length < CR_PACK_RECORD || cr_load_u32(bytes) != cr_checksum(0, bytes + 4, length - 4))
		return CR_CORRUPT;
	is_learned = cr_load_u32(bytes + 4);
	record->seen_count = cr_load_u32(bytes + 8);
	if (is_learned > 1 || (is_learned == 1 && header->dims == 0) ||
		length != cr_pack_record_size(header->dims, is_learned == 1, record->seen_count))
		return CR_CORRUPT;
	record->embedding = is_learned == 1 ? bytes + CR_PACK_RECORD : NULL;
	record->seen = bytes + CR_PACK_RECORD + (is_learned == 1 ? 4 * (size_t) header->dims : 0);
	return check_seen(record, header);
}

int32_t
cr_pack_find_user(const CrPackUsers *users, const CrPackId *id)
{
	int32_t		low = 0;
	int32_t		high = users->ids.count;

	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;
		CrPackId	found = cr_pack_id(&users->ids, middle);
		int			order = compare_ids(users->ids.type, &found, id);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

int32_t
cr_pack_find_item(const CrPackItems *items, const CrPackId *id)
{
	int32_t		low = 0;
	int32_t		high = items->ids.count;

	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;
		int32_t		item_no = ordered_item(items->by_id, middle, items->ids.count);
		CrPackId	found = cr_pack_id(&items->ids, item_no);
		int			order = compare_ids(items->ids.type, &found, id);

		if (order == 0)
			return item_no;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

uint64_t
cr_pack_record_start(const CrPackUsers *users, const CrPackHeader *header, int32_t place)
{
	return header->users_end +
		(place == 0 ? 0 : cr_load_u64(users->ends + 8 * ((size_t) place - 1)));
}

uint64_t
cr_pack_record_end(const CrPackUsers *users, const CrPackHeader *header, int32_t place)
{
	return header->users_end + cr_load_u64(users->ends + 8 * (size_t) place);
}

int
cr_pack_next_parameter(const CrPackItems *items, const CrPackHeader *header, uint32_t *at,
					   CrPackParameter *parameter)
{
	const uint8_t *bytes = items->parameters + *at;
	int			has_value = *at > 0;

	if (*at >= header->parameter_bytes)
		return 0;
	parameter->length = bytes[0];
	parameter->name = (const char *) bytes + 1;
	parameter->value = has_value ? cr_load_double(bytes + 1 + parameter->length) : NAN;
	*at += 1 + (uint32_t) parameter->length + (has_value ? 8 : 0);
	return 1;
}
