--
-- What recommendations did: click-through and retention from the events, by hand and with Wilson's intervals.
--
SET client_min_messages = warning;
SET extra_float_digits = 0;
SET TimeZone = 'America/New_York';
CREATE FUNCTION pg_temp.error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT round(rate::numeric, 4) AS rate, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high FROM commrec.wilson(81, 263);
SELECT round(low::numeric, 4) AS low, round(high::numeric, 4) AS high FROM commrec.wilson(81, 263, 0.99);
SELECT * FROM commrec.wilson(0, 0), commrec.wilson(NULL, 1) AS n;
SELECT n, pg_temp.error_of('SELECT commrec.wilson(' || c || ')') FROM (VALUES (1, '2, 1'), (2, '-1, 1'), (3, '1, 2, 1')) AS e (n, c);

CREATE SCHEMA regress_effect;
CREATE TABLE regress_effect.events (who text, what smallint, did text, at timestamp, arm char(1), score integer);
INSERT INTO regress_effect.events VALUES
	-- ann sees 1 twice and clicks in between; clicks 2 before it is shown; sees 3; clicks 4 that was never shown
	('ann', 1, 'view', '2026-03-01 23:00', 'a', NULL), ('ann', 1, 'click', '2026-03-02 00:00', NULL, NULL), ('ann', 1, 'view', '2026-03-03 00:00', 'a', NULL),
	('ann', 2, 'click', '2026-03-01 00:00', NULL, NULL), ('ann', 2, 'view', '2026-03-02 00:00', 'a', NULL),
	('ann', 3, 'view', '2026-03-02 10:00', 'a', NULL), ('ann', 4, 'click', '2026-03-02 10:00', NULL, NULL),
	-- bob sees 1 in both arms and buys; dislikes 2, which is no click; sees 3 in april
	('bob', 1, 'view', '2026-03-01 10:00', 'a', NULL), ('bob', 1, 'view', '2026-03-01 11:00', 'b', NULL), ('bob', 1, 'purchase', '2026-03-01 12:00', 'b', NULL),
	('bob', 2, 'view', '2026-03-08 10:00', 'b', NULL), ('bob', 2, 'dislike', '2026-03-08 11:00', 'b', NULL),
	('bob', 3, 'view', '2026-04-01 00:00', 'b', NULL),
	-- rows that say nothing
	(NULL, 1, 'view', '2026-03-01 10:00', 'a', NULL), ('cat', NULL, 'view', '2026-03-01 10:00', 'a', NULL), ('cat', 5, NULL, '2026-03-01 10:00', 'a', NULL),
	('dan', 5, 'view', '2026-03-30 00:00', NULL, NULL);
SELECT count(*) > 0 AS created FROM commrec.create_model('effect', 'regress_effect.events', 'who', 'what', 'did', 'at');
-- pairs: ann 1 yes, 2 no, 3 no; bob 1 yes, 2 no, 3 no; dan 5 no
SELECT part, shown, clicked, round(rate::numeric, 4) AS rate, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high FROM commrec.ctr('effect');
SELECT part, shown, clicked FROM commrec.ctr('effect', by => 'arm');
SELECT part, shown, clicked FROM commrec.ctr('effect', by => 'day');
SELECT part, shown, clicked FROM commrec.ctr('effect', by => 'week');
SELECT part, shown, clicked FROM commrec.ctr('effect', by => 'month');
SELECT shown, clicked FROM commrec.ctr('effect', since => '2026-03-01 11:00+00', until => '2026-03-02 00:00+00');
SELECT shown, clicked FROM commrec.ctr('effect', clicks => '{purchase}');
SELECT shown, clicked FROM commrec.ctr('effect', impressions => '{click}', clicks => '{view}');
-- an action that is called an impression comes before "view"
INSERT INTO regress_effect.events VALUES ('ann', 9, 'impression', '2026-03-05 00:00', 'a', NULL), ('ann', 9, 'view', '2026-03-05 00:01', 'a', NULL);
SELECT count(*) > 0 AS altered FROM commrec.alter_model('effect', events => 'regress_effect.events');
SELECT shown, clicked FROM commrec.ctr('effect');
DELETE FROM regress_effect.events WHERE what = 9;
SELECT shown, clicked, rate FROM commrec.ctr('effect');
SELECT shown, clicked, rate FROM commrec.ctr('effect', by => 'arm');
DELETE FROM effect.action WHERE action = 'impression';

-- retention by weeks: ann starts on 1 March, bob too, cat too, dan on 30 March; the newest event is of 1 April
SELECT first AT TIME ZONE 'UTC' AS first, period, users, retained, round(rate::numeric, 4) AS rate, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high
	FROM commrec.retention('effect');
SELECT first AT TIME ZONE 'UTC' AS first, part, period, users, retained FROM commrec.retention('effect', '1 day', '3 days', by => 'arm');
SELECT part, period, users, retained FROM commrec.retention('effect', '1 day', '2 days', by => 'month', actions => '{click,purchase}');

-- errors
SELECT n, pg_temp.error_of('SELECT commrec.' || c) FROM (VALUES
	(1, $$ctr('nobody')$$), (2, $$ctr('effect', since => 'infinity')$$), (3, $$ctr('effect', by => 'colour')$$),
	(4, $$ctr('effect', impressions => '{glance}')$$), (5, $$ctr('effect', clicks => '{NULL}')$$), (6, $$ctr('effect', clicks => '{}')$$),
	(7, $$ctr('effect', confidence => 2)$$), (8, $$retention('effect', '1 month')$$), (9, $$retention('effect', '0 s')$$),
	(10, $$retention('effect', '1 s', '100 days')$$), (11, $$retention('effect', by => 'colour')$$), (12, $$retention('effect', actions => '{glance}')$$),
	(13, $$retention('effect', confidence => 0)$$)) AS e (n, c) ORDER BY n;
-- without an action or a time column
SELECT count(*) > 0 AS altered FROM commrec.alter_model('effect', time_column => '');
SELECT shown, clicked FROM commrec.ctr('effect');
SELECT n, pg_temp.error_of('SELECT commrec.' || c) FROM (VALUES (1, $$ctr('effect', since => now())$$), (2, $$ctr('effect', by => 'day')$$), (3, $$retention('effect')$$)) AS e (n, c);
SELECT count(*) > 0 AS altered FROM commrec.alter_model('effect', action_column => '', time_column => 'at');
SELECT n, pg_temp.error_of('SELECT commrec.' || c) FROM (VALUES (1, $$ctr('effect')$$), (2, $$retention('effect', actions => '{view}')$$)) AS e (n, c);
SELECT count(*) > 0 AS rows FROM commrec.retention('effect');
SELECT count(*) > 0 AS altered FROM commrec.alter_model('effect', action_column => 'did');
-- read as the caller: nothing without SELECT, and only what row security lets through
CREATE ROLE regress_effect_reader;
GRANT USAGE ON SCHEMA effect, regress_effect TO regress_effect_reader;
SET ROLE regress_effect_reader;
SELECT pg_temp.error_of($$SELECT commrec.ctr('effect')$$);
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA effect TO regress_effect_reader;
SET ROLE regress_effect_reader;
SELECT pg_temp.error_of($$SELECT commrec.ctr('effect')$$);
RESET ROLE;
GRANT SELECT ON regress_effect.events TO regress_effect_reader;
ALTER TABLE regress_effect.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_ann ON regress_effect.events USING (who = 'ann');
SET ROLE regress_effect_reader;
SELECT shown, clicked FROM commrec.ctr('effect');
SELECT DISTINCT users FROM commrec.retention('effect');
RESET ROLE;
-- a hostile search_path has no effect
CREATE FUNCTION regress_effect.wrong(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR regress_effect.= (LEFTARG = text, RIGHTARG = text, PROCEDURE = regress_effect.wrong);
SET search_path = regress_effect, pg_catalog;
SELECT shown, clicked FROM commrec.ctr('effect');
SELECT count(*) AS rows FROM commrec.retention('effect');
RESET search_path;
DROP OWNED BY regress_effect_reader;
DROP ROLE regress_effect_reader;
SELECT commrec.drop_model('effect');
DROP SCHEMA regress_effect CASCADE;
