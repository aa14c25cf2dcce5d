/**
 * The programs of the CloudWatch agent inside instances. Amazon's agent is a program of 100 MB that cannot be had here, so this is Pilvi's own, with its
 * paths, commands and configuration, and its logs part only. Shell and awk, as all guest programs are, with curl to send and sign.
 *
 * One process for each entry of the configuration follows its file by an open descriptor, so what was written before a rotation is read to its end, and
 * notes how far it has come: a line is sent again rather than lost. Nothing runs until it is started.
 */
import { configProgram } from './log-agent-config.ts';
import { jsonFunctions, jsonGet } from './json-awk.ts';

const base = '/opt/aws/amazon-cloudwatch-agent';

/** PutLogEvents: at most 10,000 events, and 1 MiB of messages with 26 bytes for each. */
const batch = { events: 10_000, bytes: 1_048_576, each: 26 } as const;
/** "Each log event can be no larger than 256 KB": longer lines are cut, and end with these words. */
const line = { bytes: 262_144 - batch.each, end: '[Truncated...]' } as const;

/**
 * An awk program that makes a PutLogEvents request of lines. `partial` 1: the last line has no end yet, and counts only with `final` 1 (nothing follows) or
 * `full` 1 (it is longer than can be read); `skip` 1: the first line is the rest of one that was cut. Writes into the file `note`: bytes used, events, next skip.
 */
const batchProgram = String.raw`${jsonFunctions}
function event(s, ended, cut) {
  if (stopped) return
  cut = s
  if (length(cut) > ${line.bytes}) {
    cut = substr(cut, 1, ${line.bytes - line.end.length})
    while (cut ~ /[\200-\277]$/) cut = substr(cut, 1, length(cut) - 1)
    if (cut ~ /[\300-\377]$/) cut = substr(cut, 1, length(cut) - 1)
    cut = cut "${line.end}"
  }
  if (skip || cut ~ /^[ \t\r]*$/) {
    used += length(s) + ended
    if (ended) skip = 0
    return
  }
  if (events == ${batch.events} || bytes + length(cut) + ${batch.each} > ${batch.bytes}) {
    stopped = 1
    return
  }
  bytes += length(cut) + ${batch.each}
  used += length(s) + ended
  print "" (events++ ? "," : "") "{\"timestamp\":" now ",\"message\":" quoted(cut) "}"
  if (!ended && !final) skip = 1
}
BEGIN {
  used = events = 0
  print "{\"logGroupName\":" quoted(ENVIRON["group"]) ",\"logStreamName\":" quoted(ENVIRON["stream"]) ",\"logEvents\":["
}
NR > 1 { event(last, 1) }
{ last = $0 }
END {
  if (NR && (!partial || final || full)) event(last, !partial)
  print "]}"
  print used, events, skip + 0 > note
}
`;

const common = String.raw`
base=${base}
configuration=$base/etc/agent.conf
log=$base/logs/amazon-cloudwatch-agent.log
metadata=http://169.254.169.254/latest
tab=$(printf '\t')
export LC_ALL=C

json_get() {
  awk -v want="$1" '${jsonGet}'
}
imds() {
  curl -s -f -m 5 -H "X-aws-ec2-metadata-token: $(curl -s -f -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' $metadata/api/token)" "$metadata/$1"
}
# Where the services are: told to the machine's first process, whatever started this one.
inside_endpoint() {
  tr '\000' '\n' < /proc/1/environ | sed -n 's/^AWS_ENDPOINT_URL=//p'
}
can_send() {
  command -v curl > /dev/null || { echo 'the host has no curl, by which this agent sends' >&2; return 1; }
  curl --help all | grep -q aws-sigv4 || { echo 'the curl of the host is too old to sign what this agent sends (7.75 can)' >&2; return 1; }
}
credentials() {
  role=$(imds meta-data/iam/security-credentials/) && [ -n "$role" ] || return 1
  found=$(imds "meta-data/iam/security-credentials/$role") || return 1
  key=$(echo "$found" | json_get AccessKeyId) && secret=$(echo "$found" | json_get SecretAccessKey) && session=$(echo "$found" | json_get Token)
}
# call SERVICE TARGET BODY-FILE: the answer is in $answer; returns 0 for success, and otherwise $code says why.
call() {
  url=$endpoint
  [ -n "$url" ] || url=$(inside_endpoint)
  [ -n "$url" ] || url=https://$1.$region.amazonaws.com
  if [ -z "$key" ] && ! credentials; then
    key='' code='NoCredentials: the instance has no role, or its metadata service does not answer'
    return 1
  fi
  : > "$answer"
  status=$(printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' "$key" "$secret" "$session" |
    curl -s -m 60 -K - -o "$answer" -w '%{http_code}' --aws-sigv4 "aws:amz:$region:$1" -H 'content-type: application/x-amz-json-1.1' \
      -H "x-amz-target: $2" --data-binary @"$3" "$url/") || status=000
  [ "$status" = 200 ] && return 0
  code=$(json_get __type < "$answer" 2> /dev/null)
  code=$status:$(printf %s "$code" | sed 's/.*#//')
  # Another role, or a session that ended: they are asked for anew.
  key=
  return 1
}
`;

const agentProgram = String.raw`#!/bin/sh
# Pilvi's CloudWatch agent: ships log files.
${common}
say() {
  echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1" >> "$log"
}
quote() {
  awk '${jsonFunctions}
BEGIN { print quoted(ENVIRON["words"]) }'
}
json() {
  words=$1 quote
}
fill() {
  printf %s "$1" | sed "s|{instance_id}|$instance|g; s|{hostname}|$host|g; s|{local_hostname}|$local|g; s|{ip_address}|$address|g"
}

# The file that the pattern stands for now: the one written to last.
newest() {
  found=
  for each in $pattern; do
    [ -f "$each" ] || continue
    if [ -z "$found" ] || [ "$each" -nt "$found" ]; then found=$each; fi
  done
}
note_file() {
  noted=$base/logs/state/$(printf '%s|%s|%s' "$1" "$template" "$stream" | tr -c 'A-Za-z0-9.\n' _)
}
keep() {
  echo "$offset $inode" > "$noted.new" && mv "$noted.new" "$noted"
}
# Opens the newest file where reading it ended, or what was rotated away while nothing ran.
open_file() {
  newest
  [ -n "$found" ] || return 1
  note_file "$found"
  name=$found offset=0 before=
  [ -s "$noted" ] && IFS=' ' read -r offset before < "$noted"
  old=$found
  if [ -n "$before" ] && [ "$(stat -L -c %i "$found")" != "$before" ]; then
    old=$(find "$(dirname "$found")" -maxdepth 1 -type f -inum "$before" | head -n 1)
    if [ -z "$old" ]; then old=$found offset=0; fi
  fi
  # In a layered file system the open file is the one that is written to only after a first write.
  touch -c -r "$old" "$old" 2> /dev/null
  { command exec 3< "$old"; } 2> /dev/null || return 1
  inode=$(stat -L -c %i /proc/self/fd/3)
  skipping=0
  group=$template
  if [ "$group" = - ]; then
    case $name in */*.*) group=$(echo "$name" | sed 's|\.[^./]*$||') ;; *) group=$name ;; esac
    group=$(printf %s "$group" | tr -c 'A-Za-z0-9_/.#-' _)
  fi
  export group stream
  say "I! following $old into $group $stream from byte $offset"
}

create() {
  printf '{"logGroupName":%s,"logStreamName":%s}' "$(json "$group")" "$(json "$stream")" > "$work/create"
  call logs Logs_20140328.CreateLogStream "$work/create" && return
  case $code in
    *:ResourceAlreadyExistsException) return ;;
    *:ResourceNotFoundException) ;;
    *) return 1 ;;
  esac
  printf '{"logGroupName":%s}' "$(json "$group")" > "$work/group"
  call logs Logs_20140328.CreateLogGroup "$work/group" || case $code in *:ResourceAlreadyExistsException) ;; *) return 1 ;; esac
  call logs Logs_20140328.CreateLogStream "$work/create" || case $code in *:ResourceAlreadyExistsException) ;; *) return 1 ;; esac
}
retain() {
  [ "$days" != 0 ] && [ "$retained" != "$group" ] || return 0
  printf '{"logGroupName":%s,"retentionInDays":%s}' "$(json "$group")" "$days" > "$work/group"
  call logs Logs_20140328.PutRetentionPolicy "$work/group" || { say "E! retention of $group: $code"; return 0; }
  retained=$group
}
# Sends the batch until it is taken. What can never be taken is dropped, and said.
deliver() {
  pause=1
  while ! call logs Logs_20140328.PutLogEvents "$work/body"; do
    case $code in
      *:ResourceNotFoundException) create && continue ;;
      400:InvalidParameterException | 400:SerializationException)
        say "E! dropped $events lines of $name: $code"
        return
        ;;
    esac
    say "E! $name to $group $stream: $code, trying again in $pause s"
    sleep $pause
    pause=$((pause * 2))
    [ $pause -le 60 ] || pause=60
  done
  retain
}
# Sends what the open file has; $1 is 1 when nothing follows in it.
ship() {
  while :; do
    size=$(stat -L -c %s /proc/self/fd/3)
    if [ "$size" -lt "$offset" ]; then
      say "I! $name was cut, reading it from its beginning"
      offset=0
    fi
    [ "$size" -gt "$offset" ] || return 0
    # A zero byte is no character of a message, and awk may end there.
    tail -c +$((offset + 1)) /proc/self/fd/3 | head -c ${batch.bytes} | tr '\000' ' ' > "$work/chunk"
    partial=1 full=0 now=$(date +%s%3N)
    case $now in *[!0-9]*) now=$(date +%s)000 ;; esac
    [ -n "$(tail -c 1 "$work/chunk")" ] || partial=0
    length=$(wc -c < "$work/chunk") final=$1
    [ $((offset + length)) -ge "$size" ] || final=0
    if [ "$length" -eq ${batch.bytes} ] && [ "$(wc -l < "$work/chunk")" -eq 0 ]; then full=1; fi
    awk -v partial=$partial -v final=$final -v full=$full -v skip=$skipping -v now="$now" -v note="$work/note" '${batchProgram}' "$work/chunk" > "$work/body"
    IFS=' ' read -r used events skipping < "$work/note"
    [ "$used" -gt 0 ] || return 0
    [ "$events" -eq 0 ] || deliver
    offset=$((offset + used))
    keep
  done
}
follow() {
  work=$(mktemp -d /run/cloudwatch-agent.XXXXXX) || exit 1
  answer=$work/answer
  while :; do
    if open_file; then
      while newest; [ -z "$found" ] || [ "$found" -ef /proc/self/fd/3 ]; do
        ship 0
        sleep "$flush"
      done
      # Another file has taken its place. Whatever was still written to this one has been by now.
      ship 1
      exec 3<&-
      # The next is a new one, unless it has a note of its own.
      if [ "$found" = "$name" ]; then
        offset=0 inode=$(stat -L -c %i "$found")
        keep
      fi
    else
      sleep "$flush"
    fi
  done
}

can_send || exit 1
[ -s $configuration ] || { echo 'amazon-cloudwatch-agent: not configured: use amazon-cloudwatch-agent-ctl -a fetch-config' >&2; exit 1; }
mkdir -p $base/logs/state
: > /run/amazon-cloudwatch-agent.started
rm -rf /run/cloudwatch-agent.*
flush=5 region= endpoint= key=
while IFS=$tab read -r word first rest; do
  case $word in
    flush) flush=$first ;;
    region) region=$first ;;
    endpoint) case $first in *://*) endpoint=$first ;; *) endpoint=https://$first ;; esac ;;
    logfile) mkdir -p "$(dirname "$first")" && log=$first ;;
  esac
done < $configuration
pause=1
until instance=$(imds meta-data/instance-id); do
  say 'E! the metadata service does not answer'
  sleep $pause
  [ $pause -ge 60 ] || pause=$((pause * 2))
done
host=$(imds meta-data/hostname)
address=$(imds meta-data/local-ipv4)
read -r local < /proc/sys/kernel/hostname
[ -n "$region" ] || region=$(imds meta-data/placement/region)
workers=
trap 'kill $workers; exit 0' TERM INT
say "I! started on $instance in $region"
while IFS=$tab read -r word pattern template stream days; do
  [ "$word" = file ] || continue
  template=$(fill "$template") stream=$(fill "$stream")
  (trap - TERM INT; IFS=; follow) < /dev/null &
  workers="$workers $!"
done < $configuration
wait
exit 1
`;

const controlProgram = String.raw`#!/bin/sh
# amazon-cloudwatch-agent-ctl of Pilvi's CloudWatch agent.
${common}
unit=amazon-cloudwatch-agent
refuse() {
  echo "amazon-cloudwatch-agent-ctl: $1" >&2
  exit 1
}
state() {
  if systemctl -q is-active $unit; then echo running; else echo stopped; fi
}
start() {
  can_send || exit 1
  [ -s $configuration ] || refuse 'not configured: use -a fetch-config -c file:PATH'
  systemctl enable $unit && systemctl start $unit
}
fetch() {
  mkdir -p $base/etc/amazon-cloudwatch-agent.d $base/logs
  case $1 in
    file:*)
      [ -r "${'$'}{1#file:}" ] || refuse "${'$'}{1#file:} cannot be read"
      cat "${'$'}{1#file:}" > $base/etc/fetched
      ;;
    ssm:*) fetch_parameter "${'$'}{1#ssm:}" > $base/etc/fetched || exit 1 ;;
    *) refuse "-c $1 is not supported by this agent: only file:PATH and ssm:PARAMETER" ;;
  esac
  if ! awk '${configProgram}' $base/etc/fetched > $configuration.new; then
    rm -f $configuration.new
    refuse "the configuration was not taken: $1"
  fi
  name=$(printf %s "$1" | sed 's|:.*/|:|' | tr -c 'A-Za-z0-9.-' _)
  rm -f $base/etc/amazon-cloudwatch-agent.d/*
  mv $base/etc/fetched "$base/etc/amazon-cloudwatch-agent.d/$name"
  mv $configuration.new $configuration
  echo "Successfully fetched the config and saved in $base/etc/amazon-cloudwatch-agent.d/$name"
  echo 'Configuration validation succeeded'
}
fetch_parameter() {
  can_send || exit 1
  answer=$(mktemp) endpoint= key=
  region=$(imds meta-data/placement/region) || refuse 'the metadata service does not answer'
  words=$1 awk '${jsonFunctions}
BEGIN { print "{\"Name\":" quoted(ENVIRON["words"]) ",\"WithDecryption\":true}" }' > "$answer.body"
  call ssm AmazonSSM.GetParameter "$answer.body" && json_get Parameter.Value < "$answer"
  found=$?
  rm -f "$answer" "$answer.body"
  [ $found = 0 ] || refuse "the parameter $1 cannot be fetched: $code"
}

action= from= restart=no
while getopts ':hsa:c:m:l:' option; do
  case $option in
    s) restart=yes ;;
    a) action=$OPTARG ;;
    c) from=$OPTARG ;;
    m) case $OPTARG in ec2 | auto) ;; *) refuse "-m $OPTARG is not supported by this agent" ;; esac ;;
    h) echo 'usage: amazon-cloudwatch-agent-ctl -a stop|start|status|fetch-config [-m ec2|auto] [-c ssm:PARAMETER|file:PATH] [-s]'; exit ;;
    :) refuse "the option -$OPTARG needs a value" ;;
    *) refuse "the option -$OPTARG is not supported by this agent" ;;
  esac
done
[ "$(id -u)" = 0 ] || [ "$action" = status ] || refuse 'only root may do this'
case $action in
  start) start ;;
  stop) systemctl stop $unit ;;
  fetch-config)
    fetch "$from"
    [ $restart = no ] || { systemctl stop $unit; start; }
    ;;
  status)
    since= configured='not configured'
    [ "$(state)" = stopped ] || since=$(date -u -d "@$(stat -c %Y /run/amazon-cloudwatch-agent.started)" +%Y-%m-%dT%H:%M:%S+00:00)
    [ -s $configuration ] && configured=configured
    printf '{\n  "status": "%s",\n  "starttime": "%s",\n  "configstatus": "%s",\n  "version": "pilvi"\n}\n' "$(state)" "$since" "$configured"
    ;;
  *) refuse "-a $action is not supported by this agent: only start, stop, status and fetch-config" ;;
esac
`;

const unitFile = `[Unit]
Description=Amazon CloudWatch Agent

[Service]
Type=simple
ExecStart=${base}/bin/amazon-cloudwatch-agent
Restart=on-failure
RestartSec=60s

[Install]
WantedBy=multi-user.target
`;

/** Programs that instances find installed, by path: the CloudWatch agent, its control program and its unit file. */
export const logAgentPrograms: ReadonlyMap<string, string> = new Map([
  [`${base}/bin/amazon-cloudwatch-agent`, agentProgram],
  [`${base}/bin/amazon-cloudwatch-agent-ctl`, controlProgram],
  ['/usr/lib/systemd/system/amazon-cloudwatch-agent.service', unitFile],
]);
