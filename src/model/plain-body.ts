/**
 * Bodies of RPC requests as their parsers want them. SDKs compress large ones (Smithy's requestCompression; PutMetricData from 10 KiB on) and say so
 * in Content-Encoding. Not for REST: there the header may describe the object itself.
 */
import { gunzipSync } from 'node:zlib';
import { plainBodyBytesMax } from './bounds.ts';
import { ParseError, type WireRequest } from './types.ts';

/** Bodies that have been unpacked, by the bodies they came in; rebuildable. Identification and parsing both need them. */
const unpacked = new WeakMap<Uint8Array, Uint8Array>();

/** The body, unpacked if it is compressed. Throws ParseError for what cannot be unpacked, or not within bounds. */
export function plainBody(request: WireRequest): Uint8Array {
  if (request.headers['content-encoding'] !== 'gzip' || request.body.length === 0) return request.body;
  const known = unpacked.get(request.body);
  if (known !== undefined) return known;
  let plain: Uint8Array;
  try {
    plain = gunzipSync(request.body, { maxOutputLength: plainBodyBytesMax });
  } catch (cause) {
    const tooLarge = (cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    if (tooLarge) throw new ParseError('RequestEntityTooLarge', `The body unpacks to more than ${plainBodyBytesMax} bytes.`, 413);
    throw new ParseError('SerializationException', 'The body is not compressed as its Content-Encoding says.');
  }
  unpacked.set(request.body, plain);
  return plain;
}
