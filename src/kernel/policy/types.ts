/**
 * What a policy decision is made from. Pure data: the engine (evaluate.ts) knows no service, no store and no request.
 * Source of the rules: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference".
 */
export type PrincipalType =
  | 'Account'
  | 'User'
  | 'AssumedRole'
  | 'FederatedUser'
  | 'AWSService'
  | 'WebIdentity'
  | 'Saml'
  | 'Anonymous';

/** The caller as policies see it. */
export interface PolicyPrincipal {
  type: PrincipalType;
  /** Account id of the caller; empty for anonymous callers and services. */
  account: string;
  /** Root: arn:aws:iam::A:root. User: its ARN. Assumed role: the session ARN (arn:aws:sts::A:assumed-role/R/S). Service: its name. */
  arn: string;
  /** For an assumed role: the ARN of the role itself. */
  roleArn?: string;
  /** For a federated user: the ARN of the user (or root user) who called GetFederationToken. */
  userArn?: string;
  /** Unique id of the user or of the session's role (`AIDA…`, `AROA…`), which stored trust policies name instead of a deleted principal's ARN. */
  uniqueId?: string;
  /** Canonical user id of the caller's account, which S3 policies may name. */
  canonicalUser?: string;
}

/** One question: may `principal` do `action` on `resource`, in this context? */
export interface PolicyRequest {
  principal: PolicyPrincipal;
  /** `ec2:RunInstances`; compared without case. */
  action: string;
  /** ARN, or `*` for actions without a resource. */
  resource: string;
  /** Account that owns the resource; the caller's own for `*` and for what belongs to everybody (public images, AWS managed policies). */
  resourceAccount: string;
  /** Condition keys in lower case to their values. A key that is absent is not in the context. */
  context: ReadonlyMap<string, readonly string[]>;
}

/** Every policy that has a say. Texts are JSON documents; the engine compiles and caches them. */
export interface PolicySet {
  /** Policies of the user, its groups, or the role. Root has none and may do everything. */
  identity: readonly string[];
  /** Permission boundary of the user or role. */
  boundary?: string | undefined;
  /** Session policies given to AssumeRole, GetFederationToken; absent when none was given. */
  session?: readonly string[] | undefined;
  /** One entry for each level from the organisation's root to the account; within a level any policy may allow. */
  serviceControl?: readonly (readonly string[])[] | undefined;
  /** Like serviceControl, for resources. */
  resourceControl?: readonly (readonly string[])[] | undefined;
  /** Policy on the resource. */
  resource?: string | undefined;
  /**
   * The resource's policy must allow too, if only by naming the account: true of KMS keys and of role trust policies ("Resource-based
   * policies", exceptions). Everywhere else, within one account, an allow of either side suffices.
   */
  resourceMustAllow?: boolean | undefined;
  /** Policies of the VPC endpoint that the request came through. */
  endpoint?: string | undefined;
}

export type DenyReason =
  | 'explicit-identity'
  | 'explicit-boundary'
  | 'explicit-session'
  | 'explicit-service-control'
  | 'explicit-resource-control'
  | 'explicit-resource'
  | 'explicit-endpoint'
  | 'implicit-identity'
  | 'implicit-boundary'
  | 'implicit-session'
  | 'implicit-service-control'
  | 'implicit-resource-control'
  | 'implicit-resource'
  | 'implicit-endpoint';

/**
 * Which statement decided: index of the policy in its list (control policies: counted through all levels, from the root), index of the
 * statement, and its Sid where it has one.
 */
export interface MatchedStatement {
  source: 'identity' | 'boundary' | 'session' | 'service-control' | 'resource-control' | 'resource' | 'endpoint';
  policyIndex: number;
  statementIndex: number;
  sid?: string | undefined;
}

export type Decision =
  | { allowed: true; matched: readonly MatchedStatement[] }
  | { allowed: false; reason: DenyReason; matched: readonly MatchedStatement[]; missingContext: readonly string[] };
