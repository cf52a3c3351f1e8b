/*
 * test_divisor.c
 *		Quotients are those of a division, rounded down.
 */
#include "core/divisor.h"
#include "core/rng.h"
#include "unit.h"

static int64_t
divided(int64_t number, int64_t divisor)
{
	int64_t		quotient = number / divisor;

	return number % divisor < 0 ? quotient - 1 : quotient;
}

static void
check_quotient(int64_t number, int64_t divisor)
{
	CrDivisor	by = cr_divisor(divisor);

	CHECK(cr_floor_divide(&by, number) == divided(number, divisor));
}

/* Around every multiple that is near the ends, zero, or a power of two. */
static void
check_divisor(int64_t divisor)
{
	int64_t		largest = INT64_MAX / divisor;

	for (int off = -2; off <= 2; off++)
	{
		for (int bit = 0; bit < 62; bit++)
		{
			int64_t		quotient = (INT64_C(1) << bit) + off;

			if (quotient > largest - 1 || quotient < 1)
				continue;
			for (int64_t rest = -1; rest <= 1; rest++)
			{
				check_quotient(quotient * divisor + rest, divisor);
				check_quotient(-quotient * divisor + rest, divisor);
			}
		}
		check_quotient(largest * divisor - 1, divisor);
		check_quotient(-largest * divisor + 1, divisor);
	}
	check_quotient(INT64_MAX, divisor);
	check_quotient(INT64_MIN, divisor);
	check_quotient(0, divisor);
}

static void
near_multiples(void)
{
	static const int64_t divisors[] = {1, 2, 3, 4095, 4096, 4097, 1000000, 3600000000, 86400000000,
		604800000000, INT64_C(1) << 45, (INT64_C(1) << 60) - 1, INT64_C(1) << 60,
	(INT64_C(1) << 60) + 1, INT64_MAX};

	for (size_t i = 0; i < sizeof(divisors) / sizeof(divisors[0]); i++)
		check_divisor(divisors[i]);
}

static void
at_random(void)
{
	CrRng		rng;

	cr_rng_init(&rng, 1, 0);
	for (int i = 0; i < 1000000; i++)
	{
		int64_t		number = (int64_t) cr_rng_next(&rng) >> (i % 60);
		int64_t		divisor = (int64_t) (cr_rng_next(&rng) >> (1 + i % 61)) + 1;

		check_quotient(number, divisor);
	}
}

UNIT_MAIN(UNIT_TEST(near_multiples),
		  UNIT_TEST(at_random));
