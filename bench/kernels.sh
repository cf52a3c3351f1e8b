#!/usr/bin/env bash
#
# CPU seconds per epoch of the half steps on the shape of MovieLens-20M:
#
#	bash bench/kernels.sh [USERS ITEMS EVENTS] [-- OPTIONS OF bench/kernels.c]
#
# Builds the core as "make" does, synthetic events of a fixed seed, and runs
# bench/kernels.c over them.  OPENBLAS_CORETYPE says which kernels the BLAS
# that it is compared with uses; the first line names them.
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

shape=(138493 26744 20000000)
if [ $# -ge 3 ] && [ "$1" != -- ]
then
	shape=("$1" "$2" "$3")
	shift 3
fi
[ "${1:-}" != -- ] || shift

make -s -C "$TOP" -f bench/kernels.mk OUT="$WORK"
"$WORK/synthetic" --binary "${shape[@]}" 42 | "$WORK/kernels" "$@"
