--
-- refresh(): what it decides and why, what is folded in, and that it is what a training over all
-- events would say as far as that can be; every run is a row of "job".
--
SET client_min_messages = warning;

CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;

-- The old events end in the middle of a day; there are late ones of the same day among the new (UTC), whatever time it is now.
CREATE TABLE refresh_events (user_id integer, item_id integer, action text, at timestamptz, value float8);
CREATE TABLE refresh_later (LIKE refresh_events);
INSERT INTO refresh_events
SELECT u, (u * 7 + e * 13 + (u * e) % 5) % 40, (ARRAY['view', 'like', 'share', 'rating'])[1 + (u + e) % 4],
	date_trunc('day', now(), 'UTC') - interval '3 days' + (e * 3 + u % 5) * interval '1 hour', 1 + (u * e) % 5
FROM generate_series(1, 60) AS u, generate_series(1, 15) AS e;
INSERT INTO refresh_later
SELECT u, i, a, date_trunc('day', now(), 'UTC') - interval '3 days' + h * interval '1 hour', 4
FROM (VALUES (7, 1, 'share', 49.5), (7, 2, 'like', 50), (7, 2, 'like', 50), (7, 39, 'view', 60), (8, 1, 'rating', 49.25),
	(8, 1, 'view', 65), (61, 3, 'share', 51), (61, 4, 'share', 52), (61, 3, 'dislike', 53), (62, 5, 'view', 70),
	(61, 900, 'share', 54), (7, 900, 'like', 55), (9, 901, 'rating', 66), (63, 902, 'dislike', 67)) AS v (u, i, a, h);

SELECT count(*) FROM commrec.create_model('fresh', 'refresh_events', action_column => 'action', time_column => 'at',
	value_column => 'value', hyperparameters => '{"factors": 8, "epochs": 8, "popularity_weight": 0.1}');
CALL commrec.refresh('fresh');
CALL commrec.refresh('fresh');
SELECT job, mode, decided, reason, outcome, sqlstate, message, version, detail, ended >= started AS ended FROM commrec.job
WHERE model = 'fresh' ORDER BY job;

-- Before the new events are folded in: what recommend() makes of them, and what they leave alone.
INSERT INTO refresh_events SELECT * FROM refresh_later;
CREATE TABLE refresh_answer AS
SELECT u.user_id, r.item_id, r.score FROM (VALUES (7), (8), (61), (62)) AS u (user_id), fresh.recommend(u.user_id, 50, fresh => true) AS r;
CREATE TABLE refresh_others AS
SELECT user_id, embedding, preferences, items FROM fresh.user_embedding WHERE user_id NOT IN (7, 8, 9);
CREATE TABLE refresh_items AS SELECT item_id, embedding, popularity, users FROM fresh.item_embedding;
CALL commrec.refresh('fresh', retrain_share => 0.5);
SELECT mode, decided, reason, outcome, version, detail FROM fresh.job ORDER BY job DESC LIMIT 1;

-- Users without new events, and items that there were, are what they were.
SELECT count(*) AS others, count(*) FILTER (WHERE o = row(e.user_id, e.embedding, e.preferences, e.items)) AS same
FROM refresh_others AS o JOIN fresh.user_embedding AS e USING (user_id);
SELECT count(*) AS items, count(*) FILTER (WHERE i = row(e.item_id, e.embedding, e.popularity, e.users)) AS same
FROM refresh_items AS i JOIN fresh.item_embedding AS e USING (item_id);
-- Users with new events have the vectors that recommend(fresh => true) computed; a new item can only be added to that.
SELECT count(*) AS answers, max(abs(r.score - a.score)) < 1e-6 AS same
FROM refresh_answer AS a JOIN LATERAL fresh.recommend(a.user_id, 100) AS r USING (item_id) WHERE a.user_id IN (8, 62);
SELECT user_id, count(*) FILTER (WHERE r.item_id = 900) AS new_item, count(DISTINCT source) AS sources, min(source)
FROM (VALUES (1), (7), (61), (62), (63)) AS u (user_id), fresh.recommend(u.user_id, 100) AS r GROUP BY user_id ORDER BY user_id;
-- Nothing is left for recommend(fresh => true) to fold in.
SELECT count(*) FROM (SELECT u.user_id, r.* FROM (VALUES (7), (8), (61), (63)) AS u (user_id), fresh.recommend(u.user_id, 100) AS r
	EXCEPT SELECT u.user_id, r.* FROM (VALUES (7), (8), (61), (63)) AS u (user_id), fresh.recommend(u.user_id, 100, fresh => true) AS r) AS d;
-- What was seen and what is disliked.
SELECT user_id, items FROM fresh.user_embedding WHERE user_id IN (7, 61, 62, 63) ORDER BY 1;
SELECT count(*) FROM fresh.recommend(61, 100, exclude_seen => false) WHERE item_id = 902;
SELECT count(*) FROM fresh.recommend(63, 100, exclude_seen => false) WHERE item_id = 902;
SELECT count(*) FROM fresh.recommend(7, 100) WHERE item_id IN (1, 2, 39, 900);
-- The version's rows hold together.
SELECT v.items, count(*), count(DISTINCT e.item_no), min(e.item_no), max(e.item_no), count(DISTINCT e.popular_no), max(e.popular_no)
FROM fresh.version AS v JOIN fresh.item_embedding AS e USING (version) GROUP BY v.items;
SELECT v.users, (SELECT count(*) FROM fresh.user_embedding AS e WHERE e.version = v.version) FROM fresh.version AS v;
SELECT u.user_id, bool_and(abs(s.score - r.score) < 1e-6) AS same
FROM (VALUES (1), (7), (61)) AS u (user_id), fresh.recommend(u.user_id, 100) AS r, LATERAL fresh.score(u.user_id, r.item_id) AS s (score)
GROUP BY u.user_id ORDER BY 1;
-- Every score can be explained by what was stored, for those who were solved again and for those who were not.
SELECT u.user_id, bool_and(abs(x.sum - r.score) < 1e-5 AND NOT x.rest) AS explained
FROM (VALUES (1), (7), (61)) AS u (user_id), fresh.recommend(u.user_id, 5) AS r,
	LATERAL (SELECT sum(e.contribution), bool_or(e.source = 'rest') FROM fresh.explain(u.user_id, r.item_id) AS e) AS x (sum, rest)
GROUP BY u.user_id ORDER BY 1;

-- Knowledge spread and satisfaction: the same as a training over all events gives, but for K of days that were over.
SELECT count(*) FROM commrec.create_model('whole', 'refresh_events', action_column => 'action', time_column => 'at',
	value_column => 'value', hyperparameters => '{"factors": 8, "epochs": 1, "popularity_weight": 0}');
INSERT INTO whole.action SELECT * FROM fresh.action ON CONFLICT (action) DO UPDATE
	SET value_low = EXCLUDED.value_low, value_high = EXCLUDED.value_high;
SELECT users, items FROM commrec.train('whole');
SELECT count(*), bool_and(f.reach = w.reach AND abs(f.spread - w.spread) < 1e-9 AND abs(f.coefficient - w.coefficient) < 1e-9) AS same
FROM fresh.item_spread AS f FULL JOIN whole.item_spread AS w USING (item_id);
SELECT count(*) > 2 AS several, bool_and(f.events = w.events AND abs(f.spread - w.spread) < 1e-9 AND abs(f.factor - w.factor) < 1e-9) AS same
FROM fresh.spread_factor AS f FULL JOIN whole.spread_factor AS w USING (bucket);
SELECT count(*) > 100 AS many, bool_and(f.interactions = w.interactions AND f.items = w.items AND f.signals = w.signals
	AND (abs(f.satisfaction - w.satisfaction) < 1e-9 OR num_nulls(f.satisfaction, w.satisfaction) = 2)) AS same
FROM fresh.user_activity AS f FULL JOIN whole.user_activity AS w USING (user_id, bucket);
SELECT count(*) > 5 AS several, bool_and(abs(f.spread - w.spread) < 1e-9) AS same
FROM fresh.user_activity AS f FULL JOIN whole.user_activity AS w USING (user_id, bucket)
WHERE bucket >= (SELECT max(bucket) FROM fresh.spread_factor AS b WHERE b.bucket <= (SELECT age_origin FROM fresh.fold_in));
SELECT count(*) > 100 AS many, bool_and(f.until = w.until AND f.events = w.events AND f.users = w.users AND f.positive = w.positive
	AND abs(f.preference - w.preference) < 1e-9) AS same
FROM fresh.item_activity AS f FULL JOIN whole.item_activity AS w USING (item_id, bucket);
SELECT f.until = w.until AND abs(f.squares - w.squares) < 1e-9 AND f.actions = w.actions FROM fresh.knowledge AS f, whole.knowledge AS w;

-- Again and again: nothing new; one more event by one who is new and knows nothing but the new item.
CALL commrec.refresh('fresh');
INSERT INTO refresh_events VALUES (64, 900, 'share', now() - interval '1 minute');
CALL commrec.refresh('fresh');
SELECT decided, reason, detail FROM fresh.job ORDER BY job DESC LIMIT 2;
SELECT source, count(*) FROM fresh.recommend(64, 5) GROUP BY 1;
-- An event later than everything that is committed late, with an earlier time, waits for the training.
INSERT INTO refresh_events VALUES (64, 901, 'share', now() - interval '1 hour');
CALL commrec.refresh('fresh');
SELECT decided, reason FROM fresh.job ORDER BY job DESC LIMIT 1;

-- When it trains: too many new events, too many new items, too old, other weights, hyperparameters, algorithm, bucket.
-- What was folded in before counts, too.
INSERT INTO refresh_events SELECT u, 5, 'view', now() - interval '50 seconds' FROM generate_series(1, 40) AS u;
CALL commrec.refresh('fresh', retrain_share => 0.08);
INSERT INTO refresh_events SELECT u, 5, 'view', now() - interval '49 seconds' FROM generate_series(1, 40) AS u;
CALL commrec.refresh('fresh', retrain_share => 0.08);
INSERT INTO refresh_events SELECT 1, i, 'view', now() - interval '40 seconds' FROM generate_series(1000, 1002) AS i;
CALL commrec.refresh('fresh');
INSERT INTO refresh_events SELECT 1, i, 'view', now() - interval '39 seconds' FROM generate_series(1003, 1005) AS i;
CALL commrec.refresh('fresh');
INSERT INTO refresh_events SELECT 2, 2, 'view', now() - interval '30 seconds';
CALL commrec.refresh('fresh', retrain_after => '0');
UPDATE fresh.action SET preference = preference + 1 WHERE action = 'share';
CALL commrec.refresh('fresh', mode => 'fold_in');
CALL commrec.refresh('fresh', mode => NULL);
CALL commrec.refresh('fresh', hyperparameters => '{"epochs": 9}');
CALL commrec.refresh('fresh', hyperparameters => '{"epochs": 9}');
CALL commrec.refresh('fresh');
DO $$ BEGIN PERFORM commrec.alter_model('fresh', bucket => '2 days'); END $$;
CALL commrec.refresh('fresh');
DO $$ BEGIN PERFORM commrec.alter_model('fresh', hyperparameters => '{"half_life": 0.00001}'); END $$;
CALL commrec.refresh('fresh');
INSERT INTO refresh_events SELECT 2, 3, 'view', now() - interval '10 seconds';
CALL commrec.refresh('fresh');
CALL commrec.refresh('fresh', mode => 'retrain', keep => 1);
SELECT count(DISTINCT version) FROM fresh.item_embedding;
SELECT decided, regexp_replace(reason, 'is \d+ hours', 'is so many hours') AS reason, outcome, version FROM fresh.job ORDER BY job OFFSET 6;

-- With a half-life: an event counts for more than the old ones, by as much as it is younger.
DO $$ BEGIN PERFORM commrec.alter_model('fresh', hyperparameters => '{"half_life": 30, "unobserved_weight": 0.1}'); END $$;
CALL commrec.refresh('fresh');
INSERT INTO refresh_events VALUES (3, 17, 'like', now() - interval '5 seconds');
CALL commrec.refresh('fresh');
SELECT decided, reason FROM fresh.job ORDER BY job DESC LIMIT 1;
SELECT abs(sum(e.contribution) - min(s.score)) < 1e-5 FROM fresh.score(3, 5) AS s (score), fresh.explain(3, 5) AS e;

-- Where nothing can be folded in.
SELECT count(*) FROM commrec.create_model('timeless', 'refresh_events', action_column => 'action', hyperparameters => '{"factors": 2, "epochs": 1}');
CALL commrec.refresh('timeless');
INSERT INTO refresh_events VALUES (3, 18, 'like', now() - interval '4 seconds');
CALL commrec.refresh('timeless');
SELECT try('CALL commrec.refresh(''timeless'', mode => ''fold_in'')');
INSERT INTO refresh_events SELECT u, 19, 'like', now() - interval '3 seconds' FROM generate_series(1, 300) AS u;
CALL commrec.refresh('timeless');
SELECT decided, reason, outcome, version FROM timeless.job ORDER BY job;
-- An algorithm without vectors to solve for: what is new counts as seen, what is about new items waits.
SELECT count(*) FROM commrec.create_model('rated', 'refresh_events', action_column => 'action', time_column => 'at', value_column => 'value',
	algorithm => 'als', hyperparameters => '{"factors": 2, "epochs": 2}');
CALL commrec.refresh('rated');
INSERT INTO refresh_events VALUES (4, 20, 'like', now() - interval '2 seconds', 3), (400, 21, 'like', now() - interval '2 seconds', 3),
	(4, 2000, 'like', now() - interval '2 seconds', 3);
SELECT count(*) FROM rated.recommend(4, 100) WHERE item_id = 20;
CALL commrec.refresh('rated');
SELECT decided, reason, detail FROM rated.job ORDER BY job DESC LIMIT 1;
SELECT count(*) FROM rated.recommend(4, 100) WHERE item_id = 20;
SELECT rated.knowledge_spread(400, now()) IS NOT NULL AS is_known, source FROM rated.recommend(400, 1);
-- What "auto" has chosen stays until there is a reason to train; so does a hyperparameter that is a word.
SELECT count(*) FROM commrec.create_model('chosen', 'refresh_events', action_column => 'action', time_column => 'at',
	algorithm => 'auto', hyperparameters => '{"time_budget": 5}');
CALL commrec.refresh('chosen');
CALL commrec.refresh('chosen');
SELECT count(*) FROM commrec.create_model('worded', 'refresh_events', action_column => 'action', time_column => 'at',
	hyperparameters => '{"solver": "cg", "factors": 2, "epochs": 1}');
CALL commrec.refresh('worded');
CALL commrec.refresh('worded');
DO $$ BEGIN PERFORM commrec.alter_model('worded', hyperparameters => '{"solver": "cholesky"}'); END $$;
CALL commrec.refresh('worded');
DO $$ BEGIN PERFORM commrec.alter_model('worded', algorithm => 'popular', hyperparameters => '{"solver": null, "factors": null, "epochs": null}'); END $$;
CALL commrec.refresh('worded');
INSERT INTO refresh_events VALUES (4, 22, 'like', now() - interval '1.5 seconds'), (4, 2001, 'like', now() - interval '1.5 seconds');
CALL commrec.refresh('worded');
SELECT model, decided, reason, outcome, detail - 'knowledge' AS detail FROM commrec.job WHERE model IN ('chosen', 'worded') ORDER BY model, job;

-- A filter is about the new items, too.
CALL commrec.refresh('fresh', mode => 'retrain');
CREATE VIEW refresh_catalogue AS SELECT DISTINCT item_id FROM refresh_events WHERE item_id >= 900;
SELECT commrec.create_filter('fresh', 'late', 'refresh_catalogue', 'true', item_column => 'item_id') > 0 AS some;
INSERT INTO refresh_events VALUES (5, 3000, 'like', now() - interval '1 second'), (6, 3000, 'share', now() - interval '1 second');
CALL commrec.refresh('fresh');
SELECT decided, detail ->> 'new_items' AS new_items FROM fresh.job ORDER BY job DESC LIMIT 1;
SELECT count(*) FROM fresh.recommend(10, 100, filter => 'late') WHERE item_id = 3000;
SELECT count(*) FROM fresh.recommend(10, 100, filter => 'late') WHERE item_id < 900;

-- A run that fails is a row, and an error; what serves goes on serving.
CREATE TABLE refresh_before AS SELECT * FROM fresh.recommend(7, 10);
ALTER TABLE refresh_events RENAME COLUMN action TO deed;
CALL commrec.refresh('fresh', mode => 'retrain');
CALL commrec.refresh('fresh');
ALTER TABLE refresh_events RENAME COLUMN deed TO action;
SELECT mode, decided, outcome, sqlstate, message, ended IS NOT NULL AS ended FROM fresh.job ORDER BY job DESC LIMIT 2;
SELECT count(*) FROM (TABLE refresh_before EXCEPT SELECT * FROM fresh.recommend(7, 10)) AS d;
SELECT count(*) FROM commrec.training_locks();

-- In a transaction block it is part of the transaction.
INSERT INTO refresh_events VALUES (5, 6, 'like', clock_timestamp());
BEGIN;
CALL commrec.refresh('fresh');
SELECT decided, outcome FROM fresh.job ORDER BY job DESC LIMIT 1;
ROLLBACK;
SELECT decided, outcome FROM fresh.job ORDER BY job DESC LIMIT 1;
SELECT try('CALL commrec.refresh(''fresh'')');
-- A run whose session is gone: the next one says so.
INSERT INTO fresh.job (started, mode, outcome) VALUES (now(), 'auto', 'running');
CALL commrec.refresh('fresh');
SELECT outcome, sqlstate, message FROM fresh.job ORDER BY job DESC OFFSET 1 LIMIT 1;

-- Wrong arguments.
SELECT try(c) FROM unnest(ARRAY['CALL commrec.refresh(NULL)', 'CALL commrec.refresh(''no such model'')',
	'CALL commrec.refresh(''fresh'', mode => ''often'')', 'CALL commrec.refresh(''fresh'', if_running => ''wait'')',
	'CALL commrec.refresh(''fresh'', keep => 0)', 'CALL commrec.refresh(''fresh'', retrain_share => -1)',
	'CALL commrec.refresh(''fresh'', retrain_share => ''NaN'')', 'CALL commrec.refresh(''fresh'', retrain_after => ''-1 day'')',
	'CALL commrec.refresh(''fresh'', hyperparameters => ''{"factors": 0}'')']) AS c;

-- Who may see the runs.
CREATE ROLE regress_refresh_reader;
GRANT USAGE ON SCHEMA fresh TO regress_refresh_reader;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO regress_refresh_reader;
SET ROLE regress_refresh_reader;
SELECT count(*) FROM commrec.job;
SELECT try('CALL commrec.refresh(''fresh'')');
RESET ROLE;
GRANT SELECT ON fresh.job TO regress_refresh_reader;
SET ROLE regress_refresh_reader;
SELECT DISTINCT model FROM commrec.job;
RESET ROLE;

DROP VIEW refresh_catalogue CASCADE;
SELECT commrec.drop_model(m) FROM unnest('{fresh,whole,timeless,rated,chosen,worded}'::text[]) AS m;
DROP TABLE refresh_events, refresh_later, refresh_answer, refresh_others, refresh_items, refresh_before;
DROP FUNCTION try(text);
DROP OWNED BY regress_refresh_reader;
DROP ROLE regress_refresh_reader;
