#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Xen's dom0: dom0 DRIVERS OFFLOADS COMMAND... starts what a toolstack needs, a bridge
# with the card in it, a guest that answers (peer), and one that runs COMMAND; each has
# a virtual interface by netback in that bridge.
drivers=$1 offloads=$2
shift 2
# shellcheck source=/dev/null # ../blk/toolstack.sh, as it is called there
. /bin/toolstack
start_toolstack "$drivers"
until [ -d /sys/class/net/eth0 ]; do sleep 0.1; done
brctl addbr lan
[ "$offloads" = on ] || ethtool -K eth0 rx off tx off sg off tso off gso off gro off >/dev/null 2>&1
brctl addif lan eth0
ip link set eth0 up
ip link set lan up

guest() { # NAME LAST-DIGIT COMMAND
    vif="vif = [\"mac=02:00:00:00:09:0$2,bridge=lan,script=/bin/attach\"]"
    guest_config "$1" 256 "$vif" "$3" >"/run/$1.cfg"
}
guest peer 3 "/bin/bench guest $offloads 3"
guest bench 2 "$*"
xl create /run/peer.cfg
xl create -c /run/bench.cfg
