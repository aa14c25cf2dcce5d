/** Which trail each operation is authorised on: "Actions, resources, and condition keys for AWS CloudTrail". */
import type { CloudTrail } from '@aws-sdk/client-cloudtrail';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { trailArn } from './names.ts';
import { Trails } from './state.ts';

type Tags = readonly { Key?: string | undefined; Value?: string | undefined }[];

async function onTrail(ctx: Context, text = '', tags: Tags = []): Promise<Check[]> {
  const resource = text.startsWith('arn:') ? text : trailArn(ctx, text);
  const row = await ctx
    .inScope({ region: resource.split(':')[3] ?? ctx.region })
    .table(Trails)
    .get(resource.split('/').at(-1) ?? '');
  const conditions = {
    ...Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
    ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
    'aws:TagKeys': tags.length === 0 ? undefined : tags.map(({ Key = '' }) => Key),
  };
  return [{ resource, conditions }];
}

const byName = (input: { Name?: string | undefined }, ctx: Context) => onTrail(ctx, input.Name);

export const authorisations: AuthorisationsOf<CloudTrail> = {
  CreateTrail: (input, ctx) => onTrail(ctx, input.Name, input.TagsList),
  UpdateTrail: byName,
  DeleteTrail: byName,
  StartLogging: byName,
  StopLogging: byName,
  GetTrail: byName,
  GetTrailStatus: byName,
  PutEventSelectors: (input, ctx) => onTrail(ctx, input.TrailName),
  GetEventSelectors: (input, ctx) => onTrail(ctx, input.TrailName),
  AddTags: (input, ctx) => onTrail(ctx, input.ResourceId, input.TagsList),
  RemoveTags: (input, ctx) => onTrail(ctx, input.ResourceId, input.TagsList),
  ListTags: async (input, ctx) => (await Promise.all((input.ResourceIdList ?? []).map((id) => onTrail(ctx, id)))).flat(),
};
