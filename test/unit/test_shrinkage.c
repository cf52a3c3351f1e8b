/*
 * test_shrinkage.c
 *		Shrinkage against cases computed by hand, and its invariants.
 */
#include "core/rng.h"
#include "core/shrinkage.h"
#include "unit.h"

/*
 * Two units of exposure 10 with amounts 2 and 18, twenty events of weight 1:
 * mu = 1, phi = 1, s2 = (10*.64 + 10*.64)/20 = .64, a = .64 - 1/10 = .54,
 * m = 1/.54.
 */
static void
two_units_by_hand(void)
{
	const double amount[] = {2, 18};
	const double exposure[] = {10, 10};
	CrShrinkage s = cr_shrinkage_fit(amount, exposure, 2, 20, 20);

	CHECK_NEAR(s.mean, 1.0, 1e-15);
	CHECK_NEAR(s.strength, 1 / 0.54, 1e-12);
	CHECK_NEAR(cr_shrinkage_rate(&s, 2, 10), (2 + 1 / 0.54) / (10 + 1 / 0.54), 1e-12);
	CHECK_NEAR(cr_shrinkage_rate(&s, 0, 0), 1.0, 1e-12);
}

/*
 * Unequal exposures and weights: amounts 1, 12, 5 over 4, 6, 10; events of
 * weight 1 (six) and 3 (four): sum s = 18, sum s^2 = 42, phi = 7/3, mu = .9;
 * s2 = (4*.65^2 + 6*1.1^2 + 10*.4^2)/20 = (1.69 + 7.26 + 1.6)/20 = .5275;
 * a = .5275 - 2.1/(20/3) = .2125; m = 2.1/.2125.
 */
static void
three_units_by_hand(void)
{
	const double amount[] = {1, 12, 5};
	const double exposure[] = {4, 6, 10};
	CrShrinkage s = cr_shrinkage_fit(amount, exposure, 3, 18, 42);

	CHECK_NEAR(s.mean, 0.9, 1e-15);
	CHECK_NEAR(s.strength, 2.1 / 0.2125, 1e-11);
	CHECK_NEAR(cr_shrinkage_rate(&s, 12, 6), (12 + 2.1 / 0.2125 * 0.9) / (6 + 2.1 / 0.2125), 1e-12);
}

static void
equal_rates_shrink_all_the_way(void)
{
	const double amount[] = {3, 6, 9};
	const double exposure[] = {1, 2, 3};
	CrShrinkage s = cr_shrinkage_fit(amount, exposure, 3, 18, 18);

	CHECK_NEAR(s.mean, 3.0, 1e-15);
	CHECK(isinf(s.strength) && s.strength > 0);
	CHECK_NEAR(cr_shrinkage_rate(&s, 9, 1), 3.0, 1e-15);
	CHECK_NEAR(cr_shrinkage_rate(&s, 0, 0), 3.0, 1e-15);
}

/* One unit has nothing to be compared with. */
static void
one_unit_shrinks_to_itself(void)
{
	const double amount[] = {3};
	const double exposure[] = {4};
	CrShrinkage s = cr_shrinkage_fit(amount, exposure, 1, 3, 3);

	CHECK(isinf(s.strength));
	CHECK_NEAR(cr_shrinkage_rate(&s, 3, 4), 0.75, 1e-15);
}

static void
check_nothing(CrShrinkage s)
{
	CHECK(s.mean == 0.0);
	CHECK(isinf(s.strength) && s.strength > 0);
	CHECK(cr_shrinkage_rate(&s, 0, 0) == 0.0);
	CHECK(cr_shrinkage_rate(&s, 0, 5) == 0.0);
}

static void
no_weight_at_all_gives_zero(void)
{
	const double zero[] = {0, 0, 0};
	const double exposure[] = {1, 2, 3};

	check_nothing(cr_shrinkage_fit(zero, exposure, 3, 0, 0));
	check_nothing(cr_shrinkage_fit(zero, zero, 3, 0, 0));
	check_nothing(cr_shrinkage_fit(NULL, NULL, 0, 0, 0));
}

static void
units_without_exposure_are_passed_over(void)
{
	const double amount[] = {2, 7, 18};
	const double exposure[] = {10, 0, 10};
	CrShrinkage s = cr_shrinkage_fit(amount, exposure, 3, 20, 20);

	CHECK_NEAR(s.mean, 1.0, 1e-15);
	CHECK_NEAR(s.strength, 1 / 0.54, 1e-12);
}

/* With weights c times as large the rates are, and m is the same. */
static void
scaling_the_weights_scales_the_rates(void)
{
	enum
	{
		UNITS = 50
	};
	double		amount[UNITS];
	double		scaled[UNITS];
	double		exposure[UNITS];
	const double c = 3.7;
	CrShrinkage s;
	CrShrinkage t;
	CrRng		rng;

	cr_rng_init(&rng, 1, 1);
	for (int j = 0; j < UNITS; j++)
	{
		exposure[j] = 1 + floor(20 * cr_rng_uniform(&rng));
		amount[j] = floor(3 * exposure[j] * cr_rng_uniform(&rng));
		scaled[j] = c * amount[j];
	}
	s = cr_shrinkage_fit(amount, exposure, UNITS, 400, 700);
	t = cr_shrinkage_fit(scaled, exposure, UNITS, c * 400, c * c * 700);
	CHECK(isfinite(s.strength) && s.strength > 0);
	CHECK_NEAR(t.mean, c * s.mean, 1e-12);
	CHECK_NEAR(t.strength, s.strength, 1e-9 * s.strength);
	for (int j = 0; j < UNITS; j++)
		CHECK_NEAR(cr_shrinkage_rate(&t, scaled[j], exposure[j]),
				   c * cr_shrinkage_rate(&s, amount[j], exposure[j]), 1e-9);
}

/* Every rate lies between the raw one and the mean, and exposure draws it to the raw one. */
static void
rates_lie_between_raw_and_mean(void)
{
	const double amount[] = {0, 5, 40, 1};
	const double exposure[] = {3, 2, 10, 9};
	CrShrinkage s = cr_shrinkage_fit(amount, exposure, 4, 46, 60);

	CHECK(isfinite(s.strength));
	for (int j = 0; j < 4; j++)
	{
		double		raw = amount[j] / exposure[j];
		double		rate = cr_shrinkage_rate(&s, amount[j], exposure[j]);

		CHECK(rate >= fmin(raw, s.mean) && rate <= fmax(raw, s.mean));
	}
	CHECK(cr_shrinkage_rate(&s, 100, 10) < cr_shrinkage_rate(&s, 1000, 100));
}

/* Weights of mixed sign may leave any mean; nothing becomes NaN. */
static void
odd_weights_never_give_nan(void)
{
	const double amount[] = {-5, 1, 4, 2};
	const double exposure[] = {1, 1, 1, 1};
	const double sums[] = {-2, 0, 2, 1e-300};

	for (int i = 0; i < 4; i++)
	{
		for (int units = 1; units <= 4; units++)
		{
			CrShrinkage s = cr_shrinkage_fit(amount, exposure, units, sums[i], 46);

			CHECK(isfinite(s.mean));
			CHECK(s.strength >= 0);
			CHECK(!isnan(cr_shrinkage_rate(&s, 1, 1)));
			CHECK(!isnan(cr_shrinkage_rate(&s, 0, 0)));
		}
	}
}

UNIT_MAIN(UNIT_TEST(two_units_by_hand),
		  UNIT_TEST(three_units_by_hand),
		  UNIT_TEST(equal_rates_shrink_all_the_way),
		  UNIT_TEST(one_unit_shrinks_to_itself),
		  UNIT_TEST(no_weight_at_all_gives_zero),
		  UNIT_TEST(units_without_exposure_are_passed_over),
		  UNIT_TEST(scaling_the_weights_scales_the_rates),
		  UNIT_TEST(rates_lie_between_raw_and_mean),
		  UNIT_TEST(odd_weights_never_give_nan));
