/*
 * pairs.c
 *		The item-major copy of the positive pairs, made by the leader in slices.
 *
 * A counting sort as in cr_csr_transpose, but with polls for interrupts: at
 * tens of millions of pairs it takes longer than a cancel may wait.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "common/memory.h"
#include "train/pairs.h"

#define PREFETCH_PAIRS	24		/* ahead */
#define SLICE_PAIRS		INT64CONST(262144)	/* scattered writes: about 10 ms */

/* start[i] = number of pairs of the items before i. */
static void
count_items(const CrCsr *users, PairArrays *items)
{
	int64		pairs = users->start[users->rows];
	int64		before = 0;

	BudgetZero(items->start, (Size) (users->columns + 1) * sizeof(int64));
	for (int64 from = 0; from < pairs; from += SLICE_PAIRS)
	{
		int64		to = Min(from + SLICE_PAIRS, pairs);

		for (int64 e = from; e < to; e++)
			items->start[users->column[e]]++;
		CHECK_FOR_INTERRUPTS();
	}
	for (int64 item = 0; item <= users->columns; item++)
	{
		int64		count = items->start[item];

		items->start[item] = before;
		before += count;
	}
}

/*
 * The place of a pair a little further on will be near where its item's next
 * place is now: fetch it meanwhile.  Items are many, and each place misses.
 */
static inline void
prefetch_place(const PairArrays *items, int32 item)
{
	int64		place = items->start[item];

	__builtin_prefetch(&items->column[place], 1);
	if (items->weight != NULL)
		__builtin_prefetch(&items->weight[place], 1);
}

/* Copy the pairs of one slice to the next free places of their items, which moves start[] on. */
static int64
scatter_slice(const CrCsr *users, PairArrays *items, int64 from, int64 to, int64 user)
{
	for (int64 e = from; e < to; e++)
	{
		int64		place;

		if (e + PREFETCH_PAIRS < to)
			prefetch_place(items, users->column[e + PREFETCH_PAIRS]);
		while (e >= users->start[user + 1])
			user++;
		place = items->start[users->column[e]]++;
		items->column[place] = (int32) user;
		if (users->weight != NULL)
			items->weight[place] = users->weight[e];
	}
	return user;
}

/* In the order of the pairs, so that it is the same sum everywhere. */
static double
sum_weights(const CrCsr *users, int64 from, int64 to)
{
	double		sum = 0;

	if (users->weight == NULL)
		return (double) (to - from);
	for (int64 e = from; e < to; e++)
		sum += users->weight[e];
	return sum;
}

double
PairsTranspose(const CrCsr *users, PairArrays *items)
{
	int64		pairs = users->start[users->rows];
	int64		user = 0;
	double		weight_sum = 0;

	count_items(users, items);
	for (int64 from = 0; from < pairs; from += SLICE_PAIRS)
	{
		int64		to = Min(from + SLICE_PAIRS, pairs);

		user = scatter_slice(users, items, from, to, user);
		weight_sum += sum_weights(users, from, to);
		CHECK_FOR_INTERRUPTS();
	}
	/* Filling has moved every offset to the next item's: move them back. */
	memmove(items->start + 1, items->start, (Size) users->columns * sizeof(int64));
	items->start[0] = 0;
	return weight_sum;
}
