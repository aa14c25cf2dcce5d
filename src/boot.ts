/**
 * The composition root: the only file that imports everything. Builds one cloud from its options and puts it on listening sockets.
 */
import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { createAdmin } from './admin/admin.ts';
import { containsAddress, parseCidr4, parseIp4 } from './base/cidr.ts';
import { CloudClock } from './base/clock.ts';
import { IdSource } from './base/ids.ts';
import { createConsole } from './console/console.ts';
import type { Door } from './console/door.ts';
import type { Market } from './console/market.ts';
import { forwardSocketName, listenForward } from './gateway/forward.ts';
import { addFront } from './gateway/front.ts';
import { createProofs } from './gateway/proofs.ts';
import { createInsideProxy } from './gateway/inside-proxy.ts';
import { createPipeline } from './gateway/pipeline.ts';
import { createSigningCertificates } from './gateway/signing-certificates.ts';
import { createServer, type Router } from './gateway/server.ts';
import { createUpgrader } from './gateway/web.ts';
import { createWelcome } from './gateway/welcome.ts';
import { CertificateAuthority } from './kernel/certificate-authority.ts';
import { readClock } from './kernel/clock-mover.ts';
import type { WebName } from './kernel/context.ts';
import { Kernel } from './kernel/kernel.ts';
import { createLog, type Log } from './kernel/log.ts';
import { openVault } from './kernel/vault.ts';
import type { ServiceIndex } from './model/service-model.ts';
import { readHost } from './model/hosts.ts';
import { loadIndex } from './model/wire.ts';
import { DnsServer } from './planes/dns/dns-server.ts';
import { platformNames } from './planes/dns/platform-names.ts';
import { openFileBlobs } from './planes/blobs/file-blobs.ts';
import { type BlobCredentials, type BlobPlace, bindPlace } from './planes/blobs/place.ts';
import type { Blobs } from './planes/blobs/types.ts';
import { functionsCidr, insidePort } from './planes/fabric/addresses.ts';
import type { Fabric } from './planes/fabric/types.ts';
import type { Functions } from './planes/functions/types.ts';
import type { Machines } from './planes/machines/types.ts';
import type { CacheNodes } from './planes/caches/types.ts';
import type { Dials } from './planes/dials/types.ts';
import type { ProxyNodes } from './planes/proxy/types.ts';
import type { Ec2Api } from './services/ec2/api.ts';
import type { Volumes } from './planes/volumes/types.ts';
import type { IamApi } from './services/iam/api.ts';
import type { Route53Api } from './services/route-53/api.ts';
import type { SnsApi } from './services/sns/api.ts';
import { services } from './services/index.ts';
import type { StsApi } from './services/sts/api.ts';
import { openLmdbStore } from './store/lmdb/lmdb-store.ts';
import type { Store } from './store/store.ts';

export const version = '0.1.0';

export interface Planes {
  fabric: Fabric;
  machines: Machines;
  volumes: Volumes;
  proxy: ProxyNodes;
  caches: CacheNodes;
  dials: Dials;
  functions: Functions;
}

export interface CloudOptions {
  /** Folder of everything that survives: rows, bytes, layers. Made when it does not exist. */
  data: string;
  /** Listening socket handed over by the launcher, or an address to listen on. */
  listen: { fd: number } | { host: string; port: number };
  /** Where public zones are answered on the host: an address and port to take, or sockets that listen already. */
  dns?: { address: string; port: number; sockets?: { tcp: number; udp: number } | undefined } | undefined;
  /** Port under which users reach it; the socket's own unless told. */
  port?: number;
  /**
   * Planes; boot does not choose them, because only the launcher knows what the host allows. They open beside the store and touch the folder only
   * when `owned` has resolved: before, it may be another cloud's.
   */
  planes: (folder: string, owned: Promise<unknown>) => Promise<Planes>;
  /** Also check every output against its model (tests). */
  validateOutput: boolean;
  /** Image ids that this cloud does not know are refused, not taken for the default image. */
  strictImages: boolean;
  newAccounts: boolean;
  /** A store for bytes instead of files of the folder, and the socket that leads there. */
  blobs?: { place: BlobPlace; credentials: BlobCredentials; relay: string | undefined } | undefined;
  log?: Log;
}

export interface Cloud {
  readonly port: number;
  /** Port of the host for public zones; undefined when there is none. */
  readonly dnsPort: number | undefined;
  /** Why machines or networks do not run here; empty when they do. */
  readonly limits: readonly string[];
  /** What machines that run lack here. */
  readonly shortcomings: readonly string[];
  close(): Promise<void>;
}

/** Starts a cloud; resolves when it answers. Rejects with PilviError for host trouble (folder locked, port taken). */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  await mkdir(options.data, { recursive: true });
  const log = options.log ?? createLog(() => new CloudClock().realNow());
  const ids = new IdSource();
  const blobs = await openBlobs(options, ids, log);
  const [store, index, planes] = await openParts(options);
  const { fabric, machines, volumes, functions } = planes;
  const vault = await openVault(options.data, ids);
  const clock = new CloudClock(await readClock(store));
  const limits = [...new Set([fabric.unavailable, machines.unavailable])].filter((limit) => limit !== undefined);
  const shortcomings = listShortcomings(machines, volumes);
  const endpoints = unboundEndpoints(fabric);
  const dns = createDns(fabric, index, clock);
  const certificates = new CertificateAuthority(options.data, clock, ids);
  const proofs = createProofs(() => kernel);
  const kernel: Kernel = new Kernel({
    store,
    clock,
    ids,
    log,
    services,
    parts: {
      ...{ ...planes, dns, blobs, endpoints, certificates, vault, proofs },
      settings: { strictImages: options.strictImages, newAccounts: options.newAccounts },
    },
  });
  await kernel.mover.save();
  const names = options.dns === undefined ? undefined : await dns.listen({ kind: 'authoritative', ...options.dns });
  const facts = { version, data: path.resolve(options.data), limits, shortcomings, dnsPort: names?.port };
  const admin = createAdmin({ kernel, index, ...facts, certificates, ...hardwareOf(kernel) });
  const pages = createConsole(kernel, doorOf(kernel), marketOf(kernel));
  const signers = signersOf(kernel);
  const upgrader = createUpgrader(kernel);
  const proxy = createInsideProxy((name) => findInside(dns, name));
  const pipeline = createPipeline({ kernel, index, validateOutput: options.validateOutput });
  const server = createServer({
    kernel,
    pipeline,
    // Names that lead inside come first: an instance's name is the instance's, whatever the path.
    routers: [proxy.route, pages, admin, signers, createWelcome(version)],
    upgrade: (request, socket, head) => proxy.upgrade(request, socket, head) || upgrader(request, socket, head),
  });
  const find = async (name: string) => kernel.webNames.get(name)?.certificate();
  const closeServer = addFront(server, certificates, { find });
  await listen(server, options.listen);
  const closeInside = await listenInside(
    fabric.hostAddress,
    createServer({ kernel, pipeline, routers: [signers], upgrade: upgrader }),
    certificates,
    find,
  );
  const forward = fabric.unavailable === undefined ? await listenForward(path.join(options.data, forwardSocketName)) : undefined;
  const resolver =
    fabric.unavailable === undefined ? await dns.listen({ kind: 'resolver', ...fabric.resolverListen }) : undefined;
  endpoints.port = options.port ?? (server.address() as AddressInfo).port;
  endpoints.host = `http://127.0.0.1:${endpoints.port}`;
  const started = kernel.start().catch((error) => log('error', 'A service could not start.', { error }));
  return {
    port: endpoints.port,
    dnsPort: names?.port,
    limits,
    shortcomings,
    async close() {
      await started;
      await closeServer();
      await closeInside?.();
      forward?.close();
      // What answers goes before what is asked: names, then the kernel, then what runs, the networks under it, and the rows.
      for (const part of [resolver, names, dns]) await part?.close();
      await kernel.stop();
      const { proxy: nodes, caches, dials } = planes;
      for (const part of [functions, nodes, caches, dials, machines, volumes, fabric, store]) await part.close();
    },
  };
}

/**
 * Files of the folder, or the store that was asked for; its client is loaded only then. Comes before anything is made: a place that is not this cloud's
 * ends the start. Throws PilviError BadOption when the bytes are elsewhere.
 */
async function openBlobs({ data, blobs }: CloudOptions, ids: IdSource, log: Log): Promise<Blobs> {
  const cloud = await bindPlace(data, blobs?.place, ids.uuid());
  if (blobs === undefined || cloud === undefined) return openFileBlobs(path.join(data, 'blobs'));
  const { openS3Blobs } = await import('./planes/blobs/s3-blobs.ts');
  const onAway = (reason: string): void => log('error', 'The store of --blobs does not answer yet.', { reason });
  return openS3Blobs({ ...blobs, cloud, folder: path.join(data, 'blobs', 'new'), onAway });
}

/** Addresses before the sockets listen: the one inside is known already. */
function unboundEndpoints({ hostAddress }: Fabric) {
  return { host: '', port: 0, inside: hostAddress === undefined ? undefined : `http://${hostAddress}:${insidePort}` };
}

/** The cloud's own address inside, for machines; returns how to close it. Absent where there is no fabric. */
async function listenInside(
  address: string | undefined,
  server: ReturnType<typeof createServer>,
  certificates: CertificateAuthority,
  find: (name: string) => ReturnType<WebName['certificate']>,
): Promise<(() => Promise<void>) | undefined> {
  if (address === undefined) return undefined;
  const close = addFront(server, certificates, { address, find });
  // Doors of networks have addresses of their own; the fabric lets in what may come.
  await listen(server, { host: '0.0.0.0', port: insidePort });
  return close;
}

/** Serves the certificates that notifications are signed under. */
function signersOf(kernel: Kernel): Router {
  return createSigningCertificates(async (file) => {
    const sns = (await kernel.api('sns', kernel.systemContext('sns', { account: '', region: '' }, 'certificate'))) as SnsApi;
    return sns.certificateAt(file);
  });
}

/** What the admin API asks of services: where an instance is, volumes that stall, where clients of DNS are. */
function hardwareOf(kernel: Kernel) {
  const ec2 = async (): Promise<Ec2Api> =>
    (await kernel.api('ec2', kernel.systemContext('ec2', { account: '', region: '' }, 'chaos'))) as Ec2Api;
  const route53 = async (): Promise<Route53Api> =>
    (await kernel.api('route-53', kernel.systemContext('route-53', { account: '', region: '' }, 'places'))) as Route53Api;
  return {
    placeOf: async (id: string) => (await ec2()).placeOf(id),
    clientPlaces: {
      list: async () => (await route53()).places(),
      set: async (rows: Parameters<Route53Api['setPlaces']>[0]) => (await route53()).setPlaces(rows),
    },
    links: {
      hang: async (id: string, down: boolean) => (await ec2()).hangInstance(id, down),
      interrupt: async (id: string, down: boolean) => (await ec2()).interruptSpot(id, down),
      recommend: async (id: string) => (await ec2()).recommendRebalance(id),
      cut: async (ends: Parameters<Ec2Api['cutLink']>[0], down: boolean) => (await ec2()).cutLink(ends, down),
      list: async () => (await ec2()).orderedFaults(),
      mendAll: async () => (await ec2()).mendAll(),
    },
    volumes: {
      stall: async (id: string, stalled: boolean) => (await ec2()).stallVolume(id, stalled),
      stalled: async () => (await ec2()).stalledVolumes(),
    },
  };
}

/** Suffixes of the API's names in the real cloud. */
const apiApexes = ['amazonaws.com', 'amazonaws.com.cn', 'api.aws'] as const;

/** Names of S3's website endpoints, and of the buckets under them. */
const websiteNames = /(?:^|\.)s3-website[.-][a-z0-9-]+\.amazonaws\.com$/;

/** Services that answer at addresses of their own, which their prefix lists name (services/ec2/prefix-lists/aws-lists.ts). */
const ownAddresses: Readonly<Record<string, string>> = { s3: '198.18.0.17', dynamodb: '198.18.0.33' };

/** Addresses of what services serve to anybody, in the form that works on the host. */
const servedName = /^[a-z0-9]+\.(?:execute-api|lambda-url)\.[a-z0-9-]+\.localhost$/;

function createDns(fabric: Fabric, index: ServiceIndex, clock: CloudClock): DnsServer {
  const functionsBlock = parseCidr4(functionsCidr)!;
  const dns = new DnsServer({
    // A function that is attached to no network asks as anybody on the internet does.
    identify: (address) => fabric.identify(address) ?? (containsAddress(functionsBlock, parseIp4(address) ?? 0) ? {} : undefined),
    now: () => clock.now(),
  });
  const { hostAddress: address } = fabric;
  if (address !== undefined)
    dns.register(
      platformNames({
        apexes: apiApexes,
        addressOf: (name) => {
          if (websiteNames.test(name)) return services.find((entry) => entry.name === 's3')?.webAddress;
          const { services: named } = readHost(index, name);
          if (named.length === 0) return servedName.test(name) ? address : undefined;
          return ownAddresses[named.find((service) => service in ownAddresses) ?? ''] ?? address;
        },
      }),
    );
  return dns;
}

/** Address of a name inside, as the internet sees it. */
async function findInside(dns: DnsServer, name: string): Promise<string | undefined> {
  const { answers } = await dns.resolve({ name, type: 'A' }, { address: '127.0.0.1' });
  const found = answers.find((answer) => answer.type === 'A');
  return found === undefined ? undefined : String(found.data);
}

/** The console's way to subscriptions of the Marketplace: EC2 keeps them. */
function marketOf(kernel: Kernel): Market {
  return {
    subscribe: async (ctx, productCode) => ((await kernel.api('ec2', ctx)) as Ec2Api).subscribe(productCode),
  };
}

/** The console's way to identities: IAM checks who it is, STS gives credentials. */
function doorOf(kernel: Kernel): Door {
  const api = (service: string): Promise<unknown> =>
    kernel.api(service, kernel.systemContext(service, { account: '', region: '' }, 'ConsoleLogin'));
  const iam = () => api('iam') as Promise<IamApi>;
  const sts = () => api('sts') as Promise<StsApi>;
  return {
    checkUser: async (account, userName, password) => (await iam()).checkPassword(account, userName, password),
    checkRoot: async (email, password) => (await iam()).checkRootPassword(email, password),
    takeCode: async ({ account, userId }, serial, code) => (await iam()).takeMfaCode(account, userId, serial, code),
    openSession: async (identity, seconds, mfa) => (await sts()).consoleSession({ identity, seconds, mfa }),
  };
}

/** What machines that run lack here, in sentences for the user. Where there are no machines at all, that says it. */
function listShortcomings(machines: Machines, volumes: Volumes): string[] {
  if (machines.unavailable !== undefined) return [];
  const { unavailable, encryptionUnavailable } = volumes;
  const disks = unavailable ?? (encryptionUnavailable && `Volumes cannot be encrypted: ${encryptionUnavailable}.`);
  return [...(machines.shortcomings ?? []), ...(disks === undefined ? [] : [disks])];
}

/** Opens everything that takes time, at once. A failure ends the process, and with its namespaces what a plane had made already. */
function openParts({ data, planes }: CloudOptions): Promise<[Store, ServiceIndex, Planes]> {
  const store = openLmdbStore(path.join(data, 'store'));
  return Promise.all([store, loadIndex(), planes(data, store)]);
}

function listen(server: Server, where: CloudOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
