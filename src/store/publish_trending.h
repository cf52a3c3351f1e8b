/*
 * publish_trending.h
 *		The rising items of a version, for users of whom nothing is known.
 */
#ifndef COMMREC_PUBLISH_TRENDING_H
#define COMMREC_PUBLISH_TRENDING_H

#include "store/publish.h"

/* Rows of "trending" that a version has at most. */
#define TRENDING_MAX	1000

/* Write the version's rows, if anything rises; item_no by dense number. */
extern void PublishTrending(const ModelConfig *config, int32 version,
							const PublishFactors *factors, const int32 *item_no);

#endif							/* COMMREC_PUBLISH_TRENDING_H */
