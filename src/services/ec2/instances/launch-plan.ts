/** What a RunInstances request asks for, checked and with defaults filled in; the same for a hundred instances as for one. */
import { createHash } from 'node:crypto';
import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import { findZone, isInstanceTypeOffered } from '../../../base/regions.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { requireImage, type UsableImage } from '../images/find.ts';
import { KeyPairs } from '../key-pairs/state.ts';
import type { MergedLaunch } from '../launch-templates/data.ts';
import { requireRow } from '../lookup.ts';
import { parseTags } from '../tags.ts';
import { planSpot } from '../spot/plan.ts';
import type { SpotPlan } from '../spot/state.ts';
import { type SubnetRow, Subnets, type TagMap, Vpcs } from '../vpc/state.ts';
import { checkHibernation } from './hibernation.ts';
import { type CardPlan, planCards } from './launch-cards.ts';
import { type DiskPlan, planDisks } from './launch-disks.ts';
import { type PlacementPlan, planPlacement } from './launch-placement.ts';
import type { InstanceRow } from './state.ts';
import { type InstanceTypeInfo, instanceTypes } from './type-catalogue.ts';

/** User data before base64 ("User data is limited to 16 KB, in raw form"). */
const userDataBytesMax = 16 * 1024;
/** Type of a launch that names none ("RunInstances": Default: m1.small). */
const defaultType = 'm1.small';

export interface LaunchPlan {
  image: UsableImage;
  type: InstanceTypeInfo;
  min: number;
  max: number;
  keyName?: string | undefined;
  userData?: string | undefined;
  /** The primary one first. */
  cards: readonly CardPlan[];
  zone?: string | undefined;
  place: PlacementPlan;
  disks: DiskPlan;
  hibernation: boolean;
  spot: SpotPlan | undefined;
  cpuCredits: InstanceRow['cpuCredits'];
  metadata: InstanceRow['metadata'];
  shutdownBehaviour: InstanceRow['shutdownBehaviour'];
  tags: { instance: TagMap; card: TagMap; volume: TagMap; spot: TagMap };
  fingerprint: string;
}

/** Parameters whose only accepted value is the one that changes nothing. */
function refuseUnimplemented(input: RunInstancesRequest): void {
  const plain: (keyof RunInstancesRequest)[] = [
    ...(['KernelId', 'RamdiskId', 'AdditionalInfo', 'LicenseSpecifications', 'ElasticGpuSpecification'] as const),
    ...([
      'ElasticInferenceAccelerators',
      'CpuOptions',
      'Ipv6Addresses',
      'Ipv6AddressCount',
      'EnablePrimaryIpv6',
      'PrivateDnsNameOptions',
    ] as const),
    ...(['NetworkPerformanceOptions', 'Operator'] as const),
  ];
  const named = plain.find((name) => input[name] !== undefined && !(Array.isArray(input[name]) && input[name].length === 0));
  if (named !== undefined) throw parameterNotImplemented('RunInstances', named);
  if (input.EnclaveOptions?.Enabled === true) throw parameterNotImplemented('RunInstances', 'EnclaveOptions');
  if ((input.CapacityReservationSpecification?.CapacityReservationPreference ?? 'open') !== 'open')
    throw parameterNotImplemented('RunInstances', 'CapacityReservationSpecification');
}

/** Images that are known by name and that this cloud cannot boot. */
function refuseUnbootable(image: UsableImage): void {
  if (image.platform !== undefined) throw parameterNotImplemented('RunInstances', 'ImageId of an image of Windows');
  if (image.instanceStore === true) throw parameterNotImplemented('RunInstances', 'ImageId of an image on instance store');
}

function planCounts(input: RunInstancesRequest): { min: number; max: number } {
  const { MinCount: min, MaxCount: max } = input;
  if (min === undefined) throw missingParameter('MinCount');
  if (max === undefined) throw missingParameter('MaxCount');
  if (min < 1)
    throw invalidParameterValue(
      `Value (${min}) for parameter minCount is invalid. Expecting a number greater than or equal to 1.`,
    );
  if (max < min)
    throw invalidParameterValue(
      `Value (${max}) for parameter maxCount is invalid. Expecting a number greater than or equal to minCount.`,
    );
  return { min, max };
}

function planType(input: RunInstancesRequest, image: UsableImage, region: string): InstanceTypeInfo {
  const name = input.InstanceType ?? defaultType;
  const type = instanceTypes.get(name);
  if (type === undefined) throw invalidParameterValue(`Invalid value '${name}' for InstanceType.`);
  if (!isInstanceTypeOffered(name, region)) {
    throw new AwsError(
      'Unsupported',
      'The requested configuration is currently not supported. Please check the documentation for supported configurations.',
    );
  }
  if (type.architecture !== image.architecture) {
    throw invalidParameterValue(
      `The architecture '${type.architecture}' of the specified instance type does not match the architecture '${image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.`,
    );
  }
  return type;
}

function planUserData(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) throw invalidParameterValue('Invalid BASE64 encoding of user data.');
  if (Buffer.from(text, 'base64').byteLength > userDataBytesMax)
    throw invalidParameterValue('User data is limited to 16384 bytes');
  return text;
}

function planMetadata(options: RunInstancesRequest['MetadataOptions'], image: UsableImage): InstanceRow['metadata'] {
  const hopLimit = options?.HttpPutResponseHopLimit ?? (image.imdsV2 ? 2 : 1);
  if (hopLimit < 1 || hopLimit > 64)
    throw invalidParameterValue(`The value for HttpPutResponseHopLimit must be between 1 and 64.`);
  if (options?.HttpProtocolIpv6 === 'enabled') throw parameterNotImplemented('RunInstances', 'MetadataOptions.HttpProtocolIpv6');
  return {
    // Images may ask for IMDSv2 ("ImdsSupport v2.0"); a launch may say otherwise.
    httpTokens: options?.HttpTokens ?? (image.imdsV2 ? 'required' : 'optional'),
    hopLimit,
    endpoint: options?.HttpEndpoint ?? 'enabled',
    tags: options?.InstanceMetadataTags ?? 'disabled',
  };
}

/** t2 is standard, later burstable types unlimited ("Default credit specification"); other types have no credits. */
function planCredits(wanted: string | undefined, type: InstanceTypeInfo): InstanceRow['cpuCredits'] {
  if (wanted !== undefined && wanted !== 'standard' && wanted !== 'unlimited')
    throw invalidParameterValue(`Invalid value '${wanted}' for CpuCredits. Valid values are standard and unlimited.`);
  if (!type.burstable) {
    if (wanted === undefined) return undefined;
    throw invalidParameterCombination(`The credit specification is not supported for the instance type ${type.name}.`);
  }
  return wanted ?? (type.name.startsWith('t2.') ? 'standard' : 'unlimited');
}

/** Of an instance from a launch template two more tags name the template and its version, which only AWS can write. */
function planTags(input: RunInstancesRequest, template: MergedLaunch['template'], { caller }: Context): LaunchPlan['tags'] {
  const tags = { instance: {} as TagMap, card: {} as TagMap, volume: {} as TagMap, spot: {} as TagMap };
  for (const { ResourceType, Tags } of input.TagSpecifications ?? []) {
    if (ResourceType === 'instance') tags.instance = { ...tags.instance, ...parseTags(Tags, caller) };
    else if (ResourceType === 'network-interface') tags.card = { ...tags.card, ...parseTags(Tags, caller) };
    else if (ResourceType === 'volume') tags.volume = { ...tags.volume, ...parseTags(Tags, caller) };
    else if (ResourceType === 'spot-instances-request' && input.InstanceMarketOptions?.MarketType === 'spot')
      tags.spot = { ...tags.spot, ...parseTags(Tags, caller) };
    else if (ResourceType === 'spot-instances-request')
      throw invalidParameterCombination('Tags for spot-instances-request need the market option spot.');
    else throw invalidParameterValue(`'${ResourceType ?? ''}' is not a valid taggable resource type for this operation.`);
  }
  if (template !== undefined) {
    tags.instance = {
      ...tags.instance,
      'aws:ec2launchtemplate:id': template.id,
      'aws:ec2launchtemplate:version': String(template.version),
    };
  }
  return tags;
}

/** Checks a request without writing anything. Throws EC2's errors in the order in which AWS reports them. */
export async function planLaunch({ input, template }: MergedLaunch, ctx: Context): Promise<LaunchPlan> {
  const counts = planCounts(input);
  if (input.ImageId === undefined) throw missingParameter('ImageId');
  refuseUnimplemented(input);
  const image = await requireImage(ctx, input.ImageId ?? '');
  const type = planType(input, image, ctx.region);
  if (input.KeyName !== undefined && (await ctx.table(KeyPairs).get(input.KeyName)) === undefined)
    throw notFound('keyPair', input.KeyName);
  // Clients that always write the parameter write nothing into it when they mean none.
  const zone = input.Placement?.AvailabilityZone || undefined;
  if (zone !== undefined && findZone(zone)?.region !== ctx.region) {
    throw invalidParameterValue(`Invalid availability zone: [${zone}]`);
  }
  const disks = await planDisks(input.BlockDeviceMappings, image, type, ctx);
  const hibernation = input.HibernationOptions?.Configured === true;
  if (hibernation) checkHibernation(type, image, disks.root);
  refuseUnbootable(image);
  const { ClientToken: _token, DryRun: _dryRun, ...significant } = input;
  return {
    image,
    type,
    ...counts,
    keyName: input.KeyName,
    userData: planUserData(input.UserData),
    cards: planCards(input, type),
    zone,
    place: await planPlacement(input, ctx, type),
    disks,
    hibernation,
    spot: planSpot(input, ctx),
    cpuCredits: planCredits(input.CreditSpecification?.CpuCredits, type),
    metadata: planMetadata(input.MetadataOptions, image),
    shutdownBehaviour: input.InstanceInitiatedShutdownBehavior ?? 'stop',
    tags: planTags(input, template, ctx),
    fingerprint: createHash('sha256').update(JSON.stringify(significant)).digest('hex'),
  };
}

/** The subnet of a launch: the one named, else the default one of the zone, else of the first zone that is up. Throws VPCIdNotSpecified without a default VPC. */
export async function chooseSubnet(
  tx: Transaction,
  ctx: Context,
  plan: LaunchPlan,
  subnetId: string | undefined,
): Promise<SubnetRow> {
  if (subnetId !== undefined) {
    const subnet = await requireRow(tx, Subnets, 'subnet', subnetId);
    if (plan.zone !== undefined && plan.zone !== subnet.zone) {
      throw invalidParameterValue(`The specified subnet is not in the specified availability zone: [${plan.zone}]`);
    }
    return subnet;
  }
  const vpc = (await tx.table(Vpcs).list()).find((row) => row.isDefault);
  if (vpc === undefined) {
    throw new AwsError(
      'VPCIdNotSpecified',
      'No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.',
    );
  }
  const subnets = (await tx.table(Subnets).byIndex('byVpc', [vpc.id]))
    .filter((row) => row.defaultForZone)
    .sort((a, b) => (a.zone < b.zone ? -1 : 1));
  const working = subnets.find((row) => ctx.part('zones').downSince(row.zone) === undefined);
  const subnet = plan.zone === undefined ? (working ?? subnets[0]) : subnets.find((row) => row.zone === plan.zone);
  if (subnet === undefined) {
    throw new AwsError('MissingInput', `No subnets found for the default VPC '${vpc.id}'. Please specify a subnet.`);
  }
  return subnet;
}
