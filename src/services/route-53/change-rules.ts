/** What a zone's records refuse of a change: applied one after the other, problems of all changes are collected ("ChangeResourceRecordSets", InvalidChangeBatch). */
import type { Change, ResourceRecordSet } from '@aws-sdk/client-route-53';
import { isDeepStrictEqual } from 'node:util';
import { judgeTarget } from './alias-targets.ts';
import { bareId, liesIn, nameProblem, normalName } from './names.ts';
import { parseValue } from './record-data.ts';
import { policyOf, routingOf, uniquePart } from './routing.ts';
import type { RecordSetRow, ZoneRow } from './state.ts';

/** Weighted, latency and the like: how many a name and type may have. */
const sameNameMax = 100;

/** The records of the names that a batch touches, as they are while it is applied. */
export interface Working {
  zone: ZoneRow;
  /** Sets of a name, in normal form. */
  at: (name: string) => readonly RecordSetRow[];
  put: (row: RecordSetRow) => void;
  remove: (row: RecordSetRow) => void;
  /** Whether a zone id is a user's zone, and so no AWS resource's. */
  isUserZone: (id: string) => boolean;
}

/** The row that a set of the API becomes. */
function rowOf(zone: ZoneRow, set: ResourceRecordSet): RecordSetRow {
  const { AliasTarget: alias } = set;
  return {
    zone: zone.id,
    name: normalName(set.Name ?? ''),
    type: set.Type ?? '',
    setIdentifier: set.SetIdentifier ?? '',
    ttl: set.TTL,
    values: (set.ResourceRecords ?? []).map(({ Value = '' }) => Value),
    alias:
      alias === undefined
        ? undefined
        : {
            zone: bareId(alias.HostedZoneId),
            name: normalName(alias.DNSName ?? ''),
            evaluate: alias.EvaluateTargetHealth ?? false,
          },
    routing: routingOf(set),
    healthCheck: set.HealthCheckId,
    trafficPolicyInstance: set.TrafficPolicyInstanceId,
  };
}

/** Applies one change to the working copy, or says what is wrong with it. */
export function applyChange({ Action, ResourceRecordSet: set }: Change, working: Working): string[] {
  const { zone } = working;
  const named = nameProblem(set?.Name ?? '');
  if (set === undefined || named !== undefined) return [named ?? ''];
  const row = rowOf(zone, set);
  if (!liesIn(row.name, zone.name)) return [`RRSet with DNS name ${row.name} is not permitted in zone ${zone.name}`];
  const beside = working.at(row.name);
  const existing = beside.find((one) => one.type === row.type && one.setIdentifier === row.setIdentifier);
  const identifier = row.setIdentifier === '' ? '' : `, set-identifier='${row.setIdentifier}'`;
  const shown = `[name='${row.name}', type='${row.type}'${identifier}]`;
  if (existing?.trafficPolicyInstance !== undefined)
    return [
      `Tried to change resource record set ${shown} but it belongs to the traffic policy instance ${existing.trafficPolicyInstance}`,
    ];
  if (Action === 'DELETE') return deleteSet(row, existing, shown, working);
  if (Action === 'CREATE' && existing !== undefined)
    return [`Tried to create resource record set ${shown} but it already exists`];
  const others = beside.filter((one) => one !== existing);
  const problems = [
    ...checkValues(row),
    ...checkPlace(row, others, zone),
    ...checkPolicy(row, others),
    ...checkAlias(row, working),
  ];
  if (problems.length === 0) working.put(row);
  return problems;
}

function deleteSet(row: RecordSetRow, existing: RecordSetRow | undefined, shown: string, { zone, remove }: Working): string[] {
  if (existing === undefined) return [`Tried to delete resource record set ${shown} but it was not found`];
  if (row.name === zone.name && row.type === 'SOA') return ['A HostedZone must contain exactly one SOA record.'];
  if (row.name === zone.name && row.type === 'NS')
    return ['A HostedZone must contain at least one NS record for the zone itself.'];
  const same =
    row.ttl === existing.ttl &&
    isDeepStrictEqual([...row.values].sort(), [...existing.values].sort()) &&
    isDeepStrictEqual(row.alias ?? null, existing.alias ?? null) &&
    isDeepStrictEqual({ ...row.routing }, { ...existing.routing }) &&
    row.healthCheck === existing.healthCheck;
  if (!same) return [`Tried to delete resource record set ${shown} but the values provided do not match the current values`];
  remove(existing);
  return [];
}

function checkValues({ type, values, alias, name }: RecordSetRow): string[] {
  if (alias !== undefined) return [];
  const problems = values.flatMap((value) => {
    const parsed = parseValue(type, value);
    return 'problem' in parsed ? [parsed.problem] : [];
  });
  if ((type === 'CNAME' || type === 'SOA') && values.length > 1)
    problems.push(`RRSet of type ${type} with DNS name ${name} cannot contain more than one resource record`);
  if (new Set(values).size < values.length)
    problems.push(`Duplicate Resource Record: '${values.find((one, at) => values.indexOf(one) !== at)}'`);
  return problems;
}

/** Where a type may not stand: CNAME at the apex or beside others, SOA below the apex. */
function checkPlace({ name, type }: RecordSetRow, others: readonly RecordSetRow[], zone: ZoneRow): string[] {
  if (type === 'CNAME' && name === zone.name)
    return [`RRSet of type CNAME with DNS name ${name} is not permitted at apex in zone ${zone.name}`];
  if (type === 'SOA' && name !== zone.name)
    return [`RRSet of type SOA with DNS name ${name} is not permitted in zone ${zone.name}`];
  if (type === 'DS' && name === zone.name)
    return [`RRSet of type DS with DNS name ${name} is not permitted at apex in zone ${zone.name}`];
  if (type === 'CNAME' && others.some((one) => one.type !== 'CNAME'))
    return [
      `RRSet of type CNAME with DNS name ${name} is not permitted as it conflicts with other records with the same DNS name in zone ${zone.name}`,
    ];
  if (type !== 'CNAME' && others.some((one) => one.type === 'CNAME'))
    return [
      `RRSet of type ${type} with DNS name ${name} is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone ${zone.name}`,
    ];
  return [];
}

/** One name and type has one policy, and nothing twice that tells its sets apart. */
function checkPolicy(row: RecordSetRow, others: readonly RecordSetRow[]): string[] {
  const { name, type, setIdentifier, routing, alias, healthCheck } = row;
  const same = others.filter((one) => one.type === type);
  const policy = policyOf(routing);
  const subject = `RRSet with DNS name ${name}, type ${type}, SetIdentifier ${setIdentifier === '' ? 'null' : setIdentifier}`;
  if (name.startsWith('\\052.') && type === 'NS')
    return [`RRSet of type NS with DNS name ${name} is not permitted as a wildcard`];
  if ((type === 'NS' || type === 'SOA') && policy !== 'simple')
    return [`${subject} cannot be created because records of type ${type} support simple routing only`];
  const other = same.find((one) => policyOf(one.routing) !== policy);
  if (other !== undefined && policy === 'simple')
    return [`${subject} cannot be created as other RRSets exist with the same name and type`];
  if (other !== undefined)
    return [`${subject} cannot be created because a non ${policy} rrset exists with the same name and type`];
  const unique = uniquePart(routing);
  if (unique !== undefined && same.some((one) => uniquePart(one.routing) === unique))
    return [
      `${subject}, ${unique} cannot be created because a rrset with the same name, type and ${unique.split(' ')[0]} already exists`,
    ];
  if (same.length >= sameNameMax)
    return [`${subject} cannot be created: the limit of ${sameNameMax} records with the same name and type is reached`];
  if (routing.Failover === 'PRIMARY' && alias === undefined && healthCheck === undefined)
    return ['A non-alias primary ResourceRecordSet must have an associated health check.'];
  return [];
}

function checkAlias({ alias, type, name }: RecordSetRow, working: Working): string[] {
  if (alias === undefined) return [];
  const { zone } = working;
  const shown = `Tried to create an alias that targets ${alias.name}, type ${type} in zone ${alias.zone}`;
  const outside = `${shown}, but the alias target name does not lie within the target zone`;
  const missing = `${shown}, but that target was not found`;
  if (type === 'SOA' || type === 'NS') return [`RRSet of type ${type} with DNS name ${name} cannot be an alias`];
  if (alias.zone === zone.id) {
    if (!liesIn(alias.name, zone.name)) return [outside, missing];
    if (alias.name === name) return [missing];
    return working.at(alias.name).some((one) => one.type === type) ? [] : [missing];
  }
  if (working.isUserZone(alias.zone)) return [outside, missing];
  const verdict = judgeTarget(alias, type);
  if (verdict === 'outside') return [outside, missing];
  if (verdict === 'missing') return [missing];
  return verdict === 'no-health'
    ? ['EvaluateTargetHealth cannot be set to true when the alias target is a CloudFront distribution']
    : [];
}
