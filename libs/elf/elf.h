/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a builder must know of a PV kernel: where its parts lie in the file and
 * in the guest, and what its Xen notes ask for. The file is whatever a user
 * brought, so nothing in it is believed: every offset goes through a view that
 * knows its length, sums cannot wrap, loops are bounded by the file's size.
 *
 * Not here, because no PV kernel needs it: relocations, symbols, 32 bits.
 */
#ifndef LIBS_ELF_ELF_H
#define LIBS_ELF_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PV_MAX_LOADS 16

struct pv_load {
	uint64_t offset, file_size; /* in the file */
	uint64_t address;           /* virtual, in the guest */
	uint64_t memory_size;       /* >= file_size, the rest is zero */
};

struct pv_kernel {
	uint64_t entry;
	uint64_t virt_base;      /* virtual address of PFN 0, page aligned */
	uint64_t start, end;     /* virtual addresses of the image */
	uint64_t hypercall_page; /* virtual address, if has_hypercall_page */
	uint64_t init_p2m;       /* virtual address, if has_init_p2m */
	bool has_hypercall_page;
	bool has_init_p2m;
	bool mod_start_pfn; /* the initrd may stay unmapped */
	char guest_os[16];
	uint32_t load_count;
	struct pv_load load[PV_MAX_LOADS];
};

/* A part of the file. */
struct elf_view {
	const uint8_t *data;
	uint64_t size;
};

/* [offset, offset + size) of a view; false: not within it. */
bool elf_view_part(const struct elf_view *view, uint64_t offset, uint64_t size,
		   struct elf_view *part);
/* Copies size bytes at offset; false: not within it. */
bool elf_view_read(const struct elf_view *view, uint64_t offset, void *to, uint64_t size);

/*
 * Reads a kernel. NULL on success; else what is wrong with it, in words for the
 * user, and *kernel is not to be used.
 */
const char *pv_kernel_parse(const void *file, uint64_t size, struct pv_kernel *kernel);

/* --- notes.c, used by elf.c --- */

struct pv_notes {
	bool any;    /* there are Xen notes */
	bool legacy; /* they come from a __xen_guest section */
	bool has_entry, has_virt_base, has_paddr_offset, has_hypercall_page, has_init_p2m;
	bool hypercall_page_is_number; /* of a page, relative to virt_base */
	bool mod_start_pfn;
	bool has_phys32_entry;
	uint64_t entry, virt_base, paddr_offset, hypercall_page, init_p2m;
	char guest_os[16], xen_version[16], loader[16];
	char refused[32]; /* a feature that it requires and that there is not */
};

/* Adds the notes of a PT_NOTE segment or an SHT_NOTE section. */
void pv_notes_read(const struct elf_view *view, struct pv_notes *notes);
/* Adds the words of a __xen_guest section. */
void pv_notes_read_legacy(const struct elf_view *view, struct pv_notes *notes);

#endif
