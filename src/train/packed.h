/*
 * packed.h
 *		A training inside a query: rows of one group in, one packed model out.
 *
 * The rows are those that the aggregate ials() has collected, in any order;
 * the model does not depend on it: ids are numbered in their native order, and
 * the preferences of a pair are added up in ascending order.  From there on it
 * is the training of train(): the same filters, confidences, defaults from the
 * data and engine, without workers, so that a query may run it in any of its
 * processes.  Nothing is read or written but memory.
 */
#ifndef COMMREC_PACKED_H
#define COMMREC_PACKED_H

#include "common/memory.h"
#include "core/algorithm.h"
#include "core/state.h"
#include "train/engine.h"
#include "train/idmap.h"
#include "train/interactions.h"

/* The rows of a pile that has been checked; what they hold has not been. */
typedef struct PackedRows
{
	IdKind		kind;			/* of users and items: ID_INT8 or ID_TEXT */
	const CrPile *pile;
} PackedRows;

/* Rows by numbers, and what they add up to.  All in one memory context, counted in the budget. */
typedef struct PackedInteractions
{
	IdMap	   *users;
	IdMap	   *items;
	Touched		touched;
	double	   *popularity;		/* by item: sum of the positive preferences */
} PackedInteractions;

/* packed_rows.c */

/* XX001 if the rows are not sound; 22003 if a sum overflows. */
extern void PackedReadRows(const PackedRows *rows, MemoryBudget *budget,
						   PackedInteractions *interactions);

/* packed.c */

/*
 * Train and pack.  "held" bytes, such as those of the rows, count against
 * commrec.max_train_memory from the beginning; hyperparameters that are NaN are
 * chosen from the data.  The result is in the current context.  54000 beyond
 * the memory or 1 GB, 55000 if the training does not converge.
 */
extern bytea *PackedTrain(const PackedRows *rows, const CrHyperparameters *hyperparameters,
						  Size held);

/* Presets, and over them what is given: 22023 if that is wrong. */
extern void PackedHyperparameters(Jsonb *given, CrHyperparameters *parameters);

/* Those of a pile; false if they cannot have come from PackedHyperparameters(). */
extern bool PackedReadHyperparameters(const CrPile *pile, CrHyperparameters *parameters);

/* packed_encode.c */

/* What a packed model is made of. */
typedef struct PackedModel
{
	const PackedInteractions *interactions;
	const CrHyperparameters *hyperparameters;	/* as used */
	const EngineResult *result; /* NULL if nothing could be learned */
	const float *popularity_score;	/* coordinate of the items, or NULL */
	int32		factors;		/* 0 if nothing could be learned */
	int64		rows;
} PackedModel;

extern bytea *PackedEncode(const PackedModel *model, MemoryBudget *budget);

#endif							/* COMMREC_PACKED_H */
