/** The archive tier, fast snapshot restore and locks of snapshots ("Archive Amazon EBS snapshots", "Amazon EBS fast snapshot restore", "snapshot lock"). */
import type { EC2, LockSnapshotResult } from '@aws-sdk/client-ec2';
import { findZone } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow } from '../lookup.ts';
import { meterArchiveRest, meterFastRestoreRest, meterRetrieval, meterSnapshot } from '../metering/metering.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags } from '../tags.ts';
import { type FastRestore, type SnapshotRow, Snapshots } from './state.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** "It can take up to 72 hours to restore"; the least that is told is 24. */
const restoreMillis = 24 * hour;
/** Archiving itself takes minutes to hours. */
const archiveMillis = 60_000;
const temporaryDaysMax = 180;
/** "60 minutes per TiB" to optimise a snapshot for fast restore. */
const optimizingMillisPerTib = hour;
const enablingMillis = 1_000;
const fastRestoresMax = 50;

type Row = SnapshotRow;

async function change(
  ctx: Context,
  id: string | undefined,
  make: (row: Row) => Row,
  after?: { task: string; due: number },
): Promise<Row> {
  return ctx.transact(async (tx) => {
    const row = await requireRow(tx, Snapshots, 'snapshot', id);
    const next = make(row);
    await tx.table(Snapshots).put(next);
    if (after !== undefined) await tx.schedule({ ...after, key: row.id });
    return next;
  });
}

function checkDays(days: number | undefined): number {
  if (days === undefined || days < 1 || days > temporaryDaysMax)
    throw invalidParameterValue(
      `Value (${days ?? ''}) for parameter temporaryRestoreDays is invalid. Expecting 1 to ${temporaryDaysMax} days.`,
    );
  return days;
}

const tierHandlers: HandlersOf<EC2> = {
  async ModifySnapshotTier(input, ctx) {
    if (input.StorageTier !== undefined && input.StorageTier !== 'archive')
      throw invalidParameterValue(`Invalid value '${input.StorageTier}' for storageTier.`);
    const row = await change(
      ctx,
      input.SnapshotId,
      (latest) => {
        if (latest.state !== 'completed')
          throw new AwsError('IncorrectState', `Snapshot ${latest.id} is not in the completed state.`);
        if (latest.tier === 'archive' || latest.tiering?.operation === 'archiving')
          throw new AwsError(
            'InvalidParameterCombination',
            `The snapshot ${latest.id} is already in the archive tier or on the way there.`,
          );
        return { ...latest, tiering: { operation: 'archiving', started: ctx.now } };
      },
      { task: 'moveSnapshotTier', due: ctx.now + archiveMillis },
    );
    return { SnapshotId: row.id, TieringStartTime: new Date(ctx.now) };
  },

  /** Permanently, or for some days; ready 24 hours later. Also makes a temporary restore permanent or longer. */
  async RestoreSnapshotTier(input, ctx) {
    const permanent = input.PermanentRestore === true;
    if (permanent && input.TemporaryRestoreDays !== undefined)
      throw invalidParameterCombination('PermanentRestore and TemporaryRestoreDays cannot be specified together.');
    const days = permanent ? undefined : checkDays(input.TemporaryRestoreDays);
    const now = ctx.now;
    const row = await ctx.transact(async (tx): Promise<Row> => {
      const latest = await requireRow(tx, Snapshots, 'snapshot', input.SnapshotId);
      const temporary = latest.tiering?.operation === 'temporarily-restored';
      if (latest.tier !== 'archive' && !temporary)
        throw invalidParameterCombination(`The snapshot ${latest.id} is not in the archive tier.`);
      if (latest.tiering?.operation.startsWith('restoring') === true)
        throw new AwsError('IncorrectState', `The snapshot ${latest.id} is being restored.`);
      if (temporary) {
        await meterSnapshot(tx, ctx, latest);
        if (permanent) await meterArchiveRest(tx, latest, now);
        return { ...changeTemporary(latest, permanent, days, now), countedUntil: now };
      }
      return {
        ...latest,
        tiering: { operation: permanent ? 'restoring-permanently' : 'restoring-temporarily', started: now, days },
      } satisfies Row;
    });
    await change(ctx, row.id, () => row, {
      task: 'moveSnapshotTier',
      due: row.tiering?.restoreExpires ?? now + restoreMillis,
    });
    return {
      SnapshotId: row.id,
      RestoreStartTime: new Date(now),
      ...(days === undefined ? {} : { RestoreDuration: days }),
      IsPermanentRestore: permanent,
    };
  },

  async DescribeSnapshotTierStatus(input, ctx) {
    const rows = (await ctx.table(Snapshots).list()).filter((row) => row.recycled === undefined);
    const passing = applyFilters(rows, input.Filters, {
      'snapshot-id': (row) => row.id,
      'volume-id': (row) => row.volumeId,
      'last-tiering-operation': (row) => operationOf(row),
    });
    const found = page('DescribeSnapshotTierStatus', passing, (row) => row.id, input);
    return {
      SnapshotTierStatuses: found.rows.map((row) => ({
        SnapshotId: row.id,
        VolumeId: row.volumeId,
        Status: row.state,
        OwnerId: ctx.account,
        StorageTier: row.tier,
        Tags: describeTags(row.tags),
        ...(row.tiering === undefined
          ? {}
          : {
              LastTieringStartTime: new Date(row.tiering.started),
              LastTieringProgress: row.tiering.ended === undefined ? 0 : 100,
              LastTieringOperationStatus: operationOf(row),
            }),
        ...(row.archivedAt === undefined ? {} : { ArchivalCompleteTime: new Date(row.archivedAt) }),
        ...(row.tiering?.restoreExpires === undefined ? {} : { RestoreExpiryTime: new Date(row.tiering.restoreExpires) }),
      })),
      NextToken: found.nextToken,
    };
  },
};

const operations = {
  archiving: 'archival-in-progress',
  archived: 'archival-completed',
  'restoring-temporarily': 'temporary-restore-in-progress',
  'temporarily-restored': 'temporary-restore-completed',
  'restoring-permanently': 'permanent-restore-in-progress',
  'permanently-restored': 'permanent-restore-completed',
} as const;

function operationOf(row: Row): (typeof operations)[keyof typeof operations] | undefined {
  return row.tiering === undefined ? undefined : operations[row.tiering.operation];
}

function changeTemporary(row: Row, permanent: boolean, days: number | undefined, now: number): Row {
  if (permanent)
    return { ...row, archivedAt: undefined, tiering: { operation: 'permanently-restored', started: now, ended: now } };
  return {
    ...row,
    tiering: { operation: 'temporarily-restored', started: now, ended: now, days, restoreExpires: now + (days ?? 0) * day },
  };
}

/** What was begun is done: archived, restored, or the end of a temporary restore. */
export const moveSnapshotTier: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Snapshots).get(job.key);
    if (row?.tiering === undefined) return;
    const { operation, started, days, restoreExpires } = row.tiering;
    const put = async (next: Partial<Row>) => {
      await meterSnapshot(tx, ctx, row, job.due);
      await tx.table(Snapshots).put({ ...row, countedUntil: job.due, ...next });
    };
    if (operation.startsWith('restoring')) await meterRetrieval(tx, row, job.due);
    if (operation === 'archiving')
      return put({ tier: 'archive', archivedAt: job.due, tiering: { operation: 'archived', started, ended: job.due } });
    if (operation === 'restoring-permanently') {
      await meterArchiveRest(tx, row, job.due);
      return put({
        tier: 'standard',
        archivedAt: undefined,
        tiering: { operation: 'permanently-restored', started, ended: job.due },
      });
    }
    if (operation === 'restoring-temporarily') {
      const expires = job.due + (days ?? 1) * day;
      await tx.schedule({ task: 'moveSnapshotTier', key: row.id, due: expires });
      return put({
        tier: 'standard',
        tiering: { operation: 'temporarily-restored', started, ended: job.due, days, restoreExpires: expires },
      });
    }
    if (operation === 'temporarily-restored' && restoreExpires !== undefined && restoreExpires <= job.due)
      return put({ tier: 'archive', tiering: { operation: 'archived', started, ended: job.due } });
  });
};

const fastRestoreHandlers: HandlersOf<EC2> = {
  async EnableFastSnapshotRestores(input, ctx) {
    return changeFastRestores(
      input,
      ctx,
      (row, zone) => {
        const others = row.fastRestores.filter((one) => one.zone !== zone);
        const known = row.fastRestores.find((one) => one.zone === zone);
        if (known !== undefined && known.state !== 'disabling') return row;
        return { ...row, fastRestores: [...others, { zone, state: 'enabling', since: ctx.now }] };
      },
      'enabling',
    );
  },

  async DisableFastSnapshotRestores(input, ctx) {
    return changeFastRestores(
      input,
      ctx,
      (row, zone) => ({
        ...row,
        fastRestores: row.fastRestores.map((one) => (one.zone === zone ? { ...one, state: 'disabling', since: ctx.now } : one)),
      }),
      'disabling',
    );
  },

  async DescribeFastSnapshotRestores(input, ctx) {
    const rows = (await ctx.table(Snapshots).list()).flatMap((row) =>
      row.fastRestores.map((restore) => ({ ...row, restore, key: `${row.id} ${restore.zone}` })),
    );
    const passing = applyFilters(rows, input.Filters, {
      'snapshot-id': (row) => row.id,
      'availability-zone': (row) => row.restore.zone,
      'owner-id': () => ctx.account,
      state: (row) => row.restore.state,
    });
    const found = page('DescribeFastSnapshotRestores', passing, (row) => row.key, input, { least: 0 });
    return {
      FastSnapshotRestores: found.rows.map(({ id, restore }) => ({
        SnapshotId: id,
        AvailabilityZone: restore.zone,
        State: restore.state,
        StateTransitionReason: 'Client.UserInitiated',
        OwnerId: ctx.account,
        EnablingTime: new Date(restore.since),
        ...(restore.state === 'optimizing' || restore.state === 'enabled' ? { OptimizingTime: new Date(restore.since) } : {}),
        ...(restore.enabledAt === undefined ? {} : { EnabledTime: new Date(restore.enabledAt) }),
      })),
      NextToken: found.nextToken,
    };
  },
};

async function changeFastRestores(
  input: { SourceSnapshotIds?: string[] | undefined; AvailabilityZones?: string[] | undefined },
  ctx: Context,
  make: (row: Row, zone: string) => Row,
  state: 'enabling' | 'disabling',
) {
  const { SourceSnapshotIds: ids = [], AvailabilityZones: zones = [] } = input;
  if (ids.length === 0) throw missingParameter('SourceSnapshotIds');
  if (zones.length === 0) throw missingParameter('AvailabilityZones');
  for (const zone of zones)
    if (findZone(zone)?.region !== ctx.region) throw new AwsError('InvalidZone.NotFound', `The zone '${zone}' does not exist.`);
  const used = (await ctx.table(Snapshots).list()).flatMap(({ fastRestores }) => fastRestores).length;
  if (state === 'enabling' && used + ids.length * zones.length > fastRestoresMax)
    throw new AwsError(
      'FastSnapshotRestoreLimitExceeded',
      `You have reached the maximum of ${fastRestoresMax} fast snapshot restores.`,
    );
  for (const id of ids) {
    await change(
      ctx,
      id,
      (row) => {
        if (row.state !== 'completed') throw new AwsError('IncorrectState', `Snapshot ${row.id} is not in the completed state.`);
        return zones.reduce(make, row);
      },
      { task: 'moveFastRestores', due: ctx.now + enablingMillis },
    );
  }
  const pairs = ids.flatMap((SnapshotId) => zones.map((AvailabilityZone) => ({ SnapshotId, AvailabilityZone })));
  return {
    Successful: pairs.map((pair) => ({
      ...pair,
      State: state,
      StateTransitionReason: 'Client.UserInitiated',
      OwnerId: ctx.account,
    })),
    Unsuccessful: [],
  };
}

/** enabling → optimizing → enabled; disabling → gone. */
export const moveFastRestores: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Snapshots).get(job.key);
    if (row === undefined) return;
    const optimizing = Math.ceil((row.sizeGiB / 1024) * optimizingMillisPerTib);
    const next = row.fastRestores.flatMap((one): FastRestore[] => {
      if (one.state === 'disabling') return [];
      if (one.state === 'enabling') return [{ ...one, state: 'optimizing' }];
      if (one.state === 'optimizing' && job.due >= one.since + optimizing)
        return [{ ...one, state: 'enabled', enabledAt: job.due }];
      return [one];
    });
    await meterSnapshot(tx, ctx, row, job.due);
    for (const { state, enabledAt, since } of row.fastRestores)
      if (state === 'disabling') await meterFastRestoreRest(tx, enabledAt, since);
    await tx.table(Snapshots).put({ ...row, fastRestores: next, countedUntil: job.due });
    const waiting = next.filter(({ state }) => state === 'optimizing').map(({ since }) => since + optimizing);
    if (waiting.length > 0)
      await tx.schedule({ task: 'moveFastRestores', key: row.id, due: Math.max(job.due, Math.min(...waiting)) });
  });
};

type Lock = NonNullable<SnapshotRow['lock']>;

function lockState(
  { mode, coolOffExpires, expires }: Lock,
  now: number,
): 'compliance' | 'governance' | 'compliance-cooloff' | 'expired' {
  if (expires <= now) return 'expired';
  return mode === 'compliance' && coolOffExpires !== undefined && coolOffExpires > now ? 'compliance-cooloff' : mode;
}

function describeLock(id: string, lock: Lock, now: number): LockSnapshotResult {
  return {
    SnapshotId: id,
    LockState: lockState(lock, now),
    LockDuration: lock.durationDays,
    LockCreatedOn: new Date(lock.created),
    LockExpiresOn: new Date(lock.expires),
    LockDurationStartTime: new Date(lock.durationFrom),
    ...(lock.coolOffExpires === undefined ? {} : { CoolOffPeriodExpiresOn: new Date(lock.coolOffExpires) }),
  };
}

const lockDaysMax = 36_500;
const coolOffHoursMax = 72;

const lockHandlers: HandlersOf<EC2> = {
  async LockSnapshot(input, ctx) {
    const { LockMode: mode, LockDuration: days, ExpirationDate: until, CoolOffPeriod: coolOff } = input;
    if (mode !== 'governance' && mode !== 'compliance')
      throw invalidParameterValue(`Invalid value '${mode ?? ''}' for lockMode.`);
    if ((days === undefined) === (until === undefined))
      throw invalidParameterCombination('You must specify either LockDuration or ExpirationDate, but not both.');
    if (days !== undefined && (days < 1 || days > lockDaysMax))
      throw invalidParameterValue(`LockDuration must be between 1 and ${lockDaysMax} days.`);
    if (coolOff !== undefined && (mode !== 'compliance' || coolOff < 1 || coolOff > coolOffHoursMax))
      throw invalidParameterValue(
        `CoolOffPeriod must be between 1 and ${coolOffHoursMax} hours and is for compliance mode only.`,
      );
    const expires = until === undefined ? ctx.now + (days ?? 0) * day : new Date(until).getTime();
    if (expires <= ctx.now) throw invalidParameterValue('ExpirationDate must be in the future.');
    const row = await change(ctx, input.SnapshotId, (latest) => {
      const now = latest.lock === undefined ? undefined : lockState(latest.lock, ctx.now);
      if (now === 'compliance' && (mode !== 'compliance' || expires < (latest.lock?.expires ?? 0)))
        throw new AwsError(
          'SnapshotLocked',
          `The snapshot ${latest.id} is locked in compliance mode; its lock can only be made longer.`,
        );
      const lock: Lock = {
        mode,
        created: latest.lock?.created ?? ctx.now,
        coolOffExpires: coolOff === undefined ? undefined : ctx.now + coolOff * hour,
        expires,
        durationDays: days ?? Math.ceil((expires - ctx.now) / day),
        durationFrom: ctx.now,
      };
      return { ...latest, lock };
    });
    return describeLock(row.id, row.lock!, ctx.now);
  },

  async UnlockSnapshot(input, ctx) {
    const row = await change(ctx, input.SnapshotId, (latest) => {
      const state = latest.lock === undefined ? 'expired' : lockState(latest.lock, ctx.now);
      if (state === 'compliance') throw new AwsError('SnapshotLocked', `The snapshot ${latest.id} is locked in compliance mode.`);
      if (state === 'expired') throw new AwsError('InvalidParameterCombination', `The snapshot ${latest.id} is not locked.`);
      return { ...latest, lock: undefined };
    });
    return { SnapshotId: row.id };
  },

  async DescribeLockedSnapshots(input, ctx) {
    const rows = (await ctx.table(Snapshots).list()).filter(
      (row) => row.lock !== undefined && (input.SnapshotIds === undefined || input.SnapshotIds.includes(row.id)),
    );
    const passing = applyFilters(rows, input.Filters, { 'lock-state': (row) => lockState(row.lock!, ctx.now) });
    const found = page('DescribeLockedSnapshots', passing, (row) => row.id, input, { ids: input.SnapshotIds });
    return {
      Snapshots: found.rows.map((row) => ({ OwnerId: ctx.account, ...describeLock(row.id, row.lock!, ctx.now) })),
      NextToken: found.nextToken,
    };
  },
};

export const snapshotTierHandlers: HandlersOf<EC2> = { ...tierHandlers, ...fastRestoreHandlers, ...lockHandlers };

const onSnapshot = (input: { SnapshotId?: string | undefined }, ctx: Context) => checkTagged([input.SnapshotId ?? ''], ctx);
const onSnapshots = (input: { SourceSnapshotIds?: string[] | undefined }, ctx: Context) =>
  checkTagged(input.SourceSnapshotIds ?? [], ctx);

export const snapshotTierAuthorisations: AuthorisationsOf<EC2> = {
  ModifySnapshotTier: onSnapshot,
  RestoreSnapshotTier: onSnapshot,
  EnableFastSnapshotRestores: onSnapshots,
  DisableFastSnapshotRestores: onSnapshots,
  LockSnapshot: onSnapshot,
  UnlockSnapshot: onSnapshot,
};
