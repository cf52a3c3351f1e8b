/*
 * faults.c
 *		A library that is loaded ahead of libc's: it refuses memory and disk space on demand.
 *
 * The file named by COMMREC_FAULTS holds a FaultControl, which every process
 * of the server maps; a test writes it.  Where a process is armed, allocations
 * and writes are counted, and from the n-th on (or just the n-th) they fail as
 * if memory had been refused or the disk were full.  Armed are all processes
 * but those that the test has listed: so a session, and the workers that it
 * starts later, but not the rest of the server.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SPARED_MAX	64
#define LARGE_BYTES	(64 * 1024 * 1024)

typedef struct FaultControl
{
	int32_t		is_armed;
	int32_t		only_one;		/* 1: only the n-th fails; 0: all from the n-th on */
	int64_t		memory_from;	/* first allocation that fails; 0: none */
	int64_t		disk_from;		/* first write that fails; 0: none */
	int64_t		allocations;	/* counted while armed, in all armed processes */
	int64_t		writes;
	int64_t		refused;		/* how many of either have failed */
	int32_t		spared_count;
	int32_t		spared[SPARED_MAX]; /* processes that are not armed */
} FaultControl;

static FaultControl *control;
static int	is_looked_for;
static size_t given_back;		/* length of the last large mapping that was unmapped */

static void *
next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* The control file, once it is there; found out only once. */
static FaultControl *
find_control(void)
{
	const char *name = getenv("COMMREC_FAULTS");
	int			file;
	void	   *mapped;

	is_looked_for = 1;
	if (name == NULL || (file = open(name, O_RDWR)) < 0)
		return NULL;
	/* Around the mmap() below, which counts. */
	mapped = ((void *(*) (void *, size_t, int, int, int, off_t)) next("mmap"))
		(NULL, sizeof(FaultControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	control = mapped == MAP_FAILED ? NULL : mapped;
	return control;
}

__attribute__((constructor)) static void
start(void)
{
	if (!is_looked_for)
		(void) find_control();
}

static int
is_armed(void)
{
	pid_t		self;

	if (control == NULL || !control->is_armed)
		return 0;
	self = getpid();
	for (int i = 0; i < control->spared_count && i < SPARED_MAX; i++)
	{
		if (control->spared[i] == self)
			return 0;
	}
	return 1;
}

static int
fails(int64_t number, int64_t from)
{
	if (from == 0 || (control->only_one ? number != from : number < from))
		return 0;
	__atomic_add_fetch(&control->refused, 1, __ATOMIC_RELAXED);
	return 1;
}

static int
memory_is_refused(void)
{
	if (!is_armed() ||
		!fails(__atomic_add_fetch(&control->allocations, 1, __ATOMIC_RELAXED), control->memory_from))
		return 0;
	errno = ENOMEM;
	return 1;
}

/* The log is spared: the server cannot go on without it, as on any full disk. */
static int
is_data(int file)
{
	char		link[32];
	char		name[1024];
	ssize_t		length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	length = readlink(link, name, sizeof(name) - 1);
	if (length < 0)
		return 0;
	name[length] = '\0';
	return strstr(name, "/base/") != NULL || strstr(name, "/PostgreSQL.") != NULL;
}

static int
disk_is_full(int file)
{
	if (!is_armed() || !is_data(file) ||
		!fails(__atomic_add_fetch(&control->writes, 1, __ATOMIC_RELAXED), control->disk_from))
		return 0;
	errno = ENOSPC;
	return 1;
}

/* libc's own, under the names that do not lead back here. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *
malloc(size_t bytes)
{
	return memory_is_refused() ? NULL : __libc_malloc(bytes);
}

void *
calloc(size_t count, size_t bytes)
{
	return memory_is_refused() ? NULL : __libc_calloc(count, bytes);
}

void *
realloc(void *pointer, size_t bytes)
{
	return memory_is_refused() ? NULL : __libc_realloc(pointer, bytes);
}

int
posix_memalign(void **pointer, size_t alignment, size_t bytes)
{
	void	   *memory = memory_is_refused() ? NULL : __libc_memalign(alignment, bytes);

	if (memory == NULL)
		return ENOMEM;
	*pointer = memory;
	return 0;
}

void *
aligned_alloc(size_t alignment, size_t bytes)
{
	return memory_is_refused() ? NULL : __libc_memalign(alignment, bytes);
}

void *
mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
	static void *(*real) (void *, size_t, int, int, int, off_t);

	if (real == NULL)
		*(void **) &real = next("mmap");
	/* Where there was room for a mapping that is gone, there is room for another. */
	if (bytes >= LARGE_BYTES && bytes <= given_back)
		given_back = 0;
	else if (memory_is_refused())
		return MAP_FAILED;
	return real(address, bytes, protection, flags, file, offset);
}

void *
mmap64(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
	return mmap(address, bytes, protection, flags, file, offset);
}

int
munmap(void *address, size_t bytes)
{
	static int	(*real) (void *, size_t);

	if (real == NULL)
		*(void **) &real = next("munmap");
	if (bytes >= LARGE_BYTES)
		given_back = bytes;
	return real(address, bytes);
}

int
posix_fallocate(int file, off_t offset, off_t bytes)
{
	static int	(*real) (int, off_t, off_t);

	if (real == NULL)
		*(void **) &real = next("posix_fallocate");
	return disk_is_full(file) ? ENOSPC : real(file, offset, bytes);
}

int
posix_fallocate64(int file, off_t offset, off_t bytes)
{
	return posix_fallocate(file, offset, bytes);
}

ssize_t
pwrite(int file, const void *bytes, size_t count, off_t offset)
{
	static ssize_t (*real) (int, const void *, size_t, off_t);

	if (real == NULL)
		*(void **) &real = next("pwrite");
	return disk_is_full(file) ? -1 : real(file, bytes, count, offset);
}

ssize_t
pwrite64(int file, const void *bytes, size_t count, off_t offset)
{
	return pwrite(file, bytes, count, offset);
}
