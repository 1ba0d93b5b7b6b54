/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only door to guest memory: the address checks in front of mem/copy.S. The
 * range is checked as a whole, so that no part of a copy, nor a sum that wraps,
 * can reach the core. The sizes that come most are loaded word by word, which costs
 * half of a string instruction.
 */
#include "mem/guest_copy.h"
#include "lib/string.h"

int guest_copy_raw(void *to, const void *from, u64 size);

static int load_half(u32 *to, gva_t from) {
	u32 a;

	guest_access_begin();
	GUEST_LOAD(a, from, fault);
	guest_access_end();
	*to = a;
	return 0;
fault:
	guest_access_end();
	return -EFAULT;
}

int copy_from_guest(void *to, gva_t from, u64 size) {
	if (unlikely(!guest_range_ok(from, size))) return -EFAULT;
	if (size == 4) return load_half(to, from);
	if (size == 16) return guest_load_pair(to, from);
	return guest_copy_raw(to, (const void *)from, size);
}

int copy_to_guest(gva_t to, const void *from, u64 size) {
	if (unlikely(!guest_range_ok(to, size))) return -EFAULT;
	return guest_copy_raw((void *)to, from, size);
}
