/** Where notifications go: queues, topics, functions. Each lets S3 in by its own policy, for the bucket ("Granting permissions to publish event notifications"). */
import { parseArn } from '../../../base/arn.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { SnsApi } from '../../sns/api.ts';
import type { SqsApi } from '../../sqs/api.ts';
import type { BucketRow } from '../state.ts';

const subject = 'Amazon S3 Notification';

/** Which service an ARN of a destination is of; undefined for others. */
export function destinationKind(arn: string): 'sqs' | 'sns' | 'lambda' | undefined {
  const service = parseArn(arn)?.service;
  return service === 'sqs' || service === 'sns' || service === 'lambda' ? service : undefined;
}

/** The message that queues and topics get when they are named ("Event message structure", test notification). */
export function testMessage(ctx: Context, bucket: BucketRow): string {
  return JSON.stringify({
    Service: 'Amazon S3',
    Event: 's3:TestEvent',
    Time: new Date(ctx.now).toISOString(),
    Bucket: bucket.name,
    RequestId: ctx.requestId,
    HostId: Buffer.from(ctx.bytes(48)).toString('base64'),
  });
}

/** Sends one message for a bucket, in whose account and Region `ctx` is. Throws what the destination refuses with. */
export async function deliverTo(
  ctx: Context,
  bucket: Pick<BucketRow, 'name' | 'account'>,
  arn: string,
  body: string,
  purpose: 'test' | 'event',
): Promise<void> {
  const sourceArn = `arn:aws:s3:::${bucket.name}`;
  const sender = { principal: 's3.amazonaws.com', sourceArn, sourceAccount: bucket.account };
  switch (destinationKind(arn)) {
    case 'sqs': {
      const sqs = await ctx.internal<SqsApi>('sqs');
      // "FIFO queues aren't supported as an Amazon S3 event notification destination."
      if ((await sqs.kindOf(arn)) === 'fifo') throw new AwsError('InvalidArgument', 'FIFO queues are not supported.');
      await sqs.send(arn, { body }, sender);
      return;
    }
    case 'sns':
      await (await ctx.internal<SnsApi>('sns')).publish(arn, { message: body, subject }, sender);
      return;
    default:
      await ctx
        .onAccountOf(sourceArn, bucket.account)
        .call('lambda')
        .invoke({
          FunctionName: arn,
          InvocationType: purpose === 'test' ? 'DryRun' : 'Event',
          Payload: Buffer.from(body),
        });
  }
}

/** A message on its way. */
interface Notice {
  bucket: string;
  account: string;
  arn: string;
  body: string;
}

/** Sends with the commit, from the bucket's account and Region, where the transaction is. */
export async function sendLater(tx: Transaction, ctx: Context, notice: Notice): Promise<void> {
  await tx.schedule({ task: 'notify', key: ctx.uuid(), due: ctx.now, payload: { ...notice } });
}

/** Delivers a notice. A destination that refuses gets nothing: S3 has no queue of its own for what nobody takes. */
export const notify: Task = async ({ payload }, ctx) => {
  const { bucket, account, arn, body } = payload as unknown as Notice;
  try {
    await deliverTo(ctx, { name: bucket, account }, arn, body, 'event');
  } catch (error) {
    if (!(error instanceof AwsError) || (error.status >= 500 && error.status !== 501)) throw error;
    ctx.trace(`The notification to ${arn} was refused: ${error.message}`);
  }
};
