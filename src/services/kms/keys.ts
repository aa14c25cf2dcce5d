/** Keys: making, describing, listing, switching on and off. Material, aliases, policies and grants have files of their own. */
import type { CreateKeyRequest, KMS } from '@aws-sdk/client-kms';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { describeKey } from './describe.ts';
import { invalidMarker, keyNotFound, limitExceeded, unsupportedOperation, validationError } from './errors.ts';
import { checkState, type FoundKey, keyArn, lookUp, ownKeyId, readKeyId, requireKey } from './key-ids.ts';
import { awsAliasService, ensureManagedKey } from './managed.ts';
import { materialRow, newMaterial } from './material.ts';
import { checkPolicy, defaultPolicy } from './policies.ts';
import { resumeRotation } from './rotation.ts';
import { enums, keySpecs, limits } from './rules.ts';
import { type KeyOrigin, type KeyRow, Keys, type KeyState, type KeyUsage, Materials, type Reading } from './state.ts';
import { readTags } from './tags.ts';

/** A key of this account and Region. Throws NotFoundException. */
export async function requireRow(ctx: Scope & Reading, id: string, reading: Reading = ctx): Promise<KeyRow> {
  const row = await reading.table(Keys).get(id);
  if (row === undefined) throw keyNotFound(keyArn(ctx, id));
  return row;
}

/**
 * Changes a key that a request names by id or ARN, if its state is one of `states`. AWS managed keys are refused: "You cannot change any properties
 * of AWS managed keys". Throws NotFoundException, DisabledException, KMSInvalidStateException.
 */
export async function changeKey(
  ctx: Context,
  keyId: string | undefined,
  states: readonly KeyState[],
  change: (row: KeyRow, tx: Transaction) => Promise<KeyRow> | KeyRow,
): Promise<KeyRow> {
  const id = ownKeyId(ctx, keyId);
  return ctx.transact(async (tx) => {
    const row = await requireRow(ctx, id, tx);
    const arn = keyArn(ctx, id);
    if (row.manager === 'AWS')
      throw unsupportedOperation(`${arn} is an AWS managed key; ${ctx.operation} is not supported on it.`);
    checkState(arn, row, states);
    const changed = await change(row, tx);
    await tx.table(Keys).put(changed);
    return changed;
  });
}

function checkMembers(input: CreateKeyRequest): void {
  new RequestCheck()
    .size('policy', input.Policy, 1, limits.policyCharsMax)
    .length('description', input.Description, 0, limits.descriptionCharsMax)
    .oneOf('keyUsage', input.KeyUsage, enums.keyUsage)
    .oneOf('customerMasterKeySpec', input.CustomerMasterKeySpec, enums.keySpec)
    .oneOf('keySpec', input.KeySpec, enums.keySpec)
    .oneOf('origin', input.Origin, enums.origin)
    .done();
}

/** Spec, usage and origin that a request asks for. Throws ValidationException for a pair that does not go together. */
function readSpec(input: CreateKeyRequest): { spec: keyof typeof keySpecs; usage: KeyUsage; origin: KeyOrigin } {
  if (input.KeySpec !== undefined && input.CustomerMasterKeySpec !== undefined)
    throw validationError(
      'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    );
  const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT';
  const origin = input.Origin ?? 'AWS_KMS';
  if (origin !== 'AWS_KMS' && origin !== 'EXTERNAL') throw parameterNotImplemented('CreateKey', `Origin ${origin}`);
  const rules = keySpecs[spec];
  if (rules === undefined) throw parameterNotImplemented('CreateKey', `KeySpec ${spec}`);
  if (input.KeyUsage === undefined && spec !== 'SYMMETRIC_DEFAULT')
    throw validationError('You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.');
  const usage = input.KeyUsage ?? 'ENCRYPT_DECRYPT';
  const fitting = rules.usages.find((one) => one === usage);
  if (fitting === undefined) throw validationError(`KeyUsage ${usage} is not compatible with KeySpec ${spec}`);
  return { spec, usage: fitting, origin };
}

/** A page of a list that is held whole, in KMS's form. Throws InvalidMarkerException, ValidationException. */
export function pageList<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => string,
  input: { Marker?: string | undefined; Limit?: number | undefined },
  limitMax: number = limits.pageItemsMax,
): { items: T[]; page: { Truncated: boolean; NextMarker?: string } } {
  new RequestCheck().range('limit', input.Limit, 1, limitMax).done();
  const limit = input.Limit ?? Math.min(limits.pageItemsDefault, limitMax);
  const found = pageOf(items, (item) => [keyOf(item)], { scope, token: input.Marker, limit });
  if (found === undefined) throw invalidMarker();
  const { nextToken } = found;
  return {
    items: found.items,
    page: nextToken === undefined ? { Truncated: false } : { Truncated: true, NextMarker: nextToken },
  };
}

/** The key as answers show it. */
export async function showKey(ctx: Context, { scope, row }: Pick<FoundKey, 'scope' | 'row'>) {
  return describeKey(scope, row, await ctx.tableIn(scope, Materials).get(row.id, row.current));
}

export const keyHandlers: HandlersOf<KMS> = {
  /** Throws ValidationException, MalformedPolicyDocumentException, TagException, LimitExceededException. */
  async CreateKey(input, ctx) {
    checkMembers(input);
    if (input.CustomKeyStoreId !== undefined) throw parameterNotImplemented('CreateKey', 'CustomKeyStoreId');
    if (input.XksKeyId !== undefined) throw parameterNotImplemented('CreateKey', 'XksKeyId');
    const { spec, usage, origin } = readSpec(input);
    const tags = readTags(input.Tags);
    const id = input.MultiRegion === true ? `mrk-${ctx.uuid().replaceAll('-', '')}` : ctx.uuid();
    const policy = input.Policy ?? defaultPolicy(ctx.account);
    if (input.Policy !== undefined) await checkPolicy(ctx, policy, keyArn(ctx, id), input.BypassPolicyLockoutSafetyCheck);
    const rules = keySpecs[spec];
    const material = origin === 'EXTERNAL' || rules === undefined ? undefined : await newMaterial(ctx, rules);
    const row: KeyRow = {
      id,
      created: ctx.now,
      description: input.Description ?? '',
      spec,
      usage,
      origin,
      manager: 'CUSTOMER',
      state: material === undefined ? 'PendingImport' : 'Enabled',
      policy,
      tags,
      current: material === undefined ? 0 : 1,
      multiRegion: input.MultiRegion === true ? { primary: ctx.region, replicas: [] } : undefined,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Keys).count()) >= limits.keysMax)
        throw limitExceeded(`The account has reached the quota of ${limits.keysMax} KMS keys.`);
      await tx.table(Keys).put(row);
      if (material !== undefined) await tx.table(Materials).put(materialRow(ctx, ctx, id, 1, material));
    });
    return { KeyMetadata: await showKey(ctx, { scope: ctx, row }) };
  },

  /** By id, ARN or alias; an alias of AWS's own (`alias/aws/ebs`) makes its key on first sight. */
  async DescribeKey(input, ctx) {
    new RequestCheck().length('keyId', input.KeyId, 1, limits.keyIdCharsMax).done();
    const name = readKeyId(ctx, input.KeyId ?? '');
    const service = name.scope.account === ctx.account ? awsAliasService(name.alias) : undefined;
    if (service !== undefined && (await lookUp(ctx, name)) === undefined) await ensureManagedKey(ctx, service);
    return { KeyMetadata: await showKey(ctx, await requireKey(ctx, input.KeyId)) };
  },

  async ListKeys(input, ctx) {
    const rows = await ctx.table(Keys).list();
    const { items, page } = pageList('ListKeys', rows, (row) => row.id, input);
    return { Keys: items.map(({ id }) => ({ KeyId: id, KeyArn: keyArn(ctx, id) })), ...page };
  },

  async EnableKey(input, ctx) {
    await changeKey(ctx, input.KeyId, ['Enabled', 'Disabled'], (row, tx) =>
      resumeRotation(tx, { ...row, state: 'Enabled' }, ctx.now),
    );
    return {};
  },

  async DisableKey(input, ctx) {
    await changeKey(ctx, input.KeyId, ['Enabled', 'Disabled'], (row) => ({ ...row, state: 'Disabled' }));
    return {};
  },

  async UpdateKeyDescription(input, ctx) {
    const { Description: description = '' } = input;
    new RequestCheck().length('description', description, 0, limits.descriptionCharsMax).done();
    await changeKey(ctx, input.KeyId, ['Enabled', 'Disabled', 'PendingImport'], (row) => ({ ...row, description }));
    return {};
  },
};
