/** Finding what a request names, and what to ask of policies for it. */
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { Check } from '../../kernel/service.ts';
import { parseSubscriptionArn, parseTopicArn, topicArn } from './arns.ts';
import { invalidParameter, subscriptionNotFound, topicNotFound } from './errors.ts';
import { type SubscriptionRow, Subscriptions, type TopicRow, Topics } from './state.ts';

export interface FoundTopic {
  /** The caller's context in the topic's account and Region. */
  at: Context;
  scope: Scope;
  arn: string;
  topic: TopicRow;
}

/** The topic of an ARN, in whatever account. Throws InvalidParameter, NotFound. */
export async function findTopic(ctx: Context, arn: string | undefined, parameter = 'TopicArn'): Promise<FoundTopic> {
  const { account, region, name } = parseTopicArn(arn, parameter);
  if (region !== ctx.region) throw invalidParameter(parameter);
  const scope = { account, region };
  const topic = await ctx.tableIn(scope, Topics).get(name);
  if (topic === undefined) throw topicNotFound();
  return { at: account === ctx.account ? ctx : ctx.inScope(scope), scope, arn: topicArn(scope, name), topic };
}

/** Changes a topic's row. Throws NotFound. */
export async function changeTopic(
  { at, topic }: FoundTopic,
  change: (row: TopicRow, tx: Transaction) => TopicRow | Promise<TopicRow>,
): Promise<void> {
  await at.transact(async (tx) => {
    const row = await tx.table(Topics).get(topic.name);
    if (row === undefined) throw topicNotFound();
    await tx.table(Topics).put(await change(row, tx));
  });
}

/** The subscription of an ARN, with its place. Throws InvalidParameter, NotFound. */
export async function findSubscription(ctx: Context, arn: string | undefined): Promise<{ at: Context; row: SubscriptionRow }> {
  const { account, region, name, id } = parseSubscriptionArn(arn);
  const at = ctx.inScope({ account, region });
  const row = await at.table(Subscriptions).get(name, id);
  if (row === undefined) throw subscriptionNotFound();
  return { at, row };
}

/** What to ask for an operation on a topic. */
export async function checkTopic(arn: string | undefined, ctx: Context): Promise<readonly Check[]> {
  const { account, region, name } = parseTopicArn(arn);
  const row = await ctx.tableIn({ account, region }, Topics).get(name);
  const conditions = Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
  return [{ resource: topicArn({ account, region }, name), resourceAccount: account, resourcePolicy: row?.policy, conditions }];
}

export function onTopic(input: { TopicArn?: string | undefined }, ctx: Context): Promise<readonly Check[]> {
  return checkTopic(input.TopicArn, ctx);
}

/** Operations on a subscription are asked of the one who owns it: nobody's policy on the topic gives a right to it. */
export function onSubscription(input: { SubscriptionArn?: string | undefined }, ctx: Context): readonly Check[] {
  const { account, region, name } = parseSubscriptionArn(input.SubscriptionArn);
  return [{ resource: topicArn({ account, region }, name), resourceAccount: ctx.caller.account }];
}
