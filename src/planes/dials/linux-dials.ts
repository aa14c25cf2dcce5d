/**
 * Connections into networks on Linux: a small process in the machine's namespace opens each and hands its socket over, so no byte is copied and the packets
 * are the device's own. The process starts with the first connection and ends when none was asked for during a while. Rejected: a relay, which copies
 * every byte.
 */
import type { Socket } from 'node:net';
import { PilviError } from '../../base/errors.ts';
import { NodeProcesses } from '../node-processes.ts';
import type { Dials, DialTarget } from './types.ts';

/** Real milliseconds after the last connection that a process stays for the next. */
const idleMillis = 60_000;

/** All of one cloud. */
export class LinuxDials implements Dials {
  readonly unavailable = undefined;
  readonly #nodes = new NodeProcesses<{ key: string; machine: string }>({
    args: ['dial-node'],
    memoryMiB: 32,
    serialization: 'json',
    restartMillis: 200,
  });
  readonly #idle = new Map<string, NodeJS.Timeout>();

  async connect(machine: string, target: DialTarget): Promise<Socket> {
    this.#stay(machine);
    await this.#nodes.ensure({ key: machine, machine });
    const node = this.#nodes.get(machine);
    const socket = node && (await this.#nodes.ask(node, { ask: 'connect', target: { ...target } }, target.timeoutMillis + 5_000));
    if (socket === undefined) throw new PilviError('CommandFailed', `No connection to ${target.address}:${target.port}.`);
    return socket as Socket;
  }

  async forget(machine: string): Promise<void> {
    clearTimeout(this.#idle.get(machine));
    this.#idle.delete(machine);
    await this.#nodes.remove(machine);
  }

  async close(): Promise<void> {
    for (const timer of this.#idle.values()) clearTimeout(timer);
    await this.#nodes.close();
  }

  #stay(machine: string): void {
    clearTimeout(this.#idle.get(machine));
    const timer = setTimeout(() => void this.forget(machine), idleMillis);
    this.#idle.set(machine, timer.unref());
  }
}
