#!/usr/bin/env bash
# Train on several GPUs: tools/dist_train.sh CONFIG GPUS [OPTIONS of train.py]
# With no GPU, on as many CPU processes. torchrun.sh names the variables for several machines.
set -euo pipefail

if (($# < 2)); then
    echo "usage: $0 CONFIG GPUS [OPTIONS of train.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/torchrun.sh" train "$2" "$1" "${@:3}"
