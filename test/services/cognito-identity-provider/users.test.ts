import { createHmac, createPublicKey, randomUUID, verify } from 'node:crypto';
import { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { IAM } from '@aws-sdk/client-iam';
import { AuthenticationDetails, CognitoUser, CognitoUserPool, type CognitoUserSession } from 'amazon-cognito-identity-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../../support/cloud.ts';

const minute = 60_000;
const password = 'Correct-Horse-1';
const noSigner = { signer: { sign: async <T>(request: T) => request } };

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 60_000);
afterAll(() => cloud?.stop());

type Settings = Partial<Parameters<CognitoIdentityProvider['createUserPool']>[0]>;
type ClientSettings = Partial<Parameters<CognitoIdentityProvider['createUserPoolClient']>[0]>;

interface Stage {
  account: TestAccount;
  cognito: CognitoIdentityProvider;
  /** Sends requests without a signature, as applications do. */
  open: CognitoIdentityProvider;
  pool: string;
  client: string;
  secret: string | undefined;
}

async function stage(settings: Settings = {}, clientSettings: ClientSettings = {}): Promise<Stage> {
  const account = freshAccount(cloud.endpoint);
  const cognito = new CognitoIdentityProvider(account.config());
  const open = new CognitoIdentityProvider({ ...account.config(), ...noSigner });
  const { UserPool } = await cognito.createUserPool({ PoolName: 'shop', ...settings });
  const pool = UserPool?.Id ?? '';
  const { UserPoolClient } = await cognito.createUserPoolClient({
    UserPoolId: pool,
    ClientName: 'web',
    ExplicitAuthFlows: [
      'ALLOW_USER_PASSWORD_AUTH',
      'ALLOW_USER_SRP_AUTH',
      'ALLOW_REFRESH_TOKEN_AUTH',
      'ALLOW_ADMIN_USER_PASSWORD_AUTH',
    ],
    ...clientSettings,
  });
  return { account, cognito, open, pool, client: UserPoolClient?.ClientId ?? '', secret: UserPoolClient?.ClientSecret };
}

/** The last code that went to an address. */
async function codeFor({ account }: Stage, address: string): Promise<string> {
  const answer = await fetch(`${cloud.endpoint}/_pilvi/outbox?account=${account.id}`);
  const { letters } = (await answer.json()) as { letters: { to: string; body: string }[] };
  return /(\d{6})/.exec(letters.filter(({ to }) => to === address).at(-1)?.body ?? '')?.[1] ?? '';
}

const claimsOf = (token = ''): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

async function confirmed(at: Stage, name: string, attributes: { Name: string; Value: string }[] = []): Promise<void> {
  await at.cognito.adminCreateUser({
    UserPoolId: at.pool,
    Username: name,
    MessageAction: 'SUPPRESS',
    UserAttributes: attributes,
  });
  await at.cognito.adminSetUserPassword({ UserPoolId: at.pool, Username: name, Password: password, Permanent: true });
}

function signIn({ open, client }: Stage, name: string, secret = password) {
  return open.initiateAuth({
    ClientId: client,
    AuthFlow: 'USER_PASSWORD_AUTH',
    AuthParameters: { USERNAME: name, PASSWORD: secret },
  });
}

test('users sign up, confirm by a code from their mail, and sign in for tokens that the keys of the pool verify', async () => {
  const at = await stage({ AutoVerifiedAttributes: ['email'] });
  const up = await at.open.signUp({
    ClientId: at.client,
    Username: 'aino',
    Password: password,
    UserAttributes: [{ Name: 'email', Value: 'aino@example.fi' }],
  });
  expect(up).toMatchObject({
    UserConfirmed: false,
    CodeDeliveryDetails: { Destination: 'a***@e***', DeliveryMedium: 'EMAIL', AttributeName: 'email' },
  });
  await refused(signIn(at, 'aino'), 'UserNotConfirmedException', 'User is not confirmed.');
  const code = await codeFor(at, 'aino@example.fi');
  const wrong = code === '000000' ? '000001' : '000000';
  await refused(
    at.open.confirmSignUp({ ClientId: at.client, Username: 'aino', ConfirmationCode: wrong }),
    'CodeMismatchException',
    'Invalid verification code provided, please try again.',
  );
  await at.open.confirmSignUp({ ClientId: at.client, Username: 'aino', ConfirmationCode: code });
  await refused(
    at.open.confirmSignUp({ ClientId: at.client, Username: 'aino', ConfirmationCode: code }),
    'NotAuthorizedException',
    'User cannot be confirmed. Current status is CONFIRMED',
  );
  const { AuthenticationResult: tokens } = await signIn(at, 'aino');
  expect(tokens).toMatchObject({ TokenType: 'Bearer', ExpiresIn: 3600 });
  const issuer = `https://cognito-idp.us-east-1.amazonaws.com/${at.pool}`;
  const id = claimsOf(tokens?.IdToken);
  expect(id).toMatchObject({
    iss: issuer,
    aud: at.client,
    token_use: 'id',
    email: 'aino@example.fi',
    email_verified: true,
    sub: up.UserSub,
    'cognito:username': 'aino',
  });
  expect(claimsOf(tokens?.AccessToken)).toMatchObject({
    iss: issuer,
    client_id: at.client,
    token_use: 'access',
    username: 'aino',
    scope: 'aws.cognito.signin.user.admin',
  });
  const { keys } = (await (await fetch(`${cloud.endpoint}/${at.pool}/.well-known/jwks.json`)).json()) as {
    keys: (Record<string, string> & { kid: string })[];
  };
  const [head = '', body = '', signature = ''] = (tokens?.IdToken ?? '').split('.');
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string };
  const key = createPublicKey({ key: keys.find((own) => own.kid === kid) ?? {}, format: 'jwk' });
  expect(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))).toBe(true);
  const discovery = (await (await fetch(`${cloud.endpoint}/${at.pool}/.well-known/openid-configuration`)).json()) as object;
  expect(discovery).toMatchObject({ issuer, jwks_uri: `${issuer}/.well-known/jwks.json` });
  const me = await at.open.getUser({ AccessToken: tokens?.AccessToken });
  expect(me.UserAttributes).toContainEqual({ Name: 'email_verified', Value: 'true' });
});

test('Amazon’s own client signs in by Secure Remote Password, and no wrong password passes', async () => {
  const at = await stage();
  await confirmed(at, 'Väinö', [{ Name: 'email', Value: 'v@example.fi' }]);
  const pool = new CognitoUserPool({ UserPoolId: at.pool, ClientId: at.client, endpoint: cloud.endpoint });
  const attempt = (secret: string) =>
    new Promise<CognitoUserSession>((resolve, reject) => {
      const user = new CognitoUser({ Username: 'Väinö', Pool: pool });
      user.authenticateUser(new AuthenticationDetails({ Username: 'Väinö', Password: secret }), {
        onSuccess: resolve,
        onFailure: reject,
      });
    });
  const session = await attempt(password);
  expect(session.getIdToken().payload).toMatchObject({ email: 'v@example.fi', 'cognito:username': 'Väinö' });
  expect(session.isValid()).toBe(true);
  await expect(attempt('Wrong-Horse-1')).rejects.toMatchObject({
    code: 'NotAuthorizedException',
    message: 'Incorrect username or password.',
  });
});

test('a user that an administrator makes must choose a password before it gets tokens', async () => {
  const at = await stage();
  await at.cognito.adminCreateUser({
    UserPoolId: at.pool,
    Username: 'ilmari',
    TemporaryPassword: 'Temporary-1',
    MessageAction: 'SUPPRESS',
  });
  const first = await signIn(at, 'ilmari', 'Temporary-1');
  expect(first.ChallengeName).toBe('NEW_PASSWORD_REQUIRED');
  expect(first.AuthenticationResult).toBeUndefined();
  const answer = (secret: string, session = first.Session) =>
    at.open.respondToAuthChallenge({
      ClientId: at.client,
      ChallengeName: 'NEW_PASSWORD_REQUIRED',
      Session: session,
      ChallengeResponses: { USERNAME: 'ilmari', NEW_PASSWORD: secret },
    });
  await refused(answer('short'), 'InvalidPasswordException', 'Password did not conform with policy: Password not long enough');
  await refused(
    answer('alllowercase-1'),
    'InvalidPasswordException',
    'Password did not conform with policy: Password must have uppercase characters',
  );
  const done = await answer(password);
  expect(done.AuthenticationResult?.AccessToken).toBeTruthy();
  expect(await at.cognito.adminGetUser({ UserPoolId: at.pool, Username: 'ilmari' })).toMatchObject({
    UserStatus: 'CONFIRMED',
    Enabled: true,
  });
  await refused(answer(password), 'CodeMismatchException', 'Invalid session for the user.');
  await at.cognito.adminCreateUser({
    UserPoolId: at.pool,
    Username: 'louhi',
    TemporaryPassword: 'Temporary-1',
    MessageAction: 'SUPPRESS',
  });
  const late = await signIn(at, 'louhi', 'Temporary-1');
  await advanceClock(cloud.endpoint, 4 * minute);
  await refused(
    at.open.respondToAuthChallenge({
      ClientId: at.client,
      ChallengeName: 'NEW_PASSWORD_REQUIRED',
      Session: late.Session,
      ChallengeResponses: { USERNAME: 'louhi', NEW_PASSWORD: password },
    }),
    'NotAuthorizedException',
    'Invalid session for the user, session is expired.',
  );
  await advanceClock(cloud.endpoint, 8 * 24 * 60 * minute);
  await refused(
    signIn(at, 'louhi', 'Temporary-1'),
    'NotAuthorizedException',
    'Temporary password has expired and must be reset by an administrator.',
  );
});

test('refresh tokens outlive access tokens; signing out and revoking end both', async () => {
  const at = await stage();
  await confirmed(at, 'kyllikki');
  const { AuthenticationResult: tokens } = await signIn(at, 'kyllikki');
  const again = () =>
    at.open.initiateAuth({
      ClientId: at.client,
      AuthFlow: 'REFRESH_TOKEN_AUTH',
      AuthParameters: { REFRESH_TOKEN: tokens?.RefreshToken ?? '' },
    });
  await advanceClock(cloud.endpoint, 61 * minute);
  await refused(at.open.getUser({ AccessToken: tokens?.AccessToken }), 'NotAuthorizedException', 'Access Token has expired');
  const { AuthenticationResult: fresh } = await again();
  expect(fresh?.RefreshToken).toBeUndefined();
  expect(claimsOf(fresh?.AccessToken)['origin_jti']).toBe(claimsOf(tokens?.AccessToken)['origin_jti']);
  expect((await at.open.getUser({ AccessToken: fresh?.AccessToken })).Username).toBe('kyllikki');
  await at.open.revokeToken({ ClientId: at.client, Token: tokens?.RefreshToken });
  await refused(again(), 'NotAuthorizedException', 'Invalid Refresh Token');
  await refused(at.open.getUser({ AccessToken: fresh?.AccessToken }), 'NotAuthorizedException', 'Access Token has been revoked');
  const { AuthenticationResult: second } = await signIn(at, 'kyllikki');
  await at.open.globalSignOut({ AccessToken: second?.AccessToken });
  await refused(at.open.getUser({ AccessToken: second?.AccessToken }), 'NotAuthorizedException', 'Access Token has been revoked');
  const { AuthenticationResult: third } = await signIn(at, 'kyllikki');
  await advanceClock(cloud.endpoint, 31 * 24 * 60 * minute);
  await refused(
    at.open.initiateAuth({
      ClientId: at.client,
      AuthFlow: 'REFRESH_TOKEN_AUTH',
      AuthParameters: { REFRESH_TOKEN: third?.RefreshToken ?? '' },
    }),
    'NotAuthorizedException',
    'Refresh Token has expired',
  );
  await refused(at.open.getUser({ AccessToken: 'none.of.it' }), 'NotAuthorizedException', 'Invalid Access Token');
});

test('five wrong passwords lock an account for a while; disabled users, other flows and wrong secrets are refused', async () => {
  const at = await stage({}, { GenerateSecret: true });
  await confirmed(at, 'antero');
  const hash = (name: string) =>
    createHmac('sha256', at.secret ?? '')
      .update(`${name}${at.client}`)
      .digest('base64');
  const attempt = (secret: string, more: Record<string, string> = { SECRET_HASH: hash('antero') }) =>
    at.open.initiateAuth({
      ClientId: at.client,
      AuthFlow: 'USER_PASSWORD_AUTH',
      AuthParameters: { USERNAME: 'antero', PASSWORD: secret, ...more },
    });
  await refused(
    attempt(password, {}),
    'NotAuthorizedException',
    `Client ${at.client} is configured with secret but SECRET_HASH was not received`,
  );
  await refused(
    attempt(password, { SECRET_HASH: hash('other') }),
    'NotAuthorizedException',
    `Unable to verify secret hash for client ${at.client}`,
  );
  for (let turn = 0; turn < 5; turn += 1)
    await refused(attempt('Wrong-1-wrong'), 'NotAuthorizedException', 'Incorrect username or password.');
  await refused(attempt(password), 'NotAuthorizedException', 'Password attempts exceeded');
  await advanceClock(cloud.endpoint, 15 * minute);
  expect((await attempt(password)).AuthenticationResult?.IdToken).toBeTruthy();
  await at.cognito.adminDisableUser({ UserPoolId: at.pool, Username: 'antero' });
  await refused(attempt(password), 'NotAuthorizedException', 'User is disabled.');
  await at.cognito.updateUserPoolClient({ UserPoolId: at.pool, ClientId: at.client, ExplicitAuthFlows: ['ALLOW_USER_SRP_AUTH'] });
  await refused(attempt(password), 'InvalidParameterException', 'USER_PASSWORD_AUTH flow not enabled for this client');
  await refused(
    at.open.initiateAuth({ ClientId: 'nobodysclient', AuthFlow: 'USER_PASSWORD_AUTH', AuthParameters: {} }),
    'ResourceNotFoundException',
    'User pool client nobodysclient does not exist.',
  );
  await refused(at.open.initiateAuth({ ClientId: at.client, AuthFlow: 'CUSTOM_AUTH', AuthParameters: {} }), 'NotImplemented');
});

test('a forgotten password is set again by a code; who has no account is not told where the client hides it', async () => {
  const at = await stage({ AliasAttributes: ['email'] }, { PreventUserExistenceErrors: 'ENABLED' });
  await confirmed(at, 'marjatta', [
    { Name: 'email', Value: 'm@example.fi' },
    { Name: 'email_verified', Value: 'true' },
  ]);
  await at.open.forgotPassword({ ClientId: at.client, Username: 'm@example.fi' });
  const code = await codeFor(at, 'm@example.fi');
  await at.open.confirmForgotPassword({
    ClientId: at.client,
    Username: 'marjatta',
    ConfirmationCode: code,
    Password: 'Another-Horse-2',
  });
  await refused(signIn(at, 'm@example.fi'), 'NotAuthorizedException', 'Incorrect username or password.');
  expect((await signIn(at, 'm@example.fi', 'Another-Horse-2')).AuthenticationResult?.IdToken).toBeTruthy();
  await refused(signIn(at, 'nobody'), 'NotAuthorizedException', 'Incorrect username or password.');
  expect((await at.open.forgotPassword({ ClientId: at.client, Username: 'nobody' })).CodeDeliveryDetails?.DeliveryMedium).toBe(
    'EMAIL',
  );
  await at.cognito.updateUserPoolClient({
    UserPoolId: at.pool,
    ClientId: at.client,
    ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH'],
  });
  await refused(signIn(at, 'nobody'), 'UserNotFoundException', 'User does not exist.');
  await refused(
    at.open.signUp({ ClientId: at.client, Username: 'x@example.fi', Password: password }),
    'InvalidParameterException',
    'Username cannot be of email format, since user pool is configured for email alias.',
  );
});

test('pools whose users are named by mail give each a name of its own; groups stand in the tokens by precedence', async () => {
  const at = await stage({ UsernameAttributes: ['email'], UsernameConfiguration: { CaseSensitive: false } });
  await confirmed(at, 'Lemmin@Example.fi');
  await refused(
    at.cognito.adminCreateUser({ UserPoolId: at.pool, Username: 'lemmin@example.fi' }),
    'UsernameExistsException',
    'User account already exists',
  );
  await refused(
    at.cognito.adminCreateUser({ UserPoolId: at.pool, Username: 'lemmin' }),
    'InvalidParameterException',
    'Username should be an email.',
  );
  for (const [GroupName, Precedence] of [
    ['readers', 5],
    ['owners', 1],
  ] as const) {
    await at.cognito.createGroup({
      UserPoolId: at.pool,
      GroupName,
      Precedence,
      RoleArn: `arn:aws:iam::${at.account.id}:role/${GroupName}`,
    });
    await at.cognito.adminAddUserToGroup({ UserPoolId: at.pool, GroupName, Username: 'lemmin@example.fi' });
  }
  const { AuthenticationResult: tokens } = await signIn(at, 'LEMMIN@example.fi');
  const claims = claimsOf(tokens?.IdToken);
  expect(claims['cognito:groups']).toEqual(['owners', 'readers']);
  expect(claims['cognito:preferred_role']).toBe(`arn:aws:iam::${at.account.id}:role/owners`);
  expect(claims['cognito:username']).toBe(claims['sub']);
  const listed = await at.cognito.listUsers({ UserPoolId: at.pool, Filter: 'email ^= "Lemmin"' });
  expect(listed.Users?.map(({ Username }) => Username)).toEqual([claims['sub']]);
  expect((await at.cognito.listUsers({ UserPoolId: at.pool, Filter: 'email = "nobody"' })).Users).toEqual([]);
  await refused(
    at.cognito.listUsers({ UserPoolId: at.pool, Filter: 'email like x' }),
    'InvalidParameterException',
    'Error while parsing filter.',
  );
  await at.cognito.adminRemoveUserFromGroup({ UserPoolId: at.pool, GroupName: 'owners', Username: 'lemmin@example.fi' });
  expect(
    (await at.cognito.adminListGroupsForUser({ UserPoolId: at.pool, Username: 'lemmin@example.fi' })).Groups?.map(
      ({ GroupName }) => GroupName,
    ),
  ).toEqual(['readers']);
});

test('a user changes its password and its address, and leaves', async () => {
  const at = await stage({ AutoVerifiedAttributes: ['email'] });
  await confirmed(at, 'kullervo', [{ Name: 'email', Value: 'old@example.fi' }]);
  const token = (await signIn(at, 'kullervo')).AuthenticationResult?.AccessToken;
  await refused(
    at.open.changePassword({ AccessToken: token, PreviousPassword: 'Wrong-Horse-1', ProposedPassword: 'Third-Horse-3' }),
    'NotAuthorizedException',
    'Incorrect username or password.',
  );
  await at.open.changePassword({ AccessToken: token, PreviousPassword: password, ProposedPassword: 'Third-Horse-3' });
  expect((await signIn(at, 'kullervo', 'Third-Horse-3')).AuthenticationResult).toBeTruthy();
  const changed = await at.open.updateUserAttributes({
    AccessToken: token,
    UserAttributes: [{ Name: 'email', Value: 'new@example.fi' }],
  });
  expect(changed.CodeDeliveryDetailsList).toEqual([
    { AttributeName: 'email', DeliveryMedium: 'EMAIL', Destination: 'n***@e***' },
  ]);
  expect((await at.open.getUser({ AccessToken: token })).UserAttributes).toContainEqual({
    Name: 'email_verified',
    Value: 'false',
  });
  await at.open.verifyUserAttribute({ AccessToken: token, AttributeName: 'email', Code: await codeFor(at, 'new@example.fi') });
  expect((await at.open.getUser({ AccessToken: token })).UserAttributes).toContainEqual({
    Name: 'email_verified',
    Value: 'true',
  });
  await refused(
    at.open.updateUserAttributes({ AccessToken: token, UserAttributes: [{ Name: 'custom:none', Value: 'x' }] }),
    'InvalidParameterException',
    'Attributes did not conform to the schema: custom:none: Attribute does not exist in the schema.\n',
  );
  await at.open.deleteUser({ AccessToken: token });
  await refused(
    at.cognito.adminGetUser({ UserPoolId: at.pool, Username: 'kullervo' }),
    'UserNotFoundException',
    'User does not exist.',
  );
});

test('what administrators do needs rights on the pool, and pools come and go whole', async () => {
  const at = await stage({ DeletionProtection: 'ACTIVE', UserPoolTags: { team: 'shop' } });
  const iam = new IAM(at.account.config());
  const UserName = `u-${randomUUID()}`;
  await iam.createUser({ UserName });
  const other = `arn:aws:cognito-idp:us-east-1:${at.account.id}:userpool/${at.pool}`;
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'cognito-idp:ListUsers', Resource: other }],
  });
  await iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument });
  const { AccessKey } = await iam.createAccessKey({ UserName });
  const limited = new CognitoIdentityProvider(at.account.configFor(AccessKey ?? {}));
  expect((await limited.listUsers({ UserPoolId: at.pool })).Users).toEqual([]);
  await refused(limited.adminGetUser({ UserPoolId: at.pool, Username: 'x' }), 'AccessDeniedException');
  await refused(at.open.listUsers({ UserPoolId: at.pool }), 'MissingAuthenticationTokenException');
  await refused(
    at.cognito.deleteUserPool({ UserPoolId: at.pool }),
    'InvalidParameterException',
    'The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.',
  );
  const described = await at.cognito.describeUserPool({ UserPoolId: at.pool });
  expect(described.UserPool).toMatchObject({
    Name: 'shop',
    Arn: other,
    UserPoolTags: { team: 'shop' },
    MfaConfiguration: 'OFF',
    EstimatedNumberOfUsers: 0,
  });
  expect(described.UserPool?.Policies?.PasswordPolicy).toMatchObject({
    MinimumLength: 8,
    RequireSymbols: true,
    TemporaryPasswordValidityDays: 7,
  });
  await at.cognito.updateUserPool({ UserPoolId: at.pool, DeletionProtection: 'INACTIVE' });
  await at.cognito.deleteUserPool({ UserPoolId: at.pool });
  await refused(
    at.cognito.describeUserPool({ UserPoolId: at.pool }),
    'ResourceNotFoundException',
    `User pool ${at.pool} does not exist.`,
  );
  await refused(signIn(at, 'x'), 'ResourceNotFoundException', `User pool client ${at.client} does not exist.`);
  await refused(at.cognito.createUserPool({ PoolName: 'x', MfaConfiguration: 'ON' }), 'NotImplemented');
  await refused(
    at.cognito.createUserPool({ PoolName: 'x', Policies: { PasswordPolicy: { MinimumLength: 3 } } }),
    'InvalidParameterException',
    "1 validation error detected: Value '3' at 'policies.passwordPolicy.minimumLength' failed to satisfy constraint: Member must have value greater than or equal to 6",
  );
});

test('a schema’s constraints hold, and what a pool would not follow is refused by name', async () => {
  const at = await stage({
    Schema: [
      {
        Name: 'tenant',
        AttributeDataType: 'String',
        Mutable: false,
        StringAttributeConstraints: { MinLength: '1', MaxLength: '5' },
      },
      { Name: 'age', AttributeDataType: 'Number', NumberAttributeConstraints: { MinValue: '18', MaxValue: '99' } },
    ],
    AccountRecoverySetting: { RecoveryMechanisms: [{ Name: 'verified_email', Priority: 1 }] },
  });
  await confirmed(at, 'tapio', [{ Name: 'custom:tenant', Value: 'north' }]);
  const set = (Name: string, Value: string) =>
    at.cognito.adminUpdateUserAttributes({ UserPoolId: at.pool, Username: 'tapio', UserAttributes: [{ Name, Value }] });
  await set('custom:age', '40');
  for (const [name, value] of [
    ['custom:tenant', 'south'],
    ['custom:tenant', 'too long'],
    ['custom:age', '17'],
    ['custom:age', 'old'],
  ] as const)
    await refused(
      set(name, value),
      'InvalidParameterException',
      new RegExp(`^Attributes did not conform to the schema: ${name}: `),
    );
  const { UserPool } = await at.cognito.describeUserPool({ UserPoolId: at.pool });
  expect(UserPool?.AccountRecoverySetting?.RecoveryMechanisms).toEqual([{ Name: 'verified_email', Priority: 1 }]);
  for (const settings of [
    { SmsConfiguration: { SnsCallerArn: 'arn:aws:iam::123456789012:role/sms' } },
    { EmailConfiguration: { ReplyToEmailAddress: 'a@example.fi' } },
    { Schema: [{ Name: 'email', Mutable: false }] },
    { LambdaConfig: { PreSignUp: 'arn:aws:lambda:us-east-1:123456789012:function:f' } },
  ])
    await refused(at.cognito.createUserPool({ PoolName: 'x', ...settings }), 'NotImplemented');
});

test('the event history holds no password and no secret of a client', async () => {
  const at = await stage({}, { GenerateSecret: true });
  await at.cognito.adminCreateUser({
    UserPoolId: at.pool,
    Username: 'mielikki',
    TemporaryPassword: password,
    MessageAction: 'SUPPRESS',
  });
  const hash = createHmac('sha256', at.secret ?? '')
    .update(`mielikki${at.client}`)
    .digest('base64');
  await at.cognito.adminInitiateAuth({
    UserPoolId: at.pool,
    ClientId: at.client,
    AuthFlow: 'ADMIN_USER_PASSWORD_AUTH',
    AuthParameters: { USERNAME: 'mielikki', PASSWORD: password, SECRET_HASH: hash },
  });
  const trail = new CloudTrail(at.account.config());
  const records = await eventually(
    async () => {
      const { Events = [] } = await trail.lookupEvents({});
      expect(Events.map(({ EventName }) => EventName)).toContain('AdminInitiateAuth');
      return JSON.stringify(Events);
    },
    { why: 'the calls are recorded' },
  );
  expect(records).toContain('CreateUserPoolClient');
  for (const secret of [password, at.secret ?? '', hash]) expect(records).not.toContain(secret);
});
