/*
 * actions.h
 *		The weights of actions: the model's table "action", and what is new in the events.
 */
#ifndef COMMREC_ACTIONS_H
#define COMMREC_ACTIONS_H

#include "store/model.h"

#define ACTIONS_MAX		32767

typedef struct ActionWeights
{
	char	   *name;
	double		preference;
	double		spread;			/* >= 0 */
	double		satisfaction;	/* 0 .. 1, NaN for none */
	double		value_low;		/* NaN unless the event's value counts */
	double		value_high;
	bool		is_new;			/* not yet in the model's table */
	bool		is_known;		/* in the built-in dictionary (new ones only) */
} ActionWeights;

typedef struct ActionTable ActionTable;

/* Read S.action and remember the built-in dictionary commrec.default_action(). */
extern ActionTable *ActionTableRead(const ModelConfig *config);

/* Number of an action by name (length bytes, not terminated); added if new. */
extern int16 ActionTableFind(ActionTable *table, const char *name, int length);

/* The action of events that name none: "rating" where there is a value column, else "event". */
extern int16 ActionTableImplied(ActionTable *table);

extern int	ActionTableCount(const ActionTable *table);
extern const ActionWeights *ActionTableGet(const ActionTable *table, int16 number);

/*
 * Renumber all in the order of their names, so that nothing depends on the
 * order in which they came.  Returns the new numbers by old number; they live
 * as long as the table.  Pointers from ActionTableGet become invalid here and
 * whenever an action is added.
 */
extern const int16 *ActionTableSort(ActionTable *table);

/* A number that changes when any weight does, or an action comes or goes; for a sorted table. */
extern int64 ActionTableDigest(const ActionTable *table);

/*
 * Insert the new ones into S.action; a NOTICE names them, those that the
 * dictionary did not know, and those whose value would count if they had a
 * value range.
 */
extern void ActionTableAddNew(ActionTable *table, const ModelConfig *config);

#endif							/* COMMREC_ACTIONS_H */
