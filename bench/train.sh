#!/usr/bin/env bash
#
# What a training costs, phase by phase, and what the way over a program
# outside the database costs:
#
#	bash bench/train.sh [OPTION...]
#
#	--size S|L				5 million events of 50,000 users on 15,000 items, or (L, the default)
#							20 million of 138,493 on 26,744
#	--factors K				64
#	--epochs N				15
#	--workers W				largest number of processes that train (2)
#	--runs R				trainings of each kind, of which medians are shown (3)
#	--hyperparameters JSON	further ones, such as '{"solver": "cg"}'
#	--peer NAME=COMMAND		another trainer: COMMAND PAIRS FACTORS EPOCHS prints, for each
#							epoch, seconds and CPU seconds.  May be repeated.  bench/peer_implicit.py
#							is one; bench/roundtrip.c says what is in PAIRS.
#	--peer-epochs N			that a peer runs after each of our runs (1); the end-to-end line reckons
#							with --epochs
#	--python COMMAND		that runs bench/roundtrip.py, too (python3); without numpy, scipy and
#							psycopg2 there, it is left out
#
# Events are rows (user_id, item_id, at) in random order in a plain table, on
# average 12 of a user a day on which he comes (bench/synthetic.c).  The
# round trip out of the database and back is measured twice: as the least that
# it can cost, by a C program without any library but libpq and with a hash
# table made for integers (bench/roundtrip.c), and as users of a Python library
# write it, with psycopg2, numpy and scipy (bench/roundtrip.py).  CPU seconds are of all processes that take part together, the
# server's side of the round trip too.  Seconds of the clock mean something on
# a quiet machine only; ratios are of CPU seconds.
set -euo pipefail

# shellcheck disable=SC2034	# lib.sh names it in messages
PROGRAM=bench/train.sh
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

size=L
factors=64
epochs=15
processes=2
runs=3
extra='{}'
peers=()
peer_epochs=1
python=python3
while [ $# -gt 0 ]
do
	[ $# -ge 2 ] || die "an option needs a value: $1"
	case $1 in
		--size) size=$2 ;;
		--factors) factors=$2 ;;
		--epochs) epochs=$2 ;;
		--workers) processes=$2 ;;
		--runs) runs=$2 ;;
		--hyperparameters) extra=$2 ;;
		--peer) peers+=("$2") ;;
		--peer-epochs) peer_epochs=$2 ;;
		--python) python=$2 ;;
		*) die "unknown option $1" ;;
	esac
	shift 2
done
case $size in
	S) events=5000000 users=50000 items=15000 ;;
	L) events=20000000 users=138493 items=26744 ;;
	*) die "--size is S or L" ;;
esac

bench_begin "work_mem = 64MB"
hyperparameters=$(value "SELECT '{\"factors\": $factors, \"epochs\": $epochs}'::jsonb || '$extra'")
printf 'events:     %s by %s users on %s items (size %s, seed 1), hyperparameters %s, %s runs\n' \
	"$events" "$users" "$items" "$size" "$hyperparameters" "$runs"

# build OUTPUT SOURCE... [FLAG...]
build()
{
	local output=$1

	shift
	quietly "$WORK/log/$output.log" as_user gcc -O3 -std=gnu11 -I"$WORK/src/src" \
		-I"$("$PG_CONFIG" --includedir)" -o "$WORK/$output" "$@"
}

build synthetic "$WORK/src/bench/synthetic.c" "$WORK/src/src/core/rng.c" -lm
build roundtrip "$WORK/src/bench/roundtrip.c" -L"$("$PG_CONFIG" --libdir)" -lpq
build sgemm "$WORK/src/bench/sgemm.c" -lopenblas

# The kernels that OpenBLAS takes by itself are not always the best that the processor can run.
peak_sgemm=0
for kernels in "" Haswell SkylakeX
do
	if found=$(as_user env "OPENBLAS_CORETYPE=$kernels" "$WORK/sgemm" 2>/dev/null)
	then
		printf 'sgemm:      %s GFLOP/s with kernels %s\n' "${found% *}" "${found#* }"
		peak_sgemm=$(printf '%s\n%s\n' "$peak_sgemm" "${found% *}" | sort -n | tail -n 1)
	fi
done

value "CREATE TABLE events (user_id integer, item_id integer, at timestamptz)"
as_user "$WORK/synthetic" --binary --time --visits --shuffle "$users" "$items" "$events" 1 2>/dev/null |
	sql -c "COPY events FROM STDIN (FORMAT binary)"
value "VACUUM (FREEZE, ANALYZE) events"
value "SET client_min_messages = warning;
	SELECT commrec.create_model('m', 'events', time_column => '');
	SELECT commrec.create_model('timed', 'events', time_column => 'at')" >/dev/null
value "CREATE TABLE bench (what text, processes integer, version integer, planned bigint, peak bigint);
	CREATE TABLE step (what text, step text, seconds double precision, cpu double precision)"

# train WHAT MODEL PROCESSES HYPERPARAMETERS: one training, recorded.
train()
{
	value "CHECKPOINT"
	value "SET client_min_messages = warning; SET commrec.max_train_memory = '64GB';
		INSERT INTO bench SELECT '$1', $3, version, memory_planned
		FROM commrec.train('$2', '$4', workers => $3 - 1)"
}

# The same, with the memory of all processes watched: a run of its own, as watching costs time.
train_watched()
{
	: >"$WORK/leader"
	as_user "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -c 'SELECT pg_backend_pid()' \
		-c "SET client_min_messages = warning" -c "SET commrec.max_train_memory = '64GB'" \
		-c "INSERT INTO bench SELECT 'memory', $1, version, memory_planned
			FROM commrec.train('m', '$hyperparameters', workers => $1 - 1)" \
		>"$WORK/leader" 2>"$WORK/log/train.log" </dev/null &
	session=$!
	watch_memory "$session" "$WORK/leader"
	wait "$session" || { cat "$WORK/log/train.log" >&2; die "the training failed"; }
	value "UPDATE bench SET peak = $((peak * 1024)) WHERE what = 'memory' AND processes = $1"
}

# Lines "STEP SECONDS CPU" into table "step".
record_steps()
{
	awk -v "what=$1" '{printf "%s\t%s\t%s\t%s\n", what, $1, $2, $3}' |
		sql -c "COPY step FROM STDIN"
}

as_user "$python" -c 'import numpy, psycopg2, scipy.sparse' 2>/dev/null || python=
for ((p = 1; p <= processes; p++))
do
	train_watched "$p"
done
for ((run = 0; run < runs; run++))
do
	for ((p = 1; p <= processes; p++))
	do
		train plain m "$p" "$hyperparameters"
	done
	value "CHECKPOINT"
	as_user "$WORK/roundtrip" events "$factors" "$WORK/pairs" | record_steps roundtrip
	[ -z "$python" ] ||
		as_user "$python" "$WORK/src/bench/roundtrip.py" events "$factors" | record_steps python
	for peer in "${peers[@]}"
	do
		# shellcheck disable=SC2086	# a command with arguments
		${peer#*=} "$WORK/pairs" "$factors" "$peer_epochs" | sed 's/^/epoch /' | record_steps "${peer%%=*}"
	done
done
train timed timed 1 "$hyperparameters"
train timed timed 1 "$hyperparameters"

value "CREATE VIEW phase AS
	SELECT what, processes, b.version, phase, (cost ->> 'seconds')::float8 AS seconds,
		(cost ->> 'cpu_seconds')::float8 AS cpu
	FROM bench AS b, LATERAL (
		SELECT metrics FROM m.version AS v WHERE v.version = b.version AND what <> 'timed'
		UNION ALL
		SELECT metrics FROM timed.version AS v WHERE v.version = b.version AND what = 'timed') AS v,
		jsonb_each(metrics -> 'phases') AS p (phase, cost);
CREATE FUNCTION median(double precision[]) RETURNS numeric LANGUAGE sql AS
	'SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY x)::numeric, 3) FROM unnest(\$1) AS x';
CREATE AGGREGATE median(double precision) (SFUNC = array_append, STYPE = double precision[],
	INITCOND = '{}', FINALFUNC = median);
CREATE VIEW phase_median AS
	SELECT what, processes, phase, median(seconds) AS seconds, median(cpu) AS cpu
	FROM phase GROUP BY what, processes, phase;
CREATE VIEW outside AS
	SELECT what, processes, median(seconds) AS seconds, median(cpu) AS cpu,
		median(cpu - validation) AS without_validation FROM (
		SELECT what, processes, version, sum(seconds) AS seconds, sum(cpu) AS cpu,
			sum(cpu) FILTER (WHERE phase = 'validation') AS validation
		FROM phase WHERE phase <> 'epochs' GROUP BY what, processes, version) AS s
	GROUP BY what, processes;
CREATE VIEW whole AS
	SELECT what, processes, median(seconds) AS seconds, median(cpu) AS cpu FROM (
		SELECT what, processes, version, sum(seconds) AS seconds, sum(cpu) AS cpu
		FROM phase GROUP BY what, processes, version) AS s
	GROUP BY what, processes;
CREATE VIEW epoch_median AS
	SELECT processes, epoch, min(loss) AS loss, count(DISTINCT loss) AS losses,
		median(e.seconds) AS seconds, median(e.cpu_seconds) AS cpu
	FROM bench JOIN m.epoch AS e USING (version) WHERE what = 'plain' GROUP BY processes, epoch;
CREATE VIEW step_median AS
	SELECT what, step, median(seconds) AS seconds, median(cpu) AS cpu FROM step GROUP BY what, step;
CREATE VIEW round_trip AS
	SELECT what, sum(seconds) AS seconds, sum(cpu) AS cpu FROM step_median
	WHERE what IN ('roundtrip', 'python') GROUP BY what"

printf '\nphases:     seconds (CPU seconds), medians of %s runs\n' "$runs"
value "SELECT format('  %s process%s  %s', processes, CASE WHEN processes = 1 THEN '  ' ELSE 'es' END,
		string_agg(format('%s %s (%s)', phase, seconds, cpu), ', ' ORDER BY array_position(
			'{read,map,knowledge,csr,validation,epochs,publish}', phase)))
	FROM phase_median WHERE what = 'plain' GROUP BY processes ORDER BY processes"
printf 'with times: knowledge spread written, %s rows of user_activity; first training, then once more\n' \
	"$(value 'SELECT count(*) FROM timed.user_activity')"
value "SELECT format('              %s', string_agg(format('%s %s (%s)', phase, seconds, cpu), ', '
		ORDER BY array_position('{read,map,knowledge,csr,validation,epochs,publish}', phase)))
	FROM phase WHERE what = 'timed' GROUP BY version ORDER BY version"

printf '\nepochs:     loss, seconds (CPU seconds) with 1 to %s processes\n' "$processes"
value "SELECT format('  %s  %s  %s', lpad(epoch::text, 3), to_char(min(loss), 'FM99999999990.0'),
		string_agg(format('%s (%s)', seconds, cpu), '  ' ORDER BY processes))
	FROM epoch_median GROUP BY epoch ORDER BY epoch"
value "SELECT CASE WHEN max(losses) = 1 AND count(DISTINCT (epoch, loss)) = max(epoch)
		THEN 'equal:      the losses are the same bits in every run and for every number of processes'
		ELSE 'UNEQUAL:    the losses differ between runs or numbers of processes' END FROM epoch_median"
value "SELECT format('an epoch:   %s s, %s CPU s with 1 process', median(seconds), median(cpu))
	FROM epoch_median WHERE processes = 1"
# Nominal work.  Exact: rank-1 updates of the upper triangles and their factorisations, although short rows are
# solved in their dual form, which takes less.  Conjugate gradients: products with the pairs' factors in the residual and
# in each of two steps, and with their transpose in all but the last step.
value "SELECT format('kernels:    %s, nominally %s GFLOP an epoch, %s GFLOP/s: %s %% of sgemm', solver, round(flop / 1e9),
		round((flop / 1e9 / cpu)::numeric, 1), round((100 * flop / 1e9 / cpu / $peak_sgemm)::numeric))
	FROM (SELECT solver, CASE solver
			WHEN 'cg' THEN 2.0 * pairs * 5 * 2 * $factors
			ELSE 2.0 * pairs * $factors * ($factors + 1) + (users + items) * $factors::float8 ^ 3 / 3 END AS flop
		FROM (SELECT coalesce(hyperparameters ->> 'solver', 'cholesky') AS solver, pairs, users, items
			FROM m.version WHERE deployed) AS v) AS f,
		(SELECT median(cpu)::float8 AS cpu FROM epoch_median WHERE processes = 1) AS e"
value "SELECT format('scaling:    %s processes: epochs %s times as fast, %s %% more CPU time', p.processes,
		round(one.seconds / p.seconds, 2), round(100 * (p.cpu / one.cpu - 1), 1))
	FROM phase_median AS one, phase_median AS p
	WHERE one.what = 'plain' AND p.what = 'plain' AND one.phase = 'epochs' AND p.phase = 'epochs'
	AND one.processes = 1 AND p.processes > 1 ORDER BY p.processes"

printf '\nmemory:     of all processes together, without shared buffers\n'
value "SELECT format('  %s process%s  planned %s MB, peak %s MB: %s %% of the plan; %s bytes an event beside the factors',
		processes, CASE WHEN processes = 1 THEN '  ' ELSE 'es' END, planned / 1048576, peak / 1048576,
		100 * peak / planned, round((peak - factor_bytes)::numeric / $events, 1))
	FROM bench, (SELECT (users + items) * $factors * 4 AS factor_bytes FROM m.version WHERE deployed) AS f
	WHERE what = 'memory' ORDER BY processes"

printf '\nround trip: seconds (CPU seconds of the program and the server), medians of %s runs\n' "$runs"
value "SELECT format('  %s %s; together %s (%s)', CASE what WHEN 'python' THEN 'in Python:' ELSE 'least:    ' END,
		(SELECT string_agg(format('%s %s (%s)', step, s.seconds, s.cpu), ', '
			ORDER BY array_position('{copy_out,parse,ids,csr,copy_in}', step))
		FROM step_median AS s WHERE s.what = r.what), seconds, cpu)
	FROM round_trip AS r ORDER BY what DESC"
value "SELECT format('outside:    outside the epochs train() takes %s (%s): the %s %s times as much CPU time; '
		'without validation, which is a training of its own, %s times', o.seconds, o.cpu,
		CASE r.what WHEN 'python' THEN 'round trip in Python' ELSE 'least round trip' END,
		round(r.cpu / o.cpu, 1), round(r.cpu / o.without_validation, 1))
	FROM round_trip AS r, outside AS o WHERE o.what = 'plain' AND o.processes = 1 ORDER BY r.what DESC"
value "SELECT format('peer:       %s: %s s, %s CPU s an epoch, %s times ours; %s round trip and %s epochs %s CPU s, train() %s CPU s: %s times less',
		p.what, p.seconds, p.cpu, round(p.cpu / e.cpu, 1),
		CASE r.what WHEN 'python' THEN 'Python''s' ELSE 'least' END, $epochs, r.cpu + $epochs * p.cpu, w.cpu,
		round((r.cpu + $epochs * p.cpu) / w.cpu, 1))
	FROM step_median AS p, round_trip AS r, whole AS w,
		(SELECT median(cpu) AS cpu FROM epoch_median WHERE processes = 1) AS e
	WHERE p.step = 'epoch' AND w.what = 'plain' AND w.processes = 1 ORDER BY p.what, r.what DESC"

within=$(value "SELECT bool_and(peak <= 1.2 * planned) FROM bench WHERE what = 'memory'")
[ "$within" = t ] || die "the peak of memory is beyond the plan x 1.2"
