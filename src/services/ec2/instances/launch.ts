/** RunInstances: rows of instances and their interfaces in one transaction; the machines follow by reconciliation. */
import type { EC2, RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Check, HandlersOf } from '../../../kernel/service.ts';
import { addInterface, assignPublicIp, attachInterface } from '../interfaces/lifecycle.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { ec2Arn, requestTagConditions } from '../tags.ts';
import { Volumes } from '../volumes/state.ts';
import type { SubnetRow } from '../vpc/state.ts';
import { checkCapacity } from '../capacity.ts';
import { describeReservation } from './describe.ts';
import { chooseGroups, chooseSubnet, type LaunchPlan, planLaunch } from './launch-plan.ts';
import { requireProfile, type ProfileUse } from './profiles.ts';
import { type InstanceRow, Instances, LaunchTokens } from './state.ts';

async function primaryCard(
  tx: Transaction,
  ctx: Context,
  plan: LaunchPlan,
  subnet: SubnetRow,
  groups: readonly string[],
): Promise<InterfaceRow> {
  const { card } = plan;
  if (card.existingId === undefined) {
    return addInterface(tx, ctx, {
      subnet,
      groups,
      privateIp: card.privateIp,
      description: card.description,
      tags: plan.tags.card,
    });
  }
  const row = await requireRow(tx, Interfaces, 'networkInterface', card.existingId);
  if (row.attachment !== undefined) throw new AwsError('InvalidNetworkInterface.InUse', `Interface: [${row.id}] in use.`);
  return row;
}

function newInstance(
  ctx: Context,
  plan: LaunchPlan,
  input: RunInstancesRequest,
  subnet: SubnetRow,
  reservationId: string,
  launchIndex: number,
  profile: ProfileUse | undefined,
): InstanceRow {
  return {
    id: ctx.id('instance'),
    reservationId,
    launchIndex,
    clientToken: input.ClientToken,
    imageId: plan.image.id,
    type: plan.type.name,
    keyName: plan.keyName,
    intent: 'running',
    state: 'pending',
    bootNumber: 1,
    transitionReason: '',
    launchedAt: ctx.now,
    vpcId: subnet.vpcId,
    subnetId: subnet.id,
    zone: subnet.zone,
    tenancy: 'default',
    publicIpWanted: plan.card.publicIp ?? (plan.card.existingId === undefined && subnet.mapPublicIp),
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
    rootDeviceName: plan.image.rootDeviceName,
    rootVolume: {
      id: ctx.id('volume'),
      sizeGiB: plan.rootSizeGiB,
      deleteOnTermination: plan.rootDeleteOnTermination,
      attachedAt: ctx.now,
    },
    tags: plan.tags.instance,
  };
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
): Promise<string> {
  const earlier = await earlierLaunch(tx, input.ClientToken, plan.fingerprint);
  if (earlier !== undefined) return earlier;
  if (plan.max > 1 && (plan.card.privateIp !== undefined || plan.card.existingId !== undefined)) {
    throw new AwsError(
      'InvalidParameterCombination',
      'A private address or an existing network interface can be given for a single instance only.',
    );
  }
  const existing =
    plan.card.existingId === undefined ? undefined : await requireRow(tx, Interfaces, 'networkInterface', plan.card.existingId);
  const subnet = await chooseSubnet(
    tx,
    ctx,
    existing === undefined ? plan : { ...plan, card: { ...plan.card, subnetId: existing.subnetId } },
  );
  checkCapacity(ctx, subnet.zone, plan.type.name);
  const groups = await chooseGroups(tx, plan, subnet);
  const reservationId = ctx.id('reservation');
  for (let index = 0; index < plan.max; index += 1) {
    const instance = newInstance(ctx, plan, input, subnet, reservationId, index, profile);
    let card: InterfaceRow;
    try {
      card = await primaryCard(tx, ctx, plan, subnet, groups);
    } catch (error) {
      // As many as there is room for, as long as that is the least asked for.
      if (error instanceof AwsError && error.code === 'InsufficientFreeAddressesInSubnet' && index >= plan.min) break;
      throw error;
    }
    card = await attachInterface(tx, ctx, card, {
      instanceId: instance.id,
      deviceIndex: 0,
      deleteOnTermination: plan.card.deleteOnTermination,
    });
    if (instance.publicIpWanted) await assignPublicIp(tx, ctx, card);
    await tx.table(Instances).put(instance);
    await tx.table(Volumes).put({
      id: instance.rootVolume.id,
      sizeGiB: instance.rootVolume.sizeGiB,
      type: plan.rootType,
      zone: subnet.zone,
      created: ctx.now,
      instanceId: instance.id,
      tags: plan.tags.volume,
    });
    tx.hint('machines', instance.id);
  }
  if (input.ClientToken !== undefined)
    await tx.table(LaunchTokens).put({ token: input.ClientToken, reservationId, fingerprint: plan.fingerprint });
  return reservationId;
}

export const launchHandlers: HandlersOf<EC2> = {
  async RunInstances(input, ctx) {
    const plan = await planLaunch(input, ctx);
    const profile = await requireProfile(ctx, input.IamInstanceProfile);
    const reservationId = await ctx.transact((tx) => launch(tx, ctx, plan, input, profile));
    return describeReservation(ctx, await ctx.table(Instances).byIndex('byReservation', [reservationId]));
  },
};

/** RunInstances touches many resources; each is checked, as is handing a role to the instance (iam:PassRole). */
export async function checkLaunch(input: RunInstancesRequest, ctx: Context): Promise<Check[]> {
  const tags = (type: string) =>
    requestTagConditions(
      input.TagSpecifications?.filter(({ ResourceType }) => ResourceType === type).flatMap(({ Tags = [] }) => Tags),
    );
  const profile = await requireProfile(ctx, input.IamInstanceProfile).catch(() => undefined);
  const conditions = {
    'ec2:InstanceType': input.InstanceType,
    'ec2:InstanceProfile': profile?.arn,
    'ec2:MetadataHttpTokens': input.MetadataOptions?.HttpTokens,
  };
  const subnetId = input.SubnetId ?? input.NetworkInterfaces?.[0]?.SubnetId ?? '*';
  const groups = input.SecurityGroupIds ?? input.NetworkInterfaces?.[0]?.Groups ?? ['*'];
  return [
    { resource: ec2Arn(ctx, 'instance', '*'), conditions: { ...conditions, ...tags('instance') } },
    { resource: `arn:aws:ec2:${ctx.region}::image/${input.ImageId ?? '*'}` },
    { resource: ec2Arn(ctx, 'subnet', subnetId) },
    { resource: ec2Arn(ctx, 'network-interface', '*'), conditions: tags('network-interface') },
    { resource: ec2Arn(ctx, 'volume', '*'), conditions: tags('volume') },
    ...groups.map((id) => ({ resource: ec2Arn(ctx, 'security-group', id) })),
    ...(input.KeyName === undefined ? [] : [{ resource: ec2Arn(ctx, 'key-pair', input.KeyName) }]),
    ...(profile === undefined
      ? []
      : [{ action: 'iam:PassRole', resource: profile.roleArn, conditions: { 'iam:PassedToService': 'ec2.amazonaws.com' } }]),
  ];
}
