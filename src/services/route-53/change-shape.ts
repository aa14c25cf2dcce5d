/** What a change batch is checked for before any record is looked at: its shape ("ChangeResourceRecordSets", InvalidInput). */
import type { Change, ResourceRecordSet } from '@aws-sdk/client-route-53';
import { findRegion } from '../../base/regions.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { invalidInput } from './errors.ts';
import { findLocalZone } from './places.ts';
import { recordTypes } from './record-data.ts';
import { policiesOf } from './routing.ts';

const ttlMax = 2_147_483_647;
const changesMax = 1000;
const valuesCharactersMax = 32_000;
const policyNames = 'Weight, Region, Failover, GeoLocation, GeoProximityLocation, CidrRoutingConfig, or MultiValueAnswer';

/** Throws InvalidInput for what no zone could take. */
export function checkShape(changes: readonly Change[]): void {
  if (changes.length === 0)
    throw invalidInput(
      "1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy constraint: Member must have length greater than or equal to 1",
    );
  const constraints = new RequestCheck('InvalidInput');
  for (const [index, { Action, ResourceRecordSet: set }] of changes.entries()) {
    const at = `changeBatch.changes.${index + 1}.member`;
    constraints.oneOf(`${at}.action`, Action, ['CREATE', 'DELETE', 'UPSERT']);
    if (set !== undefined) limitMembers(constraints, `${at}.resourceRecordSet`, set);
  }
  constraints.done();
  const records = changes.reduce((sum, { ResourceRecordSet: set }) => sum + Math.max(1, set?.ResourceRecords?.length ?? 0), 0);
  if (records > changesMax) throw invalidInput(`Number of records limit of ${changesMax} exceeded.`);
  const characters = changes
    .flatMap(({ ResourceRecordSet: set }) => set?.ResourceRecords ?? [])
    .reduce((sum, { Value = '' }) => sum + Value.length, 0);
  if (characters > valuesCharactersMax)
    throw invalidInput(`RDATA character limit exceeded: total length of values is more than ${valuesCharactersMax}.`);
  for (const change of changes) checkMembers(change);
}

function limitMembers(constraints: RequestCheck, at: string, set: ResourceRecordSet): void {
  constraints
    .length(`${at}.name`, set.Name, 0, 1024)
    .oneOf(`${at}.type`, set.Type, recordTypes)
    .length(`${at}.setIdentifier`, set.SetIdentifier, 1, 128)
    .range(`${at}.weight`, set.Weight, 0, 255)
    .range(`${at}.tTL`, set.TTL, 0, ttlMax)
    .oneOf(`${at}.failover`, set.Failover, ['PRIMARY', 'SECONDARY'])
    .range(`${at}.geoProximityLocation.bias`, set.GeoProximityLocation?.Bias, -99, 99);
  if (set.ResourceRecords !== undefined) constraints.count(`${at}.resourceRecords`, set.ResourceRecords, 1, 400);
  for (const [index, { Value }] of (set.ResourceRecords ?? []).entries())
    constraints.length(`${at}.resourceRecords.${index + 1}.member.value`, Value, 0, 4000);
}

function checkMembers({ Action, ResourceRecordSet: set }: Change): void {
  if (set === undefined) throw invalidInput("Invalid request: Missing field 'ResourceRecordSet' in Change");
  const where = `in Change with [Action=${Action}, Name=${set.Name}, Type=${set.Type}, SetIdentifier=${set.SetIdentifier ?? 'null'}]`;
  const kinds = [
    set.AliasTarget !== undefined,
    set.TTL !== undefined && set.ResourceRecords !== undefined,
    set.TrafficPolicyInstanceId !== undefined,
  ].filter(Boolean).length;
  const expected = 'Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]';
  if (kinds === 0) throw invalidInput(`Invalid request: ${expected}, but found none ${where}`);
  if (kinds > 1 || (set.AliasTarget !== undefined && (set.TTL !== undefined || set.ResourceRecords !== undefined)))
    throw invalidInput(`Invalid request: ${expected}, but found more than one ${where}`);
  const policies = policiesOf(set);
  if (policies.length > 1)
    throw invalidInput(`Invalid request: Expected exactly one of [${policyNames}], but found more than one ${where}`);
  if (policies.length === 1 && set.SetIdentifier === undefined)
    throw invalidInput(`Invalid request: Missing field 'SetIdentifier' ${where}`);
  if (policies.length === 0 && set.SetIdentifier !== undefined)
    throw invalidInput(`Invalid request: Expected exactly one of [${policyNames}], but found none ${where}`);
  if (set.MultiValueAnswer !== undefined && set.AliasTarget !== undefined)
    throw invalidInput(`Invalid request: MultiValueAnswer cannot be used together with AliasTarget ${where}`);
  if (set.Region !== undefined && findRegion(set.Region) === undefined)
    throw invalidInput(`Invalid request: The region ${set.Region} is not valid ${where}`);
  checkPlaces(set, where);
}

function checkPlaces({ GeoLocation: geo, GeoProximityLocation: near }: ResourceRecordSet, where: string): void {
  if (geo !== undefined) {
    const { ContinentCode: continent, CountryCode: country, SubdivisionCode: part } = geo;
    const known =
      continent === undefined
        ? country !== undefined && /^([A-Z]{2}|\*)$/.test(country) && (part === undefined || /^[A-Z0-9]{1,3}$/.test(part))
        : country === undefined && part === undefined && ['AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA'].includes(continent);
    if (!known) throw invalidInput(`Invalid request: The geolocation is not valid ${where}`);
    if (part !== undefined && country !== 'US' && country !== 'UA')
      throw invalidInput(`Invalid request: SubdivisionCode may be used with the countries US and UA only ${where}`);
  }
  if (near === undefined) return;
  const { AWSRegion, LocalZoneGroup, Coordinates } = near;
  const given = [AWSRegion, LocalZoneGroup, Coordinates].filter((one) => one !== undefined);
  if (given.length !== 1)
    throw invalidInput(
      `Invalid request: Expected exactly one of [AWSRegion, LocalZoneGroup, or Coordinates], but found ${given.length === 0 ? 'none' : 'more than one'} ${where}`,
    );
  if (AWSRegion !== undefined && findRegion(AWSRegion) === undefined)
    throw invalidInput(`Invalid request: The region ${AWSRegion} is not valid ${where}`);
  if (LocalZoneGroup !== undefined && findLocalZone(LocalZoneGroup) === undefined)
    throw invalidInput(`Invalid request: The Local Zone Group ${LocalZoneGroup} is not valid ${where}`);
  if (Coordinates !== undefined && !(inRange(Coordinates.Latitude, 90) && inRange(Coordinates.Longitude, 180)))
    throw invalidInput(`Invalid request: The coordinates are not valid ${where}`);
}

/** Degrees with two decimals at most. */
function inRange(text: string | undefined, max: number): boolean {
  return text !== undefined && /^-?\d{1,3}(\.\d{1,2})?$/.test(text) && Math.abs(Number(text)) <= max;
}
