# Starting, stopping and waiting for daemons, each under a name. Sourced.
C=/run/sizar-cluster
. $C/options
for part in site ssh slurm oar; do . $C/scripts/$part.sh; done
began=$(date +%s%N)

# made WHAT: notes what is there now, and after how long.
made() { echo "$(( ($(date +%s%N) - began) / 1000000 )) $*" >>$C/log/times; }

# fail NAME: gives up with the end of what the daemon said.
fail() {
  echo "\`$1\` did not come up" >&2
  tail -n 8 "$C/log/$1.out" "$C/log/$1.log" >&2 2>/dev/null || true
  exit 1
}

# daemon NAME COMMAND…: runs a program that stays in the foreground, in a session of its own.
daemon() {
  local name=$1
  shift
  setsid "$@" >>"$C/log/$name.out" 2>&1 </dev/null &
  echo $! >"$C/run/$name.pid"
}

# on_node HOST COMMAND…: with a host name, a /tmp and a node-local scratch of its own.
on_node() {
  exec setsid unshare --mount --uts --propagation private bash -c '
    set -eu
    hostname "$1"
    mount --bind "$0/nodes/$1/tmp" /tmp
    mount --bind "$0/nodes/$1/local" "$0/local"
    shift
    exec "$@"' $C "$@"
}

# node_daemon NAME HOST COMMAND…: a daemon on a node.
node_daemon() {
  local name=$1 host=$2
  mkdir -p "$C/nodes/$host/tmp" "$C/nodes/$host/local"
  chmod 1777 "$C/nodes/$host/tmp" "$C/nodes/$host/local"
  shift
  (on_node "$@" >>"$C/log/$name.out" 2>&1 </dev/null) &
  echo $! >"$C/run/$name.pid"
}

pid_of() { cat "$C/run/$1.pid" 2>/dev/null || true; }

# running NAME: a zombie does not run, though `kill -0` says so.
running() {
  local pid state
  pid=$(pid_of "$1")
  [ -n "$pid" ] || return 1
  state=$(sed 's/.*) //; s/ .*//' "/proc/$pid/stat" 2>/dev/null) || return 1
  [ -n "$state" ] && [ "$state" != Z ]
}

# wait_for NAME COMMAND…: until the command succeeds; gives up when the daemon ends, or after 40 s.
wait_for() {
  local name=$1 i
  shift
  for i in $(seq 800); do
    if "$@" >/dev/null 2>&1; then return; fi
    running "$name" || fail "$name"
    sleep .05
  done
  fail "$name"
}

listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# wait_end NAME: until it is gone.
wait_end() {
  local i
  for i in $(seq 200); do
    running "$1" || return 0
    sleep .05
  done
  return 1
}

stop_daemon() {
  local pid
  pid=$(pid_of "$1")
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  wait_end "$1" || kill_daemon "$1"
  # the children of OAR's server keep its port when they outlive it
  [ "$1" != almighty ] || kill_session "$pid"
}

# kill_session PID: the daemon, and the children that did not take a session of their own.
kill_session() {
  local i
  for i in $(seq 200); do
    pkill -9 -s "$1" || return 0
    sleep .02
  done
}

# kill_daemon NAME: with SIGKILL; a node's with everything that runs on the node.
kill_daemon() {
  local pid there process
  running "$1" || return 0
  pid=$(pid_of "$1")
  case $1 in
  slurmd-* | oarnode-*)
    there=$(readlink "/proc/$pid/ns/uts")
    for process in /proc/[0-9]*; do
      if [ "$(readlink "$process/ns/uts" 2>/dev/null)" = "$there" ]; then
        kill -9 "${process#/proc/}" 2>/dev/null || true
      fi
    done
    ;;
  *) kill_session "$pid" ;;
  esac
  wait_end "$1"
}

# cut_daemon NAME: ends the connections of an sshd; what ran in them is left alone, as by a line cut.
cut_daemon() {
  local pid child
  pid=$(pid_of "$1")
  for child in $(pgrep -P "$pid" -x sshd); do
    kill -9 $(pgrep -P "$child" -x sshd) "$child" 2>/dev/null || true
  done
}
