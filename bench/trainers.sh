#!/usr/bin/env bash
#
# CPU seconds per epoch of the algorithms beside ALS on the shape of MovieLens-20M:
#
#	bash bench/trainers.sh [USERS ITEMS EVENTS] [-- ARGUMENTS OF bench/trainers.c]
#
# Without arguments BPR at 64 factors, with either way of drawing, and PureSVD.  On the
# same shape an epoch of BPR takes LIBMF 1.78 CPU seconds, and implicit 0.7.3 16.9.
set -euo pipefail

# shellcheck source=bench/core.sh
. "$(dirname "${BASH_SOURCE[0]}")/core.sh"
[ ${#arguments[@]} -gt 0 ] || arguments=(bpr:epochs=3,negatives=0 bpr:epochs=3,negatives=1 pure_svd)
run_core trainers "${arguments[@]}"
