# OAR: PostgreSQL, the server, and an sshd for each node. Sourced.
#
# OAR's paths are compiled in: the cluster's own copies lie over them in here.

OAR_NODES="node1 node2 node3"
POSTGRES=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)

oar_up() {
  cp -a /etc/oar etc/oar
  cp -a /var/lib/oar var-oar
  install -o postgres -d pg
  touch log/oar.log
  chown oar log/oar.log
  mount --bind etc/oar /etc/oar
  mount --bind var-oar /var/lib/oar
  oar_conf
  (cd / && runuser -u postgres -- $POSTGRES/initdb -D $C/pg -A trust --no-sync -E UTF8 --locale=C) \
    >log/initdb.log 2>&1 || fail initdb
  start_postgres
  local sql="psql -q -h 127.0.0.1 -p $POSTGRES_PORT" file
  $sql -U postgres postgres -c "create role oar login password 'oar'" \
    -c "create role oar_ro login password 'oar'" -c "create database oar owner oar"
  for file in pg_structure pg_default_admission_rules default_data; do
    $sql -U oar oar -f /usr/lib/oar/database/$file.sql >>log/oardb.log 2>&1
  done
  $sql -U oar oar -c "grant select on all tables in schema public to oar_ro"
  oar_resources
  made "postgres"
  local node
  for node in $OAR_NODES; do launch_oarnode $node; done
  start_almighty
  made "almighty"
}

oar_conf() {
  # JOB_RESOURCE_MANAGER_*: would mount cpusets
  sed -i -e "s/^DB_PORT=.*/DB_PORT=\"$POSTGRES_PORT\"/" \
    -e 's/^DB_BASE_PASSWD=.*/DB_BASE_PASSWD="oar"/' -e 's/^DB_BASE_PASSWD_RO=.*/DB_BASE_PASSWD_RO="oar"/' \
    -e "s#^LOG_FILE=.*#LOG_FILE=\"$C/log/oar.log\"#" -e 's/^LOG_LEVEL=.*/LOG_LEVEL="3"/' \
    -e "s/^SERVER_PORT=.*/SERVER_PORT=\"$OAR_PORT\"/" \
    -e "s#^OPENSSH_CMD=.*#OPENSSH_CMD=\"/usr/bin/ssh -p $OAR_NODE_PORT -e none\"#" \
    -e 's/^\(JOB_RESOURCE_MANAGER_PROPERTY_DB_FIELD=.*\)/#\1/' \
    -e 's/^\(JOB_RESOURCE_MANAGER_FILE=.*\)/#\1/' \
    -e 's/^SCHEDULER_JOB_SECURITY_TIME=.*/SCHEDULER_JOB_SECURITY_TIME="1"/' \
    -e 's/^FINAUD_FREQUENCY=.*/FINAUD_FREQUENCY="0"/' /etc/oar/oar.conf
}

# In SQL, as `oarproperty` and `oarnodesetting` do it: theirs costs a third of a second for each core.
oar_resources() {
  psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $POSTGRES_PORT -U oar oar >>log/oardb.log 2>&1 <<'K' || fail oardb
alter table resources add column cpu int, add column core int, add column memnode int,
  add column host varchar(255), add column cluster varchar(255), add column gpu int;
insert into resources (network_address, state, state_num, host, cpu, core, cpuset, memnode, cluster)
  select 'node' || n, 'Alive', 1, 'node' || n, n, 4 * (n - 1) + slot + 1, slot::text, 4000 * n,
    case when n > 2 then 'c2' else 'c1' end
  from generate_series(1, 3) n, generate_series(0, 3) slot order by n, slot;
insert into resource_logs (resource_id, attribute, value, date_start)
  select resource_id, 'state', 'Alive', extract(epoch from now())::int from resources;
K
}

start_postgres() {
  daemon postgres runuser -u postgres -- $POSTGRES/postgres -D $C/pg -p $POSTGRES_PORT \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=200
  wait_for postgres $POSTGRES/pg_isready -q -h 127.0.0.1 -p $POSTGRES_PORT
}

start_almighty() {
  # the wrapper in sbin: /usr/lib/oar/Almighty ends without a word when root starts it
  (cd / && umask 0 && daemon almighty /usr/sbin/Almighty)
  wait_for almighty listens 127.0.0.1 $OAR_PORT
}

launch_oarnode() {
  cat >"$C/etc/sshd-$1.conf" <<K
Port $OAR_NODE_PORT
ListenAddress 127.0.1.${1#node}
HostKey /etc/oar/oar_ssh_host_rsa_key
PidFile none
UsePAM no
StrictModes no
PermitUserEnvironment yes
PasswordAuthentication no
PermitRootLogin no
MaxStartups 1024
AllowUsers oar
AcceptEnv OAR_CPUSET OAR_USER_CPUSET OAR_USER_GPUDEVICE OAR_JOB_USER
K
  node_daemon "oarnode-$1" "$1" /usr/sbin/sshd -D -f "$C/etc/sshd-$1.conf" -E "$C/log/oarnode-$1.log"
}

start_oarnode() {
  launch_oarnode "$1"
  wait_for "oarnode-$1" listens "127.0.1.${1#node}" "$OAR_NODE_PORT"
}
