--
-- objective() and satisfaction_detail(), against the same by hand from user_activity.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
\set SHOW_CONTEXT never
CREATE SCHEMA objective_test;
SET search_path = objective_test, public;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || SQLERRM || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
END $$;

-- Member 9 only looks: no signal.  Ratings go from 1 to 5.
CREATE TABLE events (user_id bigint, item_id integer, action text, at timestamptz, value integer);
INSERT INTO events
	SELECT u, i, (ARRAY['like', 'rating', 'share', 'dislike', 'view'])[1 + (u * 3 + i) % 5],
		'2024-05-01 06:00+00'::timestamptz + (u * i) % 6 * interval '1 day', 1 + (u + i) % 5
	FROM generate_series(1, 8) AS u, generate_series(1, 12) AS i WHERE (u * 5 + i * 3 + u * i) % 4 < 3;
INSERT INTO events SELECT 9, i, 'view', '2024-05-02 07:00+00', NULL FROM generate_series(1, 4) AS i;
INSERT INTO events VALUES (1, 1, 'rating', '2024-05-01 06:00+00', 1), (1, 2, 'rating', '2024-05-01 06:00+00', 5);
SELECT count(*) FROM commrec.create_model('goal', 'events', action_column => 'action', time_column => 'at', value_column => 'value',
	hyperparameters => '{"factors": 3, "epochs": 2}');
SELECT try('SELECT * FROM commrec.objective(''goal'')');
SELECT version FROM commrec.train('goal', workers => 0);

-- What objective() says must be what the activity adds up to.
CREATE FUNCTION by_hand(since timestamptz, until timestamptz, lambda double precision, theta double precision, sign integer)
RETURNS TABLE (spread double precision, satisfaction double precision, value double precision, users bigint, users_below bigint)
LANGUAGE sql AS $$
	WITH a AS (SELECT * FROM goal.user_activity WHERE bucket >= coalesce(since, '-infinity') AND bucket < coalesce(until, 'infinity')),
		s AS (SELECT user_id, sum(satisfaction) AS s FROM a GROUP BY user_id)
	SELECT coalesce((SELECT sum(spread) FROM a), 0), coalesce((SELECT sum(s) FROM s), 0),
		coalesce((SELECT sum(spread) FROM a), 0) + sign * lambda * coalesce((SELECT sum(s) FROM s), 0),
		(SELECT count(*) FROM s), CASE WHEN theta IS NOT NULL THEN (SELECT count(*) FROM s WHERE s.s < theta) END
$$;
CREATE VIEW questions (n, since, until, lambda, theta, formula) AS VALUES
	(1, NULL::timestamptz, NULL::timestamptz, 1::double precision, NULL::double precision, 'reward'),
	(2, NULL, NULL, 1, NULL, 'seed'),
	(3, '2024-05-02', NULL, 2.5, 1, 'reward'),
	(4, NULL, '2024-05-03', 0, 0.5, 'seed'),
	(5, '2024-05-02', '2024-05-04', -1, 100, 'reward'),
	(6, '2024-05-02 00:00:01', '2024-05-04 00:00:01', 1, -1, 'reward'),
	(7, '2030-01-01', NULL, 1, 1, 'reward'),
	(8, '2024-05-04', '2024-05-02', 1, 1, 'seed');
SELECT q.n, o.formula, o.users, o.users_below, o.spread > 0 AS spreads, o.satisfaction > 0 AS satisfies,
	abs(o.spread - h.spread) + abs(o.satisfaction - h.satisfaction) + abs(o.value - h.value) < 1e-9 AS same,
	o.users = h.users AND o.users_below IS NOT DISTINCT FROM h.users_below AS same_users
FROM questions AS q, commrec.objective('goal', q.since, q.until, q.lambda, q.theta, q.formula) AS o,
	by_hand(q.since, q.until, q.lambda, q.theta, CASE q.formula WHEN 'seed' THEN -1 ELSE 1 END) AS h
ORDER BY q.n;
-- member 9 has no signal: neither satisfied nor below
SELECT count(*) AS members, count(goal.satisfaction(user_id)) AS with_signal FROM (SELECT DISTINCT user_id FROM events) AS e;
SELECT users, users_below FROM commrec.objective('goal', min_satisfaction => 'Infinity');
SELECT users, users_below FROM commrec.objective('goal', min_satisfaction => 0);
-- NULLs are defaults
SET commrec.default_model = 'goal';
SELECT o = d AS same FROM commrec.objective('goal') AS o, commrec.objective(NULL, NULL, NULL, NULL, NULL, NULL) AS d;
RESET commrec.default_model;
SELECT try(format('SELECT * FROM commrec.objective(''goal'', %s)', a)) FROM unnest(ARRAY['formula => ''penalty''', 'formula => ''''',
	'lambda => ''NaN''', 'lambda => ''-Infinity''', 'lambda => ''Infinity''', 'min_satisfaction => ''NaN''',
	'since => ''infinity''', 'until => ''-infinity''', 'since => ''yesterdayish''']) AS a;
SELECT try('SELECT * FROM commrec.objective(''no such model'')');

-- satisfaction bucket by bucket: sums up to S, its mean is the mean, and it is what the signals say
SELECT u, d.rows, d.total IS NOT DISTINCT FROM goal.satisfaction(u) OR abs(d.total - goal.satisfaction(u)) < 1e-9 AS sums_up,
	abs(d.mean - d.average) < 1e-9 AS is_mean, d.signals
FROM generate_series(1::bigint, 10) AS u, LATERAL (
	SELECT count(*) AS rows, sum(satisfaction) AS total, avg(satisfaction) AS average, max(mean) AS mean, sum(signals) AS signals
	FROM goal.satisfaction_detail(u)) AS d
ORDER BY u;
SELECT d.bucket::date, round(d.satisfaction::numeric, 3) AS satisfaction, d.signals, d.interactions, round(d.mean::numeric, 3) AS mean, d.source
FROM goal.satisfaction_detail(1) AS d;
SELECT s.bucket::date, round(s.satisfaction::numeric, 3) AS satisfaction, s.signals
FROM (SELECT date_trunc('day', e.at) AS bucket, avg(coalesce((e.value - a.value_low) / (a.value_high - a.value_low), a.satisfaction)) AS satisfaction,
		count(coalesce(a.value_low, a.satisfaction)) AS signals
	FROM (SELECT DISTINCT ON (user_id, item_id, action, at) * FROM events ORDER BY user_id, item_id, action, at, value DESC) AS e
		JOIN goal.action AS a USING (action)
	WHERE e.user_id = 1 GROUP BY 1) AS s ORDER BY 1;
SELECT d.bucket::date, d.satisfaction, d.signals, d.interactions, d.mean FROM goal.satisfaction_detail(9) AS d;
-- all forms are one
SELECT count(*) FROM (SELECT * FROM goal.satisfaction_detail(3) INTERSECT SELECT * FROM commrec.satisfaction_detail(3, 'goal')
	INTERSECT SELECT * FROM commrec.satisfaction_detail('3', 'goal') INTERSECT SELECT * FROM commrec.satisfaction_detail(' 3 ', 'goal')) AS d;
-- nobody, NULL, and ids that cannot be
SELECT count(*) FROM goal.satisfaction_detail(4711);
SELECT count(*) FROM goal.satisfaction_detail(NULL);
SELECT count(*) FROM commrec.satisfaction_detail(NULL::text, 'goal');
SELECT try(c) FROM unnest(ARRAY['SELECT * FROM commrec.satisfaction_detail(''x'', ''goal'')',
	'SELECT * FROM commrec.satisfaction_detail(gen_random_uuid(), ''goal'')', 'SELECT * FROM commrec.satisfaction_detail(1, ''no such model'')']) AS c;

-- uuid and text ids; an id as large as a bigint asked of a smallint
CREATE TABLE named (u uuid, t text, s smallint, item_id integer, at date);
INSERT INTO named SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'user ' || n, n, i, '2024-01-01'::date + n * i
	FROM generate_series(1, 4) AS n, generate_series(1, 4) AS i WHERE n <> i;
ALTER TABLE named ADD action text DEFAULT 'like';
SELECT count(*) FROM commrec.create_model('goal_u', 'named', user_column => 'u', action_column => 'action', time_column => 'at');
SELECT count(*) FROM commrec.create_model('goal_t', 'named', user_column => 't', action_column => 'action', time_column => 'at');
SELECT count(*) FROM commrec.create_model('goal_s', 'named', user_column => 's', action_column => 'action', time_column => 'at');
SET client_min_messages = error;
SELECT count(*) FROM unnest('{goal_u,goal_t,goal_s}'::text[]) AS m, commrec.train(m, '{"factors": 2}', workers => 0) AS t;
SET client_min_messages = warning;
SELECT m, count(*), round(min(d.mean)::numeric, 3) AS mean FROM (
	SELECT 'u' AS m, * FROM goal_u.satisfaction_detail('00000000-0000-0000-0000-000000000002') UNION ALL
	SELECT 'cu', * FROM commrec.satisfaction_detail('00000000-0000-0000-0000-000000000002'::uuid, 'goal_u') UNION ALL
	SELECT 'ct', * FROM commrec.satisfaction_detail('00000000-0000-0000-0000-000000000002', 'goal_u') UNION ALL
	SELECT 't', * FROM goal_t.satisfaction_detail('user 2') UNION ALL
	SELECT 'tt', * FROM commrec.satisfaction_detail('user 2', 'goal_t') UNION ALL
	SELECT 's', * FROM goal_s.satisfaction_detail(2) UNION ALL
	SELECT 'sb', * FROM commrec.satisfaction_detail(2::bigint, 'goal_s') UNION ALL
	SELECT 'none', * FROM commrec.satisfaction_detail(4294967298, 'goal_s') UNION ALL
	SELECT 'none', * FROM goal_s.satisfaction_detail(65538)) AS d GROUP BY m ORDER BY m;
SELECT try('SELECT * FROM commrec.satisfaction_detail(2, ''goal_t'')');
SELECT m, o.users, o.formula, round(o.satisfaction::numeric, 3) AS satisfaction FROM unnest('{goal_u,goal_t,goal_s}'::text[]) AS m, commrec.objective(m) AS o;

SELECT count(commrec.drop_model(m)) FROM unnest('{goal,goal_u,goal_t,goal_s}'::text[]) AS m;
DROP SCHEMA objective_test CASCADE;
