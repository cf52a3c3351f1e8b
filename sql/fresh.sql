--
-- recommend(fresh => true): events since the training, folded in by an exact solution; and the links of the chain.
--
SET client_min_messages = error;
SET timezone = 'UTC';
\set VERBOSITY sqlstate

CREATE TABLE fresh_events (user_id bigint, item_id integer, action text, at timestamptz, value float8);
CREATE INDEX ON fresh_events (user_id);
INSERT INTO fresh_events
	SELECT u, i, CASE WHEN (u + i) % 5 = 0 THEN 'rating' ELSE 'view' END,
		'2024-06-30 12:00Z'::timestamptz - make_interval(hours => (u * 37 + i * i * 13) % 2000), 1 + (u * i) % 5
	FROM generate_series(1, 60) AS u, generate_series(1, 40) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
INSERT INTO fresh_events VALUES (70, 3, 'view', '2024-06-02', NULL),	-- min_user_items leaves him out
	(71, 3, 'dislike', '2024-06-02', NULL),
	(2, 40, 'view', '2300-01-01', NULL);								-- from a clock that is wrong
DO $$
BEGIN
	PERFORM commrec.create_model('fresh', 'fresh_events', action_column => 'action', time_column => 'at', value_column => 'value',
		hyperparameters => '{"factors": 6, "epochs": 6, "half_life": 30, "alpha": 2, "unobserved_weight": 0.1, "regularization": 0.03,
			"popularity_weight": 0, "popularity_half_life": 40, "min_user_items": 2}');
END
$$;
UPDATE fresh.action SET value_low = 1, value_high = 5 WHERE action = 'rating';
SELECT version, users, items, events_until FROM commrec.train('fresh', workers => 0);
CREATE TABLE fresh_before AS
	SELECT u, r.* FROM generate_series(1, 72) AS u, fresh.recommend(u, 100, false) AS r;

-- Nothing is new yet: everybody is answered as without.
SELECT count(*) AS differences FROM (
	SELECT u, r.* FROM generate_series(1, 72) AS u, fresh.recommend(u, 100, false, fresh => true) AS r
	EXCEPT TABLE fresh_before) AS d;

-- First clicks of new users; more of those that are known; twice the same; what is no item, or no value.
INSERT INTO fresh_events VALUES
	(900, 5, 'view', '2024-07-01 10:00Z', NULL),
	(901, 5, 'view', '2024-07-01 10:00Z', NULL), (901, 6, 'view', '2024-07-03 10:00Z', NULL), (901, 6, 'view', '2024-07-03 10:00Z', NULL),
	(1, 7, 'view', '2024-07-02 10:00Z', NULL), (1, 5, 'rating', '2024-07-02 11:00Z', 4), (1, 5, 'rating', '2024-07-02 11:00Z', 3),
	(1, 8, 'rating', '2024-07-02 11:00Z', NULL), (1, 9999, 'view', '2024-07-02 10:00Z', NULL), (1, NULL, 'view', '2024-07-02 10:00Z', NULL),
	(1, 9, 'view', NULL, NULL), (1, 10, 'view', 'infinity', NULL), (2, 11, 'applaud', '2024-07-04', NULL), (2, 12, 'purchase', '2024-07-04', NULL),
	(70, 4, 'view', '2024-07-01 11:00Z', NULL), (902, 9999, 'view', '2024-07-01', NULL), (3, 1, 'dislike', '2024-07-01', NULL),
	(4, 4, 'dislike', '2024-07-01', NULL), (903, 8, 'dislike', '2024-07-01', NULL);
SELECT u, source, count(*) FROM unnest(ARRAY[1, 2, 3, 4, 5, 70, 71, 900, 901, 902, 903]) AS u, fresh.recommend(u, 100, fresh => true) AS r
GROUP BY u, source ORDER BY u;
SELECT count(*) AS still_as_before FROM (
	SELECT u, r.* FROM generate_series(1, 72) AS u, fresh.recommend(u, 100, false, fresh => false) AS r INTERSECT TABLE fresh_before) AS d
HAVING count(*) = (SELECT count(*) FROM fresh_before);

-- What was just touched is seen, what was just disliked never comes back; unknown items and events that say nothing change nothing.
SELECT u, array_agg(i ORDER BY i) FILTER (WHERE NOT EXISTS (SELECT FROM fresh.recommend(u, 100, fresh => true) AS r WHERE r.item_id = i)) AS away,
	array_agg(i ORDER BY i) FILTER (WHERE NOT EXISTS (SELECT FROM fresh.recommend(u, 100, false, fresh => true) AS r WHERE r.item_id = i)) AS disliked
FROM (VALUES (1, 5), (1, 7), (1, 8), (1, 9), (1, 10), (2, 11), (2, 12), (3, 1), (4, 4), (70, 3), (70, 4), (900, 5), (901, 5), (901, 6), (903, 8)) AS t (u, i)
GROUP BY u ORDER BY u;

-- The vector is the exact one: for every item l,
--		a0 sum_j (y_l y_j) s_j + sum_i c_i (y_l y_i) s_i + reg s_l = sum_i c_i (y_l y_i).
CREATE FUNCTION fresh_residual(who bigint) RETURNS double precision LANGUAGE sql AS $$
	WITH item AS (
		SELECT e.item_id, e.embedding FROM fresh.item_embedding AS e JOIN fresh.version AS v USING (version) WHERE v.deployed),
	gram AS MATERIALIZED (
		SELECT a.item_id AS l, b.item_id AS j, commrec.inner_product(a.embedding, b.embedding)::float8 AS g FROM item AS a, item AS b),
	event AS (
		SELECT e.item_id, coalesce(a.preference, d.preference, 1) * CASE WHEN a.value_low IS NULL THEN 1 ELSE (max(e.value) - a.value_low) / (a.value_high - a.value_low) END
			* 2 ^ (-extract(epoch FROM (SELECT max(n.at) FROM fresh_events AS n WHERE n.user_id = who AND n.at < '2025-01-01')
				- CASE WHEN e.at < '2025-01-01' THEN e.at ELSE (SELECT max(o.at) FROM fresh_events AS o WHERE o.at < '2024-07-01') END)::float8 / 86400 / 30) AS added
		FROM fresh_events AS e LEFT JOIN fresh.action AS a USING (action) LEFT JOIN commrec.default_action() AS d USING (action)
		WHERE e.user_id = who AND isfinite(e.at) AND (a.value_low IS NULL OR e.value IS NOT NULL) AND e.item_id IN (SELECT item_id FROM item)
		GROUP BY e.item_id, e.action, e.at, a.preference, d.preference, a.value_low, a.value_high),
	confidence AS (
		SELECT item_id, 2 * log(2, (1 + sum(added))::numeric)::float8 AS c FROM event GROUP BY item_id HAVING sum(added) > 0),
	score AS MATERIALIZED (SELECT item_id, score::float8 AS s FROM fresh.recommend(who, 100, false, fresh => true) WHERE source = 'fresh'),
	ridge AS (
		SELECT 0.03 * (sum(c) + 0.1 * (SELECT count(*) FROM item)) AS reg FROM confidence)
	SELECT max(abs(0.1 * x.everything + x.chosen + r.reg * s.s - x.wanted))
	FROM (SELECT g.l, sum(g.g * s.s) AS everything, sum(coalesce(c.c, 0) * g.g * s.s) AS chosen, sum(coalesce(c.c, 0) * g.g) AS wanted
		  FROM gram AS g JOIN score AS s ON s.item_id = g.j LEFT JOIN confidence AS c ON c.item_id = g.j GROUP BY g.l) AS x
		JOIN score AS s ON s.item_id = x.l, ridge AS r
	HAVING count(*) = (SELECT count(*) FROM item) $$;
SELECT u, fresh_residual(u) < 1e-4 AS is_solved FROM unnest(ARRAY[1, 2, 70, 900, 901]) AS u;

-- All that narrows an answer works with it.
SELECT count(*) AS candidates, min(source) AS source FROM fresh.recommend(900, 100, candidates => ARRAY[5, 6, 7, 8], fresh => true);
SELECT count(*) AS pages FROM (SELECT item_id FROM fresh.recommend(900, 5, skip => 5, fresh => true)
	INTERSECT SELECT item_id FROM fresh.recommend(900, 10, fresh => true)) AS p;
SELECT count(*) FILTER (WHERE item_id = 5) AS back FROM fresh.recommend(900, 100, resurface_after => '1 day', fresh => true);
SELECT count(*) FROM fresh.recommend(NULL, 5, fresh => true);
SELECT count(*) AS differences FROM unnest(ARRAY[1, 900, 902]) AS u,
	LATERAL (SELECT rank, item_id::text, score, source FROM fresh.recommend(u, 50, fresh => true)
			 EXCEPT SELECT * FROM commrec.recommend(u::text, 50, 'fresh', fresh => true)) AS d;

-- A setting of the model, which a call overrules.
SELECT value FROM commrec.alter_model('fresh', fresh => true) WHERE property = 'fresh';
SELECT min(source) AS by_setting FROM fresh.recommend(900, 3);
SELECT min(source) AS overruled FROM fresh.recommend(900, 3, fresh => false);
SELECT count(*) FROM commrec.alter_model('fresh', fresh => false) WHERE property = 'fresh';
SELECT min(source) AS by_setting FROM fresh.recommend(900, 3);

-- Links of the chain: without a vector of the training the last item that he wanted, then popularity.
SELECT u, min(source), count(*) FROM unnest(ARRAY[70, 71, 900]) AS u, fresh.recommend(u, 100) AS r GROUP BY u ORDER BY u;
SELECT count(*) > 30 AS many, count(*) FILTER (WHERE abs(r.score - commrec.inner_product(l.embedding, i.embedding)
		/ commrec.inner_product(l.embedding, l.embedding)) > 1e-5) AS different,
	count(*) FILTER (WHERE fresh.score(70, r.item_id) <> r.score) AS other_than_score
FROM fresh.recommend(70, 100, false) AS r JOIN fresh.item_embedding AS i USING (item_id) JOIN fresh.version AS v USING (version)
	JOIN fresh.item_embedding AS l ON l.version = v.version AND l.item_id = 3
WHERE v.deployed;

-- The statement's snapshot, in whatever transaction.
BEGIN READ ONLY;
SELECT min(source) FROM fresh.recommend(900, 3, fresh => true);
ROLLBACK;
PREPARE folded AS SELECT min(source) FROM fresh.recommend($1, 3, fresh => true);
EXECUTE folded(905);
BEGIN;
INSERT INTO fresh_events VALUES (905, 5, 'view', '2024-07-01', NULL);
EXECUTE folded(905);
ROLLBACK;
EXECUTE folded(905);
SELECT min(source) FROM (SELECT 905 AS u) AS q, fresh.recommend(q.u, 3, fresh => true);

-- Read as the caller.
CREATE ROLE regress_commrec_fresh;
GRANT USAGE ON SCHEMA fresh TO regress_commrec_fresh;
SET ROLE regress_commrec_fresh;
SELECT count(*) FROM fresh.recommend(900, 3);
SELECT count(*) FROM fresh.recommend(900, 3, fresh => true);
RESET ROLE;
GRANT SELECT (user_id, item_id, action, at) ON fresh_events TO regress_commrec_fresh;
SET ROLE regress_commrec_fresh;
SELECT count(*) FROM fresh.recommend(900, 3, fresh => true);
RESET ROLE;
GRANT SELECT ON fresh_events TO regress_commrec_fresh;
SET ROLE regress_commrec_fresh;
SELECT min(source) FROM fresh.recommend(900, 3, fresh => true);
RESET ROLE;
ALTER TABLE fresh_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON fresh_events TO regress_commrec_fresh USING (user_id = 901);
SET ROLE regress_commrec_fresh;
SELECT u, min(source) FROM unnest(ARRAY[900, 901]) AS u, fresh.recommend(u, 3, fresh => true) GROUP BY u ORDER BY u;
RESET ROLE;
DROP POLICY own ON fresh_events;
ALTER TABLE fresh_events DISABLE ROW LEVEL SECURITY;

-- What has become of the source, or of the version's bytes.
BEGIN;
ALTER TABLE fresh_events RENAME COLUMN value TO points;
SELECT count(*) FROM fresh.recommend(900, 3, fresh => true);
ROLLBACK;
BEGIN;
ALTER TABLE fresh_events ALTER COLUMN user_id TYPE text;
SELECT count(*) FROM fresh.recommend(900, 3, fresh => true);
ROLLBACK;
BEGIN;
DROP TABLE fresh_events;
SELECT count(*) FROM fresh.recommend(900, 3, fresh => true);
ROLLBACK;
BEGIN;
UPDATE fresh.fold_in SET gram = set_byte(gram, 0, 0);
SELECT count(*) FROM fresh.recommend(900, 3, fresh => true);
ROLLBACK;
BEGIN;
UPDATE fresh.user_embedding SET preferences = '';
SELECT count(*) FROM fresh.recommend(1, 3, fresh => true);
ROLLBACK;
SELECT commrec.create_model('fresh_timeless', 'fresh_events') IS NOT NULL AS made LIMIT 1;
SELECT version FROM commrec.train('fresh_timeless', '{"factors": 2, "epochs": 1}', workers => 0);
SELECT count(*) FROM fresh_timeless.recommend(900, 3, fresh => true);
SELECT count(*) FROM fresh_timeless.recommend(900, 3);

-- Other types of ids and times; what is stored in the other zone is the same time.
CREATE TABLE fresh_kinds (u uuid, i varchar, on_day date, at_local timestamp, at timestamptz);
CREATE FUNCTION fresh_uuid(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
INSERT INTO fresh_kinds SELECT fresh_uuid(user_id::integer), 'item ' || item_id, at::date, at AT TIME ZONE 'UTC', at
	FROM fresh_events WHERE at < '2024-07-01' AND item_id IS NOT NULL;
SELECT count(*) > 0 AS made FROM unnest(ARRAY['on_day', 'at_local', 'at']) AS c,
	LATERAL commrec.create_model('fresh_' || c, 'fresh_kinds', 'u', 'i', time_column => c, hyperparameters => '{"factors": 4, "epochs": 2, "popularity_weight": 0.1, "popularity_half_life": 10}');
SELECT c, dims FROM unnest(ARRAY['on_day', 'at_local', 'at']) AS c, LATERAL commrec.train('fresh_' || c, workers => 0) AS t;
INSERT INTO fresh_kinds VALUES (fresh_uuid(900), 'item 5', '2024-07-02', '2024-07-02 01:00', '2024-07-02 01:00Z');
SET timezone = 'America/Los_Angeles';
SELECT c, min(source) AS source, count(*) AS rows, count(*) FILTER (WHERE item_id = 'item 5') AS again
FROM unnest(ARRAY['on_day', 'at_local', 'at']) AS c, commrec.recommend(fresh_uuid(900)::text, 100, 'fresh_' || c, fresh => true) AS r GROUP BY c ORDER BY c;
SELECT c, min(source) AS old_user FROM unnest(ARRAY['on_day', 'at_local', 'at']) AS c,
	commrec.recommend(fresh_uuid(1)::text, 100, 'fresh_' || c, fresh => true) AS r GROUP BY c ORDER BY c;

DROP SCHEMA fresh, fresh_timeless, fresh_on_day, fresh_at_local, fresh_at CASCADE;
DROP FUNCTION fresh_residual, fresh_uuid;
DROP TABLE fresh_events, fresh_before, fresh_kinds;
DROP ROLE regress_commrec_fresh;
