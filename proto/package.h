/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A package (NAME.dom): one native domain's program in one file, with what it needs.
 *
 *     0      struct package, one page
 *     4096   the program: struct native_image (proto/native.h) and its sections
 *
 * Everything lies at a fixed place, so a reader has three numbers to check: the file
 * is as long as image_size says, need_count is in range, the digest is right.
 *
 * The needs are not written by hand: whoever uses a protocol or a capability in the
 * program says so in C, beside the use (libs/rt/package.h), and the linker collects
 * them. A need that is not optional must be met by the description; and each
 * connection that the description gives must be one that the program speaks.
 *
 * Versions. A connection's two ends each speak a range; root takes the newest that
 * both do, each time that one of them starts. A lifeboat stays in the layout in which
 * it was laid out for as long as a program can work in it, so a program that reads
 * layouts 1 to 2 can follow, and be followed by, one that knows only 1.
 *
 * The digest is over everything in front of it and the program behind it. The
 * signature is Ed25519 (RFC 8032, pure) over the first PACKAGE_SIGNED bytes, which
 * the digest ends.
 */
#ifndef PROTO_PACKAGE_H
#define PROTO_PACKAGE_H

#include <stddef.h>
#include <stdint.h>

#define PACKAGE_MAGIC     0x314d4f4441525354ULL /* "TSRADOM1" */
#define PACKAGE_FORMAT    1U
#define PACKAGE_HEADER    4096U
#define PACKAGE_MAX_IMAGE (64U << 20)
#define PACKAGE_MAX_NEEDS 64U

#define PACKAGE_NEED_CONNECTION 1U /* what: SYSTEM_CONN_*; role; versions that it speaks */
#define PACKAGE_NEED_CAPABILITY 2U /* what: CAP_*; at least one of that type */
#define PACKAGE_NEED_LIFEBOAT   3U /* versions: layouts that it can work in */
#define PACKAGE_NEED_RUNTIME    4U /* versions: of what root prepares for it, PACKAGE_RUNTIME */

#define PACKAGE_RUNTIME 1U /* start page and control page: proto/native.h, control.h */

#define PACKAGE_F_OPTIONAL 1U /* it works without */

struct package_need {
	uint16_t kind;  /* PACKAGE_NEED_* */
	uint16_t flags; /* PACKAGE_F_* */
	uint16_t what;
	uint16_t role; /* NATIVE_SERVER, NATIVE_CLIENT; 0 */
	uint16_t oldest, newest;
	uint32_t pad;
};

struct package {
	uint64_t magic;      /* PACKAGE_MAGIC */
	uint32_t format;     /* PACKAGE_FORMAT */
	uint32_t image_size; /* the file has PACKAGE_HEADER bytes more */
	uint32_t need_count;
	uint32_t pad0;
	char name[32];        /* of the program, NUL-terminated */
	char release[16];     /* its version, in its author's words, NUL-terminated */
	uint8_t build_id[20]; /* of the program: the first bytes of its SHA-512 */
	uint8_t pad1[4];
	struct package_need need[PACKAGE_MAX_NEEDS]; /* the rest is zero */
	uint8_t digest[64];                          /* SHA-512 */
	uint8_t key[32];                             /* public key of who signed; zero: nobody */
	uint8_t signature[64];
	uint8_t pad2[2816];
};
#define PACKAGE_SIGNED (offsetof(struct package, key))

_Static_assert(sizeof(struct package_need) == 16, "package_need layout");
_Static_assert(offsetof(struct package, need) == 96, "package layout");
_Static_assert(offsetof(struct package, digest) == 1120, "package layout");
_Static_assert(sizeof(struct package) == PACKAGE_HEADER, "a package's header is a page");

#endif
