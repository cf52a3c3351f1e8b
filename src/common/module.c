/*
 * module.c
 *		What happens when the library is loaded.
 */
#include "postgres.h"

#include "fmgr.h"

#include "common/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCommrecSettings();
}
