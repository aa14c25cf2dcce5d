/**
 * Reads service descriptions of the former SDK (npm aws-sdk 2, apis/*.min.json), for two things: the models of the packages that carry no
 * schemas, and the widths of numbers (integer, long, float, double), which the schemas of the present SDK do not tell.
 *
 * These descriptions are frozen (the SDK has ended), so newer members are missing in them; nothing but widths is taken from them where a schema
 * exists. Looked for and not found in them: enum values, minima, maxima and patterns (the min.json files have none).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MemberTraits, Protocol } from '../../src/model/types.ts';
import type { DraftMember, DraftModel, DraftOperation, DraftShape, DraftStructure } from './draft.ts';

interface LegacyShape {
  shape?: string;
  type?: string;
  members?: Record<string, LegacyShape>;
  member?: LegacyShape;
  key?: LegacyShape;
  value?: LegacyShape;
  required?: string[];
  location?: string;
  locationName?: string;
  flattened?: boolean;
  idempotencyToken?: boolean;
  sensitive?: boolean;
  timestampFormat?: string;
  payload?: string;
  jsonvalue?: boolean;
  streaming?: boolean;
}

export interface LegacyModel {
  metadata: {
    serviceId: string;
    protocol: string;
    targetPrefix?: string;
    endpointPrefix: string;
    signingName?: string;
    apiVersion: string;
  };
  operations: Record<
    string,
    { http?: { method?: string; requestUri?: string; responseCode?: number }; input?: LegacyShape; output?: LegacyShape }
  >;
  shapes?: Record<string, LegacyShape>;
}

/** All descriptions of the former SDK, by service id; where a service has several versions, the newest. */
export function readLegacyModels(root: string): Map<string, LegacyModel> {
  const folder = join(root, 'node_modules/aws-sdk/apis');
  const models = new Map<string, LegacyModel>();
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.min.json')) continue;
    const model = JSON.parse(readFileSync(join(folder, file), 'utf8')) as LegacyModel;
    models.set(model.metadata?.serviceId ?? file, model);
  }
  return models;
}

const numberCodes: Record<string, number> = { integer: 3, long: 8, float: 9, double: 10 };

const simpleCodes: Record<string, number> = { string: 0, character: 0, boolean: 2, timestamp: 4, blob: 21, ...numberCodes };

const timestampCodes: Record<string, number> = { iso8601: 5, rfc822: 6, unixTimestamp: 7 };

/** What a package without schemas tells itself. */
export interface LegacyClient {
  name: string;
  signingName: string;
  errors: readonly DraftStructure[];
}

/** A draft of a service that only the former SDK describes. Errors come from the package. */
export function readLegacy(client: LegacyClient, legacy: LegacyModel): DraftModel {
  const { metadata } = legacy;
  const rest = metadata.protocol === 'rest-json';
  if (!rest && metadata.protocol !== 'json')
    throw new Error(`${client.name}: Pilvi reads no former description of the protocol ${metadata.protocol}.`);
  const protocols: Protocol[] = rest ? ['restJson1'] : ['awsJson1_1', 'awsJson1_0', 'rpcv2Cbor'];
  const reader = new LegacyReader(legacy);
  const operations = new Map<string, DraftOperation>();
  for (const [name, description] of Object.entries(legacy.operations)) {
    const operation: DraftOperation = { name };
    if (description.input !== undefined) operation.input = reader.structure(description.input, `${name}Input`);
    if (description.output !== undefined) operation.output = reader.structure(description.output, `${name}Output`);
    const { method = 'POST', requestUri = '/', responseCode = 200 } = description.http ?? {};
    if (rest) operation.http = [method, withMemberLabels(requestUri, description.input), responseCode];
    operations.set(name, operation);
  }
  const service = {
    name: client.name,
    serviceId: metadata.serviceId,
    signingName: client.signingName,
    endpointPrefix: metadata.endpointPrefix,
    apiVersion: metadata.apiVersion,
    targetPrefix: metadata.targetPrefix ?? metadata.serviceId,
    xmlNamespace: '',
    protocols,
    operations: operations.size,
    namespace: `com.amazonaws.${client.name.replaceAll('-', '')}`,
  };
  return { service, operations, errors: [...client.errors] };
}

/** The route with its labels under the names of the members they fill. */
function withMemberLabels(uri: string, input: LegacyShape | undefined): string {
  return Object.entries(input?.members ?? {})
    .filter(([, { location }]) => location === 'uri')
    .reduce(
      (route, [member, { locationName }]) => route.replace(new RegExp(`\\{${locationName ?? member}(\\+?)\\}`), `{${member}$1}`),
      uri,
    );
}

class LegacyReader {
  readonly #legacy: LegacyModel;
  readonly #shapes = new Map<string, DraftShape | number>();

  constructor(legacy: LegacyModel) {
    this.#legacy = legacy;
  }

  structure(description: LegacyShape, name: string): DraftStructure {
    const found = this.#target(description, name);
    if (typeof found === 'number' || found.kind !== 'structure') throw new Error(`${name} is no structure.`);
    return found;
  }

  #target(description: LegacyShape, name: string): DraftShape | number {
    if (description.shape === undefined) return this.#build(description, name, undefined);
    const known = this.#shapes.get(description.shape);
    return known ?? this.#build(this.#legacy.shapes![description.shape]!, description.shape, description.shape);
  }

  #build(shape: LegacyShape, name: string, key: string | undefined): DraftShape | number {
    const type = shape.type ?? (shape.members === undefined ? 'string' : 'structure');
    const remember = <T extends DraftShape>(draft: T): T => {
      if (key !== undefined) this.#shapes.set(key, draft);
      return draft;
    };
    const placeholder: DraftMember = { target: 0, traits: {} };
    if (type === 'structure') {
      const draft = remember<DraftStructure>({
        kind: 'structure',
        name,
        members: new Map(),
        required: shape.required?.length ?? 0,
      });
      const required = new Set(shape.required ?? []);
      const names = Object.keys(shape.members ?? {});
      for (const member of [...names.filter((each) => required.has(each)), ...names.filter((each) => !required.has(each))]) {
        draft.members.set(member, this.#member(shape.members![member]!, `${name}${member}`, shape.payload === member, member));
      }
      return draft;
    }
    if (type === 'list') {
      const draft = remember<DraftShape>({ kind: 'list', name, member: placeholder, sparse: false }) as Extract<
        DraftShape,
        { kind: 'list' }
      >;
      draft.member = this.#member(shape.member!, `${name}Member`, false, '');
      return draft;
    }
    if (type === 'map') {
      const draft = remember<DraftShape>({ kind: 'map', name, key: placeholder, value: placeholder, sparse: false }) as Extract<
        DraftShape,
        { kind: 'map' }
      >;
      draft.key = this.#member(shape.key!, `${name}Key`, false, '');
      draft.value = this.#member(shape.value!, `${name}Value`, false, '');
      return draft;
    }
    const code =
      type === 'timestamp' && shape.timestampFormat !== undefined ? timestampCodes[shape.timestampFormat] : simpleCodes[type];
    if (code === undefined) throw new Error(`${name} is of the unknown type ${type}.`);
    return code;
  }

  #member(description: LegacyShape, name: string, payload: boolean, memberName: string): DraftMember {
    const { location, locationName } = description;
    const traits: MemberTraits = {};
    if (location === 'uri') traits.label = 1;
    else if (location === 'querystring') traits.query = locationName ?? memberName;
    else if (location === 'header') traits.header = locationName ?? memberName;
    else if (location === 'statusCode') traits.status = 1;
    else if (locationName !== undefined) traits.json = locationName;
    if (description.idempotencyToken) traits.token = 1;
    if (description.sensitive) traits.sensitive = 1;
    if (payload) traits.payload = 1;
    return { target: this.#target(description, name), traits };
  }
}

/** Gives the numbers of a draft the widths that the former description tells; what it does not know stays a plain number. */
export function refineNumbers(draft: DraftModel, legacy: LegacyModel): void {
  const seen = new Map<DraftShape, Set<LegacyShape>>();
  const resolve = (shape: LegacyShape): LegacyShape => (shape.shape === undefined ? shape : legacy.shapes![shape.shape]!);
  const refine = (member: DraftMember, description: LegacyShape | undefined): void => {
    if (description === undefined) return;
    const shape = resolve(description);
    if (typeof member.target !== 'number') visit(member.target, shape);
    else if (member.target === 1) member.target = numberCodes[shape.type ?? ''] ?? 1;
  };
  const visit = (shape: DraftShape | undefined, found: LegacyShape): void => {
    if (shape === undefined) return;
    const visited = seen.get(shape) ?? new Set();
    if (visited.has(found)) return;
    seen.set(shape, visited.add(found));
    if (shape.kind === 'list') refine(shape.member, found.member);
    else if (shape.kind === 'map') refine(shape.value, found.value);
    else for (const [name, member] of shape.members) refine(member, found.members?.[name]);
  };
  for (const operation of draft.operations.values()) {
    const former = legacy.operations[operation.name];
    if (former?.input !== undefined) visit(operation.input, resolve(former.input));
    if (former?.output !== undefined) visit(operation.output, resolve(former.output));
  }
}
