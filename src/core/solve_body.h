/*
 * solve_body.h
 *		The inner loops of least squares, for the vector width of the including file.
 *
 * All work on the upper triangle goes through tiles of C vectors by R rows
 * that stay in registers while a panel's rows stream by.  The factorisation
 * is left-looking: a strip of rows is updated by all strips above it in one
 * pass of the same tiles, then its diagonal block is factored in registers,
 * and the rest of the strip multiplied by the block's inverse.
 *
 * The including file names its table: SOLVE_TABLE.
 */
#include <math.h>

#include "core/simd_vector.h"
#include "core/solve.h"

#define PREFETCH_EVENTS		16	/* how far ahead factors are called into the cache */
#define PREFETCH_FLOATS		128 /* of each; the hardware finds the rest by itself */
#define CHUNK				8	/* vectors of a row that are handled at a time */

#if CR_LANES == 4
/* BLAS finds wider vectors at run time: worth a call from this size on. */
#include <cblas.h>
#include <lapacke.h>
#define BLAS_DIMS_MIN		32
#define BLAS_ROWS_MIN		16
#define BLAS_FACTOR_MIN		128

#define GATHER_ROWS_MIN		256 /* floats of an event, from which chunks of few vectors are too short */
#endif

/* to = from +- panel' panel, where tiles say which part. */
typedef struct Update
{
	const float *from;
	float	   *to;
	int32_t		ld;				/* of both */
	const float *panel;
	int32_t		stride;
	int32_t		rows;
	const CrAhead *ahead;		/* or NULL */
	int32_t		called;			/* of the events ahead */
	int32_t		work;			/* of all tiles, in vectors */
} Update;

/* Into the second-level cache: the first one holds what is worked on. */
CR_INLINE void
call_events(const CrAhead *ahead, int32_t from, int32_t to)
{
	for (int32_t e = from; e < to; e++)
	{
		const float *factors = ahead->fixed + (size_t) ahead->column[e] * ahead->stride;

		for (int32_t line = 0; line < ahead->dims; line += 16)
			CR_PREFETCH_FAR(factors + line);
	}
}

/* After a tile, its share: memory answers while the next one is computed. */
CR_INLINE void
call_share(Update *update, int32_t work)
{
	int32_t		count = update->ahead->count;
	int32_t		to = update->called + (count * work + update->work - 1) / update->work;

	to = to < count ? to : count;
	call_events(update->ahead, update->called, to);
	update->called = to;
}

#define DEFINE_TILE(R, C) \
CR_INLINE void \
tile_##R##x##C(Update *update, int32_t i, int32_t j, const int subtract) \
{ \
	size_t		corner = (size_t) i * update->ld + j; \
	const float *from = update->from + corner; \
	float	   *to = update->to + corner; \
	const float *left = update->panel + i; \
	const float *right = update->panel + j; \
	CrVector	sum[R][C]; \
\
	CR_UNROLL(16) \
	for (int r = 0; r < R; r++) \
		CR_UNROLL(4) \
		for (int c = 0; c < C; c++) \
			sum[r][c] = v_load(from + (size_t) r * update->ld + c * CR_LANES); \
	for (int32_t p = 0; p < update->rows; p++) \
	{ \
		CrVector	b[C]; \
\
		CR_UNROLL(4) \
		for (int c = 0; c < C; c++) \
			b[c] = v_load(right + c * CR_LANES); \
		CR_UNROLL(16) \
		for (int r = 0; r < R; r++) \
		{ \
			CrVector	a = v_set(left[r]); \
\
			CR_UNROLL(4) \
			for (int c = 0; c < C; c++) \
				sum[r][c] = subtract ? v_fnma(a, b[c], sum[r][c]) : v_fma(a, b[c], sum[r][c]); \
		} \
		left += update->stride; \
		right += update->stride; \
	} \
	CR_UNROLL(16) \
	for (int r = 0; r < R; r++) \
		CR_UNROLL(4) \
		for (int c = 0; c < C; c++) \
			v_store(to + (size_t) r * update->ld + c * CR_LANES, sum[r][c]); \
	if (update->ahead != NULL) \
		call_share(update, R * C); \
}

/* A strip is CR_LANES rows high; tiles leave registers for C vectors and a broadcast. */
#if CR_LANES == 16
DEFINE_TILE(4, 4)
DEFINE_TILE(8, 3)
DEFINE_TILE(8, 2)
DEFINE_TILE(16, 1)

CR_INLINE void
update_strip(Update *update, int32_t i, int32_t end, const int subtract)
{
	for (int32_t j = i; j < end;)
	{
		int32_t		left = (end - j) / CR_LANES;

		if (left == 4)
		{
			for (int r = 0; r < CR_LANES; r += 4)
				tile_4x4(update, i + r, j, subtract);
			j += 4 * CR_LANES;
		}
		else if (left >= 3)
		{
			tile_8x3(update, i, j, subtract);
			tile_8x3(update, i + 8, j, subtract);
			j += 3 * CR_LANES;
		}
		else if (left == 2)
		{
			tile_8x2(update, i, j, subtract);
			tile_8x2(update, i + 8, j, subtract);
			j += 2 * CR_LANES;
		}
		else
		{
			tile_16x1(update, i, j, subtract);
			j += CR_LANES;
		}
	}
}
#elif CR_LANES == 8
DEFINE_TILE(4, 3)
DEFINE_TILE(4, 2)
DEFINE_TILE(8, 1)

CR_INLINE void
update_strip(Update *update, int32_t i, int32_t end, const int subtract)
{
	for (int32_t j = i; j < end;)
	{
		int32_t		left = (end - j) / CR_LANES;

		if (left == 3 || left >= 5)
		{
			tile_4x3(update, i, j, subtract);
			tile_4x3(update, i + 4, j, subtract);
			j += 3 * CR_LANES;
		}
		else if (left >= 2)
		{
			tile_4x2(update, i, j, subtract);
			tile_4x2(update, i + 4, j, subtract);
			j += 2 * CR_LANES;
		}
		else
		{
			tile_8x1(update, i, j, subtract);
			j += CR_LANES;
		}
	}
}
#else
DEFINE_TILE(4, 2)
DEFINE_TILE(4, 1)

CR_INLINE void
update_strip(Update *update, int32_t i, int32_t end, const int subtract)
{
	int32_t		j = i;

	for (; j + 2 * CR_LANES <= end; j += 2 * CR_LANES)
		tile_4x2(update, i, j, subtract);
	if (j < end)
		tile_4x1(update, i, j, subtract);
}
#endif

static void
accumulate(const CrRankUpdate *u)
{
	Update		update = {u->matrix, u->matrix, u->ld, u->panel, u->stride, u->rows, u->ahead, 0,
		u->dims * (u->dims / CR_LANES + 1) / 2};

#if CR_LANES == 4
	if (u->dims >= BLAS_DIMS_MIN && u->rows >= BLAS_ROWS_MIN)
	{
		cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, u->dims, u->rows, 1.0f, u->panel,
					u->stride, 1.0f, u->matrix, u->ld);
		return;
	}
#endif
	for (int32_t i = 0; i < u->dims; i += CR_LANES)
		update_strip(&update, i, u->dims, 0);
}

/* action(first float, number of vectors known when compiling) for all of a row of "dims" floats. */
#define BY_CHUNKS(dims, action) \
do { \
	int32_t		first_ = 0; \
\
	for (; (dims) - first_ >= CHUNK * CR_LANES; first_ += CHUNK * CR_LANES) \
		action(first_, CHUNK); \
	switch (((dims) - first_) / CR_LANES) \
	{ \
		case 1: action(first_, 1); break; \
		case 2: action(first_, 2); break; \
		case 3: action(first_, 3); break; \
		case 4: action(first_, 4); break; \
		case 5: action(first_, 5); break; \
		case 6: action(first_, 6); break; \
		case 7: action(first_, 7); break; \
		default: break; \
	} \
} while (0)

/* "vectors" vectors of every event from float "first" on. */
CR_INLINE void
gather_columns(const CrGather *gather, int32_t first, const int vectors)
{
	const float *fixed = gather->fixed + first;
	float	   *panel = gather->panel + first;
	CrVector	right[CHUNK];
	int32_t		known = gather->count + gather->ahead;
	int32_t		lines = first > 0 ? 0 :
		gather->dims < PREFETCH_FLOATS ? gather->dims : PREFETCH_FLOATS;

	CR_UNROLL(8)
	for (int v = 0; v < vectors; v++)
		right[v] = v_load(gather->right + first + v * CR_LANES);
	for (int32_t e = 0; e < gather->count; e++, panel += gather->stride)
	{
		const float *y = fixed + (size_t) gather->column[e] * gather->stride;
		CrVector	weight = v_set(gather->weight == NULL ? 1.0f : gather->weight[e]);
		CrVector	scale = v_set(gather->scale == NULL ? 1.0f : gather->scale[e]);

		if (e + PREFETCH_EVENTS < known)
		{
			const float *next = gather->fixed +
				(size_t) gather->column[e + PREFETCH_EVENTS] * gather->stride;

			for (int32_t line = 0; line < lines; line += 16)
				CR_PREFETCH(next + line);
		}
		CR_UNROLL(8)
		for (int v = 0; v < vectors; v++)
		{
			CrVector	value = v_load(y + v * CR_LANES);

			right[v] = v_fma(weight, value, right[v]);
			v_store(panel + v * CR_LANES, value * scale);
		}
	}
	CR_UNROLL(8)
	for (int v = 0; v < vectors; v++)
		v_store(gather->right + first + v * CR_LANES, right[v]);
}

#define GATHER_COLUMNS(first, vectors)	gather_columns(gather, first, vectors)

#if CR_LANES == 4
/* Event by event; the right side stays in the first-level cache. */
static void
gather_rows(const CrGather *gather)
{
	int32_t		known = gather->count + gather->ahead;
	float	   *panel = gather->panel;

	for (int32_t e = 0; e < gather->count; e++, panel += gather->stride)
	{
		const float *y = gather->fixed + (size_t) gather->column[e] * gather->stride;
		CrVector	weight = v_set(gather->weight == NULL ? 1.0f : gather->weight[e]);
		CrVector	scale = v_set(gather->scale == NULL ? 1.0f : gather->scale[e]);

		if (e + PREFETCH_EVENTS < known)
		{
			const float *next = gather->fixed +
				(size_t) gather->column[e + PREFETCH_EVENTS] * gather->stride;

			for (int32_t line = 0; line < gather->dims; line += 16)
				CR_PREFETCH(next + line);
		}
		for (int32_t i = 0; i < gather->dims; i += CR_LANES)
		{
			CrVector	value = v_load(y + i);

			v_store(gather->right + i, v_fma(weight, value, v_load(gather->right + i)));
			v_store(panel + i, value * scale);
		}
	}
}
#endif

static void
gather(const CrGather *gather)
{
#if CR_LANES == 4
	if (gather->dims >= GATHER_ROWS_MIN)
	{
		gather_rows(gather);
		return;
	}
#endif
	BY_CHUNKS(gather->dims, GATHER_COLUMNS);
}

static void
transpose(const CrTranspose *t)
{
	for (int32_t row = 0; row < t->rows; row += CR_LANES)
	{
		const float *rows = t->panel + (size_t) row * t->stride;
		int32_t		left = t->rows - row;

		for (int32_t d = 0; d < t->dims; d += CR_LANES)
		{
			float	   *to = t->to + (size_t) d * t->to_stride + row;
			CrVector	block[CR_LANES];

			CR_UNROLL(16)
			for (int r = 0; r < CR_LANES; r++)
				block[r] = r < left ? v_load(rows + (size_t) r * t->stride + d) : v_set(0.0f);
			v_transpose(block);
			CR_UNROLL(16)
			for (int r = 0; r < CR_LANES; r++)
				v_store(to + (size_t) r * t->to_stride, block[r] * v_set(t->scale[d + r]));
		}
	}
}

/*
 * Factor the block in place; below its diagonal rubbish is left.  inverse gets
 * the block's transposed inverse, lower triangular with zeros above.
 *
 * Rows are eliminated as in L D L', and those of the identity with them; the
 * roots of the pivots come last, so that one pivot waits for a division and
 * no root of the one before.
 */
CR_INLINE int
factor_block(float *block, int32_t ld, float *inverse)
{
	CrVector	row[CR_LANES];
	CrVector	solved[CR_LANES];
	float		scale[CR_LANES];	/* pivots, at last the reciprocals of their roots */

	CR_UNROLL(16)
	for (int i = 0; i < CR_LANES; i++)
	{
		float		one[CR_LANES] = {0};

		one[i] = 1.0f;
		row[i] = v_load(block + (size_t) i * ld);
		solved[i] = v_load(one);
	}
	CR_UNROLL(16)
	for (int j = 0; j < CR_LANES; j++)
	{
		float		pivot = row[j][j];
		CrVector	reciprocal = v_set(1.0f / pivot);
		CrVector	row_part = row[j] * reciprocal;
		CrVector	solved_part = solved[j] * reciprocal;

		if (!(pivot > 0.0f))
			return 0;			/* NaN, too */
		scale[j] = pivot;
		CR_UNROLL(16)
		for (int i = j + 1; i < CR_LANES; i++)
		{
			CrVector	factor = v_lane(row[j], i);

			row[i] = v_fnma(factor, row_part, row[i]);
			solved[i] = v_fnma(factor, solved_part, solved[i]);
		}
	}
	for (int i = 0; i < CR_LANES; i++)
		scale[i] = 1.0f / sqrtf(scale[i]);
	CR_UNROLL(16)
	for (int i = 0; i < CR_LANES; i++)
	{
		v_store(block + (size_t) i * ld, row[i] * v_set(scale[i]));
		v_store(inverse + i * CR_LANES, solved[i] * v_set(scale[i]));
	}
	return 1;
}

/* One vector of columns right of the diagonal block: multiply by its transposed inverse. */
CR_INLINE void
solve_columns(float *columns, int32_t ld, const float *inverse)
{
	CrVector	row[CR_LANES];

	CR_UNROLL(16)
	for (int i = 0; i < CR_LANES; i++)
		row[i] = v_load(columns + (size_t) i * ld);
	CR_UNROLL(16)
	for (int i = CR_LANES - 1; i >= 0; i--)
	{
		row[i] = row[i] * v_set(inverse[i * CR_LANES + i]);
		CR_UNROLL(16)
		for (int j = 0; j < i; j++)
			row[i] = v_fma(v_set(inverse[i * CR_LANES + j]), row[j], row[i]);
		v_store(columns + (size_t) i * ld, row[i]);
	}
}

#if CR_LANES == 4
/* The same by LAPACK, to which the upper triangle of a row-major matrix is a lower one; no inverses. */
static int
factor_by_blas(const CrFactor *f)
{
	for (int32_t i = 0; i < f->dims; i++)
	{
		size_t		diagonal = (size_t) i * f->ld + i;

		memcpy(f->factor + diagonal, f->matrix + diagonal, (size_t) (f->dims - i) * sizeof(float));
	}
	return LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'L', f->dims, f->factor, f->ld) == 0;
}

static void
solve_by_blas(const CrFactor *f, float *x)
{
	cblas_strsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, f->dims, f->factor, f->ld, x, 1);
	cblas_strsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, f->dims, f->factor, f->ld, x, 1);
}
#endif

static int
factor(const CrFactor *f)
{
	Update		update = {f->matrix, f->factor, f->ld, f->factor, f->ld, 0, NULL, 0, 0};

#if CR_LANES == 4
	if (f->dims >= BLAS_FACTOR_MIN)
		return factor_by_blas(f);
#endif
	for (int32_t strip = 0; strip < f->dims; strip += CR_LANES)
	{
		float	   *rows = f->factor + (size_t) strip * f->ld;
		float	   *inverse = f->inverse + (size_t) strip * CR_LANES;

		update.rows = strip;
		update_strip(&update, strip, f->dims, 1);
		if (!factor_block(rows + strip, f->ld, inverse))
			return 0;
		for (int32_t c = strip + CR_LANES; c < f->dims; c += CR_LANES)
			solve_columns(rows + c, f->ld, inverse);
	}
	return 1;
}

/* U'y = b, in place, strip by strip: y = transposed inverse of the block * what is left of b. */
CR_INLINE void
solve_forward(const CrFactor *f, float *x)
{
	for (int32_t strip = 0; strip < f->dims; strip += CR_LANES)
	{
		const float *inverse = f->inverse + (size_t) strip * CR_LANES;
		CrVector	left = v_load(x + strip);
		CrVector	part[CR_LANES];

		CR_UNROLL(16)
		for (int i = 0; i < CR_LANES; i++)
			part[i] = v_load(inverse + i * CR_LANES) * left;
		v_store(x + strip, v_sums(part));
		for (int32_t c = strip + CR_LANES; c < f->dims; c += CR_LANES)
		{
			const float *column = f->factor + (size_t) strip * f->ld + c;
			CrVector	even = v_load(x + c);
			CrVector	odd = v_set(0.0f);

			CR_UNROLL(16)
			for (int i = 0; i < CR_LANES; i += 2)
			{
				even = v_fnma(v_set(x[strip + i]), v_load(column + (size_t) i * f->ld), even);
				odd = v_fnma(v_set(x[strip + i + 1]), v_load(column + (size_t) (i + 1) * f->ld), odd);
			}
			v_store(x + c, even + odd);
		}
	}
}

/* U x = y, in place, from the last strip to the first: x = inverse of the block * (y - what is right of it * x). */
CR_INLINE void
solve_backward(const CrFactor *f, float *x)
{
	for (int32_t strip = f->dims - CR_LANES; strip >= 0; strip -= CR_LANES)
	{
		const float *inverse = f->inverse + (size_t) strip * CR_LANES;
		CrVector	rest[CR_LANES];
		CrVector	even = v_set(0.0f);
		CrVector	odd = v_set(0.0f);
		float		left[CR_LANES];

		CR_UNROLL(16)
		for (int i = 0; i < CR_LANES; i++)
			rest[i] = v_set(0.0f);
		for (int32_t c = strip + CR_LANES; c < f->dims; c += CR_LANES)
		{
			const float *column = f->factor + (size_t) strip * f->ld + c;
			CrVector	known = v_load(x + c);

			CR_UNROLL(16)
			for (int i = 0; i < CR_LANES; i++)
				rest[i] = v_fma(v_load(column + (size_t) i * f->ld), known, rest[i]);
		}
		v_store(left, v_load(x + strip) - v_sums(rest));
		CR_UNROLL(16)
		for (int i = 0; i < CR_LANES; i += 2)
		{
			even = v_fma(v_set(left[i]), v_load(inverse + i * CR_LANES), even);
			odd = v_fma(v_set(left[i + 1]), v_load(inverse + (i + 1) * CR_LANES), odd);
		}
		v_store(x + strip, even + odd);
	}
}

static void
solve(const CrFactor *f, float *x)
{
#if CR_LANES == 4
	if (f->dims >= BLAS_FACTOR_MIN)
	{
		solve_by_blas(f, x);
		return;
	}
#endif
	solve_forward(f, x);
	solve_backward(f, x);
}

/* (row . x) of CR_LANES rows. */
CR_INLINE CrVector
row_scores(const float *rows, int32_t stride, int32_t dims, const float *x)
{
	CrVector	score[CR_LANES];

	CR_UNROLL(16)
	for (int r = 0; r < CR_LANES; r++)
		score[r] = v_set(0.0f);
	for (int32_t d = 0; d < dims; d += CR_LANES)
	{
		CrVector	part = v_load(x + d);

		CR_UNROLL(16)
		for (int r = 0; r < CR_LANES; r++)
			score[r] = v_fma(v_load(rows + (size_t) r * stride + d), part, score[r]);
	}
	return v_sums(score);
}

/*
 * The same of the events from "first" on, whose rows are put into the panel; behind the last one,
 * any rows.  Meanwhile later ones are called closer.
 */
CR_INLINE CrVector
gather_scores(const CrGather *gather, int32_t first, float *panel, const float *x)
{
	int32_t		known = gather->count + gather->ahead;
	const float *rows[CR_LANES];
	const float *later[CR_LANES];
	CrVector	score[CR_LANES];

	for (int r = 0; r < CR_LANES; r++)
	{
		int32_t		event = first + r < gather->count ? first + r : first;
		int32_t		then = first + r + PREFETCH_EVENTS < known ? first + r + PREFETCH_EVENTS : event;

		rows[r] = gather->fixed + (size_t) gather->column[event] * gather->stride;
		later[r] = gather->fixed + (size_t) gather->column[then] * gather->stride;
		score[r] = v_set(0.0f);
	}
	for (int32_t d = 0; d < gather->dims; d += CR_LANES)
	{
		CrVector	part = v_load(x + d);

		if (d % 16 == 0 && d < PREFETCH_FLOATS)
		{
			CR_UNROLL(16)
			for (int r = 0; r < CR_LANES; r++)
				CR_PREFETCH(later[r] + d);
		}
		CR_UNROLL(16)
		for (int r = 0; r < CR_LANES; r++)
		{
			CrVector	value = v_load(rows[r] + d);

			v_store(panel + (size_t) r * gather->stride + d, value);
			score[r] = v_fma(value, part, score[r]);
		}
	}
	return v_sums(score);
}

/* to += sum over "count" rows of factor * row, "vectors" vectors from float "first" on. */
CR_INLINE void
add_rows(const float *rows, int32_t stride, int32_t count, const float *factor, float *to,
		 const int vectors)
{
	CrVector	sum[CHUNK];

	CR_UNROLL(8)
	for (int v = 0; v < vectors; v++)
		sum[v] = v_load(to + v * CR_LANES);
	for (int32_t r = 0; r < count; r++)
	{
		CrVector	f = v_set(factor[r]);

		CR_UNROLL(8)
		for (int v = 0; v < vectors; v++)
			sum[v] = v_fma(f, v_load(rows + (size_t) r * stride + v * CR_LANES), sum[v]);
	}
	CR_UNROLL(8)
	for (int v = 0; v < vectors; v++)
		v_store(to + v * CR_LANES, sum[v]);
}

#define ADD_MATRIX(first, vectors) \
	add_rows(matrix + (first), stride, rows, x, to + (first), vectors)

static void
multiply(const float *matrix, int32_t stride, int32_t rows, int32_t dims, const float *x,
		 float *to)
{
	BY_CHUNKS(dims, ADD_MATRIX);
}

CR_INLINE double
add_lanes(double *sum)
{
	for (int half = CR_LANES / 2; half > 0; half /= 2)
	{
		for (int lane = 0; lane < half; lane++)
			sum[lane] += sum[lane + half];
	}
	return sum[0];
}

#define ADD_PANEL(first, vectors) \
	add_rows(rows + (first), product->stride, count, factor, to + (first), vectors)

static void
project(const CrProduct *product, const float *x, float *to)
{
	for (int32_t row = 0; row < product->rows; row += CR_LANES)
	{
		const float *rows = product->panel + (size_t) row * product->stride;
		int32_t		left = product->rows - row;
		int32_t		count = left < CR_LANES ? left : CR_LANES;
		float		factor[CR_LANES];

		v_store(factor, row_scores(rows, product->stride, product->dims, x));
		for (int32_t r = 0; product->weight != NULL && r < count; r++)
			factor[r] *= product->weight[row + r];
		BY_CHUNKS(product->dims, ADD_PANEL);
	}
}

#define ADD_GATHERED(first, vectors) \
	add_rows(panel + (first), gather->stride, count, factor, to + (first), vectors)

static double
gather_project(const CrGather *gather, float target, const float *x, float *to)
{
	double		sum[CR_LANES] = {0};

	for (int32_t first = 0; first < gather->count; first += CR_LANES)
	{
		float	   *panel = gather->panel + (size_t) first * gather->stride;
		int32_t		left = gather->count - first;
		int32_t		count = left < CR_LANES ? left : CR_LANES;
		float		factor[CR_LANES];

		v_store(factor, gather_scores(gather, first, panel, x));
		for (int32_t r = 0; r < count; r++)
		{
			float		weight = gather->weight == NULL ? 1.0f : gather->weight[first + r];

			sum[r] += (double) weight * factor[r];
			factor[r] = weight * (factor[r] - target);
		}
		BY_CHUNKS(gather->dims, ADD_GATHERED);
	}
	return add_lanes(sum);
}

static double
curvature(const CrProduct *product, const float *x)
{
	double		sum[CR_LANES] = {0};

	for (int32_t row = 0; row < product->rows; row += CR_LANES)
	{
		const float *rows = product->panel + (size_t) row * product->stride;
		int32_t		left = product->rows - row;
		int32_t		count = left < CR_LANES ? left : CR_LANES;
		float		score[CR_LANES];

		v_store(score, row_scores(rows, product->stride, product->dims, x));
		for (int32_t r = 0; r < count; r++)
		{
			double		weight = product->weight == NULL ? 1.0 : product->weight[row + r];

			sum[r] += weight * score[r] * score[r];
		}
	}
	return add_lanes(sum);
}

/* Products of floats are exact in double; as many sums as there are lanes. */
CR_INLINE double
dot_product(const float *restrict a, const float *restrict b, int32_t count)
{
	double		sum[CR_LANES] = {0};

	for (int32_t i = 0; i < count; i += CR_LANES)
	{
		for (int lane = 0; lane < CR_LANES; lane++)
			sum[lane] += (double) a[i + lane] * b[i + lane];
	}
	return add_lanes(sum);
}

CR_INLINE double
weighted_square(const float *restrict a, const float *restrict weight, int32_t count)
{
	double		sum[CR_LANES] = {0};

	for (int32_t i = 0; i < count; i += CR_LANES)
	{
		for (int lane = 0; lane < CR_LANES; lane++)
			sum[lane] += (double) a[i + lane] * a[i + lane] * weight[i + lane];
	}
	return add_lanes(sum);
}

static double
dot(const float *a, const float *b, int32_t count)
{
	return dot_product(a, b, count);
}

/*
 * x += a p, r -= a A p, p = M^-1 r + t p, with a = r'M^-1 r / (p . A p), and t the
 * new r'M^-1 r as a part of the old one
 */
static double
descend(const CrDescent *descent, double length, double square)
{
	CrVector	step = v_set((float) length);
	CrVector	turn;
	double		new_square;

	for (int32_t i = 0; i < descent->stride; i += CR_LANES)
	{
		float	   *x = descent->solution + i;
		float	   *r = descent->residual + i;

		v_store(x, v_fma(step, v_load(descent->direction + i), v_load(x)));
		v_store(r, v_fnma(step, v_load(descent->image + i), v_load(r)));
	}
	new_square = weighted_square(descent->residual, descent->inverse_diagonal, descent->stride);
	turn = v_set((float) (new_square / square));
	for (int32_t i = 0; i < descent->stride; i += CR_LANES)
	{
		float	   *p = descent->direction + i;
		CrVector	next = v_load(descent->residual + i) * v_load(descent->inverse_diagonal + i);

		v_store(p, v_fma(turn, v_load(p), next));
	}
	return new_square;
}

const CrSolveKernels SOLVE_TABLE = {
	.lanes = CR_LANES,
	.gather = gather,
	.accumulate = accumulate,
	.transpose = transpose,
	.factor = factor,
	.solve = solve,
	.multiply = multiply,
	.project = project,
	.gather_project = gather_project,
	.curvature = curvature,
	.dot = dot,
	.descend = descend
};
