/**
 * Rotation: new material under the same key, by the clock or on demand. Old material stays, so old ciphertexts still decrypt; new ones are made with
 * the new. All members of a multi-Region family change at once. Source: AWS KMS Developer Guide, "Rotating AWS KMS keys".
 */
import type { KMS, RotationsListEntry } from '@aws-sdk/client-kms';
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { limitExceeded, unsupportedOperation, wrongOrigin } from './errors.ts';
import { checkState, checkUsable, keyArn, ownKeyId, requireKey } from './key-ids.ts';
import { changeKey, pageList, requireRow } from './keys.ts';
import { materialRow } from './material.ts';
import { type KeyRow, Keys, type MaterialRow, Materials } from './state.ts';

const day: Millis = 86_400_000;
const periodDaysDefault = 365;
const periodDaysMin = 90;
const periodDaysMax = 2560;
const onDemandMax = 25;
const materialBytes = 32;
/** AWS managed keys rotate every year, which no customer can change. */
const rotationTask = 'rotateKey';

/** Refuses keys that do not rotate: all but symmetric encryption keys whose material KMS made, and replicas, whose primary decides. */
function checkRotates(ctx: Context, row: KeyRow): void {
  const arn = keyArn(ctx, row.id);
  if (row.spec !== 'SYMMETRIC_DEFAULT')
    throw unsupportedOperation(`${arn} key spec is ${row.spec} which is not valid for ${ctx.operation}.`);
  if (row.origin !== 'AWS_KMS') throw wrongOrigin(arn, row.origin);
  if (row.multiRegion !== undefined && row.multiRegion.primary !== ctx.region)
    throw unsupportedOperation(`${arn} is a replica key; rotation is managed on its primary key.`);
}

/** Puts fresh material under a key and all its replicas. Returns the key as it is then. */
async function rotate(
  ctx: Context,
  tx: Transaction,
  row: KeyRow,
  secret: Uint8Array,
  facts: { rotated: 'AUTOMATIC' | 'ON_DEMAND'; created: Millis },
): Promise<KeyRow> {
  const number = row.current + 1;
  const material: MaterialRow = { ...materialRow(ctx, ctx, row.id, number, { secret }), ...facts };
  for (const region of [ctx.region, ...(row.multiRegion?.replicas ?? [])]) {
    const scope = { account: ctx.account, region };
    await tx.tableIn(scope, Materials).put(material);
    if (region !== ctx.region) await tx.tableIn(scope, Keys).update([row.id], (replica) => ({ ...replica, current: number }));
  }
  return { ...row, current: number };
}

/** A key's turn has come. A key that is not enabled waits: enabling it lets it catch up. */
export const rotateKey: Task = async ({ key: id, due }, ctx) => {
  const secret = ctx.bytes(materialBytes);
  await ctx.transact(async (tx) => {
    const row = await tx.table(Keys).get(id);
    if (row?.rotation === undefined || row.state !== 'Enabled' || row.rotation.next > due) return;
    const next = due + row.rotation.days * day;
    const rotated = await rotate(ctx, tx, row, secret, { rotated: 'AUTOMATIC', created: due });
    await tx.table(Keys).put({ ...rotated, rotation: { days: row.rotation.days, next } });
    await tx.schedule({ task: rotationTask, key: id, due: next });
  });
};

/** Lets a key that missed its rotation while disabled have it now. */
export async function resumeRotation(tx: Transaction, row: KeyRow, now: Millis): Promise<KeyRow> {
  if (row.rotation === undefined) return row;
  const next = Math.max(row.rotation.next, now);
  await tx.schedule({ task: rotationTask, key: row.id, due: next });
  return { ...row, rotation: { ...row.rotation, next } };
}

function describeRotation(ctx: Context, row: KeyRow, material: MaterialRow, withMaterial: boolean): RotationsListEntry {
  const expires = material.imported?.expires;
  return {
    KeyId: keyArn(ctx, row.id),
    KeyMaterialId: material.id,
    ...(withMaterial ? { KeyMaterialState: material.number === row.current ? 'CURRENT' : 'NON_CURRENT' } : {}),
    ...(material.imported === undefined
      ? {}
      : {
          ImportState: material.sealed === undefined ? 'PENDING_IMPORT' : 'IMPORTED',
          ExpirationModel: expires === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES',
          ...(expires === undefined ? {} : { ValidTo: new Date(expires) }),
        }),
    ...(material.rotated === undefined ? {} : { RotationDate: new Date(material.created), RotationType: material.rotated }),
  };
}

export const rotationHandlers: HandlersOf<KMS> = {
  async EnableKeyRotation(input, ctx) {
    const days = input.RotationPeriodInDays;
    new RequestCheck().range('rotationPeriodInDays', days, periodDaysMin, periodDaysMax).done();
    await changeKey(ctx, input.KeyId, ['Enabled'], async (row, tx) => {
      checkRotates(ctx, row);
      const period = days ?? row.rotation?.days ?? periodDaysDefault;
      const next = row.rotation?.days === period ? row.rotation.next : ctx.now + period * day;
      await tx.schedule({ task: rotationTask, key: row.id, due: next });
      return { ...row, rotation: { days: period, next } };
    });
    return {};
  },

  async DisableKeyRotation(input, ctx) {
    await changeKey(ctx, input.KeyId, ['Enabled'], async (row, tx) => {
      checkRotates(ctx, row);
      await tx.unschedule(rotationTask, row.id);
      return { ...row, rotation: undefined };
    });
    return {};
  },

  async GetKeyRotationStatus(input, ctx) {
    const found = await requireKey(ctx, ownKeyId(ctx, input.KeyId));
    checkState(found.arn, { ...found.row, state: found.row.state === 'Disabled' ? 'Enabled' : found.row.state }, [
      'Enabled',
      'PendingDeletion',
    ]);
    const family = found.row.multiRegion;
    const primary =
      family === undefined || family.primary === ctx.region
        ? found.row
        : await ctx.tableIn({ account: ctx.account, region: family.primary }, Keys).get(found.row.id);
    const rotation = primary?.rotation;
    return {
      KeyId: found.arn,
      KeyRotationEnabled: rotation !== undefined,
      ...(rotation === undefined ? {} : { RotationPeriodInDays: rotation.days, NextRotationDate: new Date(rotation.next) }),
    };
  },

  /** Throws LimitExceededException after the 25th rotation on demand of a key. */
  async RotateKeyOnDemand(input, ctx) {
    const secret = ctx.bytes(materialBytes);
    const row = await changeKey(ctx, input.KeyId, ['Enabled'], async (key, tx) => {
      checkRotates(ctx, key);
      const done = key.rotationsOnDemand ?? 0;
      if (done >= onDemandMax) throw limitExceeded(`The key has reached the quota of ${onDemandMax} on-demand rotations.`);
      const rotated = await rotate(ctx, tx, key, secret, { rotated: 'ON_DEMAND', created: ctx.now });
      return { ...rotated, rotationsOnDemand: done + 1 };
    });
    return { KeyId: keyArn(ctx, row.id) };
  },

  async ListKeyRotations(input, ctx) {
    const wanted = input.IncludeKeyMaterial ?? 'ROTATIONS_ONLY';
    new RequestCheck().oneOf('includeKeyMaterial', wanted, ['ALL_KEY_MATERIAL', 'ROTATIONS_ONLY']).done();
    const row = await requireRow(ctx, ownKeyId(ctx, input.KeyId));
    if (row.spec !== 'SYMMETRIC_DEFAULT') checkRotates(ctx, row);
    checkUsable({ scope: ctx, arn: keyArn(ctx, row.id), row: row.state === 'Disabled' ? { ...row, state: 'Enabled' } : row });
    const all = await ctx.table(Materials).list({ prefix: [row.id] });
    const rows = wanted === 'ALL_KEY_MATERIAL' ? all : all.filter(({ rotated }) => rotated !== undefined);
    const scope = `ListKeyRotations ${row.id} ${wanted}`;
    const { items, page } = pageList(scope, rows, ({ number }) => String(number).padStart(10, '0'), input);
    return { Rotations: items.map((item) => describeRotation(ctx, row, item, wanted === 'ALL_KEY_MATERIAL')), ...page };
  },
};
