# A hot standby answers as its primary does, refuses everything that writes, and trains once it is
# promoted.  A model whose tables are replicated logically answers as the publisher's does.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('publisher', "wal_level = logical\nmax_wal_senders = 6", allows_streaming => 1);
my ($cases, $failures) = (0, 0);

# A check that belongs to the promise that follows.
sub check
{
	my ($got, $expected, $name) = @_;

	$cases++;
	$failures += !is($got, $expected, $name);
	return;
}

load_events($node, 100, 48, 12);
$node->safe_psql('postgres', q{
	SET client_min_messages = error;
	SELECT commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 8, "epochs": 3}');
	UPDATE courses.action SET spread = 0.25 WHERE action = 'comment';
	SELECT commrec.create_filter('courses', 'even', 'events', 'item_id % 2 = 0');
	SELECT commrec.train('courses', workers => 0);
	SELECT commrec.train('courses', '{"factors": 12}', workers => 0)});

# All that a reader can ask, in one text; new events and the filter with it.
my $more = q{
	SELECT md5(string_agg(concat_ws('|', u, rank, item_id, float4send(score), source), ',' ORDER BY u, rank))
	FROM unnest(ARRAY[7, 999999]) AS u, courses.recommend(u, 9, fresh => true, filter => 'even')};

sub everything
{
	my ($server, $dbname) = @_;
	return serving_digest($server, 'courses', $dbname) . "\n" . model_digest($server, 'courses', $dbname);
}

# --- A hot standby ---------------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
check(everything($standby), everything($node), 'every serving function answers on a standby as on the primary');
$node->safe_psql('postgres', q{
	INSERT INTO events VALUES (7, 2, 'like', '2030-01-01'), (999999, 4, 'like', '2030-01-01')});
$node->wait_for_catchup($standby);
check($standby->safe_psql('postgres', $more), $node->safe_psql('postgres', $more), 'new events and filters, too');
check($standby->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', model, deployed_version, state), ',') FROM commrec.models}),
	'courses 2 trained', 'commrec.models shows it');
check($standby->safe_psql('postgres', q{SELECT count(*) > 0 FROM commrec.ctr('courses', impressions => '{view}')}), 't', 'reports work');

# Whatever writes is refused for what it is.
for my $sql (
	q{SELECT commrec.train('courses')},
	q{SELECT commrec.evaluate('courses')},
	q{SELECT commrec.evaluate('courses', version => 2, split_at => '2024-05-01')},
	q{SELECT commrec.deploy('courses', 1)},
	q{SELECT commrec.rollback('courses')},
	q{SELECT commrec.create_model('more', 'events')},
	q{SELECT commrec.alter_model('courses', '{"factors": 4}')},
	q{SELECT commrec.drop_model('courses')},
	q{SELECT commrec.create_filter('courses', 'odd', 'events', 'item_id % 2 = 1')},
	q{SELECT commrec.refresh_filter('courses', 'even')},
	q{SELECT commrec.drop_filter('courses', 'even')},
	q{CALL commrec.refresh('courses')},
	q{CALL commrec.tune('courses', trials => 1)},
	q{CALL commrec.materialize('courses', 'public.recommended', 3)})
{
	my $error = '';

	$standby->psql('postgres', $sql, stderr => \$error, extra_params => [ '-v', 'VERBOSITY=sqlstate' ], on_error_stop => 0);
	check($error =~ /ERROR:\s+(\w{5})/ ? $1 : 'no error', '25006', "on a standby: $sql");
}

# What is deployed on the primary arrives whole.
$node->safe_psql('postgres', q{SELECT commrec.train('courses', '{"factors": 6}', workers => 0)});
$node->wait_for_catchup($standby);
check(everything($standby), everything($node), 'a version deployed on the primary serves on the standby');
$node->safe_psql('postgres', q{SELECT commrec.rollback('courses')});
$node->wait_for_catchup($standby);
check(everything($standby), everything($node), 'a version rolled back, too');
my $answers = everything($standby);

$standby->promote;
check(everything($standby), $answers, 'promoted, it answers as before');
check($standby->safe_psql('postgres', q{SET client_min_messages = error;
	SELECT version, workers > 0 FROM commrec.train('courses', workers => 2)}), '4|t', 'and trains, in parallel');
check($standby->safe_psql('postgres', q{SELECT commrec.rollback('courses')}), '3', 'and rolls back');
promise('a hot standby answers as its primary, refuses to write, and trains when promoted', $cases, $failures);
$standby->stop;
($cases, $failures) = (0, 0);

# --- Logical replication ---------------------------------------------------------------------------

# The subscriber has the model's schema as pg_dump -s makes it, and not the events.
my $subscriber = new_server('subscriber', 'max_logical_replication_workers = 8');
my $schema     = $node->basedir . '/schema.sql';
$node->command_ok([ 'pg_dump', '-s', '-n', 'courses', '-f', $schema, $node->connstr('postgres') ], 'pg_dump of the empty model');
$subscriber->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $subscriber->connstr('postgres'), '-f', $schema ],
	'the schema is at the subscriber');
sql_fails($subscriber, 'SELECT * FROM courses.recommend(7, 5)', '(55000|42704)', 'courses', 'empty, it is no model yet');

# Whole schemas can be published from PostgreSQL 15 on.
my $published = $node->safe_psql('postgres', q{SELECT CASE WHEN current_setting('server_version_num')::integer >= 150000
	THEN 'TABLES IN SCHEMA courses'
	ELSE 'TABLE ' || (SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = 'courses'::regnamespace AND relkind = 'r')
	END});
$node->safe_psql('postgres', "CREATE PUBLICATION courses FOR $published");
$subscriber->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION courses CONNECTION '%s' PUBLICATION courses},
	$node->connstr('postgres') =~ s/'/''/gr));
sub wait_for_subscriber
{
	$subscriber->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
	  or die 'the tables are not copied';
	$node->wait_for_catchup('courses');
	return;
}
wait_for_subscriber();
check(everything($subscriber), everything($node), 'after the first copy the subscriber answers as the publisher');
check($subscriber->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', model, deployed_version, state), ',') FROM commrec.models}),
	'courses 2 source missing', 'commrec.models says that it has no events');

# Whatever writes into a model writes what can be replicated, with an identity of each row it changes.
for my $step (
	[ 'a training', q{SELECT commrec.train('courses', '{"factors": 10}', workers => 0)} ],
	[ 'a training that removes an old version', q{SELECT commrec.train('courses', workers => 0)} ],
	[ 'a rollback', q{SELECT commrec.rollback('courses')} ],
	[ 'a deployment', q{SELECT commrec.deploy('courses', 5)} ],
	[ 'a refresh', q{CALL commrec.refresh('courses')} ],
	[ 'an evaluation', q{SELECT commrec.evaluate('courses', replicates => 20, workers => 0)} ],
	[ 'a search', q{CALL commrec.tune('courses', trials => 2, workers => 0)} ],
	[ 'a filter', q{SELECT commrec.create_filter('courses', 'odd', 'events', 'item_id % 2 = 1')} ],
	[ 'a filter dropped', q{SELECT commrec.drop_filter('courses', 'odd')} ],
	[ 'weights', q{UPDATE courses.action SET preference = 2 WHERE action = 'like'} ])
{
	my ($name, $sql) = @$step;
	my $error = '';

	$node->psql('postgres', "SET client_min_messages = error; $sql", stderr => \$error, on_error_stop => 0);
	check($error, '', "$name at the publisher");
	$node->wait_for_catchup('courses');
	check(everything($subscriber), everything($node), "$name: the subscriber answers alike");
}
check($subscriber->safe_psql('postgres', q{SELECT count(*) FROM courses.recommend(7, 9, filter => 'even') WHERE item_id % 2 = 1}), '0',
	'filters hold at the subscriber');
for my $table (split /\n/, $node->safe_psql('postgres', q{
	SELECT relname FROM pg_class WHERE relnamespace = 'courses'::regnamespace AND relkind = 'r' ORDER BY 1}))
{
	my $rows = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM courses.$table AS t";

	check($subscriber->safe_psql('postgres', $rows), $node->safe_psql('postgres', $rows), "the rows of $table");
}
sql_fails($subscriber, q{SELECT commrec.train('courses')}, '42P01', 'events', 'there are no events to train on');
promise('a model replicated logically answers as at the publisher, whatever is done there', $cases, $failures);

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION courses');
$subscriber->stop;
$node->stop;
done_testing();
