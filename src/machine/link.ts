/**
 * Links and everything else that `ip` sets: a batch of commands in one run of the program, since starting it costs far more than a command. Also
 * reads links and their counters. The commands of a batch are text, one each line; who builds them must have checked every word
 * (planes/fabric/check-spec.ts), because `ip` knows no quoting.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { runCommand, tryCommand } from './command.ts';
import { inNamespace } from './netns.ts';

export interface Link {
  name: string;
  up: boolean;
  rxBytes: number;
  txBytes: number;
  rxPackets: number;
  txPackets: number;
}

/** The kernel may gather changes of carrier for a second before it acts on them. */
const carrierMillisMax = 2_000;
const carrierMillisStep = 5;

interface LinkJson {
  ifname: string;
  flags: string[];
  operstate: string;
  stats64: { rx: { bytes: number; packets: number }; tx: { bytes: number; packets: number } };
}

/**
 * Runs the commands in order in the named namespace, or in the caller's own when undefined. Stops at the first that fails and throws
 * `CommandFailed`, naming its line. No commands, no program run. With `raised`, resolves when these devices carry traffic (`waitForCarrier`), at no
 * extra cost where the kernel is quick.
 */
export async function applyIpCommands(
  namespace: string | undefined,
  commands: readonly string[],
  raised: readonly string[] = [],
): Promise<void> {
  const [others, ip6] = splitFamilies(commands);
  if (ip6.length > 0) {
    await applyIpCommands(namespace, others, raised);
    const argv = ['ip', '-6', '-batch', '-'];
    await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), { input: `${ip6.join('\n')}\n` });
    return;
  }
  if (commands.length === 0) return waitForCarrier(namespace, raised);
  const argv = ['ip', '-json', '-batch', '-'];
  const input = `${[...commands, ...raised.map(showCommand)].join('\n')}\n`;
  const { stdout } = await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), { input });
  if (!allCarry(stdout)) await waitForCarrier(namespace, raised);
}

/**
 * Like `applyIpCommands` for commands that take something away: goes on after a failure, because what is to be removed may be gone already
 * (with its device, or by someone else's hand). Throws only when the program itself cannot run.
 */
export async function removeByIpCommands(namespace: string | undefined, commands: readonly string[]): Promise<void> {
  const [others, ip6] = splitFamilies(commands);
  for (const [lines, family] of [
    [others, []],
    [ip6, ['-6']],
  ] as const) {
    if (lines.length === 0) continue;
    const argv = ['ip', ...family, '-force', '-batch', '-'];
    const input = `${lines.join('\n')}\n`;
    await tryCommand(namespace === undefined ? argv : inNamespace(namespace, argv), { input });
  }
}

/** Commands that need the option `-6` begin with it; they are run in a batch of their own, after the others, without it. */
function splitFamilies(commands: readonly string[]): [others: readonly string[], ip6: readonly string[]] {
  const marker = '-6 ';
  const ip6 = commands.filter((command) => command.startsWith(marker));
  if (ip6.length === 0) return [commands, []];
  return [commands.filter((command) => !command.startsWith(marker)), ip6.map((command) => command.slice(marker.length))];
}

/** Links of a namespace with their counters, by name. Throws `CommandFailed` when the namespace does not exist. */
export async function readLinks(namespace: string | undefined): Promise<Map<string, Link>> {
  const argv = ['ip', '-json', '-stats', 'link', 'show'];
  const { stdout } = await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv));
  const links = JSON.parse(stdout) as LinkJson[];
  return new Map(
    links.map(({ ifname, flags, stats64: { rx, tx } }) => [
      ifname,
      {
        name: ifname,
        up: flags.includes('UP'),
        rxBytes: rx.bytes,
        txBytes: tx.bytes,
        rxPackets: rx.packets,
        txPackets: tx.packets,
      },
    ]),
  );
}

/** Names of the links of this process's own namespace, without asking a program. */
export async function ownLinkNames(): Promise<string[]> {
  const table = await readFile('/proc/self/net/dev', 'utf8');
  return [...table.matchAll(/^ *([^\s:|]+):/gm)].map(([, name = '']) => name);
}

/**
 * Waits until the devices carry traffic. A device that came up before its other end starts to send only when the kernel's link watch has seen that
 * end, and drops packets until then; a client would notice it as a pause of a second. Asked for one device, newer kernels (6.8) catch up at once;
 * asked for all they do not. Gives up silently after 2 s: someone else has shut an end.
 */
async function waitForCarrier(namespace: string | undefined, devices: readonly string[]): Promise<void> {
  if (devices.length === 0) return;
  const argv = ['ip', '-json', '-batch', '-'];
  const input = devices.map((device) => `${showCommand(device)}\n`).join('');
  for (let waited = 0; waited < carrierMillisMax; waited += carrierMillisStep) {
    const { stdout } = await runCommand(namespace === undefined ? argv : inNamespace(namespace, argv), { input });
    if (allCarry(stdout)) return;
    await pause(carrierMillisStep);
  }
}

function showCommand(device: string): string {
  return `link show dev ${device}`;
}

/** `shown` holds one line of JSON for each device. */
function allCarry(shown: string): boolean {
  const lines = shown.split('\n').filter((line) => line.startsWith('['));
  return lines.every((line) => (JSON.parse(line) as LinkJson[]).every(({ operstate }) => operstate === 'UP'));
}
