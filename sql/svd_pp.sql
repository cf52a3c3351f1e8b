--
-- Ratings: algorithm svd_pp
--
SET client_min_messages = warning;

-- Tastes of two kinds, kind and strict raters, good and bad items; every fifth rating is held out.
CREATE TABLE svd_pp_all AS
SELECT u AS user_id, i AS item_id,
	(3 + 0.9 * sin(u) * cos(i * 2) + 0.5 * sin(u * 3) + 0.4 * cos(i * 5))::numeric(4, 2) AS stars,
	(u * 7 + i * 3) % 5 = 0 AS held_out
FROM generate_series(1, 120) AS u, generate_series(1, 50) AS i
WHERE (u * 31 + i * 17) % 7 < 4;
CREATE VIEW svd_pp_events AS SELECT user_id, item_id, stars FROM svd_pp_all WHERE NOT held_out;
SELECT count(*) > 0 AS created FROM commrec.create_model('svd_pp_model', 'svd_pp_events', value_column => 'stars',
	algorithm => 'svd_pp', hyperparameters => '{"factors": 4, "epochs": 80, "learning_rate": 0.03, "regularization": 0.01}');

SELECT algorithm, pairs = (SELECT count(*) FROM svd_pp_events) AS all_pairs, dims, factors
FROM commrec.train('svd_pp_model', workers => 0);
SELECT min(loss) FILTER (WHERE epoch > 70) < 0.02 * max(loss) FILTER (WHERE epoch < 3) AS falls FROM svd_pp_model.epoch;

-- Root mean square errors of the model, and of the mean.
SELECT a.held_out, sqrt(avg((commrec.inner_product(u.embedding, i.embedding) - a.stars) ^ 2)) < 0.1 AS model_is_near,
	stddev_pop(a.stars) > 0.6 AS mean_is_not
FROM svd_pp_all AS a JOIN svd_pp_model.user_embedding AS u USING (user_id) JOIN svd_pp_model.item_embedding AS i USING (item_id)
GROUP BY a.held_out ORDER BY a.held_out;

-- A score is the expected rating, and similar items are compared without the biases.
SELECT count(*) > 20 AS many, bool_and(r.source = 'model') AS by_model, bool_and(abs(r.score - a.stars) < 0.4) AS near_what_was_held_out
FROM svd_pp_model.recommend(7, 50) AS r LEFT JOIN svd_pp_all AS a ON a.user_id = 7 AND a.item_id = r.item_id AND a.held_out;
SELECT count(*), bool_and(similarity BETWEEN -1.0001 AND 1.0001) AS are_cosines FROM svd_pp_model.similar_items(3, 5);

-- The same bits whatever the number of workers, others for another seed.
CREATE FUNCTION svd_pp_bits(OUT users text, OUT items text) LANGUAGE sql STABLE AS $$
	SELECT (SELECT md5(string_agg(e.embedding, NULL ORDER BY e.user_id)) FROM svd_pp_model.user_embedding AS e
			JOIN svd_pp_model.version AS v USING (version) WHERE v.deployed),
		(SELECT md5(string_agg(e.embedding, NULL ORDER BY e.item_id)) FROM svd_pp_model.item_embedding AS e
			JOIN svd_pp_model.version AS v USING (version) WHERE v.deployed)
$$;
SELECT users, items FROM svd_pp_bits() \gset
SELECT algorithm FROM commrec.train('svd_pp_model', workers => 2);
SELECT users = :'users' AS same_users, items = :'items' AS same_items FROM svd_pp_bits();
SELECT algorithm FROM commrec.train('svd_pp_model', '{"seed": 1}', workers => 0);
SELECT users = :'users' AS same_users, items = :'items' AS same_items FROM svd_pp_bits();

\set VERBOSITY terse
SELECT commrec.train('svd_pp_model', '{"learning_rate": 1, "epochs": 300}');
SELECT commrec.check_hyperparameters('svd_pp', '{"alpha": 1}');
SELECT commrec.check_hyperparameters('svd_pp', '{"factors": 511}');
SELECT commrec.check_hyperparameters('svd_pp', '{"learning_rate": 0}');

SELECT count(*) >= 0 AS dropped FROM commrec.drop_model('svd_pp_model');
DROP VIEW svd_pp_events;
DROP TABLE svd_pp_all;
DROP FUNCTION svd_pp_bits();
