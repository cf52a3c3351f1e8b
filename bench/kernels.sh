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

# shellcheck source=bench/core.sh
. "$(dirname "${BASH_SOURCE[0]}")/core.sh"
run_core kernels "${arguments[@]}"
