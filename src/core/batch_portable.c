/*
 * batch_portable.c
 *		The kernel of batch.c for the platform's baseline.
 */
#define BATCH_KERNEL	cr_batch_kernel_portable
#include "core/batch_body.h"
