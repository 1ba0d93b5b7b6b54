/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the Serial ATA AHCI 1.3.1 specification calls the parts of the host bus
 * adapter that the driver uses (sections 3 and 4), and the few ATA commands (ACS-3)
 * with which a disk is used. Everything in memory is little-endian, as the
 * machine is.
 */
#ifndef DRIVERS_AHCI_SPEC_H
#define DRIVERS_AHCI_SPEC_H

#include <stdint.h>

#define REG_CAP    0x00U
#define REG_GHC    0x04U
#define REG_IS     0x08U
#define REG_PI     0x0cU
#define REG_CAP2   0x24U
#define REG_BOHC   0x28U
#define REG_ABSENT 0xffffffffU /* what is read where nothing answers */

#define CAP_SLOTS(cap) (((cap) >> 8 & 0x1f) + 1)
#define CAP_NCQ        (1U << 30)
#define CAP_64         (1U << 31)

#define GHC_RESET      (1U << 0)
#define GHC_INTERRUPTS (1U << 1)
#define GHC_AHCI       (1U << 31)

#define CAP2_HANDOFF (1U << 0)
#define BOHC_BIOS    (1U << 0) /* the firmware owns it */
#define BOHC_OS      (1U << 1)
#define BOHC_BUSY    (1U << 4)

#define PORT(n)    (0x100U + 0x80U * (n))
/* at PORT(n) + */
#define PORT_CLB   0x00U /* 64 bits */
#define PORT_FB    0x08U /* 64 bits */
#define PORT_IS    0x10U
#define PORT_IE    0x14U
#define PORT_CMD   0x18U
#define PORT_TFD   0x20U
#define PORT_SIG   0x24U
#define PORT_SSTS  0x28U
#define PORT_SCTL  0x2cU
#define PORT_SERR  0x30U
#define PORT_SACT  0x34U
#define PORT_CI    0x38U
#define PORT_BYTES 0x80U

#define IS_TASK_FILE (1U << 30)
#define IS_FATAL     (1U << 29 | 1U << 28 | 1U << 27 | 1U << 24) /* host bus, interface, overflow */
#define IS_LINK      (1U << 22 | 1U << 6)                        /* it came or went */
#define IS_DONE      (1U << 3 | 1U << 2 | 1U << 1 | 1U << 0)
#define IS_ALL       (IS_TASK_FILE | IS_FATAL | IS_LINK | IS_DONE)

#define CMD_START      (1U << 0)
#define CMD_SPIN_UP    (1U << 1)
#define CMD_POWER      (1U << 2)
#define CMD_FIS        (1U << 4)
#define CMD_FIS_RUNS   (1U << 14)
#define CMD_RUNS       (1U << 15)
#define CMD_ICC_ACTIVE (1U << 28)

#define TFD_ERROR 0x01U
#define TFD_DRQ   0x08U
#define TFD_BUSY  0x80U

#define SIG_DISK       0x00000101U
#define SIG_ATAPI      0xeb140101U
#define SIG_MULTIPLIER 0x96690101U

#define SSTS_DET(ssts) ((ssts)&0xfU)
#define DET_NONE       0U
#define DET_UP         3U
#define SCTL_NO_SLEEP  0x300U /* no partial or slumber power states */
#define SCTL_RESET     0x001U

struct ahci_header {    /* of a command list, 32 of them */
	uint16_t flags; /* HEADER_*, and the FIS's length in dwords */
	uint16_t prds;
	uint32_t bytes; /* out: transferred */
	uint64_t table;
	uint32_t reserved[4];
};
#define HEADER_FIS_DWORDS 5U
#define HEADER_WRITE      (1U << 6)

struct ahci_prd {
	uint64_t address;
	uint32_t reserved;
	uint32_t length; /* bytes - 1 */
};

#define AHCI_PRDS ((4096U - 128U) / 16U)

struct ahci_table {
	uint8_t fis[64];
	uint8_t atapi[64];
	struct ahci_prd prd[AHCI_PRDS];
};

_Static_assert(sizeof(struct ahci_header) == 32, "ahci_header layout");
_Static_assert(sizeof(struct ahci_prd) == 16, "ahci_prd layout");
_Static_assert(sizeof(struct ahci_table) == 4096, "ahci_table fills a page");

#define FIS_H2D     0x27U
#define FIS_COMMAND 0x80U /* second byte */

#define ATA_DATA_SET      0x06U
#define ATA_READ_DMA      0x25U /* EXT */
#define ATA_READ_LOG      0x2fU /* EXT */
#define ATA_WRITE_DMA     0x35U /* EXT */
#define ATA_WRITE_DMA_FUA 0x3dU /* EXT */
#define ATA_READ_FPDMA    0x60U
#define ATA_WRITE_FPDMA   0x61U
#define ATA_FLUSH         0xeaU /* EXT */
#define ATA_IDENTIFY      0xecU

#define ATA_TRIM       1U /* feature of DATA SET MANAGEMENT */
#define ATA_LBA        0x40U
#define ATA_FUA        0x80U
#define LOG_NCQ_ERROR  0x10U
#define LOG_NOT_QUEUED 0x80U /* in its first byte, whose low bits are the tag */

#endif
