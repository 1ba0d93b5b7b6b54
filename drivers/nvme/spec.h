/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the NVM Express Base Specification (1.4 and later) calls the parts of the
 * controller's interface that the driver uses: registers (section 3.1), queue
 * entries (4.2, 4.6), admin commands (5), NVM commands (6). Everything in memory
 * is little-endian, as the machine is.
 */
#ifndef DRIVERS_NVME_SPEC_H
#define DRIVERS_NVME_SPEC_H

#include <stdint.h>

#define REG_CAP       0x00U /* 64 bits, read as two halves */
#define REG_CC        0x14U
#define REG_CSTS      0x1cU
#define REG_AQA       0x24U
#define REG_ASQ       0x28U /* 64 bits */
#define REG_ACQ       0x30U /* 64 bits */
#define REG_DOORBELLS 0x1000U
#define REG_ABSENT    0xffffffffU /* what is read where nothing answers */

#define CAP_MQES(cap)   ((uint32_t)(cap)&0xffffU)         /* entries of a queue, minus 1 */
#define CAP_TO(cap)     ((uint32_t)((cap) >> 24) & 0xffU) /* 500 ms */
#define CAP_DSTRD(cap)  ((uint32_t)((cap) >> 32) & 0xfU)
#define CAP_CSS_NVM     (1ULL << 37)
#define CAP_MPSMIN(cap) ((uint32_t)((cap) >> 48) & 0xfU)

#define CC_ENABLE 1U
#define CC_RUN    (CC_ENABLE | 6U << 16 | 4U << 20) /* 4 KiB pages, entries of 64 and 16 bytes */

#define CSTS_READY 1U
#define CSTS_FATAL 2U

struct nvme_sgl { /* scatter gather list descriptor */
	uint64_t address;
	uint32_t length;
	uint8_t reserved[3];
	uint8_t type;
};
#define SGL_DATA         0x00U
#define SGL_LAST_SEGMENT 0x30U
#define COMMAND_SGL      0x40U /* flags: the data pointer is one descriptor */

struct nvme_command {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t nsid;
	uint64_t reserved, metadata;
	union {
		struct {
			uint64_t prp1, prp2;
		};
		struct nvme_sgl sgl;
	};
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct nvme_completion {
	uint32_t result, reserved;
	uint16_t sq_head, sq_id;
	uint16_t id;
	uint16_t status; /* bit 0: phase */
};

struct nvme_range { /* of Dataset Management */
	uint32_t attributes, blocks;
	uint64_t lba;
};

_Static_assert(sizeof(struct nvme_sgl) == 16, "nvme_sgl layout");
_Static_assert(sizeof(struct nvme_command) == 64, "nvme_command layout");
_Static_assert(sizeof(struct nvme_completion) == 16, "nvme_completion layout");
_Static_assert(sizeof(struct nvme_range) == 16, "nvme_range layout");

#define ADMIN_CREATE_SQ    0x01U
#define ADMIN_CREATE_CQ    0x05U
#define ADMIN_IDENTIFY     0x06U
#define ADMIN_SET_FEATURES 0x09U

#define IDENTIFY_NAMESPACE  0U
#define IDENTIFY_CONTROLLER 1U
#define IDENTIFY_LIST       2U /* of active namespaces, 1024 numbers */

#define FEATURE_QUEUES 7U

#define QUEUE_CONTIGUOUS 1U
#define QUEUE_INTERRUPTS 2U

#define NVM_FLUSH        0x00U
#define NVM_WRITE        0x01U
#define NVM_READ         0x02U
#define NVM_WRITE_ZEROES 0x08U
#define NVM_DATASET      0x09U

#define RW_FUA             (1U << 30) /* cdw12 */
#define DATASET_DEALLOCATE (1U << 2)  /* cdw11 */

/* completion.status without the phase: code, type of code, and */
#define STATUS(type, code)         ((type) << 8 | (code))
#define STATUS_CODE(status)        ((status)&0x7ffU)
#define STATUS_DO_NOT_RETRY        (1U << 14)
#define STATUS_INVALID_OPCODE      STATUS(0U, 0x01U)
#define STATUS_INVALID_FIELD       STATUS(0U, 0x02U)
#define STATUS_INVALID_NAMESPACE   STATUS(0U, 0x0bU)
#define STATUS_WRITE_PROTECTED     STATUS(0U, 0x20U)
#define STATUS_LBA_RANGE           STATUS(0U, 0x80U)
#define STATUS_WRITE_TO_READ_RANGE STATUS(1U, 0x82U)

#endif
