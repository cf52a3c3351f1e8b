/*
 * pack.h
 *		The byte form of a whole model in one value, as the aggregate ials() makes it.
 *
 * Three parts, each with a checksum, so that an answer reads what it needs and
 * nothing else: one slice for the items, one for the index of the users, one
 * for the record of a user.  All numbers are little-endian; nothing is aligned.
 *
 *	offset	size	header
 *	0		4		magic "CRPM"
 *	4		1		format version, 1
 *	5		1		type of user ids: 1 bigint, 2 text
 *	6		1		type of item ids
 *	7		1		zero
 *	8		4		dims d of the embeddings, uint32; 0: nothing could be learned
 *	12		4		factors, the first of them: d, or d - 1 with a coordinate of popularity
 *	16		4		users U, uint32
 *	20		4		items I, uint32
 *	24		8		pairs learned from, int64
 *	32		8		rows read, int64
 *	40		4		epochs run, uint32
 *	44		4		bytes p of the parameters, uint32
 *	48		8		loss, double; NaN if nothing was learned
 *	56		8		end of the first part (header, parameters, items), uint64
 *	64		8		end of the second part (index of users), uint64
 *	72		8		total bytes, uint64
 *	80		4		checksum of the first part from offset 96 on
 *	84		4		checksum of the second part
 *	88		4		zero
 *	92		4		checksum of the 92 bytes before
 *
 *	96		p		parameters: name of the algorithm, then each name with its value;
 *					a name is its length, uint8, and its bytes; a value a double
 *			4*I		upper bounds of norms, float; item_no is descending in them
 *			4*I		popularity, float
 *			4*I		item_no in descending order of popularity, uint32
 *			4*I		item_no in ascending order of id, uint32
 *			4*I*d	embeddings, float
 *			...		ids by item_no: int64 each, or for text the ends of all (uint32,
 *					from the first byte of the first) and then their bytes
 *
 *	index of users, in ascending order of id:
 *			8*U		ends of their records, uint64, from the first byte of the first
 *			...		ids, as above
 *
 *	records of users:
 *			4		checksum of the rest
 *			4		1 if something was learned, uint32
 *			4		count n of items seen, uint32
 *			4*d		embedding, float; only if something was learned
 *			4*n		item_no << 1 | disliked, uint32, ascending
 *
 * The order of text ids is bytewise.
 */
#ifndef CR_PACK_H
#define CR_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CR_PACK_HEADER		96
#define CR_PACK_RECORD		12
#define CR_PACK_DIMS_MAX	1024
#define CR_PACK_TEXT_MAX	1024

typedef enum CrPackIdType
{
	CR_PACK_BIGINT = 1,
	CR_PACK_TEXT = 2
} CrPackIdType;

typedef struct CrPackHeader
{
	CrPackIdType user_type;
	CrPackIdType item_type;
	int32_t		dims;
	int32_t		factors;
	int32_t		users;
	int32_t		items;
	int64_t		pairs;
	int64_t		rows;
	int32_t		epochs;
	uint32_t	parameter_bytes;
	double		loss;
	uint64_t	items_end;
	uint64_t	users_end;
	uint64_t	total;
	uint32_t	items_checksum;
	uint32_t	users_checksum;
} CrPackHeader;

/* One id; of text the bytes are somebody else's. */
typedef struct CrPackId
{
	int64_t		integer;
	const uint8_t *text;
	uint32_t	length;
} CrPackId;

/* Ids that have been checked, in their bytes. */
typedef struct CrPackIds
{
	CrPackIdType type;
	int32_t		count;
	const uint8_t *fixed;		/* integers, or ends of the texts */
	const uint8_t *text;
} CrPackIds;

/* The items of a model that have been checked, in their bytes. */
typedef struct CrPackItems
{
	const uint8_t *parameters;
	const uint8_t *norms;
	const uint8_t *popularity;
	const uint8_t *by_popularity;
	const uint8_t *by_id;
	const uint8_t *embeddings;
	CrPackIds	ids;
} CrPackItems;

typedef struct CrPackUsers
{
	const uint8_t *ends;
	CrPackIds	ids;
} CrPackUsers;

/* A user's record that has been checked, in its bytes. */
typedef struct CrPackRecord
{
	const uint8_t *embedding;	/* NULL if nothing was learned */
	const uint8_t *seen;
	uint32_t	seen_count;
} CrPackRecord;

/* Reading */

/* Check the first CR_PACK_HEADER bytes of a value of "total" bytes; fewer are damage. */
extern CrStatus cr_pack_check_header(const uint8_t *bytes, uint64_t total, CrPackHeader *header);

/*
 * Check the first part, header->items_end bytes, whose checksum the caller has
 * compared: sizes, ranges, orders and finiteness.  What is in range afterwards
 * may be used without further checks.
 */
extern CrStatus cr_pack_check_items(const uint8_t *bytes, const CrPackHeader *header,
									CrPackItems *items);

/* The same of the second part, header->users_end - header->items_end bytes. */
extern CrStatus cr_pack_check_users(const uint8_t *bytes, const CrPackHeader *header,
									CrPackUsers *users);

/* Check a user's record, its checksum too. */
extern CrStatus cr_pack_check_record(const uint8_t *bytes, uint64_t length,
									 const CrPackHeader *header, CrPackRecord *record);

/* The i-th id of checked ones. */
extern CrPackId cr_pack_id(const CrPackIds *ids, int32_t i);

/* Place of a user in the index, -1 if unknown. */
extern int32_t cr_pack_find_user(const CrPackUsers *users, const CrPackId *id);

/* Item_no of an item, -1 if unknown. */
extern int32_t cr_pack_find_item(const CrPackItems *items, const CrPackId *id);

/* Where the record of the user at this place lies within the value. */
extern uint64_t cr_pack_record_start(const CrPackUsers *users, const CrPackHeader *header,
									 int32_t place);
extern uint64_t cr_pack_record_end(const CrPackUsers *users, const CrPackHeader *header,
								   int32_t place);

/*
 * Walk checked parameters: *at begins at 0; the first is the algorithm, which
 * has no value.  Returns 0 at the end; a name is not terminated.
 */
typedef struct CrPackParameter
{
	const char *name;
	int			length;
	double		value;
} CrPackParameter;

extern int	cr_pack_next_parameter(const CrPackItems *items, const CrPackHeader *header,
								   uint32_t *at, CrPackParameter *parameter);

/* Writing */

/* Bytes of one parameter; value NULL for the algorithm. */
extern size_t cr_pack_parameter_size(const char *name, const double *value);
extern size_t cr_pack_put_parameter(uint8_t *out, const char *name, const double *value);

extern uint64_t cr_pack_record_size(int32_t dims, int is_learned, uint32_t seen_count);

/*
 * Set the ends of the parts, from the counts, types, dims and parameter_bytes
 * of the header and the bytes of all text ids and records.
 */
extern void cr_pack_layout(CrPackHeader *header, uint64_t item_text, uint64_t user_text,
						   uint64_t records);

/* One item, by item_no; vector has header->dims elements. */
typedef struct CrPackItem
{
	float		norm;
	float		popularity;
	const float *vector;
} CrPackItem;

extern void cr_pack_put_item(const CrPackHeader *header, uint8_t *out, int32_t item_no,
							 const CrPackItem *item);

/* Which item stands at this place in the two orders. */
extern void cr_pack_put_orders(const CrPackHeader *header, uint8_t *out, int32_t place,
							   int32_t by_popularity, int32_t by_id);

/* Ids are written in order, item ids by item_no, user ids ascending; *text starts at 0. */
extern void cr_pack_put_item_id(const CrPackHeader *header, uint8_t *out, int32_t item_no,
								const CrPackId *id, uint64_t *text);
extern void cr_pack_put_user_id(const CrPackHeader *header, uint8_t *out, int32_t place,
								const CrPackId *id, uint64_t *text);

/* One user's record, at *records (which starts at 0) within all records, and its end in the index. */
typedef struct CrPackUser
{
	const float *vector;		/* NULL if nothing was learned */
	const uint32_t *seen;
	uint32_t	seen_count;
} CrPackUser;

extern void cr_pack_put_record(const CrPackHeader *header, uint8_t *out, int32_t place,
							   const CrPackUser *user, uint64_t *records);

/* The header itself, when everything else, the checksums too, is known. */
extern void cr_pack_put_header(const CrPackHeader *header, uint8_t *out);

#endif							/* CR_PACK_H */
