/** Route tables: main and custom, associations, routes. The local route belongs to the VPC and cannot be deleted (VPC-020). */
import type { EC2, Route, RouteTable, RouteTableAssociation } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { isPrefixListId } from '../prefix-lists/lookup.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { checkAgainstLocal, describeRoute, destinationOf, targetOf, weightOf, weightOfDestination } from './route-targets.ts';
import {
  type RouteRow,
  type RouteTableRow,
  RouteTables,
  type RouteTarget,
  type SubnetRow,
  Subnets,
  type VpcRow,
  Vpcs,
} from './state.ts';

/** The table that a subnet follows: its own, else the VPC's main one. */
export function routeTableOf(subnet: SubnetRow, vpc: VpcRow): string {
  return subnet.routeTable?.tableId ?? vpc.mainRouteTableId;
}

async function subnetsOf(source: Pick<Context | Transaction, 'table'>, table: RouteTableRow): Promise<SubnetRow[]> {
  return (await source.table(Subnets).byIndex('byVpc', [table.vpcId])).filter(
    (subnet) => subnet.routeTable?.tableId === table.id,
  );
}

function describeAssociations(table: RouteTableRow, subnets: readonly SubnetRow[]): RouteTableAssociation[] {
  const associated = { AssociationState: { State: 'associated' as const }, RouteTableId: table.id };
  const main =
    table.mainAssociationId === undefined
      ? []
      : [{ ...associated, Main: true, RouteTableAssociationId: table.mainAssociationId }];
  return [
    ...main,
    ...subnets.map(({ id, routeTable }) => ({
      ...associated,
      Main: false,
      RouteTableAssociationId: routeTable?.associationId,
      SubnetId: id,
    })),
  ];
}

async function describeTable(ctx: Context, table: RouteTableRow): Promise<RouteTable> {
  return {
    RouteTableId: table.id,
    VpcId: table.vpcId,
    OwnerId: ctx.account,
    Associations: describeAssociations(table, await subnetsOf(ctx, table)),
    Routes: await Promise.all(table.routes.map((route) => describeRoute(ctx, route, table.vpcId))),
    PropagatingVgws: [],
    Tags: describeTags(table.tags),
  };
}

export const routeTableHandlers: HandlersOf<EC2> = {
  async CreateRouteTable(input, ctx) {
    const tags = tagsFor('route-table', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      if ((await tx.table(RouteTables).byIndex('byVpc', [vpc.id])).length >= (await quotaOf(tx, quotas.routeTablesPerVpc))) {
        throw new AwsError('RouteTableLimitExceeded', 'The maximum number of route tables has been reached.');
      }
      const routes = [...vpc.cidrs, ...(vpc.ipv6 === undefined ? [] : [vpc.ipv6])].map(
        ({ cidr }): RouteRow => ({ destination: cidr, target: { kind: 'local' }, origin: 'CreateRouteTable' }),
      );
      const table: RouteTableRow = { id: ctx.id('routeTable'), vpcId: vpc.id, routes, tags };
      await tx.table(RouteTables).put(table);
      tx.hint('networks', vpc.id);
      return table;
    });
    return { RouteTable: await describeTable(ctx, row) };
  },

  async DescribeRouteTables(input, ctx) {
    const rows = await Promise.all(
      (await rowsByIds(ctx, RouteTables, 'routeTable', input.RouteTableIds)).map(async (row) => ({
        ...row,
        shown: await describeTable(ctx, row),
      })),
    );
    const associations =
      (read: (association: RouteTableAssociation) => string | boolean | undefined) => (row: { shown: RouteTable }) =>
        (row.shown.Associations ?? []).map((one) => (read(one) === undefined ? undefined : String(read(one))));
    const routes = (read: (route: Route) => string | undefined) => (row: { shown: RouteTable }) =>
      (row.shown.Routes ?? []).map(read);
    const passing = applyFilters(rows, input.Filters, {
      'route-table-id': (row) => row.id,
      'vpc-id': (row) => row.vpcId,
      'owner-id': () => ctx.account,
      'association.main': associations((one) => one.Main),
      'association.route-table-association-id': associations((one) => one.RouteTableAssociationId),
      'association.association-id': associations((one) => one.RouteTableAssociationId),
      'association.route-table-id': associations((one) => one.RouteTableId),
      'association.subnet-id': associations((one) => one.SubnetId),
      'association.gateway-id': associations((one) => one.GatewayId),
      'route.destination-cidr-block': routes((one) => one.DestinationCidrBlock),
      'route.destination-prefix-list-id': routes((one) => one.DestinationPrefixListId),
      'route.vpc-peering-connection-id': routes((one) => one.VpcPeeringConnectionId),
      'route.destination-ipv6-cidr-block': routes((one) => one.DestinationIpv6CidrBlock),
      'route.egress-only-internet-gateway-id': routes((one) => one.EgressOnlyInternetGatewayId),
      'route.gateway-id': routes((one) => one.GatewayId),
      'route.instance-id': routes((one) => one.InstanceId),
      'route.nat-gateway-id': routes((one) => one.NatGatewayId),
      'route.origin': routes((one) => one.Origin),
      'route.state': routes((one) => one.State),
    });
    const { rows: shown, nextToken } = page('DescribeRouteTables', passing, (row) => row.id, input, { ids: input.RouteTableIds });
    return { RouteTables: shown.map((row) => row.shown), NextToken: nextToken };
  },

  /** The main table goes only with its VPC; a table with associations has dependencies. */
  async DeleteRouteTable(input, ctx) {
    await ctx.transact(async (tx) => {
      const table = await requireRow(tx, RouteTables, 'routeTable', input.RouteTableId);
      if (table.mainAssociationId !== undefined || (await subnetsOf(tx, table)).length > 0) {
        throw dependencyViolation(`The routeTable '${table.id}' has dependencies and cannot be deleted.`);
      }
      await tx.table(RouteTables).delete(table.id);
      tx.hint('networks', table.vpcId);
    });
    return {};
  },

  /** Throws RouteAlreadyExists unless the same route is asked for again. */
  async CreateRoute(input, ctx) {
    const destination = destinationOf(input);
    await ctx.transact(async (tx) => {
      const table = await requireRow(tx, RouteTables, 'routeTable', input.RouteTableId);
      const target = await targetOf(tx, table, input, 'CreateRoute');
      const existing = table.routes.find((route) => route.destination === destination);
      if (existing !== undefined && JSON.stringify(existing.target) === JSON.stringify(target)) return;
      if (existing !== undefined)
        throw new AwsError('RouteAlreadyExists', `The route identified by ${destination} already exists.`);
      if (target.kind === 'local') throw invalidParameterValue('Value (local) for parameter gatewayId is invalid.');
      checkAgainstLocal(table, destination, target);
      if (
        (await weightOf(tx, ctx.region, table)) + (await weightOfDestination(tx, ctx.region, destination)) >
        (await quotaOf(tx, quotas.routesPerTable))
      )
        throw new AwsError('RouteLimitExceeded', 'The maximum number of routes has been reached.');
      await tx.table(RouteTables).put({ ...table, routes: [...table.routes, { destination, target, origin: 'CreateRoute' }] });
      tx.hint('networks', table.vpcId);
    });
    return { Return: true };
  },

  async ReplaceRoute(input, ctx) {
    const destination = destinationOf(input);
    await ctx.transact(async (tx) => {
      const table = await requireRow(tx, RouteTables, 'routeTable', input.RouteTableId);
      const existing = table.routes.find((route) => route.destination === destination);
      if (existing === undefined) {
        throw invalidParameterValue(
          `There is no route defined for '${destination}' in the route table. Use CreateRoute instead.`,
        );
      }
      const target: RouteTarget =
        input.LocalTarget === true ? { kind: 'local' } : await targetOf(tx, table, input, 'ReplaceRoute');
      if (existing.target.kind === 'local' && target.kind !== 'local')
        checkAgainstLocal({ ...table, routes: [existing] }, destination, target);
      await tx
        .table(RouteTables)
        .put({ ...table, routes: table.routes.map((route) => (route === existing ? { ...route, target } : route)) });
      tx.hint('networks', table.vpcId);
    });
    return {};
  },

  /** Throws InvalidRoute.NotFound, and InvalidParameterValue for the local route. */
  async DeleteRoute(input, ctx) {
    const destination = destinationOf(input);
    await ctx.transact(async (tx) => {
      const table = await requireRow(tx, RouteTables, 'routeTable', input.RouteTableId);
      const existing = table.routes.find((route) => route.destination === destination);
      if (existing === undefined) {
        throw new AwsError(
          'InvalidRoute.NotFound',
          `no route with destination-${isPrefixListId(destination) ? 'prefix-list-id' : 'cidr-block'} ${destination} in route table ${table.id}`,
        );
      }
      if (existing.origin === 'CreateRouteTable')
        throw invalidParameterValue(`cannot remove local route ${destination} in route table ${table.id}`);
      if (existing.target.kind === 'endpoint')
        throw invalidParameterValue(`cannot remove VPC endpoint route ${destination} in route table ${table.id}`);
      await tx.table(RouteTables).put({ ...table, routes: table.routes.filter((route) => route !== existing) });
      tx.hint('networks', table.vpcId);
    });
    return {};
  },

  /** A subnet follows one table; associating it again with another is refused (Resource.AlreadyAssociated): ReplaceRouteTableAssociation moves it. */
  async AssociateRouteTable(input, ctx) {
    for (const name of ['GatewayId', 'PublicIpv4Pool'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('AssociateRouteTable', name);
    if (input.SubnetId === undefined) throw missingParameter('subnetId');
    const associationId = await ctx.transact(async (tx) => {
      const table = await requireRow(tx, RouteTables, 'routeTable', input.RouteTableId);
      const subnet = await requireRow(tx, Subnets, 'subnet', input.SubnetId);
      if (subnet.vpcId !== table.vpcId)
        throw invalidParameterValue(`Route table ${table.id} and subnet ${subnet.id} belong to different networks`);
      if (subnet.routeTable?.tableId === table.id) return subnet.routeTable.associationId;
      if (subnet.routeTable !== undefined) {
        throw new AwsError(
          'Resource.AlreadyAssociated',
          'The specified association for route table conflicts with an existing association',
        );
      }
      const id = ctx.id('routeTableAssociation');
      await tx.table(Subnets).put({ ...subnet, routeTable: { tableId: table.id, associationId: id } });
      tx.hint('networks', table.vpcId);
      return id;
    });
    return { AssociationId: associationId, AssociationState: { State: 'associated' } };
  },

  async DisassociateRouteTable(input, ctx) {
    await ctx.transact(async (tx) => {
      const { table, subnet } = await findAssociation(tx, input.AssociationId ?? '');
      if (subnet === undefined)
        throw invalidParameterValue(`cannot disassociate the main route table association ${input.AssociationId}`);
      await tx.table(Subnets).put({ ...subnet, routeTable: undefined });
      tx.hint('networks', table.vpcId);
    });
    return {};
  },

  /** Moves a subnet to another table, or makes another table the main one. */
  async ReplaceRouteTableAssociation(input, ctx) {
    const id = ctx.id('routeTableAssociation');
    await ctx.transact(async (tx) => {
      const { table, subnet } = await findAssociation(tx, input.AssociationId ?? '');
      const next = await requireRow(tx, RouteTables, 'routeTable', input.RouteTableId);
      if (next.vpcId !== table.vpcId)
        throw invalidParameterValue(`Route tables ${table.id} and ${next.id} belong to different networks`);
      if (subnet !== undefined) await tx.table(Subnets).put({ ...subnet, routeTable: { tableId: next.id, associationId: id } });
      else {
        await tx.table(RouteTables).put({ ...table, mainAssociationId: undefined });
        await tx.table(RouteTables).put({ ...next, mainAssociationId: id });
        await tx.table(Vpcs).update([table.vpcId], (vpc) => ({ ...vpc, mainRouteTableId: next.id }));
      }
      tx.hint('networks', table.vpcId);
    });
    return { NewAssociationId: id, AssociationState: { State: 'associated' } };
  },
};

async function findAssociation(tx: Transaction, associationId: string): Promise<{ table: RouteTableRow; subnet?: SubnetRow }> {
  for (const subnet of await tx.table(Subnets).list()) {
    if (subnet.routeTable?.associationId !== associationId) continue;
    return { table: await requireRow(tx, RouteTables, 'routeTable', subnet.routeTable.tableId), subnet };
  }
  const table = (await tx.table(RouteTables).list()).find((row) => row.mainAssociationId === associationId);
  if (table === undefined) throw notFound('routeTableAssociation', associationId);
  return { table };
}

/** Ids of the table and the subnet behind an association; the association's own id when there is none, so that only who may ask learns it. */
async function associatedIds(ctx: Context, associationId: string): Promise<string[]> {
  const subnet = (await ctx.table(Subnets).list()).find((row) => row.routeTable?.associationId === associationId);
  if (subnet?.routeTable !== undefined) return [subnet.routeTable.tableId, subnet.id];
  const main = (await ctx.table(RouteTables).list()).find((row) => row.mainAssociationId === associationId);
  return [main?.id ?? associationId];
}

export const routeTableAuthorisations: AuthorisationsOf<EC2> = {
  DisassociateRouteTable: async (input, ctx) => checkTagged(await associatedIds(ctx, input.AssociationId ?? ''), ctx),
  CreateRouteTable: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'route-table', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.VpcId ?? ''], ctx)),
  ],
  DeleteRouteTable: (input, ctx) => checkTagged([input.RouteTableId ?? ''], ctx),
  CreateRoute: (input, ctx) => checkTagged([input.RouteTableId ?? ''], ctx),
  ReplaceRoute: (input, ctx) => checkTagged([input.RouteTableId ?? ''], ctx),
  DeleteRoute: (input, ctx) => checkTagged([input.RouteTableId ?? ''], ctx),
  AssociateRouteTable: (input, ctx) =>
    checkTagged(
      [input.RouteTableId, input.SubnetId].filter((id) => id !== undefined),
      ctx,
    ),
  ReplaceRouteTableAssociation: (input, ctx) => checkTagged([input.RouteTableId ?? ''], ctx),
};
