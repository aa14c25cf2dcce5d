/** What a cloud keeps and what it leaves behind: killed in the middle of work, stopped, started beside others, and where it may do little. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateVpcCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVpcsCommand,
  EC2Client,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { CreateUserCommand, IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  admin,
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  startOwnCloud,
  type TestAccount,
} from '../support/cloud.ts';
import { fetchInside } from '../support/inside.ts';

const run = promisify(execFile);
const folder = async () => {
  const made = await mkdtemp(path.join(tmpdir(), 'pilvi-crash-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
};

/** Starts `pilvi` with words and an environment; resolves with status and output, whatever they are. */
async function pilvi(words: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<{ status: number; text: string }> {
  return run(process.execPath, ['dist/pilvi.js', ...words], { env }).then(
    ({ stdout, stderr }) => ({ status: 0, text: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({ status: error.code, text: error.stdout + error.stderr }),
  );
}

/** Processes of this machine whose command line names the data folder. */
function processesOf(data: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(data);
    } catch {
      return false;
    }
  });
}

/** Processes in the namespace of a process of the cloud: machines' processes do not name the folder. */
function processesInNetwork(network: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/net`) === network;
    } catch {
      return false;
    }
  });
}

function networkOf(data: string): string {
  const { insidePid } = JSON.parse(readFileSync(path.join(data, 'pilvi.json'), 'utf8')) as { insidePid?: number };
  return insidePid === undefined ? 'none' : readlinkSync(`/proc/${insidePid}/ns/net`);
}

/** Control group folders of one run: `pilvi-<pid of the outer process>-…`, in every hierarchy. */
function controlGroupsOf(pid: number): string[] {
  const roots = [
    '/sys/fs/cgroup',
    ...readdirSync('/sys/fs/cgroup', { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `/sys/fs/cgroup/${name}`),
  ];
  return roots.flatMap((root) =>
    readdirSync(root)
      .filter((name) => name.startsWith(`pilvi-${pid}-`))
      .map((name) => `${root}/${name}`),
  );
}

/** Nothing of the run is left on the machine: no process, mount, control group. */
async function expectNothingLeft(cloud: OwnCloud, network: string): Promise<void> {
  await eventually(
    () => {
      expect(processesOf(cloud.data)).toEqual([]);
      if (network !== 'none') expect(processesInNetwork(network)).toEqual([]);
    },
    { why: 'every process of the run ends' },
  );
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(cloud.data);
  await eventually(() => expect(controlGroupsOf(cloud.process.pid ?? 0)).toEqual([]), { why: 'the control groups are gone' });
}

const userData = Buffer.from(
  '#!/bin/sh\nmkdir -p /www && cd /www && hostname > index.html\npython3 -m http.server 80 > /dev/null 2>&1 &\n',
).toString('base64');

/** An instance of the default VPC with an Elastic IP that answers HTTP; user data runs at its first start only. */
async function startSite(account: TestAccount): Promise<{ id: string; address: string; privateAddress: string }> {
  const ec2 = new EC2Client(account.config());
  const groups = await ec2.send(new DescribeSecurityGroupsCommand({ GroupNames: ['default'] }));
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: groups.SecurityGroups![0]!.GroupId!,
      IpProtocol: 'tcp',
      FromPort: 80,
      ToPort: 80,
      CidrIp: '0.0.0.0/0',
    }),
  );
  const images = await ec2.send(
    new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] }),
  );
  const launched = await ec2.send(
    new RunInstancesCommand({
      ImageId: images.Images![0]!.ImageId!,
      InstanceType: 't2.micro',
      MinCount: 1,
      MaxCount: 1,
      UserData: userData,
    }),
  );
  const { InstanceId: id = '', PrivateIpAddress: privateAddress = '' } = launched.Instances![0]!;
  await stateOf(account, id, 'running');
  const { PublicIp: address = '', AllocationId } = await ec2.send(new AllocateAddressCommand({}));
  await ec2.send(new AssociateAddressCommand({ AllocationId: AllocationId!, InstanceId: id }));
  return { id, address, privateAddress };
}

function stateOf(account: TestAccount, id: string, state: string) {
  const ec2 = new EC2Client(account.config());
  return eventually(
    async () => {
      const found = (await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations![0]!.Instances![0]!;
      expect(found.State?.Name).toBe(state);
      return found;
    },
    { why: `${id} becomes ${state}`, timeoutMs: 25_000 },
  );
}

describe('kill -9 of the whole cloud', () => {
  test('in the middle of writes by many clients: all that was acknowledged is there', { timeout: 90_000 }, async () => {
    const data = await folder();
    let cloud = await startOwnCloud({ data });
    const accounts = Array.from({ length: 6 }, () => freshAccount(cloud.endpoint));
    const acknowledged = new Map(accounts.map(({ id }) => [id, { users: [] as string[], vpcs: [] as string[] }]));
    let going = true;
    const writers = accounts.map(async (account) => {
      const [iam, ec2] = [new IAMClient(account.config()), new EC2Client(account.config())];
      const seen = acknowledged.get(account.id)!;
      for (let turn = 0; going; turn++) {
        try {
          await iam.send(new CreateUserCommand({ UserName: `user${turn}` }));
          seen.users.push(`user${turn}`);
          if (turn < 4) seen.vpcs.push((await ec2.send(new CreateVpcCommand({ CidrBlock: `10.${turn}.0.0/16` }))).Vpc!.VpcId!);
        } catch (error) {
          if (going) throw error;
        }
      }
    });
    await eventually(() => expect([...acknowledged.values()].every(({ users }) => users.length > 15)).toBe(true), {
      why: 'every client has written',
    });
    going = false;
    const network = networkOf(data);
    await cloud.kill();
    await Promise.all(writers);
    await eventually(() => expect(network === 'none' ? [] : processesInNetwork(network)).toEqual([]), {
      why: 'everything inside dies with the outer process',
    });

    const dead = cloud;
    cloud = await startOwnCloud({ data });
    onTestFinished(async () => void (await cloud.stop()));
    for (const account of accounts) {
      const seen = acknowledged.get(account.id)!;
      const config = account.config({ endpoint: cloud.endpoint });
      const users = (await new IAMClient(config).send(new ListUsersCommand({ MaxItems: 1000 }))).Users!.map(
        ({ UserName }) => UserName,
      );
      expect(users).toEqual(expect.arrayContaining(seen.users));
      // The call that nobody heard of again may have happened or not, and nothing more.
      expect(users.length - seen.users.length).toBeLessThanOrEqual(1);
      const vpcs = (await new EC2Client(config).send(new DescribeVpcsCommand({}))).Vpcs!.map(({ VpcId }) => VpcId);
      expect(vpcs).toEqual(expect.arrayContaining(seen.vpcs));
    }
    await eventually(() => expect(controlGroupsOf(dead.process.pid ?? 0)).toEqual([]), {
      why: 'the dead run’s control groups are gone',
    });
  });

  test('an instance runs again with its addresses and its disk, and nothing stale is left', {
    timeout: 90_000,
  }, async (context) => {
    const data = await folder();
    let cloud = await startOwnCloud({ data });
    onTestFinished(async () => void (await cloud.stop()));
    context.skip(cloud.limits.length > 0, cloud.limits[0]);
    const account = freshAccount(cloud.endpoint);
    const site = await startSite(account);
    const page = (endpoint: string) =>
      eventually(async () => expect(await fetchInside(site.address, 80, '/', endpoint)).toMatchObject({ status: 200 }), {
        why: 'the site answers',
      });
    await page(cloud.endpoint);
    const dead = cloud;
    const network = networkOf(data);
    await cloud.kill();
    await eventually(() => expect(processesInNetwork(network)).toEqual([]), { why: 'the machines die too' });
    cloud = await startOwnCloud({ data });
    const config = account.config({ endpoint: cloud.endpoint });
    const again = await stateOf({ ...account, config: () => config }, site.id, 'running');
    expect(again).toMatchObject({ PublicIpAddress: site.address, PrivateIpAddress: site.privateAddress });
    // User data runs once, so nothing listens now: a port that refuses shows that machine, network and rules are back.
    await eventually(async () => expect(await fetchInside(site.address, 80, '/', cloud.endpoint)).toBe('ECONNREFUSED'), {
      why: 'the machine is reached',
    });
    const { text } = await pilvi(['shell', site.id, '--data', data, '--', 'cat', '/www/index.html']);
    expect(text).toMatch(/^ip-/);
    await eventually(() => expect(controlGroupsOf(dead.process.pid ?? 0)).toEqual([]), {
      why: 'the dead run’s control groups are gone',
    });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(data);
    const last = networkOf(data);
    await cloud.stop();
    await expectNothingLeft(cloud, last);
  });

  test('the moved clock goes on from where it was', { timeout: 60_000 }, async () => {
    const data = await folder();
    let cloud = await startOwnCloud({ data });
    await advanceClock(cloud.endpoint, 400 * 86_400_000);
    await admin('POST', 'reset', {}, cloud.endpoint);
    const before = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
    await cloud.kill();
    cloud = await startOwnCloud({ data });
    onTestFinished(async () => void (await cloud.stop()));
    const after = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
    expect(Date.parse(after.time)).toBeGreaterThanOrEqual(Date.parse(before.time));
    const calls = new STSClient(freshAccount(cloud.endpoint).config()).send(new GetCallerIdentityCommand({}));
    expect((await calls).Account).toHaveLength(12);
  });
});

describe('several clouds', () => {
  test('run side by side and know nothing of each other; stop leaves nothing', { timeout: 60_000 }, async () => {
    const [one, other] = await Promise.all([startOwnCloud(), startOwnCloud()]);
    const account = freshAccount(one.endpoint);
    await new IAMClient(account.config()).send(new CreateUserCommand({ UserName: 'anna' }));
    const there = await new IAMClient(account.config({ endpoint: other.endpoint })).send(new ListUsersCommand({}));
    expect(there.Users).toEqual([]);
    const networks = [networkOf(one.data), networkOf(other.data)];
    await one.stop();
    await expectNothingLeft(one, networks[0]!);
    expect(await admin('GET', 'health', undefined, other.endpoint)).toMatchObject({ status: 'running' });
    await other.stop();
    await expectNothingLeft(other, networks[1]!);
  });

  test('a taken port, a taken folder, a file and a wrong option are told from each other', { timeout: 60_000 }, async () => {
    const cloud = await startOwnCloud();
    onTestFinished(async () => void (await cloud.stop()));
    const { port } = new URL(cloud.endpoint);
    const taken = await pilvi(['start', '--port', port, '--data', await folder()]);
    expect(taken.status).toBe(1);
    expect(taken.text).toContain(`The address is already in use by another program. 127.0.0.1:${port}`);
    const locked = await pilvi(['start', '--port', '0', '--data', cloud.data]);
    expect(locked).toEqual({ status: 1, text: `pilvi start: Another Pilvi already uses this data folder. ${cloud.data}\n` });
    // In the background the same reason is in the log, and the command does not wait for an answer that cannot come.
    const elsewhere = await folder();
    const asked = performance.now();
    const background = await pilvi(['start', '--detach', '--port', port, '--data', elsewhere]);
    expect(background).toEqual({
      status: 1,
      text: `pilvi start: Pilvi could not start. It ended with 1; see ${elsewhere}/pilvi.log.\n`,
    });
    expect(performance.now() - asked).toBeLessThan(25_000);
    expect(readFileSync(path.join(elsewhere, 'pilvi.log'), 'utf8')).toContain('already in use by another program');
    const file = path.join(elsewhere, 'pilvi.log');
    for (const words of [['start'], ['start', '--detach']])
      expect(await pilvi([...words, '--port', '0', '--data', file])).toEqual({
        status: 1,
        text: `pilvi start: The data folder cannot be made or written. ${file} (EEXIST: file already exists, mkdir '${file}')\n`,
      });
    const misspelt = await pilvi(['start', '--prot', '4570']);
    expect(misspelt).toEqual({ status: 1, text: "pilvi start: A command line option is wrong. Unknown option '--prot'.\n" });
    const wrong = await pilvi(['start', '--port', 'x']);
    expect(wrong).toEqual({ status: 1, text: 'pilvi start: A command line option is wrong. x is not a port.\n' });
    expect(await admin('GET', 'health', undefined, cloud.endpoint)).toMatchObject({ status: 'running' });
  });

  test('pilvi start --detach and pilvi stop', { timeout: 60_000 }, async () => {
    const data = await folder();
    const started = await pilvi(['start', '--detach', '--port', '0', '--data', data]);
    expect(started.text).toContain('Pilvi runs in the background on http://127.0.0.1:');
    expect(started.text).toContain(`Stop it with: pilvi stop --data ${data}\n`);
    const dns = /^Public zones are answered on port \d+: dig -p \d+ @127\.0\.0\.1 NAME$/m;
    const line = dns.exec(started.text)?.[0] ?? expect.fail(started.text);
    expect((await pilvi(['status', '--data', data])).text).toContain(line);
    const network = networkOf(data);
    const stopped = await pilvi(['stop', '--data', data]);
    expect(stopped).toEqual({ status: 0, text: `Stopped. The data stays in ${data}.\n` });
    await eventually(() => expect(processesOf(data)).toEqual([]), { why: 'no process is left' });
    if (network !== 'none') expect(processesInNetwork(network)).toEqual([]);
    expect(existsSync(path.join(data, 'pilvi.json'))).toBe(false);
    const again = await pilvi(['stop', '--data', data]);
    expect(again).toEqual({ status: 1, text: `pilvi stop: No Pilvi answers at this address. No process serves ${data}.\n` });
  });
});

describe('a host that refuses namespaces', () => {
  test('every API answers, the start says why, and an instance carries the reason', { timeout: 60_000 }, async (context) => {
    context.skip(
      !existsSync('/usr/bin/setpriv') || process.getuid?.() !== 0,
      'needs root and setpriv, to start a cloud without any privilege',
    );
    const data = await folder();
    // No capability at all, and none to be had: neither namespaces as root nor a user namespace's mapping by newuidmap.
    const child = spawn(
      'setpriv',
      [
        '--no-new-privs',
        '--bounding-set=-all',
        '--inh-caps=-all',
        process.execPath,
        'dist/pilvi.js',
        'start',
        '--port',
        '0',
        '--data',
        data,
        '--validate-output',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise((resolve) => child.once('close', resolve));
    onTestFinished(async () => {
      child.kill('SIGTERM');
      await ended;
    });
    const endpoint = await eventually(() => /is ready: (http:\S+)/.exec(text)?.[1] ?? expect.fail(text), { why: 'it starts' });
    const health = (await admin('GET', 'health', undefined, endpoint)) as { limits: string[] };
    context.skip(health.limits.length === 0, 'this kernel lets processes without privileges make namespaces');
    expect(text).toContain(`Limited: ${health.limits[0]}`);
    const account = freshAccount(endpoint);
    expect((await new STSClient(account.config()).send(new GetCallerIdentityCommand({}))).Account).toBe(account.id);
    const ec2 = new EC2Client(account.config());
    const images = await ec2.send(
      new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] }),
    );
    const launched = await ec2.send(
      new RunInstancesCommand({ ImageId: images.Images![0]!.ImageId!, InstanceType: 't2.micro', MinCount: 1, MaxCount: 1 }),
    );
    const found = await stateOf(account, launched.Instances![0]!.InstanceId!, 'running');
    expect(found.StateReason).toEqual({
      Code: 'Server.NoMachine',
      Message: `No machine runs behind this instance: ${health.limits[0]}`,
    });
  });
});
