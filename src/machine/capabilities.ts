/**
 * What this host lets Pilvi do, found out by trying, all at once, in throw-away namespaces that end with each trial. Feeds `pilvi doctor` and the
 * lines at start that say what is limited. Rejected: reading versions and settings, which says what should work and not what does (containers,
 * security modules and seccomp filters refuse what the kernel could do).
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { CommandFailure, findProgram, tryCommand } from './command.ts';

export interface Capability {
  available: boolean;
  /** Why not, as one sentence without its full stop; absent when available. */
  reason?: string;
  /** Debian package to install; absent when available, or when no package would help. */
  package?: string;
}

export interface HostCapabilities {
  /** Network, mount and process namespaces, with this user's rights or through a user namespace. Without them: API only. */
  namespaces: Capability;
  userNamespaces: Capability;
  /** Links between namespaces. */
  ip: Capability;
  /** Packet rules with connection tracking and translation. */
  nft: Capability;
  /** Layered file systems. */
  overlay: Capability;
  /** An OCI runtime: runc or crun. */
  runc: Capability;
  /** Block devices from files. */
  loop: Capability;
}

const trialMillisMax = 5_000;
/** Reasons are shown on one line. */
const reasonLengthMax = 200;

/** Packet rules that use each part of nftables which the fabric uses. */
const trialRules = `
table inet pilvi_trial {
  map m { type ifname : mark; }
  set s { typeof iifname . ip saddr; }
  chain f { type filter hook forward priority 0; ct state established ct mark and 1 == 0 accept; iifname . ip saddr != @s drop; }
  chain p { type filter hook prerouting priority -300; meta mark set iifname map @m; }
  chain n { type nat hook postrouting priority 100; snat ip to 192.0.2.1; }
}
`;

/** Tries everything. Never throws; takes about as long as starting a handful of programs (measured: 20 to 30 ms). Changes nothing on the host. */
export async function capabilities(): Promise<HostCapabilities> {
  const isRoot = process.getuid?.() === 0;
  const found = await tryAll(isRoot ? [] : ['--user', '--map-root-user']);
  // Root of a container may lack the right to make namespaces, and have it in a user namespace; the launcher falls back likewise.
  if (!isRoot || found.namespaces.available || !found.userNamespaces.available) return found;
  return tryAll(['--user', '--map-root-user']);
}

async function tryAll(user: readonly string[]): Promise<HostCapabilities> {
  const inside = ['unshare', ...user, '--net', '--mount'];
  const [namespaces, userNamespaces, ip, nft, overlay, loop] = await Promise.all([
    tryProgram(
      ['unshare', ...user, '--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--mount-proc', 'true'],
      'util-linux',
    ),
    tryProgram(['unshare', '--user', '--map-root-user', 'true'], 'util-linux'),
    tryProgram([...inside, 'ip', 'link', 'add', 'trial0', 'type', 'veth', 'peer', 'name', 'trial1'], 'iproute2', 'ip'),
    tryProgram([...inside, 'nft', '-f', '-'], 'nftables', 'nft', trialRules),
    tryProgram([...inside, 'mount', '-t', 'overlay', '-o', 'lowerdir=/usr/bin:/usr/lib', 'pilvi', '/mnt'], 'mount', 'mount'),
    tryLoop(),
  ]);
  return { namespaces, userNamespaces, ip, nft, overlay, runc: lookForRuntime(), loop };
}

/** Runs a trial; `needs` is the program it is about, when that is not the first. */
async function tryProgram(argv: readonly string[], debianPackage: string, needs?: string, input?: string): Promise<Capability> {
  const program = needs ?? argv[0] ?? '';
  if (findProgram(program) === undefined)
    return { available: false, reason: `the program ${program} is not installed`, package: debianPackage };
  try {
    const { status, stderr } = await tryCommand(argv, { input, timeoutMs: trialMillisMax });
    return status === 0 ? { available: true } : refused(stderr.trim() || `${program} ended with status ${status}`);
  } catch (error) {
    const { cause, message } = error as Error;
    return refused(cause instanceof CommandFailure ? cause.message : message);
  }
}

function refused(reason: string): Capability {
  return { available: false, reason: reason.replace(/\s+/g, ' ').slice(0, reasonLengthMax) };
}

/** Not run: a runtime written in Go takes longer to print its version than all the other trials together. */
function lookForRuntime(): Capability {
  if (['runc', 'crun'].some((name) => findProgram(name) !== undefined)) return { available: true };
  return { available: false, reason: 'neither runc nor crun is installed', package: 'runc' };
}

async function tryLoop(): Promise<Capability> {
  if (findProgram('losetup') === undefined)
    return { available: false, reason: 'the program losetup is not installed', package: 'mount' };
  try {
    await access('/dev/loop-control', constants.R_OK | constants.W_OK);
    return { available: true };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return refused(missing ? 'the kernel offers no loop devices' : 'this user may not use /dev/loop-control');
  }
}
