--
-- recommend() against a computation in plain SQL over the stored embeddings.
--
SET client_min_messages = error;

-- Four circles of taste, and some members with a story of their own.
CREATE TABLE recommend_events (user_id bigint, item_id bigint, action text);
INSERT INTO recommend_events
	SELECT u, i, CASE WHEN (u * 11 + i * 5) % 37 = 0 THEN 'dislike'
					  WHEN (u + i) % 3 = 0 THEN 'like' ELSE 'view' END
	FROM generate_series(1, 60) AS u, generate_series(1, 45) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
INSERT INTO recommend_events		-- 1001 has seen everything
	SELECT 1001, i, 'view' FROM (SELECT generate_series(1, 45) UNION ALL SELECT 99) AS items (i);
INSERT INTO recommend_events		-- 1002 has only disliked, so that nothing can be learned of him
	SELECT 1002, i, 'dislike' FROM generate_series(1, 9) AS i;
INSERT INTO recommend_events		-- 1003 is new
	VALUES (1003, 7, 'view');
INSERT INTO recommend_events		-- item 99 is disliked by the only other one who knows it
	VALUES (5, 99, 'dislike');

DO $$
BEGIN
	PERFORM commrec.create_model('recommend_model', 'recommend_events', action_column => 'action',
		hyperparameters => '{"factors": 8, "epochs": 6, "popularity_weight": 0.25, "popularity_half_life": "Infinity"}');
END
$$;
UPDATE recommend_model.action SET preference =
	CASE action WHEN 'dislike' THEN -1 WHEN 'like' THEN 2 ELSE 1 END;
SELECT version, users, items, dims FROM commrec.train('recommend_model', workers => 0);
SELECT user_id FROM recommend_model.user_embedding WHERE embedding IS NULL;

-- What a user should see, from the tables alone.
CREATE FUNCTION recommend_brute(who bigint, k bigint, exclude boolean)
RETURNS TABLE (rank bigint, item_id bigint, score real, source text) LANGUAGE sql STABLE AS $$
	WITH me AS (
		SELECT e.embedding FROM recommend_model.user_embedding AS e
		JOIN recommend_model.version AS v USING (version) WHERE v.deployed AND e.user_id = who),
	touched AS (
		SELECT e.item_id, sum(a.preference) AS preference
		FROM recommend_events AS e JOIN recommend_model.action AS a USING (action)
		WHERE e.user_id = who GROUP BY e.item_id),
	scored AS (
		SELECT i.item_id, me.embedding IS NULL AS is_popular,
			CASE WHEN me.embedding IS NULL THEN i.popularity
				 ELSE commrec.inner_product(me.embedding, i.embedding) END AS score,
			CASE WHEN me.embedding IS NULL THEN i.popular_no ELSE i.item_no END AS place
		FROM recommend_model.item_embedding AS i JOIN recommend_model.version AS v USING (version)
		LEFT JOIN me ON true LEFT JOIN touched AS t ON t.item_id = i.item_id
		WHERE v.deployed AND (t.item_id IS NULL OR NOT exclude AND t.preference >= 0))
	SELECT row_number() OVER (ORDER BY s.score DESC, s.place), s.item_id, s.score,
		CASE WHEN s.is_popular THEN 'popular' ELSE 'model' END
	FROM scored AS s ORDER BY s.score DESC, s.place LIMIT k
$$;

-- All users, known and unknown, for several k: rank by rank, score by score.
CREATE VIEW recommend_cases AS
	SELECT u AS who, k, exclude
	FROM (SELECT generate_series(1, 60) UNION ALL SELECT unnest(ARRAY[1001, 1002, 1003, -7, 9999])) AS users (u),
		unnest(ARRAY[1, 2, 10, 44, 2147483647]) AS k, unnest(ARRAY[true, false]) AS exclude;
CREATE TABLE recommend_expected AS
	SELECT c.*, r.* FROM recommend_cases AS c, recommend_brute(c.who, c.k, c.exclude) AS r;
CREATE TABLE recommend_given AS
	SELECT c.*, r.* FROM recommend_cases AS c, commrec.recommend(c.who::bigint, c.k, 'recommend_model', c.exclude) AS r;
SELECT count(*) > 5000 AS many FROM recommend_given;
SELECT count(*) AS missing FROM (TABLE recommend_expected EXCEPT TABLE recommend_given) AS d;
SELECT count(*) AS surplus FROM (TABLE recommend_given EXCEPT TABLE recommend_expected) AS d;
SELECT count(*) = count(DISTINCT (who, k, exclude, item_id)) AS no_item_twice FROM recommend_given;

-- Always min(k, eligible) rows.
SELECT count(*) AS wrong_counts
FROM recommend_cases AS c
WHERE (SELECT count(*) FROM recommend_given AS g WHERE (g.who, g.k, g.exclude) = (c.who, c.k, c.exclude)) <>
	least(c.k, 46 - (SELECT count(DISTINCT e.item_id) FROM recommend_events AS e
					 WHERE e.user_id = c.who AND (c.exclude OR e.action = 'dislike')));

-- Seen items stay away unless asked for, disliked ones always.
SELECT g.exclude, e.action, count(*) > 0 AS shown
FROM recommend_given AS g JOIN recommend_events AS e ON (e.user_id, e.item_id) = (g.who, g.item_id)
GROUP BY g.exclude, e.action ORDER BY 1, 2;

-- Whoever has seen everything; whoever is unknown; source tells.
SELECT count(*) FROM commrec.recommend(1001, 10, 'recommend_model');
SELECT count(*) FROM commrec.recommend(1001, 10, 'recommend_model', false);
SELECT who, source, count(*) FROM recommend_given
WHERE who IN (1, 1001, 1002, 1003, 9999) AND k = 10 GROUP BY who, source ORDER BY who, source;
SELECT (SELECT array_agg(item_id ORDER BY rank) FROM commrec.recommend(9999, 5, 'recommend_model'))
	 = (SELECT array_agg(item_id ORDER BY popular_no) FROM recommend_model.item_embedding WHERE popular_no < 5)
	AS unknown_users_get_what_is_popular;

-- The typed function, the text form and the default model give the same.
SET commrec.default_model = 'recommend_model';
SELECT count(*) AS differences
FROM generate_series(1, 60) AS u,
	LATERAL (
		(SELECT * FROM recommend_model.recommend(u::bigint, 10)
		 EXCEPT SELECT * FROM commrec.recommend(u::bigint))
		UNION ALL
		(SELECT r.rank, r.item_id::bigint, r.score, r.source FROM commrec.recommend(u::text) AS r
		 EXCEPT SELECT * FROM commrec.recommend(u::bigint))) AS d;

-- In a read-only transaction, in a view and in a join.
BEGIN READ ONLY;
SELECT count(*) FROM commrec.recommend(1, 3);
COMMIT;
CREATE VIEW recommend_report AS
	SELECT u.user_id, r.rank, r.item_id FROM (SELECT DISTINCT user_id FROM recommend_events) AS u
	LEFT JOIN LATERAL commrec.recommend(u.user_id, 2) AS r ON true;
SELECT count(*), count(item_id) FROM recommend_report;

-- NULL and wrong arguments.
SELECT count(*) FROM commrec.recommend(NULL::bigint, 10);
SELECT count(*) FROM commrec.recommend(1, NULL, NULL, NULL);
SELECT count(*) FROM commrec.recommend(1, 0);
SELECT count(*) FROM commrec.recommend(1, -1);

-- Text ids: an untyped literal finds its function, '' is an id, unknown users are no error.
CREATE TABLE recommend_text_events (user_id text, item_id text);
INSERT INTO recommend_text_events
	SELECT CASE WHEN u = 0 THEN '' ELSE 'user ' || u END, 'item ' || i
	FROM generate_series(0, 19) AS u, generate_series(1, 12) AS i WHERE (u + i) % 3 = 0 OR u = i;
DO $$
BEGIN
	PERFORM commrec.create_model('recommend_text_model', 'recommend_text_events',
		hyperparameters => '{"factors": 4, "epochs": 4, "popularity_weight": 0, "popularity_half_life": "Infinity"}');
END
$$;
SELECT version, dims FROM commrec.train('recommend_text_model', workers => 0);
SELECT count(*), min(source), bool_and(item_id LIKE 'item %') FROM commrec.recommend('user 3', 5, 'recommend_text_model');
SELECT count(*), min(source) FROM commrec.recommend('', 5, 'recommend_text_model');
SELECT count(*), min(source) FROM commrec.recommend('nobody', 5, 'recommend_text_model');
SELECT count(*), min(source) FROM recommend_text_model.recommend('user 3', 5);

-- Where nothing can be learned, everything comes from popularity.
UPDATE recommend_model.action SET preference = -1;
SELECT dims, pairs FROM commrec.train('recommend_model', workers => 0);
SELECT rank, item_id, score, source FROM commrec.recommend(1003, 3, 'recommend_model');
SELECT count(*), min(source) FROM commrec.recommend(1001, 10, 'recommend_model');
SELECT commrec.rollback('recommend_model');
SELECT count(*) AS differences FROM (
	SELECT g.rank, g.item_id, g.score, g.source FROM recommend_given AS g
	WHERE who = 1 AND k = 10 AND exclude
	EXCEPT SELECT * FROM commrec.recommend(1, 10, 'recommend_model')) AS d;

RESET commrec.default_model;
DROP SCHEMA recommend_model, recommend_text_model CASCADE;
DROP VIEW recommend_report, recommend_cases;
DROP FUNCTION recommend_brute;
DROP TABLE recommend_events, recommend_text_events, recommend_expected, recommend_given;
