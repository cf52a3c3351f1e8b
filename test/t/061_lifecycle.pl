# What a database goes through: dumped, restored, upgraded, handed over, renamed, the extension updated,
# dropped and made anew.  Models answer as before, or are refused, or go with their owner; none gets lost.
use strict;
use warnings;

use Commrec;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = $ENV{COMMREC_SOURCE} // '../..';
my $node   = new_server('lifecycle', 'commrec.keep_versions = 20');
my ($dumped, $kept, $updated) = (0, 0, 0);

sub as_role
{
	my ($role, $sql, $dbname) = @_;
	return $node->safe_psql($dbname // 'postgres', $sql, extra_params => [ '-U', $role ]);
}

# A check that belongs to the promise about dumps, about owners and names, or about updates.
sub restored_ok { $dumped += !is($_[0], $_[1], $_[2]); return; }
sub kept_ok     { $kept   += !is($_[0], $_[1], $_[2]); return; }
sub updated_ok  { $updated += !is($_[0], $_[1], $_[2]); return; }

load_events($node, 120, 48, 15);
$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE heir LOGIN;
	CREATE ROLE reader LOGIN;
	GRANT CREATE ON DATABASE postgres TO owner, heir;
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO owner, heir;
	GRANT SELECT ON events TO owner, heir});
my $courses = q{
	SET client_min_messages = error;
	SELECT commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 8, "epochs": 3}');
	UPDATE courses.action SET spread = 0.25 WHERE action = 'comment';
	SELECT commrec.create_filter('courses', 'even', 'events', 'item_id % 2 = 0');
	SELECT commrec.train('courses', workers => 0);};
as_role('owner', $courses . q{
	SELECT commrec.train('courses', '{"factors": 12}', workers => 0);
	GRANT USAGE ON SCHEMA courses TO reader});
# A second model, in a schema of another name, with ids that are text.
$node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE VIEW words AS SELECT 'u' || user_id AS who, 'i' || item_id AS what, action, at FROM events;
	CREATE SCHEMA elsewhere;
	SELECT commrec.create_model('articles', 'words', 'who', 'what', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 4, "epochs": 2}', in_schema => 'elsewhere');
	SELECT commrec.train('articles', workers => 0)});

my $bits     = model_digest($node, 'courses');
my $answers  = serving_digest($node, 'courses');
my $articles = q{SELECT md5(string_agg(concat_ws('|', u, rank, item_id, float4send(score), source), ',' ORDER BY u, rank))
	FROM generate_series(1, 120) AS u, commrec.recommend('u' || u, 5, 'articles')};
my $written = $node->safe_psql('postgres', $articles);

# Everything of the courses: answers, bits, filter, privileges, training, and back.
sub check_restored
{
	my ($server, $dbname, $how) = @_;
	my $sql = sub { return $server->safe_psql($dbname, $_[0]) };

	restored_ok(serving_digest($server, 'courses', $dbname), $answers, "$how: the same answers");
	restored_ok(model_digest($server, 'courses', $dbname), $bits, "$how: the same bits");
	restored_ok($sql->($articles), $written, "$how: the same answers of the other model");
	restored_ok($sql->(q{SELECT count(*) FROM courses.recommend(7, 100, filter => 'even') WHERE item_id % 2 = 1}), '0',
		"$how: the filter holds");
	restored_ok($sql->(q{SELECT string_agg(concat_ws(' ', model, schema, owner, state), ', ' ORDER BY model) FROM commrec.models}),
		'articles elsewhere postgres trained, courses courses owner trained', "$how: commrec.models lists both")
	  if $sql->('SELECT current_user') eq 'postgres';
	restored_ok($sql->(q{SET ROLE reader; SELECT count(*) FROM courses.recommend(7, 5)}), '5', "$how: the reader may ask");
	restored_ok($sql->(q{SET client_min_messages = error; SET ROLE owner;
		SELECT version, deployed FROM commrec.train('courses', '{"factors": 12}', workers => 2)}), '3|t', "$how: the owner trains");
	restored_ok(serving_digest($server, 'courses', $dbname), $answers, "$how: to the same answers");
	restored_ok($sql->(q{SET ROLE owner; SELECT commrec.rollback('courses')}), '2', "$how: and rolls back");
	return;
}
my $checks_of_restored = 9;

# --- What is compared ----------------------------------------------------------------------------------

# All that a version of the extension consists of, in words.
my $catalog = q{
	WITH member AS (
		SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'commrec'),
	acl AS (
		SELECT m.*, coalesce(p.proacl, c.relacl, t.typacl, n.nspacl)::text AS acl
		FROM member AS m
			LEFT JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
			LEFT JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
			LEFT JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
			LEFT JOIN pg_namespace AS n ON m.classid = 'pg_namespace'::regclass AND n.oid = m.objid)
	SELECT format('%s | comment %s | acl %s | initial %s', pg_describe_object(a.classid, a.objid, 0),
		obj_description(a.objid, a.classid::regclass::name), a.acl,
		(SELECT i.initprivs::text FROM pg_init_privs AS i WHERE i.classoid = a.classid AND i.objoid = a.objid AND i.objsubid = 0))
	FROM acl AS a
	UNION ALL SELECT format('function %s: %s %s', p.oid::regprocedure, pg_get_function_result(p.oid), CASE WHEN p.prokind = 'a'
		THEN (SELECT format('aggregate %s', to_jsonb(g) - 'aggfnoid') FROM pg_aggregate AS g WHERE g.aggfnoid = p.oid)
		ELSE pg_get_functiondef(p.oid) END)
	FROM member AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
	UNION ALL SELECT format('view %s: %s', c.oid::regclass, pg_get_viewdef(c.oid))
	FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid WHERE c.relkind = 'v'
	UNION ALL SELECT format('column %s.%s %s: %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
		col_description(c.oid, a.attnum))
	FROM member AS m JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
		JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE a.attnum > 0
	UNION ALL SELECT format('constraint %s: %s', k.conname, pg_get_constraintdef(k.oid))
	FROM member AS m JOIN pg_constraint AS k ON m.classid = 'pg_class'::regclass AND k.conrelid = m.objid
	UNION ALL SELECT format('index %s', pg_get_indexdef(i.indexrelid))
	FROM member AS m JOIN pg_index AS i ON m.classid = 'pg_class'::regclass AND i.indrelid = m.objid
	UNION ALL SELECT format('label %s of %s', string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder), e.enumtypid::regtype)
	FROM member AS m JOIN pg_enum AS e ON m.classid = 'pg_type'::regclass AND e.enumtypid = m.objid GROUP BY e.enumtypid
	UNION ALL SELECT format('cast %s as %s: %s %s %s', k.castsource::regtype, k.casttarget::regtype, k.castfunc::regprocedure,
		k.castcontext, k.castmethod)
	FROM member AS m JOIN pg_cast AS k ON m.classid = 'pg_cast'::regclass AND k.oid = m.objid
	UNION ALL SELECT format('dumped %s where %s', t.table_oid::regclass, t.condition)
	FROM pg_extension AS e, unnest(e.extconfig, e.extcondition) AS t (table_oid, condition) WHERE e.extname = 'commrec'
	UNION ALL SELECT format('version %s in %s, relocatable %s', e.extversion, e.extnamespace::regnamespace, e.extrelocatable)
	FROM pg_extension AS e WHERE e.extname = 'commrec'
	ORDER BY 1};

# What a model's schema consists of.
my $layout = q{
	SELECT format('%s %s %s: %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum))
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.relnamespace = '%s'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL SELECT format('%s(%s) %s: %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
		obj_description(p.oid, 'pg_proc'))
	FROM pg_proc AS p WHERE p.pronamespace = '%s'::regnamespace
	ORDER BY 1};

sub lines_differing
{
	my ($first, $second) = @_;
	my %lines;

	$lines{$_}-- for split /\n/, $first;
	$lines{$_}++ for split /\n/, $second;
	return join "\n", map { ($lines{$_} < 0 ? '- ' : '+ ') . $_ } grep { $lines{$_} != 0 } sort keys %lines;
}

# --- A database of the release before ----------------------------------------------------------------
#
# The extension as 0.1.0 installs it, served by the library of now: models of several algorithms and owners
# are made, trained, refreshed, and forget.  Further down it is updated where it is, after pg_upgrade, and
# after a dump.

my @before = qw(courses neighbors ratings pairs);    # trained; "plain" is not
my $train  = q{SET client_min_messages = error; SELECT version FROM commrec.train('%s', workers => 0)};
my %owner  = (courses => 'owner', neighbors => 'owner', plain => 'owner', ratings => 'heir', pairs => 'heir');

# Every row of a model but for what 0.2.0 adds, who owns it and who may what.
sub everything_of
{
	my ($server, $model, $dbname) = @_;

	return $server->safe_psql($dbname, qq{
		SELECT format('%s %s %s %s', c.relname, c.relowner::regrole, c.relacl, (xpath('/row/rows/text()', query_to_xml(format(
			\$q\$SELECT md5(string_agg(j.row, ',' ORDER BY j.row COLLATE "C")) AS rows
			FROM (SELECT (to_jsonb(t) - '{library,events_oid,model_oid,items_oid,filter_oid}'::text[])::text FROM %s AS t) AS j (row)\$q\$,
			c.oid::regclass), false, true, '')))[1])
		FROM pg_class AS c WHERE c.relnamespace = '$model'::regnamespace AND c.relkind = 'r'
		UNION ALL SELECT format('%s %s %s', p.oid::regprocedure, p.proowner::regrole, p.proacl)
		FROM pg_proc AS p WHERE p.pronamespace = '$model'::regnamespace
		UNION ALL SELECT format('%s %s', nspowner::regrole, nspacl) FROM pg_namespace WHERE nspname = '$model'
		ORDER BY 1});
}

# Rows, answers and bits of all models of that database.
sub state_of
{
	my ($server, $dbname) = @_;

	return join "\n", map { everything_of($server, $_, $dbname), serving_digest($server, $_, $dbname), model_digest($server, $_, $dbname) }
	  @before;
}

$node->safe_psql('postgres', 'CREATE DATABASE before TEMPLATE template0; GRANT CREATE ON DATABASE before TO owner, heir');
load_events($node, 120, 48, 15, 'before');
rate_events($node, 'before');
$node->safe_psql('before', q{
	CREATE EXTENSION commrec VERSION '0.1.0';
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO owner, heir;
	GRANT SELECT ON events TO owner, heir});
as_role('owner', $courses . q{
	SELECT commrec.forget(5, 'courses');
	CALL commrec.refresh('courses', 'retrain', hyperparameters => '{"factors": 12}');
	SELECT commrec.create_model('neighbors', 'events', action_column => 'action', time_column => 'at', algorithm => 'item_knn');
	SELECT commrec.create_model('plain', 'events');
	GRANT USAGE ON SCHEMA courses TO reader;
	GRANT SELECT ON courses.user_activity, courses.version TO reader}, 'before');
as_role('heir', q{
	SET client_min_messages = error;
	SELECT commrec.create_model('ratings', 'events', action_column => 'action', time_column => 'at', value_column => 'value',
		algorithm => 'als', hyperparameters => '{"factors": 4, "epochs": 2}');
	SELECT commrec.create_model('pairs', 'events', action_column => 'action', time_column => 'at', algorithm => 'bpr',
		hyperparameters => '{"factors": 4, "epochs": 2}')}, 'before');
$node->safe_psql('before', q{INSERT INTO events VALUES (7, 3, 'share', '2024-09-01 00:00+00'), (777, 4, 'like', '2024-09-02 00:00+00')});
as_role('owner', q{CALL commrec.refresh('courses', 'fold_in')}, 'before');
is($node->safe_psql('before', q{SELECT string_agg(concat_ws(' ', decided, outcome, version), ', ' ORDER BY job) FROM commrec.job}),
	'retrain done 2, fold_in done 2', 'the library of now under the catalog of 0.1.0: it refreshes');
is(as_role($owner{$_}, sprintf($train, $_), 'before'), $_ eq 'courses' ? 3 : 1, "it trains $_") for @before;
my %trained = map { $_ => model_digest($node, $_, 'before') } @before;
is(as_role('owner', q{SELECT commrec.rollback('courses')}, 'before'), '2', 'it rolls back');
is(as_role('owner', q{SELECT count(*) FROM courses.recommend(777, 5) WHERE source = 'model'}, 'before'), '5',
	'it answers a member who was folded in');
my $was = state_of($node, 'before');

# All of that, and what the owners can do with it now, after the extension has become that of now.
sub check_updated
{
	my ($server, $dbname, $how) = @_;
	my $sql = sub { $server->safe_psql($dbname, $_[1], extra_params => [ '-U', $_[0] ]) };

	updated_ok(lines_differing($was, state_of($server, $dbname)), '', "$how: the same rows, privileges, answers and bits");
	updated_ok($sql->('reader', q{SELECT count(*) FROM courses.recommend(7, 100, filter => 'even') WHERE item_id % 2 = 1}), '0',
		"$how: the reader may ask, the filter holds");
	# New functions were granted to nobody.
	$sql->($owner{$_}, qq{SET client_min_messages = error; SELECT commrec.alter_model('$_')}) for sort keys %owner;
	updated_ok($sql->('postgres', q{SELECT count(*) FROM commrec.models WHERE up_to_date}), scalar keys %owner, "$how: all are up to date");
	$sql->('owner', q{SET client_min_messages = error; SELECT commrec.create_model('anew', 'events', time_column => 'at')});
	updated_ok(join('', map { lines_differing(map { $server->safe_psql($dbname, $layout =~ s/'%s'::/'$_'::/gr) } 'anew', $_) } sort keys %owner),
		'', "$how: they are made as a new one is");
	for my $model (@before)
	{
		$sql->($owner{$model}, sprintf $train, $model);
		updated_ok(model_digest($server, $model, $dbname), $trained{$model}, "$how: $model is trained to the same bits");
	}
	updated_ok($sql->('reader', q{SELECT string_agg(concat_ws(' ', version, library), ', ' ORDER BY version) FROM courses.version}),
		'1, 2, 3, 4 ' . $sql->('reader', 'SELECT library FROM commrec.version()'), "$how: a version says which release trained it");
	$sql->('postgres', q{INSERT INTO events VALUES (8, 3, 'share', '2024-09-03 00:00+00')});
	$sql->('owner', q{CALL commrec.refresh('courses', 'fold_in'); SELECT commrec.forget(8, 'courses')});
	updated_ok($sql->('postgres', q{SELECT concat_ws(' ', folded_events, (SELECT count(*) FROM courses.forgotten), (SELECT max(job) FROM courses.job))
		FROM commrec.models WHERE model = 'courses'}), '1 2 3', "$how: it takes new events in, and forgets");
	updated_ok($sql->('owner', q{SELECT commrec.deploy('courses', 3); SELECT count(*) FROM courses.recommend(7, 5)}) =~ s/^\n//r, '5',
		"$how: an earlier version is deployed, and serves");
	updated_ok($sql->('owner', q{SELECT commrec.deploy('courses', 4); SELECT commrec.rollback('courses')}) =~ s/^\n//r, '3', "$how: it rolls back");
	return;
}
my $checks_of_updated = 8 + @before;

# --- Dump and restore --------------------------------------------------------------------------------

my $dump = $node->basedir;
my $prepared = q{GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO owner, heir};

for my $format ('plain', 'custom', 'directory')
{
	$node->command_ok([ 'pg_dump', "--format=$format", '-f', "$dump/$format", $node->connstr('postgres') ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE $format TEMPLATE template0");
	$node->command_ok($format eq 'plain'
		? [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($format), '-f', "$dump/$format" ]
		: [ 'pg_restore', '-e', '-d', $node->connstr($format), "$dump/$format" ], "restored, $format");
	check_restored($node, $format, $format);
}

# One model alone, dumped and restored by its owner, where the extension and the events are.
$node->command_ok([ 'pg_dump', '-U', 'owner', '-n', 'courses', '-f', "$dump/model", $node->connstr('postgres') ],
	'the owner dumps the schema of his model');
$node->command_ok([ 'pg_dump', '-t', 'events', '-f', "$dump/events", $node->connstr('postgres') ], 'and the events');
$node->safe_psql('postgres', 'CREATE DATABASE alone TEMPLATE template0; GRANT CREATE ON DATABASE alone TO owner');
$node->safe_psql('alone', "CREATE EXTENSION commrec; $prepared");
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('alone'), '-f', "$dump/events" ],
	'the events are there');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-U', 'owner', '-d', $node->connstr('alone'), '-f', "$dump/model" ],
	'he restores it elsewhere');
restored_ok(serving_digest($node, 'courses', 'alone'), $answers, 'one model alone: the same answers');
restored_ok(as_role('owner', q{SET client_min_messages = error;
	SELECT version FROM commrec.train('courses', '{"factors": 12}')}, 'alone'), '3', 'it trains');
restored_ok(model_digest($node, 'courses', 'alone'), $bits, 'to the same bits');

# A second time it is refused, as by any table that is there, and nothing is changed.
command_fails_like([ 'psql', '-Xq', '-1', '-v', 'ON_ERROR_STOP=1', '-U', 'owner', '-d', $node->connstr('alone'), '-f', "$dump/model" ],
	qr/schema "courses" already exists/, 'restoring over a model is refused');
restored_ok(model_digest($node, 'courses', 'alone'), $bits, 'and leaves it as it is');

# --- pg_upgrade, to the same version ---------------------------------------------------------------

my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
$upgraded->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
my $bindir = (run_command([ 'pg_config', '--bindir' ]))[0];
$node->stop;
$node->command_ok(
	[
		'pg_upgrade', '-d', $node->data_dir, '-D', $upgraded->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $node->host, '-p', $node->port, '-P', $upgraded->port
	],
	'pg_upgrade');
$upgraded->start;
check_restored($upgraded, 'postgres', 'pg_upgrade');
$upgraded->safe_psql('before', 'ALTER EXTENSION commrec UPDATE');
check_updated($upgraded, 'before', 'pg_upgrade and an update');
$upgraded->stop;
$node->start;
promise('a model dumped and restored, or taken along by pg_upgrade, answers the same',
	4 * $checks_of_restored + 4, $dumped);

# --- Owners ------------------------------------------------------------------------------------------

my $trains  = q{SET client_min_messages = error; SELECT users FROM commrec.train('courses', workers => 0)};
my $deploys = q{SELECT commrec.deploy('courses', 2)};
my $checks  = 0;

sub refused_as
{
	my ($role, $sql, $state, $message, $name) = @_;
	sql_fails($node, "SET ROLE $role; $sql", $state, $message, $name);
	return;
}

# The role gets another name.
$node->safe_psql('postgres', 'ALTER ROLE owner RENAME TO proprietor');
kept_ok(as_role('proprietor', $trains), '120', 'the owner renamed: he trains under his new name');
as_role('proprietor', $deploys);
kept_ok(serving_digest($node, 'courses'), $answers, 'with the answers of before');
$node->safe_psql('postgres', 'ALTER ROLE proprietor RENAME TO owner');

# The schema alone to somebody else: its tables are still the owner's, who may no longer look into it.
$node->safe_psql('postgres', 'ALTER SCHEMA courses OWNER TO heir');
refused_as('heir', $trains, '42501', 'owner', 'the owner of the schema alone does not train');
refused_as('owner', $trains, '42501', 'courses', 'neither does the owner of its tables without USAGE');
kept_ok(as_role('reader', 'SELECT count(*) FROM courses.recommend(7, 5)'), '5', 'who was granted to ask goes on asking');
kept_ok(serving_digest($node, 'courses'), $answers, 'with the same answers');
$node->safe_psql('postgres', 'GRANT USAGE, CREATE ON SCHEMA courses TO owner');
kept_ok(as_role('owner', $trains), '120', 'with USAGE he trains again');
as_role('owner', $deploys);

# Everything of the owner's to the heir.
sql_fails($node, 'DROP ROLE owner', '2BP01', 'cannot be dropped', 'a role that owns a model cannot be dropped');
$node->safe_psql('postgres', 'REASSIGN OWNED BY owner TO heir');
refused_as('owner', $trains, '42501', '', 'after REASSIGN OWNED the former owner does not train');
kept_ok(as_role('heir', $trains), '120', 'the new one does');
as_role('heir', $deploys);
kept_ok(serving_digest($node, 'courses'), $answers, 'the answers are the same');
kept_ok(as_role('heir', q{SELECT count(*) > 0 FROM commrec.alter_model('courses', '{"epochs": 2}')}), 't', 'he alters it');
kept_ok($node->safe_psql('postgres', q{
	SELECT string_agg(DISTINCT r.rolname, ' ') FROM (
		SELECT relowner FROM pg_class WHERE relnamespace = 'courses'::regnamespace
		UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'courses'::regnamespace
		UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'courses') AS o (owner) JOIN pg_roles AS r ON r.oid = o.owner}),
	'heir', 'everything in the schema is his');
$node->safe_psql('postgres', 'DROP OWNED BY owner');
kept_ok(serving_digest($node, 'courses'), $answers, 'DROP OWNED BY the former owner takes nothing of it');

# --- Names -------------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{
	ALTER SCHEMA courses RENAME TO lessons;
	ALTER TABLE events RENAME TO happenings;
	CREATE SCHEMA app;
	GRANT USAGE ON SCHEMA app TO heir;
	ALTER TABLE happenings SET SCHEMA app});
kept_ok(serving_digest($node, 'lessons'), $answers, 'a schema renamed: the same answers under its new name');
kept_ok($node->safe_psql('postgres', q{SELECT count(*) FROM commrec.recommend(7::bigint, 5, 'courses')}), '5',
	'and by the name of the model');
kept_ok(as_role('heir', q{SET client_min_messages = error; SELECT users FROM commrec.train('lessons', workers => 0)}), '120',
	'the events renamed and in another schema: it trains');
kept_ok($node->safe_psql('postgres', q{SELECT events FROM commrec.models WHERE schema = 'lessons'}), 'app.happenings',
	'commrec.models has their new name');
as_role('heir', q{SELECT commrec.deploy('lessons', 2)});
$node->safe_psql('postgres', 'CREATE TABLE events (LIKE app.happenings)');
kept_ok(as_role('heir', q{SET client_min_messages = error; SELECT users FROM commrec.train('lessons', workers => 0)}), '120',
	'a new table of their former name is not taken for them');
as_role('heir', q{SELECT commrec.deploy('lessons', 2)});
kept_ok(serving_digest($node, 'lessons'), $answers, 'the answers are the same still');
promise('renaming or handing over a model, its schema or its events changes no answer', 17, $kept);

# --- The extension -----------------------------------------------------------------------------------

sql_fails($node, 'ALTER EXTENSION commrec SET SCHEMA app', '0A000', 'SET SCHEMA', 'the extension stays in its schema');
sql_fails($node, q{ALTER EXTENSION commrec UPDATE TO '99.9'}, '22023', 'no update path', 'an unknown version is refused');
is($node->psql('postgres', 'ALTER EXTENSION commrec UPDATE'), 0, 'ALTER EXTENSION UPDATE to what is there does nothing');
$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
sql_fails($node, 'CREATE EXTENSION commrec SCHEMA public', '0A000', 'must be installed in schema "commrec"',
	'it is installed in no other schema', dbname => 'fresh');
sql_fails($node, 'GRANT CREATE ON DATABASE fresh TO heir; SET ROLE heir; CREATE EXTENSION commrec', '42501', 'superuser|permission',
	'only a superuser installs it', dbname => 'fresh');

sql_fails($node, 'CREATE SCHEMA commrec AUTHORIZATION heir; CREATE EXTENSION commrec', '42501', 'schema "commrec" belongs',
	'a schema that somebody else has laid out for it is refused', dbname => 'fresh');
is($node->safe_psql('fresh', 'ALTER SCHEMA commrec OWNER TO CURRENT_USER; CREATE EXTENSION commrec; SELECT count(*) FROM commrec.models'),
	'0', 'one that is a superuser\'s is taken');

# Its schema bears its name: renamed, everything says which schema is missing, and nothing is lost.
$node->safe_psql('postgres', 'ALTER SCHEMA commrec RENAME TO reccom');
sql_fails($node, $_, '3F000', 'schema "commrec" does not exist', "the extension's schema renamed: $_")
  for 'SELECT * FROM lessons.recommend(7, 5)', q{SELECT reccom.train('lessons')}, 'SELECT * FROM reccom.models';
$node->safe_psql('postgres', 'ALTER SCHEMA reccom RENAME TO commrec');
is(serving_digest($node, 'lessons'), $answers, 'and named as before, models answer as before');

# The library is replaced while a session is open: what it starts from then on are workers of another
# release, with which it may share no memory.  The library of before is that of now, renamed in itself.
# From PostgreSQL 18 on the server's directory is named from here.
my $libraries = File::Spec->rel2abs($node->basedir) . '/libraries';
my $installed = (run_command([ 'pg_config', '--pkglibdir' ]))[0] . '/commrec.so';
my $release   = $node->safe_psql('postgres', 'SELECT library FROM commrec.version()');
my $former    = slurp_file($installed);
cmp_ok($former =~ s/\x{0}\Q$release\E\x{0}/"\0" . ($release =~ tr,0-9,9,r) . "\0"/ge, '>=', 1, 'a library of another release');
mkdir $libraries;
append_to_file("$libraries/commrec.so", $former);
append_to_file("$libraries/installed", slurp_file($installed));
$node->safe_psql('postgres', "ALTER SYSTEM SET dynamic_library_path = '$libraries:\$libdir'");
$node->reload;
$node->safe_psql('postgres', $node->safe_psql('postgres', q{SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p
	WHERE p.pronamespace = 'commrec'::regnamespace AND p.proname = 'train'}) =~ s/commrec\.train\(/public.train(/r =~ s/\$libdir/$libraries/r);
my $open = open_session($node);
is(ask($open, q{SET client_min_messages = error; SELECT version FROM train('articles', workers => 1)}), '2', 'a session trains with a worker');
rename "$libraries/installed", "$libraries/commrec.so" or die $!;
like(ask($open, q{SELECT version FROM train('articles', workers => 1)}), qr/ERROR:  55000: commrec has been replaced by release \Q$release\E/,
	'and may not when the library has been replaced');
is(ask($open, q{SELECT version FROM train('articles', workers => 0)}), '3', 'alone it may');
close_session($open);
$node->safe_psql('postgres', 'DROP FUNCTION train; ALTER SYSTEM RESET dynamic_library_path');
$node->reload;

# Models outlive the extension: their functions go with it, their tables stay.
$node->safe_psql('postgres', 'CREATE VIEW report AS SELECT r.* FROM lessons.recommend(7, 5) AS r');
sql_fails($node, 'DROP EXTENSION commrec', '2BP01', 'cannot drop', 'what depends on a model\'s functions keeps the extension');
$node->safe_psql('postgres', 'DROP VIEW report');
my $rows = q{SELECT string_agg(format('%s %s', relname, (xpath('/row/n/text()',
		query_to_xml(format('SELECT count(*) AS n FROM %s', oid::regclass), false, true, '')))[1]), ', ' ORDER BY relname)
	FROM pg_class WHERE relnamespace = 'lessons'::regnamespace AND relkind = 'r'};
my $tables = $node->safe_psql('postgres', $rows);
$node->safe_psql('postgres', 'DROP EXTENSION commrec');
is($node->safe_psql('postgres', $rows), $tables, 'DROP EXTENSION leaves every row of a model');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'lessons'::regnamespace}), '0',
	'and none of its functions, which could not answer');
$node->safe_psql('postgres', "CREATE EXTENSION commrec; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO heir");
is($node->safe_psql('postgres', q{SELECT count(*) FROM commrec.recommend(7::bigint, 5, 'lessons')}), '5',
	'with the extension anew it answers');
as_role('heir', q{SELECT commrec.alter_model('lessons')});
is(serving_digest($node, 'lessons'), $answers, 'alter_model() makes its functions anew: the same answers');

# --- Upgrade scripts ---------------------------------------------------------------------------------

# The comparison sees what can differ.
my $before = $node->safe_psql('postgres', $catalog);
cmp_ok(length $before, '>', 100_000, 'the catalog of the extension is read');
for my $change (
	q{GRANT EXECUTE ON FUNCTION commrec.rollback(text) TO PUBLIC},
	q{COMMENT ON VIEW commrec.models IS 'another'},
	q{ALTER FUNCTION commrec.rollback(text) COST 1},
	q{ALTER FUNCTION commrec.bucket_start(timestamptz, interval) VOLATILE},
	q{ALTER TYPE commrec.deployment RENAME VALUE 'never' TO 'rarely'},
	q{ALTER EXTENSION commrec DROP FUNCTION commrec.rollback(text)},
	q{CREATE FUNCTION commrec.more() RETURNS integer LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION commrec ADD FUNCTION commrec.more()})
{
	isnt(lines_differing($before, $node->safe_psql('postgres', "BEGIN; $change; $catalog")), '', "it would see: $change");
}

# A database as it was, in one with the extension of now.
$node->command_ok([ 'pg_dump', '-f', "$dump/before", $node->connstr('before') ], 'pg_dump of a database with 0.1.0');
$node->safe_psql('postgres', 'CREATE DATABASE later TEMPLATE template0; GRANT CREATE ON DATABASE later TO owner, heir');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('later'), '-f', "$dump/before" ], 'restored');
updated_ok($node->safe_psql('later', q{SELECT library = extension, (SELECT count(*) FROM commrec.models WHERE up_to_date) FROM commrec.version()}),
	't|0', 'the extension is that of now, the models are as 0.1.0 made them');
check_updated($node, 'later', 'a dump of 0.1.0 restored');

# Somebody has laid out schemas in which the superuser's update might run something of his, or alter
# something of somebody else's: whatever is called counts, in a sequence that no rollback takes back.
$node->safe_psql('before', q{
	CREATE ROLE stranger;
	CREATE SCHEMA trap AUTHORIZATION stranger;
	CREATE SCHEMA lent AUTHORIZATION stranger;
	CREATE SCHEMA altered AUTHORIZATION stranger;
	SET ROLE stranger;
	CREATE SEQUENCE trap.called;
	CREATE FUNCTION trap.call() RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT nextval(''trap.called'') > 0';
	CREATE FUNCTION trap.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM trap.call(); RETURN NEW; END';
	CREATE TABLE trap.commrec_model (model text DEFAULT trap.call()::text);
	CREATE TABLE trap.version (version integer, trained_at timestamptz, algorithm text, hyperparameters jsonb, memory_planned bigint,
		metrics jsonb, deployed boolean, more boolean DEFAULT trap.call());
	CREATE TABLE altered.commrec_model (LIKE trap.commrec_model);
	CREATE TABLE altered.version (LIKE trap.version, CHECK (trap.call()));
	CREATE TABLE lent.commrec_model (LIKE trap.commrec_model);
	INSERT INTO trap.version VALUES (1, now(), 'ials', '{}', 1, '{}', true, true);
	CREATE TRIGGER fire AFTER INSERT OR UPDATE ON trap.version FOR EACH ROW EXECUTE FUNCTION trap.fire();
	CREATE TRIGGER fire BEFORE UPDATE ON trap.commrec_model FOR EACH STATEMENT EXECUTE FUNCTION trap.fire();
	CREATE RULE call AS ON UPDATE TO trap.version DO ALSO SELECT trap.call();
	CREATE INDEX ON trap.commrec_model (trap.call());
	ALTER TABLE trap.commrec_model ENABLE ROW LEVEL SECURITY;
	CREATE POLICY call ON trap.commrec_model USING (trap.call());
	GRANT CREATE, USAGE ON SCHEMA lent TO heir;
	SET ROLE heir;
	CREATE TABLE lent.version AS SELECT * FROM pairs.version;
	SET ROLE stranger;
	UPDATE trap.version SET version = 2});
is($node->safe_psql('before', q{SELECT is_called FROM trap.called; SELECT setval('trap.called', 1, false)}), "t\n1", 'the traps are there');

# And a model is in use.
my $reading = open_session($node, 'before');
ask($reading, 'BEGIN; SELECT count(*) FROM pairs.version');
$node->psql('before', 'ALTER EXTENSION commrec UPDATE', stderr => \my $warnings, extra_params => [ '-v', 'VERBOSITY=terse' ]);
close_session($reading);
updated_ok(join("\n", sort split /\n/, $warnings =~ s/^.*?WARNING/WARNING/mgr), join("\n",
	'WARNING:  the tables of model "altered" stay as they are: table "version" has been altered',
	'WARNING:  the tables of model "pairs" stay as they are: canceling statement due to lock timeout'),
	'an update waits for nobody, and says which models stay as they are');
updated_ok($node->safe_psql('before', 'SELECT is_called FROM trap.called'), 'f', 'nothing of an owner\'s is called');
updated_ok($node->safe_psql('before', q{SELECT string_agg(attrelid::regclass::text, ' ' ORDER BY attrelid::regclass::text)
	FROM pg_attribute WHERE attname = 'library' AND attrelid::regclass::text LIKE '%.version'}),
	'courses.version neighbors.version plain.version ratings.version trap.version', 'and no table of anybody else\'s is altered');
updated_ok($node->safe_psql('before', q{SELECT string_agg(model, ' ') FROM commrec.models WHERE NOT up_to_date AND owner <> 'stranger'}), 'pairs',
	'commrec.models says which model has to be brought up to date');
$node->safe_psql('before', 'DROP OWNED BY stranger CASCADE; DROP ROLE stranger');
$node->safe_psql('postgres', 'DROP DATABASE fresh; CREATE DATABASE fresh TEMPLATE template0');
$node->safe_psql('fresh', 'CREATE EXTENSION commrec');
updated_ok(lines_differing(map { $node->safe_psql($_, "BEGIN; $prepared; $catalog") } 'fresh', 'before'), '',
	'the updated extension is the installed one');
# DROP OWNED BY has taken this from him, in all databases.
$node->safe_psql('before', 'GRANT CREATE ON DATABASE before TO owner');
check_updated($node, 'before', 'updated');

sql_fails($node, q{ALTER EXTENSION commrec UPDATE TO '0.1.0'}, '22023', 'no update path', 'there is no way back', dbname => 'before');
is($node->psql('before', 'ALTER EXTENSION commrec UPDATE'), 0, 'a second update does nothing');
promise('an updated extension is the installed one, and its models go on: rows, privileges, answers, bits',
	6 + 3 * $checks_of_updated, $updated);
$node->safe_psql('postgres', "DROP DATABASE $_") for qw(before later);

# --- The end of an owner ---------------------------------------------------------------------------

$node->safe_psql('postgres', 'DROP OWNED BY heir CASCADE');
is($node->safe_psql('postgres', q{
	SELECT to_regnamespace('lessons') IS NULL, (SELECT string_agg(model, ' ') FROM commrec.models)}), 't|articles',
	'DROP OWNED BY takes the owner\'s models, all of them and no others');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE e.extname = 'commrec' AND d.deptype = 'x' AND d.objid NOT IN (
		SELECT oid FROM pg_proc WHERE pronamespace = 'elsewhere'::regnamespace)}), '0', 'and leaves nothing behind');
is($node->safe_psql('postgres', join(';', map { "DROP DATABASE $_" } qw(plain custom directory alone fresh)) . q{; DROP ROLE heir; SELECT 1}), '1', 'the role can be dropped');

$node->stop;
done_testing();
