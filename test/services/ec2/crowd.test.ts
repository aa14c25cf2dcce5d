/** Two hundred instances at once: started and terminated side by side, and nothing of them stays, neither in the cloud nor on the host. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, advanceClock, eventually, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

const slow = 240_000;
const count = 200;
const perCall = 10;
let cloud: OwnCloud;
let lab: Lab;
let net: Network;

beforeAll(async () => {
  cloud = await startOwnCloud();
  lab = new Lab(cloud.endpoint);
  net = await lab.network('10.65');
}, slow);
afterAll(async () => {
  await cloud?.stop();
}, slow);

/**
 * What the cloud holds of the host, seen from inside: network namespaces, devices of the internet, mounts, processes, loop devices on its files, and folders
 * of machines in the control groups. Lines of `name number`.
 */
const census = `
echo namespaces $(ip netns list | wc -l)
echo devices $(ls /sys/class/net | wc -l)
echo routes $(ip route show table all | wc -l)
echo mounts $(wc -l < /proc/1/mountinfo)
echo processes $(ls -d /proc/[0-9]* | while read one; do tr '\\0' ' ' < $one/cmdline 2> /dev/null; echo; done | grep -c -e 'runc' -e 'guest' -e '/init')
echo groups $(find /sys/fs/cgroup -type d -path "*/pilvi-$1-*/i-*" 2> /dev/null | wc -l)
echo disks $(losetup -l -n -O BACK-FILE 2> /dev/null | grep -c "$0")
echo folders $(ls "$0/machines/run" | grep -c '^i-')
`;

async function countHost(): Promise<Record<string, number>> {
  const words = ['dist/pilvi.js', 'shell', '--data', cloud.data, '--', 'sh', '-c', census, cloud.data, String(cloud.process.pid)];
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 20_000 });
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
}

test(
  '200 instances started and terminated in parallel leave nothing behind',
  async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0]);
    const { ec2 } = lab;
    const free = async () =>
      (await ec2.send(new DescribeSubnetsCommand({ SubnetIds: [net.subnetId] }))).Subnets![0]!.AvailableIpAddressCount!;
    const inState = async (name: string) =>
      (
        await ec2.send(new DescribeInstancesCommand({ Filters: [{ Name: 'instance-state-name', Values: [name] }] }))
      ).Reservations!.flatMap(({ Instances }) => Instances!.map(({ InstanceId }) => InstanceId!));
    const ImageId = await lab.image();
    const start = async (MaxCount: number) => {
      const placed = { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] };
      const made = await ec2.send(
        new RunInstancesCommand({ ImageId, InstanceType: 't2.nano', MinCount: MaxCount, MaxCount, ...placed }),
      );
      return made.Instances!.map(({ InstanceId }) => InstanceId!);
    };
    const end = (InstanceIds: string[]) => ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    // One comes and goes first, so that what the first network brings counts as there before.
    const first = await start(1);
    await lab.inState(first[0]!, 'running');
    await end(first);
    await lab.inState(first[0]!, 'terminated');
    const [hostBefore, freeBefore] = [await countHost(), await free()];

    const calls = await Promise.all(Array.from({ length: count / perCall }, () => start(perCall)));
    const all = calls.flat();
    expect(new Set(all).size).toBe(count);
    expect(await free()).toBe(freeBefore - count);
    // A quarter of the calls' instances end while they start, the others once all run.
    const early = calls.slice(0, 5).flat();
    await Promise.all(early.map((id) => end([id])));
    await eventually(async () => expect((await inState('running')).length).toBe(count - early.length), {
      why: 'the others run',
      timeoutMs: 120_000,
    });
    const busy = await countHost();
    expect(busy['groups']).toBeGreaterThan(hostBefore['groups']!);
    expect(busy['namespaces']! - hostBefore['namespaces']!).toBeGreaterThanOrEqual(count - early.length);
    await Promise.all(calls.slice(5).map(end));
    await eventually(async () => expect((await inState('terminated')).length).toBe(count + 1), {
      why: 'all are terminated',
      timeoutMs: 120_000,
    });
    await eventually(async () => expect(await countHost()).toEqual(hostBefore), {
      why: 'the host is as it was',
      timeoutMs: 20_000,
    });
    expect(await free()).toBe(freeBefore);
    expect((await ec2.send(new DescribeVolumesCommand({}))).Volumes).toEqual([]);
    expect((await ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces).toEqual([]);
    for (const id of all) await expect(admin('GET', `places/${id}`, undefined, cloud.endpoint)).rejects.toThrow('404');
    // Terminated instances show for an hour, then their rows go too.
    await advanceClock(cloud.endpoint, 2 * 3_600_000);
    expect((await ec2.send(new DescribeInstancesCommand({}))).Reservations).toEqual([]);
  },
  slow,
);
