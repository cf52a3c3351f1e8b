--
-- Users of whom nothing is known are shown what rises, where that has proved better than what is popular.
--
SET client_min_messages = error;
SET timezone = 'UTC';

-- Posts of a week: ten readers in the first, twelve in the second, none later.  What is popular is old by then.
CREATE TABLE rising_events (user_id bigint, item_id integer, action text, at timestamptz);
INSERT INTO rising_events
	SELECT week * 1000 + reader, week * 100 + post, 'view', '2024-01-01'::timestamptz + make_interval(days => week * 7 + (reader * 3 + post) % 7, hours => reader % 24)
	FROM generate_series(1, 20) AS week, generate_series(1, 8) AS post, generate_series(1, 10) AS reader
	UNION ALL
	SELECT week * 1000 + 500 + reader, week * 100 + post, 'view', '2024-01-08'::timestamptz + make_interval(days => week * 7 + (reader * 3 + post) % 7, hours => reader % 24)
	FROM generate_series(1, 19) AS week, generate_series(1, 8) AS post, generate_series(1, 12) AS reader;
INSERT INTO rising_events VALUES (5, 2001, 'dislike', '2024-05-20'), (5, 2002, 'dislike', '2024-05-20');
DO $$
BEGIN
	PERFORM commrec.create_model('rising', 'rising_events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 4, "epochs": 2, "popularity_weight": 0.1, "popularity_half_life": 30}');
END
$$;
SELECT version, users, items FROM commrec.train('rising', workers => 0);

-- The same numbers as popular() has, in the same order.
SELECT count(*) > 5 AS any, count(*) FILTER (WHERE abs(t.trend - p.score) > 1e-5 OR t.place + 1 <> p.rank) AS different
FROM rising.trending AS t JOIN rising.item_embedding AS i USING (version, item_no)
	LEFT JOIN rising.popular(100, kind => 'trending') AS p USING (item_id);
SELECT bool_and(trend > 1) AS rising FROM rising.trending;

-- First what rises, then what is popular: every item once, k rows whatever k is.
SELECT source, count(*), min(rank), max(rank) FROM rising.recommend(-1, 1000) GROUP BY source ORDER BY 3;
SELECT count(DISTINCT item_id) = 160 AS each_once, bool_and(rank = place) AS in_order FROM (
	SELECT r.*, row_number() OVER (ORDER BY r.source = 'popular', r.score DESC, r.rank) AS place FROM rising.recommend(-1, 1000) AS r) AS r;
SELECT k, count(*) FROM unnest(ARRAY[1, 5, 8, 9, 50, 160, 161]) AS k, rising.recommend(-1, k) GROUP BY k ORDER BY k;
SELECT count(*) AS pages, count(DISTINCT item_id) AS items FROM generate_series(0, 40, 3) AS s, rising.recommend(-1, 3, skip => s);
SELECT count(*) AS differences FROM generate_series(0, 40, 3) AS s, LATERAL (
	SELECT * FROM rising.recommend(-1, 3, skip => s) EXCEPT SELECT * FROM rising.recommend(-1, 100)) AS d;
-- What the user dislikes, what is excluded, and what does not pass, is not in it.
SELECT count(*), count(*) FILTER (WHERE item_id IN (2001, 2002)) AS disliked, min(source), max(source) FROM rising.recommend(5, 1000);
SELECT array_agg(item_id ORDER BY item_id) FROM rising.recommend(-1, 1000, candidates => ARRAY[2001, 2003, 101], exclude => ARRAY[2003]);
SELECT count(*) FILTER (WHERE rising.score(5, item_id) IS DISTINCT FROM score) AS different,
	count(*) FILTER (WHERE (SELECT sum(contribution) FROM rising.explain(5, item_id))::real IS DISTINCT FROM score) AS unexplained
FROM rising.recommend(5, 1000);
-- Who is known is answered by what was learned.
SELECT DISTINCT source FROM rising.recommend(1001, 10);

-- Damage is told.
\set VERBOSITY sqlstate
BEGIN;
UPDATE rising.trending SET item_no = 160;
SELECT count(*) FROM rising.recommend(-1, 3);
ROLLBACK;
BEGIN;
DELETE FROM rising.trending;
SELECT min(source) FROM rising.recommend(-1, 3);
ROLLBACK;

-- Where what is popular stays so, it is shown; old versions leave nothing behind.
INSERT INTO rising_events
	SELECT 50000 + n, 9000 + n % 12, 'view', '2024-01-01'::timestamptz + n * interval '10 minutes' FROM generate_series(1, 20000) AS n;
SELECT version FROM commrec.train('rising', workers => 0);
SELECT DISTINCT source FROM rising.recommend(-1, 20);
SELECT commrec.rollback('rising');
SELECT DISTINCT source FROM rising.recommend(-1, 3);
SELECT version FROM commrec.train('rising', workers => 0);
SELECT version FROM commrec.train('rising', workers => 0);
SELECT count(*) FROM rising.trending;

SELECT commrec.drop_model('rising');
DROP TABLE rising_events;
