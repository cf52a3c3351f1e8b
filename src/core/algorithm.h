/*
 * algorithm.h
 *		What a model can be trained with: algorithms and their hyperparameters.
 *
 * The descriptors are the one place that knows names, types, ranges, defaults
 * and meanings; parsing, error hints and documentation read them from here.
 */
#ifndef CR_ALGORITHM_H
#define CR_ALGORITHM_H

#include <stddef.h>
#include <stdint.h>

typedef enum CrParameterType
{
	CR_PARAMETER_INTEGER,
	CR_PARAMETER_NUMBER,
	CR_PARAMETER_CHOICE			/* one of some words; the value is the word's place */
} CrParameterType;

#define CR_CHOICES_MAX	4

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
} CrParameter;

/* How half steps are solved, the value of "solver". */
typedef enum CrSolver
{
	CR_SOLVER_CHOLESKY,
	CR_SOLVER_CG
} CrSolver;

#define CR_CG_STEPS		3		/* of a half step, from the solution before */

typedef struct CrAlgorithm
{
	const char *name;
	const char *meaning;
	int			is_explicit;	/* learns ratings instead of preferences */
	const CrParameter *parameters;
	int			parameter_count;
} CrAlgorithm;

/* Biases and constants that explicit models have beside their factors. */
#define CR_EXPLICIT_DIMS	2

/* Hyperparameters of all algorithms; a NaN stands for "not given, choose from the data". */
typedef struct CrIalsHyperparameters
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
} CrIalsHyperparameters;

/* NULL if there is none of that name. */
extern const CrAlgorithm *cr_algorithm_find(const char *name);

/* The i-th algorithm, NULL past the last. */
extern const CrAlgorithm *cr_algorithm_at(int i);

/* NULL if the algorithm has no such hyperparameter. */
extern const CrParameter *cr_parameter_find(const CrAlgorithm *algorithm, const char *name);

/*
 * Write every default (NaN for those chosen from the data) into the parameter
 * struct; what the algorithm does not have gets a value that does nothing.
 */
extern void cr_parameters_preset(const CrAlgorithm *algorithm, void *parameters);

/* 1 if value is finite (or +infinity where "high" is), in range and, for integers, whole. */
extern int	cr_parameter_allows(const CrParameter *parameter, double value);

/* The place of a word among a parameter's choices, -1 if it is none of them. */
extern int	cr_parameter_choice(const CrParameter *parameter, const char *word, size_t length);

/*
 * Fill what is still NaN of unobserved_weight, regularization and solver from the
 * shape of the data (doc/design.md, "Defaults from the data").  The popularity
 * hyperparameters are chosen by validation, in train/.
 */
extern void cr_ials_defaults_from_shape(CrIalsHyperparameters *parameters, int64_t users,
										int64_t items, int64_t pairs);

#endif							/* CR_ALGORITHM_H */
