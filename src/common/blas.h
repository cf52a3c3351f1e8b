/*
 * blas.h
 *		What has to be seen to before a process uses BLAS.
 */
#ifndef COMMREC_BLAS_H
#define COMMREC_BLAS_H

/*
 * To be called before BLAS or LAPACK is, by leaders and workers, as often as
 * one likes: lets BLAS get the memory that it works in.  53200 if there is none.
 */
extern void BlasPrepare(void);

#endif							/* COMMREC_BLAS_H */
