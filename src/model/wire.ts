/**
 * The wire: requests to typed inputs, typed outputs and errors to responses, in all eight protocols. The one face of this folder; codecs are compiled
 * for an operation and a protocol when they are first asked for.
 */
import { CborError, CborWriter, parseCbor } from '../base/cbor.ts';
import { escapeXmlAttribute, escapeXmlText } from '../base/xml.ts';
import { cborDepthMax } from './bounds.ts';
import { type CborProtocol, cborForms, cborWriter } from './cbor-writer.ts';
import { eventStreamWriter, speaksEvents } from './event-stream.ts';
import { httpInputReader, readJsonBody, treeFailure } from './http-input.ts';
import { httpOutputWriter } from './http-output.ts';
import { jsonWriter } from './json-writer.ts';
import { malformedBody, missingMembers } from './parse-errors.ts';
import { plainBody } from './plain-body.ts';
import { queryInputReader } from './query-reader.ts';
import { completenessCheck, missingPaths } from './required.ts';
import type { OperationModel } from './service-model.ts';
import { treeReader } from './tree-reader.ts';
import type { Protocol, Shape, WireRequest, WireResponse } from './types.ts';
import { xmlWriter } from './xml-writer.ts';

export { serialiseError } from './error-output.ts';
export { speaksEvents } from './event-stream.ts';
export { type Identified, identify } from './identify.ts';
export { loadIndex, loadModel } from './load.ts';
export { validateOutput } from './validate-output.ts';

type InputReader = (request: WireRequest) => Shape;
type OutputWriter = (output: Shape, requestId: string) => WireResponse;

interface Codec {
  read?: InputReader;
  write?: OutputWriter;
}

/** Compiled codecs; rebuildable from the models. */
const codecs = new WeakMap<OperationModel, Map<Protocol, Codec>>();

function codecOf(protocol: Protocol, operation: OperationModel): Codec {
  let byProtocol = codecs.get(operation);
  if (byProtocol === undefined) {
    byProtocol = new Map();
    codecs.set(operation, byProtocol);
  }
  let codec = byProtocol.get(protocol);
  if (codec === undefined) {
    codec = {};
    byProtocol.set(protocol, codec);
  }
  return codec;
}

/**
 * Reads the operation's input. Structures are plain objects, maps have no prototype, times are Date, blobs Uint8Array.
 * Throws ParseError, with AWS's code and words, for what cannot be read, and for required members that are missing.
 */
export function parseInput(protocol: Protocol, operation: OperationModel, request: WireRequest): Shape {
  const codec = codecOf(protocol, operation);
  codec.read ??= checkedReader(protocol, operation);
  return codec.read(request);
}

/** Writes the operation's output. Throws TypeError for an output that is not of its model's types: a bug of whoever made it. */
export function serialiseOutput(protocol: Protocol, operation: OperationModel, output: Shape, requestId: string): WireResponse {
  const codec = codecOf(protocol, operation);
  codec.write ??= outputWriter(protocol, operation);
  return codec.write(output, requestId);
}

function checkedReader(protocol: Protocol, operation: OperationModel): InputReader {
  const read = inputReader(protocol, operation);
  const isComplete = completenessCheck(operation.input);
  if (isComplete === undefined) return read;
  return (request) => {
    const input = read(request);
    if (!isComplete(input)) throw missingMembers(protocol, operation, missingPaths(operation.input, input));
    return input;
  };
}

function inputReader(protocol: Protocol, operation: OperationModel): InputReader {
  switch (protocol) {
    case 'awsQuery':
    case 'ec2Query':
      return queryInputReader(protocol, operation);
    case 'restJson1':
    case 'restXml':
      return httpInputReader(protocol, operation);
    case 'rpcv2Cbor':
    case 'awsCbor1_1':
      return cborInputReader(protocol, operation);
    default:
      return jsonInputReader(protocol, operation);
  }
}

function jsonInputReader(protocol: Protocol, operation: OperationModel): InputReader {
  const read = treeReader('json', operation.input);
  return (request) => {
    const body = plainBody(request);
    return body.length === 0 ? {} : (readJsonBody(protocol, operation, body, (tree) => read(tree, 0)) as Shape);
  };
}

function cborInputReader(protocol: CborProtocol, operation: OperationModel): InputReader {
  const { timeUnit } = cborForms[protocol];
  const read = treeReader('cbor', operation.input);
  return (request) => {
    const body = plainBody(request);
    if (body.length === 0) return {};
    try {
      return read(parseCbor(body, { depthMax: cborDepthMax, timeUnit }), 0) as Shape;
    } catch (cause) {
      if (cause instanceof CborError) throw malformedBody(protocol, operation, cause.message);
      throw treeFailure(protocol, operation, cause);
    }
  };
}

function outputWriter(protocol: Protocol, operation: OperationModel): OutputWriter {
  if (speaksEvents(protocol, operation)) return eventStreamWriter(protocol, operation);
  switch (protocol) {
    case 'awsQuery':
      return awsQueryWriter(operation);
    case 'ec2Query':
      return ec2QueryWriter(operation);
    case 'restJson1':
    case 'restXml':
      return restWriter(protocol, operation);
    case 'rpcv2Cbor':
    case 'awsCbor1_1':
      return cborOutputWriter(protocol, operation);
    default:
      return jsonOutputWriter(protocol, operation);
  }
}

function jsonOutputWriter(protocol: Protocol, operation: OperationModel): OutputWriter {
  const write = jsonWriter('own', operation.output);
  const type = protocol === 'awsJson1_0' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1';
  return (output, requestId) => ({
    status: 200,
    headers: { 'content-type': type, 'x-amzn-requestid': requestId },
    body: operation.hasOutput ? write(output) : '',
  });
}

function cborOutputWriter(protocol: CborProtocol, operation: OperationModel): OutputWriter {
  const write = cborWriter(operation.output);
  const { headers, timeUnit } = cborForms[protocol];
  // As in JSON, the older protocol's operations without an output answer nothing.
  const isEmpty = protocol === 'awsCbor1_1' && !operation.hasOutput;
  return (output, requestId) => {
    const to = new CborWriter(timeUnit);
    if (!isEmpty) write(output, to);
    return { status: 200, headers: { ...headers, 'x-amzn-requestid': requestId }, body: to.bytes() };
  };
}

function awsQueryWriter(operation: OperationModel): OutputWriter {
  const write = xmlWriter('short', operation.output);
  const { name, service, hasOutput } = operation;
  const start = `<${name}Response xmlns="${escapeXmlAttribute(service.xmlNamespace)}">${hasOutput ? `<${name}Result>` : ''}`;
  const middle = `${hasOutput ? `</${name}Result>` : ''}<ResponseMetadata><RequestId>`;
  const end = `</RequestId></ResponseMetadata></${name}Response>`;
  return (output, requestId) => ({
    status: 200,
    headers: { 'content-type': 'text/xml', 'x-amzn-requestid': requestId },
    body: start + (hasOutput ? write(output) : '') + middle + escapeXmlText(requestId) + end,
  });
}

function ec2QueryWriter(operation: OperationModel): OutputWriter {
  const write = xmlWriter('millis', operation.output);
  const { name, service, hasOutput } = operation;
  const start = `<?xml version="1.0" encoding="UTF-8"?>\n<${name}Response xmlns="${escapeXmlAttribute(service.xmlNamespace)}"><requestId>`;
  const end = `</${name}Response>`;
  return (output, requestId) => ({
    status: 200,
    headers: { 'content-type': 'text/xml;charset=UTF-8', 'x-amzn-requestid': requestId },
    // Operations without an output answer <return>true</return>, which older clients look for.
    body: `${start}${escapeXmlText(requestId)}</requestId>${hasOutput ? write(output) : '<return>true</return>'}${end}`,
  });
}

/** The status that a handler chose for its answer, in the member where the SDK puts the one it got; models know but one. */
function statusOf(output: Shape): number | undefined {
  return (output['$metadata'] as { httpStatusCode?: number } | undefined)?.httpStatusCode;
}

function restWriter(protocol: 'restJson1' | 'restXml', operation: OperationModel): OutputWriter {
  const write = httpOutputWriter(protocol, operation);
  const status = operation.http?.status ?? 200;
  const isS3 = operation.service.name === 's3';
  return (output, requestId) => {
    const headers: Record<string, string> = { 'x-amzn-requestid': requestId };
    if (isS3) {
      headers['x-amz-request-id'] = requestId;
      headers['x-amz-id-2'] = requestId;
    }
    const response: WireResponse = { status: statusOf(output) ?? status, headers, body: '' };
    write(output, response);
    // A part of a representation (RFC 9110, 15.3.7); models have no status for it.
    if (isS3 && response.status === 200 && response.headers['content-range'] !== undefined) response.status = 206;
    return response;
  };
}
