/*
 * events_source.c
 *		Is the events relation still what the model was made for, and what is asked of it?
 *
 * Checked before anything runs, so that every way in which somebody else's
 * DDL can break a training has a message of its own.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/compat.h"
#include "train/events_internal.h"

#define COLUMNS_SHOWN	50		/* of those that a hint lists */

static void pg_attribute_noreturn()
ReportMissingRelation(const ModelConfig *config)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("events relation %s of model \"%s\" does not exist", config->events_name,
					config->name),
			 errhint("Restore it, or point the model at another relation with commrec.alter_model().")));
}

static void
CheckRelationKind(Relation relation, const char *name)
{
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("%s is not a table or view", name),
					 errhint("Events are read from tables, views, materialized views and foreign tables.")));
	}
}

/* Names of the relation's columns, for a hint. */
static char *
ListColumns(Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	StringInfoData names;
	int			found = 0;

	initStringInfo(&names);
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped)
			continue;
		if (found < COLUMNS_SHOWN)
			appendStringInfo(&names, "%s\"%s\"", found == 0 ? "" : ", ",
							 NameStr(attribute->attname));
		found++;
	}
	if (found > COLUMNS_SHOWN)
		appendStringInfo(&names, " and %d more", found - COLUMNS_SHOWN);
	return names.data;
}

static Form_pg_attribute
FindColumn(Relation relation, const EventSource *source, const char *column)
{
	TupleDesc	descriptor = RelationGetDescr(relation);

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), column) == 0)
			return attribute;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" does not exist in %s", column, source->name),
			 errhint("The columns are %s; commrec.alter_model() changes what the model reads.",
					 ListColumns(relation))));
	return NULL;				/* keep the compiler quiet */
}

/* 42501 that names the column, where the caller may read some columns but not this one. */
static void
CheckColumnPrivilege(const EventSource *source, Form_pg_attribute attribute)
{
	if (pg_class_aclcheck(source->relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck(source->relation, attribute->attnum, GetUserId(),
							  ACL_SELECT) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for column \"%s\" of %s", NameStr(attribute->attname),
					source->name),
			 errhint("Training reads the events as its caller, who needs SELECT on them.")));
}

static void
CheckIdColumn(Relation relation, const EventSource *source, const char *column, IdKind expected)
{
	Form_pg_attribute attribute = FindColumn(relation, source, column);
	IdKind		kind;

	CheckColumnPrivilege(source, attribute);
	if (IdKindFromType(attribute->atttypid, &kind) && kind == expected)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of %s is of type %s, but the model was made for %s", column,
					source->name, format_type_be(attribute->atttypid),
					format_type_be(IdKindType(expected))),
			 errhint("Cast the column in a view, or create the model anew.")));
}

/* Is the time column a date?  42804 if it is no time at all. */
static bool
CheckTimeColumn(Relation relation, const EventSource *source, const char *column)
{
	Form_pg_attribute attribute = FindColumn(relation, source, column);

	CheckColumnPrivilege(source, attribute);
	switch (getBaseType(attribute->atttypid))
	{
		case DATEOID:
			return true;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return false;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of %s is of type %s, but a time is needed", column,
							source->name, format_type_be(attribute->atttypid)),
					 errhint("Cast the column to timestamptz in a view.")));
	}
	return false;				/* keep the compiler quiet */
}

/* Append a column to the select list, cast to a type of pg_catalog if one is given. */
static void
AddColumn(StringInfo query, const char *column, const char *cast)
{
	appendStringInfo(query, "%s%s%s", query->len == 0 ? "SELECT " : ", ", quote_identifier(column),
					 cast);
}

/*
 * A bound in the type of the time column; without time zone is UTC.  A date is
 * its midnight: the first that is not before "from", the last not after "to".
 */
static Datum
RangeBound(const EventSource *source, TimestampTz time, bool is_from)
{
	TimestampTz day = time / USECS_PER_DAY;

	if (source->range_type != DATEOID)
		return TimestampTzGetDatum(time);
	if (is_from)
		day += time % USECS_PER_DAY > 0;
	else
		day -= time % USECS_PER_DAY < 0;
	return DateADTGetDatum((DateADT) day);
}

static void
AddRange(StringInfo query, const ModelConfig *config, EventSource *source)
{
	const char *column;

	if (source->range == NULL)
		return;
	column = quote_identifier(config->time_column);
	source->range_type = getBaseType(get_atttype(source->relation,
												 get_attnum(source->relation,
															config->time_column)));
	source->range_values[0] = RangeBound(source, source->range->from, true);
	source->range_values[1] = RangeBound(source, source->range->to, false);
	appendStringInfo(query, " WHERE %s OPERATOR(pg_catalog.>=) $1 AND %s OPERATOR(pg_catalog.<=) $2",
					 column, column);
}

/* Ask for the columns that are needed, and no others. */
static void
SelectColumns(const ModelConfig *config, EventSource *source, StringInfo query)
{
	int			columns = 2;

	source->user_at = 0;
	AddColumn(query, config->user_column, "");
	source->item_at = 1;
	AddColumn(query, config->item_column, "");
	source->action_at = config->action_column == NULL ? -1 : columns++;
	if (config->action_column != NULL)
		AddColumn(query, config->action_column, "::pg_catalog.text");
	source->time_at = config->time_column == NULL ? -1 : columns++;
	if (config->time_column != NULL)
		AddColumn(query, config->time_column, "");
	source->value_at = config->value_column == NULL ? -1 : columns++;
	if (config->value_column != NULL)
		AddColumn(query, config->value_column, "::pg_catalog.float8");
	source->columns = columns;
}

/* The place of a column in whole rows, -1 for none. */
static int
PlaceInRow(Relation relation, EventSource *source, const char *column)
{
	int			place = column == NULL ? -1 : FindColumn(relation, source, column)->attnum - 1;

	source->columns = Max(source->columns, place + 1);
	return place;
}

static bool
HasType(Relation relation, int place, Oid type)
{
	return place < 0 || TupleDescAttr(RelationGetDescr(relation), place)->atttypid == type;
}

/* Do the rows of a table come as they are stored if all columns are asked for? */
static bool
AreRowsPlain(Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);

	if (relation->rd_rel->relkind != RELKIND_RELATION && relation->rd_rel->relkind != RELKIND_MATVIEW)
		return false;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped || attribute->atthasmissing || attribute->attgenerated != '\0')
			return false;
	}
	return pg_class_aclcheck(RelationGetRelid(relation), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/*
 * Ask for whole rows, where they hold little else and nothing is converted: it
 * saves the executor from making a row of its own of every row.  Not of a wide
 * table, of which an index may have the columns that are needed.
 */
static bool
SelectRows(Relation relation, const ModelConfig *config, EventSource *source, StringInfo query)
{
	int			wanted = 2 + (config->action_column != NULL) + (config->time_column != NULL) +
		(config->value_column != NULL);

	if (source->range != NULL || !AreRowsPlain(relation) ||
		RelationGetDescr(relation)->natts > 2 * wanted)
		return false;
	source->user_at = PlaceInRow(relation, source, config->user_column);
	source->item_at = PlaceInRow(relation, source, config->item_column);
	source->action_at = PlaceInRow(relation, source, config->action_column);
	source->time_at = PlaceInRow(relation, source, config->time_column);
	source->value_at = PlaceInRow(relation, source, config->value_column);
	if (!HasType(relation, source->action_at, TEXTOID) ||
		!HasType(relation, source->value_at, FLOAT8OID))
		return false;
	appendStringInfoString(query, "SELECT *");
	return true;
}

/*
 * The caller's search_path is in force while the query runs, for the sake of
 * functions in views; so every name in our own text is qualified, and there is
 * no operator in it.
 */
static void
BuildQuery(Relation relation, const ModelConfig *config, EventSource *source)
{
	StringInfoData query;

	initStringInfo(&query);
	if (!SelectRows(relation, config, source, &query))
		SelectColumns(config, source, &query);
	appendStringInfo(&query, " FROM %s", source->name);
	AddRange(&query, config, source);
	source->query = query.data;
}

void
EventSourceCheck(const ModelConfig *config, const EventsRange *range, EventSource *source)
{
	Relation	relation = OidIsValid(config->events) ?
		try_relation_open(config->events, AccessShareLock) : NULL;

	if (relation == NULL)
		ReportMissingRelation(config);
	source->model = config->schema;
	source->range = range;
	source->relation = config->events;
	source->name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
											  RelationGetRelationName(relation));
	CheckRelationKind(relation, source->name);

	CheckIdColumn(relation, source, config->user_column, config->user_kind);
	CheckIdColumn(relation, source, config->item_column, config->item_kind);
	if (config->action_column != NULL)
		CheckColumnPrivilege(source, FindColumn(relation, source, config->action_column));
	source->time_is_date = config->time_column != NULL &&
		CheckTimeColumn(relation, source, config->time_column);
	if (config->value_column != NULL)
		CheckColumnPrivilege(source, FindColumn(relation, source, config->value_column));

	BuildQuery(relation, config, source);
	relation_close(relation, NoLock);
}
