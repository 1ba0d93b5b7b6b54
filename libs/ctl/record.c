/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/ctl/record.h"

#define SET 1U

static uint8_t *flag_of(const struct ctl_records *records, const struct ctl_server *server,
			uint32_t n) {
	return server->behind + records->at + n;
}

static uint8_t *limit_of(const struct ctl_records *records, const struct ctl_server *server,
			 uint32_t n) {
	return server->behind + records->at + records->things + n * records->size;
}

void ctl_record_set(const struct ctl_records *records, const struct ctl_server *server, uint32_t n,
		    const void *limit) {
	uint8_t *flag = flag_of(records, server, n);

	__atomic_store_n(flag, 0, __ATOMIC_SEQ_CST);
	memcpy(limit_of(records, server, n), limit, records->size);
	__atomic_store_n(flag, SET, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < records->count; i++) {
		const struct ctl_server *other = &records->servers[i];

		if (other != server && ctl_server_may(other, records->right))
			__atomic_store_n(flag_of(records, other, n), 0, __ATOMIC_SEQ_CST);
	}
}

bool ctl_record_get(const struct ctl_records *records, uint32_t n, void *limit) {
	for (uint32_t i = 0; i < records->count; i++) {
		const struct ctl_server *server = &records->servers[i];

		if (!ctl_server_may(server, records->right) ||
		    __atomic_load_n(flag_of(records, server, n), __ATOMIC_ACQUIRE) != SET)
			continue;
		memcpy(limit, limit_of(records, server, n), records->size);
		return true;
	}
	return false;
}
