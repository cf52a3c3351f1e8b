# Every function with wild arguments of its types, and a model with wild values in its tables: no
# crash, no internal error, no call that takes long.
#
# Runs first, because it takes longest.
#
# COMMREC_WILD_CALLS (1000) calls a function, and three times as many values in tables.  A call may take 2 s; machines that have other things
# to do get COMMREC_WILD_SLACK (5) times as much.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls   = $ENV{COMMREC_WILD_CALLS} // 1000;
my $timeout = 2 * ($ENV{COMMREC_WILD_SLACK} // 5);
my $source  = $ENV{COMMREC_SOURCE} // '../..';
# Bugs of the function that is called, or no answer to an argument; see wild.is_bug().
my $bug = qr/XX000|P0001|P0003|P0004|53\w{3}|57\w{3}|58\w{3}/;

my $node = new_server('wild', q{
shared_buffers = 64MB
autovacuum = off
log_min_messages = fatal
log_min_error_statement = panic
log_statement = none
});

$node->psql('postgres', "\\i $source/test/t/wild.sql", on_error_die => 1);
# What procedures do lasts: they have a database of their own.
$node->safe_psql('template1', 'CREATE DATABASE loose TEMPLATE postgres');

# Start a session that makes statements by a query, which takes what time it needs, and runs each in a
# transaction of its own, in limited time.  What it reads and prints is in files: a pipe would hold it
# up until somebody writes or reads.
sub start_calls
{
	my ($name, $dbname, $statements) = @_;
	my %run = map { $_ => "$PostgreSQL::Test::Utils::tmp_check/$name.$_" } qw(sql stdout stderr);

	append_to_file($run{sql}, qq{
		SET client_min_messages = error;
		SET commrec.default_model = 'm';
		-- Trainings of a few events are not worth a process.
		SET max_parallel_workers = 0;
		SELECT 'SET statement_timeout = ''${timeout}s''' UNION ALL ($statements) \\gexec
	});
	$run{handle} = IPC::Run::start(
		[ 'psql', '-XAt', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($dbname), '-f', $run{sql} ],
		'<', \undef, '>', $run{stdout}, '2>', $run{stderr});
	return \%run;
}

# The errors that a session told of, without what is said in passing.
sub errors
{
	my ($session) = @_;

	return grep { /ERROR:|FATAL:|PANIC:|server closed|connection/ } split /\n/, slurp_file($session->{stderr});
}

my $session_calls = qq{
	SELECT format('SELECT %s, %s, wild.call(%1\$s, %2\$s)', number, call)
	FROM wild.callable, generate_series(1, $calls) AS call
	WHERE kind <> 'p' AND number % 2 = %d
	ORDER BY number, call};
my @sessions = map { start_calls("calls_$_", 'postgres', $session_calls =~ s/%d/$_/r) } (0, 1);
my $procedures = start_calls('procedures', 'loose', qq{
	SELECT wild.statement(number, call) FROM wild.callable, generate_series(1, $calls) AS call
	WHERE kind = 'p'
	ORDER BY number, call});
my $changes = 3 * $calls;
my $accidents = start_calls('accidents', 'postgres', qq{
	SELECT format('SELECT %s, wild.accident(%1\$s)', call) FROM generate_series(1, $changes) AS call});
$_->{handle}->finish for @sessions, $procedures, $accidents;

my %signatures = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('postgres', 'SELECT number, signature FROM wild.callable');
my (%states, @bugs);
my $done = 0;
for my $session (@sessions)
{
	for (split /\n/, slurp_file($session->{stdout}))
	{
		my ($number, $call, $state, $rest) = /^(\d+)\|(\d+)\|(\w{5})(.*)$/ or next;
		$done++;
		$states{$number}{$state}++;
		push @bugs, "$signatures{$number}, call $call: $state$rest" if $rest ne '';
	}
	push @bugs, errors($session);
}
my $functions = $node->safe_psql('postgres', q{SELECT count(*) FROM wild.callable WHERE kind <> 'p'});
is($done, $functions * $calls, "$functions functions and aggregates: $calls calls of each come to an end");

my @refused = errors($procedures);
my $called  = () = slurp_file($procedures->{stdout}) =~ /^CALL$/mg;
$functions = $node->safe_psql('postgres', q{SELECT count(*) FROM wild.callable WHERE kind = 'p'});
is($called + @refused, $functions * $calls, "$functions procedures: $calls calls of each come to an end");
cmp_ok($called, '>', 0, "$called of them do what is asked");
push @bugs, grep { !/ERROR:  (?!$bug)\w{5}:/ } @refused;

my @answers = grep { /^\d+\|\w{5}/ } split /\n/, slurp_file($accidents->{stdout});
is(scalar(@answers), $changes, "$changes changes of a model's tables: something answers each time");
cmp_ok(scalar(grep { /\|XX001/ } @answers), '>', 0, 'damage is noticed');
my @misread = ((grep { /^\d+\|\w{5}./ } @answers), errors($accidents));
is(scalar(@misread), 0, "no internal error, and no answer that takes $timeout s")
  or diag(join("\n", @misread > 40 ? @misread[ 0 .. 39 ] : @misread));

is(scalar(@bugs), 0, "no internal error, and no call that takes $timeout s")
  or diag(join("\n", @bugs > 40 ? @bugs[ 0 .. 39 ] : @bugs));
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no process dies');
promise('wild arguments lead to no crash, internal error or hang', $done + $called + @refused, scalar(@bugs));
promise('wild values in the tables of a model lead to none either', $changes, scalar(@misread));

for my $number (sort { $a <=> $b } keys %states)
{
	note("$signatures{$number}: ", join(' ', map { "$_ $states{$number}{$_}" } sort keys %{ $states{$number} }));
}
done_testing();
