#!/bin/bash
# The first process of a cluster's namespaces: whatever it starts ends with it.
#
# usage, inside `unshare --mount --pid --uts --fork --kill-child --mount-proc`: init.sh PREFIX
#
# The prefix appears as /run/sizar-cluster in here, so that paths are short, the same for every
# cluster, and open to the accounts of the cluster wherever the prefix really is. Standard input is
# the life line: when its other end closes, however the owner ended, this process exits and the
# kernel ends everything in the namespace.
set -eu
# SLURM_CONF and whatever else a caller may have set means another cluster
mkdir -p /run/sizar-cluster /run/sshd
mount --bind "$1" /run/sizar-cluster
cd /run/sizar-cluster
hostname frontend
. scripts/daemons.sh
trap 'code=$?; [ -e ready ] || echo "exit code $code" >failed' EXIT
if [ "$PRIVATE_NETWORK" = 1 ]; then
  ip link set lo up
  # Slurm looks names up with AI_ADDRCONFIG, which wants an address beyond the loopback
  ip link add sizar0 type bridge
  ip addr add 10.231.0.1/24 dev sizar0
  ip link set sizar0 up
fi
site_up
made "accounts and files"
parts=()
if [ "$SLURM" = 1 ]; then (slurm_up) & parts+=($!); fi
if [ "$OAR" = 1 ]; then (oar_up) & parts+=($!); fi
ssh_up
made "sshd"
for part in "${parts[@]}"; do wait "$part"; done
touch ready
if [ "$STAY" = 1 ]; then
  mkfifo run/life
  exec <>run/life
fi
# `read` lets bash reap the orphans that it adopts
while read -r _; do :; done
