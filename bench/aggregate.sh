#!/usr/bin/env bash
#
# Many small models by the aggregate ials(), against one train() over the same events:
#
#	bash bench/aggregate.sh [TENANTS [EVENTS [HYPERPARAMETERS]]]
#
# 1,000 tenants of 5,000 events each unless told otherwise; every tenant has
# 200 users and 400 items of its own.  The number of epochs is small enough
# that no training ends before, for want of progress, so that all do the same
# work.  Each way of training runs in a session of its own and is shown with
# its plan; CPU seconds are those of all its processes.  The target, without
# workers and with as many processes as there are cores: at least half the
# events a second of train().  The exit status is 1 if that is missed, or if
# plans give different models.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/aggregate.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tenants=${1:-1000}
events=${2:-5000}
parameters=${3:-'{"popularity_weight": 0, "epochs": 8}'}
processes=$(nproc)
workers=$((processes - 1))
users=200
items=400
partitions=16

# Hundredths of seconds that children of the postmaster have spent before they ended.
spent()
{
	awk '{print $16 + $17}' "/proc/$(head -n 1 "$WORK/data/postmaster.pid")/stat"
}

# All that has been started from here has ended and been counted.
settle()
{
	until [ "$(value "SELECT count(*) FROM pg_stat_activity
		WHERE backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()")" -eq 0 ]
	do
		sleep 0.1
	done
	sleep 0.3
}

# measure NAME SQL: run it, print seconds, CPU seconds and events a second; leaves "wall" and "cpu".
measure()
{
	local began
	local before

	settle
	before=$(spent)
	began=$(date +%s%N)
	sql -c "SET client_min_messages = warning" -c "$setup" -c "$2" >/dev/null </dev/null
	wall=$((($(date +%s%N) - began) / 1000000))
	settle
	cpu=$((($(spent) - before) * 10))
	awk -v name="$1" -v wall="$wall" -v cpu="$cpu" -v n="$total" 'BEGIN {
		printf "%-34s %8.2f s %8.2f CPU s %10d events/s %10d events/CPU s\n", name, wall / 1000, cpu / 1000,
			n / wall * 1000, n / cpu * 1000}'
}

plan()
{
	sql -At -c "$setup" -c "EXPLAIN (COSTS off) $1" </dev/null | sed 's/^/            /' | grep -v 'SET$'
}

# models NAME TABLE: do all tenants have the model of the plain GROUP BY?
compare()
{
	local same

	same=$(value "SELECT count(*) FROM by_group AS g JOIN $2 AS o USING (tenant, model)")
	printf '            %s of %s models are those of the plain GROUP BY\n\n' "$same" "$tenants"
	[ "$same" -eq "$tenants" ] || failed=1
}

bench_begin "work_mem = 256MB" "min_parallel_table_scan_size = 0" "min_parallel_index_scan_size = 0"
as_user gcc -O2 -std=gnu11 -I"$WORK/src/src" -o "$WORK/synthetic" \
	"$WORK/src/bench/synthetic.c" "$WORK/src/src/core/rng.c" -lm
failed=0
value "CREATE TABLE events (tenant integer, user_id bigint, item_id bigint)"
for ((tenant = 0; tenant < tenants; tenant++))
do
	"$WORK/synthetic" "$users" "$items" "$events" "$tenant" 2>/dev/null |
		awk -v t="$tenant" -v OFS='\t' '{print t, t * 100000 + $1, t * 100000 + $2}'
done | sql -c "COPY events FROM STDIN"
value "CREATE TABLE parts (LIKE events) PARTITION BY HASH (tenant)"
for ((part = 0; part < partitions; part++))
do
	value "CREATE TABLE parts_$part PARTITION OF parts FOR VALUES WITH (MODULUS $partitions, REMAINDER $part)"
done
sql <<-EOF
	INSERT INTO parts SELECT * FROM events;
	CREATE INDEX events_tenant_idx ON events (tenant);
	CREATE TABLE tenants WITH (fillfactor = 10, parallel_workers = $processes) AS SELECT DISTINCT tenant FROM events;
	CREATE FUNCTION train_tenant(tenant integer) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE COST 1000000 AS \$\$
		SELECT commrec.ials(e.user_id, e.item_id, 1, '$parameters') FROM events AS e WHERE e.tenant = \$1
	\$\$;
	SET client_min_messages = warning;
	SELECT 1 FROM commrec.create_model('m', 'events', hyperparameters => '$parameters') \g /dev/null
	VACUUM ANALYZE;
EOF
total=$(value "SELECT count(*) FROM events")
printf 'events:     %s of %s tenants, hyperparameters %s, %s processes\n\n' "$total" "$tenants" "$parameters" "$processes"

setup="SET default_toast_compression = lz4; SET max_parallel_workers_per_gather = 0"
measure "train(), no workers" "SELECT 1 FROM commrec.train('m', workers => 0)"
serial_cpu=$cpu
measure "GROUP BY, no workers" "CREATE TABLE by_group AS
	SELECT tenant, commrec.ials(user_id, item_id, 1, '$parameters') AS model FROM events GROUP BY tenant"
group_cpu=$cpu
plan "SELECT tenant, commrec.ials(user_id, item_id, 1, '$parameters') AS model FROM events GROUP BY tenant"
echo

# The leader collects: it would be a process more than there are cores.
setup="SET default_toast_compression = lz4; SET max_parallel_workers_per_gather = $processes;
	SET parallel_leader_participation = off; SET enable_partitionwise_aggregate = on"
measure "train(), leader and $workers workers" "SELECT 1 FROM commrec.train('m', workers => $workers)"
parallel_wall=$wall
measure "GROUP BY" "CREATE TABLE by_parallel_group AS
	SELECT tenant, commrec.ials(user_id, item_id, 1, '$parameters') AS model FROM events GROUP BY tenant"
best=$wall
plan "SELECT tenant, commrec.ials(user_id, item_id, 1, '$parameters') AS model FROM events GROUP BY tenant"
compare "GROUP BY" by_parallel_group
measure "GROUP BY, $partitions partitions" "CREATE TABLE by_partition AS
	SELECT tenant, commrec.ials(user_id, item_id, 1, '$parameters') AS model FROM parts GROUP BY tenant"
[ "$wall" -ge "$best" ] || best=$wall
plan "SELECT tenant, commrec.ials(user_id, item_id, 1, '$parameters') AS model FROM parts GROUP BY tenant" | head -n 6
compare "partitions" by_partition
measure "a function of the tenant" "CREATE TABLE by_function AS SELECT tenant, train_tenant(tenant) AS model FROM tenants"
[ "$wall" -ge "$best" ] || best=$wall
plan "SELECT tenant, train_tenant(tenant) AS model FROM tenants"
compare "function" by_function

value "SELECT format('models:     %s each, %s to %s epochs run; train() ran %s', pg_size_pretty(round(avg(length(model)))),
		min(i ->> 'epochs'), max(i ->> 'epochs'), (SELECT max(epoch) FROM m.epoch WHERE version = 1))
	FROM by_group, commrec.model_info(model) AS i"
sql <<-EOF
	\timing on
	\echo an answer of every tenant:
	SELECT count(*) AS rows FROM by_group, commrec.recommend_from(model, tenant * 100000 + 7, 10);
	SELECT count(*) AS rows FROM by_group, commrec.recommend_from(model, tenant * 100000 + 7, 10);
EOF
printf '\nevents a second, compared with train(): %d %% in one process (by CPU), %d %% in %d (by the clock)\n' \
	$((serial_cpu * 100 / group_cpu)) $((parallel_wall * 100 / best)) "$processes"
if [ $((serial_cpu * 2)) -lt "$group_cpu" ] || [ $((parallel_wall * 2)) -lt "$best" ]
then
	printf 'LESS than half of train()\n'
	failed=1
fi
exit "$failed"
