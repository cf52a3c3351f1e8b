--
-- Solvers: what is published of a user is the exact solution for the published items, whichever
-- solver trained them, so that folding a user in gives the same.
--
SET client_min_messages = warning;

CREATE TABLE solver_events (user_id integer, item_id integer);
INSERT INTO solver_events
	SELECT u, i FROM generate_series(1, 60) AS u, generate_series(1, 40) AS i
	WHERE (u * 7 + i * 3) % 11 < 3 OR (u + i) % 17 = 0;
DO $$
BEGIN
	PERFORM commrec.create_model('solver_model', 'solver_events', hyperparameters =>
		'{"factors": 70, "epochs": 3, "popularity_weight": 0, "popularity_half_life": "Infinity",
		"unobserved_weight": 0.1, "regularization": 0.05}');
END
$$;

-- The largest component of the loss's gradient by the users, as a part of the largest of its terms.
CREATE VIEW solver_gradient AS
WITH item AS (
	SELECT i.item_id, e.d, e.v FROM solver_model.item_embedding AS i,
		unnest(commrec.embedding_to_array(i.embedding)) WITH ORDINALITY AS e (v, d)
	WHERE i.version = (SELECT max(version) FROM solver_model.version)
), member AS (
	SELECT u.user_id, e.d, e.v FROM solver_model.user_embedding AS u,
		unnest(commrec.embedding_to_array(u.embedding)) WITH ORDINALITY AS e (v, d)
	WHERE u.version = (SELECT max(version) FROM solver_model.version)
), score AS (
	SELECT m.user_id, i.item_id, sum(m.v::double precision * i.v) AS s,
		EXISTS (SELECT FROM solver_events AS e WHERE e.user_id = m.user_id AND e.item_id = i.item_id) AS seen
	FROM member AS m JOIN item AS i USING (d) GROUP BY m.user_id, i.item_id
), slope AS (
	SELECT s.user_id, i.d, sum((0.1 * s.s + CASE WHEN s.seen THEN s.s - 1 ELSE 0 END) * i.v) AS fit,
		0.05 * (count(*) FILTER (WHERE s.seen) + 0.1 * 40) AS regularization
	FROM score AS s JOIN item AS i USING (item_id) GROUP BY s.user_id, i.d
)
SELECT count(*) AS components,
	max(abs(slope.fit + slope.regularization * m.v)) / max(abs(slope.fit)) AS gradient
FROM slope JOIN member AS m USING (user_id, d);

SELECT hyperparameters ->> 'solver' AS solver, workers
FROM commrec.train('solver_model', '{"solver": "cg"}', workers => 0);
SELECT components, gradient < 1e-4 AS is_solution FROM solver_gradient;
SELECT hyperparameters ->> 'solver' AS solver, workers
FROM commrec.train('solver_model', '{"solver": "cholesky"}', workers => 0);
SELECT components, gradient < 1e-4 AS is_solution FROM solver_gradient;

-- also where the loss stops falling before the last epoch
SELECT count(*) AS trained FROM commrec.train('solver_model', '{"solver": "cg", "factors": 3, "epochs": 500}', workers => 0);
SELECT count(*) BETWEEN 2 AND 499 AS stopped FROM solver_model.epoch JOIN solver_model.version USING (version)
WHERE deployed;
SELECT components, gradient < 1e-4 AS is_solution FROM solver_gradient;

-- the default follows the number of factors
SELECT hyperparameters ->> 'solver' AS solver
FROM commrec.train('solver_model', '{"factors": 31}', workers => 0);
SELECT hyperparameters ->> 'solver' AS solver
FROM commrec.train('solver_model', '{"factors": 32}', workers => 0);

DROP SCHEMA solver_model CASCADE;
DROP TABLE solver_events;
