--
-- score(), similar_users() and popular() against plain SQL over the stored embeddings and the events.
--
SET client_min_messages = error;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';

-- Three years of a community: four circles of taste, some of whose posts are newer than others.
CREATE TABLE answer_events (user_id bigint, item_id integer, action text, at timestamptz, value float8);
INSERT INTO answer_events
	SELECT u, i, CASE WHEN (u * 7 + i * 3) % 11 = 0 THEN 'dislike' WHEN (u + i) % 5 = 0 THEN 'rating'
			WHEN (u + i) % 3 = 0 THEN 'like' ELSE 'view' END,
		'2024-06-30 12:00Z'::timestamptz - make_interval(hours => ((u * 37 + i * i * 13) % 26280) / (1 + i % 40)),
		1 + (u * i) % 5
	FROM generate_series(1, 80) AS u, generate_series(1, 60) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
-- Read again and again, disliked at last; without time; in the future.
INSERT INTO answer_events
	SELECT 1, 1, 'view', '2024-06-30 10:00Z'::timestamptz - n * interval '5 days 7 hours', NULL FROM generate_series(1, 150) AS n;
INSERT INTO answer_events VALUES (1, 1, 'dislike', '2024-06-29 10:00Z', NULL),
	(4, 8, 'view', '2024-06-30 23:00Z', NULL), (3, 7, 'view', NULL, NULL), (3, 7, 'rating', NULL, 5), (2, 61, 'like', '2300-01-01', NULL), (9, 62, 'dislike', '2024-06-01', NULL);
DO $$
BEGIN
	PERFORM commrec.create_model('answers', 'answer_events', action_column => 'action', time_column => 'at', value_column => 'value',
		hyperparameters => '{"factors": 6, "epochs": 5, "popularity_weight": 0.25, "popularity_half_life": 90}');
END
$$;
UPDATE answers.action SET value_low = 1, value_high = 5 WHERE action = 'rating';
SELECT version, users, items FROM commrec.train('answers', workers => 0);

-- item_activity: every bucket of a day of the newest 32, then stretches that double.
CREATE VIEW answer_activity AS
WITH event AS (
	SELECT e.user_id, e.item_id, e.at, a.preference * CASE WHEN a.value_low IS NULL THEN 1 ELSE (max(e.value) - a.value_low) / (a.value_high - a.value_low) END AS added,
		a.preference > 0 AS is_liking, CASE WHEN a.value_low IS NULL THEN a.satisfaction ELSE (max(e.value) - a.value_low) / (a.value_high - a.value_low) END AS signal
	FROM answer_events AS e JOIN answers.action AS a USING (action)
	GROUP BY e.user_id, e.item_id, e.action, e.at, a.preference, a.satisfaction, a.value_low, a.value_high),
aged AS (
	SELECT *, CASE WHEN at IS NOT NULL THEN greatest(0, (SELECT max(at) FROM event WHERE at < now())::date - at::date) END AS age FROM event),
slotted AS (
	SELECT *, CASE WHEN age < 32 THEN age WHEN age IS NOT NULL THEN 32 + floor(log(2, age / 32)) END AS slot FROM aged),
reader AS (
	SELECT item_id, slot, user_id, count(*) AS events, sum(added) AS added, avg(signal) AS signal,
		sum(added) FILTER (WHERE added > 0 AND is_liking) AS preference
	FROM slotted GROUP BY item_id, slot, user_id)
SELECT item_id, slot::integer, sum(events)::bigint AS events, count(*) AS users,
	count(*) FILTER (WHERE CASE WHEN signal IS NULL THEN added > 0 ELSE signal >= 0.5 END) AS positive,
	coalesce(sum(preference), 0) AS preference
FROM reader GROUP BY item_id, slot;
CREATE VIEW answer_slot AS
	SELECT *, CASE WHEN bucket = '-infinity' THEN NULL WHEN '2024-07-01' - until < interval '32 days' THEN ('2024-07-01'::date - until::date)
			ELSE 32 + floor(log(2, ('2024-07-01'::date - until::date) / 32)) END::integer AS slot
	FROM answers.item_activity;
SELECT count(*) > 300 AS many, count(*) FILTER (WHERE e.item_id IS NULL OR a.item_id IS NULL) AS missing,
	count(*) FILTER (WHERE (e.events, e.users, e.positive) IS DISTINCT FROM (a.events, a.users, a.positive)
		OR abs(e.preference - a.preference) > 1e-9) AS different
FROM answer_activity AS e FULL JOIN answer_slot AS a ON a.item_id = e.item_id AND a.slot IS NOT DISTINCT FROM e.slot;
SELECT slot, min(bucket) AS bucket, min(until) AS until, count(DISTINCT (bucket, until)) FROM answer_slot
WHERE slot IN (0, 1, 31, 32, 33, 36) OR slot IS NULL GROUP BY slot ORDER BY slot;
SELECT sum(events) = (SELECT events FROM answers.version) AS adds_up FROM answers.item_activity;
-- Nothing of it depends on the order of the rows.
CREATE TABLE answer_before AS TABLE answers.item_activity;
CREATE TABLE answer_shuffled AS SELECT * FROM answer_events ORDER BY md5(answer_events::text);
TRUNCATE answer_events;
INSERT INTO answer_events TABLE answer_shuffled;
SELECT version FROM commrec.train('answers', workers => 0);
SELECT count(*) AS differences FROM (TABLE answer_before EXCEPT TABLE answers.item_activity) AS d;

-- score() is what recommend() shows, to the bit; also for what was seen.
SELECT count(*) > 3000 AS many, count(*) FILTER (WHERE answers.score(u, r.item_id) IS DISTINCT FROM r.score) AS different,
	count(*) FILTER (WHERE commrec.score(u::text, r.item_id::text, 'answers') IS DISTINCT FROM r.score) AS different_as_text
FROM generate_series(1, 80) AS u, answers.recommend(u, 100, false) AS r;
SELECT count(*) AS seen, count(*) FILTER (WHERE commrec.score(s.user_id, s.item_id::bigint, 'answers')
	IS DISTINCT FROM commrec.inner_product(u.embedding, i.embedding)) AS different
FROM (SELECT DISTINCT user_id, item_id FROM answer_events) AS s
	JOIN answers.user_embedding AS u USING (user_id) JOIN answers.item_embedding AS i USING (item_id, version)
	JOIN answers.version AS v USING (version) WHERE v.deployed;
SELECT answers.score(NULL, 1), answers.score(1, NULL), answers.score(12345, 1), answers.score(1, 12345), commrec.score(1, 2147483648, 'answers');
SELECT answers.score('1', '2') = commrec.score(1, 2, 'answers') AS untyped;

-- similar_users(): all others by cosine of what was learned.
CREATE TABLE answer_nearest AS
	WITH learned AS (
		SELECT u.user_id, commrec.array_to_embedding((commrec.embedding_to_array(u.embedding))[:v.factors]) AS e
		FROM answers.user_embedding AS u JOIN answers.version AS v USING (version) WHERE v.deployed AND u.embedding IS NOT NULL)
	SELECT a.user_id AS who, b.user_id, commrec.inner_product(a.e, b.e)
		/ sqrt(commrec.inner_product(a.e, a.e)::float8 * commrec.inner_product(b.e, b.e)) AS cosine
	FROM learned AS a, learned AS b WHERE a.user_id <> b.user_id;
CREATE TABLE answer_given AS
	SELECT u AS who, s.* FROM generate_series(1, 80) AS u, commrec.similar_users(u, 1000, 'answers') AS s;
SELECT count(*) > 5000 AS many, count(*) FILTER (WHERE (abs(cosine - similarity) < 1e-6) IS NOT TRUE) AS different
FROM answer_nearest FULL JOIN answer_given USING (who, user_id);
SELECT bool_and(similarity <= before) AS best_first, bool_and(rank = place) AS ranks
FROM (SELECT similarity, rank, lag(similarity, 1, 1.0::real) OVER w AS before, row_number() OVER w AS place
	  FROM answer_given WINDOW w AS (PARTITION BY who ORDER BY rank)) AS g;
SELECT count(*) AS prefixes FROM generate_series(1, 80) AS u, unnest(ARRAY[1, 2, 7, 33]) AS k
WHERE ARRAY(SELECT user_id FROM answers.similar_users(u, k) ORDER BY rank)
	= ARRAY(SELECT user_id FROM answer_given WHERE who = u AND rank <= k ORDER BY rank);
SELECT count(*) FROM commrec.similar_users(12345, 10, 'answers');
SELECT count(*) FROM commrec.similar_users(NULL::bigint, 10, 'answers');
SELECT count(*) FROM commrec.similar_users('1', NULL, 'answers');
SELECT count(*) FROM commrec.similar_users(1, 0, 'answers');

-- popular(): the lower bound of Wilson's interval.
CREATE FUNCTION answer_wilson(positive numeric, total numeric) RETURNS double precision LANGUAGE sql AS $$
	SELECT greatest(0, (positive / total + 1.96 ^ 2 / (2 * total)
		- 1.96 * sqrt((positive / total * (1 - positive / total) + 1.96 ^ 2 / (4 * total)) / total)) / (1 + 1.96 ^ 2 / total)) $$;
SELECT since, count(*), count(*) FILTER (WHERE (abs(g.score - answer_wilson(e.positive, e.users)) < 1e-9) IS NOT TRUE) AS different,
	bool_and(g.rank = g.place) AS in_order
FROM (VALUES (NULL::timestamptz), ('2024-06-20'), ('2023-01-01')) AS s (since),
	LATERAL (SELECT item_id, sum(positive) AS positive, sum(users) AS users FROM answers.item_activity
			 WHERE s.since IS NULL OR until > s.since GROUP BY item_id) AS e
	FULL JOIN LATERAL (SELECT p.*, row_number() OVER (ORDER BY score DESC, rank) AS place FROM answers.popular(1000, s.since, 'wilson') AS p) AS g USING (item_id)
GROUP BY since ORDER BY since;
SELECT rank, item_id, round(score::numeric, 3) AS score FROM answers.popular(3, kind => 'wilson');

-- The rate of readers since a time against the long run, shrunk.
CREATE FUNCTION answer_trend(since timestamptz) RETURNS TABLE (item_id integer, score double precision, recent numeric) LANGUAGE sql AS $$
	WITH item AS (
		SELECT a.item_id, coalesce(sum(a.users) FILTER (WHERE a.until > since), 0) AS recent, sum(a.users) AS readers
		FROM answers.item_activity AS a WHERE a.bucket > '-infinity' GROUP BY a.item_id),
	share AS (
		SELECT *, readers * (sum(recent) OVER ())::float8 / sum(readers) OVER () AS expected FROM item),
	fit AS (
		SELECT 1 / nullif(greatest(sum(expected * (recent / expected - 1) ^ 2) / sum(expected) - 1 / avg(expected), 0), 0) AS m FROM share)
	SELECT s.item_id, coalesce((s.recent + f.m) / (s.expected + f.m), 1), s.recent FROM share AS s, fit AS f WHERE s.recent > 0 $$;
SELECT since, count(*), count(*) FILTER (WHERE (abs(g.score - e.score) < 1e-9) IS NOT TRUE) AS different, bool_and(g.rank = g.place) AS in_order,
	count(DISTINCT round(e.score::numeric, 6)) > 1 AS tells_apart
FROM (VALUES (NULL::timestamptz), ('2024-06-01'), ('2024-06-30 23:59Z')) AS s (since),
	LATERAL answer_trend(coalesce(s.since, '2024-07-01'::timestamptz - interval '7 days')) AS e
	FULL JOIN LATERAL (SELECT p.*, row_number() OVER (ORDER BY score DESC, rank) AS place FROM answers.popular(1000, s.since, 'trending') AS p) AS g USING (item_id)
GROUP BY since ORDER BY since;

-- Decayed popularity: what is stored; since a time, what is in the table.
SELECT count(*) AS items, count(*) FILTER (WHERE (p.rank - 1, p.score) IS DISTINCT FROM (i.popular_no, i.popularity::float8)) AS different
FROM answers.item_embedding AS i JOIN answers.version AS v USING (version) FULL JOIN answers.popular(1000) AS p USING (item_id)
WHERE v.deployed IS NOT FALSE;
SELECT count(*), count(*) FILTER (WHERE (abs(p.score - e.score) < 1e-9) IS NOT TRUE) AS different
FROM (SELECT item_id, sum(preference * 2 ^ (-extract(epoch FROM '2024-07-01' - bucket - (until - bucket) / 2)::float8 / 86400 / 90)) AS score
	  FROM answers.item_activity WHERE until > '2024-02-01' GROUP BY item_id) AS e
	FULL JOIN answers.popular(1000, '2024-02-01') AS p USING (item_id);

-- Forms, NULLs and wrong arguments.
SELECT count(*) AS differences FROM unnest(ARRAY['decay', 'wilson', 'trending']) AS kind,
	LATERAL (SELECT rank, item_id::text, score FROM answers.popular(20, NULL, kind) EXCEPT SELECT * FROM commrec.popular(20, NULL, kind, 'answers')) AS d;
SELECT (SELECT count(*) FROM commrec.popular(NULL, NULL, NULL, 'answers')) AS nulls, (SELECT count(*) FROM commrec.popular(2147483647, model => 'answers')) AS all;
SELECT * FROM commrec.popular(3, kind => 'best', model => 'answers');
SELECT * FROM answers.popular(0);
SELECT * FROM answers.popular(3, 'infinity');
SELECT * FROM answers.popular(3, '-infinity', 'wilson');
SELECT * FROM commrec.popular_typed('answers', 3, NULL, NULL) AS p (rank integer, item_id uuid, score double precision);
SELECT * FROM commrec.popular_typed('answers', 3, NULL, NULL) AS p (rank integer, item_id integer, score real);
SELECT * FROM commrec.similar_users_typed('answers', 1, 3) AS p (rank integer, user_id integer);

-- Without times there is one row an item, and nothing that depends on times.
DO $$
BEGIN
	PERFORM commrec.create_model('answers_timeless', 'answer_events', action_column => 'action');
END
$$;
SELECT commrec.popular(3, model => 'answers_timeless');
SELECT version FROM commrec.train('answers_timeless', '{"factors": 2, "epochs": 1}', workers => 0);
SELECT count(*) = count(DISTINCT item_id) AS a_row_an_item, min(bucket), max(until) FROM answers_timeless.item_activity;
SELECT count(*) FROM commrec.popular(5, kind => 'wilson', model => 'answers_timeless');
SELECT count(*) FROM commrec.popular(5, model => 'answers_timeless');
SELECT count(*) FROM commrec.popular(5, kind => 'trending', model => 'answers_timeless');
SELECT count(*) FROM commrec.popular(5, '2024-01-01', 'wilson', 'answers_timeless');

-- Where nothing can be learned, scores are those of popularity, and nobody is like anybody.
UPDATE answers_timeless.action SET preference = -1;
SELECT dims FROM commrec.train('answers_timeless', workers => 0);
SELECT count(*) AS rows, count(*) FILTER (WHERE answers_timeless.score(1, item_id) IS DISTINCT FROM score) AS different
FROM answers_timeless.recommend(1, 100);
SELECT count(*) FROM answers_timeless.similar_users(1);

SELECT commrec.drop_model('answers_timeless');
DROP VIEW answer_activity, answer_slot;
DROP SCHEMA answers CASCADE;
DROP FUNCTION answer_wilson, answer_trend;
DROP TABLE answer_events, answer_shuffled, answer_before, answer_nearest, answer_given;
