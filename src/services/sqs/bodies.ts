/**
 * Bodies of messages on their way into and out of rows: server-side encryption ("Encryption at rest in Amazon SQS"). Only bodies are encrypted, as in
 * AWS, by AES-256-GCM. SSE-SQS takes a key of SQS's own. SSE-KMS takes data keys that KMS makes and opens with the caller's rights; one is used
 * again, per caller, for the queue's reuse period, so that not every message asks KMS.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { KmsApi } from '../kms/api.ts';
import { type DataKey, deskOf } from './desk.ts';
import { kmsError } from './errors.ts';
import type { FoundQueue } from './lookup.ts';
import { type MessageRow, OwnKeys } from './state.ts';
import { queueArn } from './urls.ts';

/** A body as kept. */
export type Sealed = Pick<MessageRow, 'body' | 'dataKey' | 'dataKeyFor'>;

const nonceBytes = 12;
const tagBytes = 16;
/** Seconds for which a data key is used again, unless the queue says otherwise. */
const reuseSecondsDefault = 300;

/** Bodies as they are kept. Throws the errors that KMS gives the caller, by SQS's names (`KmsAccessDenied`…). */
export async function seal(ctx: Context, found: FoundQueue, messages: readonly { body: string }[]): Promise<Sealed[]> {
  const key = await sealingKey(ctx, found);
  if (key === undefined) return messages.map(({ body }) => ({ body }));
  const dataKey = key.wrapped === undefined ? {} : { dataKey: key.wrapped, dataKeyFor: queueArn(found.scope, found.queue.name) };
  return messages.map(({ body }) => ({ body: encrypt(ctx, key.plain, body), ...dataKey }));
}

/** The body as it was sent. Throws as `seal`. */
export async function unseal(ctx: Context, found: FoundQueue, message: MessageRow): Promise<string> {
  if (typeof message.body === 'string') return message.body;
  return decrypt(message.dataKey === undefined ? await ownKey(found) : await openKey(ctx, found, message), message.body);
}

async function sealingKey(ctx: Context, found: FoundQueue): Promise<DataKey | undefined> {
  const { queue } = found;
  if (queue.kmsKey === undefined) return queue.ownSse ? { plain: await ownKey(found), wrapped: undefined } : undefined;
  const { kmsKey } = queue;
  return deskOf(ctx).keep(`${queue.id} ${ctx.caller.arn} ${kmsKey}`, reuseMillis(found), async () => {
    const EncryptionContext = { 'aws:sqs:arn': queueArn(found.scope, queue.name) };
    // The key behind AWS's own alias is made when it is first used.
    const KeyId = kmsKey.endsWith('alias/aws/sqs')
      ? await (await found.at.internal<KmsApi>('kms')).managedKey(found.scope, 'sqs')
      : kmsKey;
    const made = await asking(() => found.at.call('kms').generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext }));
    return { plain: made.Plaintext ?? new Uint8Array(), wrapped: made.CiphertextBlob };
  });
}

async function openKey(ctx: Context, found: FoundQueue, { dataKey, dataKeyFor = '' }: MessageRow): Promise<Uint8Array> {
  const name = `${ctx.caller.arn} ${Buffer.from(dataKey ?? []).toString('base64')}`;
  const { plain } = await deskOf(ctx).keep(name, reuseMillis(found), async () => {
    const EncryptionContext = { 'aws:sqs:arn': dataKeyFor };
    const opened = await asking(() => found.at.call('kms').decrypt({ CiphertextBlob: dataKey, EncryptionContext }));
    return { plain: opened.Plaintext ?? new Uint8Array(), wrapped: dataKey };
  });
  return plain;
}

async function ownKey({ at, scope }: FoundQueue): Promise<Uint8Array> {
  const row = await at.tableIn(scope, OwnKeys).get('own');
  if (row === undefined) throw new Error('An account with queues has no key of SQS’s own.');
  return row.key;
}

function reuseMillis({ queue }: FoundQueue): number {
  return (queue.kmsReuseSeconds ?? reuseSecondsDefault) * 1000;
}

/** Asks KMS; what it refuses is refused in SQS's words. */
async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AwsError) throw kmsError(error);
    throw error;
  }
}

function encrypt(ctx: Context, key: Uint8Array, body: string): Uint8Array {
  const nonce = ctx.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const hidden = Buffer.concat([nonce, cipher.update(body, 'utf8'), cipher.final()]);
  return Buffer.concat([hidden, cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, bytes: Uint8Array): string {
  const end = bytes.byteLength - tagBytes;
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes));
  cipher.setAuthTag(bytes.subarray(end));
  return Buffer.concat([cipher.update(bytes.subarray(nonceBytes, end)), cipher.final()]).toString('utf8');
}
