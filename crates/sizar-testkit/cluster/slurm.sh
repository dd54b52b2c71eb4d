# Slurm: munge, optionally MariaDB and slurmdbd, a controller, six nodes. Sourced.
#
# /etc/slurm is the cluster's own in here, so that commands need no SLURM_CONF.

SLURM_NODES="cpu01 cpu02 cpu03 cpu04 gpu01 gpu02"

slurm_up() {
  mkdir -p munge state spool mysql dev etc/slurm
  chmod 755 munge spool dev etc/slurm
  head -c 1024 /dev/urandom >munge/munge.key
  chmod 600 munge/munge.key
  # slurmd takes only devices for GPUs: these are /dev/null under other names
  mknod -m 666 dev/nvidia0 c 1 3
  mknod -m 666 dev/nvidia1 c 1 3
  slurm_conf >etc/slurm/slurm.conf
  echo "NodeName=gpu[01-02] Name=gpu Type=a100 File=$C/dev/nvidia[0-1]" >etc/slurm/gres.conf
  [ "$MEMORY_ENFORCED" = 0 ] || cgroup_conf >etc/slurm/cgroup.conf
  mount --bind etc/slurm /etc/slurm
  start_munged
  made "munged"
  if [ "$ACCOUNTING" = 1 ]; then
    slurmdbd_conf >etc/slurm/slurmdbd.conf
    chmod 600 etc/slurm/slurmdbd.conf
    mariadb-install-db --no-defaults --user=root --datadir=$C/mysql --skip-test-db --skip-name-resolve \
      --auth-root-authentication-method=normal >log/mariadb-install.log 2>&1 || fail mariadb-install
    start_mariadbd
    mariadb --no-defaults -S $C/run/mysql.sock -u root \
      -e "create user slurm@'127.0.0.1' identified by 'pw'; grant all on slurm_acct_db.* to slurm@'127.0.0.1';"
    made "mariadbd"
    start_slurmdbd
    made "slurmdbd"
    # one process and few commands: each costs half a second
    sacctmgr -i -Q >log/sacctmgr.out 2>&1 <<'K' || fail sacctmgr
add cluster sizar
add qos premium,scavenger
modify qos premium set priority=100 maxwall=01:00:00 preempt=scavenger preemptmode=requeue
add account proj1,proj2 organization=lab
add user alice account=proj1,proj2 qos=normal,premium,scavenger defaultqos=normal
K
    made "accounts of slurmdbd"
  fi
  start_slurmctld
  made "slurmctld"
  local node
  for node in $SLURM_NODES; do launch_slurmd $node; done
  wait_for slurmctld nodes_idle 6
  scontrol update nodename=cpu04 state=drain reason="fixture: bad disk"
  scontrol update nodename=ghost01 state=down reason="fixture: never started"
  made "slurmd"
}

nodes_idle() { [ "$(sinfo -h -N -p short,gpu -o '%N %t' | grep -c ' idle$')" = "$1" ]; }

start_munged() {
  # --force: the folder need not belong to munge
  daemon munged /usr/sbin/munged --foreground --force --key-file=$C/munge/munge.key \
    --socket=$C/munge/munge.sock --pid-file=$C/munge/munged.pid --log-file=$C/log/munged.log \
    --seed-file=$C/munge/munged.seed --num-threads=4
  wait_for munged munge -n -S $C/munge/munge.sock
}

start_mariadbd() {
  daemon mariadbd mariadbd --no-defaults --user=root --datadir=$C/mysql --socket=$C/run/mysql.sock \
    --pid-file=$C/run/mysql --bind-address=127.0.0.1 --port=$MYSQL_PORT --skip-name-resolve \
    --skip-log-bin --innodb-buffer-pool-size=64M --innodb-log-file-size=16M \
    --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 --performance-schema=OFF \
    --max-allowed-packet=16M
  wait_for mariadbd mariadb-admin --no-defaults -S $C/run/mysql.sock -u root ping
}

start_slurmdbd() {
  daemon slurmdbd slurmdbd -D
  wait_for slurmdbd sacctmgr -n list cluster
}

start_slurmctld() {
  daemon slurmctld slurmctld -D
  wait_for slurmctld controller_answers
}

controller_answers() { scontrol ping | grep -q UP; }

launch_slurmd() {
  mkdir -p "$C/spool/$1"
  node_daemon "slurmd-$1" "$1" slurmd -D -N "$1"
}

start_slurmd() {
  launch_slurmd "$1"
  wait_for "slurmd-$1" node_answers "$1"
}

node_answers() { sinfo -h -n "$1" -o %T | grep -q '^\(idle\|mixed\|allocated\|drained\|draining\)$'; }

slurm_conf() {
  cat <<K
ClusterName=sizar
SlurmctldHost=frontend(127.0.0.1)
SlurmctldPort=$SLURMCTLD_PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$C/munge/munge.sock
StateSaveLocation=$C/state
SlurmdSpoolDir=$C/spool/%n
SlurmctldPidFile=$C/state/slurmctld.pid
SlurmdPidFile=$C/spool/slurmd-%n.pid
SlurmctldLogFile=$C/log/slurmctld.log
SlurmdLogFile=$C/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/$([ "$MEMORY_ENFORCED" = 1 ] && echo cgroup || echo none)
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,sched_min_interval=10000,bf_interval=2,batch_sched_delay=0,defer_batch,max_rpc_cnt=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PriorityType=priority/multifactor
PriorityWeightPartition=10000
PriorityWeightQOS=20000
PriorityWeightAge=1000
PreemptType=preempt/qos
PreemptMode=REQUEUE
KillWait=2
InactiveLimit=0
MinJobAge=300
MaxArraySize=10001
MaxJobCount=20000
OverTimeLimit=0
SlurmctldTimeout=30
SlurmdTimeout=$NODE_TIMEOUT
MessageTimeout=20
BatchStartTimeout=20
CompleteWait=0
EpilogMsgTime=0
DefMemPerCPU=1000
GresTypes=gpu
JobCompType=jobcomp/none
K
  if [ "$ACCOUNTING" = 1 ]; then
    # without AccountingStoragePass the clients try munge's own socket first, two seconds each time
    cat <<K
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$SLURMDBD_PORT
AccountingStoragePass=$C/munge/munge.sock
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment,job_script,job_env
K
  fi
  local host="NodeHostname=frontend NodeAddr=127.0.0.1"
  cat <<K
NodeName=cpu[01-04] $host Port=[$((SLURMD_PORT + 1))-$((SLURMD_PORT + 4))] CPUs=8 Sockets=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=8000 TmpDisk=1000 Feature=skylake,ib State=UNKNOWN
NodeName=gpu[01-02] $host Port=[$((SLURMD_PORT + 5))-$((SLURMD_PORT + 6))] CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000 Gres=gpu:a100:2 Feature=a100 State=UNKNOWN
NodeName=ghost01 $host Port=$((SLURMD_PORT + 7)) CPUs=8 RealMemory=8000 State=UNKNOWN
PartitionName=short Nodes=cpu[01-04] MaxTime=00:30:00 DefaultTime=00:05:00 PriorityJobFactor=100 PriorityTier=2 Default=YES State=UP
PartitionName=long Nodes=cpu[01-04],ghost01 MaxTime=7-00:00:00 DefaultTime=01:00:00 PriorityJobFactor=10 PriorityTier=1 State=UP
PartitionName=gpu Nodes=gpu[01-02] MaxTime=1-00:00:00 DefaultTime=00:10:00 PriorityJobFactor=50 State=UP
K
}

cgroup_conf() {
  cat <<K
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainDevices=no
ConstrainCores=no
K
}

slurmdbd_conf() {
  # DbdHost is compared with the host name, DbdAddr is where clients go
  cat <<K
AuthType=auth/munge
AuthInfo=socket=$C/munge/munge.sock
DbdHost=frontend
DbdAddr=127.0.0.1
DbdPort=$SLURMDBD_PORT
SlurmUser=root
LogFile=$C/log/slurmdbd.log
PidFile=$C/state/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$MYSQL_PORT
StorageUser=slurm
StoragePass=pw
StorageLoc=slurm_acct_db
CommitDelay=1
K
}
