/** Checks of what CreateAutoScalingGroup and UpdateAutoScalingGroup say, in AWS's words; nothing is written here. */
import type { CreateAutoScalingGroupType, UpdateAutoScalingGroupType } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { validationError } from './errors.ts';
import { terminationPolicies } from './lists.ts';
import type { GroupRow } from './state.ts';

type Input = Partial<CreateAutoScalingGroupType & UpdateAutoScalingGroupType>;

const absent = [
  'AvailabilityZoneIds',
  'AvailabilityZoneDistribution',
  'AvailabilityZoneImpairmentPolicy',
  'CapacityReservationSpecification',
  'Context',
  'DeletionProtection',
  'InstanceLifecyclePolicy',
  'LoadBalancerNames',
  'Operator',
  'ServiceLinkedRoleARN',
  'SkipZonalShiftValidation',
  'TrafficSources',
] as const;

/** Throws 501 for what is left out of a request to write a group. */
export function refuseAbsent(operation: string, input: Input): void {
  for (const name of absent) {
    const value: unknown = input[name];
    if (value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0))
      throw parameterNotImplemented(operation, name);
  }
  if (input.InstanceId !== undefined) throw parameterNotImplemented(operation, 'InstanceId');
  if (input.DesiredCapacityType !== undefined && input.DesiredCapacityType !== 'units')
    throw parameterNotImplemented(operation, 'DesiredCapacityType');
}

/** Throws unless minimum ≤ desired ≤ maximum and none is negative. */
export function checkSizes({ min, max, desired }: Pick<GroupRow, 'min' | 'max' | 'desired'>): void {
  if (min < 0 || max < 0) throw validationError('Min and max sizes must be greater than or equal to 0.');
  if (min > max) throw validationError(`Max bound, ${max}, must be greater than or equal to min bound, ${min}`);
  if (desired < min || desired > max)
    throw validationError(`Desired capacity:${desired} must be between the specified min size:${min} and max size:${max}`);
}

/** Throws for settings out of bounds. */
export function checkSettings(operation: string, input: Input): void {
  const type = input.HealthCheckType;
  if (type?.split(',').some((one) => !['EC2', 'ELB', 'EBS', 'VPC_LATTICE'].includes(one)))
    throw validationError(`Invalid health check type: ${type}.`);
  if (type?.split(',').some((one) => one === 'EBS' || one === 'VPC_LATTICE'))
    throw parameterNotImplemented(operation, `HealthCheckType ${type}`);
  if ((input.DefaultCooldown ?? 0) < 0) throw validationError('DefaultCooldown must be greater than or equal to 0.');
  if ((input.HealthCheckGracePeriod ?? 0) < 0)
    throw validationError('HealthCheckGracePeriod must be greater than or equal to 0.');
  const lifetime = input.MaxInstanceLifetime ?? 0;
  if (lifetime !== 0 && (lifetime < 86_400 || lifetime > 31_536_000))
    throw validationError('MaxInstanceLifetime must be between 86400 and 31536000 seconds, or 0.');
  for (const policy of input.TerminationPolicies ?? []) {
    if (policy.startsWith('arn:')) throw parameterNotImplemented(operation, 'TerminationPolicies with a function');
    if (!(terminationPolicies as readonly string[]).includes(policy))
      throw validationError(`Termination policies cannot contain the invalid value: ${policy}.`);
  }
  // Both at -1 mean: no policy. Another would decide whether a replacement starts before its forerunner ends, which it never does here.
  const { MinHealthyPercentage: least = -1, MaxHealthyPercentage: most = -1 } = input.InstanceMaintenancePolicy ?? {};
  if (least !== -1 || most !== -1) throw parameterNotImplemented(operation, 'InstanceMaintenancePolicy');
}

/** Subnets and zones of a group. Throws ValidationError without any, for unknown ones, and when the two disagree. */
export async function readPlaces(ctx: Context, input: Input): Promise<Pick<GroupRow, 'subnets' | 'zones'> | undefined> {
  const ids = (input.VPCZoneIdentifier ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  const named = input.AvailabilityZones ?? [];
  if (ids.length === 0 && named.length === 0) return undefined;
  const ec2 = ctx.asService().call('ec2');
  if (ids.length === 0) {
    const { AvailabilityZones: known = [] } = await ec2.describeAvailabilityZones({});
    const wrong = named.find((zone) => !known.some((one) => one.ZoneName === zone));
    if (wrong !== undefined) throw validationError(`Invalid availability zones: [${wrong}]`);
    return { subnets: [], zones: [...named].sort() };
  }
  const { Subnets: found = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'subnet-id', Values: ids }] });
  const subnets = ids.map((id) => {
    const subnet = found.find((one) => one.SubnetId === id);
    if (subnet === undefined) throw validationError(`The subnet ID '${id}' does not exist`);
    return { id, zone: subnet.AvailabilityZone ?? '', vpc: subnet.VpcId };
  });
  if (new Set(subnets.map(({ vpc }) => vpc)).size > 1) throw validationError('The subnets must all be in the same VPC.');
  const zones = [...new Set(subnets.map(({ zone }) => zone))].sort();
  if (named.length > 0 && [...named].sort().join() !== zones.join())
    throw validationError('The availability zones of the specified subnets and the Auto Scaling group do not match');
  return { subnets: subnets.map(({ id, zone }) => ({ id, zone })), zones };
}

/** Throws ValidationError for target groups that there are not. */
export async function checkTargetGroups(ctx: Context, arns: readonly string[]): Promise<void> {
  if (arns.length === 0) return;
  try {
    await ctx
      .asService()
      .call('elastic-load-balancing-v2')
      .describeTargetGroups({ TargetGroupArns: [...arns] });
  } catch (error) {
    if (error instanceof AwsError && error.code.startsWith('TargetGroupNotFound'))
      throw validationError('Provided Target Groups may not be valid. Please ensure they exist and try again.');
    throw error;
  }
}
