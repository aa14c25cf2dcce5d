/** Images as the API shows them, with owners, permissions and filters. */
import type { BlockDeviceMapping, EC2, Image } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { applyFilters, type FilterValues } from '../filters.ts';
import { page } from '../paging.ts';
import { describeTags } from '../tags.ts';
import { findImage, type UsableImage, visibleImages } from './find.ts';

/** The root and the volumes beside it, each with the snapshot that it is made of. */
export function mappingsOf(
  image: Pick<
    UsableImage,
    'rootDeviceName' | 'rootDeleteOnTermination' | 'rootSizeGiB' | 'rootType' | 'rootSnapshotId' | 'rootEncryption' | 'volumes'
  >,
): BlockDeviceMapping[] {
  return [
    {
      DeviceName: image.rootDeviceName,
      Ebs: {
        DeleteOnTermination: image.rootDeleteOnTermination,
        SnapshotId: image.rootSnapshotId,
        VolumeSize: image.rootSizeGiB,
        VolumeType: image.rootType,
        Encrypted: image.rootEncryption !== undefined,
      },
    },
    ...image.volumes.map((volume) => ({
      DeviceName: volume.device,
      Ebs: {
        DeleteOnTermination: volume.deleteOnTermination,
        SnapshotId: volume.snapshotId,
        VolumeSize: volume.sizeGiB,
        VolumeType: volume.type,
        Iops: volume.iops,
        Throughput: volume.throughput,
        Encrypted: volume.encrypted,
      },
    })),
  ];
}

/** `PlatformDetails`, as bills have it. */
function platformDetails(image: UsableImage): string {
  return image.platform === 'windows' ? 'Windows' : 'Linux/UNIX';
}

function describeImage(image: UsableImage): Image {
  const { deprecateAt, lastLaunched } = image;
  return {
    ImageId: image.id,
    Name: image.name,
    Description: image.description,
    State: image.state,
    StateReason: image.stateReason === undefined ? undefined : { Code: 'Server.InternalError', Message: image.stateReason },
    Public: image.public,
    OwnerId: image.ownerId,
    ImageOwnerAlias: image.ownerAlias,
    ImageLocation: `${image.ownerAlias ?? image.ownerId}/${image.name}`,
    ImageType: 'machine',
    Architecture: image.architecture,
    CreationDate: image.created,
    DeprecationTime: deprecateAt === undefined ? undefined : new Date(deprecateAt).toISOString(),
    LastLaunchedTime: lastLaunched === undefined ? undefined : new Date(lastLaunched).toISOString(),
    RootDeviceName: image.rootDeviceName,
    RootDeviceType: image.instanceStore === true ? 'instance-store' : 'ebs',
    VirtualizationType: 'hvm',
    Hypervisor: 'xen',
    EnaSupport: true,
    SriovNetSupport: 'simple',
    ImdsSupport: image.imdsV2 ? 'v2.0' : undefined,
    // The wire has it in small letters, unlike the model's list.
    Platform: image.platform as Image['Platform'],
    PlatformDetails: platformDetails(image),
    UsageOperation: image.platform === 'windows' ? 'RunInstances:0002' : 'RunInstances',
    SourceInstanceId: image.sourceInstanceId,
    SourceImageId: image.sourceImageId,
    SourceImageRegion: image.sourceImageRegion,
    DeregistrationProtection: image.deregistrationProtection ? 'enabled-without-cooldown' : 'disabled',
    ProductCodes:
      image.productCode === undefined ? undefined : [{ ProductCodeId: image.productCode, ProductCodeType: 'marketplace' }],
    BlockDeviceMappings: image.instanceStore === true ? [] : mappingsOf(image),
    Tags: describeTags(image.tags),
  };
}

/** Whether an image belongs to one of the owners asked for: `self`, `amazon`, `aws-marketplace`, or account ids. */
function ownedBy(image: UsableImage, owners: readonly string[] | undefined, account: string): boolean {
  if (owners === undefined || owners.length === 0) return true;
  return owners.some((owner) =>
    owner === 'self' ? image.ownerId === account : owner === image.ownerAlias || owner === image.ownerId,
  );
}

/** Whether one of the users asked for has an explicit launch permission: `all`, `self` (shared with the caller), or account ids. */
function executableBy(image: UsableImage, users: readonly string[] | undefined, account: string): boolean {
  if (users === undefined || users.length === 0) return true;
  return users.some((user) => (user === 'all' ? image.public : image.users.includes(user === 'self' ? account : user)));
}

const filters: FilterValues<UsableImage> = {
  'image-id': (image) => image.id,
  name: (image) => image.name,
  description: (image) => image.description,
  state: (image) => image.state,
  'state-reason-message': (image) => image.stateReason,
  'is-public': (image) => image.public,
  'owner-id': (image) => image.ownerId,
  'owner-alias': (image) => image.ownerAlias,
  architecture: (image) => image.architecture,
  'creation-date': (image) => image.created,
  'root-device-type': (image) => (image.instanceStore === true ? 'instance-store' : 'ebs'),
  'root-device-name': (image) => image.rootDeviceName,
  'virtualization-type': () => 'hvm',
  hypervisor: () => 'xen',
  'image-type': () => 'machine',
  'ena-support': () => true,
  'sriov-net-support': () => 'simple',
  'imds-support': (image) => (image.imdsV2 ? 'v2.0' : undefined),
  'product-code': (image) => image.productCode,
  'product-code.type': (image) => (image.productCode === undefined ? undefined : 'marketplace'),
  'source-instance-id': (image) => image.sourceInstanceId,
  'source-image-id': (image) => image.sourceImageId,
  'source-image-region': (image) => image.sourceImageRegion,
  'manifest-location': (image) => `${image.ownerAlias ?? image.ownerId}/${image.name}`,
  'block-device-mapping.device-name': (image) => mappingsOf(image).map(({ DeviceName }) => DeviceName),
  'block-device-mapping.snapshot-id': (image) => mappingsOf(image).map(({ Ebs }) => Ebs?.SnapshotId),
  'block-device-mapping.volume-type': (image) => mappingsOf(image).map(({ Ebs }) => Ebs?.VolumeType),
  'block-device-mapping.volume-size': (image) => mappingsOf(image).map(({ Ebs }) => String(Ebs?.VolumeSize)),
  'block-device-mapping.delete-on-termination': (image) => image.rootDeleteOnTermination,
  'block-device-mapping.encrypted': () => false,
  platform: (image) => image.platform,
  'platform-details': platformDetails,
  'usage-operation': () => 'RunInstances',
};

/** Deprecated and disabled images of others are hidden unless asked for ("Deprecate an AMI"). */
function isListed(
  ctx: Context,
  image: UsableImage,
  input: { IncludeDeprecated?: boolean | undefined; IncludeDisabled?: boolean | undefined },
): boolean {
  if (image.state === 'disabled' && input.IncludeDisabled !== true) return false;
  const deprecated = image.deprecateAt !== undefined && image.deprecateAt <= ctx.now;
  return !deprecated || image.ownerId === ctx.account || input.IncludeDeprecated === true;
}

export const describeImageHandlers: HandlersOf<EC2> = {
  async DescribeImages(input, ctx) {
    const named = input.ImageIds ?? [];
    const all =
      named.length === 0
        ? (await visibleImages(ctx)).filter((image) => isListed(ctx, image, input))
        : await Promise.all([...new Set(named)].sort().map((id) => findImage(ctx, id)));
    const usable = all.filter(
      (image) => ownedBy(image, input.Owners, ctx.account) && executableBy(image, input.ExecutableUsers, ctx.account),
    );
    const passing = applyFilters(usable, input.Filters, filters);
    const found = page('DescribeImages', passing, (image) => image.id, input, { ids: input.ImageIds, least: 1 });
    return { Images: found.rows.map(describeImage), NextToken: found.nextToken };
  },
};
