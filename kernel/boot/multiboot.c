/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader says, by either protocol, in one form. The loader is
 * trusted with the machine, but its tables come through firmware of all sorts:
 * every address and length is checked before it is followed.
 */
#include "boot/boot.h"
#include "lib/string.h"

#define MULTIBOOT1_HAS_CMDLINE 0x04
#define MULTIBOOT1_HAS_MODULES 0x08
#define MULTIBOOT1_HAS_MAP     0x40

#define TAG_END      0
#define TAG_CMDLINE  1
#define TAG_MODULE   3
#define TAG_MAP      6
#define TAG_RSDP_OLD 14
#define TAG_RSDP     15

#define MAP_RAM 1

struct multiboot1_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
};

struct multiboot1_module {
	u32 start, end, cmdline, pad;
};

struct multiboot2_tag {
	u32 type, size;
};

/* The body of both protocols' memory map entries. */
struct map_entry {
	u64 address, length;
	u32 type;
} __attribute__((packed));

#define STRING_MAX 256

/* False: not all of it exists. Only the copy is looked at. */
static bool fetch(void *to, paddr_t from, size_t size) {
	const void *p = boot_physical(from, size);

	if (p) memcpy(to, p, size);
	return p;
}

/* Copies at most size - 1 characters of a string that ends before `limit`. */
static void copy_string(char *to, size_t size, paddr_t from, u64 limit) {
	size_t n = 0;

	while (n + 1 < size && n < limit && fetch(to + n, from + n, 1) && to[n]) n++;
	to[n] = 0;
}

/*
 * The name is the last word, without a path: GRUB hands over the arguments
 * alone, QEMU the file's path before them.
 */
static const char *add_module(struct boot_params *params, u32 start, u32 end, paddr_t line,
			      u64 limit) {
	struct boot_module_range *m = &params->module[params->module_count];
	char text[STRING_MAX];
	const char *name = text;

	if (params->module_count == BOOT_MAX_MODULES) return "there are too many boot modules";
	if (start & ~PAGE_MASK || start > end)
		return "a boot module does not start on a page, or ends before it starts";
	copy_string(text, sizeof(text), line, limit);
	for (const char *c = text; *c; c++)
		if (*c == ' ' || *c == '/') name = c + 1;
	string_copy(m->name, name, sizeof(m->name));
	m->start = start;
	m->size = end - start;
	params->module_count++;
	return NULL;
}

/*
 * One pass adds what is RAM, the next takes away whatever else claims it; only
 * whole pages count.
 */
static const char *add_memory(struct boot_params *params, const struct map_entry *e, bool ram) {
	paddr_t start = e->address, end = start + e->length;
	bool done;

	if (ram != (e->type == MAP_RAM)) return NULL;
	if (start > ~0UL - PAGE_SIZE || e->length > ~0UL - PAGE_SIZE - start)
		return ram ? "the memory map is inconsistent" : NULL;
	done = ram ? range_add(&params->ram, ROUND_UP(start, PAGE_SIZE), ROUND_DOWN(end, PAGE_SIZE))
		   : range_remove(&params->ram, ROUND_DOWN(start, PAGE_SIZE),
				  ROUND_UP(end, PAGE_SIZE));
	return done ? NULL : "the memory map is too long";
}

/*
 * Entries lie from `at` to `end`; `skip` bytes before each one's body hold its
 * size (multiboot 1), or all have the same `stride`.
 */
static const char *parse_map(struct boot_params *params, paddr_t at, paddr_t end, u32 skip,
			     u64 stride) {
	const char *error = NULL;

	for (int pass = 0; pass < 2; pass++)
		for (paddr_t p = at; !error && p < end; p += stride) {
			struct map_entry e;
			u32 size;

			if (!fetch(&size, p, sizeof(size)) || !fetch(&e, p + skip, sizeof(e)))
				return "the memory map is cut off";
			if (skip) stride = (u64)size + skip;
			if (stride < skip + sizeof(e) || stride > end - p)
				return "the memory map is inconsistent";
			error = add_memory(params, &e, !pass);
		}
	return error;
}

static const char *parse1(struct boot_params *params, paddr_t address) {
	struct multiboot1_info info;
	struct multiboot1_module m;

	if (!fetch(&info, address, sizeof(info)) || !(info.flags & MULTIBOOT1_HAS_MAP))
		return "the boot loader gives no memory map";
	if (info.flags & MULTIBOOT1_HAS_CMDLINE)
		copy_string(params->command_line, sizeof(params->command_line), info.cmdline,
			    STRING_MAX);
	const char *error =
		parse_map(params, info.mmap_addr, (paddr_t)info.mmap_addr + info.mmap_length, 4, 0);
	if (!(info.flags & MULTIBOOT1_HAS_MODULES)) return error;
	for (u32 i = 0; !error && i < info.mods_count; i++)
		error = fetch(&m, info.mods_addr + i * sizeof(m), sizeof(m))
				? add_module(params, m.start, m.end, m.cmdline, STRING_MAX)
				: "the list of modules is cut off";
	return error;
}

/* The body of a tag: size bytes at `body`, which exist. */
static const char *parse_tag(struct boot_params *params, u32 type, paddr_t body, u32 size) {
	u32 words[2];

	switch (type) {
	case TAG_CMDLINE:
		copy_string(params->command_line, sizeof(params->command_line), body, size);
		return NULL;
	case TAG_MODULE:
		if (size < 8 || !fetch(words, body, 8)) return "a module's entry is cut off";
		return add_module(params, words[0], words[1], body + 8, size - 8);
	case TAG_MAP:
		if (size < 8 || !fetch(words, body, 8)) return "the memory map is cut off";
		return parse_map(params, body + 8, body + size, 0, words[0]);
	case TAG_RSDP_OLD:
	case TAG_RSDP:
		if (params->has_rsdp && type == TAG_RSDP_OLD) return NULL;
		memset(params->rsdp, 0, sizeof(params->rsdp));
		params->has_rsdp = fetch(params->rsdp, body, MIN(size, sizeof(params->rsdp)));
	}
	return NULL;
}

static const char *parse2(struct boot_params *params, paddr_t address) {
	struct multiboot2_tag tag;
	const char *error = NULL;
	u32 total;

	if (!fetch(&total, address, sizeof(total))) return "the boot information is cut off";
	for (u64 at = 8; !error && at <= total && total - at >= sizeof(tag);) {
		if (!fetch(&tag, address + at, sizeof(tag)) || tag.size < sizeof(tag) ||
		    tag.size > total - at)
			return "the boot information is inconsistent";
		if (tag.type == TAG_END) break;
		error = parse_tag(params, tag.type, address + at + sizeof(tag),
				  tag.size - (u32)sizeof(tag));
		at += ROUND_UP((u64)tag.size, 8UL);
	}
	return error;
}

/* A module that is not RAM, or shares frames with another, could not be given away. */
static const char *check_modules(struct boot_params *params) {
	struct range_list ram = params->ram;

	for (u32 i = 0; i < params->module_count; i++) {
		const struct boot_module_range *m = &params->module[i];
		paddr_t end = ROUND_UP(m->start + m->size, PAGE_SIZE);
		bool inside = m->size == 0;

		for (u32 j = 0; j < ram.count; j++)
			inside |= m->start >= ram.range[j].start && end <= ram.range[j].end;
		if (!inside) return "a boot module lies outside of RAM, or over another one";
		range_remove(&ram, m->start, end);
	}
	return NULL;
}

const char *multiboot_parse(struct boot_params *params, u32 magic, paddr_t info) {
	const char *error;

	if (magic == MULTIBOOT1_LOADED)
		error = parse1(params, info);
	else if (magic == MULTIBOOT2_LOADED)
		error = parse2(params, info);
	else
		error = "the boot loader speaks neither multiboot nor multiboot2";
	if (!error && !params->ram.count) error = "the memory map has no RAM";
	return error ? error : check_modules(params);
}
