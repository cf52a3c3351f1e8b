/*
 * memory.c
 *		The budget of one training run.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/guc.h"
#include "common/memory.h"

#define MEGABYTE	((Size) 1024 * 1024)
#define ZERO_SLICE	(4 * MEGABYTE)

void
BudgetInit(MemoryBudget *budget)
{
	budget->limit = (Size) commrec_max_train_memory * 1024;
	budget->used = 0;
	budget->peak = 0;
}

void
BudgetReserve(MemoryBudget *budget, Size bytes, const char *what)
{
	BudgetReserveHint(budget, bytes, what, NULL);
}

void
BudgetReserveHint(MemoryBudget *budget, Size bytes, const char *what, const char *hint)
{
	Size		needed = budget->used + bytes;

	if (needed < bytes || needed > budget->limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("training needs at least %zu MB, limit is %zu MB",
						needed < bytes ? SIZE_MAX / MEGABYTE : needed / MEGABYTE + 1,
						budget->limit / MEGABYTE),
				 errdetail("%zu MB of it are for %s.", bytes / MEGABYTE, what),
				 hint == NULL ?
				 errhint("Increase commrec.max_train_memory, or lower the hyperparameter \"factors\".") :
				 errhint("Increase commrec.max_train_memory. %s", hint)));
	budget->used = needed;
	budget->peak = Max(budget->peak, needed);
}

void
BudgetRelease(MemoryBudget *budget, Size bytes)
{
	Assert(bytes <= budget->used);
	budget->used -= bytes;
}

void *
BudgetAlloc(MemoryBudget *budget, Size bytes, const char *what)
{
	BudgetReserve(budget, bytes, what);
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(bytes, 1));
}

void
BudgetZero(void *memory, Size bytes)
{
	for (Size from = 0; from < bytes; from += ZERO_SLICE)
	{
		memset((char *) memory + from, 0, Min(ZERO_SLICE, bytes - from));
		CHECK_FOR_INTERRUPTS();
	}
}

void
BudgetFree(MemoryBudget *budget, void *pointer, Size bytes)
{
	pfree(pointer);
	BudgetRelease(budget, bytes);
}
