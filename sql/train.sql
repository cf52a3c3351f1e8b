--
-- train(): the version it writes, its transactions, and what becomes of old versions.
--
SET client_min_messages = warning;

CREATE TABLE train_events (user_id integer, item_id text, action text, at timestamptz);
INSERT INTO train_events
	SELECT u, 'item ' || i, CASE WHEN (u * 11 + i * 5) % 37 = 0 THEN 'dislike'
								 WHEN (u + i) % 3 = 0 THEN 'like' ELSE 'view' END,
		timestamptz '2024-01-01 00:00+00' + (u * 7 + i * 13) % 400 * interval '6 hours'
	FROM generate_series(1, 80) AS u, generate_series(1, 50) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
INSERT INTO train_events SELECT * FROM train_events WHERE user_id <= 3;		-- exact duplicates
INSERT INTO train_events VALUES (NULL, 'item 1', 'like', '2024-01-01'), (5, NULL, 'like', '2024-01-01');

DO $$
BEGIN
	PERFORM commrec.create_model('train_model', 'train_events', action_column => 'action',
		time_column => 'at', hyperparameters => '{"factors": 8, "epochs": 6}');
END
$$;
UPDATE train_model.action SET preference =
	CASE action WHEN 'dislike' THEN -1 WHEN 'like' THEN 2 ELSE 1 END;

-- The row of the new version is what train() returns.
SET client_min_messages = notice;
SELECT version, algorithm, events, users, items, skipped, events_until AT TIME ZONE 'UTC' AS events_until,
	workers, row_security, dims IN (8, 9) AS dims, deployed,
	seconds > 0 AND memory_planned > 10000 AND trained_at BETWEEN now() AND clock_timestamp() AS is_plausible
FROM commrec.train('train_model', workers => 0);
SET client_min_messages = warning;
SELECT events = (SELECT count(*) FROM (SELECT DISTINCT user_id, item_id, action, at FROM train_events
									   WHERE user_id IS NOT NULL AND item_id IS NOT NULL) AS e) AS events,
	pairs = (SELECT count(*) FROM (SELECT 1 FROM train_events WHERE action <> 'dislike'
								   GROUP BY user_id, item_id
								   HAVING user_id IS NOT NULL AND item_id IS NOT NULL) AS p) AS pairs
FROM train_model.version;

-- The loss falls, epoch by epoch.
SELECT min(epoch), count(*) BETWEEN 2 AND 6 AS epochs, bool_and(falls) AS falls, bool_and(seconds >= 0) AS timed
FROM (SELECT epoch, seconds, loss <= coalesce(lag(loss) OVER (ORDER BY epoch), loss) AS falls
	  FROM train_model.epoch WHERE version = 1) AS e;
SELECT (metrics ->> 'loss')::double precision = (SELECT loss FROM train_model.epoch AS e
	WHERE e.version = v.version ORDER BY epoch DESC LIMIT 1) AS last_loss FROM train_model.version AS v;

-- What each phase cost, and each epoch.
SELECT array_agg(phase ORDER BY phase) AS phases,
	bool_and((cost ->> 'seconds')::double precision >= 0 AND (cost ->> 'cpu_seconds')::double precision >= 0) AS timed
FROM train_model.version, jsonb_each(metrics -> 'phases') AS p (phase, cost);
SELECT sum(e.cpu_seconds) > 0 AS some,
	sum(e.cpu_seconds) <= min((v.metrics #>> '{phases,epochs,cpu_seconds}')::double precision) + 0.001 AS within
FROM train_model.epoch AS e JOIN train_model.version AS v USING (version);

-- Items are numbered by norm and by popularity; blocks hold them all; users carry what they saw.
SELECT count(*) = 50 AS items, min(item_no) = 0 AND max(item_no) = 49 AS item_no,
	min(popular_no) = 0 AND max(popular_no) = 49 AS popular_no,
	bool_and(norm <= previous_norm * 1.00001) AS by_norm FROM (
	SELECT *, lag(norm, 1, norm) OVER (ORDER BY item_no) AS previous_norm
	FROM (SELECT *, commrec.inner_product(embedding, embedding) AS norm FROM train_model.item_embedding) AS i) AS j;
SELECT bool_and(popular_no = place) AS by_popularity FROM (
	SELECT popular_no, row_number() OVER (ORDER BY popularity DESC, item_id COLLATE "C") - 1 AS place
	FROM train_model.item_embedding) AS i;
SELECT sum(items), min(block), bool_and(max_norm >= 0) FROM train_model.item_block;
SELECT count(*) AS wrong_users FROM train_model.user_embedding AS u
WHERE items <> (SELECT count(DISTINCT item_id) FROM train_events AS e WHERE e.user_id = u.user_id);
SELECT count(*) AS wrong_items FROM train_model.item_embedding AS i
WHERE users <> (SELECT count(DISTINCT user_id) FROM train_events AS e WHERE e.item_id = i.item_id);
SELECT DISTINCT commrec.embedding_dims(u.embedding) = v.dims AS dims
FROM train_model.user_embedding AS u, train_model.version AS v;

-- The same events and seed give the same bits: for any number of workers, in any order of rows.
CREATE FUNCTION train_bits(which integer) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")) FROM (
		SELECT 'u' || user_id || ' ' || coalesce(embedding::text, '-') || seen::text || items
		FROM train_model.user_embedding WHERE version = which
		UNION ALL
		SELECT 'i' || item_id || ' ' || item_no || embedding::text || popularity || ' ' || popular_no || ' ' || users
		FROM train_model.item_embedding WHERE version = which
		UNION ALL
		SELECT 'b' || block || ' ' || items || ' ' || max_norm || codes::text
		FROM train_model.item_block WHERE version = which
		UNION ALL
		SELECT 'e' || epoch || ' ' || loss FROM train_model.epoch WHERE version = which) AS l (line)
$$;
SELECT version, deployed FROM commrec.train('train_model', workers => 2);
SELECT train_bits(1) = train_bits(2) AS workers_do_not_matter;
SELECT v.hyperparameters = w.hyperparameters AS hyperparameters,
	v.metrics - 'phases' = w.metrics - 'phases' AS metrics
FROM train_model.version AS v, train_model.version AS w WHERE v.version = 1 AND w.version = 2;
CREATE TABLE train_shuffled AS SELECT * FROM train_events ORDER BY md5(item_id || user_id);
TRUNCATE train_events;
INSERT INTO train_events SELECT * FROM train_shuffled;
SELECT version FROM commrec.train('train_model', workers => 1);
SELECT train_bits(2) = train_bits(3) AS order_does_not_matter;

-- Data of the newest commrec.keep_versions (2) stay, versions and epochs remain as history.
SHOW commrec.keep_versions;
SELECT array_agg(DISTINCT version) FROM train_model.user_embedding;
SELECT array_agg(DISTINCT version) FROM train_model.item_embedding;
SELECT array_agg(DISTINCT version) FROM train_model.item_block;
SELECT array_agg(DISTINCT version) FROM train_model.epoch;
SELECT version, deployed FROM train_model.version ORDER BY version;

-- No query of a training is compiled: LLVM takes memory that no plan knows of.  The session's setting stays.
CREATE VIEW train_compiled AS
SELECT * FROM train_events WHERE current_setting('jit') = 'off' LIMIT 100;
DO $$ BEGIN PERFORM commrec.create_model('train_compiled_model', 'train_compiled', hyperparameters => '{"factors": 2, "epochs": 1}'); END $$;
SET jit = on;
SELECT events > 0 AS read FROM commrec.train('train_compiled_model');
SHOW jit;
RESET jit;
DO $$ BEGIN PERFORM commrec.drop_model('train_compiled_model'); END $$;
DROP VIEW train_compiled;

-- deploy and rollback
SELECT commrec.deploy('train_model', 2);
SELECT version FROM train_model.version WHERE deployed;
SELECT commrec.deploy('train_model', 2);
SELECT commrec.deploy('train_model', 3);
SELECT commrec.rollback('train_model');
SELECT version FROM train_model.version WHERE deployed;
SELECT commrec.deploy('train_model', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT commrec.deploy('train_model', 77);
\echo :LAST_ERROR_SQLSTATE
SELECT commrec.deploy('train_model', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT commrec.deploy(NULL, 1);
\echo :LAST_ERROR_SQLSTATE
SELECT version FROM train_model.version WHERE deployed;

-- Trained but not deployed: the deployed version keeps its data, however old it gets.
SELECT version, deployed FROM commrec.train('train_model', deploy => false, workers => 0);
SELECT version, deployed FROM commrec.train('train_model', deploy => false, workers => 0);
SELECT array_agg(DISTINCT version) FROM train_model.item_embedding;
SELECT version FROM train_model.version WHERE deployed;
SELECT train_bits(2) = train_bits(5) AS still_the_same;

-- What the analyst changes in "action" counts from the next training on.
UPDATE train_model.action SET preference = 1 WHERE action = 'dislike';
SELECT t.pairs > v.pairs AS more_pairs
FROM commrec.train('train_model', workers => 0) AS t, train_model.version AS v WHERE v.version = 5;
SELECT train_bits(5) <> train_bits(6) AS another_model;

-- Nothing is left of a training that is rolled back.
CREATE VIEW train_state AS
	SELECT (SELECT max(version) FROM train_model.version) AS newest,
		(SELECT version FROM train_model.version WHERE deployed) AS deployed,
		(SELECT count(DISTINCT version) FROM train_model.user_embedding) AS with_data,
		(SELECT sum(spread) IS NOT NULL FROM train_model.user_activity) AS has_activity,
		(SELECT md5(string_agg(user_id || ' ' || rank || item_id || score, ',' ORDER BY user_id, rank))
		 FROM generate_series(1, 80) AS u (user_id), train_model.recommend(user_id, 5)) AS answers;
CREATE TABLE train_before AS SELECT * FROM train_state;
CREATE VIEW train_unchanged AS SELECT s = b AS unchanged FROM train_state AS s, train_before AS b;
UPDATE train_model.action SET preference = 3 WHERE action = 'dislike';
BEGIN;
SELECT version FROM commrec.train('train_model', workers => 2);
SELECT * FROM train_unchanged;
ROLLBACK;
SELECT * FROM train_unchanged;
BEGIN;
CREATE TABLE train_written_before (n integer);
INSERT INTO train_written_before VALUES (1);
SAVEPOINT s;
SELECT version FROM commrec.train('train_model', workers => 2);
ROLLBACK TO SAVEPOINT s;
SELECT * FROM train_unchanged;
SELECT version FROM commrec.train('train_model', workers => 2);
ROLLBACK TO SAVEPOINT s;
TABLE train_written_before;
DROP TABLE train_written_before;
COMMIT;
SELECT * FROM train_unchanged;
DO $$
BEGIN
	PERFORM commrec.train('train_model', workers => 2);
	RAISE EXCEPTION 'after the training';
EXCEPTION WHEN raise_exception THEN
	RAISE WARNING 'caught: %', SQLERRM;
END
$$;
SELECT * FROM train_unchanged;
SELECT count(*) AS locks_left FROM pg_locks WHERE locktype = 'advisory' AND classid = 1668246893 AND pid = pg_backend_pid();

-- A training sees what its transaction has written, and keeps to its snapshot.
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO train_events VALUES (4711, 'item 1', 'like', '2024-02-01');
SELECT version, users FROM commrec.train('train_model', workers => 2);
SELECT version, users FROM commrec.train('train_model', workers => 0);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT version FROM commrec.train('train_model', workers => 1);
ROLLBACK;
SELECT * FROM train_unchanged;

-- In a read-only transaction nothing is trained, but answers come.
BEGIN READ ONLY;
SELECT count(*) FROM train_model.recommend(1, 3);
SELECT commrec.train('train_model');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT commrec.deploy('train_model', 6);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- Arguments
SELECT version FROM commrec.train(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT version FROM commrec.train('train_model', workers => -2);
\echo :LAST_ERROR_SQLSTATE
SELECT version FROM commrec.train('train_model', workers => 1025);
SELECT version FROM commrec.train('no such model');
\echo :LAST_ERROR_SQLSTATE

-- A table that was altered would get wrong columns.
ALTER TABLE train_model.user_embedding ADD COLUMN remark text;
SELECT version FROM commrec.train('train_model', workers => 0);
ALTER TABLE train_model.user_embedding DROP COLUMN remark;
BEGIN;
SELECT version FROM commrec.train('train_model', workers => 0);
SELECT count(*) FROM train_model.recommend(1, 3);
ROLLBACK;
BEGIN;
ALTER TABLE train_model.item_block ALTER COLUMN items TYPE bigint;
SELECT version FROM commrec.train('train_model', workers => 0);
ROLLBACK;

-- Nothing to train on: the old model stays.
BEGIN;
UPDATE train_model.action SET preference = 0;
SAVEPOINT s;
SELECT version FROM commrec.train('train_model', workers => 0);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO SAVEPOINT s;
DELETE FROM train_events;
SAVEPOINT s;
SELECT version FROM commrec.train('train_model', workers => 0);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO SAVEPOINT s;
ROLLBACK;
SELECT * FROM train_unchanged;

-- Times as far as they go.
BEGIN;
INSERT INTO train_events VALUES (1, 'item 1', 'view', '4713-01-01 00:00:00+00 BC'),
	(2, 'item 2', 'view', '0044-03-15 12:00:00+00 BC'), (3, 'item 3', 'view', '294276-12-31 23:59:59+00');
SELECT version, events_until AT TIME ZONE 'UTC' AS events_until
FROM commrec.train('train_model', '{"half_life": 30}', workers => 0);
SELECT count(*), min(bucket) AT TIME ZONE 'UTC' < timestamp '4712-01-01 BC' AS earliest,
	max(bucket) AT TIME ZONE 'UTC' > timestamp '294276-12-01' AS latest
FROM train_model.user_activity WHERE bucket < '1900-01-01 UTC' OR bucket > '2100-01-01 UTC';
ROLLBACK;

-- One user, one item, one event.
CREATE TABLE train_few (user_id uuid, item_id bigint);
DO $$
BEGIN
	PERFORM commrec.create_model('train_few_model', 'train_few');
END
$$;
INSERT INTO train_few VALUES ('00000000-0000-0000-0000-000000000001', -9223372036854775808);
SELECT version, events, users, items, pairs, dims FROM commrec.train('train_few_model');
SELECT * FROM train_few_model.recommend('00000000-0000-0000-0000-000000000001', 10);
SELECT * FROM train_few_model.recommend('00000000-0000-0000-0000-000000000002', 10);
INSERT INTO train_few VALUES ('00000000-0000-0000-0000-000000000001', 9223372036854775807);
SELECT version, events, users, items, pairs, dims FROM commrec.train('train_few_model');
SELECT * FROM train_few_model.recommend('00000000-0000-0000-0000-000000000002', 10);
DELETE FROM train_few WHERE item_id > 0;
INSERT INTO train_few VALUES ('00000000-0000-0000-0000-000000000003', -9223372036854775808);
SELECT version, events, users, items, pairs, dims FROM commrec.train('train_few_model');
SELECT * FROM train_few_model.recommend('00000000-0000-0000-0000-000000000002', 10);
INSERT INTO train_few VALUES ('00000000-0000-0000-0000-000000000003', 0);
SELECT version, events, users, items, pairs, dims > 0 AS learned FROM commrec.train('train_few_model');
SELECT rank, item_id, source FROM train_few_model.recommend('00000000-0000-0000-0000-000000000001', 10);

-- A version that somebody has removed from the list does not get in the way.
DELETE FROM train_few_model.version;
SELECT version FROM commrec.train('train_few_model');

DROP VIEW train_unchanged, train_state;
DROP SCHEMA train_model, train_few_model CASCADE;
DROP TABLE train_events, train_shuffled, train_before, train_few;
DROP FUNCTION train_bits;
