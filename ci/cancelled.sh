#!/usr/bin/env bash
# Futures that are dropped at random, with many packets: ten million for every combination of a runtime, the receive
# modes of both ends, a direction and a peer, 900 million in all. That takes five minutes for four runtimes between our
# own ends and eight with dpdk-testpmd where nothing else runs. ci/test.sh has ten million for all of them together.
# With MEMIF_CANCELLED_SEED=1 in the environment, or any number, other futures are dropped.
#
# Usage: ci/cancelled.sh [PACKETS [TESTS]]: so many for each combination, and only tests whose names contain TESTS, as
# cancelled_tokio or dpdk_server.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

export MEMIF_CANCELLED_PACKETS=${1:-10000000}
tests=("${2:-cancelled}")
[ $# -ge 2 ] || tests+=(dpdk)
wrong=0
for name in "${tests[@]}"; do
  cargo test --release -p memif --features async-io,tokio --test awaiting --locked "$name" || wrong=1
done
exit "$wrong"
