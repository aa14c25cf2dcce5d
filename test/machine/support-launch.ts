/**
 * The program that launch.test.ts starts: outside it opens a socket and launches itself, inside it serves on that socket. Bundled by the test, since
 * Node runs no TypeScript. Prints one JSON line for each thing that happens.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { capabilities } from '../../src/machine/capabilities.ts';
import { launchInside, processOneOf, readInside, superviseInside } from '../../src/machine/launch.ts';
import { openLinuxFabric } from '../../src/planes/fabric/linux-fabric.ts';
import { network, port } from './support-network.ts';

const inside = readInside(process.env);
const say = (what: object): void => console.log(JSON.stringify(what));

/** What a client of the program inside can ask for, by path. */
const answers: Record<string, () => object | Promise<object>> = {
  '/facts': () => ({
    inside,
    pid: process.pid,
    parent: process.ppid,
    processes: readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length,
    interfaces: Object.keys(networkInterfaces()),
    run: readdirSync('/run'),
    uid: process.getuid?.(),
  }),
  // The shell in the middle ends at once; its child falls to process 1.
  '/orphan': async () => {
    const shell = spawn('sh', ['-c', 'sleep 0.05 >/dev/null & echo $!']);
    const [pid] = (await once(shell.stdout, 'data')) as [Buffer];
    return { pid: Number(pid) };
  },
  '/processes': () => readdirSync('/proc').map(Number).filter(Number.isInteger),
  '/network': async () => {
    const fabric = await openLinuxFabric({ inside });
    const ports = [port('net', 'one', '10.0.1.10', { public: '198.18.1.1' }), port('net', 'two', '10.0.1.20')];
    await fabric.ensureNetwork(network('net', 0, { ports }));
    const ping = (argv: string[]) =>
      new Promise((resolve) => spawn(argv[0]!, argv.slice(1)).once('exit', (status) => resolve(status)));
    const between = await ping(['nsenter', '--net=/run/netns/m-one', 'ping', '-c1', '-W1', '10.0.1.20']);
    const fromInternet = await ping(['ping', '-c1', '-W1', '198.18.1.1']);
    await fabric.removeNetwork('net');
    return { between, fromInternet };
  },
  '/capabilities': () => capabilities(),
};

if (inside === undefined) {
  const server = createServer();
  server.listen(0, '127.0.0.1', async () => {
    const { port: number } = server.address() as AddressInfo;
    const launched = await launchInside({ entry: process.argv.slice(1), sockets: [server], env: process.env });
    if (launched.mode === 'none') {
      say({ mode: 'none', reason: launched.reason, port: number, listening: server.listening });
      server.close();
      return;
    }
    say({ mode: launched.mode, port: number, processOne: processOneOf(launched.child), run: launched.run });
    process.exitCode = await superviseInside(launched);
  });
} else {
  const server = http.createServer(async (request, response) => {
    const answer = await answers[request.url ?? '']?.();
    response.end(JSON.stringify(answer ?? {}));
  });
  server.listen({ fd: inside.sockets[0] });
  process.on('SIGTERM', () => process.exit(7));
  process.on('SIGINT', () => say({ signal: 'SIGINT' }));
}
