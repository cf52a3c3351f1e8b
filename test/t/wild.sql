-- wild.sql: a generator of calls with wild arguments, for 040_wild_calls.pl.
--
-- wild.statement(number, call) makes the text of one call of function "number", always the same
-- one; wild.call(number, call) runs it, undoes what it did, and says how it ended and after how long.  All that is
-- random comes from setseed() or from hashes, so that a call can be repeated by its two numbers.

CREATE SCHEMA wild;
CREATE SCHEMA odd;

-- ---------------------------------------------------------------------------
-- Small models of every kind of id, of other algorithms, and one that was never trained
-- ---------------------------------------------------------------------------

CREATE TABLE odd.events (user_id bigint, item_id integer, action text, at timestamptz, value double precision);
INSERT INTO odd.events
SELECT h % 23, (h / 23) % 11, (ARRAY['view', 'like', 'rating', 'share', 'dislike'])[1 + h % 5],
	timestamptz '2025-01-01 00:00+00' + (h % 90) * interval '1 day' + n * interval '1 second',
	CASE WHEN h % 5 = 2 THEN 1 + h % 4 END
FROM generate_series(1, 200) AS n, LATERAL (SELECT (n::bigint * 2654435761 % 1048573)::integer AS h) AS hash;

CREATE TABLE odd.text_events AS
SELECT 'u' || user_id AS user_id, CASE WHEN item_id = 0 THEN '' ELSE 'i' || item_id END AS item_id, action, at, value
FROM odd.events;
CREATE TABLE odd.uuid_events AS
SELECT md5('u' || user_id)::uuid AS user_id, md5('i' || item_id)::uuid AS item_id, action, at FROM odd.events;

SELECT commrec.create_model('m', 'odd.events', action_column => 'action', time_column => 'at', value_column => 'value',
	hyperparameters => '{"factors": 4, "epochs": 1}');
SELECT commrec.create_model('t', 'odd.text_events', action_column => 'action', time_column => 'at',
	hyperparameters => '{"factors": 3, "epochs": 1}');
SELECT commrec.create_model('u', 'odd.uuid_events', hyperparameters => '{"factors": 2, "epochs": 1}');
SELECT commrec.create_model('rated', 'odd.events', value_column => 'value', action_column => 'action', time_column => 'at',
	algorithm => 'als', hyperparameters => '{"factors": 2, "epochs": 1}');
SELECT commrec.create_model('popular', 'odd.events', time_column => 'at', algorithm => 'popular');
SELECT commrec.create_model('untrained', 'odd.events', time_column => 'at');
SELECT commrec.create_model('a"; drop table x; --', 'odd.events');
SELECT commrec.train(model) FROM unnest('{m, m, t, u, rated, popular, "a\"; drop table x; --"}'::text[]) AS model;

CREATE TABLE odd.items AS
SELECT i AS item_id, i % 2 = 0 AS even, CASE WHEN i % 3 = 0 THEN 'x' END AS kind FROM generate_series(0, 11) AS i;
SELECT commrec.create_filter('m', 'even', 'odd.items', 'even');

-- Relations of all kinds.
CREATE TABLE odd.empty (user_id bigint, item_id integer, action text, at timestamptz, value double precision);
CREATE TABLE odd.parted (LIKE odd.events) PARTITION BY RANGE (user_id);
CREATE TABLE odd.part PARTITION OF odd.parted FOR VALUES FROM (0) TO (10);
INSERT INTO odd.parted SELECT * FROM odd.events WHERE user_id < 10;
CREATE INDEX by_item ON odd.events (item_id);
CREATE VIEW odd.view AS SELECT * FROM odd.events;
CREATE VIEW odd.failing AS SELECT 1 / (user_id - user_id) AS user_id, item_id, at FROM odd.events;
CREATE MATERIALIZED VIEW odd.unpopulated AS SELECT * FROM odd.events WITH NO DATA;
CREATE SEQUENCE odd.sequence;
CREATE TYPE odd.pair AS (user_id bigint, item_id integer);
CREATE TYPE odd.mood AS ENUM ('low', 'high');
CREATE DOMAIN odd.id AS bigint CHECK (value > 0);
CREATE TABLE odd.domains (user_id odd.id, item_id numeric, mood odd.mood, ids bigint[], pair odd.pair);
CREATE TABLE odd."wei""rd" (user_id bigint, "item id" integer);
CREATE TABLE odd.wide (user_id double precision, item_id json, action bytea, at date, value text);
CREATE TABLE odd.no_columns ();

-- ---------------------------------------------------------------------------
-- Real bytes, and what becomes of them
-- ---------------------------------------------------------------------------

CREATE TABLE wild.bytes (number integer GENERATED ALWAYS AS IDENTITY (START 0 MINVALUE 0) PRIMARY KEY, what text, bytes bytea);

INSERT INTO wild.bytes (what, bytes) VALUES ('nothing', '');
INSERT INTO wild.bytes (what, bytes)
SELECT v.what, v.bytes
FROM m.user_embedding AS e, LATERAL (VALUES ('embedding', e.embedding), ('seen', e.seen), ('preferences', e.preferences)) AS v (what, bytes)
WHERE e.user_id IN (1, 2) AND e.version = 2
UNION ALL SELECT 'embedding of three', embedding FROM t.item_embedding WHERE item_id = 'i1'
UNION ALL SELECT 'block', codes FROM m.item_block WHERE version = 2
UNION ALL SELECT 'gram of fold_in', gram FROM m.fold_in WHERE version = 2
UNION ALL SELECT 'piece', items FROM m.item_filter_piece WHERE version = 2;

INSERT INTO wild.bytes (what, bytes)
SELECT 'packed model', commrec.ials(user_id, item_id, 1.0, '{"factors": 4, "epochs": 1}') FROM odd.events
UNION ALL SELECT 'packed model of texts', commrec.ials(user_id, item_id, 1.0, '{"factors": 3, "epochs": 1}') FROM odd.text_events
UNION ALL SELECT 'list', commrec.collect(item_id, value) FROM odd.events WHERE user_id = 1
UNION ALL SELECT 'matrix', commrec.pack_csr(user_id::integer, item_id, 1.0) FROM odd.events
UNION ALL SELECT 'factors', commrec.pack_factors(item_no, embedding) FROM m.item_embedding WHERE version = 2
UNION ALL SELECT 'gram', commrec.gram(embedding) FROM m.item_embedding WHERE version = 2;

-- States of aggregates: what their transition functions have made, without a final function.
CREATE AGGREGATE wild.state_of_avg(bytea) (SFUNC = commrec.embedding_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_ials(bigint, bigint, double precision, jsonb) (SFUNC = commrec.ials_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_ials(text, text, double precision, jsonb) (SFUNC = commrec.ials_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_collect(integer, double precision) (SFUNC = commrec.collect_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_csr(integer, integer, double precision) (SFUNC = commrec.pack_csr_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_factors(integer, bytea) (SFUNC = commrec.pack_factors_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_gram(bytea) (SFUNC = commrec.gram_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_metric(double precision, double precision, integer) (SFUNC = commrec.metric_accum, STYPE = bytea);
CREATE AGGREGATE wild.state_of_auc(double precision, boolean) (SFUNC = commrec.auc_accum, STYPE = bytea);

INSERT INTO wild.bytes (what, bytes)
SELECT 'state of embedding', wild.state_of_avg(embedding) FROM m.item_embedding WHERE version = 2
UNION ALL SELECT 'state of ials', wild.state_of_ials(user_id, item_id, 1.0, '{"factors": 4}') FROM odd.events WHERE user_id < 3
UNION ALL SELECT 'state of ials', wild.state_of_ials(user_id, item_id, 1.0, '{}') FROM odd.text_events WHERE user_id < 'u2'
UNION ALL SELECT 'state of collect', wild.state_of_collect(item_id, value) FROM odd.events WHERE user_id < 3
UNION ALL SELECT 'state of pack_csr', wild.state_of_csr(user_id::integer, item_id, value) FROM odd.events WHERE user_id < 3
UNION ALL SELECT 'state of pack_factors', wild.state_of_factors(item_no, embedding) FROM m.item_embedding WHERE version = 2
UNION ALL SELECT 'state of gram', wild.state_of_gram(embedding) FROM m.item_embedding WHERE version = 2
UNION ALL SELECT 'state of metric', wild.state_of_metric(item_no, item_no % 2, 5) FROM m.item_embedding WHERE version = 2
UNION ALL SELECT 'state of auc', wild.state_of_auc(item_no, item_no % 2 = 0) FROM m.item_embedding WHERE version = 2;

-- A number from 0 to below "below", the same for the same arguments.
CREATE FUNCTION wild.hashed(seed integer, step integer, below integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT ((hashint8extended(seed, step) & 1073741823) % greatest(below, 1))::integer $$;

-- Real bytes after an accident: some are left as they are.
CREATE FUNCTION wild.damaged(result bytea, seed integer) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
	size integer := octet_length(result);
	place integer := wild.hashed(seed, 1, size);
BEGIN
	CASE wild.hashed(seed, 0, 16)
		WHEN 0 THEN
			RETURN substr(result, 1, place);
		WHEN 1 THEN
			RETURN result || decode(repeat('00', wild.hashed(seed, 2, 100)), 'hex');
		WHEN 2 THEN
			RETURN result || result;
		WHEN 3, 4, 5 THEN
			FOR step IN 0 .. wild.hashed(seed, 3, 4) LOOP
				EXIT WHEN size = 0;
				-- Half of the accidents meet the header.
				place := wild.hashed(seed, 10 + step, CASE WHEN step % 2 = 0 THEN least(size, 48) ELSE size END);
				result := set_byte(result, place, get_byte(result, place) # (1 << wild.hashed(seed, 20 + step, 8)));
			END LOOP;
			RETURN result;
		WHEN 6, 7 THEN
			place := wild.hashed(seed, 4, least(size, 64));
			RETURN overlay(result PLACING ('{"\\xffffffff","\\xffffff7f","\\x00000000","\\x0000c07f","\\x00000080","\\x01000000","\\x0000807f00000000","\\xffffffffffffff7f"}'::bytea[])[1 + wild.hashed(seed, 5, 8)]
				FROM place + 1);
		ELSE
			RETURN result;
	END CASE;
END
$$;

CREATE FUNCTION wild.damaged(number integer, seed integer) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT wild.damaged(b.bytes, seed) FROM wild.bytes AS b WHERE b.number = damaged.number $$;

-- ---------------------------------------------------------------------------
-- Wild values: expressions by type, and by name of the argument where that says more
-- ---------------------------------------------------------------------------

CREATE TABLE wild.pool (name text PRIMARY KEY, expressions text[]);
INSERT INTO wild.pool VALUES
('boolean', '{NULL, true, false}'),
('smallint', '{NULL, 0, 1, -1, 32767, -32768}'),
('integer', '{NULL, 0, 1, 2, 3, 5, 7, 10, -1, 100, 511, 513, 16001, 65536, 1000003, 2147483647, -2147483648, 2147483646}'),
('bigint', '{NULL, 0, 1, 2, 3, 7, 22, -1, 4294967296, 9223372036854775807, -9223372036854775808, 2147483648, 99999}'),
('real', '{NULL, 0, 1, -1, 0.5, 3e38, 1e-45, NaN, Infinity, -Infinity, -0}'),
('double precision', '{NULL, 0, 1, -1, 0.5, 2, 1e308, -1e308, 1e39, 5e-324, 0.95, NaN, Infinity, -Infinity, -0}'),
('numeric', '{NULL, 0, 1.5, NaN, Infinity, 1e1000}'),
('text', '{NULL, "", x, 1, 22, 9223372036854775808, -1, u1, i1, m, NaN, "\\", "''", "%s %n %1$s", "a b", "ä€😀", "{\"a\": 1}", "x; drop table y", "\"", "null", 550e8400-e29b-41d4-a716-446655440000}'),
('name', '{NULL, "", m, t, odd, user_id, item_id, at, nope, "wei\"rd", "ä€😀", "a\"; drop table x; --", pg_catalog, pg_temp, ctid}'),
('uuid', '{NULL, 00000000-0000-0000-0000-000000000000, ffffffff-ffff-ffff-ffff-ffffffffffff}'),
('timestamp with time zone', '{NULL, infinity, -infinity, 2025-01-01, 2025-02-14 12:00, 4714-11-24 00:00 BC, 294276-12-31 23:59, epoch, 1999-12-31, 2025-03-31 23:59:59.999999}'),
('interval', '{NULL, 0, 1 day, 1 hour, 7 days, 1 month, 1 year, -1 day, 1 microsecond, 178000000 years, -178000000 years, 2147483647 days, 1 month -30 days, 1 second}'),
('jsonb', '{NULL, "{}", "[]", "null", "1", "\"x\"", "{\"factors\": 3}", "{\"factors\": 0}", "{\"factors\": 4, \"epochs\": 2}", "{\"factors\": \"4\"}", "{\"factors\": 1e400}", "{\"factors\": 2.5}", "{\"factors\": null}", "{\"factors\": [2, 3]}", "{\"epochs\": -1}", "{\"epochs\": 1e9}", "{\"nope\": 1}", "{\"\": {}}", "{\"regularization\": -1}", "{\"regularization\": 1e-300}", "{\"regularization\": 1e300}", "{\"alpha\": 1e38}", "{\"half_life\": 0}", "{\"half_life\": \"1 day\"}", "{\"unobserved_weight\": 0}", "{\"popularity_weight\": 1e10}", "{\"solver\": \"cg\"}", "{\"solver\": \"\"}", "{\"seed\": 9007199254740993}", "{\"a\": {\"b\": [1, {\"c\": null}]}}", "{\"regularization\": {\"low\": 1, \"high\": 0.5}}", "{\"epochs\": {\"low\": 1, \"high\": 2, \"scale\": \"log\"}}"}'),
('regtype', '{bigint, integer, smallint, text, uuid, numeric, "\"char\"", json, "bigint[]", odd.pair, odd.mood, odd.id, record, "\"any\"", anyelement, void, cstring, internal, trigger, refcursor}'),
('regclass', '{odd.events, odd.text_events, odd.uuid_events, odd.empty, odd.parted, odd.part, odd.by_item, odd.view, odd.failing, odd.unpopulated, odd.sequence, odd.pair, odd.domains, "odd.\"wei\"\"rd\"", odd.wide, odd.no_columns, odd.items, m.version, m.user_embedding, m.commrec_model, pg_class, pg_stats, pg_toast.pg_toast_1255}'),
('oid', '{NULL, 0, 1, 16, 4294967295, pg_namespace, 2147483648}'),
-- What arguments of these names are for.
('text:model', '{m, m, m, m, t, t, u, rated, popular, untrained, "a\"; drop table x; --", NULL, "", nope, pg_catalog, odd, M}'),
('text:algorithm', '{ials, ials, ials, ials, als, als, popular, auto, item_knn, rp3beta, ease, bpr, pure_svd, concat_linear, svd_pp, nope, "", NULL}'),
('text:filter', '{even, even, nope, "", NULL}'),
('text:kind', '{decay, trending, count, nope, "", NULL}'),
('text:if_running', '{error, skip, nope, NULL}'),
('text:formula', '{reward, seed, nope, NULL}'),
('text:by', '{NULL, action, value, at, user_id, nope, source, "", "1/0"}'),
('text:split', '{time, last, random, nope, NULL}'),
('text:metric', '{ndcg@10, recall@1, ndcg@0, ndcg@, mrr@99999999999, nope, hit_rate@2147483648, NULL}'),
('text:predicate', '{true, false, even, NULL, "", item_id = 1, nope, 1/0, "(", "true); drop table odd.items; --", "kind IS NULL", "42", "(SELECT true)", "item_id::text::xml IS NULL"}'),
('text:search_path', '{"", public, "odd, public", "\"", nope, NULL}'),
('text:target', '{odd.made, made, odd.events, odd.view, nope.made, pg_catalog.made, "", "a.b.c.d", "\"", m.recommended, NULL}'),
('text:mode', '{auto, full, update, nope, NULL}'),
('name:schema_name', '{m, m, m, t, u, rated, untrained, odd, nope, pg_catalog, "", NULL, "a\"; drop table x; --"}'),
('name:user_column', '{user_id, user_id, user_id, user_id, user_id, user_id, at, ctid, tableoid, nope, "", NULL, ids, pair}'),
('name:item_column', '{item_id, item_id, item_id, item_id, item_id, item_id, value, xmin, nope, "item id", NULL, mood}'),
('name:column_name', '{user_id, item_id, action, at, value, ctid, nope, NULL}'),
('name:action_column', '{action, action, action, NULL, NULL, nope, value, user_id}'),
('name:time_column', '{at, at, at, NULL, NULL, nope, action, user_id}'),
('name:value_column', '{value, value, value, NULL, NULL, nope, action, at}'),
('bigint:user_id', '{0, 1, 2, 5, 22, -1, NULL, 9223372036854775807, -9223372036854775808}'),
('bigint:item_id', '{0, 1, 2, 5, 10, -1, NULL, 9223372036854775807, 2147483648}'),
('text:user_id', '{u1, u2, 1, 2, -1, "", NULL, 99999999999999999999, 1.5, nope}'),
('text:item_id', '{i1, i2, 1, 2, -1, "", NULL, 99999999999999999999, 1.5, nope}'),
('jsonb:hyperparameters', '{NULL, NULL, "{}", "{\"factors\": 3}", "{\"factors\": 4, \"epochs\": 2}", "{\"nope\": 1}", "{\"factors\": 0}", "{\"half_life\": \"30 days\"}", "{\"factors\": 1e400}", "[]", "{\"epochs\": \"1\"}", "{\"regularization\": 1e30}", "{\"alpha\": 1e38}", "{\"solver\": \"cg\"}", "{\"seed\": -1}", "{\"popularity_weight\": 0}"}'),
('regclass:events', '{odd.events, odd.events, odd.events, odd.text_events, odd.uuid_events, odd.parted, odd.view, odd.empty, odd.failing, odd.unpopulated, odd.wide, odd.domains, odd.sequence, odd.no_columns, NULL}'),
('oid:events', '{odd.events, odd.events, odd.events, odd.text_events, odd.view, odd.wide, odd.domains, odd.no_columns, NULL, pg_class}'),
('regclass:items', '{odd.items, odd.items, odd.items, odd.events, odd.wide, odd.sequence, NULL}'),
('jsonb:stored', '{"{}", "{\"factors\": 3}", "{\"nope\": 1}", NULL, "[1]"}'),
('jsonb:given', '{"{}", "{\"factors\": 3}", "{\"nope\": 1}", "{\"factors\": null}", NULL, "[1]"}'),
('jsonb:search', '{NULL, "{}", "{\"factors\": [2, 3]}", "{\"epochs\": {\"low\": 1, \"high\": 2}}", "{\"regularization\": {\"low\": 0.001, \"high\": 0.1, \"scale\": \"log\"}}", "{\"factors\": []}", "{\"nope\": [1]}", "{\"factors\": {\"low\": 3, \"high\": 1}}", "{\"factors\": {\"low\": 0}}", "[]", "{\"alpha\": {\"low\": -1, \"high\": 1e400}}"}'),
('text:user_type', '{bigint, text, uuid, nope, "bigint; drop table x", NULL}'),
('text:item_type', '{integer, text, uuid, nope, "int) --", NULL}'),
('interval:cohort', '{7 days, 1 day, 1 hour, 0, -1 day, 1 month, NULL, 178000000 years, 1 microsecond}'),
('interval:horizon', '{28 days, 7 days, 1 hour, 0, -1 day, 1 month, NULL, 178000000 years}'),
('interval:bucket', '{1 day, 1 hour, 7 days, 0, -1 day, 1 month, NULL, 178000000 years, 1 microsecond, 1 second}'),
('interval:budget', '{NULL, 0, 1 second, -1 day, 178000000 years}'),
('double precision:score', '{0, 1, 0.5, 0.25, -1, 1e308, NaN, Infinity, -Infinity, NULL}'),
('double precision:confidence', '{0.95, 0.5, 0.99, 0, 1, -1, NaN, NULL, 0.9999999999999999}'),
('double precision:lambda', '{0, 1, 0.5, -1, NaN, Infinity, 1e308, NULL}'),
('double precision:regularization', '{0.01, 1, 0, -1, NaN, Infinity, 1e308, 1e-320, NULL}'),
('double precision:preference', '{1, 1, 2, 0.5, 0, -1, 1e308, 1e-320, NaN, Infinity, NULL}'),
('create_model:model', '{new, new, new, "ä€", a.b, "", NULL, m, odd, pg_new, "wei\"rd"}'),
('rename_model:rename_to', '{new, new, t, "", NULL, pg_new, "wei\"rd"}'),
('create_filter:filter', '{new, new, even, "", NULL, "ä€"}'),
('create_tables:schema_name', '{odd, odd, nope, m, NULL}'),
('prepare_schema:model', '{new, new, m, odd, NULL, ""}'),
('integer:workers', '{NULL, 0, 0, 0, 1, 2, -1, 2147483647}'),
('integer:version', '{1, 2, 2, NULL, 3, 0, -1, 2147483647}'),
('integer:only_version', '{1, 2, 2, NULL, 3, 0, -1, 2147483647}'),
('integer:trials', '{1, 2, 3, 0, -1, NULL, 4}'),
('integer:replicates', '{0, 1, 10, 100, -1, 2147483647, NULL}');

-- One of the pool, as an expression of the type; "argument" is function.name.  Of the types that have none,
-- what can be made of them.
CREATE FUNCTION wild.pick(type regtype, argument text) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	name text := format_type(type, NULL);
	pool text[];
	catalog record;
BEGIN
	-- What is said of a function is said for it, then what is said of the argument.
	IF random() < 0.9 THEN
		SELECT p.expressions INTO pool FROM wild.pool AS p WHERE p.name = replace(argument, '.', ':');
		IF NOT FOUND THEN
			SELECT p.expressions INTO pool FROM wild.pool AS p WHERE p.name = type::text || ':' || split_part(argument, '.', 2);
		END IF;
	END IF;
	IF pool IS NULL THEN
		SELECT p.expressions INTO pool FROM wild.pool AS p WHERE p.name = type::text;
	END IF;
	IF pool IS NOT NULL THEN
		RETURN format('%L::%s', pool[1 + floor(random() * cardinality(pool))], name);
	END IF;
	SELECT t.* INTO catalog FROM pg_type AS t WHERE t.oid = type;
	RETURN CASE catalog.typtype
		WHEN 'e' THEN format('%L::%s', (SELECT e.enumlabel FROM pg_enum AS e WHERE e.enumtypid = type ORDER BY random() LIMIT 1), name)
		WHEN 'd' THEN format('%s::%s', wild.pick(catalog.typbasetype, argument), name)
		ELSE format('NULL::%s', name) END;
END
$$;

-- An array: empty, of some, of many, with NULLs, of two dimensions, or with another lower bound.
CREATE FUNCTION wild.pick_array(element regtype, argument text) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	name text := format_type(element, NULL);
	list text := (SELECT string_agg(wild.pick(element, argument), ', ') FROM generate_series(1, 1 + floor(random() * 4)::integer));
BEGIN
	RETURN CASE floor(random() * 8)
		WHEN 0 THEN format('NULL::%s[]', name)
		WHEN 1 THEN format('''{}''::%s[]', name)
		WHEN 2 THEN format('ARRAY[NULL, %s]::%s[]', list, name)
		WHEN 3 THEN format('ARRAY[ARRAY[%s], ARRAY[%1$s]]::%s[]', list, name)
		WHEN 4 THEN format('array_fill(%s, ARRAY[%s])', wild.pick(element, argument), 1 + floor(random() * 20000)::integer)
		WHEN 5 THEN format('array_fill(%s, ARRAY[3], ARRAY[%s])', wild.pick(element, argument), (ARRAY[-5, 7, 2147483640])[1 + floor(random() * 3)])
		ELSE format('ARRAY[%s]::%s[]', list, name) END;
END
$$;

-- Which bytes: mostly such as the argument is for.
CREATE FUNCTION wild.pick_bytes(argument text) RETURNS integer
LANGUAGE sql VOLATILE
AS $$
	SELECT b.number FROM wild.bytes AS b
	ORDER BY CASE WHEN (SELECT random()) < 0.15 THEN 0
		WHEN argument ~ '[.](state|other)$' THEN
			(argument !~ ('^' || replace(b.what, 'state of ', '')) AND NOT (b.what = 'state of metric'
				AND argument ~ '^(ndcg|recall|precision|average|reciprocal)'))::integer
		WHEN b.what ~ split_part(argument, '.', 2) OR b.what = 'gram' AND argument ~ '^gram_product'
			OR b.what ~ '^embedding' AND argument ~ '^inner_product' THEN 0
		ELSE 1 END, random()
	LIMIT 1
$$;

-- An expression for an argument.
CREATE FUNCTION wild.argument(type regtype, argument text) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	element oid;
BEGIN
	IF type = '"any"'::regtype THEN
		type := ('{bigint,bigint,integer,text,uuid,smallint,bytea,numeric,boolean,"bigint[]","text[]",odd.pair,json,unknown}'::regtype[])[1 + floor(random() * 14)];
		IF type = 'unknown'::regtype THEN
			RETURN (ARRAY['NULL', '''u1''', '''1'''])[1 + floor(random() * 3)];
		END IF;
	END IF;
	element := (SELECT t.typelem FROM pg_type AS t WHERE t.oid = type AND t.typcategory = 'A');
	CASE
		WHEN element IS NOT NULL THEN
			RETURN wild.pick_array(element, argument);
		WHEN type = 'bytea'::regtype THEN
			RETURN CASE floor(random() * 40)
				WHEN 0 THEN 'NULL::bytea'
				WHEN 1 THEN 'convert_to(repeat(''x'', 1048576), ''UTF8'')'
				WHEN 2 THEN format('decode(md5(%L), ''hex'')', random())
				ELSE format('wild.damaged(%s, %s)', wild.pick_bytes(argument), floor(random() * 1000000)) END;
		WHEN type = 'oid'::regtype AND random() < 0.7 THEN
			RETURN format('%s::oid', wild.pick('regclass', argument));
		WHEN type = 'oid'::regtype THEN
			RETURN format('%s::regclass::oid', wild.pick(type, argument));
		WHEN type IN ('regclass'::regtype, 'regtype'::regtype) AND random() < 0.15 THEN
			RETURN format('%L::%s', (ARRAY[NULL, '0', '1', '4294967295', '16384'])[1 + floor(random() * 5)], type);
		WHEN type = 'text'::regtype AND random() < 0.03 THEN
			RETURN (ARRAY['repeat(''x'', 1048576)', 'repeat(''1'', 1048576)', 'repeat(chr(8364), 1025)'])[1 + floor(random() * 3)];
		WHEN type = 'name'::regtype AND random() < 0.03 THEN
			RETURN 'repeat(''x'', 63)::name';
		WHEN type = 'jsonb'::regtype AND random() < 0.03 THEN
			RETURN '(repeat(''[1,'', 2000) || ''1'' || repeat('']'', 2000))::jsonb';
		ELSE
			RETURN wild.pick(type, argument);
	END CASE;
END
$$;

ANALYZE wild.pool, wild.bytes;

-- ---------------------------------------------------------------------------
-- Calls
-- ---------------------------------------------------------------------------

-- Every function, procedure and aggregate of the extension and of a model.
CREATE TABLE wild.callable AS
SELECT row_number() OVER (ORDER BY n.nspname <> 'commrec', p.oid::regprocedure::text)::integer AS number,
	p.oid, p.oid::regprocedure::text AS signature, p.prokind AS kind, p.pronargdefaults::integer AS defaults,
	format('%I.%I', n.nspname, p.proname) AS name, p.proname::text AS function,
	p.proargtypes::oid[] AS types,
	ARRAY(SELECT coalesce(a.name, '') FROM unnest(p.proargnames, p.proargmodes) WITH ORDINALITY AS a (name, mode, place)
		  WHERE coalesce(a.mode, 'i') IN ('i', 'b', 'v') ORDER BY a.place) AS names,
	CASE WHEN p.prorettype = 'record'::regtype AND p.proargmodes IS NULL AND p.prokind = 'f' THEN coalesce(
		(SELECT substring(w.prosrc FROM 'AS r (\(.*\))$') FROM pg_proc AS w
		 WHERE w.pronamespace = 'm'::regnamespace AND w.proname = replace(p.proname, '_typed', '') LIMIT 1),
		'(a integer, b bigint)') END AS columns,
	-- A transition or combine function, which may be given any state by an aggregate of somebody's own.
	p.prokind = 'f' AND p.prorettype = 'bytea'::regtype AND p.proargtypes[0] = 'bytea'::regtype AND p.pronargs > 1
		AND p.proname ~ '_(accum|combine|combine_text)$' AS is_transition,
	NOT p.proretset AND p.proargmodes IS NULL AND p.prorettype <> 'record'::regtype AND NOT EXISTS (
		SELECT FROM pg_type AS t WHERE t.oid = p.prorettype AND t.typtype = 'c') AS is_scalar,
	p.proname ~ '_final(_text)?$' AS is_final
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname IN ('commrec', 'm')
	-- A function for INSERT triggers and the like takes no arguments, and none is there yet.
	AND p.prorettype <> 'trigger'::regtype;
ALTER TABLE wild.callable ADD PRIMARY KEY (number);

CREATE FUNCTION wild.keep(state bytea, given bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS 'SELECT given';

-- Of the arguments that may be left out, often few are given, by name.
CREATE FUNCTION wild.arguments(callable wild.callable) RETURNS text[]
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	required integer := cardinality(callable.types) - callable.defaults;
	share double precision := (ARRAY[0.15, 0.4, 1])[1 + floor(random() * 3)];
	result text[] := '{}';
BEGIN
	FOR i IN 1 .. cardinality(callable.types) LOOP
		IF i <= required OR random() < share THEN
			-- oidvector counts from 0.
			result := result || (CASE WHEN i > required THEN format('%I => ', callable.names[i]) ELSE '' END
				|| wild.argument(callable.types[i - 1], callable.function || '.' || callable.names[i]));
		END IF;
	END LOOP;
	RETURN result;
END
$$;

CREATE FUNCTION wild.aggregate_call(callable wild.callable) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	columns text := (SELECT string_agg('c' || i, ', ') FROM generate_series(1, cardinality(callable.types)) AS i);
	rows text := (SELECT string_agg(format('(%s)', array_to_string(wild.arguments(callable), ', ')), ', ')
				  FROM generate_series(1, 1 + floor(random() * 4)::integer));
BEGIN
	RETURN format(CASE floor(random() * 5)
		WHEN 0 THEN 'SELECT %s(%s) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM (VALUES %s) AS v (%s)'
		WHEN 1 THEN 'SELECT %s(%s) OVER (ORDER BY random()) FROM (VALUES %s) AS v (%s)'
		WHEN 2 THEN 'SELECT %s(%s) FROM (VALUES %s) AS v (%s) WHERE false'
		ELSE 'SELECT %s(%s) FROM (VALUES %s) AS v (%s)' END, callable.name, columns, rows, columns);
END
$$;

-- An aggregate that starts with any state.  The state is given as text, which DDL takes.
CREATE FUNCTION wild.transition_call(callable wild.callable) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	types text := (SELECT string_agg(format_type(callable.types[i], NULL), ', ') FROM generate_series(1, cardinality(callable.types) - 1) AS i);
	arguments text[] := wild.arguments(callable);
	state bytea;
BEGIN
	EXECUTE format('SELECT substr(%s, 1, 8000)', arguments[1]) INTO state;
	RETURN format('CREATE AGGREGATE wild.made(%s) (SFUNC = %s, STYPE = bytea, INITCOND = %L); SELECT wild.made(%s) FROM generate_series(1, 2)',
		types, callable.name, coalesce(state, '')::text, array_to_string(arguments[2:], ', '));
END
$$;

CREATE FUNCTION wild.statement(number integer, call integer) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	callable wild.callable := (SELECT c FROM wild.callable AS c WHERE c.number = statement.number);
	arguments text;
BEGIN
	PERFORM setseed(((hashint8extended(call, hashtext(callable.signature)) & 1073741823) / 1073741824.0)::double precision);
	IF callable.kind = 'a' THEN
		RETURN wild.aggregate_call(callable);
	ELSIF callable.is_transition AND random() < 0.2 THEN
		RETURN wild.transition_call(callable);
	ELSIF callable.is_final AND random() < 0.3 THEN
		RETURN format('CREATE AGGREGATE wild.made(bytea) (SFUNC = wild.keep, STYPE = bytea, FINALFUNC = %s); SELECT wild.made(%s)',
			callable.name, wild.argument('bytea', callable.function || '.state'));
	END IF;
	arguments := array_to_string(wild.arguments(callable), ', ');
	IF callable.kind = 'p' THEN
		RETURN format('CALL %s(%s)', callable.name, arguments);
	ELSIF callable.columns IS NOT NULL THEN
		RETURN format('SELECT * FROM %s(%s) AS r %s', callable.name, arguments,
			CASE WHEN random() < 0.1 THEN '(a integer, b text)' ELSE callable.columns END);
	END IF;
	-- In FROM, PostgreSQL would write a value of 1 GB to a file first, which takes longer than to make it.
	RETURN format(CASE WHEN callable.is_scalar OR random() < 0.2 THEN 'SELECT %s(%s)' ELSE 'SELECT * FROM %s(%s)' END,
		callable.name, arguments);
END
$$;

-- Run statements and undo them: the SQLSTATE, how many milliseconds it took, and what else there is to say of one
-- that must not be.
CREATE FUNCTION wild.try(statement text) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	state text;
	message text;
	context text;
	began timestamptz := clock_timestamp();
	took text;
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'WILD0';
	EXCEPTION WHEN OTHERS OR assert_failure THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
	END;
	took := floor(1000 * extract(epoch FROM clock_timestamp() - began));
	IF state = 'WILD0' THEN
		RETURN '00000 ' || took;
	END IF;
	RETURN CASE WHEN wild.is_bug(state) THEN
			concat_ws(' | ', state || ' ' || took, message, left(statement, 2000), replace(context, E'\n', ' < '))
		ELSE state || ' ' || took END;
END
$$;

CREATE FUNCTION wild.call(number integer, call integer) RETURNS text
LANGUAGE sql VOLATILE
AS $$ SELECT wild.try(wild.statement(number, call)) $$;

-- Errors without a code of their own, that nobody may get from wild arguments, or that are no answer to them.
CREATE FUNCTION wild.is_bug(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$ SELECT state IN ('XX000', 'P0001', 'P0003', 'P0004') OR state ~ '^(53|57|58)' $$;

-- ---------------------------------------------------------------------------
-- Accidents in the tables of a model
-- ---------------------------------------------------------------------------

-- Every column of a model's tables, and what answers from them.
CREATE TABLE wild.stored AS
SELECT row_number() OVER (ORDER BY c.relname, a.attname)::integer AS number, c.oid::regclass::text AS relation,
	a.attname::text AS column, a.atttypid AS type
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'm'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';

CREATE TABLE wild.answering (statement text);
INSERT INTO wild.answering VALUES
('SELECT * FROM m.recommend(%1$s, 5)'),
('SELECT * FROM m.recommend(%1$s, 5, false, ARRAY[1, 2, 3, %2$s], ARRAY[4])'),
('SELECT * FROM m.recommend(%1$s, 3, filter => ''even'', diversity => 0.5)'),
('SELECT * FROM m.recommend(%1$s, 3, resurface_after => ''1 day'')'),
('SELECT * FROM m.recommend(%1$s, 3, fresh => true)'),
('SELECT * FROM commrec.recommend(''%1$s'', 1000, ''m'', false)'),
('SELECT * FROM m.recommend_all(3, workers => 0)'),
('SELECT m.score(%1$s, %2$s), m.satisfaction(%1$s), m.knowledge_spread(%1$s, ''2025-02-01'')'),
('SELECT * FROM m.explain(%1$s, %2$s)'),
('SELECT * FROM m.similar_items(%2$s, 5)'),
('SELECT * FROM m.similar_users(%1$s, 5)'),
('SELECT * FROM m.popular(5)'),
('SELECT * FROM m.popular(5, kind => ''trending'')'),
('SELECT * FROM m.satisfaction_detail(%1$s)'),
('SELECT * FROM commrec.objective(''m'')'),
('SELECT * FROM commrec.list_models()'),
('SELECT * FROM commrec.rollback(''m'')'),
('SELECT * FROM commrec.refresh_filter(''m'')'),
('SELECT * FROM commrec.train(''m'')');

-- A column of one row, or of all, gets another value; then something answers.
CREATE FUNCTION wild.accident(call integer) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
	stored wild.stored;
	value text;
BEGIN
	PERFORM setseed(((hashint8extended(call, 7) & 1073741823) / 1073741824.0)::double precision);
	-- Bytes are most of what is stored.
	SELECT s.* INTO stored FROM wild.stored AS s ORDER BY (s.type = 'bytea'::regtype AND random() < 0.3) DESC, random() LIMIT 1;
	value := CASE WHEN stored.type = 'bytea'::regtype AND random() < 0.9 THEN format('wild.damaged(%I, %s)', stored.column, floor(random() * 1000000))
		ELSE wild.argument(stored.type, stored.relation || '.' || stored.column) END;
	RETURN wild.try(format('UPDATE %s SET %I = %s%s; %s', stored.relation, stored.column, value,
		CASE WHEN random() < 0.5 THEN format(' WHERE ctid = (SELECT ctid FROM %s ORDER BY md5(ctid::text || %s) LIMIT 1)', stored.relation, call) ELSE '' END,
		(SELECT format(a.statement, 1 + floor(random() * 3), floor(random() * 5)) FROM wild.answering AS a ORDER BY random() LIMIT 1)));
END
$$;
