/**
 * Kernel settings of a network namespace. Which namespace /proc/sys/net shows is decided by the process that opens it, so a program has to enter
 * first; `tee` writes one value to any number of settings in one run and is on every system, unlike `sysctl`.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { runCommand } from './command.ts';
import { inNamespace } from './netns.ts';

/**
 * Sets kernel settings in the namespace, or in this process's own when undefined, which needs no program. Names are paths below /proc/sys (`net/ipv4/ip_forward`). Throws
 * `CommandFailed`, in the own namespace the system's error, when a setting does not exist or may not be written. Settings of IPv6 are left out on a kernel without IPv6.
 */
export async function applySettings(namespace: string | undefined, settings: Readonly<Record<string, string>>): Promise<void> {
  const pathsByValue = new Map<string, string[]>();
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith('net/ipv6/') && !hasIp6()) continue;
    const paths = pathsByValue.get(value) ?? [];
    paths.push(`/proc/sys/${name}`);
    pathsByValue.set(value, paths);
  }
  await Promise.all(
    [...pathsByValue].map(([value, paths]) =>
      namespace === undefined
        ? Promise.all(paths.map((path) => writeFile(path, value)))
        : runCommand(inNamespace(namespace, ['tee', ...paths]), { input: value }),
    ),
  );
}

/** Whether the kernel speaks IPv6 at all. */
export function hasIp6(): boolean {
  return existsSync('/proc/sys/net/ipv6');
}
