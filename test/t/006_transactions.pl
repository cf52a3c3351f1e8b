# Training is transactional: rollback, savepoints, exceptions, two-phase commit, SERIALIZABLE,
# read-only transactions.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('transactions', q{
max_prepared_transactions = 4
commrec.keep_versions = 5
dynamic_shared_memory_type = mmap
});

load_events($node, 300, 80, 20);
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4}');
	SELECT commrec.train('m')});
my $answers = answers_digest($node, 'm');
my $before  = shared_segments($node);
my $train   = q{SELECT version FROM commrec.train('m', '{"factors": 9}', workers => 2)};
my $deployed = q{SELECT version FROM m.version WHERE deployed};

sub as_before
{
	my ($what) = @_;

	is(answers_digest($node, 'm'), $answers, "$what: the old model answers");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM m.version}), '1', "$what: no version is added");
	is($node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM commrec.training_locks())
			+ (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker')}),
		'0', "$what: no lock and no worker is left");
	is(shared_segments($node), $before, "$what: no shared memory is left");
	return;
}

is($node->safe_psql('postgres', "BEGIN; $train; ROLLBACK; $deployed"), "2\n1", 'ROLLBACK');
as_before('ROLLBACK');

is($node->safe_psql('postgres', qq{
	BEGIN;
	SAVEPOINT s;
	$train;
	$deployed;
	ROLLBACK TO s;
	$deployed;
	SELECT count(*) FROM m.recommend(1, 5);
	COMMIT}), "2\n2\n1\n5", 'ROLLBACK TO a savepoint');
as_before('ROLLBACK TO');

is($node->safe_psql('postgres', q{
	DO $$
	BEGIN
		PERFORM commrec.train('m');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		PERFORM item_id FROM m.recommend(1, 5);
		IF NOT FOUND THEN
			RAISE 'no answer';
		END IF;
	END $$;
	SELECT 'fine'}), 'fine', 'an exception after the training in PL/pgSQL');
as_before('exception after');

is($node->safe_psql('postgres', q{
	DO $$
	BEGIN
		PERFORM commrec.train('m', '{"factors": 0}');
	EXCEPTION WHEN invalid_parameter_value THEN NULL;
	END $$;
	SELECT 'fine'}), 'fine', 'an error of the training, caught in PL/pgSQL');
as_before('error caught');

# After a training that was undone, the same transaction trains again.
is($node->safe_psql('postgres', qq{
	BEGIN;
	SAVEPOINT s; $train; ROLLBACK TO s;
	$train; $train;
	ROLLBACK}), "2\n2\n3", 'training again and again in one transaction');
as_before('again and again');

# Two-phase commit works exactly, or is refused.
{
	my ($out, $err) = ('', '');

	$node->psql('postgres', "BEGIN; $train; PREPARE TRANSACTION 'two'", stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	if ($err eq '')
	{
		is(answers_digest($node, 'm'), $answers, 'prepared: the old model answers');
		sql_fails($node, q{SELECT commrec.train('m')}, '55006', 'being trained', 'prepared: the model is locked');
		$node->restart;
		sql_fails($node, q{SELECT commrec.train('m')}, '55006', 'being trained', 'after a restart, too');
		$node->safe_psql('postgres', q{ROLLBACK PREPARED 'two'});
		as_before('ROLLBACK PREPARED');
		$node->safe_psql('postgres', "BEGIN; $train; PREPARE TRANSACTION 'two'");
		$node->safe_psql('postgres', q{COMMIT PREPARED 'two'});
		is($node->safe_psql('postgres', $deployed), '2', 'COMMIT PREPARED publishes');
		is($node->safe_psql('postgres', q{SELECT commrec.rollback('m')}), '1', 'and can be rolled back');
	}
	else
	{
		like($err, qr/ERROR:\s+0A000/, 'two-phase commit is refused');
		as_before('PREPARE TRANSACTION');
	}
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_prepared_xacts}), '0', 'nothing stays prepared');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM commrec.training_locks()}), '0', 'no lock is stuck');
}

is($node->safe_psql('postgres', qq{
	BEGIN ISOLATION LEVEL SERIALIZABLE;
	SELECT count(*) FROM m.recommend(1, 5);
	$train;
	SELECT count(*) FROM m.recommend(1, 5);
	COMMIT;
	SELECT deployed FROM m.version ORDER BY version DESC LIMIT 1}) =~ s/^(5\n)\d+\n/$1/r, "5\n5\nt", 'SERIALIZABLE works');
$node->safe_psql('postgres', q{SELECT commrec.deploy('m', 1)});
is(answers_digest($node, 'm'), $answers, 'deploy() leads back to the answers of the first version');

sql_fails($node, q{BEGIN READ ONLY; SELECT commrec.train('m')}, '25006', 'read-only', 'a read-only transaction refuses to train');
sql_fails($node, q{SET default_transaction_read_only = on; SELECT commrec.train('m')}, '25006', 'read-only',
	'a read-only session, too');
is($node->safe_psql('postgres', q{
	BEGIN READ ONLY;
	SELECT count(*) FROM m.recommend(1, 5);
	SELECT m.satisfaction(1) IS NOT NULL, m.knowledge_spread(1, '2024-02-01') IS NOT NULL;
	COMMIT}), "5\nt|t", 'a read-only transaction answers');

# deploy and rollback of what is being read within one transaction.
is($node->safe_psql('postgres', qq{
	BEGIN;
	SELECT commrec.deploy('m', (SELECT max(version) FROM m.version));
	SELECT count(*) FROM m.recommend(1, 5);
	ROLLBACK;
	$deployed}), "\n5\n1", 'deploy is transactional');

is(shared_segments($node), $before, 'no shared memory is left at the end');
$node->stop;
done_testing();
