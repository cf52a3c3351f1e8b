--
-- recommend(): candidates, exclude, filter, resurface_after, diversity and skip, against plain SQL.
--
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE SCHEMA shop;
CREATE TABLE shop.item (item_id integer PRIMARY KEY, published boolean, kind text, price numeric);
INSERT INTO shop.item SELECT i, i % 3 <> 0, CASE i % 4 WHEN 0 THEN 'course' ELSE 'article' END, i FROM generate_series(1, 80) AS i;
INSERT INTO shop.item VALUES (500, true, 'course', NULL);		-- nobody has touched it
CREATE TABLE filter_events (user_id integer, item_id integer, action text, at timestamptz);
INSERT INTO filter_events
	SELECT u, i, CASE WHEN (u * 3 + i) % 29 = 0 THEN 'dislike' ELSE 'view' END,
		now() - make_interval(days => (u + i) % 40, mins => 5)
	FROM generate_series(1, 50) AS u, generate_series(1, 75) AS i
	WHERE u % 5 = i % 5 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
INSERT INTO filter_events SELECT 1, i, 'view', NULL FROM generate_series(76, 80) AS i;	-- seen, but when?
SELECT count(*) > 0 AS made FROM commrec.create_model('filter_model', 'filter_events', action_column => 'action', time_column => 'at',
	hyperparameters => '{"factors": 8, "epochs": 6, "popularity_weight": 0.2}');
SELECT version, users, items FROM commrec.train('filter_model', workers => 0);

-- What a user should see, from the tables alone.
CREATE FUNCTION filter_brute(who integer, n bigint, leave_out integer, seen_too boolean, among integer[], never integer[],
	passing integer[], since timestamptz)
RETURNS TABLE (rank bigint, item_id integer, score real) LANGUAGE sql STABLE AS $$
	WITH touched AS (
		SELECT e.item_id, sum(CASE e.action WHEN 'dislike' THEN -1 ELSE 1 END) AS preference, bool_or(e.at IS NULL) AND max(e.at) IS NULL AS timeless,
			max(e.at) AS last
		FROM filter_events AS e WHERE e.user_id = who GROUP BY 1),
	scored AS (
		SELECT i.item_id, CASE WHEN u.embedding IS NULL THEN i.popularity
				ELSE commrec.inner_product(u.embedding, i.embedding) END AS score,
			CASE WHEN u.embedding IS NULL THEN i.popular_no ELSE i.item_no END AS place
		FROM filter_model.item_embedding AS i JOIN filter_model.version AS v USING (version)
			LEFT JOIN filter_model.user_embedding AS u ON u.version = v.version AND u.user_id = who
			LEFT JOIN touched AS t ON t.item_id = i.item_id
		WHERE v.deployed
			AND (t.item_id IS NULL OR t.preference > 0 AND (seen_too OR since IS NOT NULL AND NOT t.timeless AND t.last < since))
			AND (among IS NULL OR i.item_id = ANY (among))
			AND (never IS NULL OR NOT i.item_id = ANY (never))
			AND (passing IS NULL OR i.item_id = ANY (passing)))
	SELECT row_number() OVER (ORDER BY s.score DESC, s.place), s.item_id, s.score
	FROM scored AS s ORDER BY s.score DESC, s.place OFFSET leave_out LIMIT n
$$;

-- The action's weight in the model decides what a dislike is.
UPDATE filter_model.action SET preference = -1 WHERE action = 'dislike';
UPDATE filter_model.action SET preference = 1 WHERE action = 'view';
SELECT version FROM commrec.train('filter_model', workers => 0);

SELECT commrec.create_filter('filter_model', 'published', 'shop.item', 'published');
SELECT commrec.create_filter('filter_model', 'cheap courses', 'shop.item', $$kind = 'course' AND items.price < 30 -- so cheap$$, 'item_id');
SELECT commrec.create_filter('filter_model', 'nothing', 'shop.item', 'false');
SELECT f.filter, f.source, f.item_column, f.predicate, f.items FROM commrec.filters('filter_model') AS f;

-- All combinations, rank by rank and score by score, for known users and an unknown one.
CREATE TABLE filter_case AS
	SELECT row_number() OVER () AS id, *
	FROM unnest(ARRAY[1, 2, 3, 17, 50, 999]) AS who, unnest(ARRAY[1, 7, 100]) AS k, unnest(ARRAY[0, 3, 40]) AS leave_out,
		unnest(ARRAY[true, false]) AS exclude_seen,
		(VALUES (NULL::integer[]), ('{}'), ('{5,5,12,500,NULL,7,70,33,80,79,-4}'), (ARRAY(SELECT generate_series(1, 60)))) AS c (candidates),
		(VALUES (NULL::integer[]), ('{12,7,9999}'), (ARRAY(SELECT generate_series(1, 80, 2)))) AS e (exclude),
		(VALUES (NULL::text), ('published'), ('cheap courses'), ('nothing')) AS f (filter),
		(VALUES (NULL::interval), ('20 days')) AS r (resurface_after);
CREATE TABLE filter_expected AS
	SELECT c.id, b.* FROM filter_case AS c, filter_brute(c.who, c.k, c.leave_out, NOT c.exclude_seen, c.candidates, c.exclude,
		CASE c.filter WHEN 'published' THEN ARRAY(SELECT i.item_id FROM shop.item AS i WHERE i.published)
			WHEN 'cheap courses' THEN ARRAY(SELECT i.item_id FROM shop.item AS i WHERE i.kind = 'course' AND i.price < 30)
			WHEN 'nothing' THEN '{}' END, now() - c.resurface_after) AS b;
CREATE TABLE filter_given AS
	SELECT c.id, g.rank::bigint, g.item_id, g.score FROM filter_case AS c, filter_model.recommend(c.who, c.k, c.exclude_seen, c.candidates, c.exclude,
		c.filter, c.resurface_after, 0, c.leave_out) AS g;
SELECT count(*) AS cases, (SELECT count(*) > 10000 FROM filter_given) AS many FROM filter_case;
SELECT count(*) AS missing FROM (TABLE filter_expected EXCEPT ALL TABLE filter_given) AS d;
SELECT count(*) AS surplus FROM (TABLE filter_given EXCEPT ALL TABLE filter_expected) AS d;
SELECT count(*) AS wrong_in_text FROM (
	SELECT c.id, g.rank::bigint, g.item_id::integer, g.score FROM filter_case AS c, commrec.recommend(c.who::text, c.k, 'filter_model',
		c.exclude_seen, c.candidates::text[], c.exclude::text[], c.filter, c.resurface_after, 0, c.leave_out) AS g
	EXCEPT ALL TABLE filter_given) AS d;
SELECT count(*) AS wrong_in_bigint FROM (
	SELECT c.id, g.rank::bigint, g.item_id::integer, g.score FROM filter_case AS c, commrec.recommend(c.who, c.k, 'filter_model',
		c.exclude_seen, c.candidates::bigint[], c.exclude::bigint[], c.filter, c.resurface_after, 0, c.leave_out) AS g
	EXCEPT ALL TABLE filter_given) AS d;

-- Pages follow each other without a gap, with and without diversity, beyond what diversity looks at too.
SELECT d AS diversity, exclude_seen, array_agg(item_id ORDER BY rank) = (
		SELECT array_agg(w.item_id ORDER BY w.rank) FROM filter_model.recommend(3, 1000, exclude_seen, diversity => d) AS w) AS same,
	min(rank) = 1 AND max(rank) = count(*) AND count(DISTINCT rank) = count(*) AS ranks_go_on
FROM unnest(ARRAY[0, 0.3, 1]) AS d, unnest(ARRAY[true, false]) AS exclude_seen,
	generate_series(0, 90, 7) AS page, filter_model.recommend(3, 7, exclude_seen, diversity => d, skip => page)
GROUP BY 1, 2 ORDER BY 1, 2;

-- Maximal marginal relevance, step by step in PL/pgSQL.
CREATE FUNCTION filter_mmr(who integer, n integer, d double precision, only_filter text) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
	chosen integer[] := '{}';
	next_item integer;
BEGIN
	CREATE TEMPORARY TABLE pool ON COMMIT DROP AS
		SELECT r.rank, r.item_id, r.score, (commrec.embedding_to_array(e.embedding))[1:v.factors] AS f,
			1 - (max(r.score) OVER ()::float8 - r.score) / (max(r.score) OVER ()::float8 - min(r.score) OVER ()) AS relevance
		FROM filter_model.recommend(who, 200, filter => only_filter) AS r
			JOIN filter_model.version AS v ON v.deployed JOIN filter_model.item_embedding AS e ON e.version = v.version AND e.item_id = r.item_id;
	CREATE TEMPORARY TABLE likeness ON COMMIT DROP AS
		SELECT a.item_id AS one, b.item_id AS other, (SELECT sum(x::float8 * y) / sqrt(sum(x::float8 * x) * sum(y::float8 * y)) FROM unnest(a.f, b.f) AS u (x, y)) AS cosine
		FROM pool AS a, pool AS b;
	FOR i IN 1 .. n LOOP
		SELECT p.item_id INTO next_item
		FROM pool AS p WHERE NOT p.item_id = ANY (chosen)
		ORDER BY (1 - d) * p.relevance - d * coalesce((SELECT max(l.cosine) FROM likeness AS l WHERE l.one = p.item_id AND l.other = ANY (chosen)), 0) DESC, p.rank
		LIMIT 1;
		chosen := chosen || next_item;
	END LOOP;
	DROP TABLE pool, likeness;
	RETURN chosen;
END
$$;
SELECT who, d AS diversity, f AS filter, filter_mmr(who, 10, d, f) =
	ARRAY(SELECT r.item_id FROM filter_model.recommend(who, 10, filter => f, diversity => d) AS r ORDER BY r.rank) AS same
FROM unnest(ARRAY[2, 17, 999]) AS who, unnest(ARRAY[0.1, 0.5, 0.9]) AS d, unnest(ARRAY[NULL, 'published']) AS f ORDER BY 1, 2, 3;

-- NULL means: not given.
SELECT count(*) AS differences FROM (
	SELECT * FROM commrec.recommend(7, 10, 'filter_model', NULL, NULL, NULL, NULL, NULL, NULL, NULL)
	EXCEPT SELECT * FROM commrec.recommend(7, 10, 'filter_model')) AS d;
SELECT count(*) FROM commrec.recommend(7, 5, 'filter_model', candidates => '{}');
SELECT count(*) FROM commrec.recommend('7', 5, 'filter_model', candidates => '{1,2,x}');
SELECT count(*) FROM commrec.recommend(7, 5, 'filter_model', candidates => ARRAY[1, 3000000000, NULL]);
SELECT count(*) FROM commrec.recommend(7, 2147483647, 'filter_model', skip => 2147483647);

-- Arguments out of range.
SELECT * FROM commrec.recommend(7, 5, 'filter_model', skip => -1);
SELECT * FROM commrec.recommend(7, 5, 'filter_model', diversity => 1.5);
SELECT * FROM commrec.recommend(7, 5, 'filter_model', diversity => 'NaN');
SELECT * FROM commrec.recommend(7, 5, 'filter_model', resurface_after => '-1 day');
SELECT * FROM commrec.recommend(7, 5, 'filter_model', filter => 'unknown');
SELECT * FROM commrec.recommend_typed('filter_model', 7, 5, true, 'x'::text) AS r (rank integer, item_id integer, score real, source text);
SELECT count(*) FROM commrec.recommend_typed('filter_model', 7, 5, true, ARRAY[1, 2, 3]::smallint[]) AS r (rank integer, item_id integer, score real, source text);
SELECT * FROM commrec.recommend_typed('filter_model', 7, 5, true, ARRAY[1.5]) AS r (rank integer, item_id integer, score real, source text);

-- Filters: what can be wrong with them.
SELECT commrec.create_filter('filter_model', 'published', 'shop.item', 'true');
SELECT commrec.create_filter('filter_model', '', 'shop.item', 'true');
SELECT commrec.create_filter('filter_model', NULL, 'shop.item', 'true');
SELECT commrec.create_filter('filter_model', 'x', NULL, 'true');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', NULL);
SELECT commrec.create_filter('no_model', 'x', 'shop.item', 'true');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', 'no_column > 1');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', 'true', 'no_column');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', 'true', 'kind');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', 'price');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', '1 / (price - 7) > 0');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', 'true) AND items.item_id IS NOT NULL; DROP TABLE shop.item; SELECT 1 FROM shop.item AS items WHERE (true');
SELECT commrec.create_filter('filter_model', 'x', 'shop.item', 'true) --');
SELECT count(*) AS filters, (SELECT count(*) FROM shop.item) AS items FROM commrec.filters('filter_model');
SELECT * FROM commrec.refresh_filter('filter_model', 'unknown');
SELECT commrec.drop_filter('filter_model', 'unknown');
SELECT commrec.drop_filter('filter_model', NULL);

-- A view with another name for the id: the primary key is not asked for, the column must be named.
CREATE VIEW shop.cheap AS SELECT item_id AS id, price FROM shop.item WHERE price < 10;
SELECT commrec.create_filter('filter_model', 'view', 'shop.cheap', 'true');
SELECT commrec.create_filter('filter_model', 'view', 'shop.cheap', 'true', 'id');
CREATE TABLE shop.keyed (id bigint PRIMARY KEY, good boolean);
SELECT commrec.create_filter('filter_model', 'keyed', 'shop.keyed', 'good');

-- recommend() sees the filter as it was evaluated last, whatever happens to the table; a training evaluates it.
UPDATE shop.item SET published = item_id <= 10;
SELECT bool_or(item_id > 10) AS old FROM commrec.recommend(4, 80, 'filter_model', false, filter => 'published');
SELECT * FROM commrec.refresh_filter('filter_model', 'published');
SELECT max(item_id) <= 10 AS new FROM commrec.recommend(4, 80, 'filter_model', false, filter => 'published');
UPDATE shop.item SET published = item_id > 70;
INSERT INTO filter_events SELECT u, 500, 'view', now() FROM generate_series(20, 30) AS u;
SELECT version FROM commrec.train('filter_model', workers => 0);
SELECT min(item_id) > 70 AND max(item_id) = 500 AS trained FROM commrec.recommend(4, 80, 'filter_model', false, filter => 'published');
-- The version before has its own numbers.
SELECT commrec.rollback('filter_model');
SELECT min(item_id) > 70 AND max(item_id) < 500 AS rolled_back FROM commrec.recommend(4, 80, 'filter_model', false, filter => 'published');

-- A filter that broke does not stop a training, and keeps its items.
ALTER TABLE shop.item RENAME COLUMN published TO is_published;
SELECT version FROM commrec.train('filter_model', workers => 0);
SELECT min(item_id) > 70 AS kept FROM commrec.recommend(4, 80, 'filter_model', false, filter => 'published');
SELECT * FROM commrec.refresh_filter('filter_model');
SELECT commrec.drop_filter('filter_model', 'published');
SELECT * FROM commrec.recommend(4, 80, 'filter_model', filter => 'published');
-- A renamed table is found, a dropped one named.
ALTER TABLE shop.item RENAME TO piece;
SELECT * FROM commrec.refresh_filter('filter_model', 'cheap courses');
SELECT f.source FROM commrec.filters('filter_model') AS f WHERE f.filter = 'cheap courses';
DROP TABLE shop.piece CASCADE;
SELECT * FROM commrec.refresh_filter('filter_model', 'cheap courses');
SELECT count(*) > 0 AS still_serves FROM commrec.recommend(4, 80, 'filter_model', false, filter => 'cheap courses');

-- Damage and disorder.
BEGIN;
UPDATE filter_model.item_filter_piece SET items = substring(items FROM 1 FOR 100);
SELECT * FROM commrec.recommend(4, 80, 'filter_model', filter => 'cheap courses');
ROLLBACK;
BEGIN;
DELETE FROM filter_model.item_filter_piece;
SELECT * FROM commrec.recommend(4, 80, 'filter_model', filter => 'cheap courses');
ROLLBACK;
SELECT length(commrec.pack_items(1, '{63488,63490}')), get_byte(commrec.pack_items(1, '{63488,63490,NULL}'), 12),
	commrec.pack_items(NULL, '{}') IS NULL AS no_piece, commrec.pack_items(0, NULL) = commrec.pack_items(0, '{}') AS nothing;
SELECT commrec.pack_items(1, '{63487}');
SELECT commrec.pack_items(-1, '{}');

-- Without times nothing can come back after a while.
SELECT count(*) > 0 AS made FROM commrec.create_model('filter_timeless', 'filter_events', hyperparameters => '{"factors": 4, "epochs": 2}');
SELECT count(*) > 0 AS trained FROM commrec.train('filter_timeless', workers => 0);
SELECT * FROM commrec.recommend(4, 80, 'filter_timeless', resurface_after => '1 day');
SELECT count(*) > 0 AS unknown_user FROM commrec.recommend(999, 80, 'filter_timeless', resurface_after => '1 day');

SELECT commrec.drop_model('filter_timeless'), commrec.drop_model('filter_model');
DROP FUNCTION filter_brute, filter_mmr;
DROP TABLE filter_case, filter_expected, filter_given, filter_events;
DROP SCHEMA shop CASCADE;
