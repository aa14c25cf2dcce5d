/** Finding zones, and describing them as the API does. */
import type { HostedZone } from '@aws-sdk/client-route-53';
import type { Context } from '../../kernel/context.ts';
import type { Table, TableReader } from '../../store/tables.ts';
import { noSuchHostedZone } from './errors.ts';
import { bareId } from './names.ts';
import { LoggedZones } from './query-log-state.ts';
import { type ChangeRow, ZoneOwners, Zones, type ZoneRow } from './state.ts';

export interface Reading {
  table<Row, Index extends string>(table: Table<Row, Index>): TableReader<Row, Index>;
}

/** The zone of a request, by its id with or without the path before it. Throws NoSuchHostedZone. */
export async function requireZone(reading: Reading, id: string | undefined): Promise<ZoneRow> {
  const zone = await reading.table(Zones).get(bareId(id));
  if (zone === undefined) throw noSuchHostedZone(bareId(id));
  return zone;
}

export function describeZone(zone: ZoneRow): HostedZone {
  return {
    Id: `/hostedzone/${zone.id}`,
    Name: zone.name,
    CallerReference: zone.callerReference,
    Config: { ...(zone.comment === undefined ? {} : { Comment: zone.comment }), PrivateZone: zone.vpcs !== undefined },
    ResourceRecordSetCount: zone.recordCount,
  };
}

export function describeChange({ id, status, submitted, comment }: ChangeRow) {
  return {
    Id: `/change/${id}`,
    Status: status,
    SubmittedAt: new Date(submitted),
    ...(comment === undefined ? {} : { Comment: comment }),
  };
}

/** The set of name servers of a public zone. */
export function describeDelegation(zone: ZoneRow) {
  return {
    ...(zone.delegationSet === undefined ? {} : { Id: `/delegationset/${zone.delegationSet}` }),
    NameServers: [...zone.nameServers],
  };
}

/** Before an account's rows go: its zones leave the name servers and the cloud's list. */
export async function forgetZonesOf(account: string | undefined, ctx: Context): Promise<void> {
  const { hosted } = ctx.part('dns');
  for (const { id, account: owner } of await ctx.table(ZoneOwners).list()) {
    if (account !== undefined && account !== owner) continue;
    hosted.removeZone(id);
    await ctx.transact(async (tx) => {
      await tx.table(ZoneOwners).delete(id);
      await tx.table(LoggedZones).delete(id);
    });
  }
}
