/*
 * cooccurrence.c
 *		Rows of the sparse product of the preference matrix with itself.
 *
 * The rows of users lie all over the matrix, so that they are fetched ahead;
 * the array of sums mostly stays in the second-level cache.
 */
#include <math.h>

#include "core/cooccurrence.h"
#include "core/select.h"

#define USERS_AT_ONCE	256		/* whose factors are computed, then their rows added */
#define OFFSETS_AHEAD	16		/* users, whose offsets are fetched */
#define ROWS_AHEAD		8		/* users, whose rows are fetched */

/* A row with fewer additions than a quarter of the items keeps a list of places. */
#define DENSE_SHARE		4

void
cr_cooccurrence_carve(CrCooccurrence *product, CrCarver *scratch, int64_t items)
{
	product->sum = cr_carve(scratch, (uint64_t) items, sizeof(float));
	product->touched = cr_carve(scratch, (uint64_t) items / DENSE_SHARE + 1, sizeof(int32_t));
	product->entries = cr_carve(scratch, (uint64_t) items, sizeof(CrScored));
	product->counters = cr_carve(scratch, CR_SELECT_COUNTERS, sizeof(uint32_t));
}

static void
prefetch_row(const CrCooccurrence *product, const int32_t *user, int32_t at, int32_t count)
{
	int64_t		start;

	if (at + OFFSETS_AHEAD < count)
		__builtin_prefetch(&product->users->start[user[at + OFFSETS_AHEAD]]);
	if (at + ROWS_AHEAD >= count)
		return;
	start = product->users->start[user[at + ROWS_AHEAD]];
	__builtin_prefetch(&product->users->column[start]);
	__builtin_prefetch(&product->users->column[start] + 16);
	if (product->value != NULL)
		__builtin_prefetch(&product->value[start]);
}

/* All places are looked at later on. */
static void
add_dense(float *sum, const int32_t *column, const float *value, int64_t count, float factor)
{
	if (value == NULL)
	{
		for (int64_t e = 0; e < count; e++)
			sum[column[e]] += factor;
	}
	else
	{
		for (int64_t e = 0; e < count; e++)
			sum[column[e]] += factor * value[e];
	}
}

/*
 * A place is listed when its sum is 0: again if what was added is lost to
 * underflow, which the length of the list allows for and collect_listed skips.
 */
static int64_t
add_listed(const CrCooccurrence *product, const int32_t *column, const float *value, int64_t count,
		   float factor)
{
	int64_t		touched = product->touched_count;

	for (int64_t e = 0; e < count; e++)
	{
		float	   *sum = &product->sum[column[e]];

		product->touched[touched] = column[e];
		touched += *sum == 0.0f;
		*sum += value == NULL ? factor : factor * value[e];
	}
	return touched;
}

static void
add_rows(CrCooccurrence *product, const int32_t *user, const float *factor, int32_t count)
{
	const CrCsr *users = product->users;

	for (int32_t at = 0; at < count; at++)
	{
		int64_t		start = users->start[user[at]];
		int64_t		length = users->start[user[at] + 1] - start;
		const int32_t *column = users->column + start;
		const float *value = product->value == NULL ? NULL : product->value + start;

		prefetch_row(product, user, at, count);
		if (product->is_dense)
			add_dense(product->sum, column, value, length, factor[at]);
		else
			product->touched_count = add_listed(product, column, value, length, factor[at]);
	}
}

/* All users of an item. */
static void
add_users(CrCooccurrence *product, int64_t item)
{
	const CrCsr *items = product->items;
	float		factor[USERS_AT_ONCE];

	for (int32_t at = 0; at < USERS_AT_ONCE; at++)
		factor[at] = 1.0f;
	for (int64_t e = items->start[item]; e < items->start[item + 1]; e += USERS_AT_ONCE)
	{
		int64_t		left = items->start[item + 1] - e;
		int32_t		count = left < USERS_AT_ONCE ? (int32_t) left : USERS_AT_ONCE;

		if (product->factors != NULL)
			product->factors(product->context, item, e, count, factor);
		add_rows(product, items->column + e, factor, count);
	}
}

static int64_t
collect_dense(CrCooccurrence *product)
{
	int64_t		items = product->users->columns;
	int64_t		count = 0;

	for (int64_t item = 0; item < items; item++)
	{
		product->entries[count].score = product->sum[item];
		product->entries[count].item_no = (int32_t) item;
		count += product->sum[item] != 0.0f;
		product->sum[item] = 0.0f;
	}
	return count;
}

static int64_t
collect_listed(CrCooccurrence *product)
{
	int64_t		count = 0;

	for (int64_t t = 0; t < product->touched_count; t++)
	{
		int32_t		item = product->touched[t];

		product->entries[count].score = product->sum[item];
		product->entries[count].item_no = item;
		count += product->sum[item] != 0.0f;
		product->sum[item] = 0.0f;
	}
	return count;
}

int64_t
cr_cooccurrence_row(CrCooccurrence *product, int64_t item, int64_t additions)
{
	product->is_dense = additions >= product->users->columns / DENSE_SHARE;
	product->touched_count = 0;
	add_users(product, item);
	product->sum[item] = 0.0f;
	return product->is_dense ? collect_dense(product) : collect_listed(product);
}

void
cr_cooccurrence_sums(CrCooccurrence *product, int64_t item)
{
	product->is_dense = 1;
	add_users(product, item);
}

/* The first row that starts at "position" or behind it; "rows" if none does. */
static int64_t
first_row_at(const int64_t *start, int64_t rows, int64_t position)
{
	int64_t		low = 0;
	int64_t		high = rows;

	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (start[middle] < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t
cr_slices(int64_t total, int64_t size)
{
	return total / size + (total % size != 0);
}

void
cr_slice(const int64_t *start, int64_t rows, int64_t size, int64_t unit, int64_t *from, int64_t *to)
{
	*from = first_row_at(start, rows, unit * size);
	*to = unit + 1 >= cr_slices(start[rows], size) ? rows :
		first_row_at(start, rows, (unit + 1) * size);
}

void
cr_cooccurrence_cost(const CrCsr *users, const CrCsr *items, int64_t base, int64_t *cost,
					 int64_t from, int64_t to)
{
	for (int64_t item = from; item < to; item++)
	{
		cost[item] = base;
		for (int64_t e = items->start[item]; e < items->start[item + 1]; e++)
		{
			int32_t		user = items->column[e];

			cost[item] += users->start[user + 1] - users->start[user];
		}
	}
}

double
cr_cooccurrence_seconds(int64_t users, int64_t items, int64_t pairs)
{
	double		additions = users > 0 ? 3.0 * (double) pairs * (double) pairs / (double) users : 0.0;
	double		entries = fmin(additions, (double) items * (double) items);

	return 1e-9 * additions + 8e-9 * entries;
}

void
cr_prefix_sums(int64_t *counts, int64_t n)
{
	int64_t		before = 0;

	for (int64_t i = 0; i <= n; i++)
	{
		int64_t		count = counts[i];

		counts[i] = before;
		before += count;
	}
}
