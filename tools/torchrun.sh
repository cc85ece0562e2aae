#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share: SCRIPT (train or test) on GPUS processes of this
# machine, or of each of several.
#
# NNODES       machines (1)
# NODE_RANK    0 on the machine where the others meet, 1, 2, ... on these (0)
# MASTER_ADDR  its address (127.0.0.1)
# PORT         a free port there (29500)
# MAX_RESTARTS times that all processes are started again when one has died (3)
# PYTHON       interpreter (python)
set -euo pipefail

SCRIPT=$1
GPUS=$2
[[ ${NODE_RANK:-0} == 0 ]] && IS_HOST=true || IS_HOST=false
# Without these two, processes that are started again meet the addresses of the dead: the static
# rendezvous and, unless told otherwise, c10d keep one store for all starts.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
MMRESNESKT_LAUNCHED=$(date +%s) # later checkpoints are this launch's own
export MMRESNESKT_LAUNCHED
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --nproc-per-node="$GPUS" \
    --rdzv-backend=c10d \
    --rdzv-endpoint="${MASTER_ADDR:-127.0.0.1}:${PORT:-29500}" \
    --rdzv-conf="is_host=$IS_HOST" \
    --max-restarts="${MAX_RESTARTS:-3}" \
    "$(dirname "$0")/$SCRIPT.py" "${@:3}" --launcher pytorch
