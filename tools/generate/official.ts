/**
 * Reads a service from the schemas inside its official SDK package: imports the package's own compiled code and walks the schema objects it
 * exports. Rejected: reading the text of dist-es/, which depends on how the package is printed.
 *
 * A static schema is `[kind, namespace, name, traits, …]`: 1 list, 2 map, 3 structure, 4 union, -3 error, 9 operation, 0 named simple type;
 * structures go on with member names, member schemas and the number of required members, which come first. A member schema is a schema or
 * `[schema, traits]`; a bare number is a simple type, plus 64 for a list and 128 for a map of it. Traits are an object or a bit vector.
 */
import { createRequire } from 'node:module';
import type { ErrorTraits, MemberTraits, Protocol } from '../../src/model/types.ts';
import type { DraftList, DraftMap, DraftMember, DraftModel, DraftOperation, DraftShape, DraftStructure } from './draft.ts';

type Traits = Record<string, unknown>;
type StaticSchema = readonly [number, string, string, number | Traits, ...unknown[]];

const bitTraits = [
  'httpLabel',
  'idempotent',
  'idempotencyToken',
  'sensitive',
  'httpPayload',
  'httpResponseCode',
  'httpQueryParams',
] as const;

/** What the generator reads of a client's resolved configuration. */
interface ClientConfig {
  apiVersion: string;
  serviceId: string;
  protocol: unknown;
  protocolSettings: { xmlNamespace?: string; serviceTarget: string; defaultNamespace: string; awsQueryCompatible?: boolean };
  endpointProvider(parameters: Record<string, unknown>): { url: URL };
  httpAuthSchemeProvider(parameters: Record<string, unknown>): { signingProperties?: { name?: string } }[];
}

interface ClientConstructor {
  new (config: Record<string, unknown>): { config: ClientConfig };
}

/** A package of the SDK as this file sees it. */
export interface ClientPackage {
  /** Name without `client-`. */
  name: string;
  module: Record<string, unknown>;
  /** Name of the class that has a method for each operation, as `STS`. */
  className: string;
}

/** Imports `@aws-sdk/client-<name>`. Throws when it is not installed or has no aggregated client. */
export function importClient(name: string): ClientPackage {
  const load = createRequire(`${process.cwd()}/package.json`);
  const module = load(`@aws-sdk/client-${name}`) as Record<string, unknown>;
  const className = Object.keys(module).find(
    (key) => typeof module[key] === 'function' && typeof module[`${key}Client`] === 'function',
  );
  if (className === undefined) throw new Error(`@aws-sdk/client-${name} exports no aggregated client.`);
  return { name, module, className };
}

/** True if the package has schemas (all but the oldest have). */
export function hasSchemas(client: ClientPackage): boolean {
  return 'errorTypeRegistries' in client.module;
}

/** The client's resolved configuration, without any file or variable of the host. */
export function configOf(client: ClientPackage): ClientConfig {
  const Client = client.module[`${client.className}Client`] as ClientConstructor;
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  return new Client({ region: 'us-east-1', credentials, retryMode: 'standard', maxAttempts: 1, useFipsEndpoint: false }).config;
}

/** The model of an official package. */
export function readOfficial(client: ClientPackage): DraftModel {
  const config = configOf(client);
  const walker = new Walker();
  const operations = new Map<string, DraftOperation>();
  const errors: DraftStructure[] = [];
  for (const schema of exportedSchemas(client.module)) {
    if (schema[0] === 9) operations.set(schema[2], walker.operation(schema));
    if (schema[0] === -3 && !schema[1].startsWith('smithy.ts.sdk.synthetic')) errors.push(walker.shape(schema) as DraftStructure);
  }
  errors.sort((a, b) => (a.name < b.name ? -1 : 1));
  const protocols = protocolsOf(config.protocol);
  const { xmlNamespace = '', serviceTarget, defaultNamespace, awsQueryCompatible } = config.protocolSettings;
  const service = {
    name: client.name,
    serviceId: config.serviceId,
    signingName: signingNameOf(config, [...operations.keys()][0] as string),
    endpointPrefix: endpointPrefixOf(config),
    apiVersion: config.apiVersion,
    targetPrefix: serviceTarget,
    xmlNamespace,
    protocols,
    operations: operations.size,
    namespace: defaultNamespace,
    ...(awsQueryCompatible && { queryCompatible: true }),
  };
  return { service, operations, errors };
}

function* exportedSchemas(module: Record<string, unknown>): Generator<StaticSchema> {
  for (const key of Object.keys(module).sort()) {
    const value = module[key];
    if (key.endsWith('$') && Array.isArray(value) && value.length >= 4) yield value as unknown as StaticSchema;
  }
}

function protocolsOf(protocol: unknown): Protocol[] {
  const shapeId = (protocol as { getShapeId(): string }).getShapeId();
  switch (shapeId) {
    case 'aws.protocols#awsJson1_0':
      return ['awsJson1_0', 'awsJson1_1', 'rpcv2Cbor'];
    case 'aws.protocols#awsJson1_1':
      return ['awsJson1_1', 'awsJson1_0', 'rpcv2Cbor'];
    case 'smithy.protocols#rpcv2Cbor':
      return ['rpcv2Cbor', 'awsJson1_0', 'awsJson1_1'];
    case 'aws.protocols#restJson1':
      return ['restJson1'];
    case 'aws.protocols#restXml':
      return ['restXml'];
    case 'aws.protocols#awsQuery':
      return ['awsQuery'];
    case 'aws.protocols#ec2Query':
      return ['ec2Query'];
    default:
      throw new Error(`Pilvi does not know the protocol ${shapeId}.`);
  }
}

/** Name in the credential scope, from the client's own choice of signer for any operation. */
export function signingNameOf(config: ClientConfig, operation: string): string {
  const options = config.httpAuthSchemeProvider({ operation, region: 'us-east-1', Region: 'us-east-1' });
  const name = options.map((option) => option.signingProperties?.name).find((candidate) => candidate !== undefined);
  if (name === undefined) throw new Error(`${config.serviceId} tells no signing name.`);
  return name;
}

/** What stands before the region in the service's host name: `sts`, `api.ecr`. */
function endpointPrefixOf(config: ClientConfig): string {
  const endpoint = config.endpointProvider({
    Region: 'us-east-1',
    UseFIPS: false,
    UseDualStack: false,
    AccountId: '000000000000',
    RequiresAccountId: false,
  });
  return endpoint.url.hostname.replace(/\.amazonaws\.com$|\.api\.aws$/, '').replace(/\.(us-east-1|global)$/, '');
}

/** Turns static schemas into draft shapes, each once. */
class Walker {
  readonly #shapes = new Map<unknown, DraftShape>();
  readonly #inlineLists = new Map<number, DraftShape>();

  operation(schema: StaticSchema): DraftOperation {
    const traits = traitsOf(schema[3]);
    const operation: DraftOperation = { name: schema[2] };
    const input = deref(schema[4]);
    const output = deref(schema[5]);
    if (input !== 'unit') operation.input = this.shape(input as StaticSchema) as DraftStructure;
    if (output !== 'unit') operation.output = this.shape(output as StaticSchema) as DraftStructure;
    if (traits['http'] !== undefined) operation.http = [...(traits['http'] as [string, string, number])];
    if (traits['endpoint'] !== undefined) operation.host = (traits['endpoint'] as [string])[0];
    return operation;
  }

  shape(schema: StaticSchema): DraftShape {
    const known = this.#shapes.get(schema);
    if (known !== undefined) return known;
    const [kind, , name] = schema;
    if (kind === 1) return this.#list(schema, name);
    if (kind === 2) return this.#map(schema, name);
    if (kind !== 3 && kind !== 4 && kind !== -3) throw new Error(`${name} is of the unknown kind ${kind}.`);
    const traits = traitsOf(schema[3]);
    const shape: DraftStructure = {
      kind: kind === 3 ? 'structure' : kind === 4 ? 'union' : 'error',
      name,
      members: new Map(),
      required: (schema[6] as number | undefined) ?? 0,
    };
    this.#shapes.set(schema, shape);
    if (traits['xmlName'] !== undefined && kind === 3) shape.rootName = traits['xmlName'] as string;
    if (kind === -3) shape.error = errorTraitsOf(traits, name);
    const schemas = schema[5] as readonly unknown[];
    (schema[4] as readonly string[]).forEach((member, index) => {
      shape.members.set(member, this.#member(schemas[index]));
    });
    return shape;
  }

  #list(schema: StaticSchema, name: string): DraftShape {
    const shape: DraftList = { kind: 'list', name, member: { target: 0, traits: {} }, sparse: 'sparse' in traitsOf(schema[3]) };
    this.#shapes.set(schema, shape);
    shape.member = this.#member(schema[4]);
    return shape;
  }

  #map(schema: StaticSchema, name: string): DraftShape {
    const placeholder = { target: 0, traits: {} };
    const shape: DraftMap = { kind: 'map', name, key: placeholder, value: placeholder, sparse: 'sparse' in traitsOf(schema[3]) };
    this.#shapes.set(schema, shape);
    shape.key = this.#member(schema[4]);
    shape.value = this.#member(schema[5]);
    return shape;
  }

  /** A list or map written as a bare number. */
  #inline(code: number): DraftShape {
    const known = this.#inlineLists.get(code);
    if (known !== undefined) return known;
    const value = { target: code & 63, traits: {} };
    const shape: DraftShape =
      code < 128
        ? { kind: 'list', name: `list${code}`, member: value, sparse: false }
        : { kind: 'map', name: `map${code}`, key: { target: 0, traits: {} }, value, sparse: false };
    this.#inlineLists.set(code, shape);
    return shape;
  }

  #member(reference: unknown): DraftMember {
    const resolved = deref(reference);
    const [inner, own] =
      Array.isArray(resolved) && resolved.length === 2 ? [deref(resolved[0]), traitsOf(resolved[1])] : [resolved, {}];
    if (typeof inner === 'number') return { target: inner < 64 ? inner : this.#inline(inner), traits: memberTraitsOf(own) };
    const schema = inner as StaticSchema;
    const inherited = traitsOf(schema[3]);
    if (schema[0] === 0) return { target: schema[4] as number, traits: memberTraitsOf({ ...inherited, ...own }) };
    const isStructure = schema[0] === 3 || schema[0] === 4;
    const { xmlName: _rootName, ...rest } = inherited;
    const merged = isStructure ? { ...rest, ...own } : { ...inherited, ...own };
    const member: DraftMember = { target: this.shape(schema), traits: memberTraitsOf(merged) };
    if (schema[0] === 4 && 'streaming' in inherited) member.traits.events = 1;
    return member;
  }
}

function deref(value: unknown): unknown {
  let current = value;
  while (typeof current === 'function') current = (current as () => unknown)();
  return current;
}

function traitsOf(value: unknown): Traits {
  if (typeof value === 'object' && value !== null) return value as Traits;
  const traits: Traits = {};
  bitTraits.forEach((name, bit) => {
    if (((value as number) >> bit) & 1) traits[name] = 1;
  });
  return traits;
}

function errorTraitsOf(traits: Traits, name: string): ErrorTraits {
  const fault = traits['error'] === 'server' ? 'server' : 'client';
  const query = traits['awsQueryError'] as [string, number] | undefined;
  const status = (traits['httpError'] as number | undefined) ?? query?.[1] ?? (fault === 'server' ? 500 : 400);
  return query === undefined || query[0] === name ? { fault, status } : { fault, status, queryCode: query[0] };
}

/** Traits of members that the wire does not show: what a request means, not how it looks. */
const unusedTraits = new Set([
  'idempotent',
  'streaming',
  'sparse',
  'mediaType',
  'eventHeader',
  'error',
  'httpError',
  'awsQueryError',
]);

function memberTraitsOf(traits: Traits): MemberTraits {
  const member: MemberTraits = {};
  for (const [name, value] of Object.entries(traits)) {
    if (name === 'xmlName') member.xml = value as string;
    else if (name === 'ec2QueryName') member.ec2 = value as string;
    else if (name === 'jsonName') member.json = value as string;
    else if (name === 'xmlFlattened') member.flat = 1;
    else if (name === 'xmlAttribute') member.attribute = 1;
    else if (name === 'xmlNamespace') member.namespace = value as [string, string];
    else if (name === 'httpHeader') member.header = value as string;
    else if (name === 'httpPrefixHeaders') member.prefixHeaders = value as string;
    else if (name === 'httpQuery') member.query = value as string;
    else if (name === 'httpQueryParams') member.queryMap = 1;
    else if (name === 'httpLabel') member.label = 1;
    else if (name === 'httpPayload') member.payload = 1;
    else if (name === 'httpResponseCode') member.status = 1;
    else if (name === 'idempotencyToken') member.token = 1;
    else if (name === 'sensitive') member.sensitive = 1;
    else if (name === 'hostLabel') member.hostLabel = 1;
    else if (name === 'eventPayload') member.eventPayload = 1;
    else if (!unusedTraits.has(name)) throw new Error(`Pilvi does not know the trait ${name}.`);
  }
  return member;
}
