/** Deployments: copies of an API as it is at the moment. What is changed afterwards is seen by callers with the next one only. */
import type { APIGateway, CreateDeploymentRequest, Deployment, MethodSnapshot } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, noSuch, noSuchApi } from '../errors.ts';
import { pageItems, requireApi, requireStage } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import { type Definition, Definitions, type DeploymentRow, Deployments, Snapshots, Stages } from '../state.ts';
import { checkStageName, newStage } from './stages.ts';

function describeDeployment(row: DeploymentRow, definition?: Definition): Deployment {
  const base = { id: row.id, description: row.description, createdDate: new Date(row.created) };
  if (definition === undefined) return base;
  const apiSummary: Record<string, Record<string, MethodSnapshot>> = {};
  for (const { path, methods } of Object.values(definition.resources)) {
    const entries = Object.entries(methods).map(([verb, { authorizationType, apiKeyRequired }]): [string, MethodSnapshot] => [
      verb,
      { authorizationType, apiKeyRequired },
    ]);
    if (entries.length > 0) apiSummary[path] = Object.fromEntries(entries);
  }
  return { ...base, apiSummary };
}

/** Throws BadRequestException for an API that cannot be deployed. */
function checkDeployable({ resources }: Definition): void {
  const methods = Object.values(resources).flatMap((resource) => Object.values(resource.methods));
  if (methods.length === 0) throw badRequest("The REST API doesn't contain any methods");
  if (methods.some(({ methodIntegration }) => methodIntegration === undefined))
    throw badRequest('No integration defined for method');
}

async function requireDeployment(ctx: Pick<Context, 'table'>, api = '', id = ''): Promise<DeploymentRow> {
  const row = await ctx.table(Deployments).get(api, id);
  if (row === undefined) throw noSuch('Deployment');
  return row;
}

/** Part of a stage's traffic goes to a new deployment, the rest stays ("Create a canary release deployment"). Throws BadRequestException, NotFoundException. */
async function deployCanary(
  tx: Transaction,
  ctx: Context,
  { api, id }: DeploymentRow,
  { stageName = '', canarySettings: given }: CreateDeploymentRequest,
): Promise<void> {
  const percentTraffic = given?.percentTraffic ?? 0;
  if (percentTraffic < 0 || percentTraffic > 100) throw badRequest('Canary percent traffic must be between 0 and 100');
  const stage = await requireStage(tx, api, stageName);
  const { stageVariableOverrides, useStageCache = false } = given ?? {};
  const canarySettings = { deploymentId: id, percentTraffic, stageVariableOverrides, useStageCache };
  await tx.table(Stages).put({ ...stage, canarySettings, updated: ctx.now });
}

export const deploymentHandlers: HandlersOf<APIGateway> = {
  async CreateDeployment(input, ctx) {
    const { restApiId: api = '', stageName } = input;
    if (input.tracingEnabled === true) throw parameterNotImplemented('CreateDeployment', 'tracingEnabled');
    if (stageName !== undefined && stageName !== '') checkStageName(stageName);
    return ctx.transact(async (tx) => {
      const { binaryMediaTypes, minimumCompressionSize, apiKeySource, policy, endpoint } = await requireApi(tx, ctx, api);
      if (endpoint.types?.[0] === 'PRIVATE' && policy === undefined)
        throw badRequest("Private REST API doesn't have a resource policy attached to it");
      const found = await tx.table(Definitions).get(api);
      if (found === undefined) throw noSuchApi(ctx.account, api);
      const { definition } = found;
      checkDeployable(definition);
      const row: DeploymentRow = { api, id: ctx.id('gatewayPart'), description: input.description, created: ctx.now };
      await tx.table(Deployments).put(row);
      const facts = { binaryMediaTypes, minimumCompressionSize, apiKeySource, policy };
      await tx.table(Snapshots).put({ api, deployment: row.id, facts, definition });
      if (input.canarySettings !== undefined) await deployCanary(tx, ctx, row, input);
      else if (stageName !== undefined && stageName !== '') {
        const stage =
          (await tx.table(Stages).get(api, stageName)) ?? newStage(ctx, { api, name: stageName, deploymentId: row.id });
        await tx.table(Stages).put({
          ...stage,
          deploymentId: row.id,
          updated: ctx.now,
          description: input.stageDescription ?? stage.description,
          variables: input.variables ?? stage.variables,
          cacheClusterEnabled: input.cacheClusterEnabled ?? stage.cacheClusterEnabled,
          cacheClusterSize: input.cacheClusterSize ?? stage.cacheClusterSize,
        });
      }
      return describeDeployment(row, definition);
    });
  },

  async GetDeployment(input, ctx) {
    await requireApi(ctx, ctx, input.restApiId);
    const row = await requireDeployment(ctx, input.restApiId, input.deploymentId);
    const snapshot = await ctx.table(Snapshots).get(row.api, row.id);
    return describeDeployment(row, input.embed?.includes('apisummary') === true ? snapshot?.definition : undefined);
  },

  async GetDeployments(input, ctx) {
    await requireApi(ctx, ctx, input.restApiId);
    const rows = await ctx.table(Deployments).list({ prefix: [input.restApiId ?? ''] });
    const { items, ...page } = pageItems(`GetDeployments ${input.restApiId}`, rows, ({ id }) => id, input);
    return { items: items.map((row) => describeDeployment(row)), ...page };
  },

  async UpdateDeployment(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireDeployment(tx as Pick<Context, 'table'>, input.restApiId, input.deploymentId);
      const changed = applyPatch(row, input.patchOperations, { '/description': 'text' });
      await tx.table(Deployments).put(changed);
      return describeDeployment(changed);
    });
  },

  async DeleteDeployment(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireDeployment(tx as Pick<Context, 'table'>, input.restApiId, input.deploymentId);
      const stages = await tx.table(Stages).list({ prefix: [row.api] });
      if (stages.some(({ deploymentId, canarySettings }) => deploymentId === row.id || canarySettings?.deploymentId === row.id))
        throw badRequest('Active stages pointing to this deployment must be moved or deleted');
      await tx.table(Deployments).delete(row.api, row.id);
      await tx.table(Snapshots).delete(row.api, row.id);
    });
    return {};
  },
};
