/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes that a domain finds, as a toolstack makes them, and what becomes of
 * them when it ends. A guest's home is read-only to it but for the nodes that
 * guests write by convention; docs/store.md lists them.
 *
 * Introducing and releasing are one step each: nobody ever sees half a home.
 */
#include "proto/control.h"
#include "proto/system.h"
#include "store.h"

/* How the guest may use a node of its home. */
enum use { READ_ONLY, ITS_OWN };

struct standard {
	const char *name, *value;
	enum use use;
};

static const struct standard standard[] = {
	{"console", "", READ_ONLY},
	{"console/type", "xenconsoled", READ_ONLY},
	{"console/limit", "1048576", READ_ONLY},
	{"control", "", READ_ONLY},
	{"control/shutdown", "", ITS_OWN},
	{"control/sysrq", "", ITS_OWN},
	{"control/feature-poweroff", "", ITS_OWN},
	{"control/feature-reboot", "", ITS_OWN},
	{"control/feature-suspend", "", ITS_OWN},
	{"control/platform-feature-multiprocessor-suspend", "1", READ_ONLY},
	{"control/platform-feature-xs_reset_watches", "1", READ_ONLY},
	{"device", "", READ_ONLY},
	{"device/vbd", "", READ_ONLY},
	{"device/vif", "", READ_ONLY},
	{"device/suspend/event-channel", "", ITS_OWN},
	{"data", "", ITS_OWN},
	{"drivers", "", ITS_OWN},
	{"feature", "", ITS_OWN},
	{"attr", "", ITS_OWN},
	{"error", "", ITS_OWN},
};

static void permit(uint32_t node, uint16_t owner, uint16_t reader) {
	uint32_t permissions[2] = {PERMISSION(owner, 0), PERMISSION(reader, MAY_READ)};

	tree_set_permissions(node, permissions, owner == reader ? 1 : 2);
}

/* Fails only if the quota is smaller than a home, which boat.c's least one is not. */
static uint32_t make(const char *path, const char *value, uint16_t owner, uint16_t reader) {
	uint32_t node = tree_make(path, NULL);
	bool fits = node && tree_set_value(node, value, (uint32_t)strlen(value));

	if (!fits) rt_panic("the home of a domain does not fit: its quota is too small");
	permit(node, owner, reader);
	return node;
}

static void make_in_home(const struct client *client, const char *name, const char *value,
			 enum use use) {
	char path[128];
	size_t length = path_home(client, path, sizeof(path));

	rt_format(path + length, sizeof(path) - length, "/%s", name);
	make(path, value, use == ITS_OWN ? client->domid : 0, client->domid);
}

static void make_number(const struct client *client, const char *name, uint64_t value) {
	char text[24];

	rt_format(text, sizeof(text), "%lu", value);
	make_in_home(client, name, text, READ_ONLY);
}

static uint32_t make_home(struct client *client, uint16_t owner) {
	char path[32];
	uint32_t home;

	path_home(client, path, sizeof(path));
	home = make(path, "", owner, client->domid);
	SET(client->home, home);
	make_in_home(client, "name", client->name, READ_ONLY);
	make_number(client, "domid", client->domid);
	return home;
}

/* An identity that is the same at every start: the description has no other. */
static void vm_path(const struct client *client, char path[64]) {
	rt_format(path, 64, "/vm/54455353-4552-4100-8000-%012x", client->domid);
}

static void make_vm(const struct client *client) {
	char path[64], below[80];

	vm_path(client, path);
	make(path, "", 0, client->domid);
	rt_format(below, sizeof(below), "%s/name", path);
	make(below, client->name, 0, client->domid);
	rt_format(below, sizeof(below), "%s/uuid", path);
	make(below, path + 4, 0, client->domid);
	make_in_home(client, "vm", path, READ_ONLY);
}

void guest_make_tree(void) {
	uint32_t root = pool_take(BLOCK_NODE, ACCOUNT_STORE);

	boat_block(root)->h.count = 1;
	SET(boat->root, root);
	make("/local/domain", "", 0, 0);
	make("/vm", "", 0, 0);
	for (uint32_t i = 0; i < boat->client_count; i++)
		if (!boat_client(i)->is_guest) make_home(boat_client(i), boat_client(i)->domid);
}

void guest_introduce(struct client *client, const struct guest_facts *facts) {
	char name[40], path[64];
	size_t length;

	make_home(client, 0);
	make_vm(client);
	make_number(client, "memory/target", facts->memory_kib);
	make_number(client, "memory/static-max", facts->maximum_kib);
	make_number(client, "console/port", SYSTEM_GUEST_CONSOLE_PORT);
	make_number(client, "console/ring-ref", 0);
	make_number(client, "store/port", SYSTEM_GUEST_STORE_PORT);
	make_number(client, "store/ring-ref", 1);
	for (uint32_t i = 0; i < facts->vcpus; i++) {
		rt_format(name, sizeof(name), "cpu/%u/availability", i);
		make_in_home(client, name, "online", READ_ONLY);
	}
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
		make_in_home(client, standard[i].name, standard[i].value, standard[i].use);
	/* Those who make devices watch these two. */
	length = path_home(client, path, sizeof(path));
	rt_format(path + length, sizeof(path) - length, "/device/vbd");
	watch_fire(path, tree_find(path, NULL));
	rt_format(path + length, sizeof(path) - length, "/device/vif");
	watch_fire(path, tree_find(path, NULL));
	watch_fire_special("@introduceDomain");
}

void guest_release(struct client *client) {
	char path[64];
	uint32_t node;

	watch_delete_all(client);
	transaction_delete_all(client);
	if (!client->home) return;
	path_home(client, path, sizeof(path));
	watch_fire_removed(path, client->home);
	tree_remove(client->home);
	SET(client->home, 0U);
	vm_path(client, path);
	node = tree_find(path, NULL);
	if (node) tree_remove(node);
	watch_fire_special("@releaseDomain");
}

/* A node of its home; false: it is not there. A guest may have removed what it owns: then it is
 * not listening there. */
static bool tell(const struct client *client, const char *name, const char *value) {
	char path[64];
	size_t length = path_home(client, path, sizeof(path));
	uint32_t node;

	rt_format(path + length, sizeof(path) - length, "/%s", name);
	node = tree_find(path, NULL);
	if (!node) return false;
	if (tree_set_value(node, value, (uint32_t)strlen(value))) watch_fire(path, node);
	return true;
}

/* Linux takes a CPU up or down when its node is written, whatever it said before. */
static void tell_vcpus(const struct client *client, uint32_t online) {
	char name[32];
	uint32_t i = 0;

	do rt_format(name, sizeof(name), "cpu/%u/availability", i);
	while (tell(client, name, i++ < online ? "online" : "offline"));
}

void guest_ask(struct client *client, uint32_t what, uint32_t value) {
	char text[24];

	if (!client->home) return;
	rt_format(text, sizeof(text), "%u", value);
	if (what == CONTROL_ASK_MEMORY)
		tell(client, "memory/target", text);
	else if (what == CONTROL_ASK_VCPUS)
		tell_vcpus(client, value);
	else
		tell(client, "control/shutdown",
		     value == CONTROL_SHUTDOWN_REBOOT ? "reboot" : "poweroff");
	boat_commit();
}
