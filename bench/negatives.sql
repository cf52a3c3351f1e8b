-- HR@10 and NDCG@10 of the left-out item among 99 negatives, by the stored embeddings of
-- model ncf.  An item that the model does not know scores 0; ties go against us.
WITH deployed AS (
	SELECT version FROM ncf.version WHERE deployed),
candidate AS (
	SELECT user_id, item_id, true AS positive FROM ncf_test
	UNION ALL
	SELECT user_id, item_id, false FROM ncf_negative),
scored AS (
	SELECT c.user_id, c.positive, coalesce(commrec.inner_product(u.embedding, i.embedding), 0) AS score
	FROM candidate AS c
	LEFT JOIN ncf.user_embedding AS u ON u.user_id = c.user_id AND u.version = (SELECT version FROM deployed)
	LEFT JOIN ncf.item_embedding AS i ON i.item_id = c.item_id AND i.version = (SELECT version FROM deployed)),
placed AS (
	SELECT p.user_id, 1 + count(n.user_id) AS rank
	FROM scored AS p
	LEFT JOIN scored AS n ON n.user_id = p.user_id AND NOT n.positive AND n.score >= p.score
	WHERE p.positive
	GROUP BY p.user_id)
SELECT round(avg((rank <= 10)::integer), 4),
	round(avg(CASE WHEN rank <= 10 THEN ln(2) / ln(1 + rank) ELSE 0 END)::numeric, 4)
FROM placed;
