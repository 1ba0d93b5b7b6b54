/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A counting plugin for QEMU: how often each instruction ran between the marks
 * of ops.c. Every address that is translated gets a counter, which the
 * translated code increments in line, so nothing about the guest's own
 * instruction count changes. At each end mark the counters are written out,
 *   ADDRESS COUNT KIND            (hexadecimal, decimal, a letter)
 *   ADDRESS COUNT KIND PAGE CODE  (below SHARED_BELOW: where native domains are,
 *                                  all at the same addresses; a number for the page
 *                                  of the machine, and the instruction's bytes)
 *   batch                         (ends the batch)
 * and linux.py and disk.py make sums per owner and per function of them.
 *
 * The header of QEMU's plugin interface is not packaged; the part that is used
 * here (version 1, as in QEMU 7.2) is declared below.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_VERSION 1
#define EXPORT         __attribute__((visibility("default")))

enum { PLUGIN_NO_REGISTERS = 0 };
enum { PLUGIN_ADD_U64 = 0 };

typedef uint64_t plugin_id;
struct tb;
struct insn;
typedef void translated_fn(plugin_id id, struct tb *tb);
typedef void executed_fn(unsigned vcpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translated_fn *call);
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct insn *insn);
size_t qemu_plugin_insn_size(const struct insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct insn *insn);
void *qemu_plugin_insn_haddr(const struct insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *insn, executed_fn *call, int registers,
					    void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct insn *insn, int operation, void *at,
						uint64_t operand);

EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* Names of the marks: displacements of nopl DISP(%rax). */
#define MARK_START 0x7e550001u
#define MARK_END   0x7e550002u

#define SHARED_BELOW 0x10000000u
#define CODE_BYTES   16u /* no instruction is longer */

struct counter {
	struct counter *next;
	uint64_t address;
	uint64_t count;
	uint64_t page; /* 0: not looked at */
	uint8_t code[CODE_BYTES], size;
	char kind;
};

#define BUCKETS (1u << 18)
static struct counter *buckets[BUCKETS];
static FILE *output;

/*
 * What an instruction does to the TLBs: r loads a page-table root, g writes CR4
 * (which flushes global entries), i is INVLPG, p is INVPCID; - is any other.
 */
static char kind_of(const uint8_t *code, size_t size) {
	while (size && ((code[0] & 0xf0) == 0x40 || code[0] == 0x66)) {
		code++;
		size--;
	}
	if (size < 3 || code[0] != 0x0f) return '-';
	if (code[1] == 0x22 && (code[2] & 0xf8) == 0xd8) return 'r';
	if (code[1] == 0x22 && (code[2] & 0xf8) == 0xe0) return 'g';
	if (code[1] == 0x01 && (code[2] & 0x38) == 0x38 && code[2] < 0xc0) return 'i';
	if (size >= 4 && code[1] == 0x38 && code[2] == 0x82) return 'p';
	return '-';
}

static struct counter *counter_at(uint64_t address, char kind, uint64_t page) {
	struct counter **at = &buckets[(address * 0x9e3779b97f4a7c15u) >> 46];
	struct counter *c;

	for (c = *at; c; c = c->next) {
		if (c->address == address && c->kind == kind && c->page == page) return c;
	}
	c = calloc(1, sizeof(*c));
	if (!c) abort();
	c->address = address;
	c->kind = kind;
	c->page = page;
	c->next = *at;
	*at = c;
	return c;
}

static void start(unsigned vcpu, void *data) {
	(void)vcpu;
	(void)data;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct counter *c = buckets[i]; c; c = c->next) c->count = 0;
	}
}

static void show(const struct counter *c) {
	fprintf(output, "%" PRIx64 " %" PRIu64 " %c", c->address, c->count, c->kind);
	if (c->page) {
		fprintf(output, " %" PRIx64 " ", c->page);
		for (unsigned i = 0; i < c->size; i++) fprintf(output, "%02x", c->code[i]);
	}
	fprintf(output, "\n");
}

static void end(unsigned vcpu, void *data) {
	(void)vcpu;
	(void)data;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (const struct counter *c = buckets[i]; c; c = c->next) {
			if (c->count) show(c);
		}
	}
	fprintf(output, "batch\n");
	fflush(output);
}

static struct counter *counter_of(struct insn *insn, const uint8_t *code, size_t size) {
	uint64_t address = qemu_plugin_insn_vaddr(insn), page = 0;
	struct counter *c;

	if (address < SHARED_BELOW) page = (uint64_t)(uintptr_t)qemu_plugin_insn_haddr(insn) >> 12;
	c = counter_at(address, kind_of(code, size), page);
	c->size = (uint8_t)(size < CODE_BYTES ? size : CODE_BYTES);
	memcpy(c->code, code, c->size);
	return c;
}

/* A mark's own instruction is counted with its batch's surroundings, as one. */
static void mark(struct insn *insn, const uint8_t *code, size_t size) {
	uint32_t name;

	if (size != 7 || code[0] != 0x0f || code[1] != 0x1f || code[2] != 0x80) return;
	memcpy(&name, code + 3, sizeof(name));
	if (name == MARK_START)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, start, PLUGIN_NO_REGISTERS, NULL);
	if (name == MARK_END)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, end, PLUGIN_NO_REGISTERS, NULL);
}

static void translated(plugin_id id, struct tb *tb) {
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *code = qemu_plugin_insn_data(insn);
		size_t size = qemu_plugin_insn_size(insn);
		struct counter *c = counter_of(insn, code, size);

		qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_ADD_U64, &c->count, 1);
		mark(insn, code, size);
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0) output = fopen(argv[i] + 4, "w");
	}
	if (!output) {
		fprintf(stderr, "count: the argument out=FILE names no file that can be written\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
