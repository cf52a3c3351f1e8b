/*
 * segment.c
 *		Shared segments of any size, made in slices between which a cancel is answered.
 *
 * A segment starts small and is made longer under its own name before anybody
 * else knows of it; attaching anew maps it in full, since attaching goes by
 * the length it finds.  For that moment it is pinned: without a mapping it
 * would be gone.  Kinds of shared memory whose length is fixed, and the part
 * that the server reserved at its start, are made in one piece.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/dsm_impl.h"
#include "storage/ipc.h"

#include "common/compat.h"
#include "common/segment.h"

#define SLICE_BYTES		(16 * 1024 * 1024)	/* the kernel clears it in about 10 ms */

#if defined(__linux__) && defined(HAVE_POSIX_FALLOCATE)
#define CAN_GROW	1
#else
#define CAN_GROW	0
#endif

typedef struct SegmentNeed
{
	Size		bytes;
	const SegmentPurpose *purpose;
} SegmentNeed;

/*
 * Containers often come with very little shared memory; the server's message
 * about it does not say that one can do without.
 */
static void
add_shared_memory_hint(void *arg)
{
	const SegmentNeed *need = (const SegmentNeed *) arg;
	int			code = geterrcode();

	if (code == ERRCODE_DISK_FULL || code == ERRCODE_OUT_OF_MEMORY)
		errhint("%s needs %zu MB of dynamic shared memory: make /dev/shm larger, or %s.",
				need->purpose->what, need->bytes / (1024 * 1024) + 1, need->purpose->instead);
}

#if CAN_GROW

/* Open the file behind a segment; -1 with errno set if that fails. */
static int
open_segment(dsm_handle handle)
{
	char		name[MAXPGPATH];

	if (dynamic_shared_memory_type == DSM_IMPL_POSIX)
	{
		snprintf(name, sizeof(name), "/PostgreSQL.%u", (unsigned) handle);
		return shm_open(name, O_RDWR, 0600);
	}
	snprintf(name, sizeof(name), PG_DYNSHMEM_DIR "/" PG_DYNSHMEM_MMAP_FILE_PREFIX "%u",
			 (unsigned) handle);
	return open(name, O_RDWR | PG_BINARY, 0600);
}

/* Lengthen a segment to "length"; returns 0, an errno, or EINTR where a signal came in between. */
static int
lengthen_segment(dsm_handle handle, Size from, Size length)
{
	int			file = open_segment(handle);
	int			error;

	if (file < 0)
		return errno;
	error = posix_fallocate(file, (off_t) from, (off_t) (length - from));
	close(file);
	return error;
}

/* Lengthen a segment that nobody has mapped, slice by slice; the file is not open over a poll. */
static void
grow_segment(dsm_handle handle, Size bytes)
{
	Size		length = SLICE_BYTES;

	while (length < bytes)
	{
		Size		next = Min(length + SLICE_BYTES, bytes);
		int			error = lengthen_segment(handle, length, next);

		if (error == 0)
			length = next;
		else if (error != EINTR)
		{
			errno = error;
			ereport(ERROR,
					(error == ENOMEM || error == EFBIG ?
					 errcode(ERRCODE_OUT_OF_MEMORY) : errcode_for_file_access(),
					 errmsg("could not resize shared memory segment to %zu bytes: %m", bytes)));
		}
		CHECK_FOR_INTERRUPTS();
	}
}

static void
unpin_segment(int code pg_attribute_unused(), Datum handle)
{
	dsm_unpin_segment(DatumGetUInt32(handle));
}

/* Let go of a mapped segment, lengthen it and map it again. */
static dsm_segment *
remap_in_full(dsm_segment *segment, Size bytes)
{
	dsm_handle	handle = dsm_segment_handle(segment);

	dsm_pin_segment(segment);
	PG_ENSURE_ERROR_CLEANUP(unpin_segment, UInt32GetDatum(handle));
	{
		dsm_detach(segment);
		grow_segment(handle, bytes);
		segment = dsm_attach(handle);
	}
	PG_END_ENSURE_ERROR_CLEANUP(unpin_segment, UInt32GetDatum(handle));
	dsm_unpin_segment(handle);
	Assert(segment != NULL && dsm_segment_map_length(segment) >= bytes);
	return segment;
}

static bool
is_growable(dsm_segment *segment)
{
	return (dynamic_shared_memory_type == DSM_IMPL_POSIX ||
			dynamic_shared_memory_type == DSM_IMPL_MMAP) &&
		!CommrecSegmentIsReserved(segment);
}

static dsm_segment *
create_in_slices(Size bytes)
{
	dsm_segment *segment = dsm_create(SLICE_BYTES, DSM_CREATE_NULL_IF_MAXSEGMENTS);

	if (segment == NULL)
		return NULL;
	if (is_growable(segment))
		return remap_in_full(segment, bytes);
	dsm_detach(segment);
	return dsm_create(bytes, DSM_CREATE_NULL_IF_MAXSEGMENTS);
}

#endif							/* CAN_GROW */

dsm_segment *
SegmentCreate(Size bytes, const SegmentPurpose *purpose)
{
	SegmentNeed need = {bytes, purpose};
	ErrorContextCallback callback;
	dsm_segment *segment;

	callback.callback = add_shared_memory_hint;
	callback.arg = &need;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
#if CAN_GROW
	if (bytes > SLICE_BYTES)
		segment = create_in_slices(bytes);
	else
#endif
		segment = dsm_create(bytes, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	error_context_stack = callback.previous;
	return segment;
}
