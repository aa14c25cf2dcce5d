/**
 * What each operation is authorised on. A key's policy must allow, directly, or by naming the account, or through a grant; IAM policies alone do
 * nothing (AWS KMS Developer Guide, "Permissions"). Which conditions hold for which operation: "AWS KMS condition keys".
 */
import type { CreateGrantRequest, KMS } from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import type { Authorisation, AuthorisationsOf, Check } from '../../kernel/service.ts';
import type { EncryptionContext } from './ciphertext.ts';
import { findDecryptingKey } from './encryption.ts';
import { aliasNotFound, foreignDenied, keyNotFound, validationError } from './errors.ts';
import { coversGrant, withGrants } from './grant-policies.ts';
import { retiringPlace } from './grants.ts';
import { aliasArn, type FoundKey, lookUp, nameArn, readKeyId } from './key-ids.ts';
import { awsAliasService } from './managed.ts';
import { Aliases, type GrantRow, Grants } from './state.ts';

type Conditions = NonNullable<Check['conditions']>;

/** Tags as condition values: `aws:ResourceTag/team`. */
function tagConditions(prefix: string, tags: Readonly<Record<string, string>>): Conditions {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`${prefix}/${key}`, value]));
}

/** Conditions of an encryption context. */
function contextConditions(context: EncryptionContext | undefined): Conditions {
  if (context === undefined || Object.keys(context).length === 0) return {};
  return {
    'kms:EncryptionContextKeys': Object.keys(context),
    ...Object.fromEntries(Object.entries(context).map(([key, value]) => [`kms:EncryptionContext:${key}`, value])),
  };
}

async function keyConditions(ctx: Context, { scope, row, alias }: FoundKey): Promise<Conditions> {
  const aliases = await ctx.tableIn(scope, Aliases).byIndex('byKey', [row.id]);
  return {
    'kms:CallerAccount': ctx.caller.account,
    'kms:GrantIsForAWSResource': String(ctx.caller.calledVia.length > 0),
    'kms:KeySpec': row.spec,
    'kms:KeyUsage': row.usage,
    'kms:KeyOrigin': row.origin,
    'kms:MultiRegion': String(row.multiRegion !== undefined),
    'kms:MultiRegionKeyType':
      row.multiRegion === undefined ? undefined : row.multiRegion.primary === scope.region ? 'PRIMARY' : 'REPLICA',
    'kms:RequestAlias': alias,
    'kms:ResourceAliases': aliases.length === 0 ? undefined : aliases.map(({ name }) => name),
    ...tagConditions('aws:ResourceTag', row.tags),
  };
}

/** What one operation asks about one key. */
interface KeyUse {
  action: string;
  conditions?: Conditions;
  context?: EncryptionContext | undefined;
  /** Which grants count; all unless told. */
  accept?: (grant: GrantRow) => boolean;
}

/** The check of an operation on a key: its policy, with the grants that reach this caller and operation. */
async function checkKey(ctx: Context, found: FoundKey, { action, conditions, context, accept }: KeyUse): Promise<Check> {
  return {
    action: `kms:${action}`,
    resource: found.arn,
    resourceAccount: found.scope.account,
    resourcePolicy: await withGrants(ctx, found, action, context ?? {}, accept),
    resourceMustAllow: true,
    conditions: { ...(await keyConditions(ctx, found)), ...contextConditions(context), ...conditions },
  };
}

/** The key that an input names. Throws NotFoundException; AccessDeniedException for keys of others that are not there. */
async function locate(ctx: Context, keyId: string | undefined, action: string, reach: 'own' | 'any'): Promise<FoundKey> {
  const name = readKeyId(ctx, keyId ?? '');
  const foreign = name.scope.account !== ctx.caller.account;
  const found = foreign && reach === 'own' ? undefined : await lookUp(ctx, name);
  if (found !== undefined) return found;
  if (foreign) throw foreignDenied(ctx.caller, `kms:${action}`, nameArn(name));
  throw name.alias === undefined ? keyNotFound(nameArn(name)) : aliasNotFound(nameArn(name));
}

type Keyed = { KeyId?: string | undefined };

/** Checks of operations that name one key. `reach`: `any` for those that AWS allows on keys of other accounts. */
function onKey<Input extends Keyed>(
  action: string,
  reach: 'own' | 'any' = 'own',
  useOf: (input: Input) => Omit<KeyUse, 'action'> = () => ({}),
): Authorisation<Input> {
  return async (input, ctx) => [await checkKey(ctx, await locate(ctx, input.KeyId, action, reach), { action, ...useOf(input) })];
}

const own = (action: string): Authorisation<Keyed> => onKey(action);

/** Generating and encrypting under a symmetric key. */
const encrypting = <Input extends Keyed & { EncryptionContext?: EncryptionContext | undefined }>(
  action: string,
): Authorisation<Input> => onKey(action, 'any', ({ EncryptionContext: context }) => ({ context }));

const signing = (input: { SigningAlgorithm?: string | undefined; MessageType?: string | undefined }) => ({
  conditions: { 'kms:SigningAlgorithm': input.SigningAlgorithm, 'kms:MessageType': input.MessageType ?? 'RAW' },
});

function grantConditions({ Operations, GranteePrincipal, RetiringPrincipal, Constraints }: CreateGrantRequest): Conditions {
  const type =
    Constraints?.EncryptionContextEquals === undefined
      ? Constraints?.EncryptionContextSubset && 'EncryptionContextSubset'
      : 'EncryptionContextEquals';
  return {
    'kms:GrantOperations': Operations,
    'kms:GranteePrincipal': GranteePrincipal,
    'kms:RetiringPrincipal': RetiringPrincipal,
    'kms:GrantConstraintType': type,
  };
}

/** The alias itself is asked of IAM alone; the key that it names, of the key's policy too. */
function onAlias(ctx: Context, name: string | undefined): Check {
  return { resource: name?.startsWith('alias/') ? aliasArn(ctx, name) : '*' };
}

export const kmsChecks: AuthorisationsOf<KMS> = {
  CreateKey(input, ctx) {
    const tags = Object.fromEntries((input.Tags ?? []).map(({ TagKey = '', TagValue = '' }) => [TagKey, TagValue]));
    const tagging = {
      ...tagConditions('aws:RequestTag', tags),
      'aws:TagKeys': Object.keys(tags).length === 0 ? undefined : Object.keys(tags),
    };
    const conditions = {
      'kms:CallerAccount': ctx.caller.account,
      'kms:KeySpec': input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT',
      'kms:KeyUsage': input.KeyUsage ?? 'ENCRYPT_DECRYPT',
      'kms:KeyOrigin': input.Origin ?? 'AWS_KMS',
      'kms:MultiRegion': String(input.MultiRegion === true),
      'kms:BypassPolicyLockoutSafetyCheck': String(input.BypassPolicyLockoutSafetyCheck === true),
      ...tagging,
    };
    const create: Check = { resource: '*', conditions };
    return Object.keys(tags).length === 0
      ? [create]
      : [create, { action: 'kms:TagResource', resource: '*', conditions: tagging }];
  },
  async DescribeKey(input, ctx) {
    const name = readKeyId(ctx, input.KeyId ?? '');
    const own = name.scope.account === ctx.caller.account;
    // The key behind AWS's own alias may not be there yet: describing makes it.
    if (own && awsAliasService(name.alias) !== undefined && (await lookUp(ctx, name)) === undefined) return [{ resource: '*' }];
    return [await checkKey(ctx, await locate(ctx, input.KeyId, 'DescribeKey', 'any'), { action: 'DescribeKey' })];
  },
  EnableKey: own('EnableKey'),
  DisableKey: own('DisableKey'),
  UpdateKeyDescription: own('UpdateKeyDescription'),
  GetKeyPolicy: own('GetKeyPolicy'),
  ListKeyPolicies: own('ListKeyPolicies'),
  PutKeyPolicy: onKey('PutKeyPolicy', 'own', ({ BypassPolicyLockoutSafetyCheck: bypass }) => ({
    conditions: { 'kms:BypassPolicyLockoutSafetyCheck': String(bypass === true) },
  })),
  ScheduleKeyDeletion: onKey('ScheduleKeyDeletion', 'own', ({ PendingWindowInDays: days }) => ({
    conditions: { 'kms:ScheduleKeyDeletionPendingWindowInDays': days === undefined ? undefined : String(days) },
  })),
  CancelKeyDeletion: own('CancelKeyDeletion'),
  TagResource: onKey('TagResource', 'own', ({ Tags: tags = [] }) => ({
    conditions: {
      ...tagConditions('aws:RequestTag', Object.fromEntries(tags.map(({ TagKey = '', TagValue = '' }) => [TagKey, TagValue]))),
      'aws:TagKeys': tags.map(({ TagKey = '' }) => TagKey),
    },
  })),
  UntagResource: onKey('UntagResource', 'own', ({ TagKeys: keys = [] }) => ({ conditions: { 'aws:TagKeys': keys } })),
  ListResourceTags: own('ListResourceTags'),

  async CreateAlias(input, ctx) {
    const key = await locate(ctx, input.TargetKeyId, 'CreateAlias', 'own');
    return [onAlias(ctx, input.AliasName), await checkKey(ctx, key, { action: 'CreateAlias' })];
  },
  async UpdateAlias(input, ctx) {
    const target = await locate(ctx, input.TargetKeyId, 'UpdateAlias', 'own');
    const old = await locate(ctx, input.AliasName, 'UpdateAlias', 'own');
    const use = { action: 'UpdateAlias' };
    return [onAlias(ctx, input.AliasName), await checkKey(ctx, old, use), await checkKey(ctx, target, use)];
  },
  async DeleteAlias(input, ctx) {
    const key = await locate(ctx, input.AliasName, 'DeleteAlias', 'own');
    return [onAlias(ctx, input.AliasName), await checkKey(ctx, key, { action: 'DeleteAlias' })];
  },

  Encrypt: onKey('Encrypt', 'any', ({ EncryptionContext: context, EncryptionAlgorithm: algorithm }) => ({
    context,
    conditions: { 'kms:EncryptionAlgorithm': algorithm ?? 'SYMMETRIC_DEFAULT' },
  })),
  async Decrypt(input, ctx) {
    const { CiphertextBlob: ciphertext, KeyId: keyId, EncryptionContext: context, EncryptionAlgorithm: algorithm } = input;
    // With a key id the key is asked about before the ciphertext is looked at.
    const found =
      keyId === undefined
        ? await findDecryptingKey(ctx, { ciphertext, keyId, context, algorithm })
        : await locate(ctx, keyId, 'Decrypt', 'any');
    const conditions = { 'kms:EncryptionAlgorithm': algorithm ?? 'SYMMETRIC_DEFAULT' };
    return [await checkKey(ctx, found, { action: 'Decrypt', context, conditions })];
  },
  async ReEncrypt(input, ctx) {
    const source = await findDecryptingKey(ctx, {
      ciphertext: input.CiphertextBlob,
      keyId: input.SourceKeyId,
      context: input.SourceEncryptionContext,
      algorithm: input.SourceEncryptionAlgorithm,
    });
    if (input.DestinationKeyId === undefined) throw validationError('DestinationKeyId is required.');
    const target = await locate(ctx, input.DestinationKeyId, 'ReEncryptTo', 'any');
    const same = { 'kms:ReEncryptOnSameKey': String(source.arn === target.arn) };
    return [
      await checkKey(ctx, source, {
        action: 'ReEncryptFrom',
        context: input.SourceEncryptionContext,
        conditions: { ...same, 'kms:EncryptionAlgorithm': input.SourceEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT' },
      }),
      await checkKey(ctx, target, {
        action: 'ReEncryptTo',
        context: input.DestinationEncryptionContext,
        conditions: { ...same, 'kms:EncryptionAlgorithm': input.DestinationEncryptionAlgorithm ?? 'SYMMETRIC_DEFAULT' },
      }),
    ];
  },
  GenerateDataKey: encrypting('GenerateDataKey'),
  GenerateDataKeyWithoutPlaintext: encrypting('GenerateDataKeyWithoutPlaintext'),
  GenerateDataKeyPair: onKey('GenerateDataKeyPair', 'any', ({ EncryptionContext: context, KeyPairSpec: spec }) => ({
    context,
    conditions: { 'kms:DataKeyPairSpec': spec },
  })),
  GenerateDataKeyPairWithoutPlaintext: onKey(
    'GenerateDataKeyPairWithoutPlaintext',
    'any',
    ({ EncryptionContext: context, KeyPairSpec: spec }) => ({ context, conditions: { 'kms:DataKeyPairSpec': spec } }),
  ),

  Sign: onKey('Sign', 'any', (input) => signing(input)),
  Verify: onKey('Verify', 'any', (input) => signing(input)),
  GenerateMac: onKey('GenerateMac', 'any', ({ MacAlgorithm: mac }) => ({ conditions: { 'kms:MacAlgorithm': mac } })),
  VerifyMac: onKey('VerifyMac', 'any', ({ MacAlgorithm: mac }) => ({ conditions: { 'kms:MacAlgorithm': mac } })),
  GetPublicKey: onKey('GetPublicKey', 'any'),
  DeriveSharedSecret: onKey('DeriveSharedSecret', 'any', ({ KeyAgreementAlgorithm: algorithm }) => ({
    conditions: { 'kms:KeyAgreementAlgorithm': algorithm },
  })),

  CreateGrant: onKey('CreateGrant', 'any', (input) => ({
    conditions: grantConditions(input),
    accept: (grant) => coversGrant(grant, input),
  })),
  ListGrants: onKey('ListGrants', 'any'),
  RevokeGrant: onKey('RevokeGrant', 'any'),
  async RetireGrant(input, ctx) {
    const { key, grant: id, ...scope } = retiringPlace(input);
    const found = await lookUp(ctx, { scope, id: key });
    const grant = await ctx.tableIn(scope, Grants).get(key, id);
    if (found === undefined || grant === undefined) return [{ resource: '*' }];
    const retirers = [grant.retiring, grant.operations.includes('RetireGrant') ? grant.grantee : undefined, grant.issuer];
    const named = {
      Effect: 'Allow',
      Principal: { AWS: retirers.filter((one) => one !== undefined) },
      Action: 'kms:RetireGrant',
      Resource: '*',
    };
    const resourcePolicy = JSON.stringify({ Version: '2012-10-17', Statement: [named] });
    return [{ ...(await checkKey(ctx, found, { action: 'RetireGrant' })), resourcePolicy }];
  },

  EnableKeyRotation: onKey('EnableKeyRotation', 'own', ({ RotationPeriodInDays: days }) => ({
    conditions: { 'kms:RotationPeriodInDays': days === undefined ? undefined : String(days) },
  })),
  DisableKeyRotation: own('DisableKeyRotation'),
  GetKeyRotationStatus: own('GetKeyRotationStatus'),
  RotateKeyOnDemand: own('RotateKeyOnDemand'),
  ListKeyRotations: own('ListKeyRotations'),

  GetParametersForImport: onKey('GetParametersForImport', 'own', (input) => ({
    conditions: { 'kms:WrappingAlgorithm': input.WrappingAlgorithm, 'kms:WrappingKeySpec': input.WrappingKeySpec },
  })),
  ImportKeyMaterial: onKey('ImportKeyMaterial', 'own', ({ ExpirationModel: model, ValidTo: validTo }) => ({
    conditions: { 'kms:ExpirationModel': model ?? 'KEY_MATERIAL_EXPIRES', 'kms:ValidTo': validTo?.toISOString() },
  })),
  DeleteImportedKeyMaterial: own('DeleteImportedKeyMaterial'),

  ReplicateKey: onKey('ReplicateKey', 'own', ({ ReplicaRegion: region }) => ({ conditions: { 'kms:ReplicaRegion': region } })),
  UpdatePrimaryRegion: onKey('UpdatePrimaryRegion', 'own', ({ PrimaryRegion: region }) => ({
    conditions: { 'kms:PrimaryRegion': region },
  })),
};
