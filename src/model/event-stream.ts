/**
 * Outputs that are streams of events ("Amazon Event Stream Specification", smithy.io): frames of headers and payload with two checksums. In the RPC protocols
 * the first frame carries the members of the output that are no events, in the REST protocols status and headers do; each further one carries an event,
 * whole or as its one member that is all of the payload, or a modelled error that ends the stream. No model has members in headers of events.
 */
import { crc32 } from 'node:zlib';
import { CborWriter } from '../base/cbor.ts';
import { cborForms, cborWriter, speaksCbor } from './cbor-writer.ts';
import { httpOutputWriter } from './http-output.ts';
import { jsonStructureWriter, jsonWriter } from './json-writer.ts';
import type { Member, OperationModel, Schema, StructureSchema } from './service-model.ts';
import type { Protocol, Shape, WireResponse } from './types.ts';
import { elementWriter } from './xml-writer.ts';

/** Length of the prelude with its checksum, and of the checksum at the end. */
const preludeBytes = 12;
const endBytes = 4;
const streamType = 'application/vnd.amazon.eventstream';
/** Type of a header whose value is a text. */
const textHeader = 7;

/** Whether this protocol can carry the operation's events. */
export function speaksEvents(protocol: Protocol, operation: OperationModel): boolean {
  const query = protocol === 'awsQuery' || protocol === 'ec2Query';
  return !query && !operation.input.members.some(isEvents) && operation.output.members.some(isEvents);
}

function isEvents({ traits }: Member): boolean {
  return traits.events === 1;
}

/** Writes outputs whose one event member is an async iterable of unions: `{ SubscribeToShardEvent: {…} }`. */
export function eventStreamWriter(
  protocol: Protocol,
  operation: OperationModel,
): (output: Shape, requestId: string) => WireResponse {
  const member = operation.output.members.find(isEvents)!;
  const kinds = new Map((member.schema as StructureSchema).members.map((kind) => [kind.name, kind]));
  const events = (output: Shape): AsyncIterable<Shape> => output[member.name] as AsyncIterable<Shape>;
  if (protocol === 'restJson1' || protocol === 'restXml') {
    const write = httpOutputWriter(protocol, { ...operation, output: withoutEvents(operation.output) });
    return (output, requestId) => {
      const response: WireResponse = {
        status: operation.http?.status ?? 200,
        headers: { 'x-amzn-requestid': requestId },
        body: '',
      };
      write(output, response);
      response.headers['content-type'] = streamType;
      return { ...response, body: frames(events(output), kinds, protocol) };
    };
  }
  const first = initialWriter(protocol, operation.output);
  return (output, requestId) => ({
    status: 200,
    headers: {
      ...(speaksCbor(protocol) ? cborForms[protocol].headers : {}),
      'content-type': streamType,
      'x-amzn-requestid': requestId,
    },
    body: frames(events(output), kinds, protocol, first(output)),
  });
}

/** The frames of the events; a failure after the first of them ends the stream with an error that the model need not know (":message-type: error"). */
async function* frames(
  events: AsyncIterable<Shape>,
  kinds: ReadonlyMap<string, Member>,
  protocol: Protocol,
  first?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  try {
    yield* eventFrames(events, kinds, protocol, first);
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code !== 'string' || typeof message !== 'string' || !('status' in (error as object))) throw error;
    yield frame({ ':message-type': 'error', ':error-code': code, ':error-message': message }, new Uint8Array());
  }
}

async function* eventFrames(
  events: AsyncIterable<Shape>,
  kinds: ReadonlyMap<string, Member>,
  protocol: Protocol,
  first?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  if (first !== undefined)
    yield frame({ ':message-type': 'event', ':event-type': 'initial-response', ':content-type': payloadType(protocol) }, first);
  for await (const event of events) {
    const [name = '', value] = Object.entries(event)[0] ?? [];
    const kind = kinds.get(name);
    if (kind === undefined) throw new TypeError(`The stream has no event ${name}.`);
    const failed = kind.schema.type === 'structure' && kind.schema.error !== undefined;
    const { type, content } = contentOf(protocol, kind.schema as StructureSchema, value as Shape);
    const headers: Record<string, string> = failed
      ? { ':message-type': 'exception', ':exception-type': name, ':content-type': type }
      : { ':message-type': 'event', ':event-type': name, ':content-type': type };
    yield frame(headers, content);
    if (failed) return;
  }
}

/** The payload of an event: its one member that is all of it, bytes and text as they are, else the event itself. */
function contentOf(protocol: Protocol, schema: StructureSchema, value: Shape): { type: string; content: Uint8Array } {
  const whole = schema.members.find(({ traits }) => traits.eventPayload === 1);
  const given = whole === undefined ? value : value[whole.name];
  const shown = whole === undefined ? schema : whole.schema;
  if (shown.type === 'blob')
    return { type: 'application/octet-stream', content: (given as Uint8Array | undefined) ?? new Uint8Array() };
  if (shown.type === 'string') return { type: 'text/plain', content: Buffer.from(String(given ?? '')) };
  return { type: payloadType(protocol), content: payload(protocol, shown, given ?? {}) };
}

function payloadType(protocol: Protocol): string {
  if (protocol === 'restXml') return 'text/xml';
  if (protocol === 'restJson1') return 'application/json';
  if (speaksCbor(protocol)) return cborForms[protocol].headers['content-type'];
  return protocol === 'awsJson1_0' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1';
}

function payload(protocol: Protocol, schema: Schema, value: unknown): Uint8Array {
  if (protocol === 'restXml') return Buffer.from(elementWriter('short', (schema as StructureSchema).rootName, schema, {})(value));
  if (protocol === 'restJson1') return Buffer.from(jsonWriter('rest', schema)(value));
  if (!speaksCbor(protocol)) return Buffer.from(jsonWriter('own', schema)(value));
  const to = new CborWriter(cborForms[protocol].timeUnit);
  cborWriter(schema)(value, to);
  return Uint8Array.from(to.bytes());
}

function withoutEvents(output: StructureSchema): StructureSchema {
  return { ...output, members: output.members.filter((one) => !isEvents(one)) };
}

function initialWriter(protocol: Protocol, output: StructureSchema): (value: Shape) => Uint8Array {
  const plain = withoutEvents(output);
  if (speaksCbor(protocol)) return (value) => payload(protocol, plain, value);
  const write = jsonStructureWriter('own', plain, () => true);
  return (value) => Buffer.from(write(value));
}

/** One message: lengths and their checksum, headers, payload, the checksum of all. */
function frame(headers: Readonly<Record<string, string>>, content: Uint8Array): Uint8Array {
  const parts = Object.entries(headers).map(([name, value]) => {
    const [key, text] = [Buffer.from(name), Buffer.from(value)];
    const size = Buffer.alloc(2);
    size.writeUInt16BE(text.byteLength);
    return Buffer.concat([Buffer.from([key.byteLength]), key, Buffer.from([textHeader]), size, text]);
  });
  const head = Buffer.concat(parts);
  const total = preludeBytes + head.byteLength + content.byteLength + endBytes;
  const prelude = Buffer.alloc(preludeBytes);
  prelude.writeUInt32BE(total, 0);
  prelude.writeUInt32BE(head.byteLength, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const body = Buffer.concat([prelude, head, content]);
  const end = Buffer.alloc(endBytes);
  end.writeUInt32BE(crc32(body));
  return Buffer.concat([body, end]);
}
