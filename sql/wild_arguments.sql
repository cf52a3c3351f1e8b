-- What the generator of wild calls (test/t/040_wild_calls.pl) has found: internal errors, and errors that
-- do not say what to do.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;
CREATE SCHEMA wild_arguments;
SET search_path = wild_arguments, public;
CREATE TABLE events AS
SELECT u AS user_id, i AS item_id, 'view'::text AS action, timestamptz '2025-01-01 00:00+00' + u * interval '1 day' AS at
FROM generate_series(1, 5) AS u, generate_series(1, 4) AS i WHERE (u + i) % 3 > 0;
SELECT count(*) > 0 AS created FROM commrec.create_model('wild', 'events', action_column => 'action', time_column => 'at');

-- Numbers of which there is no type.
SELECT oid, commrec.stored_id_type(oid) FROM unnest('{0, 1, 4294967295}'::oid[]) AS oid;

-- A column without a name.
SELECT * FROM commrec.retention('wild', by => '');
SELECT * FROM commrec.ctr('wild', by => '', impressions => '{view}', clicks => '{view}');

-- No search_path is an empty one.
SELECT commrec.create_filter('wild', 'all', 'events', 'item_id OPERATOR(pg_catalog.>) 0', search_path => NULL);

SELECT commrec.drop_model('wild');
DROP SCHEMA wild_arguments CASCADE;
