/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program needs (proto/package.h), said where it is used: each line becomes an
 * entry of the section .package, which is not loaded and which the linker collects
 * into the program's .dom file. A library says what its users need, so a driver that
 * is linked with libs/blk need not know how that speaks with the disk server.
 */
#ifndef LIBS_RT_PACKAGE_H
#define LIBS_RT_PACKAGE_H

#include "proto/native.h"
#include "proto/package.h"

#define PACKAGE_JOIN_(a, b) a##b
#define PACKAGE_JOIN(a, b)  PACKAGE_JOIN_(a, b)
#define PACKAGE_ENTRY(...)                                                                     \
	static const struct package_need PACKAGE_JOIN(package_line_, __LINE__) __attribute__(( \
		section(".package"), used, aligned(sizeof(struct package_need)))) = {__VA_ARGS__}

/* It is a client by this protocol (SYSTEM_CONN_*), and speaks these versions of it. */
#define PACKAGE_CLIENT(protocol, first, last) \
	PACKAGE_ENTRY(PACKAGE_NEED_CONNECTION, 0, protocol, NATIVE_CLIENT, first, last, 0)
/* The same, if the description has such a connection. */
#define PACKAGE_MAY_BE_CLIENT(protocol, first, last)                                               \
	PACKAGE_ENTRY(PACKAGE_NEED_CONNECTION, PACKAGE_F_OPTIONAL, protocol, NATIVE_CLIENT, first, \
		      last, 0)
/* It can serve others by this protocol; it works without any. */
#define PACKAGE_SERVER(protocol, first, last)                                                      \
	PACKAGE_ENTRY(PACKAGE_NEED_CONNECTION, PACKAGE_F_OPTIONAL, protocol, NATIVE_SERVER, first, \
		      last, 0)
/* It does not work without a capability of this type (CAP_*). */
#define PACKAGE_CAPABILITY(type)      PACKAGE_ENTRY(PACKAGE_NEED_CAPABILITY, 0, type, 0, 0, 0, 0)
/* The runtime itself: what root prepares for it is of one of these versions. */
#define PACKAGE_RUNS_ON(first, last)  PACKAGE_ENTRY(PACKAGE_NEED_RUNTIME, 0, 0, 0, first, last, 0)
/* It has a lifeboat, and can work in these layouts; it begins a new one in the last. */
#define PACKAGE_LIFEBOAT(first, last) PACKAGE_ENTRY(PACKAGE_NEED_LIFEBOAT, 0, 0, 0, first, last, 0)

/* The same, if the description lends it one. */
#define PACKAGE_MAY_HAVE_LIFEBOAT(first, last) \
	PACKAGE_ENTRY(PACKAGE_NEED_LIFEBOAT, PACKAGE_F_OPTIONAL, 0, 0, first, last, 0)

#endif
