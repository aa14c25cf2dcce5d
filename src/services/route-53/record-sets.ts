/** Records of a zone: change batches, applied whole or not at all, and their list in DNS order. */
import type { Change, ResourceRecordSet, Route53 } from '@aws-sdk/client-route-53';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { applyChange, type Working } from './change-rules.ts';
import { checkShape } from './change-shape.ts';
import { error, invalidChangeBatch, invalidInput, noSuchHealthCheck } from './errors.ts';
import { HealthChecks } from './health-state.ts';
import { bareId, normalName, reversedName } from './names.ts';
import { recordTypes } from './record-data.ts';
import { CidrCollections, RecordSets, type RecordSetRow, ZoneOwners, type ZoneRow, Zones } from './state.ts';
import { addChange, recordSetsMax } from './zones.ts';
import { describeChange, requireZone } from './zone-lookup.ts';

const pageMax = 300;

function describeSet(row: RecordSetRow): ResourceRecordSet {
  return {
    Name: row.name,
    Type: row.type as ResourceRecordSet['Type'],
    ...(row.setIdentifier === '' ? {} : { SetIdentifier: row.setIdentifier }),
    ...row.routing,
    ...(row.trafficPolicyInstance !== undefined
      ? { TTL: row.ttl, TrafficPolicyInstanceId: row.trafficPolicyInstance }
      : row.alias === undefined
        ? { TTL: row.ttl, ResourceRecords: row.values.map((Value) => ({ Value })) }
        : { AliasTarget: { HostedZoneId: row.alias.zone, DNSName: row.alias.name, EvaluateTargetHealth: row.alias.evaluate } }),
    ...(row.healthCheck === undefined ? {} : { HealthCheckId: row.healthCheck }),
  };
}

const keyOf = (row: RecordSetRow): string => `${row.type} ${row.setIdentifier}`;

/** Reads the sets of all names that a batch touches, and what it refers to; nothing else is read while it is applied. */
async function openWorking(tx: Transaction, zone: ZoneRow, changes: readonly Change[]) {
  const names = new Map<string, Map<string, RecordSetRow>>();
  for (const { ResourceRecordSet: set } of changes) {
    for (const text of [set?.Name, set?.AliasTarget?.DNSName]) {
      const name = normalName(text ?? '');
      if (names.has(name)) continue;
      const rows = await tx.table(RecordSets).list({ prefix: [zone.id, reversedName(name)] });
      names.set(name, new Map(rows.map((row) => [keyOf(row), row])));
    }
  }
  const before = new Map([...names].map(([name, rows]) => [name, new Map(rows)]));
  const userZones = new Set<string>();
  for (const { ResourceRecordSet: set } of changes) {
    const id = bareId(set?.AliasTarget?.HostedZoneId);
    if (id !== '' && (await tx.table(ZoneOwners).get(id)) !== undefined) userZones.add(id);
  }
  const working: Working = {
    zone,
    at: (name) => [...(names.get(name)?.values() ?? [])],
    put: (row) => void names.get(row.name)?.set(keyOf(row), row),
    remove: (row) => void names.get(row.name)?.delete(keyOf(row)),
    isUserZone: (id) => userZones.has(id),
  };
  return { names, before, working };
}

/** What records refer to must be there. Throws NoSuchHealthCheck, NoSuchCidrCollectionException and the like. */
async function checkReferences(tx: Transaction, changes: readonly Change[]): Promise<void> {
  for (const { Action, ResourceRecordSet: set } of changes) {
    if (Action === 'DELETE') continue;
    if (set?.HealthCheckId !== undefined && (await tx.table(HealthChecks).get(set.HealthCheckId)) === undefined)
      throw noSuchHealthCheck(set.HealthCheckId);
    const cidr = set?.CidrRoutingConfig;
    if (cidr === undefined) continue;
    const collection = await tx.table(CidrCollections).get(cidr.CollectionId ?? '');
    if (collection === undefined) throw invalidChangeBatch([`No CIDR collection found with ID: ${cidr.CollectionId}`]);
    if (cidr.LocationName !== '*' && collection.locations[cidr.LocationName ?? ''] === undefined)
      throw invalidChangeBatch([`The CIDR location ${cidr.LocationName} does not exist in the collection ${cidr.CollectionId}`]);
  }
}

/** Applies a batch inside a transaction. Throws InvalidChangeBatch with every problem of every change. */
async function changeSets(tx: Transaction, zone: ZoneRow, changes: readonly Change[]): Promise<void> {
  await checkReferences(tx, changes);
  const { names, before, working } = await openWorking(tx, zone, changes);
  const problems = changes.flatMap((change) => applyChange(change, working));
  if (problems.length > 0) throw invalidChangeBatch(problems);
  const table = tx.table(RecordSets);
  let count = zone.recordCount;
  for (const [name, rows] of names) {
    const old = before.get(name) ?? new Map<string, RecordSetRow>();
    for (const [key, row] of old) if (!rows.has(key)) await table.delete(...table.keyOf(row));
    for (const [key, row] of rows) if (old.get(key) !== row) await table.put(row);
    count += rows.size - old.size;
  }
  if (count > recordSetsMax)
    throw error(
      'InvalidChangeBatch',
      `[The number of records in the hosted zone ${zone.id} would exceed the limit of ${recordSetsMax}]`,
    );
  if (count !== zone.recordCount) await tx.table(Zones).put({ ...zone, recordCount: count });
}

export const recordSetHandlers: HandlersOf<Route53> = {
  async ChangeResourceRecordSets(input, ctx) {
    const { Changes: changes = [], Comment } = input.ChangeBatch ?? {};
    checkShape(changes);
    if (changes.some(({ ResourceRecordSet: set }) => set?.TrafficPolicyInstanceId !== undefined))
      throw parameterNotImplemented('ChangeResourceRecordSets', 'TrafficPolicyInstanceId');
    const change = await ctx.transact(async (tx) => {
      const zone = await requireZone(tx, input.HostedZoneId);
      await changeSets(tx, zone, changes);
      return addChange(ctx, tx, zone.id, Comment);
    });
    return { ChangeInfo: describeChange(change) };
  },

  /** By name, labels from the right, then type and identifier; starts at the record that the request names, or the first after it. */
  async ListResourceRecordSets(input, ctx) {
    const zone = await requireZone(ctx, input.HostedZoneId);
    const { StartRecordName: name, StartRecordType: type, StartRecordIdentifier: identifier } = input;
    if (type !== undefined && name === undefined)
      throw invalidInput('The input is not valid: a record type needs a record name.');
    if (identifier !== undefined && type === undefined)
      throw invalidInput('The input is not valid: a record identifier needs a record type.');
    if (type !== undefined && !recordTypes.includes(type as (typeof recordTypes)[number]))
      throw invalidInput(`The record type ${type} is not valid.`);
    const limit = Math.min(Math.max(1, input.MaxItems ?? pageMax), pageMax);
    const rows = await listFrom(ctx, zone.id, { name, type, identifier }, limit + 1);
    const next = rows[limit];
    return {
      ResourceRecordSets: rows.slice(0, limit).map(describeSet),
      IsTruncated: next !== undefined,
      MaxItems: limit,
      ...(next === undefined ? {} : { NextRecordName: next.name, NextRecordType: next.type as ResourceRecordSet['Type'] }),
      ...(next === undefined || next.setIdentifier === '' ? {} : { NextRecordIdentifier: next.setIdentifier }),
    };
  },
};

async function listFrom(
  ctx: Context,
  zone: string,
  { name, type, identifier }: { name: string | undefined; type: string | undefined; identifier: string | undefined },
  limit: number,
): Promise<RecordSetRow[]> {
  const table = ctx.table(RecordSets);
  if (name === undefined) return table.list({ prefix: [zone], limit });
  const from = reversedName(normalName(name));
  // A key stands before all that begin with it, so that "after" the shorter key means "from" its first record on.
  if (type === undefined || identifier === undefined)
    return table.list({ prefix: [zone], after: type === undefined ? [zone, from] : [zone, from, type], limit });
  const exact = await table.get(zone, from, type, identifier);
  const rest = await table.list({ prefix: [zone], after: [zone, from, type, identifier], limit });
  return exact === undefined ? rest : [exact, ...rest].slice(0, limit);
}
