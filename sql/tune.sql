--
-- tune(): the search is by seed, judged as evaluate() judges, kept trial by trial, written back on request.
--
SET client_min_messages = warning;
SET extra_float_digits = 0;
CREATE SCHEMA regress_tune;
CREATE TABLE regress_tune.events AS
	SELECT u AS user_id, i AS item_id, timestamptz '2026-01-01 00:00+00' + interval '1 hour' * ((u * 7919 + i * 104729) % 2400) AS at
	FROM generate_series(1, 150) AS u, generate_series(1, 60) AS i
	WHERE (u * 31 + i * 17) % (CASE WHEN u % 5 = i % 5 THEN 3 ELSE 23 END) = 0;
CREATE TABLE regress_tune.rated AS SELECT user_id, item_id, 1 + (user_id + item_id) % 5 AS value FROM regress_tune.events WHERE item_id % 7 > 0;
CREATE TABLE regress_tune.rated_test AS SELECT DISTINCT user_id, item_id + 1 AS item_id FROM regress_tune.rated;
SELECT count(*) > 0 AS created FROM commrec.create_model('tuned', 'regress_tune.events', time_column => 'at',
	hyperparameters => '{"factors": 2, "epochs": 1, "regularization": 1}');
-- in a transaction block it could not commit; in DO it can
BEGIN;
CALL commrec.tune('tuned');
ROLLBACK;
DO $$ BEGIN CALL commrec.tune('tuned', '{"factors": [1]}', trials => 1); END $$;
DELETE FROM tuned.trial;

-- twice the same, whatever the workers
CALL commrec.tune('tuned', '{"factors": [4, 8, 16], "epochs": {"low": 2, "high": 6}, "regularization": {"low": 0.001, "high": 0.1, "scale": "log"}}',
	trials => 9, workers => 0);
CALL commrec.tune('tuned', '{"factors": [4, 8, 16], "epochs": {"low": 2, "high": 6}, "regularization": {"low": 0.001, "high": 0.1, "scale": "log"}}',
	trials => 9, workers => 2);
SELECT count(*) AS trials, count(*) FILTER (WHERE a.hyperparameters = b.hyperparameters AND a.value = b.value AND a.folds = b.folds AND a.is_best = b.is_best) AS same
	FROM tuned.trial AS a JOIN tuned.trial AS b USING (trial) WHERE a.tuning = 1 AND b.tuning = 2;
-- nine are judged on the first fold, three on the second, one on the third, and the model's own everywhere
SELECT folds, count(*) BETWEEN 1 AND 6 AS some, bool_or(trial = 1) AS own FROM tuned.trial WHERE tuning = 1 GROUP BY folds ORDER BY folds;
SELECT trial, hyperparameters FROM tuned.trial WHERE tuning = 1 AND trial = 1;
SELECT bool_and((hyperparameters ->> 'factors')::integer IN (4, 8, 16) AND (hyperparameters ->> 'epochs')::integer BETWEEN 2 AND 6
	AND (hyperparameters ->> 'regularization')::double precision BETWEEN 0.001 AND 0.1) AS inside,
	count(DISTINCT hyperparameters) AS different FROM tuned.trial WHERE tuning = 1 AND trial > 1;
SELECT b.folds, b.value > o.value AS better FROM tuned.trial AS b, tuned.trial AS o
	WHERE b.tuning = 1 AND b.is_best AND o.tuning = 1 AND o.trial = 1;
-- other trials with another seed, and nothing is written back unless it is asked for
CALL commrec.tune('tuned', '{"regularization": {"low": 0.001, "high": 0.1}}', trials => 3, folds => 1, seed => 7);
SELECT count(*) FILTER (WHERE a.hyperparameters = b.hyperparameters) AS same FROM tuned.trial AS a, tuned.trial AS b
	WHERE a.tuning = 3 AND b.tuning = 1 AND a.trial > 1 AND b.trial > 1;
SELECT hyperparameters FROM tuned.commrec_model;

-- a fold is what evaluate() splits: trial 1 has its figure
CALL commrec.tune('tuned', '{"epochs": [1]}', trials => 1, folds => 1, metric => 'recall@5');
SELECT abs(t.value - e.value) < 1e-6 AS newest_tenth FROM tuned.trial AS t, commrec.evaluate('tuned', k => '{5}', replicates => 0) AS e
	WHERE t.tuning = 4 AND e.scorer = 'model' AND e.metric = 'recall';
CALL commrec.tune('tuned', '{"epochs": [1]}', trials => 1, folds => 1, split => 'last', metric => 'map@20');
SELECT abs(t.value - e.value) < 1e-6 AS newest_item FROM tuned.trial AS t, commrec.evaluate('tuned', split => 'last', k => '{20}', replicates => 0) AS e
	WHERE t.tuning = 5 AND e.scorer = 'model' AND e.metric = 'map';
CALL commrec.tune('tuned', '{"epochs": [1]}', trials => 1, folds => 1, split => 'random', metric => 'hit_rate@3');
SELECT abs(t.value - e.value) < 1e-6 AS at_random FROM tuned.trial AS t, commrec.evaluate('tuned', split => 'random', k => '{3}', replicates => 0) AS e
	WHERE t.tuning = 6 AND e.scorer = 'model' AND e.metric = 'hit_rate';
-- the fold before the newest is what was the newest then
CREATE TABLE regress_tune.earlier AS SELECT * FROM regress_tune.events AS e WHERE (SELECT count(*) FROM regress_tune.events AS n
	WHERE n.user_id = e.user_id AND (n.at, n.item_id) > (e.at, e.item_id)) > 0;
SELECT count(*) > 0 AS created FROM commrec.create_model('earlier', 'regress_tune.earlier', time_column => 'at',
	hyperparameters => '{"factors": 2, "epochs": 1, "regularization": 1}');
CALL commrec.tune('tuned', '{"epochs": [1]}', trials => 1, folds => 2, split => 'last', metric => 'ndcg@10');
CALL commrec.tune('tuned', '{"epochs": [1]}', trials => 1, folds => 1, split => 'last', metric => 'ndcg@10');
CALL commrec.tune('earlier', '{"epochs": [1]}', trials => 1, folds => 1, split => 'last', metric => 'ndcg@10');
SELECT abs(2 * two.value - one.value - earlier.value) < 1e-6 AS second_fold
	FROM tuned.trial AS two, tuned.trial AS one, earlier.trial AS earlier WHERE two.tuning = 7 AND one.tuning = 8 AND earlier.tuning = 1;

-- of those that are as good as the best, the most regularized; not one that is worse
CALL commrec.tune('tuned', '{"regularization": [0.01, 0.010001], "factors": [8], "epochs": [4]}', trials => 8, folds => 1);
SELECT count(DISTINCT hyperparameters) AS different, bool_or(hyperparameters @> '{"regularization": 0.010001}' AND is_best) AS chosen
	FROM tuned.trial WHERE tuning = 9 AND trial > 1;
CALL commrec.tune('tuned', '{"regularization": [0.01, 1000], "factors": [8], "epochs": [4]}', trials => 8, folds => 1);
SELECT count(DISTINCT hyperparameters) AS different, bool_or(hyperparameters @> '{"regularization": 0.01}' AND is_best) AS chosen
	FROM tuned.trial WHERE tuning = 10 AND trial > 1;
DELETE FROM tuned.trial WHERE tuning > 8;

-- written back, over what was there; a null takes it away
CALL commrec.tune('tuned', '{"factors": [8], "regularization": [null]}', trials => 2, folds => 2, apply => true);
SELECT hyperparameters, (SELECT max(trial) FROM tuned.trial WHERE tuning = 9 AND is_best) AS best FROM tuned.commrec_model;
SELECT count(*) AS versions FROM tuned.version;
-- what does not fit the memory costs its own trial only
SET commrec.max_train_memory = '8MB';
CALL commrec.tune('tuned', '{"factors": [512]}', trials => 2, folds => 1);
RESET commrec.max_train_memory;
SELECT trial, folds, error LIKE 'training needs at least % MB, limit is 8 MB' AS too_large, is_best FROM tuned.trial WHERE tuning = 10 ORDER BY trial;
-- no time: every trial waits
CALL commrec.tune('tuned', '{"factors": [4]}', trials => 3, budget => '0 s');
SELECT count(*) AS waiting FROM tuned.trial WHERE tuning = 11 AND folds = 0;
-- a cancel keeps what was finished
\set VERBOSITY terse
CREATE FUNCTION regress_tune.cancel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_cancel_backend(pg_backend_pid());
	RETURN NEW;
END
$$;
CREATE TRIGGER cancel BEFORE UPDATE ON tuned.trial FOR EACH ROW WHEN (NEW.trial = 3) EXECUTE FUNCTION regress_tune.cancel();
CALL commrec.tune('tuned', '{"factors": [4], "regularization": {"low": 0.01, "high": 0.1}}', trials => 5, folds => 1);
DROP TRIGGER cancel ON tuned.trial;
\set VERBOSITY default
SELECT trial, folds, value > 0 AS judged, is_best FROM tuned.trial WHERE tuning = 12 ORDER BY trial;
DELETE FROM tuned.trial WHERE tuning = 12;
-- the default space
CALL commrec.tune('tuned', trials => 4, folds => 1, users => 30);
SELECT k, count(*) FROM tuned.trial, jsonb_object_keys(hyperparameters) AS k WHERE tuning = 12 GROUP BY k ORDER BY k COLLATE "C";
-- of 60 items there are no more than 60 factors
SELECT bool_and((hyperparameters ->> 'factors')::integer <= 60) AS within FROM tuned.trial WHERE tuning = 12;
-- errors
\set VERBOSITY sqlstate
CALL commrec.tune(NULL);
CALL commrec.tune('nobody');
CALL commrec.tune('tuned', '{}');
CALL commrec.tune('tuned', '[]');
CALL commrec.tune('tuned', '{"factor": [1]}');
CALL commrec.tune('tuned', '{"factors": []}');
CALL commrec.tune('tuned', '{"factors": [0]}');
CALL commrec.tune('tuned', '{"factors": 8}');
CALL commrec.tune('tuned', '{"factors": ["many"]}');
CALL commrec.tune('tuned', '{"factors": {"low": 1}}');
CALL commrec.tune('tuned', '{"factors": {"low": 2, "high": 1}}');
CALL commrec.tune('tuned', '{"factors": {"low": 1, "high": 2, "step": 1}}');
CALL commrec.tune('tuned', '{"unobserved_weight": {"low": 0, "high": 1, "scale": "log"}}');
CALL commrec.tune('tuned', '{"unobserved_weight": {"low": 0.1, "high": 1, "scale": "cubic"}}');
CALL commrec.tune('tuned', trials => 0);
CALL commrec.tune('tuned', folds => 6);
CALL commrec.tune('tuned', budget => '-1 s');
CALL commrec.tune('tuned', metric => 'ndcg');
CALL commrec.tune('tuned', metric => 'auc@10');
CALL commrec.tune('tuned', metric => 'ndcg@0');
CALL commrec.tune('tuned', metric => 'ndcg@10x');
CALL commrec.tune('tuned', split => 'half');
CALL commrec.tune('tuned', workers => -2);
\set VERBOSITY default
CREATE ROLE regress_tune_reader;
GRANT USAGE ON SCHEMA tuned TO regress_tune_reader;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA commrec TO regress_tune_reader;
SET ROLE regress_tune_reader;
CALL commrec.tune('tuned');
RESET ROLE;
DROP OWNED BY regress_tune_reader;
DROP ROLE regress_tune_reader;
-- a model of ratings is judged by its ranking, too
SELECT count(*) > 0 AS created FROM commrec.create_model('rated', 'regress_tune.rated', value_column => 'value', algorithm => 'als');
CALL commrec.tune('rated', '{"factors": [2, 4]}', trials => 2);
SELECT count(*) AS trials, bool_and(error IS NULL AND value > 0) AS judged FROM rated.trial;
SELECT deployed FROM commrec.train('rated', '{"factors": 2, "epochs": 2}', deploy => 'if_better');
SELECT count(*) > 0 AS rows FROM commrec.evaluate('rated', replicates => 10);
SELECT version FROM commrec.train('rated', '{"factors": 2, "epochs": 2}');
SELECT count(*) > 0 AS rows FROM commrec.evaluate('rated', test => 'regress_tune.rated_test', replicates => 10);
SELECT commrec.drop_model('rated');
SELECT commrec.drop_model('tuned'), commrec.drop_model('earlier');
DROP SCHEMA regress_tune CASCADE;
