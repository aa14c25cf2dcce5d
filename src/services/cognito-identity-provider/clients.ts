/** App clients of pools (Developer Guide, "Application-specific settings with app clients"). */
import type {
  CognitoIdentityProvider,
  CreateUserPoolClientRequest,
  UpdateUserPoolClientRequest,
  UserPoolClientType,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter } from './errors.ts';
import { pageFor, requireClient, requirePool } from './lookup.ts';
import { flowsDefault, flowsKnown, refreshDaysDefault, standardAttributes, validityOf } from './rules.ts';
import { type ClientRow, Clients, Places, type PoolRow, Sessions } from './state.ts';

type Settings = Partial<CreateUserPoolClientRequest & UpdateUserPoolClientRequest>;

const hourMillis = 3_600_000;
/** "ID and access tokens: 5 minutes to 1 day; refresh tokens: 60 minutes to 10 years". */
const tokenMillisMin = 300_000;
const tokenMillisMax = 24 * hourMillis;
const refreshMillisMax = 3650 * tokenMillisMax;

function refuseWhatIsNot(operation: string, input: Settings): void {
  const refused: Readonly<Record<string, boolean>> = {
    AllowedOAuthFlows: (input.AllowedOAuthFlows ?? []).length > 0,
    AllowedOAuthFlowsUserPoolClient: input.AllowedOAuthFlowsUserPoolClient === true,
    AllowedOAuthScopes: (input.AllowedOAuthScopes ?? []).length > 0,
    CallbackURLs: (input.CallbackURLs ?? []).length > 0,
    LogoutURLs: (input.LogoutURLs ?? []).length > 0,
    DefaultRedirectURI: input.DefaultRedirectURI !== undefined,
    AnalyticsConfiguration: input.AnalyticsConfiguration !== undefined,
    'SupportedIdentityProviders other than COGNITO': (input.SupportedIdentityProviders ?? []).some((name) => name !== 'COGNITO'),
    EnablePropagateAdditionalUserContextData: input.EnablePropagateAdditionalUserContextData === true,
    'AuthSessionValidity other than 3': (input.AuthSessionValidity ?? 3) !== 3,
    'RefreshTokenRotation ENABLED': input.RefreshTokenRotation?.Feature === 'ENABLED',
  };
  for (const [name, is] of Object.entries(refused)) if (is) throw parameterNotImplemented(operation, name);
}

/** Old names of flows have no prefix. */
const legacyFlows: Readonly<Record<string, string>> = {
  ADMIN_NO_SRP_AUTH: 'ALLOW_ADMIN_USER_PASSWORD_AUTH',
  CUSTOM_AUTH_FLOW_ONLY: 'ALLOW_CUSTOM_AUTH',
  USER_PASSWORD_AUTH: 'ALLOW_USER_PASSWORD_AUTH',
};

function flowsOf(operation: string, given: readonly string[] | undefined): readonly string[] {
  if (given === undefined || given.length === 0) return flowsDefault;
  if (given.includes('ALLOW_USER_AUTH')) throw parameterNotImplemented(operation, 'ExplicitAuthFlows ALLOW_USER_AUTH');
  const isLegacy = given.some((flow) => flow in legacyFlows);
  if (isLegacy && given.some((flow) => flow.startsWith('ALLOW_')))
    throw invalidParameter('Legacy ExplicitAuthFlows and new ExplicitAuthFlows cannot be used together.');
  // The old names leave SRP and refreshing allowed.
  const flows = isLegacy
    ? [...given.map((flow) => legacyFlows[flow] ?? flow), 'ALLOW_USER_SRP_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH']
    : given;
  for (const flow of flows) if (!flowsKnown.includes(flow)) throw invalidParameter(`Invalid ExplicitAuthFlows: ${flow}`);
  return flows;
}

function attributesOf(
  pool: PoolRow,
  names: readonly string[] | undefined,
  what: 'read' | 'write',
): readonly string[] | undefined {
  if (names === undefined || names.length === 0) return undefined;
  const known = new Set([...standardAttributes, ...pool.custom].map(({ Name }) => Name));
  for (const name of names)
    if (!known.has(name)) throw invalidParameter(`Invalid ${what} attributes specified while creating a client`);
  return names;
}

function settingsOf(operation: string, pool: PoolRow, input: Settings) {
  refuseWhatIsNot(operation, input);
  const { AccessToken, IdToken, RefreshToken } = input.TokenValidityUnits ?? {};
  const row = {
    flows: flowsOf(operation, input.ExplicitAuthFlows),
    validity: {
      access: input.AccessTokenValidity,
      id: input.IdTokenValidity,
      refresh: input.RefreshTokenValidity || refreshDaysDefault,
    },
    units: {
      ...(AccessToken === undefined ? {} : { access: AccessToken }),
      ...(IdToken === undefined ? {} : { id: IdToken }),
      ...(RefreshToken === undefined ? {} : { refresh: RefreshToken }),
    },
    hidesUsers: input.PreventUserExistenceErrors === 'ENABLED',
    revokes: input.EnableTokenRevocation ?? true,
    readable: attributesOf(pool, input.ReadAttributes, 'read'),
    writable: attributesOf(pool, input.WriteAttributes, 'write'),
  };
  const { access, id, refresh } = validityOf(row);
  for (const [name, millis] of [
    ['AccessToken', access],
    ['IdToken', id],
  ] as const)
    if (millis < tokenMillisMin || millis > tokenMillisMax) throw invalidParameter(`Invalid range for token validity: ${name}.`);
  if (refresh < hourMillis || refresh > refreshMillisMax)
    throw invalidParameter('Invalid range for token validity: RefreshToken.');
  if (refresh < access || refresh < id)
    throw invalidParameter('Refresh token validity must be greater than or equal to the validity of access and ID tokens.');
  return row;
}

function describe(ctx: Context, row: ClientRow): UserPoolClientType {
  const { access, id, refresh } = row.validity;
  return {
    UserPoolId: row.pool,
    ClientId: row.id,
    ClientName: row.name,
    ...(row.secret === undefined ? {} : { ClientSecret: ctx.part('vault').open(row.secret, 'cognito-client').toString() }),
    CreationDate: new Date(row.created),
    LastModifiedDate: new Date(row.changed),
    RefreshTokenValidity: refresh,
    ...(access === undefined ? {} : { AccessTokenValidity: access }),
    ...(id === undefined ? {} : { IdTokenValidity: id }),
    ...(Object.keys(row.units).length === 0
      ? { TokenValidityUnits: {} }
      : {
          TokenValidityUnits: { AccessToken: row.units.access, IdToken: row.units.id, RefreshToken: row.units.refresh } as never,
        }),
    ...(row.readable === undefined ? {} : { ReadAttributes: [...row.readable] }),
    ...(row.writable === undefined ? {} : { WriteAttributes: [...row.writable] }),
    ExplicitAuthFlows: [...row.flows] as UserPoolClientType['ExplicitAuthFlows'],
    AllowedOAuthFlowsUserPoolClient: false,
    ...(row.hidesUsers ? { PreventUserExistenceErrors: 'ENABLED' as const } : {}),
    EnableTokenRevocation: row.revokes,
    EnablePropagateAdditionalUserContextData: false,
    AuthSessionValidity: 3,
  };
}

export const clientHandlers: HandlersOf<CognitoIdentityProvider> = {
  async CreateUserPoolClient(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const secret = input.GenerateSecret === true ? ctx.id('userPoolSecret') : undefined;
    const row: ClientRow = {
      pool: pool.id,
      id: ctx.id('userPoolClient'),
      name: input.ClientName ?? '',
      secret: secret === undefined ? undefined : ctx.part('vault').seal(Buffer.from(secret), 'cognito-client'),
      created: ctx.now,
      changed: ctx.now,
      ...settingsOf('CreateUserPoolClient', pool, input),
    };
    await ctx.transact(async (tx) => {
      await tx.table(Clients).put(row);
      await tx.table(Places).put({ id: row.id, account: ctx.account, region: ctx.region, pool: pool.id });
    });
    return { UserPoolClient: describe(ctx, row) };
  },

  async DescribeUserPoolClient(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    return { UserPoolClient: describe(ctx, await requireClient(ctx, pool.id, input.ClientId)) };
  },

  async UpdateUserPoolClient(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const before = await requireClient(ctx, pool.id, input.ClientId);
    const settings = settingsOf('UpdateUserPoolClient', pool, input);
    const row = { ...before, ...settings, name: input.ClientName ?? before.name, changed: ctx.now };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Clients).get(pool.id, row.id)) !== undefined) await tx.table(Clients).put(row);
    });
    return { UserPoolClient: describe(ctx, row) };
  },

  async ListUserPoolClients(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const rows = await ctx.table(Clients).list({ prefix: [pool.id] });
    const page = { limit: input.MaxResults ?? 60, token: input.NextToken };
    const { items, token } = pageFor(`ListUserPoolClients ${pool.id}`, rows, (row) => [row.id], page);
    return {
      UserPoolClients: items.map(({ id, name }) => ({ ClientId: id, ClientName: name, UserPoolId: pool.id })),
      NextToken: token,
    };
  },

  async DeleteUserPoolClient(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { id } = await requireClient(ctx, pool.id, input.ClientId);
    await ctx.transact(async (tx) => {
      await tx.table(Clients).delete(pool.id, id);
      await tx.table(Places).delete(id);
      for (const session of await tx.table(Sessions).list({ prefix: [pool.id] }))
        if (session.client === id) await tx.table(Sessions).delete(pool.id, session.token);
    });
    return {};
  },
};
