--
-- recommend_all() against recommend(), and materialize().
--
SET client_min_messages = error;
CREATE SCHEMA all_test;
SET search_path = all_test, public;
-- the SQLSTATE and message of a command that must fail
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s: %s', SQLSTATE, SQLERRM);
END $$;

CREATE TABLE events AS
	SELECT u AS user_id, i AS item_id, CASE WHEN (u * 11 + i * 5) % 37 = 0 THEN 'dislike' ELSE 'view' END AS action
	FROM generate_series(1, 500) AS u, generate_series(1, 90) AS i
	WHERE u % 4 = i % 4 AND (u * 31 + i * 17) % 5 < 3 OR (u * 13 + i * 7) % 23 = 0;
INSERT INTO events SELECT 1001, i, 'view' FROM generate_series(1, 90) AS i;		-- has seen everything
INSERT INTO events SELECT 1002, i, 'dislike' FROM generate_series(1, 9) AS i;	-- nothing can be learned of him
INSERT INTO events VALUES (1003, 7, 'view');	-- too little for min_user_items: answered by what is like his last item
SELECT count(*) > 0 AS created FROM commrec.create_model('whole', 'events', action_column => 'action',
	hyperparameters => '{"factors": 8, "epochs": 4, "min_user_items": 2, "popularity_weight": 0.25, "popularity_half_life": "Infinity"}');
UPDATE whole.action SET preference = CASE action WHEN 'dislike' THEN -1 ELSE 1 END;
SELECT try('SELECT * FROM commrec.recommend_all(''whole'')');
SELECT try('CALL commrec.materialize(''whole'', ''all_test.early'')');
SELECT users, items, dims FROM commrec.train('whole', workers => 0);

-- every user, for several k, seen items left out or not, serial or not
CREATE TABLE differences (k integer, exclude boolean, workers integer, simd text, missing bigint, surplus bigint, rows bigint);
DO $$
DECLARE
	c record;
BEGIN
	CREATE TABLE expected AS
		SELECT g.k, e.exclude, u.user_id, r.* FROM whole.user_embedding AS u, unnest(ARRAY[1, 10, 89, 2147483647]) AS g (k),
			unnest(ARRAY[true, false]) AS e (exclude), LATERAL whole.recommend(u.user_id, g.k, e.exclude) AS r;
	FOR c IN SELECT k, exclude, workers, simd FROM unnest(ARRAY[1, 10, 89, 2147483647]) AS k, unnest(ARRAY[true, false]) AS exclude,
		(VALUES (0, 'portable'), (2, 'auto'), (NULL, 'auto')) AS w (workers, simd) LOOP
		PERFORM set_config('commrec.simd', c.simd, true);
		CREATE TEMP TABLE given AS SELECT * FROM whole.recommend_all(c.k, c.exclude, c.workers);
		INSERT INTO differences
		SELECT c.k, c.exclude, c.workers, c.simd,
			(SELECT count(*) FROM (SELECT user_id, rank, item_id, score, source FROM expected AS e
				WHERE e.k = c.k AND e.exclude = c.exclude EXCEPT ALL TABLE given) AS d),
			(SELECT count(*) FROM (TABLE given EXCEPT ALL SELECT user_id, rank, item_id, score, source FROM expected AS e
				WHERE e.k = c.k AND e.exclude = c.exclude) AS d),
			(SELECT count(*) FROM given);
		DROP TABLE given;
	END LOOP;
END
$$;
SELECT k, exclude, workers, simd, missing, surplus, rows > 0 AS some FROM differences ORDER BY 1, 2, 3, 4;
-- in the order of users and ranks
SELECT count(*) AS out_of_order
FROM (SELECT r.*, lag(user_id) OVER w AS user_before, lag(rank) OVER w AS rank_before
	  FROM whole.recommend_all(3) WITH ORDINALITY AS r WINDOW w AS (ORDER BY ordinality)) AS o
WHERE (user_before, rank_before) >= (user_id, rank);
SELECT user_id, source, count(*) FROM whole.recommend_all(4) WHERE user_id IN (1, 1001, 1002, 1003) GROUP BY 1, 2 ORDER BY 1, 2;

-- the generic form gives text; a join of it with a parallel plan; in a view, in a read-only transaction
SELECT count(*) AS differences FROM (
	(SELECT user_id::integer, rank, item_id::integer, score, source FROM commrec.recommend_all('whole', 5)
	 EXCEPT SELECT * FROM whole.recommend_all(5))
	UNION ALL
	(SELECT * FROM whole.recommend_all(5)
	 EXCEPT SELECT user_id::integer, rank, item_id::integer, score, source FROM commrec.recommend_all('whole', 5))) AS d;
CREATE VIEW report AS SELECT r.user_id, r.item_id FROM whole.recommend_all(2) AS r;
BEGIN READ ONLY;
SELECT count(*) FROM report;
COMMIT;
BEGIN;
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
ALTER TABLE events SET (parallel_workers = 2);
SELECT e.events, r.rows FROM (SELECT count(*) AS events FROM events) AS e, (SELECT count(*) AS rows FROM whole.recommend_all(2)) AS r;
ROLLBACK;
-- train and all answers in one transaction
BEGIN;
SELECT version FROM commrec.train('whole', '{"factors": 4}', workers => 0);
SELECT count(*) AS differences FROM (
	SELECT * FROM whole.recommend_all(5, workers => 2)
	EXCEPT SELECT u.user_id, r.* FROM whole.user_embedding AS u, LATERAL whole.recommend(u.user_id, 5) AS r WHERE u.version = 2) AS d;
ROLLBACK;

-- other types of ids, and a model in which nothing can be learned
CREATE TABLE named AS SELECT 'user ' || user_id AS u, md5(item_id::text)::uuid AS i FROM events WHERE user_id < 60;
SELECT count(*) > 0 AS created FROM commrec.create_model('named', 'named', 'u', 'i', hyperparameters =>
	'{"factors": 4, "epochs": 2, "popularity_weight": 0, "popularity_half_life": "Infinity"}');
SELECT dims FROM commrec.train('named', workers => 0);
SELECT count(*), count(DISTINCT r.user_id), pg_typeof((array_agg(r.user_id))[1]) AS user_type, pg_typeof((array_agg(r.item_id))[1]) AS item_type,
	count(*) FILTER (WHERE NOT EXISTS (SELECT FROM named.recommend(r.user_id, 3) AS o
		WHERE (o.rank, o.item_id, o.score, o.source) = (r.rank, r.item_id, r.score, r.source))) AS differences
FROM named.recommend_all(3) AS r;
UPDATE whole.action SET preference = -1;
SELECT dims FROM commrec.train('whole', workers => 0);
SELECT count(*), min(source), max(source), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM whole.recommend(r.user_id, 3) AS o
		WHERE (o.rank, o.item_id, o.score, o.source) = (r.rank, r.item_id, r.score, r.source))) AS differences
FROM whole.recommend_all(3, false) AS r;
SELECT commrec.rollback('whole');

-- wrong arguments
SELECT try('SELECT * FROM whole.recommend_all(0)');
SELECT try('SELECT * FROM whole.recommend_all(workers => -2)');
SELECT try('SELECT * FROM whole.recommend_all(workers => 100000)');
SELECT try('SELECT * FROM commrec.recommend_all(''none'')');
SELECT try('SELECT * FROM commrec.recommend_all_typed(''whole'', 1, true, 0) AS r (a integer, b integer)');
SELECT try('SELECT * FROM commrec.recommend_all_typed(''whole'', 1, true, 0) AS r (a uuid, b integer, c integer, d real, e text)');
SELECT try('SELECT * FROM commrec.recommend_all_typed(''whole'', 1, true, 0) AS r (a integer, b integer, c uuid, d real, e text)');
SELECT count(*) = (SELECT count(*) FROM whole.recommend_all()) AS nulls_are_defaults FROM whole.recommend_all(NULL, NULL, NULL);
-- the plan is compared with the limit before anything is allocated
SET commrec.max_train_memory = '1MB';
SELECT left(try('SELECT * FROM whole.recommend_all(10)'), 50);
RESET commrec.max_train_memory;

-- materialize: a table, its rows replaced, what hangs on it stays
CALL commrec.materialize('whole', 'all_test.recommended');
\d recommended
SELECT count(*) AS differences FROM (TABLE recommended EXCEPT ALL SELECT * FROM whole.recommend_all(10)) AS d;
CREATE VIEW dashboard AS SELECT user_id, item_id FROM recommended WHERE rank = 1;
CREATE INDEX recommended_item ON recommended (item_id);
COMMENT ON TABLE recommended IS 'ours';
GRANT SELECT ON recommended TO PUBLIC;
SELECT 'recommended'::regclass::oid AS before \gset
CALL commrec.materialize('whole', 'recommended', 3, workers => 0);
SELECT count(*) > 0 AS some, max(rank), 'recommended'::regclass::oid = :before AS same_table, obj_description('recommended'::regclass) AS comment,
	has_table_privilege('public', 'recommended', 'SELECT') AS granted, (SELECT count(*) > 0 FROM dashboard) AS view
FROM recommended;
SELECT reltuples > 0 AS analyzed FROM pg_class WHERE oid = 'recommended'::regclass;
-- nothing is left of what fails or is rolled back
BEGIN;
CALL commrec.materialize('whole', 'recommended', 1);
ROLLBACK;
SELECT try('CALL commrec.materialize(''whole'', ''recommended'', 0)');
SELECT max(rank) FROM recommended;
-- quoted names, other types, the schema of the model
CALL commrec.materialize('named', 'all_test."Für ""alle"" Nutzer"', 2);
CALL commrec.materialize('named', '"Für ""alle"" Nutzer"', 2);
CALL commrec.materialize('named', 'result', target_schema => 'named');
SELECT max(rank), pg_typeof((array_agg(user_id))[1]) AS user_type, pg_typeof((array_agg(item_id))[1]) AS item_type FROM "Für ""alle"" Nutzer";
SELECT count(*) AS differences FROM (TABLE named.result EXCEPT ALL SELECT * FROM named.recommend_all()) AS d;

-- what is refused
CREATE TABLE foreign_table (user_id integer);
CREATE VIEW foreign_view AS SELECT 1 AS user_id;
SELECT try('CALL commrec.materialize(''whole'', ''foreign_table'')');
SELECT try('CALL commrec.materialize(''whole'', ''foreign_view'')');
SELECT try('CALL commrec.materialize(''whole'', ''events'')');
SELECT try('CALL commrec.materialize(''whole'', NULL)');
SELECT try('CALL commrec.materialize(''whole'', ''a.b.c'')');
SELECT try('CALL commrec.materialize(''whole'', ''a b'')');
SELECT try('CALL commrec.materialize(''whole'', '''')');
SELECT try('CALL commrec.materialize(''whole'', ''nowhere.x'')');
SELECT try('CALL commrec.materialize(''whole'', ''x'', target_schema => NULL)');
SELECT try('CALL commrec.materialize(''whole'', ''' || repeat('x', 64) || ''')');
SELECT try('CALL commrec.materialize(''none'', ''x'')');
SELECT try('CALL commrec.materialize(''named'', ''recommended'')');
BEGIN; ALTER TABLE recommended ADD more integer;
SELECT try('CALL commrec.materialize(''whole'', ''recommended'')'); ROLLBACK;
BEGIN; ALTER TABLE recommended ALTER source SET DEFAULT 'x';
SELECT try('CALL commrec.materialize(''whole'', ''recommended'')'); ROLLBACK;
BEGIN; ALTER TABLE recommended ENABLE ROW LEVEL SECURITY;
SELECT try('CALL commrec.materialize(''whole'', ''recommended'')'); ROLLBACK;
BEGIN; CREATE RULE r AS ON INSERT TO recommended DO ALSO NOTIFY x;
SELECT try('CALL commrec.materialize(''whole'', ''recommended'')'); ROLLBACK;
BEGIN; CREATE INDEX ON recommended ((item_id + 1));
SELECT try('CALL commrec.materialize(''whole'', ''recommended'')'); ROLLBACK;
BEGIN; ALTER TABLE recommended DROP CONSTRAINT made_by_commrec_materialize,
	ADD CONSTRAINT made_by_commrec_materialize CHECK (rank > 0 OR all_test.try('x') > '');
SELECT try('CALL commrec.materialize(''whole'', ''recommended'')'); ROLLBACK;

-- privileges: USAGE on the model, CREATE on the schema, then ownership; a trap of somebody else's
CREATE ROLE regress_commrec_analyst;
CREATE SCHEMA shared;
GRANT USAGE ON SCHEMA all_test, shared TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
SELECT try('SELECT * FROM commrec.recommend_all(''whole'')');
SELECT try('CALL commrec.materialize(''whole'', ''shared.x'')');
RESET ROLE;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
SELECT try('CALL commrec.materialize(''whole'', ''shared.x'')');
RESET ROLE;
GRANT USAGE ON SCHEMA whole TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
SELECT count(*) > 0 AS rows FROM whole.recommend_all(1);
SELECT try('CALL commrec.materialize(''whole'', ''shared.x'')');
SELECT try('CALL commrec.materialize(''whole'', ''all_test.recommended'')');
RESET ROLE;
GRANT CREATE ON SCHEMA shared TO regress_commrec_analyst;
SET ROLE regress_commrec_analyst;
CALL commrec.materialize('whole', 'shared.x', 1);
CALL commrec.materialize('whole', 'shared.x', 2);
SELECT max(rank) FROM shared.x;
CREATE FUNCTION shared.caught() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''caught %'', current_user; END';
CREATE TRIGGER caught BEFORE INSERT ON shared.x FOR EACH ROW EXECUTE FUNCTION shared.caught();
RESET ROLE;
SELECT try('CALL commrec.materialize(''whole'', ''shared.x'', 1)');

SET client_min_messages = error;
SELECT commrec.drop_model('named', true), commrec.drop_model('whole', true);
DROP SCHEMA all_test, shared, named CASCADE;
DROP OWNED BY regress_commrec_analyst;
DROP ROLE regress_commrec_analyst;
