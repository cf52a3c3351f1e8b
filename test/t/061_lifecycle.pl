# What a database goes through: dumped, restored, upgraded, handed over, renamed, the extension dropped
# and made anew.  Models answer as before, or are refused, or go with their owner; none gets lost.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = $ENV{COMMREC_SOURCE} // '../..';
my $node   = new_server('lifecycle', 'commrec.keep_versions = 20');
my ($dumped, $kept) = (0, 0);

sub as_role
{
	my ($role, $sql, $dbname) = @_;
	return $node->safe_psql($dbname // 'postgres', $sql, extra_params => [ '-U', $role ]);
}

# A check that belongs to the promise about dumps, or about owners and names.
sub restored_ok { $dumped += !is($_[0], $_[1], $_[2]); return; }
sub kept_ok     { $kept   += !is($_[0], $_[1], $_[2]); return; }

load_events($node, 120, 48, 15);
$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE heir LOGIN;
	CREATE ROLE reader LOGIN;
	GRANT CREATE ON DATABASE postgres TO owner, heir;
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO owner, heir;
	GRANT SELECT ON events TO owner, heir});
as_role('owner', q{
	SET client_min_messages = error;
	SELECT commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 8, "epochs": 3}');
	UPDATE courses.action SET spread = 0.25 WHERE action = 'comment';
	SELECT commrec.create_filter('courses', 'even', 'events', 'item_id % 2 = 0');
	SELECT commrec.train('courses', workers => 0);
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
	SELECT format('%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.relnamespace = '%s'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL SELECT format('%s(%s) %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid))
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

my @scripts = map { m{commrec--([^/]+)--([^/]+)\.sql$} ? [ $1, $2 ] : () } glob "$source/sql/commrec--*--*.sql";
SKIP:
{
	skip 'there is no upgrade script: this is the first version', 1 if !@scripts;
	my $differing = 0;

	for my $script (@scripts)
	{
		my ($old, $new) = @$script;
		my $name = "u$old-$new" =~ tr/./_/r;

		$node->safe_psql('postgres', qq{CREATE DATABASE "$name" TEMPLATE template0});
		load_events_into($name);
		$node->safe_psql($name, qq{
			CREATE EXTENSION commrec VERSION '$old';
			SET client_min_messages = error;
			SELECT commrec.create_model('courses', 'events', action_column => 'action', time_column => 'at',
				hyperparameters => '{"factors": 8, "epochs": 3}');
			SELECT commrec.train('courses', workers => 0)});
		my $was  = answers_digest($node, 'courses', $name);
		my $made = model_digest($node, 'courses', $name);

		$node->safe_psql($name, qq{ALTER EXTENSION commrec UPDATE TO '$new'});
		$differing += !is(answers_digest($node, 'courses', $name), $was, "$old to $new: a model goes on serving");
		$differing += !is($node->safe_psql($name, q{SET client_min_messages = error;
			SELECT version, deployed FROM commrec.train('courses', workers => 0)}), '2|t', "$old to $new: it trains");
		$differing += !is(answers_digest($node, 'courses', $name), $was, "$old to $new: to the same answers");

		# With alter_model() it has all that a new model has.
		$node->safe_psql($name, q{SET client_min_messages = error;
			SELECT commrec.alter_model('courses');
			SELECT commrec.create_model('anew', 'events', action_column => 'action', time_column => 'at',
				hyperparameters => '{"factors": 8, "epochs": 3}');
			SELECT commrec.train('anew', workers => 0)});
		$differing += !is(lines_differing(map { $node->safe_psql($name, $layout =~ s/'%s'::/'$_'::/gr) } 'anew', 'courses'), '',
			"$old to $new: an altered model is made as a new one is");
		$differing += !is(serving_digest($node, 'courses', $name), serving_digest($node, 'anew', $name),
			"$old to $new: and serves as one does");

		$node->safe_psql('postgres', 'DROP DATABASE fresh; CREATE DATABASE fresh TEMPLATE template0');
		$node->safe_psql('fresh', "CREATE EXTENSION commrec VERSION '$new'");
		$differing += !is(lines_differing(map { $node->safe_psql($_, $catalog) } 'fresh', $name), '',
			"$old to $new: the upgraded extension is the installed one");
		$node->safe_psql('postgres', qq{DROP DATABASE "$name"});
	}
	promise('an upgraded extension is the installed one, and its models go on', 6 * @scripts, $differing);
}

# The events of before, in another database.
sub load_events_into
{
	my ($dbname) = @_;

	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($dbname), '-f', "$dump/events" ],
		"events in $dbname");
	return;
}

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
