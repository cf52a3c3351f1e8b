--
-- forget(): a user is gone from everything that a model stores, and stays away although his
-- events are still there; the receipt says what is gone and what is not.
--
SET client_min_messages = warning;

CREATE TABLE forget_events (user_id integer, item_id integer, action text, at timestamptz);
INSERT INTO forget_events
SELECT u, (u * 7 + e * 13 + (u * e) % 5) % 40, (ARRAY['view', 'like', 'share'])[1 + (u + e) % 3],
	'2026-01-01 00:00Z'::timestamptz + (e * 3 + u % 5) * interval '1 hour'
FROM generate_series(1, 60) AS u, generate_series(1, 15) AS e;

-- Rows of a user in all tables of a schema that have users, and in one more.
CREATE FUNCTION rows_of(model name, who text) RETURNS TABLE (place name, rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR place IN
		SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'user_id'
		WHERE c.relnamespace = model::regnamespace AND c.relkind = 'r' ORDER BY 1
	LOOP
		EXECUTE format('SELECT count(*) FROM %I.%I WHERE user_id::text = $1', model, place) INTO rows USING who;
		RETURN NEXT;
	END LOOP;
END
$$;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;

SELECT count(*) FROM commrec.create_model('forgetful', 'forget_events', action_column => 'action', time_column => 'at',
	hyperparameters => '{"factors": 4, "epochs": 3}');
SELECT version, users FROM commrec.train('forgetful');
SELECT version, users FROM commrec.train('forgetful');
CALL commrec.materialize('forgetful', 'forget_recommended');
SELECT * FROM rows_of('forgetful', '7');
-- Everything that is stored of everybody else.
CREATE FUNCTION others(who text) RETURNS TABLE (embeddings text, activity text) LANGUAGE sql AS $$
	SELECT (SELECT md5(string_agg(e::text, ',' ORDER BY e.version, e.user_id)) FROM forgetful.user_embedding AS e
			WHERE e.user_id::text <> who),
		(SELECT md5(string_agg(a::text, ',' ORDER BY a.user_id, a.bucket)) FROM forgetful.user_activity AS a
		 WHERE a.user_id::text <> who)
$$;
CREATE TABLE before AS SELECT * FROM others('7');
CREATE TABLE popular_answer AS SELECT * FROM forgetful.recommend(-1, 5);
SELECT DISTINCT source FROM forgetful.recommend(7, 5);

-- A rollback undoes it.
BEGIN;
SELECT state, what, rows FROM commrec.forget(7, 'forgetful');
SELECT * FROM rows_of('forgetful', '7');
ROLLBACK;
SELECT * FROM rows_of('forgetful', '7');
SELECT count(*) FROM forgetful.forgotten;
SELECT DISTINCT source FROM forgetful.recommend(7, 5);

-- It is done: every answer is that for an unknown user, nothing of anybody else has changed.
SELECT state, rows FROM commrec.forget(7, 'forgetful');
SELECT * FROM rows_of('forgetful', '7');
SELECT count(*) FROM forget_recommended WHERE user_id = 7;
SELECT count(DISTINCT user_id) FROM forget_recommended;
SELECT * FROM before EXCEPT SELECT * FROM others('7');
SELECT * FROM forgetful.recommend(7, 5) EXCEPT SELECT * FROM popular_answer;
SELECT count(*) FROM forgetful.recommend(7, 5);
SELECT forgetful.knowledge_spread(7, '2026-01-01 12:00Z'), forgetful.satisfaction(7), forgetful.score(7, 1);
SELECT count(*) FROM forgetful.similar_users(8, 100) WHERE user_id = 7;
SELECT count(*) FROM forgetful.recommend_all() WHERE user_id = 7;

-- What is remembered is a keyed hash: RFC 4231 and others know the value of this one.
SELECT commrec.user_hash('key', 'The quick brown fox jumps over the lazy dog');
SELECT commrec.user_hash(decode(repeat('aa', 131), 'hex'), 'Test Using Larger Than Block-Size Key - Hash Key First');
SELECT octet_length(k.key), f.user_hash = commrec.user_hash(k.key, '7') FROM forgetful.forgotten AS f, forgetful.forget_key AS k;

-- New events of his do not bring him back, in whatever way they are read.
INSERT INTO forget_events SELECT 7, i, 'share', '2026-02-01 00:00Z' FROM generate_series(1, 20) AS i;
INSERT INTO forget_events SELECT 8, i, 'share', '2026-02-01 00:00Z' FROM generate_series(1, 5) AS i;
SELECT DISTINCT source FROM forgetful.recommend(7, 5, fresh => true);
SELECT DISTINCT source FROM forgetful.recommend(8, 5, fresh => true);
SELECT * FROM forgetful.recommend(7, 5, fresh => true) EXCEPT SELECT * FROM popular_answer;
SELECT DISTINCT users FROM commrec.evaluate('forgetful', split => 'last', replicates => 0, hyperparameters => '{"popularity_weight": 0}')
WHERE stratum = 'all' AND scorer = 'model';
SET client_min_messages = notice;
SELECT version, users, skipped -> 'forgotten' AS forgotten FROM commrec.train('forgetful');
SET client_min_messages = warning;
SELECT * FROM rows_of('forgetful', '7');
SELECT sum(users) FROM forgetful.item_activity WHERE bucket = '2026-02-01 00:00Z';
CALL commrec.materialize('forgetful', 'forget_recommended');
SELECT count(*) FROM forget_recommended WHERE user_id = 7;

-- Again: nothing is left to be removed, and the list does not grow.  One whom nobody knows is remembered, too.
SELECT state, rows FROM commrec.forget('007', 'forgetful');
SELECT state, rows FROM commrec.forget(1000000000000, 'forgetful');
SELECT count(*) FROM forgetful.forgotten;

-- Other types of ids; they are who they are however they are written.
CREATE TABLE forget_uuids AS
SELECT ('00000000-0000-0000-0000-0000000000a' || user_id % 10)::uuid AS user_id, item_id, 'user ' || user_id AS name
FROM forget_events;
SELECT count(*) FROM commrec.create_model('forget_uuid', 'forget_uuids', hyperparameters => '{"factors": 2, "epochs": 1}');
SELECT users FROM commrec.train('forget_uuid');
SELECT state, rows FROM commrec.forget('00000000-0000-0000-0000-0000000000A7', 'forget_uuid') WHERE state = 'removed';
SELECT state, rows FROM commrec.forget('00000000-0000-0000-0000-0000000000a8'::uuid, 'forget_uuid') WHERE state = 'removed';
SELECT users FROM commrec.train('forget_uuid');
SELECT count(*) FROM commrec.create_model('forget_text', 'forget_uuids', user_column => 'name', hyperparameters => '{"factors": 2, "epochs": 1}');
SELECT users FROM commrec.train('forget_text');
SELECT state, rows FROM commrec.forget('user 7', 'forget_text') WHERE state = 'removed';
SELECT users FROM commrec.train('forget_text');

-- If nobody is left, there is nothing to train on.
DELETE FROM forget_uuids WHERE name <> 'user 7';
SELECT try('SELECT commrec.train(''forget_text'')');

-- A table of recommendations that somebody has altered is left alone, and the receipt says so.
ALTER TABLE forget_recommended ADD COLUMN note text;
SELECT state, what FROM commrec.forget(9, 'forgetful') WHERE what LIKE 'recommendations%';

-- Who may not, and what is wrong.
SELECT try(c) FROM unnest(ARRAY['SELECT commrec.forget(NULL::bigint, ''forgetful'')', 'SELECT commrec.forget(1, ''no such model'')',
	'SELECT commrec.forget(''abc'', ''forgetful'')', 'SELECT commrec.forget(1, ''forget_uuid'')',
	'SELECT commrec.forget(gen_random_uuid(), ''forgetful'')']) AS c;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT try('SELECT commrec.forget(1, ''forgetful'')');
ROLLBACK;
BEGIN READ ONLY;
SELECT try('SELECT commrec.forget(1, ''forgetful'')');
ROLLBACK;
CREATE ROLE regress_forget_reader;
GRANT USAGE ON SCHEMA forgetful TO regress_forget_reader;
GRANT SELECT ON forget_events TO regress_forget_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA commrec TO regress_forget_reader;
SET ROLE regress_forget_reader;
SELECT try(c) FROM unnest(ARRAY['SELECT commrec.forget(1, ''forgetful'')', 'SELECT * FROM forgetful.forgotten',
	'SELECT * FROM forgetful.forget_key']) AS c;
SELECT DISTINCT source FROM forgetful.recommend(7, 5, fresh => true);
RESET ROLE;

SELECT commrec.drop_model(m) FROM unnest('{forgetful,forget_uuid,forget_text}'::text[]) AS m;
SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'forget%';
DROP TABLE forget_events, forget_uuids, forget_recommended, before, popular_answer;
DROP FUNCTION rows_of(name, text), others(text), try(text);
DROP OWNED BY regress_forget_reader;
DROP ROLE regress_forget_reader;
