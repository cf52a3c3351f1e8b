#!/usr/bin/env bash
#
# The tests of test/run.sh with larger figures, and under valgrind:
#
#	bash test/torture.sh [PART...]
#
# Takes some hours; not for continuous integration.  PART: those of test/run.sh,
# unit-avx512 (the kernels for AVX-512, emulated, whatever the processor), and
# valgrind (the regression and isolation tests on a server of its own).
# Without PART: all.  Each figure is an environment variable, see doc/testing.md,
# and may be set.
#
# The server for valgrind is built once, from Debian's source of PostgreSQL with
# --enable-cassert and -DUSE_VALGRIND, and kept in COMMREC_TORTURE_CACHE
# (~/.cache/commrec; as root, whose home others may not see, /var/cache/commrec).
set -euo pipefail
exec </dev/null

PROGRAM=test/torture.sh
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/lib.sh
. "$TOP/test/lib.sh"

if [ "$(id -u)" -eq 0 ]
then
	CACHE=${COMMREC_TORTURE_CACHE:-/var/cache/commrec}
else
	CACHE=${COMMREC_TORTURE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/commrec}
fi
SERVER=$CACHE/postgresql-$PG_MAJOR-valgrind

# figure NAME VALUE: what a test takes from the environment, unless it is there.
figure()
{
	export "$1=${!1:-$2}"
}

# Fetch the source of Debian's package into the current directory.  The system's
# lists of packages mostly leave sources out, and stay as they are.  Where the
# newest version is listed but not there any more, or not yet, an older one will do.
fetch_source()
{
	local apt=(-o "Dir::State::Lists=$PWD/lists" -o Dir::Etc::SourceList=/dev/null
		-o "Dir::Etc::SourceParts=$PWD/parts" -o APT::Sandbox::User=root)
	local version

	mkdir -p lists/partial parts
	for file in /etc/apt/sources.list.d/*.sources
	do
		[ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"parts/${file##*/}"
	done
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list
	do
		[ ! -e "$file" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$file" >"parts/${file##*/}"
	done
	quietly update.log apt-get "${apt[@]}" update
	while read -r version
	do
		if apt-get "${apt[@]}" source --download-only "postgresql-$PG_MAJOR=$version" >source.log 2>&1
		then
			printf 'The server for valgrind is made of PostgreSQL %s\n' "$version"
			return
		fi
	done < <(apt-cache "${apt[@]}" showsrc "postgresql-$PG_MAJOR" | sed -n 's/^Version: //p' | sort -rVu)
	tail -n 20 source.log >&2
	die "the source of PostgreSQL $PG_MAJOR cannot be had"
}

# A stamp is written last, so that half a server is made again.
build_server()
{
	[ ! -e "$SERVER/complete" ] || return 0
	packages_install gcc make perl bzip2 libc6-dev
	rm -rf "$SERVER"
	mkdir -p "$SERVER"
	(
		umask 022
		cd "$(mktemp -d "${TMPDIR:-/tmp}/commrec-postgres.XXXXXX")"
		trap 'rm -rf "$PWD"' EXIT
		fetch_source
		mkdir postgres
		tar -C postgres --strip-components=1 -xf "postgresql-${PG_MAJOR}"_*.orig.tar.*
		cd postgres
		quietly ../configure.log ./configure "--prefix=$SERVER" --enable-cassert --enable-debug --enable-tap-tests \
			--without-readline --without-zlib CPPFLAGS=-DUSE_VALGRIND CFLAGS='-Og -g -fno-omit-frame-pointer'
		quietly ../make.log make "-j$(nproc)" world-bin
		quietly ../install.log make install-world-bin
		cp src/tools/valgrind.supp "$SERVER/"
	)
	chmod 755 "$CACHE" "$SERVER"
	touch "$SERVER/complete"
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(layers unit unit-avx512 fuzz regress tap valgrind)
case " ${parts[*]} " in
	*" valgrind "*)
		packages_install valgrind libipc-run-perl
		build_server
		export COMMREC_VALGRIND_SERVER=$SERVER
		;;
esac

figure COMMREC_FUZZ_SECONDS 3600
figure COMMREC_WILD_CALLS 10000
figure COMMREC_MEMORY_CALLS 1000000
figure COMMREC_CRASH_CYCLES 500
figure COMMREC_CANCEL_POINTS 1000
figure COMMREC_FAULT_POINTS 300
figure COMMREC_LOAD_SECONDS 60
# What a test file may take.
figure COMMREC_TAP_SECONDS 36000
exec bash "$TOP/test/run.sh" "${parts[@]}"
