/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The binary system description: what images/describe.py makes of a TOML file
 * and what `root` reads at boot. It arrives as the boot module named "system".
 *
 * One header, then arrays of fixed-size records, then a pool of NUL-terminated
 * strings. All offsets are in bytes from the start of the header; all numbers
 * are little-endian. A string field holds an offset into the pool; offset 0 is
 * the empty string ("none"). The reader believes nothing: every offset, count
 * and index is checked against total_size before it is used.
 *
 * Records refer to domains by their index in the domain array. Index 0 is root
 * itself; SYSTEM_NONE means "no domain".
 */
#ifndef PROTO_SYSTEM_H
#define PROTO_SYSTEM_H

#include <stdint.h>

#define SYSTEM_MAGIC   0x3153595341525354ULL /* "TSRASYS1" */
#define SYSTEM_VERSION 5
#define SYSTEM_NONE    0xffffffffU

#define SYSTEM_MAX_DOMAINS     2048
#define SYSTEM_MAX_RESOURCES   4096
#define SYSTEM_MAX_CONNECTIONS 4096
#define SYSTEM_MAX_DEVICES     64
#define SYSTEM_MAX_CONTROLS    16
#define SYSTEM_MAX_BLOBS       64
#define SYSTEM_MAX_BLOB_SIZE   524288U
#define SYSTEM_MAX_PLUGS       1024
#define SYSTEM_MAX_PLACES      16 /* domains with SYSTEM_DOMAIN_F_PLACE */

struct system_header {
	uint64_t magic;      /* SYSTEM_MAGIC */
	uint32_t version;    /* SYSTEM_VERSION */
	uint32_t total_size; /* bytes, header and strings included */
	uint32_t crc32;      /* IEEE CRC-32 (as zlib's) of bytes [sizeof header, total_size) */
	uint32_t name;       /* string: the system's name */
	uint32_t domains, domain_count;
	uint32_t resources, resource_count;
	uint32_t connections, connection_count;
	uint32_t devices, device_count;
	uint32_t blobs, blob_count;
	uint32_t plugs, plug_count;
	uint32_t strings, strings_size; /* pool; its last byte is NUL */
	uint32_t flags;                 /* SYSTEM_F_* */
	uint32_t exit_port;             /* I/O port of isa-debug-exit, 0 = none */
};

/* When the last guest has ended, leave the emulator through exit_port. */
#define SYSTEM_F_EXIT_WITH_GUESTS 1U
/* No driver with a device starts unless an IOMMU enforces what it reaches. */
#define SYSTEM_F_REQUIRE_IOMMU    2U

#define SYSTEM_KIND_ROOT   0U
#define SYSTEM_KIND_NATIVE 1U
#define SYSTEM_KIND_GUEST  2U

/* What root does when a domain of its own accord powers off, or crashes. */
#define SYSTEM_ON_STOP    0U /* leave it stopped, keep its memory for inspection */
#define SYSTEM_ON_DESTROY 1U /* take everything back */
#define SYSTEM_ON_RESTART 2U /* reset in place and start again, within the restart budget */

#define SYSTEM_DOMAIN_F_AUTOSTART 1U /* start at boot */
#define SYSTEM_DOMAIN_F_POLICY    2U /* a scheduling policy: gets Cpu capabilities */
#define SYSTEM_DOMAIN_F_PLACE     4U /* what runs there is brought later: proto/define.h */

/* What a domain wants of the policy (proto/control.h says what each means there). */
struct system_sched {
	uint32_t weight; /* 1..65535; root: 0 */
	uint32_t cap;    /* thousandths of a CPU, of all vCPUs together; 0: no limit */
	uint32_t warp_us, warp_limit_us, unwarp_us;
	uint32_t period_us, budget_us; /* of each vCPU; 0: no reservation */
	uint32_t policy;               /* index of the domain that places it; 0: root does */
	uint64_t windows, cpus;        /* bits; 0: all */
};
#define SYSTEM_WEIGHT 256U

struct system_domain {
	uint32_t name;    /* string, unique, [a-z][a-z0-9_-]*, at most 31 bytes */
	uint32_t module;  /* string: boot module with the native image or the guest's ELF kernel */
	uint32_t initrd;  /* string: boot module with the initrd; guests only */
	uint32_t cmdline; /* string; guests: kernel command line, natives: arguments */
	uint16_t domid;   /* unique; root is 0 */
	uint8_t kind;     /* SYSTEM_KIND_* */
	uint8_t flags;    /* SYSTEM_DOMAIN_F_* */
	uint32_t vcpus;   /* 1..128; natives 1 */
	uint64_t memory_pages;  /* populated at start, 4 KiB frames */
	uint64_t maximum_pages; /* >= memory_pages; the rest is reachable by the balloon */
	uint32_t slice_us;      /* budget per plan entry; 0 = the policy's default */
	uint32_t cap_slots;     /* capability table, in slots */
	uint32_t event_ports;   /* event channel table, in ports, multiple of 64, at most 4096 */
	uint32_t grant_frames;  /* grant table, in frames */
	uint32_t map_handles;   /* grants of others that it may map at once */
	uint8_t on_poweroff, on_reboot, on_crash; /* SYSTEM_ON_* */
	uint8_t pad0;
	uint32_t restart_limit; /* restarts within the window before root gives up */
	uint32_t restart_window_ms;
	uint32_t restart_backoff_ms; /* between starts; doubles until one lasts */
	uint32_t
		priority; /* order in the first plan: lower is earlier (drivers, servers, guests) */
	uint32_t line;    /* line in the description, for messages */
	uint32_t lifeboat_pages; /* natives: proto/lifeboat.h; 0 = none */
	uint32_t heartbeat_ms;   /* natives: hung when silent for so long; 0 = not watched */
	uint32_t pad1;
	struct system_sched sched;
};

#define SYSTEM_RES_IOPORTS 1U /* first = port, count = ports */
#define SYSTEM_RES_IRQ     2U /* first = ISA interrupt or GSI, count = 1 */
#define SYSTEM_RES_MMIO    3U /* first = machine address, count = bytes, whole pages */
#define SYSTEM_RES_LOG     4U /* the core's log: flags = rights on the Console object */
#define SYSTEM_RES_CPU     5U /* CPUs, as many as there are: may commit plans for them */
#define SYSTEM_RES_TRACE   6U /* the core's traces: what is recorded, and the buffers, to read */

struct system_resource {
	uint32_t domain; /* index */
	uint32_t kind;   /* SYSTEM_RES_* */
	uint64_t first, count;
	uint32_t flags;
	uint32_t line;
};

/*
 * One PCI function for one domain (the driver). Fields that are SYSTEM_ANY match
 * everything. Of the functions that match, in the order of their addresses, it is
 * number `index`, or with SYSTEM_ANY the first that no earlier record has taken.
 * Records that name an address come first.
 */
struct system_device {
	uint32_t domain;                 /* index of the driver */
	uint32_t vendor, device;         /* 16 bits, or SYSTEM_ANY */
	uint32_t class_code, class_mask; /* 24 bits: base class, subclass, interface; mask 0: any */
	uint32_t address;                /* bus << 8 | device << 3 | function, or SYSTEM_ANY */
	uint32_t index;
	uint32_t interrupts; /* most message-signalled interrupts it asks for, 1..16 */
	uint32_t dma_slots;  /* pages of its DMA window, multiple of 512 */
	uint32_t own_slots;  /* the first of them are the driver's, the rest its server's */
	uint32_t line;
	uint32_t device_or; /* another device number that will do as well, 0 = none */
};
#define SYSTEM_ANY 0xffffffffU

/*
 * Bytes of the description that are one domain's own affair: its SYSTEM_CONN_CONFIG.
 * Root's is the Ed25519 key by which uploaded packages must be signed; if there is none,
 * they need not be.
 */
#define SYSTEM_KEY_SIZE 32U
struct system_blob {
	uint32_t domain;       /* index */
	uint32_t offset, size; /* from the start of the header; offset is a multiple of 8 */
	uint32_t pad;
};

/*
 * A device that a server may show to a guest: what can be plugged and unplugged while both
 * run. number: its place in the server's configuration (proto/control.h, device[]).
 */
struct system_plug {
	uint32_t name;          /* string: of the disk or VIF */
	uint32_t guest, server; /* domain indices */
	uint32_t protocol;      /* SYSTEM_CONN_BLOCK or SYSTEM_CONN_VIF */
	uint32_t number;
	uint32_t flags; /* SYSTEM_PLUG_* */
	uint32_t line;
	uint32_t pad;
};
#define SYSTEM_PLUG_OUT 1U /* the guest begins without it */

/*
 * Protocols of connections. The server owns the service; the client comes and
 * goes. SYSTEM_CONN_CONSOLE joins a guest (client) to a console server by the
 * Xen console ring; all others are native rings whose page root owns and both
 * ends map (proto/native.h).
 */
#define SYSTEM_CONN_CONSOLE 1U /* guest console ring (Xen ABI) */
#define SYSTEM_CONN_SERIAL  2U /* console server <-> serial driver, proto/serial.h */
#define SYSTEM_CONN_STORE   3U /* guest xenstore ring (Xen ABI); at the server flags = vCPUs */
#define SYSTEM_CONN_CONTROL \
	4U /* server is root: the client may manage the system, proto/manage.h; flags = rights */
/*
 * Three that root makes by itself, behind the declared ones; they have no port.
 * CONFIG: the domain's system_blob, read-only; its size in bytes is in
 * native_connection.flags. LIFEBOAT: proto/lifeboat.h. PCI: the domain's device,
 * read-only, proto/pci.h.
 */
#define SYSTEM_CONN_CONFIG   5U
#define SYSTEM_CONN_LIFEBOAT 6U
#define SYSTEM_CONN_PCI      7U
/* Server is the bus domain, client is root; at most one. proto/pci.h */
#define SYSTEM_CONN_BUS      8U
/*
 * A native domain as a client of the store: the Xen store ring (proto/xen/store.h)
 * in a page of root's. flags: SYSTEM_XENBUS_*, which say for which kind of device
 * it may make and change the frontends' and its own backend's nodes.
 */
#define SYSTEM_CONN_XENBUS   9U
#define SYSTEM_XENBUS_VBD    1U /* device/vbd of the guests, backend/vbd of its own */
#define SYSTEM_XENBUS_VIF    2U
/*
 * A guest (client) and the server of its disks. No page and no port: guest and
 * server get capabilities to each other (the guest EVENT, the server GRANT, EVENT
 * and INSPECT), and meet through the store.
 */
#define SYSTEM_CONN_BLOCK    10U
/* The disk server and a disk driver (client), proto/blk.h. */
#define SYSTEM_CONN_DISK     11U
/* A guest (client) and the switch, as SYSTEM_CONN_BLOCK: one for all VIFs of the guest. */
#define SYSTEM_CONN_VIF      12U
/* The switch and the driver of a network card (client), proto/net.h. */
#define SYSTEM_CONN_NET      13U
/* The switch and who may watch or change it (client), proto/netctl.h. */
#define SYSTEM_CONN_NETCTL   14U

/* A guest's own ports of the two rings that it is born with. */
#define SYSTEM_GUEST_STORE_PORT   1U
#define SYSTEM_GUEST_CONSOLE_PORT 2U

/*
 * Made by root for a domain with SYSTEM_RES_TRACE, behind CONFIG, LIFEBOAT and PCI: the
 * buffers of all CPUs, one behind the other, read-only (proto/trace.h). flags: how many.
 */
#define SYSTEM_CONN_TRACE 15U

/* Declared: the disk server, or the console server, and who may watch and steer it (client),
 * proto/blkctl.h, proto/consctl.h. */
#define SYSTEM_CONN_BLKCTL  16U
#define SYSTEM_CONN_CONSCTL 17U

struct system_connection {
	uint32_t name;           /* string, unique per domain on both sides */
	uint32_t protocol;       /* SYSTEM_CONN_* */
	uint32_t server, client; /* domain indices */
	uint32_t pages;          /* ring size in pages, native rings only */
	uint32_t flags;
	uint32_t line;
	uint32_t pad0;
};

_Static_assert(sizeof(struct system_device) == 48, "system_device layout");
_Static_assert(sizeof(struct system_blob) == 16, "system_blob layout");
_Static_assert(sizeof(struct system_plug) == 32, "system_plug layout");
_Static_assert(sizeof(struct system_header) == 88, "system_header layout");
_Static_assert(sizeof(struct system_sched) == 48, "system_sched layout");
_Static_assert(sizeof(struct system_domain) == 144, "system_domain layout");
_Static_assert(sizeof(struct system_resource) == 32, "system_resource layout");
_Static_assert(sizeof(struct system_connection) == 32, "system_connection layout");

#endif
