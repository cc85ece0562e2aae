#!/usr/bin/env bash
# Evaluate on several GPUs: tools/dist_test.sh CONFIG CHECKPOINT GPUS [OPTIONS of test.py]
# With no GPU, on as many CPU processes. torchrun.sh names the variables for several machines.
set -euo pipefail

if (($# < 3)); then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [OPTIONS of test.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/torchrun.sh" test "$3" "$1" "$2" "${@:4}"
