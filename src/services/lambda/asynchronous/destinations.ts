/**
 * Where outcomes go: queues, topics, functions, buses and buckets, each under the rights of the function's role ("Capturing records of Lambda
 * asynchronous invocations").
 */
import { parseArn } from '../../../base/arn.ts';
import type { Context } from '../../../kernel/context.ts';
import type { StsApi } from '../../sts/api.ts';
import { invalidParameter } from '../errors.ts';

const kinds: Readonly<Record<string, RegExp>> = {
  sqs: /^[\w-]+$/,
  sns: /^[\w-]+$/,
  lambda: /^function:/,
  events: /^event-bus\//,
  s3: /^[a-z0-9.-]+$/,
};

/** Throws InvalidParameterValueException for an ARN that is none of a destination. */
export function checkDestination(arn: string | undefined): string | undefined {
  if (arn === undefined || arn === '') return undefined;
  const parsed = parseArn(arn);
  if (parsed === undefined || kinds[parsed.service]?.test(parsed.resource) !== true)
    throw invalidParameter(`The provided destination config DestinationConfig is invalid: ${arn} is not a valid destination.`);
  return arn;
}

/** Lambda with the rights of a function's role. Throws NoSuchEntity, AccessDenied. */
export async function actBy(ctx: Context, role: string, name: string): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  return ctx.asIdentity(await sts.roleIdentity({ roleArn: role, sessionName: name, service: 'lambda' }));
}

export interface OutcomeRecord {
  functionArn: string;
  success: boolean;
  body: string;
  /** Of the request, for the name of an object. */
  requestId: string;
  source: string;
}

/** Hands a record to its destination. Throws what the destination refuses with. */
export async function sendTo(ctx: Context, role: string, name: string, arn: string, record: OutcomeRecord): Promise<void> {
  const acting = await actBy(ctx, role, name);
  const [, , service, region = '', account = '', ...rest] = arn.split(':');
  const here = region === '' ? acting : acting.inScope({ region });
  const resource = rest.join(':');
  switch (service) {
    case 'sqs':
      await here.call('sqs').sendMessage({ QueueUrl: queueUrl(ctx, region, account, resource), MessageBody: record.body });
      return;
    case 'sns':
      await here.call('sns').publish({ TopicArn: arn, Message: record.body });
      return;
    case 'lambda':
      await here.call('lambda').invoke({ FunctionName: arn, InvocationType: 'Event', Payload: Buffer.from(record.body) });
      return;
    case 'events':
      await here.call('eventbridge').putEvents({
        Entries: [
          {
            EventBusName: arn,
            Source: 'lambda',
            DetailType: `Lambda Function Invocation Result - ${record.success ? 'Success' : 'Failure'}`,
            Detail: record.body,
            Resources: [record.functionArn, arn],
          },
        ],
      });
      return;
    default: {
      const day = new Date(ctx.clock.now()).toISOString();
      const Key = `aws/lambda/${record.source}/${day.slice(0, 10).replaceAll('-', '/')}/${day.slice(0, 19).replaceAll(':', '.')}-${record.requestId}`;
      await here.call('s3').putObject({ Bucket: resource, Key, Body: Buffer.from(record.body) });
    }
  }
}

/** A queue as SQS's operations want it named. */
export function queueUrl(ctx: Context, region: string, account: string, name: string): string {
  return `http://sqs.${region}.localhost:${ctx.part('endpoints').port}/${account}/${name}`;
}
