/**
 * Mobile push ("Mobile push notifications with Amazon SNS"): applications of a push service and the devices registered with them. No push service is reached
 * from here: what it would get is put into the outbox, in the form that it takes. So credentials are asked for, as AWS does, and neither tried nor kept;
 * no operation shows them.
 */
import type { PlatformApplication, SNS, Endpoint } from '@aws-sdk/client-sns';
import { parseArn } from '../../base/arn.ts';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { post } from '../../kernel/outbox.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { endpointDisabled, invalidParameter, notFound } from './errors.ts';

const perPage = 100;
const userDataBytesMax = 2048;
const tokenCharsMax = 4096;

/** Push services, and the attributes that hold their credentials. */
const platforms: readonly string[] = [
  'ADM',
  'APNS',
  'APNS_SANDBOX',
  'APNS_VOIP',
  'APNS_VOIP_SANDBOX',
  'BAIDU',
  'GCM',
  'MACOS',
  'MACOS_SANDBOX',
  'MPNS',
  'WNS',
];
const secretAttributes: readonly string[] = ['PlatformCredential', 'PlatformPrincipal'];
/** Attributes of applications that nothing here follows are refused by their names not being here. */
const applicationAttributes: readonly string[] = [...secretAttributes, 'ApplePlatformTeamID', 'ApplePlatformBundleID'];
const endpointAttributes: readonly string[] = ['CustomUserData', 'Enabled', 'Token'];

interface ApplicationRow {
  platform: string;
  name: string;
  /** As shown: without credentials. */
  attributes: Readonly<Record<string, string>>;
}

export const Applications = defineTable<ApplicationRow>()({
  name: 'sns.applications',
  scope: 'region',
  key: (row) => [row.platform, row.name],
});

interface EndpointRow {
  platform: string;
  application: string;
  id: string;
  token: string;
  userData?: string | undefined;
  enabled: boolean;
}

export const Endpoints = defineTable<EndpointRow>()({
  name: 'sns.endpoints',
  scope: 'region',
  key: (row) => [row.platform, row.application, row.id],
  indexes: { byToken: (row) => [row.platform, row.application, row.token] },
});

function applicationArn({ account, region }: Scope, { platform, name }: Pick<ApplicationRow, 'platform' | 'name'>): string {
  return `arn:aws:sns:${region}:${account}:app/${platform}/${name}`;
}

function endpointArn({ account, region }: Scope, { platform, application, id }: EndpointRow): string {
  return `arn:aws:sns:${region}:${account}:endpoint/${platform}/${application}/${id}`;
}

async function requireApplication(ctx: Context, arn: string | undefined): Promise<ApplicationRow> {
  const [, platform, name] = /^app\/(\w+)\/([\w.-]+)$/.exec(ownResource(ctx, arn)) ?? [];
  if (platform === undefined || name === undefined)
    throw invalidParameter('PlatformApplicationArn Reason: Wrong number of slashes in relative portion of the ARN.');
  const row = await ctx.table(Applications).get(platform, name);
  if (row === undefined) throw notFound('PlatformApplication does not exist');
  return row;
}

/** The resource part of an ARN of this account and Region; empty for any other. */
function ownResource(ctx: Context, arn: string | undefined): string {
  const parsed = parseArn(arn ?? '');
  return parsed?.service === 'sns' && parsed.account === ctx.account && parsed.region === ctx.region ? parsed.resource : '';
}

/** Whether an ARN is a device's. */
export function isEndpointArn(arn: string): boolean {
  return /^arn:aws:sns:[a-z0-9-]+:\d{12}:endpoint\/\w+\/[\w.-]+\/[0-9a-f-]{36}$/.test(arn);
}

async function findEndpoint(ctx: Context, arn: string | undefined): Promise<EndpointRow | undefined> {
  const [, platform, application, id] = /^endpoint\/(\w+)\/([\w.-]+)\/([0-9a-f-]{36})$/.exec(ownResource(ctx, arn)) ?? [];
  return platform === undefined || application === undefined || id === undefined
    ? undefined
    : ctx.table(Endpoints).get(platform, application, id);
}

async function requireEndpoint(ctx: Context, arn: string | undefined): Promise<EndpointRow> {
  const row = await findEndpoint(ctx, arn);
  if (row === undefined) throw notFound('Endpoint does not exist');
  return row;
}

/** What a push service gets of a message: the text for it, else the plain text in its own form. */
function payloadFor(
  platform: string,
  texts: { message: string; byProtocol?: Readonly<Record<string, string>> | undefined },
): string {
  const own = texts.byProtocol?.[platform];
  if (own !== undefined) return own;
  if (platform.startsWith('APNS') || platform.startsWith('MACOS')) return JSON.stringify({ aps: { alert: texts.message } });
  if (platform === 'GCM') return JSON.stringify({ notification: { body: texts.message } });
  if (platform === 'ADM') return JSON.stringify({ data: { message: texts.message } });
  return texts.message;
}

/** Pushes to a device: into the outbox. Throws InvalidParameter for none, EndpointDisabled. */
export async function push(
  ctx: Context,
  arn: string,
  texts: { message: string; byProtocol?: Readonly<Record<string, string>> | undefined },
): Promise<void> {
  const row = await findEndpoint(ctx, arn);
  if (row === undefined) throw invalidParameter('TargetArn Reason: No endpoint found for the target arn specified');
  if (!row.enabled) throw endpointDisabled();
  const from = applicationArn(ctx, { platform: row.platform, name: row.application });
  const body = payloadFor(row.platform, texts);
  await ctx.transact((tx) => post(ctx, tx, ctx, { kind: 'push', from, to: row.token, body }));
}

/** Attributes that are shown, after these. Throws InvalidParameter for unknown ones. */
function readApplication(given: Readonly<Record<string, string>>, old: Readonly<Record<string, string>> = {}) {
  const unknown = Object.keys(given).find((name) => !applicationAttributes.includes(name));
  if (unknown !== undefined) throw invalidParameter(`Attributes Reason: Invalid attribute name: ${unknown}`);
  return { ...old, ...Object.fromEntries(Object.entries(given).filter(([name]) => !secretAttributes.includes(name))) };
}

function readEndpoint(row: EndpointRow, given: Readonly<Record<string, string>>): EndpointRow {
  const unknown = Object.keys(given).find((name) => !endpointAttributes.includes(name));
  if (unknown !== undefined) throw invalidParameter(`Attributes Reason: Invalid attribute name: ${unknown}`);
  const { CustomUserData: userData = row.userData, Enabled = String(row.enabled), Token: token = row.token } = given;
  if (!/^(true|false)$/i.test(Enabled))
    throw invalidParameter('Attributes Reason: Invalid value for attribute: Enabled: must be true or false');
  if (Buffer.byteLength(userData ?? '') > userDataBytesMax)
    throw invalidParameter(
      'Attributes Reason: Invalid value for attribute: CustomUserData: must be at most 2048 bytes long in UTF-8 encoding',
    );
  return { ...row, userData, token, enabled: Enabled.toLowerCase() === 'true' };
}

const describeEndpoint = ({ enabled, token, userData }: EndpointRow): Record<string, string> => ({
  Enabled: String(enabled),
  Token: token,
  ...(userData === undefined ? {} : { CustomUserData: userData }),
});

export const platformHandlers: HandlersOf<SNS> = {
  async CreatePlatformApplication({ Name: name = '', Platform: platform = '', Attributes = {} }, ctx) {
    if (!/^[\w.-]{1,256}$/.test(name)) throw invalidParameter(`Name Reason: Invalid value: ${name}`);
    if (!platforms.includes(platform)) throw invalidParameter(`Platform Reason: ${platform} is not supported`);
    if ((Attributes['PlatformCredential'] ?? '') === '')
      throw invalidParameter('Attributes Reason: PlatformCredential is required');
    const attributes = readApplication(Attributes);
    await ctx.transact((tx) => tx.table(Applications).put({ platform, name, attributes }));
    return { PlatformApplicationArn: applicationArn(ctx, { platform, name }) };
  },

  async ListPlatformApplications({ NextToken }, ctx) {
    const rows = await ctx.table(Applications).list();
    const page = pageOf(rows, (row) => [row.platform, row.name], {
      scope: 'ListPlatformApplications',
      token: NextToken,
      limit: perPage,
    });
    if (page === undefined) throw invalidParameter('NextToken');
    const shown = page.items.map(
      (row): PlatformApplication => ({
        PlatformApplicationArn: applicationArn(ctx, row),
        Attributes: { Enabled: 'true', ...row.attributes },
      }),
    );
    return { PlatformApplications: shown, NextToken: page.nextToken };
  },

  async GetPlatformApplicationAttributes({ PlatformApplicationArn }, ctx) {
    const { attributes } = await requireApplication(ctx, PlatformApplicationArn);
    return { Attributes: { Enabled: 'true', ...attributes } };
  },

  async SetPlatformApplicationAttributes({ PlatformApplicationArn, Attributes = {} }, ctx) {
    const row = await requireApplication(ctx, PlatformApplicationArn);
    await ctx.transact((tx) => tx.table(Applications).put({ ...row, attributes: readApplication(Attributes, row.attributes) }));
    return {};
  },

  async DeletePlatformApplication({ PlatformApplicationArn }, ctx) {
    const row = await requireApplication(ctx, PlatformApplicationArn).catch((error: unknown) => {
      // What is gone counts as deleted.
      if (error instanceof AwsError && error.code === 'NotFound') return undefined;
      throw error;
    });
    if (row === undefined) return {};
    await ctx.transact(async (tx) => {
      await tx.table(Applications).delete(row.platform, row.name);
      for (const { id } of await tx.table(Endpoints).list({ prefix: [row.platform, row.name] }))
        await tx.table(Endpoints).delete(row.platform, row.name, id);
    });
    return {};
  },

  async CreatePlatformEndpoint({ PlatformApplicationArn, Token = '', CustomUserData, Attributes = {} }, ctx) {
    const { platform, name: application } = await requireApplication(ctx, PlatformApplicationArn);
    if (Token === '' || Token.length > tokenCharsMax) throw invalidParameter('Token');
    const fresh: EndpointRow = { platform, application, id: ctx.uuid(), token: Token, enabled: true };
    const wanted = readEndpoint(fresh, { ...(CustomUserData === undefined ? {} : { CustomUserData }), ...Attributes });
    const kept = await ctx.transact(async (tx) => {
      const known = await tx.table(Endpoints).firstByIndex('byToken', [platform, application, Token]);
      if (known === undefined) await tx.table(Endpoints).put(wanted);
      return known ?? wanted;
    });
    if (kept.userData !== wanted.userData || kept.enabled !== wanted.enabled)
      throw invalidParameter(
        `Token Reason: Endpoint ${endpointArn(ctx, kept)} already exists with the same Token, but different attributes.`,
      );
    return { EndpointArn: endpointArn(ctx, kept) };
  },

  async ListEndpointsByPlatformApplication({ PlatformApplicationArn, NextToken }, ctx) {
    const { platform, name } = await requireApplication(ctx, PlatformApplicationArn);
    const rows = await ctx.table(Endpoints).list({ prefix: [platform, name] });
    const scope = `ListEndpointsByPlatformApplication ${platform} ${name}`;
    const page = pageOf(rows, ({ id }) => [id], { scope, token: NextToken, limit: perPage });
    if (page === undefined) throw invalidParameter('NextToken');
    const shown = page.items.map((row): Endpoint => ({ EndpointArn: endpointArn(ctx, row), Attributes: describeEndpoint(row) }));
    return { Endpoints: shown, NextToken: page.nextToken };
  },

  async GetEndpointAttributes({ EndpointArn }, ctx) {
    return { Attributes: describeEndpoint(await requireEndpoint(ctx, EndpointArn)) };
  },

  async SetEndpointAttributes({ EndpointArn, Attributes = {} }, ctx) {
    const row = await requireEndpoint(ctx, EndpointArn);
    const changed = readEndpoint(row, Attributes);
    await ctx.transact((tx) => tx.table(Endpoints).put(changed));
    return {};
  },

  async DeleteEndpoint({ EndpointArn }, ctx) {
    const row = await findEndpoint(ctx, EndpointArn);
    if (row !== undefined) await ctx.transact((tx) => tx.table(Endpoints).delete(row.platform, row.application, row.id));
    return {};
  },
};
