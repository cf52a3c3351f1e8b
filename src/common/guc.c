/*
 * guc.c
 *		The settings commrec.*, sorted by name.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "common/compat.h"
#include "common/guc.h"

char	   *commrec_default_model = NULL;
int			commrec_keep_versions = 2;
int			commrec_max_train_memory = 4 * 1024 * 1024;

void
DefineCommrecSettings(void)
{
	DefineCustomStringVariable("commrec.default_model",
							   "Sets the model that is used where a call names none.",
							   "Empty: the only model that the caller may use.",
							   &commrec_default_model,
							   "",
							   PGC_USERSET,
							   0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("commrec.keep_versions",
							"Sets how many trained versions of a model keep their data for rollback.",
							NULL,
							&commrec_keep_versions,
							2, 1, 1000,
							PGC_USERSET,
							0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("commrec.max_train_memory",
							"Sets the maximum memory that one training may plan for.",
							"It counts all processes of the training together.",
							&commrec_max_train_memory,
							4 * 1024 * 1024, 1024, INT_MAX,
							PGC_USERSET,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("commrec");
}
