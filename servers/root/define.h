/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains that are brought to the running system (proto/define.h). The description has a place
 * for each: a domain with object, domid, channels, capabilities and devices like any other, which
 * only lacks what runs there. So bringing one wires nothing, and taking it away again unwires
 * nothing; what comes and goes is a file, some numbers, and which of its devices are plugged.
 */
#ifndef SERVERS_ROOT_DEFINE_H
#define SERVERS_ROOT_DEFINE_H

#include "manage.h"
#include "program.h"
#include "proto/define.h"

/* A guest's kernel or initrd. */
struct define_file {
	uint64_t mfn, size;
	const struct boot_module *module; /* NULL: it was brought */
};

struct brought {
	struct system_domain d; /* as in the description, but for its memory */
	struct program *file;   /* NULL: this place in the table is free. Held */
	struct define_file image, initrd;
	char cmdline[1024];
	char label[DEFINE_NAME];
};

/* Of a guest, brought or from the boot modules; NULL: it is not there. */
const char *define_kernel(const struct domain *guest, struct define_file *file);
/* size 0: it has none. */
const char *define_initrd(const struct domain *guest, struct define_file *file);
/* Of this guest's map at page `first` of the place for modules. NULL: cannot. */
const void *define_map(const struct define_file *file, uint64_t first);
/* A place for which nothing was brought. */
bool define_is_empty(const struct domain *domain);

#endif
