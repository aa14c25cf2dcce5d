/**
 * Which of a mixed policy's instance types the next instance has, and from which template ("Allocation strategies for multiple instance types").
 * Prices are EC2's. How much spare capacity a Spot pool has is not modelled, all are equally deep: strategies that look at capacity alone take the
 * first override, the one that weighs capacity and price the cheapest.
 */
import type { LaunchTemplateOverrides } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { templateOf } from './launch-choice.ts';
import type { GroupRow, MemberRow, TemplateChoice } from './state.ts';

export interface Choice {
  template: TemplateChoice | undefined;
  /** The override's type; none means the template's own. */
  chosenType?: string | undefined;
  weight?: number | undefined;
}

async function spotPriceOf(ctx: Context, type: string, zone: string): Promise<number> {
  const { SpotPriceHistory: found = [] } = await ctx.call('ec2').describeSpotPriceHistory({
    InstanceTypes: [type as never],
    AvailabilityZone: zone,
    ProductDescriptions: ['Linux/UNIX'],
    StartTime: new Date(ctx.now),
    MaxResults: 1,
  });
  return Number(found[0]?.SpotPrice ?? Number.POSITIVE_INFINITY);
}

/** Overrides by price of a unit of capacity, the cheapest first; their order decides between equals. */
async function byPrice(
  overrides: readonly LaunchTemplateOverrides[],
  priceOf: (type: string) => Promise<number>,
): Promise<readonly LaunchTemplateOverrides[]> {
  const priced = await Promise.all(
    overrides.map(async (one) => ({
      one,
      price: (await priceOf(one.InstanceType ?? '')) / Number(one.WeightedCapacity ?? 1),
    })),
  );
  // Two unknown prices, both infinite, are equals.
  return priced.sort((a, b) => a.price - b.price || 0).map(({ one }) => one);
}

async function chooseOverride(
  ctx: Context,
  { launch }: Pick<GroupRow, 'launch'>,
  zone: string,
  spot: boolean,
  members: readonly MemberRow[],
): Promise<LaunchTemplateOverrides | undefined> {
  const overrides = launch.mixed?.LaunchTemplate?.Overrides ?? [];
  if (overrides.length < 2) return overrides[0];
  const { OnDemandAllocationStrategy, SpotAllocationStrategy, SpotInstancePools = 2 } = launch.mixed?.InstancesDistribution ?? {};
  if (!spot) {
    if (OnDemandAllocationStrategy !== 'lowest-price') return overrides[0];
    const ec2 = await ctx.internal<Ec2Api>('ec2');
    return (await byPrice(overrides, async (type) => ec2.onDemandPrice(type) ?? Number.POSITIVE_INFINITY))[0];
  }
  if (SpotAllocationStrategy?.startsWith('capacity-optimized')) return overrides[0];
  const cheapest = await byPrice(overrides, (type) => spotPriceOf(ctx, type, zone));
  if (SpotAllocationStrategy !== 'lowest-price') return cheapest[0];
  // Spread over the cheapest pools: the one with the fewest Spot Instances of the group is next.
  const used = ({ InstanceType }: LaunchTemplateOverrides) =>
    members.filter((member) => member.spot && member.zone === zone && member.chosenType === InstanceType).length;
  return [...cheapest.slice(0, SpotInstancePools)].sort((a, b) => used(a) - used(b))[0];
}

/** What the next instance of a group is launched from; `members` are those that it has or is about to have. */
export async function chooseLaunch(
  ctx: Context,
  group: GroupRow,
  zone: string,
  spot: boolean,
  members: readonly MemberRow[],
): Promise<Choice> {
  const override = await chooseOverride(ctx, group, zone, spot, members);
  const own = override?.LaunchTemplateSpecification;
  return {
    template:
      own === undefined
        ? templateOf(group)
        : { id: own.LaunchTemplateId ?? '', name: own.LaunchTemplateName ?? '', version: own.Version ?? '$Default' },
    chosenType: override?.InstanceType,
    weight: override?.WeightedCapacity === undefined ? undefined : Number(override.WeightedCapacity),
  };
}
