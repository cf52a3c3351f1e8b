# Restart, dump and restore, and a standby: the same answers everywhere.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('restart', 'max_worker_processes = 8', allows_streaming => 1);

load_events($node, 400, 160, 25);
$node->safe_psql('postgres', q{
	CREATE ROLE analyst;
	SELECT commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 5}');
	UPDATE courses.action SET preference = 2, spread = 0.25 WHERE action = 'comment';
	GRANT USAGE ON SCHEMA courses TO analyst;
	SELECT commrec.train('courses');
	SELECT commrec.train('courses', '{"factors": 24}')});

my $answers = answers_digest($node, 'courses');
my $bits    = model_digest($node, 'courses');

$node->restart;
is(answers_digest($node, 'courses'), $answers, 'a restart changes no answer');

# The whole database.
my $dump = $node->basedir . '/all.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump of the database');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_restore', '-e', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
is(answers_digest($node, 'courses', 'restored'), $answers, 'the restored model gives the same answers');
is(model_digest($node, 'courses', 'restored'), $bits, 'it has the same bits');
is($node->safe_psql('restored', q{SELECT model FROM commrec.models}), 'courses', 'commrec.models lists it');
is($node->safe_psql('restored', q{SET ROLE analyst; SELECT count(*) FROM courses.recommend(7, 5)}),
	'5', 'privileges are restored with it');
is($node->safe_psql('restored', q{SELECT version FROM commrec.train('courses')}),
	'3', 'the restored model trains');
is($node->safe_psql('restored', q{SELECT commrec.rollback('courses')}), '2', 'and rolls back');
is(answers_digest($node, 'courses', 'restored'), $answers, 'to the answers of before');

# One model into a database that has the extension and the events, then into one that has only the extension.
my $model = $node->basedir . '/model.sql';
$node->command_ok([ 'pg_dump', '-n', 'courses', '-f', $model, $node->connstr('postgres') ], 'pg_dump of one model');
$node->safe_psql('postgres', 'CREATE DATABASE alone TEMPLATE template0');
$node->safe_psql('alone', 'CREATE EXTENSION commrec');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('alone'), '-f', $model ],
	'restored without its events');
is(answers_digest($node, 'courses', 'alone'), $answers, 'it answers without its events');
sql_fails($node, q{SELECT commrec.train('courses')}, '42P01', 'events', 'training it says which table is missing',
	dbname => 'alone');
$node->safe_psql('alone', q{
	CREATE TABLE events (user_id bigint, item_id integer, action text, at timestamptz);
	INSERT INTO events VALUES (1, 1, 'like', '2024-01-01'), (1, 2, 'like', '2024-01-02'), (2, 1, 'like', '2024-01-02')});
is($node->safe_psql('alone', q{SELECT version, events FROM commrec.train('courses')}),
	'3|3', 'with a table of that name it trains');

# A standby answers the same and refuses to train.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(answers_digest($standby, 'courses'), $answers, 'a standby gives the same answers');
sql_fails($standby, q{SELECT commrec.train('courses')}, '25006', 'read-only|recovery', 'a standby refuses to train');
is(answers_digest($standby, 'courses'), $answers, 'and still answers');

# Events that came after the training count there as well.
$node->safe_psql('postgres', q{
	INSERT INTO events VALUES (7, 3, 'like', '2030-01-01'), (999999, 3, 'like', '2020-01-01'), (999999, 3, 'like', now());
	ANALYZE events});
$node->wait_for_catchup($standby);
my $fresh = q{SELECT string_agg(concat_ws('|', u, rank, item_id, encode(float4send(score), 'hex'), source), ',' ORDER BY u, rank)
	FROM unnest(ARRAY[7, 999999]) AS u, courses.recommend(u, 5, fresh => true)};
like($standby->safe_psql('postgres', $fresh), qr/\b999999\|1\|\d+\|[0-9a-f]{8}\|fresh\b/, 'a standby folds in new events');
is($standby->safe_psql('postgres', $fresh), $node->safe_psql('postgres', $fresh), 'as the primary does');
$node->safe_psql('postgres', q{DELETE FROM events WHERE at > '2025-01-01' OR user_id = 999999});
$node->wait_for_catchup($standby);

# What is deployed on the primary arrives.
$node->safe_psql('postgres', q{SELECT commrec.rollback('courses')});
$node->wait_for_catchup($standby);
isnt(answers_digest($standby, 'courses'), $answers, 'a rollback on the primary changes the answers of the standby');
is(answers_digest($standby, 'courses'), answers_digest($node, 'courses'), 'to those of the primary');

$standby->promote;
is($standby->safe_psql('postgres', q{SELECT version FROM commrec.train('courses')}),
	'3', 'after promotion the standby trains');

# A renamed schema is the model still.
$node->safe_psql('postgres', q{SELECT commrec.deploy('courses', 2); ALTER SCHEMA courses RENAME TO lessons});
is(answers_digest($node, 'lessons'), $answers, 'the model answers under its new name');
is($node->safe_psql('postgres', q{SELECT version FROM commrec.train('lessons')}), '3', 'and trains');

$standby->stop;
$node->stop;
done_testing();
