#!/bin/sh
# src/sim/service_data.c is what tools/fit-service makes of the trace.
set -u
root=${SLICEWRIGHT_ROOT:?}
trace=${SLICEWRIGHT_DATA:-$root/../shared/data}/genai/gpu_util_96pods.csv.gz
if [ ! -e "$trace" ]; then
    echo "1..0 # SKIP no genai trace"
    exit 77
fi
if ! command -v python3 >/dev/null; then
    echo "1..0 # SKIP no python3"
    exit 77
fi
echo 1..1
if python3 -B "$root/tools/fit-service" "$trace" | diff "$root/src/sim/service_data.c" - >&2; then
    echo "ok 1 - the committed numbers are those of the trace"
else
    echo "not ok 1 - the committed numbers are those of the trace"
    exit 1
fi
