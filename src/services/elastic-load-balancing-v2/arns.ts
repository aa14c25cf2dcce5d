/** ARNs of load balancers and their parts: "Resource types defined by AWS Elastic Load Balancing V2". */
import { parseArn } from '../../base/arn.ts';
import type { Scope } from '../../kernel/context.ts';
import { validationError } from './errors.ts';
import type { BalancerType } from './state.ts';

const short: Readonly<Record<BalancerType, string>> = { application: 'app', network: 'net' };

function arn({ region, account }: Scope, resource: string): string {
  return `arn:aws:elasticloadbalancing:${region}:${account}:${resource}`;
}

export function balancerArn(scope: Scope, type: BalancerType, name: string, id: string): string {
  return arn(scope, `loadbalancer/${short[type]}/${name}/${id}`);
}

export function groupArn(scope: Scope, name: string, id: string): string {
  return arn(scope, `targetgroup/${name}/${id}`);
}

export function listenerArn(balancer: string, id: string): string {
  return `${balancer.replace(':loadbalancer/', ':listener/')}/${id}`;
}

export function ruleArn(listener: string, id: string): string {
  return `${listener.replace(':listener/', ':listener-rule/')}/${id}`;
}

/** `app/web/50dc6c495c0c9188`: a load balancer in metrics and in descriptions of interfaces. */
export function balancerPart(balancerArn: string): string {
  return balancerArn.split(':loadbalancer/')[1] ?? '';
}

/** `targetgroup/web/73e2d6bc24d8a067` */
export function groupPart(groupArn: string): string {
  return groupArn.split(':').at(-1) ?? '';
}

const kinds = {
  loadbalancer: 'load balancer',
  targetgroup: 'target group',
  listener: 'listener',
  'listener-rule': 'listener rule',
} as const;
export type ArnKind = keyof typeof kinds;

/** Kind of the resource that an ARN names; undefined for anything else. */
export function kindOf(text: string): ArnKind | undefined {
  const parsed = parseArn(text);
  const kind = parsed?.service === 'elasticloadbalancing' ? parsed.resource.split('/')[0] : undefined;
  return kind !== undefined && kind in kinds ? (kind as ArnKind) : undefined;
}

/** Throws ValidationError when the text is no ARN of this kind. */
export function requireArn(text: string | undefined, kind: ArnKind): string {
  if (text === undefined || kindOf(text) !== kind) throw validationError(`'${text ?? ''}' is not a valid ${kinds[kind]} ARN`);
  return text;
}
