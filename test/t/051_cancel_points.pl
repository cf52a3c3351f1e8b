# A cancel at random points of everything that takes long: how long the answer takes, and that
# nothing stays behind.
#
# Runs alone, because it measures how long answers take.
#
#	COMMREC_CANCEL_POINTS	how many (100)
#	COMMREC_CANCEL_SCALE	how many times the events (1)
#	COMMREC_SEED			of the random points; printed, to do it again
use strict;
use warnings;

use Commrec;
use List::Util qw(max shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $points = $ENV{COMMREC_CANCEL_POINTS} // 100;
my $scale  = $ENV{COMMREC_CANCEL_SCALE} // 1;
my $seed   = $ENV{COMMREC_SEED} // int(time() * 1000) % 1_000_000;

# With mmap, shared memory segments are files that can be counted.
my $node = new_server('cancel_points', q{
max_worker_processes = 8
dynamic_shared_memory_type = mmap
shared_buffers = 64MB
client_min_messages = error
});

srand($seed);
note("COMMREC_SEED=$seed");
load_events($node, 1500 * $scale, 1000, 40);
rate_events($node);
my @algorithms = algorithms($node);
for my $algorithm (@algorithms)
{
	$node->safe_psql('postgres', create_sql("m_$algorithm", $algorithm));
}
$node->safe_psql('postgres', q{SELECT FROM commrec.train('m_ials', '{"factors": 16, "epochs": 3}')});
$node->safe_psql('postgres', q{
	CREATE TABLE folding_events AS SELECT user_id, item_id, action, at FROM events;
	SELECT commrec.create_model('folding', 'folding_events', action_column => 'action', time_column => 'at');
	SELECT FROM commrec.train('folding', '{"factors": 16, "epochs": 3}')});
my $answers = answers_digest($node, 'm_ials');

# ---------------------------------------------------------------------------
# What is cancelled
# ---------------------------------------------------------------------------

# Statements, and the seconds within which the random point lies: what one that ended by itself
# has taken, and a guess at first.
my @kinds;

sub kind
{
	my ($name, $sql) = @_;

	push @kinds, { name => $name, sql => $sql, seconds => 0.6 * $scale, slowest => 0, points => 0 };
	return;
}

for my $algorithm (@algorithms)
{
	kind("train $algorithm, $_ workers", "SELECT commrec.train('m_$algorithm', workers => $_, deploy => 'never')")
	  for 0 .. 2;
	kind("evaluate $algorithm", "SELECT count(*) FROM commrec.evaluate('m_$algorithm')");
}
kind('tune', q{CALL commrec.tune('m_ials', trials => 3)});
kind('refresh by training', q{CALL commrec.refresh('m_ials', mode => 'retrain', deploy => 'never')});
# In one transaction, so that there are new events each time.
kind('refresh by folding in', q{
	INSERT INTO folding_events
	SELECT n, (n * 7) % 1009, 'like', timestamptz '2025-01-01' + n * interval '1 second' FROM generate_series(1, 1500) AS n;
	CALL commrec.refresh('folding', mode => 'fold_in')});
kind('train if_better', q{SELECT commrec.train('m_ials', deploy => 'if_better')});
kind('recommend_all', q{SELECT count(*) FROM commrec.recommend_all('m_ials', k => 100)});
kind('materialize', q{CALL commrec.materialize('m_ials', 'shown', k => 50)});
kind('aggregate', q{SELECT length(commrec.ials(user_id, item_id, 1, '{"factors": 64}')) FROM events});
kind('aggregate by group', q{
	SELECT sum(length(model)) FROM (
		SELECT commrec.ials(user_id, item_id, 1, '{"factors": 64}') AS model FROM events GROUP BY user_id % 7) AS g});

# ---------------------------------------------------------------------------
# Cancelling
# ---------------------------------------------------------------------------

my $control  = open_session($node);
my $segments = segment_files();
my @tried;        # seconds of every answer
my @failures;

sub failure
{
	my ($what) = @_;

	push @failures, $what;
	diag($what);
	return;
}

# Run a statement and cancel it after so many seconds: when it began, was cancelled and answered,
# and what it said.  The client is told by SIGINT, and ends with it.
sub cancel_by_client
{
	my ($sql, $delay) = @_;
	my $client = open my $out, '-|', 'sh', '-c', 'exec psql "$@" 2>&1', 'sh', '-XAtq', '-v', 'VERBOSITY=verbose',
	  '-d', $node->connstr('postgres'), '-c', 'SELECT 1', '-c', $sql;
	readline($out) eq "1\n" or die 'no session';
	my $began = time();

	usleep($delay * 1e6);
	my $cancelled = time();
	kill 'INT', $client;
	my $said     = do { local $/; readline $out };
	my $answered = time();
	close $out;
	return ($began, $cancelled, $answered, $said);
}

# The same, by the server; the session lives on, and must have kept nothing.
sub cancel_by_server
{
	my ($session, $sql, $delay, $by_timeout) = @_;
	my $timeout = $by_timeout ? 1 + int($delay * 1000) : 0;
	my $backend = ask($session, "SET statement_timeout = $timeout; SELECT pg_backend_pid()");
	my $began   = time();

	# As one message, as the client's.
	ask_for($session, $sql =~ s/;/\\;/gr);
	usleep($delay * 1e6);
	my $cancelled = $by_timeout ? $began + $timeout / 1000
	  # The time at which the server passes the signal on, by the same clock.
	  : (split /\|/, ask($control, "SELECT extract(epoch FROM clock_timestamp()), pg_cancel_backend($backend)"))[0];
	my $said     = answer_of($session);
	my $answered = time();
	nothing_is_left("$sql, in its session", $backend);
	return ($began, $cancelled, $answered, $said);
}

# Run a statement and cancel it at a random point of its time.  Seconds until the answer; none
# if it ended before.
sub cancel_once
{
	my ($kind, $way) = @_;
	my $delay   = rand $kind->{seconds};
	my $session = $way eq 'PQcancel' ? undef : open_session($node);
	my ($began, $cancelled, $now, $said) =
	  $session ? cancel_by_server($session, $kind->{sql}, $delay, $way eq 'statement_timeout')
	  : cancel_by_client($kind->{sql}, $delay);

	close_session($session) if $session;
	return $now - $cancelled if $said =~ /ERROR:\s+57014/;
	# The first run shows what there is not for this algorithm.
	if ($said =~ /ERROR:\s+(0A000|55000)/ && $kind->{points} == 0)
	{
		$kind->{is_refused} = 1;
		return;
	}
	failure("$kind->{name}: $said") if $said =~ /(ERROR|FATAL|PANIC|connection)/;
	$kind->{seconds} = $now - $began;
	return;
}

sub segment_files
{
	return scalar grep { /^mmap/ } slurp_dir($node->data_dir . '/pg_dynshmem');
}

# What a cancelled statement may leave for no more than a moment.  Its session, where it lives on, holds
# no lock of any kind, and two segments if it ever had workers: PostgreSQL keeps one of them for the
# session until it ends, and one where the types of its records do not fit in there.
sub left_behind
{
	my ($living) = @_;

	return ask($control, qq{
		SELECT (SELECT count(*) FROM pg_stat_activity
				WHERE backend_type = 'parallel worker'
					OR (backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), $living)))
			|| ' sessions and workers, '
			|| (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' OR pid = $living) || ' locks'})
	  . ', ' . max(0, segment_files() - $segments - ($living ? 2 : 0)) . ' segments';
}

# living: the process of the session, if it has not ended.
sub nothing_is_left
{
	my ($what, $living) = @_;
	my $nothing = '0 sessions and workers, 0 locks, 0 segments';
	my $until   = time() + $PROMPTLY;
	my $left;

	while (($left = left_behind($living // 0)) ne $nothing && time() < $until)
	{
		usleep(5_000);
	}
	failure("after $what there are left: $left") if $left ne $nothing;
	return;
}

sub try_kind
{
	my ($kind, $way) = @_;
	my $took = cancel_once($kind, $way);

	nothing_is_left($kind->{name});
	return if !defined $took;
	push @tried, $took;
	$kind->{points}++;
	$kind->{slowest} = $took if $took > $kind->{slowest};
	failure(sprintf '%s: answered after %.2f s', $kind->{name}, $took) if $took > $PROMPTLY;
	return;
}

# Every kind in turn, in every way in turn.
my @all_ways = ('pg_cancel_backend', 'statement_timeout', 'PQcancel');
my $turn = 0;

while (@tried < $points)
{
	for my $kind (shuffle(grep { !$_->{is_refused} } @kinds))
	{
		try_kind($kind, $all_ways[ $turn++ % 3 ]);
		last if @tried >= $points;
	}
}
# What takes the model's lock, over and over in one session: what each leaves would add up.
my $session = open_session($node);
my @lockers = grep { $_->{name} =~ /^(train ials|refresh|tune)/ } @kinds;
my (%cancelled, @files);
for my $round (1 .. 2)
{
	for my $kind (@lockers)
	{
		# The statement may end before; then it takes no longer than that.
		for (1 .. 20)
		{
			my ($began, undef, $ended, $said) = cancel_by_server($session, $kind->{sql}, rand $kind->{seconds} / 2);

			last if $said =~ /ERROR:\s+57014/ && ++$cancelled{ $kind->{name} };
			$kind->{seconds} = $ended - $began;
		}
	}
	push @files, segment_files();
}
close_session($session);
is(join(', ', grep { ($cancelled{$_} // 0) < 2 } map { $_->{name} } @lockers), '', 'a session lives on that trains, refreshes and tunes');
# The types of its records may have come to fill one more.
cmp_ok($files[-1], '<=', $files[0] + 1, 'and shared memory does not add up in it');
nothing_is_left('a session with many cancels');

my @sorted = sort { $a <=> $b } @tried;
my $p99 = $sorted[ int(0.99 * $#sorted + 0.5) ];

measured('cancel at random points, until the answer: median, p99, longest',
	sprintf '%.0f ms, %.0f ms, %.0f ms', map { 1000 * $_ } $sorted[ $#sorted / 2 ], $p99, $sorted[-1]);
note(sprintf '%-30s %3d points in %.2f s, slowest answer %.3f s', @$_{qw(name points seconds slowest)})
  for sort { $b->{slowest} <=> $a->{slowest} } @kinds;

cmp_ok($p99, '<', $PROMPTLY, 'a cancel is answered at once');
is(scalar @failures, 0, 'and nothing is left behind');
is(answers_digest($node, 'm_ials'), $answers, 'the old model answers');
is($node->safe_psql('postgres', q{SELECT version FROM m_ials.version WHERE deployed}), '1', 'as the old version');
promise('cancel at random points: answered within 1 s (p99), no worker, lock or shared memory left',
	scalar @tried, scalar @failures + grep { $_ > 1 } @sorted[ 0 .. int(0.99 * $#sorted) ]);

close_session($control);
$node->stop;
done_testing();
