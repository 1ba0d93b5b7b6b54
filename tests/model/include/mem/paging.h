/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of four entries. Found before kernel/mem/paging.h.
 */
#ifndef TESTS_MODEL_PAGING_H
#define TESTS_MODEL_PAGING_H

#include "kernel/mem/paging.h"

#undef PTES_PER_TABLE
#define PTES_PER_TABLE 4

#endif
