/** What runs inside: puts the planes that the host allows under the cloud, serves until a signal, prints the lines a user reads at start. */
import path from 'node:path';
import type { CloudOptions } from '../boot.ts';
import { relaySocketName } from '../machine/relay.ts';
import { parseBlobPlace, readBlobCredentials } from '../planes/blobs/place.ts';
import { type Inside, readInside } from '../machine/launch.ts';
import { AbsentFabric } from '../planes/fabric/absent-fabric.ts';
import { insidePort } from '../planes/fabric/addresses.ts';
import { openLinuxFabric } from '../planes/fabric/linux-fabric.ts';
import { AbsentFunctions } from '../planes/functions/absent-functions.ts';
import { DeferredFunctions } from '../planes/functions/deferred-functions.ts';
import { openLinuxFunctions } from '../planes/functions/linux-functions.ts';
import { AbsentMachines } from '../planes/machines/absent-machines.ts';
import { logAgentPrograms } from '../services/ec2/guest/log-agent.ts';
import { openLinuxMachines, probeMachines } from '../planes/machines/linux-machines.ts';
import { AbsentCaches } from '../planes/caches/absent-caches.ts';
import { LinuxCaches } from '../planes/caches/linux-caches.ts';
import { AbsentDials } from '../planes/dials/absent-dials.ts';
import { LinuxDials } from '../planes/dials/linux-dials.ts';
import { AbsentProxy } from '../planes/proxy/absent-proxy.ts';
import { LinuxProxy } from '../planes/proxy/linux-proxy.ts';
import { AbsentVolumes } from '../planes/volumes/absent-volumes.ts';
import { openLinuxVolumes } from '../planes/volumes/linux-volumes.ts';
import { parseStartOptions } from './options.ts';

/** Entry of the re-executed process: the listening socket is inherited. */
export async function inside(args: readonly string[]): Promise<number> {
  const { data, port, dnsPort, validateOutput, strictImages, newAccounts, blobs } = parseStartOptions(args);
  const facts = readInside(process.env);
  if (facts === undefined) throw new Error('`pilvi inside` is run by `pilvi start`.');
  const [web = -1, tcp = -1, udp = -1] = facts.sockets;
  const dns = { address: '127.0.0.1', port: dnsPort, sockets: { tcp, udp } };
  const options = { data, port, validateOutput, strictImages, newAccounts, blobs };
  return serve({ ...options, listen: { fd: web }, dns, inside: facts });
}

export interface ServeOptions {
  data: string;
  port: number;
  validateOutput: boolean;
  strictImages: boolean;
  newAccounts: boolean;
  blobs: string | undefined;
  listen: CloudOptions['listen'];
  dns: CloudOptions['dns'];
  inside?: Inside | undefined;
  /** Why there are no namespaces; absent inside them. */
  refusal?: string | undefined;
}

/** Serves until SIGTERM or SIGINT; resolves with the exit status. */
export async function serve({
  data,
  port,
  validateOutput,
  strictImages,
  newAccounts,
  blobs,
  listen,
  dns,
  inside: facts,
  refusal,
}: ServeOptions): Promise<number> {
  goOnWithoutLog();
  let answers = (): void => {};
  const answering = new Promise<void>((resolve) => {
    answers = resolve;
  });
  const planes = planesFor(facts, refusal, port, answering);
  // What it loads takes as long as the first networks, which other programs make meanwhile.
  const { startCloud, version } = await import('../boot.ts');
  const cloud = await startCloud({
    data,
    port,
    validateOutput,
    strictImages,
    newAccounts,
    blobs: blobs === undefined ? undefined : blobsOf(blobs, facts && path.join(data, relaySocketName)),
    listen,
    dns,
    planes,
  });
  console.log(
    `Pilvi ${version} is ready: http://127.0.0.1:${cloud.port} (data in ${path.relative('.', data).startsWith('..') ? data : path.relative('.', data)})`,
  );
  console.log(`Public zones are answered on port ${cloud.dnsPort}: dig -p ${cloud.dnsPort} @127.0.0.1 NAME`);
  for (const limit of [...cloud.limits, ...cloud.shortcomings]) console.log(`Limited: ${limit}`);
  answers();
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  await cloud.close();
  return 0;
}

/**
 * A line of the log that cannot be written is lost, and the cloud goes on: with `--detach` the log lies beside the data, so the disk that is full
 * is its own. Node would end the process by an error that nobody takes; these two streams can be written again once there is room.
 */
function goOnWithoutLog(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** The store that was asked for, reached through the relay where this process has no network of the host. */
function blobsOf(place: string, relay: string | undefined): NonNullable<CloudOptions['blobs']> {
  return { place: parseBlobPlace(place), credentials: readBlobCredentials(process.env), relay };
}

/**
 * `port` is the gateway's on the host: names under `.localhost` lead to it from inside too. What nobody waits for begins when the cloud is `answering`,
 * what other programs do at once: it takes as long as loading the rest.
 */
function planesFor(
  inside: Inside | undefined,
  refusal: string | undefined,
  port: number,
  answering: Promise<void>,
): CloudOptions['planes'] {
  if (inside === undefined) {
    const reason = refusal ?? 'Pilvi does not run in namespaces of its own.';
    return async () => ({
      fabric: new AbsentFabric(reason),
      machines: new AbsentMachines(reason),
      volumes: new AbsentVolumes(reason),
      proxy: new AbsentProxy(reason),
      caches: new AbsentCaches(reason),
      dials: new AbsentDials(reason),
      functions: new AbsentFunctions(reason),
    });
  }
  const networks = openLinuxFabric({ inside, openPorts: [...new Set([insidePort, port])] }).catch(
    (error: Error) => new AbsentFabric(`Networks cannot be made: ${error.message}`),
  );
  const probed = probeMachines(inside);
  // Heard where it is awaited.
  probed.catch(() => {});
  return async (folder, owned) => {
    const disks = path.join(path.resolve(folder), 'machines');
    const functions = new DeferredFunctions(() =>
      openLinuxFunctions({
        folder: path.resolve(folder, 'functions'),
        inside,
        networkProblem: networks.then(({ unavailable: reason }) => reason),
      }),
    );
    const [fabric, machines, volumes] = await Promise.all([
      networks,
      openLinuxMachines({
        folder: path.join(folder, 'machines'),
        ...{ inside, owned, probed, idle: answering, programs: logAgentPrograms },
      }),
      owned.then(() => openLinuxVolumes({ folder: disks, mounted: (number) => mounted(number) })),
    ]);
    const mounted = (number: string): Promise<boolean> => machines.hasMounted(number);
    const { unavailable } = fabric;
    const proxy = unavailable === undefined ? new LinuxProxy() : new AbsentProxy(unavailable);
    const caches = unavailable === undefined ? new LinuxCaches() : new AbsentCaches(unavailable);
    const dials = unavailable === undefined ? new LinuxDials() : new AbsentDials(unavailable);
    return { fabric, machines, volumes, proxy, caches, dials, functions };
  };
}
