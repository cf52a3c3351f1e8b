--
-- The life of a model: alter, rename, refresh, rollback, drop, and what commrec.models says of it.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
\set SHOW_CONTEXT never
CREATE SCHEMA lifecycle_test;
SET search_path = lifecycle_test, public;
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
CREATE VIEW mine AS SELECT model, schema, events, algorithm, rows, users, items, versions, deployed_version AS deployed, state,
	age >= '0' AS has_age FROM commrec.models WHERE events LIKE '%lifecycle%' ORDER BY schema;

CREATE TABLE events (user_id integer, item_id integer, action text, at timestamptz, value real);
INSERT INTO events
	SELECT u, i, CASE WHEN (u + i) % 3 = 0 THEN 'like' WHEN (u + i) % 3 = 1 THEN 'share' ELSE 'view' END,
		'2024-03-01 00:00+00'::timestamptz + u * interval '1 day' + i * interval '1 hour', (u * i) % 5
	FROM generate_series(1, 20) AS u, generate_series(1, 15) AS i WHERE (u * 7 + i * 3 + u * i) % 5 < 2;

SELECT count(*) FROM commrec.create_model('life', 'events', action_column => 'action', hyperparameters => '{"factors": 4, "epochs": 3}');
TABLE mine;
SELECT version FROM commrec.train('life', workers => 0);
TABLE mine;
-- no time column
SELECT try('SELECT life.knowledge_spread(1, now())');
SELECT try('SELECT * FROM commrec.objective(''life'')');
SELECT life.satisfaction(1);
SELECT * FROM life.satisfaction_detail(1);

-- nothing to change
SELECT * FROM commrec.alter_model('life');
-- hyperparameters: laid over the stored ones; null removes
SELECT value FROM commrec.alter_model('life', '{"epochs": 4, "alpha": 2, "factors": null}') WHERE property = 'hyperparameters';
SELECT value FROM commrec.alter_model('life', '{}') WHERE property = 'hyperparameters';
SELECT left(try(format('SELECT commrec.alter_model(''life'', %L)', h)), 100) FROM unnest(ARRAY['{"epochs": 0}', '{"fctors": 3}',
	'{"fctors": null}', '[]', '"epochs"', 'null', '{"alpha": "x"}']) AS h;
SELECT left(try('SELECT commrec.alter_model(''life'', algorithm => ''svd'')'), 60) AS try;
SELECT try('SELECT commrec.alter_model(''life'', bucket => ''1 month'')');
SELECT hyperparameters, algorithm, bucket FROM life.commrec_model;
-- columns; '' is none
SELECT property, value FROM commrec.alter_model('life', time_column => 'at', value_column => 'value', bucket => '12 hours')
WHERE property IN ('time', 'value', 'hyperparameters');
SELECT property, value FROM commrec.alter_model('life', value_column => '', action_column => '')
WHERE property IN ('action', 'time', 'value', 'actions');
SELECT property, value FROM commrec.alter_model('life', action_column => 'action') WHERE property IN ('action', 'actions');
SELECT action FROM life.action ORDER BY action;
SELECT try(format('SELECT commrec.alter_model(''life'', %s)', a)) FROM unnest(ARRAY['user_column => ''who''',
	'user_column => ''action''', 'item_column => ''at''', 'time_column => ''action''', 'events => ''no_such_table''']) AS a;
-- retrained
SELECT version FROM commrec.train('life', workers => 0);
SELECT life.knowledge_spread(1, '2024-03-02 07:00+00') > 0 AS spreads, life.satisfaction(1) > 0 AS satisfied;
SELECT bucket, interactions, signals, source FROM life.satisfaction_detail(1);

-- another relation; ids must stay what they are
CREATE TABLE events2 (who integer, what bigint, item_id integer);
INSERT INTO events2 SELECT user_id, item_id, item_id FROM events;
SELECT try('SELECT commrec.alter_model(''life'', events => ''events2'')');
SELECT try('SELECT commrec.alter_model(''life'', events => ''events2'', user_column => ''who'', item_column => ''what'', action_column => '''', time_column => '''')');
SELECT property, value FROM commrec.alter_model('life', events => 'events2', user_column => 'who', action_column => '', time_column => '')
WHERE property IN ('events', 'user', 'item', 'rows', 'users', 'items');
SELECT events FROM mine;
SELECT count(*) FROM commrec.alter_model('life', events => 'events', user_column => 'user_id', action_column => 'action', time_column => 'at');

-- the source renamed, moved, dropped, brought back
ALTER TABLE events RENAME TO "renamed; --";
SELECT events, state FROM mine;
CREATE SCHEMA lifecycle_other;
ALTER TABLE "renamed; --" SET SCHEMA lifecycle_other;
SELECT events, state FROM mine;
SELECT version FROM commrec.train('life', workers => 0);
BEGIN;
DROP TABLE lifecycle_other."renamed; --";
SELECT events, state, deployed FROM mine;
SELECT count(*) FROM life.recommend(1, 3);
SELECT left(try('SELECT commrec.train(''life'')'), 60);
SELECT try('SELECT commrec.alter_model(''life'', action_column => ''action'')');
SELECT value FROM commrec.alter_model('life', '{"epochs": 2}') WHERE property IN ('events', 'hyperparameters');
-- by name, as after a restore
UPDATE life.commrec_model SET model_oid = 0;
SELECT state FROM mine;
SELECT count(*) FROM commrec.alter_model('life', events => 'events2', user_column => 'who', action_column => '', time_column => '');
SELECT events, state FROM mine;
SELECT model_oid = 'life.commrec_model'::regclass AS here FROM life.commrec_model;
ROLLBACK;
ALTER TABLE lifecycle_other."renamed; --" SET SCHEMA lifecycle_test;
ALTER TABLE "renamed; --" RENAME TO events;
UPDATE life.commrec_model SET model_oid = 0, events = 'lifecycle_test.events';
SELECT events, state FROM mine;
UPDATE life.commrec_model SET events = 'lifecycle_test.gone';
SELECT events, state FROM mine;
UPDATE life.commrec_model SET events = 'lifecycle_test.events';
-- a column renamed or retyped: the model serves on, training and altering say what is wrong
ALTER TABLE events RENAME item_id TO item;
SELECT left(try('SELECT commrec.train(''life'')'), 60);
SELECT count(*) FROM life.recommend(1, 3);
SELECT count(*) FROM commrec.alter_model('life', item_column => 'item');
ALTER TABLE events ALTER item TYPE text;
SELECT left(try('SELECT commrec.train(''life'')'), 50);
SELECT try('SELECT commrec.alter_model(''life'', action_column => ''action'')');
SELECT count(*) FROM life.recommend(1, 3);
ALTER TABLE events ALTER item TYPE integer USING item::integer;
ALTER TABLE events RENAME item TO item_id;
SELECT count(*) FROM commrec.alter_model('life', item_column => 'item_id');

-- rollback goes back one by one, among those whose data are still there
SELECT version, deployed FROM life.version ORDER BY version;
SELECT commrec.rollback('life');
SELECT try('SELECT commrec.rollback(''life'')');
SELECT commrec.deploy('life', 3);
SELECT commrec.rollback('life');
SELECT deployed FROM mine;
UPDATE life.version SET deployed = false;
SELECT try('SELECT commrec.rollback(''life'')');
SELECT deployed, state FROM mine;
SELECT commrec.deploy('life', 3);

-- refresh
CALL commrec.refresh('life', mode => 'retrain');
CALL commrec.refresh('life', if_running => 'skip', hyperparameters => '{"factors": 3}');
CALL commrec.refresh('life', if_running => NULL, mode => 'retrain');
SELECT version, hyperparameters -> 'factors' AS factors FROM life.version WHERE version > 3 ORDER BY version;
SELECT left(try(c), 110) FROM unnest(ARRAY['CALL commrec.refresh(''life'', if_running => ''wait'')', 'CALL commrec.refresh(NULL)',
	'CALL commrec.refresh(''no such model'')', 'CALL commrec.refresh(''life'', hyperparameters => ''{"factors": 0}'')']) AS c;

-- rename: the schema goes along if it bears the model's name
CREATE VIEW report AS SELECT e.user_id, life.satisfaction(e.user_id) AS satisfied, r.item_id
	FROM (SELECT DISTINCT user_id FROM events) AS e, life.recommend(e.user_id, 1) AS r;
SELECT count(*) FROM report;
SELECT value FROM commrec.alter_model('life', rename_to => 'a"; drop table x; --') WHERE property IN ('model', 'schema', 'next');
SELECT model, schema, versions, state FROM mine;
SELECT count(*) FROM report;
SELECT count(*) FROM "a""; drop table x; --".recommend(1, 3);
SELECT try('SELECT commrec.train(''life'')');
SELECT count(*) FROM commrec.alter_model('a"; drop table x; --', rename_to => 'life');
SELECT try(format('SELECT commrec.alter_model(''life'', rename_to => %L)', n)) FROM unnest(ARRAY['', repeat('x', 64),
	'lifecycle_test', 'pg_life']) AS n;
SELECT count(*) FROM commrec.alter_model('life', rename_to => 'life');
-- the schema renamed: both names find the model
ALTER SCHEMA life RENAME TO lessons;
SELECT model, schema FROM mine;
SELECT (SELECT count(*) FROM lessons.recommend(1, 3)) AS typed, (SELECT count(*) FROM commrec.recommend(1, 3, 'life')) AS by_name,
	(SELECT count(*) FROM commrec.recommend(1, 3, 'lessons')) AS by_schema;
SELECT try('SELECT commrec.create_model(''life'', ''events'')');
-- then only the name changes
SELECT value FROM commrec.alter_model('lessons', rename_to => 'course life') WHERE property IN ('model', 'schema');
SELECT count(*) FROM lessons.recommend(1, 3);
SELECT count(*) FROM commrec.create_model('life', 'events');
SELECT try('SELECT commrec.alter_model(''course life'', rename_to => ''life'')');
SELECT commrec.drop_model('life');
SELECT value FROM commrec.alter_model('course life', rename_to => 'lessons') WHERE property IN ('model', 'schema');
SELECT count(*) FROM report;

-- drop: what depends on the model is named, or goes with cascade
SELECT try('SELECT commrec.drop_model(''lessons'')');
SELECT count(*) FROM report;
DROP VIEW report;
CREATE VIEW activity AS SELECT * FROM lessons.user_activity;
SELECT try('SELECT commrec.drop_model(''lessons'')');
SELECT (SELECT count(*) FROM lessons.recommend(1, 3)) AS still_there;
SET client_min_messages = error;
SELECT commrec.drop_model('lessons', cascade => true);
SET client_min_messages = warning;
SELECT to_regclass('activity'), to_regnamespace('lessons');
-- other things in the schema stay, and so does the schema
SELECT count(*) FROM commrec.create_model('life', 'events');
CREATE TABLE life.notes (a integer);
CREATE FUNCTION life.satisfaction(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT commrec.drop_model('life');
SELECT c.oid::regclass FROM pg_class AS c WHERE relnamespace = 'life'::regnamespace;
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace = 'life'::regnamespace;
SELECT try('SELECT commrec.create_model(''life'', ''events'')');
DROP SCHEMA life CASCADE;
SELECT try(c) FROM unnest(ARRAY['SELECT commrec.drop_model(''life'')', 'SELECT commrec.drop_model(NULL)',
	'SELECT commrec.alter_model(NULL)', 'SELECT commrec.alter_model(''life'')', 'SELECT commrec.rollback(NULL)',
	'SELECT commrec.lock_model(NULL)', 'SELECT commrec.require_owner(NULL)', 'SELECT commrec.model_schema(''life'')']) AS c;
-- a table of the model that is lost does not keep it from being dropped
SELECT count(*) FROM commrec.create_model('life', 'events');
DROP TABLE life.epoch, life.user_activity;
DROP FUNCTION life.satisfaction_detail;
SELECT try('SELECT life.satisfaction(1)');
SELECT commrec.drop_model('life');
SELECT to_regnamespace('life');
-- so is a whole schema
SELECT count(*) FROM commrec.create_model('life', 'events');
SET client_min_messages = error;
DROP SCHEMA life CASCADE;
SET client_min_messages = warning;
TABLE mine;

-- all or nothing
BEGIN;
SELECT count(*) FROM commrec.create_model('life', 'events');
SAVEPOINT s;
SELECT count(*) FROM commrec.alter_model('life', rename_to => 'other life');
ROLLBACK TO s;
SELECT model FROM mine;
SELECT commrec.drop_model('life');
ROLLBACK;
TABLE mine;
BEGIN READ ONLY;
SELECT try('SELECT commrec.create_model(''life'', ''events'')');
ROLLBACK;

-- the typed functions go with the extension, the tables stay, and a new extension serves them
SELECT count(*) FROM commrec.create_model('life', 'events', hyperparameters => '{"factors": 2}');
SELECT version FROM commrec.train('life', workers => 0);
BEGIN;
SET LOCAL client_min_messages = error;
DROP VIEW mine;
DROP EXTENSION commrec;
SELECT count(*) FROM pg_proc WHERE pronamespace = 'life'::regnamespace;
SELECT count(*) > 0 AS kept FROM life.item_embedding;
CREATE EXTENSION commrec;
SELECT count(*) FROM commrec.recommend(1, 3, 'life');
SELECT count(*) FROM commrec.alter_model('life');
SELECT count(*) FROM life.recommend(1, 3);
ROLLBACK;
SELECT count(*) FROM life.recommend(1, 3);
SELECT commrec.drop_model('life');

-- nobody trains now
SELECT * FROM commrec.progress;
SELECT * FROM commrec.training_locks();
SET client_min_messages = error;
DROP SCHEMA lifecycle_test, lifecycle_other CASCADE;
