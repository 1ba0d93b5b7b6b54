/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may watch the disk server and set limits (proto/blkctl.h). A limit that was set is kept in
 * the last of the connection's pages, so that a successor of this server finds it there; of
 * connections that may set none, nothing is read.
 */
#include "vbd.h"

#include "libs/ctl/record.h"
#include "libs/log/log.h"
#include "proto/blkctl.h"

#define CLIENTS 4U

_Static_assert(BLKCTL_RECORDS >= VBD_DEVICES, "a record for each disk");

static struct ctl_server client[CLIENTS];

static struct ctl_records records = {
	.servers = client,
	.right = BLKCTL_F_LIMITS,
	.things = BLKCTL_RECORDS,
	.size = sizeof(struct blkctl_limits),
};

_Static_assert(offsetof(struct blkctl_record, limits) == BLKCTL_RECORDS, "as ctl_records has it");

static uint32_t disks(struct ctl_server *server, struct ctl_request *request) {
	struct blkctl_disk *answer = (struct blkctl_disk *)(void *)request->payload;

	(void)server;
	for (uint32_t n = 0; n < vbd.device_count; n++) {
		const struct device *device = &vbd.device[n];

		answer[n] = (struct blkctl_disk){
			.up = device->end.state == BACKEND_LIVE,
			.reads = device->count->reads,
			.writes = device->count->writes,
			.other = device->count->others,
			.read_bytes = device->count->read_sectors * BLK_SECTOR,
			.write_bytes = device->count->write_sectors * BLK_SECTOR,
			.errors = device->count->failed,
			.malformed = device->count->malformed,
			.limits = {device->bytes.rate, device->requests.rate},
		};
		rt_strcopy(answer[n].name, device->end.name, sizeof(answer[n].name));
		rt_strcopy(answer[n].guest, config_string(device->config->guest),
			   sizeof(answer[n].guest));
	}
	request->answer_length = vbd.device_count * (uint32_t)sizeof(*answer);
	return CTL_OK;
}

static void limit(struct device *device, struct blkctl_limits limits) {
	if (limits.bytes != device->bytes.rate) bucket_init(&device->bytes, limits.bytes, vbd.now);
	if (limits.requests != device->requests.rate)
		bucket_init(&device->requests, limits.requests, vbd.now);
	if (device->end.state != BACKEND_LIVE) return;
	/* Who waited for the old ones asks again. */
	bits_add(&vbd.ready, (uint32_t)(device - vbd.device));
	pump_soon();
}

static uint32_t set_limits(struct ctl_server *server, struct ctl_request *request) {
	const struct blkctl_limits *asked = (const void *)request->payload;
	struct blkctl_limits limits;
	struct device *device;

	if (request->port >= vbd.device_count)
		return ctl_refuse(request, CTL_UNKNOWN, "there is no such disk");
	if (request->length < sizeof(*asked))
		return ctl_refuse(request, CTL_INVALID, "the limits are missing");
	device = &vbd.device[request->port];
	limits.bytes = asked->bytes == BLKCTL_KEEP ? device->bytes.rate : asked->bytes;
	limits.requests = asked->requests == BLKCTL_KEEP ? device->requests.rate : asked->requests;
	if (limits.bytes > BUCKET_RATE_MAX || limits.requests > BUCKET_RATE_MAX)
		return ctl_refuse(request, CTL_INVALID, "at most %llu per second", BUCKET_RATE_MAX);
	limit(device, limits);
	ctl_record_set(&records, server, request->port, &limits);
	log_print("disk %s: limits are %lu bytes and %lu requests per second, 0 is none",
		  device->end.name, limits.bytes, limits.requests);
	return CTL_OK;
}

static const struct ctl_op ops[] = {
	{BLKCTL_DISKS, BLKCTL_F_WATCH, disks},
	{BLKCTL_SET_LIMITS, BLKCTL_F_LIMITS, set_limits},
	{0, 0, NULL},
};

void ctl_open(void) {
	records.count =
		ctl_servers_open(client, CLIENTS, SYSTEM_CONN_BLKCTL, BLKCTL_PAGES, ops, NULL);
	/* What a predecessor of ours was told. */
	for (uint32_t n = 0; n < vbd.device_count; n++) {
		struct blkctl_limits limits;

		if (ctl_record_get(&records, n, &limits) && limits.bytes <= BUCKET_RATE_MAX &&
		    limits.requests <= BUCKET_RATE_MAX)
			limit(&vbd.device[n], limits);
	}
}
