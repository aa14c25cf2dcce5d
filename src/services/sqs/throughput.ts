/** How fast a FIFO queue may be called: 300 calls of each action a second, unless it is in high-throughput mode ("FIFO queue quotas"). */
import type { Context } from '../../kernel/context.ts';
import { deskOf } from './desk.ts';
import { requestThrottled } from './errors.ts';
import { fifoCallsPerSecond } from './rules.ts';
import type { QueueRow } from './state.ts';

/** Takes a call's share. Batches count once. Throws RequestThrottled. */
export function takeCall(ctx: Context, queue: QueueRow, action: 'SendMessage' | 'ReceiveMessage' | 'DeleteMessage'): void {
  if (!queue.fifo || queue.throughputLimit === 'perMessageGroupId') return;
  if (!deskOf(ctx).takeToken(`${queue.id} ${action}`, fifoCallsPerSecond)) throw requestThrottled();
}
