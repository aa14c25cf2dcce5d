/**
 * What runs inside a machine: its init (process 1) and the few programs that talk to it. Shell scripts for any POSIX shell (dash, bash, busybox ash),
 * because users' machines have no compiler and the image may have no Perl, Python or Node.js. Measured with dash: 1.5 MB resident, of which 0.1 MB
 * its own, and up 3 ms after the runtime started it.
 *
 * Protocol with the plane, one word per line on file descriptor 3: `up`, `boot-done` (user data has ended, or there was none), and before the end
 * `poweroff` or `reboot`. Signals to process 1: PWR from the plane (the power button), USR1 and USR2 to power off, INT and TERM to reboot (what
 * busybox's own halt, poweroff and reboot send).
 *
 * What has to happen once in the life of a root volume is marked below /var/lib/cloud/instances/VOLUME/sem, as cloud-init does it: an image frozen
 * from the volume carries the marks, and a machine made from it has another volume, so it runs its own user data.
 */

import { mountTools } from './guest-mount.ts';
import { systemctlTool } from './guest-systemctl.ts';

/** Where the plane puts what init reads, inside the machine. */
export const seedFolder = '/run/pilvi';

/** Seconds that programs have to end after the first signal, before they are killed. */
export const shutdownSecondsMax = 5;

export const initScript = `#!/bin/sh
seed=${seedFolder}
cd /
umask 022
read -r volume < $seed/volume
read -r user < $seed/user
read -r host < $seed/hostname

say() {
  echo "$*"
}

report() {
  echo "$1" >&3
}

run_once() {
  # True the first time this root volume is asked for this mark.
  [ -e "$instance/sem/$1" ] && return 1
  : > "$instance/sem/$1"
}

shut_down() {
  trap '' PWR USR1 USR2 INT TERM
  say "[pilvi] $host: going down ($1)."
  kill -TERM -1 2>/dev/null
  kill -CONT -1 2>/dev/null
  round=0
  while [ $round -lt ${shutdownSecondsMax * 10} ] && kill -0 -1 2>/dev/null; do
    if [ $round -lt 5 ]; then sleep 0.01 & else sleep 0.1 & fi
    # Interactive shells ignore TERM and mind HUP; sent later, because it would cut short what programs do on TERM.
    [ $round -eq 15 ] && kill -HUP -1 2>/dev/null
    wait $!
    round=$((round + 1))
  done
  kill -KILL -1 2>/dev/null
  report "$1"
  exit 0
}

lo_up() {
  read -r flags < /sys/class/net/lo/flags || return
  case $flags in
    *[13579bdfBDF]) ;;
    *) ip link set lo up 2>/dev/null || ifconfig lo up ;;
  esac
}

set_names() {
  read -r old < /etc/hostname
  [ "$old" = "$host" ] || echo "$host" > /etc/hostname
  [ -e $seed/resolv.conf ] && rm -f /etc/resolv.conf && cp $seed/resolv.conf /etc/resolv.conf
  if [ ! -s /etc/machine-id ] && read -r uuid < /proc/sys/kernel/random/uuid; then
    (IFS=-; set -f; set -- $uuid; rm -f /etc/machine-id; echo "$1$2$3$4$5" > /etc/machine-id)
  fi
}

create_user() {
  id=1000
  while grep -q "^[^:]*:[^:]*:$id:" /etc/passwd /etc/group; do id=$((id + 1)); done
  shell=/bin/sh
  [ -x /bin/bash ] && shell=/bin/bash
  echo "$user:x:$id:$id:$user:/home/$user:$shell" >> /etc/passwd
  echo "$user:*:19000:0:99999:7:::" >> /etc/shadow
  echo "$user:x:$id:" >> /etc/group
  echo "$user:*::" >> /etc/gshadow
  mkdir -p "/home/$user"
  cp -r /etc/skel/. "/home/$user/" 2>/dev/null
  chown -R "$id:$id" "/home/$user" && chmod 700 "/home/$user"
}

add_user() {
  grep -q "^$user:" /etc/passwd || create_user
  if [ -d /etc/sudoers.d ]; then
    echo "$user ALL=(ALL) NOPASSWD:ALL" > /etc/sudoers.d/90-cloud-init-users
    chmod 440 /etc/sudoers.d/90-cloud-init-users
  fi
}

add_keys() {
  home=/home/$user
  [ "$user" = root ] && home=/root
  mkdir -p "$home/.ssh"
  chmod 700 "$home/.ssh"
  while read -r key; do
    grep -qxF "$key" "$home/.ssh/authorized_keys" 2>/dev/null || echo "$key" >> "$home/.ssh/authorized_keys"
  done < $seed/authorized-keys
  [ -e "$home/.ssh/authorized_keys" ] && chmod 600 "$home/.ssh/authorized_keys"
  chown -R "$user:" "$home/.ssh"
}

start_sshd() {
  if [ ! -x /usr/sbin/sshd ]; then
    say '[pilvi] No SSH server: the host has no /usr/sbin/sshd, so port 22 is closed (Debian and Ubuntu: apt install openssh-server).'
    return
  fi
  if run_once config_ssh_host_keys; then
    rm -f /etc/ssh/ssh_host_*
    for kind in ed25519 ecdsa; do
      ssh-keygen -q -t $kind -N '' -C "root@$host" -f /etc/ssh/ssh_host_\${kind}_key
    done
    say '-----BEGIN SSH HOST KEY FINGERPRINTS-----'
    for file in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$file"; done
    say '-----END SSH HOST KEY FINGERPRINTS-----'
    if [ -e $seed/keys-program ]; then
      mkdir -p /etc/ssh/sshd_config.d
      printf '%s\n' "AuthorizedKeysCommand /bin/sh $seed/keys-program %u" 'AuthorizedKeysCommandUser root' \
        > /etc/ssh/sshd_config.d/60-cloudimg-settings.conf
    fi
  fi
  mkdir -p /run/sshd
  /usr/sbin/sshd || say '[pilvi] sshd did not start.'
}

run_parts() {
  for part in "$1"/*; do
    [ -f "$part" ] || continue
    mkdir -p "$instance/scripts"
    script=$instance/scripts/\${part##*/}
    cp "$part" "$script" && chmod 700 "$script"
    "$script"
    status=$?
    [ $status -eq 0 ] || say "[pilvi] \${part##*/} ended with status $status."
  done
}

cloud_stage() {
  [ -s $seed/notes ] && cat $seed/notes
  run_parts $seed/each-boot
  if run_once config_scripts_user; then
    [ -e $seed/user-data ] && cp $seed/user-data "$instance/user-data.txt" && chmod 600 "$instance/user-data.txt"
    run_parts $seed/once
  fi
  read -r uptime rest < /proc/uptime
  echo "Cloud-init (pilvi) finished. Up $uptime seconds" > "$instance/boot-finished"
  cat "$instance/boot-finished"
}

boot() {
  # Processes of the machine are killed before its init when memory runs out, and get the usual answers to signals.
  echo 0 > /proc/self/oom_score_adj
  trap - PWR USR1 USR2 INT TERM
  instance=/var/lib/cloud/instances/$volume
  mkdir -p "$instance/sem" /run/lock
  rm -f /var/lib/cloud/instance "$instance/boot-finished"
  ln -s "$instance" /var/lib/cloud/instance
  set_names
  [ -s /etc/fstab ] && mount -a
  if run_once config_users; then add_user; add_keys; fi
  # Host keys take longer than most user data, which need not wait for them.
  start_sshd &
  [ -d /etc/systemd/system/multi-user.target.wants ] && systemctl start-enabled
  # Programs that user data leaves running may hold its output open for ever, so nothing waits for the end of that pipe.
  mkfifo -m 600 /run/cloud-init-output
  tee -a /var/log/cloud-init-output.log < /run/cloud-init-output > /dev/console &
  cloud_stage > /run/cloud-init-output 2>&1 < /dev/null
}

link_disks() {
  while read -r link target; do
    case $link in */*) mkdir -p "/dev/\${link%/*}" ;; esac
    ln -sfn "$target" "/dev/$link"
  done < $seed/links
}

trap 'shut_down poweroff' PWR USR1 USR2
trap 'shut_down reboot' INT TERM
lo_up
link_disks
report up
(boot 3>&-; report boot-done) &
# Waiting for any child of one's own also buries the orphans of the machine.
while :; do
  sleep 2147483647 3>&- &
  wait $!
done
`;

const powerTool = (signal: string): string => `#!/bin/sh
exec kill -s ${signal} 1
`;

const shutdownTool = `#!/bin/sh
# shutdown [-h|-P|-H|-r|-c] [now|+MINUTES] [message]
signal=USR2
when=+1
while [ $# -gt 0 ]; do
  case $1 in
    -r|--reboot) signal=INT ;;
    -h|-P|-H|--halt|--poweroff|-f|-F|-t|-k) ;;
    -c) [ -e /run/shutdown.pid ] && kill "$(cat /run/shutdown.pid)" && rm -f /run/shutdown.pid; exit 0 ;;
    -*) echo "shutdown: $1 is not supported" >&2; exit 1 ;;
    *) when=$1; break ;;
  esac
  shift
done
case $when in
  now|+0|0) exec kill -s $signal 1 ;;
  +[0-9]*|[0-9]*) minutes=\${when#+} ;;
esac
case $minutes in
  ''|*[!0-9]*) echo "shutdown: the time $when is not supported, only now and +MINUTES" >&2; exit 1 ;;
esac
(sleep $((minutes * 60)) && exec kill -s $signal 1) > /dev/null 2>&1 < /dev/null &
echo $! > /run/shutdown.pid
echo "Shutdown scheduled in $minutes minutes, use 'shutdown -c' to cancel."
`;

const cloudInitTool = `#!/bin/sh
# cloud-init status [--wait]
[ "$1" = status ] || { echo "cloud-init: only 'status' is supported on this machine" >&2; exit 2; }
while [ ! -e /var/lib/cloud/instance/boot-finished ]; do
  if [ "$2" != --wait ] && [ "$2" != -w ]; then echo 'status: running'; exit 0; fi
  sleep 0.2
done
echo 'status: done'
`;

/** For machines whose host has no sudo: root, who runs user data, needs none, but scripts call it. */
export const sudoTool = `#!/bin/sh
[ "$(id -u)" = 0 ] || { echo 'sudo: the host has no sudo, so only root can be root here' >&2; exit 1; }
user=root
while [ $# -gt 0 ]; do
  case $1 in
    -u) user=$2; shift ;;
    --) shift; break ;;
    -*) ;;
    *=*) export "$1" ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || set -- "\${SHELL:-/bin/sh}"
[ "$user" = root ] && exec "$@"
exec runuser -u "$user" -- "$@"
`;

/** Programs added to every machine; the host's own of the same name would talk to an init that is not there. */
export const guestTools: ReadonlyMap<string, string> = new Map([
  ['/usr/sbin/poweroff', powerTool('USR2')],
  ['/usr/sbin/halt', powerTool('USR2')],
  ['/usr/sbin/reboot', powerTool('INT')],
  ['/usr/sbin/shutdown', shutdownTool],
  ['/usr/bin/cloud-init', cloudInitTool],
  ['/usr/bin/systemctl', systemctlTool],
  ...mountTools,
]);
