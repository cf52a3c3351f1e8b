/*
 * pairs.h
 *		What benchmarks of the core share: pairs from a COPY stream, memory, CPU seconds.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include <stddef.h>
#include <stdio.h>

#include "core/csr.h"

/* Say so and exit. */
extern void fail(const char *message);

/* Zeroed, aligned to 64 bytes. */
extern void *allocate(size_t size);

/* Of this process so far. */
extern double cpu_seconds(void);

/*
 * The user-major matrix of integer pairs as COPY binary writes them, ordered by
 * user; users and items are numbered from 0 or 1.
 */
extern CrCsr read_pairs(FILE *in);

extern CrCsr transpose(const CrCsr *csr);

#endif							/* BENCH_PAIRS_H */
