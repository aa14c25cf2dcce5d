/** RegisterImage: an image of snapshots that exist, the first of a root volume ("RegisterImage", creating an image from a snapshot). */
import type { EC2, RegisterImageRequest } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, missingParameter } from '../errors.ts';
import { checkTagged, requestTagConditions } from '../tags.ts';
import { forgetSecret } from '../volumes/encryption.ts';
import { planVolume } from '../volumes/new-volume.ts';
import { usableSnapshot } from '../volumes/snapshot-lookup.ts';
import { catalogueImages } from './catalogue.ts';
import { checkImageName, imageTags, requireImageName } from './images.ts';
import { writeImage } from './own.ts';
import type { ImageRow, ImageVolume } from './state.ts';

const refused = ['ImageLocation', 'BillingProducts', 'TpmSupport', 'UefiData', 'KernelId', 'RamdiskId'] as const;

async function planVolumes(ctx: Context, input: RegisterImageRequest, rootDevice: string): Promise<ImageVolume[]> {
  const volumes: ImageVolume[] = [];
  for (const { DeviceName: device = '', Ebs, VirtualName, NoDevice } of input.BlockDeviceMappings ?? []) {
    if (device === rootDevice || NoDevice !== undefined) continue;
    if (VirtualName !== undefined || Ebs?.SnapshotId === undefined)
      throw parameterNotImplemented('RegisterImage', 'BlockDeviceMappings without a snapshot');
    const plan = await planVolume(ctx, { ...Ebs, Size: Ebs.VolumeSize }, 'gp3');
    volumes.push({
      device,
      snapshotId: Ebs.SnapshotId,
      sizeGiB: plan.shape.sizeGiB,
      type: plan.shape.type,
      iops: plan.shape.iops,
      throughput: plan.shape.throughput,
      encrypted: plan.encryption !== undefined,
      deleteOnTermination: Ebs.DeleteOnTermination ?? true,
    });
  }
  return volumes;
}

export const registerImageHandlers: HandlersOf<EC2> = {
  /** Throws InvalidBlockDeviceMapping without a snapshot for the root, InvalidSnapshot.NotFound, InvalidAMIName.Duplicate. */
  async RegisterImage(input, ctx) {
    const other = refused.find((name) => input[name] !== undefined && !(Array.isArray(input[name]) && input[name].length === 0));
    if (other !== undefined) throw parameterNotImplemented('RegisterImage', other);
    const name = requireImageName(input.Name);
    if (input.VirtualizationType !== undefined && input.VirtualizationType !== 'hvm')
      throw parameterNotImplemented('RegisterImage', `VirtualizationType ${input.VirtualizationType}`);
    const rootDeviceName = input.RootDeviceName;
    if (rootDeviceName === undefined) throw missingParameter('rootDeviceName');
    const root = input.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === rootDeviceName)?.Ebs;
    if (root?.SnapshotId === undefined)
      throw new AwsError('InvalidBlockDeviceMapping', `No EBS snapshot is given for the root device ${rootDeviceName}.`);
    if (root.Encrypted !== undefined)
      throw invalidParameterCombination('The encryption of a snapshot cannot be changed by registering an image of it.');
    const snapshot = await usableSnapshot(ctx, root.SnapshotId);
    if (snapshot.rootImage === undefined)
      throw parameterNotImplemented('RegisterImage', 'a root snapshot that is not of a root volume');
    const [base] = catalogueImages(ctx.region);
    const { shape } = await planVolume(ctx, { ...root, Size: root.VolumeSize }, 'gp3');
    const made: ImageRow = {
      id: ctx.id('image'),
      name,
      description: input.Description ?? '',
      state: 'available',
      created: ctx.now,
      architecture: (input.Architecture ?? base?.architecture ?? 'x86_64') as ImageRow['architecture'],
      rootDeviceName,
      rootSizeGiB: shape.sizeGiB,
      rootType: shape.type,
      rootDeleteOnTermination: root.DeleteOnTermination ?? true,
      rootSnapshotId: snapshot.id,
      rootEncryption: forgetSecret(snapshot.encryption),
      volumes: await planVolumes(ctx, input, rootDeviceName),
      planeImage: snapshot.rootImage,
      user: base?.user ?? 'ec2-user',
      imdsV2: input.ImdsSupport === 'v2.0',
      public: false,
      users: [],
      deregistrationProtection: false,
      tags: imageTags(input),
    };
    await ctx.transact(async (tx) => {
      await checkImageName(tx, name);
      await writeImage(tx, ctx, made);
    });
    return { ImageId: made.id };
  },
};

export const registerImageAuthorisations: AuthorisationsOf<EC2> = {
  RegisterImage: async (input, ctx) => [
    {
      resource: `arn:aws:ec2:${ctx.region}::image/*`,
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged(
      (input.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []),
      ctx,
    )),
  ],
};
