/*
 * vector.h
 *		Inner products and norms of single vectors, in one fixed order of summation.
 *
 * recommend() and the SQL function inner_product() call the same code, so that
 * a brute-force computation in SQL gives the same bits.
 */
#ifndef CR_VECTOR_H
#define CR_VECTOR_H

#include <stdint.h>

/* Inner product of two float vectors, summed in 16 float lanes that are added pairwise. */
extern float cr_dot(const float *a, const float *b, int32_t dims);

/* Euclidean norm, summed in double, rounded up to the next float (an upper bound). */
extern float cr_norm_upper(const float *a, int32_t dims);

/* 1 if every element is finite. */
extern int	cr_all_finite(const float *a, int32_t dims);

#endif							/* CR_VECTOR_H */
