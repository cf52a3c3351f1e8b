/*
 * segment.h
 *		Shared segments of any size, made in slices between which a cancel is answered.
 *
 * dsm_create() hands over memory that the operating system has already given,
 * and holds off signals meanwhile: a second and more for every 2 GB.  Here the
 * segment is an ordinary one, with a handle that workers attach to and that
 * the server removes even after a crash; only its growth is ours.
 */
#ifndef COMMREC_SEGMENT_H
#define COMMREC_SEGMENT_H

#include "storage/dsm.h"

/* For the hint where the memory cannot be had: who needs it, and how to do without. */
typedef struct SegmentPurpose
{
	const char *what;			/* "Training" */
	const char *instead;		/* "train with workers => 0" */
} SegmentPurpose;

/*
 * A mapped segment of at least "bytes" bytes, all zero, that belongs to the
 * current resource owner.  NULL if the server has no slot left for another;
 * 53100 or 53200 if the memory cannot be had.
 */

extern dsm_segment *SegmentCreate(Size bytes, const SegmentPurpose *purpose);

#endif							/* COMMREC_SEGMENT_H */
