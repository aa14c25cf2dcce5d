/**
 * Reads the CloudWatch agent's configuration file: the logs part of it, as "Manually create or edit the CloudWatch agent configuration file" of the
 * CloudWatch user guide describes it. What Pilvi's agent does not follow is refused by its key, so that no setting is without effect.
 */
import { jsonFunctions } from './json-awk.ts';

/**
 * An awk program that reads the configuration and prints what the agent runs by, fields separated by tabs:
 *
 *     region REGION / flush SECONDS / endpoint URL / logfile PATH
 *     file PATTERN GROUP STREAM DAYS        GROUP -: made from the file's own name. DAYS 0: retention is left as it is
 *
 * Ends with 1 and one line for each objection on standard error.
 */
export const configProgram = String.raw`${jsonFunctions}
{ whole = whole $0 "\n" }
function refuse(at, why) {
  print at ": " why > "/dev/stderr"
  refused = 1
}
function is_text(at) {
  if (kind[at] != "string" || leaf[at] == "") refuse(at, "must be a string that is not empty")
  else if (leaf[at] ~ /[\001-\037]/) refuse(at, "must not contain control characters")
}
function only(at, allowed) {
  if (leaf[at] != allowed) refuse(at, "only " allowed " is supported by this agent")
}
function is_name(at, name) {
  is_text(at)
  name = leaf[at]
  while (match(name, /[{][^}]*[}]?/)) {
    if (substr(name, RSTART, RLENGTH) !~ /^[{](instance_id|hostname|local_hostname|ip_address)[}]$/)
      refuse(at, substr(name, RSTART, RLENGTH) " is not supported by this agent")
    name = substr(name, RSTART + RLENGTH)
  }
}
function check_file(at, key) {
  if (key == "file_path") {
    is_text(at)
    if (leaf[at] !~ /^\//) refuse(at, "must begin with /")
    if (leaf[at] ~ /[*][*]|[{}]/) refuse(at, "** and braces are not supported by this agent")
  } else if (key == "log_group_name" || key == "log_stream_name") is_name(at)
  else if (key == "timezone") {
    # Without timestamp_format it says nothing, in AWS as here.
    if (leaf[at] != "UTC" && leaf[at] != "Local" && leaf[at] != "LOCAL") refuse(at, "must be UTC or Local")
  } else if (key == "encoding") {
    if (leaf[at] != "utf-8" && leaf[at] != "ascii") refuse(at, "only utf-8 is supported by this agent")
  } else if (key == "auto_removal") only(at, "false")
  else if (key == "log_group_class") only(at, "STANDARD")
  else if (key == "retention_in_days") {
    if (leaf[at] !~ /^(-1|1|3|5|7|14|30|60|90|120|150|180|365|400|545|731|1096|1827|2192|2557|2922|3288|3653)$/)
      refuse(at, "is not a number of days that log groups can have")
  } else unknown(at)
}
function unknown(at) {
  refuse(at, "is not supported by this agent, which is not Amazon\047s but Pilvi\047s own, and ships log files only")
}
function check(at, n, key) {
  if (match(at, /^logs\.logs_collected\.files\.collect_list\[[0-9]+\]\./)) {
    key = substr(at, RLENGTH + 1)
    n = substr(at, 40) + 0
    if (n >= files) files = n + 1
    check_file(at, key)
  } else if (at == "agent.region" || at == "agent.logfile" || at == "logs.endpoint_override") is_text(at)
  # Nothing is measured, so how often says nothing.
  else if (at == "agent.metrics_collection_interval") return
  else if (at == "agent.run_as_user") only(at, "root")
  else if (at == "agent.debug") only(at, "false")
  else if (at == "logs.log_stream_name") is_name(at)
  else if (at == "logs.force_flush_interval") {
    if (leaf[at] !~ /^[1-9][0-9]*$/) refuse(at, "must be a whole number of seconds")
  } else if (at != "" && (at != "agent" || kind[at] != "object")) unknown(at)
}
# Looking at an element of an array would make it.
function given(at) {
  return at in leaf ? leaf[at] : ""
}
function set_to(word, at) {
  if (at in leaf) print word "\t" leaf[at]
}
END {
  if (failed) exit 1
  parse(whole)
  if (failed) exit 1
  files = 0
  for (i = 1; i <= count; i++) check(path[i])
  list = "logs.logs_collected.files.collect_list"
  if (!files && !refused) refuse(list, "must name at least one file")
  for (i = 0; i < files; i++) if (!(list "[" i "].file_path" in leaf)) refuse(list "[" i "].file_path", "is required")
  for (i = 0; i < files; i++) {
    one = list "[" i "]"
    same = given(one ".file_path") "\t" given(one ".log_group_name") "\t" given(one ".log_stream_name")
    if (same in seen) refuse(one, "is listed twice")
    seen[same] = 1
  }
  if (refused) exit 1
  set_to("region", "agent.region")
  set_to("logfile", "agent.logfile")
  set_to("endpoint", "logs.endpoint_override")
  set_to("flush", "logs.force_flush_interval")
  for (i = 0; i < files; i++) {
    one = list "[" i "]."
    stream = "logs.log_stream_name" in leaf ? leaf["logs.log_stream_name"] : "{instance_id}"
    if ((one "log_stream_name") in leaf) stream = leaf[one "log_stream_name"]
    days = (one "retention_in_days") in leaf ? leaf[one "retention_in_days"] : 0
    print "file\t" leaf[one "file_path"] "\t" ((one "log_group_name") in leaf ? leaf[one "log_group_name"] : "-") "\t" stream "\t" (days > 0 ? days : 0)
  }
}
`;
