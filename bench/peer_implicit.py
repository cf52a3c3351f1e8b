#!/usr/bin/env python3
"""A peer of bench/train.sh: the trainer of the Python library implicit (0.7), one thread.

    bash bench/train.sh --peer "cg=python3 $PWD/bench/peer_implicit.py cg"
    bash bench/train.sh --peer "exact=python3 $PWD/bench/peer_implicit.py cholesky"

Arguments: cg or cholesky, then PAIRS FACTORS EPOCHS, which train.sh adds (bench/roundtrip.c says what
is in PAIRS).  Prints, for each epoch, seconds and CPU seconds of both half steps, which are the
functions that implicit.als.AlternatingLeastSquares calls; making its matrices is not counted.
Takes implicit, numpy and scipy; BLAS settings of the environment count, but for the number of threads.
"""
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import numpy
import scipy.sparse
from implicit.cpu import _als

REGULARIZATION = 0.01
CONFIDENCE = 2.0


def read_pairs(path):
    """The confidences of all pairs, by users and by items."""
    with open(path, "rb") as pairs:
        users, items, count = numpy.fromfile(pairs, numpy.int64, 3)
        user = numpy.fromfile(pairs, numpy.int32, count)
        item = numpy.fromfile(pairs, numpy.int32, count)
    confidence = numpy.full(count, CONFIDENCE, numpy.float32)
    by_user = scipy.sparse.csr_matrix((confidence, (user, item)), shape=(users, items))
    return by_user, by_user.T.tocsr()


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("cg", "cholesky"):
        sys.exit("usage: peer_implicit.py cg|cholesky PAIRS FACTORS EPOCHS")
    half_step = _als.least_squares_cg if sys.argv[1] == "cg" else _als.least_squares
    by_user, by_item = read_pairs(sys.argv[2])
    factors = int(sys.argv[3])
    random = numpy.random.RandomState(1)
    user_factors = random.random_sample((by_user.shape[0], factors)).astype(numpy.float32) * 0.01
    item_factors = random.random_sample((by_user.shape[1], factors)).astype(numpy.float32) * 0.01

    for _ in range(int(sys.argv[4])):
        began = time.time(), time.process_time()
        half_step(by_user, user_factors, item_factors, REGULARIZATION, num_threads=1)
        half_step(by_item, item_factors, user_factors, REGULARIZATION, num_threads=1)
        print(time.time() - began[0], time.process_time() - began[1], flush=True)


if __name__ == "__main__":
    main()
