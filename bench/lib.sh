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

# Kilobytes of the processes given, shared ones in proportion; the one big
# shared anonymous mapping is PostgreSQL's own shared memory.
memory_of()
{
	local pid

	for pid in "$@"
	do
		cat "/proc/$pid/smaps" 2>/dev/null || true
	done | awk '/^[0-9a-f]+-[0-9a-f]+ / {own = $0 !~ /\/dev\/zero \(deleted\)/}
		/^Pss:/ && own {sum += $2} END {print sum + 0}'
}

# Children of the postmaster that take part: the session itself and parallel workers.
participants()
{
	local leader=$1
	local postmaster
	local pid

	printf '%s\n' "$leader"
	postmaster=$(head -n 1 "$WORK/data/postmaster.pid")
	while read -r pid
	do
		# A process may be gone by now: stderr is redirected first, so that its file may be missing.
		if tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "parallel worker for PID $leader"
		then
			printf '%s\n' "$pid"
		fi
	done < <(tr ' ' '\n' <"/proc/$postmaster/task/$postmaster/children" | grep .)
}

# watch_memory SESSION LEADER_FILE: until the process SESSION ends, sample the memory of the
# server process whose pid is the first line of the file, and of its workers, ten times a second.
# Sets peak, leader_peak (kB) and taking_part (workers at the peak).
# shellcheck disable=SC2034	# they are for the caller
watch_memory()
{
	local session=$1
	local leader
	local now
	local pids

	peak=0
	leader_peak=0
	taking_part=0
	while kill -0 "$session" 2>/dev/null
	do
		leader=$(head -n 1 "$2")
		if [ -n "$leader" ]
		then
			mapfile -t pids < <(participants "$leader")
			now=$(memory_of "${pids[@]}")
			if [ "$now" -gt "$peak" ]
			then
				peak=$now
				leader_peak=$(memory_of "$leader")
				taking_part=$((${#pids[@]} - 1))
			fi
		fi
		sleep 0.1
	done
}
