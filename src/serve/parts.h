/*
 * parts.h
 *		The best rows of a factor matrix for an embedding (core/parts.h).
 */
#ifndef COMMREC_SERVE_PARTS_H
#define COMMREC_SERVE_PARTS_H

#include "core/parts.h"
#include "core/topk.h"

/*
 * The k rows of the largest inner product with the vector, best first, ties by
 * number; those in "seen" (NULL: none), and rows that were not given, which
 * are zero, are left out.  Returns how many; *best in the current context.
 * 22003 for a product out of range, XX001 for factors that are not finite.
 */
extern int32 FactorsTopK(const CrFactorsView *factors, const float *vector,
						 const CrListView *seen, int32 k, CrScored **best);

#endif							/* COMMREC_SERVE_PARTS_H */
