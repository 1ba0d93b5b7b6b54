/* SPDX-License-Identifier: BSD-2-Clause */
#include "service.h"

#include "libs/event/event.h"
#include "libs/grant/grant.h"

struct service services[SERVICES];
uint32_t service_count;

static void open_one(const struct native_connection *c, uint32_t pages, bool has_tap,
		     void (*on_event)(void *)) {
	struct service *service = &services[service_count];
	void *at;
	int error;

	if (service_count == SERVICES) rt_panic("%s: at most %u servers", c->name, SERVICES);
	if (c->ring_pages < pages) rt_panic("%s: expected %u pages", c->name, pages);
	error = grant_map_for_life(&at, c->ring_domid, c->ring_ref, pages);
	if (error) rt_panic("%s: its pages cannot be mapped (%d)", c->name, error);
	*service = (struct service){
		.connection = c,
		.page = at,
		.payload = (uint8_t *)at + PAGE_SIZE,
		.behind = (uint8_t *)at + PAGE_SIZE + CTL_PAYLOAD,
	};
	service->sent = service->page->request;
	if (has_tap) {
		ring_attach_consumer(&service->tap, &service->page->tap, service->behind, CTL_TAP,
				     1);
		ring_want_data(&service->tap);
	}
	service_count++;
	event_handle(c->port, on_event, service);
	event_again(c->port);
}

void service_open(uint16_t protocol, uint32_t pages, bool has_tap, void (*on_event)(void *)) {
	for (uint32_t i = 0; i < rt_start_page->connection_count; i++) {
		const struct native_connection *c = &rt_start_page->connections[i];

		if (c->protocol == protocol && c->role == NATIVE_CLIENT)
			open_one(c, pages, has_tap, on_event);
	}
}

struct service *service_next(uint16_t protocol, const struct service *after) {
	for (uint32_t i = after ? (uint32_t)(after - services) + 1 : 0; i < service_count; i++)
		if (services[i].connection->protocol == protocol) return &services[i];
	return NULL;
}

bool service_busy(const struct service *service) {
	return __atomic_load_n(&service->page->done, __ATOMIC_ACQUIRE) != service->sent;
}

void service_send(struct service *service, const void *payload, uint32_t length) {
	service->page->length = length;
	if (length) memcpy(service->payload, payload, length);
	__atomic_store_n(&service->page->request, ++service->sent, __ATOMIC_RELEASE);
	event_send(service->connection->port);
}
