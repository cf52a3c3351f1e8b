/*
 * blend_internal.h
 *		What the files blend*.c share: the split of the events, and the grid of candidates.
 *
 * All memory of a validation is in one context of its own; what is allocated
 * by BlendAlloc is counted against the budget and given back at the end.
 */
#ifndef COMMREC_BLEND_INTERNAL_H
#define COMMREC_BLEND_INTERNAL_H

#include "core/rng.h"
#include "train/blend.h"

#define BLEND_TOP			10		/* k of nDCG@k */
#define BLEND_USERS_MIN		10		/* below this, means are noise */
#define BLEND_WEIGHTS_MAX	16
#define BLEND_HALF_LIVES_MAX	8

/* Streams of random numbers; entities of the engine use those from 0 on. */
#define BLEND_STREAM_SAMPLE		UINT64_MAX
#define BLEND_STREAM_HOLD_OUT	(UINT64_MAX - 1)
#define BLEND_STREAM_USERS		(UINT64_MAX - 2)

typedef struct BlendMemory
{
	MemoryBudget *budget;
	Size		bytes;			/* to be given back */
} BlendMemory;

/* The events that the candidates learn from, and what they have to foresee. */
typedef struct BlendSplit
{
	BlendMemory *memory;
	const Recipe *recipe;
	EventLog	all;			/* events of the sampled users; shares ids with the whole log */
	EventLog	known;			/* those of them that may be learned from */
	double		span;			/* days from the oldest to the newest event of "all" */
	Touched    *touched;		/* pairs of "known" */
	int64	   *test_start;		/* users + 1 offsets */
	int32	   *test_item;		/* positive pairs beyond "known", of items in "known"; ascending */
} BlendSplit;

/* Candidates, and their mean nDCG@10 once scored. */
typedef struct BlendGrid
{
	int			weights;
	double		weight[BLEND_WEIGHTS_MAX];	/* ascending; the first is 0 */
	int			half_lives;
	double		half_life[BLEND_HALF_LIVES_MAX];	/* days, descending */
	double		ndcg[BLEND_HALF_LIVES_MAX][BLEND_WEIGHTS_MAX];
	double		popular[BLEND_HALF_LIVES_MAX];	/* by popularity alone */
	double		gain_square[BLEND_HALF_LIVES_MAX][BLEND_WEIGHTS_MAX];	/* mean square of what a user
																		 * gains over popularity alone */
	int32		users;			/* that the means are over */
	bool		is_foresight;	/* split by time, not at random */
} BlendGrid;

/* Reserve and allocate count elements. */
extern void *BlendAlloc(BlendMemory *memory, int64 count, Size width);

/*
 * Draw a number from each of "seen" candidates in turn so that exactly
 * "wanted" of "total" are taken, every subset being equally likely (Knuth's
 * selection sampling).
 */
extern bool BlendTakes(CrRng *rng, int64 total, int64 seen, int64 wanted, int64 taken);

/* blend_split.c: is there any time to split by? */
extern bool BlendHasTime(const EventLog *log);

/* blend_split.c: sample users, split their events. */
extern void BlendSplitMake(const EventLog *log, BlendSplit *split);

/*
 * blend_score.c: train on split->known and score the candidates.  False, and
 * nothing scored, if there are too few users to validate on (grid->users tells
 * how many).
 */
extern bool BlendGridScore(const BlendSplit *split, Progress *progress, BlendGrid *grid);

#endif							/* COMMREC_BLEND_INTERNAL_H */
