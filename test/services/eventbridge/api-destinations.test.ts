/** Connections and API destinations: events reach HTTPS endpoints inside the cloud, authorised in each way. */
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  advanceClock,
  eventually,
  freshAccount,
  machinesRefused,
  type OwnCloud,
  refused,
  startOwnCloud,
} from '../../support/cloud.ts';
import { secureServer } from '../../support/secure-server.ts';
import { openQueue } from '../sns/support.ts';
import { receive } from '../sqs/support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 60_000);
afterAll(async () => void (await cloud.stop()));

/** Tokens at /token, 503 at /busy and 400 at /bad. */
const answers = `if path.startswith('/token'):
    return 200, json.dumps({'access_token': 'token-%d' % count, 'expires_in': 3600}).encode()
if path in ('/busy', '/bad'):
    return (503 if path == '/busy' else 400), b'{}'`;

const trust = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' }],
});
const allow = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 'events:InvokeApiDestination', Resource: '*' }],
});

test('events reach an endpoint with a key, a password or a token; what it refuses is tried again or ends in the dead letters', {
  timeout: 120_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const server = await secureServer(cloud, '10.64', answers);
  const { lab, address } = server;
  const config = lab.account.config();
  const [events, iam, sqs] = [new EventBridge(config), new IAM(config), new SQS(config)];
  const { Role } = await iam.createRole({ RoleName: 'caller', AssumeRolePolicyDocument: trust });
  const seen = async (where: string) => (await server.seen()).filter(({ path }) => path.startsWith(where));
  const call = (where: string, count = 1) =>
    eventually(
      async () => {
        const found = await seen(where);
        expect(found).toHaveLength(count);
        return found;
      },
      { why: `${count} calls of ${where}` },
    );
  const connect = async (
    Name: string,
    AuthorizationType: 'API_KEY' | 'BASIC' | 'OAUTH_CLIENT_CREDENTIALS',
    AuthParameters: object,
  ) => (await events.createConnection({ Name, AuthorizationType, AuthParameters })).ConnectionArn;
  const letters = await openQueue(sqs, `arn:aws:events:us-east-1:${lab.account.id}:rule/*`, 'letters', {}, 'events');
  /** A rule for events of a source of its own that calls the path by the connection; returns how to send such an event. */
  const rule = async (name: string, path: string, ConnectionArn: string | undefined, target: object = {}) => {
    const { ApiDestinationArn: Arn, ApiDestinationState } = await events.createApiDestination({
      ...{ Name: name, ConnectionArn, HttpMethod: 'POST', InvocationEndpoint: `https://${address}${path}` },
    });
    await events.putRule({ Name: name, EventPattern: JSON.stringify({ source: [name] }) });
    const Target = { Id: 'api', Arn, RoleArn: Role?.Arn, DeadLetterConfig: { Arn: letters.arn }, ...target };
    await events.putTargets({ Rule: name, Targets: [Target] });
    const send = () => events.putEvents({ Entries: [{ Source: name, DetailType: 'd', Detail: '{"n":1}' }] });
    return { send, ApiDestinationState };
  };
  const key = await connect('key', 'API_KEY', {
    ApiKeyAuthParameters: { ApiKeyName: 'x-key', ApiKeyValue: 'hidden-key' },
    InvocationHttpParameters: {
      HeaderParameters: [{ Key: 'x-team', Value: 'hidden-team', IsValueSecret: true }],
      QueryStringParameters: [{ Key: 'v', Value: '2', IsValueSecret: false }],
      BodyParameters: [{ Key: 'stage', Value: 'test', IsValueSecret: false }],
    },
  });
  const byKey = await rule('by-key', '/orders/*', key, {
    HttpParameters: { PathParameterValues: ['a b'], QueryStringParameters: { q: '1' } },
  });
  expect(byKey.ApiDestinationState).toBe('ACTIVE');
  await byKey.send();
  const refusedCall = await eventually(
    async () => {
      const [letter] = await receive(sqs, letters.url, { MessageAttributeNames: ['All'] });
      expect(letter).toBeDefined();
      return letter!;
    },
    { why: 'the role may not call yet' },
  );
  expect(refusedCall.MessageAttributes?.['ERROR_CODE']?.StringValue).toMatch(/AccessDenied/);
  await sqs.deleteMessage({ QueueUrl: letters.url, ReceiptHandle: refusedCall.ReceiptHandle });
  await iam.putRolePolicy({ RoleName: 'caller', PolicyName: 'call', PolicyDocument: allow });
  await byKey.send();
  const [first] = await call('/orders');
  expect(first?.path).toBe('/orders/a%20b?q=1&v=2');
  expect(first?.headers).toMatchObject({
    'x-key': 'hidden-key',
    'x-team': 'hidden-team',
    'content-type': 'application/json; charset=utf-8',
  });
  expect(JSON.parse(first?.body ?? '')).toMatchObject({ source: 'by-key', detail: { n: 1 }, stage: 'test' });
  const shown = await events.describeConnection({ Name: 'key' });
  expect(JSON.stringify(shown)).not.toContain('hidden');
  expect(shown.AuthParameters?.InvocationHttpParameters?.HeaderParameters).toEqual([{ Key: 'x-team', IsValueSecret: true }]);
  const secret = await new SecretsManager(config).describeSecret({ SecretId: shown.SecretArn });
  expect(secret.Name).toMatch(/^events!connection\/key\//);

  const basic = await connect('basic', 'BASIC', { BasicAuthParameters: { Username: 'joe', Password: 'pw' } });
  const busy = await rule('busy', '/busy', basic);
  await busy.send();
  const [tried] = await call('/busy');
  expect(tried?.headers['authorization']).toBe(`Basic ${Buffer.from('joe:pw').toString('base64')}`);
  await advanceClock(cloud.endpoint, 2000);
  await call('/busy', 2);
  const bad = await rule('bad', '/bad', basic);
  await bad.send();
  await eventually(
    async () => expect((await receive(sqs, letters.url)).map(({ Body = '{}' }) => JSON.parse(Body).source)).toContain('bad'),
    { why: 'the refused call is a dead letter' },
  );
  expect(await seen('/bad')).toHaveLength(1);

  const oauth = await connect('oauth', 'OAUTH_CLIENT_CREDENTIALS', {
    OAuthParameters: {
      ClientParameters: { ClientID: 'me', ClientSecret: 'client-secret' },
      AuthorizationEndpoint: `https://${address}/token`,
      HttpMethod: 'POST',
    },
  });
  await eventually(async () => expect((await events.describeConnection({ Name: 'oauth' })).ConnectionState).toBe('AUTHORIZED'), {
    why: 'the token is there',
  });
  const [asked] = await seen('/token');
  expect(new URLSearchParams(asked?.body).get('client_secret')).toBe('client-secret');
  const tokens = await rule('tokens', '/by-token', oauth);
  await tokens.send();
  const [authorised] = await call('/by-token');
  expect(authorised?.headers['authorization']).toMatch(/^Bearer token-\d+$/);
  await tokens.send();
  expect((await call('/by-token', 2))[1]?.headers['authorization']).toBe(authorised?.headers['authorization']);
  await advanceClock(cloud.endpoint, 3_600_000);
  await tokens.send();
  expect((await call('/by-token', 3))[2]?.headers['authorization']).not.toBe(authorised?.headers['authorization']);
  expect((await events.deauthorizeConnection({ Name: 'oauth' })).ConnectionState).toBe('DEAUTHORIZED');
  expect((await events.describeApiDestination({ Name: 'tokens' })).ApiDestinationState).toBe('INACTIVE');
});

test('what is no connection or destination is refused', async () => {
  const events = new EventBridge(freshAccount(cloud.endpoint).config({ endpoint: cloud.endpoint }));
  const BasicAuthParameters = { Username: 'u', Password: 'p' };
  await refused(
    events.createConnection({ Name: 'c', AuthorizationType: 'API_KEY', AuthParameters: { BasicAuthParameters } }),
    'ValidationException',
    /ApiKeyAuthParameters is required/,
  );
  const { ConnectionArn } = await events.createConnection({
    ...{ Name: 'c', AuthorizationType: 'BASIC', AuthParameters: { BasicAuthParameters } },
  });
  await refused(
    events.createConnection({ Name: 'c', AuthorizationType: 'BASIC', AuthParameters: { BasicAuthParameters } }),
    'ResourceAlreadyExistsException',
    'Connection c already exists.',
  );
  const make = (InvocationEndpoint: string, more: object = {}) =>
    events.createApiDestination({ Name: 'd', ConnectionArn, HttpMethod: 'POST', InvocationEndpoint, ...more });
  await refused(make('http://example.com/'), 'ValidationException', /HTTPS/);
  await refused(make('https://exa mple.com/'), 'ValidationException', /regular expression pattern/);
  await refused(make('https://e.com/', { ConnectionArn: `${ConnectionArn}x` }), 'ResourceNotFoundException');
  await refused(make('https://e.com/', { InvocationRateLimitPerSecond: 0 }), 'ValidationException', /greater than or equal to 1/);
  const { ApiDestinationArn: Arn } = await make('https://e.com/');
  await events.putRule({ Name: 'r', EventPattern: '{"source":["s"]}' });
  await refused(
    events.putTargets({ Rule: 'r', Targets: [{ Id: 'a', Arn }] }),
    'ValidationException',
    `RoleArn is required for target ${Arn}.`,
  );
  await refused(events.describeApiDestination({ Name: 'x' }), 'ResourceNotFoundException', 'ApiDestination x does not exist.');
  await refused(events.deleteConnection({ Name: 'x' }), 'ResourceNotFoundException', 'Connection x does not exist.');
  expect((await events.deleteConnection({ Name: 'c' })).ConnectionState).toBe('DELETING');
  expect((await events.listApiDestinations({})).ApiDestinations?.map(({ ApiDestinationState }) => ApiDestinationState)).toEqual([
    'INACTIVE',
  ]);
});
