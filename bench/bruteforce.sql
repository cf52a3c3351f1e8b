-- recommend() of 1,000 members against a computation in SQL over the stored embeddings,
-- rank by rank: same item, same score.  psql variable: model (over <model>_train).
\set train :model _train
WITH deployed AS (
	SELECT version FROM :model.version WHERE deployed),
member AS MATERIALIZED (
	SELECT user_id, embedding
	FROM :model.user_embedding
	WHERE version = (SELECT version FROM deployed) AND embedding IS NOT NULL
	ORDER BY md5(user_id::text) LIMIT 1000),
brute AS (
	SELECT m.user_id, b.rank, b.item_id, b.score
	FROM member AS m, LATERAL (
		SELECT row_number() OVER (ORDER BY commrec.inner_product(m.embedding, i.embedding) DESC, i.item_no) AS rank,
			i.item_id, commrec.inner_product(m.embedding, i.embedding) AS score
		FROM :model.item_embedding AS i
		WHERE i.version = (SELECT version FROM deployed)
		AND NOT EXISTS (SELECT FROM :train AS t WHERE t.user_id = m.user_id AND t.item_id = i.item_id)
		ORDER BY 1 LIMIT 20) AS b),
answer AS (
	SELECT m.user_id, r.rank, r.item_id, r.score
	FROM member AS m, LATERAL :model.recommend(m.user_id, 20) AS r)
SELECT format('%s members, %s ranks, %s differ', count(DISTINCT user_id), count(*),
	count(*) FILTER (WHERE a.item_id IS DISTINCT FROM b.item_id OR a.score IS DISTINCT FROM b.score))
FROM brute AS b FULL JOIN answer AS a USING (user_id, rank);
