--
-- Which release is at work, and models that another one has made: they serve and train as they are,
-- and commrec.alter_model() gives them what they lack.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
CREATE SCHEMA versions_test;
SET search_path = versions_test, public;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE VIEW said AS SELECT model, bytes > 100000 AS bytes, folded_events, up_to_date FROM commrec.models WHERE events LIKE 'versions\_test.%';

-- the library, the SQL objects and the files on disk
SELECT v.library = v.extension AS same, v.library = a.default_version AS newest
FROM commrec.version() AS v, pg_available_extensions AS a WHERE a.name = 'commrec';

CREATE TABLE events AS
SELECT u AS user_id, i AS item_id, '2024-03-01 00:00+00'::timestamptz + u * interval '1 day' + i * interval '1 hour' AS at
FROM generate_series(1, 20) AS u, generate_series(1, 15) AS i WHERE (u * 7 + i * 3 + u * i) % 5 < 2;
SELECT count(*) FROM commrec.create_model('aged', 'events', time_column => 'at', hyperparameters => '{"factors": 4, "epochs": 3}');
TABLE said;
SELECT version FROM commrec.train('aged', workers => 0);
TABLE said;
-- events that refresh() has folded in
INSERT INTO events VALUES (1, 2, '2024-04-01 00:00+00'), (2, 3, '2024-04-02 00:00+00');
CALL commrec.refresh('aged', mode => 'fold_in');
TABLE said;

-- as 0.1.0 made it
ALTER TABLE aged.version DROP COLUMN library;
CREATE TABLE before AS SELECT u.user_id, r.* FROM (SELECT DISTINCT user_id FROM events) AS u, aged.recommend(u.user_id, 5) AS r;
TABLE said;
SELECT version, deployed FROM commrec.train('aged', workers => 0);
SELECT commrec.rollback('aged');
SELECT count(*) AS answers, count(*) FILTER (WHERE row(b.rank, b.score, b.source) = row(r.rank, r.score, r.source)) AS same
FROM before AS b JOIN LATERAL aged.recommend(b.user_id, 5) AS r USING (item_id);
SELECT count(*) > 5 AS altered FROM commrec.alter_model('aged');
TABLE said;
SELECT version FROM commrec.train('aged', workers => 0);
SELECT version, library = commrec.library_version() AS of_this_library FROM aged.version ORDER BY version;
SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute AS a WHERE a.attrelid = 'aged.version'::regclass AND a.attname = 'library';
-- for all models at once
ALTER TABLE aged.version DROP COLUMN library;
SELECT commrec.update_models();
TABLE said;
-- nothing is done twice: no lock that would keep readers away
BEGIN;
SELECT commrec.update_models();
SELECT count(*) FROM pg_locks WHERE relation = 'aged.version'::regclass AND mode = 'AccessExclusiveLock';
COMMIT;

-- its functions lost
DROP FUNCTION aged.popular;
TABLE said;
SELECT count(*) > 5 AS altered FROM commrec.alter_model('aged');
TABLE said;

-- tables that their owner has altered: left alone
ALTER TABLE aged.version DROP COLUMN library, ADD COLUMN library integer;
SELECT commrec.update_models();
SELECT try('SELECT commrec.alter_model(''aged'')');
SELECT version FROM commrec.train('aged', workers => 0);
SELECT version, library FROM aged.version ORDER BY version DESC LIMIT 1;
ALTER TABLE aged.version DROP COLUMN library, ADD CONSTRAINT counted CHECK (version > 0);
SELECT commrec.update_models();
TABLE said;
ALTER TABLE aged.version DROP CONSTRAINT counted;

-- whose model it is
CREATE ROLE regress_commrec_other;
GRANT USAGE ON SCHEMA versions_test, aged TO regress_commrec_other;
GRANT SELECT ON said, aged.commrec_model, aged.version TO regress_commrec_other;
SET ROLE regress_commrec_other;
SELECT try('SELECT commrec.update_tables(''aged'')');
SELECT try('SELECT commrec.update_models()');
SELECT model, bytes > 100000 AS bytes, folded_events, up_to_date FROM commrec.models WHERE model = 'aged';
SELECT * FROM commrec.inspect_model('no such schema');
RESET ROLE;
REVOKE USAGE ON SCHEMA aged FROM regress_commrec_other;
SET ROLE regress_commrec_other;
SELECT * FROM commrec.inspect_model('aged');
RESET ROLE;
SELECT try('SELECT commrec.update_tables(NULL)');
SELECT try('SELECT commrec.update_tables(''no such model'')');

SELECT commrec.drop_model('aged');
DROP OWNED BY regress_commrec_other;
DROP ROLE regress_commrec_other;
DROP SCHEMA versions_test CASCADE;
