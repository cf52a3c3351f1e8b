# Every function with wild arguments of its types, and a model with wild values in its tables: no
# crash, no internal error, no call that takes long.
#
# Runs first, because it takes longest.
#
# COMMREC_WILD_CALLS (1000) calls a function, and three times as many values in tables.  A call may take 2 s.  Beside
# others it gets COMMREC_WILD_SLACK (5) times as much, and what took over 2 s is repeated when the others are done.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $calls   = $ENV{COMMREC_WILD_CALLS} // 1000;
my $limit   = 2;
my $timeout = $limit * ($ENV{COMMREC_WILD_SLACK} // 5);
my $source  = $ENV{COMMREC_SOURCE} // '../..';
# Bugs of the function that is called, or no answer to an argument; see wild.is_bug().
my $bug = qr/XX000|P0001|P0003|P0004|53\w{3}|57\w{3}|58\w{3}/;

my $is_late = qr/ERROR:  57014: .*statement timeout/;

# That a process has died is a LOG, which ranks above the many errors.
my $node = new_server('wild', q{
shared_buffers = 64MB
autovacuum = off
log_min_messages = log
log_checkpoints = off
log_min_error_statement = panic
restart_after_crash = on
log_statement = none
});

$node->psql('postgres', "\\i $source/test/t/wild.sql", on_error_die => 1);
# What procedures do lasts: they have a database of their own.
$node->safe_psql('template1', 'CREATE DATABASE loose TEMPLATE postgres');

my $settings = q{
	SET client_min_messages = error;
	SET commrec.default_model = 'm';
	-- Trainings of a few events are not worth a process.
	SET max_parallel_workers = 0;
};

# Start a session that makes statements by a query, which takes what time it needs, and runs each in a
# transaction of its own, in limited time.  What it reads and prints is in files: a pipe would hold it
# up until somebody writes or reads.
sub start_calls
{
	my ($name, $dbname, $statements) = @_;
	my %run = map { $_ => "$PostgreSQL::Test::Utils::tmp_check/$name.$_" } qw(sql stdout stderr);

	append_to_file($run{sql}, qq{$settings
		SELECT 'SET statement_timeout = ''${timeout}s''' UNION ALL ($statements) \\gexec
		SELECT extract(epoch FROM clock_timestamp());
	});
	$run{handle} = IPC::Run::start(
		[ 'psql', '-XAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($dbname), '-f', $run{sql} ],
		'<', \undef, '>', $run{stdout}, '2>', $run{stderr});
	return \%run;
}

# The errors in what a session said, without what is said in passing.
sub errors
{
	my ($stderr) = @_;

	return grep { /ERROR:|FATAL:|PANIC:|server closed|connection/ } split /\n/, $stderr;
}

# Those of a session, but for calls that took too long beside others.
sub errors_of
{
	my ($session) = @_;

	return grep { !/$is_late/ } errors(slurp_file($session->{stderr}));
}

# Make slow calls again, one after the other: what there is to say of those that are slow three times more, or end
# as none may.  Time in which other processes had the cores does not count.
sub repeat_alone
{
	my ($dbname, @slow) = @_;
	my $clock = q{SELECT 'clock ' || extract(epoch FROM clock_timestamp())
		- coalesce(nullif(split_part(pg_read_file('/proc/self/schedstat', 0, 100, true), ' ', 2), '')::numeric, 0) / 1e9;};
	my @wrong;

	for my $sql (@slow)
	{
		my ($took, $stdout, $stderr);

		for my $try (1 .. 3)
		{
			($stdout, $stderr) = ('', '');
			$node->psql($dbname, "$settings SET statement_timeout = '${timeout}s'; $clock\n$sql\n$clock", stdout => \$stdout,
				stderr => \$stderr, on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
			my ($began, $ended) = $stdout =~ /^clock (.*)$/mg;
			$took = ($ended // 'inf') - ($began // 0);
			last if $took < $limit;
		}
		push @wrong, "$sql $took s" if $took >= $limit;
		push @wrong, map { "$sql $_" } grep({ !/ERROR:  (?!$bug)/ } errors($stderr)), grep({ /^\w{5} \d+ [|]/ } split /\n/, $stdout);
		note(sprintf('%s %.2f s alone', $sql, $took));
	}
	return @wrong;
}

my $session_calls = qq{
	SELECT format('SELECT %s, %s, wild.call(%1\$s, %2\$s)', number, call)
	FROM wild.callable, generate_series(1, $calls) AS call
	WHERE kind <> 'p' AND number % 2 = %d
	ORDER BY number, call};
my @sessions = map { start_calls("calls_$_", 'postgres', $session_calls =~ s/%d/$_/r) } (0, 1);
my $procedures = start_calls('procedures', 'loose', qq{
	SELECT CASE part WHEN 0 THEN format('SELECT %s, %s, extract(epoch FROM clock_timestamp())', number, call)
		ELSE wild.statement(number, call) END
	FROM wild.callable, generate_series(1, $calls) AS call, generate_series(0, 1) AS part
	WHERE kind = 'p'
	ORDER BY number, call, part});
my $changes = 3 * $calls;
my $accidents = start_calls('accidents', 'postgres', qq{
	SELECT format('SELECT %s, wild.accident(%1\$s)', call) FROM generate_series(1, $changes) AS call});
$_->{handle}->finish for @sessions, $procedures, $accidents;

my %signatures = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('postgres', 'SELECT number, signature FROM wild.callable');
my @functions  = split /\n/, $node->safe_psql('postgres', q{SELECT number FROM wild.callable WHERE kind <> 'p' ORDER BY number});
my $number_of_procedures = keys(%signatures) - @functions;
my (%states, %took, @bugs);
for my $session (@sessions)
{
	for (split /\n/, slurp_file($session->{stdout}))
	{
		my ($number, $call, $state, $took, $rest) = /^(\d+)\|(\d+)\|(\w{5}) (\d+)(.*)$/ or next;
		$took{"$number, $call"} = $took;
		$states{$number}{$state}++;
		push @bugs, "$signatures{$number}, call $call: $state$rest" if $rest ne '';
	}
	push @bugs, errors_of($session);
}
my @slow     = grep { ($took{$_} // 0) >= 1000 * $limit } sort keys %took;
my @cut_off  = grep { !exists $took{$_} } map { my $number = $_; map { "$number, $_" } 1 .. $calls } @functions;
my $timeouts = grep { /$is_late/ } map { errors(slurp_file($_->{stderr})) } @sessions;
is(scalar(@cut_off), $timeouts, @functions . " functions and aggregates: $calls calls of each come to an end");
# Where a session broke off, there is no end of calls that were not made.
push @slow, @cut_off if @cut_off == $timeouts;
@slow = map { "SELECT wild.call($_);" } @slow;

my @refused = errors(slurp_file($procedures->{stderr}));
my $output  = slurp_file($procedures->{stdout});
my $called  = () = $output =~ /^CALL$/mg;
is($called + @refused, $number_of_procedures * $calls, "$number_of_procedures procedures: $calls calls of each come to an end");
cmp_ok($called, '>', 0, "$called of them do what is asked");
push @bugs, grep { !/$is_late/ && !/ERROR:  (?!$bug)\w{5}:/ } @refused;
# When each of them began, and when the last one ended.
my @clock = map { /^(?:(\d+)\|(\d+)\|)?(\d{10}\.\d+)$/ ? [ "$1, $2", $3 ] : () } split /\n/, $output =~ s/^(\d{10}\.\d+)$/0|0|$1/mr;
is(scalar(@clock), $number_of_procedures * $calls + 1, 'all of them were timed');
my @slow_procedures = map { "SELECT wild.statement($clock[$_][0]) \\gexec" }
  grep { $clock[ $_ + 1 ][1] - $clock[$_][1] >= $limit } 0 .. $#clock - 1;

my %answers = map { /^(\d+)\|(\w{5}) (\d+)(.*)$/ ? ($1 => { state => $2, took => $3, bug => $4 }) : () } split /\n/, slurp_file($accidents->{stdout});
my @cut_off_changes = grep { !exists $answers{$_} } 1 .. $changes;
$timeouts = grep { /$is_late/ } errors(slurp_file($accidents->{stderr}));
is(scalar(@cut_off_changes), $timeouts, "$changes changes of a model's tables: something answers each time");
cmp_ok(scalar(grep { $_->{state} eq 'XX001' } values %answers), '>', 0, 'damage is noticed');
my @slow_changes = grep { $answers{$_}{took} >= 1000 * $limit } sort { $a <=> $b } keys %answers;
push @slow_changes, @cut_off_changes if @cut_off_changes == $timeouts;
@slow_changes = map { "SELECT wild.accident($_);" } @slow_changes;

push @bugs, repeat_alone('postgres', @slow), repeat_alone('loose', @slow_procedures);
my @misread = ((map { "change $_: $answers{$_}{state}$answers{$_}{bug}" } grep { $answers{$_}{bug} ne '' } sort { $a <=> $b } keys %answers),
	errors_of($accidents), repeat_alone('postgres', @slow_changes));

is(scalar(@misread), 0, "no internal error, and no answer that takes $limit s")
  or diag(join("\n", @misread > 40 ? @misread[ 0 .. 39 ] : @misread));
is(scalar(@bugs), 0, "no internal error, and no call that takes $limit s")
  or diag(join("\n", @bugs > 40 ? @bugs[ 0 .. 39 ] : @bugs));
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no process dies');
promise('wild arguments lead to no crash, internal error or hang', keys(%took) + $called + @refused, scalar(@bugs));
promise('wild values in the tables of a model lead to none either', $changes, scalar(@misread));

for my $number (sort { $a <=> $b } keys %states)
{
	note("$signatures{$number}: ", join(' ', map { "$_ $states{$number}{$_}" } sort keys %{ $states{$number} }));
}

# Would one that dies have been seen?
my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $until  = time() + $PostgreSQL::Test::Utils::timeout_default;
my ($pid)  = $victim->query('SELECT pg_backend_pid()') =~ /^(\d{2,})$/ or die 'whom to kill?';
kill 'SEGV', $pid;
usleep(20_000) until slurp_file($node->logfile) =~ /terminated by signal 11/ || time() > $until;
like(slurp_file($node->logfile), qr/terminated by signal 11/, 'one that dies would be in the log');
$victim->{run}->kill_kill;
ok(wait_for_server($node), 'and the server comes back');
$node->stop;
done_testing();
