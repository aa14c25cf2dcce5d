/**
 * `pilvi start`: opens the listening socket on the host, then runs Pilvi inside namespaces of its own and supervises it. Where the kernel refuses
 * them, Pilvi runs right here and serves every API without machines.
 */
import { spawn } from 'node:child_process';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import net, { type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { CloudClock } from '../base/clock.ts';
import { PilviError } from '../base/errors.ts';
import { removeDeadRuns } from '../machine/launch-leftovers.ts';
import { type DnsSockets, openDnsSockets } from '../machine/dns-sockets.ts';
import { launchInside, processOneOf, superviseInside } from '../machine/launch.ts';
import { openRelay, relaySocketName } from '../machine/relay.ts';
import { hostOf, parseBlobPlace, readBlobCredentials } from '../planes/blobs/place.ts';
import { defaultData, parseStartOptions, type StartOptions } from './options.ts';
import { readRunFile, removeRunFile, writeRunFile } from './run-file.ts';

/** Real milliseconds that `--detach` waits for the first answer. */
const readyMillisMax = 30_000;

/** Runs until it is told to stop; with `--detach` until the cloud answers. Throws PilviError for a port or folder that is taken or unusable. */
export async function start(args: readonly string[]): Promise<number> {
  const options = parseStartOptions(args);
  await makeFolder(options.data);
  if ((await readRunFile(options.data)) !== undefined) throw new PilviError('DataFolderLocked', options.data);
  return options.detach ? startDetached(options) : startHere(options);
}

/** Makes the data folder and sees that a file can be written in it. Throws PilviError DataFolderUnusable with the system's words. */
async function makeFolder(data: string): Promise<void> {
  const trial = path.join(data, `.trial-${process.pid}`);
  try {
    await mkdir(data, { recursive: true });
    await writeFile(trial, 'x').finally(() => rm(trial, { force: true }));
  } catch (error) {
    throw new PilviError('DataFolderUnusable', data, { cause: error });
  }
}

async function startHere(options: StartOptions): Promise<number> {
  // Before anything is opened: whoever forgot them hears of it at once.
  if (options.blobs !== undefined) readBlobCredentials(process.env);
  const server = await listen(options);
  const dns = await listenDns(options);
  // What a run that was killed left outside its namespaces; nothing waits for it, and what cannot be removed is left to the next start.
  removeDeadRuns().catch(() => undefined);
  const { port } = server.address() as AddressInfo;
  const script = process.argv[1] ?? '';
  const inner = ['--port', String(port), '--dns-port', String(dns.port), '--data', options.data, ...flagsOf(options)];
  const relay =
    options.blobs === undefined
      ? undefined
      : await openRelay(path.join(options.data, relaySocketName), hostOf(parseBlobPlace(options.blobs)));
  const launched = await launchInside({
    // No --enable-source-maps: reading them takes 20 ms and 7 MB of every start. Who needs them sets NODE_OPTIONS, which is passed on.
    entry: [script, 'inside', ...inner],
    sockets: [server],
    descriptors: dns.descriptors,
    env: process.env,
  });
  await dns.close();
  const run = { pid: process.pid, port, dnsPort: dns.port, host: options.host, mode: launched.mode };
  try {
    if (launched.mode === 'none') {
      await new Promise((resolve) => server.close(resolve));
      await writeRunFile(options.data, run);
      const { serve } = await import('./inside.ts');
      return await serve({
        ...options,
        port,
        listen: { host: options.host, port },
        dns: { address: options.host, port: dns.port },
        refusal: launched.reason,
      });
    }
    await writeRunFile(options.data, { ...run, insidePid: processOneOf(launched.child) });
    return await superviseInside(launched);
  } finally {
    relay?.close();
    await removeRunFile(options.data);
  }
}

/** Further options, as the next process is told. */
function flagsOf({ validateOutput, strictImages, newAccounts, blobs }: StartOptions): string[] {
  return [
    ...(validateOutput ? ['--validate-output'] : []),
    ...(strictImages ? ['--strict-images'] : []),
    ...(newAccounts ? ['--new-accounts'] : []),
    ...(blobs === undefined ? [] : ['--blobs', blobs]),
  ];
}

/** The port for DNS that was asked for; when the usual one is another program's, any. Throws PilviError PortTaken. */
async function listenDns({ host, port, dnsPort }: StartOptions): Promise<DnsSockets> {
  try {
    return await openDnsSockets(host, dnsPort);
  } catch (error) {
    if (dnsPort !== parseStartOptions(['--port', String(port)]).dnsPort)
      throw new PilviError('PortTaken', `${host}:${dnsPort}`, { cause: error });
    return openDnsSockets(host, 0);
  }
}

function listen({ host, port }: StartOptions): Promise<Server> {
  const server = net.createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new PilviError('PortTaken', `${host}:${port}`, { cause: error })));
    server.listen({ host, port, backlog: 1024 }, () => resolve(server));
  });
}

/** Starts the same in the background, its output going to a log file in the data folder, and waits until it answers. */
async function startDetached(options: StartOptions): Promise<number> {
  const logFile = path.join(options.data, 'pilvi.log');
  const log = await open(logFile, 'a');
  const args = [
    '--port',
    String(options.port),
    '--dns-port',
    String(options.dnsPort),
    '--host',
    options.host,
    '--data',
    options.data,
    ...flagsOf(options),
  ];
  const child = spawn(process.execPath, [process.argv[1] ?? '', 'start', ...args], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  const given = new AbortController();
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('exit', (status) => {
      given.abort();
      reject(new PilviError('StartFailed', `It ended with ${status}; see ${logFile}.`));
    });
  });
  const port = await Promise.race([waitUntilAnswering(options, given.signal), ended]).finally(() => log.close());
  child.removeAllListeners('exit');
  child.unref();
  const which = options.data === path.resolve(defaultData(port)) ? `--port ${port}` : `--data ${options.data}`;
  console.log(
    `Pilvi runs in the background on http://${options.host}:${port} (data and log in ${options.data}). Stop it with: pilvi stop ${which}`,
  );
  const health = await fetch(`http://${options.host}:${port}/_pilvi/health`);
  const { dnsPort, limits, shortcomings } = (await health.json()) as {
    dnsPort: number;
    limits: string[];
    shortcomings: string[];
  };
  console.log(`Public zones are answered on port ${dnsPort}: dig -p ${dnsPort} @127.0.0.1 NAME`);
  for (const limit of [...limits, ...shortcomings]) console.log(`Limited: ${limit}`);
  return 0;
}

/** The port at which the cloud of the folder answers. Throws PilviError StartFailed when it takes too long, or is given up before. */
async function waitUntilAnswering(options: StartOptions, givenUp: AbortSignal): Promise<number> {
  const clock = new CloudClock();
  const deadline = clock.realNow() + readyMillisMax;
  while (clock.realNow() < deadline && !givenUp.aborted) {
    const run = await readRunFile(options.data);
    if (run !== undefined) {
      const answer = await fetch(`http://${run.host}:${run.port}/_pilvi/health`).catch(() => undefined);
      if (answer?.ok === true) return run.port;
    }
    await clock.pause(20);
  }
  throw new PilviError('StartFailed', `No answer within ${readyMillisMax / 1000} s.`);
}
