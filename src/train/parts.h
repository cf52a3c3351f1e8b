/*
 * parts.h
 *		Solving rows of a half step from the parts of a training (core/parts.h).
 *
 * The same kernels as in the engine: what is solved here is what train()
 * solves for the same confidences, factors and Gram matrix, up to the rounding
 * of the latter.
 */
#ifndef COMMREC_TRAIN_PARTS_H
#define COMMREC_TRAIN_PARTS_H

#include "core/parts.h"

typedef struct SolveParams
{
	double		regularization;
	double		unobserved_weight;
	double		regularization_exponent;
} SolveParams;

/* What solving needs beside rows and factors; it lives in the context in which it was made. */
typedef struct Solver Solver;

/*
 * For the other side's Gram matrix, with its number of embeddings.  22023 for
 * parameters out of range.
 */
extern Solver *SolverCreate(const CrGramView *gram, const SolveParams *params);

/* Was it made with these parameters? */
extern bool SolverFits(const Solver *solver, const SolveParams *params);

/*
 * The embedding of one sparse row of confidences, for the factors of the other
 * side; valid until the next call.  Values of 0 and below are no confidences
 * and left out, and without any the embedding is zero.  22023 for an item_no
 * beyond the factors, or factors of another dimension than the Gram matrix,
 * 54000 beyond commrec.max_train_memory, 55000 or 22003 without a finite
 * solution.
 */
extern const float *SolveList(Solver *solver, const CrFactorsView *factors,
							  const CrListView *list);

/* The same for all rows of a matrix, into a factor matrix whose header is written. */
extern void SolveMatrix(Solver *solver, const CrFactorsView *factors, const CrMatrixView *matrix,
						uint8 *out);

#endif							/* COMMREC_TRAIN_PARTS_H */
