/** Reusable delegation sets, changes, and the limits of an account. */
import type { Route53 } from '@aws-sdk/client-route-53';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { error, invalidInput, noSuchChange, noSuchDelegationSet } from './errors.ts';
import { HealthChecks } from './health-state.ts';
import { bareId } from './names.ts';
import { drawNameServers } from './name-servers.ts';
import { Changes, DelegationSets, type DelegationSetRow, Zones } from './state.ts';
import { pageMax, recordSetsMax, zonesMax } from './zones.ts';
import { describeChange, requireZone } from './zone-lookup.ts';

const delegationSetsMax = 100;
const zonesOfSetMax = 100;
const vpcsOfZoneMax = 300;
export const healthChecksMax = 200;

const describe = (row: DelegationSetRow) => ({
  Id: `/delegationset/${row.id}`,
  CallerReference: row.callerReference,
  NameServers: [...row.nameServers],
});

export const delegationHandlers: HandlersOf<Route53> = {
  /** With a zone's id that zone's servers become reusable. */
  async CreateReusableDelegationSet(input, ctx) {
    const made = await ctx.transact(async (tx) => {
      const { CallerReference: reference = '', HostedZoneId } = input;
      if ((await tx.table(DelegationSets).firstByIndex('byReference', [reference])) !== undefined)
        throw error(
          'DelegationSetAlreadyCreated',
          'A delegation set with the same owner and caller reference combination has already been created.',
        );
      if ((await tx.table(DelegationSets).count()) >= delegationSetsMax)
        throw error('LimitsExceeded', 'Limits Exceeded: MAX_REUSABLE_DELEGATION_SETS_BY_OWNER.');
      const zone = HostedZoneId === undefined ? undefined : await tx.table(Zones).get(bareId(HostedZoneId));
      if (HostedZoneId !== undefined && zone === undefined)
        throw error('HostedZoneNotFound', `The specified HostedZone can't be found: ${bareId(HostedZoneId)}`);
      if (zone?.delegationSet !== undefined)
        throw error('DelegationSetAlreadyReusable', 'The specified delegation set has already been marked as reusable.');
      const bytes = ctx.bytes(9);
      const row: DelegationSetRow = {
        id: ctx.id('delegationSet'),
        callerReference: reference,
        nameServers: zone?.nameServers ?? drawNameServers(bytes, bytes[8] ?? 0),
      };
      await tx.table(DelegationSets).put(row);
      if (zone !== undefined) await tx.table(Zones).put({ ...zone, delegationSet: row.id });
      return row;
    });
    return { DelegationSet: describe(made), Location: `https://route53.amazonaws.com/2013-04-01/delegationset/${made.id}` };
  },

  async GetReusableDelegationSet(input, ctx) {
    const row = await ctx.table(DelegationSets).get(bareId(input.Id));
    if (row === undefined) throw noSuchDelegationSet(bareId(input.Id));
    return { DelegationSet: describe(row) };
  },

  async ListReusableDelegationSets(input, ctx) {
    const limit = Math.min(input.MaxItems ?? pageMax, pageMax);
    const after = input.Marker === undefined ? undefined : parsePageToken('delegation-sets', input.Marker);
    if (input.Marker !== undefined && after === undefined) throw invalidInput('The specified marker is not valid.');
    const rows = await ctx
      .table(DelegationSets)
      .list({ ...(after === undefined ? {} : { after: [...after] }), limit: limit + 1 });
    const page = rows.slice(0, limit);
    const more = rows.length > limit;
    return {
      DelegationSets: page.map(describe),
      Marker: input.Marker ?? '',
      IsTruncated: more,
      MaxItems: limit,
      ...(more ? { NextMarker: formatPageToken('delegation-sets', [page.at(-1)!.id]) } : {}),
    };
  },

  async DeleteReusableDelegationSet(input, ctx) {
    const id = bareId(input.Id);
    await ctx.transact(async (tx) => {
      if ((await tx.table(DelegationSets).get(id)) === undefined) throw noSuchDelegationSet(id);
      if ((await tx.table(Zones).list()).some((zone) => zone.delegationSet === id))
        throw error(
          'DelegationSetInUse',
          'The specified delegation set contains associated hosted zones which must be deleted before the reusable delegation set can be deleted.',
        );
      await tx.table(DelegationSets).delete(id);
    });
    return {};
  },

  async GetChange(input, ctx) {
    const row = await ctx.table(Changes).get(bareId(input.Id));
    if (row === undefined) throw noSuchChange(bareId(input.Id));
    return { ChangeInfo: describeChange(row) };
  },

  async GetAccountLimit(input, ctx) {
    const { Type } = input;
    const limits: Readonly<Record<string, readonly [value: number, count: number]>> = {
      MAX_HOSTED_ZONES_BY_OWNER: [zonesMax, await ctx.table(Zones).count()],
      MAX_HEALTH_CHECKS_BY_OWNER: [healthChecksMax, await ctx.table(HealthChecks).count()],
      MAX_REUSABLE_DELEGATION_SETS_BY_OWNER: [delegationSetsMax, await ctx.table(DelegationSets).count()],
      MAX_TRAFFIC_POLICIES_BY_OWNER: [50, 0],
      MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER: [5, 0],
    };
    const found = limits[Type ?? ''];
    if (Type === undefined || found === undefined) throw invalidInput(`The limit type ${Type} is not valid.`);
    return { Limit: { Type, Value: found[0] }, Count: found[1] };
  },

  async GetHostedZoneLimit(input, ctx) {
    const zone = await requireZone(ctx, input.HostedZoneId);
    if (input.Type === 'MAX_RRSETS_BY_ZONE')
      return { Limit: { Type: input.Type, Value: recordSetsMax }, Count: zone.recordCount };
    if (input.Type !== 'MAX_VPCS_ASSOCIATED_BY_ZONE') throw invalidInput(`The limit type ${input.Type} is not valid.`);
    if (zone.vpcs === undefined) throw error('HostedZoneNotPrivate', 'The specified hosted zone is a public hosted zone.');
    return { Limit: { Type: input.Type, Value: vpcsOfZoneMax }, Count: zone.vpcs.length };
  },

  async GetReusableDelegationSetLimit(input, ctx) {
    const id = bareId(input.DelegationSetId);
    if ((await ctx.table(DelegationSets).get(id)) === undefined) throw noSuchDelegationSet(id);
    const count = (await ctx.table(Zones).list()).filter((zone) => zone.delegationSet === id).length;
    return { Limit: { Type: 'MAX_ZONES_BY_REUSABLE_DELEGATION_SET', Value: zonesOfSetMax }, Count: count };
  },
};
