#!/usr/bin/env bash
#
# The best items for all users, against OpenBLAS and through SQL:
#
#	bash bench/all_users.sh [USERS [ITEMS [EVENTS [FACTORS]]]]
#
# 100,000 users, 20,000 items, 5,000,000 events and 64 factors unless told
# otherwise.  Trains a model on synthetic events, then compares the CPU time of
# sgemm, sgemm with selection, and the batch kernel, on the model's factors and
# on items scaled to norm 1 (bench/all_users.c), and runs commrec.recommend_all()
# in the server.  OpenBLAS takes the kernel that OPENBLAS_CORETYPE names, else
# SkylakeX where the CPU has AVX-512: old releases do not know newer CPUs.
# Exits with 1 if the kernel takes more than half of sgemm with selection on the
# model's factors, or more than 0.8 of it on norms of 1.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/all_users.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

users=${1:-100000}
items=${2:-20000}
events=${3:-5000000}
factors=${4:-64}

if [ "${BENCH_CORETYPE:-}" != "" ]
then
	export OPENBLAS_CORETYPE=$BENCH_CORETYPE
elif grep -qw avx512vl /proc/cpuinfo
then
	export OPENBLAS_CORETYPE=SkylakeX
fi

bench_begin "work_mem = 64MB"
as_user gcc -O2 -std=gnu11 -I"$WORK/src/src" -o "$WORK/synthetic" \
	"$WORK/src/bench/synthetic.c" "$WORK/src/src/core/rng.c" -lm
blas=$(make -s -C "$WORK/src" "PG_CONFIG=$PG_CONFIG" --eval 'show-blas:;@echo $(BLAS_CPPFLAGS) $(BLAS_LIBS)' show-blas)
# shellcheck disable=SC2086	# a list of flags
as_user gcc -O3 -march=native -std=gnu11 -I"$WORK/src/src" -o "$WORK/all_users" \
	"$WORK/src/bench/all_users.c" "$WORK"/src/src/core/*.o $blas -lm

value "CREATE UNLOGGED TABLE events (user_id integer, item_id integer)"
as_user "$WORK/synthetic" --binary "$users" "$items" "$events" 1 | sql -c "COPY events FROM STDIN (FORMAT binary)"
value "SET client_min_messages = warning; SELECT commrec.create_model('m', 'events')" >/dev/null
value "SELECT format('trained:    %s events, %s users, %s items, %s dimensions, %s s', events, users, items, dims,
		round(seconds::numeric, 1))
	FROM commrec.train('m', '{\"factors\": $factors, \"epochs\": 8, \"popularity_weight\": 0, \"popularity_half_life\": \"Infinity\"}')"
sql -c "COPY (SELECT embedding, seen FROM m.user_embedding ORDER BY user_id) TO STDOUT (FORMAT binary)" \
	>"$WORK/users.bin" </dev/null
sql -c "COPY (SELECT embedding FROM m.item_embedding ORDER BY item_no) TO STDOUT (FORMAT binary)" \
	>"$WORK/items.bin" </dev/null

"$WORK/all_users" "$WORK/users.bin" "$WORK/items.bin" 10 | tee "$WORK/kernels"

# CPU seconds of the server's processes that are children of the postmaster, living and gone.
server_cpu()
{
	awk -v tick="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); print ($14 + $15) / tick}' \
		"/proc/$(head -n 1 "$WORK/data/postmaster.pid")/stat"
}

# in_sql LABEL QUERY: elapsed time, and CPU time of the session and its workers.
in_sql()
{
	local before
	local began
	local ended

	before=$(server_cpu)
	began=$(date +%s%N)
	sql -Atc "$2" >/dev/null </dev/null
	ended=$(date +%s%N)
	# A session's time is its parent's once it is gone.
	sleep 1
	awk -v label="$1" -v from="$before" -v to="$(server_cpu)" -v ns=$((ended - began)) \
		'BEGIN {printf "%-36s %6.2f s, %6.2f CPU s\n", label, ns / 1e9, to - from}'
}

value "VACUUM ANALYZE m.user_embedding; VACUUM ANALYZE m.item_embedding" 2>/dev/null || true
for workers in 0 1 2
do
	in_sql "recommend_all(10), $workers workers" "SELECT count(*) FROM m.recommend_all(10, workers => $workers)"
done
in_sql "LATERAL recommend(user_id, 10)" \
	"SELECT count(*) FROM m.user_embedding AS u, LATERAL m.recommend(u.user_id, 10)"
in_sql "materialize, a new table" "CALL commrec.materialize('m', 'recommended')"
in_sql "materialize, rows replaced" "CALL commrec.materialize('m', 'recommended')"

# The best level that the machine has comes last of each kind of norms.
awk '$1 == "als" && $2 != "sgemm" {als = $(NF - 4)} $1 == "flat" && $2 != "sgemm" {flat = $(NF - 4)}
	END {
		within = als <= 0.5 && flat <= 0.8
		printf "%s: %s of sgemm + selection on ALS norms (at most 0.5), %s on flat norms (at most 0.8)\n",
			within ? "within the bar" : "BEYOND the bar", als, flat
		exit !within
	}' "$WORK/kernels"
