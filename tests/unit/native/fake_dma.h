/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fake device reaches by DMA: pages of the driver's own and pages with
 * payload, each at an address of its own that is adjacent to no other. Anything
 * else is a fault, which fails the test.
 */
#ifndef TESTS_UNIT_FAKE_DMA_H
#define TESTS_UNIT_FAKE_DMA_H

#include "native.h"

#define FAKE_PAGES 1024U

static struct {
	uint64_t address;
	uint8_t *at;
} fake_page[FAKE_PAGES];
static uint32_t fake_pages;
static uint64_t fake_dma_base = 0x100000000U;

/* Every second page of addresses, so that what crosses a page's end is noticed. */
static inline uint64_t fake_dma_add(uint8_t *at) {
	uint64_t address = fake_dma_base + fake_pages * 2 * PAGE_SIZE;

	CHECK(fake_pages < FAKE_PAGES);
	fake_page[fake_pages].address = address;
	fake_page[fake_pages++].at = at;
	return address;
}

static inline uint8_t *fake_dma(uint64_t address, uint64_t length) {
	uint64_t page = (address - fake_dma_base) / (2 * PAGE_SIZE);
	uint64_t offset = address % PAGE_SIZE;

	CHECK(address >= fake_dma_base && page < fake_pages);
	CHECK(fake_page[page].address == address - offset);
	CHECK(length <= PAGE_SIZE - offset);
	return fake_page[page].at + offset;
}

#endif
