/** Publish and PublishBatch: checks in AWS's order and words, then one row that survives, then the job that hands it on. */
import type { PublishBatchRequestEntry, PublishInput, SNS } from '@aws-sdk/client-sns';
import { createHash } from 'node:crypto';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { post } from '../../kernel/outbox.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { attributeBytes, readAttributes } from './attributes.ts';
import {
  batchTooLong,
  emptyBatch,
  entryIdsNotDistinct,
  invalidEntryId,
  invalidParameter,
  tooManyEntries,
  topicNotFound,
} from './errors.ts';
import { archive } from './archives.ts';
import { checkTopic, findTopic, type FoundTopic, onTopic } from './lookup.ts';
import { count } from './metrics.ts';
import { isEndpointArn, push } from './platforms.ts';
import { seal } from './sealing.ts';
import { Duplicates, type NoticeRow, Notices, type TopicRow, Topics } from './state.ts';

/** 256 KB with attributes ("Amazon SNS quotas"). */
const messageBytesMax = 262_144;
const subjectCharsMax = 100;
const entriesMax = 10;
const deduplicationMillis = 300_000;

type Sending = Omit<PublishInput, 'TopicArn' | 'TargetArn' | 'PhoneNumber'> | PublishBatchRequestEntry;
type Prepared = Omit<NoticeRow, 'id' | 'topic' | 'at' | 'sequence' | 'replayed'>;

function readStructure(message: string, structure: string | undefined): Pick<Prepared, 'message' | 'byProtocol'> {
  if (structure === undefined || structure === '') return { message };
  if (structure !== 'json') throw invalidParameter(`MessageStructure: ${structure}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(message);
  } catch {
    throw invalidParameter('Message Structure - JSON message body failed to parse');
  }
  const byProtocol = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<string, unknown>;
  if (typeof byProtocol['default'] !== 'string')
    throw invalidParameter('Message Structure - No default entry in JSON message body');
  const texts = Object.entries(byProtocol).filter((one): one is [string, string] => typeof one[1] === 'string');
  return { message: byProtocol['default'], byProtocol: Object.fromEntries(texts) };
}

/** "Must be ASCII, begin with a letter, number or punctuation mark, have no line breaks or control characters, less than 100 characters." */
function checkSubject(subject: string | undefined): void {
  if (subject === undefined) return;
  if (subject === '' || subject.length > subjectCharsMax || !/^[\x21-\x7e][\x20-\x7e]*$/.test(subject))
    throw invalidParameter('Subject');
}

/** Checks a message in AWS's order and words. */
export function prepareNotice(topic: TopicRow, input: Sending): Prepared {
  const { Message = '', Subject: subject, MessageGroupId: group, MessageDeduplicationId: deduplication } = input;
  if (Message === '') throw invalidParameter('Empty message');
  checkSubject(subject);
  const attributes = readAttributes(input.MessageAttributes);
  if (Buffer.byteLength(Message) + attributeBytes(attributes) > messageBytesMax) throw invalidParameter('Message too long');
  if (topic.fifo && group === undefined) throw invalidParameter('The MessageGroupId parameter is required for FIFO topics');
  for (const [name, value] of Object.entries({ MessageGroupId: group, MessageDeduplicationId: deduplication })) {
    if (value !== undefined && !/^[\x21-\x7e]{1,128}$/.test(value))
      throw invalidParameter(`${name} Reason: must be 1 to 128 alphanumeric and punctuation characters`);
  }
  if (topic.fifo && deduplication === undefined && !topic.contentDeduplication) {
    throw invalidParameter(
      'The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
  if (!topic.fifo && deduplication !== undefined) {
    throw invalidParameter(
      'MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type',
    );
  }
  return {
    ...readStructure(Message, input.MessageStructure),
    subject,
    attributes,
    group,
    deduplication: topic.fifo ? (deduplication ?? createHash('sha256').update(Message).digest('hex')) : undefined,
  };
}

async function accept(
  ctx: Context,
  tx: Transaction,
  topic: TopicRow,
  message: Prepared,
): Promise<{ id: string; sequence?: string | undefined }> {
  const at = ctx.clock.now();
  const row = await tx.table(Topics).get(topic.name);
  if (row === undefined) throw topicNotFound();
  const id = ctx.uuid();
  if (!topic.fifo || message.deduplication === undefined) {
    await tx.table(Notices).put({ ...message, id, topic: topic.name, at });
    return { id };
  }
  const scope = row.throughputScope === 'MessageGroup' ? (message.group ?? '') : '';
  const known = await tx.table(Duplicates).get(topic.name, scope, message.deduplication);
  if (known !== undefined && known.at + deduplicationMillis > at) return known;
  const sequence = String(10_000_000_000_000_000_000n + BigInt(row.sequence + 1) * 1000n);
  await tx.table(Topics).put({ ...row, sequence: row.sequence + 1 });
  await tx.table(Duplicates).put({ topic: topic.name, scope, deduplication: message.deduplication, at, id, sequence });
  await tx.schedule({ task: 'forget', key: `${topic.name} ${scope} ${message.deduplication}`, due: at + deduplicationMillis });
  // The sequence orders what is published in one moment.
  const notice: NoticeRow = { ...message, id: `${sequence} ${id}`, topic: topic.name, at, sequence };
  await tx.table(Notices).put(notice);
  await archive(tx, row, notice);
  return { id, sequence };
}

/** Accepts checked messages: when it resolves, they survive a crash and are on their way. */
export async function publishTo({ at, topic }: FoundTopic, messages: readonly Prepared[]) {
  const sealed = await seal(at, topic, messages);
  const done = await at.transact(async (tx) => {
    const accepted = [];
    for (const message of sealed) accepted.push(await accept(at, tx, topic, message));
    await tx.schedule({ task: 'deliver', key: topic.name, due: at.clock.now() });
    return accepted;
  });
  for (const { message, attributes } of messages) {
    count(at, topic.name, 'NumberOfMessagesPublished');
    count(at, topic.name, 'PublishSize', Buffer.byteLength(message) + attributeBytes(attributes));
  }
  return done;
}

/** A text message to a phone: into the outbox. */
async function publishText(ctx: Context, phone: string, input: PublishInput): Promise<string> {
  if (!/^\+[1-9]\d{7,14}$/.test(phone)) throw invalidParameter(`PhoneNumber Reason: ${phone} is not valid to publish to`);
  const { Message = '' } = input;
  if (Message === '') throw invalidParameter('Empty message');
  const attributes = readAttributes(input.MessageAttributes);
  const from = attributes?.['AWS.SNS.SMS.SenderID']?.text ?? 'NOTICE';
  await ctx.transact((tx) => post(ctx, tx, ctx, { kind: 'sms', from, to: phone, body: Message }));
  return ctx.uuid();
}

/** A push to one device: into the outbox. */
async function publishPush(ctx: Context, arn: string, { Message = '', MessageStructure }: PublishInput): Promise<string> {
  if (Message === '') throw invalidParameter('Empty message');
  await push(ctx, arn, readStructure(Message, MessageStructure));
  return ctx.uuid();
}

export const publishHandlers: HandlersOf<SNS> = {
  async Publish(input, ctx) {
    const { TopicArn, TargetArn, PhoneNumber } = input;
    if (PhoneNumber !== undefined) return { MessageId: await publishText(ctx, PhoneNumber, input) };
    const arn = TopicArn ?? TargetArn;
    if (arn === undefined) throw invalidParameter('TopicArn or TargetArn Reason: no value for required parameter');
    if (isEndpointArn(arn)) return { MessageId: await publishPush(ctx, arn, input) };
    const found = await findTopic(ctx, arn, TopicArn === undefined ? 'TargetArn' : 'TopicArn');
    const [accepted] = await publishTo(found, [prepareNotice(found.topic, input)]);
    return { MessageId: accepted?.id, SequenceNumber: accepted?.sequence };
  },

  async PublishBatch({ TopicArn, PublishBatchRequestEntries: entries = [] }, ctx) {
    const found = await findTopic(ctx, TopicArn);
    if (entries.length === 0) throw emptyBatch();
    if (entries.length > entriesMax) throw tooManyEntries();
    const ids = entries.map(({ Id = '' }) => Id);
    if (ids.some((id) => !/^[A-Za-z0-9_-]{1,80}$/.test(id))) throw invalidEntryId();
    if (new Set(ids).size < ids.length) throw entryIdsNotDistinct();
    const bytes = entries.reduce((sum, { Message = '' }) => sum + Buffer.byteLength(Message), 0);
    if (bytes > messageBytesMax) throw batchTooLong();
    const passed: { id: string; message: Prepared }[] = [];
    const Failed = [];
    for (const [index, entry] of entries.entries()) {
      try {
        passed.push({ id: ids[index]!, message: prepareNotice(found.topic, entry) });
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        Failed.push({ Id: ids[index]!, Code: error.code, Message: error.message, SenderFault: true });
      }
    }
    const accepted = await publishTo(
      found,
      passed.map(({ message }) => message),
    );
    const Successful = passed.map(({ id }, index) => ({
      Id: id,
      MessageId: accepted[index]?.id,
      SequenceNumber: accepted[index]?.sequence,
    }));
    return { Successful, Failed };
  },
};

export const publishChecks: AuthorisationsOf<SNS> = {
  Publish: async ({ TopicArn, TargetArn, PhoneNumber }, ctx) =>
    PhoneNumber !== undefined
      ? [{ resource: '*' }]
      : isEndpointArn(TopicArn ?? TargetArn ?? '')
        ? [{ resource: TopicArn ?? TargetArn ?? '' }]
        : checkTopic(TopicArn ?? TargetArn, ctx),
  PublishBatch: onTopic,
};
