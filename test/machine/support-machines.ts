/** Specs for tests of machines, and a way to wait for what happens inside one. */
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

/** Waits until `check` gives something; the one way to wait. Throws with the last state after `timeoutMs`. */
export async function eventually<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  { why, timeoutMs = 10_000 }: { why: string; timeoutMs?: number },
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${why}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until the machine's user data has ended. */
export async function booted(machines: Machines, key: string): Promise<void> {
  await eventually(async () => (await machines.status(key))?.userDataDone, { why: `user data of ${key} ends` });
}
