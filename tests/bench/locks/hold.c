/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plugin for QEMU that measures for how long locks of the core are held, in instructions. It
 * needs a core whose lock_take() and lock_drop() are functions (locks.py builds one), the
 * addresses of all their copies, and one CPU: locks are then dropped in the order in which they
 * were taken, last one first. A call of one of the two is seen when it is translated; what is
 * between them is counted in the translated code itself.
 *
 * At QEMU's end, a line for each place that takes a lock:
 *     SITE TIMES MOST      (hexadecimal address of the call; decimal)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* The part of QEMU's plugin interface that is used, version 1: see linux/count.c. */
enum { PLUGIN_NO_REGISTERS = 0 };
enum { PLUGIN_ADD_U64 = 0 };

typedef uint64_t plugin_id;
struct tb;
struct insn;
typedef void translated_fn(plugin_id id, struct tb *tb);
typedef void executed_fn(unsigned vcpu, void *data);
typedef void end_fn(plugin_id id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translated_fn *call);
void qemu_plugin_register_atexit_cb(plugin_id id, end_fn *call, void *data);
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct insn *insn);
size_t qemu_plugin_insn_size(const struct insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *insn, executed_fn *call, int registers,
					    void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct insn *insn, int operation, void *at,
						uint64_t operand);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

#define MOST_COPIES 128
#define MOST_SITES  256
#define MOST_HELD   16

struct list {
	uint64_t address[MOST_COPIES];
	unsigned count;
};

struct site {
	uint64_t address, times, most;
};

static struct list takes, drops;
static struct site sites[MOST_SITES];
static unsigned site_count;
static struct {
	struct site *site;
	uint64_t since;
} held[MOST_HELD];
static unsigned depth;
static uint64_t executed;
static FILE *output;

static void fail(const char *why) {
	fprintf(stderr, "hold: %s\n", why);
	abort();
}

static void take(unsigned vcpu, void *site) {
	(void)vcpu;
	if (depth == MOST_HELD) fail("too many locks at once");
	held[depth].site = site;
	held[depth++].since = executed;
}

static void drop(unsigned vcpu, void *data) {
	struct site *site;
	uint64_t length;

	(void)vcpu;
	(void)data;
	if (!depth) fail("a lock is dropped that was not taken");
	site = held[--depth].site;
	length = executed - held[depth].since;
	site->times++;
	if (length > site->most) site->most = length;
}

static struct site *site_at(uint64_t address) {
	unsigned i = 0;

	while (i < site_count && sites[i].address != address) i++;
	if (i == MOST_SITES) fail("too many places that take locks");
	if (i == site_count) sites[site_count++].address = address;
	return &sites[i];
}

static bool is_in(const struct list *list, uint64_t address) {
	for (unsigned i = 0; i < list->count; i++)
		if (list->address[i] == address) return true;
	return false;
}

/* Where a call or a jump leads that is no condition's; 0: it is none. */
static uint64_t target(const struct insn *insn) {
	const uint8_t *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	int32_t distance;

	if (size == 5 && (code[0] == 0xe8 || code[0] == 0xe9))
		memcpy(&distance, code + 1, sizeof(distance));
	else if (size == 2 && code[0] == 0xeb)
		distance = (int8_t)code[1];
	else
		return 0;
	return qemu_plugin_insn_vaddr(insn) + size + (uint64_t)(int64_t)distance;
}

static void translated(plugin_id id, struct tb *tb) {
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t to = target(insn);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_ADD_U64, &executed, 1);
		if (to && is_in(&takes, to))
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, take, PLUGIN_NO_REGISTERS,
				site_at(qemu_plugin_insn_vaddr(insn)));
		if (to && is_in(&drops, to))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, drop, PLUGIN_NO_REGISTERS,
							       NULL);
	}
}

static void end(plugin_id id, void *data) {
	(void)id;
	(void)data;
	for (unsigned i = 0; i < site_count; i++)
		fprintf(output, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", sites[i].address,
			sites[i].times, sites[i].most);
	fclose(output);
}

/* Addresses, with colons between them. */
static void read_list(struct list *list, const char *text) {
	for (char *at; *text; text = *at ? at + 1 : at) {
		if (list->count == MOST_COPIES) fail("too many copies of a function");
		list->address[list->count++] = strtoull(text, &at, 16);
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0) output = fopen(argv[i] + 4, "w");
		if (strncmp(argv[i], "take=", 5) == 0) read_list(&takes, argv[i] + 5);
		if (strncmp(argv[i], "drop=", 5) == 0) read_list(&drops, argv[i] + 5);
	}
	if (!output || !takes.count || !drops.count) {
		fprintf(stderr, "hold: expected out=FILE,take=ADDRESS:...,drop=ADDRESS:...\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, end, NULL);
	return 0;
}
