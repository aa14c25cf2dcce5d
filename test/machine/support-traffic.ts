/** Real traffic for tests of the fabric: an agent process in a machine's network namespace, told over a pipe what to try. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { tryCommand } from '../../src/machine/command.ts';
import { ensureNamespace, inNamespace, machineNamespace } from '../../src/machine/netns.ts';

/** How long to wait before a silent drop counts as one. Answers inside one machine take well under a millisecond. */
const dropMillis = 400;

export class Agent {
  readonly namespace: string | undefined;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: string) => void>();
  #next = 0;

  constructor(namespace: string | undefined) {
    this.namespace = namespace;
    const argv = [process.execPath, fileURLToPath(new URL('./support-agent.mjs', import.meta.url))];
    const [program = '', ...rest] = namespace === undefined ? argv : inNamespace(namespace, argv);
    this.#child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: string };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  /** Starts a TCP server that tells a client its address and echoes. */
  listen(port: number, host?: string): Promise<string> {
    return this.#ask({ command: 'listen', port, host });
  }

  listenUdp(port: number): Promise<string> {
    return this.#ask({ command: 'listenUdp', port });
  }

  /** `open <address that the server saw>`, `refused`, `timeout`, or an error's code. */
  connect(
    host: string,
    port: number,
    options: { keep?: string; localAddress?: string; timeoutMs?: number } = {},
  ): Promise<string> {
    return this.#ask({ command: 'connect', host, port, timeoutMs: dropMillis, ...options });
  }

  /** Over a connection that was kept: the echo, or `timeout`. */
  say(keep: string, text: string): Promise<string> {
    return this.#ask({ command: 'say', keep, text, timeoutMs: dropMillis });
  }

  udp(host: string, port: number): Promise<string> {
    return this.#ask({ command: 'udp', host, port, timeoutMs: dropMillis });
  }

  async pings(address: string): Promise<boolean> {
    const { status } = await this.run(['ping', '-n', '-c', '1', '-W', '0.4', address]);
    return status === 0;
  }

  /** Runs a program beside the agent. */
  run(argv: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    return tryCommand(this.namespace === undefined ? argv : inNamespace(this.namespace, argv));
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    await ended;
  }

  #ask(command: Record<string, unknown>): Promise<string> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin!.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }
}

/** An agent in the namespace of a machine, which is made when no port has made it yet. */
export async function startAgent(machine: string): Promise<Agent> {
  const namespace = machineNamespace(machine);
  await ensureNamespace(namespace);
  return new Agent(namespace);
}

/** An agent on the internet: in the namespace in which Pilvi runs. */
export function startInternetAgent(): Agent {
  return new Agent(undefined);
}
