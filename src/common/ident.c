/*
 * ident.c
 *		The types that user and item ids may have, and conversions between them.
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "common/compat.h"
#include "common/ident.h"

/* The kind of a type that is no domain. */
static bool
KindOfBaseType(Oid type, IdKind *kind)
{
	switch (type)
	{
		case INT2OID:
			*kind = ID_INT2;
			return true;
		case INT4OID:
			*kind = ID_INT4;
			return true;
		case INT8OID:
			*kind = ID_INT8;
			return true;
		case UUIDOID:
			*kind = ID_UUID;
			return true;
		case TEXTOID:
		case VARCHAROID:
			*kind = ID_TEXT;
			return true;
		default:
			return false;
	}
}

/* Only domains cost a look into the catalog. */
bool
IdKindFromType(Oid type, IdKind *kind)
{
	return KindOfBaseType(type, kind) || KindOfBaseType(getBaseType(type), kind);
}

Oid
IdKindType(IdKind kind)
{
	static const Oid types[] = {INT2OID, INT4OID, INT8OID, UUIDOID, TEXTOID};

	return types[kind];
}

Oid
IdKindCollation(IdKind kind)
{
	return kind == ID_TEXT ? C_COLLATION_OID : InvalidOid;
}

RegProcedure
IdKindEqualProc(IdKind kind)
{
	static const RegProcedure procedures[] = {F_INT2EQ, F_INT4EQ, F_INT8EQ, F_UUID_EQ, F_TEXTEQ};

	return procedures[kind];
}

static bool
IsIntegerKind(IdKind kind)
{
	return kind == ID_INT2 || kind == ID_INT4 || kind == ID_INT8;
}

static int64
IntegerFromDatum(Datum value, IdKind kind)
{
	switch (kind)
	{
		case ID_INT2:
			return DatumGetInt16(value);
		case ID_INT4:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* False if the number does not fit the kind. */
static bool
IntegerToDatum(int64 number, IdKind kind, Datum *id)
{
	switch (kind)
	{
		case ID_INT2:
			*id = Int16GetDatum((int16) number);
			return number >= SHRT_MIN && number <= SHRT_MAX;
		case ID_INT4:
			*id = Int32GetDatum((int32) number);
			return number >= INT_MIN && number <= INT_MAX;
		default:
			*id = Int64GetDatum(number);
			return true;
	}
}

/* Parse text as the id type's input function does. */
static bool
IdFromText(Datum value, IdKind kind, Datum *id)
{
	char	   *string;

	if (kind == ID_TEXT)
	{
		*id = value;
		return true;
	}
	string = TextDatumGetCString(value);
	if (kind == ID_UUID)
	{
		*id = DirectFunctionCall1(uuid_in, CStringGetDatum(string));
		return true;
	}
	return IntegerToDatum(DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(string))),
						  kind, id);
}

static void pg_attribute_noreturn()
ReportIdMismatch(Oid given, IdKind kind, bool is_result)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 is_result ?
			 errmsg("items of this model have ids of type %s, not %s",
					format_type_be(IdKindType(kind)), format_type_be(given)) :
			 errmsg("ids of this model have type %s, not %s",
					format_type_be(IdKindType(kind)), format_type_be(given)),
			 errhint("Use the function in the model's schema, or the form of this function with a text id, which serves every model.")));
}

bool
IdFromArgument(Datum value, Oid type, IdKind kind, Datum *id)
{
	IdKind		given;

	if (!IdKindFromType(type, &given))
		ReportIdMismatch(type, kind, false);
	if (given == ID_TEXT)
		return IdFromText(value, kind, id);
	if (IsIntegerKind(given) && IsIntegerKind(kind))
		return IntegerToDatum(IntegerFromDatum(value, given), kind, id);
	if (given != kind)
		ReportIdMismatch(type, kind, false);
	*id = value;
	return true;
}

Datum
IdToResult(Datum id, IdKind kind, Oid type)
{
	IdKind		wanted;
	Datum		result;

	if (!IdKindFromType(type, &wanted))
		ReportIdMismatch(type, kind, true);
	if (wanted == kind)
		return id;
	if (wanted == ID_TEXT)
		return CStringGetTextDatum(IdToCString(id, kind));
	if (IsIntegerKind(wanted) && IsIntegerKind(kind) &&
		IntegerToDatum(IntegerFromDatum(id, kind), wanted, &result))
		return result;
	ReportIdMismatch(type, kind, true);
}

Datum
IdCopy(Datum id, IdKind kind)
{
	switch (kind)
	{
		case ID_UUID:
			return datumCopy(id, false, UUID_LEN);
		case ID_TEXT:
			return datumCopy(id, false, -1);
		case ID_INT8:
			return datumCopy(id, FLOAT8PASSBYVAL, sizeof(int64));
		default:
			return id;
	}
}

char *
IdToCString(Datum id, IdKind kind)
{
	switch (kind)
	{
		case ID_UUID:
			return DatumGetCString(DirectFunctionCall1(uuid_out, id));
		case ID_TEXT:
			return TextDatumGetCString(id);
		default:
			return psprintf(INT64_FORMAT, IntegerFromDatum(id, kind));
	}
}
