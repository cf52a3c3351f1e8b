/*
 * fuzz_pack.c
 *		Any bytes as a packed model: what the aggregate ials() makes.
 *
 * Its checksums guard against accidents and not against forgers, so that here
 * they are made right first: what lies behind them is to be tried.  A model is
 * read as the server reads it, each part in memory of exactly its size.
 */
#include "core/checksum.h"
#include "core/pack.h"
#include "fuzz.h"

/* Where the checksum of a part goes, if the header's ends allow for the part. */
static void
mend_part(uint8_t *bytes, size_t size, uint64_t from, uint64_t end, size_t place)
{
	if (from <= end && end <= size)
		cr_store_u32(bytes + place, cr_checksum(0, bytes + from, (size_t) (end - from)));
}

static void
mend_records(uint8_t *bytes, const CrPackHeader *header, const CrPackUsers *users)
{
	for (int32_t i = 0; i < header->users; i++)
	{
		uint64_t	start = cr_pack_record_start(users, header, i);
		uint64_t	end = cr_pack_record_end(users, header, i);

		if (end - start >= 4)
			cr_store_u32(bytes + start, cr_checksum(0, bytes + start + 4, (size_t) (end - start - 4)));
	}
}

static void
mend(uint8_t *bytes, size_t size)
{
	uint64_t	items_end;
	uint64_t	users_end;

	if (size < CR_PACK_HEADER)
		return;
	items_end = cr_load_u64(bytes + 56);
	users_end = cr_load_u64(bytes + 64);
	mend_part(bytes, size, CR_PACK_HEADER, items_end, 80);
	mend_part(bytes, size, items_end, users_end, 84);
	cr_store_u64(bytes + 72, size);
	cr_store_u32(bytes + 92, cr_checksum(0, bytes, 92));
}

static void
put_parameters(const CrPackHeader *header, const CrPackItems *items, uint8_t *out)
{
	uint32_t	at = 0;
	CrPackParameter parameter;

	out += CR_PACK_HEADER;
	for (int i = 0; cr_pack_next_parameter(items, header, &at, &parameter); i++)
	{
		/* Names are C strings where they are written, and any bytes where they are read. */
		*out++ = (uint8_t) parameter.length;
		memcpy(out, parameter.name, (size_t) parameter.length);
		out += parameter.length;
		if (i > 0)
		{
			cr_store_double(out, parameter.value);
			out += 8;
		}
	}
	REQUIRE(at == header->parameter_bytes);
}

static void
put_items(const CrPackHeader *header, const CrPackItems *items, uint8_t *out)
{
	uint64_t	text = 0;
	float	   *vector = fuzz_alloc(sizeof(float) * (size_t) header->dims);

	for (int32_t i = 0; i < header->items; i++)
	{
		size_t		place = 4 * (size_t) i;
		CrPackItem	item = {cr_load_float(items->norms + place),
			cr_load_float(items->popularity + place), vector};
		CrPackId	id = cr_pack_id(&items->ids, i);

		REQUIRE(cr_pack_find_item(items, &id) == i);
		cr_load_floats(items->embeddings + place * (size_t) header->dims, vector, (size_t) header->dims);
		cr_pack_put_item(header, out, i, &item);
		cr_pack_put_item_id(header, out, i, &id, &text);
		cr_pack_put_orders(header, out, i, (int32_t) cr_load_u32(items->by_popularity + place),
						   (int32_t) cr_load_u32(items->by_id + place));
	}
	free(vector);
}

/* Write a user's record again, if it is sound; returns 1 if so. */
static int
put_user(const CrPackHeader *header, const CrPackUsers *users, const uint8_t *bytes, int32_t i,
		 uint8_t *out, uint64_t *records)
{
	uint64_t	start = cr_pack_record_start(users, header, i);
	size_t		length = (size_t) (cr_pack_record_end(users, header, i) - start);
	uint8_t    *stored = fuzz_copy(bytes + start, length);
	CrPackRecord record;
	int			is_sound = cr_pack_check_record(stored, length, header, &record) == CR_OK;

	if (is_sound)
	{
		float	   *vector = fuzz_alloc(sizeof(float) * (size_t) header->dims);
		uint32_t   *seen = fuzz_alloc(sizeof(uint32_t) * record.seen_count);
		CrPackUser	user = {record.embedding != NULL ? vector : NULL, seen, record.seen_count};

		if (record.embedding != NULL)
			cr_load_floats(record.embedding, vector, (size_t) header->dims);
		cr_load_u32s(record.seen, seen, record.seen_count);
		cr_pack_put_record(header, out, i, &user, records);
		free(seen);
		free(vector);
	}
	fuzz_free(stored);
	return is_sound;
}

/* Returns 1 if all users' records are sound. */
static int
put_users(const CrPackHeader *header, const CrPackUsers *users, const uint8_t *bytes, uint8_t *out)
{
	uint64_t	text = 0;
	uint64_t	records = 0;
	int			sound = 1;

	for (int32_t i = 0; i < header->users && sound; i++)
	{
		CrPackId	id = cr_pack_id(&users->ids, i);

		REQUIRE(cr_pack_find_user(users, &id) == i);
		cr_pack_put_user_id(header, out, i, &id, &text);
		sound = put_user(header, users, bytes, i, out, &records);
	}
	return sound;
}

/* Items and users are sound: write them again. */
static void
encode_again(const CrPackHeader *header, const CrPackItems *items, const CrPackUsers *users,
			 uint8_t *bytes, size_t size)
{
	uint8_t    *again = fuzz_alloc(size);
	CrPackHeader copy = *header;
	uint64_t	item_text = (uint64_t) 0;
	uint64_t	user_text = (uint64_t) 0;

	for (int32_t i = 0; i < header->items; i++)
		item_text += cr_pack_id(&items->ids, i).length;
	for (int32_t i = 0; i < header->users; i++)
		user_text += cr_pack_id(&users->ids, i).length;
	cr_pack_layout(&copy, item_text, user_text, size - header->users_end);
	REQUIRE(copy.items_end == header->items_end && copy.users_end == header->users_end &&
			copy.total == size);
	mend_records(bytes, header, users);
	put_parameters(header, items, again);
	put_items(header, items, again);
	if (put_users(header, users, bytes, again))
	{
		cr_pack_put_header(header, again);
		REQUIRE(memcmp(again, bytes, size) == 0);
	}
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t    *bytes = fuzz_copy(data, size);
	CrPackHeader header;
	CrPackItems items;
	CrPackUsers users;
	CrStatus	status;

	mend(bytes, size);
	status = cr_pack_check_header(bytes, size, &header);
	if (status == CR_OK)
	{
		size_t		index_bytes = (size_t) (header.users_end - header.items_end);
		uint8_t    *first = fuzz_copy(bytes, (size_t) header.items_end);
		uint8_t    *second = fuzz_copy(bytes + header.items_end, index_bytes);

		status = cr_pack_check_items(first, &header, &items);
		if (status == CR_OK)
			status = cr_pack_check_users(second, &header, &users);
		if (status == CR_OK)
			encode_again(&header, &items, &users, bytes, size);
		fuzz_free(second);
		fuzz_free(first);
	}
	REQUIRE(status == CR_OK || fuzz_is_refusal(status));
	fuzz_free(bytes);
	return 0;
}
