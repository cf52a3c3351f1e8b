# The aggregate ials() ends at once when it is cancelled, wherever it is: collecting, sorting,
# training, in the leader or in workers; and a parallel plan gives the serial model.
use strict;
use warnings;

use Commrec;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('aggregate', q{
max_worker_processes = 8
max_parallel_workers = 8
shared_buffers = 64MB
});

$node->safe_psql('postgres', q{
	CREATE TABLE events AS
	SELECT (n * 2654435761 % 4037)::bigint AS user_id, (n * n % 1009)::integer AS item_id, (n % 4)::integer AS tenant
	FROM generate_series(1::bigint, 100000) AS n;
	CREATE INDEX ON events (tenant);
	CREATE TABLE tenants AS SELECT DISTINCT tenant FROM events;
	ALTER TABLE tenants SET (parallel_workers = 2);
	ANALYZE;
	CREATE FUNCTION train_tenant(tenant integer, hyperparameters jsonb) RETURNS bytea
	LANGUAGE sql STABLE PARALLEL SAFE COST 10000000 AS $$
		SELECT commrec.ials(e.user_id, e.item_id, 1, $2) FROM events AS e WHERE e.tenant = $1
	$$});

sub times_out
{
	my ($sql, $milliseconds, $name) = @_;
	my $began = time();
	my ($out, $err) = finish_sql(start_sql($node, "SET statement_timeout = $milliseconds; $sql"));
	my $took = time() - $began - $milliseconds / 1000;

	like($err, qr/ERROR:\s+57014: canceling statement due to statement timeout/, "$name: SQLSTATE 57014");
	cmp_ok($took, '<', $PROMPTLY, sprintf('%s: ends at once (%.2f s)', $name, $took));
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), '0',
		"$name: no worker is left");
	return;
}

my $long = q{'{"factors": 512, "epochs": 1000, "alpha": 0.5, "solver": "cholesky"}'};
my $many = q{
	SELECT length(commrec.ials((n * 2654435761 % 1000003)::bigint, (n % 10007)::integer, 1, %s))
	FROM generate_series(1::bigint, %d) AS n};

times_out(sprintf($many, 'NULL', 20000000), 700, 'collecting');
times_out(sprintf($many, $long, 2000000), $_, "after $_ ms") for (1500, 3000);
# One pair a million times: the longest sort there can be.
times_out(q{
	SELECT length(commrec.ials(1, 1, 1.0 / n, NULL)) FROM generate_series(1, 20000000) AS n}, 3000,
	'one pair over and over');
times_out("SELECT tenant, length(commrec.ials(user_id, item_id, 1, $long)) FROM events GROUP BY tenant", 800,
	'training in the leader');
like($node->safe_psql('postgres', "EXPLAIN SELECT tenant, train_tenant(tenant, $long) FROM tenants"), qr/Gather/,
	'the function is for workers');
times_out("SELECT tenant, length(train_tenant(tenant, $long)) FROM tenants", 800, 'training in workers');

my $short = q{'{"factors": 8, "epochs": 3}'};
is($node->safe_psql('postgres', "SELECT tenant, md5(train_tenant(tenant, $short)) FROM tenants ORDER BY 1"),
	$node->safe_psql('postgres', qq{
		SET max_parallel_workers_per_gather = 0;
		SELECT tenant, md5(commrec.ials(user_id, item_id, 1, $short)) FROM events GROUP BY tenant ORDER BY 1}),
	'trained in workers, the models are the same');

# In pg_stat_activity stands the query, not the training.
my $run = start_sql($node, "SELECT length(commrec.ials(user_id, item_id, 1, $long)) AS marked FROM events");
ok(wait_for_sql($node, q{
	SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%AS marked FROM events' AND state = 'active'
		AND query_start < clock_timestamp() - interval '1 second')}), 'the text of the query stays');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%AS marked FROM events'});
my ($out, $err) = finish_sql($run);
like($err, qr/ERROR:\s+57014/, 'and the query can be cancelled');

$node->stop;
done_testing();
