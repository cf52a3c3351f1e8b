# Somebody else sees what a training does: commrec.progress, pg_stat_activity, verbose lines.
use strict;
use warnings;

use Commrec;
use Test::More;

my $node = new_server('progress', 'max_worker_processes = 8');

load_events($node, 3000, 2000, 40);
$node->safe_psql('postgres', q{
	CREATE ROLE watcher;
	SELECT commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 5}')});

is($node->safe_psql('postgres', 'SELECT count(*) FROM commrec.progress'), '0', 'no training, no row');

my ($out, $err) = finish_sql(start_sql($node, q{
	SELECT version FROM commrec.train('courses', verbose => true)}));
is($out, "1\n", 'a verbose training gives its row');
my @lines = grep { /^INFO:/ } split /\n/, $err;
cmp_ok(scalar(grep { /epoch +\d+\/5/ } @lines), '>=', 1, 'verbose lines name the epoch');
my @percent = map { /(\d+) ?%/ ? $1 : () } @lines;
cmp_ok(scalar(@percent), '>=', 1, 'and a percentage');
is_deeply(\@percent, [ sort { $a <=> $b } @percent ], 'which rises');
ok((grep { /[#=*]/ || /\x{e2}\x{96}/ } @lines) > 0, 'and a bar');
ok((grep { /left/ } @lines) > 0, 'and the time left');
is_deeply([ map { /^INFO:\s+(?:\w{5}:\s+)?(\w+) +[\d.]+ s +[\d.]+ s of CPU/ ? $1 : () } @lines ],
	[qw(read map knowledge validation csr epochs publish)], 'in the end, what each phase cost');
note($_) for @lines;

my $run = start_sql($node, q{
	SELECT version FROM commrec.train('courses', '{"factors": 512, "epochs": 1000, "solver": "cholesky",
		"popularity_weight": 0, "popularity_half_life": "Infinity"}', workers => 2)});
ok(wait_for_sql($node, q{
	SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'
	AND query ~ '^commrec: training courses, epoch \d+/1000, (users|items)'}),
	'the workers tell what they do in pg_stat_activity');
ok(wait_for_sql($node, q{
	SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'
	AND query ~ '^commrec: training courses, epoch \d+/1000, (users|items)'}),
	'so does the leader');
ok(wait_for_sql($node, q{SELECT count(*) = 1 FROM commrec.progress WHERE model = 'courses'}), 'commrec.progress has one row');
is($node->safe_psql('postgres', q{SELECT state FROM commrec.models WHERE model = 'courses'}),
	'training', 'and commrec.models says so');
note($node->safe_psql('postgres', 'SELECT * FROM commrec.progress'));
is($node->safe_psql('postgres', q{
	SELECT pid = (SELECT pid FROM commrec.training_locks()) AND percent BETWEEN 0 AND 100 FROM commrec.progress}),
	't', 'with the leader and a percentage');
ok(wait_for_sql($node, q{SELECT time_left > interval '0' FROM commrec.progress}), 'and an estimate of the time left');
is($node->safe_psql('postgres', q{SET ROLE watcher; SELECT count(*) FROM commrec.progress}), '0',
	'who may not use the model sees nothing of it');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM commrec.training_locks()});
finish_sql($run);
is($node->safe_psql('postgres', 'SELECT count(*) FROM commrec.progress'), '0', 'afterwards there is no row');
is($node->safe_psql('postgres', q{SELECT state FROM commrec.models WHERE model = 'courses'}),
	'trained', 'and commrec.models says so');

# The session's own text comes back.
my $session = $node->background_psql('postgres');
my $pid     = $session->query('SELECT pg_backend_pid()');
$session->query_safe(q{SELECT version FROM commrec.train('courses')});
is($node->safe_psql('postgres', qq{SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND query ~ '^commrec:'}),
	'0', 'after a training the session shows its statement');
$session->quit;

$node->stop;
done_testing();
