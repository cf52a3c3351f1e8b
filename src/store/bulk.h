/*
 * bulk.h
 *		Writing many rows into one of the model's tables, as COPY does.
 *
 * Batches through table_multi_insert, then the index entries.  Triggers and
 * CHECK constraints that somebody may have added are not fired; unique
 * indexes are enforced.  Never in parallel mode.
 */
#ifndef COMMREC_BULK_H
#define COMMREC_BULK_H

#include "store/model.h"

typedef struct BulkWriter BulkWriter;

/*
 * Open the model's table for writing (RowExclusiveLock, kept until the end of
 * the transaction).  55000 unless it has exactly the columns that commrec gave
 * it, with their types: values are written without any conversion.
 */
extern BulkWriter *BulkWriterBegin(const ModelConfig *config, const char *table);

/*
 * The same for a table whose rows are to be replaced by those that are added,
 * which come in the order of the primary key: rows that are the same stay, and
 * what is not added is deleted.  A table for which DELETE does more than
 * delete, as with triggers, is emptied by it, first.  The snapshot that is
 * active when it begins has to be when it ends.
 */
extern BulkWriter *BulkWriterReplace(const ModelConfig *config, const char *table);

/* Queue one row, values in the order of doc/design.md; they are copied. */
extern void BulkWriterAdd(BulkWriter *writer, const Datum *values, const bool *nulls);

/* Flush and close.  Returns the number of rows inserted. */
extern int64 BulkWriterEnd(BulkWriter *writer);

#endif							/* COMMREC_BULK_H */
