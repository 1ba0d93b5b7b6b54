#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's toolstack runs this for a virtual disk: what blkback has to know of the
# device, and no more. (The distribution's own script wants a whole system.)
[ "$1" = add ] || exit 0
name=$(xenstore-read "$XENBUS_PATH/params")
numbers=$(stat -c '%t:%T' "$name")
xenstore-write "$XENBUS_PATH/physical-device" "$numbers" \
    "$XENBUS_PATH/physical-device-path" "$name" "$XENBUS_PATH/hotplug-status" connected
