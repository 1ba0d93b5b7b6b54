/* SPDX-License-Identifier: BSD-2-Clause */
#include "cases.h"

static const char *result;
static unsigned passed, failed;

static void call(void *arg) {
	const struct pv_case *c = arg;

	result = c->run();
}

/* What a case may have left behind. */
static void restore(void) {
	pv_trap_hook = NULL;
	pv_events_off();
	pv_close_ports();
	memset(pv_shared->evtchn_mask, 0xff, sizeof pv_shared->evtchn_mask);
	memset(pv_shared->evtchn_pending, 0, sizeof pv_shared->evtchn_pending);
	pv_vcpu->evtchn_pending_sel = 0;
	pv_vcpu->evtchn_upcall_pending = 0;
	pv_trap_defaults();
}

static void run_case(const struct pv_case *c) {
	if ((c->flags & PV_DOMU_ONLY) && pv_is_dom0()) {
		pv_printf("SKIP %s\n", c->name);
		return;
	}
	if (pv_option("verbose") || (c->flags & PV_FATAL)) {
		pv_printf("RUN %s\n", c->name);
		pv_console_flush();
	}
	result = NULL;
	if (pv_try(call, (void *)va(c))) {
		pv_printf("FAIL %s: vector %lu error %lx rip %lx cr2 %lx\n", c->name,
			  pv_fault.vector, pv_fault.error, pv_fault.rip, pv_fault_cr2);
		failed++;
	} else if (c->flags & PV_FATAL) {
		pv_printf("FAIL %s: %s\n", c->name, result ? result : "still alive");
		failed++;
	} else if (result) {
		pv_printf("FAIL %s: %s\n", c->name, result);
		failed++;
	} else {
		pv_printf("PASS %s\n", c->name);
		passed++;
	}
	restore();
}

static bool picked(const char *name) {
	const char *wanted = pv_option_value("case");
	size_t length = strlen(name);

	return wanted && memcmp(wanted, name, length) == 0 &&
	       (wanted[length] == ' ' || wanted[length] == 0);
}

int pv_run_cases(const char *title, const struct pv_case *cases, unsigned count) {
	do {
		for (unsigned i = 0; i < count; i++) {
			if (picked(cases[i].name) ||
			    (!pv_option_value("case") && !(cases[i].flags & PV_FATAL)))
				run_case(&cases[i]);
		}
	} while (pv_option("forever"));
	if (passed + failed == 0) pv_printf("FAIL no such case\n");
	pv_printf("%s: %u passed, %u failed\n", title, passed, failed);
	return SHUTDOWN_poweroff;
}

const char *pv_differs(const char *what, int line, uint64_t value, uint64_t expected) {
	static char text[200];

	return pv_format(text, sizeof text, "line %d: %s is %ld (%lx), not %ld (%lx)", line, what,
			 value, value, expected, expected);
}
