/**
 * Data of records on its way into and out of rows: server-side encryption ("Data protection in Amazon Kinesis Data Streams"). A data key that KMS
 * makes with the producer's rights encrypts by AES-256-GCM and is used again for five minutes; consumers need the right to open it. Records put
 * before encryption was switched on stay as they were.
 */
import type { Kinesis } from '@aws-sdk/client-kinesis';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { type DataKey, decryptBytes, encryptBytes, keepDataKey } from '../../kernel/data-keys.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import type { KmsApi } from '../kms/api.ts';
import { invalidArgument, kmsError } from './errors.ts';
import { onStream, requireActive, streamArn } from './lookup.ts';
import { setUpdating } from './settling.ts';
import type { RecordRow, StreamRow } from './state.ts';

const reuseMillis: Millis = 300_000;

/** A data key in use, or one that `make` asks KMS for; what KMS refuses is refused in Kinesis' words. */
function kept(ctx: Context, name: string, make: () => Promise<DataKey>): Promise<DataKey> {
  return keepDataKey(ctx, name, reuseMillis, make).catch((error: unknown) => {
    throw error instanceof AwsError ? kmsError(error) : error;
  });
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
  return data.map((one) => ({ data: encryptBytes(ctx, key.plain, one), dataKey: key.wrapped }));
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
  return decryptBytes(plain, data);
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
