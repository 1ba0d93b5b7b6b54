/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and descriptors by the names of the "Intel 82574 GbE Controller Family
 * Datasheet" (chapters 7 and 10), as far as the driver uses them.
 */
#ifndef DRIVERS_E1000E_SPEC_H
#define DRIVERS_E1000E_SPEC_H

#include <stdint.h>

#define REGISTERS 0x20000U /* bytes of BAR 0 */

#define CTRL     0x0000U
#define STATUS   0x0008U
#define EECD     0x0010U
#define CTRL_EXT 0x0018U
#define ICR      0x00c0U
#define ITR      0x00c4U
#define IMS      0x00d0U
#define IMC      0x00d8U
#define EIAC     0x00dcU
#define IVAR     0x00e4U
#define EITR     0x00e8U /* one for each vector */
#define RCTL     0x0100U
#define TCTL     0x0400U
#define TIPG     0x0410U
#define RDBAL    0x2800U
#define RDBAH    0x2804U
#define RDLEN    0x2808U
#define RDH      0x2810U
#define RDT      0x2818U
#define RDTR     0x2820U
#define RXDCTL   0x2828U
#define RADV     0x282cU
#define TDBAL    0x3800U
#define TDBAH    0x3804U
#define TDLEN    0x3808U
#define TDH      0x3810U
#define TDT      0x3818U
#define TIDV     0x3820U
#define TXDCTL   0x3828U
#define CRCERRS  0x4000U /* these three are cleared by reading */
#define RXERRC   0x400cU
#define MPC      0x4010U
#define RXCSUM   0x5000U
#define RFCTL    0x5008U
#define MTA      0x5200U
#define RAL      0x5400U
#define RAH      0x5404U
#define ABSENT   0xffffffffU /* what is read where nothing answers */

#define MTA_WORDS 128U
#define RA_COUNT  16U
#define VECTORS   5U

#define CTRL_MASTER_DISABLE (1U << 2)
#define CTRL_LINK_UP        (1U << 6)
#define CTRL_RESET          (1U << 26)
#define STATUS_LINK_UP      (1U << 1)
#define STATUS_SPEED(s)     ((s) >> 6 & 3)
#define STATUS_MASTER       (1U << 19)
#define EECD_READ           (1U << 9) /* the address has been read from the EEPROM */
#define CTRL_EXT_LOADED     (1U << 28)
#define CTRL_EXT_PBA        (1U << 31)

#define CAUSE_TXDW   (1U << 0)
#define CAUSE_LINK   (1U << 2)
#define CAUSE_RXDMT0 (1U << 4)
#define CAUSE_RXO    (1U << 6)
#define CAUSE_RXT0   (1U << 7)
#define CAUSE_RXQ0   (1U << 20)
#define CAUSE_TXQ0   (1U << 22)
#define CAUSE_OTHER  (1U << 24)

#define IVAR_VALID    8U
#define IVAR_RXQ0(v)  ((v) | IVAR_VALID)
#define IVAR_TXQ0(v)  (((v) | IVAR_VALID) << 8)
#define IVAR_OTHER(v) (((v) | IVAR_VALID) << 16)

#define RCTL_ENABLE       (1U << 1)
#define RCTL_PROMISCUOUS  (1U << 3)
#define RCTL_ALLMULTICAST (1U << 4)
#define RCTL_LONG         (1U << 5)
#define RCTL_BROADCAST    (1U << 15)
#define RCTL_STRIP_CRC    (1U << 26) /* buffers are of 2048 bytes if no other bit says so */
#define TCTL_ENABLE       (1U << 1)
#define TCTL_PAD          (1U << 3)
#define TCTL_RUN          (TCTL_ENABLE | TCTL_PAD | 0x0fU << 4 | 0x3fU << 12)
#define TIPG_COPPER       0x00602008U
#define DCTL_DESCRIPTORS  (1U << 24) /* thresholds count descriptors, and are 0: at once */
#define TXDCTL_ONE        (1U << 22) /* has to be set */
#define RXCSUM_TRANSPORT  (1U << 9)
#define RAH_VALID         (1U << 31)

struct descriptor { /* of either ring, in any of its forms */
	uint64_t address;
	uint64_t word;
};

/* transmit: context (7.2.3, with the offsets in `address`) and data */
#define TX_LENGTH_MOST 0xfffffU
#define TX_DATA        (1ULL << 20)
#define TX_END         (1ULL << 24)
#define TX_FCS         (1ULL << 25)
#define TX_TSE         (1ULL << 26)
#define TX_REPORT      (1ULL << 27)
#define TX_EXTENDED    (1ULL << 29)
#define TX_DONE        (1ULL << 32)
#define TX_PUT_IP      (1ULL << 40)
#define TX_PUT_SUM     (1ULL << 41)
#define CONTEXT_TCP    (1ULL << 24)
#define CONTEXT_IPV4   (1ULL << 25)
#define CONTEXT_TSE    (1ULL << 26)
#define CONTEXT_HEADER 40
#define CONTEXT_MSS    48

/* receive, legacy form (7.1.4) */
#define RX_DONE        (1ULL << 32)
#define RX_END         (1ULL << 33)
#define RX_UNCHECKED   (1ULL << 34)
#define RX_UDP_CHECKED (1ULL << 36)
#define RX_TCP_CHECKED (1ULL << 37)
#define RX_BAD_SUM     (3ULL << 45)
#define RX_BAD_FRAME   (0x97ULL << 40)

#endif
