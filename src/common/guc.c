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

#define SIMD_AUTO	(-1)

static int	commrec_simd = SIMD_AUTO;

static const struct config_enum_entry simd_options[] = {
	{"auto", SIMD_AUTO, false},
	{"portable", CR_SIMD_PORTABLE, false},
	{"avx2", CR_SIMD_AVX2, false},
	{"avx512", CR_SIMD_AVX512, false},
	{NULL, 0, false}
};

static bool
CheckSimd(int *value, void **extra, GucSource source)
{
	(void) extra;
	(void) source;
	if (*value == SIMD_AUTO || cr_simd_is_available((CrSimd) *value))
		return true;
	GUC_check_errdetail("This machine has no \"%s\" instructions.",
						cr_simd_name((CrSimd) *value));
	GUC_check_errhint("Leave it at \"auto\" for the best that the machine has.");
	return false;
}

CrSimd
CommrecSimd(void)
{
	return commrec_simd == SIMD_AUTO ? cr_simd_best() : (CrSimd) commrec_simd;
}

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

	DefineCustomEnumVariable("commrec.simd",
							 "Sets the instruction set that computations use.",
							 "Lower ones are for tests: answers are the same.",
							 &commrec_simd,
							 SIMD_AUTO,
							 simd_options,
							 PGC_USERSET,
							 0,
							 CheckSimd, NULL, NULL);

	MarkGUCPrefixReserved("commrec");
}
