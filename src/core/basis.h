/*
 * basis.h
 *		The eigenbasis of a Gram matrix, and turning factors into it and back.
 *
 * What the loss says of W and H it says of WQ and HQ, too, for any orthogonal
 * Q: products w.h stay what they are, and so do norms.  With Y'Y = Q diag(s) Q'
 * of the fixed side, the Gram matrix of YQ is diag(s), and rows cost less to
 * solve (core/ials.h).  So before a half step the fixed side is turned by its Q,
 * and so are the rows of the other side that are improved from what they are;
 * rows that are solved from nothing come out turned.
 *
 * In the end both sides are turned back by the product of all Q: in an
 * eigenbasis few dimensions carry nearly everything, which does not suit whoever
 * stores vectors as codes of one scale, and changes with every epoch.
 *
 * The caller owns all memory.  cr_basis_begin, _find and _way_back are for one
 * participant at a time, while nobody turns.
 */
#ifndef CR_BASIS_H
#define CR_BASIS_H

#include <stddef.h>
#include <stdint.h>

#include "core/ials.h"
#include "core/status.h"

#define CR_BASIS_ROWS	256		/* that are turned by one product, some 2 ms at CR_FACTORS_MAX */

typedef struct CrBasis
{
	int32_t		factors;		/* k */
	float	   *spectrum;		/* cr_factor_stride(k): s, none below 0; padding zero */
	float	   *turn;			/* k x cr_factor_stride(k), column-major: what rows are multiplied by */
	double	   *product;		/* k x k, column-major: all Q so far, one after the other */
	void	   *workspace;		/* cr_basis_workspace_size() bytes, aligned to 64 */
} CrBasis;

extern size_t cr_basis_workspace_size(int32_t factors);

/* Nothing has been turned yet. */
extern void cr_basis_begin(const CrBasis *basis);

/*
 * Add up "parts" partial Gram matrices in order, as cr_gram_finish does, and
 * find spectrum and turn of the sum.  Takes some 100 ms at CR_FACTORS_MAX.
 * CR_NOT_FINITE if floats do not hold them.
 */
extern CrStatus cr_basis_find(const CrBasis *basis, const double *partials, int32_t parts);

/* Make the turn that undoes all turns. */
extern void cr_basis_way_back(const CrBasis *basis);

/*
 * Turn rows [from, to) of a side, CR_BASIS_ROWS at a time; the same bits whoever
 * turns them as long as "from" is.  The workspace is that of cr_ials_workspace_size().
 */
extern void cr_basis_turn(const CrBasis *basis, const CrIalsParams *params, float *side,
						  int64_t from, int64_t to, void *workspace);

/* The same for those of the rows of half->solved that are improved from what they are. */
extern void cr_basis_turn_improved(const CrBasis *basis, const CrIalsHalf *half, int64_t from,
								   int64_t to, void *workspace);

#endif							/* CR_BASIS_H */
