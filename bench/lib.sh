# shellcheck shell=bash
#
# lib.sh: what the benchmarks share: a release build on a private server, and
# the lines that say what was measured on what.

BENCH_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/lib.sh
. "$BENCH_TOP/test/lib.sh"

# bench_begin [SETTING...]: build, start the server, create database "bench".
bench_begin()
{
	trap work_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	work_begin
	work_copy_postgres
	work_copy_sources "$BENCH_TOP"
	quietly "$WORK/log/build.log" as_user make -s -j"$(nproc)" -C "$WORK/src" all "PG_CONFIG=$PG_CONFIG"
	quietly "$WORK/log/install.log" as_user make -s -C "$WORK/src" install "PG_CONFIG=$PG_CONFIG"
	server_start data "shared_buffers = 512MB" "max_wal_size = 8GB" "checkpoint_timeout = 30min" \
		"synchronous_commit = off" "autovacuum = off" "max_worker_processes = 16" \
		"max_parallel_workers = 16" "max_parallel_maintenance_workers = $(($(nproc) - 1))" "$@"
	sql -c 'CREATE DATABASE bench' </dev/null
	export PGDATABASE=bench
	sql -c 'CREATE EXTENSION commrec' </dev/null
	bench_describe
}

bench_describe()
{
	local model

	model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	printf 'machine:    %s, %d cores, %d GB, %s\n' "${model:-unknown}" "$(nproc)" \
		"$(awk '/^MemTotal/ {print int($2 / 1048576 + 0.5)}' /proc/meminfo)" "$(uname -sr)"
	printf 'load:       %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
	printf 'versions:   %s; commrec %s; %s\n' "$("$PG_CONFIG" --version)" \
		"$(sql -Atc "SELECT extversion FROM pg_extension WHERE extname = 'commrec'" </dev/null)" \
		"$(gcc --version | head -n 1)"
	printf 'date:       %s\n\n' "$(date -u '+%Y-%m-%d %H:%M UTC')"
}

# One value from the database.
value()
{
	sql -Atc "$1" </dev/null
}
