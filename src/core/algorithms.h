/*
 * algorithms.h
 *		The table of algorithms: CR_ALGORITHM(name) for each, whose descriptor is cr_name_algorithm.
 *
 * For core/algorithm.h and core/algorithm.c.  The first is the default.
 */
CR_ALGORITHM(ials)
CR_ALGORITHM(als)
CR_ALGORITHM(popular)
CR_ALGORITHM(auto)
CR_ALGORITHM(item_knn)
CR_ALGORITHM(rp3beta)
CR_ALGORITHM(ease)
CR_ALGORITHM(bpr)
CR_ALGORITHM(pure_svd)
CR_ALGORITHM(concat_linear)
CR_ALGORITHM(svd_pp)
