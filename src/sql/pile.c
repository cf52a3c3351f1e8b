/*
 * pile.c
 *		States of aggregates that keep what they are given: a bytea that grows by doubling.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/compat.h"
#include "common/guc.h"
#include "sql/pile.h"

static void
CheckPile(const CrPile *pile, const PileKind *kind)
{
	if (cr_pile_check(pile, VARSIZE(pile), kind->magic) != CR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the state of the aggregate is damaged"),
				 errhint("Call the aggregate %s(), not its support functions.", kind->aggregate)));
}

/* The executor's states are flat, aligned, and ours to write to. */
CrPile *
PileOwnState(FunctionCallInfo fcinfo, const PileKind *kind)
{
	CrPile	   *pile;

	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a support function of an aggregate was called directly"),
				 errhint("Call the aggregate %s().", kind->aggregate)));
	if (PG_ARGISNULL(0))
		return NULL;
	pile = (CrPile *) PG_GETARG_POINTER(0);
	if (VARATT_IS_EXTENDED(pile) || (Pointer) MAXALIGN(pile) != (Pointer) pile)
		pile = (CrPile *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));
	CheckPile(pile, kind);
	return pile;
}

Datum
PileSameState(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* In a tuple a value is aligned to four bytes only, or not at all if it is short. */
const CrPile *
PileOtherState(FunctionCallInfo fcinfo, int argument, const PileKind *kind)
{
	CrPile	   *pile;

	if (PG_ARGISNULL(argument))
		return NULL;
	pile = (CrPile *) PG_DETOAST_DATUM(PG_GETARG_DATUM(argument));
	if ((Pointer) MAXALIGN(pile) != (Pointer) pile)
		pile = (CrPile *) PG_DETOAST_DATUM_COPY(PointerGetDatum(pile));
	CheckPile(pile, kind);
	return pile;
}

static CrPile *
AllocatePile(const PileKind *kind, Size room)
{
	CrPile	   *pile = palloc(CR_PILE_HEADER + room);

	memset(pile, 0, CR_PILE_HEADER);
	SET_VARSIZE(pile, CR_PILE_HEADER + room);
	pile->magic = kind->magic;
	return pile;
}

CrPile *
PileCreate(const PileKind *kind, const void *prefix, Size prefix_bytes)
{
	CrPile	   *pile = AllocatePile(kind, prefix_bytes + kind->first_room);

	if (prefix_bytes > 0)
		memcpy(pile->data, prefix, prefix_bytes);
	memset(pile->data + prefix_bytes, 0, kind->first_room);
	pile->prefix = (uint32) prefix_bytes;
	pile->used = prefix_bytes;
	return pile;
}

static void
ReportTooLarge(const CrPile *pile, const PileKind *kind, bool is_for_memory)
{
	Size		limit = is_for_memory ? (Size) commrec_max_train_memory * 1024 : MaxAllocSize;

	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a group of %s() needs more than %zu MB", kind->aggregate,
					limit / (1024 * 1024)),
			 errdetail("It has more than %lld rows.", (long long) pile->rows),
			 is_for_memory ?
			 errhint("Increase commrec.max_train_memory, or make smaller groups.") :
			 errhint("Make smaller groups, or use commrec.train().")));
}

/*
 * A pile with room for so many bytes more, twice as large where that is
 * allowed.  The executor copies the new one before it frees the old one, so
 * that three are counted.
 */
static CrPile *
Grow(const CrPile *pile, const PileKind *kind, Size bytes)
{
	Size		memory = (Size) commrec_max_train_memory * 1024;
	Size		held = VARSIZE(pile);
	Size		allowed = memory > held ? (memory - held) / 2 : 0;
	Size		limit = Min(allowed, MaxAllocSize);
	Size		needed = CR_PILE_HEADER + pile->used + bytes;
	Size		size = Max(needed, Min(2 * held, limit));
	CrPile	   *grown;

	if (needed > limit)
		ReportTooLarge(pile, kind, allowed < MaxAllocSize);
	grown = AllocatePile(kind, size - CR_PILE_HEADER);
	memcpy((char *) grown + sizeof(int32), (const char *) pile + sizeof(int32),
		   CR_PILE_HEADER + pile->used - sizeof(int32));
	memset(grown->data + pile->used, 0, size - CR_PILE_HEADER - pile->used);
	return grown;
}

static CrPile *
Reserve(CrPile *pile, const PileKind *kind, Size bytes)
{
	return bytes <= VARSIZE(pile) - CR_PILE_HEADER - pile->used ? pile : Grow(pile, kind, bytes);
}

CrPile *
PileAddRow(CrPile *pile, const PileKind *kind, Size bytes, uint8 **row)
{
	pile = Reserve(pile, kind, bytes);
	*row = pile->data + pile->used;
	pile->used += bytes;
	pile->rows++;
	return pile;
}

static CrPile *
Merge(CrPile *pile, const PileKind *kind, const CrPile *other)
{
	Size		bytes = cr_pile_row_bytes(other);

	pile = Reserve(pile, kind, bytes);
	memcpy(pile->data + pile->used, cr_pile_rows(other), bytes);
	pile->used += bytes;
	pile->rows += other->rows;
	return pile;
}

Datum
PileCombine(FunctionCallInfo fcinfo, const PileKind *kind)
{
	CrPile	   *pile = PileOwnState(fcinfo, kind);
	const CrPile *other = PileOtherState(fcinfo, 1, kind);

	if (other == NULL)
		return PileSameState(fcinfo);
	if (pile == NULL)
		pile = PileCreate(kind, other->data, other->prefix);
	else if (kind->check_same != NULL)
		kind->check_same(pile, other);
	PG_RETURN_POINTER(Merge(pile, kind, other));
}
