/** The pilvi command against a cloud of its own: what it prints, what it refuses, its exit status. */
import { execFile, spawn } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import {
  AuthorizeSecurityGroupIngressCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { CreateUserCommand, IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { eventually, freshAccount, type OwnCloud, startOwnCloud } from '../support/cloud.ts';
import { fetchInside } from '../support/inside.ts';

const run = promisify(execFile);
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

interface Ended {
  status: number;
  out: string;
  error: string;
}

/** Runs `pilvi` about this cloud, with no terminal, as in CI. */
async function pilvi(words: readonly string[], rest: readonly string[] = []): Promise<Ended> {
  const argv = ['dist/pilvi.js', ...words, '--data', cloud.data, ...(rest.length > 0 ? ['--', ...rest] : [])];
  return run(process.execPath, argv).then(
    ({ stdout, stderr }) => ({ status: 0, out: stdout, error: stderr }),
    (failure: { code: number; stdout: string; stderr: string }) => ({
      status: failure.code,
      out: failure.stdout,
      error: failure.stderr,
    }),
  );
}

describe('commands that ask', () => {
  test('status, in words and as JSON', async () => {
    const { out } = await pilvi(['status']);
    expect(out).toMatch(new RegExp(`^Pilvi [\\d.]+ runs on ${cloud.endpoint}\\. Cloud time is \\d{4}-.*Z\\.\\n`));
    expect(JSON.parse((await pilvi(['status', '--json'])).out)).toMatchObject({ status: 'running', limits: cloud.limits });
  });

  test('services, all and one', async () => {
    const { out } = await pilvi(['services']);
    expect(out).toMatch(/^sts +\d+ of 11$/m);
    expect(out).toMatch(/answered 501 NotImplemented: .*redshift/);
    expect((await pilvi(['services', 'sts'])).out.split('\n')).toContain('AssumeRole');
    expect((await pilvi(['services', 'redshift'])).out).toBe('redshift: no operation is implemented; all answer 501.\n');
    expect(await pilvi(['services', 'nope'])).toEqual({
      status: 1,
      out: '',
      error: 'pilvi services: A command line option is wrong. There is no service nope.\n',
    });
  });

  test('the clock', async () => {
    const timeOf = async (words: string[]) => Date.parse((await pilvi(['clock', ...words])).out.split(',')[0]!);
    const before = await timeOf([]);
    expect(await timeOf(['advance', '1d12h'])).toBeGreaterThanOrEqual(before + 36 * 3_600_000);
    expect((await pilvi(['clock', 'freeze'])).out).toMatch(/, speed 0\n$/);
    expect(await timeOf([])).toBe(await timeOf([]));
    expect((await pilvi(['clock', 'speed', '60'])).out).toMatch(/, speed 60\n$/);
    expect((await pilvi(['clock', 'resume'])).out).toMatch(/, speed 1\n$/);
    for (const [words, why] of [
      [['advance', 'soon'], 'soon is not a duration such as 90s, 1h30m or 30d.'],
      [['back'], 'clock takes advance DURATION, speed FACTOR, freeze or resume.'],
      [['speed', 'x'], 'x is not a speed such as 60, 1 or 0.'],
    ] as const)
      expect(await pilvi(['clock', ...words])).toEqual({
        status: 1,
        out: '',
        error: `pilvi clock: A command line option is wrong. ${why}\n`,
      });
  });

  test('the trace of a request', async () => {
    const { $metadata } = await new STSClient(freshAccount(cloud.endpoint).config()).send(new GetCallerIdentityCommand({}));
    expect((await pilvi(['trace', $metadata.requestId!])).out).toMatch(
      /^ +\d+ ms {2}identify: sts:GetCallerIdentity as awsQuery\n/,
    );
    expect((await pilvi(['trace', 'nope'])).error).toContain('No such request, or it is too long ago.');
  });

  test('rows, and emptying one account', async () => {
    const account = freshAccount(cloud.endpoint);
    const iam = new IAMClient(account.config());
    await iam.send(new CreateUserCommand({ UserName: 'anna' }));
    const { rows } = JSON.parse((await pilvi(['inspect'])).out) as { rows: unknown[] };
    expect(rows.length).toBeGreaterThan(0);
    expect((await pilvi(['reset', account.id])).out).toBe(`Account ${account.id} is empty.\n`);
    expect((await iam.send(new ListUsersCommand({}))).Users).toEqual([]);
    expect((await pilvi(['reset', '5'])).error).toContain('account must be twelve digits.');
  });

  test('doctor names each capability, and its status says whether one is missing', async () => {
    const { status, out } = await pilvi(['doctor']);
    for (const name of ['namespaces', 'ip', 'nft', 'overlay', 'runc'])
      expect(out).toMatch(new RegExp(`^(yes|no )  ${name}\\b`, 'm'));
    expect(status).toBe(/^no /m.test(out) ? 1 : 0);
  });

  test('a command that does not exist, and a cloud that does not', async () => {
    expect(await pilvi(['nope'])).toMatchObject({
      status: 2,
      error: expect.stringContaining('pilvi: there is no command nope.'),
    });
    const away = await run(process.execPath, ['dist/pilvi.js', 'status', '--port', '1']).catch(
      (failure: Error & { stderr: string }) => failure,
    );
    expect(away.stderr).toContain(
      'pilvi status: No Pilvi answers at this address. http://127.0.0.1:1. Start one with: pilvi start',
    );
  });
});

describe('commands that go inside', () => {
  test('shell, an instance’s shell, and publish', { timeout: 60_000 }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0]);
    const { id, address, hostname } = await startSite();
    const page = `on ${hostname}\n`;

    expect(await pilvi(['shell'], ['curl', '-s', '-m', '5', `http://${address}/`])).toMatchObject({ status: 0, out: page });
    expect(await pilvi(['shell'], ['sh', '-c', 'exit 7'])).toMatchObject({ status: 7 });
    // Its port alone leads to it as well, wherever its folder is.
    const byPort = await run(process.execPath, [
      'dist/pilvi.js',
      'shell',
      '--port',
      new URL(cloud.endpoint).port,
      '--',
      'hostname',
    ]);
    expect(byPort.stdout).not.toBe('');
    expect(await pilvi(['shell', id], ['sh', '-c', 'id -u; hostname'])).toMatchObject({ status: 0, out: `0\n${hostname}\n` });
    expect((await pilvi(['shell', 'i-00000000000000000'], ['true'])).error).toContain(
      'No machine runs behind i-00000000000000000.',
    );
    expect((await pilvi(['shell', '../../etc'], ['true'])).error).toContain('No machine runs behind ../../etc.');

    const published = spawn(process.execPath, ['dist/pilvi.js', 'publish', `${address}:80`, '--data', cloud.data], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<number | null>((resolve) => published.once('close', resolve));
    onTestFinished(async () => {
      published.kill('SIGTERM');
      expect(await ended).toBe(0);
    });
    let said = '';
    published.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const port = await eventually(() => /is at 127\.0\.0\.1:(\d+)\./.exec(said)?.[1] ?? expect.fail(said), {
      why: 'the port is open',
    });
    expect((await run('curl', ['-s', '-m', '5', `http://127.0.0.1:${port}/`])).stdout).toBe(page);
    expect((await pilvi(['publish', '10.0.0.1:80'])).error).toContain(
      '10.0.0.1:80 is not a public address of the cloud with a port',
    );

    // Machines reach the same APIs on the cloud's own address, and nothing of the admin API.
    const inside = (path: string) =>
      pilvi(['shell', id], ['curl', '-s', '-m', '5', '-X', 'POST', `http://198.18.0.1:4566${path}`]);
    for (const path of ['/_pilvi/reset', '/_pilvi/health', '/_localstack/state/reset'])
      expect((await inside(path)).out).toMatch(/<Code>\w+<\/Code>/);
    expect(await statusOf('/_pilvi/health')).toBe(200);
  });

  async function startSite(): Promise<{ id: string; address: string; hostname: string }> {
    const ec2 = new EC2Client(freshAccount(cloud.endpoint).config());
    const { SecurityGroups } = await ec2.send(new DescribeSecurityGroupsCommand({ GroupNames: ['default'] }));
    const rule = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, CidrIp: '0.0.0.0/0' };
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: SecurityGroups![0]!.GroupId!, ...rule }));
    const { Images } = await ec2.send(
      new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] }),
    );
    const script =
      '#!/bin/sh\nmkdir /www && cd /www && echo "on $(hostname)" > index.html\npython3 -m http.server 80 > /dev/null 2>&1 &\n';
    const UserData = Buffer.from(script).toString('base64');
    const launch = { ImageId: Images![0]!.ImageId!, MinCount: 1, MaxCount: 1, UserData };
    const id = (await ec2.send(new RunInstancesCommand({ ...launch, InstanceType: 't2.micro' }))).Instances![0]!.InstanceId!;
    return eventually(
      async () => {
        const { PublicIpAddress: address = '', PrivateDnsName: hostname = '' } = (
          await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
        ).Reservations![0]!.Instances![0]!;
        expect(await fetchInside(address, 80, '/', cloud.endpoint)).toMatchObject({ status: 200 });
        return { id, address, hostname };
      },
      { why: 'the site answers', timeoutMs: 25_000 },
    );
  }

  const statusOf = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      http
        .get(`${cloud.endpoint}${path}`, { agent: false }, (response) => resolve(response.resume().statusCode))
        .on('error', reject);
    });
});
