/*
 * ident.h
 *		The types that user and item ids may have, and conversions between them.
 *
 * Events may carry smallint, integer, bigint, uuid, text, varchar or a domain
 * over one of them.  A model stores ids in the base type (text for varchar,
 * with collation "C", so that equality and order are bytewise everywhere).
 */
#ifndef COMMREC_IDENT_H
#define COMMREC_IDENT_H

typedef enum IdKind
{
	ID_INT2,
	ID_INT4,
	ID_INT8,
	ID_UUID,
	ID_TEXT
} IdKind;

#define COMMREC_ID_TEXT_MAX		1024	/* bytes of a text id; longer ones are 54000 */

/* The kind of a type (domains are looked through); false if it cannot be an id. */
extern bool IdKindFromType(Oid type, IdKind *kind);

/* The type in which ids of this kind are stored: smallint, integer, bigint, uuid or text. */
extern Oid	IdKindType(IdKind kind);

/* Collation of comparisons: C for text, none otherwise. */
extern Oid	IdKindCollation(IdKind kind);

/* The equality function of the stored type, for scan keys. */
extern RegProcedure IdKindEqualProc(IdKind kind);

/*
 * Turn an argument of type "type" into an id of "kind".  Returns false if no
 * id of that kind can equal it (an integer out of range).  Text is parsed as
 * the input function would (22P02).  Types that do not fit each other: 42804.
 */
extern bool IdFromArgument(Datum value, Oid type, IdKind kind, Datum *id);

/* Turn an id of "kind" into the result type of a generic function; 42804 if it does not fit. */
extern Datum IdToResult(Datum id, IdKind kind, Oid type);

/* A copy of the id in the current context. */
extern Datum IdCopy(Datum id, IdKind kind);

/* The id as text, for messages. */
extern char *IdToCString(Datum id, IdKind kind);

#endif							/* COMMREC_IDENT_H */
