#!/usr/bin/env bash
# Train on a Slurm cluster: tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [OPTIONS of train.py]
# srun.sh names the variables.
set -euo pipefail

if (($# < 4)); then
    echo "usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [OPTIONS of train.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/srun.sh" train "$1" "$2" "$3" --work-dir "$4" "${@:5}"
