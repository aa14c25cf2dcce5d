/** Snapshots: taken, listed, copied, shared and deleted ("Amazon EBS snapshots"). */
import type { EC2, Snapshot } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { findRegion } from '../../../base/regions.ts';
import { invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Images } from '../images/state.ts';
import { Instances } from '../instances/state.ts';
import { requireRow } from '../lookup.ts';
import { meterSnapshotEnd, meterToday } from '../metering/metering.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import type { TagMap } from '../vpc/state.ts';
import { volumesOf } from './attachments.ts';
import { planEncryption, unseal } from './encryption.ts';
import { recycle } from './recycle-bin.ts';
import { findSnapshot, sharedSnapshots } from './snapshot-lookup.ts';
import { type Encryption, type SnapshotRow, Snapshots, type VolumeRow, Volumes } from './state.ts';
import { stateOf } from './volumes.ts';

/** Real milliseconds between looks at a snapshot whose bytes are being taken, and how long a call waits for them. */
const lookMillis = 5;
const takenMillisMax = 25_000;

const blank = { sharedWith: [], tier: 'standard', fastRestores: [] } as const satisfies Partial<SnapshotRow>;

/** A snapshot as the API shows it. */
function describeSnapshot(row: SnapshotRow, owner: string): Snapshot {
  return {
    SnapshotId: row.id,
    VolumeId: row.volumeId,
    VolumeSize: row.sizeGiB,
    Description: row.description,
    StartTime: new Date(row.started),
    ...(row.completed === undefined ? {} : { CompletionTime: new Date(row.completed) }),
    State: row.state,
    StateMessage: row.failure,
    Progress: row.state === 'pending' ? '0%' : '100%',
    OwnerId: owner,
    Encrypted: row.encryption !== undefined,
    ...(row.encryption === undefined ? {} : { KmsKeyId: row.encryption.keyArn }),
    ...(row.bytes === undefined ? {} : { FullSnapshotSizeInBytes: row.bytes }),
    StorageTier: row.tier,
    ...(row.tiering?.restoreExpires === undefined ? {} : { RestoreExpiryTime: new Date(row.tiering.restoreExpires) }),
    Tags: describeTags(row.tags),
  };
}

/**
 * Writes a pending snapshot of a volume; its bytes are taken after the commit. `encryption` is the volume's, unsealed (`encryptionForSnapshot`). Of a root volume the bytes
 * become an image of the machines plane under the snapshot's id.
 */
export async function addSnapshot(
  tx: Transaction,
  ctx: Context,
  volume: VolumeRow,
  more: { description: string; tags: TagMap; encryption: Encryption | undefined },
): Promise<SnapshotRow> {
  const id = ctx.id('snapshot');
  const row: SnapshotRow = {
    ...blank,
    id,
    volumeId: volume.id,
    sizeGiB: volume.sizeGiB,
    started: ctx.now,
    state: 'pending',
    rootImage: volume.root === true ? id : undefined,
    source: { kind: 'volume', id: volume.id },
    ...more,
  };
  await tx.table(Snapshots).put(row);
  await meterToday(tx, ctx);
  tx.hint('snapshots', id);
  return row;
}

/** The volume's encryption with its data key at hand. Throws InvalidKmsKey.InvalidState. */
export async function encryptionForSnapshot(ctx: Context, volume: VolumeRow): Promise<Encryption | undefined> {
  if (volume.encryption === undefined || volume.encryption.sealed !== undefined) return volume.encryption;
  return unseal(ctx, volume.encryption);
}

/**
 * Waits until the bytes are taken, so that what is written after the answer is not among them: a snapshot holds its moment. A large volume may take longer than a
 * call can wait; then the rest of the copy goes on.
 */
export async function untilTaken(ctx: Context, ids: readonly string[]): Promise<void> {
  const end = ctx.clock.realNow() + takenMillisMax;
  for (const id of ids) {
    while ((await ctx.table(Snapshots).get(id))?.state === 'pending' && ctx.clock.realNow() < end)
      await ctx.clock.pause(lookMillis);
  }
}

function checkVolume(row: VolumeRow): VolumeRow {
  const state = stateOf(row, undefined);
  if (state === 'available' || state === 'in-use') return row;
  throw new AwsError('IncorrectState', `Volume '${row.id}' is in the '${state}' state.`);
}

interface ListedSnapshot extends SnapshotRow {
  owner: string;
}

async function listed(ctx: Context, ids: readonly string[] | undefined): Promise<ListedSnapshot[]> {
  if ((ids?.length ?? 0) > 0) {
    const found = await Promise.all([...new Set(ids)].map((id) => findSnapshot(ctx, id)));
    return found.map(({ scope, row }) => ({ ...row, owner: scope.account }));
  }
  const own = (await ctx.table(Snapshots).list()).filter((row) => row.recycled === undefined);
  const shared = await sharedSnapshots(ctx);
  return [
    ...own.map((row) => ({ ...row, owner: ctx.account })),
    ...shared.map(({ scope, row }) => ({ ...row, owner: scope.account })),
  ];
}

/** Throws InvalidSnapshot.InUse for one that an image of the account is made of. */
async function checkUnused(tx: Transaction, row: SnapshotRow): Promise<void> {
  const image = (await tx.table(Images).list()).find((one) => JSON.stringify(one).includes(`"${row.id}"`));
  if (image !== undefined)
    throw new AwsError('InvalidSnapshot.InUse', `The snapshot ${row.id} is currently in use by ${image.id}`);
}

function checkLock(row: SnapshotRow, now: number): void {
  if (row.lock !== undefined && row.lock.expires > now)
    throw new AwsError('SnapshotLocked', `The snapshot ${row.id} is locked and cannot be deleted.`);
}

export const snapshotHandlers: HandlersOf<EC2> = {
  async CreateSnapshot(input, ctx) {
    for (const name of ['OutpostArn', 'Location'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateSnapshot', name);
    if (input.VolumeId === undefined) throw missingParameter('VolumeId');
    const tags = tagsFor('snapshot', input.TagSpecifications);
    const volume = checkVolume(await requireRow(ctx, Volumes, 'volume', input.VolumeId));
    const encryption = await encryptionForSnapshot(ctx, volume);
    const row = await ctx.transact(async (tx) => {
      const latest = checkVolume(await requireRow(tx, Volumes, 'volume', input.VolumeId));
      return addSnapshot(tx, ctx, latest, { description: input.Description ?? '', tags, encryption });
    });
    await untilTaken(ctx, [row.id]);
    const { StorageTier: _tier, ...shown } = describeSnapshot(row, ctx.account);
    return shown;
  },

  /** One snapshot of each volume of an instance. */
  async CreateSnapshots(input, ctx) {
    for (const name of ['OutpostArn', 'Location'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateSnapshots', name);
    const instance = await requireRow(ctx, Instances, 'instance', input.InstanceSpecification?.InstanceId);
    const { ExcludeBootVolume: withoutRoot, ExcludeDataVolumeIds: excluded = [] } = input.InstanceSpecification ?? {};
    const root = withoutRoot === true ? [] : [await requireRow(ctx, Volumes, 'volume', instance.rootVolume.id)];
    const data = (await volumesOf(ctx, instance.id)).map(({ row }) => row).filter(({ id }) => !excluded.includes(id));
    const wanted = await Promise.all(
      [...root, ...data].map(async (volume) => ({ volume, encryption: await encryptionForSnapshot(ctx, volume) })),
    );
    const tags = tagsFor('snapshot', input.TagSpecifications);
    const rows = await ctx.transact(async (tx) => {
      const made: SnapshotRow[] = [];
      for (const { volume, encryption } of wanted) {
        const own = input.CopyTagsFromSource === 'volume' ? { ...volume.tags, ...tags } : tags;
        made.push(await addSnapshot(tx, ctx, volume, { description: input.Description ?? '', tags: own, encryption }));
      }
      return made;
    });
    await untilTaken(
      ctx,
      rows.map(({ id }) => id),
    );
    return { Snapshots: rows.map((row) => ({ ...describeSnapshot(row, ctx.account), State: 'pending' as const })) };
  },

  async DescribeSnapshots(input, ctx) {
    const owners = new Set((input.OwnerIds ?? []).map((owner) => (owner === 'self' ? ctx.account : owner)));
    const users = input.RestorableByUserIds ?? [];
    const rows = (await listed(ctx, input.SnapshotIds))
      .filter((row) => owners.size === 0 || owners.has(row.owner))
      .filter(
        (row) =>
          users.length === 0 ||
          users.some((user) =>
            user === 'self' ? row.owner === ctx.account || row.sharedWith.includes(ctx.account) : row.sharedWith.includes(user),
          ),
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const passing = applyFilters(rows, input.Filters, {
      'snapshot-id': (row) => row.id,
      'volume-id': (row) => row.volumeId,
      'volume-size': (row) => row.sizeGiB,
      description: (row) => row.description,
      encrypted: (row) => row.encryption !== undefined,
      status: (row) => row.state,
      progress: (row) => (row.state === 'pending' ? '0%' : '100%'),
      'owner-id': (row) => row.owner,
      'owner-alias': () => undefined,
      'start-time': (row) => new Date(row.started).toISOString(),
      'storage-tier': (row) => row.tier,
    });
    const found = page('DescribeSnapshots', passing, (row) => row.id, input, { ids: input.SnapshotIds });
    return {
      Snapshots: found.rows.map((row) => ({
        ...describeSnapshot(row, row.owner),
        ...(row.owner === ctx.account ? {} : { Tags: [] }),
      })),
      NextToken: found.nextToken,
    };
  },

  /** Goes to the recycle bin where a retention rule says so. Throws InvalidSnapshot.InUse, SnapshotLocked. */
  async DeleteSnapshot(input, ctx) {
    const { scope, row } = await findSnapshot(ctx, input.SnapshotId ?? '');
    if (scope.account !== ctx.account) throw notFound('snapshot', row.id);
    const bin = await recycle(ctx, row);
    await ctx.transact(async (tx) => {
      const latest = await requireRow(tx, Snapshots, 'snapshot', row.id);
      await checkUnused(tx, latest);
      checkLock(latest, ctx.now);
      if (bin === undefined) {
        await meterSnapshotEnd(tx, ctx, latest, ctx.now);
        await tx.table(Snapshots).delete(row.id);
        for (const key of new Set([row.id, row.rootImage ?? row.id])) tx.hint('snapshots', key);
        return;
      }
      await tx.table(Snapshots).put({ ...latest, recycled: bin });
      await tx.schedule({ task: 'emptyRecycleBin', key: row.id, due: bin.exits });
    });
    return {};
  },

  /** Into the Region of the call, from that or another; may encrypt, never decrypts (EBS-047). */
  async CopySnapshot(input, ctx) {
    if (input.DestinationOutpostArn !== undefined) throw parameterNotImplemented('CopySnapshot', 'DestinationOutpostArn');
    const region = input.SourceRegion ?? ctx.region;
    if (findRegion(region) === undefined) throw invalidParameterValue(`Value (${region}) for parameter sourceRegion is invalid.`);
    if (ctx.part('zones').downSince(region) !== undefined)
      throw new AwsError('Unavailable', `The Region ${region} does not answer.`, { status: 503 });
    if (input.DestinationRegion !== undefined && input.DestinationRegion !== ctx.region)
      throw invalidParameterValue(
        `Value (${input.DestinationRegion}) for parameter destinationRegion is not the Region of the call.`,
      );
    const { scope, row: source } = await findSnapshot(ctx.inScope({ region }), input.SourceSnapshotId ?? '');
    if (source.state !== 'completed')
      throw new AwsError('IncorrectState', `Snapshot ${source.id} is not in the completed state.`);
    if (source.tier === 'archive') throw new AwsError('IncorrectState', `Snapshot ${source.id} is archived.`);
    const from = source.encryption === undefined ? undefined : await unseal(ctx.inScope({ region }), source.encryption);
    // A key is of one Region: the copy in another is under that one's own.
    const sameRegion = region === ctx.region;
    const encryption = await planEncryption(ctx, {
      encrypted: input.Encrypted === true || (from !== undefined && !sameRegion) ? true : undefined,
      keyId: input.KmsKeyId,
      origin: sameRegion ? source : undefined,
    });
    // The layers of a root volume are shared with its copies, so they are under one key.
    if (source.rootImage !== undefined && encryption?.keyArn !== source.encryption?.keyArn)
      throw parameterNotImplemented('CopySnapshot', 'Encrypted, under another key, for snapshots of root volumes');
    const tags = tagsFor('snapshot', input.TagSpecifications);
    const id = ctx.id('snapshot');
    await ctx.transact(async (tx) => {
      await tx.table(Snapshots).put({
        ...blank,
        id,
        // "VolumeId … has an arbitrary volume ID that you should not use for any purpose" on copies.
        volumeId: 'vol-ffffffff',
        sizeGiB: source.sizeGiB,
        description: input.Description ?? `[Copied ${source.id} from ${region}]`,
        started: ctx.now,
        state: 'pending',
        rootImage: source.rootImage,
        source: { kind: 'snapshot', id: source.id, region: scope.region, account: scope.account },
        sourceSealed: from?.sealed,
        encryption,
        tags,
      });
      await meterToday(tx, ctx);
      tx.hint('snapshots', id);
    });
    return { SnapshotId: id, Tags: describeTags(tags) };
  },

  /** Shares with accounts, or with all. Encrypted snapshots are never public ("Share an Amazon EBS snapshot"). */
  async ModifySnapshotAttribute(input, ctx) {
    if ((input.Attribute ?? 'createVolumePermission') !== 'createVolumePermission')
      throw invalidParameterValue(`Invalid value '${input.Attribute}' for attribute.`);
    const { Add = [], Remove = [] } = input.CreateVolumePermission ?? {};
    const named = input.OperationType === 'remove' ? { add: [], remove: nameAll(input) } : { add: nameAll(input), remove: [] };
    const add = [...named.add, ...Add.map((one) => one.UserId ?? one.Group ?? '')];
    const remove = [...named.remove, ...Remove.map((one) => one.UserId ?? one.Group ?? '')];
    if (add.length + remove.length === 0) throw missingParameter('createVolumePermission');
    const bad = [...add, ...remove].find((one) => one !== 'all' && !/^\d{12}$/.test(one));
    if (bad !== undefined) throw new AwsError('InvalidUserID.Malformed', `Invalid user id: "${bad}"`);
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Snapshots, 'snapshot', input.SnapshotId);
      if (row.encryption !== undefined && add.includes('all'))
        throw new AwsError('OperationNotPermitted', `Encrypted snapshots cannot be shared publicly: ${row.id}`);
      const sharedWith = [...new Set([...row.sharedWith, ...add])].filter((one) => !remove.includes(one));
      await tx.table(Snapshots).put({ ...row, sharedWith });
    });
    return {};
  },

  async ResetSnapshotAttribute(input, ctx) {
    if (input.Attribute !== 'createVolumePermission')
      throw invalidParameterValue(`Invalid value '${input.Attribute}' for attribute.`);
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Snapshots, 'snapshot', input.SnapshotId);
      await tx.table(Snapshots).put({ ...row, sharedWith: [] });
    });
    return {};
  },

  async DescribeSnapshotAttribute(input, ctx) {
    const row = await requireRow(ctx, Snapshots, 'snapshot', input.SnapshotId);
    if (input.Attribute === 'productCodes') return { SnapshotId: row.id, ProductCodes: [] };
    if (input.Attribute !== 'createVolumePermission')
      throw invalidParameterValue(`Invalid value '${input.Attribute}' for attribute.`);
    return {
      SnapshotId: row.id,
      CreateVolumePermissions: row.sharedWith.map((one) => (one === 'all' ? { Group: 'all' as const } : { UserId: one })),
    };
  },
};

function nameAll({
  UserIds = [],
  GroupNames = [],
}: {
  UserIds?: string[] | undefined;
  GroupNames?: string[] | undefined;
}): string[] {
  return [...UserIds, ...GroupNames];
}

const onSnapshot = (input: { SnapshotId?: string | undefined }, ctx: Context) => checkTagged([input.SnapshotId ?? ''], ctx);

export const snapshotAuthorisations: AuthorisationsOf<EC2> = {
  CreateSnapshot: async (input, ctx) => [
    ...(await checkTagged([input.VolumeId ?? ''], ctx)),
    {
      resource: ec2Arn(ctx, 'snapshot', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  CreateSnapshots: async (input, ctx) => [
    ...(await checkTagged([input.InstanceSpecification?.InstanceId ?? ''], ctx)),
    { resource: ec2Arn(ctx, 'volume', '*') },
    {
      resource: ec2Arn(ctx, 'snapshot', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  CopySnapshot: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'snapshot', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  DeleteSnapshot: onSnapshot,
  ModifySnapshotAttribute: onSnapshot,
  ResetSnapshotAttribute: onSnapshot,
  DescribeSnapshotAttribute: onSnapshot,
};
