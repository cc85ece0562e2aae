#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share: one torchrun on each machine of a Slurm job, so
# that a process that dies is started again.
#
# GPUS           in all (8)
# GPUS_PER_NODE  on each machine (8)
# CPUS_PER_TASK  for each GPU (5)
# SRUN_ARGS      more options of srun
# PORT           where the machines meet, free on the first (one of the job's own, by its number)
# MAX_RESTARTS, PYTHON  see torchrun.sh
set -euo pipefail

SCRIPT=$1
PARTITION=$2
JOB_NAME=$3
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
((GPUS_PER_NODE <= GPUS)) || GPUS_PER_NODE=$GPUS
if ((GPUS % GPUS_PER_NODE)); then
    echo "error: GPUS=$GPUS is not a multiple of GPUS_PER_NODE=$GPUS_PER_NODE" >&2
    exit 2
fi
export NNODES=$((GPUS / GPUS_PER_NODE))

# which machines these are is known inside the job only
# shellcheck disable=SC2016,SC2086
exec srun -p "$PARTITION" --job-name="$JOB_NAME" --gres="gpu:$GPUS_PER_NODE" \
    --nodes="$NNODES" --ntasks="$NNODES" --ntasks-per-node=1 \
    --cpus-per-task=$((${CPUS_PER_TASK:-5} * GPUS_PER_NODE)) --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    bash -euc 'export NODE_RANK=$SLURM_NODEID
        MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
        # the same on all machines, and another than that of a job beside this one
        PORT=${PORT:-$((20000 + (16 * SLURM_JOB_ID + SLURM_STEP_ID) % 10000))}
        export MASTER_ADDR PORT
        exec "$@"' _ "$(dirname "$0")/torchrun.sh" "$SCRIPT" "$GPUS_PER_NODE" "${@:4}"
