/** What the public halves of key pairs are for: giving them out, and agreeing on a secret with somebody else's. */
import { createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import type { KMS } from '@aws-sdk/client-kms';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { describeKey } from './describe.ts';
import { dryRun, unsupportedOperation, validationError } from './errors.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { checkUsable, requireKey, requireUsable } from './key-ids.ts';
import { privateKeyOf } from './material.ts';
import { limits } from './rules.ts';
import { publicKeyOf } from './signing.ts';

const publicKeyBytesMax = 8192;

function readPublicKey(bytes: Uint8Array | undefined): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(bytes ?? []), format: 'der', type: 'spki' });
  } catch {
    throw validationError('The public key is not a valid DER-encoded X.509 SubjectPublicKeyInfo.');
  }
}

export const publicKeyHandlers: HandlersOf<KMS> = {
  /** Throws UnsupportedOperationException for symmetric and HMAC keys. */
  async GetPublicKey(input, ctx) {
    new RequestCheck().length('keyId', input.KeyId, 1, limits.keyIdCharsMax).done();
    await checkGrantTokens(ctx, input.GrantTokens);
    const key = await requireKey(ctx, input.KeyId);
    if (/^(SYMMETRIC|HMAC)/.test(key.row.spec))
      throw unsupportedOperation(`${key.arn} key spec is ${key.row.spec} which is not valid for GetPublicKey.`);
    checkUsable(key);
    const shown = describeKey(key.scope, key.row, undefined);
    const { CustomerMasterKeySpec, KeySpec, KeyUsage, EncryptionAlgorithms, SigningAlgorithms, KeyAgreementAlgorithms } = shown;
    return {
      KeyId: key.arn,
      PublicKey: await publicKeyOf(ctx, key),
      CustomerMasterKeySpec,
      KeySpec,
      KeyUsage,
      EncryptionAlgorithms,
      SigningAlgorithms,
      KeyAgreementAlgorithms,
    };
  },

  /** Elliptic curve Diffie-Hellman (NIST SP 800-56A): the raw secret, for the caller to derive keys from. */
  async DeriveSharedSecret(input, ctx) {
    if (input.Recipient !== undefined) throw parameterNotImplemented('DeriveSharedSecret', 'Recipient');
    new RequestCheck()
      .length('keyId', input.KeyId, 1, limits.keyIdCharsMax)
      .oneOf('keyAgreementAlgorithm', input.KeyAgreementAlgorithm, ['ECDH'])
      .size('publicKey', input.PublicKey, 1, publicKeyBytesMax)
      .done();
    await checkGrantTokens(ctx, input.GrantTokens);
    const key = await requireUsable(ctx, input.KeyId);
    const publicKey = readPublicKey(input.PublicKey);
    const privateKey = await privateKeyOf(ctx, key.scope, key.row);
    if (publicKey.asymmetricKeyDetails?.namedCurve !== privateKey.asymmetricKeyDetails?.namedCurve)
      throw validationError('The public key is not on the same elliptic curve as the KMS key.');
    if (input.DryRun === true) throw dryRun();
    return {
      KeyId: key.arn,
      SharedSecret: diffieHellman({ privateKey, publicKey }),
      KeyAgreementAlgorithm: 'ECDH',
      KeyOrigin: key.row.origin,
    };
  },
};
