/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's address space in a host program: the direct map of the machine's
 * RAM lies where a process may map memory. Found before kernel/cpu/layout.h.
 */
#ifndef TESTS_HOST_LAYOUT_H
#define TESTS_HOST_LAYOUT_H

#include "kernel/cpu/layout.h"

#undef DIRECT_BASE
#undef DIRECT_END
#define DIRECT_BASE 0x200000000000
#define DIRECT_END  0x210000000000

#endif
