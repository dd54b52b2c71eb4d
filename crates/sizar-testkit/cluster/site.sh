# What a site's administrators set up: accounts, host names, file systems, profile, modules. Sourced.

site_up() {
  local user=alice host i
  mkdir -p log run nodes local home/$user scratch/$user nodes/frontend/tmp
  chmod 755 . log run nodes home scratch
  chmod 1777 local nodes/frontend/tmp
  { cat /etc/hosts
    echo "127.0.0.1 frontend cpu01 cpu02 cpu03 cpu04 gpu01 gpu02"
    for i in 1 2 3; do echo "127.0.1.$i node$i"; done; } >etc/hosts
  mount --bind etc/hosts /etc/hosts

  # sshd without PAM takes the `!` that useradd leaves as a password for a locked account
  id $user >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $user || id $user >/dev/null
  [ "$(getent shadow $user | cut -d: -f2)" = '*' ] || usermod --password '*' $user

  # file systems of its own; with a size they are full when they are full, in bytes and in files
  file_system home/$user /home/$user "$HOME_SIZE"
  file_system scratch/$user $C/scratch/$user "$SCRATCH_SIZE"
  cp -a /etc/skel/. /home/$user
  cp -a $C/etc/home/. /home/$user
  # before the line with which Debian's own ends for shells that are not interactive
  cat etc/bashrc /etc/skel/.bashrc >/home/$user/.bashrc
  chown -R $user: /home/$user $C/scratch/$user
  chmod 700 /home/$user $C/scratch/$user

  cp -a /etc/profile.d/. etc/profile.d
  chown root:$user etc/profile.d/zz-site.sh
  chmod 640 etc/profile.d/zz-site.sh
  mount --bind etc/profile.d /etc/profile.d

  mkdir -p modules/gcc modules/cuda
  for i in 12.2 13.1; do
    printf '#%%Module1.0\nconflict gcc\nsetenv GCC_VERSION %s\nprepend-path PATH %s/modules/bin/gcc-%s\n' $i $C $i >modules/gcc/$i
  done
  printf '#%%Module1.0\nsetenv CUDA_HOME /usr/local/cuda-11.8\n' >modules/cuda/11.8

  mount --bind nodes/frontend/tmp /tmp
}

# file_system FOLDER PLACE SIZE,FILES: a folder, or a small file system in memory.
file_system() {
  if [ -n "$3" ]; then
    mount -t tmpfs -o "size=${3%,*},nr_inodes=${3#*,},mode=700" sizar "$2"
  elif [ "$C/$1" != "$2" ]; then
    mount --bind "$1" "$2"
  fi
}
