/**
 * `systemctl` inside machines: services from unit files, as user data uses them (write a unit, enable it, start it). The host's own program would talk
 * to a systemd that is not there. Rejected: booting the host's systemd in the machine, which takes a second and 20 MB each, and many hosts have none.
 *
 * Real for services: start, stop, restart, reload, status, is-active, enable (started at the next boots), disable, mask is refused. A unit's process is
 * supervised as its Restart= says. What a unit file says beyond the keys below (sandboxing, ordering, sockets, timers) has no effect, and verbs that
 * are not known are refused. Source of the keys: systemd.service(5), systemd.exec(5).
 */
export const systemctlTool = String.raw`#!/bin/sh
# Services from unit files, without systemd.
state=/run/units
wants=/etc/systemd/system/multi-user.target.wants
folders='/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system'

fail() {
  echo "systemctl: $1" >&2
  exit "${'$'}{2:-1}"
}

find_unit() {
  name=$1
  case $name in
    *.service) ;;
    *.target | *.timer | *.socket | *.mount | *.path) fail "$name: only services are supported on this machine" ;;
    *) name=$name.service ;;
  esac
  for folder in $folders; do
    file=$folder/$name
    [ -f "$file" ] && return 0
  done
  return 1
}

# Reads the keys of the unit in $file into variables.
read_unit() {
  find_unit "$1" || fail "Unit $name not found." 5
  type=simple pre='' start='' reload='' stop='' user='' folder=/ pidfile='' runtime='' restart=no delay=0.1 remain=no section='' environment=''
  while read -r line || [ -n "$line" ]; do
    while case $line in *\\) true ;; *) false ;; esac; do
      read -r more || break
      line="${'$'}{line%\\} $more"
    done
    case $line in
      '[Service]') section=service ;;
      '['*) section='' ;;
    esac
    [ "$section" = service ] || continue
    value=${'$'}{line#*=}
    case $line in
      Type=*) type=$value ;;
      ExecStartPre=*) pre="$pre$value
" ;;
      ExecStart=*) start="$start$value
" ;;
      ExecReload=*) reload="$reload$value
" ;;
      ExecStop=*) stop="$stop$value
" ;;
      User=*) user=$value ;;
      WorkingDirectory=*) folder=${'$'}{value#-} ;;
      PIDFile=*) pidfile=$value ;;
      RuntimeDirectory=*) runtime=$value ;;
      Restart=*) restart=$value ;;
      RestartSec=*) delay=${'$'}{value%s} ;;
      RemainAfterExit=*) remain=$value ;;
      Environment=*) environment="$environment export $value;" ;;
      EnvironmentFile=*) environment="$environment set -a; [ -f ${'$'}{value#-} ] && . ${'$'}{value#-}; set +a;" ;;
    esac
  done < "$file"
  [ "$folder" = '~' ] && folder=/
  mine=$state/$name
}

# Runs one command line of the unit, in this process.
become() {
  line=$1
  while :; do
    case $line in
      -* | @* | +* | !* | :*) line=${'$'}{line#?} ;;
      *) break ;;
    esac
  done
  eval "$environment"
  eval "set -- $line"
  if [ -z "$user" ] || [ "$user" = root ]; then exec "$@"; fi
  exec runuser -u "$user" -- "$@"
}

# Runs each command line and waits; a line that begins with - may fail.
run_lines() {
  MAINPID=$(main_pid)
  export MAINPID
  while read -r each; do
    [ -n "$each" ] || continue
    (cd "$folder" && become "$each") && continue
    case $each in -*) ;; *) return 1 ;; esac
  done <<LINES
$1
LINES
}

main_pid() {
  if [ -n "$pidfile" ] && [ -s "$pidfile" ]; then cat "$pidfile"; elif [ -s "$mine/pid" ]; then cat "$mine/pid"; fi
}

is_active() {
  [ -e "$mine/done" ] && return 0
  pid=$(main_pid)
  [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null
}

# Keeps the main process running, as the unit asks.
supervise() {
  trap 'kill "$child" 2> /dev/null; exit' TERM
  while :; do
    (cd "$folder" && become "$1") &
    child=$!
    echo $child > "$mine/pid"
    wait $child
    status=$?
    rm -f "$mine/pid"
    case $restart in
      always) ;;
      on-failure) [ $status -ne 0 ] || return ;;
      *) return ;;
    esac
    sleep "$delay" &
    wait $!
  done
}

start_unit() {
  read_unit "$1"
  is_active && return
  mkdir -p "$mine" /var/log/units
  rm -f "$mine/done" "$mine/pid"
  for each in $runtime; do
    mkdir -p "/run/$each"
    [ -z "$user" ] || chown "$user" "/run/$each"
  done
  log=/var/log/units/$name.log
  run_lines "$pre" >> "$log" 2>&1 || fail "Job for $name failed: ExecStartPre ended with an error. See $log."
  case $type in
    oneshot)
      run_lines "$start" >> "$log" 2>&1 || fail "Job for $name failed. See $log."
      [ "$remain" != yes ] && [ "$remain" != true ] || : > "$mine/done"
      ;;
    forking)
      run_lines "$start" >> "$log" 2>&1 || fail "Job for $name failed. See $log."
      if [ -z "$pidfile" ]; then : > "$mine/done"; fi
      ;;
    *)
      # With exec, since a shell keeps what a function's redirections replace, and whoever reads our output would wait for its end for ever.
      (exec >> "$log" 2>&1 < /dev/null; supervise "${'$'}{start%?}") &
      echo $! > "$mine/supervisor"
      # A program that cannot run at all ends at once, and that is to be told.
      sleep 0.1
      is_active || [ "$restart" != no ] || fail "Job for $name failed. See $log."
      ;;
  esac
}

stop_unit() {
  read_unit "$1"
  pid=$(main_pid)
  [ -s "$mine/supervisor" ] && supervisor=$(cat "$mine/supervisor") || supervisor=''
  [ -z "$stop" ] || run_lines "$stop" > /dev/null 2>&1
  [ -z "$supervisor" ] || kill "$supervisor" 2> /dev/null
  [ -z "$pid" ] || kill "$pid" 2> /dev/null
  round=0
  while [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; do
    round=$((round + 1))
    [ $round -lt 100 ] || kill -KILL "$pid" 2> /dev/null
    sleep 0.05
  done
  rm -rf "$mine"
}

show_status() {
  read_unit "$1"
  echo "$name ($file)"
  if is_active; then echo "   Active: active (running), main process $(main_pid)"; else echo '   Active: inactive (dead)'; fi
  tail -n 10 "/var/log/units/$name.log" 2> /dev/null
  is_active || exit 3
}

enable_unit() {
  find_unit "$1" || fail "Unit $name not found." 5
  mkdir -p "$wants"
  ln -sf "$file" "$wants/$name"
}

now=no
quiet=no
units=''
verb=''
for word in "$@"; do
  case $word in
    --now) now=yes ;;
    -q | --quiet) quiet=yes ;;
    --no-pager | --no-block | -f | --force | --system | -l | --full) ;;
    -*) fail "the option $word is not supported on this machine" ;;
    *) if [ -z "$verb" ]; then verb=$word; else units="$units $word"; fi ;;
  esac
done

case $verb in
  daemon-reload | daemon-reexec | reset-failed) exit 0 ;;
  poweroff | halt | reboot) exec "/usr/sbin/$verb" ;;
  start-enabled)
    for link in "$wants"/*.service; do
      [ -e "$link" ] && ("$0" start "${'$'}{link##*/}" || echo "[pilvi] The service ${'$'}{link##*/} did not start.")
    done
    exit 0
    ;;
  start | stop | restart | try-restart | reload | reload-or-restart | status | is-active | is-enabled | enable | disable) ;;
  *) fail "'$verb' is not supported on this machine, which runs no systemd" ;;
esac
[ -n "$units" ] || fail 'no unit was named'

for unit in $units; do
  case $verb in
    start) start_unit "$unit" ;;
    stop) stop_unit "$unit" ;;
    restart | try-restart | reload-or-restart) stop_unit "$unit" && start_unit "$unit" ;;
    reload)
      read_unit "$unit"
      is_active || fail "$name is not active"
      run_lines "$reload" || fail "$name could not be reloaded"
      ;;
    status) show_status "$unit" ;;
    is-active)
      read_unit "$unit"
      if is_active; then word=active; else word=inactive; fi
      [ $quiet = yes ] || echo $word
      [ $word = active ] || exit 3
      ;;
    is-enabled)
      find_unit "$unit" || fail "Unit $name not found." 1
      if [ -e "$wants/$name" ]; then word=enabled; else word=disabled; fi
      [ $quiet = yes ] || echo $word
      [ $word = enabled ] || exit 1
      ;;
    enable)
      enable_unit "$unit"
      [ $now = no ] || start_unit "$unit"
      ;;
    disable)
      find_unit "$unit" || fail "Unit $name not found." 5
      rm -f "$wants/$name"
      [ $now = no ] || stop_unit "$unit"
      ;;
  esac
done
`;
