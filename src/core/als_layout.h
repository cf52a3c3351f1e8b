/*
 * als_layout.h
 *		How a training by ALS is cut into work, and where its arrays lie in one block.
 *
 * All of it follows from the shape, before there are any events and whatever
 * the number of workers: so memory is known before anything is allocated, and
 * the order of sums is the same for everybody.  What the engine keeps there
 * beside the core's arrays, it says by size.
 */
#ifndef CR_ALS_LAYOUT_H
#define CR_ALS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_ALS_TURNED_MIN	4096	/* rows of both sides, for which eigenvectors are worth their time */
#define CR_ALS_RANGES_MAX	32		/* partial Gram matrices of a side */
#define CR_ALS_PAIRS_MAX	(INT64_C(1) << 56)	/* whose bytes fit a size_t, whatever the rest of the shape */

typedef struct CrAlsShape
{
	int32_t		factors;		/* 1 .. CR_FACTORS_MAX */
	int32_t		epochs;
	int64_t		users;			/* at most 2^31 - 1, as items */
	int64_t		items;
	int64_t		pairs;			/* at most CR_ALS_PAIRS_MAX */
	int			is_weighted;
	int			is_explicit;
	int			cg_steps;		/* 0: exact half steps */
	size_t		head;			/* bytes before the arrays */
	size_t		counter;		/* bytes of a counter */
	size_t		heavy;			/* bytes that a heavy row needs */
	int64_t		phases;			/* counters of units */
} CrAlsShape;

typedef struct CrAlsSideLayout
{
	int64_t		rows;
	int64_t		units;			/* of solving */
	int64_t		unit_work;		/* of a unit, in events */
	int64_t		row_work;		/* of a row beside its events, in events */
	int64_t		part_events;	/* of a part of a heavy row, unless that gives it too many parts */
	int64_t		heavy_events;	/* that make a row heavy, at least twice as many */
	int64_t		heavy_max;		/* rows that can be heavy */
	int64_t		range_rows;		/* rows of a Gram range, a multiple of CR_GRAM_ROWS */
	int32_t		ranges;			/* at most CR_ALS_RANGES_MAX; depends on rows alone */
	size_t		start;			/* int64[rows + 1] */
	size_t		column;			/* int32[pairs] */
	size_t		weight;			/* float[pairs], 0 unless weighted */
	size_t		factors;		/* float[rows * stride] */
	size_t		losses;			/* CrIalsLoss[units + heavy_max] */
	size_t		heavy;			/* heavy_max times what a heavy row needs */
} CrAlsSideLayout;

/* Offsets from the beginning of the block, multiples of 64. */
typedef struct CrAlsLayout
{
	CrAlsSideLayout side[2];	/* users, items */
	int			is_turned;		/* half steps are made in eigenbases */
	int64_t		slots;			/* for parts, at least twice as many as a row has */
	size_t		counters;		/* one per phase: units claimed */
	size_t		part_counters;	/* two per epoch: parts claimed */
	size_t		partials;		/* double[ranges * k * k] */
	size_t		parts;			/* slots, of cr_ials_part_size() bytes each */
	size_t		gram;			/* float[k * stride], unless turned */
	size_t		spectrum;		/* of the CrBasis, if turned: float[stride], */
	size_t		turn;			/* float[k * stride], */
	size_t		product;		/* double[k * k], */
	size_t		eigen;			/* cr_basis_workspace_size() bytes */
	size_t		loss;			/* double[epochs] */
	size_t		seconds;		/* double[epochs] */
	size_t		cpu;			/* counters, one per epoch */
	size_t		total;			/* bytes */
} CrAlsLayout;

/* CR_INVALID_ARGUMENT if the shape is none of the above. */
extern CrStatus cr_als_layout(const CrAlsShape *shape, CrAlsLayout *layout);

#endif							/* CR_ALS_LAYOUT_H */
