/*
 * activity.c
 *		Stretches of time that get longer with age.
 */
#include "core/activity.h"

int
cr_activity_slot(int64_t age)
{
	int			slot;

	if (age < CR_ACTIVITY_RECENT)
		return age < 0 ? 0 : (int) age;
	slot = CR_ACTIVITY_RECENT + 63 - __builtin_clzll((uint64_t) (age / CR_ACTIVITY_RECENT));
	return slot < CR_ACTIVITY_OLDEST ? slot : CR_ACTIVITY_OLDEST;
}

int64_t
cr_activity_first_age(int slot)
{
	if (slot <= CR_ACTIVITY_RECENT)
		return slot;
	return (int64_t) CR_ACTIVITY_RECENT << (slot - CR_ACTIVITY_RECENT);
}
