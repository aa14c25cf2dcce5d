/**
 * Which zone gets the next instance, and which instance leaves: pure. Sources: Auto Scaling User Guide, "Auto Scaling benefits" (zones), "Control which
 * instances terminate during scale in" (policies, in their order; the zone with the most instances comes first).
 */
import { capacityOf } from './members.ts';
import type { GroupRow, MemberRow } from './state.ts';

/** Zone with the fewest instances, of those where launches have not just failed; all again when they failed everywhere. */
export function zoneForLaunch(
  { zones, avoided }: Pick<GroupRow, 'zones' | 'avoided'>,
  members: readonly Pick<MemberRow, 'zone'>[],
  now: number,
): string | undefined {
  const working = zones.filter((zone) => (avoided[zone] ?? 0) <= now);
  const count = (zone: string) => members.filter((member) => member.zone === zone).length;
  return [...working].sort((a, b) => count(a) - count(b) || (a < b ? -1 : 1))[0];
}

/** Whether the zones that work differ by more than one instance. */
export function unbalanced(
  { zones, avoided }: Pick<GroupRow, 'zones' | 'avoided'>,
  members: readonly Pick<MemberRow, 'zone'>[],
  now: number,
): boolean {
  const counted = zones
    .filter((zone) => (avoided[zone] ?? 0) <= now)
    .map((zone) => members.filter((member) => member.zone === zone).length);
  const elsewhere = members.some((member) => !zones.includes(member.zone));
  return counted.length > 0 && (elsewhere || Math.max(...counted) - Math.min(...counted) > 1);
}

type Narrow = (members: readonly MemberRow[], now: number) => readonly MemberRow[];

/** Keeps those for which `of` is least. */
const least =
  (of: (member: MemberRow, now: number) => number): Narrow =>
  (members, now) => {
    const lowest = Math.min(...members.map((member) => of(member, now)));
    return members.filter((member) => of(member, now) === lowest);
  };

const hour = 3_600_000;
const byHour = least(({ launched }, now) => hour - ((now - launched) % hour));
/** Those from launch configurations go before those from templates, then the oldest version. */
const byTemplate = least(({ template }) => (template === undefined ? -1 : Number(template.version)));

const narrowers: Readonly<Record<string, readonly Narrow[]>> = {
  OldestInstance: [least(({ launched }) => launched)],
  NewestInstance: [least(({ launched }) => -launched)],
  OldestLaunchConfiguration: [
    least(({ configuration, launched }) => (configuration === undefined ? Number.MAX_SAFE_INTEGER : launched)),
  ],
  OldestLaunchTemplate: [byTemplate],
  ClosestToNextInstanceHour: [byHour],
  // Within a purchase option the strategies choose by what pools have to spare, which only AWS knows.
  AllocationStrategy: [],
  Default: [byTemplate, byHour],
};

/** The instance that leaves at a scale-in; undefined when all are protected. */
export function memberToEnd(
  { terminationPolicies, zones, launch }: Pick<GroupRow, 'terminationPolicies' | 'zones' | 'launch'>,
  members: readonly MemberRow[],
  now: number,
): MemberRow | undefined {
  const candidates = members.filter((member) => !member.protected);
  const count = (zone: string) =>
    zones.includes(zone) ? members.filter((member) => member.zone === zone).length : Number.MAX_SAFE_INTEGER;
  const most = Math.max(...candidates.map(({ zone }) => count(zone)));
  const inZone = candidates.filter(({ zone }) => count(zone) === most);
  let left = ofSurplusOption(launch, members, inZone);
  for (const policy of terminationPolicies)
    for (const narrow of narrowers[policy] ?? []) if (left.length > 1) left = narrow(left, now);
  return left[0];
}

const onDemand = (members: readonly Pick<MemberRow, 'spot' | 'weight'>[]) => capacityOf(members.filter(({ spot }) => !spot));

/** On-Demand capacity that a launch choice wants among a total ("OnDemandPercentageAboveBaseCapacity": rounded up in favour of On-Demand). */
function onDemandWanted({ mixed }: GroupRow['launch'], total: number): number {
  const { OnDemandBaseCapacity: base = 0, OnDemandPercentageAboveBaseCapacity: percentage = 100 } =
    mixed?.InstancesDistribution ?? {};
  return Math.min(total, base) + Math.ceil((Math.max(0, total - base) * percentage) / 100);
}

/** Of a mixed policy's instances those of the purchase option that there are too many of ("Termination policies: mixed instances groups"). */
function ofSurplusOption(
  launch: GroupRow['launch'],
  all: readonly MemberRow[],
  left: readonly MemberRow[],
): readonly MemberRow[] {
  if (launch.mixed === undefined) return left;
  const tooMany = onDemand(all) > onDemandWanted(launch, capacityOf(all) - 1);
  const narrowed = left.filter(({ spot }) => spot !== tooMany);
  return narrowed.length === 0 ? left : narrowed;
}

/** Whether the next instance is to be a Spot Instance. */
export function spotNext(launch: GroupRow['launch'], members: readonly Pick<MemberRow, 'spot' | 'weight'>[]): boolean {
  return onDemand(members) >= onDemandWanted(launch, capacityOf(members) + 1);
}
