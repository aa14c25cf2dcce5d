/** Images of one's own: made of instances, copied from other Regions, deregistered. */
import type { EC2 } from '@aws-sdk/client-ec2';
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
import { findImage } from './find.ts';
import { dropImage, requireOwnImage, writeImage } from './own.ts';
import { type ImageRow, Images } from './state.ts';

const nameForm = /^[a-zA-Z0-9()[\] ./\-'@_]{3,128}$/;

async function checkName(tx: Transaction, name: string): Promise<void> {
  const taken = await tx.table(Images).firstByIndex('byName', [name]);
  if (taken !== undefined)
    throw new AwsError('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by AMI ${taken.id}`);
}

function requireName(name: string | undefined): string {
  if (name === undefined || name === '') throw missingParameter('Name');
  if (!nameForm.test(name)) {
    throw new AwsError(
      'InvalidAMIName.Malformed',
      "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, and only the following characters: ( ) [ ] space . / - ' @ _",
    );
  }
  return name;
}

function imageTags(input: {
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
  const type = volume?.type;
  return {
    id: ctx.id('image'),
    name,
    description: '',
    state: 'pending',
    created: ctx.now,
    architecture: instance.boot.architecture,
    rootDeviceName: instance.rootDeviceName,
    rootSizeGiB: instance.rootVolume.sizeGiB,
    rootType: type === 'gp2' || type === 'standard' ? type : 'gp3',
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

export const imageHandlers: HandlersOf<EC2> = {
  /** A running instance is stopped for it and booted again, unless NoReboot ("Create an AMI"). Throws InvalidAMIName.Duplicate, IncorrectState. */
  async CreateImage(input, ctx) {
    for (const name of ['SnapshotLocation', 'BootModeOverride'] as const)
      if ((input as unknown as Record<string, unknown>)[name] !== undefined) throw parameterNotImplemented('CreateImage', name);
    if ((input.BlockDeviceMappings?.length ?? 0) > 0) throw parameterNotImplemented('CreateImage', 'BlockDeviceMappings');
    const name = requireName(input.Name);
    const tags = imageTags(input);
    const row = await ctx.transact(async (tx) => {
      const instance = await requireRow(tx, Instances, 'instance', input.InstanceId);
      if (!['running', 'stopped', 'stopping'].includes(instance.state))
        throw new AwsError('IncorrectState', `Instance '${instance.id}' is not 'running' or 'stopped'.`);
      await checkName(tx, name);
      const reboot = input.NoReboot !== true && instance.state === 'running';
      const image = await ofInstance(tx, ctx, instance, name);
      const made: ImageRow = {
        ...image,
        description: input.Description ?? '',
        planeImage: image.id,
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
    const name = requireName(input.Name);
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
    const row = await ctx.transact(async (tx) => {
      const earlier =
        input.ClientToken === undefined ? undefined : await tx.table(Images).firstByIndex('byClientToken', [input.ClientToken]);
      if (earlier !== undefined) return earlier;
      await checkName(tx, name);
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
    if (input.DeleteAssociatedSnapshots === true) throw parameterNotImplemented('DeregisterImage', 'DeleteAssociatedSnapshots');
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      if (row.deregistrationProtection)
        throw new AwsError('OperationNotPermitted', `The image ${row.id} is protected from deregistration.`);
      await dropImage(tx, ctx, row);
      tx.hint('images', row.planeImage);
    });
    return { Return: true };
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
