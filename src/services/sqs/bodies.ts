/** Bodies of messages on their way into and out of rows. */
import type { Context } from '../../kernel/context.ts';
import { checkCharacters } from './rules.ts';
import type { MessageRow, QueueRow } from './state.ts';

/** A body as kept. */
export type Sealed = Pick<MessageRow, 'body' | 'dataKey'>;

/** Throws InvalidMessageContents. */
export function checkBody(body: string): void {
  checkCharacters(body);
}

export async function seal(_ctx: Context, _queue: QueueRow, messages: readonly { body: string }[]): Promise<Sealed[]> {
  return messages.map(({ body }) => ({ body }));
}

export async function unseal(_ctx: Context, _queue: QueueRow, message: MessageRow): Promise<string> {
  return message.body as string;
}
