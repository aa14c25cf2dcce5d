/**
 * Secure values: standard parameters are encrypted by KMS itself, advanced ones under a data key, both bound to the parameter's ARN by the encryption
 * context `PARAMETER_ARN`, both with the caller's rights. Source: Systems Manager User Guide, "AWS KMS encryption for SecureString parameters".
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { KmsApi } from '../../kms/api.ts';
import { invalidKeyId } from './errors.ts';
import type { StoredValue, Tier } from './state.ts';

const nonceBytes = 12;
const tagBytes = 16;
/** Largest plain text of KMS, in bytes: characters of a standard parameter may be longer than one. */
const kmsBytesMax = 4096;
export const defaultKeyId = 'alias/aws/ssm';

/** What KMS refuses, as Parameter Store reports it. */
async function asked<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const passes = !(error instanceof AwsError) || error.status >= 500 || error.code === 'AccessDeniedException';
    if (passes) throw error;
    throw invalidKeyId(`${error.message} (Service: AWSKMS; Error Code: ${error.code})`);
  }
}

/** Encrypts a value. Throws InvalidKeyId, AccessDeniedException. */
export async function sealValue(ctx: Context, arn: string, keyId: string, tier: Tier, text: string): Promise<StoredValue> {
  if (keyId === defaultKeyId) await (await ctx.internal<KmsApi>('kms')).managedKey(ctx, 'ssm');
  const EncryptionContext = { PARAMETER_ARN: arn };
  const plain = Buffer.from(text);
  if (tier === 'Standard' && plain.length <= kmsBytesMax) {
    const { CiphertextBlob } = await asked(ctx.call('kms').encrypt({ KeyId: keyId, Plaintext: plain, EncryptionContext }));
    return { ciphertext: CiphertextBlob ?? new Uint8Array() };
  }
  const made = await asked(ctx.call('kms').generateDataKey({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext }));
  const nonce = ctx.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', made.Plaintext ?? new Uint8Array(), nonce);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { key: made.CiphertextBlob ?? new Uint8Array(), sealed: Buffer.concat([nonce, cipher.getAuthTag(), body]) };
}

/** The value as a caller gets it: decrypted, or for those who do not ask for that, its ciphertext. Throws InvalidKeyId, AccessDeniedException. */
export async function openValue(ctx: Context, arn: string, value: StoredValue, decrypt: boolean | undefined): Promise<string> {
  if ('plain' in value) return value.plain;
  if (decrypt !== true) return Buffer.from('ciphertext' in value ? value.ciphertext : value.sealed).toString('base64');
  const CiphertextBlob = 'ciphertext' in value ? value.ciphertext : value.key;
  const opened = await asked(ctx.call('kms').decrypt({ CiphertextBlob, EncryptionContext: { PARAMETER_ARN: arn } }));
  const plain = opened.Plaintext ?? new Uint8Array();
  if ('ciphertext' in value) return Buffer.from(plain).toString();
  const decipher = createDecipheriv('aes-256-gcm', plain, value.sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAuthTag(value.sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  return Buffer.concat([decipher.update(value.sealed.subarray(nonceBytes + tagBytes)), decipher.final()]).toString();
}
