-- Algorithms and their hyperparameters as views, and a model of popularity alone.
SET client_min_messages = warning;
SELECT count(*) > 2 AS some, bool_and(scorer IN ('inner product', 'item lists', 'popularity', 'chosen') AND meaning <> '') AS sound
FROM commrec.algorithms;
-- the default of create_model is there, every default is allowed, and no key is named twice
SELECT count(*) FROM commrec.algorithms WHERE algorithm = 'ials';
SELECT algorithm, hyperparameter FROM commrec.hyperparameters GROUP BY 1, 2 HAVING count(*) > 1;
DO $$
DECLARE
	h commrec.hyperparameters;
BEGIN
	FOR h IN SELECT * FROM commrec.hyperparameters WHERE "default" IS NOT NULL LOOP
		PERFORM commrec.check_hyperparameters(h.algorithm, jsonb_build_object(h.hyperparameter,
			CASE WHEN h.type = 'choice' OR h."default" = 'Infinity' THEN to_jsonb(h."default") ELSE h."default"::jsonb END));
	END LOOP;
END
$$;
SELECT hyperparameter, type, allowed, "default", searched FROM commrec.hyperparameters WHERE algorithm = 'popular' ORDER BY place;

CREATE TABLE popular_events AS
SELECT u AS user_id, (u * u + e * e) % (10 + e) AS item_id, timestamptz '2026-01-01' + u * interval '1 hour' + e * interval '1 day' AS at
FROM generate_series(1, 120) AS u, generate_series(1, 8) AS e;
SELECT count(*) > 0 AS created FROM commrec.create_model('crowd', 'popular_events', time_column => 'at', algorithm => 'popular');
SELECT version, algorithm, dims, metrics -> 'loss' AS loss, (hyperparameters ->> 'popularity_half_life')::float > 0 AS has_half_life
FROM commrec.train('crowd');
-- everybody gets the same, less what he has seen
SELECT count(*) AS different FROM (SELECT DISTINCT item_id FROM popular_events) AS i
WHERE NOT EXISTS (SELECT FROM crowd.recommend(-1, 100) AS r WHERE r.item_id = i.item_id);
SELECT count(*) AS wrong FROM (SELECT DISTINCT user_id FROM popular_events) AS u,
	LATERAL (SELECT array_agg(r.item_id ORDER BY r.rank) AS given FROM crowd.recommend(u.user_id, 5) AS r) AS g,
	LATERAL (SELECT array_agg(b.item_id ORDER BY b.rank) AS wanted FROM (SELECT p.* FROM crowd.recommend(-1, 100) AS p
		WHERE p.item_id NOT IN (SELECT e.item_id FROM popular_events AS e WHERE e.user_id = u.user_id) ORDER BY p.rank LIMIT 5) AS b) AS w
WHERE given IS DISTINCT FROM wanted;
SELECT DISTINCT source FROM crowd.recommend(1, 5);
-- one who comes back a thousand times makes nothing popular
INSERT INTO popular_events SELECT 1, 4711, timestamptz '2026-01-10' + g * interval '1 second' FROM generate_series(1, 1000) AS g;
SELECT version FROM commrec.train('crowd', '{"popularity_half_life": "Infinity"}');
SELECT popularity, users FROM crowd.item_embedding WHERE version = 2 AND item_id = 4711;
SELECT count(*) AS wrong FROM crowd.item_embedding WHERE version = 2 AND popularity <> users;
DELETE FROM popular_events WHERE item_id = 4711;
SELECT count(*) AS figures FROM commrec.evaluate('crowd', replicates => 10) WHERE scorer = 'model' AND metric = 'ndcg' AND stratum = 'all';
CALL commrec.tune('crowd', trials => 3, apply => true);
SELECT count(*) AS trials, bool_and(error IS NULL) AS fine FROM crowd.trial;
-- from one algorithm to another and back
SELECT count(*) > 0 AS altered FROM commrec.alter_model('crowd', '{"factors": 4, "epochs": 2, "popularity_half_life": null}', algorithm => 'ials');
SELECT version, algorithm FROM commrec.train('crowd', workers => 0);
SELECT commrec.rollback('crowd') > 0 AS back;
-- "auto" becomes one of the others, and says which were tried
SELECT count(*) > 0 AS altered FROM commrec.alter_model('crowd', '{"factors": null, "epochs": null, "time_budget": 1e6, "half_life": 50}', algorithm => 'auto');
SELECT algorithm <> 'auto' AS chosen, (hyperparameters ->> 'half_life')::float AS half_life,
	(metrics #>> '{choice,popular,ndcg}')::float >= 0 AS popular, (metrics #>> '{choice,ials,ndcg}')::float >= 0 AS ials, (metrics #>> '{choice,users}')::int > 0 AS users
FROM commrec.train('crowd');
SELECT v.algorithm = (SELECT c.key FROM jsonb_each(v.metrics -> 'choice') AS c WHERE c.key <> 'users' AND c.value ? 'ndcg' ORDER BY (c.value ->> 'ndcg')::float DESC LIMIT 1)
	OR (v.metrics #>> ARRAY['choice', v.algorithm, 'ndcg'])::float = (SELECT max((c.value ->> 'ndcg')::float) FROM jsonb_each(v.metrics -> 'choice') AS c WHERE c.key <> 'users') AS is_best
FROM crowd.version AS v WHERE deployed;
-- what does not fit the budget is left out
SELECT algorithm, metrics #>> '{choice,ials,skipped}' LIKE 'a training would take % CPU seconds, too much for the time budget' AS skipped
FROM commrec.train('crowd', '{"time_budget": 1e-6}');
SELECT count(*) AS figures FROM commrec.evaluate('crowd', replicates => 10) WHERE scorer = 'model' AND metric = 'ndcg' AND stratum = 'all';
\set VERBOSITY terse
CALL commrec.tune('crowd');
SELECT commrec.train('crowd', '{"time_budget": 0}');
SELECT commrec.train('crowd', '{"factors": 8}');
\set VERBOSITY default
SELECT commrec.drop_model('crowd');
DROP TABLE popular_events;
