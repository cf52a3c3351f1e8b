/*
 * test_batch.c
 *		The batch kernel gives every user what a search by brute force over cr_dot does, bit for bit.
 */
#include <float.h>

#include "core/batch.h"
#include "core/rng.h"
#include "core/seen.h"
#include "core/vector.h"
#include "unit.h"

#define LEVELS	3

/* Fill n floats: one shape of vector each. */
typedef void (*Fill) (CrRng *rng, float *out, int32_t n);

static void
fill_normal(CrRng *rng, float *out, int32_t n)
{
	cr_rng_normal(rng, 1.0, out, (size_t) n);
}

static void
fill_zero(CrRng *rng, float *out, int32_t n)
{
	(void) rng;
	memset(out, 0, sizeof(float) * (size_t) n);
}

static void
fill_equal(CrRng *rng, float *out, int32_t n)
{
	(void) rng;
	for (int32_t i = 0; i < n; i++)
		out[i] = 0.1f;
}

/* Small whole numbers: many equal scores. */
static void
fill_ties(CrRng *rng, float *out, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		out[i] = (float) ((int) (cr_rng_next(rng) % 3) - 1);
}

/* Vectors of very different norms: 1e-15 to 1e15, or 0. */
static void
fill_any_norm(CrRng *rng, float *out, int32_t n)
{
	float		size = (float) pow(10.0, 30.0 * cr_rng_uniform(rng) - 15.0);

	if (cr_rng_next(rng) % 8 == 0)
		size = 0.0f;
	fill_normal(rng, out, n);
	for (int32_t i = 0; i < n; i++)
		out[i] *= size;
}

static void
fill_denormal(CrRng *rng, float *out, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		out[i] = FLT_TRUE_MIN * (float) ((int) (cr_rng_next(rng) % 2001) - 1000);
}

/* Large elements that nearly cancel, so that every order of summation errs differently. */
static void
fill_cancelling(CrRng *rng, float *out, int32_t n)
{
	fill_normal(rng, out, n);
	for (int32_t i = 0; i < n; i++)
		out[i] = (i % 2 == 0 ? 1000.0f : -1000.0f) + out[i] * 1e-3f;
}

/* Products that underflow although the elements do not. */
static void
fill_tiny(CrRng *rng, float *out, int32_t n)
{
	fill_normal(rng, out, n);
	for (int32_t i = 0; i < n; i++)
		out[i] *= 1e-22f;
}

/* The largest floats of which the norm is still one; two of them overflow. */
static void
fill_largest(CrRng *rng, float *out, int32_t n)
{
	float		size = FLT_MAX / (2.0f * sqrtf((float) n));

	for (int32_t i = 0; i < n; i++)
		out[i] = (cr_rng_next(rng) & 1) != 0 ? size : -size;
}

/* What never makes a score that is not finite. */
static const Fill fills[] = {
	fill_normal, fill_zero, fill_equal, fill_ties, fill_any_norm, fill_denormal, fill_cancelling,
	fill_tiny
};

#define FILLS	((int) (sizeof(fills) / sizeof(fills[0])))

/* Items, users, and memory for a block. */
typedef struct Sample
{
	int32_t		dims;
	int32_t		items;
	int32_t		users;
	int32_t		k;
	float	   *item;
	float	   *vector;
	uint32_t  **seen;
	uint32_t   *seen_count;
	int			exclude_seen;
	CrScored   *entries;		/* users rows of k */
	CrScored   *expected;		/* one row of k */
	void	   *arena;
	void	   *memory;
	CrBatchItems batch;
	CrBatchBlock block;
} Sample;

/* About a share of the items, some of them disliked. */
static uint32_t *
random_seen(CrRng *rng, int32_t items, double share, uint32_t *count)
{
	uint32_t   *entries = malloc(sizeof(uint32_t) * ((size_t) items + 1));

	*count = 0;
	for (int32_t i = 0; i < items; i++)
	{
		if (cr_rng_uniform(rng) < share)
			entries[(*count)++] = (uint32_t) i << 1 | (cr_rng_next(rng) % 4 == 0);
	}
	return entries;
}

static int
descending_norms(const void *left, const void *right, int32_t dims)
{
	float		a = cr_norm_upper(left, dims);
	float		b = cr_norm_upper(right, dims);

	return a > b ? -1 : a < b;
}

/* Items in descending order of norm, as a version has them, if "sorted"; the bounds hold anyhow. */
static void
sort_items(Sample *sample)
{
	size_t		row = (size_t) sample->dims;
	float	   *moved = malloc(sizeof(float) * row);

	for (int32_t i = 1; i < sample->items; i++)
	{
		int32_t		to = i;

		memcpy(moved, sample->item + (size_t) i * row, sizeof(float) * row);
		for (; to > 0 && descending_norms(sample->item + (size_t) (to - 1) * row, moved,
										  sample->dims) > 0; to--)
			memcpy(sample->item + (size_t) to * row, sample->item + (size_t) (to - 1) * row,
				   sizeof(float) * row);
		memcpy(sample->item + (size_t) to * row, moved, sizeof(float) * row);
	}
	free(moved);
}

static void
sample_make(Sample *sample, CrRng *rng, Fill item_fill, Fill user_fill, int sorted)
{
	size_t		row = (size_t) sample->dims;

	sample->item = unit_alloc(sizeof(float) * row * (size_t) sample->items);
	sample->vector = unit_alloc(sizeof(float) * row * (size_t) sample->users);
	sample->seen = unit_alloc(sizeof(uint32_t *) * (size_t) sample->users);
	sample->seen_count = unit_alloc(sizeof(uint32_t) * (size_t) sample->users);
	sample->entries = unit_alloc(sizeof(CrScored) * (size_t) sample->users * (size_t) sample->k);
	sample->expected = unit_alloc(sizeof(CrScored) * (size_t) sample->k);
	sample->exclude_seen = cr_rng_next(rng) % 3 != 0;
	for (int32_t i = 0; i < sample->items; i++)
		item_fill(rng, sample->item + (size_t) i * row, sample->dims);
	if (sorted)
		sort_items(sample);
	for (int32_t u = 0; u < sample->users; u++)
	{
		user_fill(rng, sample->vector + (size_t) u * row, sample->dims);
		sample->seen[u] = random_seen(rng, sample->items, cr_rng_next(rng) % 4 * 0.3,
									  &sample->seen_count[u]);
	}
	sample->arena = unit_alloc(cr_batch_items_size(sample->items, sample->dims));
	memset(sample->arena, 0x7f, cr_batch_items_size(sample->items, sample->dims));
	cr_batch_items_view(&sample->batch, sample->items, sample->dims, sample->arena);
	cr_batch_items_begin(&sample->batch);
	for (int32_t i = sample->items - 1; i >= 0; i--)
		cr_batch_items_put(&sample->batch, i, sample->item + (size_t) i * row);
	cr_batch_items_end(&sample->batch);
	sample->memory = unit_alloc(cr_batch_block_size(sample->users, sample->dims));
	cr_batch_block_init(&sample->block, sample->users, sample->dims, sample->memory);
}

static void
sample_free(Sample *sample)
{
	for (int32_t u = 0; u < sample->users; u++)
		free(sample->seen[u]);
	free(sample->item);
	free(sample->vector);
	free(sample->seen);
	free(sample->seen_count);
	free(sample->entries);
	free(sample->expected);
	free(sample->arena);
	free(sample->memory);
}

static CrStatus
sample_run(Sample *sample, CrSimd simd, int32_t tile)
{
	CrStatus	status = CR_OK;

	cr_batch_block_clear(&sample->block);
	for (int32_t u = 0; u < sample->users; u++)
	{
		CrBatchUser user = {0};

		user.seen = sample->seen[u];
		user.seen_count = sample->seen_count[u];
		user.exclude_seen = sample->exclude_seen;
		cr_topk_init(&user.top, sample->entries + (size_t) u * (size_t) sample->k, sample->k);
		CHECK(cr_batch_block_add(&sample->block, sample->vector + (size_t) u * (size_t) sample->dims,
								 sample->dims, &user) == CR_OK);
	}
	for (int32_t panel = 0; panel < sample->batch.panels && sample->block.racing > 0 &&
		 status == CR_OK; panel += tile)
		status = cr_batch_scan(simd, &sample->batch, &sample->block, panel,
							   panel + tile < sample->batch.panels ? panel + tile : sample->batch.panels);
	return status;
}

/* What user u should get; returns the number of rows. */
static int32_t
brute_force(Sample *sample, int32_t u)
{
	size_t		row = (size_t) sample->dims;
	CrTopK		top;

	cr_topk_init(&top, sample->expected, sample->k);
	for (int32_t i = 0; i < sample->items; i++)
	{
		CrSeenState state = cr_seen_lookup(sample->seen[u], sample->seen_count[u], i);

		if (state == CR_UNSEEN || (state == CR_SEEN && !sample->exclude_seen))
			cr_topk_offer(&top, cr_dot(sample->vector + (size_t) u * row,
									   sample->item + (size_t) i * row, sample->dims), i);
	}
	cr_topk_sort(&top);
	return top.count;
}

static void
sample_check(Sample *sample)
{
	for (int32_t u = 0; u < sample->users; u++)
	{
		CrTopK	   *top = &sample->block.user[u].top;
		int32_t		count = brute_force(sample, u);
		int			same = count == top->count;

		cr_topk_sort(top);
		for (int32_t i = 0; same && i < count; i++)
			same = memcmp(&top->entries[i].score, &sample->expected[i].score, sizeof(float)) == 0 &&
				top->entries[i].item_no == sample->expected[i].item_no;
		CHECK(same);
	}
}

static void
equals_brute_force_at_every_level(void)
{
	const int32_t dims[] = {1, 2, 3, 15, 16, 17, 64, 65, 129, 512};
	CrRng		rng;

	cr_rng_init(&rng, 71, 0);
	for (int round = 0; round < 2 * FILLS * FILLS; round++)
	{
		Sample		sample = {0};

		sample.dims = dims[cr_rng_next(&rng) % 10];
		sample.items = 1 + (int32_t) (cr_rng_next(&rng) % (sample.dims > 100 ? 150 : 400));
		sample.users = 1 + (int32_t) (cr_rng_next(&rng) % 40);
		sample.k = 1 + (int32_t) (cr_rng_next(&rng) % (round % 5 == 0 ? 500 : 20));
		sample_make(&sample, &rng, fills[round % FILLS], fills[round / FILLS % FILLS], round % 4 != 0);
		for (int level = 0; level < LEVELS; level++)
		{
			if (!cr_simd_is_available((CrSimd) level))
				continue;
			CHECK(sample_run(&sample, (CrSimd) level, 1 + level + round % 3) == CR_OK);
			sample_check(&sample);
		}
		sample_free(&sample);
	}
}

static void
the_race_ends_early(void)
{
	Sample		sample = {.dims = 16, .items = 64 * 50, .users = 30, .k = 5};
	CrRng		rng;

	cr_rng_init(&rng, 72, 0);
	sample_make(&sample, &rng, fill_normal, fill_normal, 0);
	/* Items ever shorter: after a few panels no one has anything to gain. */
	cr_batch_items_begin(&sample.batch);
	for (int32_t i = 0; i < sample.items; i++)
	{
		float	   *row = sample.item + (size_t) i * 16;

		for (int32_t d = 0; d < 16; d++)
			row[d] /= (float) (1 + i);
		cr_batch_items_put(&sample.batch, i, row);
	}
	cr_batch_items_end(&sample.batch);
	CHECK(sample_run(&sample, CR_SIMD_PORTABLE, 1) == CR_OK);
	CHECK(sample.block.racing == 0);
	sample_check(&sample);
	sample_free(&sample);
}

static void
overflow_is_reported_not_lost(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 73, 0);
	for (int level = 0; level < LEVELS; level++)
	{
		Sample		sample = {.dims = 20, .items = 100, .users = 7, .k = 3};

		if (!cr_simd_is_available((CrSimd) level))
			continue;
		sample_make(&sample, &rng, fill_largest, fill_largest, 1);
		CHECK(sample_run(&sample, (CrSimd) level, 1) == CR_NOT_FINITE);
		CHECK(sample.block.bad_user >= 0 && sample.block.bad_user < 7);
		CHECK(!isfinite(cr_dot(sample.vector + sample.block.bad_user * 20,
							   sample.item + sample.block.bad_item_no * 20, 20)));
		sample_free(&sample);
	}
}

static void
misuse_is_refused(void)
{
	Sample		sample = {.dims = 4, .items = 10, .users = 2, .k = 3};
	CrBatchUser user = {0};
	float		infinite[4] = {FLT_MAX, FLT_MAX, FLT_MAX, FLT_MAX};
	CrRng		rng;

	cr_rng_init(&rng, 74, 0);
	sample_make(&sample, &rng, fill_normal, fill_normal, 1);
	CHECK(sample_run(&sample, CR_SIMD_PORTABLE, 1) == CR_OK);
	cr_topk_init(&user.top, sample.entries, 3);
	CHECK(cr_batch_block_add(&sample.block, sample.vector, 4, &user) == CR_INVALID_ARGUMENT);
	CHECK(cr_batch_scan(CR_SIMD_PORTABLE, &sample.batch, &sample.block, 0, 2) == CR_INVALID_ARGUMENT);
	CHECK(cr_batch_scan(CR_SIMD_PORTABLE, &sample.batch, &sample.block, 0, 0) == CR_INVALID_ARGUMENT);
	CHECK(cr_batch_tile(0) == 1 && cr_batch_tile(1) > 1 && cr_batch_tile(16000) == 1);
	cr_batch_block_clear(&sample.block);
	CHECK(cr_batch_block_add(&sample.block, infinite, 4, &user) == CR_NOT_FINITE);
	CHECK(sample.block.users == 0 && sample.block.racing == 0);
	sample_free(&sample);
}

UNIT_MAIN(UNIT_TEST(equals_brute_force_at_every_level),
		  UNIT_TEST(the_race_ends_early),
		  UNIT_TEST(overflow_is_reported_not_lost),
		  UNIT_TEST(misuse_is_refused));
