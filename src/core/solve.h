/*
 * solve.h
 *		The inner loops of least squares: gather, accumulate, factor, solve.
 *
 * A system A x = b of "dims" unknowns (the factors, rounded up to whole
 * vectors) is accumulated in the upper triangle of a row-major matrix with
 * leading dimension ld >= dims.  What lies left of the diagonal's block is
 * neither read nor written.
 *
 * One table of functions per level of core/simd.h; who runs them picks the
 * table.  Every function is pure: results depend on the level and the
 * arguments, not on addresses.
 */
#ifndef CR_SOLVE_H
#define CR_SOLVE_H

#include <stdint.h>

#include "core/simd.h"

#define CR_LANES_MAX		16	/* floats of the widest vector */

/* Factors of some events, called together in one panel. */
typedef struct CrGather
{
	const float *fixed;			/* rows of factors, "stride" floats apart */
	int32_t		stride;			/* also of the panel; a multiple of CR_LANES_MAX */
	int32_t		dims;
	const int32_t *column;		/* row of "fixed" of each event */
	const float *weight;		/* of each event, or NULL: all 1 */
	const float *scale;			/* of each row in the panel, or NULL: all 1 */
	int32_t		count;			/* events */
	int32_t		ahead;			/* column[count .. count + ahead - 1] may be prefetched, too */
	float	   *panel;			/* count rows */
	float	   *right;			/* dims floats: += weight * factors of each event */
} CrGather;

/* Events that will be gathered next: their factors are called closer while a panel is worked on. */
typedef struct CrAhead
{
	const float *fixed;			/* these as of a CrGather */
	int32_t		stride;
	int32_t		dims;
	const int32_t *column;
	int32_t		count;
} CrAhead;

/* A rank-k update by a panel: A += panel' panel. */
typedef struct CrRankUpdate
{
	float	   *matrix;			/* A */
	int32_t		ld;
	const float *panel;
	int32_t		stride;			/* of the panel */
	int32_t		rows;			/* of the panel */
	int32_t		dims;
	const CrAhead *ahead;		/* or NULL */
} CrRankUpdate;

/* Some coordinates of a panel's rows, as rows of their own: for products of the rows with each other. */
typedef struct CrTranspose
{
	const float *panel;			/* at the first coordinate; rows are "stride" floats apart */
	int32_t		stride;
	int32_t		rows;
	int32_t		dims;			/* coordinates, whole vectors */
	const float *scale;			/* of each coordinate */
	float	   *to;				/* dims rows, filled up with zeros to whole vectors */
	int32_t		to_stride;
} CrTranspose;

/* A = U'U out of place. */
typedef struct CrFactor
{
	const float *matrix;		/* A */
	float	   *factor;			/* U */
	float	   *inverse;		/* dims x lanes: the transposed inverses of U's diagonal blocks */
	int32_t		ld;
	int32_t		dims;
} CrFactor;

/* The sum of weight * row row' over a panel's rows, as an operator. */
typedef struct CrProduct
{
	const float *panel;			/* "stride" floats a row, with room for whole vectors of rows */
	const float *weight;		/* of each row, or NULL: all 1 */
	int32_t		rows;
	int32_t		stride;
	int32_t		dims;
} CrProduct;

/*
 * A step of conjugate gradients: the residual r of A x = b, the direction p and
 * its image A p, with a diagonal preconditioner M.
 */
typedef struct CrDescent
{
	float	   *solution;
	float	   *residual;
	float	   *direction;		/* gets the next one */
	const float *image;
	const float *inverse_diagonal;	/* of M */
	int32_t		stride;			/* floats of each, a multiple of CR_LANES_MAX */
} CrDescent;

typedef struct CrSolveKernels
{
	int32_t		lanes;

	void		(*gather) (const CrGather *gather);

	void		(*accumulate) (const CrRankUpdate *update);

	/* to[d][row] = scale[d] * panel[row][d] */
	void		(*transpose) (const CrTranspose *transpose);

	/* 0 if A is not positive definite: then nothing is known of the factor. */
	int			(*factor) (const CrFactor *factor);

	/* Solve U'U x = b, where x holds b before. */
	void		(*solve) (const CrFactor *factor, float *x);

	/* to += matrix * x, for a full symmetric matrix of "rows" rows of "stride" floats. */
	void		(*multiply) (const float *matrix, int32_t stride, int32_t rows, int32_t dims,
							 const float *x, float *to);

	/* to += sum over the panel's rows of weight * (row . x) * row */
	void		(*project) (const CrProduct *product, const float *x, float *to);

	/*
	 * The same of events that are gathered, into the panel, which has room for whole vectors of rows:
	 * to += sum over the events of weight * (row . x - target) * row; returns the sum of weight *
	 * (row . x).  Needs neither scale nor right.
	 */
	double		(*gather_project) (const CrGather *gather, float target, const float *x, float *to);

	/* The sum over the panel's rows of weight * (row . x)^2: x's product with what project() adds. */
	double		(*curvature) (const CrProduct *product, const float *x);

	/* a . b in double; "count" is a multiple of CR_LANES_MAX. */
	double		(*dot) (const float *a, const float *b, int32_t count);

	/* x += length * p, and so on, where r'M^-1 r was "square"; returns what it is now. */
	double		(*descend) (const CrDescent *descent, double length, double square);
} CrSolveKernels;

extern const CrSolveKernels *cr_solve_kernels(CrSimd simd);

/* The tables of the levels; one without functions where the compiler has no such level. */
extern const CrSolveKernels cr_solve_portable;
extern const CrSolveKernels cr_solve_avx2;
extern const CrSolveKernels cr_solve_avx512;

#endif							/* CR_SOLVE_H */
