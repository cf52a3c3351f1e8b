/*
 * release.h
 *		Which release of commrec this library is.
 */
#ifndef COMMREC_RELEASE_H
#define COMMREC_RELEASE_H

/* As in commrec.control and META.json; test/check_layers.sh compares them. */
#define COMMREC_RELEASE "0.2.0"

#endif							/* COMMREC_RELEASE_H */
