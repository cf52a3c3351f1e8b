# One thread per process, whatever BLAS would like to do.
use strict;
use warnings;

# Somebody's environment asks for many threads; the servers inherit it.
BEGIN
{
	$ENV{OPENBLAS_NUM_THREADS} = 4;
	$ENV{OMP_NUM_THREADS}      = 4;
	$ENV{GOTO_NUM_THREADS}     = 4;
}

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no /proc to count threads in' unless -d "/proc/$$/task";

my $node = new_server('threads', 'max_worker_processes = 8');

sub threads
{
	my ($pid) = @_;
	my @tasks = glob("/proc/$pid/task/*");
	return scalar(@tasks);
}

# Where Debian's serial OpenBLAS is, LAPACKE has to find its BLAS there too, even where the
# alternatives prefer a threaded one: that takes an rpath, a runpath would not reach it.
my $serial = (glob '/usr/lib/*/openblas-serial')[0];
SKIP:
{
	skip 'no openblas-serial here', 1 unless defined $serial;
	my $library = (run_command([ 'pg_config', '--pkglibdir' ]))[0] . '/commrec.so';
	like(`readelf -d '$library'`, qr/\(RPATH\).*\Q$serial\E/, 'BLAS comes from openblas-serial');
}

load_events($node, 3000, 2000, 40);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 128, "epochs": 2}')});

my $session = $node->background_psql('postgres');
my $pid     = $session->query('SELECT pg_backend_pid()');
is(threads($pid), 1, 'a new session has one thread');
$session->query_safe(q{SELECT version FROM commrec.train('m', workers => 0)});
is(threads($pid), 1, 'one after training');
$session->query_safe(q{SELECT count(*) FROM m.recommend(1, 10)});
is(threads($pid), 1, 'one after recommend');
$session->query_safe(q{SELECT commrec.inner_product(a, a) FROM commrec.array_to_embedding('{1,2,3}') AS a});
$session->query_safe(q{SELECT count(*) FROM commrec.recommend('1', 10, 'm')});
is(threads($pid), 1, 'one after the rest');

my $fresh = $node->background_psql('postgres');
$pid = $fresh->query('SELECT pg_backend_pid()');
$fresh->query_safe(q{SELECT count(*) FROM m.recommend(1, 10)});
is(threads($pid), 1, 'one in a session that only recommends');

# Leader and workers while they work.
my $run = start_sql($node, q{SELECT commrec.train('m', '{"factors": 512, "epochs": 1000, "solver": "cholesky",
			"popularity_weight": 0, "popularity_half_life": "Infinity"}', workers => 2)});
ok(wait_for_sql($node, q{
	SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'
	AND query ~ '^commrec: training .*epoch [0-9]+/1000,'}), 'a training is on its way');
my @pids = split /\n/, $node->safe_psql('postgres', q{
	SELECT pid FROM pg_stat_activity WHERE query ~ '^commrec: training'});
cmp_ok(scalar(@pids), '>=', 2, 'leader and workers are there');
is(threads($_), 1, "process $_ of the training has one thread") for @pids;
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM commrec.training_locks()});
finish_sql($run);

$session->quit;
$fresh->quit;
$node->stop;
done_testing();
