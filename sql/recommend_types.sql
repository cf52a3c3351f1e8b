--
-- Ids of every type through recommend(), similar_items(), knowledge_spread() and satisfaction();
-- how calls resolve; odd arguments; damaged tables.
--
SET client_min_messages = error;
SET TimeZone = 'UTC';

-- SQLSTATE and message of a command, or what it returned.
CREATE FUNCTION types_try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE command INTO answer;
	RETURN coalesce(answer, 'NULL');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- The id number n of a type: first its least and greatest ones, then some in between.
CREATE FUNCTION types_id(type text, n integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN type = 'smallint' AND n <= 2 THEN (ARRAY['-32768', '32767'])[n]
		WHEN type = 'integer' AND n <= 2 THEN (ARRAY['-2147483648', '2147483647'])[n]
		WHEN type = 'bigint' AND n <= 2 THEN (ARRAY['-9223372036854775808', '9223372036854775807'])[n]
		WHEN type = 'uuid' AND n <= 2
			THEN (ARRAY['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'])[n]
		WHEN type = 'uuid' THEN '00000000-0000-4000-8000-' || lpad(n::text, 12, '0')
		WHEN type IN ('text', 'types_domain', 'character varying') AND n = 1 THEN ''
		WHEN type IN ('text', 'types_domain', 'character varying')
			THEN (ARRAY['"quoted"', 'it''s', E'tab\tand\nline', 'NULL', '  ', '\x00'])[1 + n % 6] || n
		ELSE (n - 5)::text END
$$;
CREATE DOMAIN types_domain AS text CHECK (value <> 'never');

-- Twelve users, ten items; user 12 has seen everything, user 11 nothing but what he dislikes.
CREATE TABLE types_events (u integer, i integer, action text, at timestamptz);
INSERT INTO types_events
	SELECT u, i, CASE WHEN (u + i) % 4 = 0 THEN 'share' ELSE 'like' END,
		'2026-01-01'::timestamptz + (u * 5 + i) * '5 hours'::interval
	FROM generate_series(1, 10) u, generate_series(1, 10) i WHERE (u * i) % 7 IN (1, 2, 4) OR u = i
	UNION ALL SELECT 12, i, 'like', '2026-01-09' FROM generate_series(1, 10) i
	UNION ALL SELECT 11, i, 'dislike', '2026-01-10' FROM generate_series(3, 5) i;

CREATE TABLE types_models (model text, user_type text, item_type text);
INSERT INTO types_models
	SELECT 'types_' || u || '_' || i, (ARRAY['smallint', 'integer', 'bigint', 'uuid', 'text'])[u],
		(ARRAY['smallint', 'integer', 'bigint', 'uuid', 'text'])[i]
	FROM generate_series(1, 5) u, generate_series(1, 5) i
	UNION ALL VALUES ('types_6_6', 'character varying', 'types_domain');

DO $$
DECLARE
	m types_models;
BEGIN
	FOR m IN SELECT * FROM types_models ORDER BY model LOOP
		EXECUTE format('CREATE TABLE %I AS SELECT types_id(%L, u)::%s AS user_id, types_id(%L, i)::%s AS item_id, action, at FROM types_events',
			m.model || '_events', m.user_type, m.user_type, m.item_type, m.item_type);
		PERFORM commrec.create_model(m.model, (m.model || '_events')::regclass, action_column => 'action', time_column => 'at',
			hyperparameters => '{"factors": 4, "epochs": 4, "popularity_weight": 0.1, "popularity_half_life": 30}');
		EXECUTE format('UPDATE %I.action SET preference = CASE action WHEN ''dislike'' THEN -1 ELSE 1 END,
			spread = CASE action WHEN ''share'' THEN 1 ELSE 0 END, satisfaction = CASE action WHEN ''like'' THEN 0.75 END', m.model);
		PERFORM commrec.train(m.model, workers => 0);
	END LOOP;
END $$;

-- What a model gives to user u, by the text form, with its ids turned back into numbers.
CREATE FUNCTION types_numbers(m types_models, u integer, k integer) RETURNS integer[] LANGUAGE plpgsql AS $$
BEGIN
	RETURN ARRAY(SELECT (SELECT n FROM generate_series(1, 10) n WHERE types_id(m.item_type, n) = r.item_id)
				 FROM commrec.recommend(types_id(m.user_type, u), k, m.model) r ORDER BY r.rank);
END $$;

-- Every combination: ids are found and come back, nothing seen or disliked is shown, counts are right.
SELECT count(*) AS calls,
	count(*) FILTER (WHERE NOT (given <@ ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])) AS strange,
	count(*) FILTER (WHERE given && seen) AS seen_again,
	count(*) FILTER (WHERE cardinality(given) <> least(k, 10 - cardinality(seen))) AS wrong_counts
	FROM (SELECT types_numbers(m, u, k) AS given, k,
			ARRAY(SELECT DISTINCT i FROM types_events e WHERE e.u = users.u) AS seen
		FROM types_models m, generate_series(1, 13) users (u), unnest(ARRAY[1, 10, 2147483647]) k) t;

-- The typed function says the same as the text form, with the model's own item type.
SELECT m.user_type, m.item_type, types_try(format(
		'SELECT count(*) || '' rows, '' || string_agg(DISTINCT pg_typeof(t.item_id)::text, '','') || '', '' ||
			count(*) FILTER (WHERE t.item_id::text IS NOT DISTINCT FROM g.item_id AND t.score = g.score AND t.source = g.source) || '' equal''
		 FROM generate_series(1, 13) u, LATERAL %I.recommend(types_id(%L, u)::%s, 10) t
		 LEFT JOIN LATERAL commrec.recommend(types_id(%L, u), 10, %L) g USING (rank)', model, user_type,
		CASE user_type WHEN 'character varying' THEN 'text' ELSE user_type END, user_type, model)) AS typed
	FROM types_models m ORDER BY model;

-- The bigint form serves all integer ids, the uuid form uuids; others say what to do.
SELECT user_type, item_type,
	types_try(format('SELECT count(*) FROM commrec.recommend(-2, 10, %L)', model)) AS by_bigint,
	types_try(format('SELECT count(*) FROM commrec.recommend(''00000000-0000-4000-8000-000000000003''::uuid, 10, %L)', model)) AS by_uuid
	FROM types_models ORDER BY model;
SELECT * FROM commrec.recommend(-2, 10, 'types_5_5');
SELECT * FROM commrec.recommend(-2, 10, 'types_3_5');
-- a number that the model's type cannot hold is an unknown user, text that is no number an error
SELECT types_try('SELECT string_agg(DISTINCT source, '','') FROM commrec.recommend(32768, 10, ''types_1_1'')');
SELECT types_try('SELECT string_agg(DISTINCT source, '','') FROM commrec.recommend(''-9223372036854775808'', 10, ''types_2_1'')');
SELECT types_try('SELECT count(*) FROM commrec.recommend(''bob'', 10, ''types_2_1'')');
SELECT types_try('SELECT count(*) FROM commrec.recommend(''9223372036854775808'', 10, ''types_3_1'')');
SELECT types_try('SELECT count(*) FROM commrec.recommend(''bob'', 10, ''types_4_1'')');

-- Similar items, by what was learned of them whatever their popularity: the item itself is never among them, and all others are (none is a zero vector).
SELECT types_try(format('SELECT count(*) || '' rows, best first '' || bool_and(similarity <= before) || '', itself '' || bool_or(neighbour = item)
		FROM (SELECT r.similarity, r.item_id AS neighbour, types_id(%L, i) AS item,
				lag(r.similarity, 1, 1.0::real) OVER (PARTITION BY i ORDER BY r.rank) AS before
			FROM generate_series(1, 10) i, LATERAL commrec.similar_items(types_id(%L, i), 100, %L) r) t', item_type, item_type, model)) AS similar,
	count(*) AS models FROM types_models GROUP BY 1;
SELECT count(*) AS differences FROM (
	WITH item AS (SELECT e.version, e.item_id, e.item_no,
			commrec.array_to_embedding((commrec.embedding_to_array(e.embedding))[:v.factors]) AS embedding
		FROM types_3_3.item_embedding e JOIN types_3_3.version v USING (version) WHERE deployed),
	pairs AS (SELECT a.item_id AS of, b.item_id, b.item_no, commrec.inner_product(a.embedding, b.embedding)
			/ sqrt(commrec.inner_product(a.embedding, a.embedding)::float8 * commrec.inner_product(b.embedding, b.embedding)) AS cosine
		FROM item a, item b WHERE a.item_id <> b.item_id)
	SELECT 1 FROM pairs FULL JOIN (SELECT i.item_id AS of, r.* FROM item i, LATERAL commrec.similar_items(i.item_id, 100, 'types_3_3') r) given
		USING (of, item_id) WHERE (abs(cosine - similarity) < 1e-6) IS NOT TRUE) d;
SELECT count(*) FROM commrec.similar_items(12345678, 10, 'types_3_3');
SELECT count(*) FROM commrec.similar_items(32768, 10, 'types_1_1');
SELECT count(*) FROM commrec.similar_items(NULL, 10, 'types_3_3');
SELECT count(*) FROM commrec.similar_items(-2, NULL, 'types_3_3');
SELECT types_try('SELECT count(*) FROM commrec.similar_items(-2, 0, ''types_3_3'')');

-- Knowledge spread and satisfaction say the same whatever the ids are.
SELECT count(*) AS models, count(DISTINCT numbers) AS answers, min(numbers) = max(numbers) AS equal, max(length(numbers)) > 1000 AS many
	FROM (SELECT string_agg(format('%s %s: %s %s', u, t,
			round(commrec.knowledge_spread(types_id(m.user_type, u), t, m.model)::numeric, 6),
			round(commrec.satisfaction(types_id(m.user_type, u), m.model)::numeric, 6)), E'\n' ORDER BY u, t) AS numbers
		FROM types_models m, generate_series(1, 13) u, generate_series('2025-12-31'::timestamptz, '2026-01-13', '1 day') t
		GROUP BY m.model) n;
-- by the tables; an unknown user is NULL, a known one without events in the bucket 0
SELECT count(*) AS rows, count(*) FILTER (WHERE
		commrec.knowledge_spread(user_id, bucket, 'types_3_3') IS DISTINCT FROM spread OR
		commrec.knowledge_spread(user_id, bucket + '23:59:59.999999', 'types_3_3') IS DISTINCT FROM spread OR
		types_3_3.knowledge_spread(user_id, bucket) IS DISTINCT FROM spread) AS differences
	FROM types_3_3.user_activity;
SELECT count(*) AS users, count(*) FILTER (WHERE s <> commrec.satisfaction(user_id, 'types_3_3') OR s <> types_3_3.satisfaction(user_id)) AS differences
	FROM (SELECT user_id, sum(satisfaction ORDER BY bucket) AS s FROM types_3_3.user_activity GROUP BY user_id) t;
SELECT commrec.knowledge_spread(-2, '1999-01-01', 'types_3_3') AS before, commrec.knowledge_spread(-2, '2999-01-01', 'types_3_3') AS after,
	commrec.knowledge_spread(-2, '4714-11-24 BC', 'types_3_3') AS earliest, commrec.knowledge_spread(-2, '294276-12-31', 'types_3_3') AS latest,
	commrec.knowledge_spread(4711, '2026-01-02', 'types_3_3') AS unknown, commrec.satisfaction(4711, 'types_3_3') AS unknown_too,
	commrec.satisfaction(6, 'types_3_3') AS no_signal;
SELECT commrec.knowledge_spread(NULL::bigint, now(), 'types_3_3'), commrec.knowledge_spread(-2, NULL, 'types_3_3'), commrec.satisfaction(NULL::bigint, 'types_3_3');
SELECT types_try('SELECT commrec.knowledge_spread(-2, ''infinity'', ''types_3_3'')');
SELECT types_try('SELECT commrec.knowledge_spread(-2, ''-infinity'', ''types_3_3'')');

-- How calls resolve: an integer literal is a bigint, an untyped literal text, NULL gives nothing.
SET commrec.default_model = 'types_3_3';
SELECT pg_typeof(item_id) FROM commrec.recommend(-2, 1);
SELECT pg_typeof(item_id) FROM commrec.recommend('-2', 1);
SELECT pg_typeof(item_id) FROM commrec.recommend(-2::smallint, 1);
SELECT count(*) FROM commrec.recommend(NULL);
SELECT count(*) FROM commrec.recommend(NULL, 0);
SELECT count(*) FROM commrec.recommend('-2');
SELECT commrec.satisfaction('-2') = commrec.satisfaction(-2) AS same;
SELECT commrec.knowledge_spread('-2', '2026-01-03') = commrec.knowledge_spread(-2, '2026-01-03') AS same;
SELECT types_try('SELECT count(*) FROM commrec.recommend(1.5)');
-- k: at least 1, NULL is 10, never more rows than items
SELECT types_try('SELECT count(*) FROM commrec.recommend(-2, 0)');
SELECT types_try('SELECT count(*) FROM commrec.recommend(-2, -2147483648)');
SELECT (SELECT count(*) FROM commrec.recommend(4711, NULL)) AS k_null, (SELECT count(*) FROM commrec.recommend(4711, 2147483647)) AS k_huge,
	(SELECT count(*) FROM commrec.recommend(4711, 3)) AS k_3;
-- calls of the helpers behind the typed functions, with what a caller may get wrong
SELECT types_try('SELECT count(*) FROM commrec.recommend_typed(''types_3_3'', ''-2'', 2, true) AS r (rank integer, item_id text, score real, source text)');
SELECT types_try('SELECT count(*) FROM commrec.recommend_typed(''types_3_3'', -2, 2, true) AS r (rank bigint, item_id text, score real, source text)');
SELECT types_try('SELECT count(*) FROM commrec.recommend_typed(''types_3_3'', -2, 2, true) AS r (rank integer, item_id text)');
SELECT types_try('SELECT count(*) FROM commrec.recommend_typed(''types_3_3'', -2, 2, true) AS r (rank integer, item_id uuid, score real, source text)');
SELECT types_try('SELECT count(*) FROM commrec.recommend_typed(''types_3_3'', 1.5, 2, true) AS r (rank integer, item_id bigint, score real, source text)');
SELECT types_try('SELECT count(*) FROM commrec.similar_items_typed(''types_3_3'', -2, 2) AS r (rank integer, item_id bigint, similarity text)');

-- In joins, views and expressions.
SELECT u, count(r.item_id), coalesce(min(r.rank), 0) AS first, coalesce(max(r.rank), 0) AS last
	FROM (VALUES (-2::bigint), (6), (7), (4711), (NULL)) users (u) LEFT JOIN LATERAL commrec.recommend(u, 3) r ON true GROUP BY u ORDER BY u;
CREATE VIEW types_report AS
	SELECT u.user_id, r.rank, r.item_id, r.score FROM (SELECT DISTINCT user_id FROM types_3_3_events) u LEFT JOIN LATERAL types_3_3.recommend(u.user_id, 3) r ON true;
SELECT count(*), count(DISTINCT user_id), count(item_id) FROM types_report;
SELECT (commrec.recommend(-2, 2)).rank;
PREPARE types_plan (bigint, integer) AS SELECT count(*) FROM commrec.recommend($1, $2);
EXECUTE types_plan (-2, 2);
EXECUTE types_plan (NULL, 2);

-- A parallel query gives what a serial one gives.
CREATE TABLE types_many AS SELECT g % 16 - 6 AS u, g FROM generate_series(1, 4000) g;
ANALYZE types_many;
CREATE TABLE types_serial AS
	SELECT g, r.*, commrec.knowledge_spread(u, '2026-01-04') AS spread, commrec.satisfaction(u) AS satisfaction
	FROM types_many, LATERAL commrec.recommend(u, 3) r;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
DO $$	-- from 14 on; answers out of its cache would prove nothing
BEGIN
	PERFORM set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_memoize';
END $$;
EXPLAIN (COSTS OFF) SELECT g, r.* FROM types_many, LATERAL commrec.recommend(u, 3) r;
CREATE TABLE types_parallel AS
	SELECT g, r.*, commrec.knowledge_spread(u, '2026-01-04') AS spread, commrec.satisfaction(u) AS satisfaction
	FROM types_many, LATERAL commrec.recommend(u, 3) r;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DO $$
BEGIN
	PERFORM set_config(name, 'on', false) FROM pg_settings WHERE name = 'enable_memoize';
END $$;
SELECT count(*) > 0 AS rows FROM types_parallel;
SELECT count(*) AS differences FROM ((TABLE types_serial EXCEPT ALL TABLE types_parallel) UNION ALL (TABLE types_parallel EXCEPT ALL TABLE types_serial)) d;

-- At every isolation level, read-only or not.
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SELECT count(*) FROM commrec.recommend(-2, 3);
SELECT count(*) FROM commrec.similar_items(-2, 3);
SELECT commrec.satisfaction(-2) > 0 AS satisfied;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM commrec.recommend(-2, 3);
COMMIT;

-- What is unknown or not ready.
SELECT types_try('SELECT count(*) FROM commrec.recommend(1, 10, ''types_nowhere'')');
SELECT types_try('SELECT commrec.satisfaction(1, ''types_nowhere'')');
DO $$
BEGIN
	PERFORM commrec.create_model('types_untrained', 'types_3_3_events', action_column => 'action', time_column => 'at');
	PERFORM commrec.create_model('types_timeless', 'types_3_3_events', hyperparameters => '{"factors": 4, "epochs": 2}');
END $$;
SELECT types_try('SELECT count(*) FROM commrec.recommend(1, 10, ''types_untrained'')');
SELECT * FROM commrec.recommend(1, 10, 'types_untrained');
SELECT types_try('SELECT count(*) FROM commrec.similar_items(1, 10, ''types_untrained'')');
SELECT types_try('SELECT commrec.satisfaction(1, ''types_untrained'')');
SELECT types_try('SELECT commrec.knowledge_spread(1, now(), ''types_untrained'')');
SELECT count(*) FROM commrec.recommend(NULL, 10, 'types_untrained');
SELECT version FROM commrec.train('types_untrained', deploy => false, workers => 0);
SELECT types_try('SELECT count(*) FROM commrec.recommend(1, 10, ''types_untrained'')');
SELECT version FROM commrec.train('types_timeless', workers => 0);
SELECT types_try('SELECT commrec.knowledge_spread(-2, now(), ''types_timeless'')');

-- Damage: what is done to the tables is rolled back after each call.
CREATE FUNCTION types_damage(what text, command text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	BEGIN
		EXECUTE command;
		BEGIN
			EXECUTE call INTO answer;
		EXCEPTION WHEN OTHERS THEN
			answer := SQLSTATE || ': ' || SQLERRM;
		END;
		RAISE EXCEPTION USING ERRCODE = 'UT000', MESSAGE = answer;
	EXCEPTION WHEN SQLSTATE 'UT000' THEN
		RETURN what || ' -> ' || SQLERRM;
	END;
END $$;
CREATE TABLE types_damages (n integer, what text, target text, value text);
INSERT INTO types_damages VALUES
	(1, 'empty', 'embedding', $$''$$),
	(2, 'truncated', 'embedding', 'substring(embedding FROM 1 FOR length(embedding) - 1)'),
	(3, 'longer', 'embedding', $$embedding || '\x00'$$),
	(4, 'wrong magic', 'embedding', 'set_byte(embedding, 1, 0)'),
	(5, 'newer format', 'embedding', 'set_byte(embedding, 4, 2)'),
	(6, 'wrong dimension', 'embedding', $$commrec.array_to_embedding('{1,2,3}')$$),
	(7, 'dimension beyond the bytes', 'embedding', 'set_byte(embedding, 11, 127)'),
	(8, 'NaN inside', 'embedding', $$substring(embedding FROM 1 FOR 12) || '\x0000c07f' || substring(embedding FROM 17)$$),
	(9, 'scores out of range', 'embedding', $$commrec.array_to_embedding(array_fill(3e38::real, ARRAY[commrec.embedding_dims(embedding)]))$$);
SELECT types_damage(what || ' user', format('UPDATE types_3_3.user_embedding SET %I = %s WHERE user_id = -2', target, value),
	'SELECT count(*) FROM commrec.recommend(-2)') FROM types_damages ORDER BY n;
SELECT types_damage(what || ' item', format('UPDATE types_3_3.item_embedding SET %I = %s WHERE item_id = 2', target, value),
	'SELECT count(*) FROM commrec.recommend(-2)') FROM types_damages WHERE n < 9 ORDER BY n;
SELECT types_damage(what || ' item', format('UPDATE types_3_3.item_embedding SET %I = %s WHERE item_id = 2', target, value),
	'SELECT count(*) FROM commrec.similar_items(2)') FROM types_damages ORDER BY n;
-- the damage of one user is not another's
SELECT types_damage(what || ' user', format('UPDATE types_3_3.user_embedding SET %I = %s WHERE user_id = -2', target, value),
	'SELECT count(*) FROM commrec.recommend(-1)') FROM types_damages WHERE n = 1;
SELECT types_damage(what || ' seen', format('UPDATE types_3_3.user_embedding SET seen = %s WHERE user_id = -2', value),
	'SELECT count(*) FROM commrec.recommend(-2)') FROM (VALUES
	(1, 'empty', $$''$$), (2, 'truncated', 'substring(seen FROM 1 FOR length(seen) - 1)'), (3, 'wrong magic', 'set_byte(seen, 0, 0)'),
	(4, 'newer format', 'set_byte(seen, 4, 9)'), (5, 'unsorted', 'substring(seen FROM 1 FOR 12) || substring(seen FROM 17) || substring(seen FROM 13 FOR 4)'),
	(6, 'unknown item', 'set_byte(seen, 11 + 4 * get_byte(seen, 8), 127)'), (7, 'wrong count', 'set_byte(seen, 8, get_byte(seen, 8) + 1)')) d (n, what, value) ORDER BY n;
SELECT types_damage(what || ' block', 'UPDATE types_3_3.item_block SET codes = ' || value,
	'SELECT count(*) FROM commrec.recommend(-2)') FROM (VALUES
	(1, 'empty', $$''$$), (2, 'truncated', 'substring(codes FROM 1 FOR length(codes) - 1)'), (3, 'wrong magic', 'set_byte(codes, 0, 0)'),
	(4, 'newer format', 'set_byte(codes, 4, 9)'), (5, 'dimension of a', 'set_byte(codes, 8, 2)'), (6, 'more items than the', 'set_byte(codes, 6, 255)'),
	(7, 'other items in the', 'set_byte(codes, 12, 3)'), (8, 'NaN in the', $$substring(codes FROM 1 FOR 16) || '\x0000c07f' || substring(codes FROM 21)$$)) d (n, what, value) ORDER BY n;
SELECT types_damage('deleted block', 'DELETE FROM types_3_3.item_block', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('deleted items', 'DELETE FROM types_3_3.item_embedding', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('deleted user', 'DELETE FROM types_3_3.user_embedding WHERE user_id = -2', 'SELECT string_agg(DISTINCT source, '','') FROM commrec.recommend(-2)');
SELECT types_damage('other dims', 'UPDATE types_3_3.version SET dims = dims + 1', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('mad dims', 'UPDATE types_3_3.version SET dims = 2147483647', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('negative dims', 'UPDATE types_3_3.version SET dims = -1', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('more items', 'UPDATE types_3_3.version SET items = 1000', 'SELECT count(*) FROM commrec.recommend(-2, 1000)');
SELECT types_damage('fewer items', 'UPDATE types_3_3.version SET items = 3', 'SELECT count(*) FROM commrec.recommend(-2, 1000)');
SELECT types_damage('mad items', 'UPDATE types_3_3.version SET items = 9223372036854775807', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('NaN popularity', 'UPDATE types_3_3.item_embedding SET popularity = ''NaN''', 'SELECT count(*) FROM commrec.recommend(4711)');
SELECT types_damage('lost index', 'ALTER TABLE types_3_3.user_embedding DROP CONSTRAINT user_embedding_pkey', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('other index', 'ALTER TABLE types_3_3.user_embedding DROP CONSTRAINT user_embedding_pkey; CREATE INDEX ON types_3_3.user_embedding (version, user_id, items)',
	'SELECT count(*) > 0 FROM commrec.recommend(-2)');
SELECT types_damage('partial index', 'ALTER TABLE types_3_3.user_embedding DROP CONSTRAINT user_embedding_pkey; CREATE INDEX ON types_3_3.user_embedding (version, user_id) WHERE items > 3',
	'SELECT count(*) > 0 FROM commrec.recommend(-2)');
SELECT types_damage('lost column', 'ALTER TABLE types_3_3.user_embedding DROP COLUMN seen', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('other type', 'ALTER TABLE types_3_3.user_embedding ALTER COLUMN seen TYPE text USING seen::text', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('wider column', 'ALTER TABLE types_3_3.item_embedding ALTER COLUMN item_no TYPE bigint', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('wider id', 'ALTER TABLE types_1_1.user_embedding ALTER COLUMN user_id TYPE bigint', 'SELECT count(*) > 0 FROM commrec.recommend(-2, 10, ''types_1_1'')');
SELECT types_damage('wider id', 'ALTER TABLE types_1_1.user_embedding ALTER COLUMN user_id TYPE bigint',
	'SELECT commrec.knowledge_spread(4711, ''1999-01-01'', ''types_1_1'')');
SELECT types_damage('numeric id', 'ALTER TABLE types_1_1.user_embedding ALTER COLUMN user_id TYPE numeric', 'SELECT count(*) > 0 FROM commrec.recommend(-2, 10, ''types_1_1'')');
SELECT types_damage('lost table', 'DROP TABLE types_3_3.item_block', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('view for table', 'ALTER TABLE types_3_3.item_block RENAME TO old; CREATE VIEW types_3_3.item_block AS TABLE types_3_3.old', 'SELECT count(*) FROM commrec.recommend(-2)');
SELECT types_damage('lost configuration', 'DELETE FROM types_3_3.commrec_model', 'SELECT commrec.knowledge_spread(-2, ''2026-01-01'')');
-- columns may move
SELECT types_damage('moved column', 'ALTER TABLE types_3_3.user_embedding ADD COLUMN note text; UPDATE types_3_3.user_embedding SET note = ''x''', 'SELECT count(*) > 0 FROM commrec.recommend(-2)');
-- and all is as it was
SELECT count(*) > 0 AS well FROM commrec.recommend(-2);

-- The hint of damage is to retrain, and it helps.
UPDATE types_3_3.item_embedding SET embedding = '' WHERE item_id = 2;
SELECT * FROM commrec.recommend(-2);
SELECT version FROM commrec.train('types_3_3', workers => 0);
SELECT count(*) > 0 AS well FROM commrec.recommend(-2);

RESET commrec.default_model;
DROP VIEW types_report;
DO $$
DECLARE
	m text;
BEGIN
	FOR m IN SELECT model FROM types_models UNION ALL VALUES ('types_untrained'), ('types_timeless') LOOP
		PERFORM commrec.drop_model(m);
		EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', m || '_events');
	END LOOP;
END $$;
DROP TABLE types_events, types_models, types_many, types_serial, types_parallel, types_damages CASCADE;
DROP FUNCTION types_try, types_id, types_damage;
DROP DOMAIN types_domain;
