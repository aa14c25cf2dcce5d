/**
 * Errors on the wire, protocol by protocol. An error is looked up in the model by shape name or by wire code, so that whoever throws it may use
 * either; each protocol then prints the name that it uses. Errors that no model has are printed with whatever simple members they carry.
 */
import { CborWriter } from '../base/cbor.ts';
import { escapeXmlAttribute, escapeXmlText } from '../base/xml.ts';
import { type CborProtocol, cborForms, cborWriter } from './cbor-writer.ts';
import { headerSteps } from './http-output.ts';
import { jsonWriter } from './json-writer.ts';
import type { Member, OperationModel, Schema, StructureSchema } from './service-model.ts';
import type { Protocol, ServiceIndexEntry, WireError, WireResponse } from './types.ts';
import { elementWriter } from './xml-writer.ts';

interface ErrorContext {
  protocol: Protocol;
  service: ServiceIndexEntry | undefined;
  /** The modelled error, if it is one. */
  shape: StructureSchema | undefined;
  error: WireError;
  requestId: string;
}

/**
 * Writes an error in the protocol the client speaks.
 * @param service undefined when the request could not be identified.
 * @param operation undefined when it could not be told; modelled members are then written as they come.
 */
export function serialiseError(
  protocol: Protocol,
  service: ServiceIndexEntry | undefined,
  operation: OperationModel | undefined,
  error: WireError,
  requestId: string,
): WireResponse {
  const context = { protocol, service, shape: operation?.errors.get(error.code), error, requestId };
  switch (protocol) {
    case 'awsQuery':
      return awsQueryError(context);
    case 'ec2Query':
      return ec2QueryError(context);
    case 'restXml':
      return restXmlError(context);
    case 'rpcv2Cbor':
    case 'awsCbor1_1':
      return cborError(context, protocol);
    default:
      return jsonError(context);
  }
}

/** The code of the query protocols and XML. */
function queryCode({ shape, error }: ErrorContext): string {
  return shape === undefined ? error.code : (shape.error?.queryCode ?? shape.name);
}

/** The name of JSON and CBOR. */
function shapeName({ shape, error }: ErrorContext): string {
  return shape?.name ?? error.code;
}

function isMessage(name: string): boolean {
  return name === 'message' || name === 'Message';
}

/** Members with their schemas; those of an error that no model has are taken for what they look like. */
function* membersOf({ shape, error }: ErrorContext): Generator<readonly [Pick<Member, 'name' | 'traits'>, Schema, unknown]> {
  const members = error.members ?? {};
  const known = new Set<string>();
  for (const member of shape?.members ?? []) {
    known.add(member.name);
    const value = members[member.name];
    if (!isMessage(member.name) && value !== undefined && value !== null) yield [member, member.schema, value];
  }
  for (const [name, value] of Object.entries(members)) {
    if (known.has(name) || isMessage(name)) continue;
    if (typeof value === 'string') yield [{ name, traits: {} }, { type: 'string' }, value];
    else if (typeof value === 'number') yield [{ name, traits: {} }, { type: 'number' }, value];
    else if (typeof value === 'boolean') yield [{ name, traits: {} }, { type: 'boolean' }, value];
  }
}

function memberElements(context: ErrorContext): string {
  let out = '';
  for (const [{ name, traits }, schema, value] of membersOf(context)) {
    if (traits.header === undefined) out += elementWriter('short', traits.xml ?? name, schema, traits)(value);
  }
  return out;
}

function awsQueryError(context: ErrorContext): WireResponse {
  const { error, requestId, service } = context;
  const type = error.fault === 'client' ? 'Sender' : 'Receiver';
  const inside = `<Type>${type}</Type><Code>${escapeXmlText(queryCode(context))}</Code><Message>${escapeXmlText(error.message)}</Message>`;
  const namespace = service?.xmlNamespace ? ` xmlns="${escapeXmlAttribute(service.xmlNamespace)}"` : '';
  const body = `<ErrorResponse${namespace}><Error>${inside}${memberElements(context)}</Error><RequestId>${escapeXmlText(requestId)}</RequestId></ErrorResponse>`;
  return { status: error.status, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId }, body };
}

function ec2QueryError(context: ErrorContext): WireResponse {
  const { error, requestId } = context;
  const inside = `<Code>${escapeXmlText(queryCode(context))}</Code><Message>${escapeXmlText(error.message)}</Message>${memberElements(context)}`;
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>${inside}</Error></Errors><RequestID>${escapeXmlText(requestId)}</RequestID></Response>`;
  return { status: error.status, headers: { 'content-type': 'text/xml;charset=UTF-8', 'x-amzn-requestid': requestId }, body };
}

/** S3 answers a bare <Error>; the other REST-XML services wrap it. */
function restXmlError(context: ErrorContext): WireResponse {
  const { error, requestId, service, shape } = context;
  const response: WireResponse = {
    status: error.status,
    headers: { 'content-type': 'application/xml', 'x-amzn-requestid': requestId },
    body: '',
  };
  const message = `<Message>${escapeXmlText(error.message)}</Message>`;
  const code = `<Code>${escapeXmlText(shapeName(context))}</Code>`;
  const members = memberElements(context);
  const id = `<RequestId>${escapeXmlText(requestId)}</RequestId>`;
  if (shape !== undefined) for (const step of headerSteps(shape)) step(error.members ?? {}, response);
  if (service?.name === 's3') {
    response.headers['x-amz-request-id'] = requestId;
    response.headers['x-amz-id-2'] = requestId;
    response.body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${code}${message}${members}${id}<HostId>${escapeXmlText(requestId)}</HostId></Error>`;
    return response;
  }
  const type = error.fault === 'client' ? 'Sender' : 'Receiver';
  const namespace = service?.xmlNamespace ? ` xmlns="${escapeXmlAttribute(service.xmlNamespace)}"` : '';
  response.body = `<?xml version="1.0"?>\n<ErrorResponse${namespace}><Error><Type>${type}</Type>${code}${message}${members}</Error>${id}</ErrorResponse>`;
  return response;
}

/** JSON: `__type` in the body (RPC, with its namespace in version 1.0) and the name in a header (REST). */
function jsonError(context: ErrorContext): WireResponse {
  const { protocol, error, requestId, service, shape } = context;
  const name = shapeName(context);
  const rest = protocol === 'restJson1';
  const response: WireResponse = {
    status: error.status,
    headers: { 'content-type': contentTypes[protocol] ?? 'application/json', 'x-amzn-requestid': requestId },
    body: '',
  };
  if (rest) response.headers['x-amzn-errortype'] = name;
  const parts: string[] = [];
  if (!rest) {
    const namespace =
      protocol === 'awsJson1_0' && service !== undefined
        ? `${shape === undefined ? 'com.amazon.coral.service' : service.namespace}#`
        : '';
    parts.push(`"__type":${JSON.stringify(namespace + name)}`);
  }
  parts.push(`${JSON.stringify(messageKey(context))}:${JSON.stringify(error.message)}`);
  for (const [{ name: member, traits }, schema, value] of membersOf(context)) {
    if (traits.header !== undefined && rest) continue;
    const key = rest ? (traits.json ?? member) : member;
    parts.push(`${JSON.stringify(key)}:${jsonWriter(rest ? 'rest' : 'own', schema)(value)}`);
  }
  if (rest && shape !== undefined) for (const step of headerSteps(shape)) step(error.members ?? {}, response);
  addQueryError(context, response);
  response.body = `{${parts.join(',')}}`;
  return response;
}

const contentTypes: Partial<Record<Protocol, string>> = {
  awsJson1_0: 'application/x-amz-json-1.0',
  awsJson1_1: 'application/x-amz-json-1.1',
};

/** The message under the name that the model gives it. */
function messageKey({ shape, protocol }: ErrorContext): string {
  const member = shape?.members.find(({ name }) => isMessage(name));
  if (member === undefined) return 'message';
  return protocol === 'restJson1' ? (member.traits.json ?? member.name) : member.name;
}

/** Services that once spoke the query protocol name its code beside (awsQueryCompatible). */
function addQueryError(context: ErrorContext, response: WireResponse): void {
  if (context.service?.queryCompatible !== true) return;
  response.headers['x-amzn-query-error'] = `${queryCode(context)};${context.error.fault === 'client' ? 'Sender' : 'Receiver'}`;
}

function cborError(context: ErrorContext, protocol: CborProtocol): WireResponse {
  const { error, requestId, service, shape } = context;
  const { headers, timeUnit } = cborForms[protocol];
  const writer = new CborWriter(timeUnit);
  writer.startMap();
  writer.text('__type');
  const namespace = protocol === 'rpcv2Cbor' && service !== undefined && shape !== undefined ? `${service.namespace}#` : '';
  writer.text(namespace + shapeName(context));
  writer.text(messageKey(context));
  writer.text(error.message);
  for (const [{ name }, schema, value] of membersOf(context)) {
    writer.text(name);
    cborWriter(schema)(value, writer);
  }
  writer.endMap();
  const response: WireResponse = {
    status: error.status,
    headers: { ...headers, 'x-amzn-requestid': requestId },
    body: writer.bytes(),
  };
  addQueryError(context, response);
  return response;
}
