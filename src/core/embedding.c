/*
 * embedding.c
 *		The byte form of one embedding.
 */
#include "core/bytes.h"
#include "core/embedding.h"
#include "core/vector.h"

#define FORMAT_VERSION	1
#define ELEMENT_FLOAT	1

static const uint8_t magic[4] = {'C', 'R', 'V', 'E'};

size_t
cr_embedding_size(int32_t dims)
{
	return CR_EMBEDDING_HEADER + sizeof(float) * (size_t) dims;
}

CrStatus
cr_embedding_encode(const float *values, int32_t dims, uint8_t *out)
{
	if (dims < 1 || dims > CR_EMBEDDING_DIMS_MAX)
		return CR_INVALID_ARGUMENT;
	if (!cr_all_finite(values, dims))
		return CR_NOT_FINITE;
	memcpy(out, magic, sizeof(magic));
	out[4] = FORMAT_VERSION;
	out[5] = ELEMENT_FLOAT;
	cr_store_u16(out + 6, 0);
	cr_store_u32(out + 8, (uint32_t) dims);
	for (int32_t i = 0; i < dims; i++)
		cr_store_float(out + CR_EMBEDDING_HEADER + sizeof(float) * (size_t) i, values[i]);
	return CR_OK;
}

/* What a newer version keeps elsewhere is not looked at: it would only seem damaged. */
CrStatus
cr_embedding_check(const uint8_t *bytes, size_t length, int32_t *dims)
{
	uint32_t	stored;

	if (length < CR_EMBEDDING_HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 ||
		bytes[4] == 0 || bytes[5] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION || bytes[5] != ELEMENT_FLOAT)
		return CR_UNSUPPORTED_FORMAT;
	stored = cr_load_u32(bytes + 8);
	if (cr_load_u16(bytes + 6) != 0 || stored < 1 || stored > CR_EMBEDDING_DIMS_MAX ||
		length != cr_embedding_size((int32_t) stored))
		return CR_CORRUPT;
	*dims = (int32_t) stored;
	return CR_OK;
}

CrStatus
cr_embedding_decode(const uint8_t *bytes, size_t length, int32_t dims, float *out)
{
	int32_t		stored;
	CrStatus	status = cr_embedding_check(bytes, length, &stored);

	if (status != CR_OK)
		return status;
	if (stored != dims)
		return CR_DIMENSION_MISMATCH;
	for (int32_t i = 0; i < dims; i++)
		out[i] = cr_load_float(bytes + CR_EMBEDDING_HEADER + sizeof(float) * (size_t) i);
	return cr_all_finite(out, dims) ? CR_OK : CR_CORRUPT;
}
