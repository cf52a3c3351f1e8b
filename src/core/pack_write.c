/*
 * pack_write.c
 *		Writing a packed model, piece by piece, so that the caller may poll in between.
 */
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/pack.h"
#include "core/pack_layout.h"

size_t
cr_pack_parameter_size(const char *name, const double *value)
{
	return 1 + strlen(name) + (value != NULL ? 8 : 0);
}

size_t
cr_pack_put_parameter(uint8_t *out, const char *name, const double *value)
{
	size_t		length = strlen(name);

	out[0] = (uint8_t) length;
	memcpy(out + 1, name, length);
	if (value != NULL)
		cr_store_double(out + 1 + length, *value);
	return cr_pack_parameter_size(name, value);
}

uint64_t
cr_pack_record_size(int32_t dims, int is_learned, uint32_t seen_count)
{
	return CR_PACK_RECORD + (is_learned ? 4 * (uint64_t) dims : 0) + 4 * (uint64_t) seen_count;
}

void
cr_pack_layout(CrPackHeader *header, uint64_t item_text, uint64_t user_text, uint64_t records)
{
	uint64_t	items_from;
	uint64_t	users_from;

	cr_pack_fixed_ends(header, &items_from, &users_from);
	header->items_end = items_from + item_text;
	cr_pack_fixed_ends(header, &items_from, &users_from);
	header->users_end = users_from + user_text;
	header->total = header->users_end + records;
}

void
cr_pack_put_item(const CrPackHeader *header, uint8_t *out, int32_t item_no, const CrPackItem *item)
{
	CrPackPlaces places;

	cr_pack_places(header, &places);
	cr_store_float(out + places.norms + 4 * (size_t) item_no, item->norm);
	cr_store_float(out + places.popularity + 4 * (size_t) item_no, item->popularity);
	if (header->dims > 0)
		cr_store_floats(out + places.embeddings + 4 * (size_t) header->dims * (size_t) item_no,
						item->vector, (size_t) header->dims);
}

void
cr_pack_put_orders(const CrPackHeader *header, uint8_t *out, int32_t place, int32_t by_popularity,
				   int32_t by_id)
{
	CrPackPlaces places;

	cr_pack_places(header, &places);
	cr_store_u32(out + places.by_popularity + 4 * (size_t) place, (uint32_t) by_popularity);
	cr_store_u32(out + places.by_id + 4 * (size_t) place, (uint32_t) by_id);
}

/* Write the i-th of "count" ids whose fixed part is at "fixed". */
static void
put_id(uint8_t *fixed, CrPackIdType type, int32_t count, int32_t i, const CrPackId *id,
	   uint64_t *text)
{
	if (type == CR_PACK_BIGINT)
	{
		cr_store_u64(fixed + 8 * (size_t) i, (uint64_t) id->integer);
		return;
	}
	if (id->length > 0)
		memcpy(fixed + 4 * (size_t) count + *text, id->text, id->length);
	*text += id->length;
	cr_store_u32(fixed + 4 * (size_t) i, (uint32_t) *text);
}

void
cr_pack_put_item_id(const CrPackHeader *header, uint8_t *out, int32_t item_no, const CrPackId *id,
					uint64_t *text)
{
	CrPackPlaces places;

	cr_pack_places(header, &places);
	put_id(out + places.item_ids, header->item_type, header->items, item_no, id, text);
}

void
cr_pack_put_user_id(const CrPackHeader *header, uint8_t *out, int32_t place, const CrPackId *id,
					uint64_t *text)
{
	put_id(out + header->items_end + 8 * (size_t) header->users, header->user_type, header->users,
		   place, id, text);
}

void
cr_pack_put_record(const CrPackHeader *header, uint8_t *out, int32_t place, const CrPackUser *user,
				   uint64_t *records)
{
	uint8_t    *record = out + header->users_end + *records;
	uint8_t    *seen = record + CR_PACK_RECORD;
	uint64_t	size = cr_pack_record_size(header->dims, user->vector != NULL, user->seen_count);

	cr_store_u32(record + 4, user->vector != NULL);
	cr_store_u32(record + 8, user->seen_count);
	if (user->vector != NULL)
	{
		cr_store_floats(seen, user->vector, (size_t) header->dims);
		seen += 4 * (size_t) header->dims;
	}
	for (uint32_t i = 0; i < user->seen_count; i++)
		cr_store_u32(seen + 4 * (size_t) i, user->seen[i]);
	cr_store_u32(record, cr_checksum(0, record + 4, size - 4));
	*records += size;
	cr_store_u64(out + header->items_end + 8 * (size_t) place, *records);
}

void
cr_pack_put_header(const CrPackHeader *header, uint8_t *out)
{
	memset(out, 0, CR_PACK_HEADER);
	memcpy(out, CR_PACK_MAGIC, 4);
	out[4] = CR_PACK_VERSION;
	out[5] = (uint8_t) header->user_type;
	out[6] = (uint8_t) header->item_type;
	cr_store_u32(out + 8, (uint32_t) header->dims);
	cr_store_u32(out + 12, (uint32_t) header->factors);
	cr_store_u32(out + 16, (uint32_t) header->users);
	cr_store_u32(out + 20, (uint32_t) header->items);
	cr_store_u64(out + 24, (uint64_t) header->pairs);
	cr_store_u64(out + 32, (uint64_t) header->rows);
	cr_store_u32(out + 40, (uint32_t) header->epochs);
	cr_store_u32(out + 44, header->parameter_bytes);
	cr_store_double(out + 48, header->loss);
	cr_store_u64(out + 56, header->items_end);
	cr_store_u64(out + 64, header->users_end);
	cr_store_u64(out + 72, header->total);
	cr_store_u32(out + 80, header->items_checksum);
	cr_store_u32(out + 84, header->users_checksum);
	cr_store_u32(out + 92, cr_checksum(0, out, 92));
}
