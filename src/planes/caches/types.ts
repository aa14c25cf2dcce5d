/**
 * Cache nodes, in the plane's own words: processes with an interface in a network that hold what a table said and answer clients of the item
 * protocol from it. What a node does not hold, and whether its client may ask at all, it asks the source that a service registered; what one node
 * of a group writes, the plane tells the others.
 */
import type { ClockState } from '../../base/clock.ts';

/** A value of an item in its form with one typed member, as `{ S: 'x' }`. */
export type TypedValue = Readonly<Record<string, unknown>>;
export type TypedItem = Readonly<Record<string, TypedValue>>;

/** Where clients find a node of a group. */
export interface CachePeer {
  /** Number of the node in its group. */
  id: number;
  host: string;
  address: string;
  port: number;
  /** The one that takes writes. */
  primary: boolean;
  zone: string;
}

/** Complete desired state of one node. Replaces what was given before under the same key. */
export interface CacheNodeSpec {
  /** Stable name, unique in the cloud. */
  key: string;
  /** Machine key of the fabric whose namespace holds the node's device. */
  machine: string;
  /** Nodes of one group share their writes. */
  group: string;
  port: number;
  /** PEM. */
  tls?: { chain: string; privateKey: string } | undefined;
  /** Cloud milliseconds that an item, or the answer to a query, is held; 0: until it is pushed out or written. */
  itemMillis: number;
  queryMillis: number;
  /** Bytes of items, and of answers to queries, that the node holds before the least recently used go. */
  bytesMax: number;
  peers: readonly CachePeer[];
}

/** What a client shows to be let in: a signature of its secret key. */
export interface CacheProof {
  keyId: string;
  signature: string;
  signedText: string;
  token?: string | undefined;
}

/** Name and type of each attribute of a table's primary key, partition key first. */
export type KeyShape = readonly { name: string; type: string }[];

/** What a node asks. `pass` is what `admit` gave for the client's connection. */
export type CacheQuestion =
  | { ask: 'admit'; proof: CacheProof }
  /** May the client do this? `within`: the operation that it is a part of. */
  | { ask: 'permit'; pass: number; action: string; within?: string | undefined }
  | { ask: 'key-shape'; table: string }
  /** The number of a list of attribute names: the same for all nodes of the group, and for ever. */
  | { ask: 'list-number'; names: readonly string[] }
  | { ask: 'list-names'; number: number }
  | { ask: 'table'; operation: string; input: object };

/** Why the source refuses: goes to the client. */
export class CacheRefusal extends Error {
  readonly code: string;
  readonly status: number;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, status: number, members: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'CacheRefusal';
    this.code = code;
    this.status = status;
    this.members = members;
  }
}

/** Answers the questions of nodes. Throws CacheRefusal for what clients are told. */
export interface CacheSource {
  answer(group: string, question: CacheQuestion): Promise<unknown>;
  /** The process of a node has ended though nobody told it to; another takes its place at once. */
  ended(group: string, key: string): void;
}

export interface CacheNodes {
  /** Why nodes cannot run on this host, or undefined when they can. */
  readonly unavailable: string | undefined;
  /** Who answers the nodes; returns how to take it back. */
  register(source: CacheSource): () => void;
  /** Cloud time goes on from here: what is held gets older by it. */
  setTime(state: ClockState): void;
  /**
   * Makes the node so; resolves when it listens. Safe to repeat. Clients hear nothing of a node that dies but
   * refusals of what they send on connections that it had, once another has its place.
   */
  ensureNode(spec: CacheNodeSpec): Promise<void>;
  /**
   * Lets the node go in good order: it listens no longer, and closes each connection at the next request on it. Resolves when its port is free; the
   * key is then unknown. Clients that keep idle connections notice one that is closed under them only when they ask on it.
   */
  retireNode(key: string): Promise<void>;
  /** Ends the node at once. Safe to repeat. */
  removeNode(key: string): Promise<void>;
  nodes(): readonly string[];
  /** Counts since the last time, by name; undefined when there is no such node. */
  takeCounts(key: string): Promise<Readonly<Record<string, number>> | undefined>;
  close(): Promise<void>;
}
