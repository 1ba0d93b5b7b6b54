#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# One of the Linux guests under stress: stress NUMBER SECONDS. For so many seconds it makes and
# drops page tables, lets many processes talk, takes its vCPUs down and up, gives memory
# back and takes it again, and sends over the network to its neighbour or takes what that
# sends: guests 0 and 1 are a pair, 2 and 3, and so on. Its last line says how much it did of
# each; system.py says how much that must be.
number=$1 seconds=$2
PATH=$PATH:/usr/bin
balloon=/sys/devices/system/xen_memory/xen_memory0
cpus=$(nproc)
now() { cut -d. -f1 /proc/uptime; }
end=$(($(now) + seconds))
going() { [ "$(now)" -lt $end ]; }
bad() { echo "stress $number: $*"; }

mkdir -p /run /tmp /dev/shm
for done in churn plugs talks breaths traffic; do : >/run/$done; done
ip addr add "10.8.0.$((number + 1))/24" dev eth0
ip link set eth0 up

churn() {
    stress-ng --metrics-brief --temp-path /tmp --vm 1 --vm-bytes 24m --fork 2 \
        --timeout "${seconds}s" >/run/churn 2>&1 || bad "stress-ng: status $?, $(tail -n 2 /run/churn)"
}

talk() {
    while going; do
        if hackbench -g 1 -l 20 >/run/talk 2>&1; then
            echo 1 >>/run/talks
        else
            bad "hackbench: $(tail -n 1 /run/talk)"
        fi
    done
}

# Every CPU but the first, down and up; it counts if the machine had fewer in between.
plug() {
    while going; do
        for state in 0 1; do
            cpu=1
            while [ $cpu -lt "$cpus" ]; do
                echo $state >/sys/devices/system/cpu/cpu$cpu/online || bad "CPU $cpu to $state"
                cpu=$((cpu + 1))
            done
            [ $state = 1 ] || [ "$(nproc)" != 1 ] || echo 1 >>/run/plugs
        done
    done
}

# It counts if memory was really given back.
breathe() {
    whole=$(cat $balloon/target_kb)
    while going; do
        before=$(cat $balloon/info/current_kb)
        echo $((whole - 24576)) >$balloon/target_kb
        sleep 1
        [ "$(cat $balloon/info/current_kb)" -ge "$before" ] || echo 1 >>/run/breaths
        echo "$whole" >$balloon/target_kb
        sleep 1
    done
}

send() {
    while going; do
        dd if=/dev/zero bs=64k count=4 2>/dev/null | nc -w 5 "10.8.0.$number" 5000 >/dev/null 2>&1 &&
            echo 262144 >>/run/traffic
        usleep 10000
    done
}

# The other end may be done earlier, or not there yet. Who listens has nothing to say, and must not
# come to the end of that: it would close the connection.
receive() {
    mkfifo /run/silence
    exec 3<>/run/silence
    while going; do
        nc -w 5 -l -p 5000 <&3 2>/dev/null | wc -c >>/run/traffic
    done
}

churn & churning=$!
talk & talking=$!
plug & plugging=$!
breathe & breathing=$!
if [ $((number % 2)) = 1 ]; then
    send &
else
    receive &
fi
wait $churning $talking $plugging $breathing

[ "$(nproc)" = "$cpus" ] || bad "$(nproc) of $cpus CPUs"
# A vCPU that stood still is looked for on the console, which has it all (system.py).
dmesg | grep -E 'WARNING:|BUG:|general protection|unable to handle|Oops|hypercall.*failed' |
    grep -v 'soft lockup' | head -n 3 | while read -r line; do bad "$line"; done
sum() { awk '{ n += $1 } END { print n + 0 }' "/run/$1"; }
rounds() {
    awk -v name="$1" 'sub(/.*metrc: *\[.*\]/, "") && $1 == name { n = $2 } END { print n + 0 }' \
        /run/churn
}
echo "stress $number: ended, $(rounds vm) vm, $(rounds fork) fork, $(sum talks) talks," \
    "$(sum plugs) plugs, $(sum breaths) breaths, $(sum traffic) bytes"
