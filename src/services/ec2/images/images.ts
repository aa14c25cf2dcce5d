/** Images of one's own: made of instances, copied from other Regions, deregistered. */
import type { DeleteSnapshotReturnCode, EC2 } from '@aws-sdk/client-ec2';
import { findRegion } from '../../../base/regions.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { requireRow } from '../lookup.ts';
import { checkTagged, ec2Arn, parseTags, requestTagConditions } from '../tags.ts';
import { Volumes } from '../volumes/state.ts';
import type { TagMap } from '../vpc/state.ts';
import { findImage, type UsableImage } from './find.ts';
import { dropImage, requireOwnImage, writeImage } from './own.ts';
import { type ImageRow, Images } from './state.ts';

const nameForm = /^[a-zA-Z0-9()[\] ./\-'@_]{3,128}$/;

/** Throws InvalidAMIName.Duplicate when an image of the account has the name. */
export async function checkImageName(tx: Transaction, name: string): Promise<void> {
  const taken = await tx.table(Images).firstByIndex('byName', [name]);
  if (taken !== undefined)
    throw new AwsError('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by AMI ${taken.id}`);
}

/** Throws MissingParameter, InvalidAMIName.Malformed. */
export function requireImageName(name: string | undefined): string {
  if (name === undefined || name === '') throw missingParameter('Name');
  if (!nameForm.test(name)) {
    throw new AwsError(
      'InvalidAMIName.Malformed',
      "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, and only the following characters: ( ) [ ] space . / - ' @ _",
    );
  }
  return name;
}

/** Tags of the image itself; those of its snapshots are not taken. */
export function imageTags(input: {
  TagSpecifications?:
    | { ResourceType?: string | undefined; Tags?: { Key?: string | undefined; Value?: string | undefined }[] | undefined }[]
    | undefined;
}): TagMap {
  let tags: TagMap = {};
  for (const { ResourceType, Tags } of input.TagSpecifications ?? []) {
    if (ResourceType !== 'image')
      throw invalidParameterValue(`'${ResourceType ?? ''}' is not a valid taggable resource type for this operation.`);
    tags = { ...tags, ...parseTags(Tags) };
  }
  return tags;
}

async function ofInstance(tx: Transaction, ctx: Context, instance: InstanceRow, name: string): Promise<ImageRow> {
  const volume = await tx.table(Volumes).get(instance.rootVolume.id);
  return {
    id: ctx.id('image'),
    name,
    description: '',
    state: 'pending',
    created: ctx.now,
    architecture: instance.boot.architecture,
    rootDeviceName: instance.rootDeviceName,
    rootSizeGiB: instance.rootVolume.sizeGiB,
    rootType: volume?.type ?? 'gp3',
    volumes: [],
    rootDeleteOnTermination: instance.rootVolume.deleteOnTermination,
    planeImage: '',
    user: instance.boot.user,
    imdsV2: false,
    public: false,
    users: [],
    sourceImageId: instance.imageId,
    sourceImageRegion: ctx.region,
    sourceInstanceId: instance.id,
    deregistrationProtection: false,
    tags: {},
  };
}

/** One snapshot of a deregistered image; what keeps it, such as another image, is told as its own result. */
async function deleteSnapshot(ctx: Context, SnapshotId: string): Promise<DeleteSnapshotReturnCode> {
  try {
    await ctx.call('ec2').deleteSnapshot({ SnapshotId });
    return { SnapshotId, ReturnCode: 'success' };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return { SnapshotId, ReturnCode: error.code === 'InvalidSnapshot.InUse' ? 'skipped' : 'client-error' };
  }
}

/** Copies of an image's snapshots in this Region, by the source's id. AWS copies them itself: launch permission on the image is enough. */
async function copySnapshots(ctx: Context, source: UsableImage, region: string): Promise<Map<string, string>> {
  const ids = [source.rootSnapshotId, ...source.volumes.map(({ snapshotId }) => snapshotId)].filter((id) => id !== undefined);
  const copies = new Map<string, string>();
  const own = ctx.asService();
  for (const SourceSnapshotId of ids) {
    const made = await own.call('ec2').copySnapshot({
      SourceSnapshotId,
      SourceRegion: region,
      Description: `Copied for DestinationAmi from SourceAmi ${source.id} for SourceSnapshot ${SourceSnapshotId}.`,
    });
    if (made.SnapshotId !== undefined) copies.set(SourceSnapshotId, made.SnapshotId);
  }
  return copies;
}

export const imageHandlers: HandlersOf<EC2> = {
  /** A running instance is stopped for it and booted again, unless NoReboot ("Create an AMI"). Throws InvalidAMIName.Duplicate, IncorrectState. */
  async CreateImage(input, ctx) {
    for (const name of ['SnapshotLocation', 'BootModeOverride'] as const)
      if ((input as unknown as Record<string, unknown>)[name] !== undefined) throw parameterNotImplemented('CreateImage', name);
    if ((input.BlockDeviceMappings?.length ?? 0) > 0) throw parameterNotImplemented('CreateImage', 'BlockDeviceMappings');
    const name = requireImageName(input.Name);
    const tags = imageTags(input);
    const row = await ctx.transact(async (tx) => {
      const instance = await requireRow(tx, Instances, 'instance', input.InstanceId);
      if (!['running', 'stopped', 'stopping'].includes(instance.state))
        throw new AwsError('IncorrectState', `Instance '${instance.id}' is not 'running' or 'stopped'.`);
      await checkImageName(tx, name);
      const reboot = input.NoReboot !== true && instance.state === 'running';
      const image = await ofInstance(tx, ctx, instance, name);
      const made: ImageRow = {
        ...image,
        description: input.Description ?? '',
        pendingFrom: { instanceId: instance.id, reboot },
        tags,
      };
      await writeImage(tx, ctx, made);
      if (reboot) {
        await tx.table(Instances).put({ ...instance, heldFor: made.id });
        tx.hint('machines', instance.id);
      } else tx.hint('images', made.id);
      return made;
    });
    return { ImageId: row.id };
  },

  /** A new image in this Region, of one's own or of one that is shared. Throws what finding the source throws. */
  async CopyImage(input, ctx) {
    for (const name of [
      'KmsKeyId',
      'DestinationOutpostArn',
      'SnapshotCopyCompletionDurationMinutes',
      'DestinationAvailabilityZone',
      'DestinationAvailabilityZoneId',
    ] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CopyImage', name);
    if (input.Encrypted === true) throw parameterNotImplemented('CopyImage', 'Encrypted');
    const name = requireImageName(input.Name);
    if (input.SourceImageId === undefined) throw missingParameter('sourceImageId');
    if (input.SourceRegion === undefined) throw missingParameter('sourceRegion');
    if (findRegion(input.SourceRegion) === undefined)
      throw invalidParameterValue(`Value (${input.SourceRegion}) for parameter sourceRegion is invalid.`);
    const source = await findImage(ctx.inScope({ region: input.SourceRegion }), input.SourceImageId);
    if (source.state !== 'available')
      throw new AwsError('InvalidAMIID.Unavailable', `The image ID '${source.id}' is not available`);
    if (source.productCode !== undefined)
      throw new AwsError('InvalidRequest', `Images from AWS Marketplace cannot be copied: ${source.id}.`);
    const tags = imageTags(input);
    const repeated =
      input.ClientToken === undefined ? undefined : await ctx.table(Images).firstByIndex('byClientToken', [input.ClientToken]);
    if (repeated !== undefined) return { ImageId: repeated.id };
    await ctx.transact((tx) => checkImageName(tx, name));
    const copies = await copySnapshots(ctx, source, input.SourceRegion);
    const row = await ctx.transact(async (tx) => {
      const earlier =
        input.ClientToken === undefined ? undefined : await tx.table(Images).firstByIndex('byClientToken', [input.ClientToken]);
      if (earlier !== undefined) return earlier;
      await checkImageName(tx, name);
      const made: ImageRow = {
        id: ctx.id('image'),
        name,
        description: input.Description ?? `[Copied ${source.id} from ${input.SourceRegion}] ${source.description}`.trim(),
        state: 'pending',
        created: ctx.now,
        architecture: source.architecture,
        rootDeviceName: source.rootDeviceName,
        rootSizeGiB: source.rootSizeGiB,
        rootType: source.rootType,
        rootDeleteOnTermination: source.rootDeleteOnTermination,
        rootSnapshotId: copies.get(source.rootSnapshotId ?? ''),
        rootEncryption: source.rootEncryption,
        volumes: source.volumes.map((volume) => ({ ...volume, snapshotId: copies.get(volume.snapshotId) ?? volume.snapshotId })),
        planeImage: source.planeImage,
        user: source.user,
        imdsV2: source.imdsV2,
        public: false,
        users: [],
        sourceImageId: source.id,
        sourceImageRegion: input.SourceRegion,
        deregistrationProtection: false,
        clientToken: input.ClientToken,
        // The launch permissions stay behind; tags come along when asked for ("Copy an AMI").
        tags: { ...(input.CopyImageTags === true && source.ownerId === ctx.account ? source.tags : {}), ...tags },
      };
      await writeImage(tx, ctx, made);
      tx.hint('images', made.id);
      return made;
    });
    return { ImageId: row.id };
  },

  /** New launches are refused from then on; instances and copies stay. Throws OperationNotPermitted while it is protected. */
  async DeregisterImage(input, ctx) {
    const gone = await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      if (row.deregistrationProtection)
        throw new AwsError('OperationNotPermitted', `The image ${row.id} is protected from deregistration.`);
      await dropImage(tx, ctx, row);
      return row;
    });
    if (input.DeleteAssociatedSnapshots !== true) return { Return: true };
    const ids = [gone.rootSnapshotId, ...gone.volumes.map(({ snapshotId }) => snapshotId)].filter((id) => id !== undefined);
    const results = await Promise.all(ids.map((id) => deleteSnapshot(ctx, id)));
    return { Return: true, DeleteSnapshotResults: results };
  },
};

export const imageAuthorisations: AuthorisationsOf<EC2> = {
  CreateImage: async (input, ctx) => [
    ...(await checkTagged([input.InstanceId ?? ''], ctx)),
    {
      resource: `arn:aws:ec2:${ctx.region}::image/*`,
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  CopyImage: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'image', '*').replace(`:${ctx.account}:`, '::'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  DeregisterImage: (input, ctx) => checkTagged([input.ImageId ?? ''], ctx),
};
