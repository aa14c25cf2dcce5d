/**
 * SNS's rows. A published message is one row with the subscriptions it still has to reach; what could not be delivered at once becomes an attempt
 * of its own, so that a slow endpoint holds up nobody.
 */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface TopicRow {
  name: string;
  fifo: boolean;
  created: Millis;
  displayName: string;
  /** JSON text. */
  policy: string;
  /** JSON text, as given. */
  deliveryPolicy?: string | undefined;
  /** `SQSSuccessFeedbackSampleRate` and its kin, as given. */
  feedback?: Readonly<Record<string, string>> | undefined;
  /** Server-side encryption by a key of KMS, as named by the caller. */
  kmsKey?: string | undefined;
  /** What a FIFO topic keeps of what it accepted: for so many days, since then; the policy as given. */
  archive?: { days: number; since: Millis; text: string } | undefined;
  contentDeduplication: boolean;
  throughputScope?: 'Topic' | 'MessageGroup' | undefined;
  signatureVersion: '1' | '2';
  tags: TagMap;
  /** Subscriptions deleted so far, for the topic's counts. */
  deleted: number;
  /** Sequence numbers given, of a FIFO topic. */
  sequence: number;
}

export const Topics = defineTable<TopicRow>()({ name: 'sns.topics', scope: 'region', key: (row) => [row.name] });

export type Protocol = 'http' | 'https' | 'email' | 'email-json' | 'sms' | 'sqs' | 'lambda' | 'firehose' | 'application';

/** A replay from a topic's archive: times, how far it has come, and the policy as given. */
export interface Replay {
  text: string;
  from: Millis;
  to?: Millis | undefined;
  status: 'Pending' | 'In progress' | 'Completed';
  last?: { at: Millis; id: string } | undefined;
}

export interface SubscriptionRow {
  /** Of the topic. */
  topic: string;
  id: string;
  owner: string;
  protocol: Protocol;
  endpoint: string;
  /** While it waits to be confirmed. */
  token?: string | undefined;
  confirmedAt?: Millis | undefined;
  /** Whether the confirmation was asked for by the owner's signed request, or unsubscribing must be. */
  authenticated: boolean;
  raw: boolean;
  /** JSON texts, as given. */
  filterPolicy?: string | undefined;
  filterScope: 'MessageAttributes' | 'MessageBody';
  redrivePolicy?: string | undefined;
  deliveryPolicy?: string | undefined;
  /** By which a delivery stream is written to. */
  role?: string | undefined;
  replay?: Replay | undefined;
  created: Millis;
}

/** In the topic's account and Region, also those of other accounts. */
export const Subscriptions = defineTable<SubscriptionRow>()({
  name: 'sns.subscriptions',
  scope: 'region',
  key: (row) => [row.topic, row.id],
  indexes: {
    byEndpoint: (row) => [row.topic, row.protocol, row.endpoint],
    byToken: (row) => (row.token === undefined ? undefined : [row.token]),
  },
});

export interface AttributeRow {
  type: string;
  text?: string | undefined;
  bytes?: Uint8Array | undefined;
}

/** What is published. */
export interface NoticeRow {
  id: string;
  topic: string;
  at: Millis;
  subject?: string | undefined;
  message: string;
  /** With MessageStructure `json`: the message by protocol; `message` is then the default. */
  byProtocol?: Readonly<Record<string, string>> | undefined;
  attributes?: Readonly<Record<string, AttributeRow>> | undefined;
  group?: string | undefined;
  deduplication?: string | undefined;
  sequence?: string | undefined;
  /** Of an encrypted topic: message and forms by protocol, and the data key as KMS has wrapped it. `message` is empty then. */
  sealed?: { bytes: Uint8Array; key: Uint8Array } | undefined;
  /** Comes from the archive. */
  replayed?: boolean | undefined;
}

/** Published and not handed on yet. The key is ordered, so that what was published first goes first. */
export const Notices = defineTable<NoticeRow>()({
  name: 'sns.notices',
  scope: 'region',
  key: (row) => [row.topic, row.at, row.id],
});

/** What FIFO topics with an archive policy have accepted. */
export const Archive = defineTable<NoticeRow>()({
  name: 'sns.archive',
  scope: 'region',
  key: (row) => [row.topic, row.at, row.id],
});

/** One message on its way to one subscriber, after its first failure or when it takes a connection. */
export interface AttemptRow {
  id: string;
  notice: NoticeRow;
  subscription: string;
  topic: string;
  /** Attempts made. */
  made: number;
}

export const Attempts = defineTable<AttemptRow>()({ name: 'sns.attempts', scope: 'region', key: (row) => [row.id] });

/** Deduplication ids of FIFO topics. */
export const Duplicates = defineTable<{
  topic: string;
  scope: string;
  deduplication: string;
  at: Millis;
  id: string;
  sequence: string;
}>()({
  name: 'sns.duplicates',
  scope: 'region',
  key: (row) => [row.topic, row.scope, row.deduplication],
});

export const tables = [Topics, Subscriptions, Notices, Archive, Attempts, Duplicates] as const;
