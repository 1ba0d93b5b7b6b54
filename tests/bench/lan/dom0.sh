#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's dom0: dom0 DRIVERS OFFLOADS COMMAND... starts what a toolstack needs, a bridge
# with the card in it, a guest that answers (peer), and one that runs COMMAND; each has
# a virtual interface by netback in that bridge.
drivers=$1 offloads=$2
shift 2
export PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/lib/xen-4.17/bin
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
until [ -d /sys/class/net/eth0 ]; do sleep 0.1; done
brctl addbr lan
[ "$offloads" = on ] || ethtool -K eth0 rx off tx off sg off tso off gso off gro off >/dev/null 2>&1
brctl addif lan eth0
ip link set eth0 up
ip link set lan up

guest() { # NAME LAST-DIGIT COMMAND
    cat >"/run/$1.cfg" <<END
name = "$1"
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd"
memory = 256
vcpus = 1
cmdline = 'console=hvc0 quiet norandmaps tessera.run="$3"'
vif = ["mac=02:00:00:00:09:0$2,bridge=lan,script=/bin/attach"]
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
END
}
guest peer 3 "/bin/bench guest $offloads 3"
guest bench 2 "$*"
xl create /run/peer.cfg
xl create -c /run/bench.cfg
