/** Images: the provider's catalogue and one's own. */
import type { EC2, Image } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { malformedId, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { page } from '../paging.ts';
import { describeTags } from '../tags.ts';
import type { TagMap } from '../vpc/state.ts';
import { catalogueImages } from './catalogue.ts';
import { Images } from './state.ts';

interface ListedImage {
  id: string;
  name: string;
  description: string;
  architecture: 'x86_64' | 'arm64';
  rootDeviceName: string;
  rootSizeGiB: number;
  state: string;
  public: boolean;
  ownerId: string;
  ownerAlias?: string | undefined;
  created: string;
  tags: TagMap;
}

async function listImages(ctx: Context): Promise<ListedImage[]> {
  const own = (await ctx.table(Images).list()).map((row) => ({
    ...row,
    public: false,
    ownerId: ctx.account,
    created: new Date(row.created).toISOString(),
  }));
  const provided = catalogueImages(ctx.region).map((image) => ({ ...image, state: 'available', public: true, tags: {} }));
  return [...own, ...provided].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function describeImage(image: ListedImage): Image {
  return {
    ImageId: image.id,
    Name: image.name,
    Description: image.description,
    State: image.state as never,
    Public: image.public,
    OwnerId: image.ownerId,
    ImageOwnerAlias: image.ownerAlias,
    ImageLocation: `${image.ownerAlias ?? image.ownerId}/${image.name}`,
    ImageType: 'machine',
    Architecture: image.architecture,
    CreationDate: image.created,
    RootDeviceName: image.rootDeviceName,
    RootDeviceType: 'ebs',
    VirtualizationType: 'hvm',
    Hypervisor: 'xen',
    EnaSupport: true,
    SriovNetSupport: 'simple',
    PlatformDetails: 'Linux/UNIX',
    UsageOperation: 'RunInstances',
    BlockDeviceMappings: [
      {
        DeviceName: image.rootDeviceName,
        Ebs: { DeleteOnTermination: true, VolumeSize: image.rootSizeGiB, VolumeType: 'gp3', Encrypted: false },
      },
    ],
    Tags: describeTags(image.tags),
  };
}

/** Whether an image belongs to one of the owners asked for: `self`, `amazon`, `aws-marketplace`, or account ids. */
function ownedBy(image: ListedImage, owners: readonly string[] | undefined, account: string): boolean {
  if (owners === undefined || owners.length === 0) return true;
  return owners.some((owner) =>
    owner === 'self' ? image.ownerId === account : owner === image.ownerAlias || owner === image.ownerId,
  );
}

export const imageHandlers: HandlersOf<EC2> = {
  async DescribeImages(input, ctx) {
    const all = await listImages(ctx);
    for (const id of input.ImageIds ?? []) {
      if (!/^ami-[0-9a-f]{8,17}$/.test(id)) throw malformedId('image', id);
      if (!all.some((image) => image.id === id)) throw notFound('image', id);
    }
    const wanted = all.filter(
      (image) =>
        (input.ImageIds === undefined || input.ImageIds.length === 0 || input.ImageIds.includes(image.id)) &&
        ownedBy(image, input.Owners, ctx.account),
    );
    const usable =
      input.ExecutableUsers === undefined
        ? wanted
        : wanted.filter((image) => input.ExecutableUsers?.includes('all') === true && image.public);
    const passing = applyFilters(usable, input.Filters, {
      'image-id': (image) => image.id,
      name: (image) => image.name,
      description: (image) => image.description,
      state: (image) => image.state,
      'is-public': (image) => image.public,
      'owner-id': (image) => image.ownerId,
      'owner-alias': (image) => image.ownerAlias,
      architecture: (image) => image.architecture,
      'creation-date': (image) => image.created,
      'root-device-type': () => 'ebs',
      'root-device-name': (image) => image.rootDeviceName,
      'virtualization-type': () => 'hvm',
      hypervisor: () => 'xen',
      'image-type': () => 'machine',
      'ena-support': () => true,
      'block-device-mapping.device-name': (image) => image.rootDeviceName,
      'block-device-mapping.volume-type': () => 'gp3',
      platform: () => undefined,
      'platform-details': () => 'Linux/UNIX',
    });
    const found = page('DescribeImages', passing, (image) => image.id, input, { ids: input.ImageIds, least: 1 });
    return { Images: found.rows.map(describeImage), NextToken: found.nextToken };
  },
};
