#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's toolstack runs this for a virtual interface: it joins the bridge. (The
# distribution's own script wants a whole system.)
[ "$1" = online ] || exit 0
# shellcheck disable=SC2154 # vif is in the environment
ip link set "$vif" up
brctl addif lan "$vif"
xenstore-write "$XENBUS_PATH/hotplug-status" connected
