import type { InstanceRefresh, StartInstanceRefreshType } from '@aws-sdk/client-auto-scaling';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from './support.ts';

const web = { AutoScalingGroupName: 'web' };
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

const version = (Version: string) => ({ LaunchTemplate: { LaunchTemplateName: 'web', Version } });

/** A group of instances of version 1, whose template also has a version 2 and one that cannot be launched. */
async function groupOf(count: number): Promise<Scaling> {
  const lab = new Scaling(cloud.endpoint);
  const LaunchTemplateId = await lab.template();
  for (const LaunchTemplateData of [
    { InstanceType: 't3.micro' as const },
    { SubnetId: 'none', SecurityGroupIds: ['sg-00000000000000000'] },
  ])
    await lab.ec2.createLaunchTemplateVersion({ LaunchTemplateId, SourceVersion: '1', LaunchTemplateData });
  await lab.group({ ...version('1'), DesiredCapacity: count });
  await lab.settled(count);
  return lab;
}

const start = async (lab: Scaling, more: Partial<StartInstanceRefreshType>): Promise<string> =>
  (await lab.asg.startInstanceRefresh({ ...web, ...more })).InstanceRefreshId ?? '';

const newest = async (lab: Scaling): Promise<InstanceRefresh> =>
  (await lab.asg.describeInstanceRefreshes(web)).InstanceRefreshes?.[0] ?? {};

/** Waits until the newest refresh is in a state, letting cloud time go by. */
const comesTo = (lab: Scaling, Status: string, seconds = 5): Promise<InstanceRefresh> =>
  eventually(
    async () => {
      const refresh = await newest(lab);
      if (refresh.Status !== Status) await advanceClock(cloud.endpoint, seconds * 1000);
      expect(refresh).toMatchObject({ Status });
      return refresh;
    },
    { timeoutMs: 40_000, why: `the refresh is ${Status}` },
  );

const versions = async (lab: Scaling) =>
  (await lab.show()).Instances?.map(({ LaunchTemplate }) => LaunchTemplate?.Version).sort();

test('a refresh replaces all instances by the desired configuration, never below the minimum of healthy ones', {
  timeout: 90_000,
}, async () => {
  const lab = await groupOf(4);
  const Preferences = { MinHealthyPercentage: 75, InstanceWarmup: 10 };
  const id = await start(lab, { DesiredConfiguration: version('2'), Preferences });
  await refused(
    start(lab, {}),
    'InstanceRefreshInProgress',
    'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.',
  );
  let least = 4;
  const done = await eventually(
    async () => {
      const group = await lab.show();
      least = Math.min(least, group.Instances?.filter(({ LifecycleState }) => LifecycleState === 'InService').length ?? 0);
      const refresh = await newest(lab);
      if (refresh.Status !== 'Successful') {
        // The group keeps its own template until the refresh has succeeded.
        expect(group.LaunchTemplate?.Version).toBe('1');
        await advanceClock(cloud.endpoint, 2000);
      }
      expect(refresh.Status).toBe('Successful');
      return refresh;
    },
    { timeoutMs: 60_000, why: 'the refresh succeeds' },
  );
  expect(done).toMatchObject({
    InstanceRefreshId: id,
    PercentageComplete: 100,
    InstancesToUpdate: 0,
    DesiredConfiguration: version('2'),
    Preferences: { MinHealthyPercentage: 75, InstanceWarmup: 10, SkipMatching: false, AutoRollback: false },
  });
  expect(least).toBeGreaterThanOrEqual(3);
  expect(await versions(lab)).toEqual(['2', '2', '2', '2']);
  expect((await lab.show()).LaunchTemplate?.Version).toBe('2');
  expect((await lab.activities()).map(({ Cause }) => Cause).join('\n')).toMatch(
    /an instance was taken out of service in response to an instance refresh\./,
  );
  // What matches already is left alone.
  const before = (await lab.show()).Instances?.map(({ InstanceId }) => InstanceId);
  await start(lab, { DesiredConfiguration: version('2'), Preferences: { SkipMatching: true } });
  await comesTo(lab, 'Successful');
  expect((await lab.show()).Instances?.map(({ InstanceId }) => InstanceId)).toEqual(before);
  expect((await lab.asg.describeInstanceRefreshes(web)).InstanceRefreshes).toHaveLength(2);
});

test('a refresh waits at its checkpoints, can be cancelled there, and rolled back', { timeout: 90_000 }, async () => {
  const lab = await groupOf(2);
  const Preferences = { MinHealthyPercentage: 50, CheckpointPercentages: [50, 100], CheckpointDelay: 3600, InstanceWarmup: 0 };
  const half = () =>
    eventually(
      async () => {
        const refresh = await newest(lab);
        if (refresh.PercentageComplete !== 50) await advanceClock(cloud.endpoint, 1000);
        expect(refresh).toMatchObject({ Status: 'InProgress', PercentageComplete: 50, InstancesToUpdate: 1 });
      },
      { timeoutMs: 40_000, why: 'the refresh is half way' },
    );
  await start(lab, { DesiredConfiguration: version('2'), Preferences });
  await half();
  await advanceClock(cloud.endpoint, 600_000);
  await half();
  expect(await versions(lab)).toEqual(['1', '2']);
  await lab.asg.rollbackInstanceRefresh(web);
  const back = await comesTo(lab, 'RollbackSuccessful');
  expect(back.RollbackDetails).toMatchObject({ PercentageCompleteOnRollback: 50, InstancesToUpdateOnRollback: 1 });
  await lab.settled(2);
  expect(await versions(lab)).toEqual(['1', '1']);
  expect((await lab.show()).LaunchTemplate?.Version).toBe('1');
  await start(lab, { DesiredConfiguration: version('2'), Preferences });
  await half();
  await lab.asg.cancelInstanceRefresh(web);
  await comesTo(lab, 'Cancelled');
  expect(await versions(lab)).toEqual(['1', '2']);
  await refused(
    lab.asg.cancelInstanceRefresh(web),
    'ActiveInstanceRefreshNotFound',
    'No in progress or pending Instance Refresh found for Auto Scaling group web',
  );
  await start(lab, { DesiredConfiguration: version('2'), Preferences });
  await comesTo(lab, 'Successful', 600);
  expect(await versions(lab)).toEqual(['2', '2']);
});

test('a refresh that cannot launch fails after an hour, and rolls back by itself when told to', { timeout: 90_000 }, async () => {
  const lab = await groupOf(2);
  await start(lab, {
    DesiredConfiguration: version('3'),
    Preferences: { MinHealthyPercentage: 50, InstanceWarmup: 0, AutoRollback: true },
  });
  const back = await comesTo(lab, 'RollbackSuccessful', 300);
  expect(back.RollbackDetails?.RollbackReason).toMatch(/for an hour\.$/);
  await lab.settled(2);
  expect(await versions(lab)).toEqual(['1', '1']);
});

test('what a refresh does not take is refused', async () => {
  const lab = await groupOf(0);
  const bad = (more: Partial<StartInstanceRefreshType>, message: string | RegExp) =>
    refused(start(lab, more), 'ValidationError', message);
  await bad({ Preferences: { MinHealthyPercentage: 101 } }, 'MinHealthyPercentage must be between 0 and 100.');
  await bad({ Preferences: { CheckpointPercentages: [50, 20] } }, 'CheckpointPercentages must be unique and in ascending order.');
  await bad(
    { Preferences: { CheckpointDelay: 60 } },
    'CheckpointDelay can be specified only together with CheckpointPercentages.',
  );
  await bad(
    { Preferences: { AutoRollback: true } },
    'AutoRollback cannot be set to true. The instance refresh does not have a desired configuration specified.',
  );
  await bad({ AutoScalingGroupName: 'none' }, 'AutoScalingGroup name not found - AutoScalingGroup: none not found');
  await bad({ DesiredConfiguration: version('9') }, /^You must use a valid fully-formed launch template\. /);
  await refused(lab.asg.rollbackInstanceRefresh(web), 'ActiveInstanceRefreshNotFound');
  await lab.asg.suspendProcesses({ ...web, ScalingProcesses: ['InstanceRefresh'] });
  await start(lab, {});
  await refused(
    lab.asg.rollbackInstanceRefresh(web),
    'IrreversibleInstanceRefresh',
    'The instance refresh does not have a desired configuration specified.',
  );
});
