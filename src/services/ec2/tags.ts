/**
 * Tags of everything in EC2: kept in the row they belong to; CreateTags, DeleteTags and DescribeTags find the row by its id's prefix. Rules from
 * "Tag your Amazon EC2 resources", EC2 User Guide, "Tag restrictions".
 */
import type { EC2, Tag, TagSpecification } from '@aws-sdk/client-ec2';
import type { IdSort } from '../../base/ids.ts';
import { idKinds } from '../../base/ids.ts';
import { type Caller, isOwnService } from '../../kernel/caller.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { Authorisation, AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import type { Table } from '../../store/tables.ts';
import { Addresses } from './addresses/state.ts';
import { type Ec2Noun, invalidParameterValue, notFound } from './errors.ts';
import { applyFilters } from './filters.ts';
import { DedicatedHosts } from './hosts/state.ts';
import { Images } from './images/state.ts';
import { Instances } from './instances/state.ts';
import { Interfaces } from './interfaces/state.ts';
import { FlowLogs } from './flow-logs/state.ts';
import { EndpointServices } from './endpoint-services/state.ts';
import { VpcEndpoints } from './endpoints/state.ts';
import { EgressOnlyGateways } from './ipv6/state.ts';
import { MirrorFilters, MirrorSessions, MirrorTargets } from './mirroring/state.ts';
import { NatGateways } from './nat/state.ts';
import { PeeringSides } from './peering/state.ts';
import { PrefixLists } from './prefix-lists/state.ts';
import { KeyPairs } from './key-pairs/state.ts';
import { LaunchTemplates } from './launch-templates/state.ts';
import { PlacementGroups } from './placement/state.ts';
import { SecurityGroupRules, SecurityGroups } from './security-groups/state.ts';
import { SpotRequests } from './spot/state.ts';
import { Snapshots, Volumes } from './volumes/state.ts';
import { DhcpOptions, InternetGateways, NetworkAcls, RouteTables, Subnets, type TagMap, Vpcs } from './vpc/state.ts';

/** Per resource, not counting those that begin with `aws:`. */
const tagsPerResourceMax = 50;
const keyLengthMax = 127;
const valueLengthMax = 255;

interface Tagged {
  tags: TagMap;
}

interface TaggedKind {
  /** As in TagSpecification and in ARNs: `vpc`, `network-interface`. */
  type: string;
  noun: Ec2Noun;
  table: Table<Tagged, string>;
  /** Rows are found by this index when the id is not the key. */
  index?: string;
}

const kind = <Row extends Tagged, Index extends string>(
  type: string,
  noun: Ec2Noun,
  table: Table<Row, Index>,
  index?: Index,
): TaggedKind => ({
  type,
  noun,
  // A table of more specific rows serves as one of tagged rows, because only `tags` is changed and the row is handed back whole.
  table: table as unknown as Table<Tagged, string>,
  ...(index === undefined ? {} : { index }),
});

const kinds: readonly TaggedKind[] = [
  kind('vpc', 'vpc', Vpcs),
  kind('subnet', 'subnet', Subnets),
  kind('route-table', 'routeTable', RouteTables),
  kind('internet-gateway', 'internetGateway', InternetGateways),
  kind('network-acl', 'networkAcl', NetworkAcls),
  kind('dhcp-options', 'dhcpOptions', DhcpOptions),
  kind('network-interface', 'networkInterface', Interfaces),
  kind('security-group', 'securityGroup', SecurityGroups),
  kind('security-group-rule', 'securityGroupRule', SecurityGroupRules),
  kind('elastic-ip', 'addressAllocation', Addresses),
  kind('instance', 'instance', Instances),
  kind('image', 'image', Images),
  kind('volume', 'volume', Volumes),
  kind('snapshot', 'snapshot', Snapshots),
  kind('key-pair', 'keyPair', KeyPairs, 'byId'),
  kind('egress-only-internet-gateway', 'egressOnlyGateway', EgressOnlyGateways),
  kind('vpc-endpoint-service', 'endpointService', EndpointServices),
  kind('vpc-endpoint', 'vpcEndpoint', VpcEndpoints),
  kind('vpc-flow-log', 'flowLog', FlowLogs),
  kind('traffic-mirror-target', 'mirrorTarget', MirrorTargets),
  kind('traffic-mirror-filter', 'mirrorFilter', MirrorFilters),
  kind('traffic-mirror-session', 'mirrorSession', MirrorSessions),
  kind('natgateway', 'natGateway', NatGateways),
  kind('vpc-peering-connection', 'vpcPeering', PeeringSides, 'byId'),
  kind('prefix-list', 'prefixList', PrefixLists),
  kind('launch-template', 'launchTemplate', LaunchTemplates),
  kind('placement-group', 'placementGroup', PlacementGroups, 'byId'),
  kind('dedicated-host', 'dedicatedHost', DedicatedHosts),
  kind('spot-instances-request', 'spotRequest', SpotRequests),
];

function kindOf(id: string): TaggedKind | undefined {
  return kinds.find(({ noun }) => id.startsWith(idKinds[noun as IdSort].prefix));
}

/** ARN of an EC2 resource of the account and Region of the context. */
export function ec2Arn(ctx: Context, type: string, id: string): string {
  return `arn:aws:ec2:${ctx.region}:${ctx.account}:${type}/${id}`;
}

/** Tags asked for in a create call for this resource type. Throws InvalidParameterValue for another type, and what tag rules demand. */
export function tagsFor(type: string, specifications: readonly TagSpecification[] | undefined): TagMap {
  const tags: Record<string, string> = {};
  for (const specification of specifications ?? []) {
    if (specification.ResourceType !== type) {
      throw invalidParameterValue(
        `'${specification.ResourceType ?? ''}' is not a valid taggable resource type for this operation.`,
      );
    }
    Object.assign(tags, parseTags(specification.Tags));
  }
  return tags;
}

/** Tags as a map. Throws for duplicate keys, reserved names (which only AWS's own services may write) and lengths out of bounds. */
export function parseTags(given: readonly Tag[] | undefined, caller?: Pick<Caller, 'kind' | 'principal'>): TagMap {
  const tags: Record<string, string> = {};
  for (const { Key = '', Value = '' } of given ?? []) {
    if (Key === '' || Key.length > keyLengthMax)
      throw invalidParameterValue(`Tag key exceeds the maximum length of ${keyLengthMax} characters`);
    if (Value.length > valueLengthMax)
      throw invalidParameterValue(`Tag value exceeds the maximum length of ${valueLengthMax + 1} characters`);
    if (Key.toLowerCase().startsWith('aws:') && !(caller !== undefined && isOwnService(caller)))
      throw invalidParameterValue("Tag keys starting with 'aws:' are reserved for internal use");
    if (Key in tags) throw invalidParameterValue('Duplicate tag key specified.');
    tags[Key] = Value;
  }
  if (Object.keys(tags).length > tagsPerResourceMax) throw tagLimitExceeded();
  return tags;
}

function tagLimitExceeded(): AwsError {
  return new AwsError('TagLimitExceeded', `The maximum number of Tags for a resource has been reached.`);
}

/** Tags as the API shows them, by key. */
export function describeTags(tags: TagMap): Tag[] {
  return Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([Key, Value]) => ({ Key, Value }));
}

/** Condition values of tags asked for in a request. */
export function requestTagConditions(tags: readonly Tag[] | undefined): Record<string, string | string[]> {
  const conditions: Record<string, string | string[]> = {};
  for (const { Key = '', Value = '' } of tags ?? []) conditions[`aws:RequestTag/${Key}`] = Value;
  if (tags !== undefined && tags.length > 0) conditions['aws:TagKeys'] = tags.map(({ Key = '' }) => Key);
  return conditions;
}

/** Condition values of a resource's own tags. */
function resourceTagConditions(tags: TagMap | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tags ?? {}).flatMap(([key, value]) => [
      [`aws:ResourceTag/${key}`, value],
      [`ec2:ResourceTag/${key}`, value],
    ]),
  );
}

async function find(
  source: Pick<Context | Transaction, 'table'>,
  id: string,
): Promise<{ kind: TaggedKind; row: Tagged } | undefined> {
  const of = kindOf(id);
  if (of === undefined) return undefined;
  const table = source.table(of.table);
  const row = of.index === undefined ? await table.get(id) : await table.firstByIndex(of.index, [id]);
  return row === undefined ? undefined : { kind: of, row };
}

/** Checks on each resource named, with its tags as condition values: for operations that take ids of any kind. */
export async function checkTagged(ids: readonly string[], ctx: Context, conditions: Check['conditions'] = {}): Promise<Check[]> {
  return Promise.all(
    ids.map(async (id) => {
      const found = await find(ctx, id);
      const type = found?.kind.type ?? kindOf(id)?.type ?? '*';
      return { resource: ec2Arn(ctx, type, id), conditions: { ...resourceTagConditions(found?.row.tags), ...conditions } };
    }),
  );
}

async function changeTags(ids: readonly string[], ctx: Context, change: (tags: TagMap) => TagMap): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const id of ids) {
      const found = await find(tx, id);
      if (found === undefined) {
        const of = kindOf(id);
        throw of === undefined ? new AwsError('InvalidID', `The ID '${id}' is not valid`) : notFound(of.noun, id);
      }
      const tags = change(found.row.tags);
      if (Object.keys(tags).length > tagsPerResourceMax) throw tagLimitExceeded();
      await tx.table(found.kind.table).put({ ...found.row, tags });
    }
  });
}

interface TagRow {
  key: string;
  value: string;
  resourceId: string;
  resourceType: string;
  tags: TagMap;
}

export const tagHandlers: HandlersOf<EC2> = {
  /** Adds or overwrites; all resources or none. Throws `Invalid…ID.NotFound`, TagLimitExceeded. */
  async CreateTags(input, ctx) {
    const added = parseTags(input.Tags, ctx.caller);
    await changeTags(input.Resources ?? [], ctx, (tags) => ({ ...tags, ...added }));
    return {};
  },

  /** A key without value goes whatever its value; with a value only if that is the value; without keys all go. */
  async DeleteTags(input, ctx) {
    const wanted = input.Tags;
    await changeTags(input.Resources ?? [], ctx, (tags) =>
      Object.fromEntries(
        Object.entries(tags).filter(
          ([key, value]) =>
            wanted !== undefined && !wanted.some((tag) => tag.Key === key && (tag.Value === undefined || tag.Value === value)),
        ),
      ),
    );
    return {};
  },

  async DescribeTags(input, ctx) {
    if (input.NextToken !== undefined) throw parameterNotImplemented('DescribeTags', 'NextToken');
    const rows: TagRow[] = [];
    for (const of of kinds) {
      for (const row of await ctx.table(of.table).list()) {
        const resourceId = idOf(row);
        for (const [key, value] of Object.entries(row.tags))
          rows.push({ key, value, resourceId, resourceType: of.type, tags: row.tags });
      }
    }
    const passing = applyFilters(rows, input.Filters, {
      key: (row) => row.key,
      value: (row) => row.value,
      'resource-id': (row) => row.resourceId,
      'resource-type': (row) => row.resourceType,
    });
    return {
      Tags: passing.map((row) => ({
        Key: row.key,
        Value: row.value,
        ResourceId: row.resourceId,
        ResourceType: row.resourceType as never,
      })),
    };
  },
};

export const tagAuthorisations: AuthorisationsOf<EC2> = {
  CreateTags: (input, ctx) => checkTagged(input.Resources ?? [], ctx, requestTagConditions(input.Tags)),
  DeleteTags: (input, ctx) => checkTagged(input.Resources ?? [], ctx, requestTagConditions(input.Tags)),
};

/**
 * Creating with tags also needs ec2:CreateTags on what is made, with `ec2:CreateAction` naming the operation ("Grant permission to tag Amazon EC2
 * resources during creation"). Adds that check to every rule whose request carries tags.
 */
export function withTagging(rules: AuthorisationsOf<EC2>): AuthorisationsOf<EC2> {
  const entries = Object.entries(rules) as [string, Authorisation<{ TagSpecifications?: TagSpecification[] | undefined }>][];
  const wrapped = entries.map(([operation, rule]) => {
    if (typeof rule === 'string') return [operation, rule] as const;
    const both: typeof rule = async (input, ctx) => {
      const tagged = (input.TagSpecifications ?? []).filter(({ Tags = [] }) => Tags.length > 0);
      const checks = tagged.map(({ ResourceType = '*', Tags }) => ({
        action: 'ec2:CreateTags',
        resource: ec2Arn(ctx, ResourceType, '*'),
        conditions: { ...requestTagConditions(Tags), 'ec2:CreateAction': operation },
      }));
      return [...(await rule(input, ctx)), ...checks];
    };
    return [operation, both] as const;
  });
  return Object.fromEntries(wrapped) as AuthorisationsOf<EC2>;
}

function idOf(row: Tagged): string {
  const named = row as Tagged & { id?: string; allocationId?: string };
  return named.id ?? named.allocationId ?? '';
}
