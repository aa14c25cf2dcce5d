/** Task resources: what an ARN asks for. Source: Developer Guide, "Integrating services with Step Functions". */
import { parseArn } from '../../base/arn.ts';

/** How a task waits for what it has asked for. */
export type Pattern = 'response' | 'sync' | 'sync:2' | 'token';

export type Resource =
  | { kind: 'lambda'; arn: string }
  | { kind: 'activity'; name: string; arn: string }
  /** An optimised integration, or with `sdk` any operation of a service. */
  | { kind: 'service'; sdk: boolean; service: string; action: string; pattern: Pattern };

/** Reads a Task's Resource; undefined for what is no resource at all. */
export function readResource(text: string): Resource | undefined {
  const arn = parseArn(text);
  if (arn === undefined) return undefined;
  if (arn.service === 'lambda' && arn.resource.startsWith('function:')) return { kind: 'lambda', arn: text };
  if (arn.service !== 'states') return undefined;
  if (arn.resource.startsWith('activity:')) return { kind: 'activity', name: arn.resource.slice('activity:'.length), arn: text };
  const match = /^(aws-sdk:)?([a-z0-9]+):([A-Za-z0-9]+)(?:\.(sync:2|sync|waitForTaskToken))?$/.exec(arn.resource);
  if (match === null) return undefined;
  const [, sdk, service = '', action = '', suffix] = match;
  const pattern = suffix === 'waitForTaskToken' ? 'token' : ((suffix as Pattern | undefined) ?? 'response');
  return { kind: 'service', sdk: sdk !== undefined, service, action, pattern };
}

/** `resourceType` and `resource` as events show them. */
export function eventNames(resource: Extract<Resource, { kind: 'service' }>): { resourceType: string; resource: string } {
  const suffix = { response: '', sync: '.sync', 'sync:2': '.sync:2', token: '.waitForTaskToken' }[resource.pattern];
  return { resourceType: `${resource.sdk ? 'aws-sdk:' : ''}${resource.service}`, resource: `${resource.action}${suffix}` };
}
