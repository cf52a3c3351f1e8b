-- item_knn, rp3beta and ease through SQL: scores are sums of what lists say, whatever the number of workers.
SET client_min_messages = warning;
CREATE TABLE item_model_events AS
SELECT u AS user_id, i AS item_id FROM generate_series(1, 150) AS u, generate_series(1, 40) AS i
WHERE hashint4(u * 100 + i) % 3 = 0 AND (u + i) % 4 < 2;
SELECT count(*) > 0 AS created FROM commrec.create_model('goes_with', 'item_model_events', algorithm => 'item_knn');
CREATE FUNCTION item_model_tried(algorithm text, hyperparameters jsonb, OUT same boolean, OUT learned boolean, OUT wrong bigint)
LANGUAGE plpgsql AS $$
DECLARE
	answers text[];
	w integer;
BEGIN
	PERFORM commrec.alter_model('goes_with', algorithm => item_model_tried.algorithm);
	FOREACH w IN ARRAY '{0,3}'::integer[] LOOP
		PERFORM commrec.train('goes_with', item_model_tried.hyperparameters || '{"popularity_weight": 0}', workers => w);
		answers := answers || (SELECT md5(string_agg(u || ' ' || r.item_id || ' ' || r.score || ' ' || r.source, ',' ORDER BY u, r.rank))
			FROM generate_series(1, 150) AS u, goes_with.recommend(u, 5) AS r);
	END LOOP;
	same := answers[1] = answers[2];
	learned := (SELECT count(*) > 100 FROM generate_series(1, 150) AS u, goes_with.recommend(u, 1) AS r WHERE r.source = 'model');
	wrong := (SELECT count(*) FROM generate_series(1, 150) AS u, goes_with.recommend(u, 3) AS r, LATERAL (SELECT sum(e.contribution) AS score
		FROM goes_with.explain(u, r.item_id) AS e) AS e WHERE (abs(r.score - e.score) <= 1e-5 * abs(r.score)) IS NOT TRUE);
END
$$;
SELECT v.algorithm, v.hyperparameters, t.*
FROM (VALUES (1, 'item_knn', '{}'::jsonb), (2, 'item_knn', '{"similarity": "jaccard", "shrinkage": 0, "neighbors": 3}'),
	(3, 'item_knn', '{"similarity": "bm25"}'), (4, 'item_knn', '{"similarity": "cosine"}'), (5, 'rp3beta', '{"normalization": "rows"}'),
	(6, 'rp3beta', '{"preferences": "binary", "popularity_penalty": 0.4}'), (7, 'ease', '{}'), (8, 'ease', '{"neighbors": 4, "regularization": 3}'))
	AS v(n, algorithm, hyperparameters), LATERAL item_model_tried(v.algorithm, v.hyperparameters) AS t ORDER BY v.n;
-- what was chosen from the data
SELECT round((hyperparameters ->> 'regularization')::numeric, 3) AS regularization FROM commrec.train('goes_with');
\set VERBOSITY terse
SELECT count(*) FROM commrec.train('goes_with', '{"similarity": "cosine"}');
SELECT count(*) FROM commrec.train('goes_with', '{"regularization": 0}');
-- a catalogue that does not fit is refused
\set VERBOSITY sqlstate
SET commrec.max_train_memory = '1MB';
SELECT count(*) FROM commrec.train('goes_with');
RESET commrec.max_train_memory;
DROP FUNCTION item_model_tried;
SELECT commrec.drop_model('goes_with');
DROP TABLE item_model_events;
