/*
 * test_pack.c
 *		A packed model survives the round trip, and no damage leads anywhere but to an error.
 *
 * A model is read as the server reads it: each part copied to a heap block of
 * exactly its size, so that ASAN sees a read past it.
 */
#include "core/bytes.h"
#include "core/checksum.h"
#include "core/pack.h"
#include "core/rng.h"
#include "unit.h"

#define USERS	7
#define ITEMS	5
#define SEEN	3

typedef struct Shape
{
	CrPackIdType type;
	int32_t		dims;
	int32_t		factors;
} Shape;

static const Shape shapes[] = {
	{CR_PACK_BIGINT, 4, 4},
	{CR_PACK_BIGINT, 4, 3},
	{CR_PACK_TEXT, 3, 3},
	{CR_PACK_TEXT, 0, 0},
	{CR_PACK_BIGINT, 0, 0}
};

#define SHAPES	((int) (sizeof(shapes) / sizeof(shapes[0])))

static const char *const texts[] = {"", "a", "aa", "ab", "b", "ba", "c"};

/* The i-th id in ascending order. */
static CrPackId
make_id(CrPackIdType type, int32_t i)
{
	CrPackId	id = {0};

	if (type == CR_PACK_TEXT)
	{
		id.text = (const uint8_t *) texts[i];
		id.length = (uint32_t) strlen(texts[i]);
	}
	else
		id.integer = i == 0 ? INT64_MIN : i == USERS - 1 ? INT64_MAX : 10 * i - 30;
	return id;
}

/* Item_no i is the i-th id from the end; popularity 2, 2, 1, 1, 1 by item_no. */
static float
make_popularity(int32_t item_no)
{
	return item_no < 2 ? 2.0f : 1.0f;
}

/* Of equal popularity the lower id comes first. */
static const int32_t by_popularity[ITEMS] = {1, 0, 4, 3, 2};

static float
make_element(int32_t entity, int32_t dim)
{
	return (float) (entity + 1) / (float) (dim + 2);
}

/* Every third user has nothing learned; user u has seen the items u % 3 .. u % 3 + 2. */
static int
is_learned(const Shape *shape, int32_t user)
{
	return shape->dims > 0 && user % 3 != 1;
}

static uint64_t
text_bytes(CrPackIdType type, int32_t count)
{
	uint64_t	bytes = 0;

	for (int32_t i = 0; type == CR_PACK_TEXT && i < count; i++)
		bytes += strlen(texts[i]);
	return bytes;
}

static void
set_checksums(uint8_t *bytes, CrPackHeader *header)
{
	header->items_checksum = cr_checksum(0, bytes + CR_PACK_HEADER,
										 header->items_end - CR_PACK_HEADER);
	header->users_checksum = cr_checksum(0, bytes + header->items_end,
										 header->users_end - header->items_end);
	cr_pack_put_header(header, bytes);
}

static void
put_items(const Shape *shape, const CrPackHeader *header, uint8_t *bytes)
{
	uint64_t	text = 0;

	for (int32_t i = 0; i < ITEMS; i++)
	{
		float		vector[8];
		CrPackItem	item = {(float) (ITEMS - i), make_popularity(i), vector};
		CrPackId	id = make_id(shape->type, ITEMS - 1 - i);

		for (int32_t dim = 0; dim < shape->dims; dim++)
			vector[dim] = make_element(i, dim);
		cr_pack_put_item(header, bytes, i, &item);
		cr_pack_put_item_id(header, bytes, i, &id, &text);
		cr_pack_put_orders(header, bytes, i, by_popularity[i], ITEMS - 1 - i);
	}
}

static void
put_users(const Shape *shape, const CrPackHeader *header, uint8_t *bytes)
{
	uint64_t	text = 0;
	uint64_t	records = 0;

	for (int32_t user = 0; user < USERS; user++)
	{
		float		vector[8];
		uint32_t	seen[SEEN];
		CrPackUser	packed = {is_learned(shape, user) ? vector : NULL, seen, SEEN};
		CrPackId	id = make_id(shape->type, user);

		for (int32_t dim = 0; dim < shape->dims; dim++)
			vector[dim] = make_element(user, dim);
		for (uint32_t i = 0; i < SEEN; i++)
			seen[i] = ((uint32_t) user % 3 + i) << 1 | (i == 1);
		cr_pack_put_user_id(header, bytes, user, &id, &text);
		cr_pack_put_record(header, bytes, user, &packed, &records);
	}
}

static uint8_t *
make_model(const Shape *shape, size_t *size)
{
	const double value = 0.25;
	CrPackHeader header = {0};
	uint64_t	records = 0;
	uint8_t    *bytes;

	header.user_type = header.item_type = shape->type;
	header.dims = shape->dims;
	header.factors = shape->factors;
	header.users = USERS;
	header.items = ITEMS;
	header.pairs = 17;
	header.rows = 21;
	header.epochs = 3;
	header.loss = 12.5;
	header.parameter_bytes = (uint32_t) (cr_pack_parameter_size("ials", NULL) +
										 cr_pack_parameter_size("alpha", &value));
	for (int32_t user = 0; user < USERS; user++)
		records += cr_pack_record_size(shape->dims, is_learned(shape, user), SEEN);
	cr_pack_layout(&header, text_bytes(shape->type, ITEMS), text_bytes(shape->type, USERS),
				   records);
	*size = header.total;
	bytes = malloc(*size);
	memset(bytes, 0xee, *size);
	cr_pack_put_parameter(bytes + CR_PACK_HEADER +
						  cr_pack_put_parameter(bytes + CR_PACK_HEADER, "ials", NULL),
						  "alpha", &value);
	put_items(shape, &header, bytes);
	put_users(shape, &header, bytes);
	set_checksums(bytes, &header);
	return bytes;
}

static uint8_t *
copy_part(const uint8_t *bytes, uint64_t from, uint64_t to)
{
	uint8_t    *part = malloc(to - from + (to == from));

	memcpy(part, bytes + from, to - from);
	return part;
}

/* Touch all that a checked first part says is there. */
static void
use_items(const CrPackHeader *header, const CrPackItems *items)
{
	CrPackParameter parameter;
	uint32_t	at = 0;
	volatile uint64_t sum = 0;

	while (cr_pack_next_parameter(items, header, &at, &parameter))
	{
		for (int i = 0; i < parameter.length; i++)
			sum += (uint8_t) parameter.name[i];
	}
	for (int32_t i = 0; i < header->items; i++)
	{
		CrPackId	id = cr_pack_id(&items->ids, i);

		for (uint32_t j = 0; j < id.length; j++)
			sum += id.text[j];
		for (int32_t dim = 0; dim < header->dims; dim++)
			sum += items->embeddings[4 * ((size_t) i * (size_t) header->dims + (size_t) dim) + 3];
		CHECK(cr_pack_find_item(items, &id) == i);
	}
	(void) sum;
}

static CrStatus
read_record(const uint8_t *bytes, const CrPackHeader *header, const CrPackUsers *users,
			int32_t place)
{
	uint64_t	from = cr_pack_record_start(users, header, place);
	uint64_t	to = cr_pack_record_end(users, header, place);
	uint8_t    *part = copy_part(bytes, from, to);
	CrPackRecord record;
	CrStatus	status = cr_pack_check_record(part, to - from, header, &record);
	volatile uint64_t sum = 0;

	for (uint32_t i = 0; status == CR_OK && i < record.seen_count; i++)
		sum += cr_load_u32(record.seen + 4 * i);
	for (int32_t i = 0; status == CR_OK && record.embedding != NULL && i < header->dims; i++)
		sum += record.embedding[4 * i];
	free(part);
	(void) sum;
	return status;
}

static CrStatus
read_users(const uint8_t *bytes, const CrPackHeader *header)
{
	uint8_t    *part = copy_part(bytes, header->items_end, header->users_end);
	CrPackUsers users;
	CrStatus	status = CR_CORRUPT;

	if (cr_checksum(0, part, header->users_end - header->items_end) == header->users_checksum)
		status = cr_pack_check_users(part, header, &users);
	for (int32_t user = 0; status == CR_OK && user < header->users; user++)
	{
		CrPackId	id = cr_pack_id(&users.ids, user);

		CHECK(cr_pack_find_user(&users, &id) == user);
		status = read_record(bytes, header, &users, user);
	}
	free(part);
	return status;
}

/* All parts, as the server reads them. */
static CrStatus
read_model(const uint8_t *bytes, size_t length)
{
	uint8_t    *head = copy_part(bytes, 0, length < CR_PACK_HEADER ? length : CR_PACK_HEADER);
	uint8_t    *part = NULL;
	CrPackHeader header;
	CrPackItems items;
	CrStatus	status = cr_pack_check_header(head, length, &header);

	free(head);
	if (status != CR_OK)
		return status;
	part = copy_part(bytes, 0, header.items_end);
	if (cr_checksum(0, part + CR_PACK_HEADER, header.items_end - CR_PACK_HEADER) !=
		header.items_checksum)
		status = CR_CORRUPT;
	else
		status = cr_pack_check_items(part, &header, &items);
	if (status == CR_OK)
	{
		use_items(&header, &items);
		status = read_users(bytes, &header);
	}
	free(part);
	return status;
}

static void
check_items_of(const Shape *shape, const uint8_t *bytes, const CrPackHeader *header)
{
	CrPackItems items;
	CrPackId	unknown = {.integer = 5, .text = (const uint8_t *) "zz", .length = 2};

	CHECK(cr_pack_check_items(bytes, header, &items) == CR_OK);
	for (int32_t i = 0; i < ITEMS; i++)
	{
		CrPackId	id = make_id(shape->type, ITEMS - 1 - i);

		CHECK(cr_pack_find_item(&items, &id) == i);
		CHECK(cr_load_float(items.popularity + 4 * i) == make_popularity(i));
		CHECK((int32_t) cr_load_u32(items.by_popularity + 4 * i) == by_popularity[i]);
		for (int32_t dim = 0; dim < shape->dims; dim++)
			CHECK(cr_load_float(items.embeddings + 4 * (i * shape->dims + dim)) ==
				  make_element(i, dim));
	}
	CHECK(cr_pack_find_item(&items, &unknown) == -1);
}

static void
check_users_of(const Shape *shape, const uint8_t *bytes, const CrPackHeader *header)
{
	CrPackUsers users;

	CHECK(cr_pack_check_users(bytes + header->items_end, header, &users) == CR_OK);
	for (int32_t user = 0; user < USERS; user++)
	{
		CrPackId	id = make_id(shape->type, user);
		uint64_t	from = cr_pack_record_start(&users, header, user);
		CrPackRecord record;

		CHECK(cr_pack_find_user(&users, &id) == user);
		CHECK(cr_pack_check_record(bytes + from, cr_pack_record_end(&users, header, user) - from,
								   header, &record) == CR_OK);
		CHECK((record.embedding != NULL) == is_learned(shape, user));
		CHECK(record.seen_count == SEEN);
		CHECK(cr_load_u32(record.seen + 4) == (((uint32_t) user % 3 + 1) << 1 | 1));
	}
}

static void
round_trip_keeps_everything(void)
{
	for (int i = 0; i < SHAPES; i++)
	{
		size_t		size;
		uint8_t    *bytes = make_model(&shapes[i], &size);
		CrPackHeader header;

		CHECK(cr_pack_check_header(bytes, size, &header) == CR_OK);
		CHECK(header.pairs == 17 && header.rows == 21 && header.epochs == 3);
		CHECK(header.dims == shapes[i].dims && header.factors == shapes[i].factors);
		CHECK(header.loss == 12.5);
		check_items_of(&shapes[i], bytes, &header);
		check_users_of(&shapes[i], bytes, &header);
		CHECK(read_model(bytes, size) == CR_OK);
		free(bytes);
	}
}

static void
every_truncation_is_damage(void)
{
	for (int i = 0; i < SHAPES; i++)
	{
		size_t		size;
		uint8_t    *bytes = make_model(&shapes[i], &size);

		for (size_t length = 0; length < size; length++)
		{
			uint8_t    *part = copy_part(bytes, 0, length);

			CHECK(read_model(part, length) == CR_CORRUPT);
			free(part);
		}
		bytes = realloc(bytes, size + 1);
		bytes[size] = 0;
		CHECK(read_model(bytes, size + 1) == CR_CORRUPT);
		free(bytes);
	}
}

/* Whatever bit it is; one of the version may look like a newer format. */
static void
every_flipped_bit_is_noticed(void)
{
	for (int i = 0; i < SHAPES; i++)
	{
		size_t		size;
		uint8_t    *bytes = make_model(&shapes[i], &size);

		for (size_t bit = 0; bit < 8 * size; bit++)
		{
			CrStatus	status;

			bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
			status = read_model(bytes, size);
			CHECK(status == CR_CORRUPT || (status == CR_UNSUPPORTED_FORMAT && bit / 8 == 4));
			bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		}
		CHECK(read_model(bytes, size) == CR_OK);
		free(bytes);
	}
}

/* Put right every checksum that lies within the value, as a forger would. */
static void
forge_checksums(uint8_t *bytes, size_t size)
{
	uint64_t	items_end = cr_load_u64(bytes + 56);
	uint64_t	users_end = cr_load_u64(bytes + 64);
	uint64_t	from = users_end;

	if (items_end >= CR_PACK_HEADER && items_end <= users_end && users_end <= size)
	{
		uint64_t	users = cr_load_u32(bytes + 16);

		cr_store_u32(bytes + 80, cr_checksum(0, bytes + CR_PACK_HEADER, items_end - CR_PACK_HEADER));
		cr_store_u32(bytes + 84, cr_checksum(0, bytes + items_end, users_end - items_end));
		for (uint64_t user = 0; user < users && items_end + 8 * user + 8 <= users_end; user++)
		{
			uint64_t	end = users_end + cr_load_u64(bytes + items_end + 8 * user);

			if (end > size || end < from + 4)
				break;
			cr_store_u32(bytes + from, cr_checksum(0, bytes + from + 4, end - from - 4));
			from = end;
		}
	}
	cr_store_u32(bytes + 92, cr_checksum(0, bytes, 92));
}

static void
forged_damage_never_surprises(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 71, 0);
	for (int round = 0; round < 40000; round++)
	{
		size_t		size;
		uint8_t    *bytes = make_model(&shapes[round % SHAPES], &size);
		CrStatus	status;

		for (uint64_t flips = 1 + cr_rng_next(&rng) % 3; flips > 0; flips--)
		{
			size_t		at = cr_rng_next(&rng) % size;

			if (at != 4)
				bytes[at] ^= (uint8_t) (1 << cr_rng_next(&rng) % 8);
		}
		forge_checksums(bytes, size);
		status = read_model(bytes, size);
		CHECK(status == CR_OK || status == CR_CORRUPT);
		free(bytes);
	}
}

/* Sizes that would wrap, in a header whose checksum is right. */
static void
huge_counts_are_damage(void)
{
	const struct
	{
		int			offset;
		uint64_t	value;
	}			cases[] = {
		{8, 0xffffffff00000400u}, {16, 0x7fffffff7fffffffu}, {16, 0xffffffffffffffffu},
		{44, 0xffffffffu}, {56, UINT64_MAX}, {56, UINT64_MAX - 200}, {64, UINT64_MAX},
		{64, UINT64_MAX - 100}, {72, 0}, {72, UINT64_MAX}, {24, UINT64_MAX}, {32, 0}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t		size;
		uint8_t    *bytes = make_model(&shapes[2], &size);

		cr_store_u64(bytes + cases[i].offset, cases[i].value);
		cr_store_u32(bytes + 92, cr_checksum(0, bytes, 92));
		CHECK(read_model(bytes, size) == CR_CORRUPT);
		free(bytes);
	}
}

/* A header as it is read again, of a value that need not be there. */
static CrStatus
read_header(const CrPackHeader *header, CrPackHeader *read)
{
	uint8_t		bytes[CR_PACK_HEADER];

	cr_pack_put_header(header, bytes);
	return cr_pack_check_header(bytes, header->total, read);
}

/* As many entities as a header can count, the longest ids and vectors, and 2^33 pairs of them. */
static void
large_models_can_be_laid_out(void)
{
	uint64_t	before = 0;

	for (int bits = 28; bits <= 31; bits++)
	{
		uint64_t	many = (UINT64_C(1) << bits) - 1;
		uint64_t	pairs = UINT64_C(1) << (bits + 2);
		uint64_t	records = many * cr_pack_record_size(CR_PACK_DIMS_MAX, 1, 0) + 4 * pairs;
		uint64_t	items_end = CR_PACK_HEADER + 9 +
			many * (16 + 4 * CR_PACK_DIMS_MAX + 4 + CR_PACK_TEXT_MAX);
		CrPackHeader header = {.user_type = CR_PACK_TEXT, .item_type = CR_PACK_TEXT,
			.dims = CR_PACK_DIMS_MAX, .factors = CR_PACK_DIMS_MAX, .users = (int32_t) many,
			.items = (int32_t) many, .pairs = (int64_t) pairs, .rows = (int64_t) pairs,
		.parameter_bytes = 9};
		CrPackHeader read;

		cr_pack_layout(&header, many * CR_PACK_TEXT_MAX, many * CR_PACK_TEXT_MAX, records);
		CHECK(header.items_end == items_end);
		CHECK(header.users_end == items_end + many * (8 + 4 + CR_PACK_TEXT_MAX));
		CHECK(header.total == header.users_end + records && header.total > before);
		CHECK(read_header(&header, &read) == CR_OK);
		CHECK(read.users == header.users && read.pairs == header.pairs && read.total == header.total);
		before = header.total;
		header.users = header.items = INT32_MIN;
		CHECK(read_header(&header, &read) == CR_CORRUPT);
	}
	CHECK(cr_pack_record_size(CR_PACK_DIMS_MAX, 1, UINT32_MAX) ==
		  CR_PACK_RECORD + 4 * (uint64_t) CR_PACK_DIMS_MAX + 4 * (uint64_t) UINT32_MAX);
}

static void
checksum_depends_on_every_byte_and_the_length(void)
{
	uint8_t		bytes[300];
	uint32_t	whole;

	memset(bytes, 0, sizeof(bytes));
	for (size_t length = 0; length + 1 < sizeof(bytes); length++)
		CHECK(cr_checksum(0, bytes, length) != cr_checksum(0, bytes, length + 1));
	whole = cr_checksum(0, bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
	{
		bytes[i] = 1;
		CHECK(cr_checksum(0, bytes, sizeof(bytes)) != whole);
		bytes[i] = 0;
	}
	CHECK(cr_checksum(1, bytes, sizeof(bytes)) != whole);
	CHECK(cr_checksum(0, bytes, 0) == cr_checksum(0, NULL, 0));
}

UNIT_MAIN(UNIT_TEST(round_trip_keeps_everything),
		  UNIT_TEST(every_truncation_is_damage),
		  UNIT_TEST(every_flipped_bit_is_noticed),
		  UNIT_TEST(forged_damage_never_surprises),
		  UNIT_TEST(huge_counts_are_damage),
		  UNIT_TEST(large_models_can_be_laid_out),
		  UNIT_TEST(checksum_depends_on_every_byte_and_the_length));
