/** Writing parameters: new ones, new versions, labels, deletion. Source: Systems Manager API Reference, PutParameter, LabelParameterVersion. */
import type { PutParameterRequest, SSM } from '@aws-sdk/client-ssm';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { alreadyExists, notFound, validation, versionNotFound } from './errors.ts';
import { emitChange, schedulePolicies, unschedulePolicies } from './policies.ts';
import { parameterArn } from './reading.ts';
import { checkName, checkPattern, checkRoom, checkTier, isLabel, limits, readPolicies, readTags, tierFor } from './rules.ts';
import { Parameters, type StoredValue, type VersionRow, Versions } from './state.ts';
import { defaultKeyId, sealValue } from './values.ts';

const typeChange =
  "Parameter Store does not support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.";
const tagsWithOverwrite =
  "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.";

function checkMembers(input: PutParameterRequest): void {
  new RequestCheck()
    .length('description', input.Description, 0, 1024)
    .oneOf('type', input.Type, ['SecureString', 'StringList', 'String'])
    .length('keyId', input.KeyId, 1, 256)
    .length('allowedPattern', input.AllowedPattern, 0, 1024)
    .oneOf('tier', input.Tier, ['Standard', 'Advanced', 'Intelligent-Tiering'])
    .length('policies', input.Policies, 1, 4096)
    .done();
  if (input.Value === '')
    throw validation(
      "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1",
    );
  if (input.KeyId !== undefined && input.Type !== undefined && input.Type !== 'SecureString')
    throw validation('KeyId is required for SecureString type parameter only.');
  if (input.DataType !== undefined && !['text', 'aws:ec2:image', 'aws:ssm:integration'].includes(input.DataType))
    throw validation('The following data type is not supported: aws:ec2:image, text and aws:ssm:integration are.');
}

/** An image id must be one, and the caller must be able to see the image. Throws ValidationException. */
async function checkImage(ctx: Context, id: string): Promise<void> {
  const wrong = validation(`The parameter value ${id} does not match the data type aws:ec2:image.`);
  if (!/^ami-[0-9a-f]{8}([0-9a-f]{9})?$/.test(id)) throw wrong;
  try {
    await ctx.call('ec2').describeImages({ ImageIds: [id] });
  } catch (error) {
    throw error instanceof AwsError && error.status < 500 && /^InvalidAMIID/.test(error.code) ? wrong : error;
  }
}

async function requireRoom(tx: Transaction, tier: string): Promise<void> {
  const most = tier === 'Standard' ? limits.standardMax : limits.advancedMax;
  if ((await tx.table(Parameters).count()) >= most)
    throw new AwsError(
      'ParameterLimitExceeded',
      'You have exceeded the number of parameters for this Amazon Web Services account.',
    );
}

/** Writes a version and lets the oldest go when there are a hundred. */
async function putVersion(ctx: Context, tx: Transaction, made: VersionRow): Promise<void> {
  const name = made.parameter;
  const oldest = await tx.table(Versions).list({ prefix: [name], limit: 1 });
  if (made.version - (oldest[0]?.version ?? made.version) >= limits.versionsMax) {
    checkRoom(name, oldest[0]);
    await tx.table(Versions).delete(name, oldest[0]?.version ?? 0);
  }
  await tx.table(Versions).put(made);
  await schedulePolicies(tx, made);
  await emitChange(ctx, tx, made, made.version === 1 ? 'Create' : 'Update');
}

/** Removes a parameter with its history. Returns false when there is none. */
export async function removeParameter(ctx: Context, tx: Transaction, name: string): Promise<boolean> {
  const row = await tx.table(Parameters).get(name);
  if (row === undefined) return false;
  const versions = await tx.table(Versions).list({ prefix: [name] });
  const current = versions.at(-1);
  for (const { version } of versions) await tx.table(Versions).delete(name, version);
  await tx.table(Parameters).delete(name);
  if (current !== undefined) {
    await unschedulePolicies(tx, current);
    await emitChange(ctx, tx, current, 'Delete');
  }
  return true;
}

async function requireVersion(tx: Transaction, name: string, number: number | undefined): Promise<VersionRow> {
  const row = await tx.table(Parameters).get(name);
  if (row === undefined) throw notFound();
  const version = await tx.table(Versions).get(name, number ?? row.version);
  if (version === undefined) throw versionNotFound(name, String(number));
  return version;
}

export const writingHandlers: HandlersOf<SSM> = {
  /** Throws ParameterAlreadyExists, ValidationException, HierarchyTypeMismatchException, ParameterPatternMismatchException, InvalidKeyId, … */
  async PutParameter(input, ctx) {
    const { Name: name = '', Value: value = '', Overwrite: overwrite = false } = input;
    checkMembers(input);
    checkName(name);
    if (overwrite && input.Tags !== undefined) throw validation(tagsWithOverwrite);
    const found = await ctx.table(Parameters).get(name);
    if (found !== undefined && !overwrite) throw alreadyExists();
    const before = found && (await ctx.table(Versions).get(name, found.version));
    const type = input.Type ?? before?.type;
    if (type === undefined) throw validation('A parameter type is required when you create a parameter.');
    if (before !== undefined && before.type !== type) throw new AwsError('HierarchyTypeMismatchException', typeChange);
    const policies = input.Policies === undefined ? (before?.policies ?? []) : readPolicies(input.Policies, ctx.now);
    const tier = tierFor(input.Tier, value, policies.length > 0, before?.tier);
    checkTier(tier, value, policies.length > 0);
    const allowedPattern = input.AllowedPattern ?? before?.allowedPattern;
    checkPattern(allowedPattern, value);
    const dataType = input.DataType ?? before?.dataType ?? 'text';
    if (dataType === 'aws:ec2:image') await checkImage(ctx, value);
    const keyId = type === 'SecureString' ? (input.KeyId ?? before?.keyId ?? defaultKeyId) : undefined;
    const stored: StoredValue =
      keyId === undefined ? { plain: value } : await sealValue(ctx, parameterArn(ctx, name), keyId, tier, value);
    const made: Omit<VersionRow, 'version'> = {
      parameter: name,
      type,
      value: stored,
      keyId,
      tier,
      dataType,
      description: input.Description ?? before?.description,
      allowedPattern,
      policies,
      modified: ctx.now,
      user: ctx.caller.arn,
      labels: [],
    };
    const tags = readTags(input.Tags);
    const version = await ctx.transact(async (tx) => {
      const now = await tx.table(Parameters).get(name);
      if (now !== undefined && !overwrite) throw alreadyExists();
      if (now === undefined) await requireRoom(tx, tier);
      const number = (now?.version ?? 0) + 1;
      await putVersion(ctx, tx, { ...made, version: number });
      await tx.table(Parameters).put({ name, version: number, tags: now?.tags ?? tags });
      return number;
    });
    return { Version: version, Tier: tier };
  },

  async DeleteParameter(input, ctx) {
    const { Name: name = '' } = input;
    await ctx.transact(async (tx) => {
      if (!(await removeParameter(ctx, tx, name))) throw notFound();
    });
    return {};
  },

  async DeleteParameters(input, ctx) {
    new RequestCheck().count('names', input.Names, 1, 10).done();
    const names = [...new Set(input.Names)];
    return ctx.transact(async (tx) => {
      const deleted: string[] = [];
      for (const name of names) if (await removeParameter(ctx, tx, name)) deleted.push(name);
      return { DeletedParameters: deleted, InvalidParameters: names.filter((name) => !deleted.includes(name)) };
    });
  },

  /** Labels move from the version that has them. Those that may not be given are returned. */
  async LabelParameterVersion(input, ctx) {
    const { Name: name = '', Labels: labels = [] } = input;
    new RequestCheck().count('labels', labels, 1, limits.labelsMax).done();
    const good = labels.filter(isLabel);
    return ctx.transact(async (tx) => {
      const target = await requireVersion(tx, name, input.ParameterVersion);
      const all = [...new Set([...target.labels, ...good])];
      if (all.length > limits.labelsMax)
        throw new AwsError(
          'ParameterVersionLabelLimitExceeded',
          `An error occurred (ParameterVersionLabelLimitExceeded) when calling the LabelParameterVersion operation: A parameter version can have maximum ${limits.labelsMax} labels.Move one or more labels to another version and try again.`,
        );
      for (const version of await tx.table(Versions).list({ prefix: [name] })) {
        if (version.version === target.version || !version.labels.some((label) => good.includes(label))) continue;
        await tx.table(Versions).put({ ...version, labels: version.labels.filter((label) => !good.includes(label)) });
      }
      await tx.table(Versions).put({ ...target, labels: all });
      return { InvalidLabels: labels.filter((label) => !isLabel(label)), ParameterVersion: target.version };
    });
  },

  async UnlabelParameterVersion(input, ctx) {
    const { Name: name = '', Labels: labels = [] } = input;
    new RequestCheck().count('labels', labels, 1, limits.labelsMax).done();
    return ctx.transact(async (tx) => {
      const target = await requireVersion(tx, name, input.ParameterVersion);
      const removed = labels.filter((label) => target.labels.includes(label));
      await tx.table(Versions).put({ ...target, labels: target.labels.filter((label) => !removed.includes(label)) });
      return { RemovedLabels: removed, InvalidLabels: labels.filter((label) => !removed.includes(label)) };
    });
  },
};
