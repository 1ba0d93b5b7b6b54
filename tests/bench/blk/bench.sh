#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside the guest and on the bare machine: bench DRIVERS DEVICE SECONDS ROW...
# runs fio for each row (rw:size:depth) and prints
#   fio ROW IOPS
# With SECONDS 0 each row is two runs of a fixed number of requests between two
# marks that the counting plugin knows; what a start of fio costs is in both.
drivers=$1 device=/dev/$2 seconds=$3
shift 3
while read -r module; do insmod "$module"; done <"/drivers/$drivers"
tries=0
until [ -b "$device" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "bench: no $device"; exit 1; }
    sleep 0.1
done

run() { # ROW OPTION...
    rw=${1%%:*} rest=${1#*:}
    shift
    fio --name=row --filename="$device" --rw="$rw" --bs="${rest%:*}" --iodepth="${rest#*:}" \
        --ioengine=libaio --direct=1 --thread --norandommap --randrepeat=1 --size=256m \
        --output-format=terse --terse-version=3 "$@"
}

for row in "$@"; do
    if [ "$seconds" = 0 ]; then
        for requests in 64 64 1088; do
            mark start
            run "$row" --number_ios=$requests >/dev/null || exit 1
            mark end
        done
        echo "fio $row 0"
    else
        said=$(run "$row" --time_based --runtime="$seconds" --ramp_time=1) || exit 1
        echo "fio $row $(echo "$said" | cut -d';' -f8,49 | tr ';' '+')"
    fi
done
