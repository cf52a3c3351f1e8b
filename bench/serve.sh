#!/usr/bin/env bash
#
# Latency of recommend(), by pgbench:
#
#	bash bench/serve.sh [20000] [100000] [1000000]
#
# For each number of items a model of 64 factors is trained on synthetic events
# (bench/synthetic.c), and served with the norms that training gave it ("als"),
# with their roots ("mid") and with none ("flat": every item has norm 1, so that
# norms prune nothing); bench/factors.c makes the latter two.  Beside them run
# the floors SELECT 1 and a primary-key lookup.  All scripts take turns, ROUNDS
# (3) times for SECONDS_EACH (2); shown is the median of a transaction's latency
# in milliseconds, and its ratio to the primary-key lookup's with as many
# clients.  "first" is the first call in a new session, "lateral" the CPU time
# that a user of a LATERAL join over 10,000 users takes beyond the scan, in
# microseconds, best of five.
#
# MODES ("prepared simple"), CLIENTS ("1 2"), SHAPES ("als mid flat") and FACTORS
# (64) may be set, too.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/serve.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(20000 100000 1000000)
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-2}
modes=${MODES:-prepared simple}
clients=${CLIENTS:-1 2}
shapes=${SHAPES:-als mid flat}
factors=${FACTORS:-64}

build_tools()
{
	local core=$BENCH_TOP/src/core

	cc -O2 -std=gnu11 -I"$BENCH_TOP/src" -o "$WORK/synthetic" "$BENCH_TOP/bench/synthetic.c" "$core/rng.c" -lm
	# Nothing is scanned here, so that the portable code will do at every level.
	cc -O2 -std=gnu11 -I"$BENCH_TOP/src" -o "$WORK/factors" "$BENCH_TOP/bench/factors.c" "$core/block.c" \
		"$core"/block_{portable,avx2,avx512}.c "$core"/{embedding,preferences,seen,vector}.c -lm
	mkdir -p "$WORK/files" "$WORK/scripts"
	chmod 777 "$WORK/files" "$WORK/scripts"
}

# train SIZE: model mSIZE with version 1, and its filters.
train()
{
	local users=$(($1 < 100000 ? $1 : 100000))
	local events=$(($1 * 5 < 20 * users ? 20 * users : $1 * 10))

	"$WORK/synthetic" --binary "$users" "$1" "$events" 1 2>/dev/null >"$WORK/files/events"
	value "CREATE TABLE events (user_id integer, item_id integer)"
	sql -c "COPY events FROM STDIN (FORMAT binary)" <"$WORK/files/events"
	rm "$WORK/files/events"
	value "CREATE TABLE item AS SELECT DISTINCT item_id FROM events"
	value "CREATE TABLE member AS SELECT DISTINCT user_id FROM events ORDER BY 1 LIMIT 10000"
	value "VACUUM ANALYZE" 2>/dev/null
	value "SET client_min_messages = warning; SELECT commrec.create_model('m$1', 'events', hyperparameters =>
		'{\"factors\": $factors, \"epochs\": 3, \"popularity_weight\": 0}')" >/dev/null
	value "SET client_min_messages = warning; SELECT format('model:      %s items, %s users, %s events, %s dimensions, trained in %s s',
		items, users, events, dims, round(seconds::numeric, 1)) FROM commrec.train('m$1')"
	value "SELECT commrec.create_filter('m$1', 'f10', 'item', 'item_id % 10 = 0'),
		commrec.create_filter('m$1', 'f1', 'item', 'item_id % 100 = 0'),
		commrec.create_filter('m$1', 'f01', 'item', 'item_id % 1000 = 0')" >/dev/null
}

# reshape SIZE SHAPE: the next version, with other norms; it is deployed.
reshape()
{
	local version

	version=$(value "SELECT max(version) + 1 FROM m$1.version")
	sql -c "COPY (SELECT item_id, embedding, popularity, popular_no, users FROM m$1.item_embedding WHERE version = 1
		ORDER BY item_no) TO STDOUT (FORMAT binary)" </dev/null >"$WORK/files/items"
	sql -c "COPY (SELECT user_id, embedding, seen, preferences, items FROM m$1.user_embedding WHERE version = 1)
		TO STDOUT (FORMAT binary)" </dev/null >"$WORK/files/users"
	"$WORK/factors" "$2" "$version" "$WORK"/files/{items,users,items_out,blocks_out,users_out}
	sql -c "COPY m$1.item_embedding (version, item_id, item_no, embedding, popularity, popular_no, users)
		FROM STDIN (FORMAT binary)" <"$WORK/files/items_out"
	sql -c "COPY m$1.item_block (version, block, items, max_norm, codes) FROM STDIN (FORMAT binary)" \
		<"$WORK/files/blocks_out"
	sql -c "COPY m$1.user_embedding (version, user_id, embedding, seen, preferences, items) FROM STDIN (FORMAT binary)" \
		<"$WORK/files/users_out"
	rm "$WORK"/files/*
	value "CREATE TEMPORARY TABLE v AS TABLE m$1.version WITH NO DATA; INSERT INTO v SELECT * FROM m$1.version WHERE version = 1;
		UPDATE v SET version = $version, deployed = false; INSERT INTO m$1.version SELECT * FROM v"
	value "SELECT commrec.deploy('m$1', $version)" >/dev/null
	value "SELECT count(*) FROM commrec.refresh_filter('m$1')" >/dev/null
	value "VACUUM ANALYZE" 2>/dev/null
}

# script NAME SQL: a pgbench script that draws one of the first 10,000 users.
script()
{
	printf '\\set u random(1, 10000)\n%s\n' "$2" >"$WORK/scripts/$1"
}

# run_once SCRIPT OPTION...: median of the latencies in the log of one run of pgbench, in microseconds.
run_once()
{
	local script=$1

	shift
	rm -f "$WORK"/files/log*
	as_user pgbench -n "$@" -f "$WORK/scripts/$script" -l --log-prefix="$WORK/files/log" bench >/dev/null 2>&1
	cat "$WORK"/files/log* | awk '{print $3}' | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

# measure SIZE SCRIPT...: one line a script, mode and number of clients.
measure()
{
	local mode client name round size=$1

	shift
	for mode in $modes; do
		for client in $clients; do
			for ((round = 0; round < rounds; round++)); do
				for name in "$@"; do
					printf '%s %s\n' "$name" "$(run_once "$name" -M "$mode" -c "$client" -j "$client" -T "$seconds")"
				done
			done | awk -v mode="$mode" -v client="$client" -v size="$size" '
				!($1 in n) {order[++names] = $1}
				{v[$1, ++n[$1]] = $2}
				function middle(name,  i, j, t) {
					for (i = 1; i <= n[name]; i++) for (j = i + 1; j <= n[name]; j++)
						if (v[name, j] < v[name, i]) {t = v[name, i]; v[name, i] = v[name, j]; v[name, j] = t}
					return v[name, int((n[name] + 1) / 2)]
				}
				END {for (i = 1; i <= names; i++)
					printf "%-8s %d client%s  %8d items  %-16s %8.3f ms %7.1f x\n", mode, client, (client > 1 ? "s" : " "),
						size, order[i], middle(order[i]) / 1000, middle(order[i]) / middle("primary-key")}'
		done
	done
}

# The first call of a session that is new for every transaction.
first_call()
{
	run_once "$2" -C -M simple -t 50 |
		awk -v size="$1" -v shape="$2" '{
			printf "first                %8d items  %-16s %8.3f ms, connecting included\n", size, shape, $1 / 1000}'
}

# CPU time, so that what else runs does not count.
lateral()
{
	value "SET max_parallel_workers_per_gather = 0; DO \$\$
		DECLARE
			-- Nanoseconds that this backend has run.
			schedstat CONSTANT text := '/proc/self/schedstat';
			started double precision;
			middle double precision;
			ended double precision;
			best double precision := 'Infinity';
		BEGIN
			FOR i IN 1 .. 5 LOOP
				started := split_part(pg_read_file(schedstat), ' ', 1);
				PERFORM count(*) FROM member;
				middle := split_part(pg_read_file(schedstat), ' ', 1);
				PERFORM count(*) FROM member, LATERAL commrec.recommend(user_id, 10, 'm$1');
				ended := split_part(pg_read_file(schedstat), ' ', 1);
				best := least(best, ((ended - middle) - (middle - started)) / 10000 / 1000);
			END LOOP;
			PERFORM set_config('bench.result', round(best::numeric, 1)::text, false);
		END \$\$;
		SELECT 'lateral              ' || lpad('$1', 8) || ' items  ' || rpad('$2', 16) || ' '
			|| lpad(current_setting('bench.result'), 8) || ' us a user'" | grep -v '^SET\|^DO'
}

bench_begin
build_tools
value "CREATE TABLE lookup AS SELECT g AS id, repeat('x', 20) AS word FROM generate_series(1, 1000000) AS g"
value "ALTER TABLE lookup ADD PRIMARY KEY (id)"
script select-1 "SELECT 1;"
script primary-key "SELECT * FROM lookup WHERE id = :u;"
printf 'parameters: %s factors, k = 10, %s rounds of %s s, medians\n\n' "$factors" "$rounds" "$seconds"

for size in "${sizes[@]}"; do
	train "$size"
	for shape in $shapes; do
		[ "$shape" = als ] || reshape "$size" "$shape"
		script "$shape" "SELECT * FROM commrec.recommend(:u, 10, 'm$size');"
		for filter in 10 1 01; do
			script "$shape-filter-$filter" "SELECT * FROM commrec.recommend(:u, 10, 'm$size', filter => 'f$filter');"
		done
		measure "$size" select-1 primary-key "$shape" "$shape-filter-10" "$shape-filter-1" "$shape-filter-01"
		first_call "$size" "$shape"
		lateral "$size" "$shape"
	done
	value "SET client_min_messages = warning; SELECT commrec.drop_model('m$size')" >/dev/null
	value "DROP TABLE events, item, member"
done
