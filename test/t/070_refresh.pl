# refresh(): under pg_cron; what its rows in "job" say of runs that fail, are cancelled, are killed
# or find another one at work; and that readers see a version as it was or as it is then.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('refresh');
my ($cases, $failures) = (0, 0);

$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "jit = off\n");
$node->start;
my $has_cron = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'}) eq '1';
if ($has_cron)
{
	# Background workers instead of connections over TCP.
	$node->append_conf('postgresql.conf', qq{
		shared_preload_libraries = 'pg_cron'
		cron.database_name = 'postgres'
		cron.use_background_workers = on
	});
	$node->restart;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
}
$node->safe_psql('postgres', 'CREATE EXTENSION commrec');
load_events($node, 400, 120, 30);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 8, "epochs": 4}')});

# One of the promises that the table of all tests shows.
sub holds
{
	my ($holds, $name) = @_;

	$cases++;
	$failures++ unless $holds;
	return ok($holds, $name);
}

sub last_job
{
	return $node->safe_psql('postgres', q{
		SELECT concat_ws(' ', mode, decided, outcome, sqlstate) FROM commrec.job WHERE model = 'm' ORDER BY job DESC LIMIT 1});
}

sub jobs
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM m.job WHERE ended IS NOT NULL');
}

# What pg_cron runs when it starts: the same as at the minute of a schedule, without the minute.
sub run_cron
{
	my ($what) = @_;
	my $before = jobs();

	$node->restart;
	return holds($node->poll_query_until('postgres', "SELECT count(*) > $before FROM m.job WHERE ended IS NOT NULL"), $what);
}

SKIP:
{
	skip 'pg_cron is not there', 1 unless $has_cron;

	$node->safe_psql('postgres', q{SELECT cron.schedule('refresh m', '@reboot', $$CALL commrec.refresh('m')$$)});
	run_cron('pg_cron runs the procedure');
	is(last_job(), 'auto retrain done', 'without a version it trains');
	my $digest = answers_digest($node, 'm');

	$node->safe_psql('postgres', q{
		INSERT INTO events SELECT 7, i, 'share', '2024-07-15 12:00Z' FROM generate_series(1, 10) AS i;
		INSERT INTO events VALUES (7000, 3, 'share', '2024-07-15 13:00Z'), (8, 5000, 'like', '2024-07-15 13:00Z')});
	run_cron('and again');
	is(last_job(), 'auto fold_in done', 'a few events later it folds them in');
	holds(answers_digest($node, 'm') ne $digest, 'the answers have changed');
	is($node->safe_psql('postgres', 'SELECT DISTINCT source FROM m.recommend(7000, 5)'), 'model', 'the new user has a vector');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM m.item_embedding WHERE item_id = 5000'), '1', 'and the new item');

	$node->safe_psql('postgres', 'ALTER TABLE events RENAME COLUMN item_id TO thing');
	$digest = answers_digest($node, 'm');
	run_cron('and a run that fails');
	is(last_job(), 'auto failed 42703', 'the row of a failed run is kept');
	ok($node->poll_query_until('postgres', q{
		SELECT status = 'failed' AND return_message LIKE '%"item_id" does not exist%' FROM cron.job_run_details ORDER BY runid DESC LIMIT 1}),
		'pg_cron knows it, too');
	holds(answers_digest($node, 'm') eq $digest, 'what serves goes on serving');
	$node->safe_psql('postgres', q{
		ALTER TABLE events RENAME COLUMN thing TO item_id;
		SELECT cron.unschedule('refresh m')});
}
$node->safe_psql('postgres', q{CALL commrec.refresh('m', mode => 'retrain')});

# Another one is at work: skipped, or an error if asked for; either way there is a row.
my $holder = $node->background_psql('postgres', on_error_stop => 0);
$holder->query(q{BEGIN; SELECT version FROM commrec.train('m');});
$node->safe_psql('postgres', q{CALL commrec.refresh('m')});
holds(last_job() eq 'auto nothing skipped', 'while the model is being trained a run is skipped');
sql_fails($node, q{CALL commrec.refresh('m', if_running => 'error')}, '55006', 'is being trained', 'or an error');
holds(last_job() eq 'auto nothing failed 55006', 'which is in its row as well');
$holder->query('ROLLBACK');
$holder->quit;

# A run that hangs, so that it can be stopped at a known place.
my $gate = put_up_gate($node, 'm');
$node->safe_psql('postgres', q{INSERT INTO events VALUES (9, 9, 'share', '2024-07-16 12:00Z')});
my $refresh = q{CALL commrec.refresh('m')};

my $run = start_at_gate($node, $gate, $refresh);
holds(last_job() eq 'auto running', 'everybody sees the row of a run that is under way');
$node->safe_psql('postgres', q{CALL commrec.refresh('m')});
holds(last_job() eq 'auto nothing skipped', 'a second one is skipped meanwhile');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(pid) FROM at_gate');
my ($out, $err) = finish_sql($run);
like($err, qr/57014/, 'a cancelled run is an error');
open_gate($gate);
holds($node->safe_psql('postgres', q{SELECT outcome || ' ' || sqlstate FROM m.job WHERE ended IS NOT NULL ORDER BY ended DESC LIMIT 1}) eq 'failed 57014',
	'and its row says so');
is($node->safe_psql('postgres', 'SELECT count(*) FROM commrec.training_locks()'), '0', 'the lock is free again');

$run = start_at_gate($node, $gate, $refresh);
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM at_gate');
finish_sql($run);
open_gate($gate);
ok(wait_for_sql($node, 'SELECT count(*) = 0 FROM commrec.training_locks()'), 'a session that ends leaves no lock');
holds(last_job() eq 'auto running', 'and the row of its run as it was');
$node->safe_psql('postgres', q{CALL commrec.refresh('m')});
holds($node->safe_psql('postgres', q{SELECT outcome || ' ' || sqlstate FROM m.job ORDER BY job DESC OFFSET 1 LIMIT 1}) eq 'failed 57P01',
	'until the next run finds that nobody is at work on it');
holds(last_job() eq 'auto fold_in done', 'and does the work');

# A reader's snapshot outlives the fold-in; a new one sees all of it.
$node->safe_psql('postgres', q{
	INSERT INTO events SELECT u, 6000, 'share', '2024-07-17 12:00Z' FROM generate_series(1, 40) AS u;
	INSERT INTO events SELECT u, 1, 'share', '2024-07-17 12:00Z' FROM generate_series(1, 40) AS u});
my $reader = $node->background_psql('postgres', on_error_stop => 0);
my $answers = q{SELECT md5(string_agg(r::text, ',' ORDER BY u, rank)) FROM generate_series(1, 60) AS u, m.recommend(u, 200) AS r};
$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $before = $reader->query($answers);
$node->safe_psql('postgres', q{CALL commrec.refresh('m')});
is(last_job(), 'auto fold_in done', 'new items and new events are folded in');
holds($reader->query($answers) eq $before, 'an older snapshot sees the version as it was');
$reader->query('COMMIT');
holds($reader->query($answers) ne $before, 'a newer one as it is');
$reader->quit;

# Readers all the while: every answer is whole, whatever is committed.
my $watch = start_sql($node, q{
	DO $$
	DECLARE
		began timestamptz := clock_timestamp();
		answer record;
		wrong integer := 0;
		calls integer := 0;
	BEGIN
		WHILE clock_timestamp() < began + interval '3 seconds' LOOP
			SELECT count(*) AS rows, count(DISTINCT r.item_id) AS items, min(r.rank) AS first, max(r.rank) AS last,
				(SELECT v.items FROM m.version AS v WHERE v.deployed) - (SELECT e.items FROM m.user_embedding AS e JOIN m.version AS v USING (version)
					WHERE v.deployed AND e.user_id = 200) AS eligible
			INTO answer FROM m.recommend(200, 100000) AS r;
			calls := calls + 1;
			wrong := wrong + (answer.rows <> answer.items OR answer.rows <> answer.eligible OR answer.last <> answer.rows)::integer;
			COMMIT;
		END LOOP;
		RAISE WARNING 'calls % wrong %', calls, wrong;
	END $$});
for my $i (1 .. 12)
{
	$node->safe_psql('postgres', qq{
		INSERT INTO events SELECT u, 7000 + $i, 'share', '2024-07-18 12:00Z'::timestamptz + $i * interval '1 minute' FROM generate_series(1, 5) AS u;
		CALL commrec.refresh('m', retrain_share => 1)});
}
($out, $err) = finish_sql($watch);
my ($calls, $wrong) = $err =~ /calls (\d+) wrong (\d+)/;
holds(defined $calls && $calls > 20 && $wrong == 0, 'readers get whole answers while new items are folded in');
is($node->safe_psql('postgres', 'SELECT count(*) FROM m.item_embedding WHERE item_id > 7000'), '12', 'which are there');
$gate->quit;

promise('refresh: outcome, error and answers under a schedule', $cases, $failures);
$node->stop;
done_testing();
