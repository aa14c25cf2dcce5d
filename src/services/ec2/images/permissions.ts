/** What the owner of an image decides: who may launch it, until when it is offered, whether it may go. */
import type { EC2, ModifyImageAttributeRequest } from '@aws-sdk/client-ec2';
import type { Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { checkTagged } from '../tags.ts';
import { mappingsOf } from './describe.ts';
import { requireOwnImage, writeImage } from './own.ts';
import type { ImageRow } from './state.ts';

const accountForm = /^\d{12}$/;
/** "You can deprecate an AMI at most 10 years from now." */
const deprecationMillisMax = 10 * 366 * 24 * 3_600_000;

interface PermissionChange {
  add: { users: string[]; everyone: boolean };
  remove: { users: string[]; everyone: boolean };
}

/** Launch permissions in either of the two forms of the request. */
function permissionChange(input: ModifyImageAttributeRequest): PermissionChange | undefined {
  const { LaunchPermission: given, OperationType: kind, UserIds: users = [], UserGroups: groups = [] } = input;
  if (given === undefined && input.Attribute !== 'launchPermission') return undefined;
  for (const name of ['OrganizationArns', 'OrganizationalUnitArns'] as const)
    if ((input[name]?.length ?? 0) > 0) throw parameterNotImplemented('ModifyImageAttribute', name);
  const add = [...(given?.Add ?? [])];
  const remove = [...(given?.Remove ?? [])];
  if (given === undefined) {
    if (kind !== 'add' && kind !== 'remove') throw missingParameter('operationType');
    const list = kind === 'add' ? add : remove;
    list.push(...users.map((UserId) => ({ UserId })), ...groups.map((Group) => ({ Group: Group as 'all' })));
  }
  for (const one of [...add, ...remove]) {
    if (one.OrganizationArn !== undefined || one.OrganizationalUnitArn !== undefined)
      throw parameterNotImplemented('ModifyImageAttribute', 'LaunchPermission.OrganizationArn');
    if (one.Group !== undefined && one.Group !== 'all')
      throw invalidParameterValue(`Invalid user group: "${one.Group as string}"`);
    if (one.UserId !== undefined && !accountForm.test(one.UserId))
      throw new AwsError('InvalidAMIAttributeItemValue', `Invalid attribute item value "${one.UserId}" for userId item type.`);
  }
  const split = (list: typeof add) => ({
    users: list.flatMap(({ UserId }) => UserId ?? []),
    everyone: list.some(({ Group }) => Group === 'all'),
  });
  return { add: split(add), remove: split(remove) };
}

async function change(tx: Transaction, account: string, region: string, row: ImageRow): Promise<void> {
  await writeImage(tx, { account, region }, row);
}

export const imagePermissionHandlers: HandlersOf<EC2> = {
  /** Launch permissions, the description, or IMDSv2 as the default. Throws InvalidAMIAttributeItemValue. */
  async ModifyImageAttribute(input, ctx) {
    const named = input.Attribute;
    if (named !== undefined && !['launchPermission', 'description', 'imdsSupport'].includes(named))
      throw parameterNotImplemented('ModifyImageAttribute', `Attribute ${named}`);
    if ((input.ProductCodes?.length ?? 0) > 0) throw parameterNotImplemented('ModifyImageAttribute', 'ProductCodes');
    const permissions = permissionChange(input);
    const description = input.Description?.Value ?? (named === 'description' ? input.Value : undefined);
    const imds = input.ImdsSupport?.Value ?? (named === 'imdsSupport' ? input.Value : undefined);
    const given = [permissions, description, imds].filter((one) => one !== undefined).length;
    if (given === 0) throw missingParameter('attribute');
    if (given > 1) throw invalidParameterCombination('Fields for multiple attribute types specified');
    if (imds !== undefined && imds !== 'v2.0')
      throw invalidParameterValue(`Invalid value '${imds}' for imdsSupport. Valid values: v2.0`);
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      const users = new Set(row.users);
      for (const user of permissions?.add.users ?? []) users.add(user);
      for (const user of permissions?.remove.users ?? []) users.delete(user);
      await change(tx, ctx.account, ctx.region, {
        ...row,
        description: description ?? row.description,
        imdsV2: imds === 'v2.0' || row.imdsV2,
        users: [...users].sort(),
        public: permissions?.remove.everyone === true ? false : row.public || permissions?.add.everyone === true,
      });
    });
    return {};
  },

  /** Takes all launch permissions away. */
  async ResetImageAttribute(input, ctx) {
    if (input.Attribute !== 'launchPermission')
      throw invalidParameterValue(`Value (${input.Attribute ?? ''}) for parameter attribute is invalid. Unknown attribute.`);
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      await change(tx, ctx.account, ctx.region, { ...row, users: [], public: false });
    });
    return {};
  },

  /** The owner's view of one attribute. */
  async DescribeImageAttribute(input, ctx) {
    const row = await requireOwnImage(ctx, ctx, input.ImageId);
    const base = { ImageId: row.id };
    switch (input.Attribute) {
      case 'launchPermission':
        return {
          ...base,
          LaunchPermissions: [...(row.public ? [{ Group: 'all' as const }] : []), ...row.users.map((UserId) => ({ UserId }))],
        };
      case 'description':
        return { ...base, Description: { Value: row.description } };
      case 'imdsSupport':
        return { ...base, ImdsSupport: row.imdsV2 ? { Value: 'v2.0' } : undefined };
      case 'deregistrationProtection':
        return {
          ...base,
          DeregistrationProtection: { Value: row.deregistrationProtection ? 'enabled-without-cooldown' : 'disabled' },
        };
      case 'lastLaunchedTime':
        return {
          ...base,
          LastLaunchedTime: row.lastLaunched === undefined ? undefined : { Value: new Date(row.lastLaunched).toISOString() },
        };
      case 'productCodes':
        return { ...base, ProductCodes: [] };
      case 'sriovNetSupport':
        return { ...base, SriovNetSupport: { Value: 'simple' } };
      case 'blockDeviceMapping':
        return {
          ...base,
          BlockDeviceMappings: mappingsOf(row),
        };
      default:
        throw parameterNotImplemented('DescribeImageAttribute', `Attribute ${input.Attribute ?? ''}`);
    }
  },

  /** From then on others see it only when they ask for deprecated images; launches go on. */
  async EnableImageDeprecation(input, ctx) {
    if (input.DeprecateAt === undefined) throw missingParameter('deprecateAt');
    // Rounded to the minute, as AWS does.
    const at = Math.floor(input.DeprecateAt.getTime() / 60_000) * 60_000;
    if (Number.isNaN(at) || at <= ctx.now) throw invalidParameterValue('The deprecation date must be in the future.');
    if (at > ctx.now + deprecationMillisMax) throw invalidParameterValue('The deprecation date must be within 10 years.');
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      await change(tx, ctx.account, ctx.region, { ...row, deprecateAt: at });
    });
    return { Return: true };
  },

  async DisableImageDeprecation(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      await change(tx, ctx.account, ctx.region, { ...row, deprecateAt: undefined });
    });
    return { Return: true };
  },

  /** A disabled image is not launched, not shared and not listed, and can come back. */
  async DisableImage(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      if (row.state !== 'available') throw new AwsError('IncorrectState', `The image ${row.id} is ${row.state}.`);
      await change(tx, ctx.account, ctx.region, { ...row, state: 'disabled', public: false, users: [] });
    });
    return { Return: true };
  },

  async EnableImage(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      if (row.state === 'disabled') await change(tx, ctx.account, ctx.region, { ...row, state: 'available' });
    });
    return { Return: true };
  },

  async EnableImageDeregistrationProtection(input, ctx) {
    if (input.WithCooldown === true) throw parameterNotImplemented('EnableImageDeregistrationProtection', 'WithCooldown');
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      await change(tx, ctx.account, ctx.region, { ...row, deregistrationProtection: true });
    });
    return { Return: 'enabled-without-cooldown' };
  },

  async DisableImageDeregistrationProtection(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireOwnImage(tx, ctx, input.ImageId);
      await change(tx, ctx.account, ctx.region, { ...row, deregistrationProtection: false });
    });
    return { Return: 'disabled' };
  },
};

const onImage = (input: { ImageId?: string | undefined }, ctx: Parameters<typeof checkTagged>[1]) =>
  checkTagged([input.ImageId ?? ''], ctx);

export const imagePermissionAuthorisations: AuthorisationsOf<EC2> = {
  ModifyImageAttribute: onImage,
  ResetImageAttribute: onImage,
  DescribeImageAttribute: onImage,
  EnableImageDeprecation: onImage,
  DisableImageDeprecation: onImage,
  EnableImage: onImage,
  DisableImage: onImage,
  EnableImageDeregistrationProtection: onImage,
  DisableImageDeregistrationProtection: onImage,
};
