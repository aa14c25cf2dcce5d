/** Versions of launch templates: made on the base of another, listed, deleted; and the template that an instance would come from. */
import type {
  DeleteLaunchTemplateVersionsResponseErrorItem,
  EC2,
  LaunchTemplateErrorCode,
  LaunchTemplateVersion,
} from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { page } from '../paging.ts';
import { checkTagged } from '../tags.ts';
import { checkTemplateData, inherit, plainData, shownData } from './data.ts';
import { requireTemplate, requireVersion } from './find.ts';
import { templateDataOf } from './from-instance.ts';
import { callerArn, checkTemplate } from './launch-templates.ts';
import { type LaunchTemplateRow, LaunchTemplates, type LaunchTemplateVersionRow, LaunchTemplateVersions } from './state.ts';

/** Of one template ("Amazon EC2 launch templates", quotas). */
const versionsMax = 10_000;
/** Versions that one call names at most ("DeleteLaunchTemplateVersions": up to 200). */
const deletedAtOnceMax = 200;

function describeVersion(template: LaunchTemplateRow, row: LaunchTemplateVersionRow): LaunchTemplateVersion {
  return {
    LaunchTemplateId: template.id,
    LaunchTemplateName: template.name,
    VersionNumber: row.number,
    VersionDescription: row.description,
    CreateTime: new Date(row.created),
    CreatedBy: row.createdBy,
    DefaultVersion: row.number === template.defaultVersion,
    LaunchTemplateData: shownData(row.data),
  };
}

interface ListedVersion extends LaunchTemplateVersionRow {
  template: LaunchTemplateRow;
  shown: LaunchTemplateVersion;
  tags: Record<string, string>;
}

const listed = (template: LaunchTemplateRow, row: LaunchTemplateVersionRow): ListedVersion => ({
  ...row,
  template,
  shown: describeVersion(template, row),
  tags: {},
});

/** Versions of one template, newest first, as asked for by numbers or bounds. */
async function versionsOf(
  ctx: Context,
  template: LaunchTemplateRow,
  input: { Versions?: string[] | undefined; MinVersion?: string | undefined; MaxVersion?: string | undefined },
): Promise<ListedVersion[]> {
  if (input.Versions !== undefined && input.Versions.length > 0) {
    const rows = await Promise.all(input.Versions.map((version) => requireVersion(ctx, template, version)));
    return [...new Map(rows.map((row) => [row.number, row])).values()].map((row) => listed(template, row));
  }
  const bound = (text: string | undefined, otherwise: number): number => {
    if (text === undefined) return otherwise;
    const number = Number(text);
    if (!Number.isSafeInteger(number) || number < 1) throw invalidParameterValue(`The version '${text}' is not a number.`);
    return number;
  };
  const least = bound(input.MinVersion, 1);
  const most = bound(input.MaxVersion, Number.MAX_SAFE_INTEGER);
  const rows = await ctx.table(LaunchTemplateVersions).list({ prefix: [template.id], reverse: true });
  return rows.filter(({ number }) => number >= least && number <= most).map((row) => listed(template, row));
}

/** `$Latest` and `$Default` of every template of the account. */
async function versionsOfAll(ctx: Context, wanted: readonly string[]): Promise<ListedVersion[]> {
  const other = wanted.find((version) => version !== '$Latest' && version !== '$Default');
  if (wanted.length === 0 || other !== undefined) throw missingParameter('LaunchTemplateId or LaunchTemplateName');
  const found: ListedVersion[] = [];
  for (const template of await ctx.table(LaunchTemplates).list())
    found.push(...(await versionsOf(ctx, template, { Versions: [...wanted] })));
  return found;
}

const errorCodes: Readonly<Record<string, LaunchTemplateErrorCode>> = {
  'InvalidLaunchTemplateId.VersionNotFound': 'launchTemplateVersionDoesNotExist',
};

async function deleteVersion(tx: Transaction, template: LaunchTemplateRow, version: string): Promise<LaunchTemplateVersionRow> {
  const row = await requireVersion(tx, template, version);
  if (row.number === template.defaultVersion)
    throw new AwsError('unexpectedError', `The default version (${row.number}) of a launch template cannot be deleted.`);
  await tx.table(LaunchTemplateVersions).delete(template.id, row.number);
  return row;
}

export const launchTemplateVersionHandlers: HandlersOf<EC2> = {
  /** On the base of SourceVersion when it is given, else from nothing. */
  async CreateLaunchTemplateVersion(input, ctx) {
    if (input.ResolveAlias === true) throw parameterNotImplemented('CreateLaunchTemplateVersion', 'ResolveAlias');
    if (input.SourceVersion === undefined) checkTemplateData(input.LaunchTemplateData, input.VersionDescription);
    else if (Object.keys(plainData(input.LaunchTemplateData) as object).length > 0)
      checkTemplateData(input.LaunchTemplateData, input.VersionDescription);
    const { template, made } = await ctx.transact(async (tx) => {
      const found = await requireTemplate(tx, input);
      const before = await tx.table(LaunchTemplateVersions).list({ prefix: [found.id] });
      const repeated = before.find((row) => input.ClientToken !== undefined && row.clientToken === input.ClientToken);
      if (repeated !== undefined) return { template: found, made: repeated };
      if (before.length >= versionsMax)
        throw new AwsError('VersionLimitExceeded', `You have reached the maximum number of versions (${versionsMax}).`);
      const source = input.SourceVersion === undefined ? undefined : await requireVersion(tx, found, input.SourceVersion);
      const row: LaunchTemplateVersionRow = {
        templateId: found.id,
        number: found.latestNumber + 1,
        description: input.VersionDescription,
        created: ctx.now,
        createdBy: callerArn(ctx),
        clientToken: input.ClientToken,
        data: source === undefined ? plainData(input.LaunchTemplateData) : inherit(source.data, input.LaunchTemplateData),
      };
      await tx.table(LaunchTemplateVersions).put(row);
      await tx.table(LaunchTemplates).put({ ...found, latestNumber: row.number });
      return { template: found, made: row };
    });
    return { LaunchTemplateVersion: describeVersion(template, made) };
  },

  async DescribeLaunchTemplateVersions(input, ctx) {
    if (input.ResolveAlias === true) throw parameterNotImplemented('DescribeLaunchTemplateVersions', 'ResolveAlias');
    const bounded = input.MinVersion !== undefined || input.MaxVersion !== undefined;
    if (bounded && (input.Versions?.length ?? 0) > 0)
      throw invalidParameterCombination('You cannot specify versions together with a minimum or maximum version.');
    const named = input.LaunchTemplateId !== undefined || input.LaunchTemplateName !== undefined;
    const rows = named
      ? await versionsOf(ctx, await requireTemplate(ctx, input), input)
      : await versionsOfAll(ctx, input.Versions ?? []);
    const passing = applyFilters(rows, input.Filters, {
      'create-time': (row) => new Date(row.created).toISOString(),
      'ebs-optimized': (row) => row.shown.LaunchTemplateData?.EbsOptimized,
      'iam-instance-profile': (row) => row.shown.LaunchTemplateData?.IamInstanceProfile?.Arn,
      'image-id': (row) => row.shown.LaunchTemplateData?.ImageId,
      'instance-type': (row) => row.shown.LaunchTemplateData?.InstanceType,
      'is-default-version': (row) => row.shown.DefaultVersion,
      'kernel-id': (row) => row.shown.LaunchTemplateData?.KernelId,
      'ram-disk-id': (row) => row.shown.LaunchTemplateData?.RamDiskId,
      'http-tokens': (row) => row.shown.LaunchTemplateData?.MetadataOptions?.HttpTokens,
      'http-endpoint': (row) => row.shown.LaunchTemplateData?.MetadataOptions?.HttpEndpoint,
      'network-card-index': (row) =>
        row.shown.LaunchTemplateData?.NetworkInterfaces?.map((card) => String(card.NetworkCardIndex ?? 0)),
    });
    // Newest first: paging wants an order that rises.
    const place = (row: ListedVersion) => `${row.templateId} ${String(Number.MAX_SAFE_INTEGER - row.number).padStart(16, '0')}`;
    const sorted = [...passing].sort((a, b) => (place(a) < place(b) ? -1 : 1));
    const found = page('DescribeLaunchTemplateVersions', sorted, place, input, { least: 1 });
    return { LaunchTemplateVersions: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  /** Each version by itself: what cannot be deleted is listed with its reason, as the default version. */
  async DeleteLaunchTemplateVersions(input, ctx) {
    const wanted = input.Versions ?? [];
    if (wanted.length === 0) throw missingParameter('LaunchTemplateVersion');
    if (wanted.length > deletedAtOnceMax)
      throw invalidParameterValue(`You can delete up to ${deletedAtOnceMax} launch template versions in a single request.`);
    const done: LaunchTemplateVersionRow[] = [];
    const failed: DeleteLaunchTemplateVersionsResponseErrorItem[] = [];
    const template = await ctx.transact(async (tx) => {
      done.length = 0;
      failed.length = 0;
      const found = await requireTemplate(tx, input);
      for (const version of wanted) {
        try {
          done.push(await deleteVersion(tx, found, version));
        } catch (error) {
          if (!(error instanceof AwsError)) throw error;
          failed.push({
            LaunchTemplateId: found.id,
            LaunchTemplateName: found.name,
            VersionNumber: Number.isSafeInteger(Number(version)) ? Number(version) : found.defaultVersion,
            ResponseError: { Code: errorCodes[error.code] ?? 'unexpectedError', Message: error.message },
          });
        }
      }
      return found;
    });
    return {
      SuccessfullyDeletedLaunchTemplateVersions: done.map((row) => ({
        LaunchTemplateId: template.id,
        LaunchTemplateName: template.name,
        VersionNumber: row.number,
      })),
      UnsuccessfullyDeletedLaunchTemplateVersions: failed,
    };
  },

  /** What an instance was launched with, in the form of a template. */
  async GetLaunchTemplateData(input, ctx) {
    return { LaunchTemplateData: await templateDataOf(ctx, input.InstanceId) };
  },
};

export const launchTemplateVersionAuthorisations: AuthorisationsOf<EC2> = {
  CreateLaunchTemplateVersion: checkTemplate,
  DeleteLaunchTemplateVersions: checkTemplate,
  GetLaunchTemplateData: (input, ctx) => checkTagged([input.InstanceId ?? ''], ctx),
};
