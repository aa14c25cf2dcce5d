/** HTTPS on the gateway's own port: certificates that official clients accept, and policies that see the difference. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { promisify } from 'node:util';
import { DynamoDB, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { EC2 } from '@aws-sdk/client-ec2';
import {
  IAMClient,
  CreateAccessKeyCommand,
  CreateUserCommand,
  ListUsersCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { eventually, freshAccount, machinesRefused } from '../support/cloud.ts';

const run = promisify(execFile);
const port = Number(new URL(inject('endpoint')).port);
let ca: string;
let folder: string;

beforeAll(async () => {
  ca = await (await fetch(`${inject('endpoint')}/_pilvi/ca.pem`)).text();
  folder = await mkdtemp(path.join(tmpdir(), 'pilvi-https-'));
  await writeFile(path.join(folder, 'ca.pem'), ca);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Body of a GET over TLS; rejects when the certificate does not fit `host`. */
function get(host: string, trusted: string | undefined, target = '/_pilvi/health'): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: target, servername: host, headers: { host }, ca: trusted, agent: false };
    https
      .get(options, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.on('end', () => resolve(text));
      })
      .on('error', reject);
  });
}

/** The certificate shown to a client that names `servername`, or nothing. */
function shownTo(servername?: string): Promise<PeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, ...(servername === undefined ? {} : { servername }) }, () => {
      resolve(socket.getPeerCertificate());
      socket.end();
    });
    socket.on('error', reject);
  });
}

describe('certificates', () => {
  test('the authority is one of version 3 that may sign leaves and nothing else', () => {
    const certificate = new X509Certificate(ca);
    expect(certificate.ca).toBe(true);
    expect(certificate.subject).toMatch(/^O=Pilvi\nCN=Pilvi CA [0-9a-f]{8}$/);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });

  test.each(['localhost', 'sts.localhost', 'bucket.s3.us-east-1.localhost', 'sqs.us-east-1.localhost.localstack.cloud'])(
    'a client that trusts it reaches %s',
    async (host) => {
      expect(JSON.parse(await get(host, ca))).toMatchObject({ status: 'running' });
    },
  );

  test('a client that does not is refused by its own TLS, and the port goes on', async () => {
    await expect(get('localhost', undefined)).rejects.toThrow(/self-signed certificate|unable to verify|local issuer/);
    expect(JSON.parse(await get('localhost', ca))).toMatchObject({ status: 'running' });
  });

  test('each name gets a certificate of its own; a name that is not the cloud’s gets none', async () => {
    expect((await shownTo('a.b.localhost')).subjectaltname).toBe('DNS:a.b.localhost');
    expect((await shownTo()).subjectaltname).toContain('IP Address:127.0.0.1');
    await expect(get('www.example.org', ca)).rejects.toThrow(/does not match certificate's altnames/);
  });
});

describe('clients', () => {
  test('the SDK works over HTTPS', async () => {
    const account = freshAccount(`https://127.0.0.1:${port}`);
    const requestHandler = { httpsAgent: new https.Agent({ ca }) };
    const sts = new STSClient({ ...account.config(), requestHandler });
    expect((await sts.send(new GetCallerIdentityCommand({}))).Account).toBe(account.id);
  });

  test('the aws CLI works with AWS_CA_BUNDLE, and without it refuses the certificate', async (context) => {
    const account = freshAccount(`https://127.0.0.1:${port}`);
    const bundle = { AWS_CA_BUNDLE: path.join(folder, 'ca.pem') };
    const call = (env: Record<string, string>) => run('aws', ['sts', 'get-caller-identity'], { env: account.env(env) });
    const missing = await run('aws', ['--version']).then(
      () => false,
      () => true,
    );
    context.skip(missing, 'needs the aws CLI');
    expect(JSON.parse((await call(bundle)).stdout)).toMatchObject({ Account: account.id });
    await expect(call({})).rejects.toThrow(/SSL validation failed/);
  });

  test('aws:SecureTransport tells the two apart', async () => {
    const account = freshAccount();
    const root = new IAMClient(account.config());
    await root.send(new CreateUserCommand({ UserName: 'careful' }));
    const { AccessKey } = await root.send(new CreateAccessKeyCommand({ UserName: 'careful' }));
    const statement = {
      Effect: 'Allow',
      Action: 'iam:ListUsers',
      Resource: '*',
      Condition: { Bool: { 'aws:SecureTransport': 'true' } },
    };
    const document = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await root.send(new PutUserPolicyCommand({ UserName: 'careful', PolicyName: 'tls', PolicyDocument: document }));
    const requestHandler = { httpsAgent: new https.Agent({ ca }) };
    const config = account.configFor(AccessKey ?? {});
    const secure = new IAMClient({ ...config, endpoint: `https://127.0.0.1:${port}`, requestHandler });
    expect((await secure.send(new ListUsersCommand({}))).Users).toHaveLength(1);
    await expect(new IAMClient(config).send(new ListUsersCommand({}))).rejects.toMatchObject({ name: 'AccessDenied' });
  });
});

test('INFRA-001 servers, storage and databases are obtained over HTTPS, at once and by nobody’s hand, and answer', {
  timeout: 60_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused() ?? '');
  const account = freshAccount(`https://127.0.0.1:${port}`);
  const config = { ...account.config(), requestHandler: { httpsAgent: new https.Agent({ ca }) } };
  const ec2 = new EC2({ ...config });
  const images = (await ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] })).Images ?? [];
  const ImageId = images.find(({ Name }) => Name?.startsWith('al2023-ami-'))?.ImageId;
  const script = '#!/bin/sh\ncd /tmp && echo served > page && exec python3 -m http.server 80';
  const { GroupId } = await ec2.createSecurityGroup({ GroupName: 'web', Description: 'web' });
  await ec2.authorizeSecurityGroupIngress({ GroupId, IpProtocol: 'tcp', FromPort: 80, ToPort: 80, CidrIp: '0.0.0.0/0' });
  const { Instances } = await ec2.runInstances({
    ImageId,
    InstanceType: 't3.micro',
    MinCount: 1,
    MaxCount: 1,
    SecurityGroupIds: [GroupId ?? ''],
    UserData: Buffer.from(script).toString('base64'),
  });
  const s3 = new S3({ ...config, forcePathStyle: true });
  const bucket = { Bucket: `secure-${account.id}` };
  await s3.createBucket(bucket);
  await s3.putObject({ ...bucket, Key: 'k', Body: 'stored' });
  expect(await (await s3.getObject({ ...bucket, Key: 'k' })).Body?.transformToString()).toBe('stored');
  const dynamo = new DynamoDB({ ...config });
  const TableName = 'things';
  await dynamo.createTable({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  });
  await waitUntilTableExists({ client: dynamo, maxWaitTime: 20, minDelay: 1 }, { TableName });
  const Item = { id: { S: '1' } };
  await dynamo.putItem({ TableName, Item });
  expect((await dynamo.getItem({ TableName, Key: Item })).Item).toEqual(Item);
  const page = await eventually(
    async () => {
      const found = await ec2.describeInstances({ InstanceIds: [Instances?.[0]?.InstanceId ?? ''] });
      const address = found.Reservations?.[0]?.Instances?.[0]?.PublicIpAddress ?? '';
      return get(`ec2-${address.replaceAll('.', '-')}.us-east-1.compute.localhost`, ca, '/page').then((text) => {
        expect(text).toBe('served\n');
        return text;
      });
    },
    { why: 'the instance serves its page', timeoutMs: 25_000 },
  );
  expect(page).toBe('served\n');
  const untrusting = new EC2({ ...account.config() });
  await expect(untrusting.describeImages({})).rejects.toThrow(/certificate/);
});

describe('bad clients', () => {
  test('a broken handshake ends that connection and no other', async () => {
    const closed = await new Promise<boolean>((resolve) => {
      const socket = connectPlain(port, '127.0.0.1', () => socket.write(Uint8Array.of(0x16, 9, 9, 0, 2, 9, 9)));
      socket.on('error', () => undefined).on('close', () => resolve(true));
      socket.resume();
    });
    expect(closed).toBe(true);
    expect(JSON.parse(await get('localhost', ca))).toMatchObject({ status: 'running' });
  });

  test('many requests follow one another on one encrypted connection', async () => {
    const agent = new https.Agent({ ca, keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let count = 0; count < 20; count += 1) {
      await new Promise<void>((resolve, reject) => {
        https
          .get({ host: '127.0.0.1', port, path: '/_pilvi/clock', agent }, (answer) => {
            ports.add(answer.socket.localPort);
            answer.resume().on('end', resolve);
          })
          .on('error', reject);
      });
    }
    agent.destroy();
    expect(ports.size).toBe(1);
    await eventually(() => expect(agent.sockets).toEqual({}), { why: 'the connection closes' });
  });
});
