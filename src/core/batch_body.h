/*
 * batch_body.h
 *		The kernel of batch.c: a group of users by one panel of items, in registers.
 *
 * Included by batch_portable.c, batch_avx2.c and batch_avx512.c, which name it
 * with BATCH_KERNEL and bring the flags of their instruction set; the vectors
 * are as wide as those allow.  A strip is the part of a panel for which the sums
 * of a group fit the registers.
 */
#include <string.h>

#include "core/batch_kernel.h"

#if defined(__AVX512F__)
#include <immintrin.h>
typedef __m512 Vector;
#define WIDTH				16
#define STRIP				4	/* vectors: 24 sums, 4 columns and a query in 32 registers */
#define VECTOR_ZERO()		_mm512_setzero_ps()
#define VECTOR_LOAD(p)		_mm512_load_ps(p)
#define VECTOR_STORE(p, v)	_mm512_storeu_ps(p, v)
#define VECTOR_FILL(x)		_mm512_set1_ps(x)
#define VECTOR_ADD_PRODUCT(sum, a, b)	_mm512_fmadd_ps(a, b, sum)
/* A bit for every element that is not less, a NaN among them. */
#define VECTOR_NOT_LESS(v, x)	((uint32_t) _mm512_cmp_ps_mask(v, _mm512_set1_ps(x), _CMP_NLT_UQ))
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
typedef __m256 Vector;
#define WIDTH				8
#define STRIP				2	/* 12 sums, 2 columns and a query in 16 registers */
#define VECTOR_ZERO()		_mm256_setzero_ps()
#define VECTOR_LOAD(p)		_mm256_load_ps(p)
#define VECTOR_STORE(p, v)	_mm256_storeu_ps(p, v)
#define VECTOR_FILL(x)		_mm256_set1_ps(x)
#define VECTOR_ADD_PRODUCT(sum, a, b)	_mm256_fmadd_ps(a, b, sum)
#define VECTOR_NOT_LESS(v, x) \
	((uint32_t) _mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_set1_ps(x), _CMP_NLT_UQ)))
#else
typedef float Vector __attribute__((vector_size(16)));
#define WIDTH				4
#define STRIP				2
#define VECTOR_ZERO()		((Vector) {0.0f, 0.0f, 0.0f, 0.0f})
#define VECTOR_LOAD(p)		(*(const Vector *) (p))
#define VECTOR_STORE(p, v)	memcpy(p, &(v), sizeof(v))
#define VECTOR_FILL(x)		((Vector) {x, x, x, x})
#define VECTOR_ADD_PRODUCT(sum, a, b)	((sum) + (a) * (b))
#define VECTOR_NOT_LESS(v, x) \
	((uint32_t) !((v)[0] < (x)) | (uint32_t) !((v)[1] < (x)) << 1 | \
	 (uint32_t) !((v)[2] < (x)) << 2 | (uint32_t) !((v)[3] < (x)) << 3)
#endif

#define STRIP_ITEMS	(STRIP * WIDTH)
#define LANES		16

/* A group of users before one panel. */
typedef struct Group
{
	const CrBatchItems *items;
	CrBatchBlock *block;
	const float *queries;		/* their vectors, interleaved */
	const int32_t *racer;		/* who they are */
	int32_t		users;
	int32_t		panel;
	float		limit[CR_BATCH_GROUP];	/* cr_batch_limit(); infinity where there is no user */
} Group;

/* cr_dot for rows that are padded with zeros, which leave every lane as it is: the same bits. */
static float
exact_score(const float *a, const float *b, int32_t stride)
{
	float		lanes[LANES] = {0};

	for (int32_t i = 0; i < stride; i += LANES)
	{
		for (int32_t lane = 0; lane < LANES; lane++)
			lanes[lane] += a[i + lane] * b[i + lane];
	}
	for (int32_t width = LANES / 2; width > 0; width /= 2)
	{
		for (int32_t lane = 0; lane < width; lane++)
			lanes[lane] += lanes[lane + width];
	}
	return lanes[0];
}

/* Score the items of a strip that the first pass could not rule out for one user. */
static CrStatus
score_hits(Group *group, int32_t member, const float *products, int32_t first_item, uint64_t hits)
{
	const CrBatchItems *items = group->items;
	CrBatchBlock *block = group->block;
	int32_t		number = group->racer[member];
	CrBatchUser *user = &block->user[number];
	const float *vector = block->vectors + (size_t) number * (size_t) block->stride;

	for (; hits != 0; hits &= hits - 1)
	{
		int32_t		offset = __builtin_ctzll(hits);
		int32_t		item_no = first_item + offset;
		float		threshold = user->threshold;
		CrStatus	status;

		/* The limit may have risen within this strip. */
		if (products[offset] < group->limit[member] || item_no >= items->items)
			continue;
		status = cr_batch_offer(block, number, item_no,
								exact_score(vector, items->rows + (size_t) item_no * (size_t) items->stride,
											items->stride));
		if (status != CR_OK)
			return status;
		if (user->threshold > threshold)
			group->limit[member] = cr_batch_limit(items, user, group->panel);
	}
	return CR_OK;
}

/* Hardly any product passes, so that looking closer is kept out of the way. */
static CrStatus __attribute__((noinline))
examine(Group *group, Vector sums[CR_BATCH_GROUP][STRIP], int32_t first_item)
{
	CrStatus	status = CR_OK;

	for (int32_t member = 0; member < group->users && status == CR_OK; member++)
	{
		float		products[STRIP_ITEMS];
		uint64_t	hits = 0;

		for (int32_t i = 0; i < STRIP; i++)
			hits |= (uint64_t) VECTOR_NOT_LESS(sums[member][i], group->limit[member]) << (i * WIDTH);
		if (hits == 0)
			continue;
		for (int32_t i = 0; i < STRIP; i++)
			VECTOR_STORE(products + i * WIDTH, sums[member][i]);
		status = score_hits(group, member, products, first_item, hits);
	}
	return status;
}

/* One strip of the panel, from this column on. */
static CrStatus
scan_strip(Group *group, const float *columns, int32_t first_item)
{
	const float *query = group->queries;
	Vector		sums[CR_BATCH_GROUP][STRIP];
	uint32_t	hits = 0;

	for (int32_t member = 0; member < CR_BATCH_GROUP; member++)
	{
		for (int32_t i = 0; i < STRIP; i++)
			sums[member][i] = VECTOR_ZERO();
	}
	for (int32_t d = 0; d < group->items->dims; d++)
	{
		Vector		column[STRIP];

		for (int32_t i = 0; i < STRIP; i++)
			column[i] = VECTOR_LOAD(columns + i * WIDTH);
		for (int32_t member = 0; member < CR_BATCH_GROUP; member++)
		{
			Vector		element = VECTOR_FILL(query[member]);

			for (int32_t i = 0; i < STRIP; i++)
				sums[member][i] = VECTOR_ADD_PRODUCT(sums[member][i], element, column[i]);
		}
		columns += CR_BATCH_PANEL;
		query += CR_BATCH_GROUP;
	}
	for (int32_t member = 0; member < CR_BATCH_GROUP; member++)
	{
		for (int32_t i = 0; i < STRIP; i++)
			hits |= VECTOR_NOT_LESS(sums[member][i], group->limit[member]);
	}
	if (hits == 0)
		return CR_OK;
	else
	{
		Vector		spilled[CR_BATCH_GROUP][STRIP];

		/* The sums themselves have no address, or they would not stay in registers. */
		memcpy(spilled, sums, sizeof(sums));
		return examine(group, spilled, first_item);
	}
}

/* Set the group before a panel; 0 if none of it can gain from this or a later one. */
static int
face_panel(Group *group, int32_t panel)
{
	int			hopeful = 0;

	group->panel = panel;
	for (int32_t member = 0; member < CR_BATCH_GROUP; member++)
	{
		const CrBatchUser *user;

		group->limit[member] = __builtin_inff();
		if (member >= group->users)
			continue;
		user = &group->block->user[group->racer[member]];
		if (cr_batch_is_hopeless(group->items, user, panel))
			continue;
		hopeful = 1;
		group->limit[member] = cr_batch_limit(group->items, user, panel);
	}
	return hopeful;
}

static CrStatus
scan_group(Group *group, int32_t first, int32_t last)
{
	CrStatus	status = CR_OK;

	for (int32_t panel = first; panel < last && face_panel(group, panel); panel++)
	{
		const float *columns = group->items->columns +
			(size_t) panel * CR_BATCH_PANEL * (size_t) group->items->dims;

		for (int32_t strip = 0; strip < CR_BATCH_PANEL && status == CR_OK; strip += STRIP_ITEMS)
			status = scan_strip(group, columns + strip, panel * CR_BATCH_PANEL + strip);
		if (status != CR_OK)
			break;
	}
	return status;
}

CrStatus
BATCH_KERNEL(const CrBatchItems *items, CrBatchBlock *block, int32_t first, int32_t last)
{
	CrStatus	status = CR_OK;
	Group		group;

	group.items = items;
	group.block = block;
	for (int32_t i = 0; i < block->racing && status == CR_OK; i += CR_BATCH_GROUP)
	{
		group.queries = block->queries + (size_t) i * (size_t) items->dims;
		group.racer = block->racer + i;
		group.users = block->racing - i < CR_BATCH_GROUP ? block->racing - i : CR_BATCH_GROUP;
		status = scan_group(&group, first, last);
	}
	return status;
}
