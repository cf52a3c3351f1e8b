#!/usr/bin/env bash
#
# Replays the corpus, then fuzzes every decoder of stored bytes:
#
#	bash test/fuzz/run.sh [SECONDS]
#
# after "make fuzz".  SECONDS (60) are those of all targets together, of which
# as many run at a time as there are cores; with 0, only the corpus is replayed.
# Output is TAP.  An input that fails is shown in base64: put it into
# test/fuzz/corpus/TARGET/, where each run tries it again.
set -euo pipefail
exec </dev/null

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SECONDS_ALL=${1:-60}
BYTES_MAX=16384					# two pages: more than the longest value of a fixed size
WORK=$(mktemp -d "${TMPDIR:-/tmp}/commrec-fuzz.XXXXXX")

trap 'rm -rf "$WORK"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 143' INT TERM HUP

# fuzz NAME MODE ARGUMENT...: run a target, with its output in WORK; OK says whether all went well.
fuzz()
{
	local name=$1
	local mode=$2

	shift 2
	mkdir -p "$WORK/$name"
	if "$TOP/build/fuzz/fuzz_$name" -timeout=10 -rss_limit_mb=2048 "-artifact_prefix=$WORK/$name-" \
		-print_final_stats=1 "$@" >"$WORK/$name.$mode.log" 2>&1
	then
		touch "$WORK/$name.$mode.ok"
	fi
}

# An input is what libFuzzer counts as a unit.
inputs()
{
	sed -n 's/^stat::number_of_executed_units: *//p' "$WORK/$1.$2.log" | tail -n 1
}

# verdict NAME MODE TEXT: one TAP line, and what failed below it.
verdict()
{
	local count

	count=$(inputs "$1" "$2")
	number=$((number + 1))
	total=$((total + ${count:-0}))
	if [ -e "$WORK/$1.$2.ok" ]
	then
		printf 'ok %d - %s: %s (%d inputs)\n' "$number" "$1" "$3" "$count"
		return
	fi
	failures=$((failures + 1))
	printf 'not ok %d - %s: %s\n' "$number" "$1" "$3"
	tail -n 60 "$WORK/$1.$2.log" | sed 's/^/# /'
	for file in "$WORK/$1"-*
	do
		[ ! -e "$file" ] || { printf '# %s\n' "${file##*/}"; base64 "$file" | sed 's/^/# /'; }
	done
}

number=0
total=0
failures=0
targets=()
for file in "$TOP"/build/fuzz/fuzz_*
do
	targets+=("${file##*/fuzz_}")
done
cores=$(nproc)

for name in "${targets[@]}"
do
	fuzz "$name" replay -runs=0 "$TOP/test/fuzz/corpus/$name"
	verdict "$name" replay "the corpus"
done
if [ "$SECONDS_ALL" -gt 0 ]
then
	seconds=$(((SECONDS_ALL + ${#targets[@]} - 1) / ${#targets[@]}))
	for name in "${targets[@]}"
	do
		[ "$(jobs -pr | wc -l)" -lt "$cores" ] || wait -n
		fuzz "$name" fuzz "-max_total_time=$seconds" "-max_len=$BYTES_MAX" "$WORK/$name" \
			"$TOP/test/fuzz/corpus/$name" &
	done
	wait
	for name in "${targets[@]}"
	do
		verdict "$name" fuzz "$seconds s of fuzzing"
	done
fi
printf '1..%d\n' "$number"
printf '# promise: any bytes are decoded to a sound value, or refused | %d | %d\n' "$total" "$failures"
[ "$failures" -eq 0 ]
