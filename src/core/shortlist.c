/*
 * shortlist.c
 *		The items that may still be among the best k, from bounds of their scores.
 */
#include "core/shortlist.h"

void
cr_shortlist_init(CrShortlist *list, CrScored *heap, int32_t k, CrShortlisted *entries,
				  int32_t capacity)
{
	cr_topk_init(&list->lowest, heap, k);
	list->entries = entries;
	list->capacity = capacity;
	list->count = 0;
}

float
cr_shortlist_threshold(const CrShortlist *list)
{
	return cr_topk_threshold(&list->lowest);
}

int32_t
cr_shortlist_prune(CrShortlist *list)
{
	float		threshold = cr_shortlist_threshold(list);
	int32_t		kept = 0;

	for (int32_t i = 0; i < list->count; i++)
	{
		if (list->entries[i].highest >= threshold)
			list->entries[kept++] = list->entries[i];
	}
	list->count = kept;
	return list->capacity - kept;
}

int
cr_shortlist_add(CrShortlist *list, float lowest, float highest, int32_t item_no)
{
	CrShortlisted entry = {highest, item_no};

	if (highest < cr_shortlist_threshold(list))
		return 0;
	cr_topk_offer(&list->lowest, lowest, item_no);
	list->entries[list->count++] = entry;
	return 1;
}

static int
is_higher(CrShortlisted a, CrShortlisted b)
{
	if (a.highest != b.highest)
		return a.highest > b.highest;
	return a.item_no < b.item_no;
}

/* Let "entry" sink from the empty place "hole" to where its children are no higher. */
static void
sink(CrShortlist *list, int32_t hole, CrShortlisted entry)
{
	CrShortlisted *entries = list->entries;

	for (;;)
	{
		int64_t		child = 2 * (int64_t) hole + 1;

		if (child >= list->count)
			break;
		if (child + 1 < list->count && is_higher(entries[child + 1], entries[child]))
			child++;
		if (!is_higher(entries[child], entry))
			break;
		entries[hole] = entries[child];
		hole = (int32_t) child;
	}
	entries[hole] = entry;
}

void
cr_shortlist_heapify(CrShortlist *list)
{
	for (int32_t i = list->count / 2 - 1; i >= 0; i--)
		sink(list, i, list->entries[i]);
}

int
cr_shortlist_pop(CrShortlist *list, CrShortlisted *entry)
{
	CrShortlisted last;

	if (list->count == 0)
		return 0;
	*entry = list->entries[0];
	last = list->entries[--list->count];
	if (list->count > 0)
		sink(list, 0, last);
	return 1;
}
