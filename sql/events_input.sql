--
-- What may come as events, and what may happen to them: every bad input has its answer.
--
SET client_min_messages = error;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
CREATE SCHEMA input;

-- A model over input.events with little to compute.
CREATE FUNCTION input.make(model name, events regclass, action_column name DEFAULT NULL, time_column name DEFAULT NULL,
	value_column name DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM commrec.create_model(model, events, action_column => action_column, time_column => time_column,
		value_column => value_column,
		hyperparameters => '{"factors": 2, "epochs": 2, "popularity_weight": 0.1, "popularity_half_life": "Infinity"}');
END
$$;

-- Train; what came of it in one line, errors too.
CREATE FUNCTION input.train(model text, strict boolean DEFAULT false, allow_row_security boolean DEFAULT false)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	hint text;
BEGIN
	SELECT format('%s events, %s users, %s items, skipped: %s', events, users, items, coalesce(
			(SELECT string_agg(value || ' ' || key, ', ' ORDER BY key) FROM jsonb_each_text(skipped) WHERE value <> '0'),
			'none'))
		INTO STRICT result
		FROM commrec.train(model, workers => 0, strict => train.strict, allow_row_security => train.allow_row_security);
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN format('%s: %s%s', SQLSTATE, SQLERRM, ' / ' || nullif(hint, ''));
END
$$;

-- The SQLSTATE of any statement.
CREATE FUNCTION input.state(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;

-- The latest training in one line: the same bits or not?
CREATE FUNCTION input.bits(model name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	latest integer;
	result text;
BEGIN
	EXECUTE format('SELECT max(version) FROM %I.version', model) INTO latest;
	EXECUTE format('SELECT md5(string_agg(line, E''\n'' ORDER BY line COLLATE "C")) FROM (
			SELECT ''u'' || user_id || coalesce(embedding::text, ''-'') || seen::text FROM %1$I.user_embedding WHERE version = %2$s
			UNION ALL SELECT ''i'' || item_id || '' '' || item_no || embedding::text FROM %1$I.item_embedding WHERE version = %2$s
			UNION ALL SELECT ''a'' || user_id || extract(epoch FROM bucket) || '' '' || encode(float8send(spread), ''hex'')
				|| coalesce(encode(float8send(satisfaction), ''hex''), ''-'') || signals FROM %1$I.user_activity
			UNION ALL SELECT ''s'' || item_id || encode(float8send(coefficient), ''hex'') FROM %1$I.item_spread
			UNION ALL SELECT ''f'' || extract(epoch FROM bucket) || encode(float8send(factor), ''hex'') FROM %1$I.spread_factor)
			AS l (line)', model, latest) INTO result;
	RETURN result;
END
$$;

-- Something to learn from.
CREATE VIEW input.sound AS
	SELECT u::bigint AS user_id, i::bigint AS item_id, (ARRAY['view', 'like', 'rating'])[1 + (u + i) % 3] AS action,
		timestamptz '2026-01-01 12:00Z' + (u * 5 + i * 3) % 20 * interval '1 day' AS at,
		(1 + (u + 2 * i) % 5)::float8 AS value
	FROM generate_series(1, 12) AS u, generate_series(1, 9) AS i WHERE (u * 7 + i * 5) % 4 <> 0;
CREATE TABLE input.events AS TABLE input.sound;
DO $$ BEGIN PERFORM input.make('input_model', 'input.events', 'action', 'at', 'value'); END $$;
UPDATE input_model.action SET value_low = 1, value_high = 5 WHERE action = 'rating';
SELECT input.train('input_model');

-- 3, 4, 5, 6, 10, 11: NULLs, numbers that are none, times that are none, and the future.
INSERT INTO input.events VALUES
	(NULL, 1, 'view', '2026-01-01', NULL), (1, NULL, 'view', '2026-01-01', NULL), (NULL, NULL, NULL, NULL, NULL),
	(1, 1, 'rating', '2026-01-02', NULL), (2, 1, 'view', '2026-01-02', NULL),
	(1, 1, 'view', NULL, NULL), (1, 2, 'view', NULL, NULL),
	(1, 1, 'rating', '2026-01-02', 'NaN'), (1, 1, 'rating', '2026-01-02', 'Infinity'),
	(1, 1, 'rating', '2026-01-02', '-Infinity'), (3, 1, 'view', '2026-01-02', 'NaN'),
	(1, 1, 'view', 'infinity', NULL), (1, 1, 'view', '-infinity', NULL);
SET client_min_messages = notice;
SELECT input.train('input_model');
SELECT input.train('input_model', strict => true);
INSERT INTO input.events VALUES (1, 1, 'view', '2999-01-01', NULL), (2, 1, 'view', '2999-01-01', NULL);
SELECT input.train('input_model');
SET client_min_messages = error;
SELECT version, events, skipped, events_until FROM input_model.version ORDER BY version;
SELECT (SELECT sum(interactions) FROM input_model.user_activity) + (skipped ->> 'no_time')::bigint = events AS adds_up
FROM input_model.version WHERE deployed;

-- An event without action is a rating here; a new action joins the table, with a NOTICE.
INSERT INTO input.events VALUES (4, 1, NULL, '2026-01-03', 3), (4, 2, 'applause', '2026-01-03', 3), (4, 3, '', '2026-01-03', 3);
SET client_min_messages = notice;
SELECT input.train('input_model');
SET client_min_messages = error;
SELECT action, preference, spread, satisfaction, value_low FROM input_model.action WHERE action IN ('applause', '', 'rating')
ORDER BY action;

-- What the analyst may write into the table of actions.
ALTER TABLE input_model.action ALTER preference DROP NOT NULL;
DO $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'input_model.action'::regclass AND contype = 'c' LOOP
		EXECUTE format('ALTER TABLE input_model.action DROP CONSTRAINT %I', name);
	END LOOP;
END
$$;
CREATE TABLE input.action AS TABLE input_model.action;
CREATE FUNCTION input.train_with(change text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'UPDATE input_model.action SET ' || change || ' WHERE action = ''rating''';
	change := input.train('input_model');
	DELETE FROM input_model.action;
	INSERT INTO input_model.action TABLE input.action;
	RETURN change;
END
$$;
SELECT change, input.train_with(change) FROM unnest(ARRAY[
	'preference = ''NaN''', 'preference = NULL', 'spread = -1', 'spread = ''Infinity''', 'satisfaction = 1.5',
	'value_low = 5', 'value_low = 6', 'value_high = NULL', 'value_low = ''-Infinity''',
	'value_low = -1e308, value_high = 1e308']) AS change;
DROP FUNCTION input.train_with(text);

-- 7: a negative sum is no positive pair.  That such an item is never recommended: see the test "recommend".
UPDATE input_model.action SET preference = -1 WHERE action = 'view';
SELECT input.train('input_model') NOT LIKE '%: %: %' AS trains;
SELECT count(*) AS pairs_too_many FROM input_model.version AS v WHERE deployed AND pairs <> (
	SELECT count(*) FROM (
		SELECT 1 FROM (SELECT DISTINCT ON (user_id, item_id, action, at) * FROM input.events
			WHERE NOT coalesce(NOT isfinite(at), false)
				AND (coalesce(action, 'rating') <> 'rating' OR value > '-Infinity' AND value < 'Infinity')
			ORDER BY user_id, item_id, action, at, value DESC) AS e
		JOIN input_model.action AS a ON a.action = coalesce(e.action, 'rating')
		WHERE user_id IS NOT NULL AND item_id IS NOT NULL
		GROUP BY user_id, item_id HAVING sum(preference * coalesce((value - value_low) / (value_high - value_low), 1)) > 0) AS p);

-- 8, 14: nothing to learn; the old model stays.
CREATE TABLE input.answers AS SELECT u, r.* FROM generate_series(1::bigint, 12) AS u, commrec.recommend(u, 5, 'input_model') AS r;
UPDATE input_model.action SET preference = 0;
SELECT input.train('input_model');
UPDATE input_model.action SET preference = 1;
TRUNCATE input.events;
SELECT input.train('input_model');
INSERT INTO input.events VALUES (NULL, 1), (2, NULL);
SELECT input.train('input_model');
SELECT count(*) AS changed FROM (
	SELECT u, r.* FROM generate_series(1::bigint, 12) AS u, commrec.recommend(u, 5, 'input_model') AS r
	EXCEPT TABLE input.answers) AS d;

-- 9: sums that overflow a float.
TRUNCATE input.events;
INSERT INTO input.events TABLE input.sound;
INSERT INTO input.events VALUES (1, 1, 'rating', '2026-01-01', 1e308);
SELECT input.train('input_model');
UPDATE input.events SET value = -1e308 WHERE value = 1e308;
SELECT input.train('input_model');

-- 12: years far away.
TRUNCATE input.events;
INSERT INTO input.events TABLE input.sound;
INSERT INTO input.events VALUES (1, 1, 'view', '4713-11-24 00:00Z BC', NULL), (2, 1, 'view', '0044-03-15 12:00Z BC', NULL),
	(3, 1, 'view', '294276-12-31 23:59:59Z', NULL);
SELECT input.train('input_model');
SELECT min(bucket), max(bucket) FROM input_model.user_activity;
SELECT input.state($$SELECT commrec.train('input_model', '{"half_life": 1}', workers => 0)$$);

-- 13: without time zone, and dates, are UTC, whatever the session thinks.
SET timezone = 'Pacific/Auckland';
CREATE TABLE input.stamps AS SELECT user_id, item_id, action, at AT TIME ZONE 'UTC' AS at FROM input.sound;
CREATE TABLE input.dates AS SELECT user_id, item_id, action, (at AT TIME ZONE 'UTC')::date AS at FROM input.sound;
CREATE TABLE input.zoned AS SELECT user_id, item_id, action, at FROM input.sound;
DO $$
BEGIN
	PERFORM input.make('input_' || n, ('input.' || n)::regclass, 'action', 'at') FROM unnest(ARRAY['stamps', 'dates', 'zoned']) AS n;
END
$$;
SELECT n, input.train('input_' || n) FROM unnest(ARRAY['stamps', 'dates', 'zoned']) AS n;
SELECT input.bits('input_stamps') = input.bits('input_zoned') AS stamps_are_utc,
	(SELECT array_agg(f::text ORDER BY bucket) FROM input_dates.spread_factor AS f) =
	(SELECT array_agg(f::text ORDER BY bucket) FROM input_zoned.spread_factor AS f) AS dates_are_utc;
INSERT INTO input.dates VALUES (1, 1, 'view', 'infinity'), (1, 1, 'view', '-infinity');
SELECT input.train('input_dates');
INSERT INTO input.dates VALUES (1, 1, 'view', '5874897-12-31');
SELECT input.state($$SELECT commrec.train('input_dates', workers => 0)$$);
SET timezone = 'UTC';

-- 15, 16: one event, one user, one item; a user who has seen everything.
TRUNCATE input.events;
INSERT INTO input.events VALUES (1, 1, 'like', '2026-01-01', NULL);
SET client_min_messages = warning;
SELECT input.train('input_model');
SELECT * FROM commrec.recommend(1::bigint, 10, 'input_model');
SELECT rank, item_id, source FROM commrec.recommend(2::bigint, 10, 'input_model');
INSERT INTO input.events VALUES (1, 2, 'like', '2026-01-01', NULL);
SELECT input.train('input_model');
UPDATE input.events SET user_id = item_id, item_id = 1;
SELECT input.train('input_model');
SELECT rank, item_id, source FROM commrec.recommend(1::bigint, 10, 'input_model', false);
SET client_min_messages = error;

-- 17: duplicates and the order of rows change nothing; of duplicates the largest value counts.
TRUNCATE input.events;
INSERT INTO input.events SELECT * FROM input.sound ORDER BY user_id, item_id;
INSERT INTO input.events VALUES (5, 1, 'rating', '2026-01-01', 2), (5, 1, 'rating', '2026-01-01', 4),
	(5, 2, 'later', '2026-01-01', 1), (5, 3, 'earlier', '2026-01-01', 1);
SELECT input.train('input_model');
CREATE TABLE input.bits_before AS SELECT input.bits('input_model') AS bits;
CREATE TABLE input.shuffled AS SELECT * FROM (TABLE input.events UNION ALL TABLE input.events) AS e
	ORDER BY md5(e::text), e::text;
DELETE FROM input_model.action WHERE action IN ('later', 'earlier');
TRUNCATE input.events;
INSERT INTO input.events SELECT * FROM input.shuffled;
SELECT input.train('input_model');
SELECT bits = input.bits('input_model') AS same_bits FROM input.bits_before;
DELETE FROM input.events WHERE user_id = 5 AND item_id = 1 AND action = 'rating' AND at = '2026-01-01' AND value = 2;
SELECT input.train('input_model');
SELECT bits = input.bits('input_model') AS largest_value_counts FROM input.bits_before;

-- The same for a pair with many events, whatever tells them apart.
CREATE TABLE input.often AS
	SELECT 1 + n % 3 AS user_id, 1 + n % 2 AS item_id, (ARRAY['rating', 'view', 'a long name of an action'])[1 + n / 7 % 3] AS action,
		timestamptz '2026-01-01 00:00Z' + n * 7919 % 53 * interval '1 hour' AS at, (1 + n * 31 % 5)::float8 AS value
	FROM generate_series(1, 3000) AS n;
TRUNCATE input.events;
INSERT INTO input.events TABLE input.sound UNION ALL TABLE input.often;
SELECT input.train('input_model');
SELECT version.events = (SELECT count(*) FROM (SELECT DISTINCT user_id, item_id, action, at FROM input.events) AS d) AS kept
FROM input_model.version WHERE deployed;
CREATE TABLE input.bits_often AS SELECT input.bits('input_model') AS bits;
CREATE TABLE input.best AS SELECT DISTINCT ON (user_id, item_id, action, at) * FROM input.events
	ORDER BY user_id, item_id, action, at, value DESC;
TRUNCATE input.events;
INSERT INTO input.events SELECT * FROM input.best ORDER BY md5(best::text);
SELECT input.train('input_model');
SELECT bits = input.bits('input_model') AS same_bits FROM input.bits_often;
TRUNCATE input.events;
INSERT INTO input.events SELECT * FROM input.shuffled;
DELETE FROM input.events WHERE user_id = 5 AND item_id = 1 AND action = 'rating' AND at = '2026-01-01' AND value = 2;

-- 62: settings of the session change no bit.
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -15;
SET intervalstyle = 'sql_standard';
SET timezone = 'America/St_Johns';
SET bytea_output = 'escape';
SELECT input.train('input_model');
RESET extra_float_digits;
RESET intervalstyle;
RESET bytea_output;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
SELECT bits = input.bits('input_model') AS same_bits FROM input.bits_before;

-- 18: one pair again and again.
TRUNCATE input.events;
INSERT INTO input.events TABLE input.sound;
INSERT INTO input.events SELECT 1, 1, 'like', '2026-01-01 00:00Z'::timestamptz + n * interval '1 second', NULL
FROM generate_series(1, 200000) AS n;
SELECT input.train('input_model');
SELECT interactions > 80000 AS many, items FROM input_model.user_activity WHERE user_id = 1 AND bucket = '2026-01-01 00:00Z';
SELECT bool_and(abs(f) < 1e6) AS finite
FROM input_model.user_embedding JOIN input_model.version AS v USING (version),
	unnest(commrec.embedding_to_array(embedding)) AS f WHERE v.deployed;

-- Ids that are close together, from both ends, and then are not any more; the same as text and uuid.
CREATE TABLE input.near (user_id bigint, item_id bigint);
INSERT INTO input.near SELECT 3000 - n, n % 40 FROM generate_series(1, 8000) AS n;
INSERT INTO input.near SELECT 3000 + n, 5000 + n % 3000 FROM generate_series(1, 8000) AS n;
CREATE TABLE input.far AS TABLE input.near;
INSERT INTO input.far SELECT n * 1000000007, n * -1000000007 FROM generate_series(1::bigint, 5000) AS n;
INSERT INTO input.far SELECT 9000 - n, n % 40 FROM generate_series(1, 9000) AS n;
CREATE TABLE input.named AS SELECT 'member ' || user_id AS user_id, md5(item_id::text)::uuid AS item_id FROM input.far;
DO $$
BEGIN
	PERFORM input.make('input_' || n, ('input.' || n)::regclass) FROM unnest(ARRAY['near', 'far', 'named']) AS n;
END
$$;
SELECT n, input.train('input_' || n) FROM unnest(ARRAY['near', 'far', 'named']) AS n;
-- Ids that are not what the events say, or did not meet as many of the other side.
CREATE FUNCTION input.wrong(model name, events regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('SELECT (SELECT count(*) FROM (SELECT user_id, count(DISTINCT item_id) FROM %1$s GROUP BY user_id) AS e (id, n)
			FULL JOIN %2$I.user_embedding AS u ON u.user_id = e.id WHERE u.items IS DISTINCT FROM e.n)
		+ (SELECT count(*) FROM (SELECT item_id, count(DISTINCT user_id) FROM %1$s GROUP BY item_id) AS e (id, n)
			FULL JOIN %2$I.item_embedding AS i ON i.item_id = e.id WHERE i.users IS DISTINCT FROM e.n)', events, model)
		INTO result;
	RETURN result;
END
$$;
SELECT n, input.wrong('input_' || n, ('input.' || n)::regclass) FROM unnest(ARRAY['near', 'far', 'named']) AS n;

-- 32, 33, 34: the ends of the integers, the empty text, text that is too long.
CREATE TABLE input.small (user_id smallint, item_id smallint);
CREATE TABLE input.medium (user_id integer, item_id integer);
CREATE TABLE input.large (user_id bigint, item_id bigint);
CREATE TABLE input.texts (user_id varchar, item_id text);
CREATE DOMAIN input.positive AS bigint CHECK (VALUE > 0);
CREATE TABLE input.domains (user_id input.positive, item_id uuid);
INSERT INTO input.small VALUES (-32768, 32767), (32767, -32768), (0, 32767), (0, 0), (1, 1), (-1, 1), (-1, 0);
INSERT INTO input.medium VALUES (-2147483648, 2147483647), (2147483647, -2147483648), (0, 2147483647), (0, 0), (-1, 0);
INSERT INTO input.large VALUES (-9223372036854775808, 9223372036854775807), (9223372036854775807, -9223372036854775808),
	(0, 9223372036854775807), (0, 0), (-1, 0);
INSERT INTO input.texts VALUES ('', 'b'), ('', ''), ('a', ''), ('ab', 'abcdefgh'), ('a', 'abcdefghi'), ('b', 'abcdefgh'),
	(NULL, 'x'), (repeat('x', 1024), repeat('y', 1024)), (repeat('x', 1023) || 'w', repeat('y', 1024));
INSERT INTO input.texts SELECT 'member ' || n, 'post ' || n % 7 || repeat('z', n) FROM generate_series(1, 90) AS n;
INSERT INTO input.domains SELECT n, md5((n % 11)::text)::uuid FROM generate_series(1, 60) AS n;
DO $$
BEGIN
	PERFORM input.make('input_' || n, ('input.' || n)::regclass)
	FROM unnest(ARRAY['small', 'medium', 'large', 'texts', 'domains']) AS n;
END
$$;
SELECT n, input.train('input_' || n) FROM unnest(ARRAY['small', 'medium', 'large', 'texts', 'domains']) AS n;
SELECT array_agg(item_id ORDER BY item_id) FROM input_small.item_embedding;
SELECT array_agg(user_id ORDER BY user_id) FROM input_medium.user_embedding;
SELECT array_agg(user_id ORDER BY user_id) FROM input_large.user_embedding;
SELECT (SELECT count(*) FROM (SELECT user_id FROM input.texts WHERE user_id IS NOT NULL EXCEPT SELECT user_id FROM input_texts.user_embedding) AS e) AS missing_users,
	(SELECT count(*) FROM (SELECT item_id FROM input.texts WHERE user_id IS NOT NULL EXCEPT SELECT item_id FROM input_texts.item_embedding) AS e) AS missing_items,
	(SELECT count(*) FROM input_texts.user_embedding) AS users;
SELECT count(*) AS missing FROM (SELECT item_id FROM input.domains EXCEPT SELECT item_id FROM input_domains.item_embedding) AS e;
INSERT INTO input.texts VALUES ('a', repeat('x', 1025));
SELECT input.train('input_texts');
UPDATE input.texts SET item_id = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 32768) AS n) WHERE length(item_id) = 1025;
SELECT input.train('input_texts');

-- 37: a table or a column that is not there.
SELECT input.state($$SELECT commrec.create_model('input_none', 'input.nowhere')$$);
SELECT input.state($$SELECT commrec.create_model('input_none', 'input.events', item_column => 'item')$$);

-- 38, 39: columns dropped before, renamed, retyped.
CREATE TABLE input.columns (a text, user_id bigint, b text, item_id bigint, c text, at timestamptz);
INSERT INTO input.columns (user_id, item_id, at) SELECT user_id, item_id, at FROM input.sound;
DO $$ BEGIN PERFORM input.make('input_columns', 'input.columns', time_column => 'at'); END $$;
ALTER TABLE input.columns DROP a, DROP b;
SELECT input.train('input_columns');
ALTER TABLE input.columns DROP c;
SELECT input.train('input_columns');
ALTER TABLE input.columns RENAME item_id TO post_id;
SELECT input.train('input_columns');
SELECT count(*) FROM commrec.recommend(1::bigint, 2, 'input_columns');
ALTER TABLE input.columns RENAME post_id TO item_id;
ALTER TABLE input.columns ALTER item_id TYPE integer;
SELECT input.train('input_columns');
SELECT count(*) FROM commrec.recommend(1::bigint, 2, 'input_columns');
ALTER TABLE input.columns ALTER item_id TYPE bigint, ALTER at TYPE text USING 'soon';
SELECT input.train('input_columns');
ALTER TABLE input.columns DROP at;
SELECT input.train('input_columns');
ALTER TABLE input.columns ADD at timestamptz;
SELECT input.train('input_columns');

-- 40: the source renamed, moved, dropped.
ALTER TABLE input.columns RENAME TO renamed;
SELECT input.train('input_columns');
ALTER TABLE input.renamed SET SCHEMA public;
SELECT input.train('input_columns');
DROP TABLE public.renamed;
SELECT regexp_replace(input.train('input_columns'), '(input|public)\.\w+', 'the source');
SELECT count(*) FROM commrec.recommend(1::bigint, 2, 'input_columns');

-- 41: every kind of relation that can be read.
CREATE VIEW input.plain_view AS SELECT user_id, item_id FROM input.sound;
CREATE VIEW input.barrier_view WITH (security_barrier) AS SELECT user_id, item_id FROM input.sound;
CREATE MATERIALIZED VIEW input.matview AS SELECT user_id, item_id FROM input.sound;
CREATE TABLE input.partitioned (user_id bigint, item_id bigint) PARTITION BY HASH (user_id);
CREATE TABLE input.part_0 PARTITION OF input.partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE input.part_1 PARTITION OF input.partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE input.parent (user_id bigint, item_id bigint);
CREATE TABLE input.child (at timestamptz) INHERITS (input.parent);
CREATE UNLOGGED TABLE input.unlogged (user_id bigint, item_id bigint);
CREATE TEMPORARY TABLE temporary_events (user_id bigint, item_id bigint);
INSERT INTO input.partitioned SELECT user_id, item_id FROM input.sound;
INSERT INTO input.parent SELECT user_id, item_id FROM input.sound WHERE user_id % 2 = 0;
INSERT INTO input.child SELECT user_id, item_id FROM input.sound WHERE user_id % 2 = 1;
INSERT INTO input.unlogged SELECT user_id, item_id FROM input.sound;
INSERT INTO temporary_events SELECT user_id, item_id FROM input.sound;
DO $$
BEGIN
	PERFORM input.make('input_' || n, ('input.' || n)::regclass)
	FROM unnest(ARRAY['plain_view', 'barrier_view', 'matview', 'partitioned', 'parent', 'unlogged']) AS n;
	PERFORM input.make('input_temporary', 'temporary_events');
END
$$;
SELECT n, input.train('input_' || n) FROM unnest(ARRAY['plain_view', 'barrier_view', 'matview', 'partitioned', 'parent',
	'unlogged', 'temporary']) AS n;
SELECT count(DISTINCT input.bits('input_' || n)) AS different_answers FROM unnest(ARRAY['plain_view', 'barrier_view', 'matview',
	'partitioned', 'parent', 'unlogged', 'temporary']) AS n;
REFRESH MATERIALIZED VIEW input.matview WITH NO DATA;
SELECT input.state($$SELECT commrec.train('input_matview', workers => 0)$$);

-- 42: what cannot be read.
CREATE INDEX events_index ON input.events (user_id);
CREATE SEQUENCE input.sequence;
CREATE TYPE input.composite AS (user_id bigint, item_id bigint);
SELECT n, input.state(format('SELECT commrec.create_model(%L, %L)', 'input_kind', 'input.' || n))
FROM unnest(ARRAY['events_index', 'sequence', 'composite']) AS n;

-- 43: an error in a view is the view's, and nothing is published.
CREATE FUNCTION input.fail(bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF $1 = 7 THEN
		RAISE EXCEPTION 'not with seven' USING ERRCODE = 'U0007';
	END IF;
	RETURN $1;
END
$$;
CREATE OR REPLACE VIEW input.plain_view AS SELECT input.fail(user_id) AS user_id, item_id FROM input.sound;
SELECT input.train('input_plain_view');
SELECT count(*), max(version) FROM input_plain_view.version;

-- Functions in views see the caller's search_path; our own names do not depend on it.
CREATE FUNCTION input.twice(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 2 * $1';
CREATE FUNCTION input.by_path(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN twice($1); END';
CREATE OR REPLACE VIEW input.plain_view AS SELECT input.by_path(user_id) AS user_id, item_id FROM input.sound;
CREATE TYPE input.float8 AS ENUM ('hostile');
CREATE FUNCTION input.hostile(bigint, bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
CREATE OPERATOR input.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = input.hostile);
SET search_path = input, pg_catalog;
SELECT train('input_plain_view');
RESET search_path;
SELECT bool_and(user_id % 2 = 0) AS is_doubled, count(*) FROM input_plain_view.user_embedding AS e
JOIN input_plain_view.version AS v USING (version) WHERE v.deployed;

-- 46, 47: privileges and row security are the caller's.
CREATE ROLE regress_commrec_analyst;
CREATE TABLE input.protected AS SELECT user_id, item_id, user_id % 2 = 0 AS is_even FROM input.sound;
ALTER TABLE input.protected ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON input.protected USING (is_even);
CREATE VIEW input.over_protected AS SELECT user_id, item_id FROM input.protected;
CREATE SCHEMA input_analyst AUTHORIZATION regress_commrec_analyst;
CREATE SCHEMA input_analyst_view AUTHORIZATION regress_commrec_analyst;
GRANT USAGE ON SCHEMA input, commrec TO regress_commrec_analyst;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA commrec TO regress_commrec_analyst;
GRANT SELECT ON input.over_protected, input.protected TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
DO $$
BEGIN
	PERFORM commrec.create_model('input_analyst', 'input.protected', in_schema => 'input_analyst');
	PERFORM commrec.create_model('input_analyst_view', 'input.over_protected', in_schema => 'input_analyst_view');
END
$$;
SELECT input.train('input_analyst');
SELECT input.train('input_analyst', allow_row_security => true);
SELECT row_security FROM input_analyst.version;
-- The view reads as its owner, who bypasses.
SELECT input.train('input_analyst_view');
SELECT row_security FROM input_analyst_view.version;
RESET ROLE;
ALTER VIEW input.over_protected OWNER TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
SELECT input.train('input_analyst_view');
RESET ROLE;
REVOKE SELECT ON input.protected FROM regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
SELECT input.train('input_analyst', allow_row_security => true);
RESET ROLE;
GRANT SELECT (user_id, is_even) ON input.protected TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
SELECT input.train('input_analyst', allow_row_security => true);
RESET ROLE;

-- However a table has its columns, and whatever else: the same bits as from the view.
CREATE FUNCTION input.bits_of_table(columns text, alterations text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE input.shaped AS SELECT %s FROM input.sound', columns);
	EXECUTE alterations;
	PERFORM commrec.create_model('input_shaped', 'input.shaped', action_column => 'action', time_column => 'at', value_column => 'value',
		hyperparameters => '{"factors": 4, "epochs": 3, "popularity_weight": 0.1, "popularity_half_life": 30}');
	PERFORM commrec.train('input_shaped', workers => 0);
	result := input.bits('input_shaped');
	PERFORM commrec.drop_model('input_shaped');
	DROP TABLE input.shaped;
	RETURN result;
END
$$;
SELECT columns, alterations, input.bits_of_table(columns, alterations) = first_value(input.bits_of_table(columns, alterations)) OVER () AS same
FROM (VALUES ('user_id, item_id, action, at, value', ''),
	('value, action, item_id, at, user_id', ''),
	('''note''::text AS note, value, at, NULL::point AS place, item_id, action, user_id', ''),
	('user_id, item_id, action::varchar AS action, at AT TIME ZONE ''UTC'' AS at, value::real AS value', ''),
	('value, action, item_id, at, user_id', 'ALTER TABLE input.shaped ALTER action TYPE name, ALTER value TYPE numeric'),
	('1 AS gone, value, action, item_id, at, user_id', 'ALTER TABLE input.shaped DROP COLUMN gone'),
	('value, action, item_id, at', 'ALTER TABLE input.shaped ADD user_id bigint DEFAULT 1; UPDATE input.shaped AS s SET user_id = o.user_id
		FROM input.sound AS o WHERE (s.item_id, s.at, s.action) = (o.item_id, o.at, o.action)'),
	('value, action, item_id, at, user_id - 1 AS less', 'ALTER TABLE input.shaped ADD user_id bigint GENERATED ALWAYS AS (less + 1) STORED'),
	('user_id, item_id, action, at, value, 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5 AS e, 6 AS f', '')) AS shape (columns, alterations);

-- Away with all of it.
SELECT count(commrec.drop_model(nspname)) > 10 AS dropped FROM pg_namespace WHERE nspname ~ '^input_';
DROP SCHEMA input CASCADE;
DROP TABLE temporary_events;
REVOKE ALL ON SCHEMA commrec FROM regress_commrec_analyst;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA commrec FROM regress_commrec_analyst;
DROP OWNED BY regress_commrec_analyst;
DROP ROLE regress_commrec_analyst;
