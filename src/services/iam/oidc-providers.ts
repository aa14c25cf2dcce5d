/**
 * OpenID Connect providers: whose tokens roles may trust. An issuer must be an `https` URL as AWS demands; besides, this cloud takes `http` on the
 * machine itself, where a development identity provider runs without a certificate.
 */
import type { IAM } from '@aws-sdk/client-iam';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { requestTags, resourceTags } from './authorise.ts';
import { dateOf } from './dates.ts';
import { entityAlreadyExists, limitExceeded, noSuchEntity, quotaExceeded, validationError } from './errors.ts';
import { RequestCheck } from './rules.ts';
import type { Reading, TagMap } from './state.ts';
import { checkNewTags, checkTagKeys, checkTagMembers, describeTags, pageTags, readTags, withoutTags, withTags } from './tags.ts';

const providersMax = 100;
const clientsMax = 100;
const thumbprintsMax = 5;

export interface OidcProviderRow {
  /** Issuer without its scheme, as the ARN and condition keys name it. */
  url: string;
  /** The issuer as tokens name it. */
  issuer: string;
  created: Millis;
  clients: readonly string[];
  /** SHA-1 of certificates that may vouch for the issuer, in hexadecimal. */
  thumbprints: readonly string[];
  tags: TagMap;
}

export const OidcProviders = defineTable<OidcProviderRow>()({
  name: 'iam.oidcProviders',
  scope: 'account',
  key: (row) => [row.url],
});

/** ARN of an OpenID Connect provider. */
export function oidcArn(account: string, url: string): string {
  return `arn:aws:iam::${account}:oidc-provider/${url}`;
}

function urlOf(account: string, arn: string | undefined): string | undefined {
  const prefix = oidcArn(account, '');
  return arn?.startsWith(prefix) === true ? arn.slice(prefix.length) : undefined;
}

async function requireProvider(reading: Reading, account: string, arn: string | undefined): Promise<OidcProviderRow> {
  const url = urlOf(account, arn);
  const row = url === undefined ? undefined : await reading.table(OidcProviders).get(url);
  if (row === undefined) throw noSuchEntity(`OpenIDConnect Provider not found for arn ${arn}`);
  return row;
}

/** Checks an issuer's URL; without scheme and last slash it names the provider. Throws ValidationError. */
function readUrl(text: string): { issuer: string; url: string } {
  const invalid = (): Error => validationError('Invalid Open ID Connect Provider URL');
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw Object.assign(invalid(), { cause });
  }
  const local = url.protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  const plain = url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (!plain || (url.protocol !== 'https:' && !local)) throw invalid();
  const issuer = text.replace(/\/$/, '');
  return { issuer, url: issuer.replace(/^https?:\/\//, '') };
}

const checkArn = (arn: string | undefined): RequestCheck => new RequestCheck().length('openIDConnectProviderArn', arn, 20, 2048);

function checkClient(check: RequestCheck, client: string | undefined): RequestCheck {
  return check.length('clientID', client, 1, 255);
}

/** Throws ValidationError for thumbprints that are no SHA-1 in hexadecimal, or more than five. */
function readThumbprints(thumbprints: readonly string[] = []): string[] {
  if (thumbprints.length > thumbprintsMax) throw limitExceeded('Thumbprint list must contain fewer than 5 entries.');
  const check = new RequestCheck();
  for (const thumbprint of thumbprints) check.length('thumbprintList', thumbprint, 40, 40);
  check.done();
  if (!thumbprints.every((thumbprint) => /^[0-9a-f]{40}$/i.test(thumbprint)))
    throw validationError('Thumbprint must be a hex-encoded SHA-1 hash value.');
  return thumbprints.map((thumbprint) => thumbprint.toLowerCase());
}

async function change(ctx: Context, arn: string | undefined, body: (row: OidcProviderRow) => OidcProviderRow): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(OidcProviders).put(body(await requireProvider(tx, ctx.account, arn)));
  });
}

export const oidcProviderHandlers: HandlersOf<IAM> = {
  /** Throws ValidationError, EntityAlreadyExists, LimitExceeded. */
  async CreateOpenIDConnectProvider({ Url = '', ClientIDList = [], ThumbprintList, Tags }, ctx) {
    const check = new RequestCheck().length('url', Url, 1, 255);
    for (const client of ClientIDList) checkClient(check, client);
    const tags = checkNewTags(check, Tags, 'sensitive');
    const { issuer, url } = readUrl(Url);
    const thumbprints = readThumbprints(ThumbprintList);
    if (ClientIDList.length > clientsMax) throw quotaExceeded('ClientIdsPerOpenIdConnectProvider', clientsMax);
    const row: OidcProviderRow = { url, issuer, created: ctx.now, clients: [...new Set(ClientIDList)], thumbprints, tags };
    await ctx.transact(async (tx) => {
      const providers = tx.table(OidcProviders);
      if ((await providers.get(url)) !== undefined) throw entityAlreadyExists(`Provider with url ${issuer} already exists.`);
      if ((await providers.count()) >= providersMax) throw quotaExceeded('OpenIdConnectProvidersPerAccount', providersMax);
      await providers.put(row);
    });
    return { OpenIDConnectProviderArn: oidcArn(ctx.account, url), Tags: describeTags(tags) };
  },

  async GetOpenIDConnectProvider({ OpenIDConnectProviderArn: arn }, ctx) {
    checkArn(arn).done();
    const row = await requireProvider(ctx, ctx.account, arn);
    return {
      Url: row.url,
      ClientIDList: [...row.clients],
      ThumbprintList: [...row.thumbprints],
      CreateDate: dateOf(row.created),
      Tags: describeTags(row.tags),
    };
  },

  async ListOpenIDConnectProviders(_input, ctx) {
    const rows = await ctx.table(OidcProviders).list();
    return { OpenIDConnectProviderList: rows.map(({ url }) => ({ Arn: oidcArn(ctx.account, url) })) };
  },

  /** Roles that trust it stay, and can no longer be assumed. Succeeds also when there is none. */
  async DeleteOpenIDConnectProvider({ OpenIDConnectProviderArn: arn }, ctx) {
    checkArn(arn).done();
    const url = urlOf(ctx.account, arn);
    if (url === undefined) throw noSuchEntity(`OpenIDConnect Provider not found for arn ${arn}`);
    await ctx.transact((tx) => tx.table(OidcProviders).delete(url));
    return {};
  },

  async AddClientIDToOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, ClientID: client = '' }, ctx) {
    checkClient(checkArn(arn), client).done();
    await change(ctx, arn, (row) => {
      if (row.clients.includes(client)) return row;
      if (row.clients.length >= clientsMax) throw quotaExceeded('ClientIdsPerOpenIdConnectProvider', clientsMax);
      return { ...row, clients: [...row.clients, client] };
    });
    return {};
  },

  async RemoveClientIDFromOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, ClientID: client }, ctx) {
    checkClient(checkArn(arn), client).done();
    await change(ctx, arn, (row) => ({ ...row, clients: row.clients.filter((other) => other !== client) }));
    return {};
  },

  async UpdateOpenIDConnectProviderThumbprint({ OpenIDConnectProviderArn: arn, ThumbprintList }, ctx) {
    checkArn(arn).done();
    const thumbprints = readThumbprints(ThumbprintList);
    await change(ctx, arn, (row) => ({ ...row, thumbprints }));
    return {};
  },

  async TagOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, Tags }, ctx) {
    checkTagMembers(checkArn(arn), Tags).done();
    const added = readTags(Tags, 'sensitive');
    await change(ctx, arn, (row) => ({ ...row, tags: withTags(row.tags, added, 'sensitive') }));
    return {};
  },

  async UntagOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, TagKeys }, ctx) {
    checkTagKeys(checkArn(arn), TagKeys);
    await change(ctx, arn, (row) => ({ ...row, tags: withoutTags(row.tags, TagKeys ?? [], 'sensitive') }));
    return {};
  },

  async ListOpenIDConnectProviderTags(input, ctx) {
    checkArn(input.OpenIDConnectProviderArn).paging(input).done();
    const row = await requireProvider(ctx, ctx.account, input.OpenIDConnectProviderArn);
    return pageTags(`ListOpenIDConnectProviderTags ${row.url}`, row.tags, input);
  },
};

async function onProvider(
  input: {
    OpenIDConnectProviderArn?: string | undefined;
    Tags?: Parameters<typeof requestTags>[0]['Tags'];
    TagKeys?: readonly string[] | undefined;
  },
  ctx: Context,
): Promise<Check[]> {
  const { OpenIDConnectProviderArn: resource = '' } = input;
  const row = await ctx.table(OidcProviders).get(urlOf(ctx.account, resource) ?? '');
  return [{ resource, conditions: { ...resourceTags(row?.tags), ...requestTags(input) } }];
}

export const oidcProviderChecks: AuthorisationsOf<IAM> = {
  CreateOpenIDConnectProvider: (input, ctx) => {
    const url = (input.Url ?? '').replace(/^https?:\/\//, '').replace(/\/$/, '');
    return [{ resource: oidcArn(ctx.account, url), conditions: requestTags(input) }];
  },
  GetOpenIDConnectProvider: onProvider,
  DeleteOpenIDConnectProvider: onProvider,
  AddClientIDToOpenIDConnectProvider: onProvider,
  RemoveClientIDFromOpenIDConnectProvider: onProvider,
  UpdateOpenIDConnectProviderThumbprint: onProvider,
  TagOpenIDConnectProvider: onProvider,
  UntagOpenIDConnectProvider: onProvider,
  ListOpenIDConnectProviderTags: onProvider,
};
