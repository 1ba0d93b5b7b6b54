/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF64 headers, program headers and sections, as far as a PV kernel's builder
 * needs them. An address in the guest comes from p_paddr and the notes alone:
 * kernels have segments whose p_vaddr means something else.
 */
#include "libs/elf/elf.h"
#include "libs/rt/rt.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_section {
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t addralign, entsize;
};

#define ELF_EXEC   2
#define ELF_DYN    3
#define ELF_X86_64 62
#define PT_LOAD    1
#define PT_NOTE    4
#define SHT_NOTE   7

_Static_assert(sizeof(struct elf_header) == 64, "the ELF header of 64 bits");
_Static_assert(sizeof(struct elf_segment) == 56, "an ELF program header of 64 bits");
_Static_assert(sizeof(struct elf_section) == 64, "an ELF section header of 64 bits");

/* The guest's memory is addressed by less than 52 bits; no sum below comes near to wrapping. */
#define ADDRESS_LIMIT (1ULL << 51)

bool elf_view_part(const struct elf_view *view, uint64_t offset, uint64_t size,
		   struct elf_view *part) {
	if (offset > view->size || size > view->size - offset) return false;
	part->data = view->data + offset;
	part->size = size;
	return true;
}

bool elf_view_read(const struct elf_view *view, uint64_t offset, void *to, uint64_t size) {
	struct elf_view part;

	if (!elf_view_part(view, offset, size, &part)) return false;
	memcpy(to, part.data, size);
	return true;
}

static bool read_segment(const struct elf_view *file, const struct elf_header *header, unsigned i,
			 struct elf_segment *segment) {
	return header->phoff <= file->size &&
	       elf_view_read(file, header->phoff + (uint64_t)i * header->phentsize, segment,
			     sizeof(*segment));
}

static bool read_section(const struct elf_view *file, const struct elf_header *header, unsigned i,
			 struct elf_section *section) {
	return header->shoff <= file->size &&
	       elf_view_read(file, header->shoff + (uint64_t)i * header->shentsize, section,
			     sizeof(*section));
}

static const char *check_header(const struct elf_view *file, struct elf_header *header) {
	static const uint8_t bz_image[4] = {'H', 'd', 'r', 'S'};
	uint8_t mark[4];

	if (elf_view_read(file, 0x202, mark, 4) && !memcmp(mark, bz_image, 4))
		return "it is a bzImage, not the ELF kernel packed in it";
	if (!elf_view_read(file, 0, header, sizeof(*header)))
		return "it is too short for an ELF file";
	if (memcmp(header->ident, "\177ELF", 4)) return "it is not an ELF file";
	if (header->ident[4] != 2 || header->ident[5] != 1 || header->machine != ELF_X86_64)
		return "it is not an ELF file for x86-64";
	if (header->type != ELF_EXEC && header->type != ELF_DYN)
		return "it is an ELF file, but not an executable";
	if (!header->phnum || header->phentsize < sizeof(struct elf_segment))
		return "its ELF header has no program headers";
	return NULL;
}

/* A file that was cut is said to be that, before anything is missed in it. */
static const char *check_whole(const struct elf_view *file, const struct elf_header *header) {
	struct elf_segment segment;
	struct elf_view view;

	for (unsigned i = 0; i < header->phnum; i++) {
		if (!read_segment(file, header, i, &segment))
			return "it is truncated: its program headers lie beyond its end";
		if ((segment.type == PT_LOAD || segment.type == PT_NOTE) &&
		    !elf_view_part(file, segment.offset, segment.filesz, &view))
			return "it is truncated: a segment lies beyond its end";
	}
	return NULL;
}

static bool section_is_legacy(const struct elf_view *file, const struct elf_section *names,
			      const struct elf_section *section) {
	static const char wanted[] = "__xen_guest";
	struct elf_view strings;
	char name[sizeof(wanted)];

	return elf_view_part(file, names->offset, names->size, &strings) &&
	       elf_view_read(&strings, section->name, name, sizeof(name)) &&
	       !memcmp(name, wanted, sizeof(wanted));
}

/* The section headers: SHT_NOTE first, __xen_guest only when there is no note. */
static void read_section_notes(const struct elf_view *file, const struct elf_header *header,
			       struct pv_notes *notes) {
	struct elf_section section, names;
	struct elf_view view;

	if (header->shentsize < sizeof(section)) return;
	for (unsigned i = 0; i < header->shnum; i++)
		if (read_section(file, header, i, &section) && section.type == SHT_NOTE &&
		    elf_view_part(file, section.offset, section.size, &view))
			pv_notes_read(&view, notes);
	if (notes->any || !read_section(file, header, header->shstrndx, &names)) return;
	for (unsigned i = 0; i < header->shnum; i++)
		if (read_section(file, header, i, &section) &&
		    section_is_legacy(file, &names, &section) &&
		    elf_view_part(file, section.offset, section.size, &view))
			pv_notes_read_legacy(&view, notes);
}

static void read_notes(const struct elf_view *file, const struct elf_header *header,
		       struct pv_notes *notes) {
	struct elf_segment segment;
	struct elf_view view;

	for (unsigned i = 0; i < header->phnum; i++)
		if (read_segment(file, header, i, &segment) && segment.type == PT_NOTE &&
		    segment.offset && elf_view_part(file, segment.offset, segment.filesz, &view))
			pv_notes_read(&view, notes);
	if (!notes->any) read_section_notes(file, header, notes);
}

static const char *check_notes(const struct pv_notes *notes) {
	if (!notes->any) return "it has no Xen notes: not a kernel for paravirtual guests";
	if (notes->has_phys32_entry && !notes->has_entry && !notes->legacy)
		return "it can only start as a PVH guest, not as a paravirtual one";
	if (memcmp(notes->xen_version, "xen-3.0", 7))
		return "its Xen notes name another interface than xen-3.0";
	if (memcmp(notes->guest_os, "linux", 5) && memcmp(notes->loader, "generic", 7))
		return "its Xen notes ask for a loader other than generic";
	if (notes->refused[0])
		return "it requires a feature that paravirtual guests do not have here";
	return NULL;
}

static const char *read_load(const struct elf_segment *segment, const struct pv_notes *notes,
			     struct pv_kernel *kernel) {
	struct pv_load *load = &kernel->load[kernel->load_count];
	uint64_t physical;

	if (!segment->memsz) return NULL;
	if (kernel->load_count == PV_MAX_LOADS) return "it has too many segments";
	if (segment->filesz > segment->memsz) return "a segment has more bytes than memory";
	if (segment->paddr < notes->paddr_offset) return "a segment lies below its PADDR_OFFSET";
	physical = segment->paddr - notes->paddr_offset;
	if (physical > ADDRESS_LIMIT || segment->memsz > ADDRESS_LIMIT ||
	    physical + segment->memsz > UINT64_MAX - notes->virt_base)
		return "a segment lies beyond the address space";

	load->offset = segment->offset;
	load->file_size = segment->filesz;
	load->memory_size = segment->memsz;
	load->address = physical + notes->virt_base;
	kernel->start = MIN(kernel->start, load->address);
	kernel->end = MAX(kernel->end, load->address + load->memory_size);
	kernel->load_count++;
	return NULL;
}

/* What the notes say of addresses, against the image. */
static const char *place(const struct pv_notes *notes, uint64_t elf_entry,
			 struct pv_kernel *kernel) {
	kernel->virt_base = notes->virt_base;
	kernel->entry = notes->has_entry ? notes->entry : elf_entry;
	if (kernel->virt_base % PAGE_SIZE) return "its VIRT_BASE is not on a page boundary";
	if (kernel->entry < kernel->start || kernel->entry >= kernel->end)
		return "its entry point lies outside of the image";

	kernel->has_hypercall_page = notes->has_hypercall_page;
	kernel->hypercall_page = notes->hypercall_page;
	if (notes->hypercall_page_is_number) {
		if (notes->hypercall_page > ADDRESS_LIMIT / PAGE_SIZE)
			return "its hypercall page lies outside of the image";
		kernel->hypercall_page = notes->hypercall_page * PAGE_SIZE + notes->virt_base;
	}
	if (kernel->has_hypercall_page &&
	    (kernel->hypercall_page % PAGE_SIZE || kernel->hypercall_page < kernel->start ||
	     kernel->hypercall_page >= kernel->end))
		return "its hypercall page lies outside of the image";

	/* A p2m address that cannot be is taken as none, as other builders do. */
	kernel->init_p2m = notes->init_p2m;
	kernel->has_init_p2m = notes->has_init_p2m && !(notes->init_p2m % PAGE_SIZE) &&
			       notes->init_p2m < kernel->virt_base;
	kernel->mod_start_pfn = notes->mod_start_pfn;
	memcpy(kernel->guest_os, notes->guest_os, sizeof(kernel->guest_os));
	return NULL;
}

const char *pv_kernel_parse(const void *data, uint64_t size, struct pv_kernel *kernel) {
	const struct elf_view file = {.data = data, .size = size};
	struct elf_header header;
	struct elf_segment segment;
	struct pv_notes notes = {.any = false};
	const char *why = check_header(&file, &header);

	*kernel = (struct pv_kernel){.start = UINT64_MAX};
	if (!why) why = check_whole(&file, &header);
	if (why) return why;
	read_notes(&file, &header, &notes);
	why = check_notes(&notes);
	if (why) return why;

	for (unsigned i = 0; i < header.phnum; i++) {
		if (read_segment(&file, &header, i, &segment) && segment.type == PT_LOAD)
			why = read_load(&segment, &notes, kernel);
		if (why) return why;
	}
	if (!kernel->load_count) return "it has nothing to load";
	return place(&notes, header.entry, kernel);
}
