/*
 * guc.h
 *		The settings commrec.*.
 */
#ifndef COMMREC_GUC_H
#define COMMREC_GUC_H

#include "core/simd.h"

extern char *commrec_default_model; /* model used where none is named; "" for none */
extern int	commrec_keep_versions;	/* versions whose data stay for rollback, at least 1 */
extern int	commrec_max_train_memory;	/* kB that one training may plan for */

/* The instruction set that kernels are to use: commrec.simd, or the best there is. */
extern CrSimd CommrecSimd(void);

extern void DefineCommrecSettings(void);

#endif							/* COMMREC_GUC_H */
