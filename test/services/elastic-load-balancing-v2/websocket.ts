/** As much of a WebSocket client as tests need (RFC 6455). */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';

/** The next bytes that come; rejects when the connection ends. */
export const nextBytes = (socket: Duplex): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error('The connection was closed.')));
  });

/** A short text as a client's frame: masked. */
export function frameOf(text: string): Buffer {
  const mask = randomBytes(4);
  const bytes = Buffer.from(text).map((byte, at) => byte ^ mask[at % 4]!);
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, bytes]);
}

/** What a client says last: the server answers it and closes. */
export const closingFrame = Buffer.from([0x88, 0x80, 0, 0, 0, 0]);
