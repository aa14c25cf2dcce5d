/** Images: made of instances, copied, shared, deprecated, deregistered; and what may be launched from which. */
import {
  CopyImageCommand,
  CreateImageCommand,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImageAttributeCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  DisableImageCommand,
  DisableImageDeprecationCommand,
  DisableImageDeregistrationProtectionCommand,
  EC2Client,
  EnableImageCommand,
  EnableImageDeprecationCommand,
  EnableImageDeregistrationProtectionCommand,
  type Instance,
  ModifyImageAttributeCommand,
  RegisterImageCommand,
  ResetImageAttributeCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, describe, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { agentAtEachBoot, base64, Lab, type Network } from './support.ts';

const slow = 180_000;
const lab = new Lab();
const other = new Lab();
const { ec2 } = lab;
let net: Network;
let source: Instance;
let provided = '';

const available = (id: string, client: EC2Client = ec2) =>
  eventually(
    async () => {
      const found = await client.send(new DescribeImagesCommand({ ImageIds: [id] }));
      expect(found.Images![0]!.State).toBe('available');
      return found.Images![0]!;
    },
    { why: `${id} becomes available`, timeoutMs: 30_000 },
  );
const create = async (Name: string, more: object = {}): Promise<string> =>
  (await ec2.send(new CreateImageCommand({ InstanceId: source.InstanceId!, Name, ...more }))).ImageId!;
const launchFrom = (ImageId: string, client: EC2Client = ec2, more: object = {}) =>
  client.send(new RunInstancesCommand({ ImageId, InstanceType: 't2.nano', MinCount: 1, MaxCount: 1, ...more }));
const at = (instance: Instance) => instance.PublicIpAddress!;

beforeAll(async () => {
  provided = await lab.image();
  net = await lab.network('10.62');
  const placed = { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] };
  if (machinesRefused() === undefined) source = await lab.launchAgent(placed, agentAtEachBoot);
  else source = await lab.inState(await lab.launch(placed), 'running');
}, slow);

describe('an image of an instance', () => {
  test(
    'AMI-002 AMI-004 AMI-006 holds files, packages and configuration; the instance reboots unless told not to',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      const install = [
        'mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin',
        'printf "Package: golden\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: t <t@example.com>\\nDescription: x\\n" > /tmp/p/DEBIAN/control',
        'printf "#!/bin/sh\\necho golden\\n" > /tmp/p/usr/bin/golden && chmod 755 /tmp/p/usr/bin/golden',
        'dpkg-deb -b --root-owner-group /tmp/p /tmp/golden.deb > /dev/null && dpkg -i /tmp/golden.deb > /dev/null 2>&1',
        'echo kept > /root/file && echo "Welcome to golden" > /etc/motd',
      ].join(' && ');
      await lab.run(at(source), install);
      const uptime = async () => Number((await lab.run(at(source), 'cat /proc/uptime')).split(' ')[0]);
      await eventually(async () => expect(await uptime()).toBeGreaterThan(2), { why: 'it has been up for a while' });
      const before = await uptime();
      const began = performance.now();
      const still = await create('without-reboot', { NoReboot: true });
      await available(still);
      expect(await uptime()).toBeGreaterThanOrEqual(before);
      const image = await create('golden', { Description: 'made here' });
      expect((await lab.instance(source.InstanceId!)).State!.Name).toBe('running');
      const shown = await available(image);
      expect(shown).toMatchObject({
        Name: 'golden',
        Description: 'made here',
        OwnerId: lab.account.id,
        Public: false,
        SourceInstanceId: source.InstanceId,
      });
      await lab.answers(at(source));
      // Its clock began again: it has not been up for as long as it existed.
      expect(await uptime()).toBeLessThan(before + (performance.now() - began) / 1000 - 1);
      await refused(create('golden'), 'InvalidAMIName.Duplicate', `AMI name golden is already in use by AMI ${image}`);
      for (const from of [image, still]) {
        const copy = await lab.launchAgent({ ImageId: from, SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] });
        expect(await lab.run(at(copy), 'golden; cat /root/file /etc/motd; dpkg -s golden | grep ^Status')).toBe(
          'golden\nkept\nWelcome to golden\nStatus: install ok installed',
        );
        await ec2.send(new TerminateInstancesCommand({ InstanceIds: [copy.InstanceId!] }));
      }
      await ec2.send(new StopInstancesCommand({ InstanceIds: [source.InstanceId!] }));
      await lab.inState(source.InstanceId!, 'stopped');
      await available(await create('of-stopped'));
      expect((await lab.instance(source.InstanceId!)).State!.Name).toBe('stopped');
      await ec2.send(new StartInstancesCommand({ InstanceIds: [source.InstanceId!] }));
      source = await lab.inState(source.InstanceId!, 'running');
      await lab.answers(at(source));
    },
    slow,
  );

  test(
    'AMI-005 with everything built in it answers sooner than when configured at boot',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      const serve = '#!/bin/sh\nmkdir -p /srv/web && echo up > /srv/web/index.html\n';
      const server = 'cd /srv/web && python3 -m http.server 80 > /dev/null 2>&1 &\n';
      // Building what the server needs takes the second that an installation takes.
      const building = `${serve}for i in $(seq 60); do tar cf - /etc 2> /dev/null | gzip -9 > /srv/built; done\n`;
      const placed = { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] };
      const answers = async (ImageId: string, script: string): Promise<number> => {
        const started = performance.now();
        const launched = await launchFrom(ImageId, ec2, { ...placed, UserData: base64(script) });
        const id = launched.Instances![0]!.InstanceId!;
        const running = await lab.inState(id, 'running');
        await eventually(async () => expect((await fetchUp(at(running))).trim()).toBe('up'), {
          why: 'it serves',
          timeoutMs: 60_000,
        });
        const millis = performance.now() - started;
        await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
        return millis;
      };
      await lab.run(at(source), 'mkdir -p /srv/web && echo up > /srv/web/index.html');
      const image = await create('built-in', { NoReboot: true });
      await available(image);
      const slower = await answers(provided, `${building}${server}`);
      const sooner = await answers(image, `#!/bin/sh\n${server}`);
      expect(sooner).toBeLessThan(slower);
    },
    slow,
  );

  test(
    'what cannot be made into one is refused',
    async () => {
      await refused(create('ab'), 'InvalidAMIName.Malformed');
      await refused(create('a*b*c'), 'InvalidAMIName.Malformed');
      await refused(
        ec2.send(new CreateImageCommand({ InstanceId: 'i-0123456789abcdef0', Name: 'nothing' })),
        'InvalidInstanceID.NotFound',
      );
      const [gone] = (await launchFrom(provided)).Instances!;
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [gone!.InstanceId!] }));
      await refused(ec2.send(new CreateImageCommand({ InstanceId: gone!.InstanceId!, Name: 'too-late' })), 'IncorrectState');
    },
    slow,
  );
});

async function fetchUp(address: string): Promise<string> {
  const { fetchInside } = await import('../../support/inside.ts');
  const answer = await fetchInside(address, 80, '/index.html');
  return typeof answer === 'string' ? answer : answer.body;
}

describe('what an image holds', () => {
  test(
    'AMI-003 AMI-007 snapshots of all volumes, the block device mapping, and launch permissions',
    async (context) => {
      context.skip(machinesRefused() !== undefined, machinesRefused());
      const placed = { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] };
      const disk = { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1, VolumeType: 'gp2' as const, DeleteOnTermination: false } };
      const instance = await lab.launchAgent({ ...placed, BlockDeviceMappings: [disk] }, agentAtEachBoot);
      await eventually(async () => expect((await lab.instance(instance.InstanceId!)).BlockDeviceMappings).toHaveLength(2), {
        why: 'both volumes are attached',
      });
      await eventually(
        async () => expect(await lab.run(at(instance), 'test -b /dev/sdf -o -b /dev/xvdf && echo yes')).toBe('yes'),
        {
          why: 'the disk is there',
        },
      );
      const device = await lab.run(at(instance), 'readlink -f /dev/sdf || echo /dev/xvdf');
      await lab.run(
        at(instance),
        `printf 'on the second disk' | dd of=${device} conv=fsync 2> /dev/null; echo root > /root/first`,
      );
      const image = (await ec2.send(new CreateImageCommand({ InstanceId: instance.InstanceId!, Name: 'two-disks' }))).ImageId!;
      const shown = await available(image);
      const snapshots = shown.BlockDeviceMappings!.map((one) => one.Ebs!.SnapshotId!);
      expect(shown.BlockDeviceMappings).toMatchObject([
        { DeviceName: '/dev/xvda', Ebs: { VolumeSize: 8, VolumeType: 'gp3', DeleteOnTermination: true } },
        { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1, VolumeType: 'gp2', DeleteOnTermination: false } },
      ]);
      const listed = await ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: snapshots }));
      expect(listed.Snapshots!.map((one) => [one.State, one.Description])).toEqual([
        ['completed', `Created by CreateImage(${instance.InstanceId}) for ${image}`],
        ['completed', `Created by CreateImage(${instance.InstanceId}) for ${image}`],
      ]);
      for (const SnapshotId of snapshots) {
        await refused(
          ec2.send(new DeleteSnapshotCommand({ SnapshotId })),
          'InvalidSnapshot.InUse',
          `The snapshot ${SnapshotId} is currently in use by ${image}`,
        );
      }
      const permissions = await ec2.send(new DescribeImageAttributeCommand({ ImageId: image, Attribute: 'launchPermission' }));
      expect(permissions.LaunchPermissions).toEqual([]);
      const copy = await lab.launchAgent({ ImageId: image, ...placed });
      await eventually(async () => expect(await lab.run(at(copy), 'head -c 18 /dev/sdf')).toBe('on the second disk'), {
        why: 'the second disk has its bytes',
      });
      expect(await lab.run(at(copy), 'cat /root/first')).toBe('root');
      const single = await lab.launchAgent({
        ImageId: image,
        ...placed,
        BlockDeviceMappings: [{ DeviceName: '/dev/sdf', NoDevice: '' }],
      });
      expect((await lab.instance(single.InstanceId!)).BlockDeviceMappings).toHaveLength(1);
      const registered = await ec2.send(
        new RegisterImageCommand({
          Name: 'registered',
          RootDeviceName: '/dev/xvda',
          Architecture: shown.Architecture!,
          BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: snapshots[0]! } }],
        }),
      );
      const again = await lab.launchAgent({ ImageId: registered.ImageId!, ...placed });
      expect(await lab.run(at(again), 'cat /root/first')).toBe('root');
      const rootless = { Name: 'rootless', RootDeviceName: '/dev/xvda', BlockDeviceMappings: [] };
      await refused(ec2.send(new RegisterImageCommand(rootless)), 'InvalidBlockDeviceMapping');
      const ireland = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
      const copied = await ireland.send(
        new CopyImageCommand({ SourceImageId: image, SourceRegion: 'us-east-1', Name: 'two-there' }),
      );
      const there = (await available(copied.ImageId!, ireland)).BlockDeviceMappings!.map((one) => one.Ebs!.SnapshotId);
      expect(there).toHaveLength(2);
      expect(there).not.toContain(snapshots[0]);
      await ec2.send(new DeregisterImageCommand({ ImageId: registered.ImageId! }));
      const gone = await ec2.send(new DeregisterImageCommand({ ImageId: image, DeleteAssociatedSnapshots: true }));
      expect(gone.DeleteSnapshotResults!.map((one) => one.ReturnCode)).toEqual(['success', 'success']);
      for (const one of [instance, copy, single, again])
        await ec2.send(new TerminateInstancesCommand({ InstanceIds: [one.InstanceId!] }));
    },
    slow,
  );
});

describe('who may launch an image', () => {
  test(
    'AMI-009 launch permissions decide: one account, everyone, nobody else',
    async () => {
      const image = await create('shared', { NoReboot: true });
      await available(image);
      await refused(launchFrom(image, other.ec2), 'AuthFailure', `Not authorized for images: [${image}]`);
      await refused(other.ec2.send(new DescribeImagesCommand({ ImageIds: [image] })), 'AuthFailure');
      const modify = (input: object, client = ec2) => client.send(new ModifyImageAttributeCommand({ ImageId: image, ...input }));
      await refused(modify({ LaunchPermission: { Add: [{ Group: 'all' }] } }, other.ec2), 'AuthFailure');
      await modify({ LaunchPermission: { Add: [{ UserId: other.account.id }] } });
      const permissions = async () =>
        (await ec2.send(new DescribeImageAttributeCommand({ ImageId: image, Attribute: 'launchPermission' }))).LaunchPermissions;
      expect(await permissions()).toEqual([{ UserId: other.account.id }]);
      const listed = await other.ec2.send(new DescribeImagesCommand({ ExecutableUsers: ['self'] }));
      expect(listed.Images!.map((one) => one.ImageId)).toContain(image);
      const [started] = (await launchFrom(image, other.ec2)).Instances!;
      await other.inState(started!.InstanceId!, 'running');
      const third = new Lab();
      await refused(launchFrom(image, third.ec2), 'AuthFailure');
      await modify({ Attribute: 'launchPermission', OperationType: 'add', UserGroups: ['all'] });
      const [everyone] = (await launchFrom(image, third.ec2)).Instances!;
      await third.inState(everyone!.InstanceId!, 'running');
      await ec2.send(new ResetImageAttributeCommand({ ImageId: image, Attribute: 'launchPermission' }));
      expect(await permissions()).toEqual([]);
      await refused(launchFrom(image, other.ec2), 'AuthFailure');
      await refused(modify({ LaunchPermission: { Add: [{ UserId: 'me' }] } }), 'InvalidAMIAttributeItemValue');
      await refused(modify({}), 'MissingParameter');
      await other.ec2.send(new TerminateInstancesCommand({ InstanceIds: [started!.InstanceId!] }));
      await third.ec2.send(new TerminateInstancesCommand({ InstanceIds: [everyone!.InstanceId!] }));
    },
    slow,
  );

  test(
    'images of the provider, of the Marketplace, of oneself and of the community',
    async () => {
      const owned = async (client: EC2Client, input: object) => (await client.send(new DescribeImagesCommand(input))).Images!;
      const image = await create('for-all', { NoReboot: true });
      await available(image);
      await ec2.send(new ModifyImageAttributeCommand({ ImageId: image, LaunchPermission: { Add: [{ Group: 'all' }] } }));
      expect((await owned(ec2, { Owners: ['self'] })).map((one) => one.ImageId)).toContain(image);
      const community = await owned(other.ec2, { Owners: [lab.account.id], Filters: [{ Name: 'is-public', Values: ['true'] }] });
      expect(community.map((one) => one.ImageId)).toEqual([image]);
      const [amazon] = await owned(ec2, { Owners: ['amazon'] });
      expect(amazon).toMatchObject({ ImageOwnerAlias: 'amazon', Public: true });
      const [product] = await owned(ec2, { Owners: ['aws-marketplace'] });
      expect(product!.ProductCodes).toMatchObject([{ ProductCodeType: 'marketplace' }]);
      await refused(
        launchFrom(product!.ImageId!),
        'OptInRequired',
        /^In order to use this AWS Marketplace product you need to accept terms and subscribe\./,
        401,
      );
      await refused(ec2.send(new DeregisterImageCommand({ ImageId: amazon!.ImageId! })), 'AuthFailure');
    },
    slow,
  );
});

describe('the life of an image', () => {
  test(
    'AMI-008 it belongs to one Region, and a copy to another',
    async () => {
      const image = await create('travels', { NoReboot: true });
      await available(image);
      const ireland = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
      await refused(launchFrom(image, ireland), 'InvalidAMIID.NotFound', `The image id '[${image}]' does not exist`);
      const copied = await ireland.send(
        new CopyImageCommand({ SourceImageId: image, SourceRegion: 'us-east-1', Name: 'arrived', ClientToken: 'once' }),
      );
      expect(copied.ImageId).not.toBe(image);
      const again = await ireland.send(
        new CopyImageCommand({ SourceImageId: image, SourceRegion: 'us-east-1', Name: 'arrived', ClientToken: 'once' }),
      );
      expect(again.ImageId).toBe(copied.ImageId);
      expect(await available(copied.ImageId!, ireland)).toMatchObject({
        Name: 'arrived',
        SourceImageId: image,
        SourceImageRegion: 'us-east-1',
      });
      await ec2.send(new DeregisterImageCommand({ ImageId: image }));
      const [started] = (await launchFrom(copied.ImageId!, ireland)).Instances!;
      await eventually(
        async () => {
          const found = await ireland.send(new DescribeInstancesCommand({ InstanceIds: [started!.InstanceId!] }));
          expect(found.Reservations![0]!.Instances![0]!.State!.Name).toBe('running');
        },
        { why: 'the copy runs' },
      );
      await ireland.send(new TerminateInstancesCommand({ InstanceIds: [started!.InstanceId!] }));
      await refused(
        ireland.send(new CopyImageCommand({ SourceImageId: image, SourceRegion: 'us-east-1', Name: 'late' })),
        'InvalidAMIID.Unavailable',
        `The image ID '${image}' is no longer available`,
      );
      await refused(
        ireland.send(new CopyImageCommand({ SourceImageId: image, SourceRegion: 'mars-1', Name: 'late' })),
        'InvalidParameterValue',
      );
    },
    slow,
  );

  test(
    'deregistered, protected, disabled',
    async () => {
      const image = await create('short', {
        NoReboot: true,
        TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'a', Value: 'b' }] }],
      });
      expect((await available(image)).Tags).toEqual([{ Key: 'a', Value: 'b' }]);
      await ec2.send(new DisableImageCommand({ ImageId: image }));
      await refused(launchFrom(image), 'InvalidAMIID.Unavailable');
      const names = async (input: object) =>
        (await ec2.send(new DescribeImagesCommand({ Owners: ['self'], ...input }))).Images!.map((one) => one.ImageId);
      expect(await names({})).not.toContain(image);
      expect(await names({ IncludeDisabled: true })).toContain(image);
      await ec2.send(new EnableImageCommand({ ImageId: image }));
      await ec2.send(new EnableImageDeregistrationProtectionCommand({ ImageId: image }));
      await refused(ec2.send(new DeregisterImageCommand({ ImageId: image })), 'OperationNotPermitted');
      await ec2.send(new DisableImageDeregistrationProtectionCommand({ ImageId: image }));
      const [started] = (await launchFrom(image)).Instances!;
      await lab.inState(started!.InstanceId!, 'running');
      await ec2.send(new DeregisterImageCommand({ ImageId: image }));
      await refused(launchFrom(image), 'InvalidAMIID.Unavailable', `The image ID '${image}' is no longer available`);
      await refused(ec2.send(new DeregisterImageCommand({ ImageId: image })), 'InvalidAMIID.NotFound');
      // What was launched from it stops and starts as ever.
      await ec2.send(new StopInstancesCommand({ InstanceIds: [started!.InstanceId!] }));
      await lab.inState(started!.InstanceId!, 'stopped');
      await ec2.send(new StartInstancesCommand({ InstanceIds: [started!.InstanceId!] }));
      await lab.inState(started!.InstanceId!, 'running');
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [started!.InstanceId!] }));
    },
    slow,
  );

  test(
    'AMI-011 an own image stays as it is for months; a deprecated one is hidden from others',
    async (context) => {
      const cloud = await startOwnCloud();
      context.onTestFinished(async () => void (await cloud.stop()));
      const mine = new Lab(cloud.endpoint);
      const yours = new Lab(cloud.endpoint);
      const there = await mine.network('10.63');
      const placed = { SubnetId: there.subnetId, SecurityGroupIds: [there.groupId] };
      const runs = cloud.limits.length === 0;
      const instance = runs ? await mine.launchAgent(placed) : await mine.inState(await mine.launch(placed), 'running');
      const image = (
        await mine.ec2.send(new CreateImageCommand({ InstanceId: instance.InstanceId!, Name: 'years', NoReboot: true }))
      ).ImageId!;
      const shown = await available(image, mine.ec2);
      const versions = runs ? await mine.run(at(instance), 'dpkg -l | sha256sum; cat /boots') : '';
      await mine.ec2.send(new ModifyImageAttributeCommand({ ImageId: image, LaunchPermission: { Add: [{ Group: 'all' }] } }));
      const deprecate = (DeprecateAt: Date) => mine.ec2.send(new EnableImageDeprecationCommand({ ImageId: image, DeprecateAt }));
      await refused(deprecate(new Date(0)), 'InvalidParameterValue');
      await refused(deprecate(new Date(Date.now() + 11 * 366 * 86_400_000)), 'InvalidParameterValue');
      await deprecate(new Date(Date.now() + 30 * 86_400_000));
      const seen = async (input: object = {}) =>
        (await yours.ec2.send(new DescribeImagesCommand({ Owners: [mine.account.id], ...input }))).Images!.length;
      expect(await seen()).toBe(1);
      await advanceClock(cloud.endpoint, 180 * 86_400_000);
      expect(await seen()).toBe(0);
      expect(await seen({ IncludeDeprecated: true })).toBe(1);
      const later = (await mine.ec2.send(new DescribeImagesCommand({ Owners: ['self'] }))).Images![0]!;
      expect(later).toMatchObject({ ImageId: image, State: 'available', CreationDate: shown.CreationDate });
      if (runs) {
        const copy = await mine.launchAgent({ ImageId: image, ...placed });
        expect(await mine.run(at(copy), 'dpkg -l | sha256sum; head -1 /boots')).toBe(versions);
      }
      await mine.ec2.send(new DisableImageDeprecationCommand({ ImageId: image }));
      expect(await seen()).toBe(1);
    },
    slow,
  );

  test(
    'ids of the real cloud boot the default image unless the cloud is strict',
    async (context) => {
      const cloud = await startOwnCloud({ args: [] });
      context.onTestFinished(async () => void (await cloud.stop()));
      const there = new Lab(cloud.endpoint);
      const id = 'ami-0c55b159cbfafe1f0';
      const launched = await there.ec2.send(
        new RunInstancesCommand({ ImageId: id, InstanceType: 't2.nano', MinCount: 1, MaxCount: 1 }),
      );
      expect(launched.Instances![0]!.ImageId).toBe(id);
      expect((await there.ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))).Images![0]).toMatchObject({
        ImageId: id,
        State: 'available',
        RootDeviceName: '/dev/xvda',
      });
      await refused(launchFrom('ami-nope', there.ec2), 'InvalidAMIID.Malformed');
      const elsewhere = await there.image(new EC2Client(there.account.config({ endpoint: cloud.endpoint, region: 'eu-west-1' })));
      await refused(launchFrom(elsewhere, there.ec2), 'InvalidAMIID.NotFound');
    },
    slow,
  );
});
