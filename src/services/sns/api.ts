/** What SNS offers inside the process. Types only may be imported from here. */
import type { Context } from '../../kernel/context.ts';
import { serviceMay } from '../../kernel/policy/service-access.ts';
import { parseTopicArn } from './arns.ts';
import { authorizationError } from './errors.ts';
import { findTopic } from './lookup.ts';
import { prepareNotice, publishTo } from './publish.ts';
import { certificateAt } from './signing.ts';

export interface SnsApi {
  /** The PEM of the certificate that signs notifications, when this is the path in their `SigningCertURL`. */
  certificateAt(path: string): Promise<string | undefined>;
  /**
   * Publishes to the topic of this ARN if its policy lets the service. Throws as Publish does: NotFound, AuthorizationError, InvalidParameter.
   */
  publish(arn: string, message: ServiceNotice, sender: ServiceSender): Promise<{ messageId: string }>;
}

export interface ServiceNotice {
  message: string;
  subject?: string | undefined;
  /** For FIFO topics. */
  group?: string | undefined;
  deduplication?: string | undefined;
}

/** Who publishes: the service, and the resource for which it does. */
export interface ServiceSender {
  principal: string;
  sourceArn: string;
  sourceAccount: string;
}

/** The api over a context of SNS's own. */
export function createApi(system: Context): SnsApi {
  return {
    certificateAt: (path) => certificateAt(system, path),
    async publish(arn, message, sender) {
      const { account, region } = parseTopicArn(arn);
      // A key of KMS is asked for in the name of who publishes: its policy must let the service.
      const acting = system.onAccountOf(sender.sourceArn, sender.sourceAccount, sender.principal.replace('.amazonaws.com', ''));
      const found = await findTopic(acting.inScope({ account, region }), arn);
      const action = 'sns:Publish';
      if (!serviceMay({ ...sender, action, resource: arn, resourceAccount: account, policy: found.topic.policy })) {
        throw authorizationError(
          `User: ${sender.principal} is not authorized to perform: SNS:Publish on resource: ${arn} because no resource-based policy allows the SNS:Publish action`,
        );
      }
      const [accepted] = await publishTo(found, [
        prepareNotice(found.topic, {
          Message: message.message,
          Subject: message.subject,
          MessageGroupId: message.group,
          MessageDeduplicationId: message.deduplication,
        }),
      ]);
      return { messageId: accepted?.id ?? '' };
    },
  };
}
