/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VIF's nodes in the store. The backend's directory is ours, below our own home; the
 * frontend's lies in the guest's. What a guest reads there is written before the state
 * that makes it look.
 *
 * Nothing here waits: a request that the connection has no room for is remembered in the
 * VIF (publish, questions) and made when there is some. An answer carries the VIF's
 * generation, so one to an old question is dropped.
 */
#include "node.h"

#include "libs/log/log.h"

struct xenbus node_bus;
static int home_watch[SW_GUESTS]; /* its guest's home is waited for; 0 = no */

void *node_context(const struct port *port, enum what what, uint32_t detail) {
	return (void *)((uintptr_t)port_index(port) | (uintptr_t)what << 8 |
			(uintptr_t)detail << 16 | (uintptr_t)port->vif.generation << 32);
}

static void backend_path(const struct port *port, const char *node, char path[PATH]) {
	rt_format(path, PATH, "/local/domain/%u/backend/vif/%u/%u%s%s", rt_start_page->domid,
		  port->vif.domid, port->config->handle, *node ? "/" : "", node);
}

void node_front_path(const struct port *port, const char *node, char path[PATH]) {
	rt_format(path, PATH, "/local/domain/%u/device/vif/%u%s%s", port->vif.domid,
		  port->config->handle, *node ? "/" : "", node);
}

/* --- what is written --- */

enum value {
	V_DIR,
	V_PERMISSIONS,
	V_FRONTEND,
	V_BACKEND,
	V_GUEST,
	V_SELF,
	V_ZERO,
	V_ONE,
	V_HANDLE,
	V_MAC,
	V_MTU,
	V_NETWORK,
	V_QUEUES,
	V_STATE,
	V_FRONT_STATE
};

static const struct node {
	const char *name;
	uint8_t front, value;
} nodes[] = {
	{"", 0, V_DIR},
	{"", 0, V_PERMISSIONS},
	{"frontend", 0, V_FRONTEND},
	{"frontend-id", 0, V_GUEST},
	{"online", 0, V_ONE},
	{"handle", 0, V_HANDLE},
	{"mac", 0, V_MAC},
	{"bridge", 0, V_NETWORK},
	{"feature-rx-copy", 0, V_ONE},
	{"feature-rx-flip", 0, V_ZERO},
	{"feature-sg", 0, V_ONE},
	{"feature-gso-tcpv4", 0, V_ONE},
	{"feature-gso-tcpv6", 0, V_ONE},
	{"feature-ipv6-csum-offload", 0, V_ONE},
	{"feature-multicast-control", 0, V_ONE},
	{"feature-split-event-channels", 0, V_ONE},
	{"multi-queue-max-queues", 0, V_QUEUES},
	{"state", 0, V_STATE},
	{"", 1, V_DIR},
	{"", 1, V_PERMISSIONS},
	{"backend", 1, V_BACKEND},
	{"backend-id", 1, V_SELF},
	{"handle", 1, V_HANDLE},
	{"mac", 1, V_MAC},
	{"mtu", 1, V_MTU},
	{"state", 1, V_FRONT_STATE},
};

static void make_value(const struct port *port, enum value value, char *to) {
	const uint8_t *mac = port->config->mac;

	switch (value) {
	case V_FRONTEND: node_front_path(port, "", to); break;
	case V_BACKEND: backend_path(port, "", to); break;
	case V_GUEST: rt_format(to, PATH, "%u", port->vif.domid); break;
	case V_SELF: rt_format(to, PATH, "%u", rt_start_page->domid); break;
	case V_ONE: rt_strcopy(to, "1", PATH); break;
	case V_HANDLE: rt_format(to, PATH, "%u", port->config->handle); break;
	case V_MAC:
		rt_format(to, PATH, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
			  mac[4], mac[5]);
		break;
	case V_MTU: rt_format(to, PATH, "%u", sw.network[port->network].mtu); break;
	case V_NETWORK: rt_strcopy(to, sw.network[port->network].name, PATH); break;
	case V_QUEUES: rt_format(to, PATH, "%u", port->vif.offered); break;
	case V_STATE: rt_format(to, PATH, "%u", port->vif.backend_state); break;
	case V_FRONT_STATE: rt_format(to, PATH, "%u", port->vif.front_state); break;
	default: rt_strcopy(to, "0", PATH); break;
	}
}

static void written(void *port, const struct xenbus_answer *answer) {
	static uint32_t said;

	if (answer->error && answer->error != -XEN_ENOTCONN && said++ < 8)
		log_print("VIF %s: the store refuses a node (%d)", ((struct port *)port)->name,
			  answer->error);
}

static int write_node(struct port *port, const struct node *node) {
	char path[PATH], value[PATH] = "";
	uint16_t owner = node->front ? port->vif.domid : rt_start_page->domid;
	uint16_t reader = node->front ? rt_start_page->domid : port->vif.domid;

	if (node->front)
		node_front_path(port, node->name, path);
	else
		backend_path(port, node->name, path);
	if (node->value == V_DIR) return xenbus_mkdir(&node_bus, 0, path, written, port);
	if (node->value == V_PERMISSIONS) {
		rt_format(value, sizeof(value), "n%u r%u", owner, reader);
		return xenbus_set_permissions(&node_bus, 0, path, value, written, port);
	}
	if (node->value == V_FRONT_STATE && !port->vif.make_front) return 0;
	make_value(port, node->value, value);
	return xenbus_write(&node_bus, 0, path, value, (uint32_t)strlen(value), written, port);
}

/* --- what is read --- */

struct port *node_addressee(void *context, const struct xenbus_answer *answer) {
	uintptr_t word = (uintptr_t)context;
	struct port *port = &sw.port[word & 0xff];

	if (port->vif.generation != (uint32_t)(word >> 32) || answer->error == -XEN_ENOTCONN)
		return NULL;
	return port;
}

static void home_changed(void *context, const char *path) {
	(void)context;
	(void)path;
	vif_settle();
}

/* The store has not heard of the guest yet; it will fire this when it has made its home. */
static void wait_for_home(uint16_t guest) {
	char path[PATH];
	int watch;

	if (home_watch[guest]) return;
	rt_format(path, sizeof(path), "/local/domain/%u/device/vif",
		  rt_start_page->connections[guest].peer_domid);
	watch = xenbus_watch(&node_bus, path, home_changed, NULL, NULL, NULL);
	home_watch[guest] = MAX(watch, 0);
}

static void stop_waiting(uint16_t guest) {
	if (!home_watch[guest]) return;
	(void)xenbus_unwatch(&node_bus, home_watch[guest]);
	home_watch[guest] = 0;
}

static void states_read(struct port *port, bool home, uint32_t backend, uint32_t front) {
	if (home) {
		stop_waiting(port->vif.guest);
		vif_asked(port, backend, front);
	} else {
		vif_homeless(port);
		wait_for_home(port->vif.guest);
	}
}

static void state_read(void *context, const struct xenbus_answer *answer) {
	struct port *port = node_addressee(context, answer);
	static uint32_t backend[SW_PORTS];
	static bool home[SW_PORTS];
	uint64_t state = XENBUS_UNKNOWN;
	size_t n;

	if (!port) return;
	n = (size_t)port_index(port);
	if (!xenbus_number(answer, XENBUS_RECONFIGURED, &state)) state = XENBUS_UNKNOWN;
	switch ((enum what)((uintptr_t)context >> 8 & 0xff)) {
	case HOME: home[n] = !answer->error; break;
	case BACKEND_STATE: backend[n] = (uint32_t)state; break;
	case CHANGED: vif_front_changed(port, (uint32_t)state); break;
	default: states_read(port, home[n], backend[n], (uint32_t)state); break;
	}
}

static int read_state(struct port *port, enum what what) {
	char path[PATH];

	if (what == HOME)
		rt_format(path, sizeof(path), "/local/domain/%u/device/vif", port->vif.domid);
	else if (what == BACKEND_STATE)
		backend_path(port, "state", path);
	else
		node_front_path(port, "state", path);
	return xenbus_read(&node_bus, 0, path, state_read, node_context(port, what, 0));
}

static void changed(void *port, const char *path) {
	(void)path;
	node_question(port, ASK_CHANGED);
}

/* --- putting questions, as far as there is room --- */

static int ask(struct port *port, uint8_t question) {
	char path[PATH];
	int error;

	switch (question) {
	case ASK_STATES:
		/* The last answer is what counts; the store keeps the order. */
		error = read_state(port, HOME);
		if (!error) error = read_state(port, BACKEND_STATE);
		return error ? error : read_state(port, FRONT_STATE);
	case ASK_CHANGED: return read_state(port, CHANGED);
	case ASK_FRONT: return front_ask(port);
	case ASK_RINGS: return front_ask_rings(port);
	case ASK_SET_STATE: return write_node(port, &(const struct node){"state", 0, V_STATE});
	case ASK_REMOVE:
		backend_path(port, "", path);
		return xenbus_rm(&node_bus, 0, path, NULL, NULL);
	default:
		if (port->vif.watch > 0) return 0;
		node_front_path(port, "state", path);
		port->vif.watch = xenbus_watch(&node_bus, path, changed, port, NULL, NULL);
		return port->vif.watch < 0 ? port->vif.watch : 0;
	}
}

/* False: no room. A question of several requests is put again as a whole. */
static bool go_on(struct port *port) {
	int error = 0;

	while (port->vif.publish < ARRAY_SIZE(nodes) && !error) {
		error = write_node(port, &nodes[port->vif.publish]);
		if (!error) port->vif.publish++;
	}
	while (port->vif.questions && !error) {
		uint8_t question = port->vif.questions & (uint8_t)-port->vif.questions;

		error = ask(port, question);
		if (!error)
			port->vif.questions &= (uint8_t)~question;
		else
			port->vif.generation++;
	}
	return !error;
}

static void go_on_all(void *context) {
	(void)context;
	for (uint32_t i = 0; i < sw.port_count; i++)
		if (!go_on(&sw.port[i])) return;
}

void node_question(struct port *port, uint8_t question) {
	port->vif.questions |= question;
	if (node_bus.ready) go_on(port);
}

void node_publish(struct port *port) {
	port->vif.publish = 0;
	node_question(port, 0);
}

void node_state(struct port *port, uint32_t state) {
	port->vif.backend_state = state;
	node_question(port, ASK_SET_STATE);
}

void node_remove(struct port *port) {
	if (port->vif.watch > 0) (void)xenbus_unwatch(&node_bus, port->vif.watch);
	port->vif.watch = 0;
	port->vif.generation++;
	port->vif.publish = ARRAY_SIZE(nodes);
	port->vif.questions = 0;
	node_question(port, ASK_REMOVE);
}

void node_ask(struct port *port) {
	port->vif.questions = 0;
	node_question(port, ASK_STATES);
}

void node_watch(struct port *port) { node_question(port, ASK_WATCH); }

void node_read_front(struct port *port) {
	port->vif.generation++;
	node_question(port, ASK_FRONT);
}

bool node_ready(void) { return node_bus.ready; }

static void connected(void *context) {
	memset(home_watch, 0, sizeof(home_watch));
	for (uint32_t i = 0; i < sw.port_count; i++) {
		sw.port[i].vif.watch = 0;
		sw.port[i].vif.generation++;
	}
	vif_store_ready();
	go_on_all(context);
}

const char *node_open(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_XENBUS, 0);

	if (!connection) return "it has no connection with the store";
	for (uint32_t i = 0; i < SW_PORTS; i++) sw.port[i].vif.publish = ARRAY_SIZE(nodes);
	return xenbus_open(&node_bus, connection, connected, go_on_all, NULL)
		       ? "the store's ring can't be mapped"
		       : NULL;
}
