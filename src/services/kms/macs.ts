/** Message authentication codes under HMAC keys. Source: AWS KMS API Reference, GenerateMac and VerifyMac. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KMS, MacAlgorithmSpec } from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { dryRun, incompatibleAlgorithm } from './errors.ts';
import { checkGrantTokens } from './grant-tokens.ts';
import { type FoundKey, requireUsable } from './key-ids.ts';
import { currentMaterial } from './material.ts';
import { limits, specRules } from './rules.ts';

const algorithms = ['HMAC_SHA_384', 'HMAC_SHA_256', 'HMAC_SHA_224', 'HMAC_SHA_512'];

interface MacInput {
  KeyId?: string | undefined;
  Message?: Uint8Array | undefined;
  MacAlgorithm?: MacAlgorithmSpec | undefined;
  GrantTokens?: string[] | undefined;
}

async function macOf(ctx: Context, input: MacInput, given?: Uint8Array): Promise<{ key: FoundKey; mac: Buffer }> {
  const { Message: message = new Uint8Array(), MacAlgorithm: algorithm } = input;
  new RequestCheck()
    .length('keyId', input.KeyId, 1, limits.keyIdCharsMax)
    .size('message', message, 1, limits.plaintextBytesMax)
    .size('mac', given, 1, limits.ciphertextBytesMax)
    .oneOf('macAlgorithm', algorithm, algorithms)
    .done();
  await checkGrantTokens(ctx, input.GrantTokens);
  const key = await requireUsable(ctx, input.KeyId);
  const { row, scope } = key;
  if (algorithm === undefined || !specRules(row.spec).mac.includes(algorithm))
    throw incompatibleAlgorithm(algorithm ?? '', row.spec);
  const secret = await currentMaterial(ctx, scope, row);
  return {
    key,
    mac: createHmac(`sha${algorithm.slice(-3)}`, secret)
      .update(message)
      .digest(),
  };
}

export const macHandlers: HandlersOf<KMS> = {
  async GenerateMac(input, ctx) {
    const { key, mac } = await macOf(ctx, input);
    if (input.DryRun === true) throw dryRun();
    return { KeyId: key.arn, Mac: mac, MacAlgorithm: input.MacAlgorithm };
  },

  /** Throws KMSInvalidMacException, without a message, when the code is another. */
  async VerifyMac(input, ctx) {
    const { key, mac } = await macOf(ctx, input, input.Mac);
    const given = input.Mac ?? new Uint8Array();
    if (given.length !== mac.length || !timingSafeEqual(given, mac)) throw new AwsError('KMSInvalidMacException', '');
    if (input.DryRun === true) throw dryRun();
    return { KeyId: key.arn, MacValid: true, MacAlgorithm: input.MacAlgorithm };
  },
};
