--
-- Embeddings as bytes: conversions, inner product, aggregates, and every error.
--
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- there and back
SELECT commrec.embedding_to_array(commrec.array_to_embedding('{1,-2.5,3e-20}'));
SELECT commrec.array_to_embedding('{1,-2.5}');
SELECT commrec.embedding_dims(commrec.array_to_embedding('{1,2,3}'));
SELECT commrec.embedding_to_array(commrec.array_to_embedding(a)) = a AS round_trip
	FROM (VALUES ('{0}'::real[]), ('{3.4028235e38,-3.4028235e38,1e-45}'), ('{-0,0.1,0.2}')) t (a);
SELECT commrec.embedding_dims(commrec.array_to_embedding(array_fill(0.5::real, ARRAY[16000])));
-- any lower bound does
SELECT commrec.embedding_to_array(commrec.array_to_embedding('[5:6]={7,8}'));
-- NULL in, NULL out
SELECT commrec.embedding_to_array(NULL), commrec.array_to_embedding(NULL), commrec.embedding_dims(NULL),
	commrec.inner_product(NULL, commrec.array_to_embedding('{1}'));

-- what an embedding cannot be made from
SELECT pg_temp.error_of(format('SELECT commrec.array_to_embedding(%s)', a)) FROM (VALUES
	(1, $$'{}'$$), (2, $$'{{1,2},{3,4}}'$$), (3, $$'{1,NULL}'$$), (4, $$'{1,NaN}'$$), (5, $$'{Infinity}'$$),
	(6, $$'{1,-Infinity}'$$), (7, $$array_fill(1::real, ARRAY[16001])$$)) t (n, a) ORDER BY n;

-- inner product
SELECT commrec.inner_product(commrec.array_to_embedding('{1,2,3}'), commrec.array_to_embedding('{4,-5,6}'));
SELECT commrec.inner_product(commrec.array_to_embedding(array_fill(1::real, ARRAY[n])),
	commrec.array_to_embedding(array_fill(2::real, ARRAY[n]))) AS twice, n
	FROM unnest(ARRAY[1, 15, 16, 17, 33, 16000]) n;
SELECT pg_temp.error_of($$SELECT commrec.inner_product(commrec.array_to_embedding('{1,2,3}'),
	commrec.array_to_embedding('{1,2,3,4}'))$$);
SELECT pg_temp.error_of($$SELECT commrec.inner_product(commrec.array_to_embedding('{1e38}'),
	commrec.array_to_embedding('{1e38}'))$$);
SELECT pg_temp.error_of($$SELECT commrec.inner_product(commrec.array_to_embedding('{1e38,1e38}'),
	commrec.array_to_embedding('{1e38,-1e38}'))$$);

-- damaged bytes: header, length, dimension, contents, format
CREATE TEMP TABLE damaged (n integer, what text, bytes bytea);
INSERT INTO damaged
	SELECT n, what, bytes FROM (SELECT commrec.array_to_embedding('{1,2,3}') AS e) s,
	LATERAL (VALUES
		(1, 'empty', ''::bytea),
		(2, 'short header', substring(e FROM 1 FOR 11)),
		(3, 'header alone', substring(e FROM 1 FOR 12)),
		(4, 'truncated', substring(e FROM 1 FOR 23)),
		(5, 'too long', e || '\x00'),
		(6, 'magic', set_byte(e, 0, 0)),
		(7, 'newer format', set_byte(e, 4, 2)),
		(8, 'element type', set_byte(e, 5, 2)),
		(9, 'reserved byte', set_byte(e, 6, 1)),
		(10, 'no dimension', set_byte(e, 8, 0)),
		(11, 'more dimensions than bytes', set_byte(e, 8, 4)),
		(12, 'fewer dimensions than bytes', set_byte(e, 8, 2)),
		(13, 'huge dimension', set_byte(e, 11, 255)),
		(14, 'NaN inside', substring(e FROM 1 FOR 12) || '\x0000c07f' || substring(e FROM 17)),
		(15, 'infinity inside', substring(e FROM 1 FOR 20) || '\x0000807f')) d (n, what, bytes);
SELECT n, what, pg_temp.error_of(format('SELECT commrec.embedding_to_array(%L::bytea)', bytes)) FROM damaged ORDER BY n;
SELECT n, what, pg_temp.error_of(format('SELECT commrec.embedding_dims(%L::bytea)', bytes)) FROM damaged ORDER BY n;
SELECT n, what, pg_temp.error_of(format('SELECT commrec.inner_product(commrec.array_to_embedding(''{1,2,3}''), %L::bytea)', bytes))
	FROM damaged ORDER BY n;
SELECT n, what, pg_temp.error_of(format('SELECT commrec.sum(%L::bytea)', bytes)) FROM damaged ORDER BY n;
-- every single flipped bit is an error or another sound embedding, never more
SELECT count(*) AS flipped_bits, count(*) FILTER (WHERE message NOT LIKE 'no error' AND message !~ '^(XX001|0A000): ') AS unexpected
	FROM (SELECT pg_temp.error_of(format('SELECT commrec.embedding_to_array(%L::bytea)', set_bit(e, bit, 1 - get_bit(e, bit)))) AS message
		FROM (SELECT commrec.array_to_embedding('{1,2,3}') AS e) s, generate_series(0, 191) bit) t;

-- aggregates
CREATE TABLE embedding_rows (id integer, kind integer, e bytea);
INSERT INTO embedding_rows
	SELECT i, i % 3, CASE WHEN i % 10 <> 0 THEN commrec.array_to_embedding(ARRAY[i, -i, i % 7, 1]::real[]) END
	FROM generate_series(1, 20000) i;
ANALYZE embedding_rows;
SELECT commrec.embedding_to_array(commrec.sum(e)), commrec.embedding_to_array(commrec.avg(e)) FROM embedding_rows WHERE id <= 12;
SELECT commrec.embedding_to_array(commrec.avg(e)) AS by_hand,
	ARRAY[avg(id), -avg(id), avg(id % 7), 1]::real[] = commrec.embedding_to_array(commrec.avg(e)) AS equal
	FROM embedding_rows WHERE e IS NOT NULL;
-- nothing, or only NULL
SELECT commrec.sum(e) IS NULL AS sum, commrec.avg(e) IS NULL AS avg FROM embedding_rows WHERE id < 0;
SELECT commrec.sum(e) IS NULL AS sum, commrec.avg(e) IS NULL AS avg FROM embedding_rows WHERE id % 10 = 0;
-- groups, distinct, filter, window
SELECT kind, commrec.embedding_to_array(commrec.sum(e)) FROM embedding_rows WHERE id <= 30 GROUP BY kind ORDER BY kind;
SELECT commrec.embedding_to_array(commrec.sum(DISTINCT e)), commrec.embedding_to_array(commrec.sum(e) FILTER (WHERE id = 1))
	FROM (SELECT id, e FROM embedding_rows WHERE id < 4 UNION ALL SELECT id, e FROM embedding_rows WHERE id < 4) t;
SELECT id, commrec.embedding_to_array(commrec.sum(e) OVER (ORDER BY id)) AS running,
	commrec.embedding_to_array(commrec.avg(e) OVER (ORDER BY id ROWS 1 PRECEDING)) AS moving
	FROM embedding_rows WHERE id BETWEEN 8 AND 12;

-- a parallel plan gives the same as a serial one
CREATE TEMP TABLE serial AS
	SELECT kind, commrec.sum(e) AS s, commrec.avg(e) AS a FROM embedding_rows GROUP BY kind;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT commrec.sum(e) FROM embedding_rows;
SELECT p.s = s.s AS sum, p.a = s.a AS avg
	FROM (SELECT kind, commrec.sum(e) AS s, commrec.avg(e) AS a FROM embedding_rows GROUP BY kind) p JOIN serial s USING (kind);
-- workers without rows, workers with NULL only
SELECT commrec.sum(e) IS NULL FROM embedding_rows WHERE id < 0;
SELECT commrec.embedding_to_array(commrec.sum(e)) FROM embedding_rows WHERE id = 7;
SELECT pg_temp.error_of('SELECT commrec.avg(CASE WHEN id = 19999 THEN commrec.array_to_embedding(''{1}'') ELSE e END) FROM embedding_rows');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- dimensions that differ, sums that overflow
SELECT pg_temp.error_of($$SELECT commrec.sum(e) FROM (VALUES (commrec.array_to_embedding('{1,2}')),
	(commrec.array_to_embedding('{1,2,3}'))) t (e)$$);
SELECT pg_temp.error_of($$SELECT commrec.sum(e) FROM (VALUES (commrec.array_to_embedding('{3e38}')),
	(commrec.array_to_embedding('{3e38}'))) t (e)$$);
-- whose mean is in range all the same
SELECT commrec.embedding_to_array(commrec.avg(e)) FROM (VALUES (commrec.array_to_embedding('{3e38}')),
	(commrec.array_to_embedding('{3e38}'))) t (e);

-- the support functions check what they are given
SELECT pg_temp.error_of('SELECT commrec.embedding_accum(''\x00'', commrec.array_to_embedding(''{1}''))');
SELECT pg_temp.error_of('SELECT commrec.embedding_avg_final('''')');
SELECT pg_temp.error_of('SELECT commrec.embedding_sum_final(commrec.array_to_embedding(''{1,2,3}''))');
SELECT commrec.embedding_accum(NULL, NULL) IS NULL AS accum, commrec.embedding_combine(NULL, NULL) IS NULL AS combine,
	commrec.embedding_avg_final(NULL) IS NULL AS avg, commrec.embedding_sum_final(NULL) IS NULL AS sum;
SELECT commrec.embedding_to_array(commrec.embedding_avg_final(commrec.embedding_combine(state, state)))
	FROM (SELECT commrec.embedding_accum(commrec.embedding_accum(NULL, commrec.array_to_embedding('{1,2}')),
		commrec.array_to_embedding('{3,6}')) AS state) t;
SELECT count(*) AS flipped_bits, count(*) FILTER (WHERE message NOT LIKE 'no error' AND message !~ '^(XX001|22003): ') AS unexpected
	FROM (SELECT pg_temp.error_of(format('SELECT commrec.embedding_sum_final(%L::bytea)', set_bit(s, bit, 1 - get_bit(s, bit)))) AS message
		FROM (SELECT commrec.embedding_accum(NULL, commrec.array_to_embedding('{1,2}')) AS s) s, generate_series(0, 287) bit) t;

-- bytes that were stored compressed or out of line are read all the same
CREATE TEMP TABLE toasted (e bytea);
INSERT INTO toasted SELECT commrec.array_to_embedding(array_fill(1::real, ARRAY[16000]));
SELECT commrec.inner_product(e, e), commrec.embedding_dims(e), pg_column_size(e) < 64012 AS compressed FROM toasted;
SELECT commrec.embedding_dims(commrec.sum(e)) FROM toasted;

-- provolatile and proparallel are what plans rely on
SELECT p.oid::regprocedure, provolatile, proisstrict, proparallel
	FROM pg_proc p WHERE pronamespace = 'commrec'::regnamespace AND proname IN
	('embedding_to_array', 'array_to_embedding', 'inner_product', 'embedding_dims', 'sum', 'avg') ORDER BY 1::text;
DROP TABLE embedding_rows;
