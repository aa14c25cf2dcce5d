import { CognitoIdentityProvider } from '@aws-sdk/client-cognito-identity-provider';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { expect, test } from 'vitest';
import { freshAccount, machinesRefused, refused, type TestAccount } from '../../support/cloud.ts';
import { call, deploy, hostUrl, mock, resource, restApi } from './rest.ts';

const password = 'Correct-Horse-1';

/** A pool with one user, who has signed in. */
async function signedIn(account: TestAccount) {
  const cognito = new CognitoIdentityProvider(account.config());
  const { UserPool } = await cognito.createUserPool({ PoolName: 'shop' });
  const UserPoolId = UserPool?.Id ?? '';
  const made = await cognito.createUserPoolClient({
    UserPoolId,
    ClientName: 'web',
    ExplicitAuthFlows: ['ALLOW_ADMIN_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
  });
  const ClientId = made.UserPoolClient?.ClientId ?? '';
  const email = { Name: 'email', Value: 'aino@example.fi' };
  await cognito.adminCreateUser({ UserPoolId, Username: 'aino', MessageAction: 'SUPPRESS', UserAttributes: [email] });
  await cognito.adminSetUserPassword({ UserPoolId, Username: 'aino', Password: password, Permanent: true });
  await cognito.createGroup({ UserPoolId, GroupName: 'owners' });
  await cognito.adminAddUserToGroup({ UserPoolId, GroupName: 'owners', Username: 'aino' });
  const { AuthenticationResult: tokens } = await cognito.adminInitiateAuth({
    UserPoolId,
    ClientId,
    AuthFlow: 'ADMIN_USER_PASSWORD_AUTH',
    AuthParameters: { USERNAME: 'aino', PASSWORD: password },
  });
  return {
    id: UserPoolId,
    arn: UserPool?.Arn ?? '',
    client: ClientId,
    idToken: tokens?.IdToken ?? '',
    accessToken: tokens?.AccessToken ?? '',
  };
}

test('a REST API lets in whom a user pool has signed in, by identity token or by the scopes of an access token', async () => {
  const account = freshAccount();
  const [pool, stranger] = await Promise.all([signedIn(account), signedIn(account)]);
  const rest = await restApi({}, account);
  const own = {
    restApiId: rest.id,
    name: 'users',
    type: 'COGNITO_USER_POOLS' as const,
    identitySource: 'method.request.header.Authorization',
  };
  await refused(rest.gateway.createAuthorizer({ ...own, providerARNs: [] }), 'BadRequestException');
  await refused(
    rest.gateway.createAuthorizer({ ...own, providerARNs: [`${pool.arn}x`] }),
    'BadRequestException',
    `Invalid Cognito User Pool ARN: ${pool.arn}x`,
  );
  const { id: authorizerId, authType } = await rest.gateway.createAuthorizer({ ...own, providerARNs: [pool.arn] });
  expect(authType).toBe('cognito_user_pools');
  const guarded = { authorizationType: 'COGNITO_USER_POOLS', authorizerId };
  const template = '{"who":"$context.authorizer.claims.email","groups":"$context.authorizer.claims[\'cognito:groups\']"}';
  await mock(rest, await resource(rest, 'me'), 'GET', template, guarded);
  await mock(rest, await resource(rest, 'scoped'), 'GET', '"in"', {
    ...guarded,
    authorizationScopes: ['aws.cognito.signin.user.admin'],
  });
  await mock(rest, await resource(rest, 'other'), 'GET', '"in"', { ...guarded, authorizationScopes: ['orders/write'] });
  await deploy(rest);
  const get = (path: string, token?: string) =>
    call(hostUrl(rest.id, `/prod/${path}`), { headers: token === undefined ? {} : { authorization: token } });
  expect(JSON.parse((await get('me', pool.idToken)).text)).toEqual({ who: 'aino@example.fi', groups: 'owners' });
  expect((await get('me', `Bearer ${pool.idToken}`)).status).toBe(200);
  expect((await get('scoped', pool.accessToken)).status).toBe(200);
  for (const [path, token] of [
    ['me', undefined],
    ['me', pool.accessToken],
    ['me', stranger.idToken],
    ['me', `${pool.idToken.slice(0, -6)}AAAAAA`],
    ['scoped', pool.idToken],
    ['other', pool.accessToken],
  ] as const) {
    const answer = await get(path, token);
    expect([answer.status, answer.text]).toEqual([401, '{"message":"Unauthorized"}']);
    expect(answer.headers['x-amzn-errortype']).toBe('UnauthorizedException');
  }
});

test('an HTTP API reads the keys of a user pool over the cloud’s own internet', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const account = freshAccount();
  const pool = await signedIn(account);
  const gateway = new ApiGatewayV2(account.config());
  const { ApiId = '' } = await gateway.createApi({ Name: 'a', ProtocolType: 'HTTP' });
  const rest = await restApi({}, account);
  await mock(rest, rest.root, 'GET', '"in"');
  await deploy(rest);
  const { AuthorizerId } = await gateway.createAuthorizer({
    ApiId,
    Name: 'users',
    AuthorizerType: 'JWT',
    IdentitySource: ['$request.header.Authorization'],
    JwtConfiguration: { Issuer: `https://cognito-idp.us-east-1.amazonaws.com/${pool.id}`, Audience: [pool.client] },
  });
  const { IntegrationId } = await gateway.createIntegration({
    ApiId,
    IntegrationType: 'HTTP_PROXY',
    IntegrationMethod: 'GET',
    IntegrationUri: `http://${rest.id}.execute-api.us-east-1.amazonaws.com:4566/prod`,
    PayloadFormatVersion: '1.0',
  });
  await gateway.createRoute({
    ApiId,
    RouteKey: 'GET /me',
    Target: `integrations/${IntegrationId}`,
    AuthorizationType: 'JWT',
    AuthorizerId,
  });
  await gateway.createStage({ ApiId, StageName: '$default', AutoDeploy: true });
  const get = (token: string) => call(hostUrl(ApiId, '/me'), { headers: { authorization: `Bearer ${token}` } });
  const answer = await get(pool.accessToken);
  expect([answer.status, answer.text]).toEqual([200, '"in"']);
  expect((await get(`${pool.accessToken.slice(0, -6)}AAAAAA`)).status).toBe(401);
});
