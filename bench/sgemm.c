/*
 * sgemm.c
 *		Measures what one thread can do: the best of several multiplications of float matrices.
 *
 *		sgemm [SIZE [RUNS]]
 *
 * Prints GFLOP per CPU second, a space, and the kernels that OpenBLAS has chosen (set
 * OPENBLAS_CORETYPE to choose others).
 *
 * Build: cc -O2 -std=gnu11 -o sgemm bench/sgemm.c -lopenblas
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cblas.h>

extern char *openblas_get_corename(void);
extern void openblas_set_num_threads(int threads);

static double
cpu_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

static float *
matrix(int size)
{
	float	   *values = malloc((size_t) size * size * sizeof(float));

	if (values == NULL)
		exit(1);
	for (size_t i = 0; i < (size_t) size * size; i++)
		values[i] = (float) (i % 97) / 97;
	return values;
}

int
main(int argc, char **argv)
{
	int			size = argc > 1 ? atoi(argv[1]) : 2048;
	int			runs = argc > 2 ? atoi(argv[2]) : 7;
	float	   *a = matrix(size);
	float	   *b = matrix(size);
	float	   *c = matrix(size);
	double		best = 0;

	openblas_set_num_threads(1);
	for (int run = 0; run < runs; run++)
	{
		double		began = cpu_seconds();
		double		speed;

		cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, size, size, size, 1, a, size, b,
					size, 0, c, size);
		speed = 2e-9 * size * size * size / (cpu_seconds() - began);
		best = speed > best ? speed : best;
	}
	printf("%.1f %s\n", best, openblas_get_corename());
	return 0;
}
