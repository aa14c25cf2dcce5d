/** What SQS offers to other services inside the process: sending on their own account. Types only may be imported from here. */
import type { MessageAttributeValue } from '@aws-sdk/client-sqs';
import type { Context, Scope } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { serviceMay } from '../../kernel/policy/service-access.ts';
import { queueDoesNotExist } from './errors.ts';
import { deliver, prepare } from './send.ts';
import { Queues } from './state.ts';
import { parseQueueArn } from './urls.ts';

export interface ServiceMessage {
  body: string;
  attributes?: Record<string, MessageAttributeValue> | undefined;
  /** For FIFO queues. */
  group?: string | undefined;
  deduplication?: string | undefined;
  trace?: string | undefined;
}

/** Who sends: the service, and the resource for which it does. */
export interface ServiceSender {
  principal: string;
  sourceArn: string;
  sourceAccount: string;
}

export interface SqsApi {
  /**
   * Sends to the queue of this ARN if its policy lets the service. Throws as SendMessage does: QueueDoesNotExist, AccessDenied,
   * InvalidParameterValue, errors of KMS.
   */
  send(arn: string, message: ServiceMessage, sender: ServiceSender): Promise<{ messageId: string }>;
  /** Whether there is such a queue, and whether it is FIFO. */
  kindOf(arn: string): Promise<'standard' | 'fifo' | undefined>;
}

/** The api over a context of SQS's own. */
export function createApi(system: Context): SqsApi {
  const find = async (arn: string) => {
    const parsed = parseQueueArn(arn);
    if (parsed === undefined) return undefined;
    const scope: Scope = { account: parsed.account, region: parsed.region };
    const at = system.inScope(scope);
    const queue = await at.table(Queues).get(parsed.name);
    return queue === undefined ? undefined : { at, scope, queue };
  };
  return {
    async send(arn, message, sender) {
      const found = await find(arn);
      if (found === undefined) throw queueDoesNotExist();
      const { account: resourceAccount } = found.scope;
      const action = 'sqs:SendMessage';
      if (!serviceMay({ ...sender, action, resource: arn, resourceAccount, policy: found.queue.policy })) {
        throw new AwsError(
          'AccessDenied',
          `User: ${sender.principal} is not authorized to perform: sqs:sendmessage on resource: ${arn} because no resource-based policy allows the sqs:sendmessage action`,
          { status: 403 },
        );
      }
      const prepared = prepare(found.queue, {
        MessageBody: message.body,
        MessageAttributes: message.attributes,
        MessageGroupId: message.group,
        MessageDeduplicationId: found.queue.fifo ? message.deduplication : undefined,
        MessageSystemAttributes:
          message.trace === undefined ? undefined : { AWSTraceHeader: { DataType: 'String', StringValue: message.trace } },
      });
      // A key of KMS is asked for in the name of who sends: its policy must let the service ("Configure KMS permissions for AWS services").
      const at = found.at.onAccountOf(sender.sourceArn, sender.sourceAccount, sender.principal.replace('.amazonaws.com', ''));
      const [sent] = await deliver(at, { ...found, at }, [prepared], sender.principal);
      return { messageId: sent?.id ?? '' };
    },
    async kindOf(arn) {
      const found = await find(arn);
      return found === undefined ? undefined : found.queue.fifo ? 'fifo' : 'standard';
    },
  };
}
