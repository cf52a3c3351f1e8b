/*
 * pairs.c
 *		What benchmarks of the core share: pairs from a COPY stream, memory, CPU seconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pairs.h"

#define COPY_HEADER 19

void
fail(const char *message)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, message);
	exit(1);
}

void *
allocate(size_t size)
{
	void	   *memory = aligned_alloc(64, (size + 64) / 64 * 64);

	if (memory == NULL)
		fail("out of memory");
	memset(memory, 0, size);
	return memory;
}

double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
		1e-6 * (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* One row of two integers, or 0 at the end. */
static int
read_pair(FILE *in, int32_t *user, int32_t *item)
{
	uint16_t	fields;
	uint32_t	word[4];

	if (fread(&fields, sizeof(fields), 1, in) != 1 || (int16_t) ntohs(fields) == -1)
		return 0;
	if (ntohs(fields) != 2 || fread(word, sizeof(word), 1, in) != 1)
		fail("the input is not a COPY binary stream of two integers");
	*user = (int32_t) ntohl(word[1]);
	*item = (int32_t) ntohl(word[3]);
	return 1;
}

static int
compare_columns(const void *a, const void *b)
{
	int32_t		left = *(const int32_t *) a;
	int32_t		right = *(const int32_t *) b;

	return left < right ? -1 : left > right;
}

CrCsr
read_pairs(FILE *in)
{
	char		header[COPY_HEADER];
	int64_t		room = 1 << 20;
	int64_t		pairs = 0;
	int64_t    *start = malloc(sizeof(int64_t));
	int32_t    *column = malloc((size_t) room * sizeof(int32_t));
	int32_t		user;
	int32_t		item;
	int32_t		users = 0;
	int32_t		items = 0;

	if (fread(header, sizeof(header), 1, in) != 1 || memcmp(header, "PGCOPY\n", 7) != 0)
		fail("the input is not a COPY binary stream");
	while (read_pair(in, &user, &item))
	{
		if (user + 1 < users)
			fail("the input is not ordered by user");
		if (user + 1 > users)
		{
			start = realloc(start, ((size_t) user + 2) * sizeof(int64_t));
			while (users <= user)
				start[users++] = pairs;
		}
		if (pairs == room)
			column = realloc(column, (size_t) (room *= 2) * sizeof(int32_t));
		column[pairs++] = item;
		items = item >= items ? item + 1 : items;
	}
	start[users] = pairs;
	for (int32_t u = 0; u < users; u++)
		qsort(column + start[u], (size_t) (start[u + 1] - start[u]), sizeof(int32_t),
			  compare_columns);
	return (CrCsr) {users, items, start, column, NULL};
}

CrCsr
transpose(const CrCsr *csr)
{
	size_t		pairs = (size_t) csr->start[csr->rows];
	int64_t    *start = allocate(((size_t) csr->columns + 1) * sizeof(int64_t));
	int32_t    *column = allocate(pairs * sizeof(int32_t));
	float	   *weight = csr->weight == NULL ? NULL : allocate(pairs * sizeof(float));

	cr_csr_transpose(csr, start, column, weight);
	return (CrCsr) {csr->columns, csr->rows, start, column, weight};
}
