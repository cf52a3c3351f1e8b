# Settings that change how values are written change neither models nor answers.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;

# A locale that writes 1.5 as "1,5": hardly a machine has one, so it is made here.  It belongs to the server's
# process, which is told where it lies.
my $german = 'de_DE.utf8';
$ENV{LOCPATH} = PostgreSQL::Test::Utils::tempdir();
# Where there is no localedef, or nothing to make a locale from, the server will not know it.
eval { IPC::Run::run([ 'localedef', '-i', 'de_DE', '-f', 'UTF-8', "$ENV{LOCPATH}/$german" ], '&>', \my $output) };

my $node = new_server('locale');

load_events($node, 300, 80, 20);
$node->safe_psql('postgres', q{
	ALTER TABLE events ADD COLUMN day date;
	ALTER TABLE events ADD COLUMN stamp timestamp;
	UPDATE events SET day = (at AT TIME ZONE 'UTC')::date, stamp = at AT TIME ZONE 'UTC';
	SELECT commrec.create_model('m', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30, "regularization": 0.0125}');
	SELECT commrec.create_model('naive', 'events', action_column => 'action', time_column => 'stamp',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30, "regularization": 0.0125}');
	SELECT commrec.create_model('daily', 'events', action_column => 'action', time_column => 'day',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30, "regularization": 0.0125}');
	SET timezone = 'UTC';
	SELECT commrec.train('m'), commrec.train('naive'), commrec.train('daily')});

my %bits    = map { $_ => model_digest($node, $_) } qw(m naive daily);
my $answers = answers_digest($node, 'm');
is($bits{naive}, $bits{m}, 'a timestamp without time zone is read as UTC');

# Models trained, and answers given, under a setting: the bits and the answers of before.
sub changes_nothing
{
	my ($setting) = @_;

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
	return;
}

changes_nothing($_)
  for (q{SET DateStyle = 'SQL, DMY'}, q{SET DateStyle = 'German'}, q{SET TimeZone = 'America/St_Johns'},
	q{SET TimeZone = 'Pacific/Kiritimati'}, q{SET extra_float_digits = -15}, q{SET extra_float_digits = 0},
	q{SET IntervalStyle = 'sql_standard'}, q{SET bytea_output = 'escape'}, q{SET standard_conforming_strings = off});

SKIP:
{
	my $set = "SET lc_numeric = '$german'; SET lc_time = '$german'; SET lc_monetary = '$german'";
	my ($status, $number) = $node->psql('postgres', "$set; SELECT to_char(1.5, 'FM9D9')");

	skip 'no locale de_DE can be made (Debian: package locales)', 1 if $status != 0;
	is($number, '1,5', 'numbers are written with a comma');
	changes_nothing($set);
}

# A model created under other settings is the same, too.
$node->safe_psql('postgres', q{
	SET DateStyle = 'German'; SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -15;
	SET IntervalStyle = 'postgres_verbose';
	SELECT commrec.create_model('other', 'events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 16, "epochs": 4, "half_life": 30, "regularization": 0.0125}');
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
