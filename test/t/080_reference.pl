# The README says of algorithms and hyperparameters what the library's descriptors say.
use strict;
use warnings;

use Commrec;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = $ENV{COMMREC_SOURCE} // '../..';
my $node   = new_server('reference');
my $readme = slurp_file("$source/README.md");

ok($readme =~ /<!-- doc\/reference\.sql -->\n(.*?)\n<!-- end -->/s, 'README.md has the reference between its marks');
my @ours  = split /\n/, $1;
my @wanted = split /\n/, $node->safe_psql('postgres', slurp_file("$source/doc/reference.sql"));

cmp_ok(scalar @wanted, '>', 20, 'there is something to compare');
is_deeply(\@ours, \@wanted, 'README.md says what the descriptors say')
  or note('the reference is made by: psql -XAtq -f doc/reference.sql');

$node->stop;
done_testing();
