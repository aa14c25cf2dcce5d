/** The content of a version: what AWS checks when it is stored, and how it becomes part of a launch. The rest is checked by the launch itself. */
import type {
  RequestLaunchTemplateData,
  ResponseLaunchTemplateData,
  RunInstancesRequest,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Value } from '../../../store/store.ts';
import { invalidParameterCombination, missingParameter } from '../errors.ts';
import { requireTemplate, requireVersion } from './find.ts';

const descriptionLengthMax = 255;
/** User data of a template in base64, which may be longer than at launch by the encoding ("16 KB in raw form"). */
const userDataBytesMax = 16 * 1024;

/** Throws what AWS throws when a version is stored: its values are looked up only when an instance is launched. */
export function checkTemplateData(data: RequestLaunchTemplateData | undefined, description: string | undefined): void {
  if (data === undefined) throw missingParameter('LaunchTemplateData');
  const given = Object.values(data).some((value) => value !== undefined && !(Array.isArray(value) && value.length === 0));
  if (!given) throw missingParameter('LaunchTemplateData');
  if ((description?.length ?? 0) > descriptionLengthMax)
    throw new AwsError('InvalidParameterValue', `The version description must not exceed ${descriptionLengthMax} characters.`);
  if (data.InstanceType !== undefined && data.InstanceRequirements !== undefined)
    throw invalidParameterCombination(
      'InstanceRequirements and InstanceType cannot be specified together. Specify one and try again.',
    );
  const { UserData: userData } = data;
  if (userData !== undefined && !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(userData))
    throw new AwsError('InvalidUserData.Malformed', 'Invalid BASE64 encoding of user data.');
  if (userData !== undefined && Buffer.from(userData, 'base64').byteLength > userDataBytesMax)
    throw new AwsError('InvalidUserData.Malformed', `User data is limited to ${userDataBytesMax} bytes`);
}

/** A copy that a row can hold: members without value gone, times as texts. */
export function plainData(data: RequestLaunchTemplateData | undefined): Value {
  return JSON.parse(JSON.stringify(data ?? {})) as Value;
}

/** Stored content as the API shows it. */
export function shownData(data: Value): ResponseLaunchTemplateData {
  const stored = data as unknown as RequestLaunchTemplateData;
  const shown = structuredClone(stored) as ResponseLaunchTemplateData;
  const until = stored.InstanceMarketOptions?.SpotOptions?.ValidUntil;
  if (until !== undefined && shown.InstanceMarketOptions?.SpotOptions !== undefined)
    shown.InstanceMarketOptions.SpotOptions.ValidUntil = new Date(until);
  return shown;
}

/** A new version's content on the base of an older one: members given replace, others are inherited ("CreateLaunchTemplateVersion"). */
export function inherit(source: Value, data: RequestLaunchTemplateData | undefined): Value {
  return { ...(source as Record<string, Value>), ...(plainData(data) as Record<string, Value>) };
}

/** Where a launch came from, for the instance's own tags. */
export interface TemplateUse {
  id: string;
  version: number;
}

export interface MergedLaunch {
  input: RunInstancesRequest;
  template?: TemplateUse | undefined;
}

/**
 * A launch request with the template that it names filled in: what the request gives overrides. Lists of devices and cards are matched by device
 * name and index, tags by resource type and key ("Launch an instance from a launch template"). Throws what finding the template throws.
 */
export async function mergeTemplate(input: RunInstancesRequest, ctx: Context): Promise<MergedLaunch> {
  const merged = await fillIn(input, ctx);
  return { ...merged, input: await resolveImage(merged.input, ctx) };
}

/**
 * `resolve:ssm:/golden/ami`, also with `:version` or `:label`: the image that a parameter names, read with the caller's rights ("Use a Systems Manager
 * parameter to find an AMI"). Throws InvalidParameterValue, and what Systems Manager refuses with.
 */
async function resolveImage(input: RunInstancesRequest, ctx: Context): Promise<RunInstancesRequest> {
  const name = /^resolve:ssm:(.+)$/.exec(input.ImageId ?? '')?.[1];
  if (name === undefined) return input;
  const { Parameters = [] } = await ctx.call('ssm').getParameters({ Names: [name] });
  const ImageId = Parameters[0]?.Value;
  if (ImageId === undefined) throw new AwsError('InvalidParameterValue', `The parameter '${name}' does not exist.`);
  return { ...input, ImageId };
}

async function fillIn(input: RunInstancesRequest, ctx: Context): Promise<MergedLaunch> {
  const { LaunchTemplate: named, ...own } = input;
  if (named === undefined) return { input: own };
  const row = await requireTemplate(ctx, named);
  const version = await requireVersion(ctx, row, named.Version);
  const data = shownData(version.data);
  if (data.InstanceRequirements !== undefined)
    throw new AwsError(
      'InvalidParameterCombination',
      'Launch templates with InstanceRequirements are used by Auto Scaling and EC2 Fleet only.',
    );
  const { RamDiskId, ElasticGpuSpecifications, InstanceRequirements: _requirements, ...rest } = data;
  const template = {
    ...rest,
    RamdiskId: RamDiskId,
    ElasticGpuSpecification: ElasticGpuSpecifications,
  } as unknown as RunInstancesRequest;
  const given = Object.fromEntries(
    Object.entries(own).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  ) as unknown as RunInstancesRequest;
  return {
    template: { id: row.id, version: version.number },
    input: {
      ...template,
      ...given,
      ...withoutNetwork(template, given),
      BlockDeviceMappings: mergeBy(template.BlockDeviceMappings, given.BlockDeviceMappings, (one) => one.DeviceName ?? ''),
      TagSpecifications: mergeTags(template.TagSpecifications, given.TagSpecifications),
      Placement: mergeGiven(template.Placement, given.Placement),
      MetadataOptions: mergeGiven(template.MetadataOptions, given.MetadataOptions),
    },
  };
}

/** A subnet or groups given with the request belong to the primary card of the template, and the other way round. */
function withoutNetwork(template: RunInstancesRequest, given: RunInstancesRequest): Partial<RunInstancesRequest> {
  const cards = mergeBy(template.NetworkInterfaces, given.NetworkInterfaces, (one) => String(one.DeviceIndex ?? 0));
  if (cards === undefined) return {};
  const { SubnetId: subnetId, SecurityGroupIds: groups } = given;
  if (given.NetworkInterfaces !== undefined || (subnetId === undefined && groups === undefined))
    return { NetworkInterfaces: cards };
  return {
    SubnetId: undefined,
    SecurityGroupIds: undefined,
    NetworkInterfaces: cards.map((card) =>
      (card.DeviceIndex ?? 0) !== 0
        ? card
        : {
            ...card,
            ...(subnetId === undefined ? {} : { SubnetId: subnetId }),
            ...(groups === undefined ? {} : { Groups: groups }),
          },
    ),
  };
}

function mergeGiven<T extends object>(base: T | undefined, over: T | undefined): T | undefined {
  if (base === undefined || over === undefined) return over ?? base;
  const given = Object.entries(over).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(given) };
}

function mergeBy<T extends object>(
  base: readonly T[] | undefined,
  over: readonly T[] | undefined,
  keyOf: (one: T) => string,
): T[] | undefined {
  if (base === undefined && over === undefined) return undefined;
  const merged = new Map((base ?? []).map((one) => [keyOf(one), one]));
  for (const one of over ?? []) merged.set(keyOf(one), mergeGiven(merged.get(keyOf(one)), one) ?? one);
  return [...merged.values()];
}

function mergeTags(
  base: readonly TagSpecification[] | undefined,
  over: readonly TagSpecification[] | undefined,
): TagSpecification[] | undefined {
  if (base === undefined && over === undefined) return undefined;
  const byType = new Map<string, TagSpecification>();
  for (const { ResourceType, Tags = [] } of [...(base ?? []), ...(over ?? [])]) {
    const earlier = byType.get(ResourceType ?? '')?.Tags ?? [];
    const kept = earlier.filter((tag) => !Tags.some(({ Key }) => Key === tag.Key));
    byType.set(ResourceType ?? '', { ResourceType, Tags: [...kept, ...Tags] });
  }
  return [...byType.values()];
}
