/*
 * batch_avx2.c
 *		The kernel of batch.c for AVX2 and FMA.
 */
#define BATCH_KERNEL	cr_batch_kernel_avx2
#include "core/batch_body.h"
