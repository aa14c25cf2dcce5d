/**
 * Who calls. A `Credential` is what an access key id stands for; a `Caller` is the identity behind one request. Services that own
 * credentials (IAM, STS) answer `CredentialSource`; the gateway and `ctx.call` build the caller from it.
 */
import type { Millis } from '../base/clock.ts';
import { isServiceLinked } from './policy/evaluate.ts';
import { iamPrefix } from './policy/operations.ts';
import type { PolicyPrincipal } from './policy/types.ts';

export type CallerKind = 'root' | 'user' | 'role' | 'federated' | 'service' | 'anonymous';

/** What a temporary session adds to its identity. */
export interface SessionFacts {
  /** Session policies; they only narrow. */
  policies?: readonly string[] | undefined;
  issuedAt: Millis;
  /** When the code of an MFA device was checked; absent without MFA. */
  mfaAt?: Millis | undefined;
  /** Opened by signing in to the console: unlike one of GetSessionToken it may call IAM without MFA. */
  console?: boolean | undefined;
  tags: Readonly<Record<string, string>>;
  transitiveTagKeys: readonly string[];
  sourceIdentity?: string | undefined;
  /** `aws:FederatedProvider` for web identity and SAML sessions. */
  federatedProvider?: string | undefined;
  /** Further condition keys (lower case) that the session carries, such as `saml:sub` or `accounts.google.com:aud`. */
  claims?: Readonly<Record<string, readonly string[]>> | undefined;
}

export interface Identity {
  kind: CallerKind;
  /** Empty for anonymous callers and for services acting for nobody. */
  account: string;
  /** As GetCallerIdentity prints it. */
  arn: string;
  /** Unique id, for a role session `AROA…:session-name`. */
  userId: string;
  userName?: string | undefined;
  principal: PolicyPrincipal;
  /** Tags of the user or role: `aws:PrincipalTag/…` together with session tags. */
  tags: Readonly<Record<string, string>>;
  session?: SessionFacts | undefined;
}

export interface Credential {
  accessKeyId: string;
  secretAccessKey: string;
  /** Temporary credentials must be sent with exactly this token. */
  sessionToken?: string | undefined;
  active: boolean;
  /** The one service that takes it; all do when absent. */
  onlyFor?: string | undefined;
  expires?: Millis | undefined;
  identity: Identity;
}

/** One request's caller. */
export interface Caller extends Identity {
  accessKeyId?: string | undefined;
  sourceIp: string;
  userAgent: string;
  secureTransport: boolean;
  /** Services the call came through, outermost first: `aws:CalledVia`. */
  calledVia: readonly string[];
  /** VPC endpoint and VPC the request came through. */
  sourceVpce?: string | undefined;
  sourceVpc?: string | undefined;
  /** Its address there, and the endpoint's policy. */
  vpcSourceIp?: string | undefined;
  endpointPolicy?: string | undefined;
  /**
   * Resource on whose account a service calls (`aws:SourceArn`, `aws:SourceAccount`): the topic whose message SNS delivers. Such a call is allowed
   * only by the policy of the resource it touches.
   */
  sourceArn?: string | undefined;
  sourceAccount?: string | undefined;
  /** When an instance's own role credentials are used: `ec2:SourceInstanceARN`. */
  sourceInstanceArn?: string | undefined;
  /** The page that led a browser here, as it says. */
  referer?: string | undefined;
  /** Where the signature was, how old it was, and the digest of the body that the request names. */
  signed?: { place: 'header' | 'query'; ageMillis: number; contentDigest?: string | undefined } | undefined;
  /** The signature names no Region (S3's Signature Version 2): it is good wherever the resource is. */
  forAnyRegion?: boolean | undefined;
  /** The Regions that the signature is good for, where it names a set of them (Signature Version 4A). */
  regionSet?: readonly string[] | undefined;
  /** Scheme and host by which the caller reached the cloud, as `http://127.0.0.1:4566`: what URLs in answers begin with. */
  endpoint?: string | undefined;
}

/** The root user of an account: `test` means account 000000000000, twelve digits mean that account (design, section 4). */
export function rootIdentity(account: string): Identity {
  const arn = `arn:aws:iam::${account}:root`;
  return { kind: 'root', account, arn, userId: account, principal: { type: 'Account', account, arn }, tags: {} };
}

/** A service acting in an account on its own behalf, as `ec2.amazonaws.com`. */
function serviceIdentity(service: string, account: string): Identity {
  const name = servicePrincipal(service);
  return {
    kind: 'service',
    account,
    arn: name,
    userId: name,
    principal: { type: 'AWSService', account: '', arn: name },
    tags: {},
  };
}

/** Callers that services are, by service and account: made again when there are too many. */
const serviceCallersCache = new Map<string, Caller>();
const cachedCallersMax = 1000;

/** The caller that a service is when nobody asked it: no address, no agent, no session. Shared: every request needs one or two. */
export function serviceCaller(service: string, account: string): Caller {
  const name = `${service} ${account}`;
  const known = serviceCallersCache.get(name);
  if (known !== undefined) return known;
  const identity = serviceIdentity(service, account);
  const source = { sourceIp: identity.arn, userAgent: identity.arn };
  const caller: Caller = Object.freeze({ ...identity, ...source, secureTransport: true, calledVia: [] });
  if (serviceCallersCache.size >= cachedCallersMax) serviceCallersCache.clear();
  serviceCallersCache.set(name, caller);
  return caller;
}

/** Whether one of the cloud's own services calls, by itself or by the service-linked role that an account has for it. */
export function isOwnService({ kind, principal }: Pick<Caller, 'kind' | 'principal'>): boolean {
  return kind === 'service' || isServiceLinked(principal);
}

/**
 * A caller as the next service sees it when this one calls on: `aws:CalledVia` grows ("when the service makes a request on behalf of the
 * principal"). A service that acts for itself has no principal behind it and leaves no such mark.
 */
export function viaService(caller: Caller, service: string): Caller {
  if (caller.kind === 'service') return caller;
  // The endpoint has a say in what comes through it, not in what a service does on.
  const { sourceVpc: _vpc, sourceVpce: _endpoint, vpcSourceIp: _address, endpointPolicy: _policy, ...rest } = caller;
  return { ...rest, calledVia: [...caller.calledVia, servicePrincipal(service)] };
}

/**
 * How policies name a service, as `autoscaling.amazonaws.com` for Pilvi's `auto-scaling`: the prefix of its IAM actions
 * ("AWS services that work with IAM"). A part of a service with a principal of its own, as `ecs-tasks`, is named by that.
 */
export function servicePrincipal(service: string): string {
  return `${iamPrefix(service)}.amazonaws.com`;
}

export const anonymousIdentity: Identity = {
  kind: 'anonymous',
  account: '',
  arn: 'anonymous',
  userId: 'anonymous',
  principal: { type: 'Anonymous', account: '', arn: '*' },
  tags: {},
};
