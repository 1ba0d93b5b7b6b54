/* SPDX-License-Identifier: BSD-2-Clause */
/* The lifeboat: fresh, adopted, laid out otherwise, full of garbage; deaths while laying it out. */
#include "native.h"

#include "libs/crc32/crc32.h"
#include "libs/lifeboat/lifeboat.h"

#define SIZE 4096U

static _Alignas(64) uint8_t memory[SIZE];
static struct lifeboat boat;

static int take_as(const char *owner, uint32_t layout, uint32_t size) {
	return lifeboat_take(&boat, memory, SIZE, owner, layout, size);
}

static bool is_zero(void) {
	const uint8_t *data = boat.data;

	for (uint32_t i = 0; i < boat.size; i++)
		if (data[i]) return false;
	return true;
}

static void fresh(void) {
	memset(memory, 0, SIZE);
	CHECK(!take_as("vbd", 1, 1000));
	CHECK(!boat.adopted && boat.size == 1000 && boat.data == memory + LIFEBOAT_DATA);
	CHECK(!boat.adoptions && !boat.rejected && is_zero());
}

static void test_crc32(void) {
	CHECK(crc32("123456789", 9) == 0xcbf43926);
	CHECK(crc32("", 0) == 0);
}

static void test_adopted(void) {
	fresh();
	memset(boat.data, 0x5a, boat.size);
	for (uint32_t i = 1; i < 4; i++) {
		CHECK(!take_as("vbd", 1, 1000));
		CHECK(boat.adopted && boat.adoptions == i && !boat.rejected);
		CHECK(((uint8_t *)boat.data)[999] == 0x5a);
	}
}

static void test_too_small(void) {
	CHECK(take_as("vbd", 1, SIZE - LIFEBOAT_DATA + 1) == -XEN_ENOSPC);
	CHECK(take_as("vbd", 1, UINT32_MAX) == -XEN_ENOSPC);
	CHECK(lifeboat_take(&boat, memory, 63, "vbd", 1, 0) == -XEN_ENOSPC);
	memset(memory, 0, SIZE);
	CHECK(!take_as("vbd", 1, SIZE - LIFEBOAT_DATA));
}

/* Another owner, layout or size: begun anew, and counted. */
static void test_other(void) {
	fresh();
	memset(boat.data, 0x5a, boat.size);
	CHECK(!take_as("store", 1, 1000));
	CHECK(!boat.adopted && boat.rejected == 1 && is_zero());
	memset(boat.data, 0x5a, boat.size);
	CHECK(!take_as("store", 2, 1000));
	CHECK(!boat.adopted && boat.rejected == 2 && is_zero());
	memset(boat.data, 0x5a, boat.size);
	CHECK(!take_as("store", 2, 999));
	CHECK(!boat.adopted && boat.rejected == 3 && is_zero());
	CHECK(!take_as("store", 2, 999) && boat.adopted);
	memset(boat.data, 0x5a, boat.size);
	lifeboat_reject(&boat);
	CHECK(!boat.adopted && boat.rejected == 4 && is_zero());
	CHECK(!take_as("store", 2, 999) && boat.adopted && boat.rejected == 4);
}

/* Any bit of what identifies it counts. */
static void test_garbage(void) {
	for (uint32_t bit = 0; bit < 8 * offsetof(struct lifeboat_header, pad); bit++) {
		uint32_t byte = bit / 8;

		if (byte >= offsetof(struct lifeboat_header, adopted) &&
		    byte < offsetof(struct lifeboat_header, crc32))
			continue;
		fresh();
		memory[byte] ^= (uint8_t)(1U << bit % 8);
		CHECK(!take_as("vbd", 1, 1000));
		CHECK(!boat.adopted && boat.rejected == 1 && is_zero());
	}
	for (uint32_t i = 0; i < 1000; i++) {
		for (uint32_t n = 0; n < SIZE; n++) memory[n] = (uint8_t)noise();
		CHECK(!take_as("vbd", 1, 1000));
		CHECK(!boat.adopted && is_zero());
	}
}

/* Whoever dies while it is laid out leaves no magic: the next one begins anew. */
static void test_half_laid_out(void) {
	fresh();
	memset(memory, 0xff, SIZE);
	memset(memory, 0, 8);
	CHECK(!take_as("vbd", 1, 1000));
	CHECK(!boat.adopted && is_zero());
}

static const struct test tests[] = {
	{"CRC-32", test_crc32},        {"fresh, then adopted", test_adopted},
	{"too small", test_too_small}, {"another owner, layout, size", test_other},
	{"garbage", test_garbage},     {"half laid out", test_half_laid_out},
};

int main(void) { return RUN("lifeboat", tests); }
