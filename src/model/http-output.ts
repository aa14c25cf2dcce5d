/** Outputs of the REST protocols: each member to a header, the status or the body, as its traits say. Compiled once for each operation. */
import { escapeXmlAttribute } from '../base/xml.ts';
import type { RestProtocol } from './http-input.ts';
import { jsonStructureWriter, jsonWriter } from './json-writer.ts';
import type { Member, OperationModel, Schema, SimpleSchema, StructureSchema } from './service-model.ts';
import { textWriter } from './text-values.ts';
import type { Shape, WireResponse } from './types.ts';
import { elementWriter, type XmlTimes, xmlStructureWriter, xmlWriter } from './xml-writer.ts';

type Step = (output: Shape, response: WireResponse) => void;

const xmlDeclaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** A function that writes the operation's output into a response whose headers may already hold the request id. */
export function httpOutputWriter(
  protocol: RestProtocol,
  operation: OperationModel,
): (output: Shape, response: WireResponse) => void {
  const { members } = operation.output;
  const steps: Step[] = [...headerSteps(operation.output)];
  const status = members.find(({ traits }) => traits.status === 1);
  if (status !== undefined) {
    steps.push((output, response) => {
      const given = output[status.name];
      if (typeof given === 'number') response.status = given;
    });
  }
  const payload = members.find(({ traits }) => traits.payload === 1);
  if (payload !== undefined) steps.push(payloadStep(protocol, operation, payload));
  else if (members.some(isInBody)) steps.push(bodyStep(protocol, operation));
  else if (protocol === 'restJson1' && operation.hasOutput && operation.http?.status !== 204) steps.push(emptyJsonStep);
  return (output, response) => {
    for (const step of steps) step(output, response);
  };
}

function emptyJsonStep(_output: Shape, response: WireResponse): void {
  response.headers['content-type'] = 'application/json';
  response.body = '{}';
}

/** True for a member of an output that goes with the document in the body. Places in the URL mean nothing here (API Gateway's `position` has one). */
function isInBody({ traits }: Member): boolean {
  return (traits.payload ?? traits.status) === undefined && (traits.header ?? traits.prefixHeaders) === undefined;
}

/** Steps that put the members of a structure into headers. */
export function headerSteps(schema: StructureSchema): Step[] {
  return schema.members.flatMap((member) => {
    if (member.traits.header !== undefined) return [headerStep(member, member.traits.header.toLowerCase())];
    if (member.traits.prefixHeaders !== undefined) return [prefixHeadersStep(member, member.traits.prefixHeaders.toLowerCase())];
    return [];
  });
}

function headerStep({ name, schema }: Member, header: string): Step {
  if (schema.type === 'list') {
    const write = textWriter(schema.member.schema as SimpleSchema, 'http-date');
    return (output, response) => {
      const given = output[name];
      if (Array.isArray(given)) response.headers[header] = given.map((item) => quoteItem(headerText(write(item)))).join(', ');
    };
  }
  const write = textWriter(schema as SimpleSchema, 'http-date');
  return (output, response) => {
    const given = output[name];
    if (given !== undefined && given !== null) response.headers[header] = headerText(write(given));
  };
}

function prefixHeadersStep({ name }: Member, prefix: string): Step {
  return (output, response) => {
    for (const [key, value] of Object.entries((output[name] as Record<string, string> | undefined) ?? {})) {
      response.headers[`${prefix}${key.toLowerCase()}`] = headerText(value);
    }
  };
}

/** An item of a header list, quoted where a comma or quote would split it. */
function quoteItem(text: string): string {
  return /[",]/.test(text) && !/^[A-Z][a-z]{2}, \d\d /.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;
}

/** Text that a header can hold. Other text is encoded as RFC 2047 has it, which is what S3 does with metadata ("Working with object metadata"). */
function headerText(text: string): string {
  return /^[\t\x20-\x7e]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`;
}

function timesOf(operation: OperationModel): XmlTimes {
  return operation.service.name === 's3' ? 'millis' : 'short';
}

function payloadStep(protocol: RestProtocol, operation: OperationModel, member: Member): Step {
  const { name, schema } = member;
  if (schema.type === 'blob' || schema.type === 'string') {
    const type = schema.type === 'blob' ? 'application/octet-stream' : 'text/plain';
    const telling = operation.output.members.some(({ traits }) => traits.header?.toLowerCase() === 'content-type');
    return (output, response) => {
      const given = output[name];
      if (given === undefined || given === null) return;
      if (!telling) response.headers['content-type'] = type;
      response.body = given as WireResponse['body'];
    };
  }
  const write = protocol === 'restXml' ? xmlPayloadWriter(operation, member) : jsonWriter('rest', schema);
  const type = protocol === 'restXml' ? 'application/xml' : 'application/json';
  return (output, response) => {
    const given = output[name];
    if (given === undefined || given === null) return;
    response.headers['content-type'] = type;
    response.body = write(given);
  };
}

function xmlPayloadWriter(operation: OperationModel, { schema, traits }: Member): (value: unknown) => string {
  const tag = traits.xml ?? (schema as StructureSchema).rootName;
  const own = traits.namespace === undefined ? { ...traits, namespace: ['', operation.service.xmlNamespace] as const } : traits;
  const write = elementWriter(timesOf(operation), tag, schema, own);
  return (value) => xmlDeclaration + write(value);
}

function bodyStep(protocol: RestProtocol, operation: OperationModel): Step {
  const inBody = new Set(operation.output.members.filter(isInBody).map(({ name }) => name));
  const wanted = (name: string): boolean => inBody.has(name);
  if (protocol === 'restJson1') {
    const write = jsonStructureWriter('rest', operation.output, wanted);
    return (output, response) => {
      response.headers['content-type'] ??= 'application/json';
      response.body = write(output);
    };
  }
  const write = operation.unwrapped
    ? unwrappedWriter(operation)
    : xmlStructureWriter(timesOf(operation), operation.output, wanted);
  const tag = operation.output.rootName;
  const start = `${xmlDeclaration}<${tag} xmlns="${escapeXmlAttribute(operation.service.xmlNamespace)}">`;
  return (output, response) => {
    response.headers['content-type'] ??= 'application/xml';
    response.body = `${start}${write(output)}</${tag}>`;
  };
}

function unwrappedWriter(operation: OperationModel): (output: Shape) => string {
  const member = operation.output.members[0]!;
  const write = xmlWriter(timesOf(operation), member.schema as Schema);
  return (output) => (output[member.name] === undefined ? '' : write(output[member.name]));
}
