# Who may call what: every function of the extension, by seven kinds of role, on models of one's
# own, granted and foreign; privileges on the events; a hostile search_path; and what those may
# learn who may not read embeddings.
use strict;
use warnings;

use Commrec;
use Test::More;

# --- The table ---------------------------------------------------------------------------------
#
# owner, analyst and reader have USAGE on the schema of the model "granted", owner and analyst EXECUTE
# on all routines besides; the auditor has nothing but SELECT on the events, as the analyst has it, too.
# The model "own" is the role owner's, "granted" and "foreign" are somebody else's.
my @roles  = qw(superuser owner member analyst reader auditor stranger);
my @models = qw(own granted foreign nothing);

# What a call ends in: + works, - is 42501, ? is 42704 (there is no model "nothing").
my %outcomes = (
	# of its arguments alone
	value => {
		#           superuser, owner, member, analyst, reader, auditor, stranger
		own => '+ + + + + + +', granted => '+ + + + + + +', foreign => '+ + + + + + +', nothing => '+ + + + + + +'
	},
	# no model yet, or none at all, but for those with EXECUTE
	makes => {
		own => '+ + + + - - -', granted => '+ + + + - - -', foreign => '+ + + + - - -', nothing => '+ + + + - - -'
	},
	# takes USAGE on the model's schema
	serves => {
		own => '+ + + - - - -', granted => '+ + + + + - -', foreign => '+ - - - - - -', nothing => '? ? ? ? ? ? ?'
	},
	# the same, for those with EXECUTE
	hands => {
		own => '+ + + - - - -', granted => '+ + + + - - -', foreign => '+ - - - - - -', nothing => '? ? ? ? - - -'
	},
	# takes SELECT on tables of the model besides
	reads => {
		own => '+ + + - - - -', granted => '+ - - - - - -', foreign => '+ - - - - - -', nothing => '? ? ? ? ? ? ?'
	},
	# takes to be the model's owner
	checks => {
		own => '+ + + - - - -', granted => '+ - - - - - -', foreign => '+ - - - - - -', nothing => '? ? ? ? ? ? ?'
	},
	# the same, and EXECUTE
	owner => {
		own => '+ + + - - - -', granted => '+ - - - - - -', foreign => '+ - - - - - -', nothing => '? ? ? ? - - -'
	});

# Each function has one line here, by a pattern over its name and types; a new one without fails the
# test.  "works" is what + means where it is not success: how far the call gets with its arguments.
# Arguments that have no default come from %arguments, or from "with"; those of values are NULL.
my @functions = (
	# Embeddings, packed models, parts of a training, metrics: what is given, and nothing else.
	[ qr/^(embedding_to_array|array_to_embedding|inner_product|embedding_dims)\(/ => 'value' ],
	[ qr/^(avg|sum)\(bytea\)/                                                     => 'value' ],
	[ qr/^embedding_(accum|combine|avg_final|sum_final)\(/                        => 'value' ],
	[ qr/^(recommend_from|similar_from|model_info)\(/                             => 'value' ],
	[ qr/^describe_algorithms\(/                                                => 'value' ],
	[ qr/^ials_(accum|combine|combine_text|final|final_text)\(/ => 'value', works => qr/^(00000|0A000|22\w{3}|55000)$/ ],
	[ qr/^(collect|pack_csr|pack_factors|gram)(_accum|_combine|_final)?\(/ => 'value', works => qr/^(00000|0A000|22\w{3})$/ ],
	[ qr/^(solve_row|solve_rows|top_k|unpack_factors|unpack_neighbors|gram_product|start_embedding|pack_items)\(/ => 'value' ],
	[ qr/^(metric|auc)_(accum|combine)\(/                  => 'value' ],
	[ qr/^(ndcg|recall|precision|average_precision|reciprocal_rank|auc)_final\(/ => 'value' ],
	[ qr/^(ndcg|recall_at|precision_at|average_precision|reciprocal_rank|auc)\(/ => 'value' ],
	[ qr/^(wilson|user_hash)\(/                            => 'value' ],

	# Types, names, checks of arguments.
	[ qr/^(stored_id_type|bucket_start|default_action|base_type|relation_name|deployment)\(/ => 'value' ],
	[ qr/^(check_objective|check_effect|training_locks|list_models|list_jobs)\(/ => 'value' ],
	[ qr/^(library_version|version|inspect_model)\(/      => 'value' ],
	[ qr/^check_hyperparameters\(/ => 'value', with => { algorithm => "'ials'" } ],
	[ qr/^require_effect_column\(/ => 'value', with => { column_sql => "'s.at'" } ],
	[ qr/^is_as_made\(/            => 'value' ],
	[ qr/^(check_model_name|check_model_free)\(/           => 'makes', with => { model => "'new'" } ],
	[ qr/^(source_column|source_id_type)\(/                => 'makes', with => { column_name => "'user_id'" } ],
	[ qr/^check_source_type\(/  => 'makes', with => { column_name => "'action'", allowed => "'{text}'", what => "'action'" } ],
	[ qr/^check_source\(/       => 'makes', with => { value_column => 'NULL' } ],
	[ qr/^merge_hyperparameters\(/ => 'makes', with => { algorithm => "'ials'", stored => "'{}'", given => "'{}'" } ],
	[ qr/^split_target\(/       => 'makes' ],
	[ qr/^check_target\(/       => 'makes', with => { target => "'scratch.taken'::pg_catalog.regclass::pg_catalog.oid", columns => "'{}'" }, works => qr/^42P07$/ ],

	# Models: made by whoever may, changed by their owners.
	[ qr/^ials\(/            => 'makes', works => qr/^(00000|22004)$/ ],
	[ qr/^create_model\(/    => 'makes', with => { model => "'new'" } ],
	[ qr/^prepare_schema\(/  => 'makes', with => { model => "'new'", in_schema => 'NULL' } ],
	[ qr/^create_target\(/   => 'makes', with => { model => "'own'", schema_name => "'scratch'", user_type => "'bigint'", item_type => "'bigint'" } ],
	[ qr/^create_tables\(/   => 'owner', works => qr/^42P07$/ ],
	[ qr/^(comment_tables|create_functions|count_actions|count_ids|estimate_events|look_at_events)\(/ => 'owner' ],
	[ qr/^(describe_model|describe_next)\(/                => 'owner' ],
	[ qr/^add_actions\(/  => 'owner', with => { actions => "'{new}'", lows => "'{NULL}'", highs => "'{NULL}'" } ],
	[ qr/^(rename_model|alter_source)\(/                   => 'owner' ],
	[ qr/^(alter_model|drop_model|train|evaluate|rollback|lock_model)\(/ => 'owner' ],
	[ qr/^deploy\(/                                        => 'owner', with => { version => 1 } ],
	[ qr/^(refresh|tune)\(/                                => 'owner' ],
	[ qr/^(require_owner|update_tables)\(/                 => 'checks' ],
	[ qr/^update_models\(/                                 => 'makes' ],
	[ qr/^forget\(uuid/                                    => 'owner', works => qr/^42804$/ ],
	[ qr/^forget\((bigint|text)/                           => 'owner' ],
	[ qr/^remember_forgotten\(/                            => 'owner' ],
	[ qr/^forget_materialized\(/ => 'hands', with => { user_type => "'bigint'" } ],
	[ qr/^forget_user\(/       => 'owner', with => { id_type => "'bigint'" } ],
	[ qr/^create_filter\(/     => 'owner', with => { filter => "'new'" } ],
	[ qr/^(refresh_filter|drop_filter)\(/                  => 'owner' ],
	[ qr/^(pack_filter|evaluate_filter|require_filter|publish_filters)\(/ => 'owner' ],
	[ qr/^filter_column\(/     => 'owner', with => { item_column => 'NULL' } ],

	# Answers.
	[ qr/^(recommend|similar_items|similar_users|score|explain|knowledge_spread|satisfaction)\(uuid/ => 'serves', works => qr/^42804$/ ],
	[ qr/^(recommend|similar_items|similar_users|score|explain)\((bigint|text)/ => 'serves' ],
	[ qr/^(knowledge_spread|satisfaction)\((bigint|text)/  => 'serves' ],
	[ qr/^(knowledge_spread_typed|satisfaction_typed|score_typed|model_schema)\(/ => 'serves' ],
	[ qr/^(popular|recommend_all)\(/                       => 'serves', with => { model => '{model}' } ],
	[ qr/^recommend_typed\(/     => 'serves', as => '(rank integer, item_id bigint, score real, source pg_catalog.text)' ],
	[ qr/^recommend_all_typed\(/ => 'serves', as => '(user_id bigint, rank integer, item_id bigint, score real, source pg_catalog.text)' ],
	[ qr/^similar_items_typed\(/ => 'serves', as => '(rank integer, item_id bigint, similarity real)' ],
	[ qr/^similar_users_typed\(/ => 'serves', as => '(rank integer, user_id bigint, similarity real)' ],
	[ qr/^popular_typed\(/       => 'serves', as => '(rank integer, item_id bigint, score double precision)' ],
	[ qr/^explain_typed\(/       => 'serves', as => '(rank integer, item_id bigint, confidence double precision, contribution double precision, source pg_catalog.text)' ],
	[ qr/^materialize\(/                                   => 'hands' ],

	# Reports over tables of the model, and over the events.
	[ qr/^satisfaction_detail\(uuid/                       => 'serves', works => qr/^42804$/ ],
	[ qr/^satisfaction_detail\((bigint|text)/              => 'reads' ],
	[ qr/^read_satisfaction\(/                             => 'reads', with => { id_type => "'bigint'" } ],
	[ qr/^(objective|sum_activity|find_source|filters)\(/  => 'reads' ],
	[ qr/^(ctr|retention)\(/                               => 'reads' ],
	[ qr/^(effect_source|effect_actions|impression_actions|click_actions)\(/ => 'reads', with => { given => "'{view}'" } ],
);

my $model = q{'{model}'::pg_catalog.text};
my %ids   = (
	'pg_catalog.int2' => '1::pg_catalog.int2', 'pg_catalog.int4' => '1', 'pg_catalog.int8' => '1::pg_catalog.int8',
	'pg_catalog.text' => q{'1'::pg_catalog.text}, 'pg_catalog.uuid' => 'pg_catalog.gen_random_uuid()',
	'pg_catalog."any"' => '1::pg_catalog.int8');
my %events = (
	'pg_catalog.oid'      => q{'public.events'::pg_catalog.regclass::pg_catalog.oid},
	'pg_catalog.regclass' => q{'public.events'::pg_catalog.regclass});
my %arguments = (
	model           => $model,
	schema_name     => q{'{model}'::pg_catalog.name},
	user_id         => \%ids,
	item_id         => \%ids,
	t               => q{'2024-03-01 00:00+00'::pg_catalog.timestamptz},
	k               => '3',
	exclude_seen    => 'true',
	workers         => '0',
	search_path     => q{''::pg_catalog.text},
	filter          => q{'few'::pg_catalog.text},
	hyperparameters => q{'{}'::pg_catalog.jsonb},
	events          => \%events,
	items           => \%events,
	predicate       => q{'true'::pg_catalog.text},
	user_column     => q{'user_id'::pg_catalog.name},
	item_column     => q{'item_id'::pg_catalog.name},
	action_column   => q{'action'::pg_catalog.name},
	time_column     => q{'at'::pg_catalog.name},
	user_type       => q{'bigint'::pg_catalog.regtype},
	item_type       => q{'bigint'::pg_catalog.regtype},
	rename_to       => q{'renamed'::pg_catalog.text},
	version         => '1',
	target          => q{'scratch.{role}_{model}'::pg_catalog.text},
	target_schema   => q{'scratch'::pg_catalog.name},
	table_name      => q{'new'::pg_catalog.name},
	trials          => '2',
	replicates      => '20');

# --- The servers, the roles, the models ---------------------------------------------------------

my $node = new_server('privileges');

load_events($node, 40, 24, 8);
$node->safe_psql('postgres', q{
	CREATE ROLE superuser SUPERUSER LOGIN;
	CREATE ROLE owner LOGIN;
	CREATE ROLE member LOGIN IN ROLE owner;
	CREATE ROLE other LOGIN;
	CREATE ROLE analyst LOGIN;
	CREATE ROLE reader LOGIN;
	CREATE ROLE auditor LOGIN;
	CREATE ROLE stranger LOGIN;
	GRANT CREATE ON DATABASE postgres TO owner, other, analyst;
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA commrec TO owner, other, analyst;
	GRANT SELECT ON events TO owner, other, analyst, auditor;
	CREATE SCHEMA scratch;
	CREATE TABLE scratch.taken (a integer);
	GRANT USAGE, CREATE ON SCHEMA scratch TO PUBLIC});
for (['owner', 'own'], ['other', 'granted'], ['other', 'foreign'])
{
	my ($role, $name) = @$_;

	$node->safe_psql('postgres', qq{
		SET client_min_messages = error;
		SELECT commrec.create_model('$name', 'events', action_column => 'action', time_column => 'at',
			hyperparameters => '{"factors": 4, "epochs": 2}');
		SELECT commrec.create_filter('$name', 'few', 'events', 'item_id < 12');
		SELECT commrec.train('$name', workers => 0);
		SELECT commrec.train('$name', workers => 0)}, extra_params => [ '-U', $role ]);
}
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA granted TO owner, analyst, reader', extra_params => [ '-U', 'other' ]);

# --- Calls ---------------------------------------------------------------------------------------

# Every routine of a schema: signature, kind, and the arguments, of which the first "required" have
# no default.
sub routines
{
	my ($schema) = @_;
	my @found;

	for my $line (split /\n/, $node->safe_psql('postgres', qq{
		SELECT concat_ws('|', replace(p.oid::regprocedure::text, '$schema.', ''), p.prokind, p.pronargs - p.pronargdefaults,
			(SELECT string_agg(concat(coalesce(p.proargnames[a.place], ''), ':', format('%I.%I', n.nspname, t.typname)), ';'
				ORDER BY a.place)
			 FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)
				JOIN pg_type AS t ON t.oid = a.type JOIN pg_namespace AS n ON n.oid = t.typnamespace))
		FROM pg_proc AS p WHERE p.pronamespace = '$schema'::regnamespace
		ORDER BY p.prokind, 1}))
	{
		my ($signature, $kind, $required, $arguments) = split /\|/, $line;
		my @arguments = map { [ split /:/, $_, 2 ] } split /;/, $arguments // '';

		push @found, { signature => $signature, kind => $kind, required => $required, arguments => \@arguments };
	}
	return @found;
}

# SQL for one argument of a routine.
sub argument
{
	my ($entry, $name, $type) = @_;
	my %with  = @$entry[2 .. $#$entry];
	my $given = exists $with{with}{$name} ? $with{with}{$name} : $arguments{$name};

	$given = undef if $entry->[1] eq 'value' && !exists $with{with}{$name};
	$given = $given->{$type} if ref $given;
	return "NULL::$type" if !defined $given;
	$given =~ s/^\{model\}$/$model/;
	return $given;
}

# The statement that calls a routine.
sub call_of
{
	my ($routine, $entry, $schema) = @_;
	my %with = @$entry[2 .. $#$entry];
	my ($name) = $routine->{signature} =~ /^(\w+)/;
	my @given;

	for my $i (0 .. $#{ $routine->{arguments} })
	{
		my ($argument, $type) = @{ $routine->{arguments}[$i] };
		my $is_named = $argument ne '' && $routine->{kind} ne 'a';

		# Of those with a default, what says which model, and what makes it quick.
		next if $i >= $routine->{required} && $argument !~ /^(model|workers|trials|replicates|search_path)$/;
		push @given, ($is_named ? qq{"$argument" => } : '') . argument($entry, $argument, $type);
	}
	$name = "$schema.$name(" . join(', ', @given) . ')';
	return "CALL $name" if $routine->{kind} eq 'p';
	return "SELECT $name" if $routine->{kind} eq 'a';
	return "SELECT * FROM $name" . (defined $with{as} ? " AS r $with{as}" : '');
}

# A call for each routine of the extension.
sub calls_of_extension
{
	my @calls;

	for my $routine (routines('commrec'))
	{
		my @entries = grep { $routine->{signature} =~ $_->[0] } @functions;

		is(scalar @entries, 1, "the table has one line for $routine->{signature}") if @entries != 1;
		next if @entries != 1;
		my ($pattern, $kind, %with) = @{ $entries[0] };
		push @calls, {
			signature => $routine->{signature},
			kind      => $kind,
			works     => $with{works} // qr/^00000$/,
			is_call   => $routine->{kind} eq 'p',
			by_schema => scalar grep({ $_->[0] eq 'schema_name' } @{ $routine->{arguments} }),
			sql       => call_of($routine, $entries[0], 'commrec') };
	}
	return @calls;
}

# A call for each typed function, which every model has in its schema.
sub calls_of_models
{
	my @calls;

	for my $routine (routines('own'))
	{
		my $kind = $routine->{signature} =~ /^satisfaction_detail/ ? 'reads' : 'serves';

		push @calls, {
			signature => "{model}.$routine->{signature}",
			kind      => $kind,
			works     => qr/^00000$/,
			by_schema => 1,
			sql       => call_of($routine, [ qr/./, $kind ], '"{model}"') };
	}
	return @calls;
}

# Run the calls on a model as a role, after "before"; for each: SQLSTATE, output and message.
sub run_calls
{
	my ($role, $name, $calls, $before) = @_;
	my ($stdout, $stderr) = ('', '');
	my $script = "SET client_min_messages = error; SET commrec.keep_versions = 50;\n" . ($before // '');
	my @results;

	for my $i (0 .. $#$calls)
	{
		my $sql = $calls->[$i]{sql};

		$sql =~ s/\{model\}/$name/g;
		$sql =~ s/\{role\}/$role/g;
		$script .= "RESET ROLE; SET ROLE $calls->[$i]{as_role};\n" if exists $calls->[$i]{as_role};
		$script .= $calls->[$i]{is_call}
		  ? "$sql;\n\\echo :SQLSTATE '<$i>'\n"
		  : "BEGIN;\n$sql;\n\\echo :SQLSTATE '<$i>'\nROLLBACK;\n";
	}
	$node->psql('postgres', $script, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	push @results, { output => $1, sqlstate => $2 } while $stdout =~ /\G(.*?)^?(\w{5}) <\d+>\n?/gms;
	is(scalar @results, scalar @$calls, "$role has made all calls on $name") or diag($stderr);
	return @results;
}

my @calls = (calls_of_models(), calls_of_extension());
for my $entry (@functions)
{
	ok(0, "no function is $entry->[0]: remove the line") if !grep { $_->{signature} =~ $entry->[0] } @calls;
}
cmp_ok(scalar @calls, '>=', 150, 'the functions of the extension are found');

my %meaning = ('-' => qr/^42501$/, '?' => qr/^42704$/);
my ($tried, $failed) = (0, 0);
for my $role (@roles)
{
	my ($place) = grep { $roles[$_] eq $role } 0 .. $#roles;

	for my $name (@models)
	{
		my @asked = $name eq 'nothing' ? grep { !$_->{by_schema} } @calls : @calls;
		my @results = run_calls($role, $name, \@asked);
		my @wrong;

		for my $i (0 .. $#asked)
		{
			my $outcome = (split / /, $outcomes{ $asked[$i]{kind} }{$name})[$place];
			my $wanted  = $outcome eq '+' ? $asked[$i]{works} : $meaning{$outcome};

			push @wrong, "$asked[$i]{signature} ($asked[$i]{kind}): $results[$i]{sqlstate}, not $wanted"
			  if $results[$i]{sqlstate} !~ $wanted;
		}
		is(join("\n", @wrong), '', "$role: " . @asked . " functions on $name");
		$tried  += @asked;
		$failed += @wrong;
	}
}
promise('every function answers or refuses as the table of privileges says', $tried, $failed);

# --- SET ROLE between calls ----------------------------------------------------------------------

# Each call by one who may, by one who may not, and by the first again, in one session.
my %may = (serves => 'reader', hands => 'analyst', reads => 'other', checks => 'other', owner => 'other');
my @turns;
for my $call (grep { exists $may{ $_->{kind} } && !$_->{is_call} } @calls)
{
	push @turns, map { { %$call, as_role => $_ } } ($may{ $call->{kind} }, 'stranger', $may{ $call->{kind} });
}
my @turned = run_calls('superuser', 'granted', \@turns);
my @wrong;
for my $i (0 .. $#turns)
{
	my $wanted = $turns[$i]{as_role} eq 'stranger' ? $meaning{'-'} : $turns[$i]{works};

	push @wrong, "$turns[$i]{signature} as $turns[$i]{as_role}: $turned[$i]{sqlstate}" if $turned[$i]{sqlstate} !~ $wanted;
}
is(join("\n", @wrong), '', 'SET ROLE between calls: every call is judged by itself');
promise('SET ROLE between calls: nothing of an earlier call is left', scalar @turns, scalar @wrong);

# --- A hostile search_path -----------------------------------------------------------------------

# Whatever an unqualified name could mean, defined by a stranger and first in the path, in a schema
# and in pg_temp.  A trap counts, in a sequence that no rollback takes back, and raises an error.
my $objects = $node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE SCHEMA hostile AUTHORIZATION stranger;
	CREATE SEQUENCE hostile.called;
	ALTER SEQUENCE hostile.called OWNER TO stranger;
	SET ROLE stranger;
	CREATE FUNCTION hostile.trap(what pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_catalog.nextval(''hostile.called''); RAISE EXCEPTION ''caught: %'', what; END';
	DO $$
	DECLARE
		type text;
		operator text;
		name text;
	BEGIN
		FOREACH type IN ARRAY '{bigint,integer,smallint,text,name,oid,real,double precision,timestamptz,boolean,interval,jsonb,regtype,regclass,bytea,uuid,"\"char\""}'::text[] LOOP
			FOREACH operator IN ARRAY '{=,<>,<,>,<=,>=,||,+,-,*,/,->,->>,?,~,~~}'::text[] LOOP
				name := 'f' || md5(type || operator);
				EXECUTE format('CREATE FUNCTION hostile.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS '
					'$f$BEGIN PERFORM hostile.trap(%L); RETURN true; END$f$', name, type, type, type || ' ' || operator);
				EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile.%I)',
					operator, type, type, name);
			END LOOP;
		END LOOP;
		-- Every function of the extension and of a model, and those of the system that are called most.
		FOR name IN
			SELECT DISTINCT format('%I(%s)', p.proname, (SELECT string_agg(format_type(t, NULL), ', ') FROM unnest(p.proargtypes) AS t))
			FROM pg_proc AS p
			WHERE p.pronamespace IN ('commrec'::regnamespace, 'own'::regnamespace)
				OR p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY ('{format,now,lower,current_setting,set_config,isfinite,
					has_schema_privilege,has_table_privilege,pg_has_role,cardinality,octet_length,jsonb_strip_nulls,parse_ident,
					to_regclass,quote_ident,array_to_string,age,pg_get_expr,format_type,starts_with,row_security_active,jsonb_typeof,
					generate_series,substring,length,current_database,pg_backend_pid}'::text[])
		LOOP
			CONTINUE WHEN name ~ '"any"|internal|any';
			EXECUTE format('CREATE FUNCTION hostile.%s RETURNS text LANGUAGE plpgsql AS $f$BEGIN PERFORM hostile.trap(%L); RETURN 1; END$f$',
				name, name);
		END LOOP;
		FOREACH name IN ARRAY '{text,int4,int8,float4,float8,bool,bytea,jsonb,uuid,name,oid,regclass,regtype,timestamptz,interval,deployment}'::text[] LOOP
			EXECUTE format('CREATE TYPE hostile.%I AS (trap integer)', name);
		END LOOP;
		-- A cast of the stranger's from what everything compares to what he compares.
		CREATE TYPE hostile.bait AS (trap integer);
		CREATE FUNCTION hostile.bait(bigint) RETURNS hostile.bait LANGUAGE plpgsql AS
			'BEGIN PERFORM hostile.trap(''cast''); RETURN NULL; END';
		CREATE CAST (bigint AS hostile.bait) WITH FUNCTION hostile.bait(bigint) AS IMPLICIT;
		CREATE FUNCTION hostile.compare_bait(hostile.bait, hostile.bait) RETURNS boolean LANGUAGE plpgsql AS
			'BEGIN PERFORM hostile.trap(''comparison''); RETURN true; END';
		CREATE OPERATOR hostile.= (LEFTARG = hostile.bait, RIGHTARG = hostile.bait, FUNCTION = hostile.compare_bait);
	END $$;
	RESET ROLE;
	-- Tables of every name that is read.
	DO $$
	DECLARE
		name text;
	BEGIN
		FOR name IN SELECT DISTINCT c.relname FROM pg_class AS c
			WHERE c.relkind IN ('r', 'v') AND (c.relnamespace = 'own'::regnamespace OR c.relname = 'events'
				OR c.relname ~ '^pg_(class|namespace|attribute|type|proc|depend|locks|roles|stat_activity|index|constraint|extension)$')
			ORDER BY 1
		LOOP
			EXECUTE format('CREATE TABLE hostile.%I (model pg_catalog.text, version integer, '
				'trap pg_catalog.text DEFAULT hostile.trap(''table''))', name);
			EXECUTE format('ALTER TABLE hostile.%I OWNER TO stranger', name);
		END LOOP;
	END $$;
	GRANT ALL ON SCHEMA hostile TO PUBLIC;
	GRANT ALL ON ALL TABLES IN SCHEMA hostile TO PUBLIC;
	GRANT ALL ON ALL SEQUENCES IN SCHEMA hostile TO PUBLIC;
	SELECT count(*) FROM (
		SELECT oid FROM pg_proc WHERE pronamespace = 'hostile'::regnamespace
		UNION ALL SELECT oid FROM pg_operator WHERE oprnamespace = 'hostile'::regnamespace
		UNION ALL SELECT oid FROM pg_class WHERE relnamespace = 'hostile'::regnamespace) AS o});
my $hostile = join('', map { "CREATE TEMP TABLE $_ (model text, version integer, oid oid);\n" }
	  split /\n/, $node->safe_psql('postgres', q{
		SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'hostile'::regnamespace AND relkind = 'r'}))
  . "SET search_path = pg_temp, hostile, pg_catalog, public;\n";

cmp_ok($objects, '>=', 40, "$objects objects shadow others");
sql_fails($node, "${hostile}SELECT 1::pg_catalog.int8 = 1::pg_catalog.int8", 'P0001', 'caught', 'the traps are there');
is($node->safe_psql('postgres', q{SELECT nextval('hostile.called')}), '2', 'and count');

my @quiet = grep { !$_->{is_call} } @calls;
my @plain = run_calls('owner', 'own', \@quiet);
my @again = run_calls('owner', 'own', \@quiet);
my @under = run_calls('owner', 'own', \@quiet, $hostile);
my @differing;
@wrong = ();
for my $i (0 .. $#quiet)
{
	my $is_steady = $plain[$i]{output} eq $again[$i]{output};

	push @differing, $quiet[$i]{signature} =~ /^(\w+)/ if !$is_steady;
	push @wrong, "$quiet[$i]{signature}: $under[$i]{sqlstate} $under[$i]{output}, not $plain[$i]{sqlstate} $plain[$i]{output}"
	  if $under[$i]{sqlstate} ne $plain[$i]{sqlstate} || $is_steady && $under[$i]{output} ne $plain[$i]{output};
}
is(join("\n", @wrong), '', 'under a hostile search_path every function gives what it gives without');
is(join(' ', @differing), 'create_target list_models train',
	'everything is compared but oids, how old a model is and how long a training took');

# Procedures, whose work stays: the same bits as before.
my $bits    = model_digest($node, 'own');
my $answers = answers_digest($node, 'own');
my @loud    = grep { $_->{is_call} } @calls;
my @done    = run_calls('owner', 'own', \@loud, $hostile);
is(join(' ', map { $_->{sqlstate} } @done), join(' ', map { '00000' } @loud), 'every procedure works under it, too');
is(model_digest($node, 'own'), $bits, 'with the same bits');
is(answers_digest($node, 'own'), $answers, 'and the same answers');
is($node->safe_psql('postgres', q{SELECT nextval('hostile.called')}), '3', 'no trap was called');
promise("a search_path with $objects hostile objects changes nothing and runs nothing", @quiet + @loud, scalar @wrong);

# --- Privileges on the events --------------------------------------------------------------------

# Everything that reads the events reads them as its caller: with all privileges, with the columns it
# needs, without one of them, without any, and under row security.
$node->safe_psql('postgres', q{
	CREATE SCHEMA vault;
	GRANT USAGE ON SCHEMA vault TO owner;
	CREATE TABLE vault.events AS SELECT user_id, item_id, action, at, 'secret'::text AS note FROM events;
	GRANT SELECT ON vault.events TO owner;
	SET client_min_messages = error;
	SET ROLE owner;
	SELECT commrec.create_model('guarded', 'vault.events', action_column => 'action', time_column => 'at',
		hyperparameters => '{"factors": 4, "epochs": 2}');
	SELECT commrec.train('guarded', workers => 0);
	RESET ROLE});
my $source = q{action_column => 'action', time_column => 'at'};
my @reading = (
	# what reads, and what row security makes of it
	[ "SELECT FROM commrec.create_model('anew', 'vault.events', $source)", '00000' ],
	[ "SELECT FROM commrec.alter_model('guarded', events => 'vault.events')", '00000' ],
	[ "SELECT FROM commrec.train('guarded', workers => 0)", '55000' ],
	[ "SELECT FROM commrec.train('guarded', workers => 0, deploy => 'if_better')", '55000' ],
	[ "SELECT FROM commrec.train('guarded', workers => 0, allow_row_security => true)", '00000' ],
	[ "SELECT FROM commrec.evaluate('guarded', workers => 0, replicates => 20)", '55000' ],
	[ "SELECT FROM commrec.evaluate('guarded', workers => 0, replicates => 20, allow_row_security => true)", '00000' ],
	[ "CALL commrec.tune('guarded', trials => 2, workers => 0)", '55000' ],
	[ "CALL commrec.tune('guarded', trials => 2, workers => 0, allow_row_security => true)", '00000' ],
	[ "CALL commrec.refresh('guarded')", '55000' ],
	[ "SELECT FROM guarded.recommend(1, 3, fresh => true)", '00000' ],
	[ "SELECT FROM commrec.ctr('guarded')", '00000' ],
	[ "SELECT FROM commrec.retention('guarded')", '00000' ],
	# what does not read them
	[ "SELECT FROM guarded.recommend(1, 3)", '00000', '00000' ],
	[ "SELECT guarded.score(1, 2)", '00000', '00000' ],
	[ "SELECT FROM commrec.popular(3, model => 'guarded')", '00000', '00000' ],
	[ "SELECT FROM commrec.objective('guarded')", '00000', '00000' ]);
my @reads = map { { sql => $_->[0], is_call => scalar($_->[0] =~ /^CALL/) } } @reading;
my @situations = (
	[ 'SELECT on the table', 'GRANT SELECT ON vault.events TO owner', map { '00000' } @reading ],
	[ 'SELECT on the columns', 'REVOKE SELECT ON vault.events FROM owner;
		GRANT SELECT (user_id, item_id, action, at) ON vault.events TO owner', map { '00000' } @reading ],
	[ 'row security', 'ALTER TABLE vault.events ENABLE ROW LEVEL SECURITY;
		CREATE POLICY past ON vault.events USING (at < $$2025-01-01$$)', map { $_->[1] } @reading ],
	[ 'no SELECT on the action', 'ALTER TABLE vault.events DISABLE ROW LEVEL SECURITY;
		REVOKE SELECT (action) ON vault.events FROM owner', map { $_->[2] // '42501' } @reading ],
	[ 'no SELECT at all', 'REVOKE SELECT (user_id, item_id, at) ON vault.events FROM owner', map { $_->[2] // '42501' } @reading ],
	[ 'no USAGE on the schema', 'GRANT SELECT ON vault.events TO owner; REVOKE USAGE ON SCHEMA vault FROM owner',
		map { $_->[2] // '42501' } @reading ]);
($tried, $failed) = (0, 0);
for my $situation (@situations)
{
	my ($name, $sql, @wanted) = @$situation;

	$node->safe_psql('postgres', $sql);
	my @states = map { $_->{sqlstate} } run_calls('owner', 'guarded', \@reads);
	my @bad = grep { $states[$_] ne $wanted[$_] } 0 .. $#reads;

	is(join("\n", map { "$reads[$_]{sql}: $states[$_], not $wanted[$_]" } @bad), '', $name);
	$tried  += @reads;
	$failed += @bad;
}
# What user 1 has done since the training, of which row security hides everything.
$node->safe_psql('postgres', q{
	GRANT USAGE ON SCHEMA vault TO owner;
	ALTER TABLE vault.events ENABLE ROW LEVEL SECURITY;
	INSERT INTO vault.events SELECT 1, item_id, 'like', '2025-01-01' FROM guarded.recommend(1, 2)});
my $stale = 'SELECT string_agg(item_id::text, $$,$$ ORDER BY rank) FROM guarded.recommend(1, 24)';
my $fresh = 'SELECT string_agg(item_id::text, $$,$$ ORDER BY rank) FROM guarded.recommend(1, 24, fresh => true)';
is($node->safe_psql('postgres', "SET ROLE owner; $fresh"), $node->safe_psql('postgres', $stale),
	'new events that row security hides from the caller do not count');
isnt($node->safe_psql('postgres', $fresh), $node->safe_psql('postgres', $stale), 'but for those whom it lets see them');
promise('the events are read with the privileges of the caller', $tried, $failed);

# --- Embeddings ----------------------------------------------------------------------------------

# The reader of a model may not read its tables, nor may the analyst, who may call everything besides.  No function
# that answers them gives them a vector: not by its type, and not in what it returns.
my @blind = qw(reader analyst);
# Functions that take the caller's column definition list, with others than their own.
my @misled;
for my $call (grep { $_->{sql} =~ / AS r \(/ } @calls)
{
	my @columns = split /, /, ($call->{sql} =~ / AS r \((.*)\)$/)[0];

	for my $place (0 .. $#columns)
	{
		for my $type ('pg_catalog.bytea', 'pg_catalog.float4[]', 'pg_catalog.jsonb', 'pg_catalog.timestamptz')
		{
			my @other = @columns;

			next if $columns[$place] =~ /\Q$type\E$/;
			$other[$place] =~ s/ .*/ $type/;
			push @misled, { %$call, sql => $call->{sql} =~ s/ AS r \(.*\)$/' AS r (' . join(', ', @other) . ')'/er };
		}
	}
	push @misled, { %$call, sql => $call->{sql} =~ s/\)$/, more pg_catalog.bytea)/r };
}
# All that answers, and more of what answers from embeddings.
my @answering = ((grep { !$_->{is_call} } @calls), map { { sql => $_ } } (
	'SELECT * FROM generate_series(1, 40) AS u, granted.recommend(u, 24, exclude_seen => false)',
	'SELECT u, i, granted.score(u, i) FROM generate_series(1, 40) AS u, generate_series(0, 23) AS i',
	'SELECT * FROM generate_series(0, 23) AS i, granted.similar_items(i, 24)',
	'SELECT * FROM generate_series(1, 40) AS u, granted.similar_users(u, 40)',
	'SELECT * FROM generate_series(1, 40) AS u, granted.explain(u, 1)',
	'SELECT * FROM commrec.models', 'SELECT * FROM commrec.progress',
	q{SELECT * FROM pg_stats WHERE schemaname = 'granted'}));
# What the tables hold.  The last number of a vector is not learned: it is the item's popularity, which explain() tells.
my @hidden = split /\n/, $node->safe_psql('postgres', q{
	ANALYZE granted.user_embedding; ANALYZE granted.item_embedding;
	WITH embeddings AS (SELECT embedding FROM granted.user_embedding UNION ALL SELECT embedding FROM granted.item_embedding)
	SELECT encode(embedding, 'hex') FROM embeddings
	UNION SELECT element::text
	FROM embeddings, unnest((commrec.embedding_to_array(embedding))[:commrec.embedding_dims(embedding) - 1]) AS element
	WHERE length(element::text) > 7
	UNION SELECT encode(seen, 'hex') FROM granted.user_embedding
	UNION SELECT encode(preferences, 'hex') FROM granted.user_embedding
	UNION SELECT encode(codes, 'hex') FROM granted.item_block});
cmp_ok(scalar @hidden, '>', 200, 'there is much to be hidden');
($tried, $failed) = (0, 0);
for my $role (@blind)
{
	is($node->safe_psql('postgres', qq{
		SELECT string_agg(relname, ' ') FROM pg_class
		WHERE relnamespace = 'granted'::regnamespace AND relkind = 'r' AND has_table_privilege('$role', oid, 'SELECT')}), '',
		"$role: SELECT on no table of the model");
	# But for those that only the model's owner can call, as was tried above.
	my @numbers = grep { my $name = $_; !grep { $name =~ $_->[0] && $_->[1] =~ /^(owner|checks)$/ } @functions } split /\n/,
		$node->safe_psql('postgres', qq{
		SELECT string_agg(DISTINCT replace(p.oid::regprocedure::text, 'commrec.', ''), chr(10))
		FROM pg_proc AS p,
			LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[] || p.prorettype)) WITH ORDINALITY AS a (type, place)
		WHERE p.pronamespace IN ('commrec'::regnamespace, 'granted'::regnamespace)
			AND (p.pronamespace = 'granted'::regnamespace OR p.proargnames && '{model,schema_name}')
			AND NOT 'bytea'::regtype = ANY (p.proargtypes)
			AND (p.proargmodes IS NULL AND a.place > p.pronargs OR p.proargmodes[a.place] IN ('o', 'b', 't'))
			AND a.type IN ('bytea'::regtype, 'real[]'::regtype, 'float8[]'::regtype, 'anyarray'::regtype, 'anyelement'::regtype)
			AND has_function_privilege('$role', p.oid, 'EXECUTE')});
	is(join(' ', @numbers), '', "$role: no function that is told a model returns bytes or arrays of numbers");

	my @taken = run_calls($role, 'granted', \@misled);
	@wrong = map { "$misled[$_]{sql}: $taken[$_]{sqlstate}" } grep { $taken[$_]{sqlstate} ne '42804' } 0 .. $#misled;
	is(join("\n", @wrong), '', "$role: a column definition list of other types is refused");

	my $said  = join "\n", map { $_->{output} } run_calls($role, 'granted', \@answering);
	my @found = grep { length && index($said, $_) >= 0 } @hidden;
	cmp_ok(length $said, '>', 20_000, "$role: has been answered");
	is(join(' ', @found), '', "$role: with nothing that stands in an embedding");
	$tried  += @misled + @answering;
	$failed += @wrong + @found;
}
promise('who may not read embeddings gets none through any function', $tried, $failed);

$node->stop;
done_testing();
