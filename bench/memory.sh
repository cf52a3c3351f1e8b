#!/usr/bin/env bash
#
# Memory and time of one training on synthetic events:
#
#	bash bench/memory.sh [EVENTS [USERS [ITEMS [HYPERPARAMETERS]]]]
#
# 20,000,000 events of 138,493 users on 26,744 items unless told otherwise.
# Samples the memory of leader and workers ten times a second (PSS of all
# mappings but shared buffers) and compares its peak with version.memory_planned.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/memory.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

events=${1:-20000000}
users=${2:-138493}
items=${3:-26744}
parameters=${4:-'{}'}

bench_begin "work_mem = 64MB"
printf 'events:     %s by %s users on %s items, hyperparameters %s\n' "$events" "$users" "$items" "$parameters"

as_user gcc -O2 -std=gnu11 -I"$WORK/src/src" -o "$WORK/synthetic" \
	"$WORK/src/bench/synthetic.c" "$WORK/src/src/core/rng.c" -lm
value "CREATE UNLOGGED TABLE events (user_id integer, item_id integer, at timestamptz)"
began=$SECONDS
as_user "$WORK/synthetic" --binary --time --shuffle "$users" "$items" "$events" 1 |
	sql -c "COPY events FROM STDIN (FORMAT binary)"
value "ANALYZE events"
printf 'loaded:     %d s\n' $((SECONDS - began))
value "SET client_min_messages = warning; SELECT commrec.create_model('m', 'events', time_column => 'at')" >/dev/null

# The session first writes its pid, so that the sampler knows whom to watch.
as_user "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -c 'SELECT pg_backend_pid()' \
	-c "SET commrec.max_train_memory = '64GB'" \
	-c "SELECT 1 FROM commrec.train('m', '$parameters', verbose => true)" >"$WORK/leader" 2>"$WORK/log/train.log" </dev/null &
session=$!
watch_memory "$session" "$WORK/leader"
wait "$session" || { cat "$WORK/log/train.log" >&2; die "the training failed"; }

grep -E '^INFO' "$WORK/log/train.log" | sed 's/^INFO: */            /' || true
value "SELECT format(E'trained:    %s s, %s workers, %s events, %s users, %s items, %s pairs, loss %s',
		round(seconds::numeric, 1), workers, events, users, items, pairs,
		(SELECT string_agg(round(loss::numeric, 0)::text, ' ' ORDER BY epoch) FROM m.epoch))
	FROM m.version WHERE deployed"
planned=$(value "SELECT memory_planned / 1024 FROM m.version WHERE deployed")
printf 'planned:    %d MB\n' $((planned / 1024))
printf 'peak:       %d MB (leader %d MB, %d workers), %d %% of the plan\n' $((peak / 1024)) \
	$((leader_peak / 1024)) "${taking_part:-0}" $((peak * 100 / planned))
if [ $((peak * 10)) -le $((planned * 12)) ]
then
	printf 'within the plan x 1.2\n'
else
	printf 'BEYOND the plan x 1.2\n'
	exit 1
fi
