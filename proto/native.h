/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract between a native domain and whoever builds it: the program file
 * (a flat image with one header), the pages it finds at start, and how it finds
 * its capabilities and connections. Also what the core tells root at boot.
 */
#ifndef PROTO_NATIVE_H
#define PROTO_NATIVE_H

#include <stdint.h>

/*
 * A program: struct native_image at offset 0, the sections behind it, exactly
 * as they lie in memory from virt_base on. Every section starts on a page
 * boundary of both. Linker script: libs/rt/native.ld; made with objcopy -O binary.
 */
#define NATIVE_MAGIC     0x3154414e41525354ULL /* "TSRANAT1" */
#define NATIVE_VIRT_BASE 0x400000ULL

struct native_image {
	uint64_t magic;      /* NATIVE_MAGIC */
	uint64_t virt_base;  /* NATIVE_VIRT_BASE: where offset 0 of the file is mapped */
	uint64_t entry;      /* virtual address */
	uint64_t text_end;   /* [virt_base, text_end): read, execute */
	uint64_t rodata_end; /* [text_end, rodata_end): read */
	uint64_t data_end;   /* [rodata_end, data_end): read, write; end of the file */
	uint64_t memory_end; /* [data_end, memory_end): zero, read, write */
	uint64_t flags;      /* 0 */
};

/*
 * Address space of a native domain at start. PFN n is mapped at
 * virt_base + n * 4096: image, then these pages in this order:
 *     start page (struct native_start, NATIVE_START_PAGES; its address is in rsi at entry)
 *     page tables (read-only), L4 first
 *     stack: NATIVE_STACK_PAGES, below them one unmapped PFN-less hole is not
 *            kept; the page below the stack is left unmapped as a guard
 *     heap-less spare memory up to memory_pages, mapped read-write
 * Behind the last PFN the tables go on, empty, for NATIVE_WINDOW_PAGES pages and
 * as many more as its lifeboat has: the window, where it maps grants
 * (update_va_mapping, grant map by VA).
 * The shared_info page is mapped at native_start.shared_info.
 */
#define NATIVE_STACK_PAGES  4
/* In its own grant table, from root: the pages of its stack, for root to read after its death. */
#define NATIVE_STACK_REF    8U
#define NATIVE_WINDOW_PAGES 1024

/* A server of 128 guests: each is a connection and a capability. */
#define NATIVE_MAX_CAPS        256
#define NATIVE_MAX_CONNECTIONS 160

struct native_cap {
	uint32_t slot;
	uint32_t type;      /* CAP_* */
	uint32_t first_low; /* GSI, port, cpu, domid: low half of cap_info.first */
	uint32_t count;
};

/* One end of a declared connection. */
struct native_connection {
	char name[16];     /* as in the description, NUL-terminated */
	char peer[16];     /* the other domain's name */
	uint16_t protocol; /* SYSTEM_CONN_* of proto/system.h */
	uint16_t role;     /* NATIVE_SERVER or NATIVE_CLIENT */
	uint16_t peer_domid;
	uint16_t ring_domid; /* who owns the ring page: root for native rings, the guest for
				consoles and stores */
	uint32_t port;       /* event channel, connected by root; 0: this kind has none */
	uint32_t ring_ref;   /* grant reference of the first ring page, the others follow */
	uint32_t ring_pages;
	uint32_t peer_slot; /* Domain capability to the peer (GRANT, EVENT as needed), 0 = none */
	uint32_t dma_slot;  /* DISK, NET, server: DmaSpace capability of the client's device, the
			       slots that are the server's; its range is in caps[]. 0 = none */
	uint32_t flags;     /* by protocol, see proto/system.h */
};
#define NATIVE_SERVER 1U
#define NATIVE_CLIENT 2U

/* It is only tried: it answers on its control page, and does none of its work. */
#define NATIVE_START_CANARY 1U

#define NATIVE_START_MAGIC 0x5452415453525354ULL /* "TSRSTART" */

struct native_start {
	uint64_t magic;
	uint32_t version; /* 1 */
	uint16_t domid;
	uint16_t incarnation; /* 0 at the first start, then counts restarts */
	char name[16];
	uint64_t memory_pages; /* PFNs */
	uint64_t virt_base;
	uint64_t free_first, free_end;     /* virtual addresses: spare memory, mapped read-write */
	uint64_t window_first, window_end; /* virtual addresses without mappings */
	uint64_t shared_info;              /* virtual address */
	uint64_t system_module,
		system_size; /* root only: virtual address of the system description */
	uint32_t cap_count, connection_count;
	uint32_t boot_modules; /* root only: entries in modules[] */
	uint32_t flags;        /* NATIVE_START_* */
	char arguments[256];
	struct native_cap caps[NATIVE_MAX_CAPS];
	struct native_connection connections[NATIVE_MAX_CONNECTIONS];
};

/*
 * What the core puts at NATIVE_BOOT_VA of root's address space besides
 * native_start: the boot information, read-only.
 */
struct boot_module {
	char name[32]; /* last word of the module's command line, without a path */
	uint64_t mfn;  /* first frame */
	uint64_t size; /* bytes; frames = size rounded up */
	uint32_t slot; /* Memory capability over exactly these frames, FREE, contents kept */
	uint32_t pad;
};

struct boot_extent {
	uint64_t mfn, frames;
	uint32_t slot; /* Memory capability, FREE */
	uint32_t pad;
};

#define BOOT_MAX_MODULES 64
#define BOOT_MAX_EXTENTS 64

#define BOOT_F_IOMMU    1U /* DmaSpaces are enforced */
#define BOOT_F_INTREMAP 2U /* interrupts too: a device raises only what it was given */

struct boot_info {
	uint32_t modules, extents;
	uint32_t cpus;
	uint32_t cpu_slot;     /* Cpu capabilities: cpu_slot + n */
	uint32_t irq_slot;     /* Irq: all lines */
	uint32_t msi_slot;     /* Irq: all message-signalled ones */
	uint32_t ioports_slot; /* IoPorts: all ports */
	uint32_t mmio_slot;    /* Mmio: everything; RAM and the core's devices cannot be mapped */
	uint32_t console_slot; /* Console: all rights */
	uint32_t self_slot;    /* Domain: root itself, all rights */
	uint32_t free_slot;    /* first empty slot; all after it are empty up to slot_end */
	uint32_t slot_end;
	uint32_t flags;      /* BOOT_F_* */
	uint32_t trace_slot; /* Trace: all rights */
	uint64_t tsc_khz;
	uint64_t total_frames; /* RAM of the machine */
	struct boot_module module[BOOT_MAX_MODULES];
	struct boot_extent extent[BOOT_MAX_EXTENTS];
};
/* How large the "start page" is; root's boot information lies in the pages behind it. */
#define NATIVE_START_PAGES 4

_Static_assert(sizeof(struct native_image) == 64, "native_image layout");
_Static_assert(sizeof(struct native_cap) == 16, "native_cap layout");
_Static_assert(sizeof(struct native_connection) == 64, "native_connection layout");
_Static_assert(sizeof(struct native_start) <= NATIVE_START_PAGES * 4096,
	       "native_start fits its pages");
_Static_assert(sizeof(struct boot_info) <= 2 * 4096, "boot_info fits two pages");

#endif
