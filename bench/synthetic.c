/*
 * synthetic.c
 *		Writes synthetic events of a community to standard output, for COPY.
 *
 *		synthetic [--binary] [--time] [--visits] [--shuffle] USERS ITEMS EVENTS SEED
 *
 * Rows are (user, item), with --time also a timestamp within 180 days from
 * 2024-01-01 UTC, anywhere or, with --visits, on days of which a user has one for
 * every 12 of his events, as COPY text or, with --binary, as COPY binary (integer,
 * integer, timestamptz).  Rows come user by user, or in random order with
 * --shuffle.  The same arguments give the same bytes.
 *
 * Popularity follows a Zipf-Mandelbrot law, activity is log-normal.  Each item
 * belongs to one of 64 communities; each user mixes three of them, takes most
 * items from there and the rest from everywhere, and never the same item twice.
 *
 * Build: cc -O2 -std=gnu11 -Isrc -o synthetic bench/synthetic.c src/core/rng.c -lm
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

#define COMMUNITIES			64
#define USER_COMMUNITIES	3
#define SHARE_OWN			0.8		/* of a user's events, in the communities of the user */
#define ZIPF_EXPONENT		0.9
#define ZIPF_OFFSET			30.0
#define ACTIVITY_SIGMA		1.05	/* of the logarithm of a user's events */
#define EVENTS_MIN			5		/* of a user */
#define SHARE_MAX			0.1		/* of all items that one user can have seen */
#define TRIES				64		/* to find an item that the user has not seen */
#define DAYS				180
#define VISIT_EVENTS		12		/* of a user on one day, with --visits */
/* 2024-01-01 in microseconds since 2000-01-01, PostgreSQL's epoch, and in seconds since 1970. */
#define EPOCH_POSTGRES		INT64_C(757382400000000)

typedef struct Options
{
	int			binary;
	int			time;
	int			visits;
	int			shuffle;
	int64_t		users;
	int64_t		items;
	int64_t		events;
	uint64_t	seed;
} Options;

/* Walker's alias method: draws one of count entries by weight in constant time. */
typedef struct Alias
{
	int32_t		count;
	int32_t    *entry;			/* what is drawn */
	int32_t    *other;			/* place of the alternative */
	double	   *keep;			/* probability to stay */
} Alias;

typedef struct Event
{
	int32_t		user;
	int32_t		item;
} Event;

typedef struct World
{
	Alias		everything;
	Alias		community[COMMUNITIES];
	double	   *popularity;		/* weight of each item */
} World;

static void *
allocate(size_t count, size_t size)
{
	void	   *memory = calloc(count > 0 ? count : 1, size);

	if (memory == NULL)
	{
		fprintf(stderr, "synthetic: out of memory\n");
		exit(1);
	}
	return memory;
}

static int64_t
draw_below(CrRng *rng, int64_t bound)
{
	return (int64_t) (cr_rng_uniform(rng) * (double) bound);
}

/* "entry" becomes the table's own; weights are those of the entries, by item. */
static Alias
alias_build(int32_t *entry, int32_t count, const double *weight)
{
	Alias		alias = {count, entry, allocate(count, sizeof(int32_t)), allocate(count, sizeof(double))};
	int32_t    *stack = allocate(count, sizeof(int32_t));
	double		sum = 0;
	int32_t		small = 0;		/* light places grow from the bottom of the stack */
	int32_t		large = count;	/* heavy ones from its top */

	for (int32_t i = 0; i < count; i++)
		sum += weight[entry[i]];
	for (int32_t i = 0; i < count; i++)
	{
		alias.other[i] = i;
		alias.keep[i] = weight[entry[i]] * count / sum;
		if (alias.keep[i] < 1)
			stack[small++] = i;
		else
			stack[--large] = i;
	}
	while (small > 0 && large < count)
	{
		int32_t		light = stack[--small];
		int32_t		heavy = stack[large];

		alias.other[light] = heavy;
		alias.keep[heavy] -= 1 - alias.keep[light];
		if (alias.keep[heavy] < 1)
		{
			large++;
			stack[small++] = heavy;
		}
	}
	free(stack);
	return alias;
}

static int32_t
alias_draw(const Alias *alias, CrRng *rng)
{
	double		x = cr_rng_uniform(rng) * alias->count;
	int32_t		place = (int32_t) x;

	return alias->entry[x - place < alias->keep[place] ? place : alias->other[place]];
}

/* Popularity by a random ranking of the items, and the tables to draw from. */
static void
world_build(World *world, const Options *options)
{
	int32_t		items = (int32_t) options->items;
	int32_t    *ranking = allocate(items, sizeof(int32_t));
	int32_t    *everything = allocate(items, sizeof(int32_t));
	CrRng		rng;

	cr_rng_init(&rng, options->seed, 0);
	world->popularity = allocate(items, sizeof(double));
	for (int32_t i = 0; i < items; i++)
	{
		int32_t		j = (int32_t) draw_below(&rng, i + 1);

		everything[i] = i;
		ranking[i] = ranking[j];
		ranking[j] = i;
	}
	for (int32_t i = 0; i < items; i++)
		world->popularity[ranking[i]] = pow(i + ZIPF_OFFSET, -ZIPF_EXPONENT);
	world->everything = alias_build(everything, items, world->popularity);

	/* Item i belongs to community i mod 64: popularity does not depend on i. */
	for (int32_t c = 0; c < COMMUNITIES; c++)
	{
		int32_t		count = c < items ? (items - c - 1) / COMMUNITIES + 1 : 0;
		int32_t    *member = allocate(count, sizeof(int32_t));

		for (int32_t i = 0; i < count; i++)
			member[i] = c + i * COMMUNITIES;
		world->community[c] = alias_build(member, count, world->popularity);
	}
	free(ranking);
}

/* How many events each user has: log-normal, scaled to the wanted sum, within the limits. */
static int32_t *
activity_draw(const Options *options)
{
	int32_t    *count = allocate(options->users, sizeof(int32_t));
	float	   *raw = allocate(options->users, sizeof(float));
	double		most = fmax(1, SHARE_MAX * (double) options->items);
	double		least = fmin(EVENTS_MIN, most);
	double		scale = (double) options->events / (double) options->users;
	CrRng		rng;

	cr_rng_init(&rng, options->seed, 1);
	cr_rng_normal(&rng, ACTIVITY_SIGMA, raw, options->users);

	/* The limits cut both ends off, so the scale is corrected until the sum fits. */
	for (int round = 0; round < 20; round++)
	{
		double		sum = 0;

		for (int64_t u = 0; u < options->users; u++)
		{
			count[u] = (int32_t) lround(fmin(fmax(scale * exp(raw[u]), least), most));
			sum += count[u];
		}
		scale *= (double) options->events / sum;
	}
	free(raw);
	return count;
}

/*
 * The events of one user; returns how many, which is less than wanted only if
 * nothing unseen turns up any more.
 */
static int32_t
user_draw(const World *world, CrRng *rng, int32_t user, int32_t wanted, int32_t *last_user, Event *out)
{
	int			mix[USER_COMMUNITIES];
	int32_t		n = 0;

	for (int i = 0; i < USER_COMMUNITIES; i++)
		mix[i] = (int) draw_below(rng, COMMUNITIES);

	while (n < wanted)
	{
		int			tries = 0;
		int32_t		item;

		do
		{
			/* Half of what is left goes to the first community, and so on. */
			int			place = cr_rng_uniform(rng) < 0.5 ? 0 : 1 + (cr_rng_uniform(rng) < 0.4);
			const Alias *own = &world->community[mix[place]];
			int			inside = cr_rng_uniform(rng) < SHARE_OWN && own->count > 0 && tries < TRIES / 2;

			item = alias_draw(inside ? own : &world->everything, rng);
		} while (last_user[item] == user + 1 && ++tries < TRIES);
		if (tries == TRIES)
			break;
		last_user[item] = user + 1;
		out[n].user = user + 1;
		out[n].item = item + 1;
		n++;
	}
	return n;
}

static int64_t
events_draw(const Options *options, Event **events)
{
	int32_t    *wanted = activity_draw(options);
	int32_t    *last_user = allocate(options->items, sizeof(int32_t));
	int64_t		sum = 0;
	int64_t		n = 0;
	World		world;

	world_build(&world, options);
	for (int64_t u = 0; u < options->users; u++)
		sum += wanted[u];
	*events = allocate(sum, sizeof(Event));
	for (int64_t u = 0; u < options->users; u++)
	{
		CrRng		rng;

		cr_rng_init(&rng, options->seed, (uint64_t) u + 16);
		n += user_draw(&world, &rng, (int32_t) u, wanted[u], last_user, *events + n);
	}
	return n;
}

static void
events_shuffle(Event *events, int64_t count, uint64_t seed)
{
	CrRng		rng;

	cr_rng_init(&rng, seed, 2);
	for (int64_t i = count - 1; i > 0; i--)
	{
		int64_t		j = draw_below(&rng, i + 1);
		Event		event = events[i];

		events[i] = events[j];
		events[j] = event;
	}
}

static void
put_big_endian(uint64_t value, int bytes)
{
	for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
		putchar_unlocked((int) (value >> shift) & 0xff);
}

static void
write_binary(const Event *event, int64_t time, int has_time)
{
	put_big_endian(has_time ? 3 : 2, 2);
	put_big_endian(4, 4);
	put_big_endian((uint32_t) event->user, 4);
	put_big_endian(4, 4);
	put_big_endian((uint32_t) event->item, 4);
	if (has_time)
	{
		put_big_endian(8, 4);
		put_big_endian((uint64_t) (EPOCH_POSTGRES + time), 8);
	}
}

static void
put_number(uint32_t number)
{
	char		digits[10];
	int			n = 0;

	do
		digits[n++] = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		putchar_unlocked(digits[--n]);
}

/* The times fall into the first half of 2024, a leap year. */
static void
write_text_time(int64_t time)
{
	static const int month_days[] = {31, 29, 31, 30, 31, 30, 31};
	int64_t		seconds = time / 1000000;
	int			day = (int) (seconds / 86400);
	int			month = 0;

	while (day >= month_days[month])
		day -= month_days[month++];
	printf("\t2024-%02d-%02d %02d:%02d:%02d+00", month + 1, day + 1,
		   (int) (seconds / 3600 % 24), (int) (seconds / 60 % 60), (int) (seconds % 60));
}

/* How many days each user comes: NULL unless wanted. */
static int32_t *
visits_count(const Event *events, int64_t count, const Options *options)
{
	int32_t    *visits;

	if (!options->visits)
		return NULL;
	visits = allocate(options->users + 1, sizeof(int32_t));
	for (int64_t i = 0; i < count; i++)
		visits[events[i].user]++;
	for (int64_t user = 0; user <= options->users; user++)
		visits[user] = (visits[user] + VISIT_EVENTS - 1) / VISIT_EVENTS;
	return visits;
}

/* Microseconds from the first day on; on whole seconds. */
static int64_t
time_draw(CrRng *rng, int32_t user, const int32_t *visits)
{
	uint32_t	mix;

	if (visits == NULL)
		return draw_below(rng, DAYS * INT64_C(86400)) * 1000000;
	mix = ((uint32_t) user * 2654435761U) ^ ((uint32_t) draw_below(rng, visits[user]) * 2246822519U);
	return ((int64_t) ((mix >> 8) % DAYS) * 86400 + draw_below(rng, 86400)) * 1000000;
}

static void
events_write(const Event *events, int64_t count, const Options *options)
{
	int32_t    *visits = visits_count(events, count, options);
	CrRng		rng;

	cr_rng_init(&rng, options->seed, 3);
	if (options->binary)
	{
		fwrite("PGCOPY\n\377\r\n\0", 1, 11, stdout);
		put_big_endian(0, 4);
		put_big_endian(0, 4);
	}
	for (int64_t i = 0; i < count; i++)
	{
		int64_t		time = options->time ? time_draw(&rng, events[i].user, visits) : 0;

		if (options->binary)
		{
			write_binary(&events[i], time, options->time);
			continue;
		}
		put_number((uint32_t) events[i].user);
		putchar_unlocked('\t');
		put_number((uint32_t) events[i].item);
		if (options->time)
			write_text_time(time);
		putchar_unlocked('\n');
	}
	if (options->binary)
		put_big_endian(0xffff, 2);
	free(visits);
}

static int64_t
parse_number(const char *text, int64_t low, int64_t high)
{
	char	   *end;
	int64_t		number = strtoll(text, &end, 10);

	if (*end != '\0' || end == text || number < low || number > high)
	{
		fprintf(stderr, "synthetic: \"%s\" is not a number from %" PRId64 " to %" PRId64 "\n", text, low, high);
		exit(2);
	}
	return number;
}

static Options
parse_arguments(int argc, char **argv)
{
	Options		options = {0};
	int			i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++)
	{
		options.binary |= strcmp(argv[i], "--binary") == 0;
		options.time |= strcmp(argv[i], "--time") == 0;
		options.visits |= strcmp(argv[i], "--visits") == 0;
		options.shuffle |= strcmp(argv[i], "--shuffle") == 0;
	}
	if (argc - i != 4)
	{
		fprintf(stderr, "usage: synthetic [--binary] [--time] [--visits] [--shuffle] USERS ITEMS EVENTS SEED\n");
		exit(2);
	}
	options.users = parse_number(argv[i], 1, INT32_MAX - 1);
	options.items = parse_number(argv[i + 1], 1, INT32_MAX - 1);
	options.events = parse_number(argv[i + 2], 1, INT64_C(1) << 40);
	options.seed = (uint64_t) parse_number(argv[i + 3], 0, INT64_MAX);
	return options;
}

int
main(int argc, char **argv)
{
	Options		options = parse_arguments(argc, argv);
	Event	   *events;
	int64_t		count = events_draw(&options, &events);

	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	if (options.shuffle)
		events_shuffle(events, count, options.seed);
	events_write(events, count, &options);
	fprintf(stderr, "synthetic: %" PRId64 " events\n", count);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
