/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a kernel, or a good kernel with some bytes changed (a search from
 * nothing does not find one): parsed, and if it is one, laid out in some memory.
 */
#include <stdlib.h>

#include "libs/elf/elf.h"
#include "servers/root/layout.h"
#include "tests/unit/native/kernel_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t frame_of(void *context, uint64_t pfn) {
	const struct layout *layout = context;

	if (pfn >= layout->nr_pages) abort();
	return pfn + 1;
}

static void parse_and_place(const uint8_t *data, size_t size) {
	static const uint64_t pages[] = {16, 4096, 16384, 1048576};
	struct pv_kernel kernel;
	struct layout layout;
	uint64_t table[512] = {0};

	if (pv_kernel_parse(data, size, &kernel)) return;
	for (uint32_t i = 0; i < kernel.load_count; i++) {
		const struct pv_load *load = &kernel.load[i];

		if (load->offset > size || load->file_size > size - load->offset) abort();
		if (load->address < kernel.start || load->address >= kernel.end) abort();
	}
	for (size_t i = 0; i < 4; i++) {
		if (layout_make(&kernel, pages[i], size, &layout)) continue;
		if (layout.fill_pages > pages[i]) abort();
		layout_table(&layout, layout.l4_pfn, table, frame_of, &layout);
		layout_table(&layout, layout.kernel.l1_pfn, table, frame_of, &layout);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static struct image image;
	uint8_t *copy;

	if (!size || data[0] % 3 == 0) {
		parse_and_place(data, size);
		return 0;
	}
	if (data[0] % 3 == 1)
		image_linux(&image, 0x2000000);
	else
		image_low(&image, 0x20000);
	image_note_number(&image, XEN_ELFNOTE_HYPERCALL_PAGE, 0x1000);
	for (size_t i = 1; i + 3 <= size; i += 3)
		image.bytes[(data[i] | data[i + 1] << 8) % image.size] = data[i + 2];
	copy = malloc(image.size);
	if (!copy) return 0;
	memcpy(copy, image.bytes, image.size);
	parse_and_place(copy, image.size);
	free(copy);
	return 0;
}
