/** Faults that users order: an instance that hangs, an interface whose link is down, a path that loses everything; status checks follow. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DescribeInstanceStatusCommand, type Instance, RebootInstancesCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { admin, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { agentAtEachBoot, base64, Lab, type Network } from './support.ts';

const run = promisify(execFile);

describe('ordered faults', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let network: Network;
  let a: Instance;
  let b: Instance;
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud();
    lab = new Lab(cloud.endpoint);
    network = await lab.network('10.77');
    const { subnetId: SubnetId, groupId } = network;
    const input = { SubnetId, SecurityGroupIds: [groupId], UserData: base64(agentAtEachBoot) };
    [a, b] = (await Promise.all([lab.launchAgent(input), lab.launchAgent(input)])) as [Instance, Instance];
  }, 90_000);
  afterAll(async () => void (await cloud?.stop()));

  const pilvi = async (...args: readonly string[]): Promise<string> =>
    (await run(process.execPath, ['dist/pilvi.js', ...args, '--data', cloud.data])).stdout.trim();
  const checks = async ({ InstanceId }: Instance) => {
    const { InstanceStatuses } = await lab.ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [InstanceId!] }));
    return [InstanceStatuses?.[0]?.SystemStatus?.Status, InstanceStatuses?.[0]?.InstanceStatus?.Status];
  };
  const hostname = (instance: Instance) => lab.run(instance.PublicIpAddress!, 'hostname');
  const silent = (instance: Instance) =>
    expect(
      Promise.race([hostname(instance), new Promise((_, fail) => setTimeout(fail, 2000, new Error('silence')))]),
    ).rejects.toThrow();
  const reaches = (from: Instance, to: Instance) =>
    lab.run(from.PublicIpAddress!, `ping -c 1 -W 1 ${to.PrivateIpAddress} > /dev/null && echo yes || echo no`);

  test('an instance that hangs fails its own check, not the system’s, and goes on or boots anew', {
    timeout: 90_000,
  }, async () => {
    const server = () => lab.run(a.PublicIpAddress!, 'pgrep -o -f agent.py');
    const before = await server();
    expect(await pilvi('chaos', 'instance', a.InstanceId!, 'down')).toBe(`Instance ${a.InstanceId} hangs.`);
    expect(await checks(a)).toEqual(['ok', 'impaired']);
    expect(await checks(b)).toEqual(['ok', 'ok']);
    await silent(a);
    expect(await reaches(b, a)).toBe('no');
    expect(await pilvi('chaos', 'instance', a.InstanceId!, 'up')).toBe('Nothing is broken.');
    await eventually(async () => expect(await checks(a)).toEqual(['ok', 'ok']), { why: 'it goes on' });
    await lab.answers(a.PublicIpAddress!);
    expect(await lab.run(a.PublicIpAddress!, 'wc -l < /boots')).toBe('1');
    expect(await server()).toBe(before);
    await pilvi('chaos', 'instance', a.InstanceId!, 'down');
    await lab.ec2.send(new RebootInstancesCommand({ InstanceIds: [a.InstanceId!] }));
    await lab.answers(a.PublicIpAddress!);
    expect(await checks(a)).toEqual(['ok', 'ok']);
    expect(await pilvi('chaos')).toBe('Nothing is broken.');
  });

  test('an interface that is cut loses all packets, and the instance behind it fails its check', {
    timeout: 90_000,
  }, async () => {
    const id = a.NetworkInterfaces?.[0]?.NetworkInterfaceId ?? '';
    expect(await pilvi('chaos', 'interface', id, 'down')).toBe(`Interface ${id} is cut.`);
    expect(await checks(a)).toEqual(['ok', 'impaired']);
    await silent(a);
    expect(await reaches(b, a)).toBe('no');
    expect(await pilvi('chaos', 'interface', id, 'up')).toBe('Nothing is broken.');
    await lab.answers(a.PublicIpAddress!);
    expect(await reaches(b, a)).toBe('yes');
    expect(await checks(a)).toEqual(['ok', 'ok']);
  });

  test('a path that is cut parts two instances, which everybody else still reaches', { timeout: 90_000 }, async () => {
    expect(await reaches(a, b)).toBe('yes');
    const words = await pilvi('chaos', 'path', a.InstanceId!, b.InstanceId!, 'down');
    expect(words).toMatch(/^The path between eni-\w+ and eni-\w+ is cut\.$/);
    expect([await reaches(a, b), await reaches(b, a)]).toEqual(['no', 'no']);
    expect([await hostname(a), await hostname(b)].every((name) => name !== '')).toBe(true);
    expect(await checks(a)).toEqual(['ok', 'ok']);
    expect(await pilvi('chaos', 'clear')).toBe('Nothing is broken.');
    expect([await reaches(a, b), await reaches(b, a)]).toEqual(['yes', 'yes']);
  });

  test('what does not exist cannot be broken', async () => {
    const order = (kind: string, body: object) => admin('POST', `chaos/${kind}`, body, cloud.endpoint);
    await expect(order('instance', { instance: 'i-0', down: true })).rejects.toThrow(/There is no such instance/);
    await expect(order('interface', { interface: 'eni-0', down: true })).rejects.toThrow(/There is no such interface/);
    await expect(order('path', { from: a.InstanceId, to: 'i-0', down: true })).rejects.toThrow(/There is no such path/);
    await expect(order('path', { from: a.InstanceId, to: b.InstanceId })).rejects.toThrow(/down must be true or false/);
  });
});
