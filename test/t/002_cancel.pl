# A training that is cancelled or times out ends at once and leaves nothing behind, and the
# deployed version keeps serving.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# With mmap, shared memory segments are files that can be counted.
my $node = new_server('cancel', q{
max_worker_processes = 8
dynamic_shared_memory_type = mmap
shared_buffers = 64MB
});

load_events($node, 3000, 2000, 60);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 3}');
	SELECT commrec.train('m');
	-- Takes long to read; enough users that sorting and numbering take long, too.
	CREATE VIEW endless AS
	SELECT (n * 2654435761 % 4000037)::bigint AS user_id, (n % 10007)::integer AS item_id
	FROM generate_series(1::bigint, 30000000) AS n;
	SELECT commrec.create_model('long_read', 'endless');
	-- Takes long to write: a row of user_activity and an embedding for every event.
	CREATE VIEW wide AS
	SELECT n AS user_id, n % 1009 AS item_id, timestamptz '2026-01-01' + n * interval '1 second' AS at
	FROM generate_series(1, 500000) AS n;
	SELECT commrec.create_model('long_write', 'wide', time_column => 'at',
		hyperparameters => '{"factors": 64, "epochs": 1, "popularity_weight": 0, "popularity_half_life": 30}')});

my $answers  = answers_digest($node, 'm');
my $before   = shared_segments($node);
my $training = q{%'commrec: training%'};

sub nothing_left
{
	my ($what) = @_;

	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'parallel worker' OR pid IN (SELECT pid FROM commrec.training_locks())}),
		'0', "$what: no worker and no lock is left");
	is(shared_segments($node), $before, "$what: no shared memory is left");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM m.version}), '1', "$what: no version is added");
	is(answers_digest($node, 'm'), $answers, "$what: the old model answers");
	return;
}

# Start a training, wait until its text in pg_stat_activity matches, do "how", and expect
# the error within the time.
sub interrupted
{
	my ($sql, $phase, $sqlstate, $name) = @_;
	my $run = start_sql($node, $sql);

	ok(wait_for_sql($node, qq{
		SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^commrec: training .*$phase'
			AND backend_type = 'client backend')}), "$name: it is on its way");
	my $began = time();
	$node->safe_psql('postgres', q{
		SELECT pg_cancel_backend(pid) FROM commrec.training_locks()});
	my ($out, $err) = finish_sql($run);
	my $took = time() - $began;

	like($err, qr/ERROR:\s+$sqlstate/, "$name: SQLSTATE $sqlstate");
	cmp_ok($took, '<', $PROMPTLY, sprintf('%s: ends at once (%.2f s)', $name, $took));
	nothing_left($name);
	return;
}

sub times_out
{
	my ($sql, $milliseconds, $name) = @_;
	my $began = time();
	my ($out, $err) = finish_sql(start_sql($node, "SET statement_timeout = $milliseconds; $sql"));
	my $took = time() - $began - $milliseconds / 1000;

	like($err, qr/ERROR:\s+57014: canceling statement due to statement timeout/, "$name: SQLSTATE 57014");
	cmp_ok($took, '<', $PROMPTLY, sprintf('%s: ends at once (%.2f s)', $name, $took));
	nothing_left($name);
	return;
}

my $many_epochs = q{SELECT commrec.train('m', '{"factors": 512, "epochs": 1000, "solver": "cholesky"}', workers => %d)};

interrupted(q{SELECT commrec.train('long_read')}, 'reading', '57014', 'cancel while reading');
interrupted(q{SELECT commrec.train('long_write')}, 'measuring', '57014', 'cancel while knowledge is written');
interrupted(q{SELECT commrec.train('long_write', workers => 0)}, 'publishing', '57014', 'cancel while publishing');
interrupted(sprintf($many_epochs, 0), 'epoch', '57014', 'cancel during the epochs, no workers');
interrupted(sprintf($many_epochs, 2), 'epoch', '57014', 'cancel during the epochs, two workers');

times_out(q{SELECT commrec.train('long_read')}, 300, 'timeout while reading');
times_out(sprintf($many_epochs, 0), 1500, 'timeout during the epochs, no workers');
times_out(sprintf($many_epochs, 2), 1500, 'timeout during the epochs, two workers');

# Whenever it comes: sorting, planning and publishing are interrupted as quickly as reading.
for my $milliseconds (1500, 4000, 6000)
{
	my ($out, $err) = finish_sql(start_sql($node, qq{
		CREATE OR REPLACE VIEW endless AS
		SELECT (n * 2654435761 % 4000037)::bigint AS user_id, (n % 10007)::integer AS item_id
		FROM generate_series(1::bigint, 4000000) AS n}));
	my $began = time();
	($out, $err) = finish_sql(start_sql($node, qq{
		SET statement_timeout = $milliseconds;
		SELECT commrec.train('long_read', '{"factors": 128, "epochs": 50, "solver": "cholesky"}')}));
	my $took = time() - $began - $milliseconds / 1000;

	like($err, qr/ERROR:\s+57014/, "timeout after $milliseconds ms: SQLSTATE 57014");
	cmp_ok($took, '<', $PROMPTLY, sprintf('timeout after %d ms: ends at once (%.2f s)', $milliseconds, $took));
	nothing_left("timeout after $milliseconds ms");
}

# The same session trains again after an error.
my ($out, $err) = ('', '');
$node->psql('postgres', q{
	SET statement_timeout = 1000;
	SELECT commrec.train('m', '{"factors": 512, "epochs": 1000, "solver": "cholesky"}');
	RESET statement_timeout;
	SELECT version FROM commrec.train('m');
}, stdout => \$out, stderr => \$err, on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'the first training times out');
is($out, '2', 'the next one in the same session works');
is(shared_segments($node), $before, 'no shared memory is left at the end');

$node->stop;
done_testing();
