/** Keeps machines in line with instances: one reconciler key per instance. What the machine does decides the instance's state. */
import type { Context } from '../../../kernel/context.ts';
import type { Reconciler, Task } from '../../../kernel/service.ts';
import type { MachineDisk, MachineSpec, MachineStatus } from '../../../planes/machines/types.ts';
import type { BalancersApi } from '../../elastic-load-balancing-v2/api.ts';
import { dropPublicIp, removeInterface } from '../interfaces/lifecycle.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { pushedKeysProgram } from '../key-pairs/pushed-keys.ts';
import { KeyPairs } from '../key-pairs/state.ts';
import { meterVolume } from '../metering/metering.ts';
import { privateDnsName } from '../names.ts';
import { leavePlace } from '../placement/place.ts';
import { resolverOf } from '../vpc/dhcp-rules.ts';
import { deviceName } from '../vpc/network-spec.ts';
import { applyNetwork } from '../vpc/networks.ts';
import { DhcpOptions, Vpcs } from '../vpc/state.ts';
import { releaseVolumes } from '../volumes/attachments.ts';
import { closeDisks, disksOf, dropForced, KeyUnusable, loseLocalDisks, rootSecretOf, settleDisks } from '../volumes/plane.ts';
import { Volumes } from '../volumes/state.ts';
import { watchInstance } from './metrics.ts';
import { keepHibernation } from './hibernation.ts';
import { findPlaced } from './placed.ts';
import { planRecovery } from './recovery.ts';
import { stopInstance, terminateInstance } from './lifecycle.ts';
import { type InstanceRow, Instances } from './state.ts';
import { announceState } from './state-events.ts';
import { instanceTypes } from './type-catalogue.ts';
import { hungSince } from '../faults.ts';

/** How long a terminated instance stays listed ("terminated instances … approximately one hour"). */
const terminatedListed = 3_600_000;

async function machineSpec(
  ctx: Context,
  row: InstanceRow,
  cards: readonly InterfaceRow[],
  { disks, secret }: { disks: readonly MachineDisk[]; secret?: Uint8Array | undefined },
): Promise<MachineSpec> {
  const type = instanceTypes.get(row.type)!;
  const key = row.keyName === undefined ? undefined : await ctx.table(KeyPairs).get(row.keyName);
  const address = cards[0]?.addresses[0]?.address ?? '0.0.0.0';
  const { inside } = ctx.part('endpoints');
  const vpc = await ctx.table(Vpcs).get(row.vpcId);
  const dhcp = vpc === undefined ? undefined : await ctx.table(DhcpOptions).get(vpc.dhcpOptionsId);
  return {
    key: row.id,
    image: row.boot.planeImage,
    secret,
    rootVolume: row.rootVolume.id,
    hostname: privateDnsName(ctx, address),
    vcpus: type.vcpus,
    memoryMiB: type.memoryMiB,
    running: row.intent === 'running' && hungSince(row) === undefined,
    frozen: row.hibernatedAt !== undefined || hungSince(row) !== undefined,
    bootNumber: row.bootNumber,
    userData: row.userData === undefined ? undefined : Buffer.from(row.userData, 'base64'),
    user: row.boot.user,
    authorizedKeys: key === undefined ? [] : [key.publicKey],
    keysProgram: pushedKeysProgram,
    ports: cards.map((card) => ({ network: card.vpcId, port: card.id, device: deviceName(card.attachment?.deviceIndex ?? 0) })),
    resolver: vpc === undefined ? undefined : resolverOf(vpc.cidrs[0]?.cidr ?? '', dhcp?.options ?? {}),
    disks,
    environment: inside === undefined ? {} : { AWS_ENDPOINT_URL: inside, AWS_DEFAULT_REGION: ctx.region },
  };
}

async function bringUp(ctx: Context, row: InstanceRow, cards: readonly InterfaceRow[]): Promise<void> {
  const machines = ctx.part('machines');
  // A zone or host without power: the instance stays what it was and does not answer; it boots again when the zone is back.
  if (ctx.part('zones').downSince(row.place ?? row.zone) !== undefined) {
    if (machines.unavailable === undefined) await machines.removeMachine(row.id);
    // Local disks go with the host; a zone without power has them still.
    if (ctx.part('zones').downSince(row.zone) === undefined) await loseLocalDisks(ctx, row);
    return planRecovery(ctx, row);
  }
  const { heldFor } = row;
  if (heldFor !== undefined && machines.unavailable === undefined) {
    // Shut down for its image; its reconciler lets it boot again.
    await machines.ensureMachine({ ...(await machineSpec(ctx, row, cards, { disks: [] })), running: false });
    return ctx.transact(async (tx) => tx.hint('images', heldFor));
  }
  const refused = machines.unavailable ?? ctx.part('fabric').unavailable;
  if (refused === undefined) {
    await applyNetwork(ctx, row.vpcId);
    await dropForced(ctx, row);
    const storage = await storageOf(ctx, row).catch((error: unknown) => refuseKey(ctx, row, error));
    if (storage === undefined) return;
    const status = await machines.ensureMachine(await machineSpec(ctx, row, cards, storage));
    if (hungSince(row) !== undefined) {
      if (status.state === 'frozen') return;
      // What stood still in the memory of a Pilvi that ended is gone: it boots.
      return ctx.transact(async (tx) => {
        await tx.table(Instances).update([row.id], (latest) => ({ ...latest, hung: undefined }));
        tx.hint('machines', row.id);
      });
    }
    if (status.state !== 'running')
      throw new Error(`The machine of ${row.id} is ${status.state}: ${status.reason ?? 'no reason given'}`);
    await settleDisks(ctx, row, status);
  } else await settleDisks(ctx, row, undefined);
  const kept = await ctx.transact(async (tx) => {
    const latest = await tx.table(Instances).get(row.id);
    if (latest?.state !== 'pending' || latest.intent !== 'running') return latest !== undefined;
    const stateReason =
      refused === undefined
        ? undefined
        : { code: 'Server.NoMachine', message: `No machine runs behind this instance: ${refused}` };
    await tx.table(Instances).put({ ...latest, state: 'running', stateReason });
    await watchInstance(tx, ctx, latest.id);
    await announceState(tx, ctx, latest, 'running');
    return true;
  });
  // A reset may have taken the row away meanwhile, and nobody would look at this key again.
  if (!kept && machines.unavailable === undefined) await machines.removeMachine(row.id);
}

/** The disks of a running instance, and its root's key. Throws KeyUnusable. */
async function storageOf(ctx: Context, row: InstanceRow): Promise<{ disks: MachineDisk[]; secret: Uint8Array | undefined }> {
  return { secret: await rootSecretOf(ctx, row), disks: await disksOf(ctx, row) };
}

/** A volume's key does not work: the instance ends where it was, stopped ("Client.InternalError: Client error on launch"). */
async function refuseKey(ctx: Context, row: InstanceRow, error: unknown): Promise<undefined> {
  if (!(error instanceof KeyUnusable)) throw error;
  await ctx.transact(async (tx) => {
    const latest = await tx.table(Instances).get(row.id);
    if (latest?.intent !== 'running') return;
    await stopInstance(tx, ctx, latest, {
      code: 'Client.InternalError',
      message: 'Client.InternalError: Client error on launch',
    });
  });
  return undefined;
}

/** Before a machine that runs loses its power: load balancers send it nothing more. Without power there is nobody to wait for. */
async function leaveBalancers(ctx: Context, row: InstanceRow): Promise<void> {
  if (row.state !== 'shutting-down' && row.state !== 'stopping') return;
  if (ctx.part('machines').unavailable !== undefined || ctx.part('zones').downSince(row.place ?? row.zone) !== undefined) return;
  if (hungSince(row) !== undefined) return;
  await (await ctx.internal<BalancersApi>('elastic-load-balancing-v2')).letGo(ctx, row.id);
}

async function bringDown(ctx: Context, asked: InstanceRow, cards: readonly InterfaceRow[]): Promise<void> {
  const machines = ctx.part('machines');
  await leaveBalancers(ctx, asked);
  const row = await keepHibernation(ctx, asked);
  let state: MachineStatus['state'] = 'stopped';
  if (machines.unavailable === undefined)
    ({ state } = await machines.ensureMachine(await machineSpec(ctx, row, cards, { disks: [] })));
  if (state !== 'frozen') await closeDisks(ctx, row);
  await ctx.transact(async (tx) => {
    await tx
      .table(Instances)
      .update([row.id], (latest) => (latest.intent === 'stopped' ? { ...latest, linkDown: true } : latest));
  });
  await applyNetwork(ctx, row.vpcId);
  await ctx.transact(async (tx) => {
    const latest = await tx.table(Instances).get(row.id);
    if (latest?.state !== 'stopping' || latest.intent !== 'stopped') return;
    for (const card of await tx.table(Interfaces).byIndex('byInstance', [row.id])) await dropPublicIp(tx, card);
    await leavePlace(tx, latest.id);
    await tx.table(Instances).put({ ...latest, state: 'stopped' });
    tx.hint('networks', latest.vpcId);
    await announceState(tx, ctx, latest, 'stopped');
  });
}

async function tearDown(ctx: Context, row: InstanceRow): Promise<void> {
  await leaveBalancers(ctx, row);
  const machines = ctx.part('machines');
  if (machines.unavailable === undefined) {
    await machines.removeMachine(row.id);
    if (row.rootVolume.deleteOnTermination) await machines.removeVolume(row.rootVolume.id);
  }
  await closeDisks(ctx, row);
  await ctx.transact(async (tx) => {
    const latest = await tx.table(Instances).get(row.id);
    if (latest === undefined || latest.state === 'terminated') return;
    for (const card of await tx.table(Interfaces).byIndex('byInstance', [row.id])) {
      if (card.attachment?.deleteOnTermination === true) await removeInterface(tx, card);
      else {
        const { attachment: _gone, ...rest } = await dropPublicIp(tx, card);
        await tx.table(Interfaces).put(rest);
        tx.hint('networks', card.vpcId);
      }
    }
    if (latest.rootVolume.deleteOnTermination) {
      await meterVolume(tx, ctx, await tx.table(Volumes).get(latest.rootVolume.id));
      await tx.table(Volumes).delete(latest.rootVolume.id);
    } else await tx.table(Volumes).update([latest.rootVolume.id], (volume) => ({ ...volume, instanceId: undefined }));
    await releaseVolumes(tx, ctx, row.id);
    await leavePlace(tx, latest.id);
    await tx.table(Instances).put({ ...latest, state: 'terminated', terminatedAt: ctx.now });
    await tx.schedule({ task: 'forgetInstance', key: row.id, due: ctx.now + terminatedListed });
    await announceState(tx, ctx, latest, 'terminated');
  });
}

/** Brings one machine in line with its instance's row; a machine without row is removed. */
async function reconcileMachine(ctx: Context, id: string): Promise<void> {
  const machines = ctx.part('machines');
  const row = await ctx.table(Instances).get(id);
  if (row === undefined) {
    if (machines.unavailable === undefined) await machines.removeMachine(id);
    return;
  }
  if (row.intent === 'terminated') return tearDown(ctx, row);
  const cards = await ctx.table(Interfaces).byIndex('byInstance', [id]);
  if (row.intent === 'running') return bringUp(ctx, row, cards);
  return bringDown(ctx, row, cards);
}

export const machines: Reconciler = {
  /** Every instance that is not over, and every machine whose row is gone. */
  async keys(ctx) {
    const rows = (await ctx.everywhere(Instances)).filter(({ row }) => row.state !== 'terminated');
    const known = new Set(rows.map(({ row }) => row.id));
    const strays = (await ctx.part('machines').machines()).filter((key) => !known.has(key));
    return [
      ...rows.map(({ scope, row }) => ({ ...scope, key: row.id })),
      ...strays.map((key) => ({ account: '', region: '', key })),
    ];
  },

  run: (target, ctx) => reconcileMachine(ctx, target.key),
};

/** Drops the row of an instance that ended an hour ago. */
export const forgetInstance: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Instances).get(job.key);
    if (row?.state === 'terminated') await tx.table(Instances).delete(job.key);
  });
};

/** A machine unmounted something while a volume waits to be detached. */
async function lookAgain(ctx: Context, id: string): Promise<void> {
  const found = await findPlaced(ctx, id);
  if (found !== undefined) await found.own.transact(async (tx) => tx.hint('machines', id));
}

/** A machine stopped by itself: shut down from inside (its instance stops or terminates, as launched) or struck by a fault. */
export async function onMachineChange(ctx: Context, status: MachineStatus): Promise<void> {
  if (status.state === 'running' && (status.busyDisks?.length ?? 0) > 0) return lookAgain(ctx, status.key);
  if (status.state !== 'stopped' && status.state !== 'failed') return;
  const found = await findPlaced(ctx, status.key);
  if (found === undefined || found.row.intent !== 'running') return;
  const { own } = found;
  await own.transact(async (tx) => {
    const row = await tx.table(Instances).get(status.key);
    if (row === undefined || row.intent !== 'running') return;
    if (status.state === 'failed') {
      await stopInstance(tx, own, row, {
        code: 'Server.InternalError',
        message: `Server.InternalError: ${status.reason ?? 'the machine failed'}`,
      });
      return;
    }
    const reason = {
      code: 'Client.InstanceInitiatedShutdown',
      message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
    };
    if (row.shutdownBehaviour === 'terminate') await terminateInstance(tx, own, row, reason);
    else await stopInstance(tx, own, row, reason);
  });
}
