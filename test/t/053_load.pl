# Two clients ask without pause while the model is trained over and over: no error, and every
# answer is that of one version, the one that its snapshot sees.  Then what 200 connections
# take of memory.
#
# Runs alone, because it measures how long answers take.
#
#	COMMREC_LOAD_SECONDS	how long (15)
use strict;
use warnings;

use Commrec;
use List::Util qw(sum0);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $seconds     = $ENV{COMMREC_LOAD_SECONDS} // 15;
my $connections = 200;
my $directory   = PostgreSQL::Test::Utils::tempdir();
my $node        = new_server('load', q{
max_connections = 230
max_worker_processes = 8
autovacuum_naptime = 1s
shared_buffers = 64MB
client_min_messages = error
log_statement = none
});

load_events($node, 2000, 500, 40);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4}');
	CREATE TABLE expected (seed text, user_id bigint, answer text, PRIMARY KEY (seed, user_id));
	CREATE TABLE answer (seed text, user_id bigint, answer text, transaction bigint)});

# ---------------------------------------------------------------------------
# Answers under load
# ---------------------------------------------------------------------------

# What is answered to some users: the hyperparameter by which the versions differ, as the
# statement's own snapshot sees it, the user, and a hash of his ten items with their scores.
sub answers_sql
{
	my ($from, $to) = @_;

	return qq{
		SELECT v.hyperparameters ->> 'seed', u,
			md5(string_agg(concat_ws(' ', r.rank, r.item_id, r.score, r.source), ',' ORDER BY r.rank))
		FROM m.version AS v, generate_series($from, $to) AS u, LATERAL m.recommend(u, 10) AS r
		WHERE v.deployed
		GROUP BY v.hyperparameters ->> 'seed', u};
}

sub train_sql
{
	my ($seed) = @_;

	# With one version kept, the rows that are being read are those that a training deletes.
	return qq{SET commrec.keep_versions = 1; SELECT version FROM commrec.train('m', '{"seed": $seed}')};
}

# Training is deterministic, so that what each version answers is known beforehand.
my @seeds = 1 .. 4;

for my $seed (@seeds)
{
	$node->safe_psql('postgres', train_sql($seed) . '; INSERT INTO expected ' . answers_sql(1, 110));
}

my %scripts = (
	serve => "\\set u random(1, 2010)\nSELECT * FROM m.recommend(:u, 10);\n",
	# Several users in one statement: all from one version.
	record => "\\set u random(1, 100)\nINSERT INTO answer SELECT *, 0 FROM ("
	  . (answers_sql(':u', ':u + 4') =~ s/\s+/ /gr) . ") AS a;\n",
	# Several statements in one snapshot: all from one version.
	repeat => "\\set u random(1, 100)\nBEGIN ISOLATION LEVEL REPEATABLE READ;\n"
	  . ("INSERT INTO answer SELECT *, txid_current() FROM ("
		  . (answers_sql(':u', ':u + 1') =~ s/\s+/ /gr)
		  . ") AS a;\n") x 3 . "COMMIT;\n");
my @order = qw(serve record repeat);

# pgbench in the background.
sub start_pgbench
{
	my (@arguments) = @_;
	my %run = (stdout => '', stderr => '');

	$run{handle} = IPC::Run::start([ 'pgbench', '-n', @arguments, $node->connstr('postgres') ],
		'<', \undef, '>', \$run{stdout}, '2>', \$run{stderr});
	return \%run;
}

for my $name (@order)
{
	append_to_file("$directory/$name.sql", $scripts{$name});
}

my $load = start_pgbench('-c', 2, '-j', 2, '-T', $seconds, '-l', "--log-prefix=$directory/log",
	map { ('-f', "$directory/$_.sql\@" . ($_ eq 'serve' ? 8 : 1)) } @order);
my $trainer   = open_session($node);
my $trainings = 0;
my @failures;

while ($load->{handle}->pumpable)
{
	my $said = ask($trainer, train_sql($seeds[ $trainings++ % @seeds ]));

	push @failures, "training: $said" if $said !~ /^\d+$/;
	$load->{handle}->pump_nb;
}
close_session($trainer);
$load->{handle}->finish;

# Clients that give up say so, and are not counted.
push @failures, "pgbench: $load->{stderr}" if $load->{handle}->full_result(0) != 0 || $load->{stderr} =~ /error|abort|FATAL/i;

# By script, the seconds that each call took.
my %took = map { $_ => [] } @order;
my $slurped = join '', map { slurp_file($_) } glob "$directory/log.*";

push @{ $took{ $order[$2] } }, $1 / 1e6 while $slurped =~ /^\d+ \d+ (\d+) (\d+) /mg;
my @serve = sort { $a <=> $b } @{ $took{serve} };

note(sprintf '%d calls of recommend() in %d s by two clients, %d trainings meanwhile', scalar @serve, $seconds, $trainings);
measured('recommend() by two clients while the model is trained: median, p99, longest',
	sprintf '%.2f ms, %.2f ms, %.0f ms', map { 1000 * $serve[ $_ * $#serve ] } 0.5, 0.99, 1);
cmp_ok($trainings, '>', 2, 'the model was trained meanwhile');
cmp_ok(scalar @serve, '>', 100, 'and answered');
is(join("\n", @failures), '', 'without an error');
promise('recommend() under load while the model is trained: no error', sum0(map { scalar @$_ } values %took) + $trainings,
	scalar @failures);

my ($recorded, $versions, $mixed, $torn) = split /\|/, $node->safe_psql('postgres', q{
	SELECT count(*), count(DISTINCT a.seed), count(*) FILTER (WHERE e.answer IS DISTINCT FROM a.answer),
		(SELECT count(*) FROM (
			SELECT FROM answer WHERE transaction > 0 GROUP BY transaction HAVING count(DISTINCT seed) > 1) AS t)
	FROM answer AS a LEFT JOIN expected AS e USING (seed, user_id)});

cmp_ok($recorded, '>', 100, 'answers were recorded');
is($versions, scalar @seeds, 'of all versions');
is($mixed,    '0', 'each is that of the version that its statement sees');
is($torn,     '0', 'in one snapshot all are of one version');
promise('answers under load are those of exactly one version', $recorded, $mixed + $torn);

# ---------------------------------------------------------------------------
# Memory of many connections
# ---------------------------------------------------------------------------

# What all processes of the server take, in kB; shared pages count once.
sub server_kilobytes
{
	return sum0 map { (eval { slurp_file("/proc/$_/smaps_rollup") } // '') =~ /^Pss:\s+(\d+)/m ? $1 : 0 }
	  server_processes($node);
}

# The same, with so many sessions that have done this and now are idle.
sub kilobytes_with
{
	my ($name, $sql) = @_;
	my $kilobytes;

	append_to_file("$directory/$name.sql", "\\set u random(1, 2000)\n$sql;\n\\sleep 600 s\n");
	my $run = start_pgbench('-c', $connections, '-t', 1, '-f', "$directory/$name.sql");
	$node->poll_query_until('postgres', qq{
		SELECT count(*) = $connections FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND state = 'idle' AND query LIKE 'SELECT%'}) or die 'sessions do not come';
	$kilobytes = server_kilobytes();
	$run->{handle}->kill_kill;
	$node->poll_query_until('postgres', q{
		SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}) or die 'sessions do not end';
	return $kilobytes;
}

my $plain  = kilobytes_with('plain', q{SELECT item_id, popularity FROM m.item_embedding WHERE item_no = :u});
my $served = kilobytes_with('served', q{SELECT * FROM m.recommend(:u, 10)});

measured("$connections connections that have asked recommend(): memory beyond plain ones, in all and each",
	sprintf '%.0f MB, %.0f kB', ($served - $plain) / 1024, ($served - $plain) / $connections);
note(sprintf '%.0f MB after a plain query, %.0f MB after recommend()', $plain / 1024, $served / 1024);
cmp_ok($served - $plain, '<', $connections * 4096, 'a connection that has asked keeps less than 4 MB');
promise('200 connections that have asked recommend() keep less than 4 MB each beyond plain ones', $connections,
	$served - $plain < $connections * 4096 ? 0 : $connections);

$node->stop;
done_testing();
