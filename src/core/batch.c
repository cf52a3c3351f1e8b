/*
 * batch.c
 *		The best items for many users at once: memory, the race, and what the kernels share.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/batch.h"
#include "core/batch_kernel.h"
#include "core/seen.h"
#include "core/vector.h"

#define LANES		16			/* of cr_dot: rows are padded to whole ones */
#define TILE_BYTES	(256 * 1024)	/* of items: stays in the second cache beside the users */

static size_t
aligned(size_t bytes)
{
	return (bytes + CR_BATCH_ALIGNMENT - 1) / CR_BATCH_ALIGNMENT * CR_BATCH_ALIGNMENT;
}

static int32_t
row_stride(int32_t dims)
{
	return (dims + LANES - 1) / LANES * LANES;
}

static int32_t
count_panels(int32_t items)
{
	return items / CR_BATCH_PANEL + (items % CR_BATCH_PANEL != 0);
}

static int32_t
count_groups(int32_t users)
{
	return (users + CR_BATCH_GROUP - 1) / CR_BATCH_GROUP;
}

static size_t
rows_size(int32_t items, int32_t dims)
{
	return aligned(sizeof(float) * (size_t) items * (size_t) row_stride(dims));
}

static size_t
columns_size(int32_t items, int32_t dims)
{
	return aligned(sizeof(float) * (size_t) count_panels(items) * CR_BATCH_PANEL * (size_t) dims);
}

size_t
cr_batch_items_size(int32_t items, int32_t dims)
{
	return rows_size(items, dims) + columns_size(items, dims) +
		aligned(sizeof(float) * (size_t) count_panels(items));
}

void
cr_batch_items_view(CrBatchItems *view, int32_t items, int32_t dims, void *arena)
{
	char	   *next = arena;

	view->items = items;
	view->dims = dims;
	view->stride = row_stride(dims);
	view->panels = count_panels(items);
	view->rows = (float *) next;
	next += rows_size(items, dims);
	view->columns = (float *) next;
	next += columns_size(items, dims);
	view->max_norm = (float *) next;
}

static float *
panel_columns(const CrBatchItems *view, int32_t panel)
{
	return view->columns + (size_t) panel * CR_BATCH_PANEL * (size_t) view->dims;
}

void
cr_batch_items_begin(CrBatchItems *view)
{
	for (int32_t panel = 0; panel < view->panels; panel++)
		view->max_norm[panel] = 0.0f;
	if (view->panels > 0)
		memset(panel_columns(view, view->panels - 1), 0,
			   sizeof(float) * CR_BATCH_PANEL * (size_t) view->dims);
}

void
cr_batch_items_put(CrBatchItems *view, int32_t item_no, const float *vector)
{
	int32_t		panel = item_no / CR_BATCH_PANEL;
	float	   *row = view->rows + (size_t) item_no * (size_t) view->stride;
	float	   *column = panel_columns(view, panel) + item_no % CR_BATCH_PANEL;

	memcpy(row, vector, sizeof(float) * (size_t) view->dims);
	for (int32_t d = view->dims; d < view->stride; d++)
		row[d] = 0.0f;
	for (int32_t d = 0; d < view->dims; d++)
		column[(size_t) d * CR_BATCH_PANEL] = vector[d];
	view->max_norm[panel] = fmaxf(view->max_norm[panel], cr_norm_upper(vector, view->dims));
}

/* Whoever numbered the items need not have computed norms as we do. */
void
cr_batch_items_end(CrBatchItems *view)
{
	for (int32_t panel = view->panels - 2; panel >= 0; panel--)
		view->max_norm[panel] = fmaxf(view->max_norm[panel], view->max_norm[panel + 1]);
}

size_t
cr_batch_block_size(int32_t users, int32_t dims)
{
	return aligned(sizeof(CrBatchUser) * (size_t) users) +
		aligned(sizeof(float) * (size_t) users * (size_t) row_stride(dims)) +
		aligned(sizeof(int32_t) * (size_t) users) +
		aligned(sizeof(float) * (size_t) count_groups(users) * CR_BATCH_GROUP * (size_t) dims);
}

void
cr_batch_block_init(CrBatchBlock *block, int32_t users, int32_t dims, void *memory)
{
	char	   *next = memory;

	block->capacity = users;
	block->stride = row_stride(dims);
	block->user = (CrBatchUser *) next;
	next += aligned(sizeof(CrBatchUser) * (size_t) users);
	block->vectors = (float *) next;
	next += aligned(sizeof(float) * (size_t) users * (size_t) block->stride);
	block->racer = (int32_t *) next;
	next += aligned(sizeof(int32_t) * (size_t) users);
	block->queries = (float *) next;
	cr_batch_block_clear(block);
}

void
cr_batch_block_clear(CrBatchBlock *block)
{
	block->users = 0;
	block->racing = 0;
}

static float *
user_vector(const CrBatchBlock *block, int32_t user)
{
	return block->vectors + (size_t) user * (size_t) block->stride;
}

CrStatus
cr_batch_block_add(CrBatchBlock *block, const float *vector, int32_t dims, const CrBatchUser *user)
{
	int32_t		number = block->users;
	float	   *row = user_vector(block, number);

	if (number >= block->capacity)
		return CR_INVALID_ARGUMENT;
	block->user[number] = *user;
	block->user[number].norm = cr_norm_upper(vector, dims);
	block->user[number].threshold = cr_topk_threshold(&user->top);
	if (!isfinite(block->user[number].norm))
		return CR_NOT_FINITE;
	memcpy(row, vector, sizeof(float) * (size_t) dims);
	for (int32_t d = dims; d < block->stride; d++)
		row[d] = 0.0f;
	block->racer[block->racing++] = number;
	block->users++;
	return CR_OK;
}

int32_t
cr_batch_tile(int32_t dims)
{
	size_t		panel = sizeof(float) * CR_BATCH_PANEL * (size_t) dims;

	return panel == 0 || panel >= TILE_BYTES ? 1 : (int32_t) (TILE_BYTES / panel);
}

/* The largest score that two vectors can have whose norms multiply to "size", and by how much
 * a first-pass product may fall short of it: both from the bound in batch.h. */
static double
slack(double size, int32_t dims)
{
	return size * ((double) dims * (1.0 + 1.0 / LANES) + 8.0) * FLT_EPSILON +
		2.0 * (double) dims * FLT_TRUE_MIN;
}

/* May a sum have overflowed on the way, whatever its end? */
static int
may_overflow(double size)
{
	return !(size < (double) FLT_MAX / 2.0);
}

int
cr_batch_is_hopeless(const CrBatchItems *items, const CrBatchUser *user, int32_t panel)
{
	double		size = (double) user->norm * items->max_norm[panel];

	/* A vector of zeros scores zero, exactly. */
	if (size == 0.0)
		return user->threshold >= 0.0f;
	/* The last factor is for the roundings of this line. */
	return !may_overflow(size) &&
		(size + slack(size, items->dims)) * (1.0 + 8.0 * DBL_EPSILON) <= user->threshold;
}

/* The last line rounds down whatever the conversion does. */
float
cr_batch_limit(const CrBatchItems *items, const CrBatchUser *user, int32_t panel)
{
	double		size = (double) user->norm * items->max_norm[panel];
	double		limit;

	if (may_overflow(size))
		return -INFINITY;
	limit = user->threshold - slack(size, items->dims) * (1.0 + 8.0 * DBL_EPSILON);
	return (float) (limit - fabs(limit) * FLT_EPSILON - FLT_TRUE_MIN);
}

static int
is_excluded(const CrBatchUser *user, int32_t item_no)
{
	CrSeenState state = cr_seen_lookup(user->seen, user->seen_count, item_no);

	return state == CR_DISLIKED || (state == CR_SEEN && user->exclude_seen);
}

CrStatus
cr_batch_offer(CrBatchBlock *block, int32_t user, int32_t item_no, float score)
{
	CrBatchUser *taker = &block->user[user];

	if (isfinite(score) && score <= taker->threshold)
		return CR_OK;
	if (is_excluded(taker, item_no))
		return CR_OK;
	if (!isfinite(score))
	{
		block->bad_user = user;
		block->bad_item_no = item_no;
		return CR_NOT_FINITE;
	}
	cr_topk_offer(&taker->top, score, item_no);
	taker->threshold = cr_topk_threshold(&taker->top);
	return CR_OK;
}

/* Let go of those who cannot gain from this panel or a later one. */
static void
drop_hopeless(const CrBatchItems *items, CrBatchBlock *block, int32_t panel)
{
	int32_t		kept = 0;

	for (int32_t i = 0; i < block->racing; i++)
	{
		int32_t		user = block->racer[i];

		if (!cr_batch_is_hopeless(items, &block->user[user], panel))
			block->racer[kept++] = user;
	}
	block->racing = kept;
}

/* The vectors of those in the race, side by side; the last group is filled up with zeros. */
static void
interleave(const CrBatchItems *items, CrBatchBlock *block)
{
	size_t		dims = (size_t) items->dims;

	for (int32_t i = 0; i < count_groups(block->racing) * CR_BATCH_GROUP; i++)
	{
		float	   *out = block->queries + (size_t) (i / CR_BATCH_GROUP) * CR_BATCH_GROUP * dims +
			i % CR_BATCH_GROUP;
		const float *vector = i < block->racing ? user_vector(block, block->racer[i]) : NULL;

		for (size_t d = 0; d < dims; d++)
			out[d * CR_BATCH_GROUP] = vector == NULL ? 0.0f : vector[d];
	}
}

static CrBatchKernel
kernel_for(CrSimd simd)
{
	switch (simd)
	{
		case CR_SIMD_AVX512:
			return cr_batch_kernel_avx512;
		case CR_SIMD_AVX2:
			return cr_batch_kernel_avx2;
		case CR_SIMD_PORTABLE:
			break;
	}
	return cr_batch_kernel_portable;
}

CrStatus
cr_batch_scan(CrSimd simd, const CrBatchItems *items, CrBatchBlock *block, int32_t first,
			  int32_t last)
{
	int32_t		before = block->racing;

	if (first < 0 || first >= last || last > items->panels)
		return CR_INVALID_ARGUMENT;
	drop_hopeless(items, block, first);
	if (first == 0 || block->racing < before)
		interleave(items, block);
	if (block->racing == 0)
		return CR_OK;
	return kernel_for(simd) (items, block, first, last);
}
