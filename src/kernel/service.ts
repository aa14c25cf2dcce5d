/**
 * What a service is to the kernel. `index.ts` of each service folder exports one `defineService({...})`; everything else (routes, IAM actions,
 * audit, coverage) derives from it and from the model.
 */
import type { Millis } from '../base/clock.ts';
import type { Value } from '../store/store.ts';
import type { AnyTable } from '../store/tables.ts';
import type { Credential, Identity } from './caller.ts';
import type { ServiceClients } from './clients.generated.ts';
import type { Context, DomainEvent, MethodInput, MethodOutput } from './context.ts';
import type { OperationModel } from '../model/service-model.ts';
import type { WireRequest, WireResponse } from '../model/types.ts';
import type { PolicySet } from './policy/types.ts';
import type { WebRequest, WebUpgrade } from './web.ts';

/** One operation: input and output are the official types. Throws `AwsError` for the caller's faults. */
export type Handler<Input, Output> = (input: Input, ctx: Context) => Promise<Output> | Output;

/** Handlers of a service by operation name, typed by its official client. Operations left out answer 501. */
export type HandlersOf<Client> = {
  [Method in keyof Client & string as MethodInput<Client[Method]> extends never ? never : Capitalize<Method>]?: Handler<
    MethodInput<Client[Method]>,
    Omit<MethodOutput<Client[Method]>, '$metadata'>
  >;
};

/** One question for the policy engine that a request raises. */
export interface Check {
  /** IAM action; the operation's own when absent. */
  action?: string | undefined;
  /** ARN of the resource, or `*`. */
  resource: string;
  /** Owner of the resource; the caller's account when absent. */
  resourceAccount?: string | undefined;
  /** Condition keys of this request and resource, as `ec2:InstanceType` or `aws:ResourceTag/team`. Keys that are undefined are left out. */
  conditions?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined;
  /** Resource-based policy of the resource, as its JSON text. */
  resourcePolicy?: string | undefined;
  /** Evaluate `resourcePolicy` as a role's trust policy (AssumeRole and its kin). */
  trust?: boolean | undefined;
  /**
   * `resourcePolicy` must allow too, if only by naming the account, as KMS key policies must; also the account's root user is then held to it.
   * Without it, within one account an allow of either side suffices.
   */
  resourceMustAllow?: boolean | undefined;
  /** Another check that must be allowed too, because the request came that way: an access point before its bucket. Asked first. */
  through?: Check | undefined;
}

/**
 * How an operation is authorised: `none` (any signed caller, no policy asked), `anonymous` (also unsigned callers: the operation itself proves
 * who calls), or the checks that its input raises; all must be allowed. Operations not named are checked on resource `*`.
 */
export type Authorisation<Input> =
  | 'none'
  | 'anonymous'
  | ((input: Input, ctx: Context) => Promise<readonly Check[]> | readonly Check[]);

export type AuthorisationsOf<Client> = {
  [Method in keyof Client & string as MethodInput<Client[Method]> extends never ? never : Capitalize<Method>]?: Authorisation<
    MethodInput<Client[Method]>
  >;
};

/** A job whose time has come. */
export interface FiredJob {
  key: string;
  /** The time it was due: use this, not the present, as the time of what happens. */
  due: Millis;
  payload: Value | undefined;
}

export type Task = (job: FiredJob, ctx: Context) => Promise<void>;

/**
 * Brings one thing of a plane in line with the rows. Idempotent, takes nothing but the key, runs on a hint, at start for every key, and
 * again after a failure. `keys` lists all that should be looked at, also what exists on the machine and has no row any more.
 */
export interface Reconciler {
  /**
   * It decides what there is to be (instances of a group, calls of functions), so it stands while its Region is down. The others make real what was
   * decided, the end of what runs in a Region that went down included.
   */
  decides?: boolean;
  keys(ctx: Context): Promise<readonly ReconcileKey[]>;
  run(target: ReconcileKey, ctx: Context): Promise<void>;
}

export interface ReconcileKey {
  account: string;
  region: string;
  key: string;
}

/** How a request came in that took a network's own path to the platform. */
export interface NetworkPath {
  /** VPC that the request came from, the VPC endpoint that it took, and its sender's address there. */
  sourceVpc: string;
  sourceVpce: string;
  vpcSourceIp: string;
  /** The endpoint's policy. */
  policy: string;
}

/** Knows the paths of networks to the platform; EC2 does. */
export interface PathSource {
  /** The path of a connection from one service address, at another, for this service; undefined when no endpoint leads to the service there. */
  pathOf(connection: { from: string; at: string }, service: string, ctx: Context): Promise<NetworkPath | undefined>;
}

/** Finds credentials by access key id; IAM for AKIA…, STS for ASIA…. */
export interface CredentialSource {
  find(accessKeyId: string, ctx: Context): Promise<Credential | undefined>;
}

/** The policies that bear on an identity. */
export interface PolicySource {
  policiesOf(identity: Identity, ctx: Context): Promise<Pick<PolicySet, 'identity' | 'boundary'>>;
}

/** Service control and resource control policies of an account; owned by Organizations. */
export interface ControlPolicySource {
  controlsOf(account: string, ctx: Context): Promise<Pick<PolicySet, 'serviceControl' | 'resourceControl'>>;
}

/** What the record stage tells listeners about finished calls; CloudTrail-shaped data without the envelope. */
export interface CallRecord {
  at: Millis;
  service: string;
  operation: string;
  action: string;
  account: string;
  region: string;
  identity: Identity;
  accessKeyId?: string | undefined;
  sourceIp: string;
  userAgent: string;
  requestId: string;
  readOnly: boolean;
  /** A data event: not part of the event history. */
  data?: boolean | undefined;
  errorCode?: string | undefined;
  errorMessage?: string | undefined;
  input?: Value | undefined;
  /** Of operations that change something. */
  output?: Value | undefined;
  /** The service that called, for itself or on the caller's behalf. */
  invokedBy?: string | undefined;
}

/** One request as it came over the wire, and its answer: what access logs tell. */
export interface AnsweredRequest {
  /** Cloud time when it had been answered, and real milliseconds from its arrival. */
  at: Millis;
  totalMillis: number;
  requestId: string;
  operation: string;
  /** Undefined where the request could not be read. */
  input?: Readonly<Record<string, unknown>> | undefined;
  /** Undefined for unsigned requests, and for signatures that were refused. */
  identity?: Identity | undefined;
  /** How it was signed. */
  signature?: { version: 'SigV2' | 'SigV4'; place: 'AuthHeader' | 'QueryString' } | undefined;
  method: string;
  /** Path and query as sent. */
  target: string;
  headers: Readonly<Record<string, string>>;
  sourceIp: string;
  tls?: { version: string; cipher: string } | undefined;
  status: number;
  errorCode?: string | undefined;
  answerHeaders: Readonly<Record<string, string>>;
  /** Bytes of the answer's body. */
  bytesSent: number;
}

export interface ServiceDefinition<Name extends keyof ServiceClients = keyof ServiceClients> {
  name: Name;
  /** Rows live once per account, not per Region; the model's own requests go to us-east-1. */
  global?: boolean;
  /** Unsigned requests come as far as authorisation: a resource's policy may allow everybody. */
  unsigned?: boolean;
  /** Partners reached by `ctx.call`, `ctx.internal` or events; the graph in ARCHITECTURE.md is drawn from it. */
  uses?: readonly string[];
  tables: readonly AnyTable[];
  handlers: HandlersOf<ServiceClients[Name]>;
  authorise?: AuthorisationsOf<ServiceClients[Name]>;
  /** Refuses a request over the wire for what no member of its input tells; its body is whole unless it streams. */
  checkRequest?: (request: WireRequest, operation: OperationModel) => void;
  /**
   * Runs before authorisation: the input as checks and handlers know it, where it names a resource by another name (an access point for its
   * bucket). Must be cheap for all others.
   */
  resolve?: (
    input: Readonly<Record<string, unknown>>,
    ctx: Context,
  ) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /**
   * The Region that a request is for, where neither its signature nor its host says it but what it names (a Multi-Region Access Point). Must be cheap
   * for all others.
   */
  regionOf?: (input: Readonly<Record<string, unknown>>, ctx: Context) => string | undefined | Promise<string | undefined>;
  /** Runs after authorisation and before every handler: a service's common rules, as EC2's DryRun. */
  before?: (input: Readonly<Record<string, unknown>>, ctx: Context) => void | Promise<void>;
  tasks?: Readonly<Record<string, Task>>;
  /**
   * Tasks that look at how things stand, again and again, and catch up by themselves when the clock was moved. They look at some of the stops of a moving
   * clock only (kernel/clock-mover.ts): name here what runs every few minutes or more often whether or not there is anything to do.
   */
  watches?: readonly string[];
  reconcilers?: Readonly<Record<string, Reconciler>>;
  /** Subscriptions to other services' events, by `source:detailType`; `*` for all. */
  events?: Readonly<Record<string, (event: DomainEvent, ctx: Context) => Promise<void>>>;
  /**
   * Operations on data, not on resources: they reach listeners of `records`, but the event history does not keep them ("CloudTrail data events"),
   * so that a message or an item is not written twice.
   */
  dataOperations?: readonly (keyof HandlersOf<ServiceClients[Name]> & string)[];
  /** Called with batches of finished calls, of all services, while this service is loaded. */
  records?: (batch: readonly CallRecord[], ctx: Context) => Promise<void>;
  credentials?: CredentialSource;
  policies?: PolicySource;
  paths?: PathSource;
  controlPolicies?: ControlPolicySource;
  /** Set up once, the first time an account is met in a Region (EC2's default VPC). */
  accountSetup?: (ctx: Context) => Promise<void>;
  /**
   * Before the rows of one account, or of all, are cleared: gives back what the account holds in tables that belong to no account. `ctx` is in
   * no Region.
   */
  onReset?: (account: string | undefined, ctx: Context) => Promise<void>;
  /** Told of each request for one of its operations once it was answered, whatever the answer; nobody waits for it. */
  answered?: (answer: AnsweredRequest, ctx: Context) => Promise<void>;
  /** Answers requests of browsers that are for no operation; undefined for those that are not for it either. */
  web?: (request: WebRequest) => Promise<WireResponse | undefined>;
  /** Takes over a connection that asks for another protocol (WebSocket); false when it is not for this service. */
  upgrade?: (upgrade: WebUpgrade) => Promise<boolean>;
  /** Headers on every answer to a request with an Origin, refusals included. */
  answerHeaders?: (request: WebRequest) => Promise<Readonly<Record<string, string>> | undefined>;
  /** Listeners of its own inside the cloud (instance metadata); returns how to stop them. Runs when the service is loaded. */
  start?: (ctx: Context) => Promise<() => Promise<void>>;
  /** What api.ts offers to other services in process. */
  api?: (ctx: Context) => unknown;
}

/** Names a service and checks its parts against its official client's types. */
export function defineService<Name extends keyof ServiceClients>(definition: ServiceDefinition<Name>): ServiceDefinition<Name> {
  return definition;
}

/** A line of services/index.ts. */
export interface ServiceEntry {
  name: keyof ServiceClients;
  load: () => Promise<{ default: unknown }>;
  /** Once it has been used, load it at every start rather than on first use, because it has reconcilers or listeners. */
  eager?: boolean;
  /** Prefix of access key ids whose credentials it holds. */
  credentialPrefix?: string;
  /** Host names, without port and in lower case, under which it serves the web. */
  webHosts?: RegExp;
  /** Address in the cloud's internet at which it alone serves the web, whatever the host. */
  webAddress?: string;
  /** Paths of the gateway under which it serves the web, whatever the host. Services of one path are asked in turn. */
  webPaths?: RegExp;
  /** Answers for identity policies, for control policies, or for paths of networks. */
  holds?: 'identity-policies' | 'control-policies' | 'network-paths';
  /** `source:detailType` of events to load it for; `*` for all. */
  subscribes?: readonly string[];
}
