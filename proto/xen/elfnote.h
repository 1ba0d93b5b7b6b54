/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF notes (owner "Xen") by which a kernel tells its builder how it wants to be
 * loaded. Numeric notes may be 1, 2, 4 or 8 bytes wide.
 */
#ifndef PROTO_XEN_ELFNOTE_H
#define PROTO_XEN_ELFNOTE_H

#define XEN_ELFNOTE_INFO               0
#define XEN_ELFNOTE_ENTRY              1 /* virtual address */
#define XEN_ELFNOTE_HYPERCALL_PAGE     2 /* virtual address of a page to fill */
#define XEN_ELFNOTE_VIRT_BASE          3 /* virtual address of PFN 0 */
#define XEN_ELFNOTE_PADDR_OFFSET       4 /* to subtract from p_paddr */
#define XEN_ELFNOTE_XEN_VERSION        5 /* "xen-3.0" */
#define XEN_ELFNOTE_GUEST_OS           6
#define XEN_ELFNOTE_GUEST_VERSION      7
#define XEN_ELFNOTE_LOADER             8 /* "generic" */
#define XEN_ELFNOTE_PAE_MODE           9
#define XEN_ELFNOTE_FEATURES           10 /* names separated by '|' */
#define XEN_ELFNOTE_BSD_SYMTAB         11
#define XEN_ELFNOTE_HV_START_LOW       12
#define XEN_ELFNOTE_L1_MFN_VALID       13
#define XEN_ELFNOTE_SUSPEND_CANCEL     14
#define XEN_ELFNOTE_INIT_P2M           15 /* virtual address for the p2m list */
#define XEN_ELFNOTE_MOD_START_PFN      16 /* the initrd may stay unmapped */
#define XEN_ELFNOTE_SUPPORTED_FEATURES 17
#define XEN_ELFNOTE_PHYS32_ENTRY       18

#endif
