# Who may do what: row security, privileges on events and models, hostile search paths.
use strict;
use warnings;

use Commrec;
use Test::More;

my $node = new_server('security');

load_events($node, 300, 80, 20);
$node->safe_psql('postgres', q{
	CREATE ROLE owner;
	CREATE ROLE analyst;
	CREATE ROLE stranger;
	CREATE ROLE colleague IN ROLE owner;
	GRANT CREATE ON DATABASE postgres TO owner;
	ALTER TABLE events OWNER TO owner;
	GRANT USAGE ON SCHEMA commrec TO PUBLIC;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA commrec TO owner;
	GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA commrec TO owner;
	SET ROLE owner;
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4}');
	SELECT commrec.train('m', workers => 2)});
my $answers = answers_digest($node, 'm');
my $bits    = model_digest($node, 'm');

sub sql_as
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', "SET ROLE $role; $sql");
}

sub fails_as
{
	my ($role, $sql, $sqlstate, $message, $name) = @_;
	sql_fails($node, "SET ROLE $role; $sql", $sqlstate, $message, $name);
	return;
}

# --- Models (rows 48 and 67) ---
fails_as('analyst', q{SELECT * FROM commrec.recommend(1::bigint, 5, 'm')}, '42501', '"m"|schema m',
	'without USAGE on the schema: no answer');
fails_as('analyst', q{SELECT commrec.satisfaction(1::bigint, 'm')}, '42501', '"m"|schema m', 'nor satisfaction');
fails_as('analyst', q{SELECT * FROM m.recommend(1, 5)}, '42501', 'schema m', 'nor by the typed function');
fails_as('analyst', q{SELECT * FROM commrec.recommend(1::bigint, 5, 'nothing')}, '42704', '"nothing"',
	'an unknown model is named');
is(sql_as('analyst', q{SELECT count(*) FROM commrec.models}), '0', 'commrec.models shows only what one may use');

$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA m TO analyst');
is(sql_as('analyst', q{SELECT count(*) FROM m.recommend(1, 5)}), '5', 'with USAGE it answers');
is(sql_as('analyst', q{SELECT m.satisfaction(1) IS NOT NULL AND m.knowledge_spread(1, '2024-02-01') >= 0}), 't',
	'satisfaction and knowledge_spread, too');
fails_as('analyst', q{SELECT count(*) FROM m.user_embedding}, '42501', 'user_embedding',
	'but readers need no SELECT on embeddings, and get none');
is(sql_as('analyst', q{SELECT model FROM commrec.models}), 'm', 'commrec.models shows the model now');

# USAGE taken away within a session: the next call fails, nothing was cached.
sql_fails($node, q{
	SET ROLE analyst;
	SELECT count(*) FROM m.recommend(1, 5);
	SELECT count(*) FROM commrec.recommend(1::bigint, 5, 'm');
	SET ROLE stranger;
	SELECT count(*) FROM commrec.recommend(1::bigint, 5, 'm')},
	'42501', '"m"|schema m', 'SET ROLE to one without USAGE after a call');
sql_fails($node, q{
	SET ROLE analyst;
	PREPARE ask AS SELECT count(*) FROM commrec.recommend(1::bigint, 5, 'm');
	EXECUTE ask; EXECUTE ask;
	RESET ROLE; REVOKE USAGE ON SCHEMA m FROM analyst; SET ROLE analyst;
	EXECUTE ask},
	'42501', '"m"|schema m', 'USAGE revoked between two executions of a prepared statement');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA m TO analyst');

# Training and changing is the owner's.
fails_as('analyst', q{SELECT commrec.train('m')}, '42501', 'train', 'EXECUTE on train is not for everybody');
$node->safe_psql('postgres', q{
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA commrec TO analyst; GRANT SELECT ON events TO analyst});
fails_as('analyst', $_, '42501', 'owner', "only the owner may: $_")
  for q{SELECT commrec.train('m')}, q{SELECT commrec.deploy('m', 1)}, q{SELECT commrec.rollback('m')},
  q{SELECT commrec.drop_model('m')}, q{SELECT commrec.alter_model('m', hyperparameters => '{}')};
is(sql_as('colleague', q{SELECT version FROM commrec.train('m')}), '2', 'a member of the owning role trains');
is(model_digest($node, 'm'), $bits, 'with the same result');

# --- Privileges on the events (row 46) ---
$node->safe_psql('postgres', q{
	CREATE TABLE secret AS SELECT * FROM events;
	GRANT SELECT ON secret TO owner;
	SET ROLE owner;
	SELECT commrec.create_model('s', 'secret', action_column => 'action', time_column => 'at');
	SELECT commrec.train('s')});
$node->safe_psql('postgres', 'REVOKE SELECT ON secret FROM owner');
fails_as('owner', q{SELECT commrec.train('s')}, '42501', 'secret', 'no SELECT on the events');
$node->safe_psql('postgres', 'GRANT SELECT (user_id, item_id, at) ON secret TO owner');
fails_as('owner', q{SELECT commrec.train('s')}, '42501', '(action|secret)', 'no SELECT on one column');
$node->safe_psql('postgres', 'GRANT SELECT (action) ON secret TO owner');
is(sql_as('owner', q{SELECT version FROM commrec.train('s')}), '2', 'SELECT on the columns is enough');
fails_as('stranger', q{SELECT commrec.create_model('t', 'secret')}, '42501', '', 'create_model without privileges');
is(sql_as('owner', q{SELECT count(*) FROM commrec.recommend(1::bigint, 3, 's')}), '3', 'the model serves all along');

# --- Row security (row 47) ---
$node->safe_psql('postgres', q{
	ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
	CREATE POLICY first_hundred ON secret FOR SELECT TO owner USING (user_id <= 100)});
fails_as('owner', q{SELECT commrec.train('s')}, '55000', 'row.*security', 'row security on the events');
is(sql_as('owner', q{SELECT users, row_security FROM commrec.train('s', allow_row_security => true)}),
	'100|t', 'allowed, it trains on what the caller sees, and the version says so');
is($node->safe_psql('postgres', q{SELECT users, row_security FROM commrec.train('s')}),
	'300|f', 'whoever bypasses row security trains on everything');
$node->safe_psql('postgres', q{
	CREATE VIEW behind AS SELECT * FROM secret;
	GRANT SELECT ON behind TO owner; ALTER VIEW behind OWNER TO owner});
$node->safe_psql('postgres', q{SET ROLE owner; SELECT commrec.create_model('b', 'behind', time_column => 'at')});
fails_as('owner', q{SELECT commrec.train('b')}, '55000', 'row.*security', 'row security beneath a view');
is(sql_as('owner', q{SELECT users, row_security FROM commrec.train('b', allow_row_security => true)}),
	'100|t', 'allowed beneath a view, too');
$node->safe_psql('postgres', q{ALTER TABLE events ENABLE ROW LEVEL SECURITY});
is(sql_as('owner', q{SELECT row_security FROM commrec.train('m')}), 'f', 'the owner of the table is not subject to it');
$node->safe_psql('postgres', q{ALTER TABLE events FORCE ROW LEVEL SECURITY});
fails_as('owner', q{SELECT commrec.train('m')}, '55000', 'row.*security', 'unless it is forced');
$node->safe_psql('postgres', q{ALTER TABLE events DISABLE ROW LEVEL SECURITY});
is(answers_digest($node, 'm'), $answers, 'the model answers as before');

# --- Hostile search paths (row 49) ---
# Everything that an unqualified name could mean, defined by somebody else and first in the path.
$node->safe_psql('postgres', q{
	CREATE SCHEMA evil;
	CREATE TABLE evil.caught (what text);
	CREATE FUNCTION evil.trap(text) RETURNS void LANGUAGE plpgsql AS
		'BEGIN RAISE EXCEPTION ''trapped: %'', $1; END';
	CREATE TABLE evil.commrec_model (model text);
	CREATE TABLE evil.action (action text);
	CREATE TABLE evil.version (version integer);
	CREATE TABLE evil.events (user_id bigint, item_id integer, action text, at timestamptz);
	CREATE TABLE evil.user_embedding (version integer);
	CREATE TABLE evil.pg_class (oid oid);
	CREATE TABLE evil.pg_namespace (oid oid);
	GRANT ALL ON SCHEMA evil TO PUBLIC;
	GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC});
for my $type ('bigint', 'integer', 'text', 'name', 'oid', 'float8', 'timestamptz', 'boolean', 'interval')
{
	for my $operator ('=', '<>', '<', '>', '<=', '>=')
	{
		my $function = 'trap_' . $type . '_' . join('', map { ord } split //, $operator);
		$node->safe_psql('postgres', qq{
			CREATE FUNCTION evil.$function($type, $type) RETURNS boolean LANGUAGE sql AS
				'SELECT evil.trap(''$type $operator''); SELECT true';
			CREATE OPERATOR evil.$operator (LEFTARG = $type, RIGHTARG = $type, FUNCTION = evil.$function)});
	}
}
for my $function ('count(anyelement)', 'max(integer)', 'now()', 'coalesce_it()', 'format(text, text)', 'format(text)',
	'quote_ident(text)', 'to_regclass(text)', 'lower(text)', 'array_agg(anyelement)', 'round(double precision)',
	'has_schema_privilege(oid, text)', 'has_schema_privilege(text, text)', 'current_setting(text)', 'age(timestamptz)',
	'jsonb_build_object(text, text)', 'string_agg(text, text)', 'sum(double precision)', 'pg_has_role(oid, text)')
{
	my $result = $function =~ /any/ ? 'anyelement' : 'text';
	$result = 'text' if $function !~ /any/;
	$node->safe_psql('postgres', qq{
		CREATE FUNCTION evil.$function RETURNS $result LANGUAGE plpgsql AS
			'BEGIN PERFORM evil.trap(''$function''); RETURN NULL; END'});
}

my $hostile = q{
	CREATE TEMP TABLE commrec_model (model text);
	CREATE TEMP TABLE action (action text);
	CREATE TEMP TABLE version (version integer);
	CREATE TEMP TABLE item_embedding (version integer);
	SET search_path = pg_temp, evil, pg_catalog, public;};
is($node->safe_psql('postgres', qq{
	$hostile
	SET ROLE owner;
	SELECT users FROM commrec.train('m', workers => 2);}), '300', 'training under a hostile search path');
is(model_digest($node, 'm'), $bits, 'gives the same bits');
is(answers_digest($node, 'm'), $answers, 'and the same answers');
is($node->safe_psql('postgres', qq{
	$hostile
	SELECT pg_catalog.string_agg(item_id::text, ',' ORDER BY rank) FROM m.recommend(3, 4)}),
	$node->safe_psql('postgres', q{SELECT string_agg(item_id::text, ',' ORDER BY rank) FROM m.recommend(3, 4)}),
	'recommend under a hostile search path');
is($node->safe_psql('postgres', qq{
	$hostile
	SELECT pg_catalog.array_agg(x) FROM (VALUES (m.satisfaction(3)), (m.knowledge_spread(3, '2024-02-01'))) AS v (x)}),
	$node->safe_psql('postgres', q{
	SELECT array_agg(x) FROM (VALUES (m.satisfaction(3)), (m.knowledge_spread(3, '2024-02-01'))) AS v (x)}),
	'satisfaction and knowledge_spread under a hostile search path');
is($node->safe_psql('postgres', qq{
	$hostile
	SET ROLE owner;
	DO 'BEGIN PERFORM commrec.create_model(''h'', ''public.events'', action_column => ''action'', time_column => ''at'');
	PERFORM commrec.alter_model(''h'', hyperparameters => ''{"epochs": 2}'');
	PERFORM commrec.train(''h'');
	PERFORM commrec.train(''h'');
	PERFORM commrec.rollback(''h'');
	PERFORM commrec.deploy(''h'', 2);
	PERFORM * FROM commrec.objective(''h'');
	PERFORM * FROM commrec.models;
	PERFORM * FROM commrec.progress;
	PERFORM commrec.drop_model(''h''); END';
	SELECT 'done'::pg_catalog.text}), 'done', 'every other function under a hostile search path');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'h'}), '0', 'it was really done');

# No function of the extension runs with its owner's rights.
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM pg_proc WHERE pronamespace = 'commrec'::regnamespace AND prosecdef}),
	'0', 'there is no SECURITY DEFINER function');
is($node->safe_psql('postgres', q{
	SELECT string_agg(proname, ', ') FROM pg_proc
	WHERE pronamespace = 'commrec'::regnamespace AND prokind <> 'a'
	AND prolang IN (SELECT oid FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))
	AND NOT coalesce(array_to_string(proconfig, ','), '') ~ '^search_path=pg_catalog, pg_temp'}),
	'', 'every SQL and PL/pgSQL function has its search_path pinned');

$node->stop;
done_testing();
