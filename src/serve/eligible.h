/*
 * eligible.h
 *		Which items of a version a request may be answered with.
 *
 * An item is eligible if it is among the candidates and passes the filter,
 * where they are given, and is neither excluded nor seen (unless seen items are
 * asked for, or it was last touched long enough ago) nor disliked.  Candidates
 * and the filter are known by item number, so that a search can go from one
 * possible item to the next; the rest is asked for single items only.
 */
#ifndef COMMREC_ELIGIBLE_H
#define COMMREC_ELIGIBLE_H

#include "store/filter.h"
#include "utils/timestamp.h"

/* Ids from an argument; is_given false: the argument was NULL. */
typedef struct IdList
{
	bool		is_given;
	int			count;
	Datum	   *ids;			/* of the model's item kind */
} IdList;

typedef struct EligibleRequest
{
	bool		exclude_seen;
	bool		has_resurface_before;	/* seen items last touched before this time count as unseen */
	TimestampTz resurface_before;
	IdList		candidates;
	IdList		exclude;
	const char *filter;			/* NULL: none */
} EligibleRequest;

/* Item numbers, ascending, each once. */
typedef struct ItemNumbers
{
	int32		count;
	int32	   *numbers;
} ItemNumbers;

typedef struct Eligible
{
	const EligibleRequest *request;
	const DeployedVersion *deployed;
	const StoredUser *user;
	ItemNumbers candidates;
	ItemNumbers exclude;
	FilterReader *filter;		/* NULL: none */
} Eligible;

/*
 * Look up what the request names; ids that the version does not know are
 * passed over.  Unknown filter: 42704; resurface_before without times in the
 * version: 55000.
 */
extern void EligibleOpen(Eligible *eligible, Oid schema, const DeployedVersion *deployed,
						 const EligibleRequest *request, const StoredUser *user);
extern void EligibleClose(Eligible *eligible);

/* The lowest item number from "item_no" on that candidates and filter let through; items if none. */
extern int32 EligibleNext(Eligible *eligible, int32 item_no);

/* May the item be shown? */
extern bool IsEligible(Eligible *eligible, int32 item_no);

/* An upper bound of the number of eligible items, at no cost. */
extern int32 EligibleLimit(const Eligible *eligible);

/* How many items candidates and filter let through, counted up to "limit" at most. */
extern int32 EligibleCount(Eligible *eligible, int32 limit);

#endif							/* COMMREC_ELIGIBLE_H */
