#!/usr/bin/env bash
#
# All tests of commrec, on a bare Debian 12 too:
#
#	bash test/run.sh [PART...]
#
# Installs the Debian packages that are missing (as root or with sudo), builds
# with warnings as errors and assertions on in a temporary directory, and runs
# against private servers under an ordinary user.  Parts: layers (who may
# include what), unit (core, without a server, with sanitizers), fuzz (the
# decoders of stored bytes, COMMREC_FUZZ_SECONDS (60) of them together), regress
# (pg_regress and isolation), tap (as many of these at a time as there are cores),
# toy (an algorithm more, by one file and one line).
# Without PART: all of these (unit-avx512 and valgrind are for test/torture.sh).  At the end stand
# a table of what has been promised, in how many cases that was tried, and how
# often it failed, and one of what has been measured; a test adds to them by lines
#	# promise: TEXT | CASES | FAILURES
#	# measured: TEXT | FIGURE
# The last line says how many checks passed and failed; the exit status is 1 if
# any failed.  doc/testing.md has more.
set -euo pipefail
exec </dev/null

PROGRAM=test/run.sh
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/lib.sh
. "$TOP/test/lib.sh"

parts=("$@")
passed=0
failed=0
skipped=0
# PostgreSQL's headers are not ours to warn about: named here, -I for them no longer counts.
build_flags()
{
	printf '%s' "-Wall -Wextra -Werror -DUSE_ASSERT_CHECKING -isystem $("$PG_CONFIG" --includedir-server)"
}

for part in "${parts[@]}"
do
	case $part in
		layers | unit | fuzz | regress | tap | toy | unit-avx512 | valgrind) ;;
		-h | --help)
			sed -n '3,21s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
			exit 0
			;;
		*) die "unknown part \"$part\"" "usage: bash test/run.sh [layers] [unit] [fuzz] [regress] [tap] [toy]" ;;
	esac
done

wanted()
{
	[ ${#parts[@]} -eq 0 ] || printf '%s\n' "${parts[@]}" | grep -qx "$1"
}

# Number of lines of a file that match an extended regular expression.
lines()
{
	grep -cE "$1" "$2" || true
}

# Run a command with a time limit, its output in LOG; the status goes to "status".
run_logged()
{
	status=0
	(limited "$@") || status=$?
}

# limited LOG SECONDS COMMAND...: becomes the command, so that a process in the
# background is timeout itself, which passes signals on to all that it started.
limited()
{
	local log=$1
	local limit=$2

	shift 2
	exec timeout --kill-after=10 "$limit" "${RUN_AS[@]}" env HOME="$WORK" "$@" >"$log" 2>&1
}

# tally LABEL LOG STATUS SECONDS: count the results in LOG, in TAP or as
# pg_regress 15 and older print them.  A command that fails, or says nothing at
# all, without any failed check counts as one failure.
tally()
{
	local label=$1
	local log=$2
	local ok
	local bad
	local skip

	skip=$(lines '^ok .*# (SKIP|skip)|^1\.\.0 # (SKIP|skip)' "$log")
	ok=$(($(lines '^ok |^(test|parallel|    ) *[^ ]+ +\.\.\. ok' "$log") - $(lines '^ok .*# (SKIP|skip)' "$log")))
	bad=$(lines '^not ok |\.\.\. (FAILED|failed)' "$log")
	if [ "$bad" -eq 0 ] && { [ "$3" -ne 0 ] || [ $((ok + skip)) -eq 0 ]; }
	then
		bad=1
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	printf '%-28s %4d passed' "$label" "$ok"
	[ "$bad" -eq 0 ] || printf ', %d FAILED' "$bad"
	[ "$skip" -eq 0 ] || printf ', %d skipped' "$skip"
	[ "$3" -ne 124 ] || printf ' (time limit)'
	printf '  (%d s)\n' "$4"
	[ "$bad" -eq 0 ]
}

# show LABEL FILE [LINES]: the end of a file, set off from the rest.
show()
{
	[ -s "$2" ] || return 0
	printf -- '----- %s\n' "$1"
	tail -n "${3:-60}" "$2"
	printf -- '-----\n'
}

build()
{
	local began=$SECONDS
	local flags

	flags=$(build_flags)
	run_logged "$WORK/log/build.log" 600 make -C "$WORK/src" -j"$(nproc)" all \
		"PG_CONFIG=$PG_CONFIG" "COPT=$flags"
	if [ "$status" -eq 0 ]
	then
		run_logged "$WORK/log/install.log" 60 make -C "$WORK/src" install \
			"PG_CONFIG=$PG_CONFIG" "COPT=$flags"
	fi
	if [ "$status" -ne 0 ]
	then
		show "build" "$WORK/log/build.log" 80
		show "installation" "$WORK/log/install.log" 20
		printf 'The build failed.\n%d passed, %d failed\n' "$passed" $((failed + 1))
		exit 1
	fi
	printf '%-28s done  (%d s)\n' "build, warnings as errors" $((SECONDS - began))
}

test_layers()
{
	local began=$SECONDS

	run_logged "$WORK/log/layers.log" 120 bash "$WORK/src/test/check_layers.sh"
	tally layers "$WORK/log/layers.log" "$status" $((SECONDS - began)) ||
		show layers "$WORK/log/layers.log"
}

# test_unit unit|unit-avx512: the latter for kernels whose instructions are emulated.
test_unit()
{
	local began=$SECONDS
	local log=$WORK/log/$1.log

	run_logged "$log" 900 make -C "$WORK/src" -k -j"$(nproc)" "$1" "PG_CONFIG=$PG_CONFIG"
	tally "$1" "$log" "$status" $((SECONDS - began)) || show "$1" "$log" 120
}

test_fuzz()
{
	local began=$SECONDS
	local log=$WORK/log/fuzz.log
	local seconds=${COMMREC_FUZZ_SECONDS:-60}

	run_logged "$log" 600 make -C "$WORK/src" -k -j"$(nproc)" fuzz "PG_CONFIG=$PG_CONFIG"
	[ "$status" -ne 0 ] || run_logged "$log" $((seconds + 600)) bash "$WORK/src/test/fuzz/run.sh" "$seconds"
	tally fuzz "$log" "$status" $((SECONDS - began)) || show fuzz "$log" 400
}

# Where one file fails: its failed checks, then what its servers had to say.
show_tap()
{
	local log=$1
	local dir=$2
	local file

	printf -- '----- failed checks\n'
	grep -E -A12 '^not ok |^# Looks like|^Bail out|^Can.t locate|died|error running SQL' "$log" |
		grep -vE '^ok ' | tail -n 100 || true
	# From PostgreSQL 16 on the logs are no longer below tmp_check.
	for file in "$dir"/{tmp_check/log,log}/{regress_log_*,*.log}
	do
		[ ! -e "$file" ] || show "${file##*/}" "$file" 25
	done
}

# The regression tests once more, on the server that test/torture.sh has made.
test_valgrind()
{
	local began=$SECONDS
	local log=$WORK/log/valgrind.log

	[ -n "${COMMREC_VALGRIND_SERVER:-}" ] || die "there is no server for valgrind" "bash test/torture.sh makes it."
	run_logged "$log" 86400 bash "$WORK/src/test/valgrind.sh" "$COMMREC_VALGRIND_SERVER"
	tally valgrind "$log" "$status" $((SECONDS - began)) || show valgrind "$log" 1000
}

declare -A job_name=()			# of what runs now, by process: regress or a TAP file
declare -A job_began=()

# pg_regress, then isolation: -i goes on to the second if the first fails.
regress_start()
{
	local tester
	local isolation=()

	tester=$(dirname "$("$PG_CONFIG" --pgxs)")/../test/isolation/pg_isolation_regress
	[ -x "$tester" ] || isolation=("ISOLATION=")
	server_start cluster
	limited "$WORK/log/regress.log" 600 make -i -C "$WORK/src" installcheck "PG_CONFIG=$PG_CONFIG" \
		"${isolation[@]}" &
	job_name[$!]=regress
	job_began[$!]=$SECONDS
}

# Count the results of regress, which ended with "status" after SECONDS.
regress_finish()
{
	local log=$WORK/log/regress.log

	server_stop "$WORK/cluster"
	# Debian's PostgreSQL 13 comes without it.
	grep -q pg_isolation_regress "$log" ||
		printf 'ok - isolation # SKIP there is no pg_isolation_regress\n' >>"$log"
	if grep -qE 'make: .*(Error|Stop)' "$log" && ! grep -qE '\.\.\. (FAILED|failed)|^not ok ' "$log"
	then
		status=1
	fi
	if ! tally "regress and isolation" "$log" "$status" "$1"
	then
		show "regress and isolation" "$log" 80
		show "regression.diffs" "$WORK/src/regression.diffs" 400
		show "isolation regression.diffs" "$WORK/src/output_iso/regression.diffs" 400
		show "server log" "$WORK/log/cluster.log" 40
	fi
}

# Start a TAP file.  What ports its servers take is written down where the others look.
tap_start()
{
	local file=$1
	local name
	local pgxs

	name=$(basename "$file" .pl)
	pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
	as_user mkdir -p "$WORK/tap/$name" "$WORK/tap/ports"
	cd "$WORK/tap/$name"
	limited "$WORK/log/$name.log" "${COMMREC_TAP_SECONDS:-900}" env \
		"PATH=$PGBIN:$PATH" "TESTDIR=$WORK/tap/$name" "PG_REGRESS=$pgxs/test/regress/pg_regress" \
		"PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-120}" "PG_TEST_PORT_DIR=$WORK/tap/ports" \
		"COMMREC_SOURCE=$WORK/src" \
		prove --verbose --merge -I "$pgxs/test/perl" -I "$WORK/src/test/t" "$file" &
	job_name[$!]=$name
	job_began[$!]=$SECONDS
	cd "$WORK"
}

# Wait for one of the jobs, and count its results.
job_finish()
{
	local pid
	local name
	local seconds

	status=0
	wait -n -p pid "${!job_name[@]}" || status=$?
	name=${job_name[$pid]}
	seconds=$((SECONDS - job_began[$pid]))
	unset "job_name[$pid]" "job_began[$pid]"
	if [ "$name" = regress ]
	then
		regress_finish "$seconds"
	else
		tally "tap $name" "$WORK/log/$name.log" "$status" "$seconds" ||
			show_tap "$WORK/log/$name.log" "$WORK/tap/$name"
	fi
}

# jobs_below COUNT: wait until fewer jobs than that run.
jobs_below()
{
	while [ ${#job_name[@]} -ge "$1" ]
	do
		job_finish
	done
}

# The regression tests, which are one job, and the TAP files, as many at a time as
# there are cores.  Those with a line "# Runs first", which take longest, begin;
# those with a line "# Runs alone", because of what they measure, follow one by one.
test_servers()
{
	local file
	local first=()
	local others=()
	local alone=()

	if wanted tap
	then
		for file in "$WORK"/src/test/t/*.pl
		do
			case $(grep -E '^# Runs (first|alone)' "$file") in
				*first*) first+=("$file") ;;
				*alone*) alone+=("$file") ;;
				*) others+=("$file") ;;
			esac
		done
	fi
	for file in "${first[@]}"
	do
		tap_start "$file"
	done
	jobs_below "$(nproc)"
	! wanted regress || regress_start
	for file in "${others[@]}"
	do
		jobs_below "$(nproc)"
		tap_start "$file"
	done
	for file in "${alone[@]}"
	do
		jobs_below 1
		tap_start "$file"
	done
	jobs_below 1
}

# An algorithm of test/toy/ joins a copy of the sources by one file and one line
# in the table, and is trained and served.  A line more in a header that all
# include would build everything anew, and does not have to: it is made to look old.
test_toy()
{
	local began=$SECONDS
	local log=$WORK/log/toy.log
	local flags

	flags=$(build_flags)
	as_user cp -a "$WORK/src" "$WORK/toy"
	as_user cp "$WORK/src/test/toy/toy.c" "$WORK/toy/src/core/toy.c"
	printf 'CR_ALGORITHM(toy)\n' | as_user tee -a "$WORK/toy/src/core/algorithms.h" >/dev/null
	as_user touch -d 2000-01-01 "$WORK/toy/src/core/algorithms.h"
	as_user rm -f "$WORK/toy/src/core/algorithm.o" "$WORK/toy/src/core/algorithm.bc"
	run_logged "$log" 300 make -C "$WORK/toy" install "PG_CONFIG=$PG_CONFIG" "COPT=$flags"
	if [ "$status" -eq 0 ]
	then
		server_start toy-cluster
		run_logged "$log" 120 "$PGBIN/psql" -X -q -f "$WORK/src/test/toy/toy.sql"
		server_stop "$WORK/toy-cluster"
	fi
	tally toy "$log" "$status" $((SECONDS - began)) || show toy "$log"
}

# A small file system for 052_resources to fill, where root may mount one: not in every container.
small_disk_begin()
{
	local disk=$WORK/disk

	[ ${#RUN_AS[@]} -gt 0 ] || return 0
	as_user mkdir "$disk"
	if mount -t tmpfs -o "size=128m,mode=0700,uid=$(stat -c %u "$WORK"),gid=$(stat -c %g "$WORK")" commrec "$disk" 2>/dev/null
	then
		export COMMREC_SMALL_DISK=$disk
	fi
}

# Where a server still has it open, it goes when the server does.
small_disk_end()
{
	local disk=$WORK/disk

	[ -n "$WORK" ] && mountpoint -q "$disk" || return 0
	umount "$disk" 2>/dev/null || umount --lazy "$disk"
}

# However the script ends, nothing that it started goes on; a TAP file that is stopped
# may leave its servers.
stop_all()
{
	local data

	if [ ${#job_name[@]} -gt 0 ]
	then
		kill "${!job_name[@]}" 2>/dev/null || true
		wait
		for data in "$WORK"/tap/*/tmp_check/*/pgdata
		do
			server_stop "$data"
		done
	fi
	small_disk_end || true
	work_end
}

# The table of promises, from the lines in all logs; those of one name are added
# up.  Fails if one of them did.
promises()
{
	sed -nE 's/^[[:space:]]*# promise: *(.*[^ ]) *\| *([0-9]+) *\| *([0-9]+) *$/\1\t\2\t\3/p' \
		"$WORK"/log/*.log | awk -F '\t' '
		!($1 in cases) {name[++n] = $1}
		{cases[$1] += $2; failures[$1] += $3; width = length($1) > width ? length($1) : width}
		END {
			if (n > 0)
				printf "\n%-" width "s  %12s  %8s\n", "promise", "cases tried", "failures"
			for (i = 1; i <= n; i++)
			{
				printf "%-" width "s  %12d  %8d\n", name[i], cases[name[i]], failures[name[i]]
				bad += failures[name[i]]
			}
			exit bad > 0
		}'
}

# The table of figures, from the lines in all logs.
measurements()
{
	sed -nE 's/^[[:space:]]*# measured: *(.*[^ ]) *\| *([^|]*[^ |]) *$/\1\t\2/p' "$WORK"/log/*.log | awk -F '\t' '
		{name[NR] = $1; figure[NR] = $2; width = length($1) > width ? length($1) : width}
		END {
			if (NR > 0)
				printf "\n%-" width "s  %s\n", "measured", "figure"
			for (i = 1; i <= NR; i++)
				printf "%-" width "s  %s\n", name[i], figure[i]
		}'
}

mapfile -t packages < <(base_packages; printf '%s\n' perl libipc-run-perl locales)
if wanted fuzz
then
	# What sanitizers and libFuzzer need is a package of its own since Debian 12.
	packages+=(clang)
	grep -q '^VERSION_ID="11"' /etc/os-release || packages+=(libclang-rt-dev)
fi
[ -n "${PG_CONFIG:-}" ] || packages+=("postgresql-$PG_MAJOR-cron")
packages_install "${packages[@]}"

trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work_begin
work_copy_postgres
work_copy_sources "$TOP"
small_disk_begin

printf '%s, %s, %d cores, as %s\n' "$("$PG_CONFIG" --version)" "$(gcc --version | head -n 1)" \
	"$(nproc)" "$(as_user id -un)"
build
! wanted layers || test_layers
! wanted unit || test_unit unit
! wanted fuzz || test_fuzz
test_servers
! wanted toy || test_toy
if [ ${#parts[@]} -gt 0 ]
then
	! wanted unit-avx512 || test_unit unit-avx512
	! wanted valgrind || test_valgrind
fi

promises || [ "$failed" -gt 0 ] || failed=1
measurements
printf '\n'
[ "$skipped" -eq 0 ] || printf '%d skipped\n' "$skipped"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
