/* SPDX-License-Identifier: BSD-2-Clause */
/* root's own check of the system description: one mistake at a time. */
#include "native.h"

#include "description_image.h"
#include "proto/lifeboat.h"
#include "servers/root/description.h"
#include "servers/root/order.h"

static struct description_image image;
static struct description checked;
static uint32_t line;

/* From memory of exactly that size, aligned as a boot module is. */
static const char *check_bytes(size_t size) {
	uint8_t *copy = aligned_alloc(8, ROUND_UP(size + 1, (size_t)8));
	uint8_t *exact = copy + ROUND_UP(size + 1, (size_t)8) - ROUND_UP(size, (size_t)8);
	const char *why;

	CHECK(copy);
	exact = size % 8 ? copy : exact;
	memcpy(exact, &image, size);
	why = description_check(exact, size, &checked, &line);
	free(copy);
	return why;
}

static const char *check_image(void) {
	image_seal(&image);
	return description_check(&image, sizeof(image), &checked, &line);
}

/* One field of a valid description gets a value that must be refused, with this word. */
#define REFUSED(field, value, word)               \
	do {                                      \
		const char *why_;                 \
		image_valid(&image);              \
		image.field = value;              \
		why_ = check_image();             \
		CHECK(why_ &&strstr(why_, word)); \
	} while (0)

static void test_valid(void) {
	image_valid(&image);
	CHECK(!check_image());
	CHECK(checked.domain_count == 5 && checked.resource_count == 4);
	CHECK(!strcmp(description_string(&checked, checked.domains[3].name), "g1"));
	CHECK(checked.device_count == 2 && checked.blob_count == 1);
}

static void test_header(void) {
	REFUSED(header.magic, 1, "not a system description");
	REFUSED(header.version, SYSTEM_VERSION + 1, "version");
	REFUSED(header.total_size, sizeof(image) + 1, "truncated");
	REFUSED(header.total_size, 8, "truncated");
	REFUSED(header.domains, 4, "array");
	REFUSED(header.domains, sizeof(image) - 8, "array");
	REFUSED(header.domain_count, 0xffffffff, "array");
	REFUSED(header.resource_count, 0x10000000, "array");
	REFUSED(header.connections, 0xfffffff8, "array");
	REFUSED(header.devices, 4, "array");
	REFUSED(header.device_count, SYSTEM_MAX_DEVICES + 1, "array");
	REFUSED(header.blobs, 0xfffffff8, "array");
	REFUSED(header.blob_count, 0xffffffff, "array");
	REFUSED(header.strings, sizeof(image) + 8, "strings");
	REFUSED(header.strings_size, 0, "strings");
	REFUSED(header.strings_size, sizeof(image), "strings");
	REFUSED(strings[63], 'x', "strings");
	REFUSED(strings[0], 'x', "strings");
	REFUSED(header.name, 64, "name");
	REFUSED(header.flags, 4, "flags");
	REFUSED(header.exit_port, 0x10000, "exit port");
	REFUSED(header.domain_count, 0, "no domain");
	image_valid(&image);
	image.domain[2].vcpus ^= 1;
	CHECK(strstr(description_check(&image, sizeof(image), &checked, &line), "checksum"));
}

static void test_domains(void) {
	REFUSED(domain[0].kind, SYSTEM_KIND_NATIVE, "root");
	REFUSED(domain[0].domid, 7, "root");
	REFUSED(domain[1].kind, 9, "kind");
	REFUSED(domain[1].kind, SYSTEM_KIND_ROOT, "kind");
	REFUSED(domain[1].domid, 0x7ff0, "domid");
	REFUSED(domain[1].domid, 0, "domid");
	REFUSED(domain[2].domid, 1, "same domid");
	REFUSED(domain[2].name, 6, "same name");
	REFUSED(domain[2].name, 64, "string");
	REFUSED(domain[2].name, 0, "not a name");
	REFUSED(strings[6], 'U', "not a name");
	REFUSED(domain[2].cmdline, 0xffffffff, "string");
	REFUSED(domain[2].module, 0, "image");
	REFUSED(domain[2].vcpus, 2, "vCPUs");
	REFUSED(domain[3].vcpus, 129, "vCPUs");
	REFUSED(domain[3].memory_pages, 0, "memory");
	REFUSED(domain[3].memory_pages, 257, "memory");
	REFUSED(domain[3].maximum_pages, UINT64_MAX, "memory");
	REFUSED(domain[3].event_ports, 65, "ports");
	REFUSED(domain[3].grant_frames, 65, "tables");
	REFUSED(domain[3].cap_slots, 1, "tables");
	REFUSED(domain[3].on_crash, 3, "reaction");
	REFUSED(domain[3].flags, 8, "flags");
	REFUSED(domain[3].lifeboat_pages, 1, "lifeboat");
	REFUSED(domain[2].lifeboat_pages, LIFEBOAT_MAX_PAGES + 1, "lifeboat");
	REFUSED(domain[3].flags, SYSTEM_DOMAIN_F_POLICY, "policy");
	CHECK(line == 30);
}

static void test_resources(void) {
	REFUSED(resource[0].domain, 5, "cannot have it");
	REFUSED(resource[0].domain, IMAGE_GUEST, "cannot have it");
	REFUSED(resource[0].kind, 0xff, "kind");
	REFUSED(resource[0].first, 0xfffc, "I/O ports");
	REFUSED(resource[0].count, 0, "I/O ports");
	REFUSED(resource[0].count, UINT64_MAX, "I/O ports");
	REFUSED(resource[1].count, 2, "interrupt");
	REFUSED(resource[1].first, 1024, "interrupt");
	REFUSED(resource[2].flags, 8, "log");
	REFUSED(resource[3].first, 0xfe000001, "device memory");
	REFUSED(resource[3].count, UINT64_MAX - 0xfff, "device memory");
	REFUSED(resource[1],
		((struct system_resource){IMAGE_CONSOLE, SYSTEM_RES_IOPORTS, 0x3ff, 1, 0, 9}),
		"twice");
	CHECK(line == 9);
}

static void test_connections(void) {
	REFUSED(connection[0].server, 5, "end");
	REFUSED(connection[0].client, IMAGE_UART, "end");
	REFUSED(connection[0].pages, 2, "page");
	REFUSED(connection[0].server, IMAGE_GUEST, "serial");
	REFUSED(connection[0].protocol, 0, "protocol");
	REFUSED(connection[0].protocol, SYSTEM_CONN_CONFIG, "protocol");
	REFUSED(connection[0].protocol, 0xffffffff, "protocol");
	REFUSED(connection[0].name, 64, "name");
	REFUSED(connection[0].flags, 1, "flags");
	REFUSED(connection[1].client, IMAGE_STORE, "console");
	REFUSED(connection[2].client, IMAGE_UART, "store");
	REFUSED(connection[2].protocol, SYSTEM_CONN_CONSOLE, "one of");
	REFUSED(connection[3].server, IMAGE_UART, "control");
	REFUSED(connection[3].client, IMAGE_GUEST, "control");
	CHECK(line == 53);
	REFUSED(connection[4].client, IMAGE_STORE, "bus");
	REFUSED(connection[4].pages, 1, "pages");
	REFUSED(connection[4].protocol, SYSTEM_CONN_CONTROL, "control");
	REFUSED(connection[5].client, IMAGE_GUEST, "xenbus");
	REFUSED(connection[5].flags, 4, "flags");
	REFUSED(connection[6].client, IMAGE_UART, "block");
	REFUSED(connection[6].pages, 1, "pages");
	REFUSED(connection[7].pages, 9, "pages");
	REFUSED(connection[7],
		((struct system_connection){22, SYSTEM_CONN_XENBUS, IMAGE_STORE, IMAGE_CONSOLE, 1,
					    0, 58, 0}),
		"one of");
	REFUSED(connection[7],
		((struct system_connection){22, SYSTEM_CONN_BUS, IMAGE_STORE, IMAGE_ROOT, 8, 0, 59,
					    0}),
		"one of");
	REFUSED(connection[4],
		((struct system_connection){22, SYSTEM_CONN_SERIAL, IMAGE_STORE, IMAGE_CONSOLE, 1,
					    0, 54, 0}),
		"no domain that finds them");
	CHECK(line == 60);
}

static void test_network_connections(void) {
	REFUSED(connection[8].client, IMAGE_UART, "vif");
	REFUSED(connection[8].server, IMAGE_ROOT, "vif");
	REFUSED(connection[8].pages, 10, "pages");
	REFUSED(connection[8].flags, 1, "flags");
	REFUSED(connection[9].client, IMAGE_GUEST, "net");
	REFUSED(connection[9].pages, 33, "pages");
	REFUSED(connection[9].flags, NETCTL_F_TAP, "flags");
	REFUSED(connection[10].client, IMAGE_GUEST, "netctl");
	REFUSED(connection[10].client, IMAGE_ROOT, "netctl");
	REFUSED(connection[10].pages, 10, "pages");
	REFUSED(connection[10].flags, 16, "flags");
	CHECK(line == 60);
	/* A card has one server; who watches may watch another switch as well. */
	REFUSED(connection[10],
		((struct system_connection){22, SYSTEM_CONN_NET, IMAGE_UART, IMAGE_STORE, 10, 0, 61,
					    0}),
		"one of");
	image_valid(&image);
	image.connection[9] = image.connection[10];
	image.connection[9].server = IMAGE_STORE;
	CHECK(!check_image());
}

static void test_devices(void) {
	REFUSED(device[0].domain, IMAGE_GUEST, "cannot have it");
	REFUSED(device[0].domain, 5, "cannot have it");
	REFUSED(device[0].vendor, 0x10000, "known by");
	REFUSED(device[0].device_or, SYSTEM_ANY, "known by");
	REFUSED(device[0].class_code, 1, "known by");
	REFUSED(device[1].class_mask, 0x1000000, "known by");
	REFUSED(device[1].address, 0x10000, "known by");
	REFUSED(device[0].index, 64, "known by");
	REFUSED(device[0].interrupts, 0, "interrupts");
	REFUSED(device[0].interrupts, 17, "interrupts");
	REFUSED(device[0].dma_slots, 0, "window");
	REFUSED(device[0].dma_slots, 700, "window");
	REFUSED(device[0].dma_slots, 65536 + 512, "window");
	REFUSED(device[0].own_slots, 4097, "window");
	REFUSED(device[1].domain, IMAGE_UART, "two PCI devices");
	CHECK(line == 61);
}

static void test_blobs(void) {
	CHECK(checked.blobs[0].size == 12);
	REFUSED(blob[0].domain, IMAGE_GUEST, "cannot have it");
	REFUSED(blob[0].domain, IMAGE_ROOT, "cannot have it");
	REFUSED(blob[0].offset, 0, "outside");
	REFUSED(blob[0].offset, sizeof(image) + 8, "outside");
	REFUSED(blob[0].offset, offsetof(struct description_image, content) + 4, "outside");
	REFUSED(blob[0].size, sizeof(image), "outside");
	REFUSED(blob[0].size, 0xffffffff, "outside");
}

static void test_plugs(void) {
	image_valid(&image);
	CHECK(!check_image());
	CHECK(checked.plug_count == 2 && checked.plugs[1].flags == SYSTEM_PLUG_OUT);
	REFUSED(header.plugs, 4, "array");
	REFUSED(header.plug_count, SYSTEM_MAX_PLUGS + 1, "array");
	REFUSED(plug[0].guest, IMAGE_STORE, "impossible");
	REFUSED(plug[0].guest, 5, "impossible");
	REFUSED(plug[0].server, IMAGE_GUEST, "impossible");
	REFUSED(plug[0].server, IMAGE_STORE, "no server");
	REFUSED(plug[0].name, 64, "impossible");
	REFUSED(plug[0].number, 192, "impossible");
	REFUSED(plug[0].number, 1, "same number");
	REFUSED(plug[0].flags, 2, "impossible");
	REFUSED(plug[0].protocol, SYSTEM_CONN_CONSOLE, "no server");
}

static void test_places(void) {
	image_valid(&image);
	image.domain[IMAGE_GUEST].flags = SYSTEM_DOMAIN_F_PLACE;
	image.domain[IMAGE_GUEST].module = 0;
	CHECK(!check_image());
	image.domain[IMAGE_GUEST].flags |= SYSTEM_DOMAIN_F_AUTOSTART;
	CHECK(strstr(check_image(), "flags"));
	REFUSED(domain[IMAGE_GUEST].flags, SYSTEM_DOMAIN_F_PLACE, "place has one");
	REFUSED(domain[IMAGE_GUEST].module, 0, "no image");
}

/* Where the domain stands in the order. */
static uint32_t place_of(const uint16_t *order, uint32_t count, uint16_t domain) {
	uint32_t at = 0;

	while (at < count && order[at] != domain) at++;
	return at;
}

static void test_order(void) {
	uint16_t order[SYSTEM_MAX_DOMAINS];

	image_valid(&image);
	CHECK(!check_image());
	/* The console waits for the UART and is waited for by it: then as they are described. */
	CHECK(order_make(&checked, order) == 4);
	for (uint16_t i = 1; i < 5; i++) CHECK(place_of(order, 4, i) < 4);
	for (uint32_t i = 0; i < image.header.connection_count; i++)
		image.connection[i] = image.connection[3];
	image.connection[0].server = IMAGE_STORE;
	image.connection[0].client = IMAGE_UART;
	image.connection[1].server = IMAGE_GUEST;
	image.connection[1].client = IMAGE_STORE;
	CHECK(order_make(&checked, order) == 4);
	CHECK(order[0] == IMAGE_CONSOLE && order[1] == IMAGE_GUEST);
	CHECK(order[2] == IMAGE_STORE && order[3] == IMAGE_UART);
}

static void test_damage(void) {
	image_valid(&image);
	for (size_t size = 0; size < sizeof(image); size++) CHECK(check_bytes(size));
	for (unsigned i = 0; i < 20000; i++) {
		image_valid(&image);
		for (unsigned n = noise() % 4 + 1; n; n--)
			((uint8_t *)&image)[noise() % sizeof(image)] = (uint8_t)noise();
		check_image();
	}
}

int main(void) {
	static const struct test tests[] = {
		{"a valid one", test_valid},
		{"the header", test_header},
		{"domains", test_domains},
		{"resources", test_resources},
		{"connections", test_connections},
		{"network connections", test_network_connections},
		{"PCI devices", test_devices},
		{"configurations", test_blobs},
		{"guests' devices", test_plugs},
		{"places", test_places},
		{"the order of starts", test_order},
		{"damaged ones", test_damage},
	};

	return RUN("description", tests);
}
