/*
 * solve_portable.c
 *		The inner loops of least squares for the platform's baseline.
 */
#define SOLVE_TABLE	cr_solve_portable
#include "core/solve_body.h"
