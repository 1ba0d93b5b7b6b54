#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's dom0: dom0 DRIVERS DEVICE COMMAND... starts what a toolstack needs, and a
# guest whose xvda is DEVICE by blkback and which runs COMMAND.
drivers=$1 device=/dev/$2
shift 2
export PATH=/bin:/usr/bin:/usr/lib/xen-4.17/bin
export LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu
cat /drivers/dom0 "/drivers/$drivers" | while read -r module; do insmod "$module"; done
mkdir -p /run/xen /run/lock /var/lib/xen /var/lib/xenstored /var/log/xen /var/lock
ln -s /run /var/run
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xenstored.pid
tries=0
until xenstore-read / >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "dom0: no store"; exit 1; }
    sleep 0.1
done
xen-init-dom0
xenconsoled
until [ -b "$device" ]; do sleep 0.1; done
cat >/run/guest.cfg <<END
name = "bench"
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd"
memory = 512
vcpus = 1
cmdline = 'console=hvc0 quiet norandmaps tessera.run="$*"'
disk = ["format=raw, vdev=xvda, access=rw, backendtype=phy, script=/bin/attach, target=$device"]
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
END
xl create -c /run/guest.cfg
