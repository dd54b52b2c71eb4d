#!/bin/bash
# Acts on one daemon of a cluster that is up; runs inside its namespaces.
#
# usage: control.sh start|stop|kill|cut NAME, or control.sh status
set -eu
. /run/sizar-cluster/scripts/daemons.sh
case $1 in
start) running "$2" || "start_${2%%-*}" "${2#*-}" ;;
stop) stop_daemon "$2" ;;
kill) kill_daemon "$2" ;;
cut) cut_daemon "$2" ;;
status)
  for file in $C/run/*.pid; do
    name=$(basename "$file" .pid)
    if running "$name"; then echo "$name up"; else echo "$name down"; fi
  done
  ;;
esac
