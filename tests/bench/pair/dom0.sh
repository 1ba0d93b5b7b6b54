#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's dom0: what a toolstack needs, and the two guests of ../pair.c, which share a
# CPU with nobody while dom0 has nothing to do.
# shellcheck source=/dev/null # ../blk/toolstack.sh, as it is called there
. /bin/toolstack
start_toolstack
for part in yield pair; do
    cat >/run/$part.cfg <<END
name = "$part"
kernel = "/boot/primitives"
memory = 32
vcpus = 1
cmdline = "$part"
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
END
done
xl create /run/yield.cfg
xl create -c /run/pair.cfg
