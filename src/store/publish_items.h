/*
 * publish_items.h
 *		The items of a version: their order, their rows and their blocks.
 */
#ifndef COMMREC_PUBLISH_ITEMS_H
#define COMMREC_PUBLISH_ITEMS_H

#include "store/publish.h"

/*
 * Write item_embedding and item_block.  Returns item_no by dense number,
 * palloc'd in the current context.
 */
extern int32 *PublishItems(const ModelConfig *config, int32 version,
						   const PublishFactors *factors);

/* Bytes it allocates at most. */
extern Size PublishItemsBytes(int32 items);

#endif							/* COMMREC_PUBLISH_ITEMS_H */
