/*
 * best.c
 *		The best k rows of a stream, with their ids.
 *
 * Rows gather until there are twice k of them; then they are sorted and the
 * worse half goes.  From then on the k-th row is a threshold.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "serve/best.h"

#define FIRST_ROWS	64

void
BestInit(Best *best, int32 k, IdKind kind)
{
	memset(best, 0, sizeof(*best));
	best->k = k;
	get_typlenbyval(IdKindType(kind), &best->id_length, &best->by_value);
	best->room = FIRST_ROWS;
	best->rows = palloc(best->room * sizeof(BestRow));
}

static int
CompareRows(const void *left, const void *right)
{
	const BestRow *a = left;
	const BestRow *b = right;

	/* Sorting millions takes a while; nothing here needs tidying up. */
	CHECK_FOR_INTERRUPTS();
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->support != b->support)
		return a->support > b->support ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

/* Keep the best k, sorted. */
static void
Cut(Best *best)
{
	qsort(best->rows, best->count, sizeof(BestRow), CompareRows);
	for (int64 i = best->k; i < best->count && !best->by_value; i++)
		pfree(DatumGetPointer(best->rows[i].id));
	best->is_cut = true;
	best->count = Min(best->count, best->k);
}

static void
MakeRoom(Best *best)
{
	if (best->count >= 2 * (int64) best->k)
	{
		Cut(best);
		return;
	}
	best->room *= 2;
	best->rows = repalloc_huge(best->rows, mul_size(best->room, sizeof(BestRow)));
}

void
BestOffer(Best *best, double score, int64 support, Datum id)
{
	BestRow		row;

	row.score = score;
	row.support = support;
	row.place = best->offered++;
	if (best->is_cut && CompareRows(&row, &best->rows[best->k - 1]) > 0)
		return;
	if (best->count == best->room || best->count >= 2 * (int64) best->k)
		MakeRoom(best);
	row.id = datumCopy(id, best->by_value, best->id_length);
	best->rows[best->count++] = row;
}

int32
BestFinish(Best *best)
{
	Cut(best);
	return (int32) best->count;
}
