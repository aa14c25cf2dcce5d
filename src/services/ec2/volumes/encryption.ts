/**
 * Encryption of volumes and snapshots: which key, and its data key ("How Amazon EBS encryption works"). KMS is called with the caller's rights; what the planes need of it is
 * kept sealed by the cloud's vault only while they need it, as the real hosts keep it in memory while a volume is attached.
 */
import type { EC2 } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { KmsApi } from '../../kms/api.ts';
import { invalidParameterCombination } from '../errors.ts';
import { EbsSettings, type EbsSettingsRow, type Encryption } from './state.ts';

const noSettings: EbsSettingsRow = { id: 'ebs', encryptByDefault: false };

async function settingsOf(ctx: Context): Promise<EbsSettingsRow> {
  return (await ctx.table(EbsSettings).get('ebs')) ?? noSettings;
}

/** ARN of the key that the account's volumes are encrypted with unless another is named. */
async function defaultKeyArn(ctx: Context): Promise<string> {
  const kms = await ctx.internal<KmsApi>('kms');
  const { defaultKey } = await settingsOf(ctx);
  return defaultKey ?? kms.managedKey(ctx, 'ebs');
}

export interface EncryptionAsk {
  encrypted?: boolean | undefined;
  keyId?: string | undefined;
  /** What the bytes come from. */
  origin?: { encryption?: Encryption | undefined } | undefined;
}

/**
 * The encryption of something new: asked for, or by the account's default, or because its origin is encrypted; undefined when it is not. What comes from an encrypted
 * origin under the same key shares its data key. Throws InvalidParameterDependency, InvalidParameterCombination, KMSKeyNotAccessibleFault.
 */
export async function planEncryption(ctx: Context, { encrypted, keyId, origin }: EncryptionAsk): Promise<Encryption | undefined> {
  if (keyId !== undefined && encrypted === false)
    throw new AwsError('InvalidParameterDependency', 'The parameter KmsKeyId requires the parameter Encrypted to be set.');
  const from = origin?.encryption;
  if (keyId !== undefined && encrypted === undefined && from === undefined && !(await settingsOf(ctx)).encryptByDefault) {
    throw new AwsError('InvalidParameterDependency', 'The parameter KmsKeyId requires the parameter Encrypted to be set.');
  }
  if (encrypted === false && from !== undefined)
    throw invalidParameterCombination(
      'Encrypted snapshots can only be used to create encrypted volumes; the parameter Encrypted cannot be false.',
    );
  if (encrypted !== true && from === undefined && !(await settingsOf(ctx)).encryptByDefault) return undefined;
  const refusal = ctx.part('volumes').encryptionUnavailable;
  if (ctx.part('machines').unavailable === undefined && refusal !== undefined)
    throw new AwsError('Unsupported', `Volumes cannot be encrypted on this host: ${refusal}.`);
  const arn = keyId === undefined ? (from?.keyArn ?? (await defaultKeyArn(ctx))) : await requireKey(ctx, keyId);
  if (from !== undefined && from.keyArn === arn) return unseal(ctx, from);
  return newDataKey(ctx, arn);
}

async function requireKey(ctx: Context, keyId: string): Promise<string> {
  const found = await (await ctx.internal<KmsApi>('kms')).resolveKey(ctx, keyId);
  if (found === undefined || found.state !== 'Enabled' || found.spec !== 'SYMMETRIC_DEFAULT') throw keyNotAccessible(keyId);
  return found.arn;
}

function keyNotAccessible(keyId: string, cause?: unknown): AwsError {
  return new AwsError('InvalidKmsKey.InvalidState', `The KMS key ID ${keyId} is not accessible.`, { cause });
}

async function newDataKey(ctx: Context, keyArn: string): Promise<Encryption> {
  try {
    const made = await ctx.call('kms').generateDataKey({ KeyId: keyArn, KeySpec: 'AES_256' });
    return {
      keyArn,
      dataKey: Buffer.from(made.CiphertextBlob ?? []).toString('base64'),
      sealed: seal(ctx, made.Plaintext ?? new Uint8Array()),
    };
  } catch (error) {
    throw keyNotAccessible(keyArn, error);
  }
}

/**
 * The same encryption with its data key at hand for the planes. Asks KMS under the caller's rights, so a key that is disabled or denied fails here. Throws
 * InvalidKmsKey.InvalidState.
 */
export async function unseal(ctx: Context, encryption: Encryption): Promise<Encryption> {
  try {
    const { Plaintext } = await ctx.call('kms').decrypt({
      KeyId: encryption.keyArn,
      CiphertextBlob: Buffer.from(encryption.dataKey, 'base64'),
    });
    return { ...encryption, sealed: seal(ctx, Plaintext ?? new Uint8Array()) };
  } catch (error) {
    throw keyNotAccessible(encryption.keyArn, error);
  }
}

/** Whether the key still works: an instance with a volume under a key that does not cannot start. */
export async function isKeyUsable(ctx: Context, { keyArn }: Encryption): Promise<boolean> {
  return (await (await ctx.internal<KmsApi>('kms')).resolveKey(ctx, keyArn))?.state === 'Enabled';
}

const label = 'ec2.volumes data key';

function seal(ctx: Context, plain: Uint8Array): string {
  return Buffer.from(ctx.part('vault').seal(plain, label)).toString('base64');
}

/** The data key for a plane; undefined for what is not encrypted. Throws when it was not unsealed: a bug. */
export function secretOf(ctx: Context, encryption: Pick<Encryption, 'sealed'> | undefined): Uint8Array | undefined {
  if (encryption === undefined) return undefined;
  if (encryption.sealed === undefined) throw new Error('The data key is not at hand.');
  return ctx.part('vault').open(Buffer.from(encryption.sealed, 'base64'), label);
}

/** The row's encryption when nothing needs the data key any more. */
export function forgetSecret(encryption: Encryption | undefined): Encryption | undefined {
  return encryption === undefined ? undefined : { keyArn: encryption.keyArn, dataKey: encryption.dataKey };
}

async function changeSettings(ctx: Context, change: Partial<EbsSettingsRow>): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = (await tx.table(EbsSettings).get('ebs')) ?? noSettings;
    await tx.table(EbsSettings).put({ ...row, ...change });
  });
}

export const encryptionHandlers: HandlersOf<EC2> = {
  async EnableEbsEncryptionByDefault(_input, ctx) {
    await changeSettings(ctx, { encryptByDefault: true });
    return { EbsEncryptionByDefault: true };
  },

  async DisableEbsEncryptionByDefault(_input, ctx) {
    await changeSettings(ctx, { encryptByDefault: false });
    return { EbsEncryptionByDefault: false };
  },

  async GetEbsEncryptionByDefault(_input, ctx) {
    return { EbsEncryptionByDefault: (await settingsOf(ctx)).encryptByDefault, SseType: 'sse-ebs' };
  },

  async GetEbsDefaultKmsKeyId(_input, ctx) {
    const { defaultKey } = await settingsOf(ctx);
    return { KmsKeyId: defaultKey ?? 'alias/aws/ebs' };
  },

  async ModifyEbsDefaultKmsKeyId(input, ctx) {
    const arn = await requireKey(ctx, input.KmsKeyId ?? '');
    await changeSettings(ctx, { defaultKey: arn });
    return { KmsKeyId: arn };
  },

  async ResetEbsDefaultKmsKeyId(_input, ctx) {
    await changeSettings(ctx, { defaultKey: undefined });
    return { KmsKeyId: await defaultKeyArn(ctx) };
  },
};
