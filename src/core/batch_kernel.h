/*
 * batch_kernel.h
 *		What batch.c and the builds of its kernel for the instruction sets have in common.
 */
#ifndef CR_BATCH_KERNEL_H
#define CR_BATCH_KERNEL_H

#include "core/batch.h"

/* The panels from first to before last; returns CR_NOT_FINITE as cr_batch_scan() does. */
typedef CrStatus (*CrBatchKernel) (const CrBatchItems *items, CrBatchBlock *block, int32_t first,
								   int32_t last);

extern CrStatus cr_batch_kernel_portable(const CrBatchItems *items, CrBatchBlock *block,
										 int32_t first, int32_t last);
extern CrStatus cr_batch_kernel_avx2(const CrBatchItems *items, CrBatchBlock *block,
									 int32_t first, int32_t last);
extern CrStatus cr_batch_kernel_avx512(const CrBatchItems *items, CrBatchBlock *block,
									   int32_t first, int32_t last);

/* Can no item of the panel, or of a later one, exceed the user's threshold? */
extern int	cr_batch_is_hopeless(const CrBatchItems *items, const CrBatchUser *user, int32_t panel);

/* A first-pass product below this belongs to a score that does not exceed the user's threshold. */
extern float cr_batch_limit(const CrBatchItems *items, const CrBatchUser *user, int32_t panel);

/* Take an item with this score, unless the user is not to see it. */
extern CrStatus cr_batch_offer(CrBatchBlock *block, int32_t user, int32_t item_no, float score);

#endif							/* CR_BATCH_KERNEL_H */
