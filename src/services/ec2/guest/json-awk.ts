/**
 * JSON in POSIX awk, for the programs of an instance: its image may have no other language. Run in the C locale, so that strings are bytes and UTF-8
 * passes through. Written for mawk, gawk and busybox alike: no extensions, and no gsub whose replacement has a backslash, which they read differently.
 */

/** Functions: `parse(text)` fills `leaf["a.b[0].c"]` with values and `kind[...]` with their types, in the order of `path[1..count]`; `quoted(s)` is s as JSON. */
export const jsonFunctions = String.raw`
function fail(words) {
  if (!failed) print words > "/dev/stderr"
  failed = 1
  exit 1
}
function blank() {
  if (match(rest, /^[ \t\r\n]+/)) rest = substr(rest, RLENGTH + 1)
}
function take(word) {
  blank()
  if (substr(rest, 1, length(word)) != word) return 0
  rest = substr(rest, length(word) + 1)
  return 1
}
function need(word) {
  if (!take(word)) fail("not valid JSON: " word " expected before: " substr(rest, 1, 40))
}
function hex(s, n, i) {
  n = 0
  for (i = 1; i <= 4; i++) n = n * 16 + index("0123456789abcdef", tolower(substr(s, i, 1))) - 1
  return n
}
function utf8(n) {
  if (n < 128) return sprintf("%c", n)
  if (n < 2048) return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
  if (n < 65536) return sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
  return sprintf("%c%c%c%c", 240 + int(n / 262144), 128 + int(n / 4096) % 64, 128 + int(n / 64) % 64, 128 + n % 64)
}
function text_of(out, c, n) {
  out = ""
  while (match(rest, /["\\]/)) {
    out = out substr(rest, 1, RSTART - 1)
    c = substr(rest, RSTART, 1)
    rest = substr(rest, RSTART + 1)
    if (c == "\"") return out
    c = substr(rest, 1, 1)
    rest = substr(rest, 2)
    if (c == "n") out = out "\n"
    else if (c == "t") out = out "\t"
    else if (c == "r") out = out "\r"
    else if (c == "b") out = out "\b"
    else if (c == "f") out = out "\f"
    else if (c == "u") {
      n = hex(rest)
      rest = substr(rest, 5)
      if (n >= 55296 && n < 56320 && substr(rest, 1, 2) == "\\u") {
        n = 65536 + (n - 55296) * 1024 + hex(substr(rest, 3)) - 56320
        rest = substr(rest, 7)
      }
      out = out utf8(n)
    } else out = out c
  }
  fail("not valid JSON: a string does not end")
}
function value(at, key, i) {
  if (failed) return
  if (take("{")) {
    if (take("}")) return put(at, "object", "")
    do {
      need("\"")
      key = text_of()
      need(":")
      value(at == "" ? key : at "." key)
    } while (!failed && take(","))
    return need("}")
  }
  if (take("[")) {
    if (take("]")) return put(at, "array", "")
    i = 0
    do value(at "[" i++ "]")
    while (!failed && take(","))
    return need("]")
  }
  if (take("\"")) return put(at, "string", text_of())
  if (!match(rest, /^(-?[0-9][-+.0-9eE]*|true|false|null)/)) fail("not valid JSON near: " substr(rest, 1, 40))
  key = substr(rest, 1, RLENGTH)
  rest = substr(rest, RLENGTH + 1)
  put(at, key ~ /^[-0-9]/ ? "number" : key, key)
}
function put(at, type, is) {
  path[++count] = at
  kind[at] = type
  leaf[at] = is
}
function parse(text) {
  rest = text
  value("")
  blank()
  if (!failed && rest != "") fail("not valid JSON: more text after the end: " substr(rest, 1, 40))
}
function escapes_made(i) {
  for (i = 1; i < 32; i++) escape[sprintf("%c", i)] = sprintf("\\u%04x", i)
  escape["\t"] = "\\t"
  escape["\""] = "\\\""
  escape["\\"] = "\\\\"
}
function quoted(s, out) {
  if (!("\\" in escape)) escapes_made()
  out = "\""
  while (match(s, /["\\\001-\037]/)) {
    out = out substr(s, 1, RSTART - 1) escape[substr(s, RSTART, 1)]
    s = substr(s, RSTART + 1)
  }
  return out s "\""
}
`;

/** Prints the value at the path `want` of the JSON text it reads; ends with 1 when there is none. */
export const jsonGet = String.raw`${jsonFunctions}
{ whole = whole $0 "\n" }
END {
  if (failed) exit 1
  parse(whole)
  if (failed || !(want in leaf)) exit 1
  print leaf[want]
}
`;
