# The ways in: a login node for each scheduler, and a transfer host that speaks sftp alone. Sourced.

ssh_up() {
  local name
  for name in login-slurm login-oar transfer; do start_sshd "$name"; done
}

# start_sshd NAME
start_sshd() {
  local name=$1 port extra=()
  case $name in
  login-slurm) [ "$SLURM" = 1 ] || return 0; port=$LOGIN_SLURM_PORT ;;
  login-oar) [ "$OAR" = 1 ] || return 0; port=$LOGIN_OAR_PORT ;;
  transfer) port=$TRANSFER_PORT; extra=("ForceCommand internal-sftp") ;;
  esac
  { cat <<K
Port $port
ListenAddress 127.0.0.1
HostKey $C/keys/host_$name
PidFile none
AuthorizedKeysFile $C/keys/authorized
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UseDNS no
PrintMotd no
AcceptEnv LANG LC_*
MaxStartups 200
MaxSessions $MAX_SESSIONS
AllowTcpForwarding $([ "$name" = transfer ] && echo no || echo yes)
AllowUsers alice
Subsystem sftp internal-sftp
LogLevel VERBOSE
K
    cat $C/etc/setenv
    printf '%s\n' "${extra[@]}"; } >"$C/etc/sshd-$name.conf"
  chmod 600 "$C/etc/sshd-$name.conf"
  daemon "sshd-$name" /usr/sbin/sshd -D -f "$C/etc/sshd-$name.conf" -E "$C/log/sshd-$name.log"
  wait_for "sshd-$name" listens 127.0.0.1 "$port"
}
