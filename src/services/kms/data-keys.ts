/** Data keys and random bytes: what services and programs encrypt their own data with. Source: AWS KMS API Reference, GenerateDataKey and its kin. */
import type { GenerateDataKeyPairRequest, GenerateDataKeyRequest, KMS, KeySpec } from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { encryptUnder } from './encryption.ts';
import { dryRun, invalidKeyUsage, validationError } from './errors.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { type FoundKey, requireUsable } from './key-ids.ts';
import { exportPair, newPair } from './material.ts';
import { enums, keySpecs, limits } from './rules.ts';
import { Materials } from './state.ts';

/** The symmetric key that wraps data keys. Throws InvalidKeyUsageException for RSA keys. */
async function requireWrappingKey(ctx: Context, keyId: string | undefined): Promise<FoundKey> {
  const key = await requireUsable(ctx, keyId);
  if (key.row.spec !== 'SYMMETRIC_DEFAULT')
    throw invalidKeyUsage(`${key.arn} key spec is ${key.row.spec} which is not valid for ${ctx.operation}.`);
  return key;
}

/** Bytes asked for, by name or by number; exactly one of the two. Throws ValidationException. */
function lengthOf(input: Pick<GenerateDataKeyRequest, 'KeySpec' | 'NumberOfBytes'>): number {
  const { KeySpec: spec, NumberOfBytes: bytes } = input;
  new RequestCheck().oneOf('keySpec', spec, enums.dataKeySpec).range('numberOfBytes', bytes, 1, limits.dataKeyBytesMax).done();
  if (spec !== undefined && bytes !== undefined)
    throw validationError('Please specify either number of bytes or key spec, but not both.');
  if (bytes !== undefined) return bytes;
  if (spec === undefined) throw validationError('Please specify either number of bytes or key spec.');
  return spec === 'AES_256' ? 32 : 16;
}

async function generateDataKey(ctx: Context, input: Omit<GenerateDataKeyRequest, 'Recipient'>) {
  new RequestCheck().length('keyId', input.KeyId, 1, limits.keyIdCharsMax).done();
  await checkGrantTokens(ctx, input.GrantTokens);
  const length = lengthOf(input);
  const key = await requireWrappingKey(ctx, input.KeyId);
  if (input.DryRun === true) throw dryRun();
  const plain = ctx.bytes(length);
  const ciphertext = await encryptUnder(ctx, key, plain, input.EncryptionContext);
  return { key, plain, answer: { CiphertextBlob: ciphertext, KeyId: key.arn, ...(await materialIdOf(ctx, key)) } };
}

async function materialIdOf(ctx: Context, { scope, row }: FoundKey): Promise<{ KeyMaterialId?: string }> {
  const material = await ctx.tableIn(scope, Materials).get(row.id, row.current);
  return material === undefined ? {} : { KeyMaterialId: material.id };
}

async function generatePair(ctx: Context, input: Omit<GenerateDataKeyPairRequest, 'Recipient'>) {
  const { KeyPairSpec: spec } = input;
  const pairSpecs = enums.keySpec.filter((one) => one !== 'SYMMETRIC_DEFAULT' && !/^(HMAC|ML_DSA)/.test(one));
  new RequestCheck().length('keyId', input.KeyId, 1, limits.keyIdCharsMax).oneOf('keyPairSpec', spec, pairSpecs).done();
  await checkGrantTokens(ctx, input.GrantTokens);
  const rules = keySpecs[spec as KeySpec];
  if (rules === undefined) throw parameterNotImplemented(ctx.operation, `KeyPairSpec ${spec}`);
  const key = await requireWrappingKey(ctx, input.KeyId);
  if (input.DryRun === true) throw dryRun();
  const made = await newPair(rules.material);
  if (made === undefined) throw new Error(`Key spec ${spec} has no key pair.`);
  const { secret, publicKey } = exportPair(made);
  const ciphertext = await encryptUnder(ctx, key, secret, input.EncryptionContext);
  return {
    secret,
    answer: {
      PrivateKeyCiphertextBlob: ciphertext,
      PublicKey: publicKey,
      KeyId: key.arn,
      KeyPairSpec: spec,
      ...(await materialIdOf(ctx, key)),
    },
  };
}

export const dataKeyHandlers: HandlersOf<KMS> = {
  async GenerateDataKey(input, ctx) {
    if (input.Recipient !== undefined) throw parameterNotImplemented('GenerateDataKey', 'Recipient');
    const { plain, answer } = await generateDataKey(ctx, input);
    return { ...answer, Plaintext: plain };
  },

  async GenerateDataKeyWithoutPlaintext(input, ctx) {
    return (await generateDataKey(ctx, input)).answer;
  },

  async GenerateDataKeyPair(input, ctx) {
    if (input.Recipient !== undefined) throw parameterNotImplemented('GenerateDataKeyPair', 'Recipient');
    const { secret, answer } = await generatePair(ctx, input);
    return { ...answer, PrivateKeyPlaintext: secret };
  },

  async GenerateDataKeyPairWithoutPlaintext(input, ctx) {
    return (await generatePair(ctx, input)).answer;
  },

  GenerateRandom(input, ctx) {
    if (input.CustomKeyStoreId !== undefined) throw parameterNotImplemented('GenerateRandom', 'CustomKeyStoreId');
    if (input.Recipient !== undefined) throw parameterNotImplemented('GenerateRandom', 'Recipient');
    new RequestCheck().range('numberOfBytes', input.NumberOfBytes, 1, limits.dataKeyBytesMax).done();
    if (input.NumberOfBytes === undefined) throw validationError('NumberOfBytes is required.');
    return { Plaintext: ctx.bytes(input.NumberOfBytes) };
  },
};
