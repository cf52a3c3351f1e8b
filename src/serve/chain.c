/*
 * chain.c
 *		From what is known of a user to the vector that he is answered with.
 *
 * Folding in takes the stored preferences, aged to the newest of the new
 * events, and the preferences of the new events on top; so it gives what the
 * half step of a training over all of them would give for this user, with the
 * items as they are.  Where scores come from lists, these preferences are all
 * that has to be known of him.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "common/errors.h"
#include "core/preference.h"
#include "core/seen.h"
#include "core/vector.h"
#include "serve/chain.h"
#include "serve/search.h"
#include "store/fresh_events.h"
#include "store/trending.h"
#include "store/version.h"

/* What a user has had to do with one item, old and new. */
typedef struct Touch
{
	int32		item_no;
	double		preference;
	uint32		last_touched;	/* see core/seen.h */
} Touch;

typedef struct Touches
{
	int32		count;
	Touch	   *touch;			/* ascending by item_no */
} Touches;

/* Minutes since 2000, rounded up, as lists of seen items have them. */
static uint32
TouchedMinutes(TimestampTz time)
{
	if (time <= 0)
		return 0;
	return (uint32) Min((time - 1) / USECS_PER_MINUTE + 1, (int64) CR_SEEN_NO_TIME - 1);
}

/* Stored and new, merged. */
static void
MergeTouches(const FoldIn *fold, const StoredUser *stored, const float *preferences,
			 const FreshEvents *fresh, Touches *touches)
{
	double		ageing = !fold->has_age_origin ? 1.0 :
		cr_age_factor((double) fresh->newest - (double) fold->age_origin,
					  fold->used.half_life * (double) USECS_PER_DAY);
	uint32		old = 0;
	int32		new = 0;

	touches->count = 0;
	touches->touch = AllocateHuge((int32) stored->seen_count + fresh->count, sizeof(Touch));
	while (old < stored->seen_count || new < fresh->count)
	{
		Touch	   *touch = &touches->touch[touches->count++];
		int32		old_no = old < stored->seen_count ? (int32) (stored->seen[old] >> 1) :
			PG_INT32_MAX;
		int32		new_no = new < fresh->count ? fresh->items[new].item_no : PG_INT32_MAX;

		touch->item_no = Min(old_no, new_no);
		touch->preference = 0;
		touch->last_touched = CR_SEEN_NO_TIME;
		if (old_no <= new_no)
		{
			touch->preference = preferences[old] * ageing;
			if (stored->last_touched != NULL)
				touch->last_touched = stored->last_touched[old];
			old++;
		}
		if (new_no <= old_no)
		{
			touch->preference += fresh->items[new].preference;
			touch->last_touched = TouchedMinutes(fresh->items[new].last);
			new++;
		}
	}
}

/* The new vector, if there is anything to solve for. */
static void
Solve(RecommendCall *call, FoldIn *fold, const Touches *touches, StoredUser *user)
{
	bool		has_any = false;
	float		confidence;

	for (int32 i = 0; i < touches->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (touches->touch[i].preference > 0)
			has_any |= FoldInAdd(fold, ServeViewItem(call->view, touches->touch[i].item_no)->embedding,
								 touches->touch[i].preference, &confidence);
	}
	if (!has_any)
		return;
	FoldInFinish(fold);
	user->embedding = palloc(sizeof(float) * fold->deployed->dims);
	FoldInUser(fold, user->embedding);
}

/* How much each of the touched items counts for one whose score comes from their lists. */
static void
FillConfidence(const DeployedVersion *deployed, const Touches *touches, StoredUser *user)
{
	user->confidence = AllocateHuge(touches->count, sizeof(float));
	for (int32 i = 0; i < touches->count; i++)
	{
		user->confidence[i] = UserConfidence(deployed->alpha, touches->touch[i].preference);
		if (user->confidence[i] > 0 && user->embedding == NULL)
		{
			user->embedding = palloc(sizeof(float));
			user->embedding[0] = 1;
		}
	}
}

/* What was just touched counts as seen. */
static void
FillSeen(const Touches *touches, StoredUser *user)
{
	user->seen_count = (uint32) touches->count;
	user->seen = AllocateHuge(touches->count, sizeof(uint32));
	user->last_touched = AllocateHuge(touches->count, sizeof(uint32));
	for (int32 i = 0; i < touches->count; i++)
	{
		user->seen[i] = (uint32) touches->touch[i].item_no << 1 |
			(touches->touch[i].preference < 0 ? 1 : 0);
		user->last_touched[i] = touches->touch[i].last_touched;
	}
}

/*
 * Fold in what is new, if anything is; user->embedding is NULL then if there is
 * nothing that he likes.
 */
static bool
FoldInNew(RecommendCall *call, Datum id, bool is_stored, StoredUser *user)
{
	const DeployedVersion *deployed = ServeViewDeployed(call->view);
	float	   *preferences = NULL;
	FreshEvents fresh;
	Touches		touches;
	FoldIn		fold;

	FoldInBegin(&fold, call->schema, deployed);
	ReadFreshEvents(&fold, id, &fresh);
	if (fresh.count == 0)
		return false;
	if (is_stored)
		preferences = ReadUserPreferences(call->schema, deployed, id, user->seen_count);
	MergeTouches(&fold, user, preferences, &fresh, &touches);
	FillSeen(&touches, user);
	/* Where nobody can be solved again, answers are as trained; what is new counts as seen. */
	if (fold.kind == CR_FOLD_NONE && !ScoresByLists(deployed))
		return false;
	/* Without anything that he likes any more, the old vector is no answer either. */
	user->embedding = NULL;
	if (ScoresByLists(deployed))
		FillConfidence(deployed, &touches, user);
	else
		Solve(call, &fold, &touches, user);
	return true;
}

/* Is anything learned of an item? */
static bool
HasDirection(const float *embedding, int32 factors)
{
	for (int32 i = 0; i < factors; i++)
	{
		if (embedding[i] != 0)
			return true;
	}
	return false;
}

int32
ChainLastItem(RecommendCall *call, Datum user, const StoredUser *stored)
{
	const DeployedVersion *deployed = ServeViewDeployed(call->view);
	CrHyperparameters used;
	const float *preferences;
	int32		last = -1;
	int64		last_time = -1;
	float		last_preference = 0;

	if (deployed->factors == 0 || stored->seen_count == 0 ||
		ReadVersionHyperparameters(call->schema, deployed, &used)->is_explicit)
		return -1;
	preferences = ReadUserPreferences(call->schema, deployed, user, stored->seen_count);
	for (uint32 i = 0; i < stored->seen_count; i++)
	{
		int32		item_no = (int32) (stored->seen[i] >> 1);
		int64		time = stored->last_touched == NULL ||
			stored->last_touched[i] == CR_SEEN_NO_TIME ? 0 : stored->last_touched[i];

		CHECK_FOR_INTERRUPTS();
		if (!(preferences[i] > 0) || time < last_time ||
			(time == last_time && preferences[i] <= last_preference))
			continue;
		if (!HasDirection(ServeViewItem(call->view, item_no)->embedding, deployed->factors))
			continue;
		last = item_no;
		last_time = time;
		last_preference = preferences[i];
	}
	return last;
}

/*
 * A vector that gives this item the score 1, which is what training wants for
 * an item that a user has chosen: y / |y|^2, and the popularity of everybody;
 * no biases, which are not about him.
 */
static float *
VectorTowards(RecommendCall *call, int32 item_no)
{
	const DeployedVersion *deployed = ServeViewDeployed(call->view);
	float	   *vector = palloc0(sizeof(float) * deployed->dims);
	const float *item = ServeViewItem(call->view, item_no)->embedding;
	double		square = 0;
	CrHyperparameters used;
	int32		popularity;

	for (int32 i = 0; i < deployed->factors; i++)
		square += (double) item[i] * item[i];
	for (int32 i = 0; i < deployed->factors; i++)
		vector[i] = (float) (item[i] / square);
	ReadVersionHyperparameters(call->schema, deployed, &used);
	popularity = PopularityCoordinate(deployed, &used);
	if (popularity >= 0)
		vector[popularity] = 1;
	return cr_all_finite(vector, deployed->dims) ? vector : NULL;
}

RecommendSource
ChainResolve(RecommendCall *call, const ChainRequest *request, StoredUser *user)
{
	bool		is_stored;
	int32		last;

	memset(user, 0, sizeof(*user));
	if (!request->is_known_id)
		return SOURCE_POPULAR;
	is_stored = UserReaderRead(&call->users, request->user, user);
	if (request->is_fresh && FoldInNew(call, request->user, is_stored, user))
		return user->embedding != NULL ? SOURCE_FRESH : SOURCE_POPULAR;
	if (user->embedding != NULL)
		return SOURCE_MODEL;
	last = is_stored ? ChainLastItem(call, request->user, user) : -1;
	if (last >= 0)
		user->embedding = VectorTowards(call, last);
	return user->embedding != NULL ? SOURCE_SIMILAR : SOURCE_POPULAR;
}

float
ChainColdScore(RecommendCall *call, const StoredItem *item)
{
	float		score = item->popularity;
	TrendingReader trending;
	CrScored	rising;

	TrendingReaderOpen(&trending, call->schema, ServeViewDeployed(call->view));
	while (TrendingReaderNext(&trending, &rising))
	{
		if (rising.item_no == item->item_no)
		{
			score = rising.score;
			break;
		}
	}
	TrendingReaderClose(&trending);
	return score;
}
