# The same seed gives the same bits whatever the number of workers, and the version says
# how many took part.
use strict;
use warnings;

use Commrec;
use Test::More;

my $node = new_server('workers', q{
max_worker_processes = 12
max_parallel_workers = 8
max_parallel_maintenance_workers = 2
});

load_events($node, 4000, 1000, 30);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 40, "epochs": 4}')});

my ($bits, $loss);
for my $workers (0 .. 4)
{
	my ($took_part) = $node->safe_psql('postgres',
		"SELECT workers FROM commrec.train('m', workers => $workers)");

	cmp_ok($took_part, '<=', $workers, "no more than $workers workers take part");
	cmp_ok($took_part, '>=', 1, "workers take part where $workers are asked for")
	  if $workers >= 1;
	my $digest = model_digest($node, 'm');
	$bits //= $digest;
	is($digest, $bits, "$workers workers give the bits of none");
}

# Without a number, max_parallel_maintenance_workers decides.
is($node->safe_psql('postgres', q{
	SET max_parallel_maintenance_workers = 0; SELECT workers FROM commrec.train('m')}),
	'0', 'max_parallel_maintenance_workers = 0 trains without workers');
is(model_digest($node, 'm'), $bits, 'the same bits again');
cmp_ok($node->safe_psql('postgres', q{SELECT workers FROM commrec.train('m')}),
	'>=', 1, 'by default workers take part');

# The order of the rows does not matter either.
$node->safe_psql('postgres', q{
	CREATE TABLE shuffled AS SELECT * FROM events ORDER BY md5(events::text);
	TRUNCATE events; INSERT INTO events SELECT * FROM shuffled});
$node->safe_psql('postgres', q{SELECT commrec.train('m', workers => 2)});
is(model_digest($node, 'm'), $bits, 'another order of the rows gives the same bits');

# Another seed gives another model.
$node->safe_psql('postgres', q{SELECT commrec.train('m', '{"seed": 7}')});
isnt(model_digest($node, 'm'), $bits, 'another seed gives other bits');

# The loss falls, the same with every worker count.
is($node->safe_psql('postgres', q{
	SELECT bool_and(loss <= before * (1 + 1e-9)) FROM (
		SELECT loss, lag(loss) OVER (PARTITION BY version ORDER BY epoch) AS before FROM m.epoch) AS e
	WHERE before IS NOT NULL}), 't', 'the loss falls from epoch to epoch');

# Every instruction set and solver by itself: the bits are those of one participant, and the
# losses of one solver agree after each epoch.
my %loss;
for my $simd (qw(portable avx2 avx512))
{
	for my $solver (qw(cholesky cg))
	{
		my $train = sub {
			my ($workers) = @_;

			return $node->psql('postgres', qq{
				SET commrec.simd = $simd;
				SELECT commrec.train('m', '{"factors": 72, "epochs": 3, "solver": "$solver"}',
					workers => $workers)});
		};

	  SKIP:
		{
			skip "this machine has no $simd", 2 if $train->(0) != 0;
			my $alone = model_digest($node, 'm');

			$loss{$simd}{$solver} = [
				split /,/,
				$node->safe_psql('postgres', q{SELECT string_agg(loss::text, ',' ORDER BY epoch)
					FROM m.epoch JOIN m.version USING (version) WHERE deployed})
			];
			$train->(3);
			is(model_digest($node, 'm'), $alone, "$simd, $solver: 3 workers give the bits of none");
			my ($found, $expected) = ($loss{$simd}{$solver}, $loss{portable}{$solver});
			my @other = grep { abs($found->[$_] / $expected->[$_] - 1) >= 1e-4 } 0 .. 2;
			is(scalar(@$found) . " @other", '3 ', "$simd, $solver: the losses of portable");
		}
	}
}

# Ratings, too.
$node->safe_psql('postgres', q{
	CREATE TABLE rating AS SELECT user_id, item_id, 1 + (user_id * 7 + item_id * 13) % 5 AS stars
		FROM events GROUP BY user_id, item_id;
	SELECT commrec.create_model('r', 'rating', value_column => 'stars', algorithm => 'als',
		hyperparameters => '{"factors": 20, "epochs": 3}')});
my %rated;
for my $workers (0 .. 2)
{
	$node->safe_psql('postgres', qq{SELECT commrec.train('r', workers => $workers)});
	$rated{ model_digest($node, 'r') } = 1;
}
is(scalar(keys %rated), 1, 'als: 1 and 2 workers give the bits of none');

# Members with so many events that they are summed up in parts, more of them than there are slots
# for: the bits are those of one participant, and the loss has no slope left at a member's embedding.
# With few members in the basis in which factors begin, with many in eigenbases.
for my $members (600, 1300)
{
	my %heavy;

	$node->safe_psql('postgres', qq{
		CREATE TABLE heavy AS
		SELECT u AS user_id, i AS item_id FROM generate_series(1, 80) AS u, generate_series(1, 3000) AS i
		UNION SELECT u, 1 + (u * 13 + n * 101) % 3000
			FROM generate_series(81, $members) AS u, generate_series(1, 5) AS n;
		SELECT commrec.create_model('h', 'heavy', hyperparameters => '{"factors": 400, "epochs": 1,
			"solver": "cholesky", "popularity_weight": 0, "popularity_half_life": "Infinity",
			"unobserved_weight": 0.1, "regularization": 0.05}')});
	for my $workers (0, 2)
	{
		$node->safe_psql('postgres', qq{SELECT commrec.train('h', workers => $workers)});
		$heavy{ model_digest($node, 'h') } = 1;
	}
	is(scalar(keys %heavy), 1, "parts of a row, $members members: 2 workers give the bits of none");
	cmp_ok($node->safe_psql('postgres', q{
		WITH item AS MATERIALIZED (
			SELECT i.item_id, e.d, e.v::double precision AS v FROM h.item_embedding AS i,
				unnest(commrec.embedding_to_array(i.embedding)) WITH ORDINALITY AS e (v, d)
			WHERE i.version = 1
		), member AS (
			SELECT e.d, e.v::double precision AS v FROM h.user_embedding AS u,
				unnest(commrec.embedding_to_array(u.embedding)) WITH ORDINALITY AS e (v, d)
			WHERE u.version = 1 AND u.user_id = 1
		), score AS (
			SELECT i.item_id, sum(i.v * m.v) AS s FROM item AS i JOIN member AS m USING (d) GROUP BY i.item_id
		), slope AS (
			SELECT i.d, sum((1.1 * s.s - 1) * i.v) AS fit FROM item AS i JOIN score AS s USING (item_id) GROUP BY i.d
		)
		SELECT max(abs(slope.fit + 0.05 * (3000 + 0.1 * 3000) * m.v)) / max(abs(slope.fit))
		FROM slope JOIN member AS m USING (d)}), '<', 1e-3,
		"parts of a row, $members members: their solution is exact");
	$node->safe_psql('postgres', q{
		SET client_min_messages = warning; SELECT commrec.drop_model('h'); DROP TABLE heavy});
}

# Factors of many sizes, tiny ones too: the kernels' tails must not depend on who works.
for my $factors (1, 7, 16, 33, 64)
{
	my %seen;

	for my $workers (0, 3)
	{
		$node->safe_psql('postgres',
			qq{SELECT commrec.train('m', '{"factors": $factors, "epochs": 2}', workers => $workers)});
		$seen{ model_digest($node, 'm') } = 1;
	}
	is(scalar(keys %seen), 1, "$factors factors: 3 workers give the bits of none");
}

# Whatever kind of shared memory the server uses: a segment that outgrows the first slice, too,
# and one in the memory that the server reserved at its start.
my $large = q{SELECT commrec.train('m', '{"factors": 256, "epochs": 1, "popularity_weight": 0, "popularity_half_life": "Infinity"}', workers => %d)};

$node->safe_psql('postgres', q{
	INSERT INTO events SELECT n, n % 1000, 'view', '2024-01-01 00:00+00' FROM generate_series(5000, 24000) AS n});
$node->safe_psql('postgres', sprintf($large, 0));
my $alone = model_digest($node, 'm');
# PostgreSQL 13 reserves none.
my @reserved = $node->safe_psql('postgres', q{
	SELECT 'reserved' FROM pg_settings WHERE name = 'min_dynamic_shared_memory'}) || ();
for my $kind ('posix', 'mmap', 'sysv', @reserved)
{
	my $type = $kind eq 'reserved' ? 'posix' : $kind;

	$node->append_conf('postgresql.conf', "dynamic_shared_memory_type = $type\n");
	$node->append_conf('postgresql.conf', "min_dynamic_shared_memory = 128MB\n") if $kind eq 'reserved';
	$node->restart;
	$node->safe_psql('postgres', sprintf($large, 2));
	is($node->safe_psql('postgres', 'SELECT workers >= 1 FROM m.version WHERE deployed'), 't',
		"$kind shared memory: workers take part");
	is(model_digest($node, 'm'), $alone, "$kind shared memory: the bits of none");
}

$node->stop;
done_testing();
