-- The parts of a training as aggregates and functions, and a whole training in plain SQL.
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE SCHEMA distributed;
SET search_path = distributed;
CREATE TABLE events AS
SELECT DISTINCT 1000 + u AS user_id, CASE WHEN n % 5 = 0 THEN (u * 31 + n * 17) % 45 ELSE 15 * (u % 3) + (u * n + n) % 15 END AS item_id,
	1 + u % 3 AS preference
FROM generate_series(1, 60) AS u, generate_series(1, 12) AS n;

-- What train() makes of it
SELECT count(*) AS created FROM commrec.create_model('reference', 'distributed.events',
	hyperparameters => '{"factors": 8, "epochs": 12, "popularity_weight": 0, "unobserved_weight": 0.2, "regularization": 0.02}');
SELECT users, items, pairs FROM commrec.train('reference', workers => 0);

-- Numbers from 0, in ascending order of id
CREATE TABLE member AS SELECT user_id, row_number() OVER (ORDER BY user_id)::integer - 1 AS user_no FROM events GROUP BY user_id;
CREATE TABLE item AS SELECT item_id, row_number() OVER (ORDER BY item_id)::integer - 1 AS item_no FROM events GROUP BY item_id;
CREATE TABLE confidence AS
SELECT user_no, item_no, 1 AS c FROM events JOIN member USING (user_id) JOIN item USING (item_id);
ANALYZE confidence;
CREATE TABLE member_list AS SELECT user_no, commrec.collect(item_no, c) AS list FROM confidence GROUP BY user_no;
CREATE TABLE item_list AS SELECT item_no, commrec.collect(user_no, c) AS list FROM confidence GROUP BY item_no;
CREATE TABLE member_factor AS SELECT user_no, commrec.start_embedding(user_no, 8) AS embedding FROM member_list;
CREATE TABLE item_factor (item_no integer, embedding bytea);
-- the other side of a half step, in one row
CREATE TABLE side (factors bytea, gram bytea);
ALTER TABLE side ALTER factors SET STORAGE EXTERNAL, ALTER gram SET STORAGE EXTERNAL;

CREATE PROCEDURE epoch() LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE side, item_factor;
	INSERT INTO side SELECT commrec.pack_factors(user_no, embedding), commrec.gram(embedding) FROM member_factor;
	INSERT INTO item_factor SELECT item_no, commrec.solve_row(list, factors, gram, 0.02, 0.2) FROM item_list, side;
	TRUNCATE side, member_factor;
	INSERT INTO side SELECT commrec.pack_factors(item_no, embedding), commrec.gram(embedding) FROM item_factor;
	INSERT INTO member_factor SELECT user_no, commrec.solve_row(list, factors, gram, 0.02, 0.2) FROM member_list, side;
END
$$;
CREATE VIEW loss AS
SELECT (SELECT sum(c * (commrec.inner_product(m.embedding, i.embedding)::float - 1) ^ 2)
		FROM confidence JOIN member_factor AS m USING (user_no) JOIN item_factor AS i USING (item_no))
	+ 0.2 * commrec.gram_product((SELECT commrec.gram(embedding) FROM member_factor), (SELECT commrec.gram(embedding) FROM item_factor))
	+ 0.02 * (SELECT sum((s + 0.2 * 45) * commrec.inner_product(embedding, embedding))
		FROM member_factor JOIN (SELECT user_no, sum(c) AS s FROM confidence GROUP BY user_no) AS w USING (user_no))
	+ 0.02 * (SELECT sum((s + 0.2 * 60) * commrec.inner_product(embedding, embedding))
		FROM item_factor JOIN (SELECT item_no, sum(c) AS s FROM confidence GROUP BY item_no) AS w USING (item_no)) AS loss;
CREATE TABLE curve (epoch integer, loss float);
DO $$
BEGIN
	FOR e IN 1 .. (SELECT max(epoch) FROM reference.epoch) LOOP
		CALL distributed.epoch();
		INSERT INTO curve SELECT e, loss FROM loss;
	END LOOP;
END
$$;

-- The same learning curve, embeddings and answers
SELECT count(*) > 3 AS epochs, bool_and(abs(c.loss / r.loss - 1) < 1e-4) AS same_loss, max(c.loss) > min(c.loss) AS falls
FROM curve AS c FULL JOIN reference.epoch AS r USING (epoch);
SELECT count(*) AS users, bool_and(abs(commrec.inner_product(f.embedding, f.embedding) / commrec.inner_product(f.embedding, e.embedding) - 1) < 1e-3) AS same
FROM member JOIN member_factor AS f USING (user_no) JOIN reference.user_embedding AS e USING (user_id);
SELECT count(*) AS answers, count(*) FILTER (WHERE abs(t.score - r.score) < 1e-3) AS same
FROM side, member JOIN member_factor USING (user_no) JOIN member_list USING (user_no),
	LATERAL commrec.top_k(factors, embedding, 5, list) AS t
	FULL JOIN LATERAL commrec.recommend(user_id, 5, 'reference') AS r USING (rank);

-- Row by row, or a block of rows at once, it is the same
SELECT count(*) AS rows, count(*) FILTER (WHERE u.embedding = f.embedding) AS same
FROM side, LATERAL (SELECT commrec.pack_csr(user_no, item_no, c) AS matrix FROM confidence) AS m,
	commrec.unpack_factors(commrec.solve_rows(matrix, factors, gram, 0.02, 0.2)) AS u
	FULL JOIN member_factor AS f ON f.user_no = u."row";
SELECT (SELECT commrec.solve_row(list, factors, gram, 0.02, 0.2, 1.0) FROM member_list WHERE user_no = 7) =
	(SELECT commrec.solve_row(list, factors, gram, 0.02, 0.2) FROM member_list WHERE user_no = 7) AS exponent_is_1 FROM side;

SELECT count(*) AS rows, count(DISTINCT embedding) AS embeddings
FROM side, (SELECT list FROM member_list WHERE user_no = 7) AS l,
	LATERAL (SELECT commrec.solve_row(list, factors, gram, 0.02 + n % 3 * 0.01, 0.2) AS embedding FROM generate_series(1, 6) AS n) AS s;

-- Neither the order nor the plan makes a difference
CREATE TABLE many AS SELECT user_no, item_no, c * (1 + n * 1e-9) AS c, n * 7919 % 101 AS place FROM confidence, generate_series(1, 20) AS n;
ANALYZE many;
CREATE TABLE serial AS SELECT user_no, commrec.collect(item_no, c) AS list FROM many GROUP BY user_no;
CREATE TABLE serial_all AS SELECT commrec.pack_csr(user_no, item_no, c) AS matrix FROM many;
SELECT count(*) AS same FROM (SELECT user_no, commrec.collect(item_no, c ORDER BY place, item_no DESC) AS list FROM many GROUP BY user_no) AS m JOIN serial USING (user_no, list);
SELECT commrec.pack_csr(user_no, item_no, c ORDER BY place, user_no DESC) = (SELECT matrix FROM serial_all) AS same FROM many;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_hashagg = off;
EXPLAIN (COSTS off) SELECT user_no, commrec.collect(item_no, c) FROM many GROUP BY user_no;
SELECT count(*) AS same FROM (SELECT user_no, commrec.collect(item_no, c) AS list FROM many GROUP BY user_no) AS m JOIN serial USING (user_no, list);
EXPLAIN (COSTS off) SELECT commrec.pack_csr(user_no, item_no, c) FROM many;
SELECT commrec.pack_csr(user_no, item_no, c) = (SELECT matrix FROM serial_all) AS same FROM many;
SELECT commrec.pack_csr(user_no, item_no, c) IS NULL AS nothing FROM many WHERE user_no < 0;
CREATE TABLE embeddings AS SELECT n AS no, commrec.start_embedding(n, 8) AS embedding FROM generate_series(0, 1999) AS n;
ANALYZE embeddings;
EXPLAIN (COSTS off) SELECT commrec.gram(embedding), commrec.pack_factors(no, embedding) FROM embeddings;
CREATE TABLE packed AS SELECT commrec.gram(embedding) AS gram, commrec.pack_factors(no, embedding) AS factors FROM embeddings;
SET max_parallel_workers_per_gather = 0;
SELECT p.factors = s.factors AS same_factors, abs(commrec.gram_product(p.gram, p.gram) / commrec.gram_product(s.gram, s.gram) - 1) < 1e-12 AS same_gram
FROM packed AS p, (SELECT commrec.gram(embedding) AS gram, commrec.pack_factors(no, embedding ORDER BY no DESC) AS factors FROM embeddings) AS s;
SELECT abs(commrec.gram_product(a.gram, b.gram) / (
	SELECT sum(commrec.inner_product(x.embedding, y.embedding)::float ^ 2) FROM embeddings AS x, embeddings AS y WHERE x.no < 20 AND y.no BETWEEN 30 AND 40) - 1) < 1e-5 AS sum_of_squares
FROM (SELECT commrec.gram(embedding) AS gram FROM embeddings WHERE no < 20) AS a, (SELECT commrec.gram(embedding) AS gram FROM embeddings WHERE no BETWEEN 30 AND 40) AS b;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET enable_hashagg;

-- What came so far, as a window
SELECT count(*) FILTER (WHERE w.list = (SELECT commrec.collect(item_no, c) FROM confidence AS o WHERE o.user_no = 3 AND o.item_no <= w.item_no)) AS same, count(*) AS rows
FROM (SELECT item_no, commrec.collect(item_no, c) OVER (ORDER BY item_no) AS list FROM confidence WHERE user_no = 3) AS w;

-- NULLs, empty groups, sums, values that are no confidences
SELECT commrec.collect(NULL, 1) IS NULL AND commrec.collect(1, NULL) IS NULL AND commrec.pack_csr(1, NULL, 1) IS NULL
	AND commrec.gram(NULL) IS NULL AND commrec.pack_factors(NULL, NULL) IS NULL AS nothing;
SELECT commrec.collect(i, v) AS list FROM (VALUES (5, 1.5), (2, -1), (5, 0.5), (NULL, 1), (3, NULL)) AS v (i, v);
SELECT commrec.pack_csr(r, c, v) AS matrix FROM (VALUES (0, 1, 1), (2, 0, 2), (2, 0, 1)) AS v (r, c, v);
SELECT commrec.solve_row(a.list, factors, gram, 0.02, 0.2) = commrec.solve_row(b.list, factors, gram, 0.02, 0.2) AS same
FROM side, (SELECT commrec.collect(i, v) AS list FROM (VALUES (5, 1), (7, -3), (8, 0)) AS v (i, v)) AS a, (SELECT commrec.collect(5, 1) AS list) AS b;
SELECT commrec.embedding_to_array(commrec.solve_row(commrec.collect(5, -1), factors, gram, 0.02, 0.2)) AS zero FROM side GROUP BY factors, gram;
SELECT commrec.solve_row(NULL, factors, gram, 0.02, 0.2) IS NULL AS is_null FROM side;
-- rows that were not given are no items
SELECT t.* FROM (SELECT commrec.pack_factors(no, embedding) AS factors FROM (VALUES (1, commrec.array_to_embedding('{1,0}')), (4, commrec.array_to_embedding('{2,1}')), (6, commrec.array_to_embedding('{2,0}'))) AS v (no, embedding)) AS f,
	commrec.top_k(factors, commrec.array_to_embedding('{1,0}'), 2147483647) AS t;
SELECT count(*) FROM side, commrec.top_k(factors, (SELECT embedding FROM member_factor WHERE user_no = 3), NULL);
SELECT count(*) FROM side, commrec.top_k(factors, NULL);
SELECT count(*) FROM commrec.top_k(NULL, NULL);
SELECT commrec.embedding_to_array(embedding) FROM commrec.unpack_factors((SELECT commrec.pack_factors(1, commrec.array_to_embedding('{1,2}')))) AS u;
SELECT commrec.start_embedding(3, 8) = commrec.start_embedding(3, 8, 42) AS default_seed, commrec.start_embedding(3, 8) = commrec.start_embedding(4, 8) AS same;

-- Wrong input
SELECT commrec.collect(-1, 1);
SELECT commrec.collect(2147483647, 1);
SELECT commrec.collect(1, 'NaN');
SELECT commrec.collect(1, 'Infinity');
SELECT commrec.collect(1, 1e39);
SELECT commrec.pack_csr(-1, 0, 1);
SELECT commrec.pack_csr(0, -1, 1);
SELECT commrec.pack_csr(0, 0, 'NaN');
SELECT commrec.pack_csr(2147483646, 0, 1);
SELECT commrec.pack_factors(-1, commrec.array_to_embedding('{1}'));
SELECT commrec.pack_factors(2147483646, commrec.array_to_embedding('{1}'));
SELECT commrec.pack_factors(1, commrec.array_to_embedding('{1}')) FROM generate_series(1, 2);
SELECT commrec.pack_factors(n, commrec.array_to_embedding(array_fill(1::real, ARRAY[n]))) FROM generate_series(1, 2) AS n;
SELECT commrec.pack_factors(1, commrec.array_to_embedding(array_fill(1::real, ARRAY[513])));
SELECT commrec.pack_factors(1, '\x00');
SELECT commrec.gram(commrec.array_to_embedding(array_fill(1::real, ARRAY[n]))) FROM generate_series(1, 2) AS n;
SELECT commrec.gram('\x00');
SELECT commrec.gram(commrec.array_to_embedding('{3e38}')) IS NOT NULL AS fits;
SELECT commrec.solve_row('\x00', factors, gram, 0.02, 0.2) FROM side;
SELECT commrec.solve_row(factors, factors, gram, 0.02, 0.2) FROM side;
SELECT commrec.solve_row(list, list, gram, 0.02, 0.2) FROM side, member_list WHERE user_no = 1;
SELECT commrec.solve_row(list, factors, factors, 0.02, 0.2) FROM side, member_list WHERE user_no = 1;
SELECT commrec.solve_row(commrec.collect(45, 1), factors, gram, 0.02, 0.2) FROM side GROUP BY factors, gram;
SELECT commrec.solve_row(list, factors, gram, 0, 0.2) FROM side, member_list WHERE user_no = 1;
SELECT commrec.solve_row(list, factors, gram, 0.02, 'NaN') FROM side, member_list WHERE user_no = 1;
SELECT commrec.solve_row(list, factors, gram, 0.02, 0.2, 3) FROM side, member_list WHERE user_no = 1;
SELECT commrec.solve_row(list, factors, commrec.gram(commrec.array_to_embedding('{1}')), 0.02, 0.2) FROM side, member_list WHERE user_no = 1 GROUP BY list, factors;
SELECT commrec.solve_rows(list, factors, gram, 0.02, 0.2) FROM side, member_list WHERE user_no = 1;
SELECT commrec.solve_row(set_byte(list, 4, 2), factors, gram, 0.02, 0.2) FROM side, member_list WHERE user_no = 1;
SELECT count(*) FROM side, commrec.top_k(factors, commrec.array_to_embedding('{1}'));
SELECT count(*) FROM side, commrec.top_k(factors, (SELECT embedding FROM member_factor WHERE user_no = 3), 0);
SELECT count(*) FROM side, commrec.top_k(factors, (SELECT embedding FROM member_factor WHERE user_no = 3), 3, gram);
SELECT commrec.start_embedding(-1, 8);
SELECT commrec.start_embedding(1, 513);
SELECT commrec.collect_accum(NULL, 1, 1);
SELECT commrec.pack_csr_combine(NULL, '\x00');
SELECT commrec.gram_accum(NULL, NULL);
SELECT commrec.gram_final('\x00');
SELECT commrec.pack_factors_final((repeat('a', 100))::bytea);
SELECT commrec.collect_final((repeat('a', 100))::bytea);
-- a state of somebody's own making: one entry, of row and column -1
SELECT commrec.pack_csr_final('\x4352434d'::bytea || '\x0100000000000000' || '\x1000000000000000' || '\x0000000000000000' || '\x000000000000f03fffffffffffffffff');
BEGIN;
SET LOCAL commrec.max_train_memory = '1MB';
SELECT commrec.pack_csr(n, n, 1) FROM generate_series(1, 200000) AS n;
ROLLBACK;

SELECT commrec.drop_model('reference');
DROP SCHEMA distributed CASCADE;
