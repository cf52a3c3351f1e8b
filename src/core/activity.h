/*
 * activity.h
 *		Stretches of time that get longer with age.
 *
 * What happened to an item is kept for every bucket of the model in the recent
 * past, and for ever longer stretches before: the table stays small however
 * long the history is, and what is recent stays sharp.  Counting back from the
 * newest bucket (age 0, in buckets), slots 0 .. CR_ACTIVITY_RECENT-1 hold one
 * bucket each; every further slot holds as many buckets as all before it
 * together, and the last one everything older.
 */
#ifndef CR_ACTIVITY_H
#define CR_ACTIVITY_H

#include <stdint.h>

#define CR_ACTIVITY_RECENT	32	/* buckets that have a slot of their own; a power of two */
#define CR_ACTIVITY_SLOTS	64	/* as many as a word has bits; the last one is for "no time" */
#define CR_ACTIVITY_NO_TIME	(CR_ACTIVITY_SLOTS - 1)
#define CR_ACTIVITY_OLDEST	(CR_ACTIVITY_SLOTS - 2)

/* The slot of an age in buckets; ages below 0, in the future, are those of now. */
extern int	cr_activity_slot(int64_t age);

/* The youngest age in a slot, 0 .. CR_ACTIVITY_OLDEST + 1: a slot ends where the next begins. */
extern int64_t cr_activity_first_age(int slot);

#endif							/* CR_ACTIVITY_H */
