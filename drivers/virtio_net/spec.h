/* SPDX-License-Identifier: BSD-2-Clause */
/* The network device's names: Virtio 1.1, 5.1 (1.2 where it says so). */
#ifndef DRIVERS_VIRTIO_NET_SPEC_H
#define DRIVERS_VIRTIO_NET_SPEC_H

#include "card.h"

#define F_CSUM         (1ULL << 0)
#define F_GUEST_CSUM   (1ULL << 1)
#define F_MTU          (1ULL << 3)
#define F_MAC          (1ULL << 5)
#define F_GUEST_TSO4   (1ULL << 7)
#define F_GUEST_TSO6   (1ULL << 8)
#define F_HOST_TSO4    (1ULL << 11)
#define F_HOST_TSO6    (1ULL << 12)
#define F_MRG_RXBUF    (1ULL << 15)
#define F_STATUS       (1ULL << 16)
#define F_CTRL_VQ      (1ULL << 17)
#define F_CTRL_RX      (1ULL << 18)
#define F_MQ           (1ULL << 22)
#define F_SPEED_DUPLEX (1ULL << 63)
#define F_WANTED                                                                               \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | \
	 F_HOST_TSO4 | F_HOST_TSO6 | F_STATUS | F_CTRL_VQ | F_CTRL_RX | F_MQ | F_SPEED_DUPLEX)

/* The last two mean packets that no single buffer holds, so only with the first. */
#define F_LARGE (F_MRG_RXBUF | F_GUEST_TSO4 | F_GUEST_TSO6)

#define STATUS_LINK_UP 1U
#define SPEED_MOST     1000000U /* Mbit/s; what is above it means unknown */
#define PAIRS_MOST     0x7fffU  /* with the control queue they have 16 bits */
#define CONTROL_LEAST  16U      /* all commands at once, three descriptors each */
#define MTU_UNKNOWN    1500U
#define MTU_LEAST      68U
#define MTU_MOST       (NET_BUFFER - 18U) /* a packet with a VLAN tag fits its buffer */
#define MTU_LARGE      (65535U - 18U)     /* or several buffers */

#define HEADER_NEEDS_CSUM 1U
#define HEADER_DATA_VALID 2U
#define HEADER_GSO_TCP4   1U
#define HEADER_GSO_TCP6   4U

/* struct virtio_net_config, as far as it is used; speed is of 1.2 */
struct config {
	uint8_t mac[6];
	uint16_t status, pairs, mtu;
	uint32_t speed;
};

/* Commands: class, command; then data; then one byte from the card. */
#define CLASS_RX        0U
#define CLASS_MAC       1U
#define CLASS_PAIRS     4U
#define RX_PROMISCUOUS  0U
#define RX_ALLMULTICAST 1U
#define MAC_TABLE       0U
#define PAIRS_SET       0U
#define ACK_OK          0U
#define ACK_NONE        0xffU /* ours: the card has not written one */

/* control.c: asks for the pairs that are set up. */
void vnet_ask_pairs(struct vnet *card);

_Static_assert(sizeof(struct config) == 16, "config layout");

#endif
