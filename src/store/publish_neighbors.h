/*
 * publish_neighbors.h
 *		The lists of a version whose scorer adds up lists, by item number.
 */
#ifndef COMMREC_PUBLISH_NEIGHBORS_H
#define COMMREC_PUBLISH_NEIGHBORS_H

#include "store/publish.h"

/* Write item_neighbor, a row for every item, if the version has lists. */
extern void PublishNeighbors(const ModelConfig *config, int32 version,
							 const PublishFactors *factors, const int32 *item_no);

/* Bytes it allocates at most. */
extern Size PublishNeighborsBytes(int32 items);

#endif							/* COMMREC_PUBLISH_NEIGHBORS_H */
