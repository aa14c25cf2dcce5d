/**
 * #cloud-config documents, compiled to shell scripts: the keys that user data in the field consists of. Order as in cloud-init: files, users and keys,
 * packages, commands. A key that is not supported is named in a note. Source: cloud-init, "All cloud config examples" and "Module reference".
 */
import { createRequire } from 'node:module';

export interface CloudConfigPlan {
  /** Runs at every boot (`bootcmd`). */
  bootScript?: string | undefined;
  /** Runs once. */
  script?: string | undefined;
  notes: readonly string[];
}

/** The YAML package when a document is first read: loading it with the program would cost every start 20 ms and 3 MB. */
const loadYaml = () => createRequire(import.meta.url)('yaml') as typeof import('yaml');

type Compiler = (value: unknown) => string[];

const timezonePattern = /^[A-Za-z0-9_+/-]+$/;

/** In the order in which they run. */
const compilers: readonly (readonly [string, Compiler])[] = [
  ['write_files', (value) => list(value).flatMap(compileFile)],
  ['timezone', compileTimezone],
  ['users', (value) => list(value).flatMap(compileUser)],
  ['ssh_authorized_keys', (value) => compileKeys('"$(cat /run/pilvi/user)"', list(value).map(String))],
  ['package_update', (value) => (value === true ? ['install_packages update'] : [])],
  ['package_upgrade', (value) => (value === true ? ['install_packages upgrade'] : [])],
  [
    'packages',
    (value) => [
      `install_packages install ${list(value)
        .map((item) => quote(String(item)))
        .join(' ')}`,
    ],
  ],
  ['runcmd', (value) => list(value).map(compileCommand)],
  ['final_message', (value) => [`printf '%s\\n' ${quote(String(value))}`]],
  ['power_state', compilePowerState],
];
const handledElsewhere = new Set(['bootcmd']);

/** The package manager of the machine is asked; without a mirror in reach it says so, and that is on the console. */
const installPackages = `install_packages() {
  action=$1
  shift
  if command -v apt-get > /dev/null; then DEBIAN_FRONTEND=noninteractive apt-get -y "$action" "$@"
  elif command -v dnf > /dev/null; then dnf -y "$action" "$@"
  elif command -v yum > /dev/null; then yum -y "$action" "$@"
  elif command -v apk > /dev/null; then case $action in install) apk add "$@" ;; *) apk "$action" ;; esac
  else echo "No package manager is installed: $action $*" >&2
  fi
}
`;

/** Compiles a document. Never throws: what cannot be read becomes a note. */
export function planCloudConfig(text: string): CloudConfigPlan {
  let document: unknown;
  try {
    // cloud-init reads YAML 1.1: yes and no are booleans, 0644 is octal.
    document = loadYaml().parse(text, { version: '1.1' });
  } catch (error) {
    return { notes: [`#cloud-config cannot be read: ${(error as Error).message.split('\n', 1)[0]}`] };
  }
  if (document === null) return { notes: [] };
  if (!isRecord(document)) return { notes: ['#cloud-config is not a list of keys and values; it was not run.'] };
  const notes: string[] = [];
  const known = new Set(compilers.map(([key]) => key));
  for (const key of Object.keys(document)) {
    if (!known.has(key) && !handledElsewhere.has(key))
      notes.push(`The #cloud-config key ${key} is not supported and was skipped.`);
  }
  const lines: string[] = [];
  for (const [key, compile] of compilers) {
    if (!(key in document)) continue;
    try {
      lines.push(...compile(document[key]));
    } catch (error) {
      notes.push(`The #cloud-config key ${key} was skipped: ${(error as Error).message}`);
    }
  }
  const needsPackages = lines.some((line) => line.startsWith('install_packages '));
  return {
    notes,
    script: lines.length === 0 ? undefined : `#!/bin/sh\n${needsPackages ? installPackages : ''}${lines.join('\n')}\n`,
    bootScript: 'bootcmd' in document ? `#!/bin/sh\n${list(document['bootcmd']).map(compileCommand).join('\n')}\n` : undefined,
  };
}

function compileCommand(command: unknown): string {
  return Array.isArray(command) ? command.map((part) => quote(String(part))).join(' ') : String(command);
}

function compileFile(file: unknown): string[] {
  if (!isRecord(file) || typeof file['path'] !== 'string') throw new Error('an entry has no path');
  const path = quote(file['path']);
  const encoding = String(file['encoding'] ?? 'text/plain');
  const isBase64 = /^(b64|base64|gz\+b64|gz\+base64|gzip\+b64|gzip\+base64)$/.test(encoding);
  if (!isBase64 && encoding !== 'text/plain') throw new Error(`the encoding ${encoding} is not supported`);
  const content = String(file['content'] ?? '');
  const encoded = isBase64 ? content.replace(/\s+/g, '') : Buffer.from(content).toString('base64');
  const decode = `printf %s ${quote(encoded)} | base64 -d${encoding.startsWith('gz') ? ' | gzip -dc' : ''}`;
  const permissions =
    typeof file['permissions'] === 'number' ? file['permissions'].toString(8) : String(file['permissions'] ?? '0644');
  return [
    `mkdir -p "$(dirname ${path})"`,
    `${decode} ${file['append'] === true ? '>>' : '>'} ${path}`,
    `chmod ${quote(permissions)} ${path}`,
    ...(file['owner'] === undefined ? [] : [`chown ${quote(String(file['owner']))} ${path}`]),
  ];
}

/** `default` stands for the image's user, who exists already. */
function compileUser(user: unknown): string[] {
  if (user === 'default') return [];
  const record = isRecord(user) ? user : { name: user };
  if (typeof record['name'] !== 'string') throw new Error('an entry has no name');
  const name = quote(record['name']);
  const options = [`-m -s ${quote(String(record['shell'] ?? '/bin/bash'))}`];
  if (record['gecos'] !== undefined) options.push(`-c ${quote(String(record['gecos']))}`);
  const groups = Array.isArray(record['groups']) ? record['groups'].join(',') : record['groups'];
  if (groups !== undefined) options.push(`-G ${quote(String(groups).replace(/\s+/g, ''))}`);
  const rules = record['sudo'] === undefined || record['sudo'] === false ? [] : list(record['sudo']);
  return [
    `id ${name} > /dev/null 2>&1 || useradd ${options.join(' ')} ${name}`,
    ...rules.map((rule) => `printf '%s\\n' ${quote(`${record['name']} ${rule}`)} >> /etc/sudoers.d/90-cloud-init-users`),
    ...compileKeys(name, list(record['ssh_authorized_keys'] ?? []).map(String)),
  ];
}

function compileKeys(user: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  return [
    `home=$(getent passwd ${user} | cut -d: -f6) && mkdir -p "$home/.ssh" && printf '%s\\n' ${keys.map(quote).join(' ')} >> "$home/.ssh/authorized_keys"`,
    `chown -R ${user}: "$home/.ssh" && chmod 700 "$home/.ssh" && chmod 600 "$home/.ssh/authorized_keys"`,
  ];
}

function compileTimezone(value: unknown): string[] {
  const zone = String(value);
  if (!timezonePattern.test(zone)) throw new Error('it is no time zone');
  return [`ln -sf /usr/share/zoneinfo/${zone} /etc/localtime`, `echo ${zone} > /etc/timezone`];
}

function compilePowerState(value: unknown): string[] {
  if (!isRecord(value) || !['poweroff', 'halt', 'reboot'].includes(String(value['mode'])))
    throw new Error('mode is none of poweroff, halt, reboot');
  const delay = String(value['delay'] ?? 'now');
  return [`shutdown ${value['mode'] === 'reboot' ? '-r' : '-h'} ${quote(/^\d+$/.test(delay) ? `+${delay}` : delay)}`];
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
