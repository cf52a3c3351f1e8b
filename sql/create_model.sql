--
-- create_model: what it makes, what it reports, and every input that it refuses.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
\set SHOW_CONTEXT never
CREATE SCHEMA create_model_test;
SET search_path = create_model_test, public;
-- What a command ends in: SQLSTATE, message and hint.
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || SQLERRM || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
END $$;

CREATE TABLE events (gone integer, user_id bigint, item_id text, action text, at timestamptz, value numeric(6,2));
ALTER TABLE events DROP COLUMN gone;
INSERT INTO events
	SELECT u, 'item ' || i, CASE WHEN (u + i) % 3 = 0 THEN 'like' WHEN (u + i) % 3 = 1 THEN 'rating' ELSE 'view' END,
		'2024-03-01 00:00+00'::timestamptz + u * interval '1 day' + i * interval '1 hour', (u * i) % 5 + 1
	FROM generate_series(1, 12) AS u, generate_series(1, 9) AS i WHERE (u * 5 + i * 3 + u * i) % 4 < 2;
INSERT INTO events VALUES (NULL, 'item 1', 'view', now(), 1), (1, NULL, 'view', now(), 1),
	(1, 'item 1', 'view', 'infinity', 'NaN');

-- the report, and the layout of what is made
SELECT * FROM commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at', value_column => 'value',
	hyperparameters => '{"factors": 8, "alpha": null}', bucket => '7 days');
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS needed,
	a.attstorage AS storage, l.collname AS collation, c.reloptions
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE c.relnamespace = 'courses'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
ORDER BY c.oid, a.attnum;
SELECT pg_get_indexdef(indexrelid) AS index FROM pg_index
WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'courses'::regnamespace)
ORDER BY pg_get_indexdef(indexrelid) COLLATE "C";
SELECT p.oid::regprocedure, pg_get_function_result(p.oid), p.provolatile, p.proisstrict, p.proparallel, p.prorows, p.proconfig
FROM pg_proc AS p WHERE pronamespace = 'courses'::regnamespace ORDER BY proname COLLATE "C";
SELECT model, format, events, events_oid::regclass, model_oid = 'courses.commrec_model'::regclass AS here, user_column,
	item_column, action_column, time_column, value_column, user_type, item_type, algorithm, hyperparameters, bucket
FROM courses.commrec_model;
SELECT * FROM courses.action ORDER BY action;

-- Everything says what it is.
SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0
WHERE c.relnamespace IN ('courses'::regnamespace, 'commrec'::regnamespace) AND c.relkind IN ('r', 'v')
	AND col_description(c.oid, a.attnum) IS NULL;
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE pronamespace IN ('courses'::regnamespace, 'commrec'::regnamespace) AND obj_description(oid, 'pg_proc') IS NULL;
-- Nothing of the extension runs with its owner's rights or in somebody's search_path.
SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang
WHERE pronamespace = 'commrec'::regnamespace AND prokind <> 'a' AND (prosecdef OR l.lanname IN ('sql', 'plpgsql')
	AND (proconfig @> '{"search_path=pg_catalog, pg_temp"}') IS NOT TRUE);

-- the typed functions are inlined
EXPLAIN (COSTS OFF, VERBOSE) SELECT courses.satisfaction(user_id), courses.knowledge_spread(user_id, at) FROM events;
EXPLAIN (COSTS OFF, VERBOSE) SELECT r.* FROM events AS e, courses.recommend(e.user_id, 3) AS r;
EXPLAIN (COSTS OFF, VERBOSE) SELECT s.* FROM events AS e, courses.similar_items(e.item_id) AS s;

-- never trained
SELECT try(c) FROM unnest(ARRAY['SELECT * FROM courses.recommend(1)', 'SELECT * FROM courses.similar_items(''item 1'')',
	'SELECT courses.knowledge_spread(1, now())', 'SELECT courses.satisfaction(1)', 'SELECT * FROM courses.satisfaction_detail(1)',
	'SELECT * FROM commrec.objective(''courses'')']) AS c;

-- NULL where something is required
SELECT try(format('SELECT commrec.create_model(%s)', a)) FROM unnest(ARRAY[
	'NULL, ''events''', '''m'', NULL', '''m'', ''events'', user_column => NULL', '''m'', ''events'', item_column => NULL',
	'''m'', ''events'', algorithm => NULL', '''m'', ''events'', bucket => NULL']) AS a;

-- hyperparameters, algorithm, bucket
SELECT left(try(format('SELECT commrec.create_model(''m'', ''events'', hyperparameters => %L)', h)), 110) FROM unnest(ARRAY[
	'{"factors": 0}', '{"factors": -1}', '{"factors": 65536}', '{"epochs": 0}', '{"epochs": 1e9}', '{"regularization": -1}',
	'{"regularization": "NaN"}', '{"factors": "8"}', '{"factors": [8]}', '[]']) AS h;
SELECT left(try('SELECT commrec.create_model(''m'', ''events'', hyperparameters => ''{"fctors": 8}'')'), 120);
SELECT left(try('SELECT commrec.create_model(''m'', ''events'', algorithm => ''svd'')'), 60) AS try;
SELECT try(format('SELECT commrec.create_model(''m'', ''events'', bucket => %L)', b)) FROM unnest(ARRAY[
	'1 month', '1 year', '0', '-1 day', '999 ms', '1 month -30 days']) AS b;

-- names
SELECT try('SELECT commrec.create_model('''', ''events'')');
SELECT try(format('SELECT commrec.create_model(%L, ''events'')', repeat('x', 64)));
SELECT try(format('SELECT commrec.create_model(%L, ''events'')', repeat('x', 62) || 'é'));
SELECT count(*) FROM commrec.create_model('a"; drop table x; --', 'events');
SELECT count(*) FROM commrec.create_model('it''s \ %s %I "日本" $1', 'events');
SELECT count(*) FROM commrec.create_model(repeat('y', 61) || 'é', 'events');
SELECT version FROM commrec.train('a"; drop table x; --', '{"factors": 2}', workers => 0);
SELECT version FROM commrec.train('it''s \ %s %I "日本" $1', '{"factors": 2}', workers => 0);
SELECT version FROM commrec.train(repeat('y', 61) || 'é', '{"factors": 2}', workers => 0);
SELECT count(*) FROM "a""; drop table x; --".recommend(1, 3, false);
SELECT count(*) FROM "it's \ %s %I ""日本"" $1".recommend(1, 3, false);
SELECT model, schema = model AS same, state FROM commrec.models WHERE model <> 'courses' AND events = 'create_model_test.events'
ORDER BY model COLLATE "C";
SELECT commrec.drop_model(model) FROM commrec.models WHERE model <> 'courses' AND events = 'create_model_test.events';

-- types of ids
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TYPE pair AS (a integer, b integer);
CREATE TYPE mytext;
CREATE FUNCTION mytext_in(cstring) RETURNS mytext LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION mytext_out(mytext) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE mytext (INPUT = mytext_in, OUTPUT = mytext_out, LIKE = text);
CREATE DOMAIN price AS numeric;
CREATE DOMAIN member AS bigint CHECK (VALUE > 0);
CREATE DOMAIN important_member AS member;
CREATE DOMAIN code AS varchar(10);
CREATE DOMAIN key AS uuid;
CREATE TABLE typed (ok integer, c_numeric numeric(10,2), c_float double precision, c_real real, c_boolean boolean,
	c_date date, c_name name, c_char char(3), c_mytext mytext, c_enum mood, c_array integer[], c_textarray text[],
	c_composite pair, c_json json, c_jsonb jsonb, c_bytea bytea, c_price price,
	d_smallint smallint, d_bigint bigint, d_uuid uuid, d_text text, d_varchar varchar(5), d_member member,
	d_important important_member, d_code code, d_key key);
SELECT a.attname, try(format('SELECT commrec.create_model(''m'', ''typed'', user_column => ''ok'', item_column => %L)', a.attname))
FROM pg_attribute AS a WHERE a.attrelid = 'typed'::regclass AND a.attname LIKE 'c\_%' ORDER BY a.attnum;
SELECT try('SELECT commrec.create_model(''m'', ''typed'', user_column => ''c_price'', item_column => ''ok'')');
DO $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT attname FROM pg_attribute WHERE attrelid = 'typed'::regclass AND attname LIKE 'd\_%' LOOP
		PERFORM commrec.create_model('model ' || name, 'typed', user_column => name, item_column => 'ok');
	END LOOP;
END $$;
SELECT n.nspname, format_type(a.atttypid, a.atttypmod) AS type, l.collname, pg_get_function_arguments(p.oid)
FROM pg_namespace AS n JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = 'user_embedding'
	JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'user_id'
	LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
	JOIN pg_proc AS p ON p.pronamespace = n.oid AND p.proname = 'knowledge_spread'
WHERE n.nspname LIKE 'model d\_%' ORDER BY n.nspname COLLATE "C";
SELECT commrec.drop_model(model) FROM commrec.models WHERE model LIKE 'model d\_%';

-- types of the other columns
CREATE TABLE others (user_id integer, item_id integer, n integer, j json, t time, v varchar(9), c char(4), e mood, d date,
	ts timestamp, day date, r real, m money);
SELECT try(format('SELECT commrec.create_model(''m'', ''others'', %s)', a)) FROM unnest(ARRAY[
	'action_column => ''n''', 'action_column => ''j''', 'time_column => ''v''', 'time_column => ''t''', 'time_column => ''n''',
	'value_column => ''v''', 'value_column => ''m''', 'value_column => ''d''']) AS a;
INSERT INTO others VALUES (1, 1, 3, NULL, NULL, 'like', 'like', 'glad', '2024-01-01', '2024-01-01 12:00', '-infinity', 4);
SELECT * FROM commrec.create_model('others', 'others', action_column => 'c', time_column => 'day', value_column => 'r')
WHERE property NOT IN ('next', 'hyperparameters');
SELECT commrec.drop_model('others');
SELECT * FROM commrec.create_model('others', 'others', action_column => '', time_column => 'ts', value_column => 'n')
WHERE property NOT IN ('next', 'hyperparameters');
SELECT * FROM others.action;
SELECT commrec.drop_model('others');

-- relations and columns that are not there, or are none
SELECT try('SELECT commrec.create_model(''m'', ''no_such_table'')');
SELECT try('SELECT commrec.create_model(''m'', 4294967295::oid)');
SELECT try('SELECT commrec.create_model(''m'', ''events'', user_column => ''usr_id'')');
SELECT try('SELECT commrec.create_model(''m'', ''events'', value_column => ''........pg.dropped.1........'')');
SELECT try('SELECT commrec.create_model(''m'', ''events'', user_column => ''ctid'')');
CREATE TABLE wide ();
SELECT try('SELECT commrec.create_model(''m'', ''wide'')');
DO $$
BEGIN
	EXECUTE (SELECT 'ALTER TABLE wide ' || string_agg('ADD c' || n || ' integer', ', ') FROM generate_series(1, 60) AS n);
END $$;
SELECT right(try('SELECT commrec.create_model(''m'', ''wide'')'), 40);
CREATE INDEX events_idx ON events (user_id);
CREATE SEQUENCE events_seq;
SELECT try(format('SELECT commrec.create_model(''m'', %L)', r)) FROM unnest(ARRAY['events_idx', 'events_seq', 'pair']) AS r;

-- kinds of relations
CREATE VIEW v_plain AS SELECT user_id, item_id FROM events;
CREATE VIEW v_barrier WITH (security_barrier) AS SELECT user_id, item_id FROM events;
CREATE MATERIALIZED VIEW v_mat AS SELECT user_id, item_id FROM events;
CREATE MATERIALIZED VIEW v_empty AS SELECT user_id, item_id FROM events WITH NO DATA;
CREATE TABLE t_part (user_id bigint, item_id text) PARTITION BY HASH (user_id);
CREATE TABLE t_part0 PARTITION OF t_part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
-- columns in another order
CREATE TABLE t_part1 (item_id text, user_id bigint);
ALTER TABLE t_part ATTACH PARTITION t_part1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO t_part SELECT user_id, item_id FROM events WHERE user_id IS NOT NULL;
CREATE TABLE t_parent (user_id bigint, item_id text);
CREATE TABLE t_child (more text) INHERITS (t_parent);
INSERT INTO t_child SELECT user_id, item_id FROM events;
CREATE TEMP TABLE t_temp AS SELECT user_id, item_id FROM events;
CREATE UNLOGGED TABLE t_unlogged AS SELECT user_id, item_id FROM events;
CREATE TABLE "t; ""odd"" %s" AS SELECT user_id AS "user; --", item_id AS "日本 %I" FROM events;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{v_plain,v_barrier,v_mat,t_part,t_parent,t_temp,t_unlogged}'::text[] LOOP
		PERFORM commrec.create_model('m_' || name, name);
		PERFORM commrec.train('m_' || name, '{"factors": 2}', workers => 0);
	END LOOP;
	PERFORM commrec.create_model('m_odd', '"t; ""odd"" %s"', user_column => 'user; --', item_column => '日本 %I');
	PERFORM commrec.train('m_odd', '{"factors": 2}', workers => 0);
END $$;
SELECT model, regexp_replace(events, '^pg_temp_\d+', 'pg_temp_N') AS events, rows, users, items, state
FROM commrec.models WHERE model LIKE 'm\_%' ORDER BY model COLLATE "C";
SELECT commrec.drop_model(model) FROM commrec.models WHERE model LIKE 'm\_%';
SELECT try('SELECT commrec.create_model(''m'', ''v_empty'')');

-- functions in a view see the caller's search_path, as in any SELECT of his
CREATE TABLE hidden (user_id bigint);
INSERT INTO hidden VALUES (1);
CREATE FUNCTION is_hidden(bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS
	'BEGIN RETURN EXISTS (SELECT FROM hidden WHERE user_id = $1); END';
CREATE VIEW v_function AS SELECT user_id, item_id, action FROM events WHERE NOT is_hidden(user_id);
SELECT count(*) FROM commrec.create_model('m_function', 'v_function', action_column => 'action');
CALL commrec.refresh('m_function', hyperparameters => '{"factors": 2}');
SELECT rows, users FROM commrec.models WHERE model = 'm_function';
SELECT commrec.drop_model('m_function');
CREATE VIEW v_failing AS SELECT user_id, item_id / (item_id - item_id) AS item_id FROM others;
INSERT INTO others VALUES (1, 1);
SELECT try('SELECT commrec.create_model(''m'', ''v_failing'', value_column => ''item_id'')');
SELECT count(*) FROM pg_namespace WHERE nspname = 'm';

-- schemas
CREATE SCHEMA taken;
CREATE TYPE taken.something AS (a integer);
SELECT try('SELECT commrec.create_model(''taken'', ''events'')');
SELECT try('SELECT commrec.create_model(''m'', ''events'', in_schema => ''taken'')');
DROP TYPE taken.something;
CREATE FUNCTION taken.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT try('SELECT commrec.create_model(''taken'', ''events'')');
DROP FUNCTION taken.f();
SELECT try('SELECT commrec.create_model(''m'', ''events'', in_schema => ''no_such_schema'')');
SELECT try('SELECT commrec.create_model(''m'', ''events'', in_schema => ''pg_catalog'')');
SELECT try('SELECT commrec.create_model(''pg_mine'', ''events'')');
SELECT try('SELECT commrec.create_model(''commrec'', ''events'')');
SELECT try('SELECT commrec.create_model(''courses'', ''events'')');
SELECT try('SELECT commrec.create_model(''m'', ''events'', in_schema => ''courses'')');
SELECT count(*) FROM commrec.create_model('m', 'events', in_schema => 'taken');
SELECT model, schema, state FROM commrec.models WHERE schema = 'taken';
-- the name is taken, wherever the model is; so is the name of its schema
SELECT try('SELECT commrec.create_model(''m'', ''events'')');
CREATE SCHEMA another;
SELECT try('SELECT commrec.create_model(''taken'', ''events'', in_schema => ''another'')');
SELECT try('SELECT commrec.create_model(''courses'', ''events'', in_schema => ''another'')');
SELECT version FROM commrec.train('m', '{"factors": 2}', workers => 0);
SELECT count(*) AS by_schema FROM commrec.recommend('1', 2, 'taken', false);
SELECT count(*) AS by_name FROM commrec.recommend('1', 2, 'm', false);
SELECT count(*) AS typed FROM taken.recommend(1, 2, false);
SELECT commrec.drop_model('m');
-- an empty schema with the name of the model will do
SELECT count(*) FROM commrec.create_model('another', 'events');
SELECT commrec.drop_model('another');
SELECT count(*) FROM pg_namespace WHERE nspname IN ('another', 'taken', 'm');

-- ids at the ends of their range come back as they were; '' is an id like any other
CREATE TABLE ends (u_small smallint, u_integer integer, i_big bigint, i_text text);
INSERT INTO ends SELECT u, u, i, t
	FROM (VALUES (-32768), (0), (32767)) AS u (u),
		(VALUES (-9223372036854775808, ''), (-1, ' '), (9223372036854775807, 'x')) AS i (i, t) WHERE u <> 0 OR i <> -1;
UPDATE ends SET u_integer = CASE u_small WHEN -32768 THEN -2147483648 WHEN 32767 THEN 2147483647 ELSE 0 END;
SELECT count(*) FROM commrec.create_model('ends_small', 'ends', user_column => 'u_small', item_column => 'i_big');
SELECT count(*) FROM commrec.create_model('ends_text', 'ends', user_column => 'u_integer', item_column => 'i_text');
SET client_min_messages = error;
SELECT users, items, pairs FROM commrec.train('ends_small', '{"factors": 2}', workers => 0);
SELECT users, items, pairs FROM commrec.train('ends_text', '{"factors": 2}', workers => 0);
SET client_min_messages = warning;
SELECT u, array_agg(r.item_id ORDER BY r.item_id) FROM unnest('{-32768,0,32767}'::smallint[]) AS u,
	ends_small.recommend(u, 10, false) AS r GROUP BY u ORDER BY u;
SELECT item_id FROM ends_small.recommend(0);
SELECT item_id FROM commrec.recommend(0, 10, 'ends_small');
SELECT item_id FROM commrec.recommend('0', 10, 'ends_small');
SELECT user_id FROM ends_small.user_embedding ORDER BY 1;
SELECT '"' || item_id || '"' AS item_id FROM ends_text.recommend(0);
SELECT array_agg(item_id ORDER BY item_id COLLATE "C") FROM ends_text.recommend(2147483647, 10, false);
SELECT array_agg(item_id ORDER BY item_id COLLATE "C") FROM commrec.recommend('-2147483648', 10, 'ends_text', false);
SELECT commrec.drop_model('ends_small'), commrec.drop_model('ends_text');

SELECT commrec.drop_model('courses');
SELECT count(*) FROM commrec.models WHERE events LIKE 'create\_model\_test.%';
DROP SCHEMA create_model_test CASCADE;
