/*
 * choose.c
 *		Which algorithm suits the events: those that fit a time budget, tried on held-out events.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "core/auto.h"
#include "train/choose.h"
#include "train/evaluate_internal.h"

#define CHOOSE_METRIC		"ndcg@10"
#define CHOOSE_SHARE		0.1		/* of the events, held out */
#define CHOOSE_USERS		5000	/* beyond, a sample tells as much */

static int
compare_costs(const void *left, const void *right)
{
	const ChoiceCandidate *a = (const ChoiceCandidate *) left;
	const ChoiceCandidate *b = (const ChoiceCandidate *) right;

	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	return strcmp(a->algorithm->name, b->algorithm->name);
}

/* All algorithms whose cost is known, the cheapest first. */
static void
list_candidates(const EventLog *log, const Recipe *recipe, Choice *choice)
{
	int64		users = EventsUsers(log);
	int64		items = EventsItems(log);
	const CrAlgorithm *algorithm;

	for (int i = 0; (algorithm = cr_algorithm_at(i)) != NULL; i++)
	{
		ChoiceCandidate *candidate = &choice->candidate[choice->candidates];
		CrHyperparameters used;

		if (algorithm->cost == NULL || choice->candidates == CHOICE_CANDIDATES_MAX)
			continue;
		cr_auto_recipe(recipe->given, algorithm, &used);
		cr_defaults_from_shape(algorithm, &used, users, items, log->count);
		candidate->algorithm = algorithm;
		candidate->cost = algorithm->cost(&used, users, items, log->count);
		choice->candidates++;
	}
	qsort(choice->candidate, choice->candidates, sizeof(ChoiceCandidate), compare_costs);
}

static double
mean(const float *figures, int32 count)
{
	double		sum = 0;

	for (int32 i = 0; i < count; i++)
		sum += figures[i];
	return count > 0 ? sum / count : 0;
}

static void
try_candidate(const EventSplit *split, const Recipe *recipe, const EvaluateMeasure *measure,
			  EvaluateMemory *memory, Progress *progress, ChoiceCandidate *candidate)
{
	CrHyperparameters given;
	Recipe		trial = {candidate->algorithm, &given, recipe->workers};
	CrHyperparameters used;
	float	   *figures = palloc(Max(split->users, 1) * sizeof(float));
	instr_time	began;
	instr_time	taken;

	cr_auto_recipe(recipe->given, candidate->algorithm, &given);
	INSTR_TIME_SET_CURRENT(began);
	candidate->is_tried = true;
	candidate->skipped = EvaluateTrySafely(split, &trial, measure, memory->budget, progress, &used,
										   figures);
	INSTR_TIME_SET_CURRENT(taken);
	INSTR_TIME_SUBTRACT(taken, began);
	candidate->seconds = INSTR_TIME_GET_DOUBLE(taken);
	if (candidate->skipped == NULL)
		candidate->ndcg = mean(figures, split->users);
	pfree(figures);
}

/* Try as many as the budget allows; the cheapest costs next to nothing. */
static void
try_candidates(const EventSplit *split, const Recipe *recipe, EvaluateMemory *memory,
			   Progress *progress, Choice *choice)
{
	double		limit = CR_OWN_OF(CrAutoHyperparameters, recipe->given)->time_budget;
	double		spent = 0;
	EvaluateMeasure measure;

	EvaluateMeasureParse(CHOOSE_METRIC, &measure);
	for (int i = 0; i < choice->candidates; i++)
	{
		ChoiceCandidate *candidate = &choice->candidate[i];

		/* Its trial, and its training if it is chosen. */
		if (spent + (2 - CHOOSE_SHARE) * candidate->cost > limit)
		{
			candidate->skipped = psprintf("a training would take %.1f CPU seconds, too much for the time budget",
										  candidate->cost);
			continue;
		}
		try_candidate(split, recipe, &measure, memory, progress, candidate);
		spent += Max((1 - CHOOSE_SHARE) * candidate->cost, candidate->seconds);
	}
}

/* The best of those that were judged; of equals the cheapest. */
static void
take_best(Choice *choice)
{
	double		best = -1;

	choice->algorithm = cr_algorithm_at(0);
	for (int i = 0; i < choice->candidates; i++)
	{
		const ChoiceCandidate *candidate = &choice->candidate[i];

		if (candidate->skipped == NULL && candidate->is_tried && candidate->ndcg > best)
		{
			best = candidate->ndcg;
			choice->algorithm = candidate->algorithm;
		}
	}
}

void
ChooseAlgorithm(const EventLog *log, const Recipe *recipe, MemoryBudget *budget,
				Progress *progress, Choice *choice)
{
	SplitOptions options = {.rule = EvaluateSplitRule(log, NULL),.test_share = CHOOSE_SHARE,
		.half_life = recipe->given->half_life,.users = CHOOSE_USERS,
	.seed = (uint64) recipe->given->seed};
	EvaluateMemory memory = {.budget = budget};
	Progress	quiet = *progress;
	EventSplit	split;

	/* The epochs of the trials are nobody's concern. */
	quiet.verbose = false;
	memset(choice, 0, sizeof(Choice));
	list_candidates(log, recipe, choice);
	if (EventSplitMake(log, &options, &memory, &split))
	{
		choice->users = split.users;
		try_candidates(&split, recipe, &memory, &quiet, choice);
	}
	take_best(choice);
	BudgetRelease(budget, memory.bytes);
}

void
ChoiceToJson(const Choice *choice, JsonBuilder *json)
{
	JsonBeginObject(json, "choice");
	JsonAddInteger(json, "users", choice->users);
	for (int i = 0; i < choice->candidates; i++)
	{
		const ChoiceCandidate *candidate = &choice->candidate[i];

		JsonBeginObject(json, candidate->algorithm->name);
		JsonAddNumber(json, "reckoned_seconds", rint(candidate->cost * 1e3) / 1e3);
		if (candidate->skipped != NULL)
			JsonAddString(json, "skipped", candidate->skipped);
		else if (candidate->is_tried)
		{
			JsonAddNumber(json, "ndcg", candidate->ndcg);
			JsonAddNumber(json, "seconds", rint(candidate->seconds * 1e3) / 1e3);
		}
		JsonEndObject(json);
	}
	JsonEndObject(json);
}

void
ChoiceReport(const Choice *choice)
{
	StringInfoData detail;

	if (choice->users == 0)
	{
		ereport(NOTICE,
				(errmsg("algorithm \"%s\" is taken: there are too few events to choose by",
						choice->algorithm->name)));
		return;
	}
	initStringInfo(&detail);
	for (int i = 0; i < choice->candidates; i++)
	{
		const ChoiceCandidate *candidate = &choice->candidate[i];

		if (candidate->skipped != NULL)
			appendStringInfo(&detail, "%s\"%s\": %s", i > 0 ? "; " : "", candidate->algorithm->name,
							 candidate->skipped);
		else
			appendStringInfo(&detail, "%s\"%s\": %.4f", i > 0 ? "; " : "",
							 candidate->algorithm->name, candidate->ndcg);
	}
	ereport(NOTICE,
			(errmsg("algorithm \"%s\" is chosen, by nDCG@10 on held-out events of %d users",
					choice->algorithm->name, choice->users),
			 errdetail("%s.", detail.data)));
}
