/**
 * Bodies of messages on their way into and out of rows: server-side encryption ("Encryption at rest in Amazon SQS"). Only bodies are encrypted, as in
 * AWS, by AES-256-GCM. SSE-SQS takes a key of SQS's own. SSE-KMS takes data keys that KMS makes and opens with the caller's rights; one is used
 * again, per caller, for the queue's reuse period, so that not every message asks KMS.
 */
import type { Context } from '../../kernel/context.ts';
import { type DataKey, decryptBytes, encryptBytes, keepDataKey } from '../../kernel/data-keys.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { KmsApi } from '../kms/api.ts';
import { kmsError } from './errors.ts';
import type { FoundQueue } from './lookup.ts';
import { type MessageRow, OwnKeys } from './state.ts';
import { queueArn } from './urls.ts';

/** A body as kept. */
export type Sealed = Pick<MessageRow, 'body' | 'dataKey' | 'dataKeyFor'>;

/** Seconds for which a data key is used again, unless the queue says otherwise. */
const reuseSecondsDefault = 300;

/** Bodies as they are kept. Throws the errors that KMS gives the caller, by SQS's names (`KmsAccessDenied`…). */
export async function seal(ctx: Context, found: FoundQueue, messages: readonly { body: string }[]): Promise<Sealed[]> {
  const key = await sealingKey(ctx, found);
  if (key === undefined) return messages.map(({ body }) => ({ body }));
  const dataKey = key.wrapped === undefined ? {} : { dataKey: key.wrapped, dataKeyFor: queueArn(found.scope, found.queue.name) };
  return messages.map(({ body }) => ({ body: encryptBytes(ctx, key.plain, Buffer.from(body)), ...dataKey }));
}

/** The body as it was sent. Throws as `seal`. */
export async function unseal(ctx: Context, found: FoundQueue, message: MessageRow): Promise<string> {
  if (typeof message.body === 'string') return message.body;
  const key = message.dataKey === undefined ? await ownKey(found) : await openKey(ctx, found, message);
  return decryptBytes(key, message.body).toString('utf8');
}

async function sealingKey(ctx: Context, found: FoundQueue): Promise<DataKey | undefined> {
  const { queue } = found;
  if (queue.kmsKey === undefined) return queue.ownSse ? { plain: await ownKey(found), wrapped: undefined } : undefined;
  const { kmsKey } = queue;
  return keepDataKey(ctx, `${queue.id} ${ctx.caller.arn} ${kmsKey}`, reuseMillis(found), async () => {
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
  const { plain } = await keepDataKey(ctx, name, reuseMillis(found), async () => {
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
