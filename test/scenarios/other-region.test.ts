/** What a second Region needs to stand in for a first that is lost: copies of snapshots and images, a network of the same form, one command. */
import { EC2, type Instance } from '@aws-sdk/client-ec2';
import { Route53 } from '@aws-sdk/client-route-53';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  admin,
  advanceClock,
  eventually,
  freshAccount,
  machinesRefused,
  type OwnCloud,
  refused,
  startOwnCloud,
} from '../support/cloud.ts';
import { fetchInside } from '../support/inside.ts';
import { agentAtEachBoot, Lab } from '../services/ec2/support.ts';
import { digRefused, ZoneLab } from '../services/route-53/support.ts';

const refusal = machinesRefused() ?? digRefused;
/** Route 53's own API stands in us-east-1: the Region that is lost is another, so that DNS can still be changed. */
const [a, b] = ['us-west-2', 'eu-west-1'];
let cloud: OwnCloud;
let here: Lab;
let there: Lab;
let zone: ZoneLab;
let main: Stack;
let server: Instance;
let dataVolume: string;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  cloud = await startOwnCloud();
  zone = await new ZoneLab(cloud.endpoint).open();
  here = labIn(a!);
  there = labIn(b!);
  main = await buildStack(here, '10.1');
  server = await here.launchAgent(main.place, agentAtEachBoot);
  dataVolume = await attachNew(here, server, { Size: 1 });
  await here.run(server.PublicIpAddress!, 'mkfs.ext4 -q /dev/sdf && mkdir -p /data && mount /dev/sdf /data');
}, 60_000);
afterAll(async () => void (await cloud?.stop()));

function labIn(region: string, account = zone.account): Lab {
  const lab = new Lab(cloud.endpoint, account);
  return Object.assign(lab, { ec2: new EC2(account.config({ region })) });
}
const ec2Of = (lab: Lab) => lab.ec2 as EC2;
/** The first Region is lost for as long as this takes. */
async function lost(body: () => Promise<void>): Promise<void> {
  const set = (down: boolean) => admin('POST', 'chaos/region', { region: a, down }, cloud.endpoint);
  await set(true);
  try {
    await body();
  } finally {
    await set(false);
  }
  await here.answers(server.PublicIpAddress!);
  await here.run(server.PublicIpAddress!, 'mountpoint -q /data || mount /dev/sdf /data');
}

interface Stack {
  vpcId: string;
  place: { SubnetId: string; SecurityGroupIds: string[] };
}

/** The template of the site's network: the same in each Region but for the addresses. */
async function buildStack(lab: Lab, prefix: string): Promise<Stack> {
  const region = await ec2Of(lab).config.region();
  const { vpcId, subnetId, groupId } = await lab.network(prefix, `${region}a`);
  return { vpcId, place: { SubnetId: subnetId, SecurityGroupIds: [groupId] } };
}

/** What of a network's form matters: all but ids and addresses. */
async function shapeOf(lab: Lab, { vpcId }: Stack): Promise<object> {
  const Filters = [{ Name: 'vpc-id', Values: [vpcId] }];
  const { Subnets = [] } = await ec2Of(lab).describeSubnets({ Filters });
  const { RouteTables = [] } = await ec2Of(lab).describeRouteTables({ Filters });
  const { SecurityGroups = [] } = await ec2Of(lab).describeSecurityGroups({ Filters });
  return {
    subnets: Subnets.map(({ MapPublicIpOnLaunch, AvailabilityZone }) => [MapPublicIpOnLaunch, AvailabilityZone?.at(-1)]),
    routes: RouteTables.flatMap(({ Routes = [] }) => Routes.map(({ GatewayId }) => GatewayId?.split('-')[0])),
    groups: SecurityGroups.map(({ GroupName, IpPermissions = [] }) => [
      GroupName,
      IpPermissions.map(({ IpProtocol, FromPort }) => `${IpProtocol} ${FromPort}`).sort(),
    ]).sort(),
  };
}

async function attachNew(lab: Lab, guest: Instance, input: { Size?: number; SnapshotId?: string }): Promise<string> {
  const AvailabilityZone = guest.Placement!.AvailabilityZone!;
  const { VolumeId = '' } = await ec2Of(lab).createVolume({ AvailabilityZone, ...input });
  await eventually(() => ec2Of(lab).attachVolume({ VolumeId, InstanceId: guest.InstanceId!, Device: '/dev/sdf' }), {
    why: 'the volume is attached',
  });
  await eventually(() => lab.run(guest.PublicIpAddress!, 'test -b /dev/sdf'), { why: 'the guest has the volume' });
  return VolumeId;
}

async function completed(lab: Lab, SnapshotId: string): Promise<string> {
  await eventually(
    async () =>
      expect((await ec2Of(lab).describeSnapshots({ SnapshotIds: [SnapshotId] })).Snapshots?.[0]?.State).toBe('completed'),
    { why: 'the snapshot is completed' },
  );
  return SnapshotId;
}

/** Writes a numbered row, and keeps the data in the other Region as it is now. */
async function keepCopy(row: number): Promise<{ id: string; started: number }> {
  await here.run(server.PublicIpAddress!, `echo row ${row} >> /data/rows && sync`);
  const { SnapshotId = '', StartTime } = await ec2Of(here).createSnapshot({ VolumeId: dataVolume });
  await completed(here, SnapshotId);
  const copy = await ec2Of(there).copySnapshot({ SourceRegion: a, SourceSnapshotId: SnapshotId });
  return { id: await completed(there, copy.SnapshotId!), started: StartTime!.getTime() };
}

const clock = async (): Promise<number> =>
  Date.parse(((await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string }).time);

test('DR-005 a snapshot copied to another Region and shared gives another account the data; what came later is the loss', async () => {
  const backup = freshAccount(cloud.endpoint);
  const theirs = labIn(b!, backup);
  await keepCopy(1);
  await advanceClock(cloud.endpoint, 3_600_000);
  const last = await keepCopy(2);
  const share = { SnapshotId: last.id, Attribute: 'createVolumePermission' as const };
  await refused(attachless(theirs, last.id), 'InvalidSnapshot.NotFound');
  await ec2Of(there).modifySnapshotAttribute({ ...share, OperationType: 'add', UserIds: [backup.id] });
  await advanceClock(cloud.endpoint, 20 * 60_000);
  await here.run(server.PublicIpAddress!, 'echo row 3 >> /data/rows && sync');
  const lostAt = await clock();
  await lost(async () => {
    await refused(ec2Of(here).describeSnapshots({ OwnerIds: ['self'] }), 'ServiceUnavailable', undefined, 503);
    const stack = await buildStack(theirs, '10.7');
    const rescue = await theirs.launchAgent(stack.place, agentAtEachBoot);
    await attachNew(theirs, rescue, { SnapshotId: last.id });
    const rows = await theirs.run(rescue.PublicIpAddress!, 'mkdir -p /data && mount /dev/sdf /data && cat /data/rows');
    expect(rows).toBe('row 1\nrow 2');
    // The age of the newest copy is what is lost: the row of the twenty minutes after it.
    const minutes = (lostAt - last.started) / 60_000;
    expect(minutes).toBeGreaterThan(19);
    expect(minutes).toBeLessThan(25);
    console.log(`recovery point: ${minutes.toFixed(1)} minutes before the loss`);
  });
}, 60_000);

/** A volume of a snapshot, without an instance. */
async function attachless(lab: Lab, SnapshotId: string): Promise<void> {
  await ec2Of(lab).createVolume({ AvailabilityZone: `${b}a`, SnapshotId });
}

test('DR-007 DR-011 a copied image starts the same server in a network of the same form, and without a copy there is none', async () => {
  await here.run(server.PublicIpAddress!, 'echo installed > /app && sync');
  const image = async (Name: string): Promise<string> => {
    const { ImageId = '' } = await ec2Of(here).createImage({ InstanceId: server.InstanceId!, Name, NoReboot: true });
    await eventually(
      async () => expect((await ec2Of(here).describeImages({ ImageIds: [ImageId] })).Images?.[0]?.State).toBe('available'),
      { timeoutMs: 30_000, why: `${Name} is there` },
    );
    return ImageId;
  };
  const [kept, stayed] = [await image('kept'), await image('stayed')];
  const { ImageId = '' } = await ec2Of(there).copyImage({ SourceRegion: a, SourceImageId: kept, Name: 'kept' });
  await eventually(
    async () => expect((await ec2Of(there).describeImages({ ImageIds: [ImageId] })).Images?.[0]?.State).toBe('available'),
    { timeoutMs: 30_000, why: 'the copy is there' },
  );
  const ready = await buildStack(there, '10.2');
  expect(await shapeOf(there, ready)).toEqual(await shapeOf(here, main));

  await lost(async () => {
    await refused(there.launch({ ...ready.place, ImageId: stayed }), 'InvalidAMIID.NotFound');
    await refused(ec2Of(there).copyImage({ SourceRegion: a, SourceImageId: stayed, Name: 'late' }), 'Unavailable');
    const rescue = await there.launchAgent({ ...ready.place, ImageId }, agentAtEachBoot);
    expect(rescue.PrivateIpAddress).toMatch(/^10\.2\.1\./);
    expect(await there.run(rescue.PublicIpAddress!, 'cat /app; hostname -I')).toBe(`installed\n${rescue.PrivateIpAddress}`);
    await ec2Of(there).terminateInstances({ InstanceIds: [rescue.InstanceId!] });
  });
}, 60_000);

/**
 * The script of the exercise: restores the data, starts the server, switches DNS. Everything is found or made by its name, so that it may run again, also after it was
 * broken off.
 */
async function recover(snapshot: string, stack: Stack): Promise<string> {
  const ec2 = ec2Of(there);
  const tags = (ResourceType: 'instance' | 'volume') => [{ ResourceType, Tags: [{ Key: 'exercise', Value: 'one' }] }];
  const Filters = [{ Name: 'tag:exercise', Values: ['one'] }];
  const live = { Name: 'instance-state-name', Values: ['pending', 'running'] };
  const { Reservations = [] } = await ec2.describeInstances({ Filters: [...Filters, live] });
  const id =
    Reservations[0]?.Instances?.[0]?.InstanceId ??
    (await there.launch({
      ...stack.place,
      UserData: Buffer.from(agentAtEachBoot).toString('base64'),
      TagSpecifications: tags('instance'),
    }));
  const instance = await there.inState(id, 'running');
  const { Volumes = [] } = await ec2.describeVolumes({ Filters });
  const VolumeId =
    Volumes[0]?.VolumeId ??
    (await ec2.createVolume({ AvailabilityZone: `${b}a`, SnapshotId: snapshot, TagSpecifications: tags('volume') })).VolumeId!;
  if ((Volumes[0]?.Attachments ?? []).length === 0)
    await eventually(() => ec2.attachVolume({ VolumeId, InstanceId: id, Device: '/dev/sdf' }), { why: 'the data is attached' });
  const address = instance.PublicIpAddress!;
  await there.answers(address);
  await eventually(
    () => there.run(address, 'test -b /dev/sdf && mkdir -p /data && (mountpoint -q /data || mount /dev/sdf /data)'),
    {
      why: 'the data is mounted',
    },
  );
  await new Route53(zone.account.config()).changeResourceRecordSets({
    HostedZoneId: zone.id,
    ChangeBatch: { Changes: [{ Action: 'UPSERT', ResourceRecordSet: zone.record('app', 'A', [address], { TTL: 60 }) }] },
  });
  return id;
}

test('one script restores, starts and switches DNS, and does no harm when it runs again', async () => {
  await zone.put(zone.record('app', 'A', [server.PublicIpAddress!], { TTL: 60 }));
  const rows = async (): Promise<string> => {
    const address = (await zone.dig('app')).answer[0]?.data ?? '';
    const got = await fetchInside(address, 80, `/?${encodeURIComponent('cat /data/rows')}`, cloud.endpoint);
    return typeof got === 'string' ? got : got.body.trim();
  };
  const before = await rows();
  expect(before).toContain('row 3');
  const { id } = await keepCopy(4);
  const stack = await buildStack(there, '10.3');
  await lost(async () => {
    expect(await rows()).toBe('ETIMEDOUT');
    const began = performance.now();
    const first = await recover(id, stack);
    await eventually(async () => expect(await rows()).toBe(`${before}\nrow 4`), { why: 'visitors see the data again' });
    console.log(`recovery time: ${Math.round(performance.now() - began)} ms`);
    const records = async () => (await zone.client.listResourceRecordSets({ HostedZoneId: zone.id })).ResourceRecordSets;
    const standing = async () => ({
      records: await records(),
      volumes: (await ec2Of(there).describeVolumes({})).Volumes?.map(({ VolumeId, State }) => [VolumeId, State]),
      instances: (await ec2Of(there).describeInstances({})).Reservations?.map(({ Instances = [] }) => Instances[0]?.InstanceId),
    });
    const after = await standing();
    expect(await recover(id, stack)).toBe(first);
    expect(await standing()).toEqual(after);
    expect(await rows()).toBe(`${before}\nrow 4`);
  });
}, 60_000);
