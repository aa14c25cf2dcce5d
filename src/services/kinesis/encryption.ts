/**
 * Data of records on its way into and out of rows: server-side encryption ("Data protection in Amazon Kinesis Data Streams"). A data key that KMS
 * makes with the producer's rights encrypts by AES-256-GCM and is used again for five minutes; consumers need the right to open it. Records put
 * before encryption was switched on stay as they were.
 */
import type { Kinesis } from '@aws-sdk/client-kinesis';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Clock, Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import type { KmsApi } from '../kms/api.ts';
import { invalidArgument, kmsError } from './errors.ts';
import { onStream, requireActive, streamArn } from './lookup.ts';
import { setUpdating } from './settling.ts';
import type { RecordRow, StreamRow } from './state.ts';

const nonceBytes = 12;
const tagBytes = 16;
const reuseMillis: Millis = 300_000;
const keysMax = 1000;

interface DataKey {
  at: Millis;
  plain: Uint8Array;
  wrapped: Uint8Array;
}

/** Data keys in use, by cloud, caller and key: a cache. */
const keysCache = new WeakMap<Clock, Map<string, DataKey>>();

async function kept(ctx: Context, name: string, make: () => Promise<Omit<DataKey, 'at'>>): Promise<DataKey> {
  const keys = keysCache.get(ctx.clock) ?? new Map<string, DataKey>();
  keysCache.set(ctx.clock, keys);
  const now = ctx.clock.now();
  const known = keys.get(name);
  if (known !== undefined && known.at + reuseMillis > now) return known;
  const made = await make().catch((error: unknown) => {
    throw error instanceof AwsError ? kmsError(error) : error;
  });
  if (keys.size >= keysMax) keys.clear();
  const key = { ...made, at: now };
  keys.set(name, key);
  return key;
}

/** The id of a key as KMS knows it: AWS's own is made when it is first used. */
async function keyIdOf(ctx: Context, given: string): Promise<string> {
  return given.endsWith('alias/aws/kinesis') ? (await ctx.internal<KmsApi>('kms')).managedKey(ctx, 'kinesis') : given;
}

/** Data as it is kept. Throws the errors that KMS gives the caller, by Kinesis' names. */
export async function seal(
  ctx: Context,
  stream: StreamRow,
  data: readonly Uint8Array[],
): Promise<Pick<RecordRow, 'data' | 'dataKey'>[]> {
  const { kmsKey } = stream;
  if (kmsKey === undefined) return data.map((one) => ({ data: one }));
  const key = await kept(ctx, `${stream.id} ${ctx.caller.arn} ${kmsKey}`, async () => {
    const EncryptionContext = { 'aws:kinesis:arn': streamArn(ctx, stream.name) };
    const KeyId = await keyIdOf(ctx, kmsKey);
    const made = await ctx.call('kms').generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext });
    return { plain: made.Plaintext ?? new Uint8Array(), wrapped: made.CiphertextBlob ?? new Uint8Array() };
  });
  return data.map((one) => {
    const nonce = ctx.bytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', key.plain, nonce);
    const hidden = Buffer.concat([nonce, cipher.update(one), cipher.final()]);
    return { data: Buffer.concat([hidden, cipher.getAuthTag()]), dataKey: key.wrapped };
  });
}

/** Data as it was put. Throws as `seal`. */
export async function unseal(ctx: Context, stream: StreamRow, { data, dataKey }: RecordRow): Promise<Uint8Array> {
  if (dataKey === undefined) return data;
  const name = `${stream.id} ${ctx.caller.arn} ${Buffer.from(dataKey).toString('base64')}`;
  const { plain } = await kept(ctx, name, async () => {
    const EncryptionContext = { 'aws:kinesis:arn': streamArn(ctx, stream.name) };
    const opened = await ctx.call('kms').decrypt({ CiphertextBlob: dataKey, EncryptionContext });
    return { plain: opened.Plaintext ?? new Uint8Array(), wrapped: dataKey };
  });
  const end = data.byteLength - tagBytes;
  const cipher = createDecipheriv('aes-256-gcm', plain, data.subarray(0, nonceBytes));
  cipher.setAuthTag(data.subarray(end));
  return Buffer.concat([cipher.update(data.subarray(nonceBytes, end)), cipher.final()]);
}

interface EncryptionChange {
  EncryptionType: string | undefined;
  KeyId: string | undefined;
}

function checkChange({ EncryptionType, KeyId }: EncryptionChange): void {
  new RequestCheck().length('keyId', KeyId, 1, 2048).done();
  if (EncryptionType !== 'KMS') throw invalidArgument(`EncryptionType ${EncryptionType} is not valid: it must be KMS.`);
}

export const encryptionHandlers: HandlersOf<Kinesis> = {
  async StartStreamEncryption({ EncryptionType, KeyId, ...input }, ctx) {
    checkChange({ EncryptionType, KeyId });
    const stream = await requireActive(ctx, input);
    const key = await keyIdOf(ctx, KeyId ?? '');
    // The key must be there and usable by who asks, before producers meet it.
    await ctx
      .call('kms')
      .describeKey({ KeyId: key })
      .catch((error: unknown) => {
        throw error instanceof AwsError ? kmsError(error) : error;
      });
    await setUpdating(ctx, stream, (row) => ({ ...row, kmsKey: KeyId }));
    return {};
  },

  async StopStreamEncryption({ EncryptionType, KeyId, ...input }, ctx) {
    checkChange({ EncryptionType, KeyId });
    const stream = await requireActive(ctx, input);
    await setUpdating(ctx, stream, ({ kmsKey: _gone, ...row }) => row);
    return {};
  },
};

export const encryptionChecks: AuthorisationsOf<Kinesis> = {
  StartStreamEncryption: onStream,
  StopStreamEncryption: onStream,
};
