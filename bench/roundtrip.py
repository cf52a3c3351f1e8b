"""The round trip of bench/roundtrip.c as a user of a Python library writes it.

    python3 roundtrip.py TABLE FACTORS [unique|factorize]

COPY in binary by psycopg2 into memory, parsed by numpy, ids made dense by
numpy.unique (or pandas.factorize, which keeps a hash table and does not sort),
matrix and transpose by scipy.sparse, and embeddings copied back.  Integer ids
only.  Prints one line a step: its name, seconds of the clock, and CPU seconds
of this program and of its server process together.
"""
import io
import os
import resource
import sys
import time

import numpy
import psycopg2
import scipy.sparse

COPY_HEADER = 19
COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
PAIR = numpy.dtype([("fields", ">i2"), ("user_size", ">i4"), ("user", ">i4"),
                    ("item_size", ">i4"), ("item", ">i4")])


def cpu_seconds(backend):
    """Of this process and the server's."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open(f"/proc/{backend}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    server = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return usage.ru_utime + usage.ru_stime + server


class Step:
    """Prints what the block under it costs."""

    def __init__(self, name, backend):
        self.name = name
        self.backend = backend

    def __enter__(self):
        self.seconds = time.monotonic()
        self.cpu = cpu_seconds(self.backend)

    def __exit__(self, *error):
        print(f"{self.name} {time.monotonic() - self.seconds:.3f} "
              f"{cpu_seconds(self.backend) - self.cpu:.3f}", flush=True)


def number_ids(ids, how):
    """Dense numbers in place of ids, and how many there are."""
    if how == "factorize":
        import pandas
        numbers, known = pandas.factorize(ids)
    else:
        known, numbers = numpy.unique(ids, return_inverse=True)
    return numbers.astype(numpy.int32), len(known)


def copy_in(cursor, table, vectors):
    """Into a new table with a primary key."""
    size = vectors.shape[1] * 4
    rows = numpy.zeros(len(vectors), numpy.dtype([
        ("fields", ">i2"), ("id_size", ">i4"), ("id", ">i4"), ("size", ">i4"),
        ("embedding", f"V{size}")]))
    rows["fields"] = 2
    rows["id_size"] = 4
    rows["id"] = numpy.arange(len(vectors))
    rows["size"] = size
    rows["embedding"] = vectors.view(f"V{size}")[:, 0]
    cursor.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id integer, embedding bytea);"
                   f"ALTER TABLE {table} ALTER embedding SET STORAGE EXTERNAL")
    cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)",
                       io.BytesIO(COPY_SIGNATURE + rows.tobytes() + b"\xff\xff"))
    cursor.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")


def main():
    """One round trip."""
    table, factors = sys.argv[1], int(sys.argv[2])
    how = sys.argv[3] if len(sys.argv) > 3 else "unique"
    connection = psycopg2.connect("")
    connection.autocommit = True
    backend = connection.get_backend_pid()
    cursor = connection.cursor()
    cursor.execute("SET client_min_messages = warning")

    with Step("copy_out", backend):
        copied = io.BytesIO()
        cursor.copy_expert(f"COPY (SELECT user_id, item_id FROM {table}) TO STDOUT (FORMAT binary)",
                           copied)
    with Step("parse", backend):
        pairs = numpy.frombuffer(copied.getbuffer(), PAIR, offset=COPY_HEADER,
                                 count=(copied.getbuffer().nbytes - COPY_HEADER) // PAIR.itemsize)
        user = pairs["user"].astype(numpy.int32)
        item = pairs["item"].astype(numpy.int32)
    del pairs, copied
    with Step("ids", backend):
        user, users = number_ids(user, how)
        item, items = number_ids(item, how)
    with Step("csr", backend):
        ones = numpy.ones(len(user), numpy.float32)
        by_user = scipy.sparse.csr_matrix((ones, (user, item)), shape=(users, items))
        by_item = by_user.T.tocsr()
    del by_user, by_item, ones
    user_vectors = numpy.random.rand(users, factors).astype(numpy.float32)
    item_vectors = numpy.random.rand(items, factors).astype(numpy.float32)
    with Step("copy_in", backend):
        copy_in(cursor, "roundtrip_user", user_vectors)
        copy_in(cursor, "roundtrip_item", item_vectors)
    cursor.execute("DROP TABLE roundtrip_user, roundtrip_item")


if __name__ == "__main__":
    main()
