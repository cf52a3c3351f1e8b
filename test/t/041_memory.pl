# A session that answers a hundred thousand times is as large afterwards as after the first few.
#
# COMMREC_MEMORY_CALLS (100000) calls of recommend(), a tenth or a hundredth of the others.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;

# What a session may grow by, in MB.
my $limit = 2;
my $calls = $ENV{COMMREC_MEMORY_CALLS} // 100000;

# Small shared buffers are all touched soon; what a backend touches of them would count, so that only
# private memory does.
my $node = new_server('memory', q{
shared_buffers = 32MB
jit = off
});

load_events($node, 400, 120, 25);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 8, "epochs": 2}');
	SELECT commrec.train('m');
	CREATE TABLE items AS SELECT i AS item_id, i % 2 = 0 AS even FROM generate_series(0, 119) AS i;
	SELECT commrec.create_filter('m', 'even', 'items', 'even')});

# Private memory of a session in KB: resident pages less those that are shared.
$node->safe_psql('postgres', q{
	CREATE FUNCTION private_memory() RETURNS integer LANGUAGE sql VOLATILE AS $$
		SELECT (statm[2]::integer - statm[3]::integer) * 4 FROM string_to_array(pg_read_file('/proc/self/statm'), ' ') AS statm
	$$});

my %statements = (
	'recommend()'                          => [ $calls, 'PERFORM FROM m.recommend(n % 450, 10)' ],
	'recommend() with all of its options'  => [ $calls / 10, q{PERFORM FROM m.recommend(n % 450, 5, false,
		ARRAY[1, 2, 3, n % 120], ARRAY[n % 7], 'even', diversity => 0.5, skip => 1, fresh => n % 10 = 0)} ],
	'recommend() of text ids'              => [ $calls / 10, q{PERFORM FROM commrec.recommend((n % 450)::text, 10, 'm')} ],
	'recommend() that fails'               => [ $calls / 10, q{BEGIN PERFORM FROM m.recommend(n % 450, -1); EXCEPTION WHEN invalid_parameter_value THEN NULL; END} ],
	'score()'                              => [ $calls / 10, 'PERFORM m.score(n % 450, n % 120)' ],
	'similar_items()'                      => [ $calls / 10, 'PERFORM FROM m.similar_items(n % 120, 10)' ],
	'similar_users()'                      => [ $calls / 100, 'PERFORM FROM m.similar_users(n % 400, 10)' ],
	'explain()'                            => [ $calls / 100, 'PERFORM FROM m.explain(n % 400, n % 120)' ],
	'popular()'                            => [ $calls / 100, 'PERFORM FROM m.popular(10)' ],
	'knowledge_spread()'                   => [ $calls / 10, q{PERFORM m.knowledge_spread(n % 450, timestamptz '2024-02-01' + n % 90 * interval '1 day')} ],
	'satisfaction()'                       => [ $calls / 10, 'PERFORM m.satisfaction(n % 450)' ],
);

my $worst = 0;
my $tried = 0;
my $failures = 0;
for my $name (sort keys %statements)
{
	my ($times, $statement) = @{ $statements{$name} };
	my $loop = sub { "DO \$\$ BEGIN FOR n IN 1 .. $_[0] LOOP $statement; END LOOP; END \$\$;" };
	# One session; the first calls fill caches, and the memory of the library.
	my ($before, $after) = $node->safe_psql('postgres', join("\n",
		$loop->(1000), 'SELECT private_memory();', $loop->($times), 'SELECT private_memory();')) =~ /(\d+)\n(\d+)/;
	my $growth = ($after - $before) / 1024;

	measured("growth of a session by $times calls of recommend()", sprintf('%.2f MB', $growth)) if $name eq 'recommend()';
	$failures++ unless cmp_ok($growth, '<=', $limit, sprintf('%s: %d calls, %.2f MB more', $name, $times, $growth));
	$tried += $times;
}
promise("a session does not grow by more than $limit MB", $tried, $failures);
done_testing();
