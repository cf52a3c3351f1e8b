/*
 * roundtrip.c
 *		What every trainer outside the database costs before and after it trains.
 *
 *		roundtrip TABLE FACTORS [PAIRS]
 *
 * Copies (user_id, item_id), both integer, out of TABLE by COPY in binary,
 * parses the rows, gives both ids dense numbers, makes the sparse matrix and its
 * transpose, and copies embeddings of FACTORS floats back as bytea, into new
 * tables with a primary key.  Connects as libpq does by default.  With PAIRS,
 * the numbered pairs go to that file: int64 users, items and pairs, then int32
 * users, then int32 items, all in the machine's byte order; writing it is not
 * measured.
 *
 * Prints one line a step: its name, seconds of the clock, and CPU seconds of
 * this program and of its server process together.
 *
 * Build: cc -O3 -std=gnu11 -I$(pg_config --includedir) -o roundtrip bench/roundtrip.c -lpq
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define COPY_HEADER		19		/* bytes of the header of binary COPY */
#define BATCH_BYTES		1048576

static PGconn *connection;

/* When a step began. */
typedef struct Mark
{
	double		seconds;
	double		cpu;
} Mark;

typedef struct Events
{
	char	   *bytes;			/* as they came */
	size_t		length;
	size_t		room;
	int64_t		count;
	int32_t    *user;			/* native ids, then dense numbers */
	int32_t    *item;
} Events;

/* Open addressing; key and number side by side. */
typedef struct Dictionary
{
	uint32_t	mask;
	uint32_t	count;
	int32_t    *key;			/* by slot */
	int32_t    *number;			/* by slot, -1: free */
} Dictionary;

static void
fail(const char *what)
{
	fprintf(stderr, "roundtrip: %s: %s", what, PQerrorMessage(connection));
	exit(1);
}

static void *
allocate(size_t bytes)
{
	void	   *memory = malloc(bytes > 0 ? bytes : 1);

	if (memory == NULL)
	{
		fprintf(stderr, "roundtrip: out of memory\n");
		exit(1);
	}
	return memory;
}

/* User and system time of the server process, from its stat file. */
static double
server_cpu(void)
{
	char		path[64];
	char		line[1024];
	unsigned long user = 0;
	unsigned long system = 0;
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", PQbackendPID(connection));
	file = fopen(path, "r");
	if (file == NULL || fgets(line, sizeof(line), file) == NULL ||
		sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			   &user, &system) != 2)
	{
		fprintf(stderr, "roundtrip: cannot read %s: is the server on this machine?\n", path);
		exit(1);
	}
	fclose(file);
	return (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
}

static Mark
mark(void)
{
	struct timespec time;
	struct rusage usage;
	Mark		result;

	clock_gettime(CLOCK_MONOTONIC, &time);
	getrusage(RUSAGE_SELF, &usage);
	result.seconds = (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
	result.cpu = server_cpu() + (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		1e-6 * (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	return result;
}

static void
report(const char *step, Mark began)
{
	Mark		ended = mark();

	printf("%s %.3f %.3f\n", step, ended.seconds - began.seconds, ended.cpu - began.cpu);
	fflush(stdout);
}

static void
execute(const char *sql, ExecStatusType expected)
{
	PGresult   *result = PQexec(connection, sql);

	if (PQresultStatus(result) != expected)
		fail(sql);
	PQclear(result);
}

static void
keep(Events *events, const char *bytes, size_t length)
{
	if (events->length + length > events->room)
	{
		events->room = (events->length + length) * 2;
		events->bytes = realloc(events->bytes, events->room);
		if (events->bytes == NULL)
			fail("out of memory");
	}
	memcpy(events->bytes + events->length, bytes, length);
	events->length += length;
}

static void
copy_out(Events *events, const char *table)
{
	char		sql[512];
	char	   *row;
	int			length;

	snprintf(sql, sizeof(sql), "COPY (SELECT user_id, item_id FROM %s) TO STDOUT (FORMAT binary)",
			 table);
	execute(sql, PGRES_COPY_OUT);
	while ((length = PQgetCopyData(connection, &row, 0)) > 0)
	{
		keep(events, row, (size_t) length);
		PQfreemem(row);
	}
	if (length != -1)
		fail("COPY out");
	PQclear(PQgetResult(connection));
}

static int32_t
read_integer(const char *bytes)
{
	uint32_t	integer;

	memcpy(&integer, bytes, sizeof(integer));
	return (int32_t) ntohl(integer);
}

/* Rows of two integers take 18 bytes: fields, then length and value of each; NULL is not expected. */
static void
parse(Events *events)
{
	const char *row = events->bytes + COPY_HEADER;
	size_t		rows = (events->length - COPY_HEADER) / 18;

	events->user = allocate(rows * sizeof(int32_t));
	events->item = allocate(rows * sizeof(int32_t));
	for (size_t i = 0; i < rows; i++, row += 18)
	{
		events->user[i] = read_integer(row + 6);
		events->item[i] = read_integer(row + 14);
	}
	events->count = (int64_t) rows;
	free(events->bytes);
}

static void
dictionary_make(Dictionary *dictionary, uint32_t slots)
{
	dictionary->mask = slots - 1;
	dictionary->count = 0;
	dictionary->key = allocate(slots * sizeof(int32_t));
	dictionary->number = allocate(slots * sizeof(int32_t));
	memset(dictionary->number, 0xff, slots * sizeof(int32_t));
}

static int32_t *
dictionary_slot(const Dictionary *dictionary, int32_t key)
{
	uint32_t	at = (uint32_t) ((uint64_t) (uint32_t) key * UINT64_C(0x9E3779B97F4A7C15) >> 32) &
		dictionary->mask;

	while (dictionary->number[at] >= 0 && dictionary->key[at] != key)
		at = (at + 1) & dictionary->mask;
	return dictionary->number + at;
}

static void
dictionary_grow(Dictionary *dictionary)
{
	Dictionary	larger;

	dictionary_make(&larger, (dictionary->mask + 1) * 2);
	for (uint32_t i = 0; i <= dictionary->mask; i++)
	{
		int32_t    *slot;

		if (dictionary->number[i] < 0)
			continue;
		slot = dictionary_slot(&larger, dictionary->key[i]);
		*slot = dictionary->number[i];
		larger.key[slot - larger.number] = dictionary->key[i];
	}
	larger.count = dictionary->count;
	free(dictionary->key);
	free(dictionary->number);
	*dictionary = larger;
}

/* Numbers by first appearance, in place of the ids; returns how many there are. */
static int64_t
number_ids(int32_t *ids, int64_t count)
{
	Dictionary	dictionary;

	dictionary_make(&dictionary, 1024);
	for (int64_t i = 0; i < count; i++)
	{
		int32_t    *slot = dictionary_slot(&dictionary, ids[i]);

		if (*slot < 0)
		{
			*slot = (int32_t) dictionary.count++;
			dictionary.key[slot - dictionary.number] = ids[i];
			ids[i] = *slot;
			if (dictionary.count * 2 > dictionary.mask)
				dictionary_grow(&dictionary);
			continue;
		}
		ids[i] = *slot;
	}
	free(dictionary.key);
	free(dictionary.number);
	return dictionary.count;
}

/* A counting sort of the pairs by row; the columns in their order. */
static void
make_csr(const int32_t *row, const int32_t *column, int64_t count, int64_t rows, int64_t *start,
		 int32_t *sorted)
{
	memset(start, 0, (size_t) (rows + 2) * sizeof(int64_t));
	for (int64_t i = 0; i < count; i++)
		start[row[i] + 2]++;
	for (int64_t r = 2; r < rows + 2; r++)
		start[r] += start[r - 1];
	for (int64_t i = 0; i < count; i++)
		sorted[start[row[i] + 1]++] = column[i];
}

/* Both matrices; the second from the first, so that its columns ascend. */
static void
make_matrices(const Events *events, int64_t users, int64_t items)
{
	int64_t    *user_start = allocate((size_t) (users + 2) * sizeof(int64_t));
	int64_t    *item_start = allocate((size_t) (items + 2) * sizeof(int64_t));
	int32_t    *user_column = allocate((size_t) events->count * sizeof(int32_t));
	int32_t    *item_column = allocate((size_t) events->count * sizeof(int32_t));
	int32_t    *owner = allocate((size_t) events->count * sizeof(int32_t));

	make_csr(events->user, events->item, events->count, users, user_start, user_column);
	for (int64_t user = 0; user < users; user++)
	{
		for (int64_t i = user_start[user]; i < user_start[user + 1]; i++)
			owner[i] = (int32_t) user;
	}
	make_csr(user_column, owner, events->count, items, item_start, item_column);
	free(user_start);
	free(item_start);
	free(user_column);
	free(item_column);
	free(owner);
}

static size_t
put_integer(char *to, uint32_t integer)
{
	integer = htonl(integer);
	memcpy(to, &integer, sizeof(integer));
	return sizeof(integer);
}

/* One row of (integer, bytea). */
static size_t
put_row(char *to, int64_t id, const float *vector, int factors)
{
	uint32_t	size = (uint32_t) factors * sizeof(float);
	size_t		at = 2;

	to[0] = 0;
	to[1] = 2;
	at += put_integer(to + at, 4);
	at += put_integer(to + at, (uint32_t) id);
	at += put_integer(to + at, size);
	memcpy(to + at, vector, size);
	return at + size;
}

static void
copy_in(const char *table, int64_t rows, int factors)
{
	size_t		row_bytes = 14 + (size_t) factors * sizeof(float);
	char	   *batch = allocate(BATCH_BYTES + row_bytes);
	float	   *vector = allocate((size_t) factors * sizeof(float));
	size_t		length = COPY_HEADER;
	char		sql[512];

	for (int i = 0; i < factors; i++)
		vector[i] = (float) i / (float) factors;
	snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s; CREATE TABLE %s (id integer, embedding bytea)",
			 table, table);
	execute(sql, PGRES_COMMAND_OK);
	snprintf(sql, sizeof(sql), "ALTER TABLE %s ALTER embedding SET STORAGE EXTERNAL", table);
	execute(sql, PGRES_COMMAND_OK);
	snprintf(sql, sizeof(sql), "COPY %s FROM STDIN (FORMAT binary)", table);
	execute(sql, PGRES_COPY_IN);
	memcpy(batch, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", COPY_HEADER);
	for (int64_t id = 0; id < rows; id++)
	{
		vector[0] = (float) id;
		length += put_row(batch + length, id, vector, factors);
		if (length >= BATCH_BYTES || id + 1 == rows)
		{
			if (PQputCopyData(connection, batch, (int) length) != 1)
				fail("COPY in");
			length = 0;
		}
	}
	if (PQputCopyEnd(connection, NULL) != 1)
		fail("COPY in");
	PQclear(PQgetResult(connection));
	PQclear(PQgetResult(connection));
	snprintf(sql, sizeof(sql), "ALTER TABLE %s ADD PRIMARY KEY (id)", table);
	execute(sql, PGRES_COMMAND_OK);
	free(batch);
	free(vector);
}

static void
dump(const Events *events, int64_t users, int64_t items, const char *path)
{
	FILE	   *file = fopen(path, "wb");
	int64_t		sizes[3] = {users, items, events->count};

	if (file == NULL || fwrite(sizes, sizeof(sizes), 1, file) != 1 ||
		fwrite(events->user, sizeof(int32_t), (size_t) events->count, file) != (size_t) events->count ||
		fwrite(events->item, sizeof(int32_t), (size_t) events->count, file) != (size_t) events->count ||
		fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	Events		events = {0};
	int			factors = argc > 2 ? atoi(argv[2]) : 0;
	int64_t		users;
	int64_t		items;
	Mark		began;

	if (factors < 1 || argc > 4)
	{
		fprintf(stderr, "usage: roundtrip TABLE FACTORS [PAIRS]\n");
		return 2;
	}
	connection = PQconnectdb("");
	if (PQstatus(connection) != CONNECTION_OK)
		fail("connecting");
	execute("SET client_min_messages = warning", PGRES_COMMAND_OK);

	began = mark();
	copy_out(&events, argv[1]);
	report("copy_out", began);

	began = mark();
	parse(&events);
	report("parse", began);

	began = mark();
	users = number_ids(events.user, events.count);
	items = number_ids(events.item, events.count);
	report("ids", began);
	if (argc > 3)
		dump(&events, users, items, argv[3]);

	began = mark();
	make_matrices(&events, users, items);
	report("csr", began);

	began = mark();
	copy_in("roundtrip_user", users, factors);
	copy_in("roundtrip_item", items, factors);
	report("copy_in", began);
	execute("DROP TABLE roundtrip_user, roundtrip_item", PGRES_COMMAND_OK);
	PQfinish(connection);
	return 0;
}
