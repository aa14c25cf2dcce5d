/** Versions, which never change, and aliases, which share executions out among them. Source: "Versions and aliases in Step Functions". */
import type { RoutingConfigurationListItem, SFN } from '@aws-sdk/client-sfn';
import type { Context, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { conflict, machineNotFound, resourceNotFound, validation } from './errors.ts';
import { onMachine, requireMachine, tablePage } from './lookup.ts';
import { publish } from './machines.ts';
import { machineArn, pageSize, readMachineArn } from './rules.ts';
import { Aliases, type AliasRow, Versions } from './state.ts';

const routesMax = 2;
const descriptionCharsMax = 256;
const aliasName = /^(?=.*[a-zA-Z_\-.])[a-zA-Z0-9_\-.]+$/;

/** Routes as rows hold them, and the machine they belong to. Throws ValidationException. */
function readRoutes(items: readonly RoutingConfigurationListItem[] = []): { machine: string; routes: AliasRow['routes'] } {
  const shown = items.map(
    ({ stateMachineVersionArn, weight }) =>
      `RoutingConfigurationListItem(stateMachineVersionArn=${stateMachineVersionArn}, weight=${weight})`,
  );
  if (items.length < 1 || items.length > routesMax)
    throw validation(
      `1 validation error detected: Value '[${shown.join(', ')}]' at 'routingConfiguration' failed to satisfy constraint: Member must have length ${items.length < 1 ? 'greater than or equal to 1' : `less than or equal to ${routesMax}`}`,
    );
  for (const [at, { weight }] of items.entries())
    new RequestCheck().range(`routingConfiguration.${at + 1}.member.weight`, weight, 0, 100).done();
  const arns = items.map(({ stateMachineVersionArn = '' }) => stateMachineVersionArn);
  const read = arns.map((arn) => readMachineArn(arn));
  if (read.some(({ qualifier }) => qualifier === undefined || !/^\d+$/.test(qualifier)))
    throw validation(`Routing configuration must contain state machine version ARNs. Received: [${arns.join(', ')}]`);
  if (new Set(arns).size < arns.length)
    throw validation(`Routing configuration must contain distinct state machine version ARNs. Received: [${arns.join(', ')}]`);
  const weights = items.map(({ weight = 0 }) => weight);
  if (weights.reduce((sum, weight) => sum + weight, 0) !== 100)
    throw validation(`Sum of routing configuration weights must equal 100. Received: [${weights.join(', ')}]`);
  const machine = read[0]?.name ?? '';
  if (read.some(({ name }) => name !== machine))
    throw validation('Routing configuration must contain versions of one state machine.');
  return { machine, routes: read.map(({ qualifier }, at) => ({ version: Number(qualifier), weight: weights[at] ?? 0 })) };
}

async function requireVersions(tx: Transaction, ctx: Context, machine: string, routes: AliasRow['routes']): Promise<void> {
  for (const { version } of routes) {
    if ((await tx.table(Versions).get(machine, version)) === undefined)
      throw resourceNotFound(`${machineArn(ctx, machine)}:${version}`);
  }
}

function splitAlias(arn: string): { name: string; alias: string } {
  const { name, qualifier } = readMachineArn(arn);
  if (qualifier === undefined) throw validation(`Alias ARN expected. Received: ${arn}`);
  return { name, alias: qualifier };
}

async function requireAlias(reading: Pick<Transaction, 'table'> | Pick<Context, 'table'>, arn: string): Promise<AliasRow> {
  const { name, alias } = splitAlias(arn);
  const row = await reading.table(Aliases).get(name, alias);
  if (row === undefined) throw resourceNotFound(arn);
  return row;
}

export const versionHandlers: HandlersOf<SFN> = {
  async PublishStateMachineVersion({ stateMachineArn = '', revisionId, description }, ctx) {
    new RequestCheck().length('description', description, 0, descriptionCharsMax).done();
    const { name } = readMachineArn(stateMachineArn);
    return ctx.transact(async (tx) => {
      const machine = await requireMachine(tx, name, stateMachineArn);
      if (revisionId !== undefined && revisionId !== (machine.revision ?? 'INITIAL'))
        throw conflict(
          `Failed to publish the State Machine version for revision ${revisionId}. The current State Machine revision is ${machine.revision ?? 'INITIAL'}.`,
        );
      const version = await publish(tx, ctx, machine, description);
      const row = await tx.table(Versions).get(name, version);
      return { creationDate: new Date(row?.created ?? ctx.now), stateMachineVersionArn: `${machineArn(ctx, name)}:${version}` };
    });
  },

  async DeleteStateMachineVersion({ stateMachineVersionArn = '' }, ctx) {
    const { name, qualifier } = readMachineArn(stateMachineVersionArn);
    if (qualifier === undefined || !/^\d+$/.test(qualifier))
      throw validation(`Version ARN expected. Received: ${stateMachineVersionArn}`);
    const version = Number(qualifier);
    await ctx.transact(async (tx) => {
      const aliases = await tx.table(Aliases).list({ prefix: [name] });
      const users = aliases.filter(({ routes }) => routes.some((route) => route.version === version));
      if (users.length > 0)
        throw conflict(
          `Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [${users.map((alias) => alias.name).join(', ')}]`,
        );
      await tx.table(Versions).delete(name, version);
    });
    return {};
  },

  async ListStateMachineVersions({ stateMachineArn = '', maxResults, nextToken }, ctx) {
    const { name } = readMachineArn(stateMachineArn);
    await requireMachine(ctx, name, stateMachineArn);
    const options = { scope: `ListStateMachineVersions ${name}`, token: nextToken, limit: pageSize(maxResults), reverse: true };
    const page = await tablePage(ctx, Versions, [name], options);
    return {
      stateMachineVersions: page.rows.map(({ version, created }) => ({
        stateMachineVersionArn: `${machineArn(ctx, name)}:${version}`,
        creationDate: new Date(created),
      })),
      nextToken: page.nextToken,
    };
  },

  async CreateStateMachineAlias({ name = '', description, routingConfiguration }, ctx) {
    const check = new RequestCheck().length('name', name, 1, 80).length('description', description, 0, descriptionCharsMax);
    check.pattern('name', name, aliasName, '^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$').done();
    const { machine, routes } = readRoutes(routingConfiguration);
    return ctx.transact(async (tx) => {
      await requireMachine(tx, machine, machineArn(ctx, machine)).catch(() => {
        throw machineNotFound(machineArn(ctx, machine));
      });
      await requireVersions(tx, ctx, machine, routes);
      const known = await tx.table(Aliases).get(machine, name);
      const facts = (row: Pick<AliasRow, 'description' | 'routes'>): string => JSON.stringify([row.description, row.routes]);
      if (known !== undefined && facts(known) !== facts({ description, routes }))
        throw conflict(
          'Failed to create alias because an alias with the same name and a different routing configuration already exists.',
        );
      const row = known ?? { machine, name, description, routes, created: ctx.now, updated: ctx.now };
      await tx.table(Aliases).put(row);
      return { stateMachineAliasArn: `${machineArn(ctx, machine)}:${name}`, creationDate: new Date(row.created) };
    });
  },

  async UpdateStateMachineAlias({ stateMachineAliasArn = '', description, routingConfiguration }, ctx) {
    if (description === undefined && routingConfiguration === undefined)
      throw validation('Either the description or the routing configuration must be specified.');
    const read = routingConfiguration === undefined ? undefined : readRoutes(routingConfiguration);
    await ctx.transact(async (tx) => {
      const row = await requireAlias(tx, stateMachineAliasArn);
      if (read !== undefined && read.machine !== row.machine)
        throw validation('Routing configuration must contain versions of the alias’ own state machine.');
      if (read !== undefined) await requireVersions(tx, ctx, row.machine, read.routes);
      await tx
        .table(Aliases)
        .put({ ...row, description: description ?? row.description, routes: read?.routes ?? row.routes, updated: ctx.now });
    });
    return { updateDate: new Date(ctx.now) };
  },

  async DescribeStateMachineAlias({ stateMachineAliasArn = '' }, ctx) {
    const row = await requireAlias(ctx, stateMachineAliasArn);
    return {
      stateMachineAliasArn,
      name: row.name,
      description: row.description,
      routingConfiguration: row.routes.map(({ version, weight }) => ({
        stateMachineVersionArn: `${machineArn(ctx, row.machine)}:${version}`,
        weight,
      })),
      creationDate: new Date(row.created),
      updateDate: new Date(row.updated),
    };
  },

  async DeleteStateMachineAlias({ stateMachineAliasArn = '' }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireAlias(tx, stateMachineAliasArn);
      await tx.table(Aliases).delete(row.machine, row.name);
    });
    return {};
  },

  async ListStateMachineAliases({ stateMachineArn = '', maxResults, nextToken }, ctx) {
    const { name, qualifier } = readMachineArn(stateMachineArn);
    await requireMachine(ctx, name, stateMachineArn);
    const options = { scope: `ListStateMachineAliases ${name}`, token: nextToken, limit: pageSize(maxResults) };
    const page = await tablePage(ctx, Aliases, [name], options);
    const wanted = page.rows.filter(
      ({ routes }) => qualifier === undefined || routes.some(({ version }) => String(version) === qualifier),
    );
    return {
      stateMachineAliases: wanted.map((row) => ({
        stateMachineAliasArn: `${machineArn(ctx, name)}:${row.name}`,
        creationDate: new Date(row.created),
      })),
      nextToken: page.nextToken,
    };
  },
};

export const versionChecks: AuthorisationsOf<SFN> = {
  PublishStateMachineVersion: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
  DeleteStateMachineVersion: ({ stateMachineVersionArn }, ctx) => onMachine(stateMachineVersionArn, ctx),
  ListStateMachineVersions: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
  CreateStateMachineAlias: ({ routingConfiguration }, ctx) => onMachine(routingConfiguration?.[0]?.stateMachineVersionArn, ctx),
  UpdateStateMachineAlias: ({ stateMachineAliasArn }, ctx) => onMachine(stateMachineAliasArn, ctx),
  DescribeStateMachineAlias: ({ stateMachineAliasArn }, ctx) => onMachine(stateMachineAliasArn, ctx),
  DeleteStateMachineAlias: ({ stateMachineAliasArn }, ctx) => onMachine(stateMachineAliasArn, ctx),
  ListStateMachineAliases: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
};
