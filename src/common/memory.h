/*
 * memory.h
 *		A budget for one training run: every large allocation is counted before it is made.
 */
#ifndef COMMREC_MEMORY_H
#define COMMREC_MEMORY_H

typedef struct MemoryBudget
{
	Size		limit;			/* bytes: commrec.max_train_memory when the run began */
	Size		used;			/* bytes counted and not yet given back */
	Size		peak;			/* the most that "used" has been */
} MemoryBudget;

extern void BudgetInit(MemoryBudget *budget);

/*
 * Count "bytes" more; 54000 that states need, limit and what to raise if they
 * do not fit.  "what" says what they are for.
 */
extern void BudgetReserve(MemoryBudget *budget, Size bytes, const char *what);

/* The same with another hint: what to do beside raising the limit; NULL: lower "factors". */
extern void BudgetReserveHint(MemoryBudget *budget, Size bytes, const char *what,
							  const char *hint);

extern void BudgetRelease(MemoryBudget *budget, Size bytes);

/* Reserve and allocate with MCXT_ALLOC_HUGE in the current context. */
extern void *BudgetAlloc(MemoryBudget *budget, Size bytes, const char *what);

/* Fill with zeros, polling for interrupts: fresh memory takes its time. */
extern void BudgetZero(void *memory, Size bytes);

/* pfree and release. */
extern void BudgetFree(MemoryBudget *budget, void *pointer, Size bytes);

#endif							/* COMMREC_MEMORY_H */
