/**
 * The admin API under /_pilvi: health, services, clock, chaos, reset, inspect, trace. A client of the kernel. It needs no signature, because it
 * listens where the gateway listens, on loopback. Under /_localstack the few paths that scripts for other local clouds call are answered too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLocalRequest } from '../base/local-request.ts';
import { findRegion, findZone } from '../base/regions.ts';
import type { ApiFault } from '../kernel/chaos.ts';
import type { CertificateAuthority } from '../kernel/certificate-authority.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { describeError, type Log } from '../kernel/log.ts';
import { letters } from '../kernel/outbox.ts';
import type { ServiceIndex } from '../model/service-model.ts';
import type { Value } from '../store/store.ts';

/** Largest body of an admin request. */
const bodyBytesMax = 1024 * 1024;

export interface AdminOptions {
  kernel: Kernel;
  index: ServiceIndex;
  version: string;
  /** Folder of the cloud's data, for commands that know only its port. */
  data: string;
  /** Port of the host for public zones. */
  dnsPort: number | undefined;
  /** Why machines or networks do not run on this host, in words; empty when they do. */
  limits: readonly string[];
  /** What machines that run lack on this host, in words. */
  shortcomings: readonly string[];
  /** The authority behind this cloud's HTTPS. */
  certificates: CertificateAuthority;
  /** The table of where clients of DNS are. */
  clientPlaces: { list(): Promise<unknown>; set(rows: readonly { cidr: string }[]): Promise<void> };
  /** Where in the zones' hardware an instance or a Dedicated Host is: `us-east-1a/dc1/rack3/host5`. */
  placeOf: (id: string) => Promise<string | undefined>;
  /** Instances that can be made to hang, interfaces and paths that can be cut. */
  links: {
    hang: (id: string, down: boolean) => Promise<boolean>;
    /** Gives a Spot Instance notice of its interruption, or what it was interrupted for back. */
    interrupt: (id: string, down: boolean) => Promise<boolean>;
    /** Recommends to rebalance a Spot Instance. */
    recommend: (id: string) => Promise<boolean>;
    cut: (ends: readonly [string] | readonly [string, string], down: boolean) => Promise<boolean>;
    list: () => Promise<{
      instances: readonly string[];
      interfaces: readonly string[];
      paths: readonly (readonly [string, string])[];
    }>;
    mendAll: () => Promise<void>;
  };
  /** Volumes whose I/O can be made to stand still. */
  volumes: {
    stall: (id: string, stalled: boolean) => Promise<boolean>;
    stalled: () => Promise<readonly string[]>;
  };
}

interface AdminRequest {
  params: readonly string[];
  query: URLSearchParams;
  body: Readonly<Record<string, unknown>>;
}

interface Route {
  method: string;
  pattern: RegExp;
  /** Its answer goes out as JSON; text as it is. */
  handle: (request: AdminRequest) => Promise<unknown>;
}

/** A fault of the admin API's caller. */
class AdminError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers admin requests; false for everything else. */
export function createAdmin(
  options: AdminOptions,
): (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean> {
  const routes = [
    ...lifeRoutes(options),
    ...clockRoutes(options),
    ...insightRoutes(options),
    ...outboxRoutes(options),
    ...chaosRoutes(options),
    ...placeRoutes(options),
    ...neighbourRoutes(options),
  ];
  return (request, response) => {
    const url = request.url ?? '/';
    if (!url.startsWith('/_pilvi') && !url.startsWith('/_localstack')) return false;
    if (!isLocalRequest(request.headers)) {
      response
        .writeHead(403, { 'content-type': 'text/plain' })
        .end('The admin API answers to local names and local pages only.\n');
      return true;
    }
    return answer(routes, options.kernel.log, request, response).then(() => true);
  };
}

async function answer(routes: readonly Route[], log: Log, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const atPath = routes.filter((route) => route.pattern.test(url.pathname));
  const route = atPath.find(({ method }) => method === request.method);
  let status = 200;
  let result: unknown;
  try {
    if (route === undefined)
      throw new AdminError(atPath.length > 0 ? 405 : 404, `There is no ${request.method} ${url.pathname}.`);
    const body = await readJson(request);
    result = await route.handle({ params: route.pattern.exec(url.pathname)?.slice(1) ?? [], query: url.searchParams, body });
  } catch (error) {
    status = error instanceof AdminError ? error.status : 500;
    if (status === 500 && !request.destroyed)
      log('error', 'An admin request failed by a bug of Pilvi.', { cause: describeError(error) });
    result = { error: error instanceof Error ? error.message : String(error) };
  }
  const plain = typeof result === 'string' ? result : undefined;
  const text = plain ?? `${JSON.stringify(result ?? {}, plainJson, 2)}\n`;
  // What is left of a refused body is not read, so nothing may follow it on this connection.
  const rest = request.complete ? {} : { connection: 'close' };
  response
    .writeHead(status, {
      'content-type': plain === undefined ? 'application/json' : 'text/plain',
      'content-length': Buffer.byteLength(text),
      ...rest,
    })
    .end(text);
}

function plainJson(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? `<${value.byteLength} bytes>` : value;
}

async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > bodyBytesMax) throw new AdminError(413, 'The body is too large.');
    chunks.push(chunk);
  }
  if (length === 0) return {};
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch {
    // Answered below, like any other body that is not an object.
  }
  throw new AdminError(400, 'The body must be a JSON object.');
}

/** Empties the cloud or one account. */
async function reset({ kernel }: AdminOptions, account?: string): Promise<Record<string, never>> {
  await kernel.reset(account);
  return {};
}

function lifeRoutes(options: AdminOptions): Route[] {
  const { kernel, version, data, limits, dnsPort, shortcomings, index, certificates } = options;
  return [
    {
      method: 'GET',
      pattern: /^\/_pilvi\/health$/,
      handle: async () => ({
        status: 'running',
        version,
        data,
        dnsPort,
        limits,
        shortcomings,
        time: new Date(kernel.clock.now()).toISOString(),
        ca: certificates.file,
      }),
    },
    { method: 'GET', pattern: /^\/_pilvi\/ca\.pem$/, handle: () => certificates.certificate() },
    {
      method: 'GET',
      pattern: /^\/_pilvi\/services$/,
      handle: async () => {
        const names = new Set(kernel.registry.entries.map((entry) => entry.name as string));
        return Promise.all(
          index.entries.map(async (entry) => {
            const definition = names.has(entry.name) ? await kernel.registry.get(entry.name) : undefined;
            const implemented = Object.keys(definition?.handlers ?? {}).sort();
            return { name: entry.name, operations: entry.operations, implemented };
          }),
        );
      },
    },
    {
      method: 'POST',
      pattern: /^\/_pilvi\/reset$/,
      handle: async ({ body, query }) => {
        const account = body['account'] ?? query.get('account') ?? undefined;
        if (account !== undefined && !/^\d{12}$/.test(String(account)))
          throw new AdminError(400, 'account must be twelve digits.');
        return reset(options, account === undefined ? undefined : String(account));
      },
    },
  ];
}

function clockRoutes({ kernel }: AdminOptions): Route[] {
  const state = () => ({ time: new Date(kernel.clock.now()).toISOString(), speed: kernel.clock.lasting.speed });
  return [
    { method: 'GET', pattern: /^\/_pilvi\/clock$/, handle: async () => state() },
    {
      method: 'POST',
      pattern: /^\/_pilvi\/clock$/,
      handle: async ({ body }) => {
        const { advanceMillis, speed } = body;
        if (advanceMillis === undefined && speed === undefined)
          throw new AdminError(400, 'clock takes advanceMillis, speed, or both.');
        for (const [name, value] of Object.entries({ advanceMillis, speed }))
          if (value !== undefined && typeof value !== 'number') throw new AdminError(400, `${name} must be a number.`);
        try {
          if (typeof speed === 'number') await kernel.mover.setSpeed(speed);
          const advanced = typeof advanceMillis === 'number' ? await kernel.mover.advance(advanceMillis) : {};
          return { ...state(), ...advanced };
        } catch (error) {
          if (error instanceof RangeError) throw new AdminError(400, error.message);
          throw error;
        }
      },
    },
  ];
}

function insightRoutes({ kernel }: AdminOptions): Route[] {
  return [
    {
      method: 'GET',
      pattern: /^\/_pilvi\/traces\/([\w-]+)$/,
      handle: async ({ params }) => {
        const trace = kernel.traces.find(params[0] ?? '');
        if (trace === undefined) throw new AdminError(404, 'No such request, or it is too long ago.');
        return { requestId: trace.requestId, lines: trace.lines, dropped: trace.dropped };
      },
    },
    {
      method: 'GET',
      pattern: /^\/_pilvi\/inspect$/,
      handle: async ({ query }) => {
        await kernel.recorder.flush();
        const prefix = (query.get('prefix') ?? '').split('/').filter((part) => part !== '');
        const entries = await kernel.store.scan({ prefix, limit: parseRows(query.get('limit')) });
        return {
          rows: entries.map(({ key, value }): { key: string; value: Value } => ({ key: key.join('/'), value })),
          due: await kernel.scheduler.list(),
          reconcilers: kernel.reconcilers.status(),
          storeBytes: await kernel.store.size(),
          memoryBytes: process.memoryUsage().rss,
        };
      },
    },
  ];
}

/** How many rows `inspect` shows: 1 to 1000, 100 unless told. Throws AdminError for anything else. */
function parseRows(text: string | null): number {
  const rows = Number(text ?? 100);
  if (!Number.isInteger(rows) || rows < 1 || rows > 1000)
    throw new AdminError(400, 'limit must be a whole number from 1 to 1000.');
  return rows;
}

function outboxRoutes({ kernel }: AdminOptions): Route[] {
  return [
    {
      method: 'GET',
      pattern: /^\/_pilvi\/outbox$/,
      handle: async ({ query }) => {
        const found = await letters(kernel.store, query.get('account') ?? undefined);
        return { letters: found.map((letter) => ({ ...letter, at: new Date(letter.at).toISOString() })) };
      },
    },
  ];
}

/** Where clients are, by blocks of addresses: what answers by place and latency go by. A POST replaces the whole table. */
function placeRoutes({ clientPlaces }: AdminOptions): Route[] {
  const pattern = /^\/_pilvi\/places$/;
  return [
    { method: 'GET', pattern, handle: async () => ({ places: await clientPlaces.list() }) },
    {
      method: 'POST',
      pattern,
      handle: async ({ body }) => {
        const { places } = body as { places?: readonly { cidr: string }[] };
        if (!Array.isArray(places))
          throw new AdminError(400, 'places must be a list of {cidr, continent, country, subdivision, latitude, longitude}.');
        await clientPlaces.set(places).catch((error: Error) => {
          throw error instanceof RangeError ? new AdminError(400, error.message) : error;
        });
        return {};
      },
    },
  ];
}

/** Regions, zones and places in zones that go down and come back. */
function faultRoutes({
  kernel,
  placeOf,
  state,
}: Pick<AdminOptions, 'kernel' | 'placeOf'> & { state: () => Promise<unknown> }): Route[] {
  return [
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/zone$/,
      handle: async ({ body: { zone: name, down } }) => {
        const zone = typeof name === 'string' ? findZone(name) : undefined;
        if (zone === undefined) throw new AdminError(400, 'zone must be the name or the id of a zone.');
        if (typeof down !== 'boolean') throw new AdminError(400, 'down must be true or false.');
        await kernel.setZoneDown(zone.name, down);
        return state();
      },
    },
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/region$/,
      handle: async ({ body: { region: name, down } }) => {
        const region = typeof name === 'string' ? findRegion(name) : undefined;
        if (region === undefined) throw new AdminError(400, 'region must be the name of a Region.');
        if (typeof down !== 'boolean') throw new AdminError(400, 'down must be true or false.');
        await kernel.setZoneDown(region.name, down);
        return state();
      },
    },
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/(host|rack|datacenter)$/,
      handle: async ({ params: [level = ''], body: { at, down } }) => {
        if (typeof at !== 'string') throw new AdminError(400, 'at must be an instance, a Dedicated Host or a place.');
        if (typeof down !== 'boolean') throw new AdminError(400, 'down must be true or false.');
        const place = /^(i|h)-/.test(at) ? await placeOf(at) : findZone(at.split('/')[0] ?? '') && at;
        const depth = { datacenter: 2, rack: 3, host: 4 }[level] as number;
        const parts = place?.split('/') ?? [];
        if (parts.length < depth) throw new AdminError(400, `There is no ${level} of ${at}.`);
        await kernel.setZoneDown(parts.slice(0, depth).join('/'), down);
        return state();
      },
    },
  ];
}

/** Instances that hang, interfaces and paths that are cut, and their end. Answers when it is so. */
function linkRoutes({
  kernel,
  links,
  state,
}: Pick<AdminOptions, 'kernel' | 'links'> & { state: () => Promise<unknown> }): Route[] {
  const route = (kind: string, set: (body: Readonly<Record<string, unknown>>, down: boolean) => Promise<boolean>): Route => ({
    method: 'POST',
    pattern: new RegExp(`^/_pilvi/chaos/${kind}$`),
    handle: async ({ body }) => {
      if (typeof body['down'] !== 'boolean') throw new AdminError(400, 'down must be true or false.');
      if (!(await set(body, body['down']))) throw new AdminError(400, `There is no such ${kind}.`);
      await kernel.reconcilers.idle();
      return state();
    },
  });
  return [
    route('instance', ({ instance }, down) => links.hang(String(instance), down)),
    route('spot', ({ spot }, down) => links.interrupt(String(spot), down)),
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/rebalance$/,
      handle: async ({ body }) => {
        if (!(await links.recommend(String(body['spot'])))) throw new AdminError(400, 'There is no such spot.');
        await kernel.reconcilers.idle();
        return state();
      },
    },
    route('interface', ({ interface: id }, down) => links.cut([String(id)], down)),
    route('path', ({ from, to }, down) => links.cut([String(from), String(to)], down)),
  ];
}

function chaosRoutes({ kernel, placeOf, volumes, links }: AdminOptions): Route[] {
  const state = async () => ({
    ...(await links.list()),
    volumes: await volumes.stalled(),
    api: kernel.chaos.list(),
    zones: kernel.zones.list().map(({ zone, since }) => ({ zone, since: new Date(since).toISOString() })),
  });
  return [
    { method: 'GET', pattern: /^\/_pilvi\/chaos$/, handle: async () => state() },
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/api$/,
      handle: async ({ body }) => {
        kernel.chaos.add(parseFault(body));
        return state();
      },
    },
    ...faultRoutes({ kernel, placeOf, state }),
    ...linkRoutes({ kernel, links, state }),
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/volume$/,
      handle: async ({ body: { volume, down } }) => {
        if (typeof down !== 'boolean') throw new AdminError(400, 'down must be true or false.');
        if (typeof volume !== 'string' || !(await volumes.stall(volume, down)))
          throw new AdminError(400, 'There is no such volume.');
        return state();
      },
    },
    {
      method: 'GET',
      pattern: /^\/_pilvi\/places\/([\w-]+)$/,
      handle: async ({ params: [id = ''] }) => {
        const place = await placeOf(id);
        if (place === undefined) throw new AdminError(404, `${id} is on no host.`);
        return { place };
      },
    },
    {
      method: 'POST',
      pattern: /^\/_pilvi\/chaos\/clear$/,
      handle: async () => {
        kernel.chaos.clear();
        for (const { zone } of kernel.zones.list()) await kernel.setZoneDown(zone, false);
        await links.mendAll();
        await kernel.reconcilers.idle();
        for (const id of await volumes.stalled()) await volumes.stall(id, false);
        return state();
      },
    },
  ];
}

/** A fault from a request's body. Throws AdminError for members of a wrong kind. */
function parseFault(body: Readonly<Record<string, unknown>>): ApiFault {
  const { kind } = body;
  if (kind !== 'throttle' && kind !== 'error' && kind !== 'delay') throw new AdminError(400, 'kind is throttle, error or delay.');
  const text = (name: string): string | undefined => {
    const value = body[name];
    if (value !== undefined && typeof value !== 'string') throw new AdminError(400, `${name} must be text.`);
    return value;
  };
  const number = (name: string): number | undefined => {
    const value = body[name];
    if (value !== undefined && typeof value !== 'number') throw new AdminError(400, `${name} must be a number.`);
    return value;
  };
  const region = text('region');
  if (region !== undefined && findRegion(region) === undefined) throw new AdminError(400, 'There is no such Region.');
  const delay = number('delay');
  if (kind === 'delay' && !(delay !== undefined && delay > 0))
    throw new AdminError(400, 'delay must be a number of milliseconds.');
  const times = number('times');
  if (times !== undefined && !(Number.isInteger(times) && times > 0))
    throw new AdminError(400, 'times must be a whole number from 1 on.');
  return { kind, region, service: text('service'), operation: text('operation'), account: text('account'), delay, times };
}

/** Paths of other local clouds that test suites call; LocalStack's documentation, "Internal endpoints". */
function neighbourRoutes(options: AdminOptions): Route[] {
  const { kernel, version, index } = options;
  return [
    {
      method: 'GET',
      pattern: /^\/_localstack\/health$/,
      handle: async () => {
        const services = Object.fromEntries(
          index.entries.map((entry) => [
            entry.endpointPrefix,
            kernel.registry.entries.some(({ name }) => name === entry.name) ? 'available' : 'disabled',
          ]),
        );
        return { services, edition: 'pilvi', version };
      },
    },
    {
      method: 'POST',
      pattern: /^\/_localstack\/state\/reset$/,
      handle: () => reset(options),
    },
  ];
}
