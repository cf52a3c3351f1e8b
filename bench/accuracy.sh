#!/usr/bin/env bash
#
# Accuracy on published splits, through SQL:
#
#	bash bench/accuracy.sh DIR [cnpc] [ml-1m-ncf] [gowalla] [gowalla512] [bruteforce]
#
# DIR holds the directories gowalla, cnpc and ml-1m-ncf with train.tsv.gz and
# test.tsv.gz (user, item, tab-separated, with a header line), and
# ml-1m-ncf/test_negative.tsv.gz (user, item, 99 negatives).  The data are not
# part of this repository.  Trains with the hyperparameters at which iALS is
# known to do well on each, then with the defaults, and prints both beside the
# bar.  bruteforce compares recommend() of 1,000 users of gowalla with a
# computation in SQL.  Without a name: all.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/accuracy.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || die "the directory with the data is missing" "usage: bash bench/accuracy.sh DIR [SET...]"
data=$(cd "$1" && pwd)
shift
sets=("$@")

wanted()
{
	[ ${#sets[@]} -eq 0 ] || printf '%s\n' "${sets[@]}" | grep -qx "$1"
}

# load NAME: tables NAME_train and NAME_test.
load()
{
	local part

	[ -z "$(value "SELECT to_regclass('$1_train')")" ] || return 0
	for part in train test
	do
		value "CREATE TABLE $1_$part (user_id integer, item_id integer)"
		gzip -dc "$data/$2/$part.tsv.gz" | tail -n +2 | cut -f1,2 | sql -c "COPY $1_$part FROM STDIN"
	done
	value "ANALYZE"
}

load_negatives()
{
	value "CREATE TABLE ncf_negative (user_id integer, item_id integer)"
	gzip -dc "$data/ml-1m-ncf/test_negative.tsv.gz" | tail -n +2 |
		awk -F'\t' -v OFS='\t' '{for (i = 3; i <= NF; i++) if ($i != $2) print $1, $i}' |
		sql -c "COPY ncf_negative FROM STDIN"
}

# train NAME HYPERPARAMETERS: a new model NAME over NAME_train.
train()
{
	value "DO 'BEGIN IF to_regclass(''$1.version'') IS NOT NULL THEN
			PERFORM commrec.drop_model(''$1''); END IF; END'" 2>/dev/null
	value "SET client_min_messages = warning; SELECT commrec.create_model('$1', '$1_train')" >/dev/null
	value "SET client_min_messages = warning;
		SELECT format('%s s, %s workers, %s planned, %s dims', round(seconds::numeric, 1), workers,
			pg_size_pretty(memory_planned), dims)
		FROM commrec.train('$1', '$2')"
}

# report SET LABEL "FIGURE FIGURE" "BAR BAR" HYPERPARAMETERS TRAINED
report()
{
	printf '%-11s %-9s %-15s %-13s %s\n' "$1" "$2" "$3" "$4" "$5"
	printf '%-11s %s\n' '' "$6"
}

# evaluate NAME K: "recall ndcg" over the full ranking.
evaluate()
{
	sql -At -F' ' -v "model=$1" -v "k=$2" -f "$WORK/src/bench/full_ranking.sql" </dev/null
}

# measure SET NAME K BAR HYPERPARAMETERS
measure()
{
	local trained

	load "$2" "$1"
	trained=$(train "$2" "$5")
	report "$1" reference "$(evaluate "$2" "$3")" "$4" "$5" "$trained"
	trained=$(train "$2" '{}')
	report "$1" default "$(evaluate "$2" "$3")" "" '{}' "$trained"
}

measure_ncf()
{
	local trained
	local parameters='{"factors": 192, "unobserved_weight": 0.3, "regularization": 0.007, "epochs": 12, "popularity_weight": 0}'

	load ncf ml-1m-ncf
	load_negatives
	trained=$(train ncf "$parameters")
	report ml-1m-ncf reference "$(sql -At -F' ' -f "$WORK/src/bench/negatives.sql" </dev/null)" \
		".728 .451" "$parameters" "$trained"
	trained=$(train ncf '{}')
	report ml-1m-ncf default "$(sql -At -F' ' -f "$WORK/src/bench/negatives.sql" </dev/null)" "" '{}' "$trained"
}

bruteforce()
{
	load gowalla gowalla
	for parameters in '{"factors": 64, "epochs": 4, "popularity_weight": 0}' '{"epochs": 4}'
	do
		train gowalla "$parameters" >/dev/null
		printf '%-11s %-9s %s   %s\n' bruteforce '' \
			"$(sql -At -v model=gowalla -f "$WORK/src/bench/bruteforce.sql" </dev/null)" "$parameters"
	done
}

bench_begin "work_mem = 64MB"
printf 'ml-1m-ncf: HR@10 NDCG@10 against 99 negatives; cnpc: Recall@10 NDCG@10; gowalla: Recall@20 NDCG@20, full ranking\n\n'
printf '%-11s %-9s %-15s %-13s %s\n' set run figures bar hyperparameters
! wanted cnpc || measure cnpc cnpc 10 ".285 .162" \
	'{"factors": 64, "unobserved_weight": 0.05, "regularization": 0.01, "epochs": 16, "popularity_weight": 0}'
! wanted ml-1m-ncf || measure_ncf
! wanted gowalla || measure gowalla gowalla 20 ".170 .144" \
	'{"factors": 256, "unobserved_weight": 0.01, "regularization": 0.01, "epochs": 16, "popularity_weight": 0}'
! wanted bruteforce || bruteforce
if wanted gowalla512
then
	load gowalla gowalla
	parameters='{"factors": 512, "unobserved_weight": 0.02, "regularization": 0.004, "epochs": 8, "popularity_weight": 0}'
	trained=$(train gowalla "$parameters")
	report gowalla reference "$(evaluate gowalla 20)" ".178 .149" "$parameters" "$trained"
fi
