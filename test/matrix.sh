#!/usr/bin/env bash
#
# All tests of commrec on every PostgreSQL that it supports, in Debian's suites:
#
#	bash test/matrix.sh [VERSION...]
#
# Needs root, debootstrap and a mirror of Debian.  For each VERSION (all of
# them without one) the suite that ships it is unpacked once into a directory
# of its own, and test/run.sh runs there, in name spaces of its own: nothing of
# the host is touched, and whatever a run leaves behind ends with it.  Prints
# what test/run.sh prints, and at the end one line a version; the exit status
# is 1 if anything failed.
#
# Environment:
#	MATRIX_DIR		where the suites are kept (/var/cache/commrec-matrix); remove it to begin anew
#	MIRROR			Debian's archive; by default the one that the host's apt uses
#	PARTS			the parts of test/run.sh to run (unit regress tap)
set -euo pipefail
exec </dev/null

PROGRAM=test/matrix.sh
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/lib.sh
. "$TOP/test/lib.sh"

MATRIX_DIR=${MATRIX_DIR:-/var/cache/commrec-matrix}
VERSIONS="13 15 17 18"
HOST_SETTINGS='^(Acquire::(http|https|Check-Valid-Until|Check-Date)\b|Acquire::Retries)'

# The suite of Debian that ships a version.
suite_of()
{
	case $1 in
		13) echo bullseye ;;
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) die "unknown version \"$1\"" "usage: bash test/matrix.sh [VERSION...], of $VERSIONS" ;;
	esac
}

# The archive that the host's apt takes Debian from.
find_mirror()
{
	[ -n "${MIRROR:-}" ] || MIRROR=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 == "Debian" { print $1 }' | sort -u | head -n 1)
	[ -n "$MIRROR" ] ||
		die "no archive of Debian is known" "Run apt-get update, or set MIRROR to the address of one."
}

# What apt in the suite needs in order to get at the archive as the host's does.
write_apt_settings()
{
	local root=$1
	local suite=$2

	printf 'deb %s %s main\n' "$MIRROR" "$suite" >"$root/etc/apt/sources.list"
	apt-config dump | grep -E "$HOST_SETTINGS" >"$root/etc/apt/apt.conf.d/90commrec-host" || true
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	if [ -d /usr/local/share/ca-certificates ]
	then
		cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
	fi
}

# make_suite SUITE: unpack it once; a half-made one is never taken for it.
make_suite()
{
	local suite=$1
	local root=$MATRIX_DIR/$suite
	local script=$suite

	[ ! -e "$root" ] || return 0
	printf 'Unpacking Debian %s into %s\n' "$suite" "$root"
	[ -e "/usr/share/debootstrap/scripts/$suite" ] || script=sid
	mkdir -p "$MATRIX_DIR"
	rm -rf "$root.new"
	quietly "$MATRIX_DIR/$suite.log" debootstrap --variant=minbase --include=ca-certificates \
		"$suite" "$root.new" "$MIRROR" "$script"
	write_apt_settings "$root.new" "$suite"
	quietly "$MATRIX_DIR/$suite.log" in_suite "$root.new" \
		'update-ca-certificates && apt-get update -q'
	mv "$root.new" "$root"
}

# in_suite ROOT COMMAND: run a shell command in the suite.  The name spaces are
# private: mounts and processes of the run end with it.
in_suite()
{
	unshare --mount --pid --ipc --uts --fork --kill-child --propagation private \
		bash -c '
			root=$1
			mount -t proc proc "$root/proc"
			mount --rbind /dev "$root/dev"
			mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
			mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
			exec nice -n 10 chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
				CI=true DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 bash -c "$2"' bash "$1" "$2"
}

# Put the sources as they lie here into the suite.
copy_sources()
{
	local root=$1

	rm -rf "$root/root/commrec"
	mkdir "$root/root/commrec"
	tar -C "$TOP" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude='*.a' --exclude=./build --exclude=./tmp_check --exclude=./results . |
		tar -C "$root/root/commrec" -xf - --no-same-owner
}

# run_version VERSION: its tests, with the result in the associative array "results".
run_version()
{
	local version=$1
	local suite
	local root
	local log
	local began=$SECONDS
	local status=0

	suite=$(suite_of "$version")
	root=$MATRIX_DIR/$suite
	log=$MATRIX_DIR/$version.log
	make_suite "$suite"
	copy_sources "$root"
	printf '\nPostgreSQL %s, Debian %s\n' "$version" "$suite"
	in_suite "$root" "cd /root/commrec && PG_MAJOR=$version PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-300} \
		bash test/run.sh ${PARTS:-unit regress tap}" 2>&1 | tee "$log" || status=$?
	results[$version]="$(sed -n 's/^PostgreSQL \([0-9][0-9a-z.]*\).*, gcc.* \([0-9.]*\), .*cores.*/\1, gcc \2:/p' "$log" | tail -n 1)"
	results[$version]+=" $(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)"
	results[$version]+=", $((SECONDS - began)) s"
	if [ "$status" -ne 0 ]
	then
		failed=$((failed + 1))
		results[$version]+=" FAILED"
	fi
}

[ "$(id -u)" -eq 0 ] || die "this needs root" "debootstrap and chroot are for root alone."
versions=("$@")
[ ${#versions[@]} -gt 0 ] || read -r -a versions <<<"$VERSIONS"
for version in "${versions[@]}"
do
	suite_of "$version" >/dev/null
done
packages_install debootstrap util-linux
find_mirror

declare -A results
failed=0
for version in "${versions[@]}"
do
	run_version "$version"
done

printf '\n'
for version in "${versions[@]}"
do
	printf 'PostgreSQL %-3s %-9s %s\n' "$version" "$(suite_of "$version")" "${results[$version]}"
done
printf '%d passed, %d failed\n' $((${#versions[@]} - failed)) "$failed"
[ "$failed" -eq 0 ]
