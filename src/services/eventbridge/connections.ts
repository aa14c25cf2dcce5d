/**
 * Connections: how API destinations authorise themselves ("Connections for API targets in Amazon EventBridge"). What is secret lies in a secret of
 * Secrets Manager that EventBridge owns.
 */
import type {
  ConnectionHttpParameters,
  CreateConnectionAuthRequestParameters,
  CreateConnectionRequest,
  EventBridge,
  UpdateConnectionRequest,
} from '@aws-sdk/client-eventbridge';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { alreadyExists, limitExceeded, notFound, validation } from './errors.ts';
import { type AuthorizationType, type ConnectionRow, Connections, type HttpParameter, type HttpParts } from './state.ts';

const connectionsMax = 3000;
const perPageMax = 100;
const types: readonly string[] = ['API_KEY', 'BASIC', 'OAUTH_CLIENT_CREDENTIALS'];

export function connectionArn({ account, region }: Scope, { name, id }: Pick<ConnectionRow, 'name' | 'id'>): string {
  return `arn:aws:events:${region}:${account}:connection/${name}/${id}`;
}

/** Throws ResourceNotFoundException. */
export async function requireConnection(source: Pick<Context | Transaction, 'table'>, name: string): Promise<ConnectionRow> {
  const row = await source.table(Connections).get(name);
  if (row === undefined) throw notFound('Connection', name);
  return row;
}

/** What lies in the secret: the key, password or client secret, and the values of secret parameters by part and key. */
export interface ConnectionSecret {
  secret: string;
  parameters: Readonly<Record<string, string>>;
}

export async function readSecret(ctx: Context, { secretArn }: ConnectionRow): Promise<ConnectionSecret> {
  const { SecretString = '{}' } = await ctx.asService().call('secrets-manager').getSecretValue({ SecretId: secretArn });
  return JSON.parse(SecretString) as ConnectionSecret;
}

interface Read {
  row: Pick<ConnectionRow, 'principal' | 'oauth' | 'parts' | 'type'>;
  secret: ConnectionSecret;
}

/** Reads what authorises. Throws ValidationException when it does not fit the type. */
function readAuth(operation: string, type: AuthorizationType, given: CreateConnectionAuthRequestParameters): Read {
  const { BasicAuthParameters: basic, OAuthParameters: oauth, ApiKeyAuthParameters: key } = given;
  if (given.ConnectivityParameters !== undefined)
    throw parameterNotImplemented(operation, 'AuthParameters.ConnectivityParameters');
  const values: Record<string, string> = {};
  const read = (prefix: string, http: ConnectionHttpParameters = {}): HttpParts => {
    const part = (name: string, list: readonly { Key?: string; Value?: string; IsValueSecret?: boolean }[] = []) =>
      list.map(({ Key: name_ = '', Value, IsValueSecret = false }): HttpParameter => {
        if (IsValueSecret) values[`${prefix}.${name}.${name_}`] = Value ?? '';
        return { key: name_, value: IsValueSecret ? undefined : Value, secret: IsValueSecret };
      });
    return {
      header: part('header', http.HeaderParameters),
      query: part('query', http.QueryStringParameters),
      body: part('body', http.BodyParameters),
    };
  };
  const parts = read('invocation', given.InvocationHttpParameters);
  const missing = (name: string) => validation(`Parameter AuthParameters is not valid. Reason: ${name} is required for ${type}.`);
  if (type === 'API_KEY') {
    if (key === undefined) throw missing('ApiKeyAuthParameters');
    return {
      row: { type, principal: key.ApiKeyName ?? '', parts },
      secret: { secret: key.ApiKeyValue ?? '', parameters: values },
    };
  }
  if (type === 'BASIC') {
    if (basic === undefined) throw missing('BasicAuthParameters');
    return {
      row: { type, principal: basic.Username ?? '', parts },
      secret: { secret: basic.Password ?? '', parameters: values },
    };
  }
  if (oauth === undefined) throw missing('OAuthParameters');
  if (!oauth.AuthorizationEndpoint?.startsWith('https://'))
    throw validation('Parameter AuthorizationEndpoint is not valid. Reason: Must be an HTTPS endpoint.');
  const asked = {
    endpoint: oauth.AuthorizationEndpoint,
    method: oauth.HttpMethod ?? 'POST',
    parts: read('oauth', oauth.OAuthHttpParameters),
  };
  return {
    row: { type, principal: oauth.ClientParameters?.ClientID ?? '', oauth: asked, parts },
    secret: { secret: oauth.ClientParameters?.ClientSecret ?? '', parameters: values },
  };
}

function check(operation: string, input: CreateConnectionRequest | UpdateConnectionRequest): void {
  if (input.KmsKeyIdentifier !== undefined && input.KmsKeyIdentifier !== '')
    throw parameterNotImplemented(operation, 'KmsKeyIdentifier');
  if (input.InvocationConnectivityParameters !== undefined)
    throw parameterNotImplemented(operation, 'InvocationConnectivityParameters');
  new RequestCheck()
    .length('name', input.Name, 1, 64)
    .pattern('name', input.Name, /^[.\-_A-Za-z0-9]+$/, '[\\.\\-_A-Za-z0-9]+')
    .length('description', input.Description, 0, 512)
    .oneOf('authorizationType', input.AuthorizationType, types)
    .done();
}

const showParts = (parts: HttpParts): ConnectionHttpParameters | undefined => {
  const show = (list: readonly HttpParameter[]) =>
    list.length === 0 ? undefined : list.map(({ key, value, secret }) => ({ Key: key, Value: value, IsValueSecret: secret }));
  const shown = {
    HeaderParameters: show(parts.header),
    QueryStringParameters: show(parts.query),
    BodyParameters: show(parts.body),
  };
  return Object.values(shown).every((list) => list === undefined) ? undefined : shown;
};

function showAuth({ type, principal, oauth, parts }: ConnectionRow) {
  return {
    ...(type === 'API_KEY' && { ApiKeyAuthParameters: { ApiKeyName: principal } }),
    ...(type === 'BASIC' && { BasicAuthParameters: { Username: principal } }),
    ...(oauth !== undefined && {
      OAuthParameters: {
        ClientParameters: { ClientID: principal },
        AuthorizationEndpoint: oauth.endpoint,
        HttpMethod: oauth.method as 'GET' | 'POST' | 'PUT',
        OAuthHttpParameters: showParts(oauth.parts),
      },
    }),
    InvocationHttpParameters: showParts(parts),
  };
}

function summary(ctx: Scope, row: ConnectionRow) {
  return {
    ConnectionArn: connectionArn(ctx, row),
    ConnectionState: row.state,
    CreationTime: new Date(row.created),
    LastModifiedTime: new Date(row.modified),
    LastAuthorizedTime: row.authorized === undefined ? undefined : new Date(row.authorized),
  };
}

/** With OAuth a token must be there first; what is sent with each request needs none. */
function begin(ctx: Context, type: AuthorizationType): Pick<ConnectionRow, 'state' | 'authorized'> {
  return type === 'OAUTH_CLIENT_CREDENTIALS' ? { state: 'AUTHORIZING' } : { state: 'AUTHORIZED', authorized: ctx.now };
}

async function save(tx: Transaction, row: ConnectionRow, due: number): Promise<void> {
  await tx.table(Connections).put(row);
  if (row.state === 'AUTHORIZING') await tx.schedule({ task: 'authorizeConnection', key: row.name, due });
}

export const connectionHandlers: HandlersOf<EventBridge> = {
  async CreateConnection(input, ctx) {
    check('CreateConnection', input);
    const { Name: name = '', Description: description, AuthorizationType: type = 'API_KEY', AuthParameters = {} } = input;
    const read = readAuth('CreateConnection', type, AuthParameters);
    if ((await ctx.table(Connections).get(name)) !== undefined) throw alreadyExists('Connection', name);
    const id = ctx.uuid();
    const { ARN: secretArn = '' } = await ctx
      .asService()
      .call('secrets-manager')
      .createSecret({ Name: `events!connection/${name}/${id}`, SecretString: JSON.stringify(read.secret) });
    const row: ConnectionRow = {
      ...{ name, id, description, secretArn, created: ctx.now, modified: ctx.now },
      ...{ ...read.row, ...begin(ctx, type) },
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Connections).get(name)) !== undefined) throw alreadyExists('Connection', name);
      if ((await tx.table(Connections).count()) >= connectionsMax) throw limitExceeded();
      await save(tx, row, ctx.now);
    });
    const { LastAuthorizedTime: _, ...shown } = summary(ctx, row);
    return shown;
  },

  /** What authorises is changed as a whole: of a kind that is given, all of it. */
  async UpdateConnection(input, ctx) {
    check('UpdateConnection', input);
    const known = await requireConnection(ctx, input.Name ?? '');
    const type = input.AuthorizationType ?? known.type;
    const changed: ConnectionRow = { ...known, description: input.Description ?? known.description, modified: ctx.now };
    if (input.AuthParameters === undefined) {
      if (type !== known.type) throw validation('Parameter AuthParameters is required when AuthorizationType changes.');
      await ctx.transact((tx) => tx.table(Connections).put(changed));
      return summary(ctx, changed);
    }
    const given = input.AuthParameters as CreateConnectionAuthRequestParameters;
    const read = readAuth('UpdateConnection', type, given);
    await ctx
      .asService()
      .call('secrets-manager')
      .putSecretValue({ SecretId: known.secretArn, SecretString: JSON.stringify(read.secret) });
    const row: ConnectionRow = { ...changed, oauth: undefined, token: undefined, ...read.row, ...begin(ctx, type) };
    await ctx.transact((tx) => save(tx, row, ctx.now));
    return summary(ctx, row);
  },

  async DeauthorizeConnection({ Name: name = '' }, ctx) {
    const row = await ctx.transact(async (tx) => {
      const known = await requireConnection(tx, name);
      const changed: ConnectionRow = { ...known, state: 'DEAUTHORIZED', token: undefined, modified: ctx.now };
      await tx.table(Connections).put(changed);
      await tx.unschedule('authorizeConnection', name);
      return changed;
    });
    await ctx
      .asService()
      .call('secrets-manager')
      .putSecretValue({
        SecretId: row.secretArn,
        SecretString: JSON.stringify({ secret: '', parameters: {} } satisfies ConnectionSecret),
      });
    return summary(ctx, row);
  },

  async DeleteConnection({ Name: name = '' }, ctx) {
    const row = await ctx.transact(async (tx) => {
      const known = await requireConnection(tx, name);
      await tx.table(Connections).delete(name);
      await tx.unschedule('authorizeConnection', name);
      return known;
    });
    const forget = { SecretId: row.secretArn, ForceDeleteWithoutRecovery: true };
    await ctx.asService().call('secrets-manager').deleteSecret(forget);
    return { ...summary(ctx, row), ConnectionState: 'DELETING' as const };
  },

  async DescribeConnection({ Name: name = '' }, ctx) {
    const row = await requireConnection(ctx, name);
    return {
      ...summary(ctx, row),
      Name: name,
      Description: row.description,
      StateReason: row.reason,
      AuthorizationType: row.type,
      SecretArn: row.secretArn,
      AuthParameters: showAuth(row),
    };
  },

  async ListConnections({ NamePrefix = '', ConnectionState, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const rows = (await ctx.table(Connections).list()).filter(
      ({ name, state }) => name.startsWith(NamePrefix) && (ConnectionState === undefined || state === ConnectionState),
    );
    const scope = `ListConnections ${NamePrefix} ${ConnectionState ?? ''}`;
    const page = pageOf(rows, ({ name }) => [name], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    const Shown = page.items.map((row) => ({
      ...summary(ctx, row),
      Name: row.name,
      StateReason: row.reason,
      AuthorizationType: row.type,
    }));
    return { Connections: Shown, NextToken: page.nextToken };
  },
};

/** The ARN of a connection that exists, of any id while it does not. */
async function onConnection({ Name = '' }: { Name?: string | undefined }, ctx: Context) {
  const row = await ctx.table(Connections).get(Name);
  return [{ resource: connectionArn(ctx, row ?? { name: Name, id: '*' }) }];
}

export const connectionChecks: AuthorisationsOf<EventBridge> = {
  CreateConnection: onConnection,
  UpdateConnection: onConnection,
  DeauthorizeConnection: onConnection,
  DeleteConnection: onConnection,
  DescribeConnection: onConnection,
};
