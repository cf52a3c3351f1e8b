#!/usr/bin/env bash
#
# All tests of commrec, on a bare Debian 12 too:
#
#	bash test/run.sh [PART...]
#
# Installs the Debian packages that are missing (as root or with sudo), builds
# with warnings as errors and assertions on in a temporary directory, and runs
# against private servers under an ordinary user.  Parts: layers (who may
# include what), unit (core, without a server, with sanitizers), regress
# (pg_regress and isolation), tap.  Without PART: all.  The last line says how
# many checks passed and failed; the exit status is 1 if any failed.
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
		layers | unit | regress | tap) ;;
		-h | --help)
			sed -n '3,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
			exit 0
			;;
		*) die "unknown part \"$part\"" "usage: bash test/run.sh [layers] [unit] [regress] [tap]" ;;
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
	local log=$1
	local limit=$2

	shift 2
	status=0
	timeout --kill-after=10 "$limit" "${RUN_AS[@]}" env HOME="$WORK" "$@" >"$log" 2>&1 || status=$?
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

test_unit()
{
	local began=$SECONDS

	run_logged "$WORK/log/unit.log" 900 make -C "$WORK/src" -k -j"$(nproc)" unit \
		"PG_CONFIG=$PG_CONFIG"
	tally unit "$WORK/log/unit.log" "$status" $((SECONDS - began)) ||
		show unit "$WORK/log/unit.log" 120
}

# pg_regress, then isolation: -i goes on to the second if the first fails.
test_regress()
{
	local began=$SECONDS
	local log=$WORK/log/regress.log

	server_start cluster
	run_logged "$log" 600 make -i -C "$WORK/src" installcheck "PG_CONFIG=$PG_CONFIG"
	server_stop "$WORK/cluster"
	if grep -qE 'make: .*(Error|Stop)' "$log" && ! grep -qE '\.\.\. (FAILED|failed)|^not ok ' "$log"
	then
		status=1
	fi
	if ! tally "regress and isolation" "$log" "$status" $((SECONDS - began))
	then
		show "regress and isolation" "$log" 80
		show "regression.diffs" "$WORK/src/regression.diffs" 400
		show "isolation regression.diffs" "$WORK/src/output_iso/regression.diffs" 400
		show "server log" "$WORK/log/cluster.log" 40
	fi
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
	for file in "$dir"/tmp_check/log/regress_log_* "$dir"/tmp_check/log/*.log
	do
		[ -e "$file" ] && show "${file##*/}" "$file" 25
	done
}

test_tap()
{
	local pgxs
	local file
	local name
	local began

	pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")")
	for file in "$WORK"/src/test/t/*.pl
	do
		name=$(basename "$file" .pl)
		began=$SECONDS
		as_user mkdir -p "$WORK/tap/$name"
		cd "$WORK/tap/$name"
		run_logged "$WORK/log/$name.log" 400 env \
			"PATH=$PGBIN:$PATH" "TESTDIR=$WORK/tap/$name" "PG_REGRESS=$pgxs/test/regress/pg_regress" \
			"PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-120}" "COMMREC_SOURCE=$WORK/src" \
			prove --verbose --merge -I "$pgxs/test/perl" -I "$WORK/src/test/t" "$file"
		cd "$WORK"
		tally "tap $name" "$WORK/log/$name.log" "$status" $((SECONDS - began)) ||
			show_tap "$WORK/log/$name.log" "$WORK/tap/$name"
	done
}

mapfile -t packages < <(base_packages; printf '%s\n' perl libipc-run-perl)
packages_install "${packages[@]}"

trap work_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work_begin
work_copy_postgres
work_copy_sources "$TOP"

printf '%s, %s, %d cores, as %s\n' "$("$PG_CONFIG" --version)" "$(gcc --version | head -n 1)" \
	"$(nproc)" "$(as_user id -un)"
build
! wanted layers || test_layers
! wanted unit || test_unit
! wanted regress || test_regress
! wanted tap || test_tap

[ "$skipped" -eq 0 ] || printf '%d skipped\n' "$skipped"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
