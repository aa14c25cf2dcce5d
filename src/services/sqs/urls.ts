/**
 * Queue URLs: `http://127.0.0.1:4566/ACCOUNT/NAME`. They begin with whatever address the caller reached the cloud by, so that they work where the
 * caller is: on the host, under a name like `sqs.us-east-1.localhost:4566`, or on a machine inside.
 */
import { formatArn, parseArn } from '../../base/arn.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { invalidAddress } from './errors.ts';

export interface QueueName {
  account: string;
  name: string;
}

export function queueUrl(ctx: Context, { account, name }: QueueName): string {
  return `${ctx.caller.endpoint ?? ctx.part('endpoints').host}/${account}/${name}`;
}

/** Account and name in a queue URL; the host is not looked at. Throws InvalidAddress for what is no queue URL. */
export function parseQueueUrl(url: string): QueueName {
  const [, account, name] = /^(?:https?:\/\/[^/]+)?\/(?:.*\/)?(\d{12})\/([A-Za-z0-9_.-]{1,80})\/?$/.exec(url) ?? [];
  if (account === undefined || name === undefined) throw invalidAddress(url);
  return { account, name };
}

export function queueArn({ account, region }: Scope, name: string): string {
  return formatArn({ service: 'sqs', region, account, resource: name });
}

/** Scope and name in a queue's ARN; undefined for what is none. */
export function parseQueueArn(arn: string): (Scope & { name: string }) | undefined {
  const parsed = parseArn(arn);
  if (parsed?.service !== 'sqs' || parsed.account === '' || !/^[A-Za-z0-9_-]{1,80}(\.fifo)?$/.test(parsed.resource))
    return undefined;
  return { account: parsed.account, region: parsed.region, name: parsed.resource };
}
