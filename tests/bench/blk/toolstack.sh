#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the dom0 scripts of the benchmarks share; they read it in. start_toolstack [DRIVERS]
# loads the modules of dom0 and these, and starts what `xl` needs. guest_config NAME
# MEMORY DEVICE COMMAND prints the configuration of a guest that runs COMMAND; DEVICE is
# its line for a disk or a network interface.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin:/usr/lib/xen-4.17/bin
export LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu

start_toolstack() {
    cat /drivers/dom0 ${1:+"/drivers/$1"} | while read -r module; do insmod "$module"; done
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
}

guest_config() {
    cat <<END
name = "$1"
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd"
memory = $2
vcpus = 1
cmdline = 'console=hvc0 quiet norandmaps tessera.run="$4"'
$3
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
END
}
