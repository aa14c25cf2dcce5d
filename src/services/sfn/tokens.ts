/** Task tokens: opaque, unguessable, and of a form that tells them from any other text. */
import type { Context } from '../../kernel/context.ts';

const head = 'AQCAAAAAKgAAAAMAAAAA';
const tokenBytes = 240;

export function newToken(ctx: Pick<Context, 'bytes'>): string {
  return `${head}${Buffer.from(ctx.bytes(tokenBytes)).toString('base64')}`;
}

/** Whether a text could be a token of this cloud. */
export function isToken(text: string): boolean {
  return text.startsWith(head) && text.length === head.length + (tokenBytes / 3) * 4;
}
