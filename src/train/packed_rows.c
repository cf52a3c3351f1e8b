/*
 * packed_rows.c
 *		From the rows of a group, in any order, to the preference of each pair.
 *
 * Two counting sorts, by item and then by user, bring the rows of a pair
 * together; its preferences are then added up in ascending order.  So nothing
 * depends on the order in which the rows came.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "common/compat.h"
#include "core/pack.h"
#include "train/packed.h"

StaticAssertDecl(COMMREC_ID_TEXT_MAX == CR_PACK_TEXT_MAX, "a text id is as long as a packed one");

/* Let a loop be interrupted often enough, and cheaply. */
#define POLL(i) \
	do { \
		if (((i) & 0x7fff) == 0x7fff) \
			CHECK_FOR_INTERRUPTS(); \
	} while (0)

#define PURPOSE		"rows of a group"

/* The rows as numbers, and the orders that they are brought into. */
typedef struct NumberedRows
{
	int32		count;
	int32	   *user;
	int32	   *item;
	double	   *preference;
	int32	   *order;			/* rows by user, then item, once sorted */
	double	   *sorted;			/* the preferences of one pair */
	MemoryBudget *budget;
} NumberedRows;

static void pg_attribute_noreturn()
ReportDamage(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the state of the aggregate is damaged"),
			 errhint("Call the aggregate commrec.ials(), not its support functions.")));
}

static void *
AllocRows(NumberedRows *rows, Size count, Size width)
{
	return BudgetAlloc(rows->budget, mul_size(count, width), PURPOSE);
}

/* Give numbers to the ids of the rows from this one on, which have been queued. */
static void
NumberBatch(PackedInteractions *ids, NumberedRows *rows, int32 from)
{
	IdMapNumber(ids->users, rows->user + from);
	IdMapNumber(ids->items, rows->item + from);
	CHECK_FOR_INTERRUPTS();
}

static void
NumberIntegers(const PackedRows *from, PackedInteractions *to, NumberedRows *rows)
{
	const uint8 *bytes = cr_pile_rows(from->pile);

	if (cr_pile_check_width(from->pile, sizeof(CrEventRow)) != CR_OK)
		ReportDamage();
	for (int32 first = 0; first < rows->count; first += Min(IDMAP_BATCH, rows->count - first))
	{
		int32		last = first + Min(IDMAP_BATCH, rows->count - first);

		for (int32 i = first; i < last; i++)
		{
			CrEventRow	row;

			memcpy(&row, bytes + sizeof(CrEventRow) * (Size) i, sizeof(CrEventRow));
			IdMapPush(to->users, Int64GetDatum(row.user));
			IdMapPush(to->items, Int64GetDatum(row.item));
			rows->preference[i] = row.preference;
		}
		NumberBatch(to, rows, first);
	}
}

/* A text datum of these bytes, in the buffer. */
static Datum
MakeText(struct varlena *buffer, const uint8 *bytes, Size length)
{
	SET_VARSIZE(buffer, VARHDRSZ + length);
	memcpy(VARDATA(buffer), bytes, length);
	return PointerGetDatum(buffer);
}

static void
NumberTexts(const PackedRows *from, PackedInteractions *to, NumberedRows *rows)
{
	struct varlena *buffer = palloc(VARHDRSZ + COMMREC_ID_TEXT_MAX);
	Size		at = 0;

	for (int32 first = 0; first < rows->count; first += Min(IDMAP_BATCH, rows->count - first))
	{
		int32		last = first + Min(IDMAP_BATCH, rows->count - first);

		for (int32 i = first; i < last; i++)
		{
			CrTextRow	row;
			Size		size = cr_text_row_get(from->pile, at, &row);

			if (size == 0)
				ReportDamage();
			at += size;
			IdMapPush(to->users, MakeText(buffer, row.user, row.user_length));
			IdMapPush(to->items, MakeText(buffer, row.item, row.item_length));
			rows->preference[i] = row.preference;
		}
		NumberBatch(to, rows, first);
	}
	if (at != cr_pile_row_bytes(from->pile))
		ReportDamage();
	pfree(buffer);
}

/* From numbers by first appearance to numbers in native order. */
static void
Renumber(IdMap *ids, int32 *numbers, int32 count)
{
	const int32 *rank = IdMapSort(ids);

	for (int32 i = 0; i < count; i++)
	{
		POLL(i);
		numbers[i] = rank[numbers[i]];
	}
	IdMapDropRank(ids);
}

/* Stable counting sort of the rows in "from" (NULL: as they are) by key; places[keys + 1] is scratch. */
static void
CountingSort(const NumberedRows *rows, const int32 *key, const int32 *from, int32 *places, int32 keys)
{
	memset(places, 0, ((Size) keys + 1) * sizeof(int32));
	for (int32 i = 0; i < rows->count; i++)
	{
		POLL(i);
		places[key[i] + 1]++;
	}
	for (int32 i = 0; i < keys; i++)
	{
		POLL(i);
		places[i + 1] += places[i];
	}
	for (int32 i = 0; i < rows->count; i++)
	{
		int32		row = from == NULL ? i : from[i];

		POLL(i);
		rows->order[places[key[row]]++] = row;
	}
}

static void
SortRows(NumberedRows *rows, int32 users, int32 items)
{
	int32	   *places = AllocRows(rows, (Size) Max(users, items) + 1, sizeof(int32));
	int32	   *by_item = AllocRows(rows, rows->count, sizeof(int32));

	rows->order = by_item;
	CountingSort(rows, rows->item, NULL, places, items);
	rows->order = AllocRows(rows, rows->count, sizeof(int32));
	CountingSort(rows, rows->user, by_item, places, users);
	BudgetFree(rows->budget, by_item, (Size) rows->count * sizeof(int32));
	BudgetFree(rows->budget, places, ((Size) Max(users, items) + 1) * sizeof(int32));
}

/* One pair may have all the rows of a group, and nothing here needs tidying up. */
static int
ComparePreferences(const void *left, const void *right)
{
	double		a = *(const double *) left;
	double		b = *(const double *) right;

	CHECK_FOR_INTERRUPTS();
	return (a > b) - (a < b);
}

static void pg_attribute_noreturn()
ReportOverflow(const PackedInteractions *interactions, IdKind kind, int32 user, int32 item)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("preference of user \"%s\" for item \"%s\" overflows",
					IdToCString(IdMapGet(interactions->users, user), kind),
					IdToCString(IdMapGet(interactions->items, item), kind)),
			 errhint("Scale the preferences down, or leave extreme ones out.")));
}

/* The sum of the preferences of the rows order[from .. to), in ascending order; 0 and -0 are one. */
static double
SumPair(const NumberedRows *rows, int32 from, int32 to)
{
	double		sum = 0;

	for (int32 i = from; i < to; i++)
	{
		POLL(i);
		rows->sorted[i - from] = rows->preference[rows->order[i]];
	}
	if (to - from > 2)
		qsort(rows->sorted, to - from, sizeof(double), ComparePreferences);
	for (int32 i = 0; i < to - from; i++)
	{
		POLL(i);
		sum += rows->sorted[i];
	}
	return sum;
}

static bool
IsSamePair(const NumberedRows *rows, int32 i, int32 j)
{
	int32		a = rows->order[i];
	int32		b = rows->order[j];

	return rows->user[a] == rows->user[b] && rows->item[a] == rows->item[b];
}

/* Number of pairs, and the length of the longest. */
static int64
CountPairs(const NumberedRows *rows, int32 *longest)
{
	int64		pairs = 0;
	int32		from = 0;

	*longest = 0;
	for (int32 i = 1; i <= rows->count; i++)
	{
		POLL(i);
		if (i < rows->count && IsSamePair(rows, from, i))
			continue;
		*longest = Max(*longest, i - from);
		from = i;
		pairs++;
	}
	return pairs;
}

/* Write one pair, the next of its user. */
static void
AddPair(PackedInteractions *to, int64 pair, int32 user, int32 item, double preference)
{
	Touched    *touched = &to->touched;

	touched->item[pair] = item;
	touched->preference[pair] = (float) preference;
	touched->item_users[item]++;
	touched->start[user + 1]++;
	if (preference > 0)
		to->popularity[item] += preference;
}

static void
SumPairs(const NumberedRows *rows, PackedInteractions *to, IdKind kind)
{
	int64		pair = 0;
	int32		next;

	for (int32 from = 0; from < rows->count; from = next)
	{
		int32		user = rows->user[rows->order[from]];
		int32		item = rows->item[rows->order[from]];
		double		sum;

		for (next = from + 1; next < rows->count && IsSamePair(rows, from, next); next++)
			POLL(next);
		POLL(pair);
		sum = SumPair(rows, from, next);
		/* Negated, so that NaN is caught as well. */
		if (!(fabs(sum) <= FLT_MAX))
			ReportOverflow(to, kind, user, item);
		AddPair(to, pair++, user, item, sum);
	}
	for (int32 user = 0; user < to->touched.users; user++)
	{
		POLL(user);
		to->touched.start[user + 1] += to->touched.start[user];
	}
}

static void *
AllocZeroed(NumberedRows *rows, Size count, Size width)
{
	void	   *memory = AllocRows(rows, count, width);

	memset(memory, 0, count * width);
	return memory;
}

static void
AllocTouched(NumberedRows *rows, PackedInteractions *to, int64 pairs)
{
	Touched    *touched = &to->touched;

	touched->start = AllocZeroed(rows, (Size) touched->users + 1, sizeof(int64));
	touched->item = AllocRows(rows, pairs, sizeof(int32));
	touched->preference = AllocRows(rows, pairs, sizeof(float));
	touched->item_users = AllocZeroed(rows, touched->items, sizeof(int32));
	touched->keep_user = AllocZeroed(rows, touched->users, 1);
	touched->keep_item = AllocZeroed(rows, touched->items, 1);
	to->popularity = AllocZeroed(rows, touched->items, sizeof(double));
}

static void
FreeRows(NumberedRows *rows, int32 longest)
{
	BudgetFree(rows->budget, rows->user, (Size) rows->count * sizeof(int32));
	BudgetFree(rows->budget, rows->item, (Size) rows->count * sizeof(int32));
	BudgetFree(rows->budget, rows->preference, (Size) rows->count * sizeof(double));
	BudgetFree(rows->budget, rows->order, (Size) rows->count * sizeof(int32));
	BudgetFree(rows->budget, rows->sorted, (Size) longest * sizeof(double));
}

void
PackedReadRows(const PackedRows *from, MemoryBudget *budget, PackedInteractions *to)
{
	NumberedRows rows = {0};
	int64		pairs;
	int32		longest;

	if (from->pile->rows < 1 || from->pile->rows > PG_INT32_MAX)
		ReportDamage();
	memset(to, 0, sizeof(PackedInteractions));
	rows.count = (int32) from->pile->rows;
	rows.budget = budget;
	rows.user = AllocRows(&rows, rows.count, sizeof(int32));
	rows.item = AllocRows(&rows, rows.count, sizeof(int32));
	rows.preference = AllocRows(&rows, rows.count, sizeof(double));
	to->users = IdMapCreate(from->kind, budget, "users");
	to->items = IdMapCreate(from->kind, budget, "items");
	if (from->kind == ID_TEXT)
		NumberTexts(from, to, &rows);
	else
		NumberIntegers(from, to, &rows);
	Renumber(to->users, rows.user, rows.count);
	Renumber(to->items, rows.item, rows.count);

	to->touched.users = IdMapCount(to->users);
	to->touched.items = IdMapCount(to->items);
	SortRows(&rows, to->touched.users, to->touched.items);
	pairs = CountPairs(&rows, &longest);
	AllocTouched(&rows, to, pairs);
	rows.sorted = AllocRows(&rows, longest, sizeof(double));
	SumPairs(&rows, to, from->kind);
	FreeRows(&rows, longest);
}
