/** Resource policies of streams and consumers, which let other accounts read and write ("Share your data stream with another account"). */
import type { Kinesis } from '@aws-sdk/client-kinesis';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { invalidArgument } from './errors.ts';
import { isConsumerArn, onResource, requireConsumer, requireStream } from './lookup.ts';
import { Consumers, Streams } from './state.ts';

const policyBytesMax = 20_480;

async function policyOf(ctx: Context, arn: string | undefined): Promise<string | undefined> {
  return isConsumerArn(arn)
    ? (await requireConsumer(ctx, { ConsumerARN: arn })).consumer.policy
    : (await requireStream(ctx, { StreamARN: arn })).policy;
}

async function setPolicy(ctx: Context, arn: string | undefined, policy: string | undefined): Promise<void> {
  if (isConsumerArn(arn)) {
    const { consumer } = await requireConsumer(ctx, { ConsumerARN: arn });
    await ctx.transact((tx) => tx.table(Consumers).put({ ...consumer, policy }));
    return;
  }
  const stream = await requireStream(ctx, { StreamARN: arn });
  await ctx.transact((tx) => tx.table(Streams).put({ ...stream, policy }));
}

export const policyHandlers: HandlersOf<Kinesis> = {
  async PutResourcePolicy({ ResourceARN, Policy = '' }, ctx) {
    if (Buffer.byteLength(Policy) > policyBytesMax)
      throw invalidArgument(`Resource policy exceeds the maximum size of ${policyBytesMax} bytes.`);
    if (!validatePolicy(Policy, 'resource').ok) throw invalidArgument('Invalid resource policy.');
    await setPolicy(ctx, ResourceARN, Policy);
    return {};
  },

  async GetResourcePolicy({ ResourceARN }, ctx) {
    return { Policy: (await policyOf(ctx, ResourceARN)) ?? '' };
  },

  async DeleteResourcePolicy({ ResourceARN }, ctx) {
    if ((await policyOf(ctx, ResourceARN)) === undefined)
      throw new AwsError('ResourceNotFoundException', `No resource policy found for resource ARN ${ResourceARN}.`);
    await setPolicy(ctx, ResourceARN, undefined);
    return {};
  },
};

export const policyChecks: AuthorisationsOf<Kinesis> = {
  PutResourcePolicy: onResource,
  GetResourcePolicy: onResource,
  DeleteResourcePolicy: onResource,
};
