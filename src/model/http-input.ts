/**
 * Inputs of the REST protocols: each member from the path, the query, a header, or the body, as its traits say. Compiled once for each operation.
 */
import { parseXml, type XmlElement, XmlError } from '../base/xml.ts';
import { xmlDepthMax, xmlElementsMax } from './bounds.ts';
import { malformedBody, malformedText } from './parse-errors.ts';
import { matchLabels } from './routes.ts';
import type { Member, OperationModel, SimpleSchema, StructureSchema } from './service-model.ts';
import { textReader, type TextReader } from './text-values.ts';
import { TreeError, treeReader, UnionError } from './tree-reader.ts';
import { ParseError, type Protocol, type Shape, type TimestampFormat, type WireRequest } from './types.ts';
import { XmlShapeError, xmlStructureReader } from './xml-reader.ts';

export type RestProtocol = 'restJson1' | 'restXml';

/** Puts one member, or all of one place, into the input. */
type Step = (request: WireRequest, input: Shape) => void;

/** A function that reads the operation's input from requests. It throws ParseError. */
export function httpInputReader(protocol: RestProtocol, operation: OperationModel): (request: WireRequest) => Shape {
  const { members } = operation.input;
  const steps: Step[] = [];
  const labels = members.filter(({ traits }) => traits.label === 1);
  if (labels.length > 0) steps.push(labelStep(protocol, operation, labels));
  for (const member of members) {
    const { traits } = member;
    if (traits.header !== undefined) steps.push(headerStep(protocol, operation, member));
    else if (traits.prefixHeaders !== undefined) steps.push(prefixHeadersStep(member));
  }
  const queries = members.filter(({ traits }) => traits.query !== undefined || traits.queryMap === 1);
  if (queries.length > 0) steps.push(queryStep(protocol, operation, queries));
  const payload = members.find(({ traits }) => traits.payload === 1);
  if (payload !== undefined) steps.push(payloadStep(protocol, operation, payload));
  else if (members.some(isInBody)) steps.push(bodyStep(protocol, operation));
  return (request) => {
    const input: Shape = {};
    for (const step of steps) step(request, input);
    return input;
  };
}

/** True for a member of an input that goes with the document in the body. */
function isInBody({ traits }: Member): boolean {
  const { label, header, prefixHeaders, query, queryMap, payload } = traits;
  return (label ?? queryMap ?? payload) === undefined && (header ?? prefixHeaders ?? query) === undefined;
}

function simpleReader(
  protocol: Protocol,
  operation: OperationModel,
  name: string,
  schema: SimpleSchema,
  timestamps: TimestampFormat,
): TextReader {
  return textReader(schema, timestamps, (type, text) => {
    throw malformedText(protocol, operation, name, type, text);
  });
}

function labelStep(protocol: RestProtocol, operation: OperationModel, members: readonly Member[]): Step {
  const readers = members.map(({ name, schema }) => ({
    name,
    read: simpleReader(protocol, operation, name, schema as SimpleSchema, 'date-time'),
  }));
  return (request, input) => {
    let labels: Map<string, string> | undefined;
    try {
      labels = matchLabels(operation, request);
    } catch (cause) {
      if (!(cause instanceof URIError)) throw cause;
      throw new ParseError(protocol === 'restXml' ? 'InvalidURI' : 'SerializationException', "Couldn't parse the specified URI.");
    }
    for (const { name, read } of readers) {
      const text = labels?.get(name);
      if (text !== undefined) input[name] = read(text);
    }
  };
}

function headerStep(protocol: RestProtocol, operation: OperationModel, { name, schema, traits }: Member): Step {
  const header = traits.header!.toLowerCase();
  if (schema.type === 'list') {
    const item = schema.member.schema as SimpleSchema;
    const read = simpleReader(protocol, operation, name, item, 'http-date');
    const isHttpDate = item.type === 'timestamp' && (item.format ?? 'http-date') === 'http-date';
    return (request, input) => {
      const text = request.headers[header];
      if (text !== undefined) input[name] = splitHeader(text, isHttpDate).map(read);
    };
  }
  const read = simpleReader(protocol, operation, name, schema as SimpleSchema, 'http-date');
  return (request, input) => {
    const text = request.headers[header];
    if (text !== undefined) input[name] = read(text);
  };
}

/** Items of a header list: separated by commas, quoted where they hold some; http-dates hold one comma each. */
function splitHeader(text: string, isHttpDate: boolean): string[] {
  if (isHttpDate) return (text.match(/[^,]*,[^,]*/g) ?? []).map((item) => item.trim());
  const items: string[] = [];
  for (const [, quoted, plain] of text.matchAll(/\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*))[^,]*(?:,|$)/g)) {
    if (quoted !== undefined) items.push(quoted.replace(/\\(.)/g, '$1'));
    else if (plain !== undefined && plain.trim() !== '') items.push(plain.trim());
  }
  return items;
}

function prefixHeadersStep({ name, traits }: Member): Step {
  const prefix = traits.prefixHeaders!.toLowerCase();
  return (request, input) => {
    let map: Shape | undefined;
    for (const header of Object.keys(request.headers)) {
      if (!header.startsWith(prefix)) continue;
      map ??= Object.create(null) as Shape;
      map[header.slice(prefix.length)] = request.headers[header];
    }
    if (map !== undefined) input[name] = map;
  };
}

function queryStep(protocol: RestProtocol, operation: OperationModel, members: readonly Member[]): Step {
  const literals = new Set(operation.http?.query.map(([name]) => name));
  const named = new Map(
    members.flatMap(({ name, schema, traits }) => {
      if (traits.query === undefined) return [];
      const list = schema.type === 'list';
      const item = (list ? schema.member.schema : schema) as SimpleSchema;
      return [[traits.query, { name, list, read: simpleReader(protocol, operation, name, item, 'date-time') }] as const];
    }),
  );
  const rest = members.find(({ traits }) => traits.queryMap === 1);
  const restIsList = rest?.schema.type === 'map' && rest.schema.value.schema.type === 'list';
  return (request, input) => {
    for (const [key, text] of request.query) {
      const member = named.get(key);
      if (member?.list) {
        append(input, member.name, member.read(text));
      } else if (member !== undefined) {
        input[member.name] = member.read(text);
      } else if (rest !== undefined && !literals.has(key) && !key.startsWith('X-Amz-')) {
        input[rest.name] ??= Object.create(null);
        const map = input[rest.name] as Shape;
        if (restIsList) append(map, key, text);
        else map[key] = text;
      }
    }
  };
}

function append(to: Shape, name: string, item: unknown): void {
  const list = to[name] as unknown[] | undefined;
  if (list === undefined) to[name] = [item];
  else list.push(item);
}

function payloadStep(protocol: RestProtocol, operation: OperationModel, { name, schema, traits }: Member): Step {
  if (traits.events === 1) return () => undefined;
  if (schema.type === 'blob') {
    const { streaming } = schema;
    return (request, input) => {
      if (streaming && request.stream !== undefined) input[name] = request.stream;
      else if (streaming || request.body.length > 0) input[name] = request.body;
    };
  }
  if (schema.type === 'string') {
    return (request, input) => {
      if (request.body.length > 0) input[name] = textOf(request.body);
    };
  }
  if (protocol === 'restXml') {
    const read = xmlStructureReader(schema as StructureSchema, () => true);
    return (request, input) => {
      if (request.body.length > 0) input[name] = readXmlBody(operation, request.body, read);
    };
  }
  const read = treeReader('restJson', schema);
  return (request, input) => {
    if (request.body.length > 0) input[name] = readJsonBody(protocol, operation, request.body, (tree) => read(tree, 0));
  };
}

function bodyStep(protocol: RestProtocol, operation: OperationModel): Step {
  const inBody = new Set(operation.input.members.filter(isInBody).map(({ name }) => name));
  if (protocol === 'restXml') {
    const read = xmlStructureReader(operation.input, (name) => inBody.has(name));
    return (request, input) => {
      if (request.body.length > 0) Object.assign(input, readXmlBody(operation, request.body, read));
    };
  }
  const members = operation.input.members.filter(({ name }) => inBody.has(name));
  const read = treeReader('restJson', { ...emptyBody, name: operation.input.name, members });
  return (request, input) => {
    if (request.body.length > 0)
      Object.assign(
        input,
        readJsonBody(protocol, operation, request.body, (tree) => read(tree, 0)),
      );
  };
}

const emptyBody = { type: 'structure', union: false, error: undefined, rootName: '' } as const;

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

/** Reads a JSON body. Throws AWS's error for text that is not JSON or not of the model's types. */
export function readJsonBody<T>(protocol: Protocol, operation: OperationModel, body: Uint8Array, read: (tree: unknown) => T): T {
  let tree: unknown;
  try {
    tree = JSON.parse(textOf(body));
  } catch {
    throw malformedBody(protocol, operation, 'The body is not valid JSON.');
  }
  try {
    return read(tree);
  } catch (cause) {
    throw treeFailure(protocol, operation, cause);
  }
}

/** AWS's error for what a tree reader throws; anything else is handed back as it is. */
export function treeFailure(protocol: Protocol, operation: OperationModel, cause: unknown): unknown {
  if (!(cause instanceof TreeError)) return cause;
  const special = operation.invalidUnion;
  if (!(cause instanceof UnionError) || special === undefined) return malformedBody(protocol, operation, cause.message);
  const message = (cause.count === 0 ? special.empty : special.several).replaceAll('{name}', cause.union);
  const [member = '', key = ''] = cause.path;
  const around = special.within?.[member] ?? '{message}';
  return new ParseError(
    special.code,
    around.replace('{message}', () => message).replace('{key}', () => key),
  );
}

function readXmlBody(operation: OperationModel, body: Uint8Array, read: (element: XmlElement) => unknown): unknown {
  try {
    return read(parseXml(textOf(body), { depthMax: xmlDepthMax, elementsMax: xmlElementsMax }));
  } catch (cause) {
    if (cause instanceof XmlError || cause instanceof XmlShapeError) throw malformedBody('restXml', operation, cause.message);
    throw cause;
  }
}
