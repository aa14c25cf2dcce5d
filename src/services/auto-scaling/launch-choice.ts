/** What a group launches: a launch template, a launch configuration or a mixed policy, checked when the group is written. */
import type { LaunchTemplateSpecification, MixedInstancesPolicy } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { validationError } from './errors.ts';
import { Configurations, type GroupRow, type LaunchChoice, type TemplateChoice } from './state.ts';

/** The template of a specification, with id and name both known. Throws ValidationError in EC2's words when there is none or it lacks an image. */
async function findTemplate(ctx: Context, given: LaunchTemplateSpecification): Promise<TemplateChoice> {
  const { LaunchTemplateId, LaunchTemplateName, Version = '$Default' } = given;
  if ((LaunchTemplateId === undefined) === (LaunchTemplateName === undefined))
    throw validationError('Valid requests must contain either launchTemplateId or LaunchTemplateName');
  if (!/^(\$Latest|\$Default|\d{1,9})$/.test(Version))
    throw validationError("Invalid launch template version: either '$Default', '$Latest', or a numeric version are allowed.");
  try {
    const { LaunchTemplateVersions: found = [] } = await ctx
      .asService()
      .call('ec2')
      .describeLaunchTemplateVersions({ LaunchTemplateId, LaunchTemplateName, Versions: [Version] });
    const [version] = found;
    if (version === undefined)
      throw new AwsError('InvalidLaunchTemplateId.VersionNotFound', `Could not find the specified version ${Version}.`);
    if (version.LaunchTemplateData?.ImageId === undefined)
      throw new AwsError('MissingParameter', 'The request must contain the parameter ImageId');
    return { id: version.LaunchTemplateId ?? '', name: version.LaunchTemplateName ?? '', version: Version };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw validationError(`You must use a valid fully-formed launch template. ${error.message}`);
  }
}

/** The version's number that a template choice means now. */
export async function resolveVersion(ctx: Context, { id, version }: TemplateChoice): Promise<string> {
  const { LaunchTemplateVersions: found = [] } = await ctx
    .asService()
    .call('ec2')
    .describeLaunchTemplateVersions({ LaunchTemplateId: id, Versions: [version] });
  return String(found[0]?.VersionNumber ?? version);
}

const strategies = {
  onDemand: ['prioritized', 'lowest-price'],
  spot: ['lowest-price', 'capacity-optimized', 'capacity-optimized-prioritized', 'price-capacity-optimized'],
};

/** Defaults as DescribeAutoScalingGroups shows them ("InstancesDistribution", API Reference). */
async function checkMixed(ctx: Context, operation: string, given: MixedInstancesPolicy): Promise<MixedInstancesPolicy> {
  const specification = given.LaunchTemplate?.LaunchTemplateSpecification;
  if (specification === undefined) throw validationError('Launch template must be specified in MixedInstancesPolicy.');
  const template = await findTemplate(ctx, specification);
  const overrides = (given.LaunchTemplate?.Overrides ?? []).map((one) => ({ ...one }));
  for (const one of overrides) {
    for (const name of ['InstanceRequirements', 'ImageId'] as const)
      if (one[name] !== undefined) throw parameterNotImplemented(operation, `Overrides.${name}`);
    const { WeightedCapacity: weight, LaunchTemplateSpecification: own } = one;
    if (weight !== undefined && !/^[1-9]\d{0,2}$/.test(weight))
      throw validationError(`WeightedCapacity must be a number between 1 and 999: ${weight}`);
    if (own !== undefined) {
      const { id, name, version } = await findTemplate(ctx, own);
      one.LaunchTemplateSpecification = { LaunchTemplateId: id, LaunchTemplateName: name, Version: version };
    }
  }
  if (overrides.some((one) => one.WeightedCapacity !== undefined) && overrides.some((one) => one.WeightedCapacity === undefined))
    throw validationError('WeightedCapacity must be given for all of the overrides or for none.');
  const distribution = given.InstancesDistribution ?? {};
  if (distribution.DistributionSegments !== undefined) throw parameterNotImplemented(operation, 'DistributionSegments');
  const { SpotMaxPrice: maxPrice = '' } = distribution;
  if (maxPrice !== '' && !(Number(maxPrice) > 0)) throw validationError(`Invalid SpotMaxPrice: ${maxPrice}.`);
  const { SpotInstancePools: pools } = distribution;
  if (pools !== undefined && (pools < 1 || pools > 20)) throw validationError('SpotInstancePools must be between 1 and 20.');
  if (pools !== undefined && (distribution.SpotAllocationStrategy ?? 'lowest-price') !== 'lowest-price')
    throw validationError('SpotInstancePools is only supported with the SpotAllocationStrategy lowest-price.');
  const {
    OnDemandAllocationStrategy = 'prioritized',
    OnDemandBaseCapacity = 0,
    OnDemandPercentageAboveBaseCapacity = 100,
    SpotAllocationStrategy = 'lowest-price',
  } = distribution;
  if (!strategies.onDemand.includes(OnDemandAllocationStrategy))
    throw validationError(`Invalid OnDemandAllocationStrategy: ${OnDemandAllocationStrategy}.`);
  if (!strategies.spot.includes(SpotAllocationStrategy))
    throw validationError(`Invalid SpotAllocationStrategy: ${SpotAllocationStrategy}.`);
  if (OnDemandBaseCapacity < 0) throw validationError('OnDemandBaseCapacity must be greater than or equal to 0.');
  if (OnDemandPercentageAboveBaseCapacity < 0 || OnDemandPercentageAboveBaseCapacity > 100)
    throw validationError('OnDemandPercentageAboveBaseCapacity must be between 0 and 100.');
  return JSON.parse(
    JSON.stringify({
      LaunchTemplate: {
        LaunchTemplateSpecification: {
          LaunchTemplateId: template.id,
          LaunchTemplateName: template.name,
          Version: template.version,
        },
        Overrides: overrides,
      },
      InstancesDistribution: {
        ...distribution,
        OnDemandAllocationStrategy,
        OnDemandBaseCapacity,
        OnDemandPercentageAboveBaseCapacity,
        SpotAllocationStrategy,
        SpotInstancePools: distribution.SpotInstancePools ?? (SpotAllocationStrategy === 'lowest-price' ? 2 : undefined),
      },
    }),
  ) as MixedInstancesPolicy;
}

export interface LaunchInput {
  LaunchTemplate?: LaunchTemplateSpecification | undefined;
  LaunchConfigurationName?: string | undefined;
  MixedInstancesPolicy?: MixedInstancesPolicy | undefined;
}

/** The choice that a request makes; undefined when it makes none. Throws ValidationError for two of them and for what does not exist. */
export async function readLaunchChoice(ctx: Context, operation: string, input: LaunchInput): Promise<LaunchChoice | undefined> {
  const given = [input.LaunchTemplate, input.LaunchConfigurationName, input.MixedInstancesPolicy].filter(
    (one) => one !== undefined,
  );
  if (given.length > 1)
    throw validationError(
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
    );
  if (input.LaunchTemplate !== undefined) return { template: await findTemplate(ctx, input.LaunchTemplate) };
  if (input.MixedInstancesPolicy !== undefined) return { mixed: await checkMixed(ctx, operation, input.MixedInstancesPolicy) };
  const name = input.LaunchConfigurationName;
  if (name === undefined) return undefined;
  if ((await ctx.table(Configurations).get(name)) === undefined)
    throw validationError(`Launch configuration name not found - A launch configuration with the name: ${name} does not exist`);
  return { configuration: name };
}

/** The template that a group's next instance starts from; undefined with a launch configuration. */
export function templateOf({ launch }: Pick<GroupRow, 'launch'>): TemplateChoice | undefined {
  if (launch.template !== undefined) return launch.template;
  const specification = launch.mixed?.LaunchTemplate?.LaunchTemplateSpecification;
  if (specification === undefined) return undefined;
  return {
    id: specification.LaunchTemplateId ?? '',
    name: specification.LaunchTemplateName ?? '',
    version: specification.Version ?? '$Default',
  };
}
