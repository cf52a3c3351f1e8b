/*
 * itemset.c
 *		Which items pass a filter: one bit each.
 */
#include "core/bytes.h"
#include "core/itemset.h"

#define FORMAT_VERSION	1

static const uint8_t magic[4] = {'C', 'R', 'I', 'S'};

CrStatus
cr_itemset_init(int32_t first, uint8_t *out)
{
	if (first < 0 || first % CR_ITEMSET_BITS != 0)
		return CR_INVALID_ARGUMENT;
	memset(out, 0, CR_ITEMSET_BYTES);
	memcpy(out, magic, sizeof(magic));
	out[4] = FORMAT_VERSION;
	cr_store_u32(out + 8, (uint32_t) first);
	return CR_OK;
}

CrStatus
cr_itemset_add(uint8_t *bytes, int32_t item_no)
{
	int64_t		bit = (int64_t) item_no - (int64_t) cr_load_u32(bytes + 8);

	if (bit < 0 || bit >= CR_ITEMSET_BITS)
		return CR_INVALID_ARGUMENT;
	bytes[CR_ITEMSET_HEADER + bit / 8] |= (uint8_t) (1 << bit % 8);
	return CR_OK;
}

CrStatus
cr_itemset_check(const uint8_t *bytes, size_t length, int32_t first)
{
	if (length < CR_ITEMSET_HEADER || memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[4] == 0)
		return CR_CORRUPT;
	if (bytes[4] != FORMAT_VERSION)
		return CR_UNSUPPORTED_FORMAT;
	if (cr_load_u32(bytes + 4) != FORMAT_VERSION || length != CR_ITEMSET_BYTES ||
		cr_load_u32(bytes + 8) != (uint32_t) first)
		return CR_CORRUPT;
	return CR_OK;
}

void
cr_itemset_decode(const uint8_t *bytes, uint64_t *words)
{
	bytes += CR_ITEMSET_HEADER;
	for (int32_t i = 0; i < CR_ITEMSET_WORDS; i++)
		words[i] = (uint64_t) cr_load_u32(bytes + 8 * i) |
			(uint64_t) cr_load_u32(bytes + 8 * i + 4) << 32;
}

int32_t
cr_itemset_next(const uint64_t *words, int32_t from)
{
	int32_t		word = from / 64;
	uint64_t	rest;

	if (from >= CR_ITEMSET_BITS)
		return CR_ITEMSET_BITS;
	rest = words[word] & ~UINT64_C(0) << (from % 64);
	while (rest == 0)
	{
		if (++word == CR_ITEMSET_WORDS)
			return CR_ITEMSET_BITS;
		rest = words[word];
	}
	return word * 64 + __builtin_ctzll(rest);
}
