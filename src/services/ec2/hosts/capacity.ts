/** Room on Dedicated Hosts, and the choice of one for an instance ("Amazon EC2 Dedicated Hosts", auto-placement and affinity). */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterCombination, notFound } from '../errors.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { type InstanceTypeInfo, instanceTypes } from '../instances/type-catalogue.ts';
import { Occupants } from '../placement/state.ts';
import { type DedicatedHostRow, DedicatedHosts } from './state.ts';

/** `m5` of `m5.large`. */
export const familyOf = (type: string): string => type.split('.')[0] ?? '';

/** vCPUs of a host of this family: those of its largest size, which fills it. */
export function hostVcpus(family: string): number {
  const sizes = [...instanceTypes.values()].filter((type) => familyOf(type.name) === family);
  return Math.max(0, ...sizes.map((type) => type.vcpus));
}

/** Instances that are on it. */
export async function instancesOn(source: Pick<Context | Transaction, 'table'>, host: DedicatedHostRow): Promise<InstanceRow[]> {
  const rows = await source.table(Instances).byIndex('byHost', [host.id]);
  return rows.filter(({ state }) => state !== 'terminated' && state !== 'stopped');
}

/** How many more of this type fit. */
export async function roomFor(
  source: Pick<Context | Transaction, 'table'>,
  host: DedicatedHostRow,
  type: InstanceTypeInfo,
): Promise<number> {
  const used = (await instancesOn(source, host)).reduce((sum, row) => sum + (instanceTypes.get(row.type)?.vcpus ?? 0), 0);
  return Math.max(0, Math.floor((hostVcpus(host.family) - used) / type.vcpus));
}

function takes(host: DedicatedHostRow, type: InstanceTypeInfo): boolean {
  return host.instanceType === undefined ? host.family === familyOf(type.name) : host.instanceType === type.name;
}

/**
 * The host for an instance: the one named, else any of the zone that takes untargeted launches. Throws InvalidHostID.NotFound,
 * InvalidParameterCombination for another type or zone, InsufficientHostCapacity.
 */
export async function chooseHost(
  tx: Transaction,
  ctx: Context,
  wanted: { hostId?: string | undefined; zone: string; type: InstanceTypeInfo },
): Promise<DedicatedHostRow> {
  const { hostId, zone, type } = wanted;
  const faults = ctx.part('zones');
  if (hostId !== undefined) {
    const host = await tx.table(DedicatedHosts).get(hostId);
    if (host === undefined || host.state !== 'available') throw notFound('dedicatedHost', hostId);
    if (host.zone !== zone)
      throw invalidParameterCombination(`The host '${hostId}' is not in the Availability Zone of the instance (${zone}).`);
    if (!takes(host, type))
      throw invalidParameterCombination(
        `The instance type '${type.name}' does not match the configuration of the host '${hostId}'.`,
      );
    if (faults.downSince(host.place) !== undefined || (await roomFor(tx, host, type)) < 1) throw insufficientHost(type);
    return host;
  }
  for (const host of await tx.table(DedicatedHosts).list()) {
    const open = host.state === 'available' && host.autoPlacement === 'on' && host.zone === zone && takes(host, type);
    if (open && faults.downSince(host.place) === undefined && (await roomFor(tx, host, type)) >= 1) return host;
  }
  throw insufficientHost(type);
}

function insufficientHost(type: InstanceTypeInfo): AwsError {
  return new AwsError(
    'InsufficientHostCapacity',
    `There is not enough capacity on your Dedicated Hosts for an instance of type ${type.name}.`,
  );
}

/** Puts an instance where its host stands. */
export async function joinHost(tx: Transaction, ctx: Context, id: string, host: DedicatedHostRow): Promise<void> {
  await tx.table(Occupants).put({
    id,
    account: ctx.account,
    zone: host.zone,
    place: host.place,
    vcpus: 0,
    memoryMiB: 0,
    dedicated: true,
  });
}
