/** What the operations on parameters are authorised on: the parameters that they name, or the path ("Actions … for AWS Systems Manager"). */
import type { SSM } from '@aws-sdk/client-ssm';
import type { Context } from '../../../kernel/context.ts';
import type { Authorisation, AuthorisationsOf, Check } from '../../../kernel/service.ts';
import { parameterArn, readName } from './reading.ts';
import { splitSelector } from './rules.ts';
import { Parameters } from './state.ts';

/** The check on one parameter, named as requests name it. */
async function onName(ctx: Context, text: string | undefined, conditions: Check['conditions'] = {}): Promise<Check> {
  const { scope, name } = readName(ctx, splitSelector(text ?? '').name);
  const row = await ctx.tableIn(scope, Parameters).get(name);
  const tags = Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]);
  return {
    resource: /^\/?[^\s:]+$/.test(name) ? parameterArn(scope, name) : '*',
    resourceAccount: scope.account,
    conditions: { ...Object.fromEntries(tags), ...conditions },
  };
}

const named: Authorisation<{ Name?: string | undefined }> = async ({ Name }, ctx) => [await onName(ctx, Name)];
const listed: Authorisation<{ Names?: string[] | undefined }> = ({ Names = [] }, ctx) =>
  Promise.all(Names.map((name) => onName(ctx, name)));

export const parameterChecks: AuthorisationsOf<SSM> = {
  async PutParameter({ Name, Tags = [], Overwrite, Policies }, ctx) {
    const tags = Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value]));
    const keys = Tags.length === 0 ? {} : { ...tags, 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) };
    const put = await onName(ctx, Name, { 'ssm:Overwrite': String(Overwrite === true), 'ssm:Policies': Policies, ...keys });
    return Tags.length === 0 ? [put] : [put, { ...put, action: 'ssm:AddTagsToResource' }];
  },
  GetParameter: named,
  GetParameters: listed,
  GetParameterHistory: named,
  DeleteParameter: named,
  DeleteParameters: listed,
  LabelParameterVersion: named,
  UnlabelParameterVersion: named,
  async GetParametersByPath({ Path, Recursive }, ctx) {
    return [await onName(ctx, (Path ?? '').replace(/(.)\/$/, '$1'), { 'ssm:Recursive': String(Recursive === true) })];
  },
  async AddTagsToResource({ ResourceId, Tags = [] }, ctx) {
    const tags = Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value]));
    return [await onName(ctx, ResourceId, { ...tags, 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) })];
  },
  RemoveTagsFromResource: async ({ ResourceId, TagKeys }, ctx) => [await onName(ctx, ResourceId, { 'aws:TagKeys': TagKeys })],
  ListTagsForResource: async ({ ResourceId }, ctx) => [await onName(ctx, ResourceId)],
};
