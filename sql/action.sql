--
-- Actions: the dictionary, what create_model and alter_model make of the events, and what the table refuses.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
\set SHOW_CONTEXT never
CREATE SCHEMA action_test;
SET search_path = action_test, public;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

SELECT * FROM commrec.default_action() ORDER BY action COLLATE "C";
-- every entry could stand in a model's table
SELECT count(*), count(DISTINCT action) AS distinct, bool_and(preference <> 0) AS preferences, bool_and(spread >= 0) AS spreads,
	bool_and(satisfaction BETWEEN 0 AND 1) AS satisfactions, bool_and(action = lower(action)) AS lower
FROM commrec.default_action();

CREATE TABLE events (user_id integer, item_id integer, action text, value double precision);
SET client_min_messages = notice;

-- known ones, unknown ones, and events without action
INSERT INTO events VALUES (1, 1, 'like', 3), (1, 2, 'teleport', 4), (2, 1, 'Like', NULL), (2, 2, NULL, 7), (2, 3, '', 8),
	(3, 1, 'dislike', 9), (NULL, 1, 'never seen', 1);
SELECT property, value FROM commrec.create_model('m', 'events', action_column => 'action') WHERE property IN ('rows', 'actions');
SELECT * FROM m.action ORDER BY action;
SELECT commrec.drop_model('m');
-- with a value column, no action means a rating
SELECT property, value FROM commrec.create_model('m', 'events', action_column => 'action', value_column => 'value')
WHERE property IN ('rows', 'actions');
SELECT * FROM m.action ORDER BY action;
SELECT commrec.drop_model('m');

-- neither column; nothing at all
SELECT property, value FROM commrec.create_model('m', 'events') WHERE property IN ('rows', 'actions');
SELECT * FROM m.action;
SELECT commrec.drop_model('m');
CREATE TABLE nothing (LIKE events);
SELECT property, value FROM commrec.create_model('m', 'nothing', action_column => 'action', value_column => 'value')
WHERE property IN ('rows', 'users', 'items', 'times', 'actions');
SELECT * FROM m.action;
SELECT commrec.drop_model('m');
SELECT property, value FROM commrec.create_model('m', 'nothing', value_column => 'value') WHERE property IN ('rows', 'actions');
SELECT * FROM m.action;
SELECT commrec.drop_model('m');

-- the range of values: of finite numbers only; a single one is the top of its range
CREATE TABLE ranges (name text, value double precision);
INSERT INTO ranges VALUES ('a usual', 1), ('a usual', 5), ('a usual', 3), ('b negative', -3), ('b negative', -1),
	('c single', 4), ('d zero', 0), ('e below', -2), ('f odd', 'NaN'), ('f odd', 'Infinity'), ('f odd', '-Infinity'), ('f odd', NULL),
	('g mixed', 'NaN'), ('g mixed', 2), ('g mixed', 6), ('g mixed', 'Infinity'), ('h none', NULL), ('i small', 0.25),
	('j huge', 1e308), ('k huge', -1e308), ('k huge', 1e308), ('l deep', -1.7e308);
CREATE VIEW rated AS SELECT 1 AS user_id, 1 AS item_id, 'rating'::text AS action, value FROM ranges
	WHERE name = current_setting('action_test.name');
SELECT set_config('action_test.name', name, false), try($$SELECT commrec.create_model('m_' || current_setting('action_test.name'),
	'rated', action_column => 'action', value_column => 'value')$$)
FROM (SELECT DISTINCT name FROM ranges ORDER BY name) AS r;
SELECT string_agg(format('SELECT %L AS model, a.action, a.value_low, a.value_high FROM %I.action AS a', model, schema), ' UNION ALL '
	ORDER BY model COLLATE "C") AS query FROM commrec.models WHERE events = 'action_test.rated' \gset
:query;
SELECT count(commrec.drop_model(model)) FROM commrec.models WHERE events = 'action_test.rated';
-- other numbers
CREATE TABLE numbers (user_id integer, item_id integer, s smallint, n numeric, r real);
INSERT INTO numbers VALUES (1, 1, 1, 'NaN', 0.5), (1, 2, 3, 2.5, 1.5), (2, 1, 5, 9.5, 'NaN');
SELECT count(*) FROM commrec.create_model('m_s', 'numbers', value_column => 's');
SELECT count(*) FROM commrec.create_model('m_n', 'numbers', value_column => 'n');
SELECT count(*) FROM commrec.create_model('m_r', 'numbers', value_column => 'r');
SELECT * FROM m_s.action UNION ALL SELECT * FROM m_n.action UNION ALL SELECT * FROM m_r.action;
SELECT commrec.drop_model('m_s'), commrec.drop_model('m_n'), commrec.drop_model('m_r');

-- types of actions
CREATE TYPE kind AS ENUM ('view', 'like', 'odd');
CREATE DOMAIN kind_domain AS kind;
CREATE TABLE kinds (user_id integer, item_id integer, e kind, d kind_domain, c char(6), v varchar(6), n name);
INSERT INTO kinds VALUES (1, 1, 'view', 'like', 'view', 'view', 'view'), (1, 2, 'like', 'like', 'like', 'like', 'like');
SELECT property, value FROM unnest('{e,d,c,v,n}'::text[]) AS c,
	commrec.create_model('m_' || c, 'kinds', action_column => c::name) WHERE property IN ('action', 'actions');
SELECT * FROM m_c.action ORDER BY action;
SELECT count(commrec.drop_model(model)) FROM commrec.models WHERE events = 'action_test.kinds';

-- many unknown ones; too many
CREATE VIEW many AS SELECT n AS user_id, n AS item_id, 'action ' || n AS action
	FROM generate_series(1, current_setting('action_test.count')::integer) AS n;
SET action_test.count = 30;
SELECT left(value, 60), right(value, 30) FROM commrec.create_model('m', 'many', action_column => 'action') WHERE property = 'actions';
SELECT count(*) FROM m.action;
SELECT commrec.drop_model('m');
SET action_test.count = 32768;
SELECT try($$SELECT commrec.create_model('m', 'many', action_column => 'action')$$);

-- alter_model adds what is new and leaves what is there
SET client_min_messages = warning;
SELECT count(*) FROM commrec.create_model('m', 'events', action_column => 'action', value_column => 'value');
UPDATE m.action SET preference = 7 WHERE action = 'like';
INSERT INTO events VALUES (5, 1, 'share', NULL), (5, 2, 'like', NULL);
SET client_min_messages = notice;
SELECT property, value FROM commrec.alter_model('m', action_column => 'action') WHERE property IN ('rows', 'actions');
SELECT action, preference, spread FROM m.action ORDER BY action;

-- the table is the analyst's, within limits
SET client_min_messages = warning;
UPDATE m.action SET preference = 2.5, spread = 0.5, satisfaction = 1, value_low = NULL, value_high = NULL WHERE action = 'rating';
INSERT INTO m.action (action) VALUES ('to come');
SELECT * FROM m.action WHERE action IN ('rating', 'to come') ORDER BY action;
SELECT try(format('UPDATE m.action SET %s WHERE action = ''like''', a)) FROM unnest(ARRAY['preference = ''NaN''',
	'preference = ''-Infinity''', 'preference = NULL', 'spread = -1', 'spread = ''Infinity''', 'spread = ''NaN''',
	'satisfaction = 1.5', 'satisfaction = -0.1', 'satisfaction = ''NaN''', 'value_low = 1', 'value_high = 1',
	'value_low = 2, value_high = 2', 'value_low = 0, value_high = ''NaN''', 'value_low = ''-Infinity'', value_high = 0',
	'value_low = 0, value_high = ''Infinity''', 'action = ''dislike''']) AS a;
SELECT commrec.drop_model('m');
DROP SCHEMA action_test CASCADE;
