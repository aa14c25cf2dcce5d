/**
 * The network fabric, in its own words (no AWS names): networks that route, subnets, ports (interfaces), rule sets (stateful, allow only),
 * gates (stateless, ordered, at subnet borders), routes, public addresses. A caller hands the complete desired spec of one network; the fabric
 * makes it so and reports. Create, change, repair after a crash and removal are one path.
 */

/** Complete desired state of one network. Replaces what was applied before under the same key. */
export interface NetworkSpec {
  /** Stable name, unique in the cloud: at most 64 of [a-z0-9-]. */
  key: string;
  /** IPv4 blocks, at least one and the first one first, and IPv6 blocks. */
  cidrs: readonly string[];
  subnets: readonly SubnetSpec[];
  routeTables: readonly RouteTableSpec[];
  ruleSets: readonly RuleSetSpec[];
  gates: readonly GateSpec[];
  ports: readonly PortSpec[];
  /** True while the network is joined to the internet: its ports' public addresses are translated one to one. */
  internet: boolean;
  /** Copies of packets from port to port. Those of ports that are not attached wait. */
  copies?: readonly CopySpec[] | undefined;
  /** Passages of other networks, each to one port of this one. Without an entry here nothing comes through a passage. */
  admissions?: readonly AdmissionSpec[] | undefined;
  /** False: the network has no resolver, and queries to its addresses are lost. Absent: it has one. */
  resolver?: boolean | undefined;
}

/** The passage `port` of another network, and the port of this one that answers there. */
export interface AdmissionSpec {
  network: string;
  port: string;
  to: string;
  /** The rule sets of `to` are not asked about what comes this way. They see no address of the other network: a rule for certain blocks lets nobody in. */
  unchecked?: boolean | undefined;
}

/** Copies of a port's packets that another port of the network receives in VXLAN, UDP 4789. */
export interface CopySpec {
  key: string;
  /** A packet that several copies of a port want is taken by the one of the lowest order. */
  order: number;
  from: string;
  to: string;
  /** VXLAN network identifier, 24 bits. */
  identifier: number;
  /** Tried from the lowest number in each direction; what none matches is not copied. IPv4 only. */
  rules: readonly CopyRuleSpec[];
}

export interface CopyRuleSpec {
  /** `in`: towards the port's machine. */
  direction: 'in' | 'out';
  number: number;
  copy: boolean;
  /** All when absent. */
  protocol?: number | undefined;
  source: string;
  target: string;
  sourcePorts?: readonly [from: number, to: number] | undefined;
  targetPorts?: readonly [from: number, to: number] | undefined;
}

export interface SubnetSpec {
  key: string;
  cidr: string;
  /** IPv6 block, in one of the network's. */
  cidr6?: string | undefined;
  /** Failure domain; traffic to and from a zone that is down is cut. */
  zone: string;
  routeTable: string;
  gate?: string | undefined;
}

export interface RouteTableSpec {
  key: string;
  /** The network's own blocks are always routed inside and need no entry. Longest prefix wins. */
  routes: readonly RouteSpec[];
}

export interface RouteSpec {
  cidr: string;
  via:
    | { kind: 'internet' }
    /** IPv6 only: the internet, for flows that begin inside. */
    | { kind: 'outbound' }
    | { kind: 'port'; port: string }
    | { kind: 'nat'; address: string; publicAddress: string }
    | { kind: 'peer'; network: string }
    /** The platform's API, on a path of its own: it sees the port behind each connection (`identify`), and no internet is needed. */
    | { kind: 'platform' }
    | { kind: 'blackhole' };
}

/** Stateful, allow only. What no rule of any of a port's sets allows is dropped silently. */
export interface RuleSetSpec {
  key: string;
  ingress: readonly RuleSpec[];
  egress: readonly RuleSpec[];
}

export interface RuleSpec {
  /** IP protocol number, or -1 for all. */
  protocol: number;
  /** TCP and UDP: port range. ICMP: type and code, -1 for any. Absent: all. */
  from?: number | undefined;
  to?: number | undefined;
  /** Either a block, or every port that carries the named rule set (by its private addresses). */
  peer: { cidr: string } | { ruleSet: string };
}

/** Stateless rules at a subnet's border, tried from the lowest number; what none matches is dropped. */
export interface GateSpec {
  key: string;
  ingress: readonly GateRuleSpec[];
  egress: readonly GateRuleSpec[];
}

export interface GateRuleSpec {
  number: number;
  allow: boolean;
  protocol: number;
  from?: number | undefined;
  to?: number | undefined;
  cidr: string;
}

export interface PortSpec {
  key: string;
  subnet: string;
  mac: string;
  /** Private addresses, the primary one first. */
  addresses: readonly { private: string; public?: string | undefined }[];
  /** IPv6 addresses, the primary one first; they are public as they are. */
  addresses6?: readonly string[] | undefined;
  ruleSets: readonly string[];
  /** The machine opens flows in the name of others, from addresses that are not its own, and gets the answers (plan-voices.ts). IPv4 only. */
  speaksForOthers?: boolean | undefined;
  /** False lets the port send and receive for addresses that are not its own. */
  sourceCheck: boolean;
  /** The platform's API answers at this port's addresses, to whom its rule sets let in, on the path of a `platform` route. Then nothing is attached. */
  platform?: boolean | undefined;
  /**
   * At this port's first address a port of another network answers, which admits it (`admissions`), to whom its rule sets let in; the networks' blocks may
   * overlap, and only answers come back. Then nothing is attached. The other side sees addresses that mean nothing to either network.
   */
  passage?: boolean | undefined;
  /** Nothing comes or goes through it, though a machine holds it: one that stands still. */
  silent?: boolean | undefined;
  /** Time to live, 1 to 64, with which answers of the metadata service to PUT reach the port's machine. As it comes when absent. */
  metadataHops?: number | undefined;
  /** The flows of the port are counted (`flows`). */
  watched?: boolean | undefined;
  /** The machine that holds the port and the device name inside it; absent while the port is attached to nothing. */
  attachment?: { machine: string; device: string } | undefined;
}

export interface PortStatus {
  key: string;
  /** Address unique in the cloud by which the platform's own services (metadata, DNS) see this port. */
  serviceAddress: string;
  rxBytes: number;
  txBytes: number;
  rxPackets: number;
  txPackets: number;
}

/** A flow at a watched port, counted since the port is watched. Counters start anew when a flow has rested for an hour, or the network was repaired. */
export interface FlowCount {
  port: string;
  /** `in`: towards the port's machine. */
  direction: 'in' | 'out';
  /** Whether rule sets and gates let it through. */
  accepted: boolean;
  /** Addresses as inside the network: of the port itself always a private one. */
  source: string;
  target: string;
  protocol: number;
  /** 0 for protocols without ports. */
  sourcePort: number;
  targetPort: number;
  packets: number;
  bytes: number;
}

export interface FlowCounts {
  flows: readonly FlowCount[];
  /** More flows than can be counted: some are missing. */
  overflowed: boolean;
}

/** Who is behind a connection that reached a platform service: found by the source address that the service sees. */
export interface PortIdentity {
  network: string;
  port: string;
  machine?: string | undefined;
}

export interface Fabric {
  /** Why the fabric cannot work on this host, or undefined when it can. */
  readonly unavailable: string | undefined;
  /** Makes the network so. Safe to repeat; concurrent calls for one key are run one after the other. Resolves when packets would flow. */
  ensureNetwork(spec: NetworkSpec): Promise<void>;
  removeNetwork(key: string): Promise<void>;
  /** Keys of the networks that exist on the host, whoever made them. */
  networks(): Promise<string[]>;
  portStatus(network: string): Promise<PortStatus[]>;
  /** Flows at the network's watched ports. */
  flows(network: string): Promise<FlowCounts>;
  /** The port behind a platform-service connection from this source address. */
  identify(serviceAddress: string): PortIdentity | undefined;
  /**
   * Serves platform services to every port: requests from inside to 169.254.169.254:80 (and fd00:ec2::254) arrive at the listener on this
   * address and port, with a source address that `identify` knows.
   */
  readonly metadataListen: { address: string; port: number };
  /** Address of the platform itself in the internet that the networks join: where machines reach its API. Absent when there is none. */
  readonly hostAddress: string | undefined;
  /** The same for DNS: the network's base address plus two, and 169.254.169.253, port 53 over UDP and TCP. */
  readonly resolverListen: { address: string; port: number };
  /** Cuts or restores all ports of a zone, one port, or the path between two ports. Survives ensureNetwork, not a restart. */
  setFault(
    fault: { kind: 'zone'; zone: string } | { kind: 'port'; port: string } | { kind: 'path'; from: string; to: string },
    down: boolean,
  ): Promise<void>;
  close(): Promise<void>;
}
