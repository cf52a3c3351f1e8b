# Settings that change how values are written change neither models nor answers.
use strict;
use warnings;

use Commrec;
use Test::More;

my $node = new_server('locale');

load_events($node, 300, 80, 20);
$node->safe_psql('postgres', q{
	ALTER TABLE events ADD COLUMN day date;
	ALTER TABLE events ADD COLUMN stamp timestamp;
	UPDATE events SET day = (at AT TIME ZONE 'UTC')::date, stamp = at AT TIME ZONE 'UTC';
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30}');
	SELECT commrec.create_model('naive', 'events', action_column => 'action', time_column => 'stamp',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30}');
	SELECT commrec.create_model('daily', 'events', action_column => 'action', time_column => 'day',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30}');
	SET timezone = 'UTC';
	SELECT commrec.train('m'), commrec.train('naive'), commrec.train('daily')});

my %bits    = map { $_ => model_digest($node, $_) } qw(m naive daily);
my $answers = answers_digest($node, 'm');
is($bits{naive}, $bits{m}, 'a timestamp without time zone is read as UTC');

my @numeric = split /\n/, $node->safe_psql('postgres', q{
	SELECT collname FROM pg_collation WHERE collname ~ '^(de_DE|fr_FR|tr_TR)\.utf8$'});
my @settings = (
	q{SET DateStyle = 'SQL, DMY'}, q{SET DateStyle = 'German'}, q{SET TimeZone = 'America/St_Johns'},
	q{SET TimeZone = 'Pacific/Kiritimati'}, q{SET extra_float_digits = -15}, q{SET extra_float_digits = 0},
	q{SET IntervalStyle = 'sql_standard'}, q{SET bytea_output = 'escape'}, q{SET standard_conforming_strings = off},
	map { "SET lc_numeric = '$_'; SET lc_time = '$_'" } @numeric);

for my $setting (@settings)
{
	$node->safe_psql('postgres', qq{
		SET escape_string_warning = off;
		$setting;
		SELECT commrec.train('m'), commrec.train('naive'), commrec.train('daily')});
	for my $model (qw(m naive daily))
	{
		is(model_digest($node, $model), $bits{$model}, "$setting: $model has the same bits");
	}
	is(answers_digest($node, 'm', 'postgres', $setting eq q{SET bytea_output = 'escape'} ? '' : "$setting;"),
		$answers, "$setting: the same answers");
}

# A model created under other settings is the same, too.
$node->safe_psql('postgres', q{
	SET DateStyle = 'German'; SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -15;
	SET IntervalStyle = 'postgres_verbose';
	SELECT commrec.create_model('other', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30}');
	SELECT commrec.train('other')});
is(model_digest($node, 'other'), $bits{m}, 'a model created under other settings has the same bits');
is($node->safe_psql('postgres', q{SET TimeZone = 'Asia/Kathmandu'; SELECT sum(spread) FROM m.user_activity}),
	$node->safe_psql('postgres', q{SELECT sum(spread) FROM other.user_activity}), 'and the same knowledge spread');

# The command that restores a database in another time zone sees the same buckets.
is($node->safe_psql('postgres', q{
	SET TimeZone = 'America/St_Johns';
	SELECT count(*) FROM m.user_activity WHERE bucket AT TIME ZONE 'UTC' <> date_trunc('day', bucket AT TIME ZONE 'UTC')}),
	'0', 'daily buckets begin at midnight UTC');

$node->stop;
done_testing();
