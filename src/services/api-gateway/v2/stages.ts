/** Stages and deployments of HTTP and WebSocket APIs. */
import type { ApiGatewayV2, Deployment, RouteSettings, Stage } from '@aws-sdk/client-apigatewayv2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import { checkTags } from '../rest/tags.ts';
import { deployAutomatically, deployedTo, pageItems, putDeployment, requireApi } from './lookup.ts';
import { type Definition, Definitions, type DeploymentRow, Deployments, Snapshots, type StageRow, Stages } from './state.ts';

/** A stage with its defaults. */
export function newStage(ctx: Context, from: Pick<StageRow, 'api' | 'name'> & Partial<StageRow>): StageRow {
  return {
    autoDeploy: false,
    variables: {},
    defaultRouteSettings: { DetailedMetricsEnabled: false },
    routeSettings: {},
    tags: {},
    created: ctx.now,
    updated: ctx.now,
    ...from,
  };
}

function describeStage(row: StageRow): Stage {
  return {
    StageName: row.name,
    AccessLogSettings: row.accessLogSettings,
    AutoDeploy: row.autoDeploy,
    CreatedDate: new Date(row.created),
    LastUpdatedDate: new Date(row.updated),
    LastDeploymentStatusMessage: row.lastDeployment,
    DefaultRouteSettings: row.defaultRouteSettings,
    DeploymentId: row.deploymentId,
    Description: row.description,
    RouteSettings: row.routeSettings,
    StageVariables: row.variables,
    Tags: { ...row.tags },
  };
}

async function requireStage(from: Pick<Context, 'table'> | Pick<Transaction, 'table'>, api = '', name = ''): Promise<StageRow> {
  const row = await from.table(Stages).get(api, name);
  if (row === undefined) throw notFound(`Invalid Stage identifier specified ${name}`);
  return row;
}

async function requireDeployment(
  from: Pick<Context, 'table'> | Pick<Transaction, 'table'>,
  api = '',
  id = '',
): Promise<DeploymentRow> {
  const row = await from.table(Deployments).get(api, id);
  if (row === undefined) throw notFound(`Invalid Deployment identifier specified ${id}`);
  return row;
}

async function definitionOf(tx: Transaction, api: string): Promise<Definition> {
  const row = await tx.table(Definitions).get(api);
  if (row === undefined) throw notFound(`Invalid API identifier specified ${api}`);
  return row.definition;
}

function checkSettings(settings: readonly (RouteSettings | undefined)[], protocol: string): void {
  for (const setting of settings) {
    if (protocol === 'WEBSOCKET') checkSocketSetting(setting ?? {});
    if (setting?.LoggingLevel !== undefined && setting.LoggingLevel !== 'OFF' && protocol === 'HTTP')
      throw badRequest('Execution logs are not supported on protocolType HTTP');
    if (setting?.DataTraceEnabled === true && protocol === 'HTTP')
      throw badRequest('Data trace is not supported on protocolType HTTP');
  }
}

/** Connections leave access logs, and neither execution logs nor metrics here. */
function checkSocketSetting({
  LoggingLevel: level = 'OFF',
  DataTraceEnabled: traced,
  DetailedMetricsEnabled: detailed,
}: RouteSettings): void {
  if (level !== 'OFF') throw parameterNotImplemented('CreateStage', 'LoggingLevel');
  if (traced === true) throw parameterNotImplemented('CreateStage', 'DataTraceEnabled');
  if (detailed === true) throw parameterNotImplemented('CreateStage', 'DetailedMetricsEnabled');
}

/** Refuses what a stage of either kind cannot do. */
function checkStageInput(input: { ClientCertificateId?: string | undefined }): void {
  if (input.ClientCertificateId !== undefined) throw parameterNotImplemented('CreateStage', 'ClientCertificateId');
}

function checkLogs(settings: { DestinationArn?: string | undefined; Format?: string | undefined } | undefined) {
  if (settings === undefined) return undefined;
  const { DestinationArn: arn = '', Format: format } = settings;
  if (!/^arn:aws:(logs:[^:]+:\d{12}:log-group:.+|firehose:[^:]+:\d{12}:deliverystream\/amazon-apigateway-.+)$/.test(arn))
    throw badRequest(`Invalid ARN specified in the request: ${arn}`);
  if (format === undefined || !/\$context\.(requestId|extendedRequestId)/.test(format))
    throw badRequest('Access Log format must contain at least $context.requestId or $context.extendedRequestId');
  return { DestinationArn: arn.replace(/:\*$/, ''), Format: format };
}

function checkName(name: string, protocol: string): void {
  if (name === '$default' && protocol === 'HTTP') return;
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) throw badRequest('Stage name only allows a-zA-Z0-9_');
}

function describeDeployment(row: DeploymentRow): Deployment {
  return {
    DeploymentId: row.id,
    AutoDeployed: row.autoDeployed,
    CreatedDate: new Date(row.created),
    DeploymentStatus: 'DEPLOYED',
    Description: row.description,
  };
}

export const stageHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateStage(input, ctx) {
    const { ApiId: api = '', StageName: name = '' } = input;
    return ctx.transact(async (tx) => {
      const { protocol } = await requireApi(tx, api);
      checkName(name, protocol);
      checkStageInput(input);
      checkSettings([input.DefaultRouteSettings, ...Object.values(input.RouteSettings ?? {})], protocol);
      if ((await tx.table(Stages).get(api, name)) !== undefined) throw conflict('Stage already exists');
      if (input.DeploymentId !== undefined) await requireDeployment(tx, api, input.DeploymentId);
      const row = newStage(ctx, {
        api,
        name,
        autoDeploy: input.AutoDeploy ?? false,
        deploymentId: input.DeploymentId,
        description: input.Description,
        variables: { ...input.StageVariables },
        accessLogSettings: checkLogs(input.AccessLogSettings),
        defaultRouteSettings: { DetailedMetricsEnabled: false, ...input.DefaultRouteSettings },
        routeSettings: { ...input.RouteSettings },
        tags: checkTags(input.Tags),
      });
      await tx.table(Stages).put(row);
      if (row.autoDeploy) await deployAutomatically(tx, ctx, api, await definitionOf(tx, api));
      return describeStage((await tx.table(Stages).get(api, name)) ?? row);
    });
  },

  async GetStage(input, ctx) {
    await requireApi(ctx, input.ApiId);
    return describeStage(await requireStage(ctx, input.ApiId, input.StageName));
  },

  async GetStages(input, ctx) {
    await requireApi(ctx, input.ApiId);
    const rows = await ctx.table(Stages).list({ prefix: [input.ApiId ?? ''] });
    const { Items, ...page } = pageItems(`GetStages ${input.ApiId}`, rows, ({ name }) => name, input);
    return { Items: Items.map(describeStage), ...page };
  },

  async UpdateStage(input, ctx) {
    const { ApiId: api = '' } = input;
    return ctx.transact(async (tx) => {
      const { protocol } = await requireApi(tx, api);
      const row = await requireStage(tx, api, input.StageName);
      checkStageInput(input);
      checkSettings([input.DefaultRouteSettings, ...Object.values(input.RouteSettings ?? {})], protocol);
      if (input.DeploymentId !== undefined) {
        if (input.AutoDeploy ?? row.autoDeploy)
          throw badRequest('Deployment ID cannot be set directly on a stage where AutoDeploy is enabled');
        await requireDeployment(tx, api, input.DeploymentId);
      }
      const changed: StageRow = {
        ...row,
        autoDeploy: input.AutoDeploy ?? row.autoDeploy,
        deploymentId: input.DeploymentId ?? row.deploymentId,
        description: input.Description ?? row.description,
        variables: mergeVariables(row.variables, input.StageVariables),
        accessLogSettings: checkLogs(input.AccessLogSettings) ?? row.accessLogSettings,
        defaultRouteSettings: { ...row.defaultRouteSettings, ...input.DefaultRouteSettings },
        routeSettings: { ...row.routeSettings, ...input.RouteSettings },
        updated: ctx.now,
      };
      await tx.table(Stages).put(changed);
      if (changed.autoDeploy && !row.autoDeploy) await deployAutomatically(tx, ctx, api, await definitionOf(tx, api));
      return describeStage((await tx.table(Stages).get(api, row.name)) ?? changed);
    });
  },

  async DeleteStage(input, ctx) {
    await ctx.transact(async (tx) => {
      await requireApi(tx, input.ApiId);
      const row = await requireStage(tx, input.ApiId, input.StageName);
      await tx.table(Stages).delete(row.api, row.name);
    });
    return {};
  },

  async DeleteAccessLogSettings(input, ctx) {
    await ctx.transact(async (tx) => {
      const { accessLogSettings: _logs, ...row } = await requireStage(tx, input.ApiId, input.StageName);
      await tx.table(Stages).put(row);
    });
    return {};
  },

  async DeleteRouteSettings(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireStage(tx, input.ApiId, input.StageName);
      const { [input.RouteKey ?? '']: _gone, ...routeSettings } = row.routeSettings;
      await tx.table(Stages).put({ ...row, routeSettings });
    });
    return {};
  },

  async ResetAuthorizersCache(input, ctx) {
    await ctx.transact(async (tx) => {
      const { protocol } = await requireApi(tx, input.ApiId);
      if (protocol !== 'HTTP') throw badRequest('Resetting the authorizers cache is supported for HTTP APIs only');
      const row = await requireStage(tx, input.ApiId, input.StageName);
      await tx.table(Stages).put({ ...row, cacheEpoch: (row.cacheEpoch ?? 0) + 1 });
    });
    return {};
  },

  async CreateDeployment(input, ctx) {
    const { ApiId: api = '', StageName: stageName } = input;
    return ctx.transact(async (tx) => {
      await requireApi(tx, api);
      const definition = await definitionOf(tx, api);
      if (Object.keys(definition.routes).length === 0)
        throw badRequest('At least one route is required before deploying the Api.');
      const stage = stageName === undefined ? undefined : await requireStage(tx, api, stageName);
      const id = await putDeployment(tx, ctx, { api, definition, autoDeployed: false, description: input.Description });
      if (stage !== undefined) await tx.table(Stages).put(deployedTo(ctx, stage, id));
      return describeDeployment(await requireDeployment(tx, api, id));
    });
  },

  async GetDeployment(input, ctx) {
    return describeDeployment(await requireDeployment(ctx, input.ApiId, input.DeploymentId));
  },

  async GetDeployments(input, ctx) {
    await requireApi(ctx, input.ApiId);
    const rows = await ctx.table(Deployments).list({ prefix: [input.ApiId ?? ''] });
    const { Items, ...page } = pageItems(`GetDeployments ${input.ApiId}`, rows, ({ id }) => id, input);
    return { Items: Items.map(describeDeployment), ...page };
  },

  async UpdateDeployment(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireDeployment(tx, input.ApiId, input.DeploymentId);
      const changed = { ...row, description: input.Description ?? row.description };
      await tx.table(Deployments).put(changed);
      return describeDeployment(changed);
    });
  },

  async DeleteDeployment(input, ctx) {
    await ctx.transact(async (tx) => {
      const { api, id } = await requireDeployment(tx, input.ApiId, input.DeploymentId);
      const stages = await tx.table(Stages).list({ prefix: [api] });
      if (stages.some(({ deploymentId }) => deploymentId === id))
        throw badRequest('Active stages pointing to this deployment must be moved or deleted');
      await tx.table(Deployments).delete(api, id);
      await tx.table(Snapshots).delete(api, id);
    });
    return {};
  },
};

/** "To remove a stage variable, set it to an empty text". */
function mergeVariables(
  before: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== ''));
}
