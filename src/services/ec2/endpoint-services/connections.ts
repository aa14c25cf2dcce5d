/** Endpoints that ask for an account's services: listed, accepted and rejected by the service's owner ("Accept or reject connection requests"). */
import type { EC2, UnsuccessfulItem } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { endpointNames } from '../endpoints/paths.ts';
import { type VpcEndpointRow, VpcEndpoints } from '../endpoints/state.ts';
import { Interfaces } from '../interfaces/state.ts';
import { applyFilters } from '../filters.ts';
import { requireRow } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged } from '../tags.ts';
import { connectedTo, wakeBoth } from './lookup.ts';
import { EndpointConnections, EndpointServiceOwners, EndpointServices, ServiceNames } from './state.ts';

type State = VpcEndpointRow['state'];

/** Moves endpoints of a service to a state; those that are in none of `from`, or unknown, are named as unsuccessful. */
async function decide(
  ctx: Context,
  input: { ServiceId?: string | undefined; VpcEndpointIds?: string[] | undefined },
  from: readonly State[],
  to: 'available' | 'rejected',
): Promise<{ Unsuccessful: UnsuccessfulItem[] }> {
  const scope = { account: ctx.account, region: ctx.region };
  const { row, failed, changed } = await ctx.transact(async (tx) => {
    const service = await requireRow(tx, EndpointServices, 'endpointService', input.ServiceId);
    const known = await connectedTo(tx, { scope, row: service });
    const unsuccessful: UnsuccessfulItem[] = [];
    const moved: typeof known = [];
    for (const ResourceId of input.VpcEndpointIds ?? []) {
      const found = known.find(({ endpoint }) => endpoint.id === ResourceId);
      if (found === undefined) {
        const Message = `The Vpc Endpoint Id '${ResourceId}' does not exist`;
        unsuccessful.push({ ResourceId, Error: { Code: 'InvalidVpcEndpointId.NotFound', Message } });
      } else if (!from.includes(found.endpoint.state)) {
        const Message = `The VPC endpoint ${ResourceId} is in the state ${found.endpoint.state}.`;
        unsuccessful.push({ ResourceId, Error: { Code: 'InvalidState', Message } });
      } else {
        const privateDns = to === 'available' && found.endpoint.privateDns;
        await tx.tableIn(found.scope, VpcEndpoints).put({ ...found.endpoint, state: to, privateDns });
        for (const name of await tx.table(ServiceNames).list({ prefix: [found.endpoint.vpcId] }))
          if (name.endpointId === ResourceId) await tx.table(ServiceNames).delete(name.vpcId, name.name);
        moved.push(found);
      }
    }
    return { row: service, failed: unsuccessful, changed: moved };
  });
  const ends = changed.map((one) => ({ scope: one.scope, vpcId: one.endpoint.vpcId }));
  await wakeBoth(ctx, { scope, row }, ends);
  return { Unsuccessful: failed };
}

export const endpointConnectionHandlers: HandlersOf<EC2> = {
  async DescribeVpcEndpointConnections(input, ctx) {
    const scope = { account: ctx.account, region: ctx.region };
    const services = await ctx.table(EndpointServices).list();
    const lists = await Promise.all(
      services.map(async (row) => (await connectedTo(ctx, { scope, row })).map((one) => ({ ...one, service: row, tags: {} }))),
    );
    const passing = applyFilters(lists.flat(), input.Filters, {
      'service-id': ({ service }) => service.id,
      'vpc-endpoint-id': ({ endpoint }) => endpoint.id,
      'vpc-endpoint-owner': (one) => one.scope.account,
      'vpc-endpoint-state': ({ endpoint }) => endpoint.state,
      'ip-address-type': () => 'ipv4',
    });
    const found = page('DescribeVpcEndpointConnections', passing, ({ endpoint }) => endpoint.id, input);
    const shown = found.rows.map(async ({ id, service, endpoint, scope: of }) => ({
      ServiceId: service.id,
      VpcEndpointId: endpoint.id,
      VpcEndpointOwner: of.account,
      VpcEndpointState: endpoint.state as never,
      CreationTimestamp: new Date(endpoint.created),
      DnsEntries: (
        await endpointNames(endpoint, of.region, async (card) => (await ctx.tableIn(of, Interfaces).get(card))?.zone)
      ).map((DnsName) => ({ DnsName })),
      NetworkLoadBalancerArns: [...service.balancers],
      IpAddressType: 'ipv4' as const,
      VpcEndpointConnectionId: id,
      VpcEndpointRegion: of.region,
      Tags: [],
    }));
    return { VpcEndpointConnections: await Promise.all(shown), NextToken: found.nextToken };
  },

  async AcceptVpcEndpointConnections(input, ctx) {
    return decide(ctx, input, ['pendingAcceptance'], 'available');
  },

  /** Also one that was accepted ("Reject"): its traffic ends. */
  async RejectVpcEndpointConnections(input, ctx) {
    return decide(ctx, input, ['pendingAcceptance', 'available'], 'rejected');
  },
};

export const endpointConnectionAuthorisations: AuthorisationsOf<EC2> = {
  AcceptVpcEndpointConnections: (input, ctx) => checkTagged([input.ServiceId ?? ''], ctx),
  RejectVpcEndpointConnections: (input, ctx) => checkTagged([input.ServiceId ?? ''], ctx),
};

/** Before an account's rows go: what other accounts' tables, or those of nobody, hold of it. */
export async function forgetEndpointServicesOf(ctx: Context, account: string): Promise<void> {
  const connections = (await ctx.everywhere(EndpointConnections)).filter(({ row }) => row.account === account);
  await ctx.transact(async (tx) => {
    for (const { scope, row } of connections) await tx.tableIn(scope, EndpointConnections).delete(row.serviceId, row.endpointId);
    for (const { id } of await tx.table(EndpointServiceOwners).byIndex('byAccount', [account]))
      await tx.table(EndpointServiceOwners).delete(id);
    for (const { vpcId, name } of await tx.table(ServiceNames).byIndex('byAccount', [account]))
      await tx.table(ServiceNames).delete(vpcId, name);
  });
}
