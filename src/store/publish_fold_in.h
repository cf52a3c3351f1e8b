/*
 * publish_fold_in.h
 *		What folding users in needs to know of a version.
 */
#ifndef COMMREC_PUBLISH_FOLD_IN_H
#define COMMREC_PUBLISH_FOLD_IN_H

#include "store/publish.h"

/* Write the version's row of "fold_in"; SPI is connected. */
extern void PublishFoldIn(Oid schema, int32 version, const PublishFactors *factors);

/* Bytes that it needs beside the factors, for the memory plan. */
extern Size PublishFoldInBytes(int32 factors);

#endif							/* COMMREC_PUBLISH_FOLD_IN_H */
