/*
 * topk.c
 *		The best k of a stream of (score, item_no), with deterministic ties.
 */
#include <math.h>

#include "core/topk.h"

/* The order of topk.h; total, since an item is offered once. */
static int
is_better(CrScored a, CrScored b)
{
	if (a.score != b.score)
		return a.score > b.score;
	return a.item_no < b.item_no;
}

/* Let "entry" sink from the empty top to where its children are no worse than it. */
static void
sink(CrScored *entries, int32_t count, CrScored entry)
{
	int32_t		hole = 0;

	for (;;)
	{
		int64_t		child = 2 * (int64_t) hole + 1;

		if (child >= count)
			break;
		if (child + 1 < count && is_better(entries[child], entries[child + 1]))
			child++;
		if (!is_better(entry, entries[child]))
			break;
		entries[hole] = entries[child];
		hole = (int32_t) child;
	}
	entries[hole] = entry;
}

/* Let "entry" rise from the empty end, position "hole", to where its parent is no better. */
static void
rise(CrScored *entries, int32_t hole, CrScored entry)
{
	while (hole > 0)
	{
		int32_t		parent = (hole - 1) / 2;

		if (!is_better(entries[parent], entry))
			break;
		entries[hole] = entries[parent];
		hole = parent;
	}
	entries[hole] = entry;
}

void
cr_topk_init(CrTopK *top, CrScored *entries, int32_t capacity)
{
	top->entries = entries;
	top->capacity = capacity;
	top->count = 0;
}

float
cr_topk_threshold(const CrTopK *top)
{
	return top->count < top->capacity ? -INFINITY : top->entries[0].score;
}

/* A NaN has no place in the order and would break the heap, so that it is never taken. */
int
cr_topk_accepts(const CrTopK *top, float score, int32_t item_no)
{
	CrScored	entry = {score, item_no};

	if (isnan(score))
		return 0;
	return top->count < top->capacity || (top->count > 0 && is_better(entry, top->entries[0]));
}

int
cr_topk_offer(CrTopK *top, float score, int32_t item_no)
{
	CrScored	entry = {score, item_no};

	if (!cr_topk_accepts(top, score, item_no))
		return 0;
	if (top->count < top->capacity)
	{
		rise(top->entries, top->count++, entry);
		return 1;
	}
	sink(top->entries, top->count, entry);
	return 1;
}

/* Heap sort: the worst of the rest goes to the end of the rest. */
int32_t
cr_topk_sort_slice(CrTopK *top, int32_t rest, int32_t steps)
{
	for (; rest > 1 && steps > 0; steps--)
	{
		CrScored	last = top->entries[--rest];

		top->entries[rest] = top->entries[0];
		sink(top->entries, rest, last);
	}
	return rest > 1 ? rest : 0;
}

void
cr_topk_sort(CrTopK *top)
{
	(void) cr_topk_sort_slice(top, top->count, INT32_MAX);
}
