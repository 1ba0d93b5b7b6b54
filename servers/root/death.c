/* SPDX-License-Identifier: BSD-2-Clause */
#include "death.h"

#include "libs/cap/cap.h"
#include "libs/grant/grant.h"
#include "manage.h"
#include "program.h"
#include "recent.h"
#include "trace.h"

#define DEATHS 32U

static struct recent places[DEATHS];
static struct kept {
	struct manage_death death;
	uint8_t stack[MANAGE_DEATH_STACK];
	struct manage_cap cap[MANAGE_DEATH_CAPS];
	struct trace_record record[MANAGE_DEATH_RECORDS];
} kept[DEATHS];

static void take_registers(const struct domain *domain, struct manage_death *to) {
	struct domain_vcpu v;

	/* The first vCPU's: root does not know which one of several it was. */
	if (cap_domain_vcpu(domain->slot, 0, &v)) return;
	to->cr2 = v.cr2;
	to->cr3 = v.cr3;
	to->rax = v.rax;
	to->rbx = v.rbx;
	to->rcx = v.rcx;
	to->rdx = v.rdx;
	to->rsi = v.rsi;
	to->rdi = v.rdi;
	to->rbp = v.rbp;
	to->rsp = v.rsp;
	to->r8 = v.r8;
	to->r9 = v.r9;
	to->r10 = v.r10;
	to->r11 = v.r11;
	to->r12 = v.r12;
	to->r13 = v.r13;
	to->r14 = v.r14;
	to->r15 = v.r15;
	to->rip = v.rip;
	to->rflags = v.rflags;
}

/* The part of its stack that is in use; the domain's word for where that is may be a lie. */
static void take_stack(const struct domain *domain, struct kept *to) {
	uint64_t size = NATIVE_STACK_PAGES * PAGE_SIZE, at = to->death.rsp - domain->stack_first;
	struct grant_mapping mapping = {0};

	if (!is_native(domain) || !domain->stack_first || at >= size ||
	    grant_map_readonly(&mapping, domain->d->domid, NATIVE_STACK_REF, NATIVE_STACK_PAGES))
		return;
	/* What follows it in the answer is as aligned as it is. */
	to->death.stack_size = (uint32_t)MIN(size - at, sizeof(to->stack)) & ~7U;
	memcpy(to->stack, (const uint8_t *)mapping.at + at, to->death.stack_size);
	grant_unmap(&mapping);
}

void death_record(const struct domain *domain, const char *text) {
	uint32_t i = recent_take(places, DEATHS, domain);
	struct manage_death *to = &kept[i].death;
	struct domain_info info;

	*to = (struct manage_death){.at_ns = places[i].at_ns, .incarnation = domain->incarnation};
	rt_strcopy(to->text, text, sizeof(to->text));
	take_registers(domain, to);
	if (domain->program)
		memcpy(to->build_id, domain->program->package.build_id, sizeof(to->build_id));
	/* Where the core ended it, it says where and why; its word is the better one. */
	if (!cap_domain_info(domain->slot, &info) && info.state == DOMAIN_STATE_CRASHED) {
		to->vector = info.crash_vector;
		to->error_code = (uint32_t)info.crash_error;
		to->cr2 = info.crash_cr2;
		to->rip = info.crash_rip;
		to->rsp = info.crash_rsp;
	}
	take_stack(domain, &kept[i]);
	to->caps = manage_read_caps(domain, 0, kept[i].cap, NULL);
	to->records = trace_last(domain->d->domid, kept[i].record, MANAGE_DEATH_RECORDS);
}

static uint8_t *append(uint8_t *to, const void *from, size_t size) {
	memcpy(to, from, size);
	return to + size;
}

void death_forget(const struct domain *domain) { recent_forget(places, DEATHS, domain); }

uint32_t death_read(const struct domain *domain, uint8_t *to) {
	uint32_t i = recent_find(places, DEATHS, domain);
	const struct manage_death *death = &kept[i % DEATHS].death;
	uint8_t *end = to;

	if (i == DEATHS) return 0;
	end = append(end, death, sizeof(*death));
	end = append(end, kept[i].stack, death->stack_size);
	end = append(end, kept[i].cap, death->caps * sizeof(kept[i].cap[0]));
	end = append(end, kept[i].record, death->records * sizeof(kept[i].record[0]));
	return (uint32_t)(end - to);
}
