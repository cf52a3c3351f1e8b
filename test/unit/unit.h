/*
 * unit.h
 *		The smallest harness that the unit tests need: checks and one TAP line per test.
 *
 * A test program is
 *
 *		#include "unit.h"
 *
 *		static void
 *		adds_up(void)
 *		{
 *			CHECK(1 + 1 == 2);
 *			CHECK_NEAR(0.1 + 0.2, 0.3, 1e-12);
 *		}
 *
 *		UNIT_MAIN(UNIT_TEST(adds_up), UNIT_TEST(another));
 *
 * It prints "1..N", then "ok N - name" or "not ok N - name" for each test
 * function, and exits with 1 if any check failed.  A failed check prints a
 * "# file:line: ..." line and the test goes on, so that a check inside a loop
 * may print often; CHECK_FAILURES_SHOWN of them are shown per test.
 * Allocation is the test's own business (malloc and free; ASAN finds leaks),
 * unit_alloc() gives zeroed memory aligned to 64 bytes, for free().
 */
#ifndef CR_UNIT_H
#define CR_UNIT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_FAILURES_SHOWN	5

typedef struct UnitTest
{
	const char *name;
	void		(*run) (void);
} UnitTest;

static int	unit_failures;		/* failed checks of the test that runs now */

/* Count a failed check; 1 if it should still be printed. */
static inline int
unit_failed(void)
{
	return ++unit_failures <= CHECK_FAILURES_SHOWN;
}

/* The condition must hold. */
#define CHECK(cond) \
	do { \
		if (!(cond) && unit_failed()) \
			printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
	} while (0)

/* |a - b| <= tol, all as double; a NaN fails. */
#define CHECK_NEAR(a, b, tol) \
	do { \
		double		unit_a = (a); \
		double		unit_b = (b); \
		double		unit_tol = (tol); \
		if (!(fabs(unit_a - unit_b) <= unit_tol) && unit_failed()) \
			printf("# %s:%d: %s = %.17g, %s = %.17g, differ by more than %g\n", \
				   __FILE__, __LINE__, #a, unit_a, #b, unit_b, unit_tol); \
	} while (0)

/* Zeroed memory, aligned to 64 bytes, to be released with free(); exits if there is none. */
static inline void *
unit_alloc(size_t size)
{
	void	   *memory = aligned_alloc(64, (size / 64 + 1) * 64);

	if (memory == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return memset(memory, 0, (size / 64 + 1) * 64);
}

/* Run the tests in order; returns the exit code. */
static inline int
unit_run(const UnitTest *tests, int count)
{
	int			failed = 0;

	printf("1..%d\n", count);
	for (int i = 0; i < count; i++)
	{
		unit_failures = 0;
		tests[i].run();
		printf("%s %d - %s\n", unit_failures == 0 ? "ok" : "not ok", i + 1, tests[i].name);
		fflush(stdout);
		failed |= unit_failures != 0;
	}
	return failed;
}

#define UNIT_TEST(function) {#function, function}

#define UNIT_MAIN(...) \
	int \
	main(void) \
	{ \
		static const UnitTest unit_tests[] = {__VA_ARGS__}; \
		return unit_run(unit_tests, (int) (sizeof(unit_tests) / sizeof(unit_tests[0]))); \
	} \
	extern int	unit_main_ends_with_semicolon

#endif							/* CR_UNIT_H */
