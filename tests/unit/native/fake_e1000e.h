/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An 82574 in host memory: registers as the driver's functions see them, rings at the
 * addresses it is told (host pointers). It sends and receives only when it is told to,
 * and can be told to lie.
 */
#ifndef TESTS_UNIT_FAKE_E1000E_H
#define TESTS_UNIT_FAKE_E1000E_H

#include "native.h"

#include "drivers/e1000e/card.h"

static struct {
	uint32_t reg[REGISTERS / 4];
	uint32_t waits, resets, interrupts;
	/* what it sent last */
	uint8_t wire[70000];
	uint32_t length, descriptors;
	uint64_t context[2]; /* the descriptor, zero if there was none */
	uint64_t data;       /* the second half of the last data descriptor */
	/* lies */
	bool never_resets, never_idle, gone;
	bool forgets_nothing; /* a reset changes no register */
	bool keeps_receiving; /* RCTL cannot be switched off */
} fake;

static inline uint32_t fake_get(uint32_t at) { return fake.reg[at / 4]; }
static inline void fake_set(uint32_t at, uint32_t value) { fake.reg[at / 4] = value; }

static void fake_interrupt(uint32_t causes) {
	fake_set(ICR, fake_get(ICR) | causes);
	fake.interrupts += !!(fake_get(ICR) & fake_get(IMS));
}

static void fake_reset(void) {
	uint32_t ral = fake_get(RAL), rah = fake_get(RAH), status = fake_get(STATUS);

	fake.resets++;
	if (fake.forgets_nothing) return;
	memset(fake.reg, 0, sizeof(fake.reg));
	fake_set(RAL, ral);
	fake_set(RAH, rah);
	fake_set(STATUS, status);
	fake_set(EECD, EECD_READ);
}

static uint32_t fake_read(void *context, uint32_t at) {
	uint32_t value = fake_get(at);

	(void)context;
	CHECK(at < REGISTERS && at % 4 == 0);
	if (fake.gone) return ABSENT;
	if (at == STATUS && (fake.never_idle || !(fake_get(CTRL) & CTRL_MASTER_DISABLE)))
		value |= STATUS_MASTER;
	if (at == MPC || at == CRCERRS || at == RXERRC) fake_set(at, 0);
	if (at == ICR && !fake_get(IVAR)) fake_set(ICR, 0);
	return value;
}

static void fake_write(void *context, uint32_t at, uint32_t value) {
	(void)context;
	CHECK(at < REGISTERS && at % 4 == 0);
	if (fake.gone) return;
	switch (at) {
	case CTRL:
		if (value & CTRL_RESET && !fake.never_resets) {
			/* nothing is on the bus any more, or it was told to stop */
			CHECK(!(fake_get(TCTL) & TCTL_ENABLE));
			fake_reset();
			value &= ~CTRL_RESET;
		}
		break;
	case RCTL: value |= fake.keeps_receiving ? RCTL_ENABLE : 0; break;
	case ICR: value = fake_get(ICR) & ~value; break;
	case IMS: value |= fake_get(IMS); break;
	case IMC: fake_set(IMS, fake_get(IMS) & ~value); return;
	default: break;
	}
	fake_set(at, value);
}

static void fake_wait(void *context, uint32_t microseconds) {
	(void)context;
	(void)microseconds;
	fake.waits++;
}

static const struct e1000e_io fake_io = {.read = fake_read, .write = fake_write, .wait = fake_wait};

static struct descriptor *fake_ring(uint32_t base) {
	CHECK(fake_get(base + (RDLEN - RDBAL)) == 4096);
	return (struct descriptor *)((uint64_t)fake_get(base + 4) << 32 | fake_get(base));
}

/* Sends the next packet; false: there is none. */
static inline bool fake_send(void) {
	struct descriptor *ring = fake_ring(TDBAL), *d;
	uint32_t at = fake_get(TDH);

	if (!(fake_get(TCTL) & TCTL_ENABLE) || at == fake_get(TDT)) return false;
	fake.length = fake.descriptors = 0;
	memset(fake.context, 0, sizeof(fake.context));
	do {
		CHECK(at != fake_get(TDT) && at < E1000E_RING);
		d = &ring[at];
		at = (at + 1) % E1000E_RING;
		CHECK(d->word & TX_EXTENDED);
		if (d->word & TX_DATA) {
			uint32_t length = d->word & TX_LENGTH_MOST;

			CHECK(length && fake.length + length <= sizeof(fake.wire));
			memcpy(fake.wire + fake.length, (void *)d->address, length);
			fake.length += length;
			fake.data = d->word;
		} else {
			CHECK(!fake.descriptors);
			fake.context[0] = d->address;
			fake.context[1] = d->word;
		}
		fake.descriptors++;
	} while (!(d->word & TX_DATA) || !(d->word & TX_END));
	CHECK(d->word & TX_REPORT);
	d->word |= TX_DONE;
	fake_set(TDH, at);
	fake_interrupt(fake_get(IVAR) ? CAUSE_TXQ0 : CAUSE_TXDW);
	return true;
}

/* Writes `word` as it stands into the next descriptor for receiving. */
static inline bool fake_receive(uint8_t value, uint32_t length, uint64_t word) {
	struct descriptor *ring = fake_ring(RDBAL);
	uint32_t at = fake_get(RDH);

	if (!(fake_get(RCTL) & RCTL_ENABLE) || at == fake_get(RDT)) return false;
	memset((void *)ring[at].address, value, length);
	ring[at].word = word;
	fake_set(RDH, (at + 1) % E1000E_RING);
	fake_interrupt(fake_get(IVAR) ? CAUSE_RXQ0 : CAUSE_RXT0);
	return true;
}

static inline void fake_device(void) {
	memset(&fake, 0, sizeof(fake));
	fake_set(RAL, 0x01005452);
	fake_set(RAH, RAH_VALID | 0x0302);
	fake_set(STATUS, STATUS_LINK_UP | 2U << 6);
	fake_set(EECD, EECD_READ);
}

#endif
