/**
 * Reads the query protocols (awsQuery and ec2Query): `Filter.1.Name=x&Filter.1.Value.1=y`. The pairs become a tree of name parts in one pass,
 * then functions compiled from the model turn the tree into the input. Members that a structure does not have are refused in ec2Query
 * (UnknownParameter, as EC2 does) and skipped in awsQuery.
 */
import { queryDepthMax, queryIndexDigitsMax, queryMembersMax } from './bounds.ts';
import { malformedBody, malformedText } from './parse-errors.ts';
import { plainBody } from './plain-body.ts';
import type { ListSchema, MapSchema, Member, OperationModel, SimpleSchema, StructureSchema } from './service-model.ts';
import { textReader } from './text-values.ts';
import { type MemberTraits, ParseError, type Shape, type WireRequest } from './types.ts';

interface QueryNode {
  value: string | undefined;
  children: Map<string, QueryNode> | undefined;
}

/** Reads a node; `name` is its full name, for messages. */
type QueryReader = (node: QueryNode, name: string) => unknown;

type QueryProtocol = 'awsQuery' | 'ec2Query';

/** Parameters of every request, which are no members: what is asked for, and signatures of both ages. */
const commonParameters = new Set([
  'Action',
  'Version',
  'AWSAccessKeyId',
  'Signature',
  'SignatureMethod',
  'SignatureVersion',
  'SecurityToken',
  'Timestamp',
  'Expires',
]);

/** A function that reads the operation's input from requests. It throws ParseError. */
export function queryInputReader(protocol: QueryProtocol, operation: OperationModel): (request: WireRequest) => Shape {
  const read = new QueryCompiler(protocol, operation).structure(operation.input, true);
  return (request) => read(queryTree(protocol, request), '') as Shape;
}

/** Name and value of each parameter: those of the URL, then those of the body. Throws ParseError for what is not percent-encoded text. */
export function* queryParameters(request: WireRequest): Generator<readonly [string, string]> {
  yield* request.query;
  const body = plainBody(request);
  if (body.length === 0) return;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    yield equals < 0 ? [decode(pair), ''] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
  }
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new ParseError('MalformedQueryString', 'The query string contains a syntax error.');
  }
}

function queryTree(protocol: QueryProtocol, request: WireRequest): QueryNode {
  const root: QueryNode = { value: undefined, children: new Map() };
  let count = 0;
  for (const [name, value] of queryParameters(request)) {
    if (commonParameters.has(name) || name.startsWith('X-Amz-')) continue;
    count += 1;
    if (count > queryMembersMax) throw tooMuch(protocol, `More than ${queryMembersMax} parameters.`);
    insert(protocol, root, name, value);
  }
  return root;
}

function insert(protocol: QueryProtocol, root: QueryNode, name: string, value: string): void {
  let node = root;
  let start = 0;
  for (let depth = 0; ; depth += 1) {
    if (depth > queryDepthMax) throw tooMuch(protocol, `A parameter's name has more than ${queryDepthMax} parts.`);
    const dot = name.indexOf('.', start);
    const part = dot < 0 ? name.slice(start) : name.slice(start, dot);
    node.children ??= new Map();
    let child = node.children.get(part);
    if (child === undefined) {
      child = { value: undefined, children: undefined };
      node.children.set(part, child);
    }
    node = child;
    if (dot < 0) break;
    start = dot + 1;
  }
  node.value = value;
}

function tooMuch(protocol: QueryProtocol, message: string): ParseError {
  return new ParseError(protocol === 'ec2Query' ? 'RequestLimitExceeded' : 'MalformedInput', message);
}

/** Key of a member in requests. */
function wireName(protocol: QueryProtocol, member: Member): string {
  const name = member.traits.xml ?? member.name;
  if (protocol === 'awsQuery') return name;
  return member.traits.ec2 ?? name.charAt(0).toUpperCase() + name.slice(1);
}

class QueryCompiler {
  readonly #protocol: QueryProtocol;
  readonly #operation: OperationModel;
  readonly #structures = new Map<StructureSchema, QueryReader>();

  constructor(protocol: QueryProtocol, operation: OperationModel) {
    this.#protocol = protocol;
    this.#operation = operation;
  }

  structure(schema: StructureSchema, top = false): QueryReader {
    const known = this.#structures.get(schema);
    if (known !== undefined) return known;
    let members: Map<string, { member: Member; read: QueryReader | undefined }> | undefined;
    const strict = this.#protocol === 'ec2Query';
    const reader: QueryReader = (node, name) => {
      members ??= new Map(schema.members.map((member) => [wireName(this.#protocol, member), { member, read: undefined }]));
      const out: Shape = {};
      if (node.children === undefined) {
        if (node.value !== undefined && node.value !== '') throw this.#malformed(name);
        return out;
      }
      let count = 0;
      for (const [key, child] of node.children) {
        const bound = members.get(key);
        if (bound === undefined) {
          if (strict) throw new ParseError('UnknownParameter', `The parameter ${top ? key : `${name}.${key}`} is not recognized`);
          continue;
        }
        bound.read ??= this.#member(bound.member);
        out[bound.member.name] = bound.read(child, top ? key : `${name}.${key}`);
        count += 1;
      }
      if (schema.union && count !== 1)
        throw malformedBody(this.#protocol, this.#operation, `Exactly one member of ${name} must be set.`);
      return out;
    };
    this.#structures.set(schema, reader);
    return reader;
  }

  #member({ schema, traits }: Member): QueryReader {
    switch (schema.type) {
      case 'structure':
        return this.structure(schema);
      case 'list':
        return this.#list(schema, traits);
      case 'map':
        return this.#map(schema, traits);
      default:
        return this.#simple(schema);
    }
  }

  #simple(schema: SimpleSchema): QueryReader {
    let current = '';
    const read = textReader(schema, 'date-time', (type, text) => {
      throw malformedText(this.#protocol, this.#operation, current, type, text);
    });
    return (node, name) => {
      if (node.value === undefined) throw this.#malformed(name);
      current = name;
      return read(node.value);
    };
  }

  /** A list: `Name.member.N`, `Name.<item name>.N` or, flat, `Name.N`; an empty value is an empty list, a bare value a list of one. */
  #list(schema: ListSchema, traits: MemberTraits): QueryReader {
    const itemName = schema.member.traits.xml ?? 'member';
    const flat = traits.flat === 1 || this.#protocol === 'ec2Query';
    let read: QueryReader | undefined;
    return (node, name) => {
      read ??= this.#member(schema.member);
      const { children } = node;
      if (children === undefined) return node.value === '' || !flat ? this.#emptyList(node, name) : [read(node, name)];
      const wrapper = flat ? undefined : (children.get(itemName) ?? children.get('member'));
      const items = wrapper === undefined ? node : wrapper;
      if (wrapper !== undefined && wrapper.children === undefined) return this.#emptyList(wrapper, name);
      return this.#indexed(items, name).map(([index, item]) => read!(item, `${name}.${index}`));
    };
  }

  #emptyList(node: QueryNode, name: string): unknown[] {
    if (node.value !== undefined && node.value !== '') throw this.#malformed(name);
    return [];
  }

  /** A map: `Name.entry.N.key` and `.value`, or flat `Name.N.key`. */
  #map(schema: MapSchema, traits: MemberTraits): QueryReader {
    const keyName = schema.key.traits.xml ?? 'key';
    const valueName = schema.value.traits.xml ?? 'value';
    const flat = traits.flat === 1 || this.#protocol === 'ec2Query';
    let read: QueryReader | undefined;
    return (node, name) => {
      read ??= this.#member(schema.value);
      const out: Shape = Object.create(null);
      const entries = flat ? node : (node.children?.get('entry') ?? node);
      if (entries.children === undefined) {
        this.#emptyList(entries, name);
        return out;
      }
      for (const [index, entry] of this.#indexed(entries, name)) {
        const key = entry.children?.get(keyName)?.value;
        const value = entry.children?.get(valueName);
        if (key === undefined || value === undefined) throw this.#malformed(`${name}.${index}`);
        out[key] = read(value, `${name}.${index}.${valueName}`);
      }
      return out;
    };
  }

  /** The children of a list or map in the order of their numbers, which may have gaps. */
  #indexed(node: QueryNode, name: string): [number, QueryNode][] {
    const items: [number, QueryNode][] = [];
    for (const [key, child] of node.children ?? []) {
      if (key.length > queryIndexDigitsMax || !/^\d+$/.test(key)) throw this.#malformed(`${name}.${key}`);
      items.push([Number(key), child]);
    }
    return items.sort(([a], [b]) => a - b);
  }

  #malformed(name: string): ParseError {
    return malformedBody(this.#protocol, this.#operation, `The parameter ${name.slice(0, 256)} is malformed.`);
  }
}
