#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The far end of the wire: host.sh QEMU-COMMAND... in network and process namespaces of
# its own (unshare), so that nothing of the host's network is touched or seen. A tap
# device leads to the machine; all that runs here ends with QEMU.
ip link set lo up
ip tuntap add dev tap0 mode tap vnet_hdr
ip link set tap0 address 02:00:00:00:09:01 up
ip addr add 10.9.0.1/24 dev tap0
sysctl -qw net.ipv6.conf.tap0.disable_ipv6=1 2>/dev/null
(while :; do iperf3 -s >/dev/null 2>&1; done) &
"$@"
