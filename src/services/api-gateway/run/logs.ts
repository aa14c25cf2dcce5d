/**
 * Access logs and execution logs: lines are gathered for a moment and written in one piece, after the answer has gone out. A log group or role that is gone
 * loses lines and harms no call, as in AWS ("Set up CloudWatch logging for REST APIs").
 */
import { createHash } from 'node:crypto';
import { AwsError } from '../../../kernel/errors.ts';
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import type { StsApi } from '../../sts/api.ts';

/** Real milliseconds that lines are gathered for. */
const gatherMillis = 100;
/** Lines that wait for one destination; more are dropped. */
const waitingMax = 10_000;
/** "Log events in a batch: 10,000", and bytes: 1,048,576, 26 more for each. */
const batchMax = 1_000;

interface Line {
  timestamp: number;
  message: string;
}

interface Waiting {
  ctx: Context;
  destination: Destination;
  lines: Line[];
}

/** Where lines go, and under which role; without one the gateway writes as the service that it is. */
export type Destination = { roleArn?: string | undefined } & ({ group: string; create: boolean } | { deliveryStream: string });

const waitingCache = new Map<string, Waiting>();

/** Reads the ARN of an access log's destination. */
export function destinationOf(arn: string, roleArn?: string): Destination {
  const group = /:log-group:(.+?)(?::\*)?$/.exec(arn)?.[1];
  return group === undefined ? { deliveryStream: arn.split('/').at(-1) ?? '', roleArn } : { group, create: false, roleArn };
}

/** Puts lines on their way to a destination. */
export function writeLines(ctx: Context, destination: Destination, lines: readonly Line[]): void {
  if (lines.length === 0) return;
  const key = JSON.stringify([ctx.account, ctx.region, destination]);
  const waiting = waitingCache.get(key);
  if (waiting !== undefined) {
    if (waiting.lines.length + lines.length <= waitingMax) waiting.lines.push(...lines);
    return;
  }
  waitingCache.set(key, { ctx, destination, lines: [...lines] });
  void ctx.clock.pause(gatherMillis).then(async () => {
    const all = waitingCache.get(key)?.lines ?? [];
    waitingCache.delete(key);
    for (let at = 0; at < all.length; at += batchMax) await deliver(ctx, destination, all.slice(at, at + batchMax));
  });
}

async function deliver(ctx: Context, destination: Destination, lines: readonly Line[]): Promise<void> {
  try {
    const as = await actingFor(ctx, destination.roleArn);
    if ('deliveryStream' in destination) {
      const Records = lines.map(({ message }) => ({ Data: Buffer.from(`${message}\n`) }));
      await as.call('firehose').putRecordBatch({ DeliveryStreamName: destination.deliveryStream, Records });
      return;
    }
    const logs = as.call('cloudwatch-logs');
    const logGroupName = destination.group;
    const logStreamName = createHash('md5')
      .update(`${logGroupName} ${Math.floor(ctx.now / 86_400_000)}`)
      .digest('hex');
    const logEvents = lines.map(({ timestamp, message }) => ({ timestamp, message }));
    const put = () => logs.putLogEvents({ logGroupName, logStreamName, logEvents });
    await put().catch(async (error: unknown) => {
      if (!(error instanceof AwsError) || error.code !== 'ResourceNotFoundException') throw error;
      if (destination.create) await logs.createLogGroup({ logGroupName }).catch(ignoreExisting);
      await logs.createLogStream({ logGroupName, logStreamName }).catch(ignoreExisting);
      await put();
    });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`logs: ${error.code}: ${error.message}`);
  }
}

async function actingFor(ctx: Context, roleArn: string | undefined): Promise<Context> {
  if (roleArn === undefined) return ctx.asService();
  const sts = await ctx.internal<StsApi>('sts');
  const identity: Identity = await sts.roleIdentity({ roleArn, sessionName: 'APIGatewayLogs', service: 'apigateway' });
  return ctx.asIdentity(identity);
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error;
}
