--
-- Where there are many members, half steps are made in the eigenbasis of the other side (doc/design.md). The parts
-- of a training in SQL know nothing of that, and must come to the same losses and the same embeddings.
--
SET client_min_messages = warning;

CREATE SCHEMA eigenbasis;
SET search_path = eigenbasis;
-- members of 2 to 40 items, of which the first ones have most readers
CREATE TABLE events AS
SELECT DISTINCT u AS user_id, ((u * 7919 + n * (n + u % 11) * 104729) % (20 + u % 130))::integer AS item_id
FROM generate_series(0, 4199) AS u, generate_series(1, 2 + u % 39) AS n;
SELECT count(*) AS created FROM commrec.create_model('reference', 'eigenbasis.events', hyperparameters =>
	'{"factors": 20, "epochs": 4, "popularity_weight": 0, "unobserved_weight": 0.05, "regularization": 0.02, "solver": "cholesky"}');
SELECT users, items, users + items > 4096 AS are_many FROM commrec.train('reference', workers => 0);

CREATE TABLE member_matrix AS SELECT commrec.pack_csr(user_id, item_id, 1) AS matrix FROM events;
CREATE TABLE item_matrix AS SELECT commrec.pack_csr(item_id, user_id, 1) AS matrix FROM events;
CREATE TABLE member_factor AS SELECT user_id, commrec.start_embedding(user_id, 20) AS embedding FROM events GROUP BY user_id;
CREATE TABLE item_factor (item_id integer, embedding bytea);
CREATE VIEW loss AS
SELECT (SELECT sum((commrec.inner_product(m.embedding, i.embedding)::float - 1) ^ 2)
		FROM events JOIN member_factor AS m USING (user_id) JOIN item_factor AS i USING (item_id))
	+ 0.05 * commrec.gram_product((SELECT commrec.gram(embedding) FROM member_factor), (SELECT commrec.gram(embedding) FROM item_factor))
	+ 0.02 * (SELECT sum((s + 0.05 * (SELECT count(*) FROM item_factor)) * commrec.inner_product(embedding, embedding))
		FROM member_factor JOIN (SELECT user_id, count(*) AS s FROM events GROUP BY user_id) AS w USING (user_id))
	+ 0.02 * (SELECT sum((s + 0.05 * 4200) * commrec.inner_product(embedding, embedding))
		FROM item_factor JOIN (SELECT item_id, count(*) AS s FROM events GROUP BY item_id) AS w USING (item_id)) AS loss;
CREATE TABLE curve (epoch integer, loss float);
DO $$
BEGIN
	FOR e IN 1 .. 4 LOOP
		TRUNCATE item_factor;
		INSERT INTO item_factor
		SELECT u."row", u.embedding
		FROM (SELECT commrec.pack_factors(user_id, embedding) AS factors, commrec.gram(embedding) AS gram FROM member_factor) AS side,
			item_matrix, commrec.unpack_factors(commrec.solve_rows(matrix, factors, gram, 0.02, 0.05)) AS u;
		TRUNCATE member_factor;
		INSERT INTO member_factor
		SELECT u."row", u.embedding
		FROM (SELECT commrec.pack_factors(item_id, embedding) AS factors, commrec.gram(embedding) AS gram FROM item_factor) AS side,
			member_matrix, commrec.unpack_factors(commrec.solve_rows(matrix, factors, gram, 0.02, 0.05)) AS u;
		INSERT INTO curve SELECT e, loss FROM loss;
	END LOOP;
END
$$;

SELECT count(*) AS epochs, bool_and(abs(c.loss / r.loss - 1) < 1e-5) AS same_loss, max(c.loss) > 1.01 * min(c.loss) AS falls
FROM curve AS c FULL JOIN reference.epoch AS r USING (epoch);
-- turned back into the basis in which they began
CREATE VIEW difference AS
SELECT a.user_id, sqrt(sum((a.v - b.v)::float ^ 2) / sum(a.v::float ^ 2)) AS difference
FROM (SELECT user_id, d, v FROM member_factor, unnest(commrec.embedding_to_array(embedding)) WITH ORDINALITY AS e (v, d)) AS a
FULL JOIN (SELECT user_id, d, v FROM reference.user_embedding JOIN reference.version USING (version),
		unnest(commrec.embedding_to_array(embedding)) WITH ORDINALITY AS e (v, d) WHERE deployed) AS b USING (user_id, d)
GROUP BY a.user_id;
SELECT count(*) AS members, bool_and(difference < 1e-3) AS same FROM difference;

-- By conjugate gradients: nearly the same losses, whatever the number of processes.
SELECT metrics ->> 'loss' AS loss FROM commrec.train('reference', '{"solver": "cg"}', workers => 0) \gset alone_
SELECT metrics ->> 'loss' = :'alone_loss' AS same FROM commrec.train('reference', '{"solver": "cg"}', workers => 2);
SELECT count(*) AS epochs, bool_and(abs(c.loss / r.loss - 1) < 0.01) AS near
FROM curve AS c JOIN reference.epoch AS r USING (epoch) JOIN reference.version AS v USING (version) WHERE deployed;
SELECT count(*) AS members, max(difference) < 0.5 AS near FROM difference;

-- In the long run they come to the same loss.
SELECT metrics -> 'loss' AS loss FROM commrec.train('reference', '{"epochs": 150}') \gset exact_
SELECT abs((metrics -> 'loss')::float / :exact_loss - 1) < 1e-4 AS same_loss
FROM commrec.train('reference', '{"epochs": 150, "solver": "cg"}');

-- Where the loss stops falling before the last epoch, they are turned back as well.
SELECT count(*) AS trained FROM commrec.train('reference', '{"epochs": 200, "factors": 2}', workers => 0);
SELECT count(*) BETWEEN 2 AND 199 AS stopped FROM reference.epoch JOIN reference.version USING (version) WHERE deployed;
TRUNCATE member_factor, item_factor;
INSERT INTO member_factor SELECT user_id, embedding FROM reference.user_embedding JOIN reference.version USING (version) WHERE deployed;
INSERT INTO item_factor SELECT item_id, embedding FROM reference.item_embedding JOIN reference.version USING (version) WHERE deployed;
SELECT abs(loss.loss / (v.metrics ->> 'loss')::float - 1) < 1e-5 AS same_loss FROM loss, reference.version AS v WHERE deployed;

DROP VIEW difference;
SELECT commrec.drop_model('reference');
DROP SCHEMA eigenbasis CASCADE;
