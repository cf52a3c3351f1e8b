# A worker or a leader that is killed or terminated: an error or a restart, never a hang,
# and the deployed version keeps serving.
use strict;
use warnings;

use Commrec;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('crash', q{
max_worker_processes = 8
restart_after_crash = on
});

load_events($node, 3000, 2000, 60);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 3}');
	SELECT commrec.train('m')});
my $answers = answers_digest($node, 'm');
my $bits    = model_digest($node, 'm');

# Process ids of the leader and of its workers, once they are in the epochs.
sub start_training
{
	my $run = start_sql($node, q{
		SELECT commrec.train('m', '{"factors": 512, "epochs": 1000, "solver": "cholesky",
			"popularity_weight": 0, "popularity_half_life": "Infinity"}', workers => 2)});

	ok(wait_for_sql($node, q{
		SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'parallel worker'
			AND query ~ '^commrec: training .*epoch [0-9]+/1000,')}), 'a training with workers is on its way');
	my $leader  = $node->safe_psql('postgres', q{SELECT pid FROM commrec.training_locks()});
	my @workers = split /\n/, $node->safe_psql('postgres', qq{
		SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND leader_pid = $leader});

	return ($run, $leader, @workers);
}

sub all_is_well
{
	my ($what) = @_;

	is(answers_digest($node, 'm'), $answers, "$what: the old model answers");
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'parallel worker' OR pid IN (SELECT pid FROM commrec.training_locks())}),
		'0', "$what: no worker and no lock is left");
	return;
}

# A server that restarts after a crash refuses connections for a moment.
sub wait_for_restart
{
	ok(wait_for_server($node), 'the server is back');
	return;
}

{
	my ($run, $leader, @workers) = start_training();
	my $began = time();

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($workers[0])");
	my ($out, $err) = finish_sql($run);
	like($err, qr/(ERROR|FATAL):\s+57P01|ERROR:\s+\w{5}: .*(worker|terminat)/, 'a worker terminated: the training fails');
	unlike($err, qr/XX000/, 'and not with an internal error');
	cmp_ok(time() - $began, '<', 10, 'it does not hang');
	all_is_well('a worker terminated');
}

{
	my ($run, $leader, @workers) = start_training();
	my $began = time();

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($leader)");
	my ($out, $err) = finish_sql($run);
	like($err, qr/FATAL:\s+57P01/, 'the leader terminated: the session ends');
	cmp_ok(time() - $began, '<', 10, 'it does not hang');
	ok(wait_for_sql($node, q{
		SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}),
		'its workers end');
	all_is_well('the leader terminated');
}

for my $whom ('a worker', 'the leader')
{
	my ($run, $leader, @workers) = start_training();

	kill 'KILL', $whom eq 'a worker' ? $workers[0] : $leader;
	my ($out, $err) = finish_sql($run);
	like($err, qr/terminat|connection|crash/, "$whom killed: the session ends");
	wait_for_restart();
	all_is_well("$whom killed");
}

is($node->safe_psql('postgres', q{SELECT version, deployed FROM commrec.train('m')}),
	'2|t', 'training works again');
is(model_digest($node, 'm'), $bits, 'with the same bits');

# A crash of everything right after the commit: the version is there.
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{SELECT version FROM m.version WHERE deployed}), '2', 'the version survives a crash');
is(model_digest($node, 'm'), $bits, 'with the same bits');

$node->stop;
done_testing();
