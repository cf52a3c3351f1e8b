# shellcheck shell=bash
#
# lib.sh: what demo/run.sh, test/run.sh and bench/*.sh share.
#
# Source it; it runs nothing by itself.  It installs the Debian packages that
# are missing, copies the sources and the PostgreSQL installation into a
# temporary directory, and runs private servers there as an ordinary user.
# Nothing is installed into the system's PostgreSQL, and no cluster of the
# system is created, started, stopped or read.
#
# Environment:
#	PG_CONFIG	use this installation of PostgreSQL instead of Debian's
#	PG_MAJOR	major version of Debian's PostgreSQL (15)
#	TMPDIR		where the temporary directory is made (/tmp)

PG_MAJOR=${PG_MAJOR:-15}
WORK=""							# the temporary directory, once work_begin has made it
RUN_AS=()						# prefix that makes a command run as an ordinary user
SERVERS=()						# data directories of the servers that server_start started
SYSTEM_PG_CONFIG=""				# of the installation that is copied

# Settings of the session that would lead psql and the tests elsewhere.
unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE \
	PGOPTIONS PGDATA PGSSLMODE PGTZ PGDATESTYLE PGCLIENTENCODING PGCONNECT_TIMEOUT PSQLRC \
	MAKEFLAGS MAKELEVEL MAKEOVERRIDES
export PSQL_PAGER=cat PAGER=cat LC_ALL=C.UTF-8

die()
{
	printf '\n%s: %s\n' "${PROGRAM:-commrec}" "$1" >&2
	shift
	for line in "$@"
	do
		printf '  %s\n' "$line" >&2
	done
	exit 1
}

# Run a command quietly; on failure show the end of its output and give up.
quietly()
{
	local log=$1

	shift
	if ! "$@" >"$log" 2>&1 </dev/null
	then
		tail -n 40 "$log" >&2
		die "this failed: $*"
	fi
}

# ---------------------------------------------------------------------------
# Packages
# ---------------------------------------------------------------------------

package_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Packages that building and running commrec takes.
base_packages()
{
	printf '%s\n' make gcc libc6-dev libopenblas-serial-dev liblapacke-dev
	if [ -z "${PG_CONFIG:-}" ]
	then
		printf '%s\n' "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR"
	fi
}

# Run a command as root.
as_root()
{
	if [ "$(id -u)" -eq 0 ]
	then
		"$@"
	elif [ "${CI:-}" = true ] || [ ! -t 2 ]
	then
		sudo -n "$@"
	else
		sudo "$@"
	fi
}

apt_install()
{
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get install -y -q \
		--no-install-recommends --no-upgrade -o Dpkg::Options::=--force-confold "$@"
}

# A fresh server package would create and start a cluster "main", and start
# the clusters that somebody stopped.  Neither happens with these two files,
# which stay only as long as the installation runs.
HOLD_CLUSTER=/etc/postgresql-common/createcluster.d/commrec-no-cluster.conf
HOLD_SERVICE=/usr/sbin/policy-rc.d
HOLD_MARK='# made by commrec while it installs packages'

hold_clusters()
{
	as_root mkdir -p "${HOLD_CLUSTER%/*}"
	printf '%s\ncreate_main_cluster = false\n' "$HOLD_MARK" | as_root tee "$HOLD_CLUSTER" >/dev/null
	if [ ! -e "$HOLD_SERVICE" ]
	then
		printf '#!/bin/sh\n%s\nexit 101\n' "$HOLD_MARK" | as_root tee "$HOLD_SERVICE" >/dev/null
		as_root chmod 755 "$HOLD_SERVICE"
	fi
}

release_clusters()
{
	for file in "$HOLD_CLUSTER" "$HOLD_SERVICE"
	do
		if grep -qsxF "$HOLD_MARK" "$file"
		then
			as_root rm -f "$file"
		fi
	done
}

# packages_install PACKAGE...: install what is missing, with apt.
packages_install()
{
	local log
	local package
	local missing=()

	# Not Debian: whoever gave PG_CONFIG has seen to the rest, and the build tells what is missing.
	command -v apt-get >/dev/null || return 0
	for package in "$@"
	do
		package_installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null
	then
		die "packages are missing, and neither root nor sudo is there to install them" \
			"Run this as root, or let an administrator run:" \
			"apt-get install ${missing[*]}"
	fi
	printf 'Installing %s\n' "${missing[*]}"
	log=$(mktemp "${TMPDIR:-/tmp}/commrec-packages.XXXXXX")
	if ! as_root apt-get update -q >"$log" 2>&1 </dev/null
	then
		tail -n 5 "$log" >&2
		[ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null ||
			die "packages are missing, and sudo refuses" "Run this as root, or let an administrator run:" \
				"apt-get install ${missing[*]}"
		printf 'The package lists could not be refreshed; trying with those that are there.\n' >&2
	fi
	if [ -z "${PG_CONFIG:-}" ] && ! package_installed "postgresql-$PG_MAJOR"
	then
		# It creates no cluster itself, and the directory for settings must be there.
		quietly "$log" apt_install postgresql-common
		trap release_clusters EXIT
		hold_clusters
	fi
	quietly "$log" apt_install "${missing[@]}"
	release_clusters
	trap - EXIT
	rm -f "$log"
}

# ---------------------------------------------------------------------------
# Temporary directory, ordinary user
# ---------------------------------------------------------------------------

# PostgreSQL does not run as root: fill RUN_AS.
choose_user()
{
	local user=nobody

	RUN_AS=()
	if [ "$(id -u)" -eq 0 ]
	then
		if id -u postgres >/dev/null 2>&1
		then
			user=postgres
		fi
		RUN_AS=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --clear-groups)
	fi
}

as_user()
{
	if [ ${#RUN_AS[@]} -eq 0 ]
	then
		"$@"
	else
		"${RUN_AS[@]}" env HOME="$WORK" USER=postgres LOGNAME=postgres "$@"
	fi
}

# Make the temporary directory WORK, owned by the ordinary user, and empty the
# way for work_end to remove it.
work_begin()
{
	choose_user
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/commrec.XXXXXX")
	chmod 755 "$WORK"
	mkdir "$WORK/log"
	if [ ${#RUN_AS[@]} -gt 0 ]
	then
		chown "${RUN_AS[1]#--reuid=}:${RUN_AS[2]#--regid=}" "$WORK" "$WORK/log"
	fi
	cd "$WORK" || exit
}

# Stop every server started here, by its own data directory, and clean up.
work_end()
{
	local data

	for data in "${SERVERS[@]}"
	do
		server_stop "$data"
	done
	cd /
	[ -z "$WORK" ] || rm -rf --one-file-system "$WORK"
}

# Copy the sources TREE to $WORK/src, so that the repository stays clean.
work_copy_sources()
{
	local tree=$1

	mkdir "$WORK/src"
	tar -C "$tree" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude='*.a' --exclude=./build --exclude=./tmp_check --exclude=./results . |
		tar -C "$WORK/src" -xf - --no-same-owner
	if [ ${#RUN_AS[@]} -gt 0 ]
	then
		chown -R --reference="$WORK" "$WORK/src"
	fi
}

# write_pg_config SYSTEM COPY: make COPY a pg_config that tells where the copies of SYSTEM's
# directories are.  Debian's of PostgreSQL 13 tells what it was built for, wherever it lies.
write_pg_config()
{
	local dir
	local script

	script=$(printf '#!/bin/sh\n"%s" "$@" | sed -E' "$1")
	for dir in $("$1" --bindir --pkglibdir --sharedir --includedir)
	do
		script+=" -e 's#^([A-Z-]+ = )?$dir(/|\$)#\\1$WORK/pg$dir\\2#'"
	done
	rm -f "$2"
	printf '%s\n' "$script" >"$2"
	chmod 755 "$2"
}

# Copy the PostgreSQL installation to $WORK/pg and set PG_CONFIG and PGBIN to
# the copy.  PostgreSQL finds its files relative to its programs, so that the
# copy is complete: what is installed into it, nobody else sees.
work_copy_postgres()
{
	local dir

	SYSTEM_PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/$PG_MAJOR/bin/pg_config}
	[ -x "$SYSTEM_PG_CONFIG" ] || die "there is no \"$SYSTEM_PG_CONFIG\""
	for dir in $("$SYSTEM_PG_CONFIG" --bindir --pkglibdir --sharedir)
	do
		as_user mkdir -p "$WORK/pg$dir"
	done
	dir=$("$SYSTEM_PG_CONFIG" --bindir)
	as_user cp -RL "$dir/." "$WORK/pg$dir/"
	for dir in $("$SYSTEM_PG_CONFIG" --pkglibdir --sharedir)
	do
		as_user cp -Rs "$dir/." "$WORK/pg$dir/"
	done
	dir=$("$SYSTEM_PG_CONFIG" --includedir)
	as_user mkdir -p "$WORK/pg${dir%/*}"
	as_user ln -s "$dir" "$WORK/pg$dir"
	PG_CONFIG=$WORK/pg$("$SYSTEM_PG_CONFIG" --bindir)/pg_config
	[ "$("$PG_CONFIG" --bindir)" = "${PG_CONFIG%/*}" ] || write_pg_config "$SYSTEM_PG_CONFIG" "$PG_CONFIG"
	PGBIN=$("$PG_CONFIG" --bindir)
	export PG_CONFIG PGBIN
	case $PGBIN in
		"$WORK"/*) ;;
		*) die "the PostgreSQL installation of \"$SYSTEM_PG_CONFIG\" cannot be copied" ;;
	esac
	# Another commrec that is installed in the system must not be what is tested.
	as_user find "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)" -name 'commrec*' -prune -exec rm -rf '{}' +
}

# ---------------------------------------------------------------------------
# Private servers
# ---------------------------------------------------------------------------

# server_start NAME [SETTING...]: make the cluster $WORK/NAME and start it on a
# socket in $WORK; PGHOST, PGPORT, PGUSER and PGDATABASE lead there afterwards.
server_start()
{
	local name=$1
	local data=$WORK/$name
	local setting

	shift
	quietly "$WORK/log/initdb.log" as_user "$PGBIN/initdb" -D "$data" -U postgres -A trust -N \
		--encoding=UTF8 --locale=C.UTF-8
	for setting in "listen_addresses = ''" "unix_socket_directories = '$WORK'" "port = 5432" \
		"unix_socket_permissions = 0700" "fsync = off" "log_line_prefix = '%m [%p] %q%a '" "$@"
	do
		printf '%s\n' "$setting" | as_user tee -a "$data/postgresql.conf" >/dev/null
	done
	SERVERS+=("$data")
	quietly "$WORK/log/start.log" as_user "$PGBIN/pg_ctl" -D "$data" -l "$WORK/log/$name.log" -w start
	export PGHOST=$WORK PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

# Stop the server of a data directory; nothing happens if it does not run.
server_stop()
{
	if [ -f "$1/postmaster.pid" ]
	then
		as_user "$PGBIN/pg_ctl" -D "$1" -m fast -w stop >/dev/null 2>&1 || true
	fi
}

# psql that reads no startup file and stops at the first error.
sql()
{
	as_user "$PGBIN/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off "$@"
}
