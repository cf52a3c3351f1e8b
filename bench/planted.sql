-- A community whose truth is known: tables planted_train, planted_test and planted_truth.
--
-- 2,000 users and 400 items in 8 circles.  A user takes item r of the own circle with probability 0.9 / sqrt(r), r from
-- 1 to 50, and any other item with probability 0.005, independently; a fifth of what is taken is held out.  So the
-- best order there can be for a user, of what is not known of him yet, is that of these probabilities:
-- planted_truth has them, and no model can be expected to rank better.  The same rows every time: chance is md5.
CREATE TABLE planted_truth AS
	SELECT u AS user_id, i AS item_id,
		CASE WHEN i % 8 = u % 8 THEN 0.9 / sqrt(i / 8 + 1) ELSE 0.005 END AS probability
	FROM generate_series(0, 1999) AS u, generate_series(0, 399) AS i;
CREATE TABLE planted_taken AS
	SELECT user_id, item_id, ('x' || substr(c, 9, 8))::bit(32)::bigint / 4294967296.0 < 0.2 AS is_test
	FROM planted_truth, LATERAL (SELECT md5(user_id || ' ' || item_id)) AS m (c)
	WHERE ('x' || substr(c, 1, 8))::bit(32)::bigint / 4294967296.0 < probability;
CREATE TABLE planted_train AS SELECT user_id, item_id FROM planted_taken WHERE NOT is_test;
CREATE TABLE planted_test AS SELECT user_id, item_id FROM planted_taken WHERE is_test;
-- items of one circle with one probability are told apart by number, as everywhere
CREATE TABLE planted_optimum AS
	SELECT avg(ndcg) AS ndcg, avg(recall) AS recall FROM (
		SELECT t.user_id, commrec.ndcg(t.probability, w.item_id IS NOT NULL, 10) AS ndcg,
			commrec.recall_at(t.probability, w.item_id IS NOT NULL, 10) AS recall
		FROM planted_truth AS t
			LEFT JOIN planted_test AS w ON w.user_id = t.user_id AND w.item_id = t.item_id
		WHERE NOT EXISTS (SELECT FROM planted_train AS s WHERE s.user_id = t.user_id AND s.item_id = t.item_id)
		GROUP BY t.user_id) AS each;
