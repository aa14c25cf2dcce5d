/** Parameter groups: how long nodes hold items and answers to queries ("Configuring TTL settings", DynamoDB Developer Guide). */
import type { DAX, Parameter } from '@aws-sdk/client-dax';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidCombination, invalidValue, parameterGroupNotFound } from './errors.ts';
import { note } from './events.ts';
import { named, pageFor } from './paging.ts';
import { Clusters, type ParameterGroupRow, ParameterGroups } from './state.ts';

/** "Quotas": parameter groups in a Region. */
const groupsMax = 20;
/** The group of a cluster that names none. */
export const defaultGroup = 'default.dax1.0';

const parameters: Readonly<Record<string, { description: string }>> = {
  'query-ttl-millis': { description: 'Duration in milliseconds for queries to remain cached' },
  'record-ttl-millis': { description: 'Duration in milliseconds for records to remain valid in cache (Default: 0 = infinite)' },
};
/** Five minutes. */
const defaultMillis = '300000';

const builtIn: ParameterGroupRow = { name: defaultGroup, description: `Default parameter group for dax1.0`, values: {} };

/** Throws ParameterGroupNotFoundFault. The default one is always there. */
export async function requireParameterGroup(reader: Pick<Context, 'table'>, name: string): Promise<ParameterGroupRow> {
  if (name === defaultGroup) return builtIn;
  const row = await reader.table(ParameterGroups).get(name);
  if (row === undefined) throw parameterGroupNotFound(name);
  return row;
}

/** What nodes take from a group when they start. */
export function settingsOf({ name, values }: ParameterGroupRow): {
  parameterGroup: string;
  itemMillis: number;
  queryMillis: number;
} {
  const value = (parameter: string): number => Number(values[parameter] ?? defaultMillis);
  return { parameterGroup: name, itemMillis: value('record-ttl-millis'), queryMillis: value('query-ttl-millis') };
}

const describe = ({ name, description }: ParameterGroupRow) => ({ ParameterGroupName: name, Description: description });

function describeParameters(values: ParameterGroupRow['values']): Parameter[] {
  return Object.entries(parameters).map(([name, { description }]) => ({
    ParameterName: name,
    ParameterType: 'DEFAULT',
    ParameterValue: values[name] ?? defaultMillis,
    NodeTypeSpecificValues: [],
    Description: description,
    Source: values[name] === undefined ? 'system' : 'user',
    DataType: 'integer',
    AllowedValues: '0-',
    IsModifiable: 'TRUE',
    ChangeType: 'IMMEDIATE',
  }));
}

function checkName(name: string): string {
  if (!/^[A-Za-z](?!.*--)[A-Za-z0-9-]{0,254}(?<!-)$/.test(name))
    throw invalidValue(`The parameter group name ${name} is not valid.`);
  return name.toLowerCase();
}

async function all(ctx: Context): Promise<readonly ParameterGroupRow[]> {
  return [builtIn, ...(await ctx.table(ParameterGroups).list())];
}

export const parameterHandlers: HandlersOf<DAX> = {
  async CreateParameterGroup({ ParameterGroupName = '', Description }, ctx) {
    const name = checkName(ParameterGroupName);
    return ctx.transact(async (tx) => {
      const rows = await tx.table(ParameterGroups).list();
      if (name === defaultGroup || rows.some((row) => row.name === name))
        throw new AwsError('ParameterGroupAlreadyExistsFault', `Parameter group ${name} already exists.`);
      if (rows.length >= groupsMax)
        throw new AwsError('ParameterGroupQuotaExceededFault', `You have reached the quota of ${groupsMax} parameter groups.`);
      const row = { name, description: Description, values: {} };
      await tx.table(ParameterGroups).put(row);
      await note(tx, ctx, { source: name, type: 'PARAMETER_GROUP', message: 'Parameter group created.' });
      return { ParameterGroup: describe(row) };
    });
  },

  async DescribeParameterGroups(input, ctx) {
    const rows = named(await all(ctx), input.ParameterGroupNames, parameterGroupNotFound);
    const page = pageFor('DescribeParameterGroups', rows, (row) => [row.name], input);
    return { ParameterGroups: page.items.map(describe), NextToken: page.NextToken };
  },

  async DescribeParameters(input, ctx) {
    const { values } = await requireParameterGroup(ctx, input.ParameterGroupName ?? '');
    const shown = describeParameters(values).filter(({ Source }) => input.Source === undefined || Source === input.Source);
    const page = pageFor('DescribeParameters', shown, ({ ParameterName = '' }) => [ParameterName], input);
    return { Parameters: page.items, NextToken: page.NextToken };
  },

  DescribeDefaultParameters(input) {
    const page = pageFor('DescribeDefaultParameters', describeParameters({}), ({ ParameterName = '' }) => [ParameterName], input);
    return { Parameters: page.items, NextToken: page.NextToken };
  },

  /** Refused while a cluster uses the group ("Modifying a parameter group"). */
  async UpdateParameterGroup({ ParameterGroupName: name = '', ParameterNameValues = [] }, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireParameterGroup(tx, name);
      if (name === defaultGroup)
        throw new AwsError('InvalidParameterGroupStateFault', 'The default parameter group cannot be changed.');
      if (ParameterNameValues.length === 0) throw invalidCombination('At least one parameter must be given.');
      const values: Record<string, string> = { ...row.values };
      for (const { ParameterName = '', ParameterValue = '' } of ParameterNameValues) {
        if (parameters[ParameterName] === undefined) throw invalidValue(`The parameter ${ParameterName} does not exist.`);
        if (!/^\d{1,15}$/.test(ParameterValue))
          throw invalidValue(`The value ${ParameterValue} is not valid for the parameter ${ParameterName}.`);
        values[ParameterName] = ParameterValue;
      }
      if ((await tx.table(Clusters).list()).some(({ parameterGroup }) => parameterGroup === name))
        throw new AwsError('InvalidParameterGroupStateFault', `The parameter group ${name} is in use by a cluster.`);
      await tx.table(ParameterGroups).put({ ...row, values });
      await note(tx, ctx, { source: name, type: 'PARAMETER_GROUP', message: 'Parameter group updated.' });
      return { ParameterGroup: describe(row) };
    });
  },

  async DeleteParameterGroup({ ParameterGroupName: name = '' }, ctx) {
    return ctx.transact(async (tx) => {
      await requireParameterGroup(tx, name);
      const used = (await tx.table(Clusters).list()).some(({ parameterGroup }) => parameterGroup === name);
      if (name === defaultGroup || used)
        throw new AwsError('InvalidParameterGroupStateFault', `The parameter group ${name} is in use, or the default one.`);
      await tx.table(ParameterGroups).delete(name);
      return { DeletionMessage: `Parameter group "${name}" has been deleted.` };
    });
  },
};
