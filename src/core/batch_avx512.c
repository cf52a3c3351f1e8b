/*
 * batch_avx512.c
 *		The kernel of batch.c for AVX-512.
 */
#define BATCH_KERNEL	cr_batch_kernel_avx512
#include "core/batch_body.h"
