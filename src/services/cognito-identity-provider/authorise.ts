/** What each operation is authorised on: the pool, with its tags ("Condition keys for Amazon Cognito User Pools"); users' own operations are open to all. */
import type { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import type { Authorisation, AuthorisationsOf, Check } from '../../kernel/service.ts';
import { poolArn } from './lookup.ts';
import { Pools, type TagMap } from './state.ts';

function requestTags(tags: TagMap | undefined): NonNullable<Check['conditions']> {
  const entries = Object.entries(tags ?? {});
  if (entries.length === 0) return {};
  return {
    'aws:TagKeys': entries.map(([key]) => key),
    ...Object.fromEntries(entries.map(([key, value]) => [`aws:RequestTag/${key}`, value])),
  };
}

function onPool<Input extends object>(
  idOf: (input: Input) => string | undefined,
  conditionsOf: (input: Input) => NonNullable<Check['conditions']> = () => ({}),
): Authorisation<Input> {
  return async (input, ctx) => {
    const id = idOf(input) ?? '';
    const tags = (await ctx.table(Pools).get(id))?.tags ?? {};
    const conditions = Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
    return [{ resource: poolArn(ctx, id), conditions: { ...conditions, ...conditionsOf(input) } }];
  };
}

const named = onPool((input: { UserPoolId?: string | undefined }) => input.UserPoolId);
const byArn = (arn: string | undefined): string | undefined => arn?.split(':userpool/')[1];

export const poolChecks: AuthorisationsOf<CognitoIdentityProvider> = {
  CreateUserPool: (input, ctx) => [{ resource: poolArn(ctx, '*'), conditions: requestTags(input.UserPoolTags) }],
  DescribeUserPool: named,
  UpdateUserPool: onPool(
    (input) => input.UserPoolId,
    (input) => requestTags(input.UserPoolTags),
  ),
  DeleteUserPool: named,
  AddCustomAttributes: named,
  GetUserPoolMfaConfig: named,
  TagResource: onPool(
    (input) => byArn(input.ResourceArn),
    (input) => requestTags(input.Tags),
  ),
  UntagResource: onPool(
    (input) => byArn(input.ResourceArn),
    (input) => ({ 'aws:TagKeys': input.TagKeys }),
  ),
  ListTagsForResource: onPool((input) => byArn(input.ResourceArn)),
  CreateUserPoolClient: named,
  DescribeUserPoolClient: named,
  UpdateUserPoolClient: named,
  ListUserPoolClients: named,
  DeleteUserPoolClient: named,
  AdminCreateUser: named,
  AdminGetUser: named,
  AdminDeleteUser: named,
  AdminSetUserPassword: named,
  AdminConfirmSignUp: named,
  AdminDisableUser: named,
  AdminEnableUser: named,
  AdminResetUserPassword: named,
  AdminUpdateUserAttributes: named,
  AdminDeleteUserAttributes: named,
  AdminUserGlobalSignOut: named,
  AdminInitiateAuth: named,
  AdminRespondToAuthChallenge: named,
  ListUsers: named,
  CreateGroup: named,
  GetGroup: named,
  UpdateGroup: named,
  DeleteGroup: named,
  ListGroups: named,
  AdminAddUserToGroup: named,
  AdminRemoveUserFromGroup: named,
  AdminListGroupsForUser: named,
  ListUsersInGroup: named,
  // "This action … is unauthenticated": the password, a code or an access token proves who calls.
  SignUp: 'anonymous',
  ConfirmSignUp: 'anonymous',
  ResendConfirmationCode: 'anonymous',
  ForgotPassword: 'anonymous',
  ConfirmForgotPassword: 'anonymous',
  InitiateAuth: 'anonymous',
  RespondToAuthChallenge: 'anonymous',
  RevokeToken: 'anonymous',
  GetUser: 'anonymous',
  ChangePassword: 'anonymous',
  UpdateUserAttributes: 'anonymous',
  DeleteUserAttributes: 'anonymous',
  GetUserAttributeVerificationCode: 'anonymous',
  VerifyUserAttribute: 'anonymous',
  GlobalSignOut: 'anonymous',
  DeleteUser: 'anonymous',
};
