/*
 * eligible.c
 *		Which items of a version a request may be answered with.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "core/seen.h"
#include "serve/eligible.h"
#include "store/model.h"

static int
CompareNumbers(const void *left, const void *right)
{
	int32		a = *(const int32 *) left;
	int32		b = *(const int32 *) right;

	CHECK_FOR_INTERRUPTS();
	return a < b ? -1 : a > b;
}

/* Numbers of the ids that the version knows. */
static ItemNumbers
FindNumbers(Oid schema, const DeployedVersion *deployed, const IdList *list)
{
	ItemNumbers found = {0, NULL};
	ItemReader	items;
	int32		distinct = 0;

	if (!list->is_given || list->count == 0)
		return found;
	found.numbers = palloc(sizeof(int32) * list->count);
	ItemReaderOpen(&items, schema, deployed, ITEM_BY_ID);
	for (int i = 0; i < list->count; i++)
	{
		StoredItem	item;

		CHECK_FOR_INTERRUPTS();
		if (!ItemReaderFindId(&items, list->ids[i]))
			continue;
		ItemReaderGet(&items, &item);
		found.numbers[found.count++] = item.item_no;
	}
	ItemReaderClose(&items);
	qsort(found.numbers, found.count, sizeof(int32), CompareNumbers);
	for (int32 i = 0; i < found.count; i++)
	{
		if (distinct == 0 || found.numbers[i] != found.numbers[distinct - 1])
			found.numbers[distinct++] = found.numbers[i];
	}
	found.count = distinct;
	return found;
}

/* Place of the first number that is not below "item_no". */
static int32
LowerBound(const ItemNumbers *list, int32 item_no)
{
	int32		low = 0;
	int32		high = list->count;

	while (low < high)
	{
		int32		middle = low + (high - low) / 2;

		if (list->numbers[middle] < item_no)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
IsListed(const ItemNumbers *list, int32 item_no)
{
	int32		place = LowerBound(list, item_no);

	return place < list->count && list->numbers[place] == item_no;
}

void
EligibleOpen(Eligible *eligible, Oid schema, const DeployedVersion *deployed,
			 const EligibleRequest *request, const StoredUser *user)
{
	eligible->request = request;
	eligible->deployed = deployed;
	eligible->user = user;
	eligible->filter = NULL;
	if (request->has_resurface_before && user->seen_count > 0 && user->last_touched == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" does not know when items were seen",
						ModelSchemaName(schema)),
				 errhint("resurface_after needs a model with a time column, and a version trained with it.")));
	eligible->candidates = FindNumbers(schema, deployed, &request->candidates);
	eligible->exclude = FindNumbers(schema, deployed, &request->exclude);
	if (request->filter != NULL)
	{
		eligible->filter = palloc(sizeof(FilterReader));
		FilterReaderOpen(eligible->filter, schema, deployed, request->filter);
	}
}

void
EligibleClose(Eligible *eligible)
{
	if (eligible->filter != NULL)
		FilterReaderClose(eligible->filter);
}

int32
EligibleNext(Eligible *eligible, int32 item_no)
{
	const ItemNumbers *candidates = &eligible->candidates;
	int32		items = eligible->deployed->items;

	if (!eligible->request->candidates.is_given)
		return eligible->filter == NULL ? Min(item_no, items) :
			FilterNext(eligible->filter, item_no);
	for (int32 place = LowerBound(candidates, item_no); place < candidates->count; place++)
	{
		if (eligible->filter == NULL || FilterHas(eligible->filter, candidates->numbers[place]))
			return candidates->numbers[place];
	}
	return items;
}

/* Was it last touched before this time?  Not if nothing is known of that. */
static bool
IsTouchedBefore(uint32 last_touched, TimestampTz time)
{
	return last_touched != CR_SEEN_NO_TIME && (int64) last_touched * USECS_PER_MINUTE < time;
}

/* Disliked items never come back; seen ones where they are asked for, or after a while. */
static bool
IsSeenAway(const Eligible *eligible, int32 item_no)
{
	const StoredUser *user = eligible->user;
	const EligibleRequest *request = eligible->request;
	uint32		place;

	switch (cr_seen_find(user->seen, user->seen_count, item_no, &place))
	{
		case CR_UNSEEN:
			return false;
		case CR_DISLIKED:
			return true;
		case CR_SEEN:
			break;
	}
	if (!request->exclude_seen)
		return false;
	return !(request->has_resurface_before &&
			 IsTouchedBefore(user->last_touched[place], request->resurface_before));
}

bool
IsEligible(Eligible *eligible, int32 item_no)
{
	if (eligible->request->candidates.is_given && !IsListed(&eligible->candidates, item_no))
		return false;
	if (eligible->filter != NULL && !FilterHas(eligible->filter, item_no))
		return false;
	return !IsSeenAway(eligible, item_no) && !IsListed(&eligible->exclude, item_no);
}

/* What is disliked, or excluded, takes room only where it is few. */
int32
EligibleLimit(const Eligible *eligible)
{
	const EligibleRequest *request = eligible->request;

	if (request->candidates.is_given)
		return eligible->candidates.count;
	return eligible->deployed->items -
		(request->exclude_seen && !request->has_resurface_before ?
		 (int32) eligible->user->seen_count : 0);
}

int32
EligibleCount(Eligible *eligible, int32 limit)
{
	int32		items = eligible->deployed->items;
	int32		count = 0;

	if (!eligible->request->candidates.is_given && eligible->filter == NULL)
		return Min(items, limit);
	for (int32 item_no = EligibleNext(eligible, 0); item_no < items && count < limit;
		 item_no = EligibleNext(eligible, item_no + 1))
		count++;
	return count;
}
