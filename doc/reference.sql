-- The reference of algorithms and hyperparameters in README.md, between its marks, from the
-- descriptors of the library.  In a database with the extension, from the top of the sources:
--
--	psql -XAtq -f doc/reference.sql
--
-- test/t/080_reference.pl compares the two.
WITH shown AS (
	SELECT a.algorithm, a.meaning, a.scorer, h.place, h.hyperparameter,
		coalesce('`' || h."default" || '`', '*from the data*') AS preset, h.allowed, h.meaning AS use
	FROM commrec.algorithms AS a JOIN commrec.hyperparameters AS h USING (algorithm)),
lines AS (
	SELECT DISTINCT algorithm, 0 AS place,
		format(E'#### `%s`\n\n%s%s. %s\n\n| name | default | allowed | meaning |\n|---|---|---|---|', algorithm, upper(left(meaning, 1)),
			substr(meaning, 2), CASE scorer
				WHEN 'inner product' THEN 'Scores are inner products of embeddings.'
				WHEN 'item lists' THEN 'Scores are sums over lists of items that go with the member''s own.'
				WHEN 'popularity' THEN 'Scores are popularity.'
				ELSE 'Scores are those of the algorithm chosen.' END) AS line
	FROM shown
	UNION ALL
	SELECT algorithm, place, format('| `%s` | %s | %s | %s |', hyperparameter, preset, replace(allowed, '"', '`'), use)
	FROM shown)
SELECT string_agg(CASE WHEN place = 0 AND n > 1 THEN E'\n' ELSE '' END || line, E'\n' ORDER BY n)
FROM (SELECT line, place, row_number() OVER (ORDER BY algorithm COLLATE "C", place) AS n FROM lines) AS numbered;
