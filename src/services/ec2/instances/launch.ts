/** RunInstances: rows of instances and their interfaces in one transaction; the machines follow by reconciliation. */
import type { EC2, RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { assignPublicIp, insufficientAddresses, removeInterface } from '../interfaces/lifecycle.ts';
import { Interfaces } from '../interfaces/state.ts';
import { mergeTemplate } from '../launch-templates/data.ts';
import { requireRow } from '../lookup.ts';
import { meterToday } from '../metering/metering.ts';
import { leavePlace, zoneOfCluster } from '../placement/place.ts';
import { PlacementGroups } from '../placement/state.ts';
import { serveRequest } from '../spot/lifecycle.ts';
import { checkMarket } from '../spot/plan.ts';
import { type SpotRequestRow, SpotRequests } from '../spot/state.ts';
import { Volumes } from '../volumes/state.ts';
import type { SubnetRow } from '../vpc/state.ts';
import { checkCapacity } from '../capacity.ts';
import { describeReservation } from './describe.ts';
import { placeCard } from './launch-cards.ts';
import { settle, tenancyIn } from './launch-placement.ts';
import { addDisks } from './launch-disks.ts';
import { chooseSubnet, type LaunchPlan, planLaunch } from './launch-plan.ts';
import { requireProfile, type ProfileUse } from './profiles.ts';
import { type InstanceRow, Instances, LaunchTokens } from './state.ts';
import { announceState } from './state-events.ts';

/** Asked for, else as the subnet says; never of a card that existed before, nor with several cards ("Assign a public IPv4 address at launch"). */
function publicIpWanted({ cards }: LaunchPlan, subnet: SubnetRow): boolean {
  const [primary, ...others] = cards;
  if (primary?.publicIp !== undefined) return primary.publicIp;
  return primary?.existingId === undefined && others.length === 0 && subnet.mapPublicIp;
}

function newInstance(
  ctx: Context,
  plan: LaunchPlan,
  input: RunInstancesRequest,
  subnet: SubnetRow,
  reservationId: string,
  launchIndex: number,
  profile: ProfileUse | undefined,
  tenancy: InstanceRow['tenancy'],
): InstanceRow {
  return {
    id: ctx.id('instance'),
    reservationId,
    launchIndex,
    clientToken: input.ClientToken,
    imageId: plan.image.id,
    type: plan.type.name,
    boot: { planeImage: plan.image.planeImage, user: plan.image.user, architecture: plan.image.architecture },
    keyName: plan.keyName,
    intent: 'running',
    state: 'pending',
    bootNumber: 1,
    transitionReason: '',
    launchedAt: ctx.now,
    vpcId: subnet.vpcId,
    subnetId: subnet.id,
    zone: subnet.zone,
    tenancy,
    placement: plan.place.placement,
    autoRecovery: input.MaintenanceOptions?.AutoRecovery ?? 'default',
    publicIpWanted: publicIpWanted(plan, subnet),
    userData: plan.userData,
    profileArn: profile?.arn,
    profileAssociationId: profile === undefined ? undefined : ctx.id('profileAssociation'),
    cpuCredits: plan.cpuCredits,
    monitoring: input.Monitoring?.Enabled === true,
    ebsOptimized: input.EbsOptimized === true,
    shutdownBehaviour: plan.shutdownBehaviour,
    terminationProtection: input.DisableApiTermination === true,
    stopProtection: input.DisableApiStop === true,
    metadata: plan.metadata,
    hibernation: plan.hibernation || undefined,
    rootDeviceName: plan.image.rootDeviceName,
    rootVolume: {
      id: ctx.id('volume'),
      sizeGiB: plan.disks.root.shape.sizeGiB,
      deleteOnTermination: plan.disks.root.deleteOnTermination,
      attachedAt: ctx.now,
    },
    localMappings: plan.disks.local.length === 0 ? undefined : plan.disks.local,
    tags: plan.tags.instance,
  };
}

/** The instance on a host; undefined when there is no more capacity and enough have started. */
async function settleNext(tx: Transaction, ctx: Context, row: InstanceRow, enough: boolean): Promise<InstanceRow | undefined> {
  try {
    return await settle(tx, ctx, row);
  } catch (error) {
    if (enough && error instanceof AwsError && /^Insufficient(Instance|Host)Capacity$/.test(error.code)) return undefined;
    throw error;
  }
}

/** Makes and attaches all cards of an instance; false, with nothing written, when the subnet has no address left. */
async function placeCards(
  tx: Transaction,
  ctx: Context,
  plan: LaunchPlan,
  instance: InstanceRow,
  subnet: SubnetRow,
): Promise<boolean> {
  for (const wanted of plan.cards) {
    try {
      const card = await placeCard(tx, ctx, wanted, { instanceId: instance.id, primarySubnet: subnet, tags: plan.tags.card });
      if (wanted.deviceIndex === 0 && instance.publicIpWanted) await assignPublicIp(tx, ctx, card);
    } catch (error) {
      if (!(error instanceof AwsError) || error.code !== 'InsufficientFreeAddressesInSubnet') throw error;
      for (const card of await tx.table(Interfaces).byIndex('byInstance', [instance.id])) await removeInterface(tx, card);
      return false;
    }
  }
  return true;
}

/** Repeats of a client token get the first answer; the same token with other parameters is refused ("Ensuring idempotency"). */
async function earlierLaunch(tx: Transaction, token: string | undefined, fingerprint: string): Promise<string | undefined> {
  if (token === undefined) return undefined;
  const earlier = await tx.table(LaunchTokens).get(token);
  if (earlier !== undefined && earlier.fingerprint !== fingerprint) {
    throw new AwsError(
      'IdempotentParameterMismatch',
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    );
  }
  return earlier?.reservationId;
}

async function launch(
  tx: Transaction,
  ctx: Context,
  plan: LaunchPlan,
  input: RunInstancesRequest,
  profile: ProfileUse | undefined,
  request?: SpotRequestRow,
): Promise<string> {
  const spot = request ?? plan.spot;
  const earlier = await earlierLaunch(tx, input.ClientToken, plan.fingerprint);
  if (earlier !== undefined) return earlier;
  if (plan.max > 1 && plan.cards.some((card) => card.privateIp !== undefined || card.existingId !== undefined)) {
    throw new AwsError(
      'InvalidParameterCombination',
      'A private address or an existing network interface can be given for a single instance only.',
    );
  }
  const [primary] = plan.cards;
  const existing =
    primary?.existingId === undefined ? undefined : await requireRow(tx, Interfaces, 'networkInterface', primary.existingId);
  const subnetId = existing?.subnetId ?? primary?.subnetId;
  const group = plan.place.placement.groupName;
  const clusterZone =
    subnetId === undefined && plan.zone === undefined && group !== undefined
      ? await zoneOfCluster(tx, await tx.table(PlacementGroups).get(group))
      : undefined;
  const subnet = await chooseSubnet(tx, ctx, clusterZone === undefined ? plan : { ...plan, zone: clusterZone }, subnetId);
  checkCapacity(ctx, subnet.zone, plan.type.name);
  if (spot !== undefined) checkMarket(spot, plan.type.name, subnet.zone, ctx.now);
  const reservationId = ctx.id('reservation');
  const tenancy = await tenancyIn(tx, subnet.vpcId, plan.place.tenancy);
  for (let index = 0; index < plan.max; index += 1) {
    const wanted = newInstance(ctx, plan, input, subnet, reservationId, index, profile, tenancy);
    const settled = await settleNext(tx, ctx, wanted, index >= plan.min);
    if (settled === undefined) break;
    let instance = settled;
    const room = await placeCards(tx, ctx, plan, instance, subnet);
    // As many as there is room for, as long as that is the least asked for.
    if (!room) {
      if (index < plan.min) throw insufficientAddresses();
      await leavePlace(tx, instance.id);
      break;
    }
    if (spot !== undefined)
      instance = await serveRequest(tx, ctx, instance, { plan: spot, launch: plainLaunch(input), tags: plan.tags.spot, request });
    await tx.table(Instances).put(instance);
    await announceState(tx, ctx, instance, 'pending');
    await tx.table(Volumes).put({
      id: instance.rootVolume.id,
      ...plan.disks.root.shape,
      encryption: plan.disks.root.encryption,
      zone: subnet.zone,
      created: ctx.now,
      instanceId: instance.id,
      root: true,
      snapshotId: plan.image.rootSnapshotId,
      tags: plan.tags.volume,
    });
    await meterToday(tx, ctx);
    await addDisks(tx, ctx, plan.disks, instance, plan.tags.volume);
    tx.hint('machines', instance.id);
  }
  if (input.ClientToken !== undefined)
    await tx.table(LaunchTokens).put({ token: input.ClientToken, reservationId, fingerprint: plan.fingerprint });
  return reservationId;
}

/** A launch as a Spot request keeps it, to be served again: for one instance, with nothing that is used once. */
function plainLaunch({ ClientToken: _token, DryRun: _dryRun, ...input }: RunInstancesRequest): Value {
  return JSON.parse(JSON.stringify({ ...input, MinCount: 1, MaxCount: 1 })) as Value;
}

/** Launches the instance of a Spot request. Throws what RunInstances throws. */
export async function launchSpot(ctx: Context, plan: LaunchPlan, request: SpotRequestRow): Promise<void> {
  const input = request.launch as unknown as RunInstancesRequest;
  const profile = await requireProfile(ctx, input.IamInstanceProfile);
  await ctx.transact(async (tx) => {
    if ((await tx.table(SpotRequests).get(request.id))?.state === 'open') await launch(tx, ctx, plan, input, profile, request);
  });
}

export const launchHandlers: HandlersOf<EC2> = {
  async RunInstances(input, ctx) {
    const merged = await mergeTemplate(input, ctx);
    const plan = await planLaunch(merged, ctx);
    const profile = await requireProfile(ctx, merged.input.IamInstanceProfile);
    const reservationId = await ctx.transact((tx) => launch(tx, ctx, plan, merged.input, profile));
    return describeReservation(ctx, await ctx.table(Instances).byIndex('byReservation', [reservationId]));
  },
};
