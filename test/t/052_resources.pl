# Memory refused and a full disk, at every point where they can come: an error that says so,
# never a crash, an internal error or a hang; the old model goes on serving, and once there is
# memory and space again, training works again.
#
#	COMMREC_FAULT_POINTS	of each statement (15)
#	COMMREC_SEED			of the points; printed, to do it again
#	COMMREC_SMALL_DISK		an empty file system of ours, of 128 MB; without it, one is mounted
#							where users may do that
use strict;
use warnings;

use Commrec;
use List::Util qw(max min uniq);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $points = $ENV{COMMREC_FAULT_POINTS} // 15;
my $seed   = $ENV{COMMREC_SEED} // int(time() * 1000) % 1_000_000;
my $source = $ENV{COMMREC_SOURCE} // '../..';

# Libraries are loaded beforehand: the Fortran runtime that BLAS brings along ends the process where
# memory is refused while it loads, whatever PostgreSQL wants (doc/testing.md).
# PostgreSQL 15's own statistics do not survive a refusal: pgstat_get_entry_ref() leaves an entry
# without its reference behind, and the end of the session runs into it.  So nothing is counted here.
# With one version kept, a training deletes the rows of the one that serves.
my $node = new_server('resources', q{
shared_preload_libraries = 'commrec, plpgsql'
commrec.keep_versions = 1
max_worker_processes = 8
autovacuum = off
shared_buffers = 16MB
client_min_messages = error
jit = off
track_counts = off
});

srand($seed);
note("COMMREC_SEED=$seed");
load_events($node, 300, 100, 20);
rate_events($node);
$node->safe_psql('postgres', create_sql('m', 'ials'));
$node->safe_psql('postgres', q{SELECT FROM commrec.train('m')});

my ($tried, @failures) = (0);
my %kept;         # of each model: its state after the last call that succeeded
my %tables;       # of each model
my $watcher;      # session that looks at models
my $compared = 0; # states after calls that failed

sub failure
{
	my ($what) = @_;

	push @failures, $what;
	diag($what);
	return;
}

sub stop_server
{
	close_session($watcher) if $watcher;
	undef $watcher;
	$node->stop;
	return;
}

# A model as everybody sees it: the version that serves, how many rows each of its tables has and a
# hash of them, and what some users are shown.
sub state_of
{
	my ($model) = @_;

	$tables{$model} //= [ split /\n/, $node->safe_psql('postgres', qq{
		SELECT relname FROM pg_class WHERE relnamespace = '$model'::regnamespace AND relkind = 'r' ORDER BY 1}) ];
	my $rows = join ', ', map { "(SELECT concat_ws(' ', '$_', count(*), sum(hashtextextended(t::text, 0))) FROM $model.$_ AS t)" }
	  @{ $tables{$model} };

	$watcher //= open_session($node);
	return ask($watcher, qq{
		SELECT version, $rows,
			(SELECT md5(string_agg(concat_ws(' ', u, r.rank, r.item_id, r.score, r.source), ',' ORDER BY u, r.rank))
			FROM generate_series(1, 20) AS u, LATERAL $model.recommend(u, 5) AS r)
		FROM $model.version WHERE deployed});
}

sub has_failed
{
	my ($said) = @_;

	return $said =~ /ERROR|FATAL|PANIC|connection|no answer/;
}

# After a call that failed, and after one that only answers, the model that it was about is as it
# was; after a training there is another version, and evaluate() keeps what it has measured.
sub check_model
{
	my ($model, $sql, $said, $case) = @_;
	my $before = $kept{$model};
	my $failed = has_failed($said);

	$kept{$model} = state_of($model);
	return if !defined $before;
	$compared++ if $failed;
	if (!$failed && $sql =~ /commrec\.train\(/)
	{
		failure("$case: there is no new version") if $kept{$model} eq $before;
	}
	elsif (($failed || $sql !~ /commrec\.evaluate\(/) && $kept{$model} ne $before)
	{
		failure("$case: $model is another one:\n$kept{$model}\n$before");
	}
	return;
}

# What was promised of the cases since the last time.
sub account
{
	my ($text) = @_;

	is(join(', ', grep { state_of($_) ne $kept{$_} } sort keys %kept), '', "$text: all models are as after the last success");
	cmp_ok($compared, '>', 0, "$text: $compared times the model was compared with the old one");
	is(scalar @failures, 0, "$text: $tried cases");
	promise($text, $tried, scalar @failures);
	($tried, $compared, @failures) = (0, 0);
	return;
}

# ---------------------------------------------------------------------------
# Refusing, by a library in the server's processes
# ---------------------------------------------------------------------------

my $control_file = PostgreSQL::Test::Utils::tempdir() . '/control';

# Start the server again with the library.
sub start_with_faults
{
	my $library = PostgreSQL::Test::Utils::tempdir() . '/faults.so';

	system_or_bail('gcc', '-shared', '-fPIC', '-O1', '-Wall', '-o', $library, "$source/test/t/faults.c",
		'-ldl');
	append_to_file($control_file, "\0" x 4096);
	stop_server();
	local $ENV{LD_PRELOAD}     = $library;
	local $ENV{COMMREC_FAULTS} = $control_file;
	$node->start;
	return;
}

# Arm the session and what it will start; the struct FaultControl of faults.c.
sub arm
{
	my ($backend, %faults) = @_;
	my @spared = grep { $_ != $backend } server_processes($node);

	open my $file, '+<', $control_file or die $!;
	syswrite $file, pack('l2 q5 l l*', 0, $faults{only_one} // 0, $faults{memory} // 0, $faults{disk} // 0, 0, 0, 0,
		scalar @spared, @spared);
	sysseek $file, 0, 0;
	syswrite $file, pack('l', 1);
	close $file;
	return;
}

# Disarm; how many allocations and writes there were, and how many were refused.
sub disarm
{
	my $counted;

	open my $file, '+<', $control_file or die $!;
	syswrite $file, pack('l', 0);
	sysseek $file, 0, 0;
	sysread $file, $counted, 48;
	close $file;
	return (unpack 'l2 q5', $counted)[ 4 .. 6 ];
}

# Run a statement in a session of its own, with faults.  What it says, and the counts.
sub run_with
{
	my ($sql, %faults) = @_;
	my $session = open_session($node);
	my $backend = ask($session, q{SET max_parallel_maintenance_workers = 2; SELECT pg_backend_pid()});
	my ($said, @counts);

	# Pages that others have left to be written would be counted.
	ask($session, 'CHECKPOINT');
	arm($backend, %faults);
	if (!eval { $said = ask($session, $sql, 60); 1 })
	{
		$said = $@;
		kill 'KILL', $session->{pid}, $backend;
	}
	@counts = disarm();
	failure("$sql: the session does not go on") if $said !~ /no answer|FATAL/ && ask($session, 'SELECT 1') ne '1';
	close_session($session);
	return ($said, @counts);
}

# So many of the numbers 1 .. count: the first and the last ones, and between them at random.
sub some_of
{
	my ($wanted, $count) = @_;

	return 1 .. $count if $count <= $wanted;
	return uniq sort { $a <=> $b } 1, 2, $count - 1, $count, map { 1 + int rand $count } 5 .. $wanted;
}

# PostgreSQL's own words where memory is refused while it makes a worker out of a process, or
# takes back the settings of a function: those of the setting, those of a locale that setlocale()
# has no memory for, and where that cannot be, the end of the process.
my $from_postgres = qr/(ERROR|FATAL): .*LOCATION:  \w+, (guc|parallel|postinit)\.c:/s;

# A statement about a model must succeed or fail with the SQLSTATE, wherever the fault comes.
sub walk
{
	my (%walk) = @_;
	my ($what, $name, $sql) = @walk{qw(what name sql)};
	my ($said, $allocations, $writes) = run_with($sql);
	my $count = $what eq 'memory' ? $allocations : $writes;
	my %met;

	failure("$name: without any fault: $said") if $said =~ /ERROR|FATAL/;
	check_model($walk{model}, $sql, $said, "$name without any fault");
	for my $n (some_of($walk{points} // $points, $count))
	{
		my $only_one = int rand 2;
		my $case     = "$name, $what $n of $count" . ($only_one ? ' only' : '');

		($said) = run_with($sql, $what => $n, only_one => $only_one);
		$tried++;
		my ($state) = $said =~ /(?:ERROR|FATAL|PANIC):\s+(\w{5})/;
		$met{ $state // 'fine' }++;
		failure("$case: $said") if has_failed($said) && $said !~ $walk{allowed} && $said !~ $from_postgres;
		check_model($walk{model}, $sql, $said, $case);
	}
	note(sprintf '%s, %d in all: %s', $name, $count,
		join ', ', map { "$met{$_} $_" } sort keys %met);
	return;
}

my %statements = (
	'train' => q{SELECT commrec.train('m', '{"factors": 8, "epochs": 3}', workers => 0)},
	'train with workers' => q{SELECT commrec.train('m', '{"factors": 8, "epochs": 3}', workers => 2)},
	'recommend'     => q{SELECT count(*) FROM generate_series(1, 40) AS u, LATERAL m.recommend(u, 5)},
	'recommend_all' => q{SELECT count(*) FROM commrec.recommend_all('m', workers => 0)},
	'evaluate'      => q{SELECT count(*) FROM commrec.evaluate('m', hyperparameters => '{"factors": 8, "epochs": 3}',
		replicates => 50, workers => 0)});

start_with_faults();
walk(what => 'memory', model => 'm', name => $_, sql => $statements{$_}, allowed => qr/ERROR:\s+53200/)
  for sort keys %statements;
# Every other algorithm at fewer points: they share most of the way.
for my $algorithm (grep { $_ ne 'ials' } algorithms($node))
{
	$node->safe_psql('postgres', create_sql("m_$algorithm", $algorithm));
	walk(what => 'memory', model => "m_$algorithm", name => "train $algorithm",
		sql => "SELECT commrec.train('m_$algorithm', workers => 0)", allowed => qr/ERROR:\s+53200/,
		points => 5 + int $points / 5);
}
account('every n-th allocation refused: an error that says so (53200), the old model kept');
walk(what => 'disk', model => 'm', name => 'train', sql => $statements{train}, allowed => qr/ERROR:\s+53100/);
account('every n-th write finds the disk full: an error that says so (53100), the old model kept');

# ---------------------------------------------------------------------------
# A plan that is too large
# ---------------------------------------------------------------------------

stop_server();
$node->start;
$node->safe_psql('postgres', q{
	CREATE TABLE many AS
	SELECT (n * 2654435761 % 20011)::bigint AS user_id, (n % 509)::integer AS item_id FROM generate_series(1::bigint, 150000) AS n;
	SELECT commrec.create_model('large', 'many', hyperparameters => '{"factors": 16, "epochs": 2}');
	SELECT commrec.train('large')});
$kept{large} = state_of('large');

my %large = (
	'train' => q{SELECT memory_planned FROM commrec.train('large', workers => 2)},
	'evaluate'      => q{SELECT count(*) FROM commrec.evaluate('large', replicates => 20)},
	'recommend_all' => q{SELECT count(*) FROM commrec.recommend_all('large')},
	'aggregate'     => q{SELECT length(commrec.ials(user_id, item_id, 1, '{"factors": 16, "epochs": 2}')) FROM many});

# The limit is raised until the statement fits; before, it must say that it does not.
sub raise_limit
{
	my ($name) = @_;
	my $session = open_session($node);
	my $limit   = 1024;
	my ($said, $steps) = ('', 0);

	while (1)
	{
		$said = ask($session, "SET commrec.max_train_memory = $limit; $large{$name}");
		$tried++;
		check_model('large', $large{$name}, $said, "$name within $limit kB");
		last if !has_failed($said);
		failure("$name within $limit kB: $said") if $said !~ /ERROR:\s+54000/;
		last if @failures || $limit > 1024 * 1024;
		$limit = int $limit * 1.3;
		$steps++;
	}
	failure("$name fits 1 MB") if $steps == 0;
	note("$name: $steps refusals, then $limit kB are enough");
	close_session($session);
	return $said;
}

my $planned = raise_limit('train');
raise_limit($_) for grep { $_ ne 'train' } sort keys %large;
for my $limit (map { int($planned / 1024 * $_) } 0.25, 0.5, 0.9, 0.99, 1)
{
	my $session = open_session($node);
	my $said    = ask($session, "SET commrec.max_train_memory = $limit; $large{train}");

	# One page below the plan is too little; the plan, in whole kilobytes, is enough.
	failure("train within $limit kB of " . $planned / 1024 . ": $said")
	  if $limit < int($planned / 1024) && $said !~ /ERROR:\s+54000/;
	$tried++;
	check_model('large', $large{train}, $said, "train within $limit kB");
	close_session($session);
}
account('commrec.max_train_memory lowered step by step: 54000 before anything is allocated');

# ---------------------------------------------------------------------------
# ulimit -v
# ---------------------------------------------------------------------------

# Sessions that begin from now on, and their workers, get no more address space than this.
sub limit_memory
{
	my ($bytes) = @_;

	system_or_bail('prlimit', '--pid', (server_processes($node))[0], "--as=$bytes:");
	return;
}

# The address space of a session that has done little.
sub plain_session_bytes
{
	my $session = open_session($node);
	my $backend = ask($session, q{SELECT count(*) FROM m.recommend(1); SELECT pg_backend_pid()});
	my ($kilobytes) = slurp_file('/proc/' . ($backend =~ /(\d+)$/)[0] . '/status') =~ /^VmPeak:\s+(\d+)/m;

	close_session($session);
	return $kilobytes * 1024;
}

sub memory_runs_out
{
	my ($sql) = @_;
	my $plain = plain_session_bytes();
	my $refusals = 0;

	for my $more (map { 256 * 1024 * 2**$_ } 0 .. 12)
	{
		limit_memory($plain + $more);
		my $session = open_session($node);
		my $said    = ask($session, $sql);

		$tried++;
		failure("the session does not go on after $said") if ask($session, 'SELECT 1') ne '1';
		close_session($session);
		limit_memory('unlimited');
		check_model('large', $sql, $said, "with $more bytes of memory");
		last if !has_failed($said);
		$refusals++;
		failure("with $more bytes of memory: $said") if $said !~ /ERROR:\s+53200/;
	}
	failure('no memory was refused') if $refusals == 0;
	return;
}

memory_runs_out($large{$_}) for sort keys %large;
account('ulimit -v: an error that says so (53200), the old model kept');

# ---------------------------------------------------------------------------
# A full disk
# ---------------------------------------------------------------------------

my $small = $ENV{COMMREC_SMALL_DISK} // PostgreSQL::Test::Utils::tempdir();

# Starts a server that sees a small file system of its own at that place: a namespace in which
# an ordinary user may mount one, and in it another in which he is himself again.
my $in_namespace = q{#!/bin/sh
exec unshare --user --map-root-user --mount sh -c '
	mount -t tmpfs -o size=128m,mode=0777 none "$SMALL" &&
	exec unshare --user --map-user="$SELF" --map-group="$GROUP" "$PROGRAM" "$@"' sh "$@"
};

sub start_on_small_disk
{
	if ($ENV{COMMREC_SMALL_DISK})
	{
		stop_server();
		$node->start;
		return 1;
	}
	my $bin = PostgreSQL::Test::Utils::tempdir();

	append_to_file("$bin/pg_ctl", $in_namespace);
	chmod 0755, "$bin/pg_ctl";
	local $ENV{SMALL}   = $small;
	local $ENV{SELF}    = $<;
	local $ENV{GROUP}   = (split / /, $()[0];
	local $ENV{PROGRAM} = `which pg_ctl` =~ s/\n//r;
	# Where that is not allowed, there is no such server.
	system("$bin/pg_ctl --version >/dev/null 2>&1") == 0 or return 0;
	stop_server();
	local $ENV{PATH} = "$bin:$ENV{PATH}";
	$node->start;
	return 1;
}

# Fill the disk up to what is left; 0 bytes: all of it.
sub leave_space
{
	my ($left) = @_;

	# A file that is written anew gives its space back first.
	$node->safe_psql('postgres', "COPY (SELECT) TO '$small/filler'");
	my $free = $node->safe_psql('postgres', qq{COPY (SELECT) TO PROGRAM 'df --output=avail -B1 $small | tail -1 > $small/free';
		SELECT trim(pg_read_file('$small/free'))::bigint});
	my $kilobytes = int(($free - $left) / 1024);
	$node->safe_psql('postgres', qq{
		COPY (SELECT repeat('x', 1023) FROM generate_series(1, $kilobytes)) TO '$small/filler'}) if $kilobytes > 0;
	return;
}

SKIP:
{
	skip 'neither COMMREC_SMALL_DISK nor user namespaces in which to mount a small file system', 4 if !start_on_small_disk();
	my $refusals = 0;

	$node->safe_psql('postgres', qq{
		CREATE TABLESPACE small LOCATION '$small';
		SET default_tablespace = small;
		SELECT commrec.create_model('on_small', 'many', hyperparameters => '{"factors": 16, "epochs": 2}');
		SELECT commrec.train('on_small')});

	$kept{on_small} = state_of('on_small');
	for my $left (map { 65536 * 2**$_ } 0 .. 7)
	{
		leave_space($left);
		my $session = open_session($node);
		my $train   = q{SELECT version FROM commrec.train('on_small')};
		my $said    = ask($session, $train);

		close_session($session);
		$tried++;
		check_model('on_small', $train, $said, "with $left bytes of disk");
		last if !has_failed($said);
		$refusals++;
		failure("with $left bytes of disk: $said") if $said !~ /ERROR:\s+53100/;
	}
	failure('the disk was never full') if $refusals == 0;
	leave_space(1024 * 1024 * 1024);
	like($node->safe_psql('postgres', q{VACUUM; SELECT version FROM commrec.train('on_small')}), qr/^\d+$/,
		'training works again when there is space');
	$kept{on_small} = state_of('on_small');
	account('a small disk is full: an error that says so (53100), the old model kept');
}

stop_server();
done_testing();
