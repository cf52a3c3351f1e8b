/*
 * batch.h
 *		The best items for many users at once: blocks of users against blocks of items.
 *
 * Items lie in descending order of norm, in panels of CR_BATCH_PANEL; users come
 * in blocks.  A first pass multiplies a few users by one panel in registers, in
 * whatever order of summation is fast.  An inner product that stays below the
 * user's k-th best score by more than both ways of summing can err is done with;
 * the others are computed again in the order of cr_dot, so that scores and ranks
 * are the bits of a search for one user.  A user is out of the race once
 * |x| * max_norm of a panel cannot beat the k-th best (Cauchy-Schwarz).
 *
 * The bound.  A first-pass sum of n terms errs by at most (n + 1) FLT_EPSILON
 * times sum |x_i y_i| <= |x||y|, with fused multiplications or without: at most
 * n + 1 roundings of half an FLT_EPSILON lie on a term's way, and the other half
 * covers the products of errors.  cr_dot errs by (n/16 + 6) FLT_EPSILON |x||y|
 * (16 lanes, then four more additions).  Each product that underflows adds
 * FLT_TRUE_MIN in either of them.
 *
 * Items are offered in ascending order of number, so that an equal score never
 * displaces one: strictly more than the k-th best is needed.
 *
 * Memory: the caller's, aligned to CR_BATCH_ALIGNMENT bytes.  The arena of the
 * items holds no pointers and may be shared between processes; a block belongs
 * to one participant at a time.
 */
#ifndef CR_BATCH_H
#define CR_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/simd.h"
#include "core/status.h"
#include "core/topk.h"

#define CR_BATCH_ALIGNMENT	64
#define CR_BATCH_PANEL		64	/* items */
#define CR_BATCH_GROUP		6	/* users that meet a panel together */

/* Items, as they lie in an arena of cr_batch_items_size() bytes. */
typedef struct CrBatchItems
{
	int32_t		items;
	int32_t		dims;
	int32_t		stride;			/* floats from one row to the next: dims, padded with zeros */
	int32_t		panels;
	float	   *rows;			/* items rows, for exact scores */
	float	   *columns;		/* panel after panel: dims times CR_BATCH_PANEL, padded with zeros */
	float	   *max_norm;		/* by panel: upper bound of the norms in it and in all later ones */
} CrBatchItems;

extern size_t cr_batch_items_size(int32_t items, int32_t dims);

/* Point into an arena, empty or filled. */
extern void cr_batch_items_view(CrBatchItems *view, int32_t items, int32_t dims, void *arena);

/* Fill an arena: begin, every item once, end. */
extern void cr_batch_items_begin(CrBatchItems *view);
extern void cr_batch_items_put(CrBatchItems *view, int32_t item_no, const float *vector);
extern void cr_batch_items_end(CrBatchItems *view);

/* One user of a block. */
typedef struct CrBatchUser
{
	const uint32_t *seen;		/* decoded entries, see core/seen.h; the caller's */
	uint32_t	seen_count;
	int			exclude_seen;	/* disliked items are always left out */
	float		norm;			/* upper bound of |x| */
	float		threshold;		/* what a score must exceed: -infinity until k are held */
	CrTopK		top;			/* the answer, not sorted; entries are the caller's */
} CrBatchUser;

typedef struct CrBatchBlock
{
	int32_t		capacity;		/* users that the memory is made for */
	int32_t		users;
	int32_t		stride;			/* as of the items */
	CrBatchUser *user;
	float	   *vectors;		/* users rows, padded with zeros */
	int32_t		racing;			/* users that are still in the race, ... */
	int32_t    *racer;			/* ... ascending ... */
	float	   *queries;		/* ... and their vectors, CR_BATCH_GROUP of them interleaved */
	int32_t		bad_user;		/* of a score that is not finite, see cr_batch_scan() */
	int32_t		bad_item_no;
} CrBatchBlock;

extern size_t cr_batch_block_size(int32_t users, int32_t dims);
extern void cr_batch_block_init(CrBatchBlock *block, int32_t users, int32_t dims, void *memory);

/* Empty the block. */
extern void cr_batch_block_clear(CrBatchBlock *block);

/*
 * Add a user: "top" is initialised and empty, "seen" set; norm and threshold are
 * filled in here.  CR_NOT_FINITE if the norm of the vector is not.
 */
extern CrStatus cr_batch_block_add(CrBatchBlock *block, const float *vector, int32_t dims,
								   const CrBatchUser *user);

/* Panels that fit the cache: as many as one call of cr_batch_scan() should take. */
extern int32_t cr_batch_tile(int32_t dims);

/*
 * Offer the panels from first to before last to all users of the block that are
 * in the race; call it with ascending ranges, from 0, until block->racing is 0
 * or there are no more panels.  CR_NOT_FINITE: the score of bad_item_no for
 * bad_user is not finite.
 */
extern CrStatus cr_batch_scan(CrSimd simd, const CrBatchItems *items, CrBatchBlock *block,
							  int32_t first, int32_t last);

#endif							/* CR_BATCH_H */
