/*
 * test_activity.c
 *		Slots cover every age once, in order.
 */
#include "core/activity.h"
#include "unit.h"

/* Every age lies in the slot whose first age is the last one not above it. */
static void
slots_follow_each_other(void)
{
	for (int64_t age = 0; age < 100000; age++)
	{
		int			slot = cr_activity_slot(age);

		CHECK(cr_activity_first_age(slot) <= age);
		CHECK(cr_activity_first_age(slot + 1) > age);
		CHECK(slot >= cr_activity_slot(age - 1) && slot <= cr_activity_slot(age - 1) + 1);
	}
	for (int64_t age = 0; age < CR_ACTIVITY_RECENT; age++)
		CHECK(cr_activity_slot(age) == age);
}

/* Each slot beyond the recent ones is as long as all before it; the last takes the rest. */
static void
slots_double(void)
{
	for (int slot = CR_ACTIVITY_RECENT; slot < CR_ACTIVITY_OLDEST; slot++)
		CHECK(cr_activity_first_age(slot + 1) - cr_activity_first_age(slot) ==
			  cr_activity_first_age(slot));
	CHECK(cr_activity_slot(-1) == 0);
	CHECK(cr_activity_slot(INT64_MIN) == 0);
	CHECK(cr_activity_slot(INT64_MAX) == CR_ACTIVITY_OLDEST);
	CHECK(cr_activity_slot(cr_activity_first_age(CR_ACTIVITY_OLDEST) - 1) < CR_ACTIVITY_OLDEST);
}

UNIT_MAIN(UNIT_TEST(slots_follow_each_other),
		  UNIT_TEST(slots_double));
