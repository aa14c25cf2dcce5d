/** Zones that the plane itself holds, as complete specs: names, records, and how one of several record sets of a name is chosen. */
import type { DnsRecord, DnsType, SoaData } from '../types.ts';

/** Complete desired state of one zone. Replaces what was there before under the same key. */
export interface ZoneSpec {
  key: string;
  /** In small letters without the dot at the end. */
  apex: string;
  /** Only askers in these networks see it; absent: everybody. */
  networks?: readonly string[] | undefined;
  /** Addresses of the name servers that answer for it on the internet. */
  servers: readonly string[];
  soa: SoaData;
  soaTtl: number;
  /** Of zones with one apex that the same asker may see, the one with the lowest rank answers. */
  rank: number;
  /** Whether those who listen are told of its queries. */
  logged?: boolean | undefined;
  sets: readonly RecordSetSpec[];
}

/** The data of a record, its name and time to live left out. */
export type RecordData = DnsRecord extends infer One ? (One extends DnsRecord ? Pick<One, 'type' | 'data'> : never) : never;

export interface RecordSetSpec {
  name: string;
  type: DnsType;
  /** Seconds; of no meaning for an alias. */
  ttl: number;
  values: readonly RecordData[];
  /** Answers as another name does: of the same zone, or of any other source. */
  alias?: { name: string; own: boolean; followHealth: boolean } | undefined;
  /** How this set competes with others of its name and type; absent: it is the only one. */
  rule?: ChoiceRule | undefined;
  /** Probe that says whether it is healthy; a set without one is. */
  probe?: string | undefined;
}

export type ChoiceRule =
  /** Chosen in proportion of the weight; 0 only when all others cannot be. */
  | { kind: 'weight'; weight: number }
  | { kind: 'failover'; primary: boolean }
  /** By the place of the client; without any member: for all others. */
  | { kind: 'place'; continent?: string | undefined; country?: string | undefined; subdivision?: string | undefined }
  /** The nearest one; a bias of -99 to 99 makes its area smaller or larger. */
  | { kind: 'distance'; latitude: number; longitude: number; bias: number }
  /** By the client's address; `*`: for all others. */
  | { kind: 'blocks'; blocks: readonly string[] | '*' }
  /** Up to eight of them together. */
  | { kind: 'several' };

/** Where clients with addresses of a block are. */
export interface Place {
  /** Two letters: AF, AN, AS, EU, NA, OC, SA. */
  continent?: string | undefined;
  /** ISO 3166, two letters. */
  country?: string | undefined;
  subdivision?: string | undefined;
  /** Degrees. */
  latitude?: number | undefined;
  longitude?: number | undefined;
}

/** A query that a zone answered; for logs and counts. */
export interface ZoneQuery {
  zone: string;
  name: string;
  type: string;
  status: string;
  /** Address of the asker, and the block that it says its client is in. */
  address: string;
  clientSubnet?: string | undefined;
  network?: string | undefined;
  /** How it came; absent for what the process asked itself. */
  transport?: 'udp' | 'tcp' | undefined;
  /** The name was an alias of a name of another source. */
  foreignAlias: boolean;
}
