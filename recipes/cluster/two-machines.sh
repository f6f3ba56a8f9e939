#!/bin/sh
# Data-parallel alignment on two machines (or more), started by torchrun on each. torchrun comes with Python's torch; of it
# mosa needs the variables alone (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT).
#
#   on the first:   NODE=0 FIRST=10.0.0.1 MODEL=... PROMPTS=... OUT=/shared/runs/mosa sh recipes/cluster/two-machines.sh
#   on the second:  NODE=1 FIRST=10.0.0.1 MODEL=... PROMPTS=... OUT=/shared/runs/mosa sh recipes/cluster/two-machines.sh
#
# NODES (2), PER_NODE (GPUs a machine, 1) and PORT (29500) may be set; both machines see the files under the same names.
# FLAGS="--set shards=2" fixes how a step is summed, whatever the number of ranks. On one machine, to try it:
# start it twice with FIRST=127.0.0.1.
set -eu
: "${NODE:?number of this machine, from 0}" "${FIRST:?address of machine 0}"
: "${MODEL:?checkpoint folder}" "${PROMPTS:?training prompts}" "${OUT:?run folder}"
mosa=${MOSA:-mosa}

# shellcheck disable=SC2086
exec "${TORCHRUN:-torchrun}" --no-python --nnodes "${NODES:-2}" --node-rank "$NODE" --nproc-per-node "${PER_NODE:-1}" \
    --master-addr "$FIRST" --master-port "${PORT:-29500}" \
    "$mosa" align --model "$MODEL" ${CONFIG:+--config "$CONFIG"} --prompts "$PROMPTS" --out "$OUT" ${FLAGS:-}
