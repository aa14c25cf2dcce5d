/** Logging in over SSH, as users do: by the key pair of the launch, and by a key pushed for a minute. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  CreateKeyPairCommand,
  DescribeInstanceStatusCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  RevokeSecurityGroupIngressCommand,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2';
import { EC2InstanceConnectClient, SendSSHPublicKeyCommand } from '@aws-sdk/client-ec2-instance-connect';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { Browser } from '../../console/browser.ts';
import { Lab, type Network } from './support.ts';

const slow = 120_000;
// Time moves here, and the way in from the host goes by the cloud's data folder.
let cloud: OwnCloud;
let lab: Lab;
let net: Network;
let folder = '';
let instance: Instance;
let port = 0;
let publisher: ChildProcess | undefined;
const lacks = existsSync('/usr/sbin/sshd') ? undefined : 'needs an SSH server on the host (openssh-server)';

beforeEach((context) => {
  context.skip(lacks !== undefined, lacks);
  context.skip(cloud.limits.length > 0, cloud.limits[0]);
});
beforeAll(async () => {
  cloud = await startOwnCloud();
  if (lacks !== undefined || cloud.limits.length > 0) return;
  lab = new Lab(cloud.endpoint);
  folder = await mkdtemp(path.join(tmpdir(), 'pilvi-ssh-'));
  net = await lab.network('10.61');
  await lab.allow(net.groupId, 'tcp', 22, 22, '0.0.0.0/0');
  const { KeyMaterial } = await lab.ec2.send(new CreateKeyPairCommand({ KeyName: 'mine', KeyType: 'ed25519' }));
  await writeFile(path.join(folder, 'mine'), KeyMaterial!);
  await chmod(path.join(folder, 'mine'), 0o600);
  await keygen('other');
  await keygen('pushed');
  const id = await lab.launch({ SubnetId: net.subnetId, SecurityGroupIds: [net.groupId], KeyName: 'mine' });
  instance = await lab.inState(id, 'running');
  port = await publish(`${instance.PublicIpAddress!}:22`);
}, slow);
afterAll(async () => {
  publisher?.kill('SIGTERM');
  await cloud?.stop();
  if (folder !== '') await rm(folder, { recursive: true, force: true });
}, slow);

interface Done {
  status: number;
  output: string;
  error: string;
}

const execute = (program: string, args: readonly string[]): Promise<Done> =>
  new Promise((resolve) => {
    execFile(program, args, { timeout: 20_000 }, (error, output, problem) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), output, error: problem }),
    );
  });
const keygen = (name: string) => execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, name)]);

async function publish(address: string): Promise<number> {
  const child = spawn(process.execPath, ['dist/pilvi.js', 'publish', address, '--data', cloud.data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  publisher = child;
  return new Promise((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /at 127\.0\.0\.1:(\d+)/.exec(chunk.toString());
      if (found !== null) resolve(Number(found[1]));
    });
  });
}

const ssh = (key: string, command: string, more: readonly string[] = []) =>
  execute('ssh', [
    ...['-F', 'none', '-p', String(port), '-i', path.join(folder, key), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=5'],
    ...more,
    'ec2-user@127.0.0.1',
    command,
  ]);
const loggedIn = async (key: string, command: string): Promise<string> => {
  let output = '';
  await eventually(
    async () => {
      const done = await ssh(key, command);
      expect(done.error).toBe('');
      output = done.output;
    },
    { why: 'ssh lets in', timeoutMs: 20_000 },
  );
  return output.trim();
};

test(
  'EC2-028 SSH works with the key of the launch, as the user of the image, and with nothing else',
  async () => {
    const publicHalf = (await execute('ssh-keygen', ['-y', '-f', path.join(folder, 'mine')])).output.trim();
    expect(await loggedIn('mine', 'whoami')).toBe('ec2-user');
    expect(await loggedIn('mine', 'cat .ssh/authorized_keys')).toContain(publicHalf.split(' ')[1]);
    expect((await ssh('other', 'true')).error).toContain('Permission denied (publickey');
    const password = await ssh('other', 'true', ['-o', 'PreferredAuthentications=password,keyboard-interactive']);
    expect(password.error).toContain('Permission denied (publickey');
  },
  slow,
);

test(
  'EC2-001 a rented machine: both checks become ok, one logs in, installs a web server and reaches it',
  async (context) => {
    context.skip(!existsSync('/usr/bin/sudo'), 'needs sudo on the host, whose userland machines have');
    await eventually(
      async () => {
        const found = await lab.ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [instance.InstanceId!] }));
        expect(found.InstanceStatuses![0]).toMatchObject({ InstanceStatus: { Status: 'ok' }, SystemStatus: { Status: 'ok' } });
      },
      { why: 'status checks' },
    );
    // The package is made here, because nothing is downloaded: what installs it is the machine's own package manager, over SSH.
    const install = [
      'mkdir -p /tmp/web/DEBIAN /tmp/web/usr/bin /tmp/web/var/www/small',
      'printf "Package: small-web\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: t <t@example.com>\\nDescription: web\\n" > /tmp/web/DEBIAN/control',
      'printf "#!/bin/sh\\nexec python3 -m http.server -d /var/www/small 80\\n" > /tmp/web/usr/bin/small-web',
      'chmod 755 /tmp/web/usr/bin/small-web',
      'echo served > /tmp/web/var/www/small/index.html',
      'dpkg-deb -b --root-owner-group /tmp/web /tmp/small-web.deb > /dev/null',
      'sudo dpkg -i /tmp/small-web.deb > /dev/null',
      'sudo sh -c "setsid small-web > /dev/null 2>&1 < /dev/null &"',
    ].join(' && ');
    const installed = await ssh('mine', install);
    expect(installed).toMatchObject({ status: 0, error: '' });
    await eventually(
      async () =>
        expect(await fetchInside(instance.PublicIpAddress!, 80, '/', cloud.endpoint)).toMatchObject({
          status: 200,
          body: 'served\n',
        }),
      { why: 'the web server answers' },
    );
  },
  slow,
);

test(
  'EC2-031 a pushed key lets in for 60 seconds, also from the browser; port 22 must be allowed',
  async () => {
    const connect = new EC2InstanceConnectClient(lab.account.config({ endpoint: cloud.endpoint }));
    const key = await readFile(path.join(folder, 'pushed.pub'), 'utf8');
    const push = (input: object = {}) =>
      connect.send(
        new SendSSHPublicKeyCommand({
          InstanceId: instance.InstanceId!,
          InstanceOSUser: 'ec2-user',
          SSHPublicKey: key,
          ...input,
        }),
      );
    expect((await ssh('pushed', 'true')).error).toContain('Permission denied (publickey');
    expect(await push({ AvailabilityZone: 'us-east-1a' })).toMatchObject({ Success: true });
    expect(await loggedIn('pushed', 'whoami')).toBe('ec2-user');
    await advanceClock(cloud.endpoint, 61_000);
    const browser = new Browser(cloud.endpoint);
    await browser.signInRoot(lab.account.id);
    await browser.post('/mfa/skip', {});
    const open = () => browser.post('/ec2/connect', { region: 'us-east-1', instance: instance.InstanceId!, user: 'ec2-user' });
    const opened = (await open()).headers.get('location');
    const shell = new URL(opened!, 'http://localhost').searchParams.get('shell')!;
    expect((await browser.post('/ec2/shell', { shell, line: 'echo "$(whoami) $((40 + 2))"' })).text).toContain('ec2-user 42');
    expect((await ssh('pushed', 'true')).error).toContain('Permission denied (publickey');
    await refused(push({ InstanceId: 'i-0123456789abcdef0' }), 'EC2InstanceNotFoundException');
    await refused(push({ SSHPublicKey: `none${'x'.repeat(100)}` }), 'InvalidArgsException');
    await refused(push({ AvailabilityZone: 'us-east-1b' }), 'InvalidArgsException');
    await push();
    await lab.ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: net.groupId,
        IpPermissions: [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
      }),
    );
    expect((await ssh('pushed', 'true')).status).not.toBe(0);
    expect((await open()).text).toContain('Failed to connect to your instance');
    await lab.ec2.send(
      new ModifyInstanceAttributeCommand({ InstanceId: instance.InstanceId!, DisableApiStop: { Value: false } }),
    );
    await lab.ec2.send(new StopInstancesCommand({ InstanceIds: [instance.InstanceId!] }));
    await lab.inState(instance.InstanceId!, 'stopped');
    await refused(push(), 'EC2InstanceStateInvalidException');
  },
  slow,
);
