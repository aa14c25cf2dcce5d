/**
 * Proxy nodes, in the plane's own words: processes with an interface in a network that take connections and spread them over targets. A caller hands
 * the complete desired spec of one node; the plane makes it so. What a node meets (requests, answers, refusals) it counts, and the caller takes the counts.
 */

/** Complete desired state of one node. Replaces what was given before under the same key. */
export interface ProxyNodeSpec {
  /** Stable name, unique in the cloud: at most 64 of [a-z0-9-]. */
  key: string;
  /** Machine key of the fabric whose namespace holds the node's device. */
  machine: string;
  /** Private address of that device: connections to targets leave from it, unless they do from their clients' (`PoolSpec.speaksForClients`). */
  address: string;
  /** Failure domain, for pools that keep to their own. */
  zone: string;
  listeners: readonly ListenerSpec[];
  pools: readonly PoolSpec[];
  http: HttpOptions;
  /** Secret that all nodes of one balancer share, at least 32 characters: cookies of one are understood by the others. */
  secret: string;
}

export interface HttpOptions {
  idleMillis: number;
  /** How long a client's connection is kept without a request. */
  keepAliveMillis: number;
  http2: boolean;
  /** Header names outside [A-Za-z0-9-] are taken out rather than passed on. */
  dropInvalidHeaders: boolean;
  desync: 'monitor' | 'defensive' | 'strictest';
  preserveHost: boolean;
  forwardedFor: 'append' | 'preserve' | 'remove';
  forwardedForPort: boolean;
  /** Adds the negotiated TLS version and cipher as headers. */
  tlsHeaders: boolean;
  /** Each request, and each secure flow that is passed on, leaves an entry in the node's log. */
  log: boolean;
  /** So does each connection of a client. */
  logConnections: boolean;
}

export interface ListenerSpec {
  port: number;
  kind: 'http' | 'tcp' | 'udp';
  tls?: TlsSpec | undefined;
  /** In order; the last one has no conditions. Exactly one, a forward, where kind is not `http`. */
  rules: readonly RuleSpec[];
  /** Milliseconds after which a silent flow is forgotten, where kind is not `http`. */
  idleMillis?: number | undefined;
}

export interface TlsSpec {
  /** The first is for clients that name no host, or one that none is for. */
  certificates: readonly CertificateSpec[];
  minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's list, colons between. */
  ciphers: string;
}

export interface CertificateSpec {
  /** For logs. */
  key: string;
  names: readonly string[];
  /** PEM: leaf first, then what stands above it. */
  chain: string;
  privateKey: string;
}

export interface RuleSpec {
  /** For counts and logs. */
  priority: number;
  conditions: readonly ConditionSpec[];
  action: ActionSpec;
}

/** Values of one condition are alternatives; `*` and `?` are wildcards in all but `source`, whose values are blocks. */
export type ConditionSpec =
  | { kind: 'path' | 'host' | 'method' | 'source'; values: readonly string[] }
  | { kind: 'header'; name: string; values: readonly string[] }
  | { kind: 'query'; pairs: readonly { key?: string | undefined; value: string }[] };

export type ActionSpec =
  | { kind: 'forward'; pools: readonly { pool: string; weight: number }[]; stickySeconds?: number | undefined }
  | { kind: 'redirect'; status: 301 | 302; protocol: string; host: string; port: string; path: string; query: string }
  | { kind: 'fixed'; status: number; contentType: string; body: string };

export interface PoolSpec {
  key: string;
  /** `function`: requests are handed over to whoever answers for the nodes; its targets have no address. */
  protocol: 'http' | 'https' | 'tcp' | 'udp' | 'tls' | 'function';
  algorithm: 'round-robin' | 'least-outstanding' | 'weighted-random';
  /** False: only targets in the node's own zone. */
  crossZone: boolean;
  slowStartMillis: number;
  /**
   * Flows to the targets leave from their client's own address and port, where the fabric lets the node's port speak for others; those of clients that
   * came over a passage, whose address means nothing here, from the node's. Not for requests of HTTP.
   */
  speaksForClients?: boolean | undefined;
  /** Connections to the targets begin with a header of the PROXY protocol, version 2. Over TCP only. */
  tellsClients?: boolean | undefined;
  /** What is under way on a target that goes down is cut. */
  cutsFallen?: boolean | undefined;
  /** What is under way on a target that goes may come to its own end. Else it is cut. */
  keepsFlows?: boolean | undefined;
  stickiness?:
    | { kind: 'duration'; seconds: number | undefined; cookie?: string | undefined }
    /** `seal` is the name of the node's own cookie; without `seconds` that lasts as the application's does. */
    | { kind: 'application'; cookie: string; seconds?: number | undefined; seal?: string | undefined }
    | { kind: 'source' }
    | undefined;
  targets: readonly PoolTarget[];
}

export interface PoolTarget {
  key: string;
  address: string;
  port: number;
  /** Absent: in every zone. */
  zone?: string | undefined;
  /** `up` gets requests; `down` only while no other can take them; `draining` finishes what it has. */
  state: 'up' | 'down' | 'draining';
}

/** One probe of a target, sent from a node. */
export interface Probe {
  key: string;
  address: string;
  port: number;
  protocol: 'http' | 'https' | 'tcp';
  path: string;
  /** Begins with a header of the PROXY protocol, as connections of clients do. */
  withHeader?: boolean | undefined;
  /** Real milliseconds. */
  timeoutMillis: number;
  userAgent: string;
}

/** `at` is when it began, in real milliseconds, `seconds` how long it took. */
export type ProbeResult = { key: string; at: number; seconds: number } & (
  | { outcome: 'answered'; status: number }
  | { outcome: 'connected' | 'timeout' | 'failed'; status?: undefined }
);

/** A message to be sent from a node, and its one answer. */
export interface MessageExchange {
  address: string;
  port: number;
  transport: 'udp' | 'tcp';
  message: Uint8Array;
  /** Real milliseconds. */
  timeoutMillis: number;
}

/** What happened since the counts were last taken. Names are `requests`, `answers.node.4xx`, `headers.dropped` …; with a pool and perhaps a zone for what a target did. */
export interface ProxyCounts {
  counts: readonly { name: string; pool?: string | undefined; zone?: string | undefined; value: number }[];
  /** Times in seconds, with the pool they belong to. */
  times: readonly { name: string; pool: string; zone?: string | undefined; values: readonly number[] }[];
  log: readonly ProxyLogEntry[];
  connections: readonly ProxyConnectionEntry[];
  flows: readonly ProxyFlowEntry[];
}

/** One connection of a client, as a log wants it. */
export interface ProxyConnectionEntry {
  /** Real milliseconds. */
  at: number;
  client: string;
  clientPort: number;
  port: number;
  /** Absent where the listener is not secure, or the handshake failed. */
  tls?: { version: string; cipher: string; handshakeSeconds: number } | undefined;
  /** The handshake failed. */
  failed: boolean;
  /** Shared with the entries of its requests. */
  connection: string;
}

/** One flow over a secure connection that was passed on, when it is over. */
export interface ProxyFlowEntry {
  /** Real milliseconds. */
  at: number;
  client: string;
  clientPort: number;
  /** Where the client connected to. */
  address: string;
  port: number;
  seconds: number;
  handshakeSeconds: number;
  received: number;
  sent: number;
  /** Absent where the handshake failed. Names of OpenSSL; the certificate's key and the server's name are empty where there is none. */
  tls?: { version: string; cipher: string; serverName: string; certificate: string } | undefined;
}

/** What servers disagree about in a request, and how bad that is. */
export interface Doubt {
  grade: 'acceptable' | 'ambiguous' | 'severe';
  reason: string;
}

/** One request, as a log wants it. Times in seconds, -1 where there is none. */
export interface ProxyLogEntry {
  kind: 'http' | 'https' | 'h2' | 'ws' | 'wss';
  at: number;
  client: string;
  target: string;
  requestTime: number;
  targetTime: number;
  responseTime: number;
  status: number;
  targetStatus: number;
  received: number;
  sent: number;
  request: string;
  userAgent: string;
  cipher: string;
  tlsVersion: string;
  pool: string;
  trace: string;
  /** Name and certificate's key of a secure connection, `-` for others or where there is none. */
  serverName: string;
  certificate: string;
  /** -1 where none was looked for. */
  priority: number;
  /** Real milliseconds. */
  began: number;
  action: string;
  redirect: string;
  /** Why the request is one that servers disagree about. */
  doubt?: Doubt | undefined;
  /** What failed where a request was handed over. */
  failure?: string | undefined;
  connection: string;
}

/** A request to a pool of functions, with all that a node adds for its targets. Text is what HTTP has: one character for each byte. */
export interface HandedRequest {
  pool: string;
  target: string;
  method: string;
  path: string;
  query: string;
  /** As they came, in their order; names in lower case. */
  headers: readonly (readonly [name: string, value: string])[];
  /** Base64. */
  body: string;
}

/** What a function answered, or the status that the client gets because it did not; who is to blame decides what is counted. */
export type HandedAnswer =
  | {
      status: number;
      reason?: string | undefined;
      headers: readonly (readonly [name: string, value: string])[];
      /** Base64. */
      body: string;
      failure?: undefined;
    }
  | { status: number; failure: string; fault: 'function' | 'cloud' };

/** A target that a node sends nothing new to, and the requests or connections that it still has there. */
export interface DrainingTarget {
  pool: string;
  target: string;
  underWay: number;
}

export interface ProxyNodes {
  /** Why nodes cannot run on this host, or undefined when they can. */
  readonly unavailable: string | undefined;
  /** Makes the node so; resolves when it listens. Safe to repeat; one at a time for each key. A node that dies is started again. */
  ensureNode(spec: ProxyNodeSpec): Promise<void>;
  /** Ends the node at once. Safe to repeat. */
  removeNode(key: string): Promise<void>;
  nodes(): readonly string[];
  /** Who answers requests to functions, for all nodes; returns how to stop it. */
  answerWith(handler: (request: HandedRequest) => Promise<HandedAnswer>): () => void;
  /** Probes from this node; every probe has a result, `failed` at no time when the node is gone. */
  probe(key: string, probes: readonly Probe[]): Promise<readonly ProbeResult[]>;
  /** Sends a message from this node's address and gives the answer; undefined when none comes, or the node is gone. */
  exchange(key: string, exchange: MessageExchange): Promise<Uint8Array | undefined>;
  /** The draining targets of the spec in force; undefined when there is no such node. */
  draining(key: string): Promise<readonly DrainingTarget[] | undefined>;
  /** Counts since the last time; undefined when there is no such node. */
  takeCounts(key: string): Promise<ProxyCounts | undefined>;
  close(): Promise<void>;
}
