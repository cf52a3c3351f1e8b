#!/usr/bin/env bash
#
# Accuracy on published splits, on a real community and on planted truth, through SQL alone:
#
#	bash bench/accuracy.sh DIR [SET...]
#
# DIR holds the directories gowalla, cnpc and ml-1m-ncf with train.tsv.gz and
# test.tsv.gz (user, item, tab-separated, with a header line),
# ml-1m-ncf/test_negative.tsv.gz (user, item, 99 negatives), and
# se-quantum/events.tsv.gz (user, item, action, value, seconds since 1970).  The
# data are not part of this repository.  Without a SET all of these:
#
#	cnpc, ml-1m-ncf, gowalla	hyperparameters at which iALS is known to do well, then the
#								defaults, beside our bar and published figures; popularity, too
#	gowalla512					the same with 512 factors; takes long
#	tune-cnpc, tune-ml-1m-ncf, tune-gowalla
#								commrec.tune() from the defaults, 30 trials: at least 98 % of the bar's nDCG
#	planted						a community whose best possible ranking is known: within 2 % of it
#	shuffled					cnpc with its items shuffled: no better than popularity
#	se-quantum					defaults by time split: not worse than popularity
#	item-lists					item_knn, rp3beta and ease on these three, in the same way
#	embeddings					bpr and pure_svd on these three, in the same way
#	cost						evaluate() of gowalla against its training at 64 factors, CPU seconds
#	bruteforce					recommend() of 1,000 users of gowalla against a computation in SQL
#
# The exit status is 1 if a figure misses its bar.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/accuracy.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || die "the directory with the data is missing" "usage: bash bench/accuracy.sh DIR [SET...]"
data=$(cd "$1" && pwd)
shift
sets=("$@")
missed=0

wanted()
{
	[ ${#sets[@]} -eq 0 ] || printf '%s\n' "${sets[@]}" | grep -qx "$1"
}

# The rows of a file without its header, some of its columns.
rows()
{
	gzip -dc "$data/$1" | tail -n +2 | cut -f"$2"
}

# load NAME DIRECTORY: tables NAME_train and NAME_test.
load()
{
	local part

	[ -z "$(value "SELECT to_regclass('$1_train')")" ] || return 0
	for part in train test
	do
		value "CREATE TABLE $1_$part (user_id integer, item_id integer)"
		rows "$2/$part.tsv.gz" 1,2 | sql -c "COPY $1_$part FROM STDIN"
	done
	value "ANALYZE"
}

# A negative that is the test item itself is left out: the published file has 156 of them.
load_negatives()
{
	[ -z "$(value "SELECT to_regclass('ncf_negative')")" ] || return 0
	value "CREATE TABLE ncf_negative (user_id integer, item_id integer)"
	rows ml-1m-ncf/test_negative.tsv.gz 1- |
		awk -F'\t' -v OFS='\t' '{for (i = 3; i <= NF; i++) if ($i != $2) print $1, $i}' |
		sql -c "COPY ncf_negative FROM STDIN"
}

# create NAME TABLE [ARGUMENTS]: a model over a table, in place of the one there was.
create()
{
	value "SET client_min_messages = warning; DO 'BEGIN IF to_regclass(''$1.version'') IS NOT NULL THEN
			PERFORM commrec.drop_model(''$1''); END IF; END'"
	value "SET client_min_messages = warning; SELECT commrec.create_model('$1', '$2'${3:+, $3})" >/dev/null
}

# train NAME HYPERPARAMETERS: "seconds, workers, memory, dims".
train()
{
	value "SET client_min_messages = warning;
		SELECT format('%s s, %s workers, %s planned, %s dims', round(seconds::numeric, 1), workers,
			pg_size_pretty(memory_planned), dims)
		FROM commrec.train('$1', '$2')"
}

# A procedure that commits has to be a statement of its own.
call()
{
	PGOPTIONS="-c client_min_messages=warning" value "CALL $1"
}

# figures NAME ARGUMENTS K METRIC METRIC SCORER: two figures of an evaluation.
figures()
{
	value "SET client_min_messages = warning;
		SELECT string_agg(round(value::numeric, 4)::text, ' ' ORDER BY metric = '$5')
		FROM commrec.evaluate('$1', $2, k => '{$3}', replicates => 0) WHERE scorer = '$6' AND metric IN ('$4', '$5')"
}

line()
{
	printf '%-11s %-10s %-15s %-13s %-36s %s\n' "$@"
}

# judge "FIGURE FIGURE" "BAR BAR": "" if every figure reaches its bar, else "MISSED".
judge()
{
	awk -v f="$1" -v b="$2" 'BEGIN {n = split(b, bar, " "); split(f, figure, " ")
		for (i = 1; i <= n; i++) if (figure[i] + 0 < bar[i] + 0) missed = 1
		if (missed) printf "MISSED"}'
}

# report SET RUN "FIGURE FIGURE" "BAR BAR" PUBLISHED HYPERPARAMETERS
report()
{
	local verdict

	verdict=$(judge "$3" "$4")
	[ -z "$verdict" ] || missed=1
	line "$1" "$2" "$3" "$4" "$5" "$verdict $6"
}

# measure SET NAME K BAR PUBLISHED HYPERPARAMETERS: the reference run, the defaults, popularity.
measure()
{
	local trained

	load "$2" "$1"
	create "$2" "$2_train"
	trained=$(train "$2" "$6")
	report "$1" reference "$(figures "$2" "test => '$2_test'" "$3" recall ndcg model)" "$4" "$5" "$6"
	line '' '' '' '' '' "$trained"
	trained=$(train "$2" '{}')
	report "$1" default "$(figures "$2" "test => '$2_test'" "$3" recall ndcg model)" '' '' "$trained"
	report "$1" popular "$(figures "$2" "test => '$2_test'" "$3" recall ndcg popular)" '' '' ''
}

measure_ncf()
{
	local arguments="test => 'ncf_test', negatives => 'ncf_negative'"
	local parameters='{"factors": 192, "unobserved_weight": 0.3, "regularization": 0.007, "epochs": 12, "popularity_weight": 0}'
	local popular
	local trained

	load ncf ml-1m-ncf
	load_negatives
	create ncf ncf_train
	trained=$(train ncf "$parameters")
	report ml-1m-ncf reference "$(figures ncf "$arguments" 10 hit_rate ndcg model)" '.728 .451' \
		'NeuMF .709/.435, EASE .719/.449' "$parameters"
	line '' '' '' '' '' "$trained"
	trained=$(train ncf '{}')
	report ml-1m-ncf default "$(figures ncf "$arguments" 10 hit_rate ndcg model)" '' '' "$trained"
	popular=$(figures ncf "$arguments" 10 hit_rate ndcg popular)
	report ml-1m-ncf popular "$popular" '' 'popularity .453/.254' ''
	# The figures of the paper, to the digit: this proves the evaluator.
	[ "$(awk -v f="$popular" 'BEGIN {split(f, x, " "); printf "%.3f %.3f", x[1], x[2]}')" = "0.453 0.254" ] || missed=1
}

# The items of cnpc are in the order in which each member took the courses: that is a time.
tune_cnpc()
{
	load cnpc cnpc
	value "CREATE TABLE cnpc_taken (place bigint GENERATED ALWAYS AS IDENTITY, user_id integer, item_id integer)"
	rows cnpc/train.tsv.gz 1,2 | sql -c "COPY cnpc_taken (user_id, item_id) FROM STDIN"
	value "CREATE TABLE cnpc_ordered AS SELECT user_id, item_id, timestamptz '2020-01-01 00:00+00' + interval '1 day'
		* row_number() OVER (PARTITION BY user_id ORDER BY place) AS at FROM cnpc_taken"
	create tuned cnpc_ordered "time_column => 'at', hyperparameters => '{\"popularity_weight\": 0}'"
	call "commrec.tune('tuned', trials => 30, split => 'last', apply => true)"
	train tuned '{}' >/dev/null
	# 98 % of .285 and .162
	report tune-cnpc tuned "$(figures tuned "test => 'cnpc_test'" 10 recall ndcg model)" '.2793 .1588' '' \
		"$(value "SELECT hyperparameters FROM tuned.trial WHERE is_best")"
}

tune_ncf()
{
	load ncf ml-1m-ncf
	load_negatives
	create tuned_ncf ncf_train "hyperparameters => '{\"popularity_weight\": 0}'"
	call "commrec.tune('tuned_ncf', trials => 30, apply => true)"
	train tuned_ncf '{}' >/dev/null
	# 98 % of .451
	report tune-ml-1m-ncf tuned "$(figures tuned_ncf "test => 'ncf_test', negatives => 'ncf_negative'" 10 hit_rate ndcg model)" \
		'0 .4420' '' "$(value "SELECT hyperparameters FROM tuned_ncf.trial WHERE is_best")"
}

tune_gowalla()
{
	load gowalla gowalla
	create tuned_gowalla gowalla_train "hyperparameters => '{\"popularity_weight\": 0}'"
	call "commrec.tune('tuned_gowalla', trials => 30, metric => 'ndcg@20', apply => true)"
	train tuned_gowalla '{}' >/dev/null
	# 98 % of .149, the bar of 512 factors; that of 256 is .144
	report tune-gowalla tuned "$(figures tuned_gowalla "test => 'gowalla_test'" 20 recall ndcg model)" '0 .1460' '' \
		"$(value "SELECT hyperparameters FROM tuned_gowalla.trial WHERE is_best")"
}

measure_planted()
{
	local optimum

	sql -q -f "$WORK/src/bench/planted.sql" </dev/null
	create planted planted_train
	call "commrec.tune('planted', '{\"factors\": [4, 8, 16, 32], \"epochs\": [8, 16],
		\"regularization\": {\"low\": 0.003, \"high\": 0.3, \"scale\": \"log\"},
		\"unobserved_weight\": {\"low\": 0.03, \"high\": 1, \"scale\": \"log\"}}', trials => 30, apply => true)"
	train planted '{}' >/dev/null
	optimum=$(value "SELECT round(0.98 * recall::numeric, 4) || ' ' || round(0.98 * ndcg::numeric, 4) FROM planted_optimum")
	report planted tuned "$(figures planted "test => 'planted_test'" 10 recall ndcg model)" "$optimum" \
		"optimum $(value "SELECT round(recall::numeric, 4) || '/' || round(ndcg::numeric, 4) FROM planted_optimum")" \
		"$(value "SELECT hyperparameters FROM planted.trial WHERE is_best")"
	report planted popular "$(figures planted "test => 'planted_test'" 10 recall ndcg popular)" '' '' ''
}

# verdict NAME ARGUMENTS: "model popular", and how sure the difference is.
verdict()
{
	value "SET client_min_messages = warning;
		SELECT format('%s %s|%s %s|%s', max(round(value::numeric, 4)) FILTER (WHERE scorer = 'model'),
			max(round(value::numeric, 4)) FILTER (WHERE scorer = 'popular'),
			max(round(low::numeric, 4)) FILTER (WHERE scorer = 'model - popular'),
			max(round(high::numeric, 4)) FILTER (WHERE scorer = 'model - popular'), max(users))
		FROM commrec.evaluate('$1', $2) WHERE k = 10 AND metric = 'ndcg'"
}

# compare SET RUN NAME ARGUMENTS above|below: is the model clearly where it must not be?
compare()
{
	local result
	local interval
	local note=''

	result=$(verdict "$3" "$4")
	interval=$(cut -d'|' -f2 <<<"$result")
	if awk -v i="$interval" -v s="$5" 'BEGIN {split(i, x, " "); exit !(s == "above" ? x[1] > 0 : x[2] < 0)}'
	then
		note=MISSED
		missed=1
	fi
	line "$1" "$2" "$(cut -d'|' -f1 <<<"$result")" '' "difference $interval" "$note nDCG@10 of model and popularity, $(cut -d'|' -f3 <<<"$result") users"
}

measure_shuffled()
{
	load cnpc cnpc
	value "CREATE TABLE cnpc_shuffled AS SELECT a.user_id, b.item_id
		FROM (SELECT user_id, row_number() OVER (ORDER BY user_id, item_id) AS n FROM cnpc_train) AS a
		JOIN (SELECT item_id, row_number() OVER (ORDER BY md5(user_id || ' ' || item_id)) AS n FROM cnpc_train) AS b USING (n)"
	create shuffled cnpc_shuffled
	compare shuffled default shuffled "split => 'random'" above
}

measure_quantum()
{
	local share

	value "CREATE TABLE quantum_raw (user_id integer, item_id integer, action text, value double precision, at bigint)"
	rows se-quantum/events.tsv.gz 1-5 | sql -c "COPY quantum_raw FROM STDIN (NULL '')"
	value "CREATE TABLE quantum_events AS SELECT user_id, item_id, action, value, to_timestamp(at) AS at FROM quantum_raw"
	create quantum quantum_events "action_column => 'action', time_column => 'at', value_column => 'value'"
	for share in 0.1 0.2 0.3
	do
		compare se-quantum "newest $share" quantum "split => 'time', test_share => $share" below
	done
}

# CPU seconds of the session so far, before and after two statements that take no workers.
measure_cost()
{
	local ticks
	local spent

	load gowalla gowalla
	create cost gowalla_train
	ticks=$(getconf CLK_TCK)
	spent=$(sql -At <<-EOF | grep '^cpu' | awk -v t="$ticks" '{cpu[NR] = $2 / t} END {printf "%.2f %.2f", cpu[3] - cpu[2], cpu[2] - cpu[1]}'
		SET client_min_messages = warning;
		SET max_parallel_maintenance_workers = 0;
		SELECT pg_backend_pid() AS pid \\gset
		\\setenv BACKEND :pid
		\\! awk '{print "cpu", \$14 + \$15}' /proc/\$BACKEND/stat
		SELECT version FROM commrec.train('cost', '{"factors": 64}');
		\\! awk '{print "cpu", \$14 + \$15}' /proc/\$BACKEND/stat
		SELECT count(*) FROM commrec.evaluate('cost', test => 'gowalla_test');
		\\! awk '{print "cpu", \$14 + \$15}' /proc/\$BACKEND/stat
	EOF
	)
	line cost gowalla "$spent" '' '' "CPU seconds of evaluate() and of the training at 64 factors$(
		awk -v s="$spent" 'BEGIN {split(s, x, " "); if (x[1] >= x[2]) printf ": MISSED"}')"
	awk -v s="$spent" 'BEGIN {split(s, x, " "); exit x[1] >= x[2]}' || missed=1
}

bruteforce()
{
	load gowalla gowalla
	create gowalla gowalla_train
	for parameters in '{"factors": 64, "epochs": 4, "popularity_weight": 0}' '{"epochs": 4}'
	do
		train gowalla "$parameters" >/dev/null
		line bruteforce '' "$(sql -At -v model=gowalla -f "$WORK/src/bench/bruteforce.sql" </dev/null)" '' '' "$parameters"
	done
}

# other SET NAME ARGUMENTS K METRIC ALGORITHM BAR PUBLISHED HYPERPARAMETERS: a run of another algorithm.
other()
{
	local trained

	create "$2" "$2_train" "algorithm => '$6'"
	trained=$(train "$2" "$9")
	report "$1" "$6" "$(figures "$2" "$3" "$4" "$5" ndcg model)" "$7" "$8" "$9"
	line '' '' '' '' '' "$trained"
}

item_lists()
{
	local parameters

	load cnpc cnpc
	load ncf ml-1m-ncf
	load_negatives
	load gowalla gowalla
	parameters='{"popularity_weight": 0}'
	other cnpc cnpc "test => 'cnpc_test'" 10 recall item_knn '.23 0' 'MMNR .244/.129' "$parameters"
	other cnpc cnpc "test => 'cnpc_test'" 10 recall rp3beta '.28 .158' 'MMNR .244/.129' "$parameters"
	other cnpc cnpc "test => 'cnpc_test'" 10 recall ease '.275 .150' 'MMNR .244/.129' "$parameters"
	set -- ml-1m-ncf ncf "test => 'ncf_test', negatives => 'ncf_negative'" 10 hit_rate
	other "$@" item_knn '.66 .39' 'EASE .719/.449' "$parameters"
	other "$@" rp3beta '' 'EASE .719/.449' "$parameters"
	other "$@" ease '.715 .448' 'EASE .719/.449' "$parameters"
	set -- gowalla gowalla "test => 'gowalla_test'" 20 recall
	other "$@" item_knn '' 'ItemCF .157/.121' \
		'{"similarity": "cosine", "shrinkage": 100, "neighbors": 500, "popularity_weight": 0}'
	other "$@" rp3beta '.183 .151' 'UltraGCN .186/.158' "$parameters"
	other "$@" rp3beta '.183 .151' 'UltraGCN .186/.158' '{"walk_exponent": 0.8, "popularity_penalty": 0.3,
		"normalization": "rows", "neighbors": 500, "popularity_weight": 0}'
}

embeddings()
{
	load cnpc cnpc
	load ncf ml-1m-ncf
	load_negatives
	load gowalla gowalla
	set -- cnpc cnpc "test => 'cnpc_test'" 10 recall
	other "$@" bpr '' 'MMNR .244/.129' '{}'
	other "$@" pure_svd '' 'MMNR .244/.129' '{"factors": 32}'
	set -- ml-1m-ncf ncf "test => 'ncf_test', negatives => 'ncf_negative'" 10 hit_rate
	other "$@" bpr '.63 .37' 'NeuMF .709/.435' '{}'
	other "$@" pure_svd '' 'NeuMF .709/.435' '{"factors": 16}'
	set -- gowalla gowalla "test => 'gowalla_test'" 20 recall
	other "$@" bpr '.160 .135' 'MF-BPR .163/.138' '{"factors": 256, "epochs": 60, "learning_rate": 0.2}'
	other "$@" bpr '' 'MF-BPR .163/.138' '{}'
	other "$@" pure_svd '' 'MF-BPR .163/.138' '{}'
}

bench_begin "work_mem = 64MB"
printf 'ml-1m-ncf: HR@10 NDCG@10 against 99 negatives; cnpc, planted: Recall@10 NDCG@10; gowalla: Recall@20 NDCG@20, full ranking\n\n'
line set run figures bar published hyperparameters
! wanted cnpc || measure cnpc cnpc 10 ".285 .162" 'MMNR .244/.129' \
	'{"factors": 64, "unobserved_weight": 0.05, "regularization": 0.01, "epochs": 16, "popularity_weight": 0}'
! wanted ml-1m-ncf || measure_ncf
! wanted item-lists || item_lists
! wanted planted || measure_planted
! wanted shuffled || measure_shuffled
! wanted se-quantum || measure_quantum
! wanted embeddings || embeddings
! wanted cost || measure_cost
! wanted gowalla || measure gowalla gowalla 20 ".170 .144" 'LightGCN .182/.155, MF-BPR .163/.138' \
	'{"factors": 256, "unobserved_weight": 0.01, "regularization": 0.01, "epochs": 16, "popularity_weight": 0}'
! wanted bruteforce || bruteforce
! wanted tune-cnpc || tune_cnpc
! wanted tune-ml-1m-ncf || tune_ncf
! wanted tune-gowalla || tune_gowalla
if wanted gowalla512
then
	parameters='{"factors": 512, "unobserved_weight": 0.02, "regularization": 0.004, "epochs": 8, "popularity_weight": 0}'
	load gowalla gowalla
	create gowalla gowalla_train
	trained=$(train gowalla "$parameters")
	report gowalla reference "$(figures gowalla "test => 'gowalla_test'" 20 recall ndcg model)" ".178 .149" \
		'UltraGCN .186/.158, EASE .177/.147' "$parameters"
	line '' '' '' '' '' "$trained"
fi
exit "$missed"
