/**
 * Stages that take the body: `receiveSmall` before anything is known of the request, because the query protocols name their operation in it, and
 * `receive` for the rest. Only the body of an operation that takes a stream stays on its way: `authenticate` then hands it on, checked as it flows.
 */
import { AwsError } from '../kernel/errors.ts';
import type { OperationModel } from '../model/service-model.ts';
import type { Exchange, Stage } from './exchange.ts';
import { collectedBytesMax } from './request-body.ts';

/** Bodies up to this size are collected at once, whatever they are for: a stream costs more than the memory. */
const smallBytesMax = 256 * 1024;

/** Collects what is small or may be a form. Throws AwsError RequestEntityTooLarge. */
export const receiveSmallStage: Stage = (exchange) => (mayStream(exchange) ? undefined : collect(exchange));

/** Collects what no operation takes as a stream. Throws AwsError RequestEntityTooLarge. */
export const receiveStage: Stage = (exchange) =>
  exchange.collected === true || takesStream(exchange.operation) ? undefined : collect(exchange);

/** Puts the whole body into `request.body`. Throws AwsError RequestEntityTooLarge; RequestTimeout when the client goes away. */
export async function collect(exchange: Exchange): Promise<void> {
  const body = await exchange.arriving.collect();
  if (body === undefined) {
    throw new AwsError('RequestEntityTooLarge', `The body is larger than ${collectedBytesMax} bytes.`, { status: 413 });
  }
  exchange.request.body = body;
  exchange.collected = true;
}

/** Forms and calls with a target are never streams, and must be read to be understood. */
function mayStream({ head, arriving }: Exchange): boolean {
  if (head.method !== 'PUT' && head.method !== 'POST') return false;
  if ((arriving.announcedBytes ?? Number.POSITIVE_INFINITY) <= smallBytesMax) return false;
  if (head.headers['x-amz-target'] !== undefined || head.headers['smithy-protocol'] !== undefined) return false;
  const type = head.headers['content-type'];
  return head.method === 'PUT' || (type !== undefined && !type.startsWith('application/x-www-form-urlencoded'));
}

/** Whether the operation's payload is a blob that streams. */
function takesStream(operation: OperationModel | undefined): boolean {
  return (
    operation?.input.members.some(({ traits, schema }) => traits.payload === 1 && schema.type === 'blob' && schema.streaming) ??
    false
  );
}
