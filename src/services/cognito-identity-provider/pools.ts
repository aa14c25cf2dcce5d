/** User pools. Source: API Reference, CreateUserPool and its kin; Developer Guide, "User pool feature plans and settings". */
import type {
  CognitoIdentityProvider,
  CreateUserPoolRequest,
  PasswordPolicyType,
  SchemaAttributeType,
  UpdateUserPoolRequest,
  UserPoolType,
} from '@aws-sdk/client-cognito-identity-provider';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter } from './errors.ts';
import { newSigningKey } from './keys.ts';
import { pageFor, poolArn, requirePool } from './lookup.ts';
import { standardAttributes } from './rules.ts';
import {
  Clients,
  Groups,
  Memberships,
  type MessageTemplate,
  Places,
  type PoolRow,
  Pools,
  Sessions,
  type TagMap,
  Users,
} from './state.ts';

/** "You can set up to 50 custom attributes." */
const customMax = 50;
const passwordLengthMin = 6;
const passwordLengthMax = 99;

const verificationDefault: MessageTemplate = {
  subject: 'Your verification code',
  body: 'Your confirmation code is {####}',
};
const invitationDefault: MessageTemplate = {
  subject: 'Your temporary password',
  body: 'Your username is {username} and temporary password is {####}.',
};

type Settings = Partial<CreateUserPoolRequest & UpdateUserPoolRequest>;

/** Settings that would have to be ignored. */
function refuseWhatIsNot(operation: string, input: Settings): void {
  const { LambdaConfig, AdminCreateUserConfig, VerificationMessageTemplate, AccountRecoverySetting } = input;
  const refused: Readonly<Record<string, boolean>> = {
    'LambdaConfig (triggers)': Object.values(LambdaConfig ?? {}).some((value) => value !== undefined),
    'MfaConfiguration other than OFF': (input.MfaConfiguration ?? 'OFF') !== 'OFF',
    DeviceConfiguration: input.DeviceConfiguration !== undefined,
    'EmailConfiguration other than COGNITO_DEFAULT': Object.entries(input.EmailConfiguration ?? {}).some(
      ([name, value]) => value !== undefined && !(name === 'EmailSendingAccount' && value === 'COGNITO_DEFAULT'),
    ),
    SmsConfiguration: input.SmsConfiguration !== undefined,
    SmsVerificationMessage: input.SmsVerificationMessage !== undefined,
    'VerificationMessageTemplate.SmsMessage': VerificationMessageTemplate?.SmsMessage !== undefined,
    'VerificationMessageTemplate.EmailMessageByLink': VerificationMessageTemplate?.EmailMessageByLink !== undefined,
    'VerificationMessageTemplate.EmailSubjectByLink': VerificationMessageTemplate?.EmailSubjectByLink !== undefined,
    SmsAuthenticationMessage: input.SmsAuthenticationMessage !== undefined,
    UserAttributeUpdateSettings: (input.UserAttributeUpdateSettings?.AttributesRequireVerificationBeforeUpdate ?? []).length > 0,
    'UserPoolAddOns other than OFF': (input.UserPoolAddOns?.AdvancedSecurityMode ?? 'OFF') !== 'OFF',
    'UserPoolTier other than ESSENTIALS': (input.UserPoolTier ?? 'ESSENTIALS') !== 'ESSENTIALS',
    'AdminCreateUserConfig.InviteMessageTemplate.SMSMessage':
      AdminCreateUserConfig?.InviteMessageTemplate?.SMSMessage !== undefined,
    'VerificationMessageTemplate with a link': VerificationMessageTemplate?.DefaultEmailOption === 'CONFIRM_WITH_LINK',
    'AccountRecoverySetting admin_only': (AccountRecoverySetting?.RecoveryMechanisms ?? []).some(
      ({ Name }) => Name === 'admin_only',
    ),
    'Policies.PasswordPolicy.PasswordHistorySize': (input.Policies?.PasswordPolicy?.PasswordHistorySize ?? 0) > 0,
    'Policies.SignInPolicy': (input.Policies?.SignInPolicy?.AllowedFirstAuthFactors ?? ['PASSWORD']).some(
      (factor) => factor !== 'PASSWORD',
    ),
  };
  for (const [name, is] of Object.entries(refused)) if (is) throw parameterNotImplemented(operation, name);
}

function passwordsOf(policy: PasswordPolicyType = {}): PoolRow['passwords'] {
  const { MinimumLength = 8, TemporaryPasswordValidityDays = 7 } = policy;
  if (MinimumLength < passwordLengthMin || MinimumLength > passwordLengthMax)
    throw invalidParameter(
      `1 validation error detected: Value '${MinimumLength}' at 'policies.passwordPolicy.minimumLength' failed to satisfy constraint: Member must have value ${MinimumLength < passwordLengthMin ? `greater than or equal to ${passwordLengthMin}` : `less than or equal to ${passwordLengthMax}`}`,
    );
  const isGiven = Object.keys(policy).length > 0;
  const rule = (value: boolean | undefined): boolean => value ?? !isGiven;
  return {
    MinimumLength,
    RequireUppercase: rule(policy.RequireUppercase),
    RequireLowercase: rule(policy.RequireLowercase),
    RequireNumbers: rule(policy.RequireNumbers),
    RequireSymbols: rule(policy.RequireSymbols),
    TemporaryPasswordValidityDays,
  };
}

function schemaOf(schema: CreateUserPoolRequest['Schema'] = []): Pick<PoolRow, 'custom' | 'required'> {
  const standard = new Set(standardAttributes.map(({ Name }) => Name));
  const custom = schema.filter(({ Name }) => !standard.has(Name));
  for (const { Name = '', Required } of custom)
    if (Required === true) throw invalidParameter(`Required custom attributes are not supported currently: ${Name}`);
  for (const given of schema) refuseOtherThanStandard(given);
  if (custom.length > customMax) throw invalidParameter(`Exceeded the maximum number of custom attributes ${customMax}.`);
  return {
    custom: custom.map((attribute) => ({
      Mutable: true,
      Required: false,
      DeveloperOnlyAttribute: false,
      AttributeDataType: 'String',
      ...(attribute.AttributeDataType === 'String' || attribute.AttributeDataType === undefined
        ? { StringAttributeConstraints: {} }
        : {}),
      ...attribute,
      Name: `${attribute.DeveloperOnlyAttribute === true ? 'dev' : 'custom'}:${attribute.Name ?? ''}`,
    })),
    required: schema
      .filter(({ Name, Required }) => Required === true && Name !== 'sub' && standard.has(Name))
      .map(({ Name = '' }) => Name),
  };
}

/** Standard attributes may be made required here; their other properties are as they are. */
function refuseOtherThanStandard({ Required: _required, ...given }: SchemaAttributeType): void {
  const { Required: _own, ...own } = standardAttributes.find(({ Name }) => Name === given.Name) ?? {};
  if (own.Name === undefined) return;
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && JSON.stringify(value) !== JSON.stringify(own[name as keyof typeof own]) && !isEmpty(value))
      throw parameterNotImplemented('CreateUserPool', `Schema.${name} of ${own.Name}`);
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** Where codes for a forgotten password go, by priority; unless told "SMS preferred, else email". */
function recoveryOf(setting: Settings['AccountRecoverySetting']): PoolRow['recovery'] {
  const mechanisms = (setting?.RecoveryMechanisms ?? []).toSorted((one, other) => (one.Priority ?? 0) - (other.Priority ?? 0));
  if (mechanisms.length === 0) return undefined;
  return mechanisms.map(({ Name }) => (Name === 'verified_email' ? 'email' : 'phone_number'));
}

function templatesOf(input: Settings): Pick<PoolRow, 'verification' | 'invitation'> {
  const { VerificationMessageTemplate: template, AdminCreateUserConfig: admin } = input;
  const needsCode = (text: string | undefined, member: string): void => {
    if (text !== undefined && !text.includes('{####}'))
      throw invalidParameter(`${member} must contain the code placeholder {####}`);
  };
  const body = template?.EmailMessage ?? input.EmailVerificationMessage;
  needsCode(body, 'Email verification message');
  needsCode(admin?.InviteMessageTemplate?.EmailMessage, 'Invitation message');
  return {
    verification: {
      subject: template?.EmailSubject ?? input.EmailVerificationSubject ?? verificationDefault.subject,
      body: body ?? verificationDefault.body,
    },
    invitation: {
      subject: admin?.InviteMessageTemplate?.EmailSubject ?? invitationDefault.subject,
      body: admin?.InviteMessageTemplate?.EmailMessage ?? invitationDefault.body,
    },
  };
}

/** What both CreateUserPool and UpdateUserPool set: what an update leaves out goes back to its default. */
function settingsOf(operation: string, input: Settings) {
  refuseWhatIsNot(operation, input);
  const days = input.AdminCreateUserConfig?.UnusedAccountValidityDays;
  const passwords = passwordsOf(input.Policies?.PasswordPolicy);
  return {
    passwords: days === undefined ? passwords : { ...passwords, TemporaryPasswordValidityDays: days },
    autoVerified: input.AutoVerifiedAttributes ?? [],
    adminOnly: input.AdminCreateUserConfig?.AllowAdminCreateUserOnly ?? false,
    deletionProtected: input.DeletionProtection === 'ACTIVE',
    recovery: recoveryOf(input.AccountRecoverySetting),
    ...templatesOf(input),
  };
}

function describe(ctx: Context, row: PoolRow, users: number): UserPoolType {
  return {
    Id: row.id,
    Name: row.name,
    Arn: poolArn(ctx, row.id),
    CreationDate: new Date(row.created),
    LastModifiedDate: new Date(row.changed),
    Policies: { PasswordPolicy: row.passwords, SignInPolicy: { AllowedFirstAuthFactors: ['PASSWORD'] } },
    DeletionProtection: row.deletionProtected ? 'ACTIVE' : 'INACTIVE',
    LambdaConfig: {},
    SchemaAttributes: [
      ...standardAttributes.map((attribute) =>
        row.required.includes(attribute.Name ?? '') ? { ...attribute, Required: true } : attribute,
      ),
      ...row.custom,
    ],
    ...(row.autoVerified.length === 0 ? {} : { AutoVerifiedAttributes: [...row.autoVerified] }),
    ...(row.aliasAttributes.length === 0 ? {} : { AliasAttributes: [...row.aliasAttributes] }),
    ...(row.usernameAttributes.length === 0 ? {} : { UsernameAttributes: [...row.usernameAttributes] }),
    ...(row.caseSensitive ? {} : { UsernameConfiguration: { CaseSensitive: false } }),
    VerificationMessageTemplate: {
      DefaultEmailOption: 'CONFIRM_WITH_CODE',
      ...(row.verification.subject === verificationDefault.subject ? {} : { EmailSubject: row.verification.subject }),
      ...(row.verification.body === verificationDefault.body ? {} : { EmailMessage: row.verification.body }),
    },
    MfaConfiguration: 'OFF',
    EstimatedNumberOfUsers: users,
    EmailConfiguration: { EmailSendingAccount: 'COGNITO_DEFAULT' },
    UserPoolTags: { ...row.tags },
    AdminCreateUserConfig: {
      AllowAdminCreateUserOnly: row.adminOnly,
      UnusedAccountValidityDays: row.passwords.TemporaryPasswordValidityDays,
    },
    ...(row.recovery === undefined
      ? {}
      : {
          AccountRecoverySetting: {
            RecoveryMechanisms: row.recovery.map((name, index) => ({
              Name: name === 'email' ? ('verified_email' as const) : ('verified_phone_number' as const),
              Priority: index + 1,
            })),
          },
        }),
    UserPoolTier: 'ESSENTIALS',
  };
}

export const poolHandlers: HandlersOf<CognitoIdentityProvider> = {
  /** Throws InvalidParameterException; 501 for triggers, MFA and what else pools here have not. */
  async CreateUserPool(input, ctx) {
    const settings = settingsOf('CreateUserPool', input);
    const { UsernameAttributes = [], AliasAttributes = [] } = input;
    if (UsernameAttributes.length > 0 && AliasAttributes.length > 0)
      throw invalidParameter('Only one of the aliasAttributes or usernameAttributes can be set in a user pool.');
    const row: PoolRow = {
      id: `${ctx.region}_${ctx.id('userPool')}`,
      name: input.PoolName ?? '',
      created: ctx.now,
      changed: ctx.now,
      usernameAttributes: UsernameAttributes,
      aliasAttributes: AliasAttributes,
      caseSensitive: input.UsernameConfiguration?.CaseSensitive ?? true,
      tags: input.UserPoolTags ?? {},
      keys: { id: await newSigningKey(ctx), access: await newSigningKey(ctx) },
      ...schemaOf(input.Schema),
      ...settings,
    };
    await ctx.transact(async (tx) => {
      await tx.table(Pools).put(row);
      await tx.table(Places).put({ id: row.id, account: ctx.account, region: ctx.region, pool: row.id });
    });
    return { UserPool: describe(ctx, row, 0) };
  },

  async DescribeUserPool(input, ctx) {
    const row = await requirePool(ctx, input.UserPoolId);
    return { UserPool: describe(ctx, row, await ctx.table(Users).count([row.id])) };
  },

  async UpdateUserPool(input, ctx) {
    const settings = settingsOf('UpdateUserPool', input);
    await requirePool(ctx, input.UserPoolId);
    await ctx.transact(async (tx) => {
      const row = await tx.table(Pools).get(input.UserPoolId ?? '');
      if (row === undefined) return;
      const named = { name: input.PoolName ?? row.name, tags: input.UserPoolTags ?? row.tags };
      await tx.table(Pools).put({ ...row, ...settings, ...named, changed: ctx.now });
    });
    return {};
  },

  async ListUserPools(input, ctx) {
    const rows = await ctx.table(Pools).list();
    const { items, token } = pageFor('ListUserPools', rows, (row) => [row.id], {
      limit: input.MaxResults ?? 60,
      token: input.NextToken,
    });
    return {
      UserPools: items.map((row) => ({
        Id: row.id,
        Name: row.name,
        LambdaConfig: {},
        CreationDate: new Date(row.created),
        LastModifiedDate: new Date(row.changed),
      })),
      NextToken: token,
    };
  },

  async DeleteUserPool(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    if (pool.deletionProtected)
      throw invalidParameter(
        'The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.',
      );
    await ctx.transact(async (tx) => {
      for (const client of await tx.table(Clients).list({ prefix: [pool.id] })) {
        await tx.table(Clients).delete(pool.id, client.id);
        await tx.table(Places).delete(client.id);
      }
      for (const user of await tx.table(Users).list({ prefix: [pool.id] })) await tx.table(Users).delete(pool.id, user.key);
      for (const group of await tx.table(Groups).list({ prefix: [pool.id] })) await tx.table(Groups).delete(pool.id, group.name);
      for (const { group, user } of await tx.table(Memberships).list({ prefix: [pool.id] }))
        await tx.table(Memberships).delete(pool.id, group, user);
      for (const session of await tx.table(Sessions).list({ prefix: [pool.id] }))
        await tx.table(Sessions).delete(pool.id, session.token);
      await tx.table(Pools).delete(pool.id);
      await tx.table(Places).delete(pool.id);
    });
    return {};
  },

  async AddCustomAttributes(input, ctx) {
    const pool = await requirePool(ctx, input.UserPoolId);
    const { custom } = schemaOf(input.CustomAttributes);
    const known = new Set(pool.custom.map(({ Name }) => Name));
    for (const { Name = '' } of custom)
      if (known.has(Name)) throw invalidParameter(`${Name}: Existing attribute already has name ${Name}.`);
    await ctx.transact(async (tx) => {
      const row = await tx.table(Pools).get(pool.id);
      if (row !== undefined) await tx.table(Pools).put({ ...row, custom: [...row.custom, ...custom], changed: ctx.now });
    });
    return {};
  },

  async GetUserPoolMfaConfig(input, ctx) {
    await requirePool(ctx, input.UserPoolId);
    return { MfaConfiguration: 'OFF' };
  },

  async TagResource(input, ctx) {
    await changeTags(ctx, input.ResourceArn, (tags) => ({ ...tags, ...input.Tags }));
    return {};
  },

  async UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    await changeTags(ctx, input.ResourceArn, (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))),
    );
    return {};
  },

  async ListTagsForResource(input, ctx) {
    const { tags } = await requirePool(ctx, poolIdOf(input.ResourceArn));
    return { Tags: { ...tags } };
  },
};

function poolIdOf(arn = ''): string {
  return arn.split(':userpool/')[1] ?? '';
}

async function changeTags(ctx: Context, arn: string | undefined, change: (tags: TagMap) => TagMap): Promise<void> {
  const { id } = await requirePool(ctx, poolIdOf(arn));
  await ctx.transact(async (tx) => {
    const row = await tx.table(Pools).get(id);
    if (row !== undefined) await tx.table(Pools).put({ ...row, tags: change(row.tags) });
  });
}
