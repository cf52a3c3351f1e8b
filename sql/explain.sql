--
-- explain(): contributions that add up to the score, confidences as they follow from the events.
--
SET client_min_messages = error;
SET timezone = 'UTC';
\set VERBOSITY sqlstate

CREATE TABLE why_events (user_id bigint, item_id integer, action text, at timestamptz, value float8);
INSERT INTO why_events
	SELECT u, i, CASE WHEN (u * 7 + i * 3) % 13 = 0 THEN 'dislike' WHEN (u + i) % 5 = 0 THEN 'rating' ELSE 'view' END,
		'2024-06-30 12:00Z'::timestamptz - make_interval(hours => (u * 37 + i * i * 13) % 2000), 1 + (u * i) % 5
	FROM generate_series(1, 60) AS u, generate_series(1, 50) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
INSERT INTO why_events VALUES (1, 1, 'view', '2024-06-01', NULL), (1, 1, 'view', '2024-06-02', NULL),	-- again and again
	(1, 98, 'view', '2024-06-02', NULL),										-- an item that min_item_users leaves out
	(101, 3, 'view', '2024-06-02', NULL),										-- a user whom min_user_items leaves out
	(102, 3, 'dislike', '2024-06-02', NULL), (102, 4, 'dislike', '2024-06-02', NULL);
DO $$
BEGIN
	PERFORM commrec.create_model('why', 'why_events', action_column => 'action', time_column => 'at', value_column => 'value',
		hyperparameters => '{"factors": 7, "epochs": 6, "popularity_weight": 0.3, "popularity_half_life": 40, "min_item_users": 2, "min_user_items": 2}');
END
$$;
UPDATE why.action SET value_low = 1, value_high = 5 WHERE action = 'rating';

-- Every user and every item, with and without ageing, weighted or not: sums are scores, and nothing is left over.
CREATE FUNCTION why_check(hyperparameters jsonb) RETURNS TABLE (pairs bigint, rows_ bigint, wrong_sums bigint, rests bigint, unordered bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM commrec.train('why', hyperparameters, workers => 0);
	RETURN QUERY
	WITH explained AS (
		SELECT u.user_id, i.item_id AS target, e.*, lag(e.contribution) OVER (PARTITION BY u.user_id, i.item_id ORDER BY e.rank) AS before
		FROM why.user_embedding AS u JOIN why.version AS v USING (version) JOIN why.item_embedding AS i USING (version),
			why.explain(u.user_id, i.item_id) AS e
		WHERE v.deployed),
	summed AS (
		SELECT user_id, target, count(*) AS n, sum(contribution) AS sum, why.score(user_id, target)::float8 AS score,
			count(*) FILTER (WHERE source = 'rest') AS rest, count(*) FILTER (WHERE before < contribution) AS bad
		FROM explained GROUP BY user_id, target)
	SELECT count(*), sum(n)::bigint, count(*) FILTER (WHERE NOT abs(sum - score) <= 1e-5 * abs(score)), sum(rest)::bigint, sum(bad)::bigint
	FROM summed;
END
$$;
SELECT * FROM why_check('{"popularity_weight": 0}');
SELECT * FROM why_check('{"half_life": 20, "alpha": 3, "unobserved_weight": 0.2, "regularization": 0.05}');
SELECT * FROM why_check('{"factors": 40, "regularization_exponent": 0, "seed": 5}');
SELECT * FROM why_check('{"half_life": 20, "alpha": 2}');

-- Confidences are those of the preferences, alpha * log2(1 + p), of all that a user wants and training has kept.
WITH event AS (
	SELECT e.user_id, e.item_id, a.preference * CASE WHEN a.value_low IS NULL THEN 1 ELSE (max(e.value) - a.value_low) / (a.value_high - a.value_low) END
		* 2 ^ (-extract(epoch FROM (SELECT max(at) FROM why_events) - e.at)::float8 / 86400 / 20) AS added
	FROM why_events AS e JOIN why.action AS a USING (action)
	GROUP BY e.user_id, e.item_id, e.action, e.at, a.preference, a.value_low, a.value_high),
wanted AS (
	SELECT user_id, item_id, 2 * log(2, (1 + sum(added))::numeric) AS confidence FROM event GROUP BY user_id, item_id HAVING sum(added) > 0)
SELECT count(*) > 400 AS many, count(*) FILTER (WHERE e.item_id IS NOT NULL AND (abs(w.confidence - e.confidence) < 1e-5) IS NOT TRUE) AS different,
	array_agg(DISTINCT coalesce(w.user_id, 0) || ' ' || coalesce(w.item_id, 0)) FILTER (WHERE e.item_id IS NULL) AS left_out
FROM wanted AS w FULL JOIN (
	SELECT u.user_id, e.item_id, e.confidence FROM generate_series(1, 100) AS u (user_id), why.explain(u.user_id, 5) AS e WHERE e.source = 'item') AS e
	USING (user_id, item_id);

-- Whoever has nothing that was learned is explained by his last item or by popularity; the unknown not at all.
SELECT u, source, item_id, confidence, abs(sum(contribution) OVER (PARTITION BY u) - why.score(u, 5)) < 1e-7 AS adds_up
FROM unnest(ARRAY[101, 102]) AS u, why.explain(u, 5) ORDER BY u, source;
SELECT count(*) FROM why.explain(12345, 5);
SELECT count(*) FROM why.explain(1, 12345);
SELECT count(*) FROM why.explain(NULL, 5);
SELECT count(*) FROM why.explain(1, NULL);
SELECT count(*) FROM commrec.explain(1, 9223372036854775807, 'why');

-- The forms agree; so do a reader's answers, who may read none of the tables.
SELECT count(*) AS differences FROM generate_series(1, 60) AS u, LATERAL (
	SELECT rank, item_id::text, confidence, contribution, source FROM why.explain(u, 7)
	EXCEPT SELECT * FROM commrec.explain(u::text, '7', 'why')) AS d;
CREATE ROLE regress_commrec_why;
GRANT USAGE ON SCHEMA why TO regress_commrec_why;
SET ROLE regress_commrec_why;
SELECT count(*) > 3 AS many FROM why.explain(1, 7);
BEGIN READ ONLY;
SELECT round(sum(contribution)::numeric, 4) = round(why.score(1, 7)::numeric, 4) AS sums FROM why.explain(1, 7);
ROLLBACK;
RESET ROLE;
SELECT * FROM commrec.explain_typed('why', 1, 7) AS e (rank integer, item_id integer, confidence real, contribution double precision, source text);

-- Damage is told, and tells where.
BEGIN;
UPDATE why.fold_in SET gram = set_byte(gram, 4, 9);
SELECT count(*) FROM why.explain(1, 7);
ROLLBACK;
BEGIN;
UPDATE why.fold_in SET gram = substr(gram, 1, 30);
SELECT count(*) FROM why.explain(1, 7);
ROLLBACK;
BEGIN;
UPDATE why.fold_in SET gram = NULL;
SELECT count(*) FROM why.explain(1, 7);
ROLLBACK;
BEGIN;
DELETE FROM why.fold_in;
SELECT count(*) FROM why.explain(1, 7);
ROLLBACK;
BEGIN;
UPDATE why.user_embedding SET preferences = set_byte(preferences, 8, 255);
SELECT count(*) FROM why.explain(1, 7);
ROLLBACK;
BEGIN;
UPDATE why.version SET hyperparameters = '[]';
SELECT count(*) FROM why.explain(1, 7);
ROLLBACK;

-- Pruned versions leave nothing behind.
SELECT count(*) = current_setting('commrec.keep_versions')::integer AS kept FROM why.fold_in;

-- Where nothing can be learned there is no Gram matrix, and everything is popularity.
UPDATE why.action SET preference = -1;
SELECT dims FROM commrec.train('why', workers => 0);
SELECT gram IS NULL AS nothing FROM why.fold_in ORDER BY version DESC LIMIT 1;
SELECT count(*), min(source) FROM why.explain(1, 7);

-- A model of ratings is another equation: its scores are explained by a projection, and new events count as seen, no more.
SELECT count(*) > 0 AS made FROM commrec.create_model('why_rated', 'why_events', action_column => 'action', time_column => 'at', value_column => 'value',
	algorithm => 'als', hyperparameters => '{"factors": 3, "epochs": 3}');
UPDATE why_rated.action SET value_low = 1, value_high = 5 WHERE action = 'rating';
SELECT dims FROM commrec.train('why_rated', workers => 0);
SELECT min(user_id) AS rater FROM why_rated.user_embedding WHERE embedding IS NOT NULL \gset
SELECT count(*) AS scores, sum((abs(total - score) <= 1e-5 * greatest(size, 1))::int) AS explained,
	sum(("source" @> '{item,bias}')::int) AS by_items_and_biases
FROM (SELECT r.item_id, r.score, sum(x.contribution) AS total, sum(abs(x.contribution)) AS size, array_agg(x.source) AS source
	FROM why_rated.recommend(:rater, 100) AS r, why_rated.explain(:rater, r.item_id) AS x GROUP BY 1, 2) AS s;
SELECT count(*) FILTER (WHERE why_rated.score(:rater, item_id) = score) = count(*) AS scores FROM why_rated.recommend(:rater, 100);
INSERT INTO why_events SELECT :rater, item_id, 'view', '2024-07-01' FROM why_rated.recommend(:rater, 1);
SELECT (SELECT count(*) FROM why_rated.recommend(:rater, 100)) - count(*) AS seen, min(source) AS source FROM why_rated.recommend(:rater, 100, fresh => true);
SELECT commrec.drop_model('why_rated');

SELECT commrec.drop_model('why');
DROP FUNCTION why_check;
DROP TABLE why_events;
DROP ROLE regress_commrec_why;
