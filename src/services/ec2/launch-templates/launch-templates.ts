/** Launch templates: create, describe, set the default version, delete ("Store instance launch parameters in Amazon EC2 launch templates"). */
import type { EC2, LaunchTemplate } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { checkTemplateData, plainData } from './data.ts';
import {
  checkTemplateId,
  idNotFound,
  latestVersion,
  nameNotFound,
  requireTemplate,
  requireVersion,
  type TemplateName,
} from './find.ts';
import { type LaunchTemplateRow, LaunchTemplates, LaunchTemplateVersions } from './state.ts';

/** Per Region ("Amazon EC2 launch templates", quotas). */
const templatesMax = 5000;
const nameForm = /^[a-zA-Z0-9().\-/_]{3,128}$/;

/** The identity that a row names as its maker. */
export function callerArn(ctx: Context): string {
  return ctx.caller.arn;
}

async function describeTemplate(ctx: Context, row: LaunchTemplateRow): Promise<LaunchTemplate> {
  return {
    LaunchTemplateId: row.id,
    LaunchTemplateName: row.name,
    CreateTime: new Date(row.created),
    CreatedBy: row.createdBy,
    DefaultVersionNumber: row.defaultVersion,
    LatestVersionNumber: (await latestVersion(ctx, row)).number,
    Tags: describeTags(row.tags),
  };
}

async function templatesOf(
  ctx: Context,
  ids: readonly string[] | undefined,
  names: readonly string[] | undefined,
): Promise<LaunchTemplateRow[]> {
  if ((ids?.length ?? 0) > 0 && (names?.length ?? 0) > 0)
    throw invalidParameterCombination('You can specify either launch template IDs or launch template names, but not both.');
  if (ids !== undefined && ids.length > 0) {
    return Promise.all(
      [...new Set(ids)].map(async (id) => {
        checkTemplateId(id);
        const row = await ctx.table(LaunchTemplates).get(id);
        if (row === undefined) throw idNotFound(id);
        return row;
      }),
    );
  }
  if (names !== undefined && names.length > 0) {
    return Promise.all(
      [...new Set(names)].map(async (name) => {
        const row = await ctx.table(LaunchTemplates).firstByIndex('byName', [name]);
        if (row === undefined) throw nameNotFound(name);
        return row;
      }),
    );
  }
  return ctx.table(LaunchTemplates).list();
}

export const launchTemplateHandlers: HandlersOf<EC2> = {
  /** Makes a template with version 1. Throws InvalidLaunchTemplateName.AlreadyExistsException, InvalidLaunchTemplateName.MalformedException. */
  async CreateLaunchTemplate(input, ctx) {
    if (input.Operator !== undefined) throw parameterNotImplemented('CreateLaunchTemplate', 'Operator');
    const name = input.LaunchTemplateName ?? '';
    if (!nameForm.test(name)) {
      throw new AwsError(
        'InvalidLaunchTemplateName.MalformedException',
        `A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.`,
      );
    }
    checkTemplateData(input.LaunchTemplateData, input.VersionDescription);
    const tags = tagsFor('launch-template', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const earlier =
        input.ClientToken === undefined
          ? undefined
          : await tx.table(LaunchTemplates).firstByIndex('byClientToken', [input.ClientToken]);
      if (earlier !== undefined) return earlier;
      if ((await tx.table(LaunchTemplates).firstByIndex('byName', [name])) !== undefined)
        throw new AwsError('InvalidLaunchTemplateName.AlreadyExistsException', 'Launch template name already in use.');
      if ((await tx.table(LaunchTemplates).count()) >= templatesMax)
        throw new AwsError(
          'LaunchTemplateLimitExceeded',
          `You have reached the maximum number of launch templates (${templatesMax}).`,
        );
      const made: LaunchTemplateRow = {
        id: ctx.id('launchTemplate'),
        name,
        created: ctx.now,
        createdBy: callerArn(ctx),
        defaultVersion: 1,
        latestNumber: 1,
        clientToken: input.ClientToken,
        tags,
      };
      await tx.table(LaunchTemplates).put(made);
      await tx.table(LaunchTemplateVersions).put({
        templateId: made.id,
        number: 1,
        description: input.VersionDescription,
        created: ctx.now,
        createdBy: made.createdBy,
        data: plainData(input.LaunchTemplateData),
      });
      return made;
    });
    return { LaunchTemplate: await describeTemplate(ctx, row) };
  },

  async DescribeLaunchTemplates(input, ctx) {
    const rows = await templatesOf(ctx, input.LaunchTemplateIds, input.LaunchTemplateNames);
    const passing = applyFilters(rows, input.Filters, {
      'create-time': (row) => new Date(row.created).toISOString(),
      'launch-template-name': (row) => row.name,
    });
    const named = [...(input.LaunchTemplateIds ?? []), ...(input.LaunchTemplateNames ?? [])];
    const found = page('DescribeLaunchTemplates', passing, (row) => row.id, input, { ids: named, least: 1 });
    return {
      LaunchTemplates: await Promise.all(found.rows.map((row) => describeTemplate(ctx, row))),
      NextToken: found.nextToken,
    };
  },

  /** Sets the default version, by number or `$Latest`. */
  async ModifyLaunchTemplate(input, ctx) {
    const wanted = input.DefaultVersion;
    if (wanted === undefined) throw missingParameter('SetDefaultVersion');
    const row = await ctx.transact(async (tx) => {
      const found = await requireTemplate(tx, input);
      const changed = { ...found, defaultVersion: (await requireVersion(tx, found, wanted)).number };
      await tx.table(LaunchTemplates).put(changed);
      return changed;
    });
    return { LaunchTemplate: await describeTemplate(ctx, row) };
  },

  /** Takes all versions along. */
  async DeleteLaunchTemplate(input, ctx) {
    const row = await requireTemplate(ctx, input);
    const shown = await describeTemplate(ctx, row);
    await ctx.transact(async (tx) => {
      for (const version of await tx.table(LaunchTemplateVersions).list({ prefix: [row.id] }))
        await tx.table(LaunchTemplateVersions).delete(row.id, version.number);
      await tx.table(LaunchTemplates).delete(row.id);
    });
    return { LaunchTemplate: shown };
  },
};

/** The template that a request names, with its tags as condition values; `launch-template/*` when there is none. */
export async function checkTemplate(named: TemplateName, ctx: Context): ReturnType<typeof checkTagged> {
  const row = await requireTemplate(ctx, named).catch(() => undefined);
  if (row === undefined) return [{ resource: ec2Arn(ctx, 'launch-template', named.LaunchTemplateId ?? '*') }];
  return checkTagged([row.id], ctx);
}

export const launchTemplateAuthorisations: AuthorisationsOf<EC2> = {
  CreateLaunchTemplate: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'launch-template', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  ModifyLaunchTemplate: checkTemplate,
  DeleteLaunchTemplate: checkTemplate,
};
