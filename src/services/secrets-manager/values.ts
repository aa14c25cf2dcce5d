/**
 * Values under KMS: each version is encrypted under a data key of its own, bound to secret and version by the encryption context. Calls go with the
 * rights of whoever asks, so a caller without `kms:Decrypt` on the key reads nothing. Source: User Guide, "Secret encryption and decryption".
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Context, Scope } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { KmsApi } from '../kms/api.ts';
import { valueNotFound } from './errors.ts';
import type { SecretValue } from './rules.ts';
import { type ValueRow, Values } from './state.ts';

const nonceBytes = 12;
const tagBytes = 16;

/** What KMS refuses, in the words of Secrets Manager. */
function refusal(error: unknown, otherwise: 'EncryptionFailure' | 'DecryptionFailure'): unknown {
  if (!(error instanceof AwsError) || error.status >= 500) return error;
  if (error.code === 'AccessDeniedException') return new AwsError('AccessDeniedException', 'Access to KMS is not allowed');
  return new AwsError(otherwise, error.message === '' ? 'The KMS key could not be used.' : error.message, { cause: error });
}

async function dataKey(ctx: Context, keyId: string | undefined, context: Record<string, string>) {
  const kms = await ctx.internal<KmsApi>('kms');
  const KeyId = keyId ?? (await kms.managedKey(ctx, 'secretsmanager'));
  try {
    return await ctx.call('kms').generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext: context });
  } catch (error) {
    throw refusal(error, 'EncryptionFailure');
  }
}

const contextOf = (arn: string, version: string) => ({ SecretARN: arn, SecretVersionId: version });

/** Encrypts a value as version `version` of a secret. Throws EncryptionFailure, AccessDeniedException. */
export async function sealValue(
  ctx: Context,
  secret: { name: string; arn: string; kmsKeyId: string | undefined },
  version: string,
  { kind, bytes }: SecretValue,
): Promise<ValueRow> {
  const made = await dataKey(ctx, secret.kmsKeyId, contextOf(secret.arn, version));
  const nonce = ctx.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', made.Plaintext ?? new Uint8Array(), nonce);
  const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
  const sealed = Buffer.concat([nonce, cipher.getAuthTag(), body]);
  return { secret: secret.name, version, kind, key: made.CiphertextBlob ?? new Uint8Array(), kmsKey: made.KeyId ?? '', sealed };
}

/** The value of a version. Throws ResourceNotFoundException, DecryptionFailure, AccessDeniedException. */
export async function openValue(ctx: Context, scope: Scope, name: string, arn: string, version: string): Promise<SecretValue> {
  const row = await ctx.tableIn(scope, Values).get(name, version);
  if (row === undefined) throw valueNotFound(`VersionId: ${version}`);
  const key = await decryptKey(ctx, row, contextOf(arn, version));
  const decipher = createDecipheriv('aes-256-gcm', key, row.sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAuthTag(row.sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  const bytes = Buffer.concat([decipher.update(row.sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
  return { kind: row.kind, bytes };
}

async function decryptKey(ctx: Context, row: ValueRow, context: Record<string, string>): Promise<Uint8Array> {
  try {
    const { Plaintext } = await ctx
      .call('kms')
      .decrypt({ CiphertextBlob: row.key, KeyId: row.kmsKey, EncryptionContext: context });
    return Plaintext ?? new Uint8Array();
  } catch (error) {
    throw refusal(error, 'DecryptionFailure');
  }
}
