/**
 * The programs inside a machine that need rights a machine has not: mount, umount, resize2fs, xfs_growfs and mkfs.xfs of its own disks. They are shell scripts that ask the
 * plane (mount-desk.ts) by a named pipe, one line there and one line back, one at a time:
 *
 *     ask      ID <tab> VERB <tab> NAME <tab> TYPE <tab> OPTIONS <tab> TARGET
 *     answer   ID <tab> STATUS <tab> WORDS
 */

/** Where the pipes are inside. */
export const deskFolder = '/run/pilvi-desk';

/** Shell functions: `ask VERB NAME TYPE OPTIONS TARGET` prints the words and returns the status; `device_of SPEC` prints the name of a disk. */
const deskFunctions = `
tab=$(printf '\\t')
ask() {
  id=$$.$(date +%s%N)
  (
    flock 9
    printf '%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n' "$id" "$1" "$2" "$3" "$4" "$5" > ${deskFolder}/ask
    while IFS=$tab read -r got status words; do
      [ "$got" = "$id" ] && break
    done < ${deskFolder}/answer
    [ -z "$words" ] || { [ "$status" = 0 ] && echo "$words" || echo "$words" >&2; }
    exit "$status"
  ) 9> /run/lock/pilvi-desk
}
need_root() {
  [ "$(id -u)" = 0 ] || { echo "$tool: must be superuser to use $tool." >&2; exit 32; }
}
by_tag() {
  for node in /dev/nvme[0-9]*n1 /dev/xvd[a-z]* /dev/sd[a-z]*; do
    [ -b "$node" ] && [ ! -L "$node" ] || continue
    [ "$(blkid -p -o value -s "$1" "$node" 2> /dev/null)" = "$2" ] && { echo "$node"; return; }
  done
  return 1
}
device_of() {
  value=\${1#*=}; value=\${value#\\"}; value=\${value%\\"}
  case $1 in
    UUID=*) path=$(by_tag UUID "$value") ;;
    LABEL=*) path=$(by_tag LABEL "$value") ;;
    *) path=$1 ;;
  esac || { echo "$tool: can't find $1." >&2; return 1; }
  path=$(readlink -f "$path")
  [ -b "$path" ] || { echo "$tool: $1 is not a block device." >&2; return 1; }
  echo "\${path#/dev/}"
}
listed() {
  awk -v want="$1" '{ gsub(/\\\\040/, " ") } $2 == want { found = 1 } END { exit !found }' /proc/self/mounts
}
from_table() {
  awk -v want="$1" '!/^[ \\t]*#/ && NF >= 3 && ($1 == want || $2 == want) { print $1 "\\t" $2 "\\t" $3 "\\t" $4; exit }' /etc/fstab
}
`;

const mountTool = `#!/bin/sh
# mount of a machine's own disks: the plane outside does it, since machines may not.
tool=mount
${deskFunctions}
type=auto options= all= source= target= count=0 quiet=
while [ $# -gt 0 ]; do
  case $1 in
    -t|--types) type=$2; shift ;;
    -t*) type=\${1#-t} ;;
    --types=*) type=\${1#*=} ;;
    -o|--options) options=$options,$2; shift ;;
    -o*) options=$options,\${1#-o} ;;
    --options=*) options=$options,\${1#*=} ;;
    -r|--read-only) options=$options,ro ;;
    -w|--rw|--read-write) options=$options,rw ;;
    -a|--all) all=1 ;;
    -L|--label) source=LABEL=$2; count=1; shift ;;
    -U|--uuid) source=UUID=$2; count=1; shift ;;
    -l|-v|--verbose|-n|--no-mtab|-i|-c) ;;
    --) ;;
    -V|--version) echo 'mount from pilvi'; exit 0 ;;
    -*) echo "mount: the option $1 is not supported on this machine." >&2; exit 1 ;;
    *) count=$((count + 1)); if [ $count = 1 ]; then source=$1; else target=$1; fi ;;
  esac
  shift
done
options=\${options#,}
one() {
  # source target type options
  case ,$4, in *,bind,*|*,rbind,*) echo 'mount: only disks and tmpfs can be mounted on this machine, not folders.' >&2; return 32 ;; esac
  place=$(readlink -f "$2")
  [ -d "$place" ] || { echo "mount: $2: mount point does not exist." >&2; return 32; }
  case ,$4, in *,remount,*) ask remount - - "$4" "$place"; return ;; esac
  if [ "$3" = tmpfs ]; then ask memory - tmpfs "$4" "$place"; return; fi
  name=$(device_of "$1") || return 32
  ask mount "$name" "$3" "$4" "$place"
}
if [ -n "$all" ]; then
  need_root
  failed=0
  while read -r source target type options rest; do
    case $source in ''|'#'*) continue ;; esac
    case ,$options, in *,noauto,*) continue ;; esac
    case $target in /|none|swap) continue ;; esac
    case $type in proc|sysfs|devpts|swap) continue ;; esac
    listed "$target" && continue
    case ,$options, in *,nofail,*) one "$source" "$target" "$type" "$options" 2> /dev/null || : ;; *) one "$source" "$target" "$type" "$options" || failed=64 ;; esac
  done < /etc/fstab
  exit $failed
fi
if [ $count = 0 ]; then
  [ "$type" = auto ] && type=
  awk -v type="$type" 'type == "" || $3 == type { print $1 " on " $2 " type " $3 " (" $4 ")" }' /proc/self/mounts
  exit 0
fi
need_root
if [ $count = 1 ]; then
  case ,$options, in
    *,remount,*) target=$source; source=none ;;
    *)
      line=$(from_table "$source")
      [ -n "$line" ] || { echo "mount: $source: can't find in /etc/fstab." >&2; exit 1; }
      IFS=$tab read -r source target type given <<LINE
$line
LINE
      options=\${options:+$given,$options}; options=\${options:-$given}
      ;;
  esac
fi
one "$source" "$target" "$type" "$options"
`;

const umountTool = `#!/bin/sh
tool=umount
${deskFunctions}
lazy=- failed=0 given=
while [ $# -gt 0 ]; do
  case $1 in
    -l|--lazy) lazy=lazy ;;
    -f|--force|-v|--verbose|-n|-i|-q|-d|-R) ;;
    -a|--all) given=$(awk '$1 ~ "^/dev/(nvme|xvd|sd)" { print $2 }' /proc/self/mounts | sort -r) ;;
    --) ;;
    -*) echo "umount: the option $1 is not supported on this machine." >&2; exit 1 ;;
    *) given="$given
$1" ;;
  esac
  shift
done
need_root
[ -n "$given" ] || { echo 'umount: bad usage' >&2; exit 1; }
while read -r path; do
  [ -n "$path" ] || continue
  if [ -b "$path" ]; then
    node=$(readlink -f "$path")
    place=$(awk -v node="$node" '$1 == node { place = $2 } END { print place }' /proc/self/mounts)
  else
    place=$(readlink -f "$path")
  fi
  { [ -n "$place" ] && listed "$place"; } || { echo "umount: $path: not mounted." >&2; failed=32; continue; }
  ask umount - - $lazy "$place" || failed=$?
done <<LIST
$given
LIST
exit $failed
`;

/** A mounted file system is grown by the plane; anything else is the host's own program. */
const growTool = (tool: string, program: string): string => `#!/bin/sh
tool=${tool}
${deskFunctions}
for last; do :; done
place=$last
[ -b "$last" ] && place=$(awk -v node="$(readlink -f "$last")" '$1 == node { print $2; exit }' /proc/self/mounts)
if [ -n "$place" ] && node=$(awk -v place="$place" '$2 == place { print $1; exit }' /proc/self/mounts) && [ -b "$node" ]; then
  ask grow "\${node#/dev/}" - - "$place"
  exit
fi
exec ${program} "$@"
`;

/** Options go to the plane as one word, each without spaces. */
const mkfsXfsTool = `#!/bin/sh
tool=mkfs.xfs
${deskFunctions}
for last; do :; done
name=$(device_of "$last") || exit 1
options=
while [ $# -gt 1 ]; do options="$options $1"; shift; done
ask mkfs "$name" xfs "\${options# }" /
`;

/** Programs put over the host's of the same name, or before them in the search path. */
export const mountTools: ReadonlyMap<string, string> = new Map([
  ['/usr/bin/mount', mountTool],
  ['/usr/bin/umount', umountTool],
  ['/usr/local/sbin/resize2fs', growTool('resize2fs', '/usr/sbin/resize2fs')],
  ['/usr/local/sbin/mkfs.xfs', mkfsXfsTool],
  ['/usr/local/sbin/xfs_growfs', growTool('xfs_growfs', '/usr/sbin/xfs_growfs')],
]);
