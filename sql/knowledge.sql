--
-- Knowledge spread and satisfaction of every user and bucket, against plain SQL over events and actions.
--
SET client_min_messages = error;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';

CREATE TABLE forum_events (user_id bigint, item_id bigint, action text, at timestamptz, value float8);

-- A small community first, the one of doc/knowledge.md.
INSERT INTO forum_events VALUES
	(1, 10, 'share',  '2026-03-02 09:00Z', NULL),
	(1, 10, 'share',  '2026-03-02 09:00Z', NULL),	-- loaded twice
	(1, 11, 'view',   '2026-03-02 09:10Z', NULL),
	(2, 10, 'share',  '2026-03-02 10:00Z', NULL),
	(2, 11, 'rating', '2026-03-02 10:05Z', 4),
	(3, 10, 'like',   '2026-03-02 11:00Z', NULL),
	(3, 12, 'rating', '2026-03-02 11:30Z', 1),
	(1, 12, 'view',   '2026-03-03 08:00Z', NULL),
	(2, 12, 'view',   '2026-03-03 08:30Z', NULL),
	(4, 10, 'share',  '2026-03-03 12:00Z', NULL),
	(4, 11, 'like',   NULL, NULL);					-- nobody knows when
DO $$
BEGIN
	PERFORM commrec.create_model('forum', 'forum_events', action_column => 'action', time_column => 'at',
		value_column => 'value',
		hyperparameters => '{"factors": 2, "epochs": 1, "popularity_weight": 0, "popularity_half_life": "Infinity"}');
END
$$;
TRUNCATE forum.action;
INSERT INTO forum.action VALUES
	('view', 1, 0, NULL, NULL, NULL), ('like', 2, 0.5, 1, NULL, NULL),
	('share', 3, 3, NULL, NULL, NULL), ('rating', 1, 0, NULL, 1, 5);

-- What the tables should hold, as in doc/knowledge.md.
CREATE VIEW forum_expected AS
WITH event AS (				-- what can be used, duplicates once; the largest value stays
	SELECT e.user_id, e.item_id, a.action, e.at, a.spread, a.satisfaction, a.value_low, a.value_high,
		max(e.value) AS value
	FROM forum_events AS e JOIN forum.action AS a ON a.action = coalesce(e.action, 'rating')
	WHERE e.user_id IS NOT NULL AND e.item_id IS NOT NULL
		AND (e.at IS NULL OR isfinite(e.at))
		AND (a.value_low IS NULL OR e.value > '-Infinity' AND e.value < 'Infinity')
	GROUP BY e.user_id, e.item_id, a.action, e.at),
item AS (					-- R_j and A_j
	SELECT item_id, count(DISTINCT user_id)::float8 AS reach, sum(spread) AS spread
	FROM event GROUP BY item_id),
item_mean AS (				-- mu, the mean of R_j, and phi
	SELECT sum(spread) / sum(reach) AS mu, avg(reach) AS reach,
		(SELECT sum(spread ^ 2) / nullif(sum(spread), 0) FROM event) AS phi
	FROM item),
item_fit AS (				-- m; NULL where it is infinite
	SELECT mu, phi * mu / nullif(greatest(variance - phi * mu / reach, 0), 0) AS m
	FROM (SELECT n.mu, n.phi, n.reach,
			sum(i.reach * (i.spread / i.reach - n.mu) ^ 2) / sum(i.reach) AS variance
		FROM item AS i, item_mean AS n GROUP BY n.mu, n.phi, n.reach) AS v),
coefficient AS (			-- w_j
	SELECT item_id, coalesce((spread + m * mu) / (reach + m), mu) AS w FROM item, item_fit),
timed AS (
	SELECT *, date_trunc('day', at, 'UTC') AS bucket FROM event WHERE at IS NOT NULL),
bucket AS (					-- A_t and N_t * r
	SELECT b.bucket, b.spread, b.events * r.rate AS exposure
	FROM (SELECT bucket, count(*) AS events, sum(spread) AS spread FROM timed GROUP BY bucket) AS b,
		(SELECT sum(spread) / count(*) AS rate FROM timed) AS r),
bucket_mean AS (
	SELECT avg(exposure) AS exposure,
		(SELECT sum(spread ^ 2) / nullif(sum(spread), 0) FROM timed) AS phi
	FROM bucket),
bucket_fit AS (				-- m of the buckets, whose mu is 1
	SELECT phi / nullif(greatest(variance - phi / exposure, 0), 0) AS m
	FROM (SELECT n.phi, n.exposure,
			sum(b.exposure * (b.spread / nullif(b.exposure, 0) - 1) ^ 2) / nullif(sum(b.exposure), 0) AS variance
		FROM bucket AS b, bucket_mean AS n GROUP BY n.phi, n.exposure) AS v),
factor AS (					-- f(t)
	SELECT bucket, coalesce((spread + m) / (exposure + m), 1) AS f FROM bucket, bucket_fit),
spread AS (					-- K(t,i): every item once
	SELECT t.user_id, t.bucket, f.f * sum(c.w) AS spread, count(*) AS items
	FROM (SELECT DISTINCT user_id, bucket, item_id FROM timed) AS t
	JOIN coefficient AS c USING (item_id) JOIN factor AS f USING (bucket)
	GROUP BY t.user_id, t.bucket, f.f),
signal AS (					-- s(t,i): every event that tells something
	SELECT user_id, bucket, count(*) AS interactions, avg(signal) AS satisfaction, count(signal) AS signals
	FROM (SELECT user_id, bucket,
			CASE WHEN value_low IS NULL THEN satisfaction
				 ELSE least(1, greatest(0, (value - value_low) / (value_high - value_low))) END AS signal
		FROM timed) AS s
	GROUP BY user_id, bucket)
SELECT user_id, bucket, interactions, items, spread, satisfaction, signals
FROM spread JOIN signal USING (user_id, bucket);

-- Rows that differ, of how many, and between which bounds K lies.
CREATE VIEW forum_mismatches AS
SELECT count(*) AS compared, count(*) FILTER (WHERE NOT coalesce(
		a.interactions = e.interactions AND a.items = e.items AND a.signals = e.signals
		AND abs(a.spread - e.spread) <= 1e-9
		AND (a.satisfaction IS NULL AND e.satisfaction IS NULL
			 OR abs(a.satisfaction - e.satisfaction) <= 1e-9), false)) AS mismatches
FROM forum_expected AS e FULL JOIN forum.user_activity AS a USING (user_id, bucket);

SELECT events, users, items, skipped FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;
SELECT item_id, reach, spread, round(coefficient::numeric, 6) AS coefficient FROM forum.item_spread ORDER BY item_id;
SELECT bucket, events, spread, round(factor::numeric, 6) AS factor FROM forum.spread_factor ORDER BY bucket;
SELECT user_id, bucket, items, round(spread::numeric, 6) AS spread, satisfaction, signals
FROM forum.user_activity ORDER BY user_id, bucket;

-- Of the functions.
SELECT round(commrec.knowledge_spread(1::bigint, '2026-03-02 23:59Z', 'forum')::numeric, 6) AS spread,
	commrec.knowledge_spread(1::bigint, '2026-03-04', 'forum') AS no_events,
	commrec.knowledge_spread(1::bigint, '1999-01-01', 'forum') AS before_the_first,
	commrec.knowledge_spread(99::bigint, '2026-03-02', 'forum') AS unknown_user,
	commrec.satisfaction(3::bigint, 'forum') AS satisfaction, commrec.satisfaction(1::bigint, 'forum') AS no_signal;

-- Weights twice as large: twice the spread, the same factors.
CREATE TABLE forum_before AS TABLE forum.user_activity;
CREATE TABLE forum_factors AS TABLE forum.spread_factor;
UPDATE forum.action SET spread = spread * 2;
SELECT version FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;
SELECT max(abs(a.spread - 2 * b.spread)) < 1e-9 AS is_doubled
FROM forum.user_activity AS a JOIN forum_before AS b USING (user_id, bucket);
SELECT max(abs(a.factor - b.factor)) < 1e-9 AS same_factors
FROM forum.spread_factor AS a JOIN forum_factors AS b USING (bucket);

-- A real community: every user and day.
TRUNCATE forum_events;
CREATE TEMPORARY TABLE raw_event (user_id bigint, item bigint, action text, value float8, seconds bigint);
\copy raw_event FROM PROGRAM 'gzip -dc demo/se-quantum/events.tsv.gz' WITH (FORMAT csv, DELIMITER E'\t', HEADER)
INSERT INTO forum_events SELECT user_id, item, action, to_timestamp(seconds), value FROM raw_event;
TRUNCATE forum.action;
INSERT INTO forum.action VALUES
	('ask', 1, 1, NULL, NULL, NULL), ('answer', 3, 2, NULL, -5, 20), ('comment', 2, 1, 0.7, NULL, NULL),
	('favorite', 2, 0, 1, NULL, NULL), ('accept', 2, 0, 1, NULL, NULL), ('bounty', 3, 3, NULL, 50, 200);
SELECT events, users, items FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;

-- Constructed events: some days and items carry far more than others; duplicates, ties, no times, no
-- actions, no users, values that do not count, and an action that nobody has ever heard of.
CREATE FUNCTION forum_mix(x bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT (x # (x >> 16)) * 73244475 & 4294967295
$$;
CREATE FUNCTION forum_random(n bigint, what bigint) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
	SELECT (x # (x >> 16)) / 4294967296.0::float8 FROM forum_mix(forum_mix(n * 8 + what)) AS x
$$;
TRUNCATE forum_events;
INSERT INTO forum_events
SELECT CASE WHEN n % 499 = 0 THEN NULL ELSE user_id END, CASE WHEN n % 503 = 0 THEN NULL ELSE item_id END,
	CASE WHEN share < (item_id % 5) * (day % 4) / 14.0 THEN 'share'
		 WHEN n % 101 = 0 THEN 'applause'
		 WHEN n % 89 = 0 THEN NULL
		 ELSE (ARRAY['view', 'like', 'rating', 'comment'])[1 + n % 4] END,
	CASE WHEN n % 61 = 0 THEN NULL WHEN n % 997 = 0 THEN 'infinity' WHEN n % 991 = 0 THEN '-infinity'
		 ELSE timestamptz '2025-11-20 00:00Z' + day * interval '1 day' + (n % 3) * interval '11:59:59' END,
	CASE WHEN n % 83 = 0 THEN NULL WHEN n % 331 = 0 THEN 'NaN' WHEN n % 337 = 0 THEN '-Infinity'
		 ELSE floor(rating * 11 - 2) / 2 END
FROM (SELECT n, floor(forum_random(n, 1) ^ 2 * 120)::bigint AS user_id, floor(forum_random(n, 2) ^ 2 * 70)::bigint AS item_id,
		floor(forum_random(n, 3) * 25)::integer AS day, forum_random(n, 4) AS share, forum_random(n, 5) AS rating
	  FROM generate_series(1::bigint, 8000) AS n) AS r;
INSERT INTO forum_events SELECT * FROM forum_events ORDER BY user_id, item_id, action, at, value LIMIT 700;
TRUNCATE forum.action;
INSERT INTO forum.action VALUES
	('view', 1, 0, NULL, NULL, NULL), ('like', 2, 0.25, 0.9, NULL, NULL), ('share', 3, 3, 0.8, NULL, NULL),
	('comment', 1, 1, NULL, NULL, NULL), ('rating', 1, 0, 0.5, 0, 4);
SELECT events, users, items, skipped FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;
SELECT action, preference, spread, satisfaction FROM forum.action WHERE action = 'applause';
SELECT count(DISTINCT factor) > 20 AS factors_differ, bool_and(factor > 0) AS positive FROM forum.spread_factor;
SELECT count(DISTINCT coefficient) > 50 AS coefficients_differ FROM forum.item_spread;
SELECT min(satisfaction) >= 0 AND max(satisfaction) <= 1 AS between_0_and_1, bool_and((satisfaction IS NULL) = (signals = 0)) AS
	null_without_signal FROM forum.user_activity;
SELECT count(*) AS wrong_sums FROM forum_expected AS e
JOIN (SELECT user_id, sum(satisfaction) AS satisfaction FROM forum_expected GROUP BY user_id) AS s USING (user_id)
WHERE abs(commrec.knowledge_spread(e.user_id, e.bucket + interval '23:59:59', 'forum') - e.spread) > 1e-9
	OR commrec.satisfaction(e.user_id, 'forum') IS DISTINCT FROM s.satisfaction
		AND NOT coalesce(abs(commrec.satisfaction(e.user_id, 'forum') - s.satisfaction) <= 1e-9, false);

-- No spread weight anywhere: w = 0, f = 1, K = 0.
UPDATE forum.action SET spread = 0;
SELECT version FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;
SELECT DISTINCT coefficient FROM forum.item_spread;
SELECT DISTINCT factor FROM forum.spread_factor;
SELECT DISTINCT spread FROM forum.user_activity;

-- The same weight everywhere.
UPDATE forum.action SET spread = 1;
SELECT version FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;

-- Long histories: members with thousands of events, over more days than a byte counts, days a thousand apart
-- among them.
INSERT INTO forum_events
SELECT n % 3, forum_mix(n) % 97, CASE WHEN n % 5 = 0 THEN 'like' ELSE 'view' END,
	timestamptz '2020-01-01' + forum_mix(n) % 500 * interval '1 day' + n % 3 * interval '1024 days', NULL
FROM generate_series(1::bigint, 6000) AS n;
SELECT version FROM commrec.train('forum', workers => 0);
TABLE forum_mismatches;

-- Without a time column there are no buckets.
DO $$
BEGIN
	PERFORM commrec.create_model('forum_timeless', 'forum_events', action_column => 'action', value_column => 'value',
		hyperparameters => '{"factors": 2, "epochs": 1, "popularity_weight": 0, "popularity_half_life": "Infinity"}');
END
$$;
SELECT version FROM commrec.train('forum_timeless', workers => 0);
SELECT (SELECT count(*) > 0 FROM forum_timeless.item_spread) AS items,
	(SELECT count(*) FROM forum_timeless.spread_factor) AS factors,
	(SELECT count(*) FROM forum_timeless.user_activity) AS activity;

DO $$
BEGIN
	PERFORM commrec.drop_model('forum_timeless');
	DROP VIEW forum_mismatches, forum_expected;
	PERFORM commrec.drop_model('forum');
END
$$;
DROP TABLE forum_events, forum_before, forum_factors, raw_event;
DROP FUNCTION forum_random(bigint, bigint), forum_mix(bigint);
