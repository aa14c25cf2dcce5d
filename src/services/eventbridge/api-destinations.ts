/** API destinations: HTTPS endpoints that rules call ("API destinations as targets in Amazon EventBridge"). */
import type { CreateApiDestinationRequest, EventBridge, UpdateApiDestinationRequest } from '@aws-sdk/client-eventbridge';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { connectionArn, requireConnection } from './connections.ts';
import { alreadyExists, limitExceeded, notFound, validation } from './errors.ts';
import { Connections, type DestinationRow, Destinations } from './state.ts';

const destinationsMax = 3000;
const perPageMax = 100;
const rateDefault = 300;
const methods = ['POST', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH'];
const endpointForm = /^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@&=+$,A-Za-z0-9])+)([).!';/?:,])?$/;

function destinationArn({ account, region }: Scope, { name, id }: Pick<DestinationRow, 'name' | 'id'>): string {
  return `arn:aws:events:${region}:${account}:api-destination/${name}/${id}`;
}

async function requireDestination(source: Pick<Context | Transaction, 'table'>, name: string): Promise<DestinationRow> {
  const row = await source.table(Destinations).get(name);
  if (row === undefined) throw notFound('ApiDestination', name);
  return row;
}

/** The destination of an ARN, when it is there. */
export async function findDestination(ctx: Context, arn: string): Promise<DestinationRow | undefined> {
  const row = await ctx.table(Destinations).get(arn.split('/')[1] ?? '');
  return row !== undefined && destinationArn(ctx, row) === arn ? row : undefined;
}

function check({
  Name,
  Description,
  InvocationEndpoint,
  HttpMethod,
  InvocationRateLimitPerSecond,
}: CreateApiDestinationRequest | UpdateApiDestinationRequest): void {
  new RequestCheck()
    .length('name', Name, 1, 64)
    .pattern('name', Name, /^[.\-_A-Za-z0-9]+$/, '[\\.\\-_A-Za-z0-9]+')
    .length('description', Description, 0, 512)
    .length('invocationEndpoint', InvocationEndpoint, 1, 2048)
    .pattern('invocationEndpoint', InvocationEndpoint, endpointForm, endpointForm.source)
    .oneOf('httpMethod', HttpMethod, methods)
    .range('invocationRateLimitPerSecond', InvocationRateLimitPerSecond, 1, 2_147_483_647)
    .done();
  if (InvocationEndpoint !== undefined && !InvocationEndpoint.startsWith('https://'))
    throw validation('Parameter InvocationEndpoint is not valid. Reason: Must be an HTTPS endpoint.');
}

/** Name of the connection that an ARN of this account names. Throws ResourceNotFoundException. */
async function connectionOf(ctx: Context, arn = ''): Promise<string> {
  const row = await requireConnection(ctx, arn.split('/')[1] ?? arn);
  if (connectionArn(ctx, row) !== arn) throw notFound('Connection', arn);
  return row.name;
}

/** A destination is active while its connection is authorised. */
async function describe(ctx: Context, row: DestinationRow) {
  const connection = await ctx.table(Connections).get(row.connection);
  return {
    ApiDestinationArn: destinationArn(ctx, row),
    Name: row.name,
    ApiDestinationState: connection?.state === 'AUTHORIZED' ? ('ACTIVE' as const) : ('INACTIVE' as const),
    ConnectionArn: connectionArn(ctx, connection ?? { name: row.connection, id: '' }),
    InvocationEndpoint: row.endpoint,
    HttpMethod: row.method as 'POST',
    InvocationRateLimitPerSecond: row.rate,
    CreationTime: new Date(row.created),
    LastModifiedTime: new Date(row.modified),
  };
}

async function outcome(ctx: Context, row: DestinationRow) {
  const { ApiDestinationArn, ApiDestinationState, CreationTime, LastModifiedTime } = await describe(ctx, row);
  return { ApiDestinationArn, ApiDestinationState, CreationTime, LastModifiedTime };
}

export const destinationHandlers: HandlersOf<EventBridge> = {
  async CreateApiDestination(input, ctx) {
    check(input);
    const connection = await connectionOf(ctx, input.ConnectionArn);
    const row: DestinationRow = {
      ...{ name: input.Name ?? '', id: ctx.uuid(), description: input.Description, connection },
      ...{ endpoint: input.InvocationEndpoint ?? '', method: input.HttpMethod ?? 'POST' },
      ...{ rate: input.InvocationRateLimitPerSecond ?? rateDefault, created: ctx.now, modified: ctx.now },
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Destinations).get(row.name)) !== undefined) throw alreadyExists('ApiDestination', row.name);
      if ((await tx.table(Destinations).count()) >= destinationsMax) throw limitExceeded();
      await tx.table(Destinations).put(row);
    });
    return outcome(ctx, row);
  },

  async UpdateApiDestination(input, ctx) {
    check(input);
    const connection = input.ConnectionArn === undefined ? undefined : await connectionOf(ctx, input.ConnectionArn);
    const row = await ctx.transact(async (tx) => {
      const known = await requireDestination(tx, input.Name ?? '');
      const changed: DestinationRow = {
        ...known,
        description: input.Description ?? known.description,
        connection: connection ?? known.connection,
        endpoint: input.InvocationEndpoint ?? known.endpoint,
        method: input.HttpMethod ?? known.method,
        rate: input.InvocationRateLimitPerSecond ?? known.rate,
        modified: ctx.now,
      };
      await tx.table(Destinations).put(changed);
      return changed;
    });
    return outcome(ctx, row);
  },

  async DeleteApiDestination({ Name: name = '' }, ctx) {
    await ctx.transact(async (tx) => {
      await requireDestination(tx, name);
      await tx.table(Destinations).delete(name);
    });
    return {};
  },

  async DescribeApiDestination({ Name: name = '' }, ctx) {
    const row = await requireDestination(ctx, name);
    return { ...(await describe(ctx, row)), Description: row.description };
  },

  async ListApiDestinations({ NamePrefix = '', ConnectionArn, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const rows = (await ctx.table(Destinations).list()).filter(
      ({ name, connection }) =>
        name.startsWith(NamePrefix) && (ConnectionArn === undefined || connection === ConnectionArn.split('/')[1]),
    );
    const scope = `ListApiDestinations ${NamePrefix} ${ConnectionArn ?? ''}`;
    const page = pageOf(rows, ({ name }) => [name], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { ApiDestinations: await Promise.all(page.items.map((row) => describe(ctx, row))), NextToken: page.nextToken };
  },
};

async function onDestination({ Name = '' }: { Name?: string | undefined }, ctx: Context) {
  const row = await ctx.table(Destinations).get(Name);
  return [{ resource: destinationArn(ctx, row ?? { name: Name, id: '*' }) }];
}

export const destinationChecks: AuthorisationsOf<EventBridge> = {
  CreateApiDestination: onDestination,
  UpdateApiDestination: onDestination,
  DeleteApiDestination: onDestination,
  DescribeApiDestination: onDestination,
};
