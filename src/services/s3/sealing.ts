/**
 * Server-side encryption: which key seals an object's bytes, and how that key is kept. Every object has a data key of its own. It is kept wrapped: by
 * the cloud's key (SSE-S3), by KMS (SSE-KMS, DSSE-KMS), or by the key that the customer sends with each request and S3 forgets (SSE-C).
 * S3 User Guide, "Protecting data with server-side encryption", "Using server-side encryption with customer-provided keys".
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { KmsApi } from '../kms/api.ts';
import { accessDenied, invalidArgument, invalidRequest, s3Error } from './errors.ts';
import type { BucketRow, Seal } from './state.ts';

/** A seal with its open data key. */
export interface Sealing {
  seal: Seal;
  key: Uint8Array;
}

/** Members of requests that write. */
export interface EncryptionAsk {
  ServerSideEncryption?: string | undefined;
  SSEKMSKeyId?: string | undefined;
  SSEKMSEncryptionContext?: string | undefined;
  BucketKeyEnabled?: boolean | undefined;
  SSECustomerAlgorithm?: string | undefined;
  SSECustomerKey?: string | undefined;
  SSECustomerKeyMD5?: string | undefined;
}

/** The key of SSE-C as requests carry it. */
export type CustomerKeyAsk = Pick<EncryptionAsk, 'SSECustomerAlgorithm' | 'SSECustomerKey' | 'SSECustomerKeyMD5'>;

export interface CustomerKey {
  key: Uint8Array;
  md5: string;
}

/** Checks the headers of SSE-C; undefined when none is there. Throws InvalidArgument, InvalidEncryptionAlgorithmError. */
function readCustomerKey(ask: CustomerKeyAsk): CustomerKey | undefined {
  const { SSECustomerAlgorithm: algorithm, SSECustomerKey: key64, SSECustomerKeyMD5: md5 } = ask;
  if (algorithm === undefined && key64 === undefined && md5 === undefined) return undefined;
  const start = 'Requests specifying Server Side Encryption with Customer provided keys must provide';
  if (algorithm === undefined) throw invalidArgument(`${start} a valid encryption algorithm.`);
  if (algorithm !== 'AES256') {
    const text = 'The encryption request you specified is not valid. Supported value: AES256.';
    throw s3Error('InvalidEncryptionAlgorithmError', text, 400);
  }
  if (key64 === undefined) throw invalidArgument(`${start} an appropriate secret key.`);
  const key = Buffer.from(key64, 'base64');
  if (key.length !== 32) throw invalidArgument('The secret key was invalid for the specified algorithm.');
  if (md5 === undefined) throw invalidArgument(`${start} the client calculated MD5 of the secret key.`);
  if (createHash('md5').update(key).digest('base64') !== md5) {
    throw invalidArgument('The calculated MD5 hash of the key did not match the hash that was provided.');
  }
  return { key, md5 };
}

/**
 * Makes the data key of a new object: as the request asks, else as the bucket's default has it. Throws InvalidArgument, AccessDenied (SSE-C
 * blocked), and KMS's errors under S3's names.
 */
export async function newSealing(ctx: Context, bucket: BucketRow, key: string, ask: EncryptionAsk): Promise<Sealing> {
  const customer = readCustomerKey(ask);
  const asked = ask.ServerSideEncryption;
  if (customer !== undefined) {
    if (asked !== undefined)
      throw invalidArgument(
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
        'x-amz-server-side-encryption',
        asked,
      );
    if (bucket.encryption.blocksCustomerKeys)
      throw accessDenied('Access Denied. Server-side encryption with customer-provided keys (SSE-C) is blocked for this bucket.');
    const dataKey = ctx.bytes(32);
    const wrapped = wrap(customer.key, dataKey, ctx.bytes(12));
    return { key: dataKey, seal: { kind: 'customer', wrapped, customerKeyMd5: customer.md5 } };
  }
  if (asked !== undefined && asked !== 'AES256' && asked !== 'aws:kms' && asked !== 'aws:kms:dsse') {
    throw invalidArgument('The encryption method specified is not supported', 'x-amz-server-side-encryption', asked);
  }
  if (asked === undefined && ask.SSEKMSKeyId !== undefined)
    throw withoutKms('x-amz-server-side-encryption-aws-kms-key-id', ask.SSEKMSKeyId);
  if (asked === 'AES256' && ask.SSEKMSKeyId !== undefined) throw withoutKms('x-amz-server-side-encryption', asked);
  const algorithm = asked ?? bucket.encryption.algorithm;
  if (algorithm === 'AES256') return sealByCloud(ctx);
  const kmsKeyId =
    ask.SSEKMSKeyId ?? (asked === undefined || asked === bucket.encryption.algorithm ? bucket.encryption.kmsKeyId : undefined);
  return sealByKms(ctx, bucket, key, { ...ask, kind: algorithm, kmsKeyId });
}

function withoutKms(name: string, value: string): AwsError {
  return invalidArgument(
    'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
    name,
    value,
  );
}

/** "Requests … with AWS KMS … must be made … using Signature Version 4" (Specifying server-side encryption with AWS KMS). */
function refuseLegacy(ctx: Context): void {
  if (ctx.caller.forAnyRegion !== true) return;
  throw s3Error(
    'InvalidArgument',
    'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
    400,
    { ArgumentName: 'Authorization', ArgumentValue: 'null' },
  );
}

function sealByCloud(ctx: Context): Sealing {
  const key = Uint8Array.from(ctx.bytes(32));
  return { key, seal: { kind: 'AES256', wrapped: ctx.part('vault').seal(key, vaultLabel) } };
}

/** Data keys that were opened, by their wrapped form as the store shares it: gone with the row. */
const openedCache = new WeakMap<Uint8Array, Uint8Array>();

function openByCloud(ctx: Context, wrapped: Uint8Array): Uint8Array {
  const known = openedCache.get(wrapped);
  if (known !== undefined) return known;
  const key = ctx.part('vault').open(wrapped, vaultLabel);
  openedCache.set(wrapped, key);
  return key;
}

/** What the cloud's vault knows data keys of objects by. */
const vaultLabel = 's3 data key';

interface KmsAsk extends EncryptionAsk {
  kind: 'aws:kms' | 'aws:kms:dsse';
  kmsKeyId: string | undefined;
}

async function sealByKms(ctx: Context, bucket: BucketRow, key: string, ask: KmsAsk): Promise<Sealing> {
  refuseLegacy(ctx);
  const here = ctx.inScope({ region: bucket.region });
  const keyId = ask.kmsKeyId ?? (await managedKey(here, bucket));
  const bucketKey = ask.kind === 'aws:kms' && (ask.BucketKeyEnabled ?? bucket.encryption.bucketKey);
  const context = encryptionContext(bucket.name, key, bucketKey, ask.SSEKMSEncryptionContext);
  const made = await kmsCall(() =>
    here.call('kms').generateDataKey({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: context }),
  );
  if (made.Plaintext === undefined || made.CiphertextBlob === undefined) throw new Error('KMS made no data key.');
  const seal: Seal = {
    kind: ask.kind,
    wrapped: made.CiphertextBlob,
    kmsKeyArn: made.KeyId,
    bucketKey,
    context: JSON.stringify(context),
  };
  return { key: made.Plaintext, seal };
}

async function managedKey(ctx: Context, bucket: BucketRow): Promise<string> {
  const kms = await ctx.internal<KmsApi>('kms');
  return kms.managedKey({ account: ctx.account === '' ? bucket.account : ctx.account, region: bucket.region }, 's3');
}

/** What KMS binds the data key to: the object's ARN (the bucket's under a bucket key), and what the caller gave. */
function encryptionContext(bucket: string, key: string, bucketKey: boolean, given: string | undefined): Record<string, string> {
  const context: Record<string, string> = {
    'aws:s3:arn': bucketKey ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`,
  };
  if (given === undefined) return context;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(given, 'base64').toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new TypeError('no object');
    for (const [name, value] of Object.entries(parsed)) {
      if (typeof value !== 'string') throw new TypeError('no text');
      context[name] = value;
    }
  } catch {
    throw invalidArgument(
      "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map",
      'x-amz-server-side-encryption-context',
      given,
    );
  }
  return context;
}

/**
 * The data key of a stored object. Throws InvalidRequest when the customer's key is missing or not asked for, AccessDenied when it is another, and
 * KMS's errors (a disabled key, no right to decrypt).
 */
export async function openSeal(ctx: Context, region: string, seal: Seal, ask: CustomerKeyAsk): Promise<Uint8Array> {
  const customer = checkCustomerKey(seal, ask);
  if (customer !== undefined) return unwrap(customer.key, seal.wrapped) ?? failUnwrap();
  if (seal.kind === 'AES256') return openByCloud(ctx, seal.wrapped);
  refuseLegacy(ctx);
  const context = JSON.parse(seal.context ?? '{}') as Record<string, string>;
  const opened = await kmsCall(() =>
    ctx
      .inScope({ region })
      .call('kms')
      .decrypt({ CiphertextBlob: seal.wrapped, EncryptionContext: context, KeyId: seal.kmsKeyArn }),
  );
  if (opened.Plaintext === undefined) throw new Error('KMS gave no data key.');
  return opened.Plaintext;
}

function failUnwrap(): never {
  throw new Error('A data key cannot be unwrapped; the row or the cloud’s key is damaged.');
}

/** Compares the customer's key of a request with what the object needs, without opening anything: HeadObject and parts need no more. */
export function checkCustomerKey(seal: Seal | undefined, ask: CustomerKeyAsk): CustomerKey | undefined {
  const customer = readCustomerKey(ask);
  if (seal?.kind !== 'customer') {
    if (customer !== undefined) throw invalidRequest('The encryption parameters are not applicable to this object.');
    return undefined;
  }
  if (customer === undefined) {
    const text =
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.';
    throw invalidRequest(text);
  }
  if (customer.md5 !== seal.customerKeyMd5) throw accessDenied();
  return customer;
}

/** Members of answers that tell how an object is sealed. */
export function describeSeal(seal: Seal | undefined): Record<string, string | boolean | undefined> {
  if (seal === undefined) return {};
  if (seal.kind === 'customer') return { SSECustomerAlgorithm: 'AES256', SSECustomerKeyMD5: seal.customerKeyMd5 };
  if (seal.kind === 'AES256') return { ServerSideEncryption: 'AES256' };
  return {
    ServerSideEncryption: seal.kind,
    SSEKMSKeyId: seal.kmsKeyArn,
    ...(seal.bucketKey === true ? { BucketKeyEnabled: true } : {}),
  };
}

/** KMS's refusals as S3 repeats them: `KMS.DisabledException` and the like with 400, denials with 403. */
async function kmsCall<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'NotImplemented' || error.status >= 500) throw error;
    if (error.code.startsWith('AccessDenied')) throw new AwsError('AccessDenied', error.message, { status: 403, cause: error });
    throw new AwsError(`KMS.${error.code}`, error.message, { status: 400, cause: error });
  }
}

/** AES-256-GCM: 12 bytes of nonce, the sealed key, 16 bytes of tag. */
function wrap(by: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', by, nonce);
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when this is not the key that wrapped it. */
function unwrap(by: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv('aes-256-gcm', by, wrapped.subarray(0, 12));
  decipher.setAuthTag(wrapped.subarray(-16));
  try {
    return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
  } catch {
    return undefined;
  }
}
