/** The drop-in for those who come from LocalStack: its host names and the paths that test suites call. A cloud of its own, because it is emptied. */
import http from 'node:http';
import { CreateUserCommand, IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshAccount, type OwnCloud, startOwnCloud } from '../support/cloud.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

/** GET by a host name that the test machine's resolver need not know. */
function getByName(host: string, path: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(cloud.endpoint);
  return new Promise((resolve, reject) => {
    http
      .get({ host: hostname, port, path, agent: false, headers: { host: `${host}:${port}` } }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      })
      .on('error', reject);
  });
}

test('/_localstack/health names the services under their endpoint prefixes', async () => {
  const { status, body } = await getByName('localhost.localstack.cloud', '/_localstack/health');
  expect(status).toBe(200);
  const { services, edition } = JSON.parse(body) as { services: Record<string, string>; edition: string };
  expect(edition).toBe('pilvi');
  expect(services).toMatchObject({ iam: 'available', sts: 'available', ec2: 'available', redshift: 'disabled' });
});

test('what it does not know of /_localstack is refused, not guessed', async () => {
  expect((await getByName('localhost', '/_localstack/nope')).status).toBe(404);
  expect((await getByName('localhost', '/_localstack/state/reset')).status).toBe(405);
});

test.each(['localhost', 'localhost.localstack.cloud'])('a service is recognised by a name under %s', async (domain) => {
  const { status, body } = await getByName(`lambda.us-east-1.${domain}`, '/2015-03-31/functions');
  expect({ status, body }).toEqual({ status: 403, body: '{"message":"Request is missing Authentication Token"}' });
});

test('the official client works with the name as its endpoint', async () => {
  const account = freshAccount(cloud.endpoint);
  const { port } = new URL(cloud.endpoint);
  const lookup = (_name: string, options: unknown, done: (error: null, address: unknown, family?: number) => void) =>
    (options as { all?: boolean }).all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
  const agent = new http.Agent({ lookup: lookup as never });
  const sts = new STSClient({
    ...account.config({ endpoint: `http://localhost.localstack.cloud:${port}` }),
    requestHandler: { httpAgent: agent },
  });
  expect((await sts.send(new GetCallerIdentityCommand({}))).Account).toBe(account.id);
});

test('/_localstack/state/reset empties the cloud', async () => {
  const iam = new IAMClient(freshAccount(cloud.endpoint).config());
  await iam.send(new CreateUserCommand({ UserName: 'anna' }));
  const answer = await fetch(`${cloud.endpoint}/_localstack/state/reset`, { method: 'POST' });
  expect(answer.status).toBe(200);
  expect((await iam.send(new ListUsersCommand({}))).Users).toEqual([]);
});
