/*
 * test_rng.c
 *		Streams are reproducible, distinct, and have the moments they promise.
 */
#include "core/rng.h"
#include "unit.h"

#define DRAWS	200000

/* The authors' reference code, started from state 1, 2, 3, 4, prints these. */
static void
next_follows_the_reference(void)
{
	static const uint64_t expected[] = {
		UINT64_C(41943041), UINT64_C(58720359), UINT64_C(3588806011781223),
		UINT64_C(3591011842654386), UINT64_C(9228616714210784205),
		UINT64_C(9973669472204895162), UINT64_C(14011001112246962877),
		UINT64_C(12406186145184390807), UINT64_C(15849039046786891736),
		UINT64_C(10450023813501588000)
	};
	CrRng		rng = {{1, 2, 3, 4}};

	for (int i = 0; i < 10; i++)
		CHECK(cr_rng_next(&rng) == expected[i]);
}

/* Models of one seed must not change between releases. */
static void
streams_have_fixed_values(void)
{
	CrRng		rng;
	float		normal[3];

	cr_rng_init(&rng, 42, 7);
	CHECK(cr_rng_next(&rng) == UINT64_C(15406157308600310103));
	CHECK(cr_rng_next(&rng) == UINT64_C(519081175993536095));

	cr_rng_init(&rng, 42, 7);
	cr_rng_normal(&rng, 0.5, normal, 3);
	CHECK_NEAR(normal[0], -0.1808022, 1e-6);
	CHECK_NEAR(normal[1], -0.2558084, 1e-6);
	CHECK_NEAR(normal[2], -0.0100951, 1e-6);
}

static void
streams_are_reproducible(void)
{
	CrRng		a;
	CrRng		b;
	float		first[65];
	float		second[65];

	cr_rng_init(&a, 42, 3);
	cr_rng_init(&b, 42, 3);
	cr_rng_normal(&a, 1.0, first, 65);
	cr_rng_normal(&b, 1.0, second, 65);
	CHECK(memcmp(first, second, sizeof(first)) == 0);

	/* A longer draw begins with the same values. */
	cr_rng_init(&a, 42, 3);
	cr_rng_normal(&a, 1.0, first, 33);
	CHECK(memcmp(first, second, 33 * sizeof(float)) == 0);
}

/* Neighbouring and swapped arguments give different words in every place. */
static void
streams_differ(void)
{
	static const uint64_t pairs[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {42, 0}, {42, 1}, {0, 42}};
	CrRng		rngs[7];

	for (int i = 0; i < 7; i++)
		cr_rng_init(&rngs[i], pairs[i][0], pairs[i][1]);
	for (int i = 0; i < 7; i++)
	{
		for (int j = i + 1; j < 7; j++)
		{
			for (int word = 0; word < 4; word++)
				CHECK(rngs[i].state[word] != rngs[j].state[word]);
		}
	}
}

/* First draws of consecutive streams: uniform mean 1/2, no correlation with the next stream. */
static void
neighbouring_streams_are_uncorrelated(void)
{
	double		sum = 0.0;
	double		product = 0.0;
	double		previous = 0.5;

	for (uint64_t stream = 0; stream < DRAWS; stream++)
	{
		CrRng		rng;
		double		value;

		cr_rng_init(&rng, 42, stream);
		value = cr_rng_uniform(&rng);
		sum += value;
		product += (value - 0.5) * (previous - 0.5);
		previous = value;
	}
	CHECK_NEAR(sum / DRAWS, 0.5, 4 * 0.2887 / sqrt(DRAWS));
	CHECK_NEAR(product / DRAWS, 0.0, 4 / 12.0 / sqrt(DRAWS));
}

static void
uniform_is_uniform(void)
{
	CrRng		rng;
	int			bins[10] = {0};

	cr_rng_init(&rng, 1, 2);
	for (int i = 0; i < DRAWS; i++)
	{
		double		value = cr_rng_uniform(&rng);

		CHECK(value >= 0.0 && value < 1.0);
		bins[(int) (value * 10)]++;
	}
	for (int bin = 0; bin < 10; bin++)
		CHECK_NEAR(bins[bin], DRAWS / 10.0, 5 * sqrt(DRAWS * 0.09));
}

static void
normal_has_normal_moments(void)
{
	CrRng		rng;
	float	   *values = unit_alloc(DRAWS * sizeof(float));
	double		moment[5] = {0};

	cr_rng_init(&rng, 5, 6);
	cr_rng_normal(&rng, 2.0, values, DRAWS);
	for (int i = 0; i < DRAWS; i++)
	{
		CHECK(isfinite(values[i]));
		for (int power = 1; power <= 4; power++)
			moment[power] += pow(values[i] / 2.0, power) / DRAWS;
	}
	CHECK_NEAR(moment[1], 0.0, 5 / sqrt(DRAWS));
	CHECK_NEAR(moment[2], 1.0, 5 * sqrt(2.0 / DRAWS));
	CHECK_NEAR(moment[3], 0.0, 5 * sqrt(15.0 / DRAWS));
	CHECK_NEAR(moment[4], 3.0, 5 * sqrt(96.0 / DRAWS));
	free(values);
}

static void
normal_writes_n_values_only(void)
{
	CrRng		rng;
	float		values[4] = {9, 9, 9, 9};

	cr_rng_init(&rng, 5, 6);
	cr_rng_normal(&rng, 1.0, values, 0);
	CHECK(values[0] == 9);
	cr_rng_normal(&rng, 1.0, values, 3);
	CHECK(values[2] != 9 && values[3] == 9);
	cr_rng_normal(&rng, 0.0, values, 4);
	CHECK(values[0] == 0 && values[3] == 0);
}

UNIT_MAIN(UNIT_TEST(next_follows_the_reference),
		  UNIT_TEST(streams_have_fixed_values),
		  UNIT_TEST(streams_are_reproducible),
		  UNIT_TEST(streams_differ),
		  UNIT_TEST(neighbouring_streams_are_uncorrelated),
		  UNIT_TEST(uniform_is_uniform),
		  UNIT_TEST(normal_has_normal_moments),
		  UNIT_TEST(normal_writes_n_values_only));
