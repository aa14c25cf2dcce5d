/** Specs for tests of machines, and ways to look inside one. */
import type { Machines, MachineSpec } from '../../src/planes/machines/types.ts';

/** A small machine `key` on its own volume `vol-<key>`, without devices; changed in the one respect a test is about. */
export function machine(key: string, change: Partial<MachineSpec> = {}): MachineSpec {
  return {
    key,
    image: 'host',
    rootVolume: `vol-${key}`,
    hostname: `ip-${key}`,
    vcpus: 1,
    memoryMiB: 256,
    running: true,
    bootNumber: 1,
    user: 'ec2-user',
    authorizedKeys: [],
    ports: [],
    ...change,
  };
}

export function script(...lines: string[]): Uint8Array {
  return Buffer.from(`#!/bin/sh\n${lines.join('\n')}\n`);
}

/** What a shell command prints inside, without the last line end. Throws with its error output when it fails. */
export async function sh(machines: Machines, key: string, command: string): Promise<string> {
  const { status, stdout, stderr } = await machines.exec(key, ['sh', '-c', command]);
  if (status !== 0) throw new Error(`${command}: status ${status}: ${Buffer.from(stderr)}`);
  return Buffer.from(stdout).toString().trimEnd();
}

export async function consoleText(machines: Machines, key: string): Promise<string> {
  return Buffer.from(await machines.console(key)).toString();
}

/** Waits until the machine's user data has ended. */
export async function booted(machines: Machines, key: string): Promise<void> {
  await sh(machines, key, 'cloud-init status --wait');
}
