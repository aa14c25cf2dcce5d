/** A cloud that is killed and started again serves through its load balancers as before. */
import { ModifyTargetGroupAttributesCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventually, machinesRefused, startOwnCloud } from '../../support/cloud.ts';
import { agentAtEachBoot, base64 } from '../ec2/support.ts';
import { get, Site } from './support.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

test('after a kill and a start the same addresses lead to the same targets, by the same rules and cookies', async () => {
  const first = await startOwnCloud();
  onTestFinished(async () => void (await first.stop()));
  const site = new Site(first.endpoint, first.data);
  await site.build('10.11');
  const launch = async (subnet: number): Promise<string> => {
    const UserData = base64(agentAtEachBoot);
    const id = await site.lab.launch({ SubnetId: site.subnets[subnet]!, SecurityGroupIds: [site.serverGroup], UserData });
    await site.lab.inState(id, 'running');
    return id;
  };
  const group = await site.group('web', { HealthCheckPath: '/?true' }, await Promise.all([launch(0), launch(1)]));
  await site.elb.send(
    new ModifyTargetGroupAttributesCommand({
      TargetGroupArn: group,
      Attributes: [{ Key: 'stickiness.enabled', Value: 'true' }],
    }),
  );
  const balancer = await site.balancer('again');
  await site.forward(balancer.LoadBalancerArn!, group);
  await site.all(group, 'healthy', 60_000);
  const nodes = Object.values(await site.nodes(balancer.LoadBalancerArn!));
  const ask = (address: string, data: string, headers: Record<string, string> = {}) =>
    get(address, '/?hostname', { data, headers });
  const before = await ask(nodes[0]!, first.data);
  expect(before.status).toBe(200);
  const cookie = before.cookies[0]!.split(';')[0]!;
  await first.kill();
  const second = await startOwnCloud({ data: first.data });
  onTestFinished(async () => void (await second.stop()));
  for (const address of nodes)
    await eventually(
      async () => {
        const after = await ask(address, second.data, { cookie });
        // The cookie still leads to the machine that it led to.
        expect(after).toMatchObject({ status: 200, body: before.body });
      },
      { why: `${address} serves again`, timeoutMs: 60_000 },
    );
  const again = new Site(second.endpoint, second.data);
  expect(again.data).toBe(first.data);
}, 180_000);
