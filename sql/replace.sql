--
-- What a training writes beside the version replaces what the one before has written: rows that are
-- the same stay where they are, and what comes out is what a first training writes.
--
SET client_min_messages = warning;

CREATE TABLE replace_events (user_id integer, item_id integer, action text, at timestamptz);
INSERT INTO replace_events
SELECT u, (u * 7 + e * 13 + (u * e) % 5) % 40, (ARRAY['view', 'like', 'share'])[1 + (u + e) % 3],
	'2026-01-01 00:00Z'::timestamptz + (e * 5 + u % 7) * interval '1 day'
FROM generate_series(1, 60) AS u, generate_series(1, 15) AS e;

-- Whatever the ids.
CREATE VIEW replace_text AS SELECT 'Mémber ' || user_id % 9 || '/' || user_id AS user_id, 'item' || item_id AS item_id, action, at FROM replace_events;
CREATE VIEW replace_uuid AS SELECT md5(user_id::text)::uuid AS user_id, item_id::bigint - 20 AS item_id, action, at FROM replace_events;

CREATE FUNCTION replace_create(model text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM commrec.create_model(model, 'replace_' || split_part(model, '_', 2), action_column => 'action',
		time_column => 'at', hyperparameters => '{"factors": 2, "epochs": 1, "popularity_weight": 0.1, "popularity_half_life": 30}');
	EXECUTE format('UPDATE %I.action SET spread = 0', model);
END
$$;
CREATE FUNCTION replace_train(model text) RETURNS void LANGUAGE sql AS 'SELECT FROM commrec.train($1)';

-- Remember where rows are, and by whom they were written.
CREATE FUNCTION replace_look(model text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	CREATE TEMP TABLE IF NOT EXISTS looked (of_table text, key text, place tid, writer xid, page bigint);
	TRUNCATE looked;
	FOREACH name IN ARRAY '{user_activity,item_activity,item_spread,spread_factor}'::text[] LOOP
		EXECUTE format('INSERT INTO looked SELECT %L, coalesce(to_jsonb(t) ->> ''user_id'', to_jsonb(t) ->> ''item_id'', '''')
			|| '' '' || coalesce(to_jsonb(t) ->> ''bucket'', ''''), ctid, xmin, (ctid::text::point)[0]::bigint FROM %I.%I AS t',
			name, model, name);
	END LOOP;
END
$$;
-- What has become of them.
CREATE FUNCTION replace_compare(model text, OUT of_table text, OUT gone bigint, OUT come bigint, OUT stayed bigint,
	OUT changed_on_page bigint, OUT moved bigint)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE before AS TABLE looked;
	PERFORM replace_look(model);
	RETURN QUERY SELECT coalesce(b.of_table, l.of_table),
		count(*) FILTER (WHERE l.key IS NULL), count(*) FILTER (WHERE b.key IS NULL),
		count(*) FILTER (WHERE b.place = l.place AND b.writer = l.writer),
		count(*) FILTER (WHERE b.writer <> l.writer AND b.page = l.page), count(*) FILTER (WHERE b.page <> l.page)
	FROM before AS b FULL JOIN looked AS l ON l.of_table = b.of_table AND l.key = b.key GROUP BY 1 ORDER BY 1;
	DROP TABLE before;
END
$$;
-- Rows in which a model differs from one that was trained but once, read through the heap and through the indexes.
CREATE FUNCTION replace_differences(model text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	name text;
	found bigint;
	differences bigint := 0;
	setting text;
BEGIN
	PERFORM replace_create('once_' || split_part(model, '_', 2));
	EXECUTE format('TRUNCATE %1$I.action; INSERT INTO %1$I.action TABLE %2$I.action', 'once_' || split_part(model, '_', 2), model);
	PERFORM replace_train('once_' || split_part(model, '_', 2));
	FOREACH setting IN ARRAY '{enable_seqscan,enable_indexscan}'::text[] LOOP
		PERFORM set_config('enable_bitmapscan', 'off', true), set_config(setting, 'off', true);
		FOREACH name IN ARRAY '{user_activity,item_activity,item_spread,spread_factor}'::text[] LOOP
			EXECUTE format('SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY %4$s), * FROM %1$I.%3$I) AS a
				FULL JOIN (SELECT row_number() OVER (ORDER BY %4$s), * FROM %2$I.%3$I) AS b USING (row_number)
				WHERE (to_jsonb(a) = to_jsonb(b)) IS NOT TRUE', model, 'once_' || split_part(model, '_', 2), name,
				CASE name WHEN 'user_activity' THEN 'user_id, bucket' WHEN 'item_activity' THEN 'item_id, bucket'
					WHEN 'item_spread' THEN 'item_id' ELSE 'bucket' END) INTO found;
			differences := differences + found;
		END LOOP;
		PERFORM set_config(setting, 'on', true), set_config('enable_bitmapscan', 'on', true);
	END LOOP;
	PERFORM commrec.drop_model('once_' || split_part(model, '_', 2));
	RETURN differences;
END
$$;

SELECT replace_create('twice_' || t), replace_train('twice_' || t) FROM unnest('{events,text,uuid}'::text[]) AS t;

-- The same events: nothing is written.
SELECT replace_look('twice_events'), replace_train('twice_events');
SELECT * FROM replace_compare('twice_events');
SELECT replace_look('twice_text'), replace_train('twice_text');
SELECT * FROM replace_compare('twice_text');
SELECT replace_look('twice_uuid'), replace_train('twice_uuid');
SELECT * FROM replace_compare('twice_uuid');

-- Events more, and events less: users and items in front of, between and behind those that there are.
INSERT INTO replace_events VALUES (0, -1, 'view', '2026-02-01 00:00Z'), (30, 100, 'like', '2026-02-01 00:00Z'),
	(99, 5, 'share', '2026-04-01 00:00Z'), (99, 6, NULL, NULL);
DELETE FROM replace_events WHERE user_id IN (1, 33) OR item_id = 17;
SELECT replace_look('twice_events');
SELECT replace_train('twice_' || t), replace_differences('twice_' || t) FROM unnest('{events,text,uuid}'::text[]) AS t;
SELECT of_table, gone, come, stayed, changed_on_page + moved AS changed FROM replace_compare('twice_events');

-- Weights that change every sum.  Where pages have room, rows stay on them; elsewhere they move.
UPDATE twice_events.action SET spread = CASE action WHEN 'share' THEN 3 WHEN 'like' THEN 1 ELSE 0.1 END, satisfaction = 0.5;
UPDATE twice_text.action SET spread = 2;
UPDATE twice_uuid.action SET satisfaction = NULL;
SELECT replace_train('twice_' || t), replace_differences('twice_' || t) FROM unnest('{events,text,uuid}'::text[]) AS t;
SELECT of_table, stayed, moved > 0 AS moved FROM replace_compare('twice_events');
ALTER TABLE twice_events.user_activity SET (fillfactor = 45);
TRUNCATE twice_events.user_activity;
SELECT replace_train('twice_events'), replace_look('twice_events');
UPDATE twice_events.action SET spread = 2 * spread;
SELECT replace_train('twice_events');
SELECT of_table, gone, come, stayed, changed_on_page > 0 AS changed_on_page, moved FROM replace_compare('twice_events')
WHERE of_table = 'user_activity';
SELECT replace_differences('twice_events');
-- An index of somebody's own hears of rows that change on their page.
CREATE INDEX ON twice_events.user_activity (spread);
UPDATE twice_events.action SET spread = 0.5 * spread;
SELECT replace_train('twice_events'), replace_differences('twice_events');
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT count(*) = (SELECT count(*) FROM twice_events.user_activity WHERE spread + 0 > 0.2) AS same
FROM twice_events.user_activity WHERE spread > 0.2;
COMMIT;

-- Whatever has been done to the rows by hand.
UPDATE twice_events.user_activity SET items = items + 1 WHERE user_id % 3 = 0;
DELETE FROM twice_events.user_activity WHERE user_id % 7 = 0;
INSERT INTO twice_events.user_activity VALUES (-5, '2026-01-01', 1, 1, 1, 1, 1), (500, '-infinity', 1, 1, 1, 1, 1);
UPDATE twice_events.item_spread SET item_id = item_id + 1000 WHERE item_id < 10;
TRUNCATE twice_events.spread_factor;
SELECT replace_train('twice_events'), replace_differences('twice_events');

-- Within one transaction, and one statement; what is rolled back was not.
BEGIN;
DELETE FROM replace_events WHERE user_id = 2;
SELECT replace_train('twice_events');
INSERT INTO replace_events VALUES (2, 2, 'share', '2026-01-01 00:00Z');
SELECT replace_train('twice_events') UNION ALL SELECT replace_train('twice_events');
SELECT replace_differences('twice_events');
ROLLBACK;
SELECT replace_differences('twice_events');

-- Without times there is less to be told.
SELECT count(*) FROM commrec.alter_model('twice_events', time_column => '');
SELECT replace_train('twice_events');
SELECT (SELECT count(*) FROM twice_events.user_activity), (SELECT count(*) FROM twice_events.spread_factor),
	(SELECT count(*) FROM twice_events.item_activity) = (SELECT count(*) FROM twice_events.item_spread);
SELECT count(*) FROM commrec.alter_model('twice_events', time_column => 'at');
SELECT replace_train('twice_events'), replace_differences('twice_events');

-- Where DELETE does more than delete, as a foreign key would have it, rows are deleted by it.
CREATE TABLE replace_notes (item_id integer REFERENCES twice_events.item_spread ON DELETE CASCADE, note text);
INSERT INTO replace_notes VALUES (5, 'five'), (6, 'six');
SELECT replace_look('twice_events'), replace_train('twice_events');
SELECT of_table, stayed FROM replace_compare('twice_events') WHERE of_table IN ('item_spread', 'spread_factor');
TABLE replace_notes;
SELECT replace_differences('twice_events');

SELECT commrec.drop_model('twice_text');
SELECT commrec.drop_model('twice_uuid');
DROP TABLE replace_notes;
SELECT commrec.drop_model('twice_events');
DROP VIEW replace_text, replace_uuid;
DROP TABLE replace_events;
DROP FUNCTION replace_create(text), replace_train(text), replace_look(text), replace_compare(text), replace_differences(text);
