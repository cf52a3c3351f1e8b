/*
 * ratings.h
 *		From events to explicit ratings: the newest value that a member gave an item.
 *
 * Events count whose action counts its value.  Of several by one member for
 * one item the newest does (those without a time come first), of several at the
 * same time the largest value.  All are on the scale of the values as they are.
 */
#ifndef COMMREC_RATINGS_H
#define COMMREC_RATINGS_H

#include "train/events.h"
#include "train/interactions.h"

typedef struct Ratings
{
	int32		users;
	int64	   *start;			/* users + 1 offsets */
	int32	   *item;			/* ascending within a user */
	float	   *value;
	double		mean;			/* of all values; 0 without any */
	int64		room;			/* of "item" and "value" */
} Ratings;

/*
 * Items with fewer than the filter's users, and then users with fewer than its
 * items, are left out.  55000 if no action counts a value; 22003 if one is
 * beyond a float.  Allocated in the current context.
 */
extern Ratings *RatingsBuild(const EventLog *log, const PositiveFilter *filter,
							 MemoryBudget *budget);

extern void RatingsFree(Ratings *ratings, MemoryBudget *budget);

/* Write them as CSR, values less their mean. */
extern void RatingsFill(const Ratings *ratings, int64 *start, int32 *column, float *centred);

#endif							/* COMMREC_RATINGS_H */
