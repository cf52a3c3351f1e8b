/*
 * activity.c
 *		Stretches of time that get longer with age.
 */
#include "core/activity.h"

int
cr_activity_slot(int64_t age)
{
	int			slot = CR_ACTIVITY_RECENT;

	if (age < CR_ACTIVITY_RECENT)
		return age < 0 ? 0 : (int) age;
	for (int64_t ages = age / CR_ACTIVITY_RECENT; ages > 1; ages /= 2)
		slot++;
	return slot < CR_ACTIVITY_OLDEST ? slot : CR_ACTIVITY_OLDEST;
}

int64_t
cr_activity_first_age(int slot)
{
	if (slot <= CR_ACTIVITY_RECENT)
		return slot;
	return (int64_t) CR_ACTIVITY_RECENT << (slot - CR_ACTIVITY_RECENT);
}
