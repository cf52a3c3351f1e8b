--
-- The metrics as aggregates: published examples, cases by hand, ties, NULLs, parallel plans, errors.
--
SET client_min_messages = warning;
SET extra_float_digits = 0;
CREATE FUNCTION pg_temp.error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- Wikipedia, "Discounted cumulative gain": DCG 6.861 of 7.141, or of 8.740 with the two items that were missed
SELECT round(commrec.ndcg(-place, gain, NULL)::numeric, 3) AS wikipedia,
	round(commrec.ndcg(-place, gain, 3)::numeric, 6) AS by_hand_3,
	round(((3 + 2 / log(2, 3) + 3 / log(2, 4)) / (3 + 3 / log(2, 3) + 2 / log(2, 4)))::numeric, 6) AS expected_3
	FROM unnest('{3,2,3,0,1,2}'::integer[]) WITH ORDINALITY AS r (gain, place);
SELECT round(commrec.ndcg(score, gain, 6)::numeric, 3) AS wikipedia_missed
	FROM (SELECT -place, gain FROM unnest('{3,2,3,0,1,2}'::integer[]) WITH ORDINALITY AS r (gain, place)
		UNION ALL VALUES (NULL::bigint, 3), (NULL, 2)) AS r (score, gain);

-- the documentation of scikit-learn: ndcg_score .69..., .49..., with ties .75 at 1; roc_auc_score .75; average_precision_score .83...
SELECT round(commrec.ndcg(a, gain, NULL)::numeric, 4) AS first, round(commrec.ndcg(b, gain, NULL)::numeric, 4) AS second,
	round(commrec.ndcg(a, gain, 4)::numeric, 4) AS first_at_4, commrec.ndcg(c, gain, 1) AS tied
	FROM unnest('{10,0,0,1,5}'::double precision[], '{.1,.2,.3,4,70}'::double precision[],
		'{.05,1.1,1,.5,0}'::double precision[], '{1,0,0,0,1}'::double precision[]) AS r (gain, a, b, c);
SELECT commrec.auc(score, label) AS auc, round(commrec.average_precision(score, label)::numeric, 4) AS ap
	FROM unnest('{0,0,1,1}'::integer[], '{.1,.4,.35,.8}'::double precision[]) AS r (label, score);

-- Wikipedia, "Mean reciprocal rank": 1/3, 1/2, 1
SELECT round(avg(rr)::numeric, 4) AS mrr FROM (
	SELECT commrec.reciprocal_rank(-place, place = first) AS rr
	FROM generate_series(1, 3) AS first, generate_series(1, 3) AS place GROUP BY first) AS q;

-- Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 8.4: relevant at 1, 3, 6, 10, 15 of 20 ranked, one more missed
CREATE TABLE ranked (place integer, score double precision, relevant boolean);
INSERT INTO ranked SELECT p, -p, p IN (1, 3, 6, 10, 15) FROM generate_series(1, 20) AS p;
INSERT INTO ranked VALUES (NULL, NULL, true);
SELECT commrec.precision_at(score, relevant, 5) AS p_5, round(commrec.recall_at(score, relevant, 5)::numeric, 4) AS r_5,
	commrec.precision_at(score, relevant, 10) AS p_10, round(commrec.recall_at(score, relevant, 10)::numeric, 4) AS r_10,
	commrec.precision_at(score, relevant, 100) AS p_100, commrec.precision_at(score, relevant, NULL) AS p_all,
	round(commrec.average_precision(score, relevant)::numeric, 6) AS ap,
	round((1.0 + 2 / 3.0 + 3 / 6.0 + 4 / 10.0 + 5 / 15.0) / 6, 6) AS ap_by_hand
	FROM ranked;
-- numbers and booleans are the same; any order of rows is the same
SELECT commrec.ndcg(score, relevant, 10) = commrec.ndcg(score, relevant::integer, 10) AS ndcg,
	commrec.recall_at(score, relevant, 10) = commrec.recall_at(score, relevant::integer, 10) AS recall,
	commrec.precision_at(score, relevant, 10) = commrec.precision_at(score, relevant::integer, 10) AS precision,
	commrec.average_precision(score, relevant) = commrec.average_precision(score, relevant::integer) AS ap,
	commrec.reciprocal_rank(score, relevant) = commrec.reciprocal_rank(score, relevant::integer) AS rr,
	commrec.auc(score, relevant) = commrec.auc(score, relevant::integer) AS auc,
	commrec.ndcg(score, relevant, 10) = commrec.ndcg(score, relevant, 10 ORDER BY place DESC) AS any_order
	FROM ranked;

-- equals give the mean over their orders: a relevant and an irrelevant item tied at the top, an irrelevant one below
SELECT commrec.reciprocal_rank(score, relevant) AS rr, commrec.average_precision(score, relevant) AS ap,
	commrec.precision_at(score, relevant, 1) AS p_1, commrec.recall_at(score, relevant, 1) AS r_1,
	round(commrec.ndcg(score, relevant, 3)::numeric, 6) AS ndcg_3,
	round((1 + 1 / log(2, 3)) / 2, 6) AS ndcg_by_hand, commrec.auc(score, relevant) AS auc
	FROM (VALUES (2, true), (2, false), (1, false)) AS r (score, relevant);
-- infinite scores are the best and the worst
SELECT commrec.reciprocal_rank(score, relevant) AS rr
	FROM (VALUES (1, false), ('Infinity'::double precision, false), ('-Infinity', true)) AS r (score, relevant);

-- NULLs: nothing ranked; nothing relevant; a relevance that is not known is 0, but a label that is not known is none
SELECT commrec.recall_at(NULL, true, 5) AS recall, commrec.ndcg(NULL, true, 5) AS ndcg, commrec.precision_at(NULL, true, 5) AS p,
	commrec.precision_at(NULL, true, NULL) AS p_all, commrec.average_precision(NULL, true) AS ap,
	commrec.reciprocal_rank(NULL, true) AS rr, commrec.auc(NULL, true) AS auc;
SELECT commrec.recall_at(1, NULL::boolean, 5) AS recall, commrec.ndcg(1, false, 5) AS ndcg, commrec.precision_at(1, false, 5) AS p,
	commrec.average_precision(1, 0) AS ap, commrec.reciprocal_rank(1, -1) AS rr, commrec.auc(1, true) AS auc;
SELECT commrec.ndcg(score, relevant, 5) AS none, commrec.auc(score, relevant) AS no_auc FROM ranked WHERE false;
SELECT commrec.reciprocal_rank(score, relevant) AS rr, commrec.auc(score, relevant) AS auc
	FROM (VALUES (3, NULL), (2, true), (1, false)) AS r (score, relevant);

-- as a window function, and with FILTER
SELECT place, round(commrec.precision_at(score, relevant, NULL) OVER (ORDER BY place)::numeric, 3) AS p
	FROM ranked WHERE place <= 4 ORDER BY place;
SELECT commrec.precision_at(score, relevant, NULL) FILTER (WHERE place <= 4) AS p FROM ranked;

-- parallel workers combine their states, some of which are empty
CREATE TABLE many (user_id integer, score double precision, relevance double precision);
INSERT INTO many SELECT n % 7, (n * 7919 % 1000) / 10, CASE WHEN n * 31 % 13 = 0 THEN n % 4 ELSE 0 END
	FROM generate_series(1, 20000) AS n;
ANALYZE many;
CREATE FUNCTION pg_temp.figures() RETURNS SETOF record LANGUAGE sql AS $$
	SELECT user_id, commrec.ndcg(score, relevance, 100), commrec.recall_at(score, relevance, 100),
		commrec.precision_at(score, relevance, 100), commrec.average_precision(score, relevance),
		commrec.reciprocal_rank(score, relevance), commrec.auc(score, relevance)
	FROM many GROUP BY user_id $$;
CREATE TEMP TABLE one AS SELECT * FROM pg_temp.figures() AS f (user_id integer, n double precision, r double precision,
	p double precision, a double precision, m double precision, c double precision);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 4;
SET enable_sort = off;
CREATE FUNCTION pg_temp.is_partial(command text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || command INTO plan;
	RETURN plan::text LIKE '%"Partial Mode": "Partial"%';
END $$;
SELECT pg_temp.is_partial('SELECT user_id, commrec.ndcg(score, relevance, 100) FROM many GROUP BY user_id') AS is_partial;
CREATE TEMP TABLE several AS SELECT user_id, commrec.ndcg(score, relevance, 100) AS n, commrec.recall_at(score, relevance, 100) AS r,
		commrec.precision_at(score, relevance, 100) AS p, commrec.average_precision(score, relevance) AS a,
		commrec.reciprocal_rank(score, relevance) AS m, commrec.auc(score, relevance) AS c
	FROM many GROUP BY user_id;
SELECT count(*) AS users, count(*) FILTER (WHERE o = v) AS same FROM one AS o JOIN several AS v USING (user_id);
RESET ALL;
SET client_min_messages = warning;
-- against a computation in SQL, without ties
WITH placed AS (
	SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY score DESC, relevance DESC) AS place, relevance,
		row_number() OVER (PARTITION BY user_id ORDER BY relevance DESC) AS best FROM many),
unique_scores AS (
	SELECT user_id, commrec.ndcg(-place, relevance, 10) AS ndcg,
		sum(relevance / log(2, place + 1)::double precision) FILTER (WHERE place <= 10)
			/ sum(relevance / log(2, best + 1)::double precision) FILTER (WHERE best <= 10) AS by_sql
	FROM placed GROUP BY user_id)
SELECT count(*) AS users, bool_and(abs(ndcg - by_sql) < 1e-12) AS equal FROM unique_scores;

-- errors
SELECT n, pg_temp.error_of('SELECT ' || c) FROM (VALUES
	(1, $$commrec.ndcg('NaN'::double precision, 1, 5)$$), (2, $$commrec.ndcg(1, 'NaN'::double precision, 5)$$),
	(3, $$commrec.auc(1, 'Infinity'::double precision)$$), (4, $$commrec.recall_at(1, true, 0)$$),
	(5, $$commrec.precision_at(1, true, -1)$$), (6, $$commrec.recall_at(1, true, k) FROM (VALUES (1), (2)) AS v (k)$$),
	(7, $$commrec.ndcg(s, s, 5) FROM (VALUES (1), (-1)) AS v (s)$$),
	(8, $$commrec.ndcg(s, 1e308::double precision, 5) FROM generate_series(1, 4) AS s$$)) AS e (n, c) ORDER BY n;
-- the support functions take a state, nothing else, and leave it as it is
SELECT n, pg_temp.error_of(format('SELECT commrec.ndcg_final(%L::bytea)', v.bytes)) FROM (
	SELECT commrec.metric_accum(NULL, 1, 1, 5) AS s) AS g, LATERAL (VALUES (1, ''::bytea), (2, s), (3, substring(s FROM 1 FOR 24)),
	(4, set_byte(s, 0, 0)), (5, set_byte(s, 4, 2)), (6, set_byte(s, 8, 255)), (7, set_byte(s, 15, 255)), (8, set_byte(s, 23, 128)),
	(9, s || '\x00')) AS v (n, bytes) ORDER BY n;
SELECT s = t AS untouched, commrec.recall_final(u) AS both FROM (
	SELECT commrec.metric_accum(NULL, 1, true, 5) AS s, commrec.metric_accum(NULL, 1, true, 5) AS t) AS a,
	LATERAL (SELECT commrec.metric_combine(s, s) AS u) AS b;
SELECT pg_temp.error_of('SELECT commrec.metric_combine(commrec.metric_accum(NULL, 1, 1, 5), commrec.metric_accum(NULL, 1, 1, 6))');
DROP TABLE ranked, many;
