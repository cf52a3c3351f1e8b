#!/usr/bin/env bash
#
# The rules that keep the layers of src/ apart:
#
#	bash test/check_layers.sh [LIBRARY]
#
# Includes run one way, sql -> {train, serve} -> store -> common; all may use
# core, and core nothing but itself, C and BLAS.  LIBRARY is the core as a
# static library (build/libcommrec_core.a); without it the objects that lie in
# build/ and src/core/ are looked at.  One TAP line a rule, what breaks it
# below in "#" lines; the exit status is 1 if any rule is broken.  Beside that,
# what has been released stays as it is, and the release is the same everywhere.
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LIBRARY=${1:+$(realpath -m "$1")}
cd "$TOP"

FILE_LINES_MAX=999
LAYERS="core common store train serve sql"
CORE_HEADERS="assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h math.h
	stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h
	string.h tgmath.h cblas.h immintrin.h lapacke.h"

# What the core may not call, for the state that it keeps or the answers that it varies.
IMPURE="malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|alloca|strdup"
IMPURE="$IMPURE|strndup|rand|srand|rand_r|random|srandom|drand48|srand48|lrand48|mrand48|time|clock"
IMPURE="$IMPURE|clock_gettime|gettimeofday|exit|abort|longjmp"
POSTGRES="palloc.*|repalloc.*|pfree|pstrdup|pnstrdup|psprintf|pvsprintf|ereport|elog.*|errstart.*"
POSTGRES="$POSTGRES|errfinish|err(code|msg|detail|hint|context).*|[A-Za-z]*MemoryContext.*|pg_.*"
POSTGRES="$POSTGRES|Pg.*|SPI_.*|ProcessInterrupts|InterruptPending|ExceptionalCondition|DatumGet.*"

rule=0
broken=0

# verdict NAME VIOLATIONS: one TAP line; no violations is what is wanted.
verdict()
{
	rule=$((rule + 1))
	if [ -z "$2" ]
	then
		printf 'ok %d - %s\n' "$rule" "$1"
		return
	fi
	broken=$((broken + 1))
	printf 'not ok %d - %s\n' "$rule" "$1"
	printf '%s\n' "$2" | sed 's/^/# /'
}

# contains LIST WORD
contains()
{
	local word

	for word in $1
	do
		[ "$word" != "$2" ] || return 0
	done
	return 1
}

sources()
{
	find "$1" -type f \( -name '*.c' -o -name '*.h' \) | sort
}

# grep_code REGEX STRINGS FILE...: lines that match as file:line: text, without comments, and if
# STRINGS says so without strings.
grep_code()
{
	local regex=$1
	local strings=$2

	shift 2
	REGEX=$regex STRINGS=$strings perl -0777 -ne '
		s{(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)}
		 {
			my ($comment, $string) = ($1, $2);
			defined $string ? ($ENV{STRINGS} ? q("") : $string) : " " . ("\n" x ($comment =~ tr/\n//))
		 }gsex;
		my $number = 0;
		for my $line (split /\n/)
		{
			$number++;
			print "$ARGV:$number: ", $line =~ s/^\s*//r, "\n" if $line =~ /$ENV{REGEX}/;
		}' "$@"
}

# Every #include under a directory, as "file:line header"; the quotes or brackets are dropped.
includes()
{
	local files

	mapfile -t files < <(sources "$1")
	[ ${#files[@]} -eq 0 ] || grep_code '^[[:space:]]*#[[:space:]]*include' '' "${files[@]}" |
		sed -E 's/^([^ ]*): *#[[:space:]]*include[[:space:]]*["<]?([^">]*)[">]?.*$/\1 \2/'
}

# Sets "layer" to that which an included header belongs to; to nothing if it is none of ours.
# PostgreSQL has a common/ as well, so that only a header that exists here is ours.
find_layer()
{
	local including=${1%%:*}
	local header=$2
	local path

	layer=
	for path in "src/$header" "${including%/*}/$header"
	do
		if [ -f "$path" ]
		then
			[[ $path != *..* ]] || path=$(realpath -m --relative-to="$TOP" "$path")
			path=${path#src/}
			layer=${path%%/*}
			return
		fi
	done
}

# foreign_includes LAYER ALLOWED...: what a layer includes of others of ours.
foreign_includes()
{
	local own=$1
	local layer
	local place
	local header

	shift
	while read -r place header
	do
		find_layer "$place" "$header"
		[ -z "$layer" ] || contains "$*" "$layer" || printf '%s: %s includes %s\n' "$place" "$own" "$header"
	done < <(includes "src/$own")
}

# What the core includes beyond itself, C and BLAS.
impure_includes()
{
	local layer
	local place
	local header

	while read -r place header
	do
		find_layer "$place" "$header"
		[ "$layer" = core ] || contains "$CORE_HEADERS" "$header" ||
			printf '%s: core includes %s\n' "$place" "$header"
	done < <(includes src/core)
}

strays()
{
	local path
	local name

	while read -r path
	do
		name=${path#src/}
		contains "$LAYERS" "${name%%/*}" && [ "$name" != "${name%%/*}" ] || printf '%s\n' "$path"
	done < <(sources src)
}

long_files()
{
	find src -type f \( -name '*.c' -o -name '*.h' \) -exec wc -l {} + |
		awk -v max="$FILE_LINES_MAX" '$2 != "total" && $1 > max {print $2 ": " $1 " lines"}' | sort
}

# The binaries of the core: the argument, or what has been built.
core_binaries()
{
	if [ -n "$LIBRARY" ]
	then
		printf '%s\n' "$LIBRARY"
	else
		find build/libcommrec_core.a src/core -name '*.[ao]' 2>/dev/null | sort || true
	fi
}

# undefined_symbols REGEX BINARY...: symbols matching the whole expression, as binary: symbol.
undefined_symbols()
{
	local regex=$1
	local binary

	shift
	for binary in "$@"
	do
		if ! nm -u "$binary" >/dev/null 2>&1
		then
			printf '%s: cannot be read\n' "$binary"
			continue
		fi
		# Without a leading underscore (Mach-O) and a version (ELF).
		nm -u "$binary" 2>/dev/null | awk 'NF == 2 && $1 == "U" {print $2}' | sed 's/@.*//' | sort -u |
			{ grep -xE "_?($regex)" || true; } | sed "s|^|$binary: |"
	done
}

# Files that use what compat.h defines where PostgreSQL does not, and forget to include it.
without_compat()
{
	local file

	for file in $(grep -rlE 'pg_attribute_noreturn' src --include='*.[ch]' | grep -vx 'src/common/compat\.h')
	do
		grep -q '^#include "common/compat.h"' "$file" || printf '%s\n' "$file"
	done
}

# The release that CHANGELOG.md has as unreleased; nothing between two releases.
unreleased()
{
	sed -n 's/^## \([^ ]*\) (unreleased)$/\1/p' CHANGELOG.md
}

# Scripts that are not as they were released, and those of a release that are not listed.
changed_scripts()
{
	local script

	sha256sum --check --quiet test/released.sha256 2>&1 || true
	for script in sql/commrec--*.sql
	do
		[ "$script" != "${script%--"$(unreleased)".sql}" ] || grep -q "  $script\$" test/released.sha256 ||
			printf '%s: of a release, but not in test/released.sha256\n' "$script"
	done
}

# Where another release is named than in commrec.control, or the way to it is missing.
other_releases()
{
	local release

	release=$(sed -n "s/^default_version = '\(.*\)'$/\1/p" commrec.control)
	grep -q "^#define COMMREC_RELEASE \"$release\"$" src/common/release.h || printf 'src/common/release.h\n'
	[ "$(grep -c "\"version\": \"$release\"" META.json)" -eq 2 ] || printf 'META.json\n'
	[ "$(sed -n 's/^## \([^ ]*\) .*/\1/p' CHANGELOG.md | head -n 1)" = "$release" ] || printf 'CHANGELOG.md\n'
	compgen -G "sql/commrec--*--$release.sql" >/dev/null || printf 'sql/: no script that updates to it\n'
}

verdict "every source file lies in a layer: $LAYERS" "$(strays)"
verdict "core includes core, C and BLAS only" "$(impure_includes)"
verdict "common includes core and common only" "$(foreign_includes common core common)"
verdict "store includes core, common and store only" "$(foreign_includes store core common store)"
verdict "train includes core, common, store and train only" \
	"$(foreign_includes train core common store train)"
verdict "serve includes core, common, store and serve only" \
	"$(foreign_includes serve core common store serve)"
# shellcheck disable=SC2086
verdict "sql includes layers only" "$(foreign_includes sql $LAYERS)"
verdict "no source file has more than $FILE_LINES_MAX lines" "$(long_files)"

mapfile -t core_files < <(sources src/core)
verdict "core calls no allocator, clock, random source or exit" \
	"$(grep_code "(^|[^A-Za-z0-9_>.])($IMPURE)[[:space:]]*\\(" strings "${core_files[@]}")"
mapfile -t other_files < <(sources src | grep -vx 'src/common/compat\.h')
verdict "PG_VERSION_NUM is in src/common/compat.h only" \
	"$(grep_code '(^|[^A-Za-z0-9_])PG_VERSION_NUM([^A-Za-z0-9_]|$)' strings "${other_files[@]}")"
verdict "pg_attribute_noreturn, which PostgreSQL 18 has not, comes from common/compat.h" "$(without_compat)"

mapfile -t binaries < <(core_binaries)
if [ ${#binaries[@]} -eq 0 ]
then
	rule=$((rule + 2))
	printf 'ok %d - objects of core name no symbol of PostgreSQL # SKIP nothing built\n' $((rule - 1))
	printf 'ok %d - objects of core name no allocator, clock, random source or exit # SKIP nothing built\n' \
		"$rule"
else
	verdict "objects of core name no symbol of PostgreSQL" \
		"$(undefined_symbols "$POSTGRES" "${binaries[@]}")"
	verdict "objects of core name no allocator, clock, random source or exit" \
		"$(undefined_symbols "$IMPURE" "${binaries[@]}")"
fi

verdict "released scripts are as they were released" "$(changed_scripts)"
verdict "the release is the same everywhere" "$(other_releases)"

printf '1..%d\n' "$rule"
[ "$broken" -eq 0 ]
