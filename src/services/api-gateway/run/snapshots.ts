/** Deployments ready to serve. Snapshots never change, so that what was compiled of one is kept, within a bound. */
import type { Ajv, ValidateFunction } from 'ajv';
import type { Context } from '../../../kernel/context.ts';
import { type ApiFacts, type Definition, Definitions, RestApis, type SnapshotRow, Snapshots } from '../state.ts';
import { compileRoutes, type RouteTree } from './routes.ts';

export interface Served {
  facts: ApiFacts;
  definition: Definition;
  routes: RouteTree;
  /** Checks a body by a model's name; undefined for a model that does not exist or cannot be compiled. */
  validatorOf(model: string): ValidateFunction | undefined;
}

const draft4Options = { strict: false, allErrors: true, validateFormats: false };
const servedMax = 500;
const servedCache = new Map<string, Served>();

/** What a deployment serves; undefined when there is no such deployment. */
export async function servedBy(ctx: Context, api: string, deployment: string): Promise<Served | undefined> {
  const key = `${ctx.account}/${ctx.region}/${api}/${deployment}`;
  const known = servedCache.get(key);
  if (known !== undefined) return known;
  const row = await ctx.table(Snapshots).get(api, deployment);
  if (row === undefined) return undefined;
  const served = await compile(row, api);
  if (servedCache.size >= servedMax) servedCache.clear();
  servedCache.set(key, served);
  return served;
}

/** What an API would serve if it were deployed now: for TestInvokeMethod. */
export async function servedUndeployed(ctx: Context, api: string): Promise<Served | undefined> {
  const [facts, row] = await Promise.all([ctx.table(RestApis).get(api), ctx.table(Definitions).get(api)]);
  return facts === undefined || row === undefined ? undefined : compile({ facts, definition: row.definition }, api);
}

async function compile({ facts, definition }: Pick<SnapshotRow, 'facts' | 'definition'>, api: string): Promise<Served> {
  // Loaded by the first API that is called, because the service itself is loaded at every start.
  const library = await import('ajv-draft-04');
  // The class is the default export of a CommonJS module, so it may stand one level deeper.
  const exported = library.default as unknown as typeof Ajv & { default?: typeof Ajv };
  const Draft4 = exported.default ?? exported;
  const validators = new Map<string, ValidateFunction | undefined>();
  return {
    facts,
    definition,
    routes: compileRoutes(definition.resources),
    validatorOf(model) {
      if (!validators.has(model)) validators.set(model, compileModel(new Draft4(draft4Options), definition, api, model));
      return validators.get(model);
    },
  };
}

/** Models refer to each other by URL: `https://apigateway.amazonaws.com/restapis/{api}/models/{name}` ("$ref"). */
function compileModel(ajv: Ajv, { models }: Definition, api: string, name: string): ValidateFunction | undefined {
  try {
    const idOf = (model: string): string => `https://apigateway.amazonaws.com/restapis/${api}/models/${model}`;
    for (const model of Object.values(models)) {
      if (model.schema === undefined || model.schema === '') continue;
      const schema = JSON.parse(model.schema) as Record<string, unknown>;
      const { $schema: _version, ...rest } = schema;
      ajv.addSchema({ ...rest, id: idOf(model.name ?? '') });
    }
    return ajv.getSchema(idOf(name));
  } catch {
    return undefined;
  }
}
