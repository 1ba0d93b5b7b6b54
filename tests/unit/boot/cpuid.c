/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/cpu/cpuid.c on a CPU that has every feature: what a PV guest may see
 * is there, what it may not is gone, in whatever leaf it asks.
 */
#include "stubs.h"

#include "cpu/cpu.h"

static struct vcpu v;

static u32 ask(u32 leaf, u32 subleaf, unsigned reg) {
	u32 out[4] = {1, 2, 3, 4};

	cpuid_guest(&v, leaf, subleaf, out);
	return out[reg];
}

static bool has(u32 leaf, unsigned reg, unsigned bit) { return ask(leaf, 0, reg) >> bit & 1; }

static void setup(bool xsave) {
	features = (struct cpu_features){
		.xsave = xsave, .xcr0 = 7, .xsave_size = 832, .physical_bits = 40, .intel = true};
	v = (struct vcpu){.kernel_mode = 1, .id = 3};
}

static void test_hidden(void) {
	static const struct {
		u32 leaf;
		u8 reg, bit;
	} hidden[] = {
		{1, 2, 3},           {1, 2, 5},           {1, 2, 6},           {1, 2, 7},
		{1, 2, 8},           {1, 2, 15},          {1, 2, 17},          {1, 2, 21},
		{1, 2, 24},          {1, 3, 1},           {1, 3, 3},           {1, 3, 12},
		{1, 3, 13},          {1, 3, 17},          {1, 3, 21},          {1, 3, 22},
		{1, 3, 29},          {7, 1, 0},           {7, 1, 1},           {7, 1, 7},
		{7, 1, 10},          {7, 1, 11},          {7, 1, 4},           {7, 1, 14},
		{7, 1, 20},          {7, 2, 2},           {7, 2, 3},           {7, 2, 4},
		{7, 2, 7},           {7, 2, 16},          {7, 2, 29},          {7, 2, 31},
		{7, 3, 20},          {7, 3, 22},          {7, 3, 24},          {7, 3, 25},
		{0x80000001, 2, 2},  {0x80000001, 2, 9},  {0x80000001, 2, 10}, {0x80000001, 2, 12},
		{0x80000001, 2, 13}, {0x80000001, 2, 22}, {0x80000001, 3, 26}, {0x80000001, 3, 3},
	};

	setup(true);
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		CHECK(!has(hidden[i].leaf, hidden[i].reg, hidden[i].bit));
	CHECK(ask(0xa, 0, 0) == 0 && ask(5, 0, 2) == 0 && ask(6, 0, 0) == 0 && ask(0xb, 0, 1) == 0);
	CHECK(ask(7, 1, 0) == 0 && ask(0x8000000a, 0, 3) == 0 && ask(0x12345678, 0, 0) == 0);
	CHECK(ask(0xd, 1, 0) == 7 && ask(0xd, 1, 2) == 0); /* no XSAVES, no XSS */
}

static void test_shown(void) {
	setup(true);
	CHECK(has(1, 3, 0) && has(1, 3, 9) && has(1, 3, 24) && has(1, 3, 26) && has(1, 2, 0));
	CHECK(has(1, 2, 26) && has(1, 2, 28) && has(1, 2, 31) && has(7, 1, 3) && has(7, 1, 9));
	CHECK(has(0x80000001, 3, 11) && has(0x80000001, 3, 20) && has(0x80000001, 3, 29));
	CHECK(ask(1, 0, 1) == (3U << 24 | 1U << 16 | 0xffff));
	CHECK(ask(0, 0, 0) == 0xd && ask(0x80000000, 0, 0) == 0x80000008);
	CHECK(ask(0xd, 0, 0) == 7 && ask(0xd, 0, 2) == 832 && ask(0xd, 0, 3) == 0);
	CHECK(ask(0xd, 2, 0) && !ask(0xd, 5, 0) && !ask(0xd, 9, 0) && !ask(0xd, 70, 0));
}

/* The kernel sees OSXSAVE at once, user mode what the kernel has set. */
static void test_xsave(void) {
	setup(true);
	CHECK(has(1, 2, 27));
	v.kernel_mode = 0;
	CHECK(!has(1, 2, 27));
	v.cr4 = 1U << 18;
	CHECK(has(1, 2, 27));
	setup(false);
	CHECK(!has(1, 2, 26) && !has(1, 2, 27) && !has(1, 2, 28) && !has(7, 1, 5) &&
	      !has(7, 1, 16));
	CHECK(!ask(0xd, 0, 0) && !ask(0xd, 1, 0) && !ask(0xd, 2, 0));
}

static void test_xen(void) {
	setup(true);
	CHECK(ask(0x40000000, 0, 0) == 0x40000005 && ask(0x40000000, 0, 1) == 0x566e6558);
	CHECK(ask(0x40000000, 0, 2) == 0x65584d4d && ask(0x40000000, 0, 3) == 0x4d4d566e);
	CHECK(ask(0x40000001, 0, 0) >> 16 == 4 && ask(0x40000002, 0, 2) == 1);
	CHECK(ask(0x40000003, 0, 1) == 2 && ask(0x40000003, 0, 2) == 2000000);
	CHECK(ask(0x40000003, 1, 2) == 0x80000000 && ask(0x40000003, 1, 3) == 1);
	CHECK(ask(0x40000005, 0, 1) == 40 && ask(0x40000005, 1, 1) == 0);
	CHECK(ask(0x40000004, 0, 0) == 0 && ask(0x40000100, 0, 1) == 0 &&
	      ask(0x40000006, 0, 0) == 0);
}

int main(void) {
	static const struct test tests[] = {
		{"hidden from guests", test_hidden},
		{"shown to guests", test_shown},
		{"XSAVE, and a CPU without it", test_xsave},
		{"the leaves of the Xen ABI", test_xen},
	};

	return run_tests(tests, ARRAY_SIZE(tests));
}
