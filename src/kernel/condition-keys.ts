/**
 * Global condition keys of a request: what `aws:…` means for it (IAM User Guide, "AWS global condition context keys"). Keys that do not apply
 * are absent, which is not the same as empty: `Null` and `IfExists` tell the difference.
 */
import type { Millis } from '../base/clock.ts';
import type { Caller } from './caller.ts';
import type { Check } from './service.ts';

function set(keys: Map<string, readonly string[]>, name: string, value: string | readonly string[] | undefined): void {
  if (value !== undefined) keys.set(name.toLowerCase(), typeof value === 'string' ? [value] : value);
}

/** The context in which policies are evaluated: lower-case key to values. */
export function conditionContext(caller: Caller, region: string, now: Millis, check: Check): Map<string, readonly string[]> {
  const keys = new Map<string, readonly string[]>();
  set(keys, 'aws:currenttime', new Date(now).toISOString());
  set(keys, 'aws:epochtime', String(Math.floor(now / 1000)));
  set(keys, 'aws:requestedregion', region);
  set(keys, 'aws:securetransport', String(caller.secureTransport));
  set(keys, 'aws:useragent', caller.userAgent === '' ? undefined : caller.userAgent);
  set(keys, 'aws:referer', caller.referer);
  if (caller.calledVia.length === 0 && caller.sourceVpce === undefined) set(keys, 'aws:sourceip', caller.sourceIp);
  set(keys, 'aws:viaawsservice', String(caller.calledVia.length > 0));
  if (caller.calledVia.length > 0) {
    set(keys, 'aws:calledvia', caller.calledVia);
    set(keys, 'aws:calledviafirst', caller.calledVia[0]);
    set(keys, 'aws:calledvialast', caller.calledVia.at(-1));
    // "kms:ViaService": the service that made the request on the principal's behalf, with the Region of the call.
    set(keys, 'kms:viaservice', caller.calledVia.at(-1)?.replace('.', `.${region}.`));
  }
  set(keys, 'aws:sourcearn', caller.sourceArn);
  set(keys, 'aws:sourceaccount', caller.sourceAccount);
  set(keys, 'aws:sourcevpce', caller.sourceVpce);
  set(keys, 'aws:sourcevpc', caller.sourceVpc);
  set(keys, 'aws:vpcsourceip', caller.vpcSourceIp);
  set(keys, 'ec2:sourceinstancearn', caller.sourceInstanceArn);
  principalKeys(keys, caller, now);
  set(keys, 'aws:resourceaccount', check.resourceAccount ?? (caller.account === '' ? undefined : caller.account));
  for (const [name, value] of Object.entries(check.conditions ?? {})) set(keys, name, value);
  return keys;
}

/**
 * Services that name the owner also by `aws:SourceOwner`, which the policy of a new topic asks for ("aws:SourceAccount versus aws:SourceOwner", SNS
 * Developer Guide): their messages reach a topic without further permission, those of S3 or EventBridge do not.
 */
const namingOwners: ReadonlySet<string> = new Set(
  ['apigateway', 'cloudwatch', 'elasticache', 'lambda', 'rds', 'redshift'].map((name) => `${name}.amazonaws.com`),
);

function principalKeys(keys: Map<string, readonly string[]>, caller: Caller, now: Millis): void {
  if (caller.kind === 'anonymous') {
    set(keys, 'aws:principaltype', 'Anonymous');
    return;
  }
  set(keys, 'aws:principalisawsservice', String(caller.kind === 'service'));
  if (caller.kind === 'service') {
    set(keys, 'aws:principalservicename', caller.arn);
    if (namingOwners.has(caller.arn)) set(keys, 'aws:sourceowner', caller.sourceAccount);
    return;
  }
  // For a role session aws:PrincipalArn is the ARN of the role, not of the session.
  set(keys, 'aws:principalarn', caller.principal.roleArn ?? caller.arn);
  set(keys, 'aws:principalaccount', caller.account);
  set(keys, 'aws:principaltype', { root: 'Account', user: 'User', role: 'AssumedRole', federated: 'FederatedUser' }[caller.kind]);
  set(keys, 'aws:userid', caller.userId);
  if (caller.kind === 'user') set(keys, 'aws:username', caller.userName);
  for (const [name, value] of Object.entries(caller.tags)) set(keys, `aws:principaltag/${name}`, value);
  const { session } = caller;
  if (session === undefined) return;
  // "This key is present only for temporary credentials"; long-term keys have no aws:MultiFactorAuthPresent at all.
  set(keys, 'aws:multifactorauthpresent', String(session.mfaAt !== undefined));
  if (session.mfaAt !== undefined) set(keys, 'aws:multifactorauthage', String(Math.floor((now - session.mfaAt) / 1000)));
  set(keys, 'aws:tokenissuetime', new Date(session.issuedAt).toISOString());
  set(keys, 'aws:sourceidentity', session.sourceIdentity);
  set(keys, 'aws:federatedprovider', session.federatedProvider);
  for (const [name, value] of Object.entries(session.claims ?? {})) set(keys, name, value);
}
