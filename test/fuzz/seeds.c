/*
 * seeds.c
 *		Writes the seeds of the fuzz targets: sound values of each kind, some hundred bytes each.
 *
 *	build/fuzz/seeds test/fuzz/corpus
 *
 * From these the fuzzer finds its way; damage it makes itself.  Other files in
 * the corpus are inputs that once failed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/block.h"
#include "core/checksum.h"
#include "core/embedding.h"
#include "core/fold_in.h"
#include "core/itemset.h"
#include "core/neighbors.h"
#include "core/pack.h"
#include "core/parts.h"
#include "core/preferences.h"
#include "core/seen.h"
#include "core/state.h"
#include "fuzz.h"

#define BYTES_MAX	16384
#define PACK_USERS	4
#define PACK_ITEMS	3
#define PACK_SEEN	2

static const char *corpus;
static _Alignas(8) uint8_t bytes[BYTES_MAX];

static void
save(const char *target, const char *name, size_t size)
{
	char		path[1024];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", corpus, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

static float
element(int i)
{
	return (float) (i % 7 - 3) / 4.0f;
}

static void
seed_embeddings(void)
{
	float		values[8];

	for (int i = 0; i < 8; i++)
		values[i] = element(i);
	cr_embedding_encode(values, 1, bytes);
	save("embedding", "one", cr_embedding_size(1));
	cr_embedding_encode(values, 8, bytes);
	save("embedding", "eight", cr_embedding_size(8));
}

static void
seed_seen(void)
{
	const uint32_t entries[4] = {0 << 1, 3 << 1 | 1, 4 << 1, UINT32_MAX};
	const uint32_t times[4] = {0, 1000, CR_SEEN_NO_TIME, 7};

	cr_seen_encode(entries, 0, bytes);
	save("seen", "empty", cr_seen_size(0));
	cr_seen_encode(entries, 4, bytes);
	save("seen", "plain", cr_seen_size(4));
	cr_seen_encode_timed(entries, times, 4, bytes);
	save("seen", "timed", cr_seen_size_timed(4));
}

static void
seed_preferences(void)
{
	float		values[20];

	for (int i = 0; i < 20; i++)
		values[i] = 1.0f;
	save("preferences", "none", cr_preferences_encode(values, 0, bytes));
	save("preferences", "equal", cr_preferences_encode(values, 20, bytes));
	values[7] = -0.5f;
	save("preferences", "codes", cr_preferences_encode(values, 19, bytes));
	for (int i = 0; i < 20; i++)
		values[i] = (float) i;
	save("preferences", "floats", cr_preferences_encode(values, 20, bytes));
}

static void
seed_itemset(void)
{
	cr_itemset_init(CR_ITEMSET_BITS, bytes);
	for (int32_t bit = 0; bit < CR_ITEMSET_BITS; bit = 2 * bit + 1)
		cr_itemset_add(bytes, CR_ITEMSET_BITS + bit);
	save("itemset", "second", CR_ITEMSET_BYTES);
}

static void
seed_neighbors(void)
{
	const int32_t item_no[4] = {0, 63, 64, 99999};
	const float weight[4] = {0.5f, -0.25f, 1e-30f, 3e38f};

	cr_neighbors_encode(item_no, weight, 0, bytes);
	save("neighbors", "empty", cr_neighbors_size(0));
	cr_neighbors_encode(item_no, weight, 4, bytes);
	save("neighbors", "four", cr_neighbors_size(4));
}

static void
seed_blocks(void)
{
	float		rows[5 * 20];

	for (int i = 0; i < 5 * 20; i++)
		rows[i] = element(i) * (float) (100 - i);
	cr_block_encode(&(CrBlockItems) {rows, 5, 5, 20, 0}, bytes);
	save("block", "odd", cr_block_size(5, 20));
	cr_block_encode(&(CrBlockItems) {rows, 8, 8, 1, 1000}, bytes);
	save("block", "one", cr_block_size(8, 1));
	memset(rows, 0, sizeof(rows));
	cr_block_encode(&(CrBlockItems) {rows, 2, 2, 40, 0}, bytes);
	save("block", "zeros", cr_block_size(2, 40));
}

static void
seed_fold_in(void)
{
	void	   *workspace = aligned_alloc(64, cr_fold_in_workspace_size(4));
	float		item[4];
	CrFoldIn	fold;

	cr_fold_in_begin_empty(&fold, 4, workspace);
	for (int i = 0; i < 12; i++)
	{
		for (int j = 0; j < 4; j++)
			item[j] = element(4 * i + j);
		cr_fold_in_add(&fold, item, 0.25);
	}
	cr_fold_in_gram_encode(&fold, bytes);
	save("fold_in", "four", cr_fold_in_gram_size(4));
	free(workspace);
}

static void
seed_parts(void)
{
	const uint32_t columns[5] = {0, 3, 1, 0, 2};
	const uint64_t starts[5] = {0, 2, 2, 3, 5};
	const double triangle[6] = {1.0, 0.5, -0.25, 2.0, 0.0, 3.0};
	float		row[3];
	CrMatrixView matrix;

	cr_list_put_header(bytes, 3);
	for (uint32_t i = 0; i < 3; i++)
		cr_list_put(bytes, 3, i, 2 * i, element((int) i));
	save("list", "three", cr_list_size(3));
	cr_list_put_header(bytes, 0);
	save("list", "empty", cr_list_size(0));

	cr_matrix_put_header(bytes, 4, 4, 5);
	cr_matrix_view(bytes, &matrix);
	for (int i = 0; i < 5; i++)
	{
		cr_store_u64((uint8_t *) matrix.start + 8 * i, starts[i]);
		cr_store_u32((uint8_t *) matrix.column + 4 * i, columns[i]);
		cr_store_float((uint8_t *) matrix.value + 4 * i, (float) (i + 1));
	}
	save("matrix", "four", cr_matrix_size(4, 5));

	cr_factors_put_header(bytes, 3, 2);
	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; j < 3; j++)
			row[j] = element(3 * i + j);
		cr_store_floats(bytes + CR_FACTORS_HEADER + sizeof(row) * (size_t) i, row, 3);
	}
	save("factors", "two", cr_factors_size(3, 2));

	cr_gram_encode(bytes, 3, 17, triangle);
	save("gram", "three", cr_gram_bytes_size(3));
}

/* A state of so many rows, 16 bytes of room behind them; the first rows are in the bytes already. */
static void
save_pile(const char *name, int64_t rows, size_t prefix, size_t row_bytes)
{
	CrPile	   *pile = (CrPile *) bytes;

	memset(bytes, 0, CR_PILE_HEADER);
	memcpy(&pile->magic, "CRII", sizeof(pile->magic));
	pile->rows = rows;
	pile->prefix = (uint32_t) prefix;
	pile->used = prefix + row_bytes;
	memset(pile->data + pile->used, 0, 16);
	save("pile", name, CR_PILE_HEADER + prefix + row_bytes + 16);
}

static void
seed_piles(void)
{
	const CrEventRow events[2] = {{-1, 7, 1.5}, {2, INT64_MAX, -1}};
	const CrSparseEntry entries[3] = {{0.5, 0, 3}, {-2, 4, 0}, {1, 4, INT32_MAX - 1}};
	const CrTextRow text = {0.5, 3, 2, (const uint8_t *) "ann", (const uint8_t *) "c1"};
	const float elements[3] = {0.5f, -1.0f, 2.0f};
	const int32_t dims = 3;
	uint8_t    *data = ((CrPile *) bytes)->data;
	CrHyperparameters parameters;

	cr_parameters_preset(cr_algorithm_find("ials"), &parameters);
	memcpy(data, &parameters, sizeof(parameters));
	memcpy(data + sizeof(parameters), events, sizeof(events));
	save_pile("events", 2, sizeof(parameters), sizeof(events));
	for (size_t i = 0; i < 3; i++)
		cr_text_row_put(&text, data + sizeof(parameters) + i * cr_text_row_size(&text));
	save_pile("texts", 3, sizeof(parameters), 3 * cr_text_row_size(&text));
	memcpy(data, entries, sizeof(entries));
	save_pile("entries", 3, 0, sizeof(entries));
	memcpy(data, &dims, sizeof(dims));
	for (int32_t i = 0; i < 2; i++)
		cr_factor_row_put(i, elements, dims, data + sizeof(dims) + (size_t) i * cr_factor_row_size(dims));
	save_pile("factors", 2, sizeof(dims), 2 * cr_factor_row_size(dims));
}

static void
seed_states(void)
{
	const CrRankingRow rows[3] = {{0.5, 1}, {NAN, 0}, {-1, 2}};
	double		sums[3] = {0.5, -1e300, 2};
	CrSumState	sum = {3, 17, sums};
	CrGramState *gram = (CrGramState *) bytes;

	cr_sum_state_encode(&sum, bytes);
	save("sum_state", "three", cr_sum_state_size(3));

	memset(bytes, 0, sizeof(bytes));
	cr_ranking_state_put_header(3, 5, bytes);
	memcpy(bytes + cr_ranking_state_size(0), rows, sizeof(rows));
	save("ranking_state", "three", cr_ranking_state_size(4));

	memset(bytes, 0, sizeof(bytes));
	cr_gram_state_init(gram, 3);
	gram->count = 17;
	memcpy(gram->triangle, sums, sizeof(sums));
	save("gram_state", "three", cr_gram_state_size(3));
}

static const char *const texts[] = {"", "a", "ab", "b"};

/* The i-th id in ascending order, as integer and as text: the type says which of them is taken. */
static CrPackId
make_id(int32_t i)
{
	return (CrPackId) {10 * i - 10, (const uint8_t *) texts[i], (uint32_t) strlen(texts[i])};
}

/* Items 0, 1, 2 in descending order of popularity, and of id. */
static void
put_pack_items(const CrPackHeader *header)
{
	uint64_t	text = 0;

	for (int32_t i = 0; i < PACK_ITEMS; i++)
	{
		const float vector[3] = {element(i), element(i + 1), element(i + 2)};
		CrPackItem	item = {(float) (PACK_ITEMS - i), (float) (10 - i), vector};
		CrPackId	id = make_id(PACK_ITEMS - 1 - i);

		cr_pack_put_item(header, bytes, i, &item);
		cr_pack_put_item_id(header, bytes, i, &id, &text);
		cr_pack_put_orders(header, bytes, i, i, PACK_ITEMS - 1 - i);
	}
}

/* Of every other user nothing has been learned. */
static void
put_pack_users(const CrPackHeader *header)
{
	const uint32_t seen[PACK_SEEN] = {0 << 1, 2 << 1 | 1};
	uint64_t	text = 0;
	uint64_t	records = 0;

	for (int32_t i = 0; i < PACK_USERS; i++)
	{
		const float vector[3] = {element(i), element(i + 2), element(i + 4)};
		CrPackUser	user = {header->dims > 0 && i % 2 == 0 ? vector : NULL, seen, PACK_SEEN};
		CrPackId	id = make_id(i);

		cr_pack_put_user_id(header, bytes, i, &id, &text);
		cr_pack_put_record(header, bytes, i, &user, &records);
	}
}

static void
seed_pack(const char *name, CrPackIdType user_type, CrPackIdType item_type, int32_t dims)
{
	const double value = 0.25;
	CrPackHeader header = {0};
	size_t		at = CR_PACK_HEADER;
	int			learned = dims > 0 ? PACK_USERS / 2 : 0;

	header.user_type = user_type;
	header.item_type = item_type;
	header.dims = header.factors = dims;
	header.users = PACK_USERS;
	header.items = PACK_ITEMS;
	header.pairs = header.rows = PACK_USERS * PACK_SEEN;
	header.parameter_bytes = (uint32_t) (cr_pack_parameter_size("ials", NULL) +
										 cr_pack_parameter_size("alpha", &value));
	cr_pack_layout(&header, item_type == CR_PACK_TEXT ? 3 : 0, user_type == CR_PACK_TEXT ? 4 : 0,
				   (uint64_t) learned * cr_pack_record_size(dims, 1, PACK_SEEN) +
				   (uint64_t) (PACK_USERS - learned) * cr_pack_record_size(dims, 0, PACK_SEEN));
	memset(bytes, 0, sizeof(bytes));
	at += cr_pack_put_parameter(bytes + at, "ials", NULL);
	cr_pack_put_parameter(bytes + at, "alpha", &value);
	put_pack_items(&header);
	put_pack_users(&header);
	header.items_checksum = cr_checksum(0, bytes + CR_PACK_HEADER, header.items_end - CR_PACK_HEADER);
	header.users_checksum = cr_checksum(0, bytes + header.items_end, header.users_end - header.items_end);
	cr_pack_put_header(&header, bytes);
	save("pack", name, header.total);
}

int
main(int argc, char **argv)
{
	if (argc != 2)
	{
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	corpus = argv[1];
	mkdir(corpus, 0777);
	seed_embeddings();
	seed_seen();
	seed_preferences();
	seed_itemset();
	seed_neighbors();
	seed_blocks();
	seed_fold_in();
	seed_parts();
	seed_piles();
	seed_states();
	seed_pack("integers", CR_PACK_BIGINT, CR_PACK_BIGINT, 3);
	seed_pack("texts", CR_PACK_TEXT, CR_PACK_TEXT, 3);
	seed_pack("nothing", CR_PACK_TEXT, CR_PACK_BIGINT, 0);
	return 0;
}
