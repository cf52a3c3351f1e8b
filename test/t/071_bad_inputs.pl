# Bad inputs that take a database, an extension or a setting of their own; doc/bad-inputs.md says
# where the others are tested.
use strict;
use warnings;

use Commrec;
use File::Spec;
use List::Util qw(max);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('inputs');
my ($cases, $failures) = (0, 0);

# A statement must end in this SQLSTATE and message; '00000': must succeed with this output.
sub ends_in
{
	my ($sql, $sqlstate, $answer, $name, $dbname) = @_;
	my ($out, $err) = ('', '');

	$node->psql($dbname // 'postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1' ]);
	my $holds = $sqlstate eq '00000' ? $err !~ /ERROR|FATAL/ && $out =~ /^(?:$answer)$/ : $err =~ /ERROR:\s+$sqlstate: .*$answer/s;
	$cases++;
	$failures++ unless $holds;
	ok($holds, $name) or diag("$out\n$err");
	return;
}

load_events($node, 60, 24, 10);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 4, "epochs": 3}');
	SELECT commrec.train('m')});

# 1: NULL where a model is required, in whatever takes one.
ends_in($_, '22004', 'model must not be null', "1: $_")
  for ('SELECT commrec.create_model(NULL, \'events\')', 'SELECT commrec.alter_model(NULL)', 'SELECT commrec.drop_model(NULL)',
	'SELECT commrec.train(NULL)', 'SELECT commrec.deploy(NULL, 1)', 'SELECT commrec.rollback(NULL)', 'SELECT commrec.evaluate(NULL)',
	'CALL commrec.refresh(NULL)', 'CALL commrec.tune(NULL)', 'SELECT commrec.create_filter(NULL, \'f\', \'events\', \'true\')',
	'SELECT commrec.refresh_filter(NULL)', 'SELECT commrec.drop_filter(NULL, \'f\')');

# 18: one pair again and again takes no longer than that many pairs would: 5 s a million, of which it needs a tenth.
# As many millions as there are thousands of wild calls, and 2 where those are few.
my $millions = max(2, int(($ENV{COMMREC_WILD_CALLS} // 1000) / 1000));
my $seconds  = 5 * $millions;
$node->safe_psql('postgres', qq{
	CREATE VIEW fans AS
	SELECT user_id, item_id, action, at FROM events
	UNION ALL SELECT 1, 1, 'like', '2024-01-01 00:00Z'::timestamptz + n * interval '1 second' FROM generate_series(1, $millions * 1000000) AS n;
	SELECT commrec.create_model('fan', 'fans', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 4, "epochs": 3}')});
ends_in("SET statement_timeout = '${seconds}s'; SELECT events > $millions * 1000000 FROM commrec.train('fan')", '00000', 't',
	"18: $millions million events of one pair");
ends_in(q{SELECT bool_and(abs(e) < 1e6) FROM fan.user_embedding, unnest(commrec.embedding_to_array(embedding)) AS e}, '00000', 't',
	'18: the weight stays finite');
ends_in("SELECT sum(interactions) > $millions * 1000000 FROM fan.user_activity WHERE user_id = 1", '00000', 't', '18: and none is lost');
$node->safe_psql('postgres', q{SELECT commrec.drop_model('fan')});

# 19, 20, 25: the plan is computed in 64 bits, and refused before anything of it is allocated: 2.2 million users with 512
# factors of four bytes are more than 32 bits can count.
$node->safe_psql('postgres', q{
	CREATE VIEW crowd AS SELECT u AS user_id, u % 3 AS item_id FROM generate_series(1, 2200000) AS u;
	SELECT commrec.create_model('crowd', 'crowd', hyperparameters => '{"factors": 512, "popularity_weight": 0, "popularity_half_life": 7}')});
my $peak = q{SELECT 1000 > regexp_replace(pg_read_file('/proc/' || pg_backend_pid() || '/status'), '.*VmHWM:\s+(\d+) kB.*', '\1')::bigint / 1024};
ends_in(q{SET commrec.max_train_memory = '4GB'; SELECT commrec.train('crowd')}, '54000',
	'needs at least (?:4[4-9]|[5-9]\d)\d\d MB, limit is 4096 MB.*Increase commrec.max_train_memory', '25: users times factors beyond 32 bits');
ends_in("SET commrec.max_train_memory = '4GB'; DO \$\$ BEGIN PERFORM commrec.train('crowd'); EXCEPTION WHEN program_limit_exceeded THEN NULL; END \$\$; $peak",
	'00000', 't', '25: and nothing of it was allocated');
ends_in(q{SET commrec.max_train_memory = '4MB'; SELECT commrec.train('crowd')}, '54000', 'limit is 4 MB', '19, 20: events and ids beyond the limit');

# 28: too little regularization for what there is to learn from.
ends_in(q{SELECT count(*) FROM commrec.train('m', '{"regularization": 1e-12, "unobserved_weight": 1e-9, "factors": 64, "popularity_weight": 0}')},
	'00000', '1', '28: normal equations that are singular');
ends_in(q{SELECT count(*) FROM m.user_embedding, unnest(commrec.embedding_to_array(embedding)) AS e WHERE e = 'NaN'}, '00000', '0', '28: no NaN in what came of it');

# 29: a training that diverges; the old model is kept.
$node->safe_psql('postgres', q{
	CREATE TABLE ratings AS SELECT u AS user_id, i AS item_id, 1 + ((u * i) % 5)::float8 AS value, '2026-01-01 00:00Z'::timestamptz AS at
	FROM generate_series(1, 60) AS u, generate_series(1, 24) AS i WHERE (u * 7 + i * 3) % 4 > 0;
	SELECT commrec.create_model('rated', 'ratings', value_column => 'value', time_column => 'at', algorithm => 'als',
		hyperparameters => '{"factors": 8, "epochs": 5, "regularization": 0.001}');
	UPDATE rated.action SET value_low = 0, value_high = 1 WHERE action = 'rating';
	SELECT commrec.train('rated')});
my $digest = answers_digest($node, 'rated');
$node->safe_psql('postgres', q{UPDATE ratings SET value = CASE WHEN (user_id * item_id) % 3 = 0 THEN 1 ELSE -1 END * 3e37});
ends_in(q{SELECT commrec.train('rated')}, '55000', 'training did not converge.*Raise the hyperparameter "regularization"', '29: a training that diverges');
ends_in(q{UPDATE ratings SET value = value * 10; SELECT commrec.train('rated')}, '22003', 'overflows', '9: preferences that no float holds');
is(answers_digest($node, 'rated'), $digest, '29: the old model answers as before');

# 30: an extension's type.
SKIP:
{
	skip 'citext is not there', 1
	  if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'}) ne '1';
	$node->safe_psql('postgres', q{
		CREATE EXTENSION citext;
		CREATE TABLE citexts AS SELECT ('u' || user_id)::citext AS user_id, item_id FROM events});
	ends_in(q{SELECT commrec.create_model('c', 'citexts')}, '42804', 'citext.*text', '30: citext');
	ends_in(q{CREATE VIEW texts AS SELECT user_id::text AS user_id, item_id FROM citexts;
		SELECT count(*) FROM commrec.create_model('c', 'texts', hyperparameters => '{"factors": 2, "epochs": 1}')}, '00000', '\d+', '30: cast in a view it will do');
}

# 35: encodings.  Ids are bytes: in LATIN1 one of them, in SQL_ASCII whatever it is.
for my $encoding ('LATIN1', 'SQL_ASCII', 'EUC_JP')
{
	my $dbname = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $dbname ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($dbname, q{
		CREATE EXTENSION commrec;
		CREATE TABLE events AS
		SELECT convert_from(decode(CASE pg_client_encoding() WHEN 'EUC_JP' THEN 'c6fc' ELSE 'e9' END, 'hex'), pg_client_encoding()) || u AS user_id,
			CASE WHEN i = 1 THEN convert_from(decode(CASE pg_client_encoding() WHEN 'EUC_JP' THEN 'cbdc' ELSE 'ff' END, 'hex'), pg_client_encoding())
				ELSE 'i' || i END AS item_id
		FROM generate_series(1, 20) AS u, generate_series(1, 8) AS i WHERE (u + i) % 3 > 0;
		INSERT INTO events SELECT upper(user_id) || 'x', item_id FROM events WHERE user_id LIKE '%7';
		SELECT commrec.create_model('m', 'events', hyperparameters => '{"factors": 2, "epochs": 2}');
		SELECT commrec.train('m')});
	ends_in(q{SELECT count(*) FROM m.user_embedding AS e WHERE EXISTS (SELECT FROM events AS v WHERE v.user_id = e.user_id)}, '00000', '22',
		"35: $encoding: ids come back", $dbname);
	ends_in(q{SELECT count(*) = (SELECT count(DISTINCT item_id) FROM events) - (SELECT count(DISTINCT item_id) FROM events WHERE user_id = u.user_id)
			FROM (SELECT min(user_id) AS user_id FROM events) AS u, m.recommend(u.user_id, 100) AS r GROUP BY u.user_id}, '00000', 't',
		"35: $encoding: and are found", $dbname);
	ends_in(q{SELECT state FROM commrec.forget((SELECT min(user_id) FROM events), 'm') WHERE rows = 1 ORDER BY state LIMIT 1}, '00000', 'remembered|removed',
		"35: $encoding: and forgotten", $dbname);
	ends_in(q{SELECT users FROM commrec.train('m')}, '00000', '21', "35: $encoding: for good", $dbname);
}

# 36: equality is bytewise, whatever a collation says.
SKIP:
{
	skip 'this server has no ICU', 1
	  if $node->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_collation WHERE collprovider = 'i'}) ne 't';
	$node->safe_psql('postgres', q{
		CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE collated (user_id text COLLATE blind, item_id text COLLATE blind, at timestamptz);
		INSERT INTO collated SELECT CASE WHEN u = 1 THEN 'Ann' WHEN u = 2 THEN 'ANN' ELSE 'u' || u END, 'i' || i, '2026-01-01 00:00Z'
		FROM generate_series(1, 20) AS u, generate_series(1, 8) AS i WHERE (u + i) % 3 > 0;
		SELECT commrec.create_model('blind', 'collated', time_column => 'at', hyperparameters => '{"factors": 2, "epochs": 2}');
		SELECT commrec.train('blind')});
	ends_in(q{SELECT count(*) FROM blind.user_embedding WHERE user_id IN ('Ann', 'ANN', 'ann')}, '00000', '2', '36: what differs in bytes is two users');
	ends_in(q{SELECT source FROM blind.recommend('ann', 1)}, '00000', 'popular|trending', '36: and a third one is unknown');
	ends_in(q{SELECT source FROM blind.recommend('ANN', 1)}, '00000', 'model', '36: unlike the second');
}

# 41: a foreign table is read as any other.
SKIP:
{
	skip 'file_fdw is not there', 1
	  if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'file_fdw'}) ne '1';
	my $file = File::Spec->rel2abs("$PostgreSQL::Test::Utils::tmp_check/events.csv");
	my $more = "60,5,share,2024-07-01 00:00:00+00\n977,5,share,2024-07-01 00:00:00+00\n";

	$node->safe_psql('postgres', qq{
		COPY events TO '$file' (FORMAT csv);
		CREATE TABLE near AS TABLE events;
		CREATE EXTENSION file_fdw;
		CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
		CREATE FOREIGN TABLE far (user_id bigint, item_id integer, action text, at timestamptz)
			SERVER files OPTIONS (filename '$file', format 'csv')});
	for my $where (qw(near far))
	{
		ends_in(qq{SELECT value FROM commrec.create_model('$where', '$where', action_column => 'action', time_column => 'at',
			hyperparameters => '{"factors": 4, "epochs": 3}') WHERE property = 'rows'}, '00000', '600', "41: a model over $where events");
		ends_in("SELECT users FROM commrec.train('$where')", '00000', '60', "41: $where events are trained from");
	}
	is(serving_digest($node, 'far'), serving_digest($node, 'near'), '41: with the same answers');

	append_to_file($file, $more);
	$node->safe_psql('postgres', "COPY near FROM stdin (FORMAT csv);\n$more\\.\n");
	for my $where (qw(near far))
	{
		ends_in("SELECT source FROM $where.recommend(977, 1, fresh => true)", '00000', 'fresh', "41: new $where events are folded in when asked");
		ends_in("CALL commrec.refresh('$where'); SELECT decided || ' ' || outcome FROM $where.job", '00000', 'fold_in done',
			"41: and by refresh of $where");
	}
	is(serving_digest($node, 'far'), serving_digest($node, 'near'), '41: again with the same answers');
}

# 56: the extension is dropped while a training reads the events.
my $gate = put_up_gate($node, 'm');
$node->safe_psql('postgres', q{
	SELECT commrec.train('m');
	INSERT INTO events SELECT u, 3, 'share', '2024-07-02 00:00Z' FROM generate_series(1, 50) AS u});
my $bits   = model_digest($node, 'm');
my $served = serving_digest($node, 'm');
my $training = start_at_gate($node, $gate, q{SELECT commrec.train('m')});
ends_in(q{SET lock_timeout = '10s'; DROP EXTENSION commrec}, '00000', '', '56: the extension is dropped meanwhile');
open_gate($gate);
$gate->quit;
my ($out, $err) = finish_sql($training);
like($err, qr/ERROR:\s+(?!XX)\w{5}: .*commrec/, '56: the training ends in an error');
is(model_digest($node, 'm'), $bits, '56: and publishes nothing');
ends_in(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}, '00000', '0', '56: it leaves no lock');
ends_in(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}, '00000', '0', '56: and no worker');
ends_in(q{CREATE EXTENSION commrec; SELECT FROM commrec.alter_model('m'); SELECT users FROM m.version WHERE deployed}, '00000', '60',
	'56: the extension is made again, and the functions of the model');
is(serving_digest($node, 'm'), $served, '56: which answers as before');
ends_in(q{SELECT version FROM commrec.train('m')}, '00000', '\d+', '56: and can be trained');
isnt(model_digest($node, 'm'), $bits, '56: into another version');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no process has died');

promise('bad inputs that need a server of their own', $cases, $failures);
$node->stop;
done_testing();
