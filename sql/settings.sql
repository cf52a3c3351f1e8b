--
-- The settings commrec.*: defaults, ranges, and what is said of the rest.
--
SELECT commrec.embedding_dims(commrec.array_to_embedding('{1}'));	-- loads the library
SELECT name, setting, unit, context, min_val, max_val, enumvals
FROM pg_settings WHERE name LIKE 'commrec.%' ORDER BY name;

SET commrec.simd = 'portable';
SHOW commrec.simd;
SET commrec.simd = 'sse2';
\echo :LAST_ERROR_SQLSTATE
RESET commrec.simd;
SET commrec.keep_versions = 0;
\echo :LAST_ERROR_SQLSTATE
SET commrec.max_train_memory = '1MB';
-- How the limits are written differs between versions of PostgreSQL.
\set VERBOSITY sqlstate
SET commrec.max_train_memory = '1kB';
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
RESET commrec.max_train_memory;
