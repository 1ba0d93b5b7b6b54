/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain that is brought to a running system: what is uploaded (MANAGE_UPLOAD_*) before
 * MANAGE_DEFINE. The description has a place for it (SYSTEM_DOMAIN_F_PLACE), which says whom
 * it may speak with, which devices it may have, and how large it may become; the file says
 * what runs there. So nothing that is brought later can reach what the description does not give.
 *
 *     header       one page
 *     image        a guest's kernel, an ELF; or a native's package (proto/package.h)
 *     initrd       of guests
 *
 * Each part begins at a whole page. Instead of bytes, a part may name a boot module that the
 * system was started with: then it need not be brought.
 */
#ifndef PROTO_DEFINE_H
#define PROTO_DEFINE_H

#include <stddef.h>
#include <stdint.h>

#define DEFINE_MAGIC   0x314e464544525354ULL /* "TSRDEFN1" */
#define DEFINE_VERSION 1U
#define DEFINE_HEADER  4096U
#define DEFINE_DEVICES 32U
#define DEFINE_NAME    32U
#define DEFINE_MOST    (512ULL << 20) /* bytes of all of it */

struct define_part {
	uint64_t offset, size; /* size 0: there is none, or `module` is it */
	char module[DEFINE_NAME];
};

struct define_header {
	uint64_t magic;
	uint32_t version;
	uint32_t kind; /* SYSTEM_KIND_* */
	uint64_t total_size;
	uint64_t memory_pages;   /* at most those of the place */
	char place[DEFINE_NAME]; /* the domain of the description */
	char label[DEFINE_NAME]; /* what runs there, for people */
	struct define_part image, initrd;
	uint32_t
		device_count; /* that a guest has from its start on; its other ones are unplugged */
	uint32_t pad;
	char device[DEFINE_DEVICES][DEFINE_NAME]; /* as MANAGE_PLUG names them */
	char cmdline[1024];                       /* a native's arguments */
	uint8_t reserved[1848];                   /* 0 */
};

_Static_assert(sizeof(struct define_part) == 48, "define_part layout");
_Static_assert(offsetof(struct define_header, device) == 200, "define_header layout");
_Static_assert(sizeof(struct define_header) == DEFINE_HEADER, "define_header fills a page");

#endif
