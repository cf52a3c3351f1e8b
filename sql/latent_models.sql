-- bpr, pure_svd and concat_linear: the same bits for any number of workers, what they learn, what they refuse.
SET client_min_messages = warning;
-- members like what has their remainder by 4; member 500 has but disliked something
CREATE TABLE latent_events AS
SELECT u AS user_id, 4 * ((u * 7 + e * e) % 20) + u % 4 AS item_id, 'like' AS action
FROM generate_series(1, 200) AS u, generate_series(1, 9) AS e
UNION ALL SELECT 500, 3, 'dislike';

CREATE FUNCTION latent_bits(model text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	bits text;
BEGIN
	EXECUTE format('SELECT md5((SELECT string_agg(e.embedding, NULL ORDER BY e.user_id) FROM %1$I.user_embedding AS e
		JOIN %1$I.version AS v USING (version) WHERE v.deployed) || (SELECT string_agg(e.embedding, NULL ORDER BY e.item_id)
		FROM %1$I.item_embedding AS e JOIN %1$I.version AS v USING (version) WHERE v.deployed))', model) INTO bits;
	RETURN bits;
END
$$;

SELECT count(*) > 0 AS created FROM commrec.create_model('latent', 'latent_events', action_column => 'action', algorithm => 'bpr');
SELECT algorithm, dims, factors, (metrics ->> 'loss')::float < 0.5 AS has_learned
FROM commrec.train('latent', '{"factors": 8, "epochs": 60}', workers => 0);
SELECT latent_bits('latent') AS alone \gset
SELECT algorithm FROM commrec.train('latent', '{"factors": 8, "epochs": 60}', workers => 2);
SELECT latent_bits('latent') = :'alone' AS same_bits;
SELECT algorithm FROM commrec.train('latent', '{"factors": 8, "epochs": 60, "seed": 1}', workers => 0);
SELECT latent_bits('latent') = :'alone' AS same_bits;
SELECT avg((r.item_id % 4 = u.user_id % 4)::int) > 0.95 AS has_groups
FROM generate_series(1, 200) AS u (user_id), LATERAL latent.recommend(u.user_id, 3) AS r;
SELECT DISTINCT source FROM latent.recommend(500, 3);
SELECT bool_and(s.item_id % 4 = i.item_id % 4) AS similar FROM (SELECT min(item_id) AS item_id FROM latent_events) AS i,
	LATERAL latent.similar_items(i.item_id, 5) AS s;

SELECT count(*) > 0 AS altered FROM commrec.alter_model('latent', NULL, algorithm => 'pure_svd');
SELECT algorithm, dims, factors FROM commrec.train('latent', '{"factors": 4}', workers => 0);
SELECT latent_bits('latent') AS alone \gset
SELECT algorithm FROM commrec.train('latent', '{"factors": 4}', workers => 2);
SELECT latent_bits('latent') = :'alone' AS same_bits;
SELECT avg((r.item_id % 4 = u.user_id % 4)::int) > 0.95 AS has_groups
FROM generate_series(1, 200) AS u (user_id), LATERAL latent.recommend(u.user_id, 3) AS r;
SELECT DISTINCT source FROM latent.recommend(500, 3);

SELECT count(*) > 0 AS altered FROM commrec.alter_model('latent', NULL, algorithm => 'concat_linear');
SELECT algorithm, dims, factors, (metrics ->> 'loss')::float < 0.01 AS is_one
FROM commrec.train('latent', '{"learning_rate": 0.01}', workers => 0);
SELECT latent_bits('latent') AS alone \gset
SELECT algorithm FROM commrec.train('latent', '{"learning_rate": 0.01}', workers => 2);
SELECT latent_bits('latent') = :'alone' AS same_bits;
-- all members rank alike
SELECT count(DISTINCT (SELECT array_agg(r.item_id ORDER BY r.rank) FROM latent.recommend(u.user_id, 80, exclude_seen => false) AS r)) AS rankings
FROM generate_series(1, 200) AS u (user_id);

\set VERBOSITY terse
SELECT commrec.train('latent', '{"negatives": "popularity"}');
SELECT count(*) > 0 AS altered FROM commrec.alter_model('latent', NULL, algorithm => 'bpr');
SELECT commrec.train('latent', '{"factors": 512}');
SELECT commrec.train('latent', '{"negatives": 1}');
SELECT commrec.train('latent', '{"learning_rate": 0}');
SELECT commrec.train('latent', '{"learning_rate": 10, "regularization": 10}');
SET commrec.max_train_memory = '1MB';
SELECT commrec.train('latent', '{"factors": 511}');
RESET commrec.max_train_memory;
SELECT version, deployed FROM latent.version ORDER BY version DESC LIMIT 2;
\set VERBOSITY default
SELECT commrec.drop_model('latent');
DROP FUNCTION latent_bits(text);
DROP TABLE latent_events;
