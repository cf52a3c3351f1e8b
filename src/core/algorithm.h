/*
 * algorithm.h
 *		What a model can be trained with: algorithms and their hyperparameters.
 *
 * The descriptors are the one place that knows names, types, ranges, defaults
 * and meanings; parsing, error hints and documentation read them from here.
 * Each is in the file of its algorithm; core/algorithms.h lists them.
 */
#ifndef CR_ALGORITHM_H
#define CR_ALGORITHM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

typedef enum CrParameterType
{
	CR_PARAMETER_INTEGER,
	CR_PARAMETER_NUMBER,
	CR_PARAMETER_CHOICE			/* one of some words; the value is the word's place */
} CrParameterType;

#define CR_CHOICES_MAX	6
#define CR_SEARCH_MAX	6

typedef struct CrParameter
{
	const char *name;
	CrParameterType type;
	double		low;			/* smallest allowed value */
	double		high;			/* largest allowed value */
	int			low_excluded;	/* 1 if "low" itself is not allowed */
	int			from_data;		/* 1 if the default is chosen from the data */
	double		preset;			/* the default where it is a constant */
	const char *choices[CR_CHOICES_MAX + 1];	/* of a choice, and NULL behind the last */
	size_t		offset;			/* of the double in the algorithm's parameter struct */
	const char *meaning;		/* one line, for hints and documentation */

	/* What commrec.tune() tries unless told; nothing of the three: the model's own value alone. */
	double		search[CR_SEARCH_MAX];	/* these values; the rest is 0 */
	double		search_low;		/* or a range, logarithmic if this is above 0 */
	double		search_high;
	double		search_spread;	/* or down to 1/so much of the default from the data, and up to so much */
	int			restrains;		/* 1 if more of it makes a model simpler, which decides between equals */
} CrParameter;

/* How half steps are solved, the value of "solver". */
typedef enum CrSolver
{
	CR_SOLVER_CHOLESKY,
	CR_SOLVER_CG
} CrSolver;

#define CR_CG_STEPS		3		/* of a half step, from the solution before */
#define CR_CG_STEPS_TURNED	2	/* the same where the fixed side lies in its eigenbasis (core/basis.h) */

/* How items are scored for a user. */
typedef enum CrScorer
{
	CR_SCORER_POPULARITY,		/* by popularity: there is nothing else */
	CR_SCORER_INNER_PRODUCT,	/* of the user's embedding and the item's */
	CR_SCORER_LISTS,			/* by lists of items that go with the user's own */
	CR_SCORER_CHOSEN			/* that of another algorithm, chosen for the data: "auto" */
} CrScorer;

/* How the embedding of a user is computed from his preferences, the items being given. */
typedef enum CrFold
{
	CR_FOLD_NONE,				/* not at all; or there is none, lists being summed as they are */
	CR_FOLD_RIDGE,				/* the user's half step of iALS, core/fold_in.h */
	CR_FOLD_SUM					/* x_u = sum of c_ui y_i */
} CrFold;

/*
 * The hyperparameters of all algorithms; what one does not have does nothing
 * there.  A NaN stands for "not given, choose from the data".
 */
#define CR_OWN_MAX		16

typedef struct CrHyperparameters
{
	double		factors;
	double		epochs;
	double		unobserved_weight;
	double		regularization;
	double		regularization_exponent;
	double		alpha;			/* confidence c_ui = alpha * log2(1 + p_ui) */
	double		half_life;		/* days; +infinity: no decay */
	double		popularity_weight;	/* w of the popularity coordinate; 0: none */
	double		popularity_half_life;	/* days; +infinity: no decay */
	double		min_item_users;
	double		min_user_items;
	double		seed;
	double		solver;			/* a CrSolver */
	double		own[CR_OWN_MAX];	/* what one algorithm alone has: a struct of doubles in its file */
} CrHyperparameters;

/* For descriptors: where a field lies, and a field of the algorithm's own struct. */
#define CR_COMMON(field)		offsetof(CrHyperparameters, field)
#define CR_OWN(type, field)		(offsetof(CrHyperparameters, own) + offsetof(type, field))

/* The algorithm's own struct. */
#define CR_OWN_OF(type, hyperparameters)	((const type *) (hyperparameters)->own)

struct CrTrainer;

typedef struct CrAlgorithm
{
	const char *name;
	const char *meaning;
	CrScorer	scorer;
	CrFold		fold;
	int			is_explicit;	/* learns ratings instead of preferences */
	const struct CrTrainer *trainer;	/* NULL: the engine of ALS (train/engine.h), or nothing to learn */
	const CrParameter *parameters;
	int			parameter_count;

	/*
	 * Fill what is still NaN from the shape of the data; the popularity
	 * hyperparameters are chosen by validation, in train/.  NULL: nothing is.
	 */
	void		(*defaults_from_shape) (CrHyperparameters *used, int64_t users, int64_t items,
										int64_t pairs);

	/*
	 * CPU seconds of a training, roughly: what "auto" goes by.  NULL: it does not
	 * try this one.
	 */
	double		(*cost) (const CrHyperparameters *used, int64_t users, int64_t items, int64_t pairs);
} CrAlgorithm;

#define CR_ALGORITHM(name)	extern const CrAlgorithm cr_##name##_algorithm;
#include "core/algorithms.h"
#undef CR_ALGORITHM

/* Biases and constants that explicit models have beside their factors. */
#define CR_EXPLICIT_DIMS	2

/* Descriptors that several algorithms share. */
#define CR_PARAMETER_HALF_LIFE \
	{ \
		.name = "half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY, \
		.low_excluded = 1, .preset = INFINITY, .offset = CR_COMMON(half_life), \
		.meaning = "days after which an event counts half; infinity: events do not age" \
	}
#define CR_PARAMETER_POPULARITY_WEIGHT \
	{ \
		.name = "popularity_weight", .type = CR_PARAMETER_NUMBER, .low = 0, .high = 1e6, \
		.from_data = 1, .preset = NAN, .offset = CR_COMMON(popularity_weight), \
		.meaning = "weight of an item's popularity in its score; 0: none" \
	}
#define CR_PARAMETER_POPULARITY_HALF_LIFE \
	{ \
		.name = "popularity_half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY, \
		.low_excluded = 1, .from_data = 1, .preset = NAN, \
		.offset = CR_COMMON(popularity_half_life), \
		.meaning = "days after which an event counts half towards popularity; infinity: no ageing" \
	}
#define CR_PARAMETER_MIN_ITEM_USERS \
	{ \
		.name = "min_item_users", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9, \
		.preset = 1, .offset = CR_COMMON(min_item_users), \
		.meaning = "items with fewer users are left out" \
	}
#define CR_PARAMETER_MIN_USER_ITEMS \
	{ \
		.name = "min_user_items", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9, \
		.preset = 1, .offset = CR_COMMON(min_user_items), \
		.meaning = "users with fewer items are left out" \
	}
#define CR_PARAMETER_SEED \
	{ \
		.name = "seed", .type = CR_PARAMETER_INTEGER, .low = 0, .high = INT32_MAX, \
		.preset = 42, .offset = CR_COMMON(seed), \
		.meaning = "start of the random numbers; the same seed gives the same model" \
	}

/* Of algorithms that learn ratings. */
#define CR_PARAMETERS_OF_RATINGS \
	{ \
		.name = "popularity_half_life", .type = CR_PARAMETER_NUMBER, .low = 0, .high = INFINITY, \
		.low_excluded = 1, .preset = INFINITY, .offset = CR_COMMON(popularity_half_life), \
		.meaning = "days after which an event counts half towards popularity; infinity: no ageing" \
	}, \
	{ \
		.name = "min_item_users", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9, \
		.preset = 1, .offset = CR_COMMON(min_item_users), \
		.meaning = "items rated by fewer users are left out" \
	}, \
	{ \
		.name = "min_user_items", .type = CR_PARAMETER_INTEGER, .low = 1, .high = 1e9, \
		.preset = 1, .offset = CR_COMMON(min_user_items), \
		.meaning = "users who rated fewer items are left out" \
	}

/* The fields of a descriptor that say so. */
#define CR_PARAMETERS_OF(array) \
	.parameters = array, .parameter_count = (int) (sizeof(array) / sizeof((array)[0]))

/* NULL if there is none of that name. */
extern const CrAlgorithm *cr_algorithm_find(const char *name);

/* The i-th algorithm, NULL past the last. */
extern const CrAlgorithm *cr_algorithm_at(int i);

/* NULL if the algorithm has no such hyperparameter. */
extern const CrParameter *cr_parameter_find(const CrAlgorithm *algorithm, const char *name);

/* Where a hyperparameter lies, and what it is. */
static inline double *
cr_parameter_field(const CrParameter *parameter, CrHyperparameters *parameters)
{
	return (double *) ((char *) parameters + parameter->offset);
}

static inline double
cr_parameter_value(const CrParameter *parameter, const CrHyperparameters *parameters)
{
	return *(const double *) ((const char *) parameters + parameter->offset);
}

/* What makes a model of this algorithm simpler; NULL: no hyperparameter does that alone. */
extern const CrParameter *cr_parameter_restraint(const CrAlgorithm *algorithm);

/*
 * Write every default (NaN for those chosen from the data) into the parameter
 * struct; what the algorithm does not have gets a value that does nothing.
 */
extern void cr_parameters_preset(const CrAlgorithm *algorithm, CrHyperparameters *parameters);

/* 1 if value is finite (or +infinity where "high" is), in range and, for integers, whole. */
extern int	cr_parameter_allows(const CrParameter *parameter, double value);

/* Are all of an algorithm's allowed, or NaN where the data decide? */
extern int	cr_parameters_allowed(const CrAlgorithm *algorithm, const CrHyperparameters *parameters);

/* The place of a word among a parameter's choices, -1 if it is none of them. */
extern int	cr_parameter_choice(const CrParameter *parameter, const char *word, size_t length);

/* What algorithm->defaults_from_shape does, if anything. */
extern void cr_defaults_from_shape(const CrAlgorithm *algorithm, CrHyperparameters *used,
								   int64_t users, int64_t items, int64_t pairs);

#endif							/* CR_ALGORITHM_H */
