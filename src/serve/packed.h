/*
 * packed.h
 *		Answers from a packed model (core/pack.h), which is a value, not a catalogue entry.
 *
 * Opening a model fetches its header and items, by slices where the value is
 * stored out of line; a user costs two slices more.  Everything is checked
 * before it is used: XX001 for damage, 0A000 for a newer format.  All memory
 * is the current context's when the model was opened.
 */
#ifndef COMMREC_SERVE_PACKED_H
#define COMMREC_SERVE_PACKED_H

#include "common/ident.h"
#include "core/pack.h"

typedef struct OpenPacked OpenPacked;

/* Keep the model open for as long as the value stays the same, such as in fn_extra. */
extern OpenPacked *PackedOpen(Datum model);

/* Is this an open model of just that value?  Only of one stored out of line it can be known. */
extern bool PackedIsOpen(const OpenPacked *open, Datum model);

extern const CrPackHeader *PackedHeader(const OpenPacked *open);
extern const CrPackItems *PackedItems(const OpenPacked *open);
extern IdKind PackedUserKind(const OpenPacked *open);
extern IdKind PackedItemKind(const OpenPacked *open);

/* Whose answers, and how many. */
typedef struct PackedRequest
{
	OpenPacked *open;
	bool		is_known_id;	/* false: no id of the model's type can equal the argument */
	Datum		id;				/* of a user or an item, of the model's kind */
	int32		k;				/* at least 1 */
	bool		exclude_seen;
} PackedRequest;

typedef struct PackedAnswer
{
	Datum		item_id;		/* of the model's item kind */
	float		score;			/* inner product, popularity or cosine */
	bool		is_popular;
} PackedAnswer;

/*
 * The best items for a user, as recommend() gives them: by the model, or by
 * popularity for users of whom nothing is known.  Returns how many; *answers
 * in the current context.
 */
extern int32 PackedRecommend(const PackedRequest *request, PackedAnswer **answers);

/* Items nearest to an item by cosine of their learned factors, as similar_items() gives them. */
extern int32 PackedSimilar(const PackedRequest *request, PackedAnswer **answers);

#endif							/* COMMREC_SERVE_PACKED_H */
