# Commrec.pm: what the TAP tests share: servers, events, and comparing answers.
package Commrec;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use IPC::Open2 ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(new_server load_events load_community model_digest answers_digest
  sql_fails start_sql finish_sql wait_for_sql wait_for_server shared_segments promise measured
  versioned_tables stored_versions_sql damage_sql start_script server_processes kill_server_tree
  rate_events algorithms create_sql open_session ask ask_for answer_of close_session
  put_up_gate start_at_gate open_gate);

# The clock of the checks that something ends within a second: slow machines get more.
our $PROMPTLY = 3;
push @EXPORT, '$PROMPTLY';

# A running server with the extension in database postgres.
sub new_server
{
	my ($name, $settings, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], %init);
	$node->append_conf('postgresql.conf', $settings // '');
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION commrec');
	return $node;
}

# Table events(user_id bigint, item_id integer, action text, at timestamptz): every user
# has "per_user" events, mostly on the items of one of eight groups, without any randomness
# that could differ between runs.
sub load_events
{
	my ($node, $users, $items, $per_user, $dbname) = @_;

	$node->safe_psql(
		$dbname // 'postgres', qq{
		CREATE TABLE events (user_id bigint, item_id integer, action text, at timestamptz);
		INSERT INTO events
		SELECT u,
			CASE WHEN h % 4 < 3 THEN ((h / 4) % ($items / 8)) * 8 + u % 8 ELSE (h / 64) % $items END AS item_id,
			(ARRAY['view', 'like', 'comment', 'share'])[1 + h % 4],
			'2024-01-01 00:00+00'::timestamptz + (h % 180) * interval '1 day' + e * interval '1 minute'
		FROM generate_series(1::bigint, $users) AS u, generate_series(1::bigint, $per_user) AS e,
			LATERAL (SELECT ((u * 2654435761 + e * 40503 + u * e * 69069) % 1048573)::integer AS h) AS hash;
		ANALYZE events;
	});
	return;
}

# Every third of those events becomes a rating, 1 to 5.
sub rate_events
{
	my ($node, $dbname) = @_;

	$node->safe_psql($dbname // 'postgres', q{
		ALTER TABLE events ADD value double precision;
		UPDATE events SET action = 'rating', value = 1 + (user_id + item_id) % 5 WHERE (user_id + item_id) % 3 = 0;
		VACUUM ANALYZE events});
	return;
}

# The names of all algorithms that the server knows.
sub algorithms
{
	my ($node) = @_;

	return split /\n/, $node->safe_psql('postgres', q{SELECT algorithm FROM commrec.algorithms ORDER BY algorithm COLLATE "C"});
}

# Statement: make a model over events that were rated, for an algorithm.
sub create_sql
{
	my ($name, $algorithm) = @_;
	my $value = $algorithm =~ /^(als|svd_pp)$/ ? q{, value_column => 'value'} : '';

	return qq{DO \$\$ BEGIN
		PERFORM commrec.create_model('$name', 'events', action_column => 'action', time_column => 'at'$value);
		PERFORM commrec.alter_model('$name', algorithm => '$algorithm'); END \$\$};
}

# The community of demo/ as events and items, in database "dbname".
sub load_community
{
	my ($node, $dbname) = @_;
	my $source = $ENV{COMMREC_SOURCE} // '../..';

	$node->command_ok(
		[
			'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', "data=$source/demo/se-quantum",
			'-d', $node->connstr($dbname), '-f', "$source/demo/load.sql"
		],
		'the community is loaded');
	return;
}

# All that a version consists of, as one hash: two models with the same digest are the same bits.
sub model_digest
{
	my ($node, $model, $dbname) = @_;

	return $node->safe_psql(
		$dbname // 'postgres', qq{
		WITH v AS (SELECT version FROM $model.version WHERE deployed)
		SELECT
			(SELECT md5(string_agg(md5(row(user_id, embedding, seen, preferences, items)::text), '' ORDER BY user_id))
			 FROM $model.user_embedding JOIN v USING (version)),
			(SELECT md5(string_agg(md5(row(item_id, item_no, embedding, popularity, popular_no, users)::text), ''
				ORDER BY item_no)) FROM $model.item_embedding JOIN v USING (version)),
			(SELECT md5(string_agg(md5(row(items, max_norm, codes)::text), '' ORDER BY block))
			 FROM $model.item_block JOIN v USING (version)),
			(SELECT md5(string_agg(md5(row(item_no, neighbors)::text), '' ORDER BY item_no))
			 FROM $model.item_neighbor JOIN v USING (version)),
			(SELECT md5(string_agg(row(epoch, loss)::text, ',' ORDER BY epoch))
			 FROM $model.epoch JOIN v USING (version)),
			(SELECT md5(string_agg(row(user_id, bucket AT TIME ZONE 'UTC', spread, satisfaction)::text, ','
				ORDER BY user_id, bucket)) FROM $model.user_activity),
			(SELECT md5(string_agg(row(item_id, bucket AT TIME ZONE 'UTC', events, users, positive, preference)::text, ','
				ORDER BY item_id, bucket)) FROM $model.item_activity),
			(SELECT md5(row(age_origin AT TIME ZONE 'UTC', gram)::text) FROM $model.fold_in JOIN v USING (version))
	});
}

# What the model answers for all users and for an unknown one, as one hash; "before" is run first.
sub answers_digest
{
	my ($node, $model, $dbname, $before) = @_;

	$before //= '';
	return $node->safe_psql(
		$dbname // 'postgres', qq{
		$before
		WITH users AS (
			SELECT DISTINCT user_id FROM $model.user_embedding UNION ALL SELECT 987654321)
		SELECT
			(SELECT md5(string_agg(concat_ws('|', user_id, rank, item_id, encode(float4send(score), 'hex'), source),
				',' ORDER BY user_id, rank))
			 FROM users, LATERAL $model.recommend(user_id, 7)),
			(SELECT md5(string_agg(concat_ws('|', user_id, encode(float8send(knowledge), 'hex'),
				encode(float8send($model.satisfaction(user_id)), 'hex')), ',' ORDER BY user_id))
			 FROM (SELECT user_id, $model.knowledge_spread(user_id, '2024-02-01 12:00+00'::timestamptz) AS knowledge
				   FROM users) AS k);
	});
}

# What every serving function of the model answers for all users and items, as one hash a function:
# two databases that give the same answer alike.  "before" is run first.
push @EXPORT, 'serving_digest';

sub serving_digest
{
	my ($node, $model, $dbname, $before) = @_;
	my $users = "SELECT DISTINCT user_id FROM $model.user_embedding UNION ALL SELECT 987654321";
	my $items = "SELECT DISTINCT item_id FROM $model.item_embedding UNION ALL SELECT 987654321";
	my $of    = sub {
		my ($name, $from, $columns, $order) = @_;
		return "SELECT '$name', md5(string_agg(concat_ws('|', $columns), ',' ORDER BY $order)), count(*) FROM $from";
	};
	my @queries = (
		$of->('recommend', "($users) AS u, LATERAL $model.recommend(user_id, 5, diversity => 0.3) AS r",
			'user_id, rank, item_id, float4send(score), source', 'user_id, rank'),
		$of->('recommend_all', "$model.recommend_all(5, workers => 0)", 'user_id, rank, item_id, float4send(score), source',
			'user_id, rank'),
		$of->('similar_items', "($items) AS i, LATERAL $model.similar_items(i.item_id, 5) AS r",
			'i.item_id, rank, r.item_id, float4send(similarity)', 'i.item_id, rank'),
		$of->('similar_users', "($users) AS u, LATERAL $model.similar_users(u.user_id, 5) AS r",
			'u.user_id, rank, r.user_id, float4send(similarity)', 'u.user_id, rank'),
		$of->('score', "($users) AS u, (SELECT * FROM ($items) AS i ORDER BY 1 LIMIT 9) AS i",
			"user_id, item_id, float4send($model.score(user_id, item_id))", 'user_id, item_id'),
		$of->('explain', "(SELECT * FROM ($users) AS u ORDER BY 1 LIMIT 30) AS u, LATERAL $model.explain(user_id, 1) AS r",
			'user_id, rank, item_id, float8send(confidence), float8send(contribution), source', 'user_id, rank'),
		$of->('popular', "unnest(ARRAY['decay', 'wilson', 'trending']) AS kind, LATERAL $model.popular(20, kind => kind)",
			'kind, rank, item_id, float8send(score)', 'kind, rank'),
		$of->('knowledge_spread', "($users) AS u", "user_id, float8send($model.knowledge_spread(user_id, '2024-02-01 12:00+00'))",
			'user_id'),
		$of->('satisfaction', "($users) AS u", "user_id, float8send($model.satisfaction(user_id))", 'user_id'),
		$of->('satisfaction_detail', "($users) AS u, LATERAL $model.satisfaction_detail(user_id) AS r",
			q{user_id, bucket AT TIME ZONE 'UTC', float8send(satisfaction), signals, interactions, float8send(mean), source},
			'user_id, bucket'),
		$of->('objective', "commrec.objective('$model')",
			'float8send(spread), float8send(satisfaction), float8send(value), users', '1'));

	return $node->safe_psql($dbname // 'postgres', ($before // '') . join("\nUNION ALL ", @queries) . "\nORDER BY 1");
}

# A statement must fail with this SQLSTATE and a message that matches.
sub sql_fails
{
	my ($node, $sql, $sqlstate, $message, $name, %options) = @_;
	my ($out, $err) = ('', '');

	$node->psql(
		$options{dbname} // 'postgres', $sql,
		stdout        => \$out,
		stderr        => \$err,
		on_error_stop => 0,
		extra_params  => [ '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1' ]);
	like($err, qr/ERROR:\s+$sqlstate: .*$message/, $name);
	return;
}

# Start a statement in the background; finish_sql waits for its end and returns its
# standard output and standard error.
sub start_sql
{
	my ($node, $sql, $dbname) = @_;
	my %run = (stdout => '', stderr => '', started => time());

	$run{handle} = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-d',
			$node->connstr($dbname // 'postgres'), '-c', $sql
		],
		'<', \undef, '>', \$run{stdout}, '2>', \$run{stderr},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%run;
}

sub finish_sql
{
	my ($run) = @_;

	eval { $run->{handle}->finish; 1 } or $run->{handle}->kill_kill;
	return ($run->{stdout}, $run->{stderr});
}

# Poll until the query gives what is expected ("t"), every 20 ms; the last answer.
sub wait_for_sql
{
	my ($node, $sql, $expected) = @_;
	my $until = time() + $PostgreSQL::Test::Utils::timeout_default;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $answer;

	$expected //= 't';
	do
	{
		$answer = $session->query($sql);
		usleep(20_000) if $answer ne $expected;
	} while ($answer ne $expected && time() < $until);
	$session->quit;
	return $answer eq $expected;
}

# A gate in front of a model's events, so that what reads them can be met at a known place: they come from a
# view that waits for a lock.  The session that can hold it.
sub put_up_gate
{
	my ($node, $model) = @_;

	$node->safe_psql('postgres', qq{
		CREATE TABLE gate ();
		CREATE FUNCTION wait_at_gate() RETURNS boolean LANGUAGE plpgsql VOLATILE AS \$\$
		BEGIN
			LOCK TABLE public.gate IN ACCESS SHARE MODE;
			RETURN true;
		END \$\$;
		CREATE VIEW slow_events AS SELECT * FROM events WHERE public.wait_at_gate();
		-- Who waits.
		CREATE VIEW at_gate AS SELECT pid FROM pg_locks WHERE relation = 'gate'::regclass AND NOT granted;
		SELECT commrec.alter_model('$model', events => 'slow_events')});
	return $node->background_psql('postgres', on_error_stop => 0);
}

# Close the gate and start a statement, which soon waits there; as start_sql().
sub start_at_gate
{
	my ($node, $gate, $sql) = @_;

	$gate->query('BEGIN; LOCK TABLE gate IN ACCESS EXCLUSIVE MODE');
	my $run = start_sql($node, $sql);
	ok(wait_for_sql($node, 'SELECT EXISTS (SELECT FROM at_gate)'), "at the gate: $sql");
	return $run;
}

sub open_gate
{
	my ($gate) = @_;

	$gate->query('ROLLBACK');
	return;
}

# Wait until a server that comes back by itself takes connections.  poll_query_until() would write to
# psql's input, which breaks where psql has given up already.
sub wait_for_server
{
	my ($node) = @_;
	my $until = time() + $PostgreSQL::Test::Utils::timeout_default;
	my @psql = ('psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT');

	until (IPC::Run::run(\@psql, '<', \undef, '>', \my $stdout, '2>', \my $stderr))
	{
		return 0 if time() > $until;
		usleep(50_000);
	}
	return 1;
}

# The tables of a model that hold data of a version, by their primary key.
sub versioned_tables
{
	my ($node, $model) = @_;

	return split /\n/, $node->safe_psql(
		'postgres', qq{
		SELECT c.relname
		FROM pg_class AS c
			JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
			JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND a.attname = 'version'
		WHERE c.relnamespace = '$model'::regnamespace AND c.relname <> 'version'
		ORDER BY 1});
}

# Query: version, hyperparameters and digest of every version that still has data in the
# tables.  The same digest means the same bits, save for the version's number and what it cost.
sub stored_versions_sql
{
	my ($model, @tables) = @_;
	my $digests = join ', ', map {
		qq{(SELECT md5(string_agg(d.row, '' ORDER BY d.row)) FROM (
			SELECT md5((to_jsonb(t) - '{version,seconds,cpu_seconds}'::text[])::text) AS row
			FROM $model.$_ AS t WHERE t.version = v.version) AS d)}
	} @tables;

	return qq{
		SELECT v.version, v.hyperparameters, md5(concat_ws(',', $digests))
		FROM $model.version AS v
		WHERE EXISTS (SELECT FROM $model.item_embedding AS e WHERE e.version = v.version)
		ORDER BY v.version};
}

# Query: what is wrong with the tables of a model, if anything: versions of which only a part is
# there, rows of versions that are not.
sub damage_sql
{
	my ($model, @tables) = @_;
	my $orphans = join ' UNION ALL ', map {
		qq{SELECT format('$_ has rows of version %s, which there is not', t.version)
		FROM $model.$_ AS t
		WHERE NOT EXISTS (SELECT FROM $model.version AS v WHERE v.version = t.version)}
	} @tables;
	my $remains = join ' UNION ALL ', map {
		qq{SELECT format('$_ still has rows of version %s', v.version)
		FROM $model.version AS v
		WHERE NOT EXISTS (SELECT FROM $model.item_embedding AS e WHERE e.version = v.version)
			AND EXISTS (SELECT FROM $model.$_ AS t WHERE t.version = v.version)}
	} grep { $_ ne 'epoch' } @tables;

	return qq{
		WITH whole AS (
			SELECT v.*, i.*, b.*,
				(SELECT count(*) FROM $model.user_embedding AS t WHERE t.version = v.version) AS user_rows,
				(SELECT count(*) FROM $model.fold_in AS t WHERE t.version = v.version) AS fold_ins
			FROM $model.version AS v
				CROSS JOIN LATERAL (
					SELECT count(*) AS item_rows, count(DISTINCT item_no) AS numbers, min(item_no) AS first_no,
						max(item_no) AS last_no
					FROM $model.item_embedding AS t WHERE t.version = v.version) AS i
				CROSS JOIN LATERAL (
					SELECT coalesce(sum(t.items), 0) AS block_items, count(*) AS blocks, max(block) AS last_block
					FROM $model.item_block AS t WHERE t.version = v.version) AS b
			WHERE v.deployed OR i.item_rows > 0)
		SELECT format('version %s is torn: %s', version, row(item_rows, numbers, last_no, user_rows, block_items,
			blocks, fold_ins))
		FROM whole
		WHERE item_rows <> items OR numbers <> items OR first_no <> 0 OR last_no <> items - 1
			OR user_rows <> users OR block_items <> CASE WHEN dims > 0 THEN items ELSE 0 END OR last_block <> blocks - 1
			OR fold_ins <> 1
		UNION ALL $orphans
		UNION ALL $remains
		UNION ALL
		SELECT 'more than one version is deployed'
		FROM $model.version WHERE deployed HAVING count(*) > 1};
}

# Start psql with a script, whose output arrives in $run->{stdout}: wait for it with pump().
sub start_script
{
	my ($node, $script) = @_;
	my %run = (stdin => $script, stdout => '', stderr => '');

	$run{handle} = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-d',
			$node->connstr('postgres'), '-f', '-'
		],
		'<', \$run{stdin}, '>', \$run{stdout}, '2>', \$run{stderr},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%run;
}

# The processes of a server, the postmaster first: those whose parent it is.
sub server_processes
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children;

	for my $stat (glob '/proc/[0-9]*/stat')
	{
		my $line = eval { slurp_file($stat) } // next;    # it may have ended by now

		push @children, $1 if $line =~ /^(\d+) \(.*\) \S $postmaster /s;
	}
	return ($postmaster, @children);
}

# A session that stays open, for many small questions.  ask() gives the answer without delay,
# errors included, and dies if there is none in that many seconds.
sub open_session
{
	my ($node, $dbname) = @_;
	my %session;

	# A shell only for its redirection: errors come in between the answers.
	$session{pid} = IPC::Open2::open2(
		$session{out}, $session{in}, 'sh', '-c', 'exec psql -XAtq -v VERBOSITY=verbose -d "$1" 2>&1', 'sh',
		$node->connstr($dbname // 'postgres'));
	return \%session;
}

sub ask
{
	my ($session, $sql, $limit) = @_;

	ask_for($session, $sql);
	return answer_of($session, $limit);
}

# The two halves of ask(): what is done between them, is done while the statement runs.
sub ask_for
{
	my ($session, $sql) = @_;

	$session->{asked} = $sql;
	print { $session->{in} } "$sql;\n\\echo <end>\n";
	return;
}

sub answer_of
{
	my ($session, $limit) = @_;
	my $answer = '';

	local $SIG{ALRM} = sub { die "no answer to: $session->{asked}\n" };
	alarm($limit // $PostgreSQL::Test::Utils::timeout_default);
	while (defined(my $line = readline $session->{out}))
	{
		last if $line eq "<end>\n";
		$answer .= $line;
	}
	alarm 0;
	chomp $answer;
	return $answer;
}

sub close_session
{
	my ($session) = @_;

	close $session->{in};
	close $session->{out};
	waitpid $session->{pid}, 0;
	return;
}

# Letter of a process's state: Z if only its entry in the table of processes is left, '' if
# not even that.
sub process_state
{
	my ($pid) = @_;
	my $line = eval { slurp_file("/proc/$pid/stat") } // return '';

	return $line =~ /^\d+ \(.*\) (\S)/s ? $1 : '';
}

# Where nobody collects dead processes at once, as in some containers, a start takes the dead
# postmaster for a living one.
sub forget_postmaster
{
	my ($node, $postmaster) = @_;
	my $until = time() + 0.1;

	usleep(1_000) while process_state($postmaster) ne '' && time() < $until;
	unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock'
	  if process_state($postmaster) eq 'Z';
	$node->{_pid} = undef;
	return;
}

# kill -9 of the postmaster and everything below it, nearly at once; returns when all are gone.
# That loses no write that reached the operating system, so that fsync may be off.
sub kill_server_tree
{
	my ($node) = @_;
	my ($postmaster) = server_processes($node);
	my @processes;

	# From PostgreSQL 16 on the directory is told relative to ours.
	readlink("/proc/$postmaster/cwd") eq abs_path($node->data_dir)
	  or die "process $postmaster is not the server of " . $node->data_dir;
	# While it is stopped, it neither starts processes nor hears of the end of any.
	kill 'STOP', $postmaster;
	@processes = server_processes($node);
	kill 'KILL', $_ for @processes;
	for my $pid (@processes)
	{
		usleep(1_000) while process_state($pid) =~ /[^Z]/;
	}
	forget_postmaster($node, $postmaster);
	return scalar @processes;
}

# Number of shared memory segments of a server with dynamic_shared_memory_type = mmap, where
# they are files.  A session that has used workers has a segment of its own until it is gone,
# which is a moment after its client has left.
sub shared_segments
{
	my ($node) = @_;

	$node->poll_query_until('postgres', q{
		SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'})
	  or die 'sessions do not end';
	return scalar grep { /^mmap/ } slurp_dir($node->data_dir . '/pg_dynshmem');
}

# What is promised, in how many cases this test has tried it, and how often it failed: a line of
# the table that test/run.sh prints.  The failed checks themselves are reported as ever.
sub promise
{
	my ($text, $cases, $failures) = @_;

	note(sprintf('promise: %s | %d | %d', $text, $cases, $failures));
	return;
}

# What this test has measured, with its unit: a line of the second table.
sub measured
{
	my ($text, $figure) = @_;

	note("measured: $text | $figure");
	return;
}

1;
