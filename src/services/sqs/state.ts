/**
 * SQS's rows. A queue's messages lie on its shelf, whose id is part of every key: purging gives the queue a new shelf, so that it costs the
 * same for a million messages as for none, and what lay on the old one is swept up afterwards.
 *
 * What changes when a message is received (hidden until, how often) is kept apart from the message, so that a receive does not write bodies again.
 * A message stands in exactly one of two orders: `Waiting` until its first receive, `Flights` from then on. Both are ordered by the time from which
 * it may be received, so a receive reads what it takes and nothing else. Rejected: one index on the message's row (writes the body at each receive,
 * and does not tell delayed messages from those in flight).
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface RedrivePolicy {
  /** ARN of the dead-letter queue. */
  target: string;
  maxReceiveCount: number;
}

export interface QueueRow {
  name: string;
  id: string;
  /** Where its messages lie. */
  shelf: string;
  fifo: boolean;
  created: Millis;
  modified: Millis;
  visibilitySeconds: number;
  delaySeconds: number;
  messageBytesMax: number;
  retentionSeconds: number;
  waitSeconds: number;
  /** JSON texts, as given. */
  policy?: string | undefined;
  redrivePolicy?: string | undefined;
  redriveAllowPolicy?: string | undefined;
  /** The meaning of `redrivePolicy`. */
  redrive?: RedrivePolicy | undefined;
  /** Server-side encryption by a key of KMS, as named by the caller. */
  kmsKey?: string | undefined;
  kmsReuseSeconds?: number | undefined;
  /** Server-side encryption by a key of SQS's own. */
  ownSse: boolean;
  contentDeduplication: boolean;
  deduplicationScope: 'queue' | 'messageGroup';
  throughputLimit: 'perQueue' | 'perMessageGroupId';
  tags: TagMap;
  purged?: Millis | undefined;
}

export const Queues = defineTable<QueueRow>()({
  name: 'sqs.queues',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byTarget: (row) => (row.redrive === undefined ? undefined : [row.redrive.target]) },
});

/** The key of SQS's own in an account and Region, for queues with SSE-SQS. One for all queues, because messages move between them. */
export const OwnKeys = defineTable<{ key: Uint8Array }>()({ name: 'sqs.ownKeys', scope: 'region', key: () => ['own'] });

/** When queues of a name were deleted: the name rests for 60 seconds. */
export const Deletions = defineTable<{ name: string; at: Millis }>()({
  name: 'sqs.deletions',
  scope: 'region',
  key: (row) => [row.name],
});

/**
 * What a queue counts: sequence numbers given, messages that lie there, and when its oldest message expires (undefined when no sweep waits). Counting a
 * million rows takes a tenth of a second, and who scales by the length of a queue asks all the time.
 */
export interface CounterRow {
  shelf: string;
  last: number;
  /** Undefined on a shelf of an earlier version until its next sweep. */
  held?: number | undefined;
  sweepAt?: Millis | undefined;
}

export const Counters = defineTable<CounterRow>()({ name: 'sqs.counters', scope: 'region', key: (row) => [row.shelf] });

export interface AttributeValue {
  type: string;
  text?: string | undefined;
  bytes?: Uint8Array | undefined;
}

/** A message as sent. Never changes. */
export interface MessageRow {
  shelf: string;
  /** Time from which its retention counts. */
  sent: Millis;
  sequence: number;
  id: string;
  /** The body, or what encryption made of it. */
  body: string | Uint8Array;
  /** Wrapped data key of an encrypted body; absent for plain ones. */
  dataKey?: Uint8Array | undefined;
  /** ARN of the queue that the data key was made for. */
  dataKeyFor?: string | undefined;
  md5: string;
  attributes?: Readonly<Record<string, AttributeValue>> | undefined;
  trace?: string | undefined;
  sender: string;
  /** May be received from then on. */
  due: Millis;
  group?: string | undefined;
  deduplication?: string | undefined;
  /** ARN of the queue that it was moved from as undeliverable. */
  deadLetterSource?: string | undefined;
  /** Receives counted before it came to this queue. */
  receivedBefore?: number | undefined;
}

export const Messages = defineTable<MessageRow>()({
  name: 'sqs.messages',
  scope: 'region',
  key: (row) => [row.shelf, row.sent, row.sequence],
});

/** A message's place in an order of times. */
export interface PlaceRow {
  shelf: string;
  at: Millis;
  sequence: number;
  sent: Millis;
}

/** Never received, by the time from which they may be. */
export const Waiting = defineTable<PlaceRow>()({
  name: 'sqs.waiting',
  scope: 'region',
  key: (row) => [row.shelf, row.at, row.sequence],
});

/** Received and not deleted, by the time at which they may be received again. */
export const Flights = defineTable<PlaceRow>()({
  name: 'sqs.flights',
  scope: 'region',
  key: (row) => [row.shelf, row.at, row.sequence],
});

/** How often a message was received, and until when that hides it. */
export interface ReceiptRow {
  shelf: string;
  sequence: number;
  count: number;
  first: Millis;
  /** The latest receive. */
  last: Millis;
  until: Millis;
}

export const Receipts = defineTable<ReceiptRow>()({
  name: 'sqs.receipts',
  scope: 'region',
  key: (row) => [row.shelf, row.sequence],
});

/** Messages of a FIFO queue in the order of their group. */
export const GroupMessages = defineTable<{ shelf: string; group: string; sequence: number; sent: Millis }>()({
  name: 'sqs.groupMessages',
  scope: 'region',
  key: (row) => [row.shelf, row.group, row.sequence],
});

/** A group that has messages. At most the messages of one receive are in flight at a time. */
export interface GroupRow {
  shelf: string;
  group: string;
  /** From when the group may be received from, and the message that is first then. */
  at: Millis;
  first: number;
  /** Sequence numbers of messages in flight. */
  flying: readonly number[];
}

export const Groups = defineTable<GroupRow>()({ name: 'sqs.groups', scope: 'region', key: (row) => [row.shelf, row.group] });

/** Groups by the time from which they may be received from. */
export const GroupPlaces = defineTable<{ shelf: string; at: Millis; first: number; group: string }>()({
  name: 'sqs.groupPlaces',
  scope: 'region',
  key: (row) => [row.shelf, row.at, row.first],
});

/** Deduplication ids seen. `scope` is the group when the queue tells ids apart by group, else empty. */
export interface DuplicateRow {
  queue: string;
  scope: string;
  deduplication: string;
  at: Millis;
  id: string;
  sequence: number;
}

export const Duplicates = defineTable<DuplicateRow>()({
  name: 'sqs.duplicates',
  scope: 'region',
  key: (row) => [row.queue, row.scope, row.deduplication],
});

/** Deduplication ids in the order in which they are forgotten. */
export const DuplicatePlaces = defineTable<Omit<DuplicateRow, 'id'>>()({
  name: 'sqs.duplicatePlaces',
  scope: 'region',
  key: (row) => [row.queue, row.at, row.sequence],
});

/** What a receive attempt id of a FIFO queue was answered with. */
export interface AttemptRow {
  queue: string;
  attempt: string;
  at: Millis;
  taken: readonly { sequence: number; sent: Millis; count: number }[];
}

export const Attempts = defineTable<AttemptRow>()({
  name: 'sqs.attempts',
  scope: 'region',
  key: (row) => [row.queue, row.attempt],
});

export type MoveStatus = 'RUNNING' | 'COMPLETED' | 'CANCELLING' | 'CANCELLED' | 'FAILED';

export interface MoveRow {
  /** ARN of the dead-letter queue. */
  source: string;
  started: Millis;
  id: string;
  status: MoveStatus;
  destination?: string | undefined;
  perSecond?: number | undefined;
  moved: number;
  toMove: number;
  failure?: string | undefined;
}

export const Moves = defineTable<MoveRow>()({
  name: 'sqs.moves',
  scope: 'region',
  key: (row) => [row.source, row.started, row.id],
});

export const tables = [
  Queues,
  OwnKeys,
  Deletions,
  Counters,
  Messages,
  Waiting,
  Flights,
  Receipts,
  GroupMessages,
  Groups,
  GroupPlaces,
  Duplicates,
  DuplicatePlaces,
  Attempts,
  Moves,
] as const;
