/*
 * factors.c
 *		Makes another version of a trained model: the same directions, other norms.
 *
 *		factors SHAPE VERSION ITEMS USERS ITEMS_OUT BLOCKS_OUT USERS_OUT
 *
 * SHAPE says what becomes of an item's norm: "als" leaves it, "mid" takes the
 * root, "flat" makes it 1, which is the worst case for pruning by norms.  All
 * files are COPY BINARY.  ITEMS are rows of item_embedding (item_id integer,
 * embedding, popularity, popular_no, users) in the order of item_no, USERS of
 * user_embedding (user_id integer, embedding, seen, preferences, items); what comes out are
 * rows of item_embedding, item_block and user_embedding with the columns of
 * these tables, packed with commrec's own code.
 *
 * Build: cc -O2 -std=gnu11 -Isrc -o factors bench/factors.c CORE -lm, CORE being
 * the files of src/core that it needs, see bench/serve.sh.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/block.h"
#include "core/embedding.h"
#include "core/preferences.h"
#include "core/seen.h"
#include "core/vector.h"

#define HEADER_SIZE	19			/* of COPY BINARY, without an extension */

typedef struct Field
{
	int32_t		length;			/* -1: NULL */
	uint8_t    *bytes;
	size_t		room;
} Field;

typedef struct Item
{
	int32_t		item_no;		/* before */
	float		norm;			/* after */
	uint8_t		id[4];			/* as in the file: big-endian */
	uint8_t		rest[12];		/* popularity, popular_no, users */
} Item;

typedef struct Items
{
	int32_t		count;
	int32_t		dims;
	Item	   *item;
	float	   *vectors;		/* by item_no before */
	int32_t    *place;			/* item_no after, by item_no before */
} Items;

static void
fail(const char *what, const char *name)
{
	fprintf(stderr, "factors: %s %s\n", what, name);
	exit(1);
}

static void *
allocate(void *memory, size_t size)
{
	memory = realloc(memory, size > 0 ? size : 1);
	if (memory == NULL)
		fail("out of memory", "");
	return memory;
}

static FILE *
open_copy(const char *name, const char *mode)
{
	static const uint8_t header[HEADER_SIZE] = "PGCOPY\n\377\r\n";
	uint8_t		found[HEADER_SIZE];
	FILE	   *file = fopen(name, mode);

	if (file == NULL)
		fail("cannot open", name);
	setvbuf(file, NULL, _IOFBF, 1 << 20);
	if (mode[0] == 'w' && fwrite(header, HEADER_SIZE, 1, file) != 1)
		fail("cannot write", name);
	if (mode[0] == 'r' && (fread(found, HEADER_SIZE, 1, file) != 1 ||
						   memcmp(found, header, HEADER_SIZE) != 0))
		fail("not a file of COPY BINARY:", name);
	return file;
}

static int64_t
get_integer(FILE *file, int bytes)
{
	uint64_t	value = 0;

	for (int i = 0; i < bytes; i++)
	{
		int			byte = getc(file);

		if (byte == EOF)
			fail("the file ends", "too early");
		value = value << 8 | (uint64_t) byte;
	}
	return bytes == 2 ? (int16_t) value : (int32_t) value;
}

static void
put_integer(FILE *file, uint32_t value, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		putc((int) (value >> 8 * i & 0xFF), file);
}

/* The next row; 0 at the end. */
static int
read_row(FILE *file, Field *fields, int count)
{
	int64_t		found = get_integer(file, 2);

	if (found == -1)
		return 0;
	if (found != count)
		fail("wrong number of columns", "");
	for (int i = 0; i < count; i++)
	{
		int32_t		length = (int32_t) get_integer(file, 4);

		fields[i].length = length;
		if (length > (int32_t) fields[i].room)
		{
			fields[i].room = 2 * (size_t) length;
			fields[i].bytes = allocate(fields[i].bytes, fields[i].room);
		}
		if (length > 0 && fread(fields[i].bytes, (size_t) length, 1, file) != 1)
			fail("the file ends", "too early");
	}
	return 1;
}

static void
write_field(FILE *file, const void *bytes, int32_t length)
{
	put_integer(file, (uint32_t) length, 4);
	if (length > 0)
		fwrite(bytes, (size_t) length, 1, file);
}

static void
write_integer(FILE *file, int32_t value)
{
	put_integer(file, sizeof(value), 4);
	put_integer(file, (uint32_t) value, 4);
}

static void
close_copy(FILE *file, const char *name)
{
	put_integer(file, 0xFFFF, 2);
	if (fclose(file) != 0)
		fail("cannot write", name);
}

/* The norm that a shape gives to a vector of this norm. */
static double
shaped_norm(const char *shape, double norm)
{
	if (strcmp(shape, "mid") == 0)
		return sqrt(norm);
	return strcmp(shape, "flat") == 0 && norm > 0 ? 1.0 : norm;
}

static void
add_item(Items *items, const char *shape, const Field *fields)
{
	Item	   *item = &items->item[items->count];
	float	   *vector;
	double		norm;

	if (items->count == 0 &&
		cr_embedding_check(fields[1].bytes, (size_t) fields[1].length, &items->dims) != CR_OK)
		fail("not an embedding:", "first item");
	items->vectors = items->count % 4096 != 0 ? items->vectors :
		allocate(items->vectors, ((size_t) items->count + 4096) * (size_t) items->dims * sizeof(float));
	vector = items->vectors + (size_t) items->count * (size_t) items->dims;
	if (cr_embedding_decode(fields[1].bytes, (size_t) fields[1].length, items->dims, vector) != CR_OK)
		fail("not an embedding", "");
	norm = cr_norm_upper(vector, items->dims);
	for (int32_t d = 0; d < items->dims && norm > 0; d++)
		vector[d] = (float) (vector[d] / norm * shaped_norm(shape, norm));
	item->item_no = items->count;
	item->norm = cr_norm_upper(vector, items->dims);
	memcpy(item->id, fields[0].bytes, 4);
	for (int i = 0; i < 3; i++)
		memcpy(item->rest + 4 * i, fields[2 + i].bytes, 4);
	items->count++;
}

/* The order of item_no: norm descending, id ascending. */
static int
compare_items(const void *left, const void *right)
{
	const Item *a = left;
	const Item *b = right;

	if (a->norm != b->norm)
		return a->norm > b->norm ? -1 : 1;
	return memcmp(a->id, b->id, 4);
}

static void
read_items(Items *items, const char *shape, const char *name)
{
	FILE	   *file = open_copy(name, "r");
	Field		fields[5] = {{0}};

	memset(items, 0, sizeof(*items));
	while (read_row(file, fields, 5))
	{
		if (items->count % 4096 == 0)
			items->item = allocate(items->item, ((size_t) items->count + 4096) * sizeof(Item));
		add_item(items, shape, fields);
	}
	fclose(file);
	qsort(items->item, (size_t) items->count, sizeof(Item), compare_items);
	items->place = allocate(NULL, (size_t) items->count * sizeof(int32_t));
	for (int32_t i = 0; i < items->count; i++)
		items->place[items->item[i].item_no] = i;
}

static const float *
vector_at(const Items *items, int32_t place)
{
	return items->vectors + (size_t) items->item[place].item_no * (size_t) items->dims;
}

static void
write_items(const Items *items, int32_t version, const char *name)
{
	FILE	   *file = open_copy(name, "w");
	int32_t		size = (int32_t) cr_embedding_size(items->dims);
	uint8_t    *bytes = allocate(NULL, (size_t) size);

	for (int32_t i = 0; i < items->count; i++)
	{
		if (cr_embedding_encode(vector_at(items, i), items->dims, bytes) != CR_OK)
			fail("cannot encode", "an item");
		put_integer(file, 7, 2);
		write_integer(file, version);
		write_field(file, items->item[i].id, 4);
		write_integer(file, i);
		write_field(file, bytes, size);
		for (int j = 0; j < 3; j++)
			write_field(file, items->item[i].rest + 4 * j, 4);
	}
	close_copy(file, name);
	free(bytes);
}

static void
write_blocks(const Items *items, int32_t version, const char *name)
{
	FILE	   *file = open_copy(name, "w");
	int32_t		capacity = cr_block_capacity(items->dims);
	float	   *rows = allocate(NULL, (size_t) capacity * (size_t) items->dims * sizeof(float));
	uint8_t    *bytes = allocate(NULL, CR_BLOCK_BYTES_MAX);

	for (int32_t first = 0; first < items->count; first += capacity)
	{
		CrBlockItems block = {rows, items->dims, items->dims, capacity, first};
		uint32_t	norm;

		if (items->count - first < capacity)
			block.items = items->count - first;
		for (int32_t i = 0; i < block.items; i++)
			memcpy(rows + (size_t) i * (size_t) items->dims, vector_at(items, first + i),
				   (size_t) items->dims * sizeof(float));
		if (cr_block_encode(&block, bytes) != CR_OK)
			fail("cannot encode", "a block");
		memcpy(&norm, &items->item[first].norm, sizeof(norm));
		put_integer(file, 5, 2);
		write_integer(file, version);
		write_integer(file, first / capacity);
		write_integer(file, block.items);
		write_integer(file, (int32_t) norm);
		write_field(file, bytes, (int32_t) cr_block_size(items->dims, block.items));
	}
	close_copy(file, name);
	free(bytes);
	free(rows);
}

/* One item that a user has seen. */
typedef struct SeenItem
{
	uint32_t	entry;			/* see core/seen.h */
	float		preference;
} SeenItem;

/* What a user has seen, on its way from the old item numbers to the new ones. */
typedef struct SeenList
{
	uint32_t	count;
	SeenItem   *item;
	uint32_t   *entries;
	float	   *preferences;
	uint8_t    *seen;			/* packed */
	int32_t		seen_length;
	uint8_t    *packed;			/* preferences, packed */
	int32_t		packed_length;
} SeenList;

static int
compare_seen(const void *left, const void *right)
{
	const SeenItem *a = left;
	const SeenItem *b = right;

	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

static void
unpack_seen(SeenList *list, const Field *seen, const Field *preferences)
{
	if (cr_seen_check(seen->bytes, (size_t) seen->length, &list->count) != CR_OK)
		fail("not a list of seen items", "");
	list->item = allocate(list->item, sizeof(SeenItem) * (list->count + 1));
	list->entries = allocate(list->entries, sizeof(uint32_t) * (list->count + 1));
	list->preferences = allocate(list->preferences, sizeof(float) * (list->count + 1));
	cr_seen_decode(seen->bytes, list->count, list->entries);
	if (cr_preferences_decode(preferences->bytes, (size_t) preferences->length, list->count,
							  list->preferences) != CR_OK)
		fail("not a list of preferences", "");
}

/* Give the seen items their new numbers, and bring them into the order of these; times are dropped. */
static void
renumber_seen(const Items *items, SeenList *list)
{
	for (uint32_t i = 0; i < list->count; i++)
	{
		uint32_t	entry = list->entries[i];

		list->item[i].entry = (uint32_t) items->place[entry >> 1] << 1 | (entry & 1);
		list->item[i].preference = list->preferences[i];
	}
	qsort(list->item, list->count, sizeof(SeenItem), compare_seen);
	for (uint32_t i = 0; i < list->count; i++)
	{
		list->entries[i] = list->item[i].entry;
		list->preferences[i] = list->item[i].preference;
	}
}

static void
pack_seen(SeenList *list)
{
	list->seen_length = (int32_t) cr_seen_size(list->count);
	list->seen = allocate(list->seen, (size_t) list->seen_length);
	cr_seen_encode(list->entries, list->count, list->seen);
	list->packed = allocate(list->packed, cr_preferences_size_max(list->count));
	list->packed_length = (int32_t) cr_preferences_encode(list->preferences, list->count, list->packed);
}

static void
convert_users(const Items *items, int32_t version, const char *in, const char *out)
{
	FILE	   *from = open_copy(in, "r");
	FILE	   *to = open_copy(out, "w");
	Field		fields[5] = {{0}};
	SeenList	list = {0};

	while (read_row(from, fields, 5))
	{
		unpack_seen(&list, &fields[2], &fields[3]);
		renumber_seen(items, &list);
		pack_seen(&list);
		put_integer(to, 6, 2);
		write_integer(to, version);
		write_field(to, fields[0].bytes, fields[0].length);
		write_field(to, fields[1].bytes, fields[1].length);
		write_field(to, list.seen, list.seen_length);
		write_field(to, list.packed, list.packed_length);
		write_field(to, fields[4].bytes, fields[4].length);
	}
	fclose(from);
	close_copy(to, out);
	free(list.item);
	free(list.entries);
	free(list.preferences);
	free(list.seen);
	free(list.packed);
}

int
main(int argc, char **argv)
{
	Items		items;
	int32_t		version;

	if (argc != 8 || (version = atoi(argv[2])) < 1 ||
		(strcmp(argv[1], "als") != 0 && strcmp(argv[1], "mid") != 0 && strcmp(argv[1], "flat") != 0))
	{
		fprintf(stderr, "usage: factors als|mid|flat VERSION ITEMS USERS ITEMS_OUT BLOCKS_OUT USERS_OUT\n");
		return 2;
	}
	read_items(&items, argv[1], argv[3]);
	if (items.count == 0)
		fail("no items in", argv[3]);
	write_items(&items, version, argv[5]);
	write_blocks(&items, version, argv[6]);
	convert_users(&items, version, argv[4], argv[7]);
	return 0;
}
