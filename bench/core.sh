# shellcheck shell=bash
#
# core.sh: what kernels.sh and trainers.sh share: the core built as "make" does, and synthetic pairs of a fixed seed.
#
# Its arguments are [USERS ITEMS EVENTS] [-- ARGUMENTS OF THE PROGRAM]; the latter are in "arguments" then.

CORE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CORE_WORK=$(mktemp -d)
trap 'rm -rf "$CORE_WORK"' EXIT

shape=(138493 26744 20000000)
if [ $# -ge 3 ] && [ "$1" != -- ]
then
	shape=("$1" "$2" "$3")
	shift 3
fi
[ "${1:-}" != -- ] || shift
arguments=("$@")

# run_core PROGRAM [ARGUMENT...]
run_core()
{
	local program=$1

	shift
	make -s -C "$CORE_TOP" -f bench/kernels.mk OUT="$CORE_WORK"
	"$CORE_WORK/synthetic" --binary "${shape[@]}" 42 | "$CORE_WORK/$program" "$@"
}
