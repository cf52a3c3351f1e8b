-- The algorithm of toy.c, built into the library by one file and one line: all that is above the scorer works.
-- One line a check, as TAP has it.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned
SET client_min_messages = error;
CREATE EXTENSION commrec;
CREATE FUNCTION pg_temp.ok(fine boolean, what text) RETURNS text LANGUAGE sql AS
$$ SELECT CASE WHEN fine THEN 'ok - ' ELSE 'not ok - ' END || what $$;

SELECT pg_temp.ok(EXISTS (SELECT FROM commrec.algorithms WHERE algorithm = 'toy' AND scorer = 'item lists')
	AND EXISTS (SELECT FROM commrec.hyperparameters WHERE (algorithm, hyperparameter) = ('toy', 'users_max')),
	'the views show the algorithm and its hyperparameter');
CREATE TABLE events AS
SELECT u AS user_id, (u * e * 7 + e * e * 13 + u % 5 * 3) % 40 AS item_id, timestamptz '2026-01-01' + (u % 30) * interval '1 day' + e * interval '1 hour' AS at
FROM generate_series(1, 150) AS u, generate_series(1, 9) AS e;
SELECT count(*) > 0 AS made FROM commrec.create_model('toy', 'events', time_column => 'at', algorithm => 'toy', hyperparameters => '{"popularity_weight": 0}') \gset
SELECT version, workers FROM commrec.train('toy', workers => 0) \gset alone_
SELECT version, workers FROM commrec.train('toy', workers => 2) \gset together_
SELECT pg_temp.ok(count(*) = 0, 'one participant and three learn the same bits')
FROM (SELECT item_no, neighbors FROM toy.item_neighbor WHERE version = 1) AS a
	FULL JOIN (SELECT item_no, neighbors FROM toy.item_neighbor WHERE version = 2) AS b USING (item_no, neighbors)
WHERE a.item_no IS NULL OR b.item_no IS NULL;

-- c_ui = log2(1 + p_ui), and every event has preference 1
CREATE TABLE pairs AS SELECT user_id, item_id, log(2, 1 + count(*))::float AS confidence FROM events GROUP BY user_id, item_id;
CREATE TABLE scores AS
WITH rule AS (
	SELECT a.item_id AS i, b.item_id AS j, count(*)::float / (SELECT count(*) FROM pairs AS p WHERE p.item_id = a.item_id) AS weight
	FROM pairs AS a JOIN pairs AS b USING (user_id) WHERE a.item_id <> b.item_id GROUP BY a.item_id, b.item_id)
SELECT p.user_id, r.j AS item_id, sum(p.confidence * r.weight) AS score FROM pairs AS p JOIN rule AS r ON r.i = p.item_id GROUP BY p.user_id, r.j;
SELECT pg_temp.ok(count(*) > 1000 AND max(abs(toy.score(s.user_id, s.item_id) - s.score)) < 1e-5, 'scores are the sums of the rules')
FROM scores AS s;
SELECT pg_temp.ok(count(*) = 150 * 5 AND bool_and(abs(r.score - s.best[r.rank]) < 1e-5), 'recommend() finds the best')
FROM generate_series(1, 150) AS u, LATERAL toy.recommend(u, 5) AS r,
	LATERAL (SELECT array_agg(b.score ORDER BY b.score DESC) AS best FROM scores AS b WHERE b.user_id = u
		AND NOT EXISTS (SELECT FROM pairs AS p WHERE p.user_id = u AND p.item_id = b.item_id)) AS s;
SELECT pg_temp.ok(bool_and(abs(e.total - toy.score(u, r.item_id)) < 1e-5), 'explain() adds up to the score')
FROM generate_series(1, 40) AS u, LATERAL toy.recommend(u, 3) AS r, LATERAL (SELECT sum(contribution) AS total FROM toy.explain(u, r.item_id)) AS e;
SELECT pg_temp.ok(count(*) = 0, 'recommend_all() gives what recommend() gives')
FROM (SELECT user_id, rank, item_id, score FROM toy.recommend_all(5)) AS a
	FULL JOIN (SELECT u::int AS user_id, r.rank, r.item_id, r.score FROM generate_series(1, 150) AS u, LATERAL toy.recommend(u, 5) AS r) AS b USING (user_id, rank, item_id, score)
WHERE a.rank IS NULL OR b.rank IS NULL;
SELECT pg_temp.ok(count(*) = 3, 'evaluate() judges it') FROM commrec.evaluate('toy', replicates => 10) WHERE scorer = 'model' AND stratum = 'all' AND metric = 'ndcg';
CALL commrec.tune('toy', trials => 3);
SELECT pg_temp.ok(count(*) = 3 AND bool_and(error IS NULL), 'tune() searches it') FROM toy.trial;
