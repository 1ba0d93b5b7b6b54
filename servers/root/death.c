/* SPDX-License-Identifier: BSD-2-Clause */
#include "death.h"

#include "libs/cap/cap.h"
#include "program.h"
#include "recent.h"

#define DEATHS 32U

static struct recent places[DEATHS];
static struct manage_death kept[DEATHS];

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

void death_record(const struct domain *domain, const char *text) {
	uint32_t i = recent_take(places, DEATHS, domain);
	struct manage_death *to = &kept[i];
	struct domain_info info;

	*to = (struct manage_death){.at_ns = places[i].at_ns, .incarnation = domain->incarnation};
	rt_strcopy(to->text, text, sizeof(to->text));
	take_registers(domain, to);
	if (domain->program)
		memcpy(to->build_id, domain->program->package.build_id, sizeof(to->build_id));
	/* Where the core ended it, it says where and why; its word is the better one. */
	if (cap_domain_info(domain->slot, &info) || info.state != DOMAIN_STATE_CRASHED) return;
	to->vector = info.crash_vector;
	to->error_code = (uint32_t)info.crash_error;
	to->cr2 = info.crash_cr2;
	to->rip = info.crash_rip;
	to->rsp = info.crash_rsp;
}

bool death_read(const struct domain *domain, struct manage_death *death) {
	uint32_t i = recent_find(places, DEATHS, domain);

	if (i == DEATHS) return false;
	*death = kept[i];
	return true;
}
