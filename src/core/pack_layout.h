/*
 * pack_layout.h
 *		Where the parts of a packed model lie: what its reader and its writer share.
 */
#ifndef CR_PACK_LAYOUT_H
#define CR_PACK_LAYOUT_H

#include "core/pack.h"

#define CR_PACK_MAGIC			"CRPM"
#define CR_PACK_VERSION			1
#define CR_PACK_PARAMETERS_MAX	65536	/* bytes */

/* Offsets from the beginning of the value. */
typedef struct CrPackPlaces
{
	uint64_t	norms;
	uint64_t	popularity;
	uint64_t	by_popularity;
	uint64_t	by_id;
	uint64_t	embeddings;
	uint64_t	item_ids;
} CrPackPlaces;

/* Bytes of an id beside its text. */
static inline uint64_t
cr_pack_id_width(CrPackIdType type)
{
	return type == CR_PACK_BIGINT ? 8 : 4;
}

static inline void
cr_pack_places(const CrPackHeader *header, CrPackPlaces *places)
{
	uint64_t	items = (uint64_t) header->items;

	places->norms = CR_PACK_HEADER + (uint64_t) header->parameter_bytes;
	places->popularity = places->norms + 4 * items;
	places->by_popularity = places->popularity + 4 * items;
	places->by_id = places->by_popularity + 4 * items;
	places->embeddings = places->by_id + 4 * items;
	places->item_ids = places->embeddings + 4 * items * (uint64_t) header->dims;
}

/* Where the ids of items and users end, but for the bytes of texts. */
static inline void
cr_pack_fixed_ends(const CrPackHeader *header, uint64_t *items_from, uint64_t *users_from)
{
	CrPackPlaces places;

	cr_pack_places(header, &places);
	*items_from = places.item_ids + (uint64_t) header->items * cr_pack_id_width(header->item_type);
	*users_from = header->items_end +
		(uint64_t) header->users * (8 + cr_pack_id_width(header->user_type));
}

#endif							/* CR_PACK_LAYOUT_H */
