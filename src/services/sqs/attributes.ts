/** Attributes of queues: reading what callers set, and showing what a queue has. Source: API Reference, CreateQueue and SetQueueAttributes. */
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { invalidAttributeName, invalidAttributeValue, invalidValue, overLimit, unknownAttribute } from './errors.ts';
import {
  delaySecondsMax,
  messageBytesMax,
  sourcesMax,
  statementsMax,
  visibilitySecondsMax,
  waitSecondsMax,
  wholeNumber,
} from './rules.ts';
import type { QueueRow, RedrivePolicy } from './state.ts';
import { parseQueueArn } from './urls.ts';

/** What attributes set of a queue. */
export type Settings = Omit<QueueRow, 'name' | 'id' | 'shelf' | 'fifo' | 'created' | 'modified' | 'tags' | 'purged'>;

export const defaults: Settings = {
  visibilitySeconds: 30,
  delaySeconds: 0,
  messageBytesMax,
  retentionSeconds: 345_600,
  waitSeconds: 0,
  ownSse: true,
  contentDeduplication: false,
  deduplicationScope: 'queue',
  throughputLimit: 'perQueue',
};

type Setter = (value: string, settings: Settings, fifo: boolean) => Partial<Settings>;

function number(name: string, min: number, max: number, set: (value: number) => Partial<Settings>): Setter {
  return (text) => {
    const value = wholeNumber(text, min, max);
    if (value === undefined) throw invalidAttributeValue(name);
    return set(value);
  };
}

function boolean(name: string, set: (value: boolean) => Partial<Settings>): Setter {
  return (text) => {
    if (!/^(true|false)$/i.test(text)) throw invalidAttributeValue(name);
    return set(text.toLowerCase() === 'true');
  };
}

/** Attributes of FIFO queues are unknown to standard ones. */
function fifoOnly(name: string, setter: Setter): Setter {
  return (text, settings, fifo) => {
    if (!fifo) throw unknownAttribute(name);
    return setter(text, settings, fifo);
  };
}

const setters: Readonly<Record<string, Setter>> = {
  VisibilityTimeout: number('VisibilityTimeout', 0, visibilitySecondsMax, (visibilitySeconds) => ({ visibilitySeconds })),
  DelaySeconds: number('DelaySeconds', 0, delaySecondsMax, (delaySeconds) => ({ delaySeconds })),
  MaximumMessageSize: number('MaximumMessageSize', 1024, messageBytesMax, (bytes) => ({ messageBytesMax: bytes })),
  MessageRetentionPeriod: number('MessageRetentionPeriod', 60, 1_209_600, (retentionSeconds) => ({ retentionSeconds })),
  ReceiveMessageWaitTimeSeconds: number('ReceiveMessageWaitTimeSeconds', 0, waitSecondsMax, (waitSeconds) => ({ waitSeconds })),
  Policy: (text) => ({ policy: text === '' ? undefined : checkedPolicy(text) }),
  RedrivePolicy: (text) =>
    text === '' ? { redrivePolicy: undefined, redrive: undefined } : { redrivePolicy: text, redrive: parseRedrive(text) },
  RedriveAllowPolicy: (text) => {
    if (text !== '') parseRedriveAllow(text);
    return { redriveAllowPolicy: text === '' ? undefined : text };
  },
  KmsMasterKeyId: (text) => (text === '' ? { kmsKey: undefined } : { kmsKey: text, ownSse: false }),
  KmsDataKeyReusePeriodSeconds: number('KmsDataKeyReusePeriodSeconds', 60, 86_400, (kmsReuseSeconds) => ({ kmsReuseSeconds })),
  SqsManagedSseEnabled: boolean('SqsManagedSseEnabled', (ownSse) => (ownSse ? { ownSse, kmsKey: undefined } : { ownSse })),
  ContentBasedDeduplication: fifoOnly(
    'ContentBasedDeduplication',
    boolean('ContentBasedDeduplication', (contentDeduplication) => ({ contentDeduplication })),
  ),
  DeduplicationScope: fifoOnly('DeduplicationScope', (text) => {
    if (text !== 'queue' && text !== 'messageGroup') throw invalidAttributeValue('DeduplicationScope');
    return { deduplicationScope: text };
  }),
  FifoThroughputLimit: fifoOnly('FifoThroughputLimit', (text) => {
    if (text !== 'perQueue' && text !== 'perMessageGroupId') throw invalidAttributeValue('FifoThroughputLimit');
    return { throughputLimit: text };
  }),
};

/** The settings after these attributes. `FifoQueue` is the caller's business. Throws InvalidAttributeName, InvalidAttributeValue. */
export function applyAttributes(settings: Settings, attributes: Readonly<Record<string, string>>, fifo: boolean): Settings {
  if (attributes['SqsManagedSseEnabled']?.toLowerCase() === 'true' && (attributes['KmsMasterKeyId'] ?? '') !== '') {
    throw invalidAttributeName(
      'You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.',
    );
  }
  let changed = settings;
  for (const [name, value] of Object.entries(attributes)) {
    const setter = Object.hasOwn(setters, name) ? setters[name] : undefined;
    if (setter === undefined) throw unknownAttribute(name);
    changed = { ...changed, ...setter(value, changed, fifo) };
  }
  if (changed.throughputLimit === 'perMessageGroupId' && changed.deduplicationScope !== 'messageGroup') {
    throw invalidValue(
      'perMessageGroupId',
      'FifoThroughputLimit',
      'FifoThroughputLimit can be set to perMessageGroupId only when DeduplicationScope is set to messageGroup.',
    );
  }
  return changed;
}

function checkedPolicy(text: string): string {
  if (!validatePolicy(text, 'resource').ok) throw invalidAttributeValue('Policy');
  const { Statement } = JSON.parse(text) as { Statement: unknown };
  const count = Array.isArray(Statement) ? Statement.length : 1;
  if (count > statementsMax)
    throw overLimit(`${count} statements were found in the submitted policy, max allowed is ${statementsMax}`);
  return text;
}

function parseObject(text: string, attribute: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Falls through to the same answer.
  }
  throw invalidValue(text, attribute, 'Redrive policy is not a valid JSON map.');
}

/** The meaning of a redrive policy. Throws InvalidParameterValue. Whether the target exists is asked elsewhere. */
function parseRedrive(text: string): RedrivePolicy {
  const { deadLetterTargetArn: target, maxReceiveCount, ...rest } = parseObject(text, 'RedrivePolicy');
  const fail = (reason: string) => invalidValue(text, 'RedrivePolicy', reason);
  if (target === undefined) throw fail('Redrive policy does not contain mandatory attribute: deadLetterTargetArn.');
  if (maxReceiveCount === undefined) throw fail('Redrive policy does not contain mandatory attribute: maxReceiveCount.');
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw fail('Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].');
  if (typeof target !== 'string' || parseQueueArn(target) === undefined) throw fail('Invalid value for deadLetterTargetArn.');
  const count = wholeNumber(String(maxReceiveCount), 1, 1000);
  if (count === undefined)
    throw fail(`Invalid value for maxReceiveCount: ${String(maxReceiveCount)}, valid values are from 1 to 1000 both inclusive.`);
  return { target, maxReceiveCount: count };
}

export interface RedriveAllow {
  permission: 'allowAll' | 'denyAll' | 'byQueue';
  sources: readonly string[];
}

/** The meaning of a redrive allow policy. Throws InvalidParameterValue. */
export function parseRedriveAllow(text: string): RedriveAllow {
  const { redrivePermission: permission, sourceQueueArns: sources } = parseObject(text, 'RedriveAllowPolicy');
  const fail = (reason: string) => invalidValue(text, 'RedriveAllowPolicy', reason);
  if (permission !== 'allowAll' && permission !== 'denyAll' && permission !== 'byQueue')
    throw fail("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.");
  if (permission !== 'byQueue') {
    if (sources !== undefined) {
      throw fail(
        "Amazon SQS can't create the redrive allow policy. To specify one or more source queue ARNs, you must set redrivePermission to byQueue.",
      );
    }
    return { permission, sources: [] };
  }
  if (sources === undefined || (Array.isArray(sources) && sources.length === 0)) {
    throw fail(
      "Amazon SQS can't create the redrive allow policy. When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.",
    );
  }
  if (!Array.isArray(sources) || !sources.every((arn) => typeof arn === 'string' && parseQueueArn(arn) !== undefined))
    throw fail("Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format.");
  if (sources.length > sourcesMax) {
    throw fail(
      `Amazon SQS can't create the redrive allow policy. The maximum number of source queue ARNs you can specify is ${sourcesMax}.`,
    );
  }
  return { permission, sources: sources as string[] };
}

/** Settings by the names that the API shows, as far as they are set. */
export function describeSettings(row: Settings, fifo: boolean): Record<string, string> {
  const shown: Record<string, string | undefined> = {
    VisibilityTimeout: String(row.visibilitySeconds),
    DelaySeconds: String(row.delaySeconds),
    MaximumMessageSize: String(row.messageBytesMax),
    MessageRetentionPeriod: String(row.retentionSeconds),
    ReceiveMessageWaitTimeSeconds: String(row.waitSeconds),
    Policy: row.policy,
    RedrivePolicy:
      row.redrive && JSON.stringify({ deadLetterTargetArn: row.redrive.target, maxReceiveCount: row.redrive.maxReceiveCount }),
    RedriveAllowPolicy: row.redriveAllowPolicy,
    KmsMasterKeyId: row.kmsKey,
    KmsDataKeyReusePeriodSeconds: row.kmsKey === undefined ? undefined : String(row.kmsReuseSeconds ?? 300),
    SqsManagedSseEnabled: String(row.ownSse),
    ...(fifo
      ? {
          FifoQueue: 'true',
          ContentBasedDeduplication: String(row.contentDeduplication),
          DeduplicationScope: row.deduplicationScope,
          FifoThroughputLimit: row.throughputLimit,
        }
      : {}),
  };
  return Object.fromEntries(Object.entries(shown).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Names that GetQueueAttributes knows beside those that can be set. */
export const countedAttributes = [
  'QueueArn',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
] as const;

/** Whether an attribute of this name exists. */
export function isAttribute(name: string): boolean {
  return Object.hasOwn(setters, name) || name === 'FifoQueue' || (countedAttributes as readonly string[]).includes(name);
}
