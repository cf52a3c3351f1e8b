/*
 * choose.h
 *		Which algorithm suits the events: those that fit a time budget, tried on held-out events.
 *
 * Candidates are tried from the cheapest on, with their defaults, each trained
 * on what a split leaves and judged by nDCG@10 for the same users, as
 * deploy => 'if_better' judges; as long as what was spent, the next trial and
 * the training of the dearest of them fit the budget.
 */
#ifndef COMMREC_CHOOSE_H
#define COMMREC_CHOOSE_H

#include "common/memory.h"
#include "train/events.h"
#include "train/json.h"
#include "train/progress.h"
#include "train/recipe.h"

#define CHOICE_CANDIDATES_MAX	16

typedef struct ChoiceCandidate
{
	const CrAlgorithm *algorithm;
	double		cost;			/* CPU seconds, as reckoned beforehand */
	bool		is_tried;
	char	   *skipped;		/* why it was not, or failed; NULL if it was judged */
	double		ndcg;			/* @10, mean over the users */
	double		seconds;
} ChoiceCandidate;

typedef struct Choice
{
	const CrAlgorithm *algorithm;	/* the chosen one */
	int			candidates;		/* ascending by cost */
	ChoiceCandidate candidate[CHOICE_CANDIDATES_MAX];
	int32		users;			/* judged on; 0: too few events to judge by, the default is taken */
} Choice;

/*
 * Choose for a recipe of an algorithm with the scorer CR_SCORER_CHOSEN.  What
 * a candidate does wrong (no convergence, too much memory) costs it the trial.
 */
extern void ChooseAlgorithm(const EventLog *log, const Recipe *recipe, MemoryBudget *budget,
							Progress *progress, Choice *choice);

/* A member "choice": each candidate's figures, or why there are none. */
extern void ChoiceToJson(const Choice *choice, JsonBuilder *json);

/* A NOTICE that says what was chosen, and why. */
extern void ChoiceReport(const Choice *choice);

#endif							/* COMMREC_CHOOSE_H */
