#!/usr/bin/env bash
#
# commrec on a real community, in one command:
#
#	bash demo/run.sh [--keep]
#
# Installs the Debian packages that are missing (as root or with sudo), builds
# commrec, starts a private, throwaway PostgreSQL on a unix socket as an
# ordinary user, loads the community in demo/se-quantum, trains a model, and
# shows what it answers.  --keep leaves the server running.  Everything lies in
# one temporary directory; PostgreSQL clusters of the machine are not touched.
set -euo pipefail

PROGRAM=demo/run.sh
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/lib.sh
. "$TOP/test/lib.sh"

keep=no
for argument in "$@"
do
	case $argument in
		--keep) keep=yes ;;
		-h | --help)
			sed -n '3,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
			exit 0
			;;
		*) die "unknown option \"$argument\"" "usage: bash demo/run.sh [--keep]" ;;
	esac
done

seconds_since()
{
	printf '%d s' $((SECONDS - $1))
}

mapfile -t packages < <(base_packages)
packages_install "${packages[@]}"

trap work_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work_begin

began=$SECONDS
printf 'Building commrec ... '
work_copy_postgres
work_copy_sources "$TOP"
quietly "$WORK/log/build.log" as_user make -s -j"$(nproc)" -C "$WORK/src" all "PG_CONFIG=$PG_CONFIG"
quietly "$WORK/log/install.log" as_user make -s -C "$WORK/src" install "PG_CONFIG=$PG_CONFIG"
printf 'done (%s)\n' "$(seconds_since "$began")"

began=$SECONDS
printf 'Starting a private %s ... ' "$("$PG_CONFIG" --version | cut -d' ' -f1,2)"
server_start data
printf 'done (%s)\n' "$(seconds_since "$began")"

printf 'Loading the Quantum Computing community of Stack Exchange, 2018 (CC BY-SA) ... '
sql -c 'CREATE DATABASE community' </dev/null
export PGDATABASE=community
sql -v "data=$WORK/src/demo/se-quantum" -f "$WORK/src/demo/load.sql" </dev/null
printf 'done\n'

sql <"$WORK/src/demo/tour.sql" 2>&1

if [ "$keep" = yes ]
then
	trap - EXIT INT TERM HUP
	run_as=${RUN_AS[*]:-}
	printf '\nThe server keeps running.\n\n'
	printf '  connect:  %s -h %s -U postgres community\n' "$PGBIN/psql" "$WORK"
	printf '  stop:     %s%s -D %s stop -m fast && rm -rf %s\n' "${run_as:+$run_as }" "$PGBIN/pg_ctl" \
		"$WORK/data" "$WORK"
else
	printf '\nThe private server is stopped and removed now; --keep would leave it running.\n'
fi
printf '\nOn a server of your own: make && sudo make install, then CREATE EXTENSION commrec.  See README.md.\n'
