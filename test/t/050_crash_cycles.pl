# kill -9 of the whole server at random moments of training, refreshing, deploying, creating
# and dropping models, over and over: what a client was told is there afterwards, to the bit;
# what it was not told is there as a whole or not at all; and the first query is answered.
# Then single workers and sessions.
#
# kill -9 loses nothing that was written to the operating system, so that fsync is off: what
# is tested is the order of things in memory and in the log, not the disk.
#
#	COMMREC_CRASH_CYCLES	how often (10)
#	COMMREC_SEED			of the random moments; printed, to do it again
use strict;
use warnings;

use Commrec;
use List::Util qw(max shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $cycles = $ENV{COMMREC_CRASH_CYCLES} // 10;
my $seed   = $ENV{COMMREC_SEED} // int(time() * 1000) % 1_000_000;
my $node   = new_server('crash_cycles', q{
max_worker_processes = 8
dynamic_shared_memory_type = mmap
restart_after_crash = on
autovacuum_naptime = 1s
shared_buffers = 32MB
client_min_messages = error
});

srand($seed);
note("COMMREC_SEED=$seed");
load_events($node, 400, 120, 20);
rate_events($node);
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');

# ---------------------------------------------------------------------------
# Models, and what becomes of them with this or that hyperparameter
# ---------------------------------------------------------------------------

# Of each model: its algorithm; its tables that hold data of versions; the hyperparameters that
# it is trained with, each as the row of "version" has them; and what is known of it: whether it
# is there, what its versions were trained with, and which of them is deployed.
my %model;

# By model and hyperparameters: digest of the version's data, and of its answers.  Training is
# deterministic, so that this is what a version has to look like, whenever it is trained.
my %expected;

# The hyperparameters that are tried with an algorithm: those of these that it has.
sub options_of
{
	my ($algorithm) = @_;

	return grep {
		$node->psql('postgres', qq{SELECT commrec.check_hyperparameters('$algorithm', '$_')}) == 0
	} ('{}', '{"seed": 7}', '{"min_item_users": 2}', '{"half_life": 60}', '{"neighbors": 9}');
}

# What ten users are shown, one of them unknown.
sub answers_sql
{
	my ($name) = @_;

	return qq{
		SELECT md5(string_agg(concat_ws(' ', u, r.rank, r.item_id, r.score, r.source), ',' ORDER BY u, r.rank))
		FROM generate_series(392, 401) AS u, LATERAL $name.recommend(u, 5) AS r};
}

# Train a model in all its ways once.
sub learn_expected
{
	my ($name) = @_;
	my $known  = $model{$name}{known} = { exists => 1, versions => {}, deployed => 0 };
	my @tables = @{ $model{$name}{tables} };

	for my $options (@{ $model{$name}{options} })
	{
		$node->safe_psql('postgres', qq{SELECT FROM commrec.train('$name', '$options')});
		my $stored_sql = stored_versions_sql($name, @tables);
		my ($version, $stored, $digest) = split /\|/, (split /\n/, $node->safe_psql('postgres', $stored_sql))[-1];

		$expected{$name}{$stored} = [ $digest, $node->safe_psql('postgres', answers_sql($name)) ];
		$model{$name}{stored}{$options} = $stored;
		$known->{versions}{$version}    = $stored;
		$known->{deployed}              = $version;
	}
	return;
}

sub create_models
{
	# What that one chooses depends on the time that it has.
	my @algorithms = grep { $_ ne 'auto' } algorithms($node);

	$model{"m_$_"} = { algorithm => $_, options => [ options_of($_) ] } for @algorithms;
	$model{victim} = { algorithm => 'ials', options => ['{}'] };
	# This one takes longer than the others.
	$model{big} = { algorithm => 'ials', options => ['{"factors": 256, "epochs": 40, "solver": "cholesky"}'] };
	for my $name (sort keys %model)
	{
		$node->safe_psql('postgres', create_sql($name, $model{$name}{algorithm}));
		$model{$name}{tables} = [ versioned_tables($node, $name) ];
		learn_expected($name);
	}
	note('algorithms: ' . join ', ', @algorithms);
	return;
}

# ---------------------------------------------------------------------------
# What is done to them
# ---------------------------------------------------------------------------

# A copy of what is known of a model, to change.
sub known_copy
{
	my ($known) = @_;

	return { %$known, versions => { %{ $known->{versions} } } };
}

sub with_version
{
	my ($known, $stored, $deploys) = @_;
	my $version = 1 + max(0, keys %{ $known->{versions} });

	$known->{versions}{$version} = $stored;
	$known->{deployed} = $version if $deploys;
	return $known;
}

# The things that can be done to a model: the statement, whose answer is called "told", and
# what is known of the model afterwards.
sub train
{
	my ($name, $workers) = @_;
	my @options = @{ $model{$name}{options} };
	my $options = $options[ rand @options ];
	my $deploys = rand() < 0.6 ? 1 : 0;

	$workers //= int rand 3;

	return {
		model => $name,
		sql   => qq{SELECT version AS told FROM commrec.train('$name', '$options', workers => $workers,
			deploy => } . ($deploys ? 'true)' : 'false)'),
		then => sub { with_version($_[0], $model{$name}{stored}{$options}, $deploys) }
	};
}

sub refresh
{
	my ($name) = @_;

	return {
		model => $name,
		sql   => qq{CALL commrec.refresh('$name', mode => 'retrain'); SELECT max(version) AS told FROM $name.version},
		then  => sub { with_version($_[0], $model{$name}{stored}{'{}'}, 1) }
	};
}

# The newest version always has data, and was perhaps not deployed when it was trained.
sub deploy
{
	my ($name) = @_;

	return {
		model => $name,
		sql   => qq{SELECT v.version AS told
			FROM (SELECT max(version) AS version FROM $name.version) AS v, commrec.deploy('$name', v.version)},
		then  => sub { $_[0]{deployed} = max(keys %{ $_[0]{versions} }); $_[0] }
	};
}

sub drop
{
	return {
		model => 'victim',
		sql   => q{SELECT 0 AS told FROM commrec.drop_model('victim')},
		then  => sub { { exists => 0, versions => {}, deployed => 0 } }
	};
}

sub create
{
	return {
		model => 'victim',
		sql   => create_sql('victim', $model{victim}{algorithm}) . '; SELECT 0 AS told',
		then  => sub { { exists => 1, versions => {}, deployed => 0 } }
	};
}

# A session that does one thing after another, and says what it was told of each.
sub start_session
{
	my (@things) = @_;
	my $script = '';

	$script .= "$things[$_]{sql} \\gset\n\\echo done $_ :told\n" for 0 .. $#things;
	return { things => \@things, run => start_script($node, "\\echo begins\n$script") };
}

# How many of a session's things it knows to be done.
sub things_told
{
	my ($session) = @_;

	return scalar(() = $session->{run}{stdout} =~ /^done \d+ \d+$/mg);
}

# ---------------------------------------------------------------------------
# What is found after a restart
# ---------------------------------------------------------------------------

my @problems;
my %tried = (kills => 0, met => 0, acknowledged => 0, versions => 0, answers => 0, unknown_done => 0, unknown_undone => 0,
	foldings => 0);
my $slowest_start = 0;

sub problem
{
	my ($what) = @_;

	push @problems, $what;
	diag($what);
	return;
}

# Everything about a model in one session: what is known of it, as it is now; what is wrong with
# it; its versions that have data, as [version, hyperparameters, digest]; what it answers.
sub look_at
{
	my ($name) = @_;
	my @tables = @{ $model{$name}{tables} };
	my %found  = (exists => 0, versions => {}, deployed => 0);
	my ($versions, $damage, $stored, $answers) = split /^--\n?/m, $node->safe_psql('postgres', join "\n",
		"SELECT to_regnamespace('$name') IS NOT NULL AS there \\gset",
		'\if :there',
		"SELECT version, deployed, hyperparameters FROM $name.version;",
		'\echo --', damage_sql($name, @tables) . ';',
		'\echo --', stored_versions_sql($name, @tables) . ';',
		'\echo --',
		"SELECT EXISTS (SELECT FROM $name.version WHERE deployed) AS serves \\gset",
		'\if :serves', answers_sql($name) . ';', '\endif', '\endif');

	return (\%found, '', [], '') if !defined $damage;
	$found{exists} = 1;
	for my $row (split /\n/, $versions)
	{
		my ($version, $deployed, $stored) = split /\|/, $row;

		$found{versions}{$version} = $stored;
		$found{deployed} = $version if $deployed eq 't';
	}
	chomp $damage;
	return (\%found, $damage, [ map { [ split /\|/ ] } split /\n/, $stored ], $answers);
}

sub as_text
{
	my ($known) = @_;

	return join ', ', ($known->{exists} ? 'exists' : 'does not exist'), "deployed $known->{deployed}",
	  map { "$_ $known->{versions}{$_}" } sort { $a <=> $b } keys %{ $known->{versions} };
}

# What the sessions were told must be so; of the first thing that one was not told of, it must
# be so as a whole or not at all.
sub check_known
{
	my ($name, $told, $untold, $found) = @_;

	$found = as_text($found);
	if ($untold)
	{
		my $after = $untold->{then}->(known_copy($told));

		if ($found eq as_text($after))
		{
			$tried{unknown_done}++;
			$model{$name}{known} = $after;
			return;
		}
		$tried{unknown_undone}++;
	}
	$model{$name}{known} = $told;
	problem("$name is not as acknowledged:\n found $found\n known " . as_text($told)) if $found ne as_text($told);
	return;
}

# Every version of which there are data is whole, has the bits of its hyperparameters, and is
# answered from.
sub check_data
{
	my ($name, $damage, $stored_versions, $answers) = @_;
	my $known = $model{$name}{known};
	my %has_data;

	problem("$name: $damage") if $damage ne '';
	for my $row (@$stored_versions)
	{
		my ($version, $stored, $digest) = @$row;

		$has_data{$version} = 1;
		$tried{versions}++;
		problem("version $version of $name has other bits") if $digest ne $expected{$name}{$stored}[0];
	}
	return if !$known->{deployed};
	problem("$name has no data of the version that serves") if !$has_data{ $known->{deployed} };
	$tried{answers}++;
	problem("$name has other answers")
	  if $answers ne $expected{$name}{ $known->{versions}{ $known->{deployed} } }[1];
	return;
}

# The first query of all, of a random model.
sub check_first_query
{
	my ($name) = shuffle(grep { /^m_/ } keys %model);
	my ($stored, $answers) = split /\n/, $node->safe_psql('postgres',
		"SELECT hyperparameters FROM $name.version WHERE deployed;" . answers_sql($name));

	$tried{answers}++;
	problem("$name does not answer the first query") if $answers ne $expected{$name}{$stored}[1];
	return;
}

sub check_server
{
	my $indexes = $node->safe_psql('postgres', q{
		SELECT count(bt_index_check(indexrelid, true)::text)
		FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
		WHERE relam = 403 AND relpersistence = 'p'});

	problem('indexes cannot be checked') if $indexes == 0;
	problem('locks or workers are left') if $node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM commrec.training_locks())
			+ (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker')}) != 0;
	problem('shared memory is left') if shared_segments($node) > $tried{segments};
	return;
}

# ---------------------------------------------------------------------------
# New events that are folded in
# ---------------------------------------------------------------------------

# Two models of the same events, one of which nobody kills: it shows what the other has to be
# once it has taken in the same events.
my %folding = (model => 'folded', reference => 'unhurt', batches => 0);

sub create_folding
{
	$node->safe_psql('postgres', 'CREATE TABLE folding_events AS SELECT user_id, item_id, action, at FROM events');
	for my $name (@folding{qw(model reference)})
	{
		$node->safe_psql('postgres', qq{
			SELECT commrec.create_model('$name', 'folding_events', action_column => 'action', time_column => 'at');
			SELECT commrec.train('$name')});
	}
	$folding{tables} = [ versioned_tables($node, $folding{model}) ];
	$folding{before} = version_digest($folding{reference});
	return;
}

# The newest version's data.
sub version_digest
{
	my ($name) = @_;

	return (split /\|/, (split /\n/, $node->safe_psql('postgres', stored_versions_sql($name, @{ $folding{tables} })))[-1])[2];
}

# New events, some of new users and of new items; a session that folds them in.
sub start_folding
{
	my $batch = ++$folding{batches};

	$node->safe_psql('postgres', qq{
		INSERT INTO folding_events
		SELECT (n * 7 + $batch * 3) % 420 + 1, (n * 13 + $batch * 5) % 125, 'like',
			timestamptz '2024-07-01' + $batch * interval '1 hour' + n * interval '1 second'
		FROM generate_series(1, 60) AS n});
	return start_script($node, "\\echo begins\nCALL commrec.refresh('$folding{model}', mode => 'fold_in');\n\\echo done\n");
}

# The version is as it was or as it is then, the latter if that was acknowledged; and when it is
# refreshed again, everything is as if nothing had happened.
sub check_folding
{
	my ($run) = @_;
	my ($name, $reference) = @folding{qw(model reference)};
	my ($out, $err) = finish_sql($run);
	my $told  = $out =~ /^done$/m;
	my $found = version_digest($name);
	my $damage = $node->safe_psql('postgres', damage_sql($name, @{ $folding{tables} }));

	$node->safe_psql('postgres', "CALL commrec.refresh('$reference', mode => 'fold_in')");
	my $after = version_digest($reference);

	problem("an error other than the crash: $err") if $err =~ /ERROR: (?!.*lost connection to parallel worker)/;
	problem("$name: $damage") if $damage ne '';
	problem("a refresh folds nothing in") if $after eq $folding{before};
	problem("$name is neither as before its refresh nor as after it") if $found ne $after && ($told || $found ne $folding{before});
	$tried{ $found eq $after ? 'unknown_done' : 'unknown_undone' }++ if !$told;
	$node->safe_psql('postgres', "CALL commrec.refresh('$name', mode => 'fold_in')");
	problem("$name is not mended by another refresh")
	  if model_digest($node, $name) ne model_digest($node, $reference);
	$tried{foldings}++;
	$folding{before} = $after;
	return;
}

# ---------------------------------------------------------------------------
# A cycle
# ---------------------------------------------------------------------------

# What two sessions do, each to a model of its own.
sub choose_things
{
	my ($name, $other) = shuffle(grep { /^m_/ } keys %model);
	my @first  = map { rand() < 0.5 ? train($name) : rand() < 0.5 ? refresh($name) : deploy($name) } 1 .. 4;
	my @second = map { rand() < 0.5 ? train($other) : deploy($other) } 1 .. 3;

	if (rand() < 0.5)
	{
		my $victim = $model{victim}{known};
		my @create = (create(), train('victim'));

		@second = $victim->{exists} ? (drop(), @create) : (@create, drop());
	}
	return (\@first, \@second);
}

# Where a kill comes at some moment after the training that begins the first session has been
# acknowledged.
sub wait_for_acknowledgement
{
	my ($session) = @_;

	$session->{run}{handle}->pump until $session->{run}{stdout} =~ /^done 0 /m;
	$tried{acknowledged}++;
	return;
}

sub end_session
{
	my ($session) = @_;
	my ($out, $err) = finish_sql($session->{run});
	my $told = things_told($session);
	my $known;

	problem("an error other than the crash: $err") if $err =~ /ERROR: (?!.*lost connection to parallel worker)/;
	for my $i (0 .. $told - 1)
	{
		my $thing = $session->{things}[$i];

		$known->{ $thing->{model} } //= known_copy($model{ $thing->{model} }{known});
		$known->{ $thing->{model} } = $thing->{then}->($known->{ $thing->{model} });
		my ($version) = $out =~ /^done $i (\d+)$/m;
		problem("told of version $version of $thing->{model}")
		  if $thing->{sql} =~ /train\(|refresh\(/ && $version != max(keys %{ $known->{ $thing->{model} }{versions} });
	}
	return ($known, $session->{things}[$told]);
}

# What is known after a crash: of each model what was told, and the first thing that was not.
sub end_sessions
{
	my %untold;

	for my $session (@_)
	{
		my ($known, $next) = end_session($session);

		$model{$_}{known} = $known->{$_} for keys %$known;
		$untold{ $next->{model} } = $next if $next;
	}
	return \%untold;
}

sub crash
{
	my ($acknowledged) = @_;
	my ($first, $second) = choose_things();
	my $folding = start_folding();

	unshift @$first, train($first->[0]{model}) if $acknowledged;
	my @sessions = map { start_session(@$_) } $first, $second;
	for my $session (@sessions)
	{
		$session->{run}{handle}->pump until $session->{run}{stdout} =~ /begins/;
	}
	wait_for_acknowledgement($sessions[0]) if $acknowledged;
	usleep(rand 400_000);
	kill_server_tree($node);
	$tried{kills}++;
	return (end_sessions(@sessions), $folding);
}

sub check_all
{
	my ($untold) = @_;

	check_first_query();
	for my $name (sort keys %model)
	{
		my ($found, @data) = look_at($name);

		check_known($name, $model{$name}{known}, $untold->{$name}, $found);
		check_data($name, @data);
	}
	check_server();
	return;
}

sub crash_and_check
{
	my ($acknowledged) = @_;
	my ($untold, $folding) = crash($acknowledged);
	my $undone = $tried{unknown_undone};
	my $began  = time();

	$node->start;
	$slowest_start = max($slowest_start, time() - $began);
	check_all($untold);
	check_folding($folding);
	# A session does one thing right after another: what is not there was under way.
	$tried{met}++ if $tried{unknown_undone} > $undone;
	return;
}

# ---------------------------------------------------------------------------
# Single processes
# ---------------------------------------------------------------------------

# Processes of a kind, by what they call themselves; the postmaster may be restarting them.
sub processes_like
{
	my ($title) = @_;

	return grep { (eval { slurp_file("/proc/$_/cmdline") } // '') =~ $title } server_processes($node);
}

# kill -9 of one process of a training: a worker, or the session itself.  Whether it was still
# there to be killed.
sub kill_one
{
	my ($title) = @_;
	my $session = start_session(map { train('big', 2) } 1 .. 3);
	my $undone  = $tried{unknown_undone};
	my ($hits, @processes) = (0);

	$session->{run}{handle}->pump until $session->{run}{stdout} =~ /begins/;
	usleep(rand 1_000_000);
	until (@processes = processes_like($title) or things_told($session) == 3)
	{
		usleep(2_000);
		$session->{run}{handle}->pump_nb;
	}
	$hits = kill 'KILL', $processes[ rand @processes ] if @processes;
	my $untold = end_sessions($session);
	wait_for_server($node) or die 'the server does not come back';
	check_all($untold);
	$tried{kills} += $hits;
	$tried{met}++ if $tried{unknown_undone} > $undone;
	return $hits;
}

sub kill_one_surely
{
	my ($title) = @_;

	for (1 .. 5)
	{
		return if kill_one($title);
	}
	return;
}

create_models();
create_folding();
$tried{segments} = shared_segments($node);
for my $cycle (1 .. $cycles)
{
	# Three of four with an acknowledged training.
	crash_and_check($cycle % 4 != 0);
}

cmp_ok($tried{acknowledged}, '>=', $cycles / 2, 'most kills come after an acknowledged training');
# Few kills might all come too late.
cmp_ok($tried{met}, '>=', $cycles / 5, 'some meet work in progress') if $cycles >= 50;
measured('kills of the server that met work in progress', "$tried{met} of $tried{kills}");
is(scalar @problems, 0, "after $tried{kills} kills of the server all is as acknowledged");
promise('kill -9 of the server at random moments: no acknowledged version lost, none torn, next start serves',
	$tried{kills}, scalar @problems);

@problems = ();
@tried{qw(kills met)} = (0, 0);
my $pairs = max(3, int $cycles / 10);
for (1 .. $pairs)
{
	kill_one_surely(qr/parallel worker/);
	kill_one_surely(qr/postgres: .*(SELECT|DO)/);
}
is($tried{kills}, 2 * $pairs, 'workers and sessions were killed');
measured('kills of a worker or a session that met work in progress', "$tried{met} of $tried{kills}");
is(scalar @problems, 0, "after $tried{kills} kills of a worker or a session, too");
promise('kill -9 of a worker or a session at random moments: no version lost or torn', $tried{kills}, scalar @problems);
note(sprintf 'slowest start %.2f s; %d versions, %d answers and %d foldings compared; of what nobody was told %d times all '
	. 'was there, %d times nothing', $slowest_start, @tried{qw(versions answers foldings unknown_done unknown_undone)});

$node->stop;
done_testing();
