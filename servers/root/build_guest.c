/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A paravirtual guest, from the ELF kernel that the user brought: parsed
 * (libs/elf), laid out (layout.c), filled, given away. Rebooting is the same
 * again from the same boot module.
 */
#include "builder.h"
#include "define.h"
#include "handover.h"
#include "layout.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "proto/xen/grant.h"
#include "proto/xen/xen.h"
#include "space.h"

#define HYPERCALL_STUB  32U
#define HYPERCALL_STUBS 128U

struct guest {
	struct builder builder;
	struct pv_kernel kernel;
	struct layout layout;
	const uint8_t *file, *initrd;
	uint64_t initrd_size;
	const char *cmdline;
	uint64_t shared_info_mfn;
};

static uint64_t pfn_address(const struct guest *g, uint64_t pfn) {
	return g->kernel.virt_base + pfn * PAGE_SIZE;
}

/* One stub: saves rcx and r11, which the call destroys; iret never comes back. */
static void write_stub(uint8_t *at, uint32_t number) {
	static const uint8_t call[] = {0x51, 0x41, 0x53, 0xb8, 0,    0,    0,
				       0,    0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
	static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 0, 0, 0, 0, 0x0f, 0x05};

	memset(at, 0xcc, HYPERCALL_STUB);
	if (number == __HYPERVISOR_iret) {
		memcpy(at, iret, sizeof(iret));
		memcpy(at + 5, &number, sizeof(number));
	} else {
		memcpy(at, call, sizeof(call));
		memcpy(at + 4, &number, sizeof(number));
	}
}

static void render_start_info(struct guest *g, struct start_info *info) {
	const struct layout *l = &g->layout;
	const struct domain *domain = g->builder.domain;

	*info = (struct start_info){
		.magic = "xen-3.0-x86_64",
		.nr_pages = l->nr_pages,
		.shared_info = g->shared_info_mfn << PAGE_SHIFT,
		.store_mfn = builder_mfn(&g->builder, l->store_pfn),
		.store_evtchn =
			wiring_server(domain, SYSTEM_CONN_STORE) ? SYSTEM_GUEST_STORE_PORT : 0,
		.console_mfn = builder_mfn(&g->builder, l->console_pfn),
		.console_evtchn =
			wiring_server(domain, SYSTEM_CONN_CONSOLE) ? SYSTEM_GUEST_CONSOLE_PORT : 0,
		.pt_base = pfn_address(g, l->l4_pfn),
		.nr_pt_frames = l->pt_pages,
		.mfn_list = l->p2m_va,
	};
	if (g->initrd_size) {
		info->flags |= g->kernel.mod_start_pfn ? SIF_MOD_START_PFN : 0;
		info->mod_start =
			g->kernel.mod_start_pfn ? l->initrd_pfn : pfn_address(g, l->initrd_pfn);
		info->mod_len = g->initrd_size;
	}
	if (l->p2m.pages) {
		info->first_p2m_pfn = l->p2m_pfn;
		info->nr_p2m_frames =
			l->p2m_pages + l->p2m.l3_count + l->p2m.l2_count + l->p2m.l1_count;
	}
	rt_strcopy(info->cmd_line, g->cmdline, sizeof(info->cmd_line));
}

static void render_p2m(struct guest *g, uint64_t page, uint64_t *list) {
	for (uint64_t i = 0; i < PAGE_SIZE / 8; i++) {
		uint64_t pfn = page * (PAGE_SIZE / 8) + i;

		list[i] = pfn < g->layout.nr_pages ? builder_mfn(&g->builder, pfn)
						   : INVALID_M2P_ENTRY;
	}
}

static void render_page(struct guest *g, uint64_t pfn, void *at) {
	const struct layout *l = &g->layout;

	if (pfn == l->start_info_pfn)
		render_start_info(g, at);
	else if (pfn >= l->p2m_pfn && pfn - l->p2m_pfn < l->p2m_pages)
		render_p2m(g, pfn - l->p2m_pfn, at);
	else if (layout_is_table(l, pfn))
		layout_table(l, pfn, at, builder_mfn, &g->builder);
	if (g->kernel.has_hypercall_page && pfn_address(g, pfn) == g->kernel.hypercall_page)
		for (uint32_t n = 0; n < HYPERCALL_STUBS; n++)
			write_stub((uint8_t *)at + n * HYPERCALL_STUB, n);
}

static void render(void *context, uint64_t first, uint64_t count, uint8_t *at) {
	struct guest *g = context;
	uint64_t base = first * PAGE_SIZE, bytes = count * PAGE_SIZE, from, size;

	for (uint32_t i = 0; i < g->kernel.load_count; i++) {
		const struct pv_load *load = &g->kernel.load[i];
		uint64_t target = load->address - g->kernel.virt_base;

		if (builder_overlap(base, bytes, target, load->file_size, &from, &size))
			memcpy(at + (from - base), g->file + load->offset + (from - target), size);
	}
	if (g->initrd_size && builder_overlap(base, bytes, g->layout.initrd_pfn * PAGE_SIZE,
					      g->initrd_size, &from, &size))
		memcpy(at + (from - base), g->initrd + (from - g->layout.initrd_pfn * PAGE_SIZE),
		       size);
	for (uint64_t i = 0; i < count; i++) render_page(g, first + i, at + i * PAGE_SIZE);
}

/* The reserved entries: who serves the ring may map it; root, who cannot read it, where nobody
 * does. */
static const char *grant_rings(struct guest *g) {
	static const uint32_t protocols[] = {SYSTEM_CONN_CONSOLE, SYSTEM_CONN_STORE};
	const uint64_t pfns[] = {g->layout.console_pfn, g->layout.store_pfn};

	for (uint32_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		const struct domain *server = wiring_server(g->builder.domain, protocols[i]);
		uint16_t domid = server ? server->d->domid : 0;

		if (cap_domain_grant(g->builder.domain->slot,
				     i ? GNTTAB_RESERVED_XENSTORE : GNTTAB_RESERVED_CONSOLE, domid,
				     false, builder_mfn(&g->builder, pfns[i])))
			return "its rings cannot be granted to their servers";
	}
	return NULL;
}

static const char *make_layout(struct guest *g) {
	static char text[128];
	uint64_t pages = g->builder.domain->d->memory_pages;
	const char *why = layout_make(&g->kernel, pages, g->initrd_size, &g->layout);

	if (!why || !g->layout.needed_pages) return why;
	rt_format(text, sizeof(text),
		  "it has %lu MiB of memory; its kernel%s needs at least %lu MiB", pages / 256,
		  g->initrd_size ? " with the initrd" : "", DIV_UP(g->layout.needed_pages, 256));
	return text;
}

static const char *build(struct guest *g, struct domain *domain) {
	struct domain_info info;
	const char *why = make_layout(g);

	if (why) return why;
	if (cap_domain_info(domain->slot, &info)) return "the core does not know it";
	g->shared_info_mfn = info.shared_info_mfn;
	why = builder_take(&g->builder, domain, g->layout.fill_pages);
	if (!why) why = builder_fill(&g->builder, render, g);
	if (!why) why = builder_give(&g->builder);
	if (!why) why = grant_rings(g);
	if (!why) why = handover_guest(domain);
	if (!why)
		why = builder_context(&g->builder, g->kernel.entry,
				      pfn_address(g, g->layout.stack_pfn + 1),
				      pfn_address(g, g->layout.start_info_pfn), g->layout.l4_pfn);
	return why;
}

/* Maps kernel and initrd and reads the kernel. */
static const char *open_modules(struct guest *g, const struct domain *domain) {
	static char text[160];
	struct define_file kernel, initrd;
	const char *why;

	if (define_kernel(domain, &kernel)) return "its kernel is not among the boot modules";
	if (define_initrd(domain, &initrd)) return "its initrd is not among the boot modules";
	g->file = define_map(&kernel, 0);
	g->initrd_size = initrd.size;
	if (initrd.size) g->initrd = define_map(&initrd, DIV_UP(kernel.size, PAGE_SIZE));
	if (!g->file || (g->initrd_size && !g->initrd))
		return "its kernel or initrd cannot be mapped: too large";
	why = pv_kernel_parse(g->file, kernel.size, &g->kernel);
	if (!why) return NULL;
	rt_format(text, sizeof(text), "its kernel cannot be used: %s", why);
	return text;
}

static struct guest guest;

static const char *open(struct domain *domain) {
	struct guest *g = &guest;

	*g = (struct guest){.cmdline = domain->cmdline};
	g->builder.domain = domain;
	if (strlen(g->cmdline) >= XEN_MAX_GUEST_CMDLINE)
		return "its command line is longer than 1023 bytes";
	if (domain->d->vcpus > 32) return "more than 32 vCPUs are not supported";
	return open_modules(g, domain);
}

const char *build_guest_check(struct domain *domain) {
	const char *why = open(domain);

	if (!why) why = make_layout(&guest);
	space_unmap_modules();
	return why;
}

const char *build_guest(struct domain *domain) {
	const char *why = open(domain);

	if (!why) why = build(&guest, domain);
	space_unmap_modules();
	return why;
}
