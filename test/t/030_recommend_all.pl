# All users at once: the same rows for any number of workers, a cancel that leaves nothing behind,
# and readers of a materialized table who see the old rows or the new ones and never wait.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# With mmap, shared memory segments are files that can be counted.
my $node = new_server('recommend_all', q{
max_worker_processes = 8
max_parallel_workers = 8
dynamic_shared_memory_type = mmap
});

load_events($node, 3000, 1200, 30);
$node->safe_psql('postgres', q{
	-- Members whose list of seen items is so long that it is kept out of line; some end a unit.
	INSERT INTO events SELECT u, i, 'view', '2024-01-01 00:00+00'
	FROM generate_series(96, 3000, 96) AS u, generate_series(1, 1100) AS i;
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 3}');
	SELECT commrec.train('m')});
my $before = shared_segments($node);

# Rows and their order do not depend on the workers.
my $digest = q{
	SELECT count(*), md5(string_agg(concat_ws('|', user_id, rank, item_id, encode(float4send(score), 'hex'), source),
		',' ORDER BY ordinality))
	FROM m.recommend_all(10, workers => %d) WITH ORDINALITY};
my $single = $node->safe_psql('postgres', q{
	SELECT count(*), md5(string_agg(concat_ws('|', user_id, rank, item_id, encode(float4send(score), 'hex'), source),
		',' ORDER BY user_id, rank))
	FROM m.user_embedding, LATERAL m.recommend(user_id, 10)});
for my $workers (0 .. 4)
{
	is($node->safe_psql('postgres', sprintf($digest, $workers)), $single,
		"$workers workers: the rows of recommend() for each user, in order");
}
my ($out, $err) = ('', '');
$node->psql('postgres', 'SET client_min_messages = debug1; ' . sprintf($digest, 3), stdout => \$out, stderr => \$err);
like($err, qr/3 workers of 3 were launched/, 'workers are launched');
is(shared_segments($node), $before, 'no shared memory is left');

# Cancelled wherever it may be; the same session goes on.
for my $workers (0, 2)
{
	my $began = time();
	$node->psql('postgres', qq{
		SET statement_timeout = 1200;
		SELECT sum(r.score) FROM generate_series(1, 1000000) AS g, LATERAL (
			SELECT sum(score) AS score FROM m.recommend_all(1200, workers => $workers) WHERE rank <> g) AS r;
		RESET statement_timeout;
		} . sprintf($digest, $workers), stdout => \$out, stderr => \$err, on_error_stop => 0);
	my $took = time() - $began - 1.2;

	like($err, qr/canceling statement due to statement timeout/, "$workers workers: it is cancelled");
	cmp_ok($took, '<', $PROMPTLY, sprintf('%d workers: it ends at once (%.2f s)', $workers, $took));
	is($out, $single, "$workers workers: the session goes on");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), '0',
		"$workers workers: none is left");
	is(shared_segments($node), $before, "$workers workers: no shared memory is left");
}

# A worker that is shot takes the statement with it, nothing else.
my $run = start_sql($node, q{
	SELECT sum(r.score) FROM generate_series(1, 1000000) AS g, LATERAL (
		SELECT sum(score) AS score FROM m.recommend_all(1200, workers => 2) WHERE rank <> g) AS r});
ok(wait_for_sql($node, q{
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE query LIKE 'commrec: recommending for all users of m%' AND backend_type = 'parallel worker' LIMIT 1}),
	'a worker is terminated');
($out, $err) = finish_sql($run);
like($err, qr/ERROR:\s+(57P01|55000)|(lost connection to parallel worker|terminating connection)/, 'the statement fails');
is(shared_segments($node), $before, 'no shared memory is left');

# Progress.
$run = start_sql($node, q{
	SELECT sum(r.score) FROM generate_series(1, 1000000) AS g, LATERAL (
		SELECT sum(score) AS score FROM m.recommend_all(1200, workers => 0) WHERE rank <> g) AS r});
ok(wait_for_sql($node, q{
	SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^commrec: recommending for all users of m, \d+ of 3000 users, \d+ %$')}),
	'pg_stat_activity shows how far it is');
$node->safe_psql('postgres', q{
	SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
finish_sql($run);

# Readers see 3 or 5 rows a user, never a mixture, and a snapshot that is older sees the older rows.
$node->safe_psql('postgres', q{
	CALL commrec.materialize('m', 'recommended', 3);
	CREATE VIEW dashboard AS SELECT user_id, rank, item_id FROM recommended;
	CREATE TABLE reading (rows bigint, ranks bigint)});
my $reader = start_sql($node, q{
	DO $$
	BEGIN
		PERFORM set_config('lock_timeout', '1s', false);
		WHILE to_regclass('enough') IS NULL LOOP
			INSERT INTO reading SELECT count(*), max(rank) FROM dashboard;
			COMMIT;
		END LOOP;
	END
	$$});
my $old = $node->background_psql('postgres');
is($old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM dashboard'), '9000', 'an older snapshot');
ok(wait_for_sql($node, q{SELECT count(*) > 0 FROM reading}), 'the reader reads');
for my $k (5, 3, 5, 3)
{
	$node->safe_psql('postgres', "CALL commrec.materialize('m', 'recommended', $k, workers => 2)");
}
# Uncommitted for a while: readers go on with the old rows.
$node->safe_psql('postgres', q{
	BEGIN;
	CALL commrec.materialize('m', 'recommended', 5);
	SELECT pg_sleep(0.3);
	COMMIT;
	SELECT pg_sleep(0.1);
	CREATE TABLE enough ()});
($out, $err) = finish_sql($reader);
is($err, '', 'the reader never waited for a lock');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT concat_ws(' ', rows, ranks), ', ') FROM reading}),
	'15000 5, 9000 3', 'readers saw the old rows or the new ones');
is($old->query('SELECT count(*) FROM dashboard'), '9000', 'a repeatable read sees the rows of its snapshot');
$old->quit;

# What is cancelled changes nothing; two at a time take turns.
$node->psql('postgres', q{
	SET statement_timeout = 30;
	CALL commrec.materialize('m', 'recommended', 1200)}, stderr => \$err, on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'materialize is cancelled');
is($node->safe_psql('postgres', q{SELECT count(*) FROM recommended}), '15000', 'and changes nothing');
my @calls = map { start_sql($node, "CALL commrec.materialize('m', 'recommended', $_)") } (2, 4);
($out, $err) = finish_sql($_) for @calls;
like($node->safe_psql('postgres', q{SELECT count(*) FROM recommended}), qr/^(6000|12000)$/, 'the last of two wins');

$node->stop;
done_testing();
