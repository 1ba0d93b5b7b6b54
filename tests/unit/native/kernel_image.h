/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes small ELF kernels with Xen notes, for the tests of whatever reads them. */
#ifndef TESTS_UNIT_KERNEL_IMAGE_H
#define TESTS_UNIT_KERNEL_IMAGE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#include "proto/xen/elfnote.h"

#define IMAGE_MAX 8192U

struct image {
	uint8_t bytes[IMAGE_MAX];
	uint32_t size;
	uint32_t segments;
	uint32_t notes_at, notes_size; /* the PT_NOTE segment */
};

static inline Elf64_Ehdr *image_header(struct image *image) {
	return (Elf64_Ehdr *)(void *)image->bytes;
}

static inline Elf64_Phdr *image_segment(struct image *image, uint32_t n) {
	return (Elf64_Phdr *)(void *)(image->bytes + sizeof(Elf64_Ehdr)) + n;
}

static inline void image_init(struct image *image, uint64_t entry) {
	Elf64_Ehdr *h = image_header(image);

	memset(image, 0, sizeof(*image));
	memcpy(h->e_ident, ELFMAG "\2\1\1", 7);
	h->e_type = ET_EXEC;
	h->e_machine = EM_X86_64;
	h->e_entry = entry;
	h->e_phoff = sizeof(*h);
	h->e_phentsize = sizeof(Elf64_Phdr);
	h->e_ehsize = sizeof(*h);
	image->size = 1024; /* headers; what follows is contents */
}

static inline Elf64_Phdr *image_add(struct image *image, uint32_t type, uint64_t paddr,
				    uint64_t filesz, uint64_t memsz) {
	Elf64_Phdr *p = image_segment(image, image->segments++);

	image_header(image)->e_phnum = (uint16_t)image->segments;
	p->p_type = type;
	p->p_offset = image->size;
	p->p_paddr = paddr;
	p->p_filesz = filesz;
	p->p_memsz = memsz;
	image->size += (uint32_t)filesz;
	return p;
}

static inline void image_note(struct image *image, uint32_t type, const void *value,
			      uint32_t size) {
	const uint32_t header[3] = {4, size, type};
	uint8_t *at;

	if (!image->notes_at) {
		image_add(image, PT_NOTE, 0, 0, 0);
		image->notes_at = image->size;
	}
	at = image->bytes + image->size;
	memcpy(at, header, sizeof(header));
	memcpy(at + 12, "Xen", 4);
	memcpy(at + 16, value, size);
	image->size += 16 + ((size + 3) & ~3U);
	image->notes_size = image->size - image->notes_at;
	for (uint32_t i = 0; i < image->segments; i++)
		if (image_segment(image, i)->p_type == PT_NOTE)
			image_segment(image, i)->p_filesz = image->notes_size;
}

static inline void image_note_number(struct image *image, uint32_t type, uint64_t value) {
	image_note(image, type, &value, sizeof(value));
}

static inline void image_note_text(struct image *image, uint32_t type, const char *text) {
	image_note(image, type, text, (uint32_t)strlen(text) + 1);
}

/* As Linux: high, p2m elsewhere, initrd unmapped. memsz: of the whole image. */
static inline void image_linux(struct image *image, uint64_t memsz) {
	image_init(image, 0x1000000);
	image_add(image, PT_LOAD, 0x1000000, 64, memsz);
	image_note_text(image, XEN_ELFNOTE_GUEST_OS, "linux");
	image_note_text(image, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	image_note_text(image, XEN_ELFNOTE_LOADER, "generic");
	image_note_number(image, XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000000ULL);
	image_note_number(image, XEN_ELFNOTE_INIT_P2M, 0x8000000000ULL);
	image_note_number(image, XEN_ELFNOTE_ENTRY, 0xffffffff81000010ULL);
	image_note_number(image, XEN_ELFNOTE_MOD_START_PFN, 1);
	image_note_text(image, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
}

/* As GRUB and Mini-OS: from address 0 on, everything mapped. */
static inline void image_low(struct image *image, uint64_t memsz) {
	image_init(image, 0);
	image_add(image, PT_LOAD, 0, 64, memsz);
	image_note_text(image, XEN_ELFNOTE_GUEST_OS, "Mini-OS");
	image_note_text(image, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	image_note_text(image, XEN_ELFNOTE_LOADER, "generic");
}

#endif
