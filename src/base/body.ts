/** Bodies as services hand them to one another: text, bytes, or bytes piece by piece. */

/** All of a body in memory. Throws RangeError when it is larger than `bytesMax`. */
export async function bytesOf(body: unknown, bytesMax: number): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (typeof body === 'string') return Buffer.from(body);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    bytes += piece.byteLength;
    if (bytes > bytesMax) throw new RangeError(`The body is larger than ${bytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
