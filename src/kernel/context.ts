/**
 * The one context that services are written against. A handler gets it with its input; a task gets the same with a service as caller.
 * Everything a service may do goes through it: rows, ids, time, events, waiting, other services. It holds no I/O of its own.
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { IdSort } from '../base/ids.ts';
import type { Dns } from '../planes/dns/types.ts';
import type { Blobs } from '../planes/blobs/types.ts';
import type { Fabric } from '../planes/fabric/types.ts';
import type { Functions } from '../planes/functions/types.ts';
import type { Machines } from '../planes/machines/types.ts';
import type { CacheNodes } from '../planes/caches/types.ts';
import type { Dials } from '../planes/dials/types.ts';
import type { ProxyNodes } from '../planes/proxy/types.ts';
import type { Volumes } from '../planes/volumes/types.ts';
import type { Value } from '../store/store.ts';
import type { Table, TableReader, TableWriter } from '../store/tables.ts';
import type { Caller, Identity } from './caller.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { ServiceClients } from './clients.generated.ts';
import type { Vault } from './vault.ts';
import type { Check } from './service.ts';
import type { ZoneFaultView } from './zone-faults.ts';

/** Methods of a service's own client, without the transport: `ctx.call('ec2').runInstances(input)`. */
export type ServiceCaller<Client> = {
  [Method in keyof Client as MethodInput<Client[Method]> extends never ? never : Method]: (
    input: MethodInput<Client[Method]>,
  ) => Promise<Omit<MethodOutput<Client[Method]>, '$metadata'>>;
};

/** Input of an SDK client method: first argument of its last overload. */
export type MethodInput<Method> = Method extends (
  args: infer Input,
  options: infer _Options,
  done: (error: never, data?: infer _Output) => void,
) => void
  ? Input
  : never;

/** Output of an SDK client method. */
export type MethodOutput<Method> = Method extends (
  args: infer _Input,
  options: infer _Options,
  done: (error: never, data?: infer Output) => void,
) => void
  ? Output
  : never;

export interface Scope {
  account: string;
  region: string;
}

/** A domain event: EventBridge's own form, also what other services subscribe to. */
export interface DomainEvent {
  /** `aws.ec2` */
  source: string;
  /** `EC2 Instance State-change Notification` */
  detailType: string;
  detail: Value;
  /** ARNs concerned. */
  resources: readonly string[];
}

/** Work to be done later: fires the service's task of that name once cloud time reaches `due`. */
export interface Waiting {
  task: string;
  /** Same task and key replace what was waiting before. */
  key: string;
  due: Millis;
  payload?: Value;
}

/** One atomic change: await nothing but this inside. May run again, so no effect except through it. */
export interface Transaction {
  table<Row, Index extends string>(table: Table<Row, Index>): TableWriter<Row, Index>;
  /** The same table in another account or Region: crossing the scope is explicit and greppable. */
  tableIn<Row, Index extends string>(scope: Scope, table: Table<Row, Index>): TableWriter<Row, Index>;
  /** Announces; delivered after the commit, also after a crash. */
  emit(event: DomainEvent): Promise<void>;
  schedule(waiting: Waiting): Promise<void>;
  unschedule(task: string, key: string): Promise<void>;
  /** Asks a reconciler of this service to look at one key soon after the commit. A wake-up, not a message: rows decide. */
  hint(reconciler: string, key: string): void;
}

export interface Context extends Scope {
  /** Always `aws`. */
  readonly partition: 'aws';
  readonly service: string;
  readonly operation: string;
  readonly requestId: string;
  readonly caller: Caller;
  /** Cloud time, fixed for the whole request. */
  readonly now: Millis;
  readonly clock: Clock;
  /** Reads rows of this service, outside a transaction. */
  table<Row, Index extends string>(table: Table<Row, Index>): TableReader<Row, Index>;
  tableIn<Row, Index extends string>(scope: Scope, table: Table<Row, Index>): TableReader<Row, Index>;
  /** Rows of every account and Region, with their scope: for reconcilers and administration. */
  everywhere<Row, Index extends string>(table: Table<Row, Index>): Promise<readonly { scope: Scope; row: Row }[]>;
  transact<T>(body: (tx: Transaction) => Promise<T>): Promise<T>;
  /** A new id of this kind. */
  id(sort: IdSort): string;
  uuid(): string;
  bytes(count: number): Uint8Array;
  /** Calls another service in process, through its authorise and record stages, with this caller's rights (or as this service, by `asService`). */
  call<Name extends keyof ServiceClients>(service: Name): ServiceCaller<ServiceClients[Name]>;
  /** The same context with this service as the caller: for what AWS does on its own. Nothing is asked of policies. */
  asService(): Context;
  /**
   * The same context with this service as the caller on account of a resource, as SNS that delivers a topic's message to a queue: only the policy
   * of what is touched allows it, by the service's principal, `aws:SourceArn` and `aws:SourceAccount` (the resource's own account unless given).
   * `principal` names a part of the service with a principal of its own, as `delivery.logs`.
   */
  onAccountOf(sourceArn: string, sourceAccount?: string, principal?: string): Context;
  /** The same context with this identity as the caller, reached through this service: a role by which the service acts (StsApi.roleIdentity). */
  asIdentity(identity: Identity): Context;
  /**
   * Asks policies about one thing among the several of a request that is answered in part (DeleteObjects): what the whole request needs is asked
   * before its handler runs. Throws the service's access-denied error.
   */
  permit(check: Check): Promise<void>;
  /** The same context in another Region or account. */
  inScope(scope: Partial<Scope>): Context;
  /** What another service offers inside the process (its api.ts): for what AWS does internally. Loads the service. */
  internal<Api>(service: string): Promise<Api>;
  /** A part of the platform (planes, identity…), by name; throws when boot did not provide it. */
  part<Name extends keyof Parts>(name: Name): Parts[Name];
  /**
   * Counts work that goes on beside its job as under way, so that a moving clock waits for its end, within bounds. Not for what itself waits for the clock,
   * or for somebody to come. Returns it.
   */
  underWay<T>(work: Promise<T>): Promise<T>;
  /** Rests for so many real milliseconds between two looks at something that tells nobody when it changes; cut short by `signal`, and by a moving clock at its stops. */
  rest(real: Millis, signal: AbortSignal): Promise<void>;
  /** Adds a line to the request's trace. */
  trace(line: string): void;
  /** Calls back when the caller has gone away before its answer, for operations that wait; returns how to forget it. */
  onGone(listener: () => void): () => void;
}

/** Parts of the platform that boot hands to services. */
export interface Parts {
  fabric: Fabric;
  machines: Machines;
  volumes: Volumes;
  /** Load balancer nodes. */
  proxy: ProxyNodes;
  /** Nodes of caches in front of tables. */
  caches: CacheNodes;
  /** Connections that begin inside a network. */
  dials: Dials;
  /** Programs that run when they are called. */
  functions: Functions;
  /** Names: services register their zones here when they start. */
  dns: Dns;
  blobs: Blobs;
  /** What the user chose at start. */
  settings: Settings;
  /** Where this cloud is reached, for URLs in answers and for instances' environment. */
  endpoints: Endpoints;
  /** Signs certificates that clients of this cloud trust. */
  certificates: CertificateAuthority;
  /** Zones that chaos has taken down. */
  zones: ZoneFaultView;
  /** Knows who signed. */
  proofs: SignatureProofs;
  /** Seals what must not lie readable in rows. */
  vault: Vault;
  /** Host names that users gave to what a service serves, and the name of the service. A service fills in its own when it starts, and keeps them. */
  webNames: Map<string, WebName>;
}

/** What a host name that a user gave leads to. */
export interface WebName {
  service: string;
  /** What is shown to clients of TLS; asked again for each new handshake. */
  certificate: () => Promise<ShownCertificate | undefined>;
}

/** How TLS is spoken under a host name. Texts are PEM. */
export interface ShownCertificate {
  certificate: string;
  chain?: string | undefined;
  privateKey: string;
  minVersion?: 'TLSv1' | 'TLSv1.2' | undefined;
  /** Clients are asked for certificates of these authorities; whether they have one is the service's to judge. */
  clientAuthorities?: string | undefined;
}

/** A signature of version 4 that came another way than by HTTP: in a protocol of a service's own. */
export interface SignatureProof {
  accessKeyId: string;
  signature: string;
  /** What was signed: algorithm, time, scope, and the hash of the request. */
  stringToSign: string;
  sessionToken?: string | undefined;
  /** The request that its hash must be of, for the time that was signed. */
  canonicalRequest: (time: string) => string;
  /** Signing name of the service. */
  service: string;
}

export interface SignatureProofs {
  /** Whose signature it is; undefined when nobody's that holds now. */
  identify(proof: SignatureProof): Promise<Identity | undefined>;
}

export interface Settings {
  /** Image ids of the real cloud, which this one does not know, are refused rather than taken for the default image. */
  strictImages: boolean;
  /** Accounts are held to what the real service still grants to accounts made today: no launch configurations. */
  newAccounts: boolean;
}

export interface Endpoints {
  /** From the host: `http://127.0.0.1:4566`. */
  host: string;
  /** Port of the gateway, for names under `.localhost`. */
  port: number;
  /** From inside the cloud's internet, for machines: `http://198.18.0.1:4566`; absent without a fabric. */
  inside?: string | undefined;
}
