#!/usr/bin/env bash
# Evaluate on a Slurm cluster: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [OPTIONS of test.py]
# srun.sh names the variables.
set -euo pipefail

if (($# < 4)); then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [OPTIONS of test.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/srun.sh" test "$1" "$2" "$3" "$4" "${@:5}"
