# On a young community, where most of what comes next is cold, the default answers are not
# worse than popularity: se-quantum split by time, nDCG@10.
use strict;
use warnings;

use Commrec;
use Test::More;

my $node = new_server('cold');

load_community($node, 'postgres');
$node->safe_psql('postgres', q{
	CREATE TABLE early AS SELECT * FROM events
	WHERE at < (SELECT percentile_disc(0.8) WITHIN GROUP (ORDER BY at) FROM events);
	CREATE TABLE late AS
	SELECT DISTINCT user_id, item_id FROM events
	WHERE at >= (SELECT percentile_disc(0.8) WITHIN GROUP (ORDER BY at) FROM events)
	EXCEPT SELECT user_id, item_id FROM early;
	-- Only what existed can be recommended.
	DELETE FROM late WHERE item_id NOT IN (SELECT item_id FROM early);
	SELECT commrec.create_model('q', 'early', action_column => 'action', time_column => 'at');
	SELECT commrec.train('q')});

# Mean over the users who come back of DCG@10 / best possible DCG@10.
my $ndcg = q{
	WITH member AS (SELECT user_id, count(*) AS wanted FROM late GROUP BY user_id),
	answer AS (%s),
	gain AS (
		SELECT m.user_id,
			(SELECT coalesce(sum(1 / ln(1 + a.rank)), 0) FROM answer AS a JOIN late AS l USING (user_id, item_id)
			 WHERE a.user_id = m.user_id) AS dcg,
			(SELECT sum(1 / ln(1 + n)) FROM generate_series(1, least(10, m.wanted)) AS n) AS best
		FROM member AS m)
	SELECT avg(dcg / best) FROM gain};

my $model = $node->safe_psql('postgres', sprintf($ndcg, q{
	SELECT m.user_id, r.rank, r.item_id FROM member AS m, LATERAL q.recommend(m.user_id, 10) AS r}));
my $popular = $node->safe_psql('postgres', sprintf($ndcg, q{
	SELECT m.user_id, r.rank, r.item_id
	FROM member AS m, LATERAL (
		SELECT row_number() OVER (ORDER BY i.popular_no) AS rank, i.item_id
		FROM q.item_embedding AS i
		WHERE i.version = (SELECT version FROM q.version WHERE deployed)
		AND NOT EXISTS (SELECT FROM early AS e WHERE e.user_id = m.user_id AND e.item_id = i.item_id)
		ORDER BY i.popular_no LIMIT 10) AS r}));

note("nDCG\@10: model $model, popularity $popular");
cmp_ok($popular, '>', 0, 'popularity finds something');
cmp_ok($model, '>=', $popular, 'the default model is not worse than popularity');

# The same among those whom the model knows.
$node->safe_psql('postgres', q{DELETE FROM late WHERE user_id NOT IN (SELECT user_id FROM early)});
$model = $node->safe_psql('postgres', sprintf($ndcg, q{
	SELECT m.user_id, r.rank, r.item_id FROM member AS m, LATERAL q.recommend(m.user_id, 10) AS r}));
$popular = $node->safe_psql('postgres', sprintf($ndcg, q{
	SELECT m.user_id, r.rank, r.item_id
	FROM member AS m, LATERAL (
		SELECT row_number() OVER (ORDER BY i.popular_no) AS rank, i.item_id
		FROM q.item_embedding AS i
		WHERE i.version = (SELECT version FROM q.version WHERE deployed)
		AND NOT EXISTS (SELECT FROM early AS e WHERE e.user_id = m.user_id AND e.item_id = i.item_id)
		ORDER BY i.popular_no LIMIT 10) AS r}));
note("known members: model $model, popularity $popular");
cmp_ok($model, '>=', $popular, 'nor for the members whom it knows');

# Unknown members get popular items, and are told so.
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT source, ',') FROM q.recommend(999999999, 10)}),
	'popular', 'an unknown member is answered from popularity');
is($node->safe_psql('postgres', q{
	SELECT array_agg(item_id ORDER BY rank) = (
		SELECT array_agg(item_id ORDER BY popular_no) FROM q.item_embedding
		WHERE popular_no <= (SELECT min(popular_no) + 9 FROM q.item_embedding))
	FROM q.recommend(999999999, 10)}), 't', 'the most popular ones, in order');

# Everybody gets min(k, eligible) rows.
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (
		SELECT u.user_id, u.items, (SELECT count(*) FROM q.recommend(u.user_id, 100000)) AS got
		FROM q.user_embedding AS u) AS answer
	WHERE got <> (SELECT count(*) FROM q.item_embedding) - items}), '0', 'everybody gets all that is unseen');

# evaluate() comes to the same, wherever the newest tenth, fifth or third begins: it has popularity by
# distinct members, without any ageing, beside the default answers.
$node->safe_psql('postgres', q{
	SELECT commrec.create_model('all_of_it', 'events', action_column => 'action', time_column => 'at')});
for my $share (0.1, 0.2, 0.3)
{
	my ($ours, $theirs) = split /\|/, $node->safe_psql('postgres', qq{
		SELECT max(value) FILTER (WHERE scorer = 'model'), max(value) FILTER (WHERE scorer = 'popular')
		FROM commrec.evaluate('all_of_it', test_share => $share, replicates => 0)
		WHERE metric = 'ndcg' AND stratum = 'all' AND k = 10});

	note("newest $share: model $ours, popularity $theirs");
	cmp_ok($theirs, '>', 0, "newest $share: popularity finds something");
	cmp_ok($ours, '>=', $theirs, "newest $share: the default answers are not worse");
}

$node->stop;
done_testing();
