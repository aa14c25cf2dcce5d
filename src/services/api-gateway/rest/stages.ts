/** Stages: names under which deployments are served, with variables and settings by method. */
import type { APIGateway, MethodSetting, Stage } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, noSuch } from '../errors.ts';
import { requireApi, requireStage } from '../lookup.ts';
import { applyPatch, type PatchRules, type PatchStep, parseValue } from '../patch.ts';
import { Accounts, ClientCertificates, Deployments, DocumentationVersions, type StageRow, Stages } from '../state.ts';
import { checkTags } from './tags.ts';

/** Throws BadRequestException. */
export function checkStageName(name: string): void {
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) throw badRequest('Stage name only allows a-zA-Z0-9_');
}

function checkVariables(variables: Readonly<Record<string, string>> | undefined): void {
  for (const [name, value] of Object.entries(variables ?? {})) {
    if (!/^[A-Za-z0-9_]+$/.test(name))
      throw badRequest(`Stage variable name may only contain alphanumeric characters and underscores: ${name}`);
    if (!/^[A-Za-z0-9\-._~:/?#&=,]*$/.test(value))
      throw badRequest('Stage variable value must match the pattern [A-Za-z0-9-._~:/?#&=,]+');
  }
}

/** A stage with its defaults. */
export function newStage(ctx: Context, from: Pick<StageRow, 'api' | 'name' | 'deploymentId'> & Partial<StageRow>): StageRow {
  return {
    cacheClusterEnabled: false,
    methodSettings: {},
    tracingEnabled: false,
    tags: {},
    created: ctx.now,
    updated: ctx.now,
    cacheEpoch: 0,
    ...from,
  };
}

function describeStage(row: StageRow): Stage {
  const { api: _api, name, created, updated, cacheEpoch: _epoch, ...rest } = row;
  return {
    ...(rest as Stage),
    stageName: name,
    createdDate: new Date(created),
    lastUpdatedDate: new Date(updated),
    cacheClusterStatus: row.cacheClusterEnabled ? 'AVAILABLE' : 'NOT_AVAILABLE',
    tags: { ...row.tags },
  };
}

const settingDefaults: MethodSetting = {
  metricsEnabled: false,
  dataTraceEnabled: false,
  throttlingBurstLimit: 5000,
  throttlingRateLimit: 10_000,
  cachingEnabled: false,
  cacheTtlInSeconds: 300,
  cacheDataEncrypted: false,
  requireAuthorizationForCacheControl: true,
  unauthorizedCacheControlHeaderStrategy: 'SUCCEED_WITH_RESPONSE_HEADER',
};

/** `/~1users~1{id}/GET/throttling/rateLimit` sets a member of the settings of `users/{id}/GET`. */
function setting(member: keyof MethodSetting, kind: 'text' | 'number' | 'boolean') {
  return (draft: StageRow, { op, value = '', keys: [path = '', verb = ''] }: PatchStep): void => {
    const key = `${path.length > 1 ? path.replace(/^\//, '') : path}/${verb}`;
    const before = draft.methodSettings[key] ?? settingDefaults;
    const after = op === 'remove' ? settingDefaults[member] : parseValue(kind, value, member);
    draft.methodSettings[key] = { ...before, [member]: after };
  };
}

const rules: PatchRules<StageRow> = {
  '/deploymentId': 'text',
  '/description': 'text',
  '/documentationVersion': 'text',
  '/clientCertificateId': 'text',
  '/cacheClusterEnabled': 'boolean',
  '/cacheClusterSize': 'text',
  '/tracingEnabled'(_draft, { value }) {
    if (value === 'true') throw parameterNotImplemented('UpdateStage', 'tracingEnabled');
  },
  '/accessLogSettings'(draft) {
    delete draft.accessLogSettings;
  },
  '/variables'(draft, { op }) {
    if (op === 'remove') draft.variables = {};
  },
  '/canarySettings'(draft, { op }) {
    if (op === 'remove') delete draft.canarySettings;
  },
  '/variables/*': 'text',
  '/accessLogSettings/destinationArn': 'text',
  '/accessLogSettings/format': 'text',
  '/canarySettings/percentTraffic': 'number',
  '/canarySettings/deploymentId': 'text',
  '/canarySettings/useStageCache': 'boolean',
  '/canarySettings/stageVariableOverrides/*': 'text',
  '/*/*/throttling/rateLimit': setting('throttlingRateLimit', 'number'),
  '/*/*/throttling/burstLimit': setting('throttlingBurstLimit', 'number'),
  '/*/*/logging/loglevel': setting('loggingLevel', 'text'),
  '/*/*/logging/dataTrace': setting('dataTraceEnabled', 'boolean'),
  '/*/*/metrics/enabled': setting('metricsEnabled', 'boolean'),
  '/*/*/caching/enabled': setting('cachingEnabled', 'boolean'),
  '/*/*/caching/ttlInSeconds': setting('cacheTtlInSeconds', 'number'),
  '/*/*/caching/dataEncrypted': setting('cacheDataEncrypted', 'boolean'),
  '/*/*/caching/requireAuthorizationForCacheControl': setting('requireAuthorizationForCacheControl', 'boolean'),
  '/*/*/caching/unauthorizedCacheControlHeaderStrategy': setting('unauthorizedCacheControlHeaderStrategy', 'text'),
  '/*/*'(draft, { op, keys: [path = '', verb = ''] }) {
    if (op !== 'remove') throw badRequest('Only removal is supported for the settings of a method as a whole');
    delete draft.methodSettings[`${path.length > 1 ? path.replace(/^\//, '') : path}/${verb}`];
  },
};

/** "Cache capacity (GB)": the sizes that there are. */
const cacheSizes = ['0.5', '1.6', '6.1', '13.5', '28.4', '58.2', '118', '237'];

async function checkStage(tx: Pick<Transaction, 'table'>, row: StageRow): Promise<StageRow> {
  checkVariables(row.variables);
  if (row.cacheClusterSize !== undefined && !cacheSizes.includes(row.cacheClusterSize))
    throw badRequest('Invalid cache cluster size');
  for (const id of [row.deploymentId, row.canarySettings?.deploymentId])
    if (id !== undefined && (await tx.table(Deployments).get(row.api, id)) === undefined) throw noSuch('Deployment');
  // An empty text takes either away.
  if (row.clientCertificateId === '') delete row.clientCertificateId;
  if (row.documentationVersion === '') delete row.documentationVersion;
  const { clientCertificateId: certificate, documentationVersion: version } = row;
  if (certificate !== undefined && (await tx.table(ClientCertificates).get(certificate)) === undefined)
    throw noSuch('Client Certificate');
  if (version !== undefined && (await tx.table(DocumentationVersions).get(row.api, version)) === undefined)
    throw noSuch('Documentation version');
  const { destinationArn, format } = row.accessLogSettings ?? {};
  const logs = Object.values(row.methodSettings).some(({ loggingLevel = 'OFF' }) => loggingLevel !== 'OFF');
  if (destinationArn !== undefined || logs) {
    const account = await tx.table(Accounts).get('account');
    if (account?.cloudwatchRoleArn === undefined)
      throw badRequest('CloudWatch Logs role ARN must be set in account settings to enable logging');
  }
  if (
    destinationArn !== undefined &&
    !/^arn:aws:(logs:[^:]+:\d{12}:log-group:.+|firehose:[^:]+:\d{12}:deliverystream\/amazon-apigateway-.+)$/.test(destinationArn)
  )
    throw badRequest('Invalid ARN specified in the request. ARNs must start with amazon-apigateway- or be of a log group');
  if (format !== undefined && !/\$context\.(requestId|extendedRequestId)/.test(format))
    throw badRequest('Access Log format must contain at least $context.requestId or $context.extendedRequestId');
  const percent = row.canarySettings?.percentTraffic;
  if (percent !== undefined && (percent < 0 || percent > 100))
    throw badRequest('Canary percent traffic must be between 0 and 100');
  for (const { loggingLevel = 'OFF', cacheTtlInSeconds: ttl = 300 } of Object.values(row.methodSettings)) {
    if (!['OFF', 'ERROR', 'INFO'].includes(loggingLevel)) throw badRequest(`Invalid log level specified: ${loggingLevel}`);
    if (ttl < 0 || ttl > 3600) throw badRequest('Cache TTL must be between 0 and 3600 seconds');
  }
  return row;
}

export const stageHandlers: HandlersOf<APIGateway> = {
  async CreateStage(input, ctx) {
    const { restApiId: api = '', stageName: name = '' } = input;
    if (input.tracingEnabled === true) throw parameterNotImplemented('CreateStage', 'tracingEnabled');
    checkStageName(name);
    const tags = checkTags(input.tags);
    return ctx.transact(async (tx) => {
      await requireApi(tx, ctx, api);
      if ((await tx.table(Stages).get(api, name)) !== undefined) throw conflict('Stage already exists');
      const row = newStage(ctx, {
        api,
        name,
        deploymentId: input.deploymentId ?? '',
        description: input.description,
        cacheClusterEnabled: input.cacheClusterEnabled ?? false,
        cacheClusterSize: input.cacheClusterSize ?? (input.cacheClusterEnabled === true ? '0.5' : undefined),
        variables: input.variables,
        canarySettings: input.canarySettings,
        documentationVersion: input.documentationVersion,
        tags,
      });
      await tx.table(Stages).put(await checkStage(tx, row));
      return describeStage(row);
    });
  },

  async GetStage(input, ctx) {
    await requireApi(ctx, ctx, input.restApiId);
    return describeStage(await requireStage(ctx, input.restApiId, input.stageName));
  },

  async GetStages(input, ctx) {
    await requireApi(ctx, ctx, input.restApiId);
    const rows = await ctx.table(Stages).list({ prefix: [input.restApiId ?? ''] });
    const wanted = rows.filter(({ deploymentId }) => input.deploymentId === undefined || deploymentId === input.deploymentId);
    return { item: wanted.map(describeStage) };
  },

  async UpdateStage(input, ctx) {
    return ctx.transact(async (tx) => {
      await requireApi(tx, ctx, input.restApiId);
      const row = await requireStage(tx, input.restApiId, input.stageName);
      const promoted = promoteCanary(row, input.patchOperations ?? []);
      const operations = input.patchOperations?.filter(({ op }) => op !== 'copy');
      const changed = await checkStage(tx, { ...applyPatch(promoted, operations, rules), updated: ctx.now });
      await tx.table(Stages).put(changed);
      return describeStage(changed);
    });
  },

  async DeleteStage(input, ctx) {
    await ctx.transact(async (tx) => {
      await requireApi(tx, ctx, input.restApiId);
      const row = await requireStage(tx, input.restApiId, input.stageName);
      await tx.table(Stages).delete(row.api, row.name);
    });
    return {};
  },

  FlushStageCache: (input, ctx) => flush(ctx, input.restApiId, input.stageName),
  FlushStageAuthorizersCache: (input, ctx) => flush(ctx, input.restApiId, input.stageName),
};

/** Both caches count by one epoch: what is kept too long does harm, what is asked again does none. */
async function flush(ctx: Context, api: string | undefined, name: string | undefined): Promise<object> {
  await ctx.transact(async (tx) => {
    const row = await requireStage(tx, api, name);
    await tx.table(Stages).put({ ...row, cacheEpoch: row.cacheEpoch + 1 });
  });
  return {};
}

/** A canary is promoted by copying its deployment and variables to the stage ("Promote a canary release"). */
function promoteCanary(row: StageRow, operations: readonly { op?: string; path?: string; from?: string }[]): StageRow {
  let promoted = row;
  for (const { op, path, from } of operations) {
    if (op !== 'copy') continue;
    const canary = row.canarySettings;
    if (path === '/deploymentId' && from === '/canarySettings/deploymentId')
      promoted = { ...promoted, deploymentId: canary?.deploymentId ?? row.deploymentId };
    else if (path === '/variables' && from === '/canarySettings/stageVariableOverrides')
      promoted = { ...promoted, variables: { ...row.variables, ...canary?.stageVariableOverrides } };
    else throw badRequest(`Invalid patch path  '${path}' specified for op 'copy'. Must be one of: [/deploymentId, /variables]`);
  }
  return promoted;
}
