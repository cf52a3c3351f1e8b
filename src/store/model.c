/*
 * model.c
 *		Finding a model, its tables and its configuration.
 *
 * The configuration is read straight from the table, with the active snapshot:
 * who may use a model's functions need not be able to SELECT from its tables.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "common/compat.h"
#include "common/guc.h"
#include "store/model.h"

/* The row of a commrec_model table while it is being read. */
typedef struct ConfigRow
{
	Relation	table;
	SysScanDesc scan;
	HeapTuple	tuple;
} ConfigRow;

/* False if the table is gone or empty. */
static bool
ConfigRowOpen(ConfigRow *row, Oid relation)
{
	row->table = try_relation_open(relation, AccessShareLock);
	if (row->table == NULL)
		return false;
	row->scan = NULL;
	row->tuple = NULL;
	if (row->table->rd_rel->relkind == RELKIND_RELATION)
	{
		row->scan = systable_beginscan(row->table, InvalidOid, false, GetActiveSnapshot(), 0, NULL);
		row->tuple = systable_getnext(row->scan);
	}
	return row->tuple != NULL;
}

static void
ConfigRowClose(ConfigRow *row)
{
	if (row->table == NULL)
		return;
	if (row->scan != NULL)
		systable_endscan(row->scan);
	relation_close(row->table, AccessShareLock);
}

/* The column called "name", of type "type"; false if it is NULL.  Another shape of table is 55000. */
static bool
ConfigRowGet(ConfigRow *row, const char *name, Oid type, Datum *value)
{
	TupleDesc	descriptor = RelationGetDescr(row->table);
	bool		is_null;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0 ||
			attribute->atttypid != type)
			continue;
		*value = heap_getattr(row->tuple, i + 1, descriptor, &is_null);
		return !is_null;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" has no column \"%s\" of type %s",
					ModelSchemaName(RelationGetNamespace(row->table)), MODEL_CONFIG, name,
					format_type_be(type)),
			 errhint("Create the model with commrec.create_model().")));
	return false;				/* keep the compiler quiet */
}

/* A text or name column as a palloc'd string, NULL for NULL. */
static char *
ConfigRowText(ConfigRow *row, const char *name, Oid type)
{
	Datum		value;

	if (!ConfigRowGet(row, name, type, &value))
		return NULL;
	return type == NAMEOID ? pstrdup(NameStr(*DatumGetName(value))) : TextDatumGetCString(value);
}

static IdKind
ConfigRowKind(ConfigRow *row, const char *name)
{
	Datum		value = 0;
	IdKind		kind;

	if (!ConfigRowGet(row, name, REGTYPEOID, &value) ||
		!IdKindFromType(DatumGetObjectId(value), &kind))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s.%s\" holds no type that an id may have", name,
						ModelSchemaName(RelationGetNamespace(row->table)), MODEL_CONFIG)));
	return kind;
}

/* 42501 without USAGE on the schema. */
static void
RequireSchemaUsage(Oid schema)
{
	AclResult	result = CommrecSchemaAclCheck(schema, GetUserId(), ACL_USAGE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, ModelSchemaName(schema));
}

/* Schemas, other than temporary ones, that hold a commrec_model table. */
static List *
ListModelSchemas(void)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	List	   *schemas = NIL;
	NameData	name;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	namestrcpy(&name, MODEL_CONFIG);
	ScanKeyInit(&key, Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ, NameGetDatum(&name));
	scan = systable_beginscan(pg_class, ClassNameNspIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_class relation = (Form_pg_class) GETSTRUCT(tuple);

		if (relation->relkind == RELKIND_RELATION && !isAnyTempNamespace(relation->relnamespace))
			schemas = lappend_oid(schemas, relation->relnamespace);
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return schemas;
}

/* Is this the model's name in its configuration?  NULL fits every model. */
static bool
SchemaBearsModel(Oid schema, const char *name)
{
	ConfigRow	row;
	bool		fits = false;

	if (ConfigRowOpen(&row, get_relname_relid(MODEL_CONFIG, schema)))
	{
		char	   *model = ConfigRowText(&row, "model", TEXTOID);

		fits = name == NULL || (model != NULL && strcmp(model, name) == 0);
	}
	ConfigRowClose(&row);
	return fits;
}

static void pg_attribute_noreturn()
ReportNoModel(const char *name)
{
	if (name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist", name),
				 errhint("The view commrec.models lists the models that you may use.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no model"),
			 errhint("Create one with commrec.create_model().")));
}

static void pg_attribute_noreturn()
ReportSeveralModels(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_AMBIGUOUS_ALIAS),
			 name != NULL ?
			 errmsg("several models are called \"%s\"", name) :
			 errmsg("there are several models"),
			 name != NULL ?
			 errhint("Give the name of the model's schema; the view commrec.models lists them.") :
			 errhint("Name one, or set commrec.default_model; the view commrec.models lists them.")));
}

/* Look through the rows of all models; NULL looks for the only one there is. */
static Oid
FindByConfiguredName(const char *name)
{
	Oid			found = InvalidOid;
	Oid			forbidden = InvalidOid;
	ListCell   *cell;

	foreach(cell, ListModelSchemas())
	{
		Oid			schema = lfirst_oid(cell);

		if (!SchemaBearsModel(schema, name))
			continue;
		if (CommrecSchemaAclCheck(schema, GetUserId(), ACL_USAGE) != ACLCHECK_OK)
			forbidden = schema;
		else if (OidIsValid(found))
			ReportSeveralModels(name);
		else
			found = schema;
	}
	if (!OidIsValid(found) && OidIsValid(forbidden) && name != NULL)
		RequireSchemaUsage(forbidden);
	if (!OidIsValid(found))
		ReportNoModel(name);
	return found;
}

Oid
ModelFind(const char *name)
{
	Oid			schema = InvalidOid;

	if (name == NULL && commrec_default_model != NULL && commrec_default_model[0] != '\0')
		name = commrec_default_model;
	if (name != NULL && strlen(name) >= NAMEDATALEN)
		ReportNoModel(name);
	if (name != NULL)
		schema = get_namespace_oid(name, true);
	if (!OidIsValid(schema) || !OidIsValid(get_relname_relid(MODEL_CONFIG, schema)))
		return FindByConfiguredName(name);
	RequireSchemaUsage(schema);
	return schema;
}

char *
ModelSchemaName(Oid schema)
{
	char	   *name = get_namespace_name(schema);

	return name != NULL ? name : psprintf("%u", schema);
}

Relation
ModelOpenTable(Oid schema, const char *table, LOCKMODE lockmode)
{
	Oid			relation = get_relname_relid(table, schema);
	Relation	result = OidIsValid(relation) ? try_relation_open(relation, lockmode) : NULL;

	if (result != NULL && result->rd_rel->relkind == RELKIND_RELATION)
		return result;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 result == NULL ?
			 errmsg("model \"%s\" has lost its table \"%s\"", ModelSchemaName(schema), table) :
			 errmsg("\"%s.%s\" is not a plain table", ModelSchemaName(schema), table),
			 errhint("Drop the model and create it again with commrec.create_model().")));
	return NULL;				/* keep the compiler quiet */
}

void
ModelRequireOwner(Oid schema)
{
	Oid			config = get_relname_relid(MODEL_CONFIG, schema);

	if (!OidIsValid(config) || !CommrecOwnsRelation(config, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of model \"%s\"", ModelSchemaName(schema))));
}

/*
 * The events relation: by oid while this is the database in which the row was
 * written (a restored commrec_model table has another oid), else by name.
 */
static Oid
ResolveEvents(ConfigRow *row, const char *events_name)
{
	Datum		model_oid = 0;
	Datum		events_oid = 0;
	RangeVar   *name;

	if (ConfigRowGet(row, "model_oid", OIDOID, &model_oid) &&
		ConfigRowGet(row, "events_oid", OIDOID, &events_oid) &&
		DatumGetObjectId(model_oid) == RelationGetRelid(row->table) &&
		SearchSysCacheExists1(RELOID, events_oid))
		return DatumGetObjectId(events_oid);
	name = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(events_name)));
	return RangeVarGetRelid(name, NoLock, true);
}

/* The columns' names and what the events relation is called now. */
static void
ReadEventColumns(ConfigRow *row, ModelConfig *config)
{
	config->events_name = ConfigRowText(row, "events", TEXTOID);
	config->events = ResolveEvents(row, config->events_name);
	if (OidIsValid(config->events))
		config->events_name =
			quote_qualified_identifier(get_namespace_name(get_rel_namespace(config->events)),
									   get_rel_name(config->events));
	config->user_column = ConfigRowText(row, "user_column", NAMEOID);
	config->item_column = ConfigRowText(row, "item_column", NAMEOID);
	config->action_column = ConfigRowText(row, "action_column", NAMEOID);
	config->time_column = ConfigRowText(row, "time_column", NAMEOID);
	config->value_column = ConfigRowText(row, "value_column", NAMEOID);
}

ModelConfig *
ModelReadConfig(Oid schema)
{
	ModelConfig *config = palloc0(sizeof(ModelConfig));
	ConfigRow	row;
	Datum		value = 0;

	if (!ConfigRowOpen(&row, get_relname_relid(MODEL_CONFIG, schema)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has lost its configuration", ModelSchemaName(schema)),
				 errhint("Drop the model and create it again with commrec.create_model().")));
	config->schema = schema;
	config->name = ConfigRowText(&row, "model", TEXTOID);
	ReadEventColumns(&row, config);
	config->user_kind = ConfigRowKind(&row, "user_type");
	config->item_kind = ConfigRowKind(&row, "item_type");
	config->algorithm = ConfigRowText(&row, "algorithm", TEXTOID);
	if (ConfigRowGet(&row, "hyperparameters", JSONBOID, &value))
		config->hyperparameters = DatumGetJsonbPCopy(value);
	if (ConfigRowGet(&row, "bucket", INTERVALOID, &value))
		config->bucket_width = BucketWidth(DatumGetIntervalP(value));
	ConfigRowClose(&row);
	return config;
}

int64
BucketWidth(const Interval *bucket)
{
	int64		width;

	if (bucket->month != 0 ||
		pg_mul_s64_overflow(bucket->day, USECS_PER_DAY, &width) ||
		pg_add_s64_overflow(width, bucket->time, &width) ||
		width < USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a bucket must be an interval of at least one second, without months or years"),
				 errhint("Use for instance '1 day', '7 days' or '1 hour'.")));
	return width;
}

int64
BucketOrdinal(TimestampTz time, int64 bucket_width)
{
	CrDivisor	width = cr_divisor(bucket_width);

	return BucketOrdinalBy(&width, time);
}

/* A wide bucket may start before the first timestamp, and even before the first int64. */
TimestampTz
BucketOrdinalStart(int64 ordinal, int64 bucket_width)
{
	int64		offset;

	if (pg_mul_s64_overflow(ordinal, bucket_width, &offset) ||
		pg_add_s64_overflow(offset, BUCKET_ORIGIN, &offset))
		return MIN_TIMESTAMP;
	return Max(offset, MIN_TIMESTAMP);
}

TimestampTz
BucketStart(TimestampTz time, int64 bucket_width)
{
	return BucketOrdinalStart(BucketOrdinal(time, bucket_width), bucket_width);
}
