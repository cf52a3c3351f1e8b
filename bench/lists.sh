#!/usr/bin/env bash
#
# What answers from lists cost (versions that score by item_neighbor):
#
#	bash bench/lists.sh [ITEMS] [NEIGHBORS]
#
# 20,000 members have 50 events each, on ITEMS (20000) items of which some are much
# more popular than others; ALGORITHM (item_knn) keeps NEIGHBORS (500) of each.
# Shown is the CPU time of this backend in microseconds, best of three: of calls
# that are queries of their own, of a user in a LATERAL join over 3,000 users, and
# of a user of recommend_all() without workers.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/lists.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

items=${1:-20000}
neighbors=${2:-500}
algorithm=${ALGORITHM:-item_knn}

# CPU time of a statement in which :u stands for a user, each run a query of its own.
measure()
{
	local name=$1
	local runs=$2
	local users=$3
	local statement=$4

	value "SET max_parallel_workers_per_gather = 0; DO \$\$
		DECLARE
			-- Nanoseconds that this backend has run.
			schedstat CONSTANT text := '/proc/self/schedstat';
			started double precision;
			best double precision := 'Infinity';
		BEGIN
			FOR i IN 1 .. 3 LOOP
				started := split_part(pg_read_file(schedstat), ' ', 1);
				FOR u IN 1 .. $runs LOOP
					$statement;
				END LOOP;
				best := least(best, (split_part(pg_read_file(schedstat), ' ', 1)::double precision - started)
					/ ($runs::double precision * $users) / 1000);
			END LOOP;
			PERFORM set_config('bench.result', round(best::numeric, 1)::text, false);
		END \$\$;
		SELECT rpad('$name', 36) || lpad(current_setting('bench.result'), 9) || ' us'" | grep -v '^SET\|^DO'
}

bench_begin
value "SET client_min_messages = warning;
	SELECT setseed(0.4);
	CREATE TABLE events AS SELECT u AS user_id, ($items * pow(random(), 1.7))::integer AS item_id
	FROM generate_series(1, 20000) AS u, generate_series(1, 50) AS e;
	SELECT commrec.create_model('lists', 'events', algorithm => '$algorithm',
		hyperparameters => '{\"neighbors\": $neighbors, \"popularity_weight\": 0}')" >/dev/null
value "SET client_min_messages = warning; SELECT format('model:      %s items, %s users, %s pairs, trained in %s s',
	items, users, pairs, round(seconds::numeric, 1)) FROM commrec.train('lists', workers => 0)"
value "SELECT format('lists:      %s entries each on average, %s of a user''s items; table %s', round(avg(n)),
		(SELECT round(avg(l.n)) FROM events AS e JOIN lists.item_embedding AS i USING (item_id) JOIN LATERAL
			(SELECT count(*) AS n FROM lists.item_neighbor AS r, commrec.unpack_neighbors(r.neighbors) WHERE r.item_no = i.item_no) AS l ON true
		 WHERE e.user_id <= 100),
		pg_size_pretty(pg_table_size('lists.item_neighbor')))
	FROM (SELECT (length(neighbors) - 12) / 8 AS n FROM lists.item_neighbor) AS l"
value "VACUUM ANALYZE"
printf '\n'
measure 'recommend()' 500 1 "PERFORM count(*) FROM commrec.recommend(u * 17, 10, 'lists')"
measure 'recommend(), LATERAL, a user' 1 3000 \
	"PERFORM count(*) FROM generate_series(1, 3000) AS g, LATERAL commrec.recommend(g, 10, 'lists')"
measure 'recommend_all(), a user' 1 20000 "PERFORM count(*) FROM commrec.recommend_all('lists', 10, workers => 0)"
measure 'recommend(diversity => 0.3)' 100 1 "PERFORM count(*) FROM commrec.recommend(u * 17, 10, 'lists', diversity => 0.3)"
measure 'score()' 500 1 "PERFORM commrec.score(u * 17, 100, 'lists')"
measure 'explain()' 100 1 "PERFORM count(*) FROM commrec.explain(u * 17, 100, 'lists')"
