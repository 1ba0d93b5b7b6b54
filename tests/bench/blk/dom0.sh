#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's dom0: dom0 DRIVERS DEVICE COMMAND... starts what a toolstack needs, and a
# guest whose xvda is DEVICE by blkback and which runs COMMAND.
drivers=$1 device=/dev/$2
shift 2
# shellcheck source=/dev/null # toolstack.sh, as it is called there
. /bin/toolstack
start_toolstack "$drivers"
until [ -b "$device" ]; do sleep 0.1; done
disk="format=raw, vdev=xvda, access=rw, backendtype=phy, script=/bin/attach, target=$device"
guest_config bench 512 "disk = [\"$disk\"]" "$*" >/run/guest.cfg
xl create -c /run/guest.cfg
