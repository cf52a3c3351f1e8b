/*
 * best.h
 *		The best k rows of a stream, with their ids.
 *
 * For answers whose rows come one by one in the order of their ids and cannot
 * be found again by a number.  Order: higher score, then more support, then as
 * they came.  At most twice k rows are held, and only those that may still win;
 * memory grows with what is offered, so that k may be any number.
 */
#ifndef COMMREC_BEST_H
#define COMMREC_BEST_H

#include "common/ident.h"

typedef struct BestRow
{
	double		score;
	int64		support;		/* users that the score rests on; breaks ties */
	int64		place;			/* in the stream, from 0 */
	Datum		id;				/* copied */
} BestRow;

typedef struct Best
{
	int32		k;
	bool		is_cut;			/* some rows were dropped: the first k are sorted */
	bool		by_value;		/* ids */
	int16		id_length;
	int64		offered;		/* rows so far */
	int64		count;			/* rows held */
	int64		room;
	BestRow    *rows;			/* in the context that was current at BestInit */
} Best;

extern void BestInit(Best *best, int32 k, IdKind kind);

/* The id is copied, into the current context, if the row may be among the best. */
extern void BestOffer(Best *best, double score, int64 support, Datum id);

/* Sort; returns the number of rows, at most k, which are best->rows. */
extern int32 BestFinish(Best *best);

#endif							/* COMMREC_BEST_H */
