/**
 * Outputs that are streams of events, in the RPC protocols ("Amazon Event Stream Specification", smithy.io): frames of headers and payload with two
 * checksums. The first frame carries the members of the output that are no events; each further one an event, or a modelled error that ends the
 * stream. Events of the REST protocols, whose members may be bound to headers, are not spoken.
 */
import { crc32 } from 'node:zlib';
import { CborWriter } from '../base/cbor.ts';
import { cborWriter } from './cbor-writer.ts';
import { jsonStructureWriter, jsonWriter } from './json-writer.ts';
import type { Member, OperationModel, Schema, StructureSchema } from './service-model.ts';
import type { Protocol, Shape, WireResponse } from './types.ts';

/** Length of the prelude with its checksum, and of the checksum at the end. */
const preludeBytes = 12;
const endBytes = 4;
/** Type of a header whose value is a text. */
const textHeader = 7;

/** Whether this protocol can carry the operation's events. */
export function speaksEvents(protocol: Protocol, operation: OperationModel): boolean {
  const rpc = protocol === 'awsJson1_0' || protocol === 'awsJson1_1' || protocol === 'rpcv2Cbor';
  return rpc && !operation.input.members.some(isEvents) && operation.output.members.some(isEvents);
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
  const type = payloadType(protocol);
  const first = initialWriter(protocol, operation.output);
  return (output, requestId) => ({
    status: 200,
    headers: {
      'content-type': 'application/vnd.amazon.eventstream',
      'x-amzn-requestid': requestId,
      ...(protocol === 'rpcv2Cbor' ? { 'smithy-protocol': 'rpc-v2-cbor' } : {}),
    },
    body: frames(output[member.name] as AsyncIterable<Shape>, kinds, {
      type,
      first: first(output),
      write: (schema, value) => payload(protocol, schema, value),
    }),
  });
}

interface Frames {
  type: string;
  first: Uint8Array;
  write: (schema: Schema, value: unknown) => Uint8Array;
}

async function* frames(
  events: AsyncIterable<Shape>,
  kinds: ReadonlyMap<string, Member>,
  { type, first, write }: Frames,
): AsyncGenerator<Uint8Array> {
  yield frame({ ':message-type': 'event', ':event-type': 'initial-response', ':content-type': type }, first);
  for await (const event of events) {
    const [name = '', value] = Object.entries(event)[0] ?? [];
    const kind = kinds.get(name);
    if (kind === undefined) throw new TypeError(`The stream has no event ${name}.`);
    const failed = kind.schema.type === 'structure' && kind.schema.error !== undefined;
    const headers: Record<string, string> = failed
      ? { ':message-type': 'exception', ':exception-type': name, ':content-type': type }
      : { ':message-type': 'event', ':event-type': name, ':content-type': type };
    yield frame(headers, write(kind.schema, value));
    if (failed) return;
  }
}

function payloadType(protocol: Protocol): string {
  if (protocol === 'rpcv2Cbor') return 'application/cbor';
  return protocol === 'awsJson1_0' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1';
}

function payload(protocol: Protocol, schema: Schema, value: unknown): Uint8Array {
  if (protocol !== 'rpcv2Cbor') return Buffer.from(jsonWriter('own', schema)(value));
  const to = new CborWriter();
  cborWriter(schema)(value, to);
  return Uint8Array.from(to.bytes());
}

function initialWriter(protocol: Protocol, output: StructureSchema): (value: Shape) => Uint8Array {
  const plain = { ...output, members: output.members.filter((one) => !isEvents(one)) };
  if (protocol === 'rpcv2Cbor') return (value) => payload(protocol, plain, value);
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
