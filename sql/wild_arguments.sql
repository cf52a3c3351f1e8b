-- What the generator of wild calls (test/t/040_wild_calls.pl) has found: each was an internal error once.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS commrec;

-- Numbers of which there is no type.
SELECT oid, commrec.stored_id_type(oid) FROM unnest('{0, 1, 4294967295}'::oid[]) AS oid;
