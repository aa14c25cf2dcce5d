/**
 * Names, in the plane's own words. Whoever owns names registers a zone source; the plane asks all sources, takes the answer of the deepest zone,
 * follows aliases from zone to zone, and speaks the protocol (server.ts). Two kinds of asker: a port of a network, which asks through its network's
 * resolver, and anybody on the internet, for whom only zones that answer there exist.
 */
import type { ForwardTarget } from './forward.ts';
import type { HostedZones } from './hosted/zone-book.ts';
import type { Registry } from './registry.ts';
import type { Answer, OptAnswer, RecordType, SoaData } from 'dns-packet';

/** A record as the codec takes it: `{ name, type: 'A', ttl, data: '10.0.0.5' }`. Names are in small letters without the dot at the end. */
export type DnsRecord = Exclude<Answer, OptAnswer>;
export type DnsType = RecordType | 'ANY';
export type { SoaData };

export interface DnsQuestion {
  /** In small letters, without the dot at the end; empty for the root. */
  name: string;
  type: DnsType;
}

/** Who asks. What a source answers may depend on it (private zones, split views, answers by place or by health). */
export interface DnsAsker {
  /** Network and port behind a query that came through a network's resolver; absent on the internet. */
  network?: string | undefined;
  port?: string | undefined;
  machine?: string | undefined;
  /** Source address as the server sees it. */
  address: string;
  /** Address of ours that was asked, where an address answers for some zones only. */
  server?: string | undefined;
  /** Address block that a forwarding resolver says the client is in (EDNS client subnet). */
  clientSubnet?: string | undefined;
  /** How the query came; absent for what the process asks itself. */
  transport?: 'udp' | 'tcp' | undefined;
}

/** What a zone says of a question. */
export interface ZoneAnswer {
  /** Apex of the zone that answers, `example.com`: of several sources' zones the deepest counts, of equals the source registered first. */
  apex: string;
  /** Records of the question's name: those asked for, or its CNAME. */
  records: readonly DnsRecord[];
  /** Whether the name exists, with records of any type or as a part of longer names: without records, no error then, and no such name otherwise. */
  exists: boolean;
  /** Start of authority, for negative answers and their time to live. */
  soa?: SoaData | undefined;
  /** Seconds that the SOA record itself lives; 900 unless told. */
  soaTtl?: number | undefined;
  /** False when what the name stands for is known to be ill: aliases that follow health turn away. */
  healthy?: boolean | undefined;
  /** Name servers of a zone below that the name was handed to. */
  delegation?: readonly DnsRecord[] | undefined;
  /** Addresses of those name servers, as far as the parent knows them. */
  glue?: readonly DnsRecord[] | undefined;
}

export interface ZoneSource {
  /** For traces. */
  name: string;
  /** The deepest zone of this source that the name lies in and that this asker may see; undefined when there is none. Must not throw for odd names. */
  answer(question: DnsQuestion, asker: DnsAsker): ZoneAnswer | undefined | Promise<ZoneAnswer | undefined>;
  /** Whether it may ever answer this name to somebody on the internet: if no source but the hosted zones may, plain answers are kept. Absent: it may. */
  mayAnswer?(name: string): boolean;
}

export type DnsStatus = 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';

export interface DnsReply {
  status: DnsStatus;
  /** In the order in which aliases were followed. */
  answers: readonly DnsRecord[];
  authorities: readonly DnsRecord[];
  /** Addresses that go along with a delegation. */
  glue?: readonly DnsRecord[] | undefined;
  /** Whether the first name lies in a zone of ours. */
  authoritative: boolean;
}

/** How a listener answers: `resolver` for machines (follows aliases, knows the asker by address), `authoritative` for the internet. */
export interface DnsListener {
  kind: 'resolver' | 'authoritative';
  address: string;
  port: number;
  /** The only source that answers there, for zones that name the listener's address among their servers; all sources and zones do when absent. */
  source?: ZoneSource | undefined;
  /** Sockets of the host, handed over: they listen already. */
  sockets?: { tcp: number; udp: number } | undefined;
}

/** Where a network's questions for a name, and for all below it, go. Of several the longest name counts. */
export interface ForwardRule {
  /** In small letters without the dot at the end; empty for all names. */
  name: string;
  /** Undefined: the usual way, in spite of a shorter rule. */
  targets: readonly ForwardTarget[] | undefined;
}

export interface Dns {
  /** Zones that the plane holds itself. */
  readonly hosted: HostedZones;
  /** Which name servers domains were handed to. */
  readonly registry: Registry;
  /** Has the root and the top-level zones answered at their addresses, if they are not already; until the end. */
  serveRegistry(): Promise<void>;
  /** Has hosted zones answered on port 53 of these addresses, if they are not already; until the end. Rejects when an address cannot be had. */
  serveAt(addresses: readonly string[]): Promise<void>;
  /**
   * Forwards questions of a network before any source is asked, but for zones of its own that are deeper than the rule. Replaces its rules of before.
   */
  setForwarding(network: string, rules: readonly ForwardRule[]): void;
  /** Adds a source of names; returns how to take it away. */
  register(source: ZoneSource): () => void;
  /** Answers in process: for health checks, targets given by name, and operations that test an answer. Never throws for what is asked. */
  resolve(question: DnsQuestion, asker: DnsAsker): Promise<DnsReply>;
  /** Answers over UDP and TCP; resolves with the port (for port 0) and how to stop. Rejects when the address or port cannot be had. */
  listen(listener: DnsListener): Promise<{ port: number; close(): Promise<void> }>;
}
