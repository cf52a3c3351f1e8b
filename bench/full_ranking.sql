-- Recall@k and NDCG@k over the full ranking, items of the training data excluded.
-- psql variables: model (a model over <model>_train, judged by <model>_test), k.
-- A member's recall is hits / wanted; the best possible DCG counts min(k, wanted) items.
\set train :model _train
\set test :model _test
WITH member AS (
	SELECT user_id, count(*) AS wanted FROM :test GROUP BY user_id),
hit AS (
	SELECT m.user_id, r.rank
	FROM member AS m, LATERAL :model.recommend(m.user_id, :k) AS r
	JOIN :test AS t ON t.item_id = r.item_id
	WHERE t.user_id = m.user_id),
gain AS (
	SELECT user_id, count(*) AS hits, sum(ln(2) / ln(1 + rank)) AS dcg FROM hit GROUP BY user_id),
ideal AS (
	SELECT n, sum(ln(2) / ln(1 + n)) OVER (ORDER BY n) AS dcg FROM generate_series(1, :k) AS n)
SELECT round(avg(coalesce(g.hits, 0)::numeric / m.wanted), 4),
	round(avg(coalesce(g.dcg, 0)::numeric / i.dcg::numeric), 4)
FROM member AS m
JOIN ideal AS i ON i.n = least(m.wanted, :k)
LEFT JOIN gain AS g USING (user_id);
