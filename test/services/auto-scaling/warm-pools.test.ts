import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from './support.ts';

const group = { AutoScalingGroupName: 'web' };

/** Instances of the pool as `id state`, once they are as expected. */
async function pooled(lab: Scaling, states: readonly string[]): Promise<string[]> {
  return eventually(
    async () => {
      const { Instances = [] } = await lab.asg.describeWarmPool(group);
      expect(Instances.map(({ LifecycleState }) => LifecycleState).sort()).toEqual([...states].sort());
      return Instances.map(({ InstanceId = '' }) => InstanceId);
    },
    { timeoutMs: 60_000, why: `a pool of ${states.join(', ')}` },
  );
}

async function stateOf(lab: Scaling, id: string): Promise<string | undefined> {
  return (await lab.ec2.describeInstances({ InstanceIds: [id] })).Reservations?.[0]?.Instances?.[0]?.State?.Name;
}

describe('warm pools', () => {
  let cloud: OwnCloud;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  test('a pool holds stopped instances that a scale-out starts and a scale-in gives back', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ MaxSize: 3, DesiredCapacity: 1 });
    const [first] = (await lab.settled(1)).Instances ?? [];
    await lab.asg.putWarmPool({ ...group, InstanceReusePolicy: { ReuseOnScaleIn: true } });
    const prepared = await pooled(lab, ['Warmed:Stopped', 'Warmed:Stopped']);
    expect(await Promise.all(prepared.map((id) => stateOf(lab, id)))).toEqual(['stopped', 'stopped']);
    const shown = await lab.show();
    expect(shown.Instances?.map(({ InstanceId }) => InstanceId)).toEqual([first?.InstanceId]);
    expect(shown).toMatchObject({
      WarmPoolSize: 2,
      WarmPoolConfiguration: { MinSize: 0, PoolState: 'Stopped', InstanceReusePolicy: { ReuseOnScaleIn: true } },
    });
    expect((await lab.activities()).map(({ Description }) => Description)).toEqual(
      expect.arrayContaining(prepared.map((id) => `Launching a new EC2 instance into warm pool: ${id}`)),
    );
    await lab.asg.setDesiredCapacity({ ...group, DesiredCapacity: 2 });
    const serving = (await lab.settled(2)).Instances?.map(({ InstanceId }) => InstanceId) ?? [];
    const [taken = ''] = serving.filter((id) => id !== first?.InstanceId);
    expect(prepared).toContain(taken);
    expect((await lab.activities())[0]).toMatchObject({
      Description: `Launching a new EC2 instance from warm pool: ${taken}`,
      Cause: expect.stringMatching(/increasing the capacity from 1 to 2\.$/),
    });
    await pooled(lab, ['Warmed:Stopped']);
    await lab.asg.setDesiredCapacity({ ...group, DesiredCapacity: 1 });
    await lab.settled(1);
    const back = await pooled(lab, ['Warmed:Stopped', 'Warmed:Stopped']);
    expect([...back, ...((await lab.show()).Instances ?? []).map(({ InstanceId }) => InstanceId)].sort()).toEqual(
      [...prepared, first?.InstanceId].sort(),
    );
    await lab.ec2.terminateInstances({ InstanceIds: [back[0] ?? ''] });
    const renewed = await eventually(
      async () => {
        const ids = await pooled(lab, ['Warmed:Stopped', 'Warmed:Stopped']);
        expect(ids).not.toContain(back[0]);
        return ids;
      },
      { timeoutMs: 60_000, why: 'another in the place of the one that ended' },
    );
    await lab.asg.deleteWarmPool(group);
    await eventually(async () => expect((await lab.asg.describeWarmPool(group)).WarmPoolConfiguration).toBeUndefined(), {
      timeoutMs: 60_000,
      why: 'the pool is gone',
    });
    expect(await Promise.all(renewed.map((id) => stateOf(lab, id)))).toEqual(['terminated', 'terminated']);
    await refused(lab.asg.deleteWarmPool(group), 'ValidationError', 'No warm pool found for group: web');
  });

  test('launch hooks hold an instance on its way into the pool, and again on its way out', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ MaxSize: 1 });
    const LifecycleHookName = 'prepare';
    await lab.asg.putLifecycleHook({
      ...group,
      LifecycleHookName,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    });
    await lab.asg.putWarmPool({ ...group, PoolState: 'Running' });
    const [id = ''] = await pooled(lab, ['Warmed:Pending:Wait']);
    expect(await stateOf(lab, id)).toBe('running');
    const { AutoScalingInstances: seen = [] } = await lab.asg.describeAutoScalingInstances({ InstanceIds: [id] });
    expect(seen[0]).toMatchObject({ AutoScalingGroupName: 'web', LifecycleState: 'Warmed:Pending:Wait' });
    const proceed = { ...group, LifecycleHookName, InstanceId: id, LifecycleActionResult: 'CONTINUE' };
    await lab.asg.completeLifecycleAction(proceed);
    await pooled(lab, ['Warmed:Running']);
    await refused(
      lab.asg.completeLifecycleAction(proceed),
      'ValidationError',
      `No active Lifecycle Action found with instance ID ${id}`,
    );
    await lab.asg.setDesiredCapacity({ ...group, DesiredCapacity: 1 });
    await eventually(
      async () => expect((await lab.show()).Instances).toMatchObject([{ InstanceId: id, LifecycleState: 'Pending:Wait' }]),
      { timeoutMs: 30_000, why: 'the hook holds it again' },
    );
    await lab.asg.completeLifecycleAction(proceed);
    await lab.settled(1);
    expect((await lab.asg.describeWarmPool(group)).Instances).toEqual([]);
  });

  test('the prepared capacity and the minimum say how large a pool is', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ MaxSize: 9, DesiredCapacity: 1 });
    await lab.asg.putWarmPool({ ...group, MaxGroupPreparedCapacity: 3, PoolState: 'Running' });
    await pooled(lab, ['Warmed:Running', 'Warmed:Running']);
    await lab.asg.putWarmPool({ ...group, MaxGroupPreparedCapacity: 0 });
    await pooled(lab, []);
    await lab.asg.putWarmPool({ ...group, MinSize: 1 });
    await pooled(lab, ['Warmed:Running']);
    await lab.asg.deleteAutoScalingGroup({ ...group, ForceDelete: true });
    await eventually(async () => expect(await lab.instances()).toEqual([]), { timeoutMs: 60_000, why: 'all instances end' });
  });

  test('pools are refused where they cannot be', async () => {
    const lab = new Scaling(cloud.endpoint);
    await refused(
      lab.asg.putWarmPool(group),
      'ValidationError',
      'AutoScalingGroup name not found - AutoScalingGroup: web not found',
    );
    await lab.template();
    await lab.group({
      MixedInstancesPolicy: { LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateName: 'web', Version: '1' } } },
    });
    await refused(
      lab.asg.putWarmPool(group),
      'ValidationError',
      'You can’t add a warm pool to an Auto Scaling group that has a mixed instances policy or a launch template or launch configuration that requests Spot Instances.',
    );
    await refused(lab.asg.putWarmPool({ ...group, MinSize: -1 }), 'ValidationError', /MinSize/);
    await refused(lab.asg.putWarmPool({ ...group, MaxGroupPreparedCapacity: -2 }), 'ValidationError', /MaxGroupPreparedCapacity/);
    await refused(lab.asg.putWarmPool({ ...group, PoolState: 'Cold' as 'Stopped' }), 'ValidationError', /PoolState/);
    await refused(lab.asg.deleteWarmPool(group), 'ValidationError', 'No warm pool found for group: web');
  });
});
