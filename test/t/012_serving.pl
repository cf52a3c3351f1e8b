# recommend() where it is used: equal to brute force for thousands of random requests; on a hot
# standby; behind a security barrier; in a prepared statement and in a REPEATABLE READ
# transaction across a retrain; and wherever the rows of the model happen to lie.
# COMMREC_EXACT_CASES: number of random requests (100000 takes minutes).
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cases = $ENV{COMMREC_EXACT_CASES} // 800;
my $node  = new_server(
	'serving', q{
hot_standby = on
max_wal_senders = 4
wal_level = replica
}, allows_streaming => 1);

load_events($node, 250, 2500, 60);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 40, "epochs": 3}');
	UPDATE m.action SET preference = -1 WHERE action = 'share';
	SELECT commrec.train('m', workers => 0);
	CREATE TABLE course AS SELECT g AS item_id, g % 3 AS kind FROM generate_series(0, 2600) AS g;
	SELECT commrec.create_filter('m', 'third', 'course', 'kind = 0'),
		commrec.create_filter('m', 'few', 'course', 'item_id % 211 = 0'),
		commrec.create_filter('m', 'all', 'course', 'true');});

# Every score there is, once; then requests drawn at random, and what they must be answered with.
my $brute = q{
	CREATE TABLE scored AS
	SELECT u.user_id, i.item_id, i.item_no, commrec.inner_product(u.embedding, i.embedding) AS score
	FROM m.version AS v JOIN m.user_embedding AS u USING (version) JOIN m.item_embedding AS i USING (version)
	WHERE v.deployed AND u.embedding IS NOT NULL AND u.user_id <= 120;
	CREATE INDEX ON scored (user_id, score DESC, item_no);
	CREATE TABLE touched AS
	SELECT user_id, item_id, sum(CASE action WHEN 'share' THEN -1 ELSE a.preference END) < 0 AS disliked
	FROM events JOIN m.action AS a USING (action) GROUP BY 1, 2;
	ALTER TABLE touched ADD PRIMARY KEY (user_id, item_id);
	ANALYZE scored, touched;};
my $draw = qq{
	SELECT setseed(0.25);
	CREATE TABLE request AS
	SELECT g AS id, 1 + (random() * 119)::integer AS user_id, (ARRAY[1, 3, 10, 10, 10, 50, 400])[1 + (random() * 6)::integer] AS k,
		(ARRAY[0, 0, 0, 5, 100])[1 + (random() * 4)::integer] AS skip, random() < 0.8 AS exclude_seen,
		(ARRAY[NULL, NULL, 'third', 'few', 'all'])[1 + (random() * 4)::integer] AS filter,
		CASE WHEN random() < 0.2 THEN ARRAY(SELECT (random() * 2600)::integer FROM generate_series(1, (random() * 60)::integer) WHERE g > 0) END AS candidates,
		CASE WHEN random() < 0.3 THEN ARRAY(SELECT (random() * 2600)::integer FROM generate_series(1, (random() * 300)::integer) WHERE g > 0) END AS exclude
	FROM generate_series(1, $cases) AS g;};
my $compare = q{
	WITH expected AS (
		SELECT r.id, r.skip + row_number() OVER (PARTITION BY r.id ORDER BY s.score DESC, s.item_no) AS rank, s.item_id, s.score
		FROM request AS r, LATERAL (
			SELECT s.* FROM scored AS s LEFT JOIN touched AS t USING (user_id, item_id)
			WHERE s.user_id = r.user_id AND (t.user_id IS NULL OR NOT r.exclude_seen AND NOT t.disliked)
				AND (r.candidates IS NULL OR s.item_id = ANY (r.candidates))
				AND (r.exclude IS NULL OR NOT s.item_id = ANY (r.exclude))
				AND CASE r.filter WHEN 'third' THEN s.item_id % 3 = 0 WHEN 'few' THEN s.item_id % 211 = 0 ELSE true END
			ORDER BY s.score DESC, s.item_no OFFSET r.skip LIMIT r.k) AS s),
	given AS (
		SELECT r.id, g.rank::bigint, g.item_id, g.score
		FROM request AS r, LATERAL m.recommend(r.user_id, r.k, r.exclude_seen, r.candidates, r.exclude, r.filter, skip => r.skip) AS g)
	SELECT (SELECT count(*) > 5 * (SELECT count(*) FROM request) FROM given),
		(SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE given) AS d),
		(SELECT count(*) FROM (TABLE given EXCEPT ALL TABLE expected) AS d)};

$node->safe_psql('postgres', $brute);
$node->safe_psql('postgres', $draw);
is($node->safe_psql('postgres', $compare), 't|0|0', "$cases random requests equal brute force");

# Single calls read for themselves; one query shares what it read.  Every level of instructions.
my $digest = q{
	SELECT md5(string_agg(concat_ws('|', u, rank, item_id, encode(float4send(score), 'hex')), ',' ORDER BY u, rank))
	FROM generate_series(1, 40) AS u, LATERAL m.recommend(u, 12, filter => CASE WHEN u % 2 = 0 THEN 'third' END)};
my $answers = $node->safe_psql('postgres', $digest);
is($node->safe_psql('postgres', q{
	CREATE FUNCTION one_by_one() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		part text;
		parts text[] := '{}';
	BEGIN
		FOR u IN 1 .. 40 LOOP
			EXECUTE format('SELECT string_agg(concat_ws(''|'', %s, rank, item_id, encode(float4send(score), ''hex'')), '','' ORDER BY rank)
				FROM m.recommend(%s, 12, filter => %L)', u, u, CASE WHEN u % 2 = 0 THEN 'third' END) INTO part;
			parts := parts || part;
		END LOOP;
		RETURN md5(array_to_string(parts, ','));
	END $$;
	SELECT one_by_one()}), $answers, 'calls in one query give what single calls give');
foreach my $level (qw(portable avx2 avx512))
{
	my ($code, $out, $err) = $node->psql('postgres', "SET commrec.simd = $level; $digest");

	if ($code != 0)
	{
		like($err, qr/has no "$level" instructions/, "no $level here");
		next;
	}
	is($out, $answers, "the same bits with $level");
}

# Rows that do not lie where they were written: the index finds them.
sub moved
{
	my ($how, $sql) = @_;

	$node->safe_psql('postgres', $sql);
	is($node->safe_psql('postgres', $digest), $answers, "the same answers after $how");
	is($node->safe_psql('postgres', 'SELECT one_by_one()'), $answers, "and one by one");
	return;
}

$node->safe_psql('postgres', 'ALTER TABLE m.item_embedding SET (autovacuum_enabled = off)');
moved('an UPDATE of some items', 'UPDATE m.item_embedding SET users = users WHERE item_no % 3 = 1');
moved('VACUUM', 'VACUUM m.item_embedding');
moved('an UPDATE of all of them', 'UPDATE m.item_embedding SET users = users; UPDATE m.item_block SET items = items WHERE block % 2 = 0');
moved('a shuffle', q{
	CREATE TABLE keep AS TABLE m.item_embedding;
	TRUNCATE m.item_embedding;
	INSERT INTO m.item_embedding SELECT * FROM keep ORDER BY md5(item_id::text);
	CREATE TABLE keep_blocks AS TABLE m.item_block;
	TRUNCATE m.item_block;
	INSERT INTO m.item_block SELECT * FROM keep_blocks ORDER BY -block});
moved('a shorter table', q{
	DELETE FROM m.item_embedding WHERE item_no > 1000;
	INSERT INTO m.item_embedding SELECT * FROM keep WHERE item_no > 1000 ORDER BY item_no DESC});
moved('VACUUM FULL', 'VACUUM FULL m.item_embedding; VACUUM FULL m.item_block');

# A view that must not leak, for somebody who may read nothing else.
$node->safe_psql('postgres', q{
	CREATE ROLE reader LOGIN;
	GRANT USAGE ON SCHEMA m TO reader;
	CREATE TABLE member AS SELECT DISTINCT user_id FROM events WHERE user_id <= 40;
	CREATE VIEW shown WITH (security_barrier) AS
		SELECT b.user_id, r.* FROM member AS b, LATERAL m.recommend(b.user_id, 12) AS r WHERE b.user_id <= 10;
	GRANT SELECT ON shown TO reader;
	CREATE FUNCTION leak(bigint) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
		BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$});
my $plain = q{SELECT md5(string_agg(row(u, r)::text, ',' ORDER BY u, rank)) FROM generate_series(1, 10) AS u, LATERAL m.recommend(u, 12) AS r};
my ($code, $out, $err) = $node->psql('postgres', q{
	SET ROLE reader;
	SELECT md5(string_agg(row(user_id, row(rank, item_id, score, source))::text, ',' ORDER BY user_id, rank)) FROM shown WHERE leak(user_id)});
is($out, $node->safe_psql('postgres', $plain), 'a security_barrier view gives the answers');
unlike($err, qr/saw (1[1-9]|[2-4]\d)/, 'and leaks nobody that it hides');

# A prepared statement, generic plan, across a retrain: it answers from the new version at once.
my $session = $node->background_psql('postgres');
$session->query_safe('SET plan_cache_mode = force_generic_plan');
$session->query_safe(q{PREPARE p (bigint) AS SELECT string_agg(item_id::text, ',' ORDER BY rank) FROM commrec.recommend($1, 12, 'm', filter => 'third')});
my $repeatable = $node->background_psql('postgres');
$repeatable->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $old = $session->query_safe('EXECUTE p (5)');
my $own = q{SELECT string_agg(item_id::text, ',' ORDER BY rank) FROM commrec.recommend(5, 12, 'm', filter => 'third')};
is($repeatable->query_safe($own), $old, 'both sessions see the old version');
$node->safe_psql('postgres', q{
	INSERT INTO events SELECT u, 2700 + u % 7, 'like', '2024-07-01 00:00+00' FROM generate_series(1, 250) AS u;
	INSERT INTO course SELECT g, 0 FROM generate_series(2700, 2706) AS g;
	SET commrec.keep_versions = 1;
	SELECT commrec.train('m', '{"factors": 24, "seed": 5}', workers => 0)});
my $new = $node->safe_psql('postgres', $own);
isnt($new, $old, 'the retrained model answers otherwise');
is($session->query_safe('EXECUTE p (5)'), $new, 'a prepared statement sees the new version at once');
is($repeatable->query_safe($own), $old, 'a REPEATABLE READ transaction keeps the old one, though its rows are deleted');
$repeatable->query_safe('COMMIT');
is($repeatable->query_safe($own), $new, 'and sees the new one afterwards');
$session->quit;
$repeatable->quit;

# A cursor that is half read goes on with the version that it began with.
my $query = q{SELECT user_id, rank, item_id FROM member, LATERAL m.recommend(user_id, 3) ORDER BY 1, 2};
$session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
my $whole = $session->query_safe($query);
$session->query_safe("DECLARE c NO SCROLL CURSOR FOR SELECT user_id, rank, item_id FROM (SELECT * FROM member ORDER BY 1) AS b, LATERAL m.recommend(user_id, 3)");
my $rows = $session->query_safe('FETCH 17 FROM c');
$session->query_safe(q{SET commrec.keep_versions = 1});
$session->query_safe(q{SELECT version FROM commrec.train('m', '{"factors": 8, "seed": 7}', workers => 0)});
$rows .= "\n" . $session->query_safe('FETCH ALL FROM c');
is($rows, $whole, 'a cursor keeps its version across a training in its own transaction');
isnt($session->query_safe($query), $whole, 'which other queries see');
$session->query_safe('ROLLBACK');
$session->quit;

# A hot standby answers the same, and follows a retrain.
my $backup = 'serving_backup';
my $standby = PostgreSQL::Test::Cluster->new('standby');
$node->backup($backup);
$standby->init_from_backup($node, $backup, has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'there is a hot standby');
is($standby->safe_psql('postgres', $digest), $node->safe_psql('postgres', $digest), 'its answers are the primary\'s');
is($standby->safe_psql('postgres', "SELECT count(*) FROM m.recommend(3, 10, diversity => 0.4, skip => 5, resurface_after => '1 day')"),
	'10', 'with all arguments');
$node->safe_psql('postgres', q{SELECT commrec.train('m', '{"seed": 9}', workers => 0)});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', $digest), $node->safe_psql('postgres', $digest), 'and follow a retrain');

$standby->stop;
$node->stop;
done_testing();
