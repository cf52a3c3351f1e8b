/*
 * json.h
 *		Building small jsonb objects of numbers.
 */
#ifndef COMMREC_JSON_H
#define COMMREC_JSON_H

#include "utils/jsonb.h"

typedef struct JsonBuilder
{
	JsonbParseState *state;
} JsonBuilder;

extern void JsonBegin(JsonBuilder *json);

/* Begin and end an object inside the object, under this key. */
extern void JsonBeginObject(JsonBuilder *json, const char *key);
extern void JsonEndObject(JsonBuilder *json);

/*
 * A number, with as many digits as give the same double back, whatever the
 * session's settings.  What JSON has no number for: infinity becomes the string
 * "Infinity", NaN null.
 */
extern void JsonAddNumber(JsonBuilder *json, const char *key, double value);
extern void JsonAddInteger(JsonBuilder *json, const char *key, int64 value);
extern void JsonAddString(JsonBuilder *json, const char *key, const char *value);
extern void JsonAddNull(JsonBuilder *json, const char *key);

extern Jsonb *JsonEnd(JsonBuilder *json);

#endif							/* COMMREC_JSON_H */
