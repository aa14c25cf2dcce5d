/** The console's launch page with its four tabs, and its Connect page. */
import { existsSync } from 'node:fs';
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateImageCommand,
  DescribeImagesCommand,
  type Image,
  ModifyImageAttributeCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { eventually, freshAccount, machinesRefused, refused } from '../support/cloud.ts';
import { Lab } from '../services/ec2/support.ts';
import { allow, policy, type Rooted, rooted } from '../services/iam/support.ts';
import { Browser, password } from './browser.ts';

async function signedIn(root: Rooted, name: string, ...actions: string[]): Promise<Browser> {
  await root.iam.createUser({ UserName: name });
  await root.iam.createLoginProfile({ UserName: name, Password: password });
  if (actions.length > 0)
    await root.iam.putUserPolicy({
      UserName: name,
      PolicyName: 'p',
      PolicyDocument: policy(...actions.map((one) => allow(one))),
    });
  const browser = new Browser();
  await browser.signIn(root.account.id, name);
  return browser;
}

const labOf = (root: Rooted): Lab => new Lab(root.account.config().endpoint, root.account);

/** An image that the lab makes of an instance of its own. */
async function makeImage(lab: Lab, Name: string): Promise<string> {
  const id = await lab.launch();
  await lab.inState(id, 'running');
  const { ImageId } = await lab.ec2.send(new CreateImageCommand({ InstanceId: id, Name, NoReboot: true }));
  await eventually(
    async () => {
      const found = await lab.ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }));
      expect(found.Images![0]!.State).toBe('available');
    },
    { why: 'the image is made' },
  );
  await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  return ImageId!;
}

test('AMI-010 images come from four places, each a tab of the launch page, and one of each starts', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const root = rooted();
  const lab = labOf(root);
  const other = new Lab(root.account.config().endpoint, freshAccount());
  const [mine, theirs] = await Promise.all([makeImage(lab, 'mine'), makeImage(other, 'theirs')]);
  await other.ec2.send(new ModifyImageAttributeCommand({ ImageId: theirs, LaunchPermission: { Add: [{ Group: 'all' }] } }));
  const described = async (input: object): Promise<Image[]> => (await lab.ec2.send(new DescribeImagesCommand(input))).Images!;
  const [amazon] = await described({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-2*'] }] });
  const [product] = await described({ Owners: ['aws-marketplace'] });
  expect((await described({ Owners: ['self'] })).map(({ ImageId }) => ImageId)).toEqual([mine]);
  expect((await described({ ExecutableUsers: ['all'] })).map(({ ImageId }) => ImageId)).toContain(theirs);

  const browser = await signedIn(root, 'operator', 'ec2:*');
  const tab = async (name: string): Promise<string> => (await browser.get(`/ec2/launch?region=us-east-1&tab=${name}`)).text;
  const tabs = { 'quick-start': amazon!.ImageId!, own: mine, marketplace: product!.ImageId!, community: theirs };
  for (const [name, id] of Object.entries(tabs)) {
    const text = await tab(name);
    for (const [otherName, otherId] of Object.entries(tabs))
      expect(text.includes(`<td>${otherId}</td>`), `${otherName} in ${name}`).toBe(otherName === name);
    expect(text.includes(`<td>${id}</td>`)).toBe(true);
  }

  const launch = (ImageId: string) =>
    lab.ec2.send(new RunInstancesCommand({ ImageId, InstanceType: 't3.micro', MinCount: 1, MaxCount: 1 }));
  const words = /^In order to use this AWS Marketplace product you need to accept terms and subscribe\./;
  await refused(launch(product!.ImageId!), 'OptInRequired', words, 401);
  const fromPage = await browser.post('/ec2/instances', { region: 'us-east-1', image: product!.ImageId! });
  expect(fromPage.text).toContain('OptInRequired: In order to use this AWS Marketplace product');
  const code = product!.ProductCodes![0]!.ProductCodeId!;
  const subscription = { region: 'us-east-1', tab: 'marketplace', product: code };
  expect((await browser.post('/ec2/subscribe', subscription)).text).toContain('aws-marketplace:Subscribe');
  const buyer = await signedIn(root, 'buyer', 'ec2:*', 'aws-marketplace:Subscribe');
  expect((await buyer.post('/ec2/subscribe', { ...subscription, product: 'none' })).text).toContain('There is no such product.');
  await refused(launch(product!.ImageId!), 'OptInRequired', words, 401);
  expect((await buyer.post('/ec2/subscribe', subscription)).status).toBe(303);
  for (const id of Object.values(tabs)) {
    const started = (await launch(id)).Instances![0]!.InstanceId!;
    await lab.inState(started, 'running');
    await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [started] }));
  }
  // A subscription is one account's.
  await refused(
    other.ec2.send(new RunInstancesCommand({ ImageId: product!.ImageId!, MinCount: 1, MaxCount: 1 })),
    'OptInRequired',
  );
}, 60_000);

test('the Connect page opens a shell on an instance, once port 22 is allowed', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  context.skip(!existsSync('/usr/sbin/sshd'), 'needs an SSH server on the host (openssh-server)');
  const root = rooted();
  const lab = labOf(root);
  const network = await lab.network('10.84');
  const id = await lab.launch({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  await lab.inState(id, 'running');
  const browser = await signedIn(root, 'operator', 'ec2:*', 'ec2-instance-connect:SendSSHPublicKey');
  expect((await browser.get('/ec2/instances')).text).toContain(`/ec2/connect?region=us-east-1&amp;instance=${id}`);
  const page = await browser.get(`/ec2/connect?region=us-east-1&instance=${id}`);
  expect(page.text).toContain(`value="${id}"`);
  const connect = (who: Browser, fields: object = {}) =>
    who.post('/ec2/connect', { region: 'us-east-1', instance: id, user: 'ec2-user', ...fields });
  const closed = await connect(browser);
  expect([closed.status, closed.text.includes('Failed to connect to your instance')]).toEqual([403, true]);
  await lab.ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId: network.groupId,
      IpPermissions: [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
    }),
  );
  expect((await connect(browser, { user: 'Not a user' })).status).toBe(403);
  expect((await connect(browser, { instance: 'i-0123456789abcdef0' })).text).toContain('InvalidInstanceID.NotFound');
  const stranger = await signedIn(root, 'stranger', 'ec2:*');
  expect((await connect(stranger)).text).toContain('ec2-instance-connect:SendSSHPublicKey');
  const shell = await eventually(
    async () => {
      const opened = await connect(browser);
      expect(opened.status).toBe(303);
      return new URL(opened.headers.get('location')!, 'http://localhost').searchParams.get('shell')!;
    },
    { why: 'the SSH server answers', timeoutMs: 25_000 },
  );
  expect((await browser.get(`/ec2/shell?shell=${shell}`)).text).toContain(`<h1>${id}</h1>`);
  const typed = async (line: string, who = browser) => who.post('/ec2/shell', { shell, line });
  await typed('cd /var/log; x=$((40 + 2))');
  const answer = (await typed('echo "$(whoami) $(pwd) $x"')).text;
  expect(answer).toContain('ec2-user /var/log 42');
  expect((await typed('whoami', stranger)).status).toBe(404);
  await typed('exit');
  await eventually(async () => expect((await typed('')).text).toContain('The connection is closed.'), {
    why: 'the shell has ended',
  });
  await lab.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
}, 60_000);
