/**
 * Receipt handles: which message, and which of its receives. Opaque to callers; not secret, because what a caller may delete is decided by policies
 * on the queue.
 */
import { receiptHandleIsInvalid } from './errors.ts';
import type { MessageRow, QueueRow, ReceiptRow } from './state.ts';

export interface Handle {
  shelf: string;
  sent: number;
  sequence: number;
  /** The how many-th receive of the message. */
  count: number;
}

export function formatHandle(queue: QueueRow, message: MessageRow, { count }: ReceiptRow): string {
  return Buffer.from(`${queue.id} ${message.shelf} ${message.sent} ${message.sequence} ${count} ${message.id}`).toString(
    'base64',
  );
}

/** Reads a handle of this queue. Throws ReceiptHandleIsInvalid. */
export function parseHandle(queue: QueueRow, handle: string): Handle {
  const text = Buffer.from(handle, 'base64').toString('latin1');
  const [, id, shelf, sent, sequence, count] = /^([0-9a-f]+) ([0-9a-f]+) (\d+) (\d+) (\d+) [0-9a-f-]+$/.exec(text) ?? [];
  if (shelf === undefined || id !== queue.id) throw receiptHandleIsInvalid(handle);
  return { shelf, sent: Number(sent), sequence: Number(sequence), count: Number(count) };
}
