#!/usr/bin/env bash
#
# The regression and isolation tests on a server that runs under valgrind:
#
#	bash test/valgrind.sh POSTGRES [TEST...]
#
# POSTGRES is the installation that test/torture.sh makes, with assertions and
# -DUSE_VALGRIND, so that valgrind knows what PostgreSQL's memory contexts hold,
# and PostgreSQL's list of harmless reports beside it.  With TEST, only these
# regression tests.  Output is TAP; what valgrind had to say comes below in
# "#" lines.  Leaks are not asked for: a server ends with what it has.
set -euo pipefail
exec </dev/null

PROGRAM=test/valgrind.sh
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
INSTALLATION=${1:?usage: bash test/valgrind.sh POSTGRES [TEST...]}
shift
PG_CONFIG=$INSTALLATION/bin/pg_config
# shellcheck source=test/lib.sh
. "$TOP/test/lib.sh"

tests=("$@")
REPORT='VALGRIND-REPORT'		# stands around each report in valgrind's log

# Build and install commrec into a copy of the installation.
prepare()
{
	local flags

	flags="-O2 -fno-omit-frame-pointer -Wall -Wextra -Werror -DUSE_VALGRIND -isystem $("$PG_CONFIG" --includedir-server)"
	quietly "$WORK/log/build.log" as_user make -C "$WORK/src" -j"$(nproc)" all "PG_CONFIG=$PG_CONFIG" "COPT=$flags"
	quietly "$WORK/log/install.log" as_user make -C "$WORK/src" install "PG_CONFIG=$PG_CONFIG" "COPT=$flags"
}

# The server, once it exists, again, and this time under valgrind.
restart_watched()
{
	local data=$WORK/watched

	server_start watched "max_worker_processes = 16" "autovacuum = off" "max_stack_depth = 7MB"
	server_stop "$data"
	as_user mkdir "$WORK/valgrind"
	(ulimit -s 16384 && cd "$WORK" && as_user valgrind --quiet --leak-check=no --time-stamp=yes --num-callers=30 \
		--trace-children=yes --gen-suppressions=all --suppressions="$INSTALLATION/valgrind.supp" \
		--error-markers="$REPORT-BEGIN,$REPORT-END" --log-file="$WORK/valgrind/%p.log" \
		"$PGBIN/postgres" -D "$data" >"$WORK/log/watched.log" 2>&1) &
	for _ in $(seq 600)
	do
		! as_user "$PGBIN/pg_isready" -q || return 0
		sleep 0.5
	done
	tail -n 40 "$WORK/log/watched.log" >&2
	die "the server does not start under valgrind"
}

# Regression and isolation tests; what differs from what is expected is told, too.
run_tests()
{
	local log=$WORK/log/installcheck.log
	local only=()

	[ ${#tests[@]} -eq 0 ] || only=("REGRESS=${tests[*]}" ISOLATION=)
	as_user env PGISOLATIONTIMEOUT=7200 make -i -C "$WORK/src" installcheck "PG_CONFIG=$PG_CONFIG" "${only[@]}" \
		>"$log" 2>&1 || true
	passed=$(grep -cE '^(test|parallel|    ) *[^ ]+ +\.\.\. ok|^ok ' "$log" || true)
	failed=$(grep -cE '\.\.\. (FAILED|failed)|^not ok ' "$log" || true)
	# A run that was cut short has no failed test, either.
	if [ "$failed" -eq 0 ] &&
		[ "$(grep -cE 'All [0-9]+ tests passed' "$log")" -lt $((${#tests[@]} > 0 ? 1 : 2)) ]
	then
		failed=1
	fi
	if [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]
	then
		sed 's/^/# /' "$log"
		for diff in "$WORK/src/regression.diffs" "$WORK/src/output_iso/regression.diffs"
		do
			[ ! -s "$diff" ] || head -n 400 "$diff" | sed 's/^/# /'
		done
	fi
}

trap work_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work_begin
work_copy_postgres
work_copy_sources "$TOP"
prepare
restart_watched
run_tests
# Processes that end with the server are watched, too.
server_stop "$WORK/watched"
wait
processes=$(find "$WORK/valgrind" -name '*.log' | wc -l)
reports=$(cat "$WORK"/valgrind/*.log | grep -c "$REPORT-BEGIN" || true)

printf '1..2\n'
if [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
then
	printf 'ok 1 - %d tests pass under valgrind\n' "$passed"
else
	printf 'not ok 1 - %d tests pass under valgrind, %d fail\n' "$passed" "$failed"
fi
if [ "$reports" -eq 0 ] && [ "$processes" -gt 0 ]
then
	printf 'ok 2 - valgrind has nothing to report of %d processes\n' "$processes"
else
	printf 'not ok 2 - valgrind has %d things to report of %d processes\n' "$reports" "$processes"
	cat "$WORK"/valgrind/*.log | sed 's/^/# /' | head -n 1000
fi
printf '# promise: valgrind finds nothing in any process of the tests | %d | %d\n' "$processes" "$reports"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] && [ "$reports" -eq 0 ]
