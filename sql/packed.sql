-- Models trained by the aggregate ials(), and answers from them.
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE SCHEMA packed;
SET search_path = packed;
-- Users 1 .. 60 of three groups like items of their group, and few others.
CREATE TABLE events AS
SELECT DISTINCT u AS user_id, CASE WHEN n % 5 = 0 THEN (u * 31 + n * 17) % 45 ELSE 15 * (u % 3) + (u * n + n) % 15 END AS item_id,
	u % 4 AS tenant
FROM generate_series(1, 60) AS u, generate_series(1, 12) AS n;
ANALYZE events;

-- One model of everything, described
CREATE TABLE model AS
SELECT commrec.ials(user_id, item_id, 1, '{"factors": 8, "epochs": 10}') AS packed FROM events;
SELECT i - 'bytes' - 'loss' - 'epochs' - 'hyperparameters' AS info, (i ->> 'bytes')::integer = length(packed) AS bytes,
	(i ->> 'loss')::float > 0 AS loss, (i ->> 'epochs')::integer BETWEEN 1 AND 10 AS epochs,
	i -> 'hyperparameters' ->> 'factors' AS factors, i -> 'hyperparameters' ->> 'regularization' AS regularization,
	i -> 'hyperparameters' ->> 'popularity_weight' AS popularity_weight
FROM model, commrec.model_info(packed) AS i;
SELECT commrec.model_info(NULL);

-- It is what train() learns from the same rows
SELECT count(*) AS created FROM commrec.create_model('reference', 'packed.events', hyperparameters => '{"factors": 8, "epochs": 10, "popularity_weight": 0}');
SELECT t.metrics ->> 'loss' = commrec.model_info(m.packed) ->> 'loss' AS same_loss,
	t.hyperparameters - 'popularity_half_life' = (commrec.model_info(m.packed) -> 'hyperparameters') - 'popularity_half_life' AS same_hyperparameters
FROM model AS m, commrec.train('reference', workers => 0) AS t;
SELECT count(*) AS answers, count(*) FILTER (WHERE r.item_id = p.item_id AND r.score = p.score AND r.source = p.source) AS same
FROM model, (SELECT DISTINCT user_id FROM events) AS u,
	LATERAL commrec.recommend(u.user_id, 7, 'reference') AS r
	FULL JOIN LATERAL commrec.recommend_from(packed, u.user_id, 7) AS p USING (rank);
SELECT count(*) AS answers, count(*) FILTER (WHERE r.item_id = p.item_id AND r.similarity = p.similarity) AS same
FROM model, (SELECT DISTINCT item_id FROM events) AS i,
	LATERAL commrec.similar_items(i.item_id, 5, 'reference') AS r
	FULL JOIN LATERAL commrec.similar_from(packed, i.item_id, 5) AS p USING (rank);

-- Answers are those of brute force over all items
SELECT count(*) AS answers, count(*) FILTER (WHERE a.rank IS NOT NULL AND b.rank IS NOT NULL) AS same
FROM model, (SELECT DISTINCT user_id FROM events) AS u,
	LATERAL commrec.recommend_from(packed, u.user_id, 1000, false) AS a
	FULL JOIN LATERAL (
		SELECT row_number() OVER (ORDER BY commrec.inner_product(ue.embedding, ie.embedding) DESC, ie.item_no)::integer AS rank, ie.item_id
		FROM reference.user_embedding AS ue, reference.item_embedding AS ie
		WHERE ue.user_id = u.user_id) AS b USING (rank, item_id);

-- Seen items, unknown users, all there is
SELECT count(*) AS seen FROM model, commrec.recommend_from(packed, 7, 1000) JOIN events USING (item_id) WHERE user_id = 7;
SELECT count(*) AS all_items, count(*) FILTER (WHERE source = 'model') AS by_model FROM model, commrec.recommend_from(packed, 7, 2147483647, false);
SELECT r.* FROM model, commrec.recommend_from(packed, 1000, 3) AS r;
SELECT r.* FROM model, commrec.recommend_from(packed, '1000', 3) AS r;
SELECT count(*) FROM model, commrec.recommend_from(packed, 7, NULL);
SELECT count(*) FROM model, commrec.recommend_from(packed, NULL::bigint);
SELECT count(*) FROM commrec.recommend_from(NULL, 7);
SELECT count(*) FROM model, commrec.similar_from(packed, 1000);
SELECT count(*) FROM model, commrec.similar_from(packed, NULL::text);
SELECT count(*), bool_and(i.item_id <> 3) AS without_itself FROM model, commrec.similar_from(packed, '3', 1000) AS s, CAST(s.item_id AS integer) AS i (item_id);

-- Rows with a NULL are left out; nothing left: NULL; duplicates are added up, whatever their order
SELECT commrec.ials(user_id, item_id, 1, NULL) IS NULL AS nothing FROM events WHERE false;
SELECT commrec.ials(u, i, p, NULL) IS NULL AS nothing FROM (VALUES (NULL::bigint, 1, 1), (1, NULL, 1), (1, 1, NULL)) AS v (u, i, p);
CREATE TABLE weighted AS
SELECT user_id, item_id, (1 + user_id % 7) * 0.1 + n * 1e-9 AS preference, n * 7919 % 1009 AS place
FROM events, generate_series(1, 3) AS n;
INSERT INTO weighted VALUES (1, 1, 1e18, 0), (1, 1, -1e18, 5000), (2, 40, -3, 10);
SELECT count(DISTINCT packed) AS models
FROM (
	SELECT commrec.ials(user_id, item_id, preference, '{"factors": 4}') AS packed FROM weighted
	UNION ALL SELECT commrec.ials(user_id, item_id, preference, '{"factors": 4}' ORDER BY place, user_id) FROM weighted
	UNION ALL SELECT commrec.ials(user_id, item_id, preference, '{"factors": 4}' ORDER BY preference DESC) FROM weighted
	UNION ALL SELECT commrec.ials(user_id, item_id, preference, '{"factors": 4.0}') FILTER (WHERE place IS NOT NULL)
		FROM (SELECT * FROM weighted UNION ALL SELECT 1, 2, 3, NULL) AS w
	UNION ALL SELECT commrec.ials(DISTINCT user_id, item_id, preference, '{"factors": 4}') FROM (SELECT * FROM weighted UNION ALL SELECT * FROM weighted) AS w) AS m;
-- a dislike is never recommended, not even among what has been seen
SELECT count(*) FROM (SELECT commrec.ials(user_id, item_id, preference, '{"factors": 4}') FROM weighted) AS m (packed),
	commrec.recommend_from(packed, 2, 1000, false) WHERE item_id = 40;
SELECT i -> 'rows' AS rows, i -> 'pairs' AS pairs
FROM commrec.model_info((SELECT commrec.ials(u, i, p, NULL) FROM (VALUES (1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 2, 1), (2, 2, -3), (NULL, 1, 1)) AS v (u, i, p))) AS i;

-- Nothing to learn from: popularity alone
SELECT i -> 'factors' AS factors, i -> 'loss' AS loss, r.*
FROM (SELECT commrec.ials(u, i, p, NULL) AS packed FROM (VALUES (1, 1, 1), (1, 2, 3)) AS v (u, i, p)) AS m,
	commrec.model_info(packed) AS i, commrec.recommend_from(packed, 5) AS r;
SELECT count(*) FROM commrec.similar_from((SELECT commrec.ials(u, i, 0, NULL) FROM (VALUES (1, 1), (2, 2)) AS v (u, i)), 1);

-- Popularity as a coordinate; filters
SELECT i -> 'dims' AS dims, i -> 'factors' AS factors, count(*) FILTER (WHERE abs(a.score - b.score) > 0.01) > 0 AS differs
FROM (SELECT commrec.ials(user_id, item_id, 1, '{"factors": 8, "epochs": 10, "popularity_weight": 0.5}') AS packed FROM events) AS m,
	commrec.model_info(packed) AS i, model, commrec.recommend_from(m.packed, 7, 50) AS a
	JOIN LATERAL commrec.recommend_from(model.packed, 7, 50) AS b USING (item_id)
GROUP BY 1, 2;
SELECT (i ->> 'pairs')::integer < (i ->> 'rows')::integer AS filtered
FROM (SELECT commrec.ials(user_id, item_id, 1, '{"factors": 4, "min_item_users": 8}') AS packed FROM events) AS m, commrec.model_info(packed) AS i;

-- Text ids: every byte counts, and the empty string is an id; untyped literals resolve
SELECT i -> 'users' AS users, i -> 'items' AS items, i ->> 'user_type' AS type
FROM commrec.model_info((SELECT commrec.ials(u, i, 1, '{"factors": 2}') FROM (VALUES ('', 'a'), ('x', 'a'), ('X', 'b'), ('x ', ''), ('é', 'ä')) AS v (u, i))) AS i;
CREATE TABLE text_model AS SELECT commrec.ials('user ' || user_id, 'item ' || item_id, 1, '{"factors": 8}') AS packed FROM events;
SELECT count(*), bool_and(item_id LIKE 'item %') FROM text_model, commrec.recommend_from(packed, 'user 7', 5);
SELECT rank, item_id FROM text_model, commrec.recommend_from(packed, 'nobody', 2);
SELECT count(*) FROM text_model, commrec.similar_from(packed, 'item 3', 4);
SELECT length(commrec.ials('a', 'b', 1, '{}')) > 0 AS resolves;
SELECT count(*) FROM text_model, commrec.recommend_from(packed, 7);
SELECT count(*) FROM text_model, commrec.similar_from(packed, 7);
SELECT count(*) FROM model, commrec.recommend_from(packed, 'user 7');
SELECT commrec.ials(repeat('x', 1024), 'b', 1, NULL) IS NOT NULL AS fits;
SELECT commrec.ials(repeat('x', 1025), 'b', 1, NULL);
SELECT commrec.ials((9223372036854775807)::bigint, (-9223372036854775808)::bigint, 1, NULL) IS NOT NULL AS fits;

-- One model a group, in every kind of plan
CREATE TABLE serial AS SELECT tenant, commrec.ials(user_id, item_id, 1, '{"factors": 4}') AS packed FROM events GROUP BY tenant;
SELECT count(*) AS groups, count(DISTINCT packed) AS models FROM serial;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_hashagg = off;
EXPLAIN (COSTS off) SELECT tenant, commrec.ials(user_id, item_id, 1, '{"factors": 4}') FROM events GROUP BY tenant;
SELECT count(*) AS same
FROM (SELECT tenant, commrec.ials(user_id, item_id, 1, '{"factors": 4}') AS packed FROM events GROUP BY tenant) AS p
	JOIN serial USING (tenant, packed);
SET enable_hashagg = on;
SET enable_sort = off;
SELECT count(*) AS same
FROM (SELECT tenant, commrec.ials(user_id, item_id, 1, '{"factors": 4}') AS packed FROM events GROUP BY tenant) AS p
	JOIN serial USING (tenant, packed);
RESET enable_sort;
CREATE TABLE texts AS
SELECT 'user ' || user_id AS user_id, 'item ' || item_id AS item_id, 1.0 / 64 AS preference FROM events, generate_series(1, 64);
ANALYZE texts;
EXPLAIN (COSTS off) SELECT commrec.ials(user_id, item_id, preference, '{"factors": 8}') FROM texts;
SELECT commrec.model_info(commrec.ials(user_id, item_id, preference, '{"factors": 8}')) - 'rows' =
	(SELECT commrec.model_info(packed) - 'rows' FROM text_model) AS same
FROM texts;
SELECT commrec.ials(user_id, item_id, preference, '{"factors": 4}') FILTER (WHERE user_id < 0) IS NULL AS nothing FROM weighted;

-- Partitions, or a function of the tenant: the training itself is in the workers
CREATE TABLE partitioned (LIKE events) PARTITION BY LIST (tenant);
CREATE TABLE partitioned_0 PARTITION OF partitioned FOR VALUES IN (0, 1);
CREATE TABLE partitioned_1 PARTITION OF partitioned FOR VALUES IN (2, 3);
INSERT INTO partitioned SELECT * FROM events;
CREATE INDEX ON partitioned (tenant);
CREATE TABLE tenants AS SELECT DISTINCT tenant FROM events;
ANALYZE partitioned, tenants;
SET enable_partitionwise_aggregate = on;
EXPLAIN (COSTS off) SELECT tenant, commrec.ials(user_id, item_id, 1, '{"factors": 4}') FROM partitioned GROUP BY tenant;
SELECT count(*) AS same
FROM (SELECT tenant, commrec.ials(user_id, item_id, 1, '{"factors": 4}') AS packed FROM partitioned GROUP BY tenant) AS p
	JOIN serial USING (tenant, packed);
CREATE FUNCTION train_tenant(tenant integer) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 SET search_path = pg_catalog, pg_temp AS $$
	SELECT commrec.ials(e.user_id, e.item_id, 1, '{"factors": 4}') FROM packed.events AS e WHERE e.tenant = $1
$$;
EXPLAIN (COSTS off, VERBOSE) SELECT tenant, train_tenant(tenant) FROM tenants;
SELECT count(*) AS same
FROM (SELECT tenant, train_tenant(tenant) AS packed FROM tenants) AS p JOIN serial USING (tenant, packed);
RESET enable_partitionwise_aggregate;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- As a window function: the model of what came so far
SELECT count(*) AS windows, count(*) FILTER (WHERE w.packed = (
	SELECT commrec.ials(e.user_id, e.item_id, 1, '{"factors": 2, "epochs": 2}') FROM events AS e WHERE e.user_id <= w.user_id)) AS same
FROM (SELECT DISTINCT user_id, commrec.ials(user_id, item_id, 1, '{"factors": 2, "epochs": 2}') OVER (ORDER BY user_id) AS packed FROM events) AS w;

-- However a model is stored, its answers are the same
CREATE TABLE stored (kind text, packed bytea);
ALTER TABLE stored ALTER packed SET STORAGE EXTERNAL;
INSERT INTO stored SELECT 'external', packed FROM model;
ALTER TABLE stored ALTER packed SET STORAGE EXTENDED;
INSERT INTO stored SELECT 'extended', packed || ''::bytea FROM model;
INSERT INTO stored SELECT 'small', commrec.ials(user_id, item_id, 1, '{"factors": 1}') FROM events WHERE user_id < 4;
SELECT kind, count(*) AS answers, count(*) FILTER (WHERE r.item_id = p.item_id AND r.score = p.score) AS same
FROM stored, model, generate_series(1, 60) AS u,
	LATERAL commrec.recommend_from(stored.packed, u, 5) AS r JOIN LATERAL commrec.recommend_from(model.packed, u, 5) AS p USING (rank)
WHERE kind <> 'small' GROUP BY kind ORDER BY kind;
SELECT kind, u, count(*) AS answers FROM stored, generate_series(1, 2) AS u, LATERAL commrec.recommend_from(stored.packed, u, 3, false) GROUP BY 1, 2 ORDER BY 1, 2;

-- Wrong input
SELECT commrec.ials(1, 1, 'NaN', NULL);
SELECT commrec.ials(1, 1, '-Infinity', NULL);
SELECT commrec.ials(1, 1, 1e308, NULL) FROM generate_series(1, 3);
SELECT commrec.ials('a', 'b', 1e39, NULL);
SELECT commrec.ials(1, 1, 1, '[]');
SELECT commrec.ials(1, 1, 1, '{"factors": 0}');
SELECT commrec.ials(1, 1, 1, '{"factor": 8}');
SELECT commrec.ials(user_id, item_id, 1, CASE WHEN user_id < 30 THEN '{"factors": 8}' ELSE '{"factors": 9}' END::jsonb) FROM events;
SELECT commrec.ials(user_id, item_id, 1, CASE user_id % 3 WHEN 0 THEN '{"factors": 8}' WHEN 1 THEN '{"seed": 42, "factors": 8.0}' ELSE '{"factors": 8, "alpha": null}' END::jsonb) IS NOT NULL AS means_the_same FROM events;
SELECT commrec.ials(user_id, item_id, 1, CASE WHEN user_id < 30 THEN '{"factors": 8}'::jsonb END) FROM events;
SELECT r.* FROM model, commrec.recommend_from(packed, 1, 0) AS r;
SELECT commrec.ials_accum(NULL, 1, 1, 1, NULL);
SELECT commrec.ials_combine(NULL, '\x00');
SELECT commrec.ials_final('\x00');
SELECT commrec.ials_final((repeat('00', 40))::bytea);
-- states of somebody's own making: magic, rows, bytes used, bytes of the prefix, content
CREATE FUNCTION forged(magic text, row_count integer, used integer, prefix integer, content bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT convert_to(magic, 'LATIN1') || pg_catalog.decode(pg_catalog.string_agg(pg_catalog.lpad(pg_catalog.to_hex(b), 2, '0'), ''), 'hex') || content
	FROM (SELECT (n >> (8 * i)) & 255 AS b FROM pg_catalog.unnest(ARRAY[row_count, 0, used, 0, prefix, 0]) WITH ORDINALITY AS v (n, o), pg_catalog.generate_series(0, 3) AS i ORDER BY o, i) AS bytes
$$;
SELECT commrec.ials_final(forged('CRII', 1, 24, 0, (repeat('a', 24))::bytea));
SELECT commrec.ials_final(forged('CRII', 1, 144, 120, (repeat('a', 144))::bytea));
SELECT commrec.ials_final(forged('CRII', 1, 1000, 96, (repeat('a', 120))::bytea));
SELECT commrec.ials_final(forged('CRIT', 1000000, 120, 96, (repeat('a', 120))::bytea));
SELECT commrec.ials_final_text(forged('CRIT', 3, 120, 120, (repeat('a', 120))::bytea));
BEGIN;
SET LOCAL commrec.max_train_memory = '1MB';
SAVEPOINT s;
SELECT commrec.ials(i, i, 1, NULL) FROM generate_series(1, 100000) AS i;
ROLLBACK TO s;
SELECT commrec.ials(i % 300, i % 200, 1, '{"factors": 512}') FROM generate_series(1, 2000) AS i;
ROLLBACK;

-- Damage, anywhere, and a newer format
SELECT commrec.model_info('');
SELECT commrec.model_info('\x4352504d01');
SELECT commrec.model_info(set_byte(packed, 4, 2)) FROM model;
SELECT count(*) FROM model, commrec.recommend_from(substr(packed, 1, length(packed) - 1), 1);
SELECT count(*) FROM model, commrec.recommend_from(packed || '\x00', 1);
CREATE FUNCTION state_of_damage(packed bytea, at integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	damaged bytea := pg_catalog.set_byte(packed, at, 255 - pg_catalog.get_byte(packed, at));
BEGIN
	PERFORM commrec.recommend_from(damaged, u, 3) FROM generate_series(1, 60) AS u;
	RETURN 'unnoticed';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT state, count(*) > 10 AS often
FROM model, generate_series(0, length(packed) - 1, 13) AS at, state_of_damage(packed, at) AS state GROUP BY state;

-- Training is for those who were granted it, asking for everybody who has the model
CREATE ROLE regress_packed;
GRANT USAGE ON SCHEMA packed TO regress_packed;
GRANT SELECT ON events, model TO regress_packed;
SET ROLE regress_packed;
SELECT commrec.ials(user_id, item_id, 1, NULL) FROM events;
SELECT count(*) FROM model, commrec.recommend_from(packed, 1, 3);
RESET ROLE;
GRANT EXECUTE ON FUNCTION commrec.ials(bigint, bigint, double precision, jsonb) TO regress_packed;
SET ROLE regress_packed;
SELECT commrec.ials(user_id, item_id, 1, NULL) IS NOT NULL AS trained FROM events;
RESET ROLE;

DROP OWNED BY regress_packed;
DROP ROLE regress_packed;
SELECT commrec.drop_model('reference');
DROP SCHEMA packed CASCADE;
