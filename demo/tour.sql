-- The tour that demo/run.sh prints.  Read from standard input, so that notices carry no file name.
\set ECHO none
\pset footer off
\pset null '-'
SET client_min_messages = notice;

\echo
\echo '== The community =============================================================='
\echo
SELECT count(*) AS events, count(DISTINCT user_id) AS members, count(DISTINCT item_id) AS questions,
	min(at)::date AS "from", max(at)::date AS "until"
FROM events;
SELECT action, count(*) AS events, count(DISTINCT user_id) AS members
FROM events GROUP BY action ORDER BY events DESC;

\echo
\echo '== 1. Create a model over the table, where it lies ============================'
\echo
\set ECHO queries
CREATE EXTENSION commrec;
SELECT * FROM commrec.create_model('community', 'events', action_column => 'action', time_column => 'at');
\set ECHO none

\echo
\echo '== 2. The weights of the actions are a table: edit it ========================='
\echo
\set ECHO queries
UPDATE community.action SET spread = 3 WHERE action = 'answer';
SELECT action, preference, spread, satisfaction FROM community.action ORDER BY preference DESC, action;
\set ECHO none

\echo
\echo '== 3. Train ==================================================================='
\echo
\set ECHO queries
SELECT version, events, users, items, pairs, workers, round(seconds::numeric, 3) AS seconds,
	pg_size_pretty(memory_planned) AS memory
FROM commrec.train('community', verbose => true);
\set ECHO none

\echo
\echo '== 4. What should a member see next? =========================================='
\echo
SELECT user_id AS busy FROM events GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1 \gset
SELECT user_id AS casual FROM events GROUP BY user_id HAVING count(*) = 12 ORDER BY user_id LIMIT 1 \gset
SELECT max(user_id) + 1 AS newcomer FROM events \gset
\echo 'Member' :busy', the busiest one:'
\echo
\set ECHO queries
SELECT r.rank, r.source, round(r.score::numeric, 3) AS score, left(i.title, 62) AS question
FROM community.recommend(:busy, 5) AS r JOIN items AS i USING (item_id)
ORDER BY r.rank;
\set ECHO none
\echo
\echo 'Member' :casual', who came by a dozen times:'
\echo
SELECT r.rank, r.source, round(r.score::numeric, 3) AS score, left(i.title, 62) AS question
FROM community.recommend(:casual, 5) AS r JOIN items AS i USING (item_id)
ORDER BY r.rank;
\echo
\echo 'Member' :newcomer', who registered a minute ago:'
\echo
SELECT r.rank, r.source, round(r.score::numeric, 3) AS score, left(i.title, 62) AS question
FROM community.recommend(:newcomer, 5) AS r JOIN items AS i USING (item_id)
ORDER BY r.rank;

\echo
\echo '== 5. Who spreads knowledge? =================================================='
\echo
\set ECHO queries
SELECT user_id AS member, count(*) AS days, sum(interactions) AS events,
	round(sum(spread)::numeric, 2) AS knowledge_spread
FROM community.user_activity
GROUP BY user_id ORDER BY sum(spread) DESC, user_id LIMIT 5;
\set ECHO none

\echo
\echo '== 6. Who is satisfied, and what does it add up to? ==========================='
\echo
\set ECHO queries
SELECT user_id AS member, round(community.satisfaction(user_id)::numeric, 2) AS satisfaction
FROM (SELECT DISTINCT user_id FROM events) AS members
ORDER BY community.satisfaction(user_id) DESC NULLS LAST, user_id LIMIT 5;
SELECT round(spread::numeric, 1) AS spread, round(satisfaction::numeric, 1) AS satisfaction,
	round(value::numeric, 1) AS value, users, users_below, formula
FROM commrec.objective('community', min_satisfaction => 1);
\set ECHO none

\echo
\echo '== 7. A report: last month by member, with the question to send each ========='
\echo
\set ECHO queries
CREATE VIEW member_report AS
SELECT m.member, m.days, m.spread, community.satisfaction(m.member) AS satisfaction, i.title AS next_question
FROM (SELECT user_id AS member, count(*) AS days, sum(spread) AS spread
	  FROM community.user_activity
	  WHERE bucket >= (SELECT max(bucket) - interval '30 days' FROM community.user_activity)
	  GROUP BY user_id) AS m
LEFT JOIN LATERAL community.recommend(m.member, 1) AS r ON true
LEFT JOIN items AS i USING (item_id);

SELECT member, days, round(spread::numeric, 2) AS spread, round(satisfaction::numeric, 2) AS satisfaction,
	left(next_question, 46) AS next_question
FROM member_report ORDER BY spread DESC, member LIMIT 10;
\set ECHO none

\echo
\echo '== 8. How long does it take? =================================================='
\echo
\timing on
\set ECHO queries
SELECT count(*) AS recommendations
FROM (SELECT DISTINCT user_id FROM events) AS members, LATERAL community.recommend(user_id, 10);
SELECT count(*) AS rows FROM community.recommend(:busy, 10);
\set ECHO none
\timing off
