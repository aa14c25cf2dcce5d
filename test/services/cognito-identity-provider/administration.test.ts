import { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { outbox } from '../sns/support.ts';

const password = 'Correct-Horse-1';

test('administrators keep users, groups and clients', async () => {
  const account = freshAccount();
  const cognito = new CognitoIdentityProvider(account.config());
  const { UserPool } = await cognito.createUserPool({ PoolName: 'shop', AutoVerifiedAttributes: ['email'] });
  const UserPoolId = UserPool?.Id ?? '';
  expect((await cognito.listUserPools({ MaxResults: 10 })).UserPools).toMatchObject([{ Id: UserPoolId, Name: 'shop' }]);
  expect(await cognito.getUserPoolMfaConfig({ UserPoolId })).toMatchObject({ MfaConfiguration: 'OFF' });
  await cognito.addCustomAttributes({ UserPoolId, CustomAttributes: [{ Name: 'tenant', AttributeDataType: 'String' }] });
  const { UserPoolClient } = await cognito.createUserPoolClient({
    UserPoolId,
    ClientName: 'web',
    ExplicitAuthFlows: ['ALLOW_ADMIN_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
  });
  const ClientId = UserPoolClient?.ClientId ?? '';
  expect((await cognito.listUserPoolClients({ UserPoolId })).UserPoolClients).toMatchObject([{ ClientId, ClientName: 'web' }]);
  expect((await cognito.describeUserPoolClient({ UserPoolId, ClientId })).UserPoolClient).toMatchObject({
    RefreshTokenValidity: 30,
  });

  const Username = 'aino';
  const email = { Name: 'email', Value: 'aino@example.fi' };
  await cognito.signUp({ ClientId, Username, Password: password, UserAttributes: [email] });
  const codes = async () => (await outbox(account)).flatMap(({ body }) => /\d{6}/.exec(body)?.[0] ?? []);
  await cognito.resendConfirmationCode({ ClientId, Username });
  expect(await codes()).toHaveLength(2);
  await cognito.adminConfirmSignUp({ UserPoolId, Username });
  await refused(
    cognito.adminConfirmSignUp({ UserPoolId, Username }),
    'NotAuthorizedException',
    'User cannot be confirmed. Current status is CONFIRMED',
  );
  const signIn = (PASSWORD = password) =>
    cognito.adminInitiateAuth({
      ...{ UserPoolId, ClientId, AuthFlow: 'ADMIN_USER_PASSWORD_AUTH' },
      AuthParameters: { USERNAME: Username, PASSWORD },
    });
  const { AuthenticationResult: first } = await signIn();
  const AccessToken = first?.AccessToken;
  expect(await cognito.getUserAttributeVerificationCode({ AccessToken, AttributeName: 'email' })).toMatchObject({
    CodeDeliveryDetails: { Destination: 'a***@e***' },
  });
  await cognito.verifyUserAttribute({ AccessToken, AttributeName: 'email', Code: (await codes()).at(-1) });
  await cognito.adminUpdateUserAttributes({
    UserPoolId,
    Username,
    UserAttributes: [
      { Name: 'custom:tenant', Value: 'north' },
      { Name: 'name', Value: 'Aino' },
    ],
  });
  await cognito.deleteUserAttributes({ AccessToken, UserAttributeNames: ['name'] });
  await cognito.adminDeleteUserAttributes({ UserPoolId, Username, UserAttributeNames: ['custom:tenant'] });
  const { UserAttributes = [] } = await cognito.adminGetUser({ UserPoolId, Username });
  expect(UserAttributes.map(({ Name }) => Name).sort()).toEqual(['email', 'email_verified', 'sub']);

  await cognito.createGroup({ UserPoolId, GroupName: 'owners' });
  await cognito.adminAddUserToGroup({ UserPoolId, GroupName: 'owners', Username });
  expect((await cognito.listUsersInGroup({ UserPoolId, GroupName: 'owners' })).Users).toMatchObject([{ Username }]);
  await refused(cognito.listUsersInGroup({ UserPoolId, GroupName: 'none' }), 'ResourceNotFoundException', 'Group not found.');

  await cognito.adminUserGlobalSignOut({ UserPoolId, Username });
  await refused(cognito.getUser({ AccessToken }), 'NotAuthorizedException', 'Access Token has been revoked');
  await cognito.adminDisableUser({ UserPoolId, Username });
  await refused(signIn(), 'NotAuthorizedException', 'User is disabled.');
  await cognito.adminEnableUser({ UserPoolId, Username });
  await cognito.adminResetUserPassword({ UserPoolId, Username });
  await refused(signIn(), 'PasswordResetRequiredException', 'Password reset required for the user');
  await cognito.confirmForgotPassword({
    ClientId,
    Username,
    Password: 'Another-Horse-2',
    ConfirmationCode: (await codes()).at(-1),
  });
  expect((await signIn('Another-Horse-2')).AuthenticationResult?.IdToken).toBeTruthy();

  await cognito.adminSetUserPassword({ UserPoolId, Username, Password: 'Temporary-1' });
  const { ChallengeName, Session } = await signIn('Temporary-1');
  const done = await cognito.adminRespondToAuthChallenge({
    ...{ UserPoolId, ClientId, ChallengeName, Session },
    ChallengeResponses: { USERNAME: Username, NEW_PASSWORD: password },
  });
  expect(done.AuthenticationResult?.RefreshToken).toBeTruthy();
  await cognito.adminDeleteUser({ UserPoolId, Username });
  await refused(cognito.adminGetUser({ UserPoolId, Username }), 'UserNotFoundException', 'User does not exist.');
  await cognito.deleteUserPoolClient({ UserPoolId, ClientId });
  await refused(
    cognito.describeUserPoolClient({ UserPoolId, ClientId }),
    'ResourceNotFoundException',
    `User pool client ${ClientId} does not exist.`,
  );
});
