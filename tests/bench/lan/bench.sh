#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside the guest and on the bare machine:
#   bench DRIVERS OFFLOADS 3                         answers iperf3 for ever, as 10.9.0.3
#   bench DRIVERS OFFLOADS 2 PEER SECONDS ROW...     runs rows against 10.9.0.PEER
# A row is PROTOCOL:DIRECTION:SIZE. tcp and udp: SIZE is the MTU; small: bytes of payload
# of one UDP packet; ping: the same. It prints
#   net ROW WHAT-IPERF3-OR-PING-SAYS
# three times, all rows after each other, so that what disturbs the machine for some
# seconds is in one figure of a row only.
# With SECONDS 0 each row is three runs of a fixed amount, of which two are alike, between
# two marks that the counting plugin knows, and a line each: what a start of iperf3 costs
# is in all of them.
drivers=$1 offloads=$2 self=$3 peer=10.9.0.$4 seconds=$5
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
while read -r module; do insmod "$module"; done <"/drivers/$drivers"
tries=0
until [ -d /sys/class/net/eth0 ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { echo "bench: no eth0"; exit 1; }
    sleep 0.1
done
[ "$offloads" = on ] || ethtool -K eth0 rx off tx off sg off tso off gso off gro off >/dev/null 2>&1
ip link set lo up
ip addr add "10.9.0.$self/24" dev eth0
ip link set eth0 up
if [ "$self" = 3 ]; then
    while :; do iperf3 -s >/dev/null 2>&1; done
fi
shift 5
tries=0
until ping -c 1 -W 1 "$peer" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || { echo "bench: $peer does not answer"; exit 1; }
done

bytes() { # ROW: payload of a UDP packet
    case $1 in
    udp:*) echo $((${1##*:} - 28)) ;;
    *) echo "${1##*:}" ;;
    esac
}

mss() { # ROW: payload of a packet on the wire
    case $1 in
    tcp:*) echo $((${1##*:} - 52)) ;;
    *) bytes "$1" ;;
    esac
}

run() { # ROW OPTION...
    row=$1 reverse=
    shift
    case $row in *:in:*) reverse=-R ;; esac
    case $row in
    tcp:*) set -- -C cubic "$@" ;; # also the host, whose own choice paces by its clock
    *) set -- -u -l "$(bytes "$row")" "$@" ;;
    esac
    iperf3 -c "$peer" -J $reverse "$@" >/run/said 2>/run/failed
    grep -q '"error"' /run/said && return 1
    tr -d ' \n\t' </run/said | sed 's/.*"end":{/{"end":{/'
}

again() { # the server may not be ready yet
    for _ in 1 2 3 4 5; do
        said=$(run "$@") && return
        sleep 1
    done
    echo "bench: $1: $(cat /run/failed) $(head -c 300 /run/said)"
    exit 1
}

pace() { # ROW: packets per second that can be taken, so that none is lost; 0: all
    case $peer:$1 in
    *.3:*) echo 3000 ;;
    *:*:in:*) echo 150 ;; # of the host's clock, which is many times faster
    *) echo 0 ;;
    esac
}

counted() { # ROW PACKETS
    amount=$(($2 * $(mss "$1")))
    case $1 in # many, as what surrounds them varies; the more where a packet is cheap
    tcp:*) [ "$offloads" = off ] && amount=$((amount * 4)) || amount=$((amount * 64)) ;;
    esac
    amount="-n $amount"
    case $1 in
    ping:*)
        mark start
        said=$(ping -A -q -c "$2" -s "${1##*:}" "$peer" | tail -2 | tr -d '\n')
        mark end
        return
        ;;
    tcp:*) ;;
    *) amount="$amount -b $(($(pace "$1") * 8 * $(bytes "$1")))" ;;
    esac
    mark start
    # shellcheck disable=SC2086 # words of its own
    said=$(run "$1" $amount) || said="failed: $(head -c 300 /run/said)"
    mark end
}

timed() { # ROW: one figure of it
    case $1 in
    ping:*)
        said=$(ping -A -q -w "$seconds" -s "${1##*:}" "$peer" | tail -2 | tr -d '\n')
        ;;
    tcp:*) again "$1" -t "$seconds" -O 1 ;;
    *) again "$1" -t "$seconds" -b 0 ;;
    esac
    echo "net $1 0 $said"
}

[ "$seconds" = 0 ] && takes=1 || takes="1 2 3"
for _ in $takes; do
    for row in "$@"; do
        case $row in
        tcp:* | udp:*) ip link set eth0 mtu "${row##*:}" ;;
        *) ip link set eth0 mtu 1500 ;;
        esac
        [ "$seconds" = 0 ] || { timed "$row"; continue; }
        for packets in 512 512 2560; do
            counted "$row" $packets
            echo "net $row $packets $said"
            sleep 1
        done
    done
done
echo "bench: end"
