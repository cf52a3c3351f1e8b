# No worker to be had: the training is serial and says so.  And recommend() inside a parallel
# query gives the serial answers.
use strict;
use warnings;

use Commrec;
use Test::More;

my $node = new_server('parallel', 'max_parallel_workers = 0');

load_events($node, 2000, 400, 30);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4}')});
is($node->safe_psql('postgres', q{SELECT workers FROM commrec.train('m', workers => 4)}),
	'0', 'max_parallel_workers = 0: the version says that no worker took part');
my $bits = model_digest($node, 'm');
my $answers = answers_digest($node, 'm');

# All slots are taken: the same.
$node->append_conf('postgresql.conf', "max_parallel_workers = 8\nmax_worker_processes = 0");
$node->restart;
is($node->safe_psql('postgres', q{SELECT workers FROM commrec.train('m', workers => 4)}),
	'0', 'max_worker_processes = 0: serial, too');
is(model_digest($node, 'm'), $bits, 'with the same bits');

$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
is($node->safe_psql('postgres', q{SELECT workers > 0 FROM commrec.train('m', workers => 4)}), 't',
	'with slots, workers take part');
is(model_digest($node, 'm'), $bits, 'with the same bits');

# A training inside a query that runs in parallel itself.  PostgreSQL 16 renamed the setting.
my $forced = $node->safe_psql('postgres', q{
	SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
is($node->safe_psql('postgres', qq{
	SET $forced = on;
	SELECT version > 0 FROM commrec.train('m', workers => 2)}), 't', "training with $forced");
is(model_digest($node, 'm'), $bits, 'with the same bits');

# Serving in parallel plans (row 54).
my $parallel = q{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 3; SET debug_parallel = off;};
$parallel =~ s/ SET debug_parallel = off;//;
my $query = q{
	SELECT md5(string_agg(concat_ws('|', user_id, rank, item_id, encode(float4send(score), 'hex'), source),
		',' ORDER BY user_id, rank))
	FROM member, LATERAL commrec.recommend(user_id, 5, 'm')};
$node->safe_psql('postgres', q{
	CREATE TABLE member AS SELECT DISTINCT user_id FROM events;
	ALTER TABLE member SET (parallel_workers = 3);
	ANALYZE member});
like($node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) $query"), qr/Gather/, 'the plan is parallel');
is($node->safe_psql('postgres', "$parallel $query"), $node->safe_psql('postgres', $query),
	'recommend in a parallel query equals the serial answer');
is(answers_digest($node, 'm', 'postgres', $parallel), $answers, 'so do the typed functions');
my $fresh = $query =~ s/, 5, 'm'\)/, 5, 'm', fresh => true)/r;
$node->safe_psql('postgres', q{
	INSERT INTO events SELECT user_id, 1 + user_id % 9, 'like', now() FROM events GROUP BY user_id HAVING user_id % 3 = 0;
	CREATE INDEX ON events (user_id);
	ANALYZE events});
like($node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) $fresh"), qr/Gather/, 'with new events the plan is parallel, too');
my $folded = $node->safe_psql('postgres', "$parallel $fresh");
is($folded, $node->safe_psql('postgres', $fresh), 'new events are folded in alike in workers');
isnt($folded, $node->safe_psql('postgres', $query), 'and change the answers');
my $average = q{
	SELECT commrec.embedding_dims(commrec.avg(embedding)), md5(commrec.sum(embedding)::text) IS NOT NULL
	FROM m.user_embedding WHERE embedding IS NOT NULL};
is($node->safe_psql('postgres', "$parallel $average"), $node->safe_psql('postgres', $average),
	'aggregates over embeddings work in parallel plans');

$node->stop;
done_testing();
