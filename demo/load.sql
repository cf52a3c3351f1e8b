-- The community as two ordinary tables: what members did, and the questions.
-- psql variable: data, the directory of the .tsv.gz files.
SET client_min_messages = warning;

CREATE TABLE items (
	item_id integer PRIMARY KEY,
	asked_at timestamptz NOT NULL,
	author bigint,
	score integer NOT NULL,
	views integer NOT NULL,
	tags text,
	title text NOT NULL);

CREATE TABLE events (
	user_id bigint NOT NULL,
	item_id integer NOT NULL,
	action text NOT NULL,
	value double precision,
	at timestamptz NOT NULL);

-- Times come as seconds since 1970; no character quotes anything in the files.
CREATE TEMPORARY TABLE raw_item (item integer, seconds bigint, author bigint, score integer, views integer,
	tags text, title text);
CREATE TEMPORARY TABLE raw_event (user_id bigint, item integer, action text, value double precision,
	seconds bigint);

\set copy_items '\\copy raw_item FROM PROGRAM ''gzip -dc "' :data '/items.tsv.gz"'' (FORMAT csv, DELIMITER E''\\t'', HEADER, QUOTE E''\\x01'')'
\set copy_events '\\copy raw_event FROM PROGRAM ''gzip -dc "' :data '/events.tsv.gz"'' (FORMAT csv, DELIMITER E''\\t'', HEADER, QUOTE E''\\x01'')'
:copy_items
:copy_events

INSERT INTO items
SELECT item, to_timestamp(seconds), author, score, views, tags, title FROM raw_item;
INSERT INTO events
SELECT user_id, item, action, value, to_timestamp(seconds) FROM raw_event;

DROP TABLE raw_item, raw_event;
ANALYZE items, events;
