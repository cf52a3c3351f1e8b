--
-- Who may do what: owners, members, readers and strangers; and what somebody else's objects can do.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
\set SHOW_CONTEXT never
CREATE ROLE regress_commrec_owner;
CREATE ROLE regress_commrec_member IN ROLE regress_commrec_owner;
CREATE ROLE regress_commrec_reader;
CREATE ROLE regress_commrec_stranger;
CREATE SCHEMA privileges_test;
GRANT USAGE ON SCHEMA privileges_test TO PUBLIC;
SELECT current_database() AS db \gset
GRANT CREATE ON DATABASE :"db" TO regress_commrec_owner, regress_commrec_stranger;
SET search_path = privileges_test, public;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || replace(SQLERRM, current_database(), 'DATABASE')
		|| CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
END $$;
-- The same as another role.
CREATE FUNCTION try_as(role text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM set_config('role', role, true);
	result := privileges_test.try(command);
	PERFORM set_config('role', 'none', true);
	RETURN result;
END $$;

CREATE TABLE events (user_id bigint, item_id integer, action text, at timestamptz);
INSERT INTO events SELECT u, i, CASE WHEN (u + i) % 2 = 0 THEN 'like' ELSE 'share' END, '2024-05-01 00:00+00'::timestamptz + u * interval '5 hours'
	FROM generate_series(1, 9) AS u, generate_series(1, 9) AS i WHERE (u * 5 + i * 3 + u * i) % 4 < 2;
GRANT SELECT ON events TO regress_commrec_owner;

-- what everybody may call: what reads, and nothing that trains or changes
\pset footer off
SELECT proname, count(*) FROM pg_proc AS p
WHERE pronamespace = 'commrec'::regnamespace AND has_function_privilege('regress_commrec_reader', oid, 'EXECUTE')
GROUP BY proname ORDER BY proname COLLATE "C";
\pset footer on
SELECT string_agg(DISTINCT proname, ', ' ORDER BY proname) AS others FROM pg_proc AS p
WHERE pronamespace = 'commrec'::regnamespace AND NOT has_function_privilege('regress_commrec_reader', oid, 'EXECUTE');
SELECT r, has_schema_privilege(r, 'commrec', 'USAGE') AS usage, has_schema_privilege(r, 'commrec', 'CREATE') AS create,
	has_table_privilege(r, 'commrec.models', 'SELECT') AS models, has_table_privilege(r, 'commrec.progress', 'SELECT') AS progress
FROM unnest('{regress_commrec_reader}'::text[]) AS r;
SELECT left(try_as('regress_commrec_owner', c), 100) FROM unnest(ARRAY['SELECT commrec.create_model(''m'', ''events'')', 'SELECT commrec.alter_model(''m'')',
	'SELECT commrec.drop_model(''m'')', 'SELECT commrec.train(''m'')', 'SELECT commrec.deploy(''m'', 1)',
	'SELECT commrec.rollback(''m'')', 'CALL commrec.refresh(''m'')']) AS c;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO regress_commrec_owner, regress_commrec_stranger;

-- the owner makes models with what he has
SET ROLE regress_commrec_owner;
SELECT count(*) FROM commrec.create_model('guarded', 'events', action_column => 'action', time_column => 'at', hyperparameters => '{"factors": 3}');
SELECT version FROM commrec.train('guarded', workers => 0);
CALL commrec.refresh('guarded', mode => 'retrain');
RESET ROLE;
SELECT model, owner, state FROM commrec.models WHERE model = 'guarded';
SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'guarded'::regnamespace;
SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'guarded';

-- the matrix
CREATE TABLE calls (n integer, command text);
INSERT INTO calls VALUES
	(1, 'SELECT * FROM guarded.recommend(1)'),
	(2, 'SELECT guarded.satisfaction(1)'),
	(3, 'SELECT guarded.knowledge_spread(1, now())'),
	(4, 'SELECT * FROM commrec.recommend(1, 3, ''guarded'')'),
	(5, 'SELECT * FROM commrec.similar_items(1, 3, ''guarded'')'),
	(6, 'SELECT commrec.satisfaction(1, ''guarded'')'),
	(7, 'SELECT commrec.knowledge_spread(1, now(), ''guarded'')'),
	(8, 'SELECT * FROM commrec.satisfaction_detail(1, ''guarded'')'),
	(9, 'SELECT * FROM commrec.objective(''guarded'')'),
	(10, 'SELECT * FROM guarded.item_embedding'),
	(11, 'UPDATE guarded.action SET preference = 1'),
	(12, 'SELECT commrec.train(''guarded'', workers => 0)'),
	(13, 'SELECT commrec.deploy(''guarded'', 2)'),
	(14, 'SELECT commrec.rollback(''guarded'')'),
	(15, 'CALL commrec.refresh(''guarded'', mode => ''retrain'')'),
	(16, 'SELECT commrec.alter_model(''guarded'', ''{"epochs": 3}'')'),
	(17, 'SELECT commrec.lock_model(''guarded'')'),
	(18, 'SELECT commrec.create_functions(''guarded'')'),
	(19, 'SELECT commrec.drop_model(''guarded'')'),
	(20, 'SELECT commrec.satisfaction(1, ''no such model'')');
GRANT SELECT ON calls TO PUBLIC;
-- a member of the owner: everything (undone again)
BEGIN;
SELECT n, left(try_as('regress_commrec_member', command), 90) AS member FROM calls WHERE n <= 18 ORDER BY n;
ROLLBACK;
-- a stranger, even with EXECUTE on everything: nothing
SELECT n, left(try_as('regress_commrec_stranger', command), 90) AS stranger FROM calls ORDER BY n;
-- a reader with USAGE on the schema and nothing else: what needs no table
GRANT USAGE ON SCHEMA guarded TO regress_commrec_reader;
SELECT n, left(try_as('regress_commrec_reader', command), 90) AS reader FROM calls ORDER BY n;
-- with EXECUTE on everything, too
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO regress_commrec_reader;
SELECT n, left(try_as('regress_commrec_reader', command), 90) AS reader FROM calls WHERE n > 11 ORDER BY n;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA commrec FROM regress_commrec_reader;
-- and with SELECT on the activity
GRANT SELECT ON guarded.user_activity TO regress_commrec_reader;
SELECT n, left(try_as('regress_commrec_reader', command), 90) AS reader FROM calls WHERE n IN (8, 9) ORDER BY n;
SET ROLE regress_commrec_reader;
SELECT source IS NULL AS no_source FROM guarded.satisfaction_detail(1) LIMIT 1;
-- the view shows what the role may see
SELECT model, schema, owner, events, rows, versions, deployed_version, state FROM commrec.models;
RESET ROLE;
GRANT SELECT ON guarded.commrec_model, guarded.version, guarded.action TO regress_commrec_reader;
SET ROLE regress_commrec_reader;
SELECT model, schema, owner, events, rows, versions, deployed_version, state FROM commrec.models;
SELECT source FROM guarded.satisfaction_detail(1) LIMIT 1;
SET ROLE regress_commrec_stranger;
SELECT model, schema, owner, events, rows, versions, deployed_version, state FROM commrec.models;
RESET ROLE;
-- taken away again within the session
BEGIN;
SET LOCAL ROLE regress_commrec_reader;
PREPARE ask AS SELECT count(*) FROM guarded.recommend(2, 3);
EXECUTE ask;
SELECT count(*) FROM commrec.recommend(2, 3, 'guarded');
SET LOCAL ROLE regress_commrec_stranger;
SAVEPOINT s;
EXECUTE ask;
ROLLBACK TO s;
SELECT count(*) FROM commrec.recommend(2, 3, 'guarded');
ROLLBACK;
DEALLOCATE ask;
REVOKE USAGE ON SCHEMA guarded FROM regress_commrec_reader;
SELECT try_as('regress_commrec_reader', 'SELECT * FROM commrec.recommend(1, 3, ''guarded'')');
GRANT USAGE ON SCHEMA guarded TO regress_commrec_reader;

-- the events are read as the caller
CREATE TABLE secret AS SELECT * FROM events;
CREATE SCHEMA privileges_closed;
CREATE TABLE privileges_closed.events AS SELECT * FROM events;
GRANT SELECT ON privileges_closed.events TO regress_commrec_stranger;
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''secret'')');
GRANT INSERT ON secret TO regress_commrec_stranger;
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''secret'')');
GRANT SELECT (user_id, action) ON secret TO regress_commrec_stranger;
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''secret'')');
GRANT SELECT (item_id) ON secret TO regress_commrec_stranger;
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''secret'', time_column => ''at'')');
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''privileges_closed.events'')');
SELECT try_as('regress_commrec_stranger', format('SELECT commrec.create_model(''m'', %s::regclass)', 'privileges_closed.events'::regclass::oid));
SET ROLE regress_commrec_stranger;
SELECT count(*) FROM commrec.create_model('columns', 'secret', action_column => 'action');
SELECT version FROM commrec.train('columns', '{"factors": 2}', workers => 0);
SELECT try('SELECT commrec.alter_model(''columns'', time_column => ''at'')');
RESET ROLE;
REVOKE SELECT (action) ON secret FROM regress_commrec_stranger;
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.train(''columns'')');
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.alter_model(''columns'', events => ''secret'')');
SELECT try_as('regress_commrec_stranger', 'SELECT * FROM columns.recommend(1)');
-- row security: said when the model is made
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON events USING (user_id <= 5);
SET ROLE regress_commrec_owner;
SELECT property, value FROM commrec.create_model('rows', 'events') WHERE property IN ('rows', 'users', 'row security');
SELECT commrec.drop_model('rows');
RESET ROLE;
ALTER TABLE events DISABLE ROW LEVEL SECURITY;

-- schemas: one's own only, and only with CREATE on the database
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''privileges_closed'', ''secret'')');
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''secret'', in_schema => ''privileges_closed'')');
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''guarded'', ''secret'')');
REVOKE CREATE ON DATABASE :"db" FROM regress_commrec_stranger;
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.create_model(''m'', ''secret'')');
SELECT try_as('regress_commrec_stranger', 'SELECT commrec.alter_model(''columns'', rename_to => ''m'')');
CREATE SCHEMA for_stranger AUTHORIZATION regress_commrec_stranger;
SET ROLE regress_commrec_stranger;
SELECT count(*) FROM commrec.create_model('m', 'secret', in_schema => 'for_stranger');
SELECT count(*) FROM commrec.alter_model('m', rename_to => 'mine');
SELECT commrec.drop_model('mine');
RESET ROLE;
-- a schema of somebody else's keeps, when the model in it goes
CREATE SCHEMA lent;
GRANT CREATE, USAGE ON SCHEMA lent TO regress_commrec_owner;
ALTER SCHEMA lent OWNER TO regress_commrec_owner;
SET ROLE regress_commrec_owner;
SELECT count(*) FROM commrec.create_model('lent', 'events');
RESET ROLE;
ALTER SCHEMA lent OWNER TO CURRENT_USER;
GRANT USAGE ON SCHEMA lent TO regress_commrec_owner;
SET ROLE regress_commrec_owner;
SELECT commrec.drop_model('lent');
RESET ROLE;
SELECT to_regnamespace('lent') IS NOT NULL AS kept;
DROP SCHEMA lent;

-- tables that look like a model's, made by somebody else: nothing of his runs
CREATE TABLE caught (what text);
GRANT INSERT ON caught TO PUBLIC;
CREATE SCHEMA trap AUTHORIZATION regress_commrec_stranger;
SET ROLE regress_commrec_stranger;
CREATE FUNCTION trap.catch() RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN INSERT INTO privileges_test.caught VALUES (current_user); RETURN true; END';
CREATE TABLE trap.commrec_model (model text, events text, events_oid oid, model_oid oid, algorithm text, more integer);
INSERT INTO trap.commrec_model VALUES ('trap', '"not a name', 0, 0, 'ials', 1);
ALTER TABLE trap.commrec_model ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON trap.commrec_model TO PUBLIC USING (trap.catch());
CREATE TABLE trap.version (version integer, trained_at timestamptz, events bigint, users bigint, items bigint, deployed boolean);
INSERT INTO trap.version VALUES (1, 'infinity', 1, 1, 1, true), (2, '-infinity', 1, 1, 1, true);
GRANT USAGE ON SCHEMA trap TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA trap TO PUBLIC;
RESET ROLE;
SELECT model, events, deployed_version, state FROM commrec.models WHERE schema = 'trap';
SET ROLE regress_commrec_reader;
SELECT model, schema, events FROM commrec.models ORDER BY schema;
RESET ROLE;
ALTER TABLE trap.commrec_model DISABLE ROW LEVEL SECURITY;
SELECT model, events, state FROM commrec.models WHERE schema = 'trap';
-- what the planner would evaluate
CREATE INDEX trap_idx ON trap.commrec_model ((true)) WHERE more > 1;
SELECT model, events, state FROM commrec.models WHERE schema = 'trap';
DROP INDEX trap.trap_idx;
SELECT commrec.is_as_made('trap.commrec_model'::regclass, '{model text}');
ALTER TABLE trap.commrec_model ADD CHECK (more < 100);
SELECT commrec.is_as_made('trap.commrec_model'::regclass, '{model text}');
ALTER TABLE trap.commrec_model ALTER model TYPE varchar;
SELECT model, state FROM commrec.models WHERE schema = 'trap';
DROP TABLE trap.commrec_model;
SET ROLE regress_commrec_stranger;
CREATE VIEW trap.commrec_model AS SELECT 'trap'::text AS model, ''::text AS events, 0::oid AS events_oid, 0::oid AS model_oid,
	'ials'::text AS algorithm WHERE trap.catch();
GRANT SELECT ON trap.commrec_model TO PUBLIC;
RESET ROLE;
SELECT count(*) FROM commrec.models WHERE schema = 'trap';
SELECT try('SELECT * FROM commrec.recommend(1, 3, ''trap'')');
SELECT * FROM caught;
DROP SCHEMA trap CASCADE;

-- a hostile search_path, and temporary objects: no effect on anything
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.trap() RETURNS void LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''caught by hostile''; END';
DO $$
DECLARE
	type text;
	operator text;
	name text;
BEGIN
	FOREACH type IN ARRAY '{bigint,integer,smallint,text,name,oid,float8,timestamptz,boolean,interval,jsonb,regtype,"\"char\""}'::text[] LOOP
		FOREACH operator IN ARRAY '{=,<>,<,>,<=,>=,||,+,-,*,/,->,->>,?,~,~~}'::text[] LOOP
			name := 'f' || md5(type || operator);
			EXECUTE format('CREATE FUNCTION hostile.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS '
				'''BEGIN PERFORM hostile.trap(); RETURN true; END''', name, type, type);
			EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.%I)', operator, type, type, name);
		END LOOP;
	END LOOP;
	FOREACH name IN ARRAY ARRAY['format(text, text)', 'format(text)', 'now()', 'current_database()', 'pg_backend_pid()', 'lower(text)',
		'isfinite(timestamptz)', 'set_config(text, text, boolean)', 'current_setting(text)', 'has_schema_privilege(oid, text)',
		'has_table_privilege(oid, text)', 'pg_has_role(oid, text)', 'string_agg(text, text)', 'cardinality(text[])', 'octet_length(text)',
		'jsonb_strip_nulls(jsonb)', 'count_actions(name, text)', 'relation_name(oid)', 'satisfaction(bigint, text)',
		'recommend_typed(text, bigint, integer, boolean)', 'default_action()', 'model_schema(text)', 'parse_ident(text)'] LOOP
		EXECUTE format('CREATE FUNCTION hostile.%s RETURNS text LANGUAGE plpgsql AS ''BEGIN PERFORM hostile.trap(); RETURN 1; END''', name);
	END LOOP;
	FOREACH name IN ARRAY '{pg_class,pg_namespace,pg_attribute,pg_type,pg_proc,pg_depend,pg_locks,pg_stat_activity,commrec_model,action,version,events}'::text[] LOOP
		EXECUTE format('CREATE TABLE hostile.%I (oid oid)', name);
		EXECUTE format('CREATE TEMP TABLE %I (oid oid)', name);
	END LOOP;
END $$;
CREATE DOMAIN hostile.text AS integer;
CREATE DOMAIN hostile.uuid AS integer;
CREATE DOMAIN hostile.date AS integer;
GRANT ALL ON SCHEMA hostile TO PUBLIC;
SET search_path = pg_temp, hostile, pg_catalog;
-- the traps are there
SELECT 1 = 1;
SELECT 'x'::text;
SELECT pg_catalog.count(*) FROM commrec.create_model('besieged', 'privileges_test.secret', action_column => 'action', time_column => 'at',
	hyperparameters => '{"factors": 2}');
SELECT t.version FROM commrec.train('besieged', workers => 0) AS t;
CALL commrec.refresh('besieged', mode => 'retrain');
SELECT pg_catalog.count(*) FROM commrec.alter_model('besieged', '{"epochs": 2}', time_column => 'at', rename_to => 'siege');
SELECT commrec.rollback('siege');
SELECT commrec.deploy('siege', 2);
SELECT o.users FROM commrec.objective('siege', min_satisfaction => 1) AS o;
SELECT pg_catalog.count(*) FROM siege.recommend(2, 3);
SELECT pg_catalog.count(*) FROM siege.similar_items(1, 3);
SELECT pg_catalog.count(*) FROM siege.recommend_all(3, workers => 0);
CALL commrec.materialize('siege', 'privileges_test."all = users"', 3);
CALL commrec.materialize('siege', 'privileges_test."all = users"', 2);
SELECT pg_catalog.max(rank) FROM privileges_test."all = users";
SELECT siege.satisfaction(1) IS NOT NULL AS satisfaction, siege.knowledge_spread(1, '2024-05-01 05:00+00') IS NOT NULL AS spread;
SELECT pg_catalog.count(d.source) FROM siege.satisfaction_detail(1) AS d;
SELECT pg_catalog.count(*) FROM commrec.recommend(2, 3, 'siege');
SELECT m.model, m.state FROM commrec.models AS m WHERE m.model OPERATOR(pg_catalog.=) 'siege';
SELECT p.pid FROM commrec.progress AS p;
SELECT commrec.drop_model('siege');
SET search_path = privileges_test, public;
SELECT pg_catalog.to_regnamespace('siege');

SET client_min_messages = error;
SET ROLE regress_commrec_owner;
SELECT commrec.drop_model('guarded');
SET ROLE regress_commrec_stranger;
SELECT commrec.drop_model('columns');
RESET ROLE;
DROP SCHEMA privileges_test, privileges_closed, hostile CASCADE;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA commrec FROM regress_commrec_owner, regress_commrec_stranger;
DROP OWNED BY regress_commrec_owner, regress_commrec_member, regress_commrec_reader, regress_commrec_stranger;
DROP ROLE regress_commrec_member, regress_commrec_owner, regress_commrec_reader, regress_commrec_stranger;
