/** Encrypt, Decrypt and ReEncrypt, under symmetric and RSA keys. Plain text is at most 4096 bytes; larger data is encrypted under data keys. */
import { constants, createPublicKey, privateDecrypt, publicEncrypt } from 'node:crypto';
import type { EncryptionAlgorithmSpec, KMS } from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { type CiphertextHead, decrypt, type EncryptionContext, encrypt, readHead } from './ciphertext.ts';
import {
  dryRun,
  incompatibleAlgorithm,
  incorrectKey,
  invalidCiphertext,
  unknownCiphertextKey,
  validationError,
  wrongUsage,
} from './errors.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { checkUsable, type FoundKey, lookUp, requireKey, requireUsable } from './key-ids.ts';
import { currentMaterial, openMaterial, privateKeyOf } from './material.ts';
import { enums, limits, specRules } from './rules.ts';
import { Materials } from './state.ts';

const nonceBytes = 16;

/** Refuses an algorithm that the key's spec has not. Throws InvalidKeyUsageException. */
function checkAlgorithm({ row }: FoundKey, algorithm: EncryptionAlgorithmSpec): void {
  if (!specRules(row.spec).encryption.includes(algorithm)) throw incompatibleAlgorithm(algorithm, row.spec);
}

const paddingOf = (algorithm: EncryptionAlgorithmSpec) => ({
  padding: constants.RSA_PKCS1_OAEP_PADDING,
  oaepHash: algorithm === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256',
});

/** Encrypts under the key's material in force. The key must be usable. */
export async function encryptUnder(
  ctx: Context,
  { scope, row }: FoundKey,
  plain: Uint8Array,
  context: EncryptionContext = {},
): Promise<Buffer> {
  const head = { account: scope.account, keyId: row.id, material: row.current };
  return encrypt(await currentMaterial(ctx, scope, row), ctx.bytes(nonceBytes), head, plain, context);
}

async function encryptByRsa(ctx: Context, { scope, row }: FoundKey, plain: Uint8Array, algorithm: EncryptionAlgorithmSpec) {
  const material = await ctx.tableIn(scope, Materials).get(row.id, row.current);
  const key = createPublicKey({ key: Buffer.from(material?.publicKey ?? []), format: 'der', type: 'spki' });
  const hashBytes = algorithm === 'RSAES_OAEP_SHA_1' ? 20 : 32;
  const most = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8 - 2 * hashBytes - 2;
  if (plain.length > most)
    throw validationError(`Algorithm ${algorithm} and key spec ${row.spec} cannot encrypt data larger than ${most} bytes.`);
  return publicEncrypt({ key, ...paddingOf(algorithm) }, plain);
}

/** The key of a ciphertext, and the key named with it, which must be the same one. */
async function keyOfCiphertext(ctx: Context, head: CiphertextHead, keyId: string | undefined): Promise<FoundKey> {
  if (keyId !== undefined) {
    const named = await requireKey(ctx, keyId);
    if (named.row.id !== head.keyId || named.scope.account !== head.account) throw incorrectKey();
    return named;
  }
  const scope = { account: head.account, region: ctx.region };
  const found = await lookUp(ctx, { scope, id: head.keyId });
  if (found === undefined) throw unknownCiphertextKey();
  return found;
}

/** What one decryption needs, as Decrypt and the first half of ReEncrypt are asked for it. */
export interface Encrypted {
  ciphertext: Uint8Array | undefined;
  keyId: string | undefined;
  context: EncryptionContext | undefined;
  algorithm: EncryptionAlgorithmSpec | undefined;
}

export interface Decrypted {
  key: FoundKey;
  plain: Buffer;
  algorithm: EncryptionAlgorithmSpec;
  /** KeyMaterialId; symmetric keys only. */
  materialId?: string | undefined;
}

/** The key that a ciphertext is to be decrypted with. Throws InvalidCiphertextException, IncorrectKeyException, AccessDeniedException. */
export async function findDecryptingKey(ctx: Context, { ciphertext, keyId, algorithm }: Encrypted): Promise<FoundKey> {
  if (algorithm !== undefined && algorithm !== 'SYMMETRIC_DEFAULT') {
    if (keyId === undefined)
      throw validationError('A KeyId is required when the ciphertext was encrypted under an asymmetric KMS key.');
    return requireKey(ctx, keyId);
  }
  const head = readHead(ciphertext ?? new Uint8Array());
  if (head === undefined) throw invalidCiphertext();
  return keyOfCiphertext(ctx, head, keyId);
}

async function decryptWith(ctx: Context, input: Encrypted, action: 'Decrypt' | 'ReEncrypt'): Promise<Decrypted> {
  const key = await findDecryptingKey(ctx, input);
  const { scope, row, arn } = key;
  const { ciphertext = new Uint8Array(), algorithm = 'SYMMETRIC_DEFAULT', context = {} } = input;
  checkUsable(key);
  if (row.usage !== 'ENCRYPT_DECRYPT') throw wrongUsage(arn, row.usage, action);
  checkAlgorithm(key, algorithm);
  if (algorithm !== 'SYMMETRIC_DEFAULT') {
    const privateKey = await privateKeyOf(ctx, scope, row);
    try {
      return { key, plain: privateDecrypt({ key: privateKey, ...paddingOf(algorithm) }, ciphertext), algorithm };
    } catch {
      throw invalidCiphertext();
    }
  }
  const number = readHead(ciphertext)?.material ?? 0;
  const secret = await openMaterial(ctx, scope, row, number);
  const plain = secret === undefined ? undefined : decrypt(secret, ciphertext, context);
  if (plain === undefined) throw invalidCiphertext();
  return { key, plain, algorithm, materialId: (await ctx.tableIn(scope, Materials).get(row.id, number))?.id };
}

/** Encrypts with the algorithm asked for, whatever the key. Throws ValidationException, InvalidKeyUsageException. */
async function encryptWith(
  ctx: Context,
  key: FoundKey,
  plain: Uint8Array,
  { context, algorithm = 'SYMMETRIC_DEFAULT' }: Pick<Encrypted, 'context' | 'algorithm'>,
): Promise<Buffer> {
  checkAlgorithm(key, algorithm);
  if (algorithm === 'SYMMETRIC_DEFAULT') return encryptUnder(ctx, key, plain, context);
  if (context !== undefined && Object.keys(context).length > 0)
    throw validationError('You cannot specify an encryption context when encrypting under an asymmetric KMS key.');
  return encryptByRsa(ctx, key, plain, algorithm);
}

export const encryptionHandlers: HandlersOf<KMS> = {
  /** Throws NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException, DryRunOperationException. */
  async Encrypt(input, ctx) {
    const { Plaintext: plain = new Uint8Array(), EncryptionContext: context, EncryptionAlgorithm: algorithm } = input;
    new RequestCheck()
      .length('keyId', input.KeyId, 1, limits.keyIdCharsMax)
      .size('plaintext', plain, 1, limits.plaintextBytesMax)
      .oneOf('encryptionAlgorithm', algorithm, enums.encryptionAlgorithm)
      .done();
    await checkGrantTokens(ctx, input.GrantTokens);
    const key = await requireUsable(ctx, input.KeyId);
    const ciphertext = await encryptWith(ctx, key, plain, { context, algorithm });
    if (input.DryRun === true) throw dryRun();
    return { CiphertextBlob: ciphertext, KeyId: key.arn, EncryptionAlgorithm: algorithm ?? 'SYMMETRIC_DEFAULT' };
  },

  /** Throws what Encrypt throws, and InvalidCiphertextException, IncorrectKeyException. */
  async Decrypt(input, ctx) {
    if (input.Recipient !== undefined) throw parameterNotImplemented('Decrypt', 'Recipient');
    if (input.DryRunModifiers !== undefined) throw parameterNotImplemented('Decrypt', 'DryRunModifiers');
    checkCiphertext('ciphertextBlob', input.CiphertextBlob, 'encryptionAlgorithm', input.EncryptionAlgorithm);
    await checkGrantTokens(ctx, input.GrantTokens);
    const { CiphertextBlob: ciphertext, KeyId: keyId, EncryptionContext: context, EncryptionAlgorithm } = input;
    const found = await decryptWith(ctx, { ciphertext, keyId, context, algorithm: EncryptionAlgorithm }, 'Decrypt');
    if (input.DryRun === true) throw dryRun();
    const { key, plain, algorithm, materialId } = found;
    return {
      KeyId: key.arn,
      Plaintext: plain,
      EncryptionAlgorithm: algorithm,
      ...(materialId === undefined ? {} : { KeyMaterialId: materialId }),
    };
  },

  /** Decrypts and encrypts anew inside KMS: the plain text never leaves. */
  async ReEncrypt(input, ctx) {
    if (input.DryRunModifiers !== undefined) throw parameterNotImplemented('ReEncrypt', 'DryRunModifiers');
    checkCiphertext('ciphertextBlob', input.CiphertextBlob, 'sourceEncryptionAlgorithm', input.SourceEncryptionAlgorithm);
    await checkGrantTokens(ctx, input.GrantTokens);
    const source = await decryptWith(
      ctx,
      {
        ciphertext: input.CiphertextBlob,
        keyId: input.SourceKeyId,
        context: input.SourceEncryptionContext,
        algorithm: input.SourceEncryptionAlgorithm,
      },
      'ReEncrypt',
    );
    const key = await requireUsable(ctx, input.DestinationKeyId);
    const algorithm = input.DestinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT';
    const ciphertext = await encryptWith(ctx, key, source.plain, { context: input.DestinationEncryptionContext, algorithm });
    if (input.DryRun === true) throw dryRun();
    const destination =
      algorithm === 'SYMMETRIC_DEFAULT' ? await ctx.tableIn(key.scope, Materials).get(key.row.id, key.row.current) : undefined;
    return {
      CiphertextBlob: ciphertext,
      SourceKeyId: source.key.arn,
      KeyId: key.arn,
      SourceEncryptionAlgorithm: source.algorithm,
      DestinationEncryptionAlgorithm: algorithm,
      ...(source.materialId === undefined ? {} : { SourceKeyMaterialId: source.materialId }),
      ...(destination === undefined ? {} : { DestinationKeyMaterialId: destination.id }),
    };
  },
};

function checkCiphertext(
  member: string,
  ciphertext: Uint8Array | undefined,
  algorithmMember: string,
  algorithm: string | undefined,
): void {
  new RequestCheck()
    .size(member, ciphertext, 1, limits.ciphertextBytesMax)
    .oneOf(algorithmMember, algorithm, enums.encryptionAlgorithm)
    .done();
}
