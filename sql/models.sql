--
-- One suite for every algorithm: whatever a model is trained with, everything above its scorer works alike.
--
SET client_min_messages = error;
SET timezone = 'UTC';
\set SHOW_CONTEXT never

-- Members of four tastes, some items that all like, dislikes, and ratings; one event a pair.
CREATE TABLE models_events (user_id bigint, item_id integer, action text, at timestamptz, value float8);
INSERT INTO models_events
	SELECT u, i, CASE WHEN (u * 3 + i) % 31 = 0 THEN 'hide' WHEN (u + i * 5) % 7 = 0 THEN 'like' WHEN (u + i) % 3 = 0 THEN 'rating' ELSE 'view' END,
		'2026-01-01'::timestamptz + make_interval(hours => (u * 37 + i * i * 13) % 2000), CASE WHEN (u + i) % 3 = 0 THEN 1 + (u * i) % 5 END
	FROM generate_series(1, 70) AS u, generate_series(1, 90) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 41 = 0 OR i < 4 AND (u + i) % 3 = 0;
INSERT INTO models_events VALUES (71, 5, 'hide', '2026-02-01', NULL);	-- of whom nothing can be learned
CREATE INDEX ON models_events (user_id);
CREATE TABLE models_item AS SELECT i AS item_id FROM generate_series(1, 90) AS i WHERE i % 3 <> 1;

-- What is found, and what every item scores for every member of whom something was learned: by the tables alone.
CREATE TABLE models_found (algorithm text, what text, is_so boolean);
CREATE TABLE models_own (user_id bigint, item_no integer, confidence float8);
CREATE TABLE models_score (user_id bigint, item_id integer, item_no integer, popular_no integer, score real);

CREATE PROCEDURE models_note(algorithm text, what text, query text) LANGUAGE plpgsql AS $$
DECLARE
	is_so boolean;
BEGIN
	EXECUTE replace(query, 'MODEL', 'models_' || algorithm) INTO STRICT is_so;
	INSERT INTO models_found VALUES (algorithm, what, is_so);
EXCEPTION WHEN OTHERS THEN
	INSERT INTO models_found VALUES (algorithm, what || ': ' || SQLSTATE || ' ' || SQLERRM, false);
END
$$;

CREATE PROCEDURE models_make(algorithm text) LANGUAGE plpgsql AS $$
DECLARE
	model text := 'models_' || algorithm;
BEGIN
	PERFORM commrec.create_model(model, 'models_events', action_column => 'action', time_column => 'at', value_column => 'value',
		algorithm => algorithm);
	EXECUTE format('UPDATE %I.action SET preference = CASE action WHEN ''hide'' THEN -1 WHEN ''like'' THEN 3 ELSE 1 END,
		value_low = CASE action WHEN ''rating'' THEN 0 END, value_high = CASE action WHEN ''rating'' THEN 5 END', model);
	PERFORM commrec.train(model, workers => 0);
	PERFORM commrec.train(model, workers => 2);
	PERFORM commrec.create_filter(model, 'some', 'models_item', 'true');
END
$$;

-- How much each item counts for a member whose score comes from lists.
CREATE PROCEDURE models_fill_own(algorithm text) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE models_own;
	EXECUTE replace('INSERT INTO models_own
		SELECT u.user_id, i.item_no, x.confidence
		FROM MODEL.user_embedding AS u JOIN MODEL.version AS v USING (version), MODEL.explain(u.user_id, 1) AS x
			JOIN MODEL.item_embedding AS i ON i.item_id = x.item_id
		WHERE v.deployed AND i.version = v.version AND u.embedding IS NOT NULL AND x.source = ''item''', 'MODEL', 'models_' || algorithm);
END
$$;

CREATE PROCEDURE models_fill_score(algorithm text, scorer text) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE models_score;
	EXECUTE replace(CASE scorer
		WHEN 'inner product' THEN 'INSERT INTO models_score
			SELECT u.user_id, i.item_id, i.item_no, i.popular_no, commrec.inner_product(u.embedding, i.embedding)
			FROM MODEL.version AS v JOIN MODEL.user_embedding AS u USING (version) JOIN MODEL.item_embedding AS i USING (version)
			WHERE v.deployed AND u.embedding IS NOT NULL'
		WHEN 'item lists' THEN 'INSERT INTO models_score
			SELECT o.user_id, i.item_id, i.item_no, i.popular_no,
				(coalesce(sum(o.confidence * n.weight ORDER BY o.item_no), 0) + (commrec.embedding_to_array(i.embedding))[1]::float8)::real
			FROM MODEL.version AS v JOIN MODEL.item_embedding AS i USING (version) CROSS JOIN models_own AS o
				JOIN MODEL.item_neighbor AS l ON l.version = v.version AND l.item_no = o.item_no
				LEFT JOIN LATERAL commrec.unpack_neighbors(l.neighbors) AS n ON n.item_no = i.item_no
			WHERE v.deployed
			GROUP BY o.user_id, i.item_id, i.item_no, i.popular_no, i.embedding'
		ELSE 'INSERT INTO models_score
			SELECT u.user_id, i.item_id, i.popular_no, i.popular_no, i.popularity
			FROM MODEL.version AS v JOIN MODEL.user_embedding AS u USING (version) JOIN MODEL.item_embedding AS i USING (version)
			WHERE v.deployed' END, 'MODEL', 'models_' || algorithm);
END
$$;

-- What a member should be shown.
CREATE FUNCTION models_brute(who bigint, n integer, leave_out integer DEFAULT 0, seen_too boolean DEFAULT false,
	among integer[] DEFAULT NULL, never integer[] DEFAULT NULL, passing boolean DEFAULT false)
RETURNS TABLE (rank integer, item_id integer, score real) LANGUAGE sql STABLE AS $$
	SELECT (row_number() OVER best)::integer, s.item_id, s.score
	FROM models_score AS s LEFT JOIN models_events AS e ON e.user_id = s.user_id AND e.item_id = s.item_id
	WHERE s.user_id = who AND (e.action IS NULL OR seen_too AND e.action <> 'hide')
		AND (among IS NULL OR s.item_id = ANY (among)) AND (never IS NULL OR NOT s.item_id = ANY (never))
		AND (NOT passing OR s.item_id IN (SELECT m.item_id FROM models_item AS m))
	WINDOW best AS (ORDER BY s.score DESC, s.item_no)
	ORDER BY s.score DESC, s.item_no OFFSET leave_out LIMIT n
$$;

-- Is what recommend() is asked for what brute force finds, for all members?
CREATE FUNCTION models_same(given text, wanted text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT format('SELECT count(*) = 0 AND (SELECT count(DISTINCT user_id) > 20 FROM models_score) FROM (SELECT DISTINCT user_id FROM models_score) AS u,
		LATERAL (SELECT array_agg(row(r.rank, r.item_id, float4send(r.score)) ORDER BY r.rank) AS given FROM MODEL.recommend(u.user_id, %s) AS r) AS g,
		LATERAL (SELECT array_agg(row(r.rank, r.item_id, float4send(r.score)) ORDER BY r.rank) AS wanted FROM models_brute(u.user_id, %s) AS r) AS w
		WHERE given IS DISTINCT FROM wanted', given, wanted)
$$;

-- How the version that serves scores: an algorithm may have chosen another one.
CREATE FUNCTION models_scorer(algorithm text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	scorer text;
BEGIN
	EXECUTE format('SELECT a.scorer FROM commrec.algorithms AS a JOIN %I.version AS v USING (algorithm) WHERE v.deployed', 'models_' || algorithm)
	INTO STRICT scorer;
	RETURN scorer;
END
$$;

CREATE PROCEDURE models_check_answers(algorithm text) LANGUAGE plpgsql AS $$
BEGIN
	CALL models_note(algorithm, 'recommend equals brute force', models_same('7', '7'));
	CALL models_note(algorithm, 'all items there are', models_same('100000', '100000'));
	CALL models_note(algorithm, 'seen items where they are asked for, disliked ones never', models_same('1000, false', '1000, seen_too => true'));
	CALL models_note(algorithm, 'seen items come back after a while',
		models_same('1000, resurface_after => ''1 day''', '1000, seen_too => true'));
	CALL models_note(algorithm, 'candidates and exclusions',
		models_same('5, candidates => ''{3,9,9,44,80,12,700,21,33}'', exclude => ''{44,2}''', '5, among => ''{3,9,44,80,12,21,33}'', never => ''{44,2}'''));
	CALL models_note(algorithm, 'a filter', models_same('6, filter => ''some''', '6, passing => true'));
	CALL models_note(algorithm, 'pages', models_same('4, skip => 5', '4, 5'));
	CALL models_note(algorithm, 'diversity chooses among the best, and shows each once',
		'SELECT bool_and(n = 8 AND d = 8 AND b = 8 AND first) FROM (SELECT count(*) AS n, count(DISTINCT r.item_id) AS d, count(b.item_id) AS b,
				bool_or(r.rank = 1 AND b.rank = 1) AS first
			FROM (SELECT DISTINCT user_id FROM models_score) AS u, LATERAL MODEL.recommend(u.user_id, 8, diversity => 0.6) AS r
				LEFT JOIN LATERAL models_brute(u.user_id, 200) AS b ON b.item_id = r.item_id AND b.score = r.score
			GROUP BY u.user_id) AS c');
	CALL models_note(algorithm, 'the score of a pair is that of recommend',
		'SELECT bool_and(MODEL.score(s.user_id, s.item_id) = s.score) FROM models_score AS s WHERE s.user_id % 5 = 1');
	CALL models_note(algorithm, 'whoever nothing is known of gets something, too',
		'SELECT count(*) = 20 AND bool_and(source IN (''popular'', ''trending'')) FROM unnest(ARRAY[71, 12345]) AS u, MODEL.recommend(u, 10) AS r');
END
$$;

CREATE TABLE models_test (user_id bigint, item_id integer);

CREATE PROCEDURE models_check_all_users(algorithm text) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE models_test;
	INSERT INTO models_test SELECT u.user_id, b.item_id FROM (SELECT DISTINCT s.user_id FROM models_score AS s) AS u, models_brute(u.user_id, 1) AS b;
	CALL models_note(algorithm, 'evaluate judges the version that serves',
		'SELECT count(*) = 1 AND bool_and(value = 1 AND users > 20) FROM commrec.evaluate(''MODEL'', test => ''models_test'', k => ''{1}'', replicates => 0)
		WHERE scorer = ''model'' AND metric = ''hit_rate'' AND stratum = ''all''');
	CALL models_note(algorithm, 'recommend_all equals recommend',
		'SELECT count(*) = 0 FROM (SELECT user_id, r.rank, r.item_id, float4send(r.score), r.source
				FROM (SELECT DISTINCT user_id FROM models_events) AS u, MODEL.recommend(u.user_id, 6) AS r
			EXCEPT SELECT user_id, rank, item_id, float4send(score), source FROM MODEL.recommend_all(6, workers => 0)) AS d');
	CALL models_note(algorithm, 'recommend_all gives no more than that',
		'SELECT count(*) = (SELECT count(*) FROM (SELECT DISTINCT user_id FROM models_events) AS u, MODEL.recommend(u.user_id, 6, false))
		FROM MODEL.recommend_all(6, false, workers => 2)');
	CALL models_note(algorithm, 'recommend_all is the same with workers',
		'SELECT count(*) = 0 FROM (TABLE MODEL.all_alone EXCEPT SELECT user_id, rank, item_id, float4send(score), source FROM MODEL.recommend_all(300, false, workers => 2)) AS d');
END
$$;

CREATE PROCEDURE models_check_reasons(algorithm text) LANGUAGE plpgsql AS $$
BEGIN
	CALL models_note(algorithm, 'explanations add up to the score',
		'SELECT bool_and(abs(total - score) <= 1e-5 * greatest(size, 1)) FROM (
			SELECT MODEL.score(u, i) AS score, sum(x.contribution) AS total, sum(abs(x.contribution)) AS size
			FROM unnest(ARRAY[1, 2, 3, 24, 55, 71]) AS u, generate_series(1, 90) AS i, MODEL.explain(u, i) AS x
			WHERE MODEL.score(u, i) IS NOT NULL GROUP BY u, i) AS s');
	CALL models_note(algorithm, 'the largest comes first, and items are those of his past',
		'SELECT bool_and(coalesce(contribution >= following, true) AND (source = ''item'') = (item_id IS NOT NULL)
				AND (source <> ''item'' OR EXISTS (SELECT FROM models_events AS e WHERE e.user_id = u AND e.item_id = x.item_id))
				AND source IN (''item'', ''popularity'', ''bias'', ''rest''))
		FROM unnest(ARRAY[1, 2, 3, 24, 55]) AS u, LATERAL (SELECT x.*, lead(x.contribution) OVER (ORDER BY x.rank) AS following FROM MODEL.explain(u, 17) AS x) AS x');
	CALL models_note(algorithm, 'who or what is unknown has no explanation',
		'SELECT count(*) = 0 FROM (SELECT FROM MODEL.explain(12345, 1) UNION ALL SELECT FROM MODEL.explain(1, 12345)) AS x');
	CALL models_note(algorithm, 'similar items are others, the most similar first',
		'SELECT coalesce(bool_and(r.item_id <> i AND coalesce(r.similarity >= following, true)), true)
		FROM generate_series(1, 90) AS i, LATERAL (SELECT s.*, lead(s.similarity) OVER (ORDER BY s.rank) AS following FROM MODEL.similar_items(i, 8) AS s) AS r');
	CALL models_note(algorithm, 'similar users are others, the most similar first',
		'SELECT coalesce(bool_and(r.user_id <> u AND r.similarity BETWEEN -1 AND 1 AND coalesce(r.similarity >= following, true)), true)
		FROM generate_series(1, 70) AS u, LATERAL (SELECT s.*, lead(s.similarity) OVER (ORDER BY s.rank) AS following FROM MODEL.similar_users(u, 8) AS s) AS r');
END
$$;

-- A new member who does what an old one did is answered as he is; where nobody can be solved again, as unknown.
-- Who does more has then seen it, and nobody else notices.
CREATE PROCEDURE models_check_fresh(algorithm text, scorer text) LANGUAGE plpgsql AS $$
DECLARE
	new_items integer[] := ARRAY(SELECT b.item_id FROM models_brute(10, 2) AS b);
BEGIN
	INSERT INTO models_events SELECT 900, item_id, action, '2026-06-01', value FROM models_events WHERE user_id = 9;
	INSERT INTO models_events SELECT 10, item_id, 'view', '2026-06-01', NULL FROM unnest(new_items) AS item_id;
	CALL models_note(algorithm, 'a new member like an old one is answered as he is',
		'SELECT min(n.source) IN (''popular'', ''trending'') OR bool_and(n.source = ''fresh'' AND abs(n.score - o.score) <= 1e-4 * (1 + abs(o.score))) AND count(*) > 20
		FROM MODEL.recommend(900, 100, fresh => true) AS n LEFT JOIN MODEL.recommend(9, 100) AS o USING (item_id)');
	CALL models_note(algorithm, 'what was just seen does not come again',
		format('SELECT count(*) > 20 AND bool_and(NOT r.item_id = ANY (%L)) FROM MODEL.recommend(10, 100, fresh => true) AS r', new_items));
	CALL models_note(algorithm, 'without new events nothing changes',
		'SELECT count(*) = 0 FROM generate_series(1, 8) AS u, MODEL.recommend(u, 100, fresh => true) AS r
		WHERE NOT EXISTS (SELECT FROM MODEL.recommend(u, 100) AS o WHERE o.item_id = r.item_id AND o.score = r.score AND o.source = r.source)');
	IF scorer = 'item lists' THEN
		EXECUTE replace('INSERT INTO models_own SELECT 10, i.item_no, 1 FROM MODEL.item_embedding AS i JOIN MODEL.version AS v USING (version)
			WHERE v.deployed AND i.item_id = ANY ($1)', 'MODEL', 'models_' || algorithm) USING new_items;
		CALL models_fill_score(algorithm, scorer);
		CALL models_note(algorithm, 'new items add their lists',
			'SELECT count(*) = 0 FROM (SELECT rank, item_id, float4send(score) FROM MODEL.recommend(10, 50, fresh => true)
				EXCEPT SELECT rank, item_id, float4send(score) FROM models_brute(10, 50)) AS d');
	END IF;
	DELETE FROM models_events WHERE at = '2026-06-01';
END
$$;

CREATE PROCEDURE models_check_training(algorithm text) LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['user_embedding', 'item_embedding', 'item_block', 'item_neighbor', 'fold_in', 'trending'] LOOP
		CALL models_note(algorithm, 'the same bits with workers and without: ' || name,
			format('SELECT count(DISTINCT digest) <= 1 FROM (SELECT md5(string_agg((to_jsonb(t) - ''version'')::text, '','' ORDER BY (to_jsonb(t) - ''version'')::text)) AS digest
				FROM MODEL.%I AS t WHERE version IN (1, 2) GROUP BY version) AS d', name));
	END LOOP;
	CALL models_note(algorithm, 'evaluate finds figures',
		'SELECT count(*) > 0 AND bool_and(value BETWEEN 0 AND 1) FROM commrec.evaluate(''MODEL'', replicates => 10)
		WHERE scorer = ''model'' AND metric = ''ndcg'' AND stratum = ''all''');
	CALL models_note(algorithm, 'the older version serves again', 'SELECT commrec.rollback(''MODEL'') = 1');
	CALL models_note(algorithm, 'and gives the same answers',
		'SELECT count(*) = 0 FROM (TABLE MODEL.all_alone EXCEPT SELECT user_id, rank, item_id, float4send(score), source FROM MODEL.recommend_all(300, false)) AS d');
END
$$;

-- What is damaged is named, whoever asks.
CREATE PROCEDURE models_check_damage(algorithm text, damage text, code text, message text) LANGUAGE plpgsql AS $$
DECLARE
	model text := 'models_' || algorithm;
	question text;
BEGIN
	FOREACH question IN ARRAY ARRAY['recommend(1)', 'score(1, 17)', 'explain(1, 17)', 'similar_items((SELECT item_id FROM models_past))', 'recommend_all(3)'] LOOP
		BEGIN
			EXECUTE replace(damage, 'MODEL', model);
			EXECUTE format('SELECT * FROM %I.%s', model, question);
			RAISE EXCEPTION 'nothing was noticed';
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO models_found VALUES (algorithm, format('damage is named: %s', question),
				SQLSTATE = code AND SQLERRM LIKE replace(message, 'MODEL', model));
		END;
	END LOOP;
END
$$;

-- The list of an item of member 1's past.
CREATE TABLE models_past (item_id integer);
CREATE PROCEDURE models_damage(algorithm text) LANGUAGE plpgsql AS $$
DECLARE
	liked_no integer := (SELECT max(o.item_no) FROM models_own AS o WHERE o.user_id = 1);
	liked integer := (SELECT min(s.item_id) FROM models_score AS s WHERE s.item_no = liked_no);
	message text := format('neighbors of item "%s" of model "MODEL" %%', liked);
	row text := format('item_no = %s', liked_no);
BEGIN
	TRUNCATE models_past;
	INSERT INTO models_past VALUES (liked);
	CALL models_check_damage(algorithm, 'UPDATE MODEL.item_neighbor SET neighbors = substr(neighbors, 1, length(neighbors) - 1) WHERE ' || row, 'XX001', message);
	CALL models_check_damage(algorithm, 'UPDATE MODEL.item_neighbor SET neighbors = '''' WHERE ' || row, 'XX001', message);
	CALL models_check_damage(algorithm, 'UPDATE MODEL.item_neighbor SET neighbors = set_byte(neighbors, 4, 2) WHERE ' || row, '0A000', message);
	CALL models_check_damage(algorithm, 'DELETE FROM MODEL.item_neighbor WHERE ' || row, 'XX001', message);
END
$$;

DO $$
DECLARE
	algorithm text;
	scorer text;
BEGIN
	FOR algorithm IN SELECT a.algorithm FROM commrec.algorithms AS a ORDER BY 1 LOOP
		CALL models_make(algorithm);
		scorer := models_scorer(algorithm);
		IF scorer = 'item lists' THEN
			CALL models_fill_own(algorithm);
		END IF;
		CALL models_fill_score(algorithm, scorer);
		EXECUTE format('CREATE TABLE %1$I.all_alone AS SELECT user_id, rank, item_id, float4send(score) AS score, source
			FROM %1$I.recommend_all(300, false, workers => 0)', 'models_' || algorithm);
		CALL models_check_answers(algorithm);
		CALL models_check_all_users(algorithm);
		CALL models_check_reasons(algorithm);
		CALL models_check_fresh(algorithm, scorer);
		IF scorer = 'item lists' THEN
			CALL models_damage(algorithm);
		END IF;
		CALL models_check_training(algorithm);
	END LOOP;
END
$$;

-- Every algorithm there is was tried, and every scorer.
SELECT count(DISTINCT f.algorithm) = (SELECT count(*) FROM commrec.algorithms) AS all_algorithms,
	count(DISTINCT models_scorer(f.algorithm)) = (SELECT count(DISTINCT scorer) FROM commrec.algorithms WHERE algorithm <> 'auto') AS all_scorers
FROM models_found AS f;
SELECT count(DISTINCT what) >= 30 AS much FROM models_found;
SELECT what, string_agg(algorithm, ', ' ORDER BY algorithm) AS not_so FROM models_found WHERE is_so IS NOT TRUE GROUP BY what ORDER BY min(ctid);

DO $$
DECLARE
	object text;
BEGIN
	FOR object IN SELECT format('SCHEMA %I', nspname) FROM pg_namespace WHERE nspname LIKE 'models\_%'
		UNION ALL SELECT format('TABLE %I', relname) FROM pg_class WHERE relname LIKE 'models\_%' AND relkind = 'r'
		UNION ALL SELECT format('ROUTINE %s', oid::regprocedure) FROM pg_proc WHERE proname LIKE 'models\_%'
	LOOP
		EXECUTE format('DROP %s CASCADE', object);
	END LOOP;
END
$$;
