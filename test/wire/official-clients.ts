/**
 * The proof of the wire: every operation of every service goes through its official client over real HTTP. The client's request must be
 * identified as the operation it is and come out as what was put in; the answer must reach the caller of the client as it was given; and so must
 * each error that the service models.
 */
import { createRequire } from 'node:module';
import { Agent } from 'node:http';
import { NormalizedSchema } from '@smithy/core/schema';
import type { OperationModel, ServiceModel, StructureSchema } from '../../src/model/service-model.ts';
import type { Protocol, Shape } from '../../src/model/types.ts';
import { loadModel, validateOutput } from '../../src/model/wire.ts';
import { differences } from './comparison.ts';
import {
  clientSettings,
  expectedErrorName,
  expectedInput,
  expectedOutput,
  isAddedByClient,
  possibleInput,
  possibleOutput,
} from './client-habits.ts';
import { kindOfOfficial } from './official-schemas.ts';
import { type Fill, type Kind, kindOfModel, Sampler, Seed } from './samples.ts';
import type { WireServer } from './wire-server.ts';

type Client = { send(command: unknown): Promise<Shape>; destroy(): void };
type Constructor<T> = new (input: unknown) => T;

interface LoadedClient {
  module: Record<string, unknown>;
  className: string;
  /** Frees what importing it took. */
  unload(): void;
}

/** Imports a client in a way that can be undone: seventy-nine of them would fill the memory of one test process. */
export function loadClient(service: string): LoadedClient {
  const load = createRequire(import.meta.url);
  const path = load.resolve(`@aws-sdk/client-${service}`);
  const module = load(path) as Record<string, unknown>;
  const className = Object.keys(module).find(
    (key) => typeof module[key] === 'function' && typeof module[`${key}Client`] === 'function',
  );
  if (className === undefined) throw new Error(`${service} has no client.`);
  const unload = (): void => {
    for (const file of Object.keys(load.cache)) if (file.includes(`/client-${service}/`)) delete load.cache[file];
  };
  return { module, className, unload };
}

export interface ProofOptions {
  service: string;
  server: WireServer;
  /** Constructor of another protocol than the client's own, and what identification must call it. */
  protocol?: { use: unknown; name: Protocol; settings?: Record<string, unknown> };
}

export interface Proven {
  /** Operations whose every member went there and back. */
  operations: number;
  errors: number;
  problems: string[];
}

/** Runs all operations and errors of one service; answers what went wrong, one line each. */
export async function proveService(options: ProofOptions): Promise<Proven> {
  const { service, server, protocol } = options;
  const loaded = loadClient(service);
  const model = await loadModel(service);
  const client = makeClient(service, loaded, server.port, protocol);
  const proof = new ServiceProof(options, loaded, model, client);
  try {
    for (const [position, name] of model.operationNames.entries()) {
      const operation = model.operation(name)!;
      if (operation.isEventStream) continue;
      const sparse = position % 2 === 0 ? 'some' : 'required';
      for (const fill of ['all', sparse] as const) await proof.operation(operation, fill, position + 1);
    }
    await proof.errors();
  } finally {
    client.destroy();
    loaded.unload();
  }
  return { operations: proof.operationsProven, errors: proof.errorsProven, problems: proof.problems };
}

function makeClient(
  service: string,
  { module, className }: LoadedClient,
  port: number,
  protocol: ProofOptions['protocol'],
): Client {
  const { NodeHttpHandler } = createRequire(import.meta.url)('@smithy/node-http-handler') as {
    NodeHttpHandler: new (options: unknown) => unknown;
  };
  // Host prefixes and virtual hosts make names under .localhost; all of them are this machine.
  const lookup = (
    _name: string,
    options: { all?: boolean },
    done: (error: null, address: unknown, family?: number) => void,
  ): void => {
    if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
    else done(null, '127.0.0.1', 4);
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 1, lookup } as ConstructorParameters<typeof Agent>[0]);
  const ClientClass = module[`${className}Client`] as Constructor<Client>;
  return new ClientClass({
    region: 'us-east-1',
    endpoint: `http://localhost:${port}`,
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'secret' },
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      httpAgent: agent,
      connectionTimeout: 2000,
      requestTimeout: 20_000,
      throwOnRequestTimeout: true,
    }),
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    disableRequestCompression: true,
    ...clientSettings(service, protocol?.name),
    ...(protocol && { protocol: protocol.use }),
    ...(protocol?.settings && { protocolSettings: protocol.settings }),
  });
}

class ServiceProof {
  readonly problems: string[] = [];
  operationsProven = 0;
  errorsProven = 0;
  readonly #options: ProofOptions;
  readonly #loaded: LoadedClient;
  readonly #model: ServiceModel;
  readonly #client: Client;

  constructor(options: ProofOptions, loaded: LoadedClient, model: ServiceModel, client: Client) {
    this.#options = options;
    this.#loaded = loaded;
    this.#model = model;
    this.#client = client;
  }

  /** One operation there and back, with one filling of its members. */
  async operation(operation: OperationModel, fill: Fill, seed: number): Promise<void> {
    const label = `${this.#options.service}:${operation.name} (${fill}, seed ${seed})`;
    try {
      const found = await this.#roundTrip(operation, fill, seed);
      this.problems.push(...found.map((problem) => `${label} ${problem}`));
      if (found.length === 0 && fill === 'all') this.operationsProven += 1;
    } catch (cause) {
      this.problems.push(`${label} ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }

  async #roundTrip(operation: OperationModel, fill: Fill, seed: number): Promise<string[]> {
    const { server, service } = this.#options;
    const sent = possibleInput(
      operation,
      this.#protocol,
      new Sampler(new Seed(seed), fill, false, this.#isOld).structure(this.#kind(operation, 'input')),
    );
    const given = possibleOutput(
      operation,
      new Sampler(new Seed(seed + 7919), fill, true, this.#isOld).structure(this.#kind(operation, 'output')),
    );
    const invalid = validateOutput(operation, given).map((problem) => `sample: ${problem}`);
    const Command = this.#loaded.module[`${operation.name}Command`] as Constructor<unknown>;
    const command = new Command(structuredClone(sent));
    const wanted = expectedInput(operation, sent);
    server.answer({ output: given });
    let received: Shape | undefined;
    let failure: unknown;
    try {
      received = await collect(await this.#client.send(command));
    } catch (cause) {
      failure = cause;
    }
    const seen = server.seen();
    if (failure !== undefined) throw failure;
    const problems = [...invalid, ...this.#identification(seen, operation, this.#protocol)];
    const input = Object.fromEntries(
      Object.entries(seen.input).filter(([name]) => name in wanted || !isAddedByClient(service, name)),
    );
    problems.push(...differences(wanted, input).map((problem) => `input${problem}`));
    problems.push(...differences(expectedOutput(operation, given), received).map((problem) => `output${problem}`));
    return problems;
  }

  #identification(
    seen: { service: string; operation: string; protocol: Protocol },
    operation: OperationModel,
    protocol: Protocol,
  ): string[] {
    const problems: string[] = [];
    const { service } = this.#options;
    if (seen.service !== service) problems.push(`was taken for the service ${seen.service}`);
    if (seen.operation !== operation.name) problems.push(`was taken for ${seen.operation}`);
    if (seen.protocol !== protocol) problems.push(`was taken for ${seen.protocol}`);
    return problems;
  }

  /** Clients without schemas round times to seconds. */
  get #isOld(): boolean {
    return !('errorTypeRegistries' in this.#loaded.module);
  }

  get #protocol(): Protocol {
    return this.#options.protocol?.name ?? this.#model.entry.protocols[0]!;
  }

  #kind(operation: OperationModel, side: 'input' | 'output'): Kind {
    const schema = this.#loaded.module[`${operation.name}$`] as readonly unknown[] | undefined;
    if (schema === undefined) return kindOfModel(operation[side]);
    const ns = NormalizedSchema.of(schema[side === 'input' ? 4 : 5] as never);
    const greedy = new Set([...(operation.http?.path ?? '').matchAll(/\{(\w+)\+\}/g)].map((match) => match[1]!));
    if (ns.isUnitSchema()) return kindOfModel(operation[side]);
    return kindOfOfficial(ns, operation[side], { greedyLabels: greedy });
  }

  /** Each error that the service models, thrown by the first operation that reads an answer. */
  async errors(): Promise<void> {
    const operation = this.#model.operationNames
      .map((name) => this.#model.operation(name)!)
      .find((each) => !each.isEventStream && each.http?.method !== 'HEAD');
    if (operation === undefined) return;
    const shapes = new Set(this.#model.errors.values());
    for (const shape of shapes) {
      try {
        const found = await this.#error(operation, shape);
        this.problems.push(...found.map((problem) => `${this.#options.service} error ${shape.name} ${problem}`));
        if (found.length === 0) this.errorsProven += 1;
      } catch (cause) {
        this.problems.push(
          `${this.#options.service} error ${shape.name} ${cause instanceof Error ? cause.stack : String(cause)}`,
        );
      }
    }
  }

  async #error(operation: OperationModel, shape: StructureSchema): Promise<string[]> {
    const { server } = this.#options;
    const official = this.#loaded.module[`${shape.name}$`];
    const kind =
      official === undefined
        ? kindOfModel(shape)
        : kindOfOfficial(NormalizedSchema.of(official as never), shape, { greedyLabels: new Set() });
    const {
      message: _lower,
      Message: _upper,
      ...members
    } = new Sampler(new Seed(shape.name.length), 'all', true).structure(kind);
    const { fault, status } = shape.error!;
    server.answer({ error: { code: shape.name, message: 'It went <wrong> & "badly".', status, fault, members } });
    const sent = possibleInput(
      operation,
      this.#protocol,
      new Sampler(new Seed(1), 'required', false).structure(this.#kind(operation, 'input')),
    );
    const Command = this.#loaded.module[`${operation.name}Command`] as Constructor<unknown>;
    const thrown = (await this.#client.send(new Command(sent)).then(
      () => undefined,
      (cause: unknown) => cause,
    )) as (Record<string, unknown> & { $metadata?: { httpStatusCode?: number } }) | undefined;
    server.seen();
    if (thrown === undefined) return ['did not reach the caller'];
    const problems: string[] = [];
    if (thrown['name'] !== expectedErrorName(this.#options.service, shape.name))
      problems.push(`arrived as ${String(thrown['name'])}: ${String(thrown['message'])}`);
    if (thrown['message'] !== 'It went <wrong> & "badly".') problems.push(`has the message ${String(thrown['message'])}`);
    if (thrown.$metadata?.httpStatusCode !== status) problems.push(`has the status ${thrown.$metadata?.httpStatusCode}`);
    for (const [name, value] of Object.entries(members)) {
      problems.push(...differences(value, thrown[name]).map((problem) => `.${name}${problem}`));
    }
    return problems;
  }
}

/** An answer as plain data: streams read, metadata dropped. */
async function collect(output: Shape): Promise<Shape> {
  const { $metadata: _metadata, ...rest } = output;
  for (const [name, value] of Object.entries(rest)) {
    const stream = value as { transformToByteArray?: () => Promise<Uint8Array> } | undefined;
    if (typeof stream?.transformToByteArray === 'function' && !(value instanceof Uint8Array))
      rest[name] = await stream.transformToByteArray();
  }
  return rest;
}
