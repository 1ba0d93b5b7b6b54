/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Xen's ELF notes, and the comma-separated words of the __xen_guest section that
 * they replaced. Unknown ones are skipped; a numeric note may be 1, 2, 4 or 8
 * bytes wide; a string need not end with NUL.
 */
#include "libs/elf/elf.h"
#include "libs/rt/rt.h"
#include "proto/xen/elfnote.h"

struct note_header {
	uint32_t name_size, size, type;
};

static uint64_t note_number(const struct elf_view *value) {
	uint64_t n = 0;

	if (value->size != 1 && value->size != 2 && value->size != 4 && value->size != 8) return 0;
	memcpy(&n, value->data, value->size);
	return n;
}

static void note_string(const struct elf_view *value, char *to, size_t size) {
	size_t n = MIN(value->size, size - 1);

	memset(to, 0, size);
	memcpy(to, value->data, n);
}

static bool view_is(const struct elf_view *view, const char *word) {
	return view->size == strlen(word) && !memcmp(view->data, word, view->size);
}

/*
 * Names separated by '|', '!' before a required one. Of those there are, a PV
 * guest here has what the first two mean to a builder; a kernel that requires
 * another kind of guest cannot run.
 */
static void read_features(const struct elf_view *value, struct pv_notes *notes) {
	static const char *const have[] = {"writable_page_tables", "pae_pgdir_above_4gb"};
	uint64_t at = 0;

	while (at < value->size && value->data[at]) {
		uint64_t end = at;
		struct elf_view name;
		bool known = false;

		while (end < value->size && value->data[end] && value->data[end] != '|') end++;
		name = (struct elf_view){.data = value->data + at, .size = end - at};
		at = end < value->size && value->data[end] == '|' ? end + 1 : end;
		if (!name.size || name.data[0] != '!') continue;
		name.data++;
		name.size--;
		for (size_t i = 0; i < ARRAY_SIZE(have); i++) known |= view_is(&name, have[i]);
		if (!known) note_string(&name, notes->refused, sizeof(notes->refused));
	}
}

static void read_note(uint32_t type, const struct elf_view *value, struct pv_notes *notes) {
	switch (type) {
	case XEN_ELFNOTE_ENTRY:
		notes->has_entry = true;
		notes->entry = note_number(value);
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		notes->has_hypercall_page = true;
		notes->hypercall_page = note_number(value);
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		notes->has_virt_base = true;
		notes->virt_base = note_number(value);
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		notes->has_paddr_offset = true;
		notes->paddr_offset = note_number(value);
		break;
	case XEN_ELFNOTE_INIT_P2M:
		notes->has_init_p2m = true;
		notes->init_p2m = note_number(value);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		note_string(value, notes->xen_version, sizeof(notes->xen_version));
		break;
	case XEN_ELFNOTE_GUEST_OS:
		note_string(value, notes->guest_os, sizeof(notes->guest_os));
		break;
	case XEN_ELFNOTE_LOADER: note_string(value, notes->loader, sizeof(notes->loader)); break;
	case XEN_ELFNOTE_FEATURES: read_features(value, notes); break;
	case XEN_ELFNOTE_MOD_START_PFN: notes->mod_start_pfn = note_number(value) != 0; break;
	case XEN_ELFNOTE_PHYS32_ENTRY: notes->has_phys32_entry = true; break;
	default: break;
	}
}

void pv_notes_read(const struct elf_view *view, struct pv_notes *notes) {
	uint64_t at = 0;
	struct note_header header;

	while (elf_view_read(view, at, &header, sizeof(header))) {
		uint64_t name_room = ROUND_UP((uint64_t)header.name_size, 4U);
		uint64_t value_room = ROUND_UP((uint64_t)header.size, 4U);
		struct elf_view name, value;

		at += sizeof(header);
		if (!elf_view_part(view, at, header.name_size, &name) ||
		    name_room > view->size - at)
			return;
		at += name_room;
		if (!elf_view_part(view, at, header.size, &value)) return;
		if (name.size == 4 && !memcmp(name.data, "Xen", 4)) {
			notes->any = true;
			read_note(header.type, &value, notes);
		}
		if (value_room > view->size - at) return;
		at += value_room;
	}
}

/* The number behind '=', decimal or hexadecimal. */
static uint64_t word_number(const struct elf_view *value) {
	char text[24];
	uint64_t n;

	note_string(value, text, sizeof(text));
	return rt_number(text, &n) ? n : 0;
}

static void read_word(const struct elf_view *key, const struct elf_view *value,
		      struct pv_notes *notes) {
	if (view_is(key, "GUEST_OS")) {
		note_string(value, notes->guest_os, sizeof(notes->guest_os));
	} else if (view_is(key, "XEN_VER")) {
		note_string(value, notes->xen_version, sizeof(notes->xen_version));
	} else if (view_is(key, "LOADER")) {
		note_string(value, notes->loader, sizeof(notes->loader));
	} else if (view_is(key, "FEATURES")) {
		read_features(value, notes);
	} else if (view_is(key, "VIRT_BASE")) {
		notes->has_virt_base = true;
		notes->virt_base = word_number(value);
	} else if (view_is(key, "VIRT_ENTRY")) {
		notes->has_entry = true;
		notes->entry = word_number(value);
	} else if (view_is(key, "ELF_PADDR_OFFSET")) {
		notes->has_paddr_offset = true;
		notes->paddr_offset = word_number(value);
	} else if (view_is(key, "HYPERCALL_PAGE")) {
		notes->has_hypercall_page = notes->hypercall_page_is_number = true;
		notes->hypercall_page = word_number(value);
	}
}

void pv_notes_read_legacy(const struct elf_view *view, struct pv_notes *notes) {
	uint64_t at = 0;

	notes->any = notes->legacy = true;
	while (at < view->size && view->data[at]) {
		uint64_t end = at, equals;
		struct elf_view key, value;

		while (end < view->size && view->data[end] && view->data[end] != ',') end++;
		for (equals = at; equals < end && view->data[equals] != '=';) equals++;
		key = (struct elf_view){.data = view->data + at, .size = equals - at};
		value = (struct elf_view){.data = view->data + MIN(equals + 1, end),
					  .size = end - MIN(equals + 1, end)};
		read_word(&key, &value, notes);
		at = end < view->size && view->data[end] == ',' ? end + 1 : end;
	}
	if (!notes->has_paddr_offset) notes->paddr_offset = notes->virt_base;
}
