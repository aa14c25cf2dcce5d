/** ARNs of topics and subscriptions. */
import { parseArn } from '../../base/arn.ts';
import type { Scope } from '../../kernel/context.ts';
import { invalidParameter } from './errors.ts';

export interface TopicName extends Scope {
  name: string;
}

export function topicArn({ account, region }: Scope, name: string): string {
  return `arn:aws:sns:${region}:${account}:${name}`;
}

export function subscriptionArn(scope: Scope, topic: string, id: string): string {
  return `${topicArn(scope, topic)}:${id}`;
}

/** Throws InvalidParameter naming the parameter. */
export function parseTopicArn(arn: string | undefined, parameter = 'TopicArn'): TopicName {
  const parsed = parseArn(arn ?? '');
  if (parsed?.service !== 'sns' || parsed.account === '' || !/^[A-Za-z0-9_-]{1,256}(\.fifo)?$/.test(parsed.resource)) {
    const elements = (arn ?? '').split(':').length;
    throw invalidParameter(
      elements < 6 ? `${parameter} Reason: An ARN must have at least 6 elements, not ${elements}` : parameter,
    );
  }
  return { account: parsed.account, region: parsed.region, name: parsed.resource };
}

/** Throws InvalidParameter. */
export function parseSubscriptionArn(arn: string | undefined): TopicName & { id: string } {
  const parsed = parseArn(arn ?? '');
  const [, name, id] = /^([A-Za-z0-9_-]{1,256}(?:\.fifo)?):([0-9a-f-]{36})$/.exec(parsed?.resource ?? '') ?? [];
  if (parsed?.service !== 'sns' || name === undefined || id === undefined)
    throw invalidParameter(`SubscriptionArn Reason: An ARN must have at least 6 elements, not ${(arn ?? '').split(':').length}`);
  return { account: parsed.account, region: parsed.region, name, id };
}
