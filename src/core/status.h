/*
 * status.h
 *		What every core function answers.
 *
 * The core has no way to raise an error: it returns one of these, and
 * src/common/errors.c turns it into an ereport that names the model and the
 * entity.
 */
#ifndef CR_STATUS_H
#define CR_STATUS_H

typedef enum CrStatus
{
	CR_OK = 0,
	CR_INVALID_ARGUMENT,		/* a parameter is outside its documented range */
	CR_NOT_FINITE,				/* NaN or infinity where a number is needed, or an overflow */
	CR_SINGULAR,				/* normal equations not positive definite, even with jitter */
	CR_CORRUPT,					/* stored bytes are damaged: magic, length, order or value */
	CR_UNSUPPORTED_FORMAT,		/* stored bytes of a newer format than this library knows */
	CR_DIMENSION_MISMATCH		/* stored bytes are sound but of another dimension than asked for */
} CrStatus;

#endif							/* CR_STATUS_H */
