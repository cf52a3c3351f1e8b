/*
 * test_plan.c
 *		Memory is planned for any number of users, items and pairs before anything is allocated.
 */
#include "core/algorithm.h"
#include "core/als_layout.h"
#include "core/ials.h"
#include "core/trainer.h"
#include "unit.h"

#define BILLIONS	(INT64_C(1) << 33)

/* Hyperparameters of an algorithm that need the most memory. */
static CrHyperparameters
largest(const CrAlgorithm *algorithm)
{
	static const char *const sizes[] = {"factors", "neighbors", "oversampling"};
	CrHyperparameters used;

	cr_parameters_preset(algorithm, &used);
	cr_defaults_from_shape(algorithm, &used, INT32_MAX, INT32_MAX, BILLIONS);
	for (int i = 0; i < 3; i++)
	{
		const CrParameter *parameter = cr_parameter_find(algorithm, sizes[i]);

		if (parameter != NULL)
			*cr_parameter_field(parameter, &used) = parameter->high;
	}
	return used;
}

/* Fewer bytes than any training of this shape publishes. */
static double
published(const CrAlgorithm *algorithm, const CrTrainerShape *shape)
{
	double		rows = (double) shape->items;

	if (algorithm->scorer != CR_SCORER_LISTS)
		rows += (double) shape->users;
	return rows * sizeof(float);
}

static CrTrainerPlan
plan_for(const CrAlgorithm *algorithm, int64_t users, int64_t items, int64_t pairs)
{
	CrHyperparameters used = largest(algorithm);
	CrTrainerShape shape = {.users = users, .items = items, .pairs = pairs, .is_weighted = 1,
	.used = &used};
	CrTrainerPlan plan = {0};

	CHECK(algorithm->trainer->plan(&shape, &plan) == CR_OK);
	CHECK((double) plan.shared > published(algorithm, &shape));
	CHECK(plan.epochs >= 1 && plan.steps >= 1);
	return plan;
}

/* From 2^28 to 2^31 - 1 of the one, with few or as many of the other, and to 2^33 pairs. */
static void
plans_grow_with_the_shape(void)
{
	const CrAlgorithm *algorithm;

	for (int i = 0; (algorithm = cr_algorithm_at(i)) != NULL; i++)
	{
		CrTrainerPlan users = {0};
		CrTrainerPlan items = {0};
		CrTrainerPlan both = {0};

		if (algorithm->trainer == NULL)
			continue;
		for (int bits = 28; bits <= 31; bits++)
		{
			int64_t		many = (INT64_C(1) << bits) - 1;
			int64_t		pairs = INT64_C(1) << (bits + 2);
			CrTrainerPlan more_users = plan_for(algorithm, many, 100, pairs);
			CrTrainerPlan more_items = plan_for(algorithm, 100, many, pairs);
			CrTrainerPlan more_both = plan_for(algorithm, many, many, pairs);

			CHECK(more_users.shared > users.shared || algorithm->scorer == CR_SCORER_LISTS);
			CHECK(more_users.shared >= users.shared && more_users.scratch >= users.scratch);
			CHECK(more_items.shared > items.shared && more_items.scratch >= items.scratch);
			CHECK(more_both.shared > both.shared && more_both.scratch >= both.scratch);
			CHECK(more_both.shared >= more_users.shared && more_both.shared >= more_items.shared);
			users = more_users;
			items = more_items;
			both = more_both;
		}
	}
}

static CrAlsShape
als_shape(int64_t users, int64_t items, int64_t pairs)
{
	return (CrAlsShape) {.factors = CR_FACTORS_MAX, .epochs = 1000, .users = users, .items = items,
		.pairs = pairs, .is_weighted = 1, .head = 1000, .counter = 8, .heavy = 24, .phases = 9002};
}

/* Everything of a side lies behind what was before, and is cut into as much as there is. */
static void
check_side(const CrAlsShape *shape, const CrAlsSideLayout *side, int64_t rows)
{
	CHECK(side->rows == rows);
	CHECK(side->start < side->column && side->column < side->weight);
	CHECK(side->column - side->start >= 8 * (size_t) (rows + 1));
	CHECK(side->weight - side->column >= 4 * (size_t) shape->pairs);
	CHECK(side->factors - side->weight >= 4 * (size_t) shape->pairs);
	CHECK(side->losses - side->factors >= 4 * (size_t) rows * (size_t) shape->factors);
	CHECK(side->heavy - side->losses >= sizeof(CrIalsLoss) * (size_t) (side->units + side->heavy_max));
	CHECK(side->units >= 1 && side->units - 1 <= (shape->pairs + rows * side->row_work) / side->unit_work);
	CHECK(side->units > (shape->pairs + rows * side->row_work) / side->unit_work - 1);
	CHECK(side->heavy_max >= 0 && side->heavy_max <= rows && side->heavy_events >= 2 * side->part_events);
	CHECK(side->ranges >= 1 && side->ranges <= CR_ALS_RANGES_MAX);
	CHECK(side->ranges * side->range_rows >= rows && side->range_rows % CR_GRAM_ROWS == 0);
}

static size_t
als_bytes(const CrAlsShape *shape)
{
	CrAlsLayout layout;

	CHECK(cr_als_layout(shape, &layout) == CR_OK);
	check_side(shape, &layout.side[0], shape->users);
	check_side(shape, &layout.side[1], shape->items);
	CHECK(layout.side[1].start > layout.side[0].heavy && layout.counters > layout.side[1].heavy);
	CHECK(layout.parts - layout.partials >= 8 * (size_t) shape->factors * (size_t) shape->factors);
	CHECK(layout.slots >= 2 && (size_t) layout.slots * cr_ials_part_size(shape->factors) <= 64 << 20);
	CHECK(layout.is_turned == !shape->is_explicit);
	CHECK(layout.total > layout.cpu && layout.cpu > layout.parts);
	return layout.total;
}

static void
als_layouts_grow_with_the_shape(void)
{
	for (int i = 0; i < 4; i++)
	{
		size_t		before = 0;

		for (int bits = 28; bits <= 31; bits++)
		{
			int64_t		many = (INT64_C(1) << bits) - 1;
			CrAlsShape	shape = als_shape(many, many, INT64_C(1) << (bits + 2));
			size_t		both;

			shape.cg_steps = i % 2;
			shape.is_explicit = i / 2;
			both = als_bytes(&shape);
			CHECK(both > before);
			before = both;
			shape.users = 100000;
			CHECK(als_bytes(&shape) < both);
			shape.users = many;
			shape.items = 100000;
			CHECK(als_bytes(&shape) < both);
		}
	}
}

/* Up to the end of the types, and not beyond. */
static void
als_shapes_have_ends(void)
{
	CrAlsShape	shape = als_shape(INT32_MAX, INT32_MAX, CR_ALS_PAIRS_MAX);
	const CrAlsShape beyond[] = {
		als_shape((int64_t) INT32_MAX + 1, 1, 1), als_shape(1, (int64_t) INT32_MAX + 1, 1),
		als_shape(1, 1, CR_ALS_PAIRS_MAX + 1), als_shape(1, 1, INT64_MAX), als_shape(-1, 1, 1),
		als_shape(1, INT64_MIN, 1), als_shape(1, 1, -1)
	};
	CrAlsLayout layout;

	CHECK(als_bytes(&shape) > 16 * (size_t) CR_ALS_PAIRS_MAX);
	shape.factors = 1;
	CHECK(cr_als_layout(&shape, &layout) == CR_OK && layout.total > 16 * (size_t) CR_ALS_PAIRS_MAX);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
		CHECK(cr_als_layout(&beyond[i], &layout) == CR_INVALID_ARGUMENT);
	shape.factors = 0;
	CHECK(cr_als_layout(&shape, &layout) == CR_INVALID_ARGUMENT);
	shape.factors = CR_FACTORS_MAX + 1;
	CHECK(cr_als_layout(&shape, &layout) == CR_INVALID_ARGUMENT);
}

/* What a participant needs grows with the factors, and with the longest row up to a limit. */
static void
als_workspaces_grow(void)
{
	for (int32_t k = 1; k < CR_FACTORS_MAX; k++)
	{
		size_t		matrix = (size_t) k * (size_t) k * sizeof(float);

		CHECK(cr_ials_workspace_size(k + 1, 1000) >= cr_ials_workspace_size(k, 1000));
		CHECK(cr_ials_workspace_size(k, 2048) >=
			  cr_ials_workspace_size(k, 1024) + 1024 * (size_t) k * sizeof(float));
		CHECK(cr_ials_workspace_size(k, INT64_MAX) ==
			  cr_ials_workspace_size(k, CR_IALS_CACHED_EVENTS));
		CHECK(cr_ials_part_size(k + 1) >= cr_ials_part_size(k));
		CHECK(cr_ials_workspace_size(k, 0) > 2 * matrix && cr_ials_part_size(k) > matrix / 2);
	}
}

UNIT_MAIN(UNIT_TEST(plans_grow_with_the_shape),
		  UNIT_TEST(als_layouts_grow_with_the_shape),
		  UNIT_TEST(als_shapes_have_ends),
		  UNIT_TEST(als_workspaces_grow));
