/*
 * all_users.c
 *		CPU time of the best items for all users: OpenBLAS against the batch kernel.
 *
 *		all_users USERS ITEMS [K [REPEATS]]
 *
 * USERS and ITEMS are files in COPY's binary format: (embedding, seen) of every
 * user, (embedding) of every item in the order of item_no, all as a model stores
 * them.  Scored are the factors as they are, and with every item scaled to norm 1
 * ("flat"), where no item is shorter than another.  For each: sgemm alone, sgemm
 * and the selection of the best K unseen items, and the batch kernel at each
 * level that the machine has.  Methods take turns; the least time of each counts.
 * The kernel's answers are compared with those of a plain search over cr_dot for
 * every 100th user, and all of them between the levels.
 *
 * Link with the objects of src/core and with BLAS.
 */
#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/batch.h"
#include "core/embedding.h"
#include "core/seen.h"
#include "core/vector.h"

#define BLOCK_USERS		192		/* as src/serve/batch.c */
#define SGEMM_USERS		64		/* scores of so many users stay in the third cache */
#define CHECK_EVERY		100
#define LEVELS			3

extern char *openblas_get_corename(void);

/* Rows of floats and, for users, what they have seen. */
typedef struct Side
{
	int32_t		rows;
	int32_t		dims;
	float	   *vectors;
	uint32_t  **seen;
	uint32_t   *seen_count;
} Side;

typedef struct Bench
{
	Side		users;
	Side		items;
	int32_t		k;
	float	   *scores;			/* SGEMM_USERS rows of items */
	CrScored   *answers;		/* users rows of k, sorted; score -inf where there is none */
	CrBatchItems batch;
	CrBatchBlock block;
} Bench;

static void
fail(const char *message, const char *detail)
{
	fprintf(stderr, "all_users: %s%s%s\n", message, detail[0] == '\0' ? "" : ": ", detail);
	exit(1);
}

static void *
allocate(size_t bytes)
{
	void	   *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);

	if (memory == NULL)
		fail("out of memory", "");
	return memset(memory, 0, bytes);
}

static uint32_t
read_be(FILE *file, int bytes)
{
	uint32_t	value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | (uint32_t) (fgetc(file) & 0xff);
	return value;
}

/* One bytea; its length goes to *length.  The buffer grows and is the caller's to keep. */
static uint8_t *
read_field(FILE *file, uint32_t *length)
{
	static uint8_t *buffer = NULL;

	*length = read_be(file, 4);
	if (*length == UINT32_MAX)
		fail("there is a NULL", "");
	buffer = realloc(buffer, *length + 1);
	if (buffer == NULL || fread(buffer, 1, *length, file) != *length)
		fail("the file ends early", "");
	return buffer;
}

static void
read_row(FILE *file, Side *side, int columns)
{
	uint32_t	length;
	uint8_t    *bytes = read_field(file, &length);
	int32_t		row = side->rows++;
	int32_t		dims;

	if (cr_embedding_check(bytes, length, &dims) != CR_OK || (row > 0 && dims != side->dims))
		fail("an embedding is damaged or of another dimension", "");
	if ((row & (row - 1)) == 0)
	{
		size_t		room = row == 0 ? 1 : 2 * (size_t) row;

		side->vectors = realloc(side->vectors, room * (size_t) dims * sizeof(float));
		side->seen = realloc(side->seen, room * sizeof(uint32_t *));
		side->seen_count = realloc(side->seen_count, room * sizeof(uint32_t));
	}
	side->dims = dims;
	cr_embedding_decode(bytes, length, dims, side->vectors + (size_t) row * (size_t) dims);
	if (columns < 2)
		return;
	bytes = read_field(file, &length);
	if (cr_seen_check(bytes, length, &side->seen_count[row]) != CR_OK)
		fail("a list of seen items is damaged", "");
	side->seen[row] = malloc(sizeof(uint32_t) * (side->seen_count[row] + 1));
	cr_seen_decode(bytes, side->seen_count[row], side->seen[row]);
}

static void
read_side(const char *name, Side *side, int columns)
{
	FILE	   *file = fopen(name, "rb");
	uint32_t	fields;

	if (file == NULL)
		fail("cannot open", name);
	memset(side, 0, sizeof(*side));
	fseek(file, 11 + 4, SEEK_SET);
	fseek(file, (long) read_be(file, 4), SEEK_CUR);
	while ((fields = read_be(file, 2)) != 0xffff)
	{
		if ((int) fields != columns)
			fail("another number of columns than expected", name);
		read_row(file, side, columns);
	}
	fclose(file);
}

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static void
multiply(const Bench *bench, int32_t first, int32_t users)
{
	int32_t		dims = bench->users.dims;

	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, users, bench->items.rows, dims, 1.0f,
				bench->users.vectors + (size_t) first * (size_t) dims, dims, bench->items.vectors,
				dims, 0.0f, bench->scores, bench->items.rows);
}

static void
run_sgemm(Bench *bench)
{
	for (int32_t first = 0; first < bench->users.rows; first += SGEMM_USERS)
		multiply(bench, first, first + SGEMM_USERS > bench->users.rows ?
				 bench->users.rows - first : SGEMM_USERS);
}

/* Is any of 16 scores above the threshold?  Compilers make one comparison of it. */
static int
any_above(const float *scores, float threshold)
{
	int			above = 0;

	for (int i = 0; i < 16; i++)
		above |= scores[i] > threshold;
	return above;
}

static void
select_best(const Bench *bench, int32_t user, const float *scores, CrTopK *top)
{
	const Side *users = &bench->users;

	for (int32_t from = 0; from < bench->items.rows; from += 16)
	{
		int32_t		to = from + 16 < bench->items.rows ? from + 16 : bench->items.rows;

		if (to - from == 16 && !any_above(scores + from, cr_topk_threshold(top)))
			continue;
		for (int32_t item = from; item < to; item++)
		{
			if (scores[item] > cr_topk_threshold(top) &&
				cr_seen_lookup(users->seen[user], users->seen_count[user], item) == CR_UNSEEN)
				cr_topk_offer(top, scores[item], item);
		}
	}
}

static void
run_sgemm_select(Bench *bench)
{
	for (int32_t first = 0; first < bench->users.rows; first += SGEMM_USERS)
	{
		int32_t		users = first + SGEMM_USERS > bench->users.rows ?
			bench->users.rows - first : SGEMM_USERS;

		multiply(bench, first, users);
		for (int32_t i = 0; i < users; i++)
		{
			CrTopK		top;

			cr_topk_init(&top, bench->answers + (size_t) (first + i) * (size_t) bench->k, bench->k);
			select_best(bench, first + i, bench->scores + (size_t) i * (size_t) bench->items.rows, &top);
			cr_topk_sort(&top);
		}
	}
}

static void
add_user(Bench *bench, int32_t number)
{
	CrBatchUser user = {0};

	user.seen = bench->users.seen[number];
	user.seen_count = bench->users.seen_count[number];
	user.exclude_seen = 1;
	cr_topk_init(&user.top, bench->answers + (size_t) number * (size_t) bench->k, bench->k);
	if (cr_batch_block_add(&bench->block,
						   bench->users.vectors + (size_t) number * (size_t) bench->users.dims,
						   bench->users.dims, &user) != CR_OK)
		fail("cannot add a user", "");
}

static void
run_batch(Bench *bench, CrSimd simd)
{
	int32_t		tile = cr_batch_tile(bench->items.dims);

	for (int32_t first = 0; first < bench->users.rows; first += BLOCK_USERS)
	{
		cr_batch_block_clear(&bench->block);
		for (int32_t i = first; i < first + BLOCK_USERS && i < bench->users.rows; i++)
			add_user(bench, i);
		for (int32_t panel = 0; panel < bench->batch.panels && bench->block.racing > 0; panel += tile)
		{
			int32_t		last = panel + tile < bench->batch.panels ? panel + tile : bench->batch.panels;

			if (cr_batch_scan(simd, &bench->batch, &bench->block, panel, last) != CR_OK)
				fail("a score is not finite", "");
		}
		for (int32_t i = 0; i < bench->block.users; i++)
			cr_topk_sort(&bench->block.user[i].top);
	}
}

static void
fill_batch(Bench *bench)
{
	int32_t		dims = bench->items.dims;

	cr_batch_items_view(&bench->batch, bench->items.rows, dims,
						allocate(cr_batch_items_size(bench->items.rows, dims)));
	cr_batch_items_begin(&bench->batch);
	for (int32_t i = 0; i < bench->items.rows; i++)
		cr_batch_items_put(&bench->batch, i, bench->items.vectors + (size_t) i * (size_t) dims);
	cr_batch_items_end(&bench->batch);
	cr_batch_block_init(&bench->block, BLOCK_USERS, dims,
						allocate(cr_batch_block_size(BLOCK_USERS, dims)));
}

static void
check_answers(const Bench *bench)
{
	int32_t		dims = bench->items.dims;
	CrScored   *entries = malloc(sizeof(CrScored) * (size_t) bench->k);

	for (int32_t user = 0; user < bench->users.rows; user += CHECK_EVERY)
	{
		CrTopK		top;

		cr_topk_init(&top, entries, bench->k);
		for (int32_t item = 0; item < bench->items.rows; item++)
		{
			if (cr_seen_lookup(bench->users.seen[user], bench->users.seen_count[user], item) == CR_UNSEEN)
				cr_topk_offer(&top, cr_dot(bench->users.vectors + (size_t) user * (size_t) dims,
										   bench->items.vectors + (size_t) item * (size_t) dims, dims),
							  item);
		}
		cr_topk_sort(&top);
		if (memcmp(entries, bench->answers + (size_t) user * (size_t) bench->k,
				   sizeof(CrScored) * (size_t) top.count) != 0)
			fail("the kernel's answer is wrong", "");
	}
	free(entries);
}

static void
scale_to_one(Side *items)
{
	for (int32_t i = 0; i < items->rows; i++)
	{
		float	   *vector = items->vectors + (size_t) i * (size_t) items->dims;
		float		norm = cr_norm_upper(vector, items->dims);

		for (int32_t d = 0; norm > 0.0f && d < items->dims; d++)
			vector[d] /= norm;
	}
}

static double
timed(Bench *bench, int method)
{
	double		began = cpu_seconds();

	if (method == 0)
		run_sgemm(bench);
	else if (method == 1)
		run_sgemm_select(bench);
	else
		run_batch(bench, (CrSimd) (method - 2));
	return cpu_seconds() - began;
}

static const char *
method_name(int method)
{
	return method == 0 ? "sgemm" : method == 1 ? "sgemm + selection" :
		cr_simd_name((CrSimd) (method - 2));
}

static void
compare(Bench *bench, const char *norms, int repeats)
{
	size_t		bytes = sizeof(CrScored) * (size_t) bench->users.rows * (size_t) bench->k;
	CrScored   *first = NULL;
	double		least[2 + LEVELS];

	fill_batch(bench);
	for (int repeat = 0; repeat < repeats; repeat++)
	{
		for (int method = 0; method < 2 + LEVELS; method++)
		{
			double		seconds;

			if (method >= 2 && !cr_simd_is_available((CrSimd) (method - 2)))
				continue;
			memset(bench->answers, 0, bytes);
			seconds = timed(bench, method);
			if (repeat == 0 || seconds < least[method])
				least[method] = seconds;
			if (method == 2 && repeat == 0)
			{
				check_answers(bench);
				first = memcpy(malloc(bytes), bench->answers, bytes);
			}
			if (method > 2 && memcmp(first, bench->answers, bytes) != 0)
				fail("levels disagree", method_name(method));
		}
	}
	for (int method = 0; method < 2 + LEVELS; method++)
	{
		if (method < 2 || cr_simd_is_available((CrSimd) (method - 2)))
			printf("%-6s %-18s %7.2f CPU s  %5.2f of sgemm + selection\n", norms, method_name(method),
				   least[method], least[method] / least[1]);
	}
	free(first);
	free(bench->batch.rows);
	free(bench->block.user);
}

int
main(int argc, char **argv)
{
	Bench		bench;
	int			repeats = argc > 4 ? atoi(argv[4]) : 3;

	if (argc < 3)
		fail("usage: all_users USERS ITEMS [K [REPEATS]]", "");
	read_side(argv[1], &bench.users, 2);
	read_side(argv[2], &bench.items, 1);
	bench.k = argc > 3 ? atoi(argv[3]) : 10;
	bench.scores = allocate(sizeof(float) * SGEMM_USERS * (size_t) bench.items.rows);
	bench.answers = allocate(sizeof(CrScored) * (size_t) bench.users.rows * (size_t) bench.k);
	printf("%d users, %d items, %d dimensions, best %d; OpenBLAS kernel %s\n", bench.users.rows,
		   bench.items.rows, bench.items.dims, bench.k, openblas_get_corename());
	compare(&bench, "als", repeats);
	scale_to_one(&bench.items);
	compare(&bench, "flat", repeats);
	return 0;
}
