--
-- evaluate(): against the same figures computed in SQL from recommend() and the aggregates; splits, baselines,
-- strata, intervals, the sampled protocol, what is kept, and every error.
--
SET client_min_messages = warning;
SET extra_float_digits = 0;
CREATE FUNCTION pg_temp.error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- Members of five circles like items of their circle, and popular ones: learnable, with times.
CREATE SCHEMA regress_evaluate;
CREATE TABLE regress_evaluate.events AS
	SELECT u AS user_id, i AS item_id, timestamptz '2026-01-01 00:00+00' + interval '1 hour' * ((u * 7919 + i * 104729) % 2400) AS at
	FROM generate_series(1, 150) AS u, generate_series(1, 60) AS i
	WHERE (u * 31 + i * 17) % (CASE WHEN u % 5 = i % 5 THEN 3 ELSE 23 END) = 0;
CREATE TABLE regress_evaluate.train AS SELECT * FROM regress_evaluate.events WHERE at < '2026-03-15 00:00+00';
CREATE TABLE regress_evaluate.test AS SELECT user_id, item_id FROM regress_evaluate.events WHERE at >= '2026-03-15 00:00+00';
-- a user and an item that the training does not know, and a pair that is known
INSERT INTO regress_evaluate.test VALUES (999, 5), (1, 999), (999, 999);
INSERT INTO regress_evaluate.test SELECT user_id, item_id FROM regress_evaluate.train WHERE user_id = 2;
SELECT count(*) > 0 AS created FROM commrec.create_model('judged', 'regress_evaluate.train', time_column => 'at');
SELECT pg_temp.error_of($$SELECT commrec.evaluate('judged', test => 'regress_evaluate.test')$$);
SELECT version, deployed FROM commrec.train('judged', '{"factors": 8, "epochs": 5}');

-- a published version, as it serves
CREATE TEMP TABLE figures AS SELECT * FROM commrec.evaluate('judged', test => 'regress_evaluate.test', k => '{3,10}');
WITH wanted AS (
	SELECT DISTINCT t.user_id, t.item_id FROM regress_evaluate.test AS t
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = t.user_id AND s.item_id = t.item_id)),
shown AS (
	SELECT u.user_id, r.item_id, r.rank FROM (SELECT DISTINCT user_id FROM wanted) AS u, judged.recommend(u.user_id, 10) AS r),
each AS (
	SELECT user_id, k.k, commrec.recall_at(-s.rank, w.item_id IS NOT NULL, k.k) AS recall,
		commrec.precision_at(-s.rank, w.item_id IS NOT NULL, k.k) AS precision, commrec.ndcg(-s.rank, w.item_id IS NOT NULL, k.k) AS ndcg,
		commrec.reciprocal_rank(-s.rank, w.item_id IS NOT NULL) FILTER (WHERE s.rank <= k.k OR s.rank IS NULL) AS mrr
	FROM shown AS s FULL JOIN wanted AS w USING (user_id, item_id), (VALUES (3), (10)) AS k (k) GROUP BY user_id, k.k)
SELECT f.metric, f.k, f.users, count(*) AS by_sql, abs(f.value - avg(CASE f.metric WHEN 'recall' THEN e.recall
		WHEN 'precision' THEN e.precision WHEN 'ndcg' THEN e.ndcg ELSE coalesce(e.mrr, 0) END)) < 1e-6 AS equal
	FROM figures AS f JOIN each AS e USING (k)
	WHERE f.scorer = 'model' AND f.stratum = 'all' AND f.metric IN ('recall', 'precision', 'ndcg', 'mrr')
	GROUP BY f.metric, f.k, f.users, f.value ORDER BY f.metric, f.k;
-- the baselines: by number of users, and by the last week
WITH wanted AS (
	SELECT DISTINCT t.user_id, t.item_id FROM regress_evaluate.test AS t
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = t.user_id AND s.item_id = t.item_id)),
popular AS (
	SELECT item_id, count(DISTINCT user_id) AS users, sum(2 ^ (extract(epoch FROM at - (SELECT max(at) FROM regress_evaluate.train)) / 86400 / 7)) AS recent
	FROM regress_evaluate.train GROUP BY item_id),
shown AS (
	SELECT u.user_id, b.baseline, p.item_id, row_number() OVER (PARTITION BY u.user_id, b.baseline
		ORDER BY CASE b.baseline WHEN 'popular' THEN p.users ELSE p.recent END DESC, p.item_id) AS rank
	FROM (SELECT DISTINCT user_id FROM wanted) AS u, popular AS p, (VALUES ('popular'), ('recent')) AS b (baseline)
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = u.user_id AND s.item_id = p.item_id)),
each AS (
	SELECT s.baseline, w.user_id, count(*) FILTER (WHERE s.rank <= 10) / (SELECT count(*) FROM wanted AS a WHERE a.user_id = w.user_id)::double precision AS recall
	FROM wanted AS w LEFT JOIN shown AS s ON s.user_id = w.user_id AND s.item_id = w.item_id GROUP BY s.baseline, w.user_id),
mean AS (SELECT baseline, sum(recall) / (SELECT count(DISTINCT user_id) FROM wanted) AS recall FROM each GROUP BY baseline)
SELECT scorer, abs(f.value - m.recall) < 1e-6 AS equal
	FROM figures AS f JOIN mean AS m ON m.baseline = f.scorer WHERE f.metric = 'recall' AND f.k = 10 ORDER BY scorer;
-- the AUC of a baseline, pair by pair
WITH wanted AS (
	SELECT DISTINCT t.user_id, t.item_id FROM regress_evaluate.test AS t JOIN (SELECT DISTINCT item_id FROM regress_evaluate.train) AS k USING (item_id)
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = t.user_id AND s.item_id = t.item_id)),
placed AS (
	SELECT item_id, row_number() OVER (ORDER BY count(DISTINCT user_id) DESC, item_id) AS place FROM regress_evaluate.train GROUP BY item_id),
each AS (
	SELECT u.user_id, commrec.auc(-p.place, w.item_id IS NOT NULL) AS auc
	FROM (SELECT DISTINCT user_id FROM wanted) AS u CROSS JOIN placed AS p LEFT JOIN wanted AS w ON w.user_id = u.user_id AND w.item_id = p.item_id
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = u.user_id AND s.item_id = p.item_id)
	GROUP BY u.user_id)
SELECT f.users = count(e.auc) AS users, abs(f.value - avg(e.auc)) < 1e-6 AS equal
	FROM figures AS f, each AS e WHERE f.scorer = 'popular' AND f.metric = 'auc' GROUP BY f.users, f.value;
-- the same from the scores of the model
WITH wanted AS (
	SELECT DISTINCT t.user_id, t.item_id FROM regress_evaluate.test AS t
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = t.user_id AND s.item_id = t.item_id)),
each AS (
	SELECT u.user_id, commrec.auc(r.score, w.item_id IS NOT NULL) AS auc
	FROM (SELECT DISTINCT user_id FROM wanted WHERE user_id <> 999) AS u CROSS JOIN judged.recommend(u.user_id, 1000) AS r
		LEFT JOIN wanted AS w ON w.user_id = u.user_id AND w.item_id = r.item_id
	GROUP BY u.user_id
	UNION ALL
	SELECT 999, commrec.auc(-r.rank, r.item_id = 5) FROM judged.recommend(999, 1000) AS r)
SELECT f.users = count(e.auc) AS users, abs(f.value - avg(e.auc)) < 1e-4 AS equal
	FROM figures AS f, each AS e WHERE f.scorer = 'model' AND f.metric = 'auc' GROUP BY f.users, f.value;
-- coverage and Gini of the lists
WITH shown AS (
	SELECT r.item_id FROM (SELECT DISTINCT user_id FROM regress_evaluate.test) AS u, judged.recommend(u.user_id, 3) AS r),
counted AS (
	SELECT i.item_id, count(s.item_id) AS n, row_number() OVER (ORDER BY count(s.item_id)) AS place, count(*) OVER () AS items
	FROM (SELECT DISTINCT item_id FROM regress_evaluate.train) AS i LEFT JOIN shown AS s USING (item_id) GROUP BY i.item_id)
SELECT f.metric, abs(f.value - CASE f.metric WHEN 'coverage' THEN avg((c.n > 0)::integer)
		ELSE sum((2 * c.place - c.items - 1) * c.n) / (max(c.items) * sum(c.n)) END) < 1e-9 AS equal
	FROM figures AS f, counted AS c WHERE f.scorer = 'model' AND f.metric IN ('coverage', 'gini') AND f.k = 3
	GROUP BY f.metric, f.value ORDER BY f.metric;
-- intervals hold the value; a difference is one; the model beats popularity
SELECT bool_and(low <= value AND value <= high) AS inside, bool_and(low < high) AS wide, count(*) AS figures FROM figures
	WHERE metric NOT IN ('coverage', 'gini');
SELECT low > 0 AS beats FROM figures WHERE scorer = 'model - popular' AND k = 10;
SELECT abs(d.value - (m.value - p.value)) < 1e-6 AS difference FROM figures AS d, figures AS m, figures AS p
	WHERE d.scorer = 'model - popular' AND d.k = 3 AND m.scorer = 'model' AND m.metric = 'ndcg' AND m.k = 3
	AND p.scorer = 'popular' AND p.metric = 'ndcg' AND p.k = 3;
-- what is kept
SELECT evaluation, version, protocol, split_at, test, negatives, hyperparameters ->> 'factors' AS factors, users, pairs,
	round(reachable::numeric, 3) AS reachable, seconds > 0 AS timed FROM judged.evaluation;
SELECT count(*) AS figures, count(*) FILTER (WHERE m.value = f.value AND m.low IS NOT DISTINCT FROM f.low) AS same FROM judged.metric AS m
	JOIN figures AS f USING (scorer, stratum, metric) WHERE m.evaluation = 1 AND m.k IS NOT DISTINCT FROM f.k;

-- the sampled protocol: every item that is neither seen nor wanted is the whole catalogue
CREATE TABLE regress_evaluate.negatives AS
	SELECT u.user_id, i.item_id FROM (SELECT DISTINCT user_id FROM regress_evaluate.test) AS u, (SELECT DISTINCT item_id FROM regress_evaluate.train) AS i
	WHERE NOT EXISTS (SELECT FROM regress_evaluate.train AS s WHERE s.user_id = u.user_id AND s.item_id = i.item_id);
SELECT count(*) AS figures, count(*) FILTER (WHERE abs(s.value - f.value) < 1e-4) AS same
	FROM commrec.evaluate('judged', test => 'regress_evaluate.test', negatives => 'regress_evaluate.negatives', k => '{3,10}') AS s
	JOIN figures AS f USING (scorer, stratum, metric) WHERE s.k IS NOT DISTINCT FROM f.k;
SELECT protocol, negatives FROM judged.evaluation WHERE evaluation = 2;

-- a split by time of all events foresees the same as the given test, but for what was added there; nothing is published
SELECT count(*) > 0 AS altered FROM commrec.alter_model('judged', events => 'regress_evaluate.events', hyperparameters => '{"factors": 8, "epochs": 5}');
CREATE TEMP TABLE split AS SELECT * FROM commrec.evaluate('judged', split_at => '2026-03-15 00:00+00', k => '{3,10}', replicates => 0);
DELETE FROM regress_evaluate.test AS t WHERE user_id = 999 OR item_id = 999;
SELECT f.scorer, f.metric, f.k, s.users = f.users AS users FROM commrec.evaluate('judged', test => 'regress_evaluate.test', k => '{3,10}') AS f
	LEFT JOIN split AS s ON s.scorer = f.scorer AND s.metric = f.metric AND s.k IS NOT DISTINCT FROM f.k
	WHERE s.value IS NULL OR abs(s.value - f.value) > 1e-4 ORDER BY 1, 2, 3;
SELECT count(*) AS versions, max(version) FILTER (WHERE deployed) AS deployed FROM judged.version;
SELECT version, protocol, split_at = '2026-03-15 00:00+00' AS at, low_figures FROM judged.evaluation AS e,
	LATERAL (SELECT count(m.low) AS low_figures FROM judged.metric AS m WHERE m.evaluation = e.evaluation) AS l WHERE evaluation = 3;
-- the same figures whatever the workers; others with another seed
SELECT bool_and(a.value = b.value AND a.low IS NOT DISTINCT FROM b.low) AS same
	FROM commrec.evaluate('judged', workers => 0, k => '{5}') AS a JOIN commrec.evaluate('judged', workers => 2, k => '{5}') AS b
	USING (scorer, stratum, metric);
SELECT bool_or(a.value <> b.value) AS differ
	FROM commrec.evaluate('judged', split => 'random', k => '{5}', replicates => 0) AS a
	JOIN commrec.evaluate('judged', split => 'random', seed => 43, k => '{5}', replicates => 0) AS b USING (scorer, stratum, metric);
-- the newest item of each user; a sample of them
SELECT DISTINCT users FROM commrec.evaluate('judged', split => 'last', replicates => 0) WHERE metric = 'recall';
SELECT DISTINCT users FROM commrec.evaluate('judged', split => 'last', users => 20, replicates => 0) WHERE metric = 'recall';
SELECT evaluation, protocol, users, pairs FROM judged.evaluation ORDER BY evaluation DESC LIMIT 2;
-- the newest event of a pair may be of any action: item 1 was liked last, item 2 only looked at before that
CREATE TABLE regress_evaluate.actions (user_id integer, item_id integer, action text, at timestamptz);
INSERT INTO regress_evaluate.actions SELECT u, i, a, timestamptz '2026-01-01 00:00+00' + interval '1 day' *
		CASE WHEN i = 1 AND a = 'click' THEN 9 WHEN i = 2 THEN 5 ELSE 1 END
	FROM generate_series(1, 20) AS u, generate_series(1, 3) AS i, unnest('{click,view}'::text[]) AS a;
INSERT INTO regress_evaluate.actions SELECT u, 1, 'view', '2026-01-02 00:00+00' FROM generate_series(21, 25) AS u;
SELECT count(*) > 0 AS created FROM commrec.create_model('newest', 'regress_evaluate.actions', action_column => 'action', time_column => 'at');
SELECT users, value FROM commrec.evaluate('newest', split => 'last', k => '{5}', replicates => 0, baselines => '{popular}')
	WHERE metric = 'recall' AND scorer = 'popular';
SELECT commrec.drop_model('newest');
-- hyperparameters of a version, and of the call
SELECT count(*) > 0 AS rows FROM commrec.evaluate('judged', 1, hyperparameters => '{"epochs": 2}', replicates => 0);
SELECT version, hyperparameters -> 'factors' AS factors, hyperparameters -> 'epochs' AS epochs FROM judged.evaluation ORDER BY evaluation DESC LIMIT 1;
-- strata: users by activity, items by popularity and age; users of the strata of activity add up
CREATE TEMP TABLE strata AS SELECT * FROM commrec.evaluate('judged', strata => true, k => '{10}', replicates => 50, baselines => '{popular}');
SELECT stratum, count(*) AS figures FROM strata GROUP BY stratum ORDER BY stratum COLLATE "C";
SELECT sum(users) FILTER (WHERE stratum LIKE 'activity%') = max(users) FILTER (WHERE stratum = 'all') AS adds_up,
	abs(sum(users * value) FILTER (WHERE stratum LIKE 'activity%') - sum(users * value) FILTER (WHERE stratum = 'all')) < 1e-3 AS means_add_up
	FROM strata WHERE scorer = 'model' AND metric = 'recall';
SELECT scorer FROM strata WHERE stratum = 'popularity head' AND metric = 'recall' ORDER BY value DESC LIMIT 1;

-- items drawn for nobody in particular: there is nothing to learn but popularity, and the model is no better
CREATE TABLE regress_evaluate.noise AS SELECT user_id, at,
		1 + floor(60 * (('x' || substr(md5(user_id || '-' || item_id), 1, 8))::bit(32)::bigint / 4294967296.0) ^ 3)::integer AS item_id
	FROM regress_evaluate.events;
SELECT count(*) > 0 AS created FROM commrec.create_model('noise', 'regress_evaluate.noise', time_column => 'at', hyperparameters => '{"factors": 8}');
SELECT scorer, low <= 0 AS no_better FROM commrec.evaluate('noise') WHERE scorer LIKE 'model - %' AND k = 10;
-- without times: at random; "recent" is left out
SELECT count(*) > 0 AS altered FROM commrec.alter_model('noise', time_column => '');
SET client_min_messages = notice;
SELECT DISTINCT scorer FROM commrec.evaluate('noise', k => '{5}', replicates => 0, baselines => '{recent}') ORDER BY scorer;
SET client_min_messages = warning;
SELECT protocol FROM noise.evaluation ORDER BY evaluation DESC LIMIT 1;
SELECT pg_temp.error_of($$SELECT commrec.evaluate('noise', split => 'last')$$);
SELECT pg_temp.error_of($$SELECT commrec.evaluate('noise', split_at => now())$$);

-- a training may be deployed only if it is better: nothing serves; worse; the same; better; booleans as ever
SELECT count(*) > 0 AS created FROM commrec.create_model('careful', 'regress_evaluate.events', time_column => 'at', hyperparameters => '{"factors": 8}');
SET client_min_messages = notice;
SELECT version, deployed, metrics -> 'comparison' AS comparison FROM commrec.train('careful', deploy => 'if_better');
SET client_min_messages = warning;
SELECT version, deployed, metrics -> 'comparison' ->> 'version' AS against, (metrics #>> '{comparison,ndcg}')::real < (metrics #>> '{comparison,ndcg_version}')::real AS worse,
	(metrics #>> '{comparison,high}')::real < 0 AS clearly
	FROM commrec.train('careful', '{"epochs": 1, "factors": 1, "popularity_weight": 0}', deploy => 'if_better');
SELECT version, deployed, (metrics #>> '{comparison,ndcg}')::real = (metrics #>> '{comparison,ndcg_version}')::real AS same
	FROM commrec.train('careful', (SELECT hyperparameters FROM careful.version WHERE version = 1), deploy => 'if_better');
SELECT version, deployed, metrics ? 'comparison' AS compared FROM commrec.train('careful', '{"epochs": 1, "factors": 1, "popularity_weight": 0}', deploy => true);
SELECT version, deployed FROM commrec.train('careful', deploy => 'if_better');
SELECT version, deployed FROM commrec.train('careful', deploy => false);
SELECT version, deployed FROM commrec.train('careful', deploy => 'never');
SELECT version, deployed FROM commrec.train('careful', deploy => NULL);
CALL commrec.refresh('careful', hyperparameters => '{"epochs": 1, "factors": 1, "popularity_weight": 0}', deploy => 'if_better');
SELECT version, deployed FROM careful.version ORDER BY version;
SELECT pg_temp.error_of($$SELECT commrec.train('careful', deploy => 'perhaps')$$);

-- errors
SELECT n, pg_temp.error_of('SELECT commrec.evaluate(' || c || ')') FROM (VALUES
	(1, $$NULL$$), (2, $$'nobody'$$), (3, $$'judged', 77$$), (4, $$'judged', 77, test => 'regress_evaluate.test'$$),
	(5, $$'judged', split_at => 'infinity'$$), (6, $$'judged', split_at => '1999-01-01'$$), (7, $$'judged', split_at => '2999-01-01'$$),
	(8, $$'judged', k => '{}'$$), (9, $$'judged', k => '{0}'$$), (10, $$'judged', k => '{5,NULL}'$$), (11, $$'judged', k => '{1001}'$$),
	(12, $$'judged', baselines => '{best}'$$), (13, $$'judged', split => 'third'$$), (14, $$'judged', test_share => 1$$),
	(15, $$'judged', test_share => 'NaN'$$), (16, $$'judged', users => 0$$), (17, $$'judged', replicates => -1$$),
	(18, $$'judged', confidence => 95$$), (19, $$'judged', seed => -1$$), (20, $$'judged', workers => -5$$),
	(21, $$'judged', hyperparameters => '{"factor": 8}'$$), (22, $$'judged', test => 'regress_evaluate.test', hyperparameters => '{}'$$),
	(23, $$'judged', test => 'regress_evaluate.test', split => 'random'$$), (24, $$'judged', negatives => 'regress_evaluate.test'$$),
	(25, $$'judged', split_at => '2026-02-01', split => 'last'$$), (26, $$'judged', test => 'pg_catalog.pg_class'$$),
	(27, $$'judged', version => 0$$)) AS e (n, c) ORDER BY n;
BEGIN READ ONLY;
SELECT pg_temp.error_of($$SELECT commrec.evaluate('judged')$$);
ROLLBACK;
CREATE ROLE regress_evaluate_reader;
GRANT USAGE ON SCHEMA judged TO regress_evaluate_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA commrec TO regress_evaluate_reader;
SET ROLE regress_evaluate_reader;
SELECT pg_temp.error_of($$SELECT commrec.evaluate('judged')$$);
RESET ROLE;
-- NULL stands for the default
SELECT count(*) > 0 AS rows FROM commrec.evaluate('judged', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL);
-- ids of type text and uuid
CREATE TABLE regress_evaluate.words AS SELECT 'u' || user_id AS user_id, ('00000000-0000-0000-0000-' || lpad(item_id::text, 12, '0'))::uuid AS item_id, at
	FROM regress_evaluate.train;
CREATE TABLE regress_evaluate.words_test AS SELECT 'u' || user_id AS user_id, ('00000000-0000-0000-0000-' || lpad(item_id::text, 12, '0'))::uuid AS item_id
	FROM regress_evaluate.test;
SELECT count(*) > 0 AS created FROM commrec.create_model('words', 'regress_evaluate.words', time_column => 'at');
SELECT version FROM commrec.train('words', '{"factors": 8, "epochs": 5}');
CREATE TABLE regress_evaluate.words_negatives AS SELECT 'u' || user_id AS user_id, ('00000000-0000-0000-0000-' || lpad(item_id::text, 12, '0'))::uuid AS item_id
	FROM regress_evaluate.negatives;
SELECT scorer, abs(w.value - s.value) < 1e-4 AS same FROM commrec.evaluate('words', test => 'regress_evaluate.words_test', replicates => 0) AS w
	JOIN commrec.evaluate('words', test => 'regress_evaluate.words_test', negatives => 'regress_evaluate.words_negatives', replicates => 0) AS s
	USING (scorer, stratum, metric, k) WHERE metric = 'recall' AND k = 10 ORDER BY scorer;
DROP OWNED BY regress_evaluate_reader;
DROP ROLE regress_evaluate_reader;
SELECT commrec.drop_model('judged'), commrec.drop_model('noise'), commrec.drop_model('words'), commrec.drop_model('careful');
DROP SCHEMA regress_evaluate CASCADE;
