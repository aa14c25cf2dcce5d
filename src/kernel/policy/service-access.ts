/**
 * What one service may do to another service's resource on its own account: SNS sends to a queue, EventBridge to a topic. No identity policy has a
 * say, the resource's policy decides alone, with the resource on whose behalf the service acts as `aws:SourceArn` ("Cross-service confused deputy
 * prevention", IAM User Guide).
 */
import { evaluate } from './evaluate.ts';

export interface ServiceRequest {
  /** `sns.amazonaws.com` */
  principal: string;
  action: string;
  resource: string;
  resourceAccount: string;
  /** The resource's policy; nothing is allowed without one. */
  policy: string | undefined;
  /** ARN and account of what the service acts for. */
  sourceArn: string;
  sourceAccount: string;
}

/** Whether the resource's policy lets the service do this. */
export function serviceMay({
  principal,
  action,
  resource,
  resourceAccount,
  policy,
  sourceArn,
  sourceAccount,
}: ServiceRequest): boolean {
  if (policy === undefined) return false;
  const context = new Map<string, readonly string[]>([
    ['aws:sourcearn', [sourceArn]],
    ['aws:sourceaccount', [sourceAccount]],
    ['aws:principalisawsservice', ['true']],
    ['aws:principalservicename', [principal]],
    ['aws:viaawsservice', ['false']],
    ['aws:securetransport', ['true']],
    ['aws:resourceaccount', [resourceAccount]],
  ]);
  const caller = { type: 'AWSService', account: '', arn: principal } as const;
  return evaluate({ principal: caller, action, resource, resourceAccount, context }, { identity: [], resource: policy }).allowed;
}
