#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share: SCRIPT (train or test) on GPUS processes of this
# machine, or of each of several.
#
# NNODES       machines (1)
# NODE_RANK    0 on the machine where the others meet, 1, 2, ... on these (0)
# MASTER_ADDR  its address (127.0.0.1)
# PORT         a free port there (one that is found; with several machines 29500)
# MAX_RESTARTS times that all processes are started again when one has died (3; of a test 0, since
#              what fails once in an evaluation fails again)
# PYTHON       interpreter (python)
#
# SIGTERM, SIGINT and SIGUSR1 go to the training, which saves and ends all its processes.
set -euo pipefail

SCRIPT=$1
GPUS=$2
# 0 is any free one: two runs on one machine need not know of each other
[[ ${NNODES:-1} == 1 ]] && ANY_PORT=0 || ANY_PORT=29500
[[ $SCRIPT == test ]] && RESTARTS=0 || RESTARTS=3
[[ ${NODE_RANK:-0} == 0 ]] && IS_HOST=true || IS_HOST=false
# torchrun's own answer to a port that another run has is a traceback of 40 lines
if $IS_HOST && [[ ${PORT:-$ANY_PORT} != 0 ]]; then
    "${PYTHON:-python}" -c 'import socket, sys
try:
    socket.create_server(("", int(sys.argv[1]))).close()
except (OSError, OverflowError, ValueError) as error:
    reason = getattr(error, "strerror", None) or error
    sys.exit(f"error: PORT={sys.argv[1]} cannot be used: {reason}. Set PORT to a free one, or "
             f"leave it out for one machine: any free one is taken")
' "${PORT:-$ANY_PORT}" || exit 2
fi
# Without these two, processes that are started again meet the addresses of the dead: the static
# rendezvous and, unless told otherwise, c10d keep one store for all starts.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
export MMRESNESKT_LAUNCH="$(date +%s)-$$-$RANDOM" # a name for this launch's checkpoints
# An exit code that torchrun shall not answer with a restart goes here, and its processes end with 0
MMRESNESKT_OUTCOME=$(mktemp)
export MMRESNESKT_OUTCOME
trap 'rm -f "$MMRESNESKT_OUTCOME"' EXIT

# In a session of its own it does not hear Ctrl-C itself: it would give the training 30 seconds.
setsid "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --nproc-per-node="$GPUS" \
    --rdzv-backend=c10d \
    --rdzv-endpoint="${MASTER_ADDR:-127.0.0.1}:${PORT:-$ANY_PORT}" \
    --rdzv-conf="is_host=$IS_HOST" \
    --max-restarts="${MAX_RESTARTS:-$RESTARTS}" \
    "$(dirname "$0")/$SCRIPT.py" "${@:3}" --launcher pytorch &
AGENT=$!

hand_on() { # SIGNAL EXIT_CODE
    echo "$2" >"$MMRESNESKT_OUTCOME" # for processes that are only about to start
    pkill "-$1" -P "$AGENT" || kill -TERM "$AGENT" 2>/dev/null || true
}
trap 'hand_on TERM 143' TERM
trap 'hand_on USR1 143' USR1
trap 'hand_on INT 130' INT

CODE=0
wait "$AGENT" || CODE=$?
while kill -0 "$AGENT" 2>/dev/null; do # it was a signal that ended the wait
    CODE=0
    wait "$AGENT" || CODE=$?
done
[[ -s $MMRESNESKT_OUTCOME ]] && CODE=$(<"$MMRESNESKT_OUTCOME")
exit "$CODE"
