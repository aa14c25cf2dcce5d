/**
 * Signatures: RSA (PKCS #1 v1.5 and PSS), ECDSA on four curves, Ed25519; over a message or over a digest that the caller computed. Source: AWS KMS API
 * Reference, Sign and Verify. Node signs messages only; digests take rsa-digest.ts, and @noble/curves for ECDSA.
 */
import { constants, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import type { KMS, MessageType, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { dryRun, incompatibleAlgorithm, validationError } from './errors.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { type FoundKey, requireUsable } from './key-ids.ts';
import { privateKeyOf } from './material.ts';
import { type HashName, signPkcs1, signPss, verifyPkcs1, verifyPss } from './rsa-digest.ts';
import { limits, signingAlgorithms, specRules } from './rules.ts';
import { Materials } from './state.ts';

const digestBytes: Record<HashName, number> = { sha256: 32, sha384: 48, sha512: 64 };
const signatureBytesMax = 6144;

const curves = {
  ECC_NIST_P256: p256,
  ECC_NIST_P384: p384,
  ECC_NIST_P521: p521,
  ECC_SECG_P256K1: secp256k1,
} as const;

/** How a noble curve is told to take a digest as it is and speak DER, as KMS does. */
const digestOptions = { prehash: false, lowS: false, format: 'der' } as const;

function hashOf(algorithm: SigningAlgorithmSpec): HashName {
  return `sha${algorithm.slice(-3)}` as HashName;
}

/** What one request wants signed or verified. */
interface Work {
  key: FoundKey;
  algorithm: SigningAlgorithmSpec;
  message: Uint8Array;
  digest: boolean;
}

function curveOf({ key }: Work) {
  const curve = curves[key.row.spec as keyof typeof curves];
  if (curve === undefined) throw new Error(`Key spec ${key.row.spec} has no curve.`);
  return curve;
}

/** Settings under which Node signs a message by an algorithm. */
function nodeKey(key: KeyObject, algorithm: SigningAlgorithmSpec) {
  if (!algorithm.startsWith('RSASSA_PSS')) return { key, dsaEncoding: 'der' } as const;
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

/** Octets of a private EC key, as its curve counts them. */
function scalarOf(key: KeyObject): Uint8Array {
  return Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
}

function pointOf(key: KeyObject): Uint8Array {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
}

function signature(ctx: Context, work: Work, key: KeyObject): Uint8Array {
  const { algorithm, message, digest } = work;
  if (algorithm.startsWith('ED25519')) return sign(null, message, key);
  const hash = hashOf(algorithm);
  if (!digest) return sign(hash, message, nodeKey(key, algorithm));
  if (algorithm.startsWith('RSASSA_PKCS1')) return signPkcs1(key, hash, message);
  if (algorithm.startsWith('RSASSA_PSS')) return signPss(key, hash, message, ctx.bytes(digestBytes[hash]));
  return curveOf(work).sign(message, scalarOf(key), digestOptions);
}

function isSignature(work: Work, key: KeyObject, given: Uint8Array): boolean {
  const { algorithm, message, digest } = work;
  if (algorithm.startsWith('ED25519')) return verify(null, message, key, given);
  const hash = hashOf(algorithm);
  if (!digest) return verify(hash, message, nodeKey(key, algorithm), given);
  if (algorithm.startsWith('RSASSA_PKCS1')) return verifyPkcs1(key, hash, message, given);
  if (algorithm.startsWith('RSASSA_PSS')) return verifyPss(key, hash, message, given);
  try {
    return curveOf(work).verify(given, message, pointOf(key), digestOptions);
  } catch {
    return false;
  }
}

interface SignInput {
  KeyId?: string | undefined;
  Message?: Uint8Array | undefined;
  MessageType?: MessageType | undefined;
  SigningAlgorithm?: SigningAlgorithmSpec | undefined;
  GrantTokens?: string[] | undefined;
}

/** Checks a request and finds its key. Throws ValidationException, InvalidKeyUsageException and what finding a key throws. */
async function prepare(ctx: Context, input: SignInput, given?: Uint8Array): Promise<Work> {
  const { Message: message = new Uint8Array(), MessageType: type = 'RAW', SigningAlgorithm: algorithm } = input;
  new RequestCheck()
    .length('keyId', input.KeyId, 1, limits.keyIdCharsMax)
    .size('message', message, 1, limits.plaintextBytesMax)
    .oneOf('messageType', type, ['RAW', 'DIGEST', 'EXTERNAL_MU'])
    .size('signature', given, 1, signatureBytesMax)
    .oneOf('signingAlgorithm', algorithm, signingAlgorithms)
    .done();
  await checkGrantTokens(ctx, input.GrantTokens);
  const key = await requireUsable(ctx, input.KeyId);
  if (algorithm === undefined || !specRules(key.row.spec).signing.includes(algorithm))
    throw incompatibleAlgorithm(algorithm ?? '', key.row.spec);
  if (algorithm === 'ED25519_PH_SHA_512') throw parameterNotImplemented(ctx.operation, 'SigningAlgorithm ED25519_PH_SHA_512');
  const digest = type === 'DIGEST';
  if (type === 'EXTERNAL_MU' || (digest && algorithm === 'ED25519_SHA_512'))
    throw validationError(`MessageType ${type} is not valid for signing algorithm ${algorithm}.`);
  if (digest && message.length !== digestBytes[hashOf(algorithm)])
    throw validationError(`Digest is invalid length for algorithm ${algorithm}.`);
  return { key, algorithm, message, digest };
}

/** The public half of a key pair. */
export async function publicKeyOf(ctx: Context, { scope, row }: FoundKey): Promise<Uint8Array> {
  const material = await ctx.tableIn(scope, Materials).get(row.id, row.current);
  if (material?.publicKey === undefined) throw new Error(`Key ${row.id} has no public key.`);
  return material.publicKey;
}

export const signingHandlers: HandlersOf<KMS> = {
  async Sign(input, ctx) {
    const work = await prepare(ctx, input);
    if (input.DryRun === true) throw dryRun();
    const made = signature(ctx, work, await privateKeyOf(ctx, work.key.scope, work.key.row));
    return { KeyId: work.key.arn, Signature: made, SigningAlgorithm: work.algorithm };
  },

  /** Throws KMSInvalidSignatureException, without a message, when the signature is not the key's over this message. */
  async Verify(input, ctx) {
    const work = await prepare(ctx, input, input.Signature);
    const key = createPublicKey({ key: Buffer.from(await publicKeyOf(ctx, work.key)), format: 'der', type: 'spki' });
    if (!isSignature(work, key, input.Signature ?? new Uint8Array())) throw new AwsError('KMSInvalidSignatureException', '');
    if (input.DryRun === true) throw dryRun();
    return { KeyId: work.key.arn, SignatureValid: true, SigningAlgorithm: work.algorithm };
  },
};
