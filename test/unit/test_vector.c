/*
 * test_vector.c
 *		Inner products keep their bits, norms are upper bounds.
 */
#include <float.h>

#include "core/rng.h"
#include "core/vector.h"
#include "unit.h"

#define DIMS_MAX	600

static void
random_vector(uint64_t stream, float *out, int32_t dims)
{
	CrRng		rng;

	cr_rng_init(&rng, 11, stream);
	cr_rng_normal(&rng, 1.0, out, (size_t) dims);
}

static void
dot_is_near_the_double_sum(void)
{
	float		a[DIMS_MAX];
	float		b[DIMS_MAX];

	random_vector(1, a, DIMS_MAX);
	random_vector(2, b, DIMS_MAX);
	for (int32_t dims = 0; dims <= DIMS_MAX; dims++)
	{
		double		sum = 0.0;
		double		size = 0.0;

		for (int32_t i = 0; i < dims; i++)
		{
			sum += (double) a[i] * b[i];
			size += fabs((double) a[i] * b[i]);
		}
		CHECK_NEAR(cr_dot(a, b, dims), sum, 1e-6 * size);
	}
}

/* The order that the header promises, written without loops over blocks. */
static void
dot_sums_in_the_documented_order(void)
{
	float		a[DIMS_MAX];
	float		b[DIMS_MAX];

	random_vector(3, a, DIMS_MAX);
	random_vector(4, b, DIMS_MAX);
	for (int32_t dims = 0; dims <= 100; dims++)
	{
		volatile float lanes[16] = {0};

		for (int32_t i = 0; i < dims; i++)
		{
			volatile float product = a[i] * b[i];

			lanes[i % 16] = lanes[i % 16] + product;
		}
		for (int width = 8; width > 0; width /= 2)
		{
			for (int lane = 0; lane < width; lane++)
				lanes[lane] = lanes[lane] + lanes[lane + width];
		}
		CHECK(cr_dot(a, b, dims) == lanes[0]);
	}
}

static void
dot_keeps_its_bits_whatever_the_alignment(void)
{
	float	   *a = unit_alloc((DIMS_MAX + 16) * sizeof(float));
	float	   *b = unit_alloc((DIMS_MAX + 16) * sizeof(float));
	float		first[DIMS_MAX];
	float		second[DIMS_MAX];

	random_vector(5, first, DIMS_MAX);
	random_vector(6, second, DIMS_MAX);
	for (int32_t dims = 1; dims < DIMS_MAX; dims += 37)
	{
		float		expected = cr_dot(first, second, dims);

		for (int shift = 0; shift < 16; shift++)
		{
			memcpy(a + shift, first, sizeof(first));
			memcpy(b + (shift * 5) % 16, second, sizeof(second));
			CHECK(cr_dot(a + shift, b + (shift * 5) % 16, dims) == expected);
			CHECK(cr_dot(b + (shift * 5) % 16, a + shift, dims) == expected);
		}
	}
	free(a);
	free(b);
}

static void
dot_ignores_zero_padding(void)
{
	float		a[64] = {0};
	float		b[64] = {0};

	random_vector(7, a, 37);
	random_vector(8, b, 37);
	CHECK(cr_dot(a, b, 37) == cr_dot(a, b, 48));
	CHECK(cr_dot(a, b, 37) == cr_dot(a, b, 64));
}

static void
norm_is_a_tight_upper_bound(void)
{
	float		a[DIMS_MAX];

	random_vector(9, a, DIMS_MAX);
	for (int32_t dims = 0; dims <= DIMS_MAX; dims++)
	{
		long double sum = 0.0L;
		float		norm = cr_norm_upper(a, dims);

		for (int32_t i = 0; i < dims; i++)
			sum += (long double) a[i] * a[i];
		CHECK(norm >= sqrtl(sum));
		CHECK(norm <= sqrtl(sum) * (1.0L + 2 * FLT_EPSILON));
	}
}

static void
norm_of_extreme_vectors(void)
{
	const float zero[3] = {0};
	const float large[2] = {FLT_MAX, FLT_MAX};
	const float small[2] = {FLT_TRUE_MIN, 0};
	const float exact[2] = {3, 4};

	CHECK(cr_norm_upper(zero, 3) == 0.0f);
	CHECK(cr_norm_upper(large, 2) == INFINITY);
	CHECK(cr_norm_upper(small, 2) >= FLT_TRUE_MIN);
	CHECK(cr_norm_upper(small, 2) <= 2 * FLT_TRUE_MIN);
	CHECK_NEAR(cr_norm_upper(exact, 2), 5.0, 1e-6);
}

static void
all_finite_sees_every_element(void)
{
	float		a[100];

	random_vector(10, a, 100);
	CHECK(cr_all_finite(a, 100));
	CHECK(cr_all_finite(a, 0));
	for (int32_t i = 0; i < 100; i++)
	{
		float		kept = a[i];

		a[i] = NAN;
		CHECK(!cr_all_finite(a, 100));
		CHECK(cr_all_finite(a, i));
		a[i] = INFINITY;
		CHECK(!cr_all_finite(a, 100));
		a[i] = -INFINITY;
		CHECK(!cr_all_finite(a, 100));
		a[i] = FLT_MAX;
		CHECK(cr_all_finite(a, 100));
		a[i] = kept;
	}
}

UNIT_MAIN(UNIT_TEST(dot_is_near_the_double_sum),
		  UNIT_TEST(dot_sums_in_the_documented_order),
		  UNIT_TEST(dot_keeps_its_bits_whatever_the_alignment),
		  UNIT_TEST(dot_ignores_zero_padding),
		  UNIT_TEST(norm_is_a_tight_upper_bound),
		  UNIT_TEST(norm_of_extreme_vectors),
		  UNIT_TEST(all_finite_sees_every_element));
