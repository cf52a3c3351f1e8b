/*
 * blas.c
 *		Letting BLAS get its memory at a time when it can be refused.
 *
 * OpenBLAS allocates the area that it works in with the first call of a
 * process, and keeps it.  Where it gets none it tries again, forever, deaf to
 * cancels.  So find out beforehand whether there is as much, and have it take
 * that at once.
 */
#include "postgres.h"

#include <cblas.h>
#include <sys/mman.h>

#include "common/blas.h"

/* 128 MB of addresses with all its kernels for x86-64, of which it touches little; less elsewhere. */
#define WORK_AREA_MB	132

static void
require_address_space(Size bytes)
{
	void	   *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("BLAS needs %d MB of address space to work in.", WORK_AREA_MB),
				 errhint("Allow the server more memory; ulimit -v and vm.overcommit_memory limit it.")));
	munmap(area, bytes);
}

void
BlasPrepare(void)
{
	static bool is_ready = false;
	const double one = 1;
	double		square = 0;

	if (is_ready)
		return;
	require_address_space((Size) WORK_AREA_MB * 1024 * 1024);
	cblas_dsyrk(CblasColMajor, CblasUpper, CblasNoTrans, 1, 1, 1.0, &one, 1, 0.0, &square, 1);
	is_ready = true;
}
