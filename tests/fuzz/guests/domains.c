/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two guests do to each other whatever event channels and grants allow, in an
 * order and with arguments that libFuzzer makes up. Again and again, for both:
 *   - joined ports name each other; bound virtual interrupts are found by number;
 *   - pins equal the mapping records; references and writable counts of a frame
 *     equal the page-table entries and device mappings that exist;
 *   - no lock is left taken.
 * At the end both are reset, and nothing is left of it all.
 */
#include "guests.h"
#include "../input.h"

#include <stdlib.h>
#include <string.h>

#define REFS        5U
#define SLOTS       8U
#define VIRQS       4U
#define FRAMES      GUEST_PAGES
#define OPERATIONS  80
#define CHECK_EVERY 5
#define OWN_REF     1U /* of every frame: its allocation's */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain *d[2];

/* Mostly what exists, sometimes anything. */
static u32 port(void) {
	u32 n = byte();

	return n < 0xf0 ? n % 12 : n < 0xf8 ? GUEST_PORTS - 1 + n % 3 : 0xffffff00U | n;
}

/* Mostly the other one. */
static u16 peer(const struct domain *who) {
	u32 n = byte();

	return n < 0xc0 ? 3 - who->id : (u16)(1 + n % 3);
}

/* --- Operations --- */

static void bind(struct domain *who) {
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = peer(who)};
	struct evtchn_bind_interdomain join = {.remote_dom = peer(who), .remote_port = port()};
	struct evtchn_bind_virq virq = {.virq = below(VIRQS), .vcpu = below(4)};
	struct evtchn_bind_ipi ipi = {.vcpu = below(4)};
	struct evtchn_bind_vcpu move = {.port = port(), .vcpu = below(4)};

	switch (below(5)) {
	case 0: event_op(who, EVTCHNOP_alloc_unbound, &alloc); break;
	case 1: event_op(who, EVTCHNOP_bind_interdomain, &join); break;
	case 2: event_op(who, EVTCHNOP_bind_virq, &virq); break;
	case 3: event_op(who, EVTCHNOP_bind_ipi, &ipi); break;
	default: event_op(who, EVTCHNOP_bind_vcpu, &move); break;
	}
}

static void use(struct domain *who) {
	u32 n = port();

	switch (below(7)) {
	case 0: event_op(who, EVTCHNOP_close, &n); break;
	case 1: event_op(who, EVTCHNOP_unmask, &n); break;
	case 2: who->shared->evtchn_mask[byte() % 64] ^= ~0UL; break;
	case 3: memset(who->shared->evtchn_pending, 0, 512); break;
	case 4: virq_send(who->vcpus[below(3)], below(VIRQS)); break;
	case 5: irq_deliver(below(30)); break;
	default: event_op(who, EVTCHNOP_send, &n); break;
	}
}

static void root_acts(void) {
	struct domain *a = d[below(2)], *b = d[below(2)];
	u32 gsi = below(26), n = port();
	int r;

	switch (below(6)) {
	case 0: r = channel_offer(a, n, b->id); break;
	case 1: r = channel_connect(a, n, b, port()); break;
	case 2: r = irq_bind(a, gsi, n, below(4)); break;
	case 3: r = irq_acknowledge(a, gsi); break;
	case 4:
		r = 0;
		irq_release(a, gsi, below(4));
		break;
	default:
		while ((r = channel_reset(a)) == -ERESTART)
			;
		break;
	}
	CHECK(r > -200);
}

static void edit_entry(struct domain *who) {
	u32 mode = byte();
	u64 flags = mode < 0xc0 ? GTF_permit_access | (mode & GTF_readonly) : mode % 32;
	u64 frame = mode == 0xff ? ~0U
				 : guest_mfn(mode & 0x38      ? who
					     : peer(who) == 1 ? d[0]
							      : d[1],
					     below(FRAMES));

	who->grant_entries[below(REFS)] = frame << 32 | (u64)peer(who) << 16 | flags;
}

static u64 slot(const struct domain *who) {
	u32 n = byte() < 0xf0 ? below(SLOTS) : SLOTS + below(2);
	u64 table = guest_mfn(who, n < SLOTS ? 0 : n - SLOTS + 1) << PAGE_SHIFT;

	return n < SLOTS ? table + n * 8 : table;
}

static void map_or_unmap(struct domain *who) {
	struct gnttab_map_grant_ref m[2];
	struct gnttab_unmap_grant_ref u[3];
	unsigned i, count = 1 + below(2);

	if (byte() & 1) {
		for (i = 0; i < count; i++)
			m[i] = (struct gnttab_map_grant_ref){
				.host_addr = slot(who),
				.flags = GNTMAP_contains_pte | below(16),
				.ref = byte() == 0xff ? 600 : below(REFS),
				.dom = peer(who)};
		CHECK(grant_op(who, GNTTABOP_map_grant_ref, m, count) == 0);
		return;
	}
	for (i = 0; i <= count; i++) {
		u32 how = byte();
		const struct grant_map *known = &who->maps[below(8)];

		u[i] = (struct gnttab_unmap_grant_ref){.handle = (u32)(known - who->maps)};
		if (how & 1) u[i].dev_bus_addr = known->mfn << PAGE_SHIFT;
		if (how & 2) u[i].host_addr = how & 12 ? known->host : slot(who);
		if (how > 0xf0) u[i].handle = byte() << 24 | 99;
	}
	CHECK(grant_op(who, GNTTABOP_unmap_grant_ref, u, count + 1) == 0);
}

static void copy(struct domain *who) {
	struct gnttab_copy op = {.len = (u16)(byte() * 17), .flags = (u16)below(4)};
	struct gnttab_copy_ptr *side[] = {&op.source, &op.dest};
	struct gnttab_swap_grant_ref swap = {.ref_a = below(REFS), .ref_b = below(REFS)};
	unsigned i;

	if (byte() < 40) {
		CHECK(grant_op(who, GNTTABOP_swap_grant_ref, &swap, 1) == 0);
		return;
	}
	for (i = 0; i < 2; i++) {
		bool granted = op.flags >> i & 1;

		side[i]->domid = granted ? peer(who) : DOMID_SELF;
		side[i]->offset = (u16)(byte() * 16);
		side[i]->u.gmfn =
			granted ? below(REFS) : guest_mfn(d[below(2)], 1 + below(FRAMES - 1));
	}
	CHECK(grant_op(who, GNTTABOP_copy, &op, 1) == 0);
}

/* --- Invariants --- */

static void check_ports(struct domain *who) {
	u32 n;

	for (n = 0; n < GUEST_PORTS; n++) {
		const struct channel *c = &who->channels[n], *peer;

		CHECK(c->notify_vcpu < 3 && (n || !c->state));
		if (c->state == CHANNEL_VIRQ)
			CHECK(who->vcpus[virq_is_global(c->virq) ? 0 : c->notify_vcpu]
				      ->virq_port[c->virq] == n);
		if (c->state != CHANNEL_INTERDOMAIN) continue;
		peer = &c->remote->channels[c->remote_port];
		CHECK(peer->state == CHANNEL_INTERDOMAIN && peer->remote == who);
		CHECK(peer->remote_port == n && peer->remote_domid == who->id);
	}
	for (n = 0; n < 3 * NR_VIRQS; n++) {
		u32 bound = who->vcpus[n / NR_VIRQS]->virq_port[n % NR_VIRQS];

		CHECK(!bound || virq_bound(who, bound, n % NR_VIRQS));
	}
	CHECK(!who->channel_lock.held && !who->grant_lock.held);
}

static void check_pins(struct domain *granter) {
	u32 counted[REFS] = {0}, i, n;

	for (i = 0; i < 2; i++)
		for (n = 0; n < d[i]->map_handles; n++) {
			const struct grant_map *m = &d[i]->maps[n];

			if (m->granter != granter) continue;
			CHECK(m->ref < REFS);
			counted[m->ref] += m->flags & GNTMAP_readonly ? 1 : 0x10000;
		}
	CHECK(!memcmp(counted, granter->grant_pins, sizeof(counted)));
}

static void check_frame(mfn_t mfn) {
	u64 refs = OWN_REF, writable = 0, i, n;
	u64 state = mfn_to_frame(mfn)->state;

	for (i = 0; i < 2; i++) {
		const u64 *table = guest_page(d[i], 0);

		for (n = 0; n < SLOTS; n++)
			if ((table[n] & PTE_P) && pte_mfn(table[n]) == mfn)
				refs++, writable += !!(table[n] & PTE_RW);
		for (n = 0; n < d[i]->map_handles; n++) {
			const struct grant_map *m = &d[i]->maps[n];

			if (m->granter && (m->flags & GNTMAP_device_map) && m->mfn == mfn)
				refs++, writable += !(m->flags & GNTMAP_readonly);
		}
	}
	CHECK((state & FRAME_REF_MASK) == refs);
	CHECK((state & FRAME_COUNT_MASK) / FRAME_TYPE_ONE == writable);
	CHECK(!writable || frame_type_of(state) == TYPE_WRITABLE);
}

static void check_all(void) {
	u64 i, n;

	for (i = 0; i < 2; i++) {
		check_ports(d[i]);
		check_pins(d[i]);
		for (n = 1; n < FRAMES; n++) check_frame(guest_mfn(d[i], n));
	}
}

static void finish(void) {
	unsigned i;

	for (i = 0; i < 2; i++) {
		while (channel_reset(d[i]) == -ERESTART)
			;
		d[i]->reset_position = 0;
		while (grant_reset(d[i]) == -ERESTART)
			;
		CHECK(frame_put_type(mfn_to_frame(guest_mfn(d[i], 0))) == 0);
		memset(guest_page(d[i], 0), 0, PAGE_SIZE);
	}
	check_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static void (*const acts[])(struct domain *) = {bind, use, edit_entry, map_or_unmap, copy};
	unsigned i;

	input_begin(data, size);
	guests_start(2);
	for (i = 0; i < 2; i++) {
		d[i] = guest((u16)(i + 1));
		CHECK(frame_get_type(mfn_to_frame(guest_mfn(d[i], 0)), d[i], TYPE_L1) == 0);
	}
	guests_introduce(d[0], d[1], RIGHT_EVENT | RIGHT_GRANT);
	guests_introduce(d[1], d[0], RIGHT_EVENT | RIGHT_GRANT);
	for (i = 0; i < OPERATIONS; i++) {
		u32 what = byte();

		if (what < 16)
			root_acts();
		else
			acts[what % 5](d[what >> 7]);
		if (i % CHECK_EVERY == 0) check_all();
	}
	finish();
	return 0;
}
