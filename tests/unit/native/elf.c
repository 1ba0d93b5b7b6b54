/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels as users bring them: good ones, broken ones, lying ones. */
#include "native.h"

#include "kernel_image.h"
#include "libs/elf/elf.h"

static struct image image;
static struct pv_kernel kernel;

/* From memory of exactly that size, so that a read beyond it is caught. */
static const char *parse(const void *bytes, uint32_t size) {
	uint8_t *copy = malloc(size ? size : 1);
	const char *why;

	CHECK(copy);
	memcpy(copy, bytes, size);
	why = pv_kernel_parse(copy, size, &kernel);
	free(copy);
	return why;
}

static const char *parse_image(void) { return parse(image.bytes, image.size); }

static void refused(const char *word) {
	const char *why = parse_image();

	CHECK(why && strstr(why, word));
}

static void test_linux(void) {
	image_linux(&image, 0x300000);
	CHECK(!parse_image());
	CHECK(kernel.entry == 0xffffffff81000010 && kernel.virt_base == 0xffffffff80000000);
	CHECK(kernel.start == 0xffffffff81000000 && kernel.end == 0xffffffff81300000);
	CHECK(kernel.has_init_p2m && kernel.init_p2m == 0x8000000000 && kernel.mod_start_pfn);
	CHECK(!kernel.has_hypercall_page && !strcmp(kernel.guest_os, "linux"));
	CHECK(kernel.load_count == 1 && kernel.load[0].file_size == 64);
}

static void test_low(void) {
	image_low(&image, 0x5000);
	image_note_number(&image, XEN_ELFNOTE_HYPERCALL_PAGE, 0x2000);
	CHECK(!parse_image());
	CHECK(kernel.entry == 0 && kernel.virt_base == 0 && !kernel.has_init_p2m);
	CHECK(kernel.has_hypercall_page && kernel.hypercall_page == 0x2000);
}

static void test_segments(void) {
	/* p_vaddr means nothing, empty segments neither. */
	image_linux(&image, 0x1000);
	image_add(&image, PT_LOAD, 0x1001000, 16, 0x2000)->p_vaddr = 0;
	image_add(&image, PT_LOAD, 0xdead000, 0, 0);
	CHECK(!parse_image());
	CHECK(kernel.load_count == 2 && kernel.load[1].address == 0xffffffff81001000);
	CHECK(kernel.end == 0xffffffff81003000);
}

static void test_legacy(void) {
	static const char words[] =
		"GUEST_OS=Mini-OS,XEN_VER=xen-3.0,VIRT_BASE=0x0,ELF_PADDR_OFFSET=0x0,"
		"HYPERCALL_PAGE=0x2,LOADER=generic";
	static const char names[] = "\0__xen_guest";
	Elf64_Shdr *s;
	uint32_t at;

	image_init(&image, 0x100);
	image_add(&image, PT_LOAD, 0, 64, 0x4000);
	at = image.size;
	memcpy(image.bytes + at, words, sizeof(words));
	memcpy(image.bytes + at + 256, names, sizeof(names));
	image_header(&image)->e_shoff = at + 512;
	image_header(&image)->e_shentsize = sizeof(*s);
	image_header(&image)->e_shnum = 3;
	image_header(&image)->e_shstrndx = 2;
	s = (Elf64_Shdr *)(void *)(image.bytes + at + 512);
	s[1] = (Elf64_Shdr){
		.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = at, .sh_size = sizeof(words)};
	s[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = at + 256, .sh_size = sizeof(names)};
	image.size = at + 512 + 3 * sizeof(*s);
	CHECK(!parse_image());
	CHECK(kernel.entry == 0x100 && kernel.hypercall_page == 0x2000);
	/* A page number that lies outside. */
	memcpy(strstr((char *)image.bytes + at, "PAGE=0x2"), "PAGE=0x9", 8);
	refused("hypercall page");
}

static void test_not_a_kernel(void) {
	CHECK(strstr(parse("", 0), "too short"));
	CHECK(strstr(parse("hello", 5), "too short"));
	image_linux(&image, 0x1000);
	image.bytes[1] = 'x';
	refused("not an ELF");
	image_linux(&image, 0x1000);
	image.bytes[4] = 1;
	refused("x86-64");
	image_linux(&image, 0x1000);
	image_header(&image)->e_type = ET_REL;
	refused("executable");
	image_linux(&image, 0x1000);
	image_header(&image)->e_phnum = 0;
	refused("program headers");
	memset(&image, 0, sizeof(image));
	memcpy(image.bytes + 0x202, "HdrS", 4);
	image.size = 1024;
	refused("bzImage");
	image_init(&image, 0);
	image_add(&image, PT_LOAD, 0, 16, 0x1000);
	refused("no Xen notes");
}

static void test_notes_refuse(void) {
	image_low(&image, 0x1000);
	image_note_text(&image, XEN_ELFNOTE_XEN_VERSION, "xen-4.0");
	refused("xen-3.0");
	image_low(&image, 0x1000);
	image_note_text(&image, XEN_ELFNOTE_LOADER, "special");
	refused("loader");
	image_low(&image, 0x1000);
	image_note_text(&image, XEN_ELFNOTE_FEATURES, "!supervisor_mode_kernel");
	refused("feature");
	image_low(&image, 0x1000);
	image_note_number(&image, XEN_ELFNOTE_PHYS32_ENTRY, 0x100);
	refused("PVH");
}

static void test_lies(void) {
	image_linux(&image, 0x1000);
	image_segment(&image, 0)->p_memsz = 32;
	refused("more bytes than memory");
	image_linux(&image, 0x10000);
	image_segment(&image, 0)->p_filesz = 0x8000;
	refused("truncated");
	image_linux(&image, 0x1000);
	image_segment(&image, 1)->p_offset = 0x100000;
	refused("truncated");
	image_linux(&image, 0x1000);
	image_segment(&image, 0)->p_offset = UINT64_MAX - 8;
	refused("truncated");
	image_linux(&image, 0x1000);
	image_segment(&image, 0)->p_memsz = UINT64_MAX - 8;
	refused("address space");
	image_linux(&image, 0x1000);
	image_segment(&image, 0)->p_paddr = UINT64_MAX - 0xfff;
	refused("address space");
	image_linux(&image, 0x1000);
	image_note_number(&image, XEN_ELFNOTE_ENTRY, 0xffffffff82000000);
	refused("entry");
	image_linux(&image, 0x1000);
	image_note_number(&image, XEN_ELFNOTE_PADDR_OFFSET, 0x2000000);
	refused("PADDR_OFFSET");
	image_linux(&image, 0x1000);
	image_note_number(&image, XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000001);
	refused("VIRT_BASE");
	/* A p2m address that cannot be is none. */
	image_linux(&image, 0x1000);
	image_note_number(&image, XEN_ELFNOTE_INIT_P2M, 0x8000000001);
	CHECK(!parse_image() && !kernel.has_init_p2m);
}

/* Cut anywhere, or with any byte changed: an answer, and no access outside. */
static void test_damage(void) {
	image_linux(&image, 0x1000);
	image_note_number(&image, XEN_ELFNOTE_HYPERCALL_PAGE, 0xffffffff81000000);
	for (uint32_t size = 0; size < image.size; size++) parse(image.bytes, size);
	CHECK(!parse_image());
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t at = noise() % image.size;
		uint8_t old = image.bytes[at];

		image.bytes[at] = (uint8_t)noise();
		parse_image();
		image.bytes[at] = old;
	}
}

int main(void) {
	static const struct test tests[] = {
		{"a kernel like Linux", test_linux},
		{"a kernel from address 0 on", test_low},
		{"several segments", test_segments},
		{"a __xen_guest section", test_legacy},
		{"files that are no PV kernels", test_not_a_kernel},
		{"notes that ask for what there is not", test_notes_refuse},
		{"headers that lie", test_lies},
		{"damaged files", test_damage},
	};

	return RUN("elf", tests);
}
