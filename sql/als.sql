--
-- Ratings: algorithm als
--
SET client_min_messages = warning;

-- Tastes of two kinds, kind and strict raters, good and bad items; every fifth rating is held out.
CREATE TABLE als_all AS
SELECT u AS user_id, i AS item_id, timestamptz '2026-01-01 00:00 UTC' + i * interval '1 hour' AS at,
	(3 + 0.9 * sin(u) * cos(i * 2) + 0.5 * sin(u * 3) + 0.4 * cos(i * 5))::numeric(4, 2) AS stars,
	(u * 7 + i * 3) % 5 = 0 AS held_out
FROM generate_series(1, 120) AS u, generate_series(1, 50) AS i
WHERE (u * 31 + i * 17) % 7 < 4;
CREATE VIEW als_events AS SELECT user_id, item_id, at, stars FROM als_all WHERE NOT held_out;
DO $$
BEGIN
	PERFORM commrec.create_model('als_model', 'als_events', value_column => 'stars', time_column => 'at',
		algorithm => 'als', hyperparameters => '{"factors": 4, "regularization": 0.02}');
END
$$;

SELECT algorithm, hyperparameters, pairs = (SELECT count(*) FROM als_events) AS all_pairs, dims, factors
FROM commrec.train('als_model', workers => 0);
SELECT bool_and(loss <= before) AS falls FROM (
	SELECT loss, lag(loss) OVER (ORDER BY epoch) AS before FROM als_model.epoch) AS e
WHERE before IS NOT NULL;

-- Root mean square errors of the model, and of the mean.
CREATE VIEW als_error AS
SELECT a.held_out, sqrt(avg((commrec.inner_product(u.embedding, i.embedding) - a.stars) ^ 2)) AS model,
	stddev_pop(a.stars) AS mean
FROM als_all AS a JOIN als_model.user_embedding AS u USING (user_id) JOIN als_model.item_embedding AS i USING (item_id)
WHERE u.version = (SELECT max(version) FROM als_model.version)
	AND i.version = (SELECT max(version) FROM als_model.version)
GROUP BY a.held_out;
SELECT held_out, model < 0.15 AS model_is_near, mean > 0.6 AS mean_is_not FROM als_error ORDER BY held_out;

-- A score is the expected rating, and the best unseen items come first.
SELECT count(*) > 20 AS many, bool_and(r.source = 'model') AS by_model,
	bool_and(abs(r.score - commrec.inner_product(u.embedding, i.embedding)) < 1e-5) AS as_expected,
	bool_and(r.score <= r.before) AS descending, count(a.stars) AS held_out,
	bool_and(abs(r.score - a.stars) < 0.5) AS near_what_was_held_out
FROM (SELECT *, lag(score, 1, score) OVER (ORDER BY rank) AS before FROM als_model.recommend(7, 50)) AS r
JOIN als_model.user_embedding AS u ON u.user_id = 7 AND u.version = 1
JOIN als_model.item_embedding AS i ON i.item_id = r.item_id AND i.version = 1
LEFT JOIN als_all AS a ON a.user_id = 7 AND a.item_id = r.item_id AND a.held_out;
SELECT count(*), bool_and(similarity BETWEEN -1.0001 AND 1.0001) AS are_cosines FROM als_model.similar_items(3, 5);

-- The newest rating of a pair counts; a member or an item without any is not learned.
CREATE TABLE als_changed (user_id integer, item_id integer, kind text, at timestamptz, stars double precision);
INSERT INTO als_changed
SELECT u, i, 'rating', timestamptz '2026-01-02 00:00 UTC', CASE WHEN i % 2 = 0 THEN 5 ELSE 1 END
FROM generate_series(1, 30) AS u, generate_series(1, 20) AS i;
INSERT INTO als_changed
SELECT u, i, 'rating', timestamptz '2026-01-01 00:00 UTC', CASE WHEN i % 2 = 0 THEN 1 ELSE 5 END
FROM generate_series(1, 30) AS u, generate_series(1, 20) AS i;
INSERT INTO als_changed VALUES (31, 1, 'view', '2026-01-03', NULL), (1, 21, 'view', '2026-01-03', NULL);
DO $$
BEGIN
	PERFORM commrec.create_model('als_changed_model', 'als_changed', action_column => 'kind', time_column => 'at',
		value_column => 'stars', algorithm => 'als', hyperparameters => '{"factors": 2, "epochs": 10}');
END
$$;
SELECT users, items, pairs FROM commrec.train('als_changed_model', workers => 0);
SELECT i.item_id % 2 AS odd, round(min(commrec.inner_product(u.embedding, i.embedding))) AS lowest,
	round(max(commrec.inner_product(u.embedding, i.embedding))) AS highest
FROM als_changed_model.user_embedding AS u, als_changed_model.item_embedding AS i
WHERE i.item_id <= 20 AND u.user_id <= 30 GROUP BY odd ORDER BY odd;
SELECT user_id, embedding IS NULL AS is_unknown FROM als_changed_model.user_embedding WHERE user_id = 31;
SELECT count(*), bool_and(source <> 'model') AS are_popular FROM als_changed_model.recommend(31, 3);
SELECT round(score::numeric) AS mean FROM als_changed_model.recommend(2, 5) WHERE item_id = 21;

-- What als does not have, and what it needs
\set VERBOSITY terse
SELECT commrec.check_hyperparameters('als', '{"alpha": 1}');
SELECT commrec.check_hyperparameters('als', '{"solver": "cg"}');
SELECT commrec.check_hyperparameters('als', '{"factors": 511}');
SELECT commrec.check_hyperparameters('als', '{"factors": 510, "regularization": 0.02, "seed": 1}');
\set VERBOSITY default
SELECT DISTINCT scorer, users FROM commrec.evaluate('als_model') WHERE metric = 'recall' ORDER BY scorer;
SELECT commrec.alter_model('als_model', value_column => '');
SELECT version FROM commrec.train('als_model', workers => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT version, deployed FROM als_model.version;

-- A rating that no action counts is none.
DO $$
BEGIN
	PERFORM commrec.alter_model('als_model', value_column => 'stars');
	UPDATE als_model.action SET value_low = NULL, value_high = NULL;
END
$$;
SET client_min_messages = notice;
SELECT version, pairs, dims FROM commrec.train('als_model', workers => 0, deploy => false);
SET client_min_messages = warning;

DROP SCHEMA als_model, als_changed_model CASCADE;
DROP TABLE als_all CASCADE;
DROP TABLE als_changed;
