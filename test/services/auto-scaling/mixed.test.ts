/** Mixed instances policies: purchase options, types, templates, weights, and what an interruption does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from './support.ts';

const template = { LaunchTemplateSpecification: { LaunchTemplateName: 'web', Version: '$Latest' } };

describe('mixed instances policies', () => {
  let cloud: OwnCloud;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  test('ASG-040 ASG-041 a group mixes On-Demand and Spot Instances and replaces those that are interrupted', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({
      MaxSize: 6,
      DesiredCapacity: 5,
      MixedInstancesPolicy: {
        LaunchTemplate: template,
        InstancesDistribution: { OnDemandBaseCapacity: 1, OnDemandPercentageAboveBaseCapacity: 50 },
      },
    });
    await lab.settled(5);
    const lifecycles = async () => (await lab.instances()).map(({ InstanceLifecycle = 'on-demand' }) => InstanceLifecycle).sort();
    expect(await lifecycles()).toEqual(['on-demand', 'on-demand', 'on-demand', 'spot', 'spot']);
    const gone = (await lab.instances()).find(({ InstanceLifecycle }) => InstanceLifecycle === 'spot')?.InstanceId ?? '';
    await admin('POST', 'chaos/spot', { spot: gone, down: true }, cloud.endpoint);
    await advanceClock(cloud.endpoint, 121_000);
    await eventually(async () => expect((await lab.show()).Instances?.map(({ InstanceId }) => InstanceId)).not.toContain(gone), {
      timeoutMs: 30_000,
      why: 'the interrupted instance leaves',
    });
    await lab.settled(5);
    expect(await lifecycles()).toEqual(['on-demand', 'on-demand', 'on-demand', 'spot', 'spot']);
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 3 });
    await lab.settled(3);
    expect(await lifecycles()).toEqual(['on-demand', 'on-demand', 'spot']);
  });

  test('types weigh, have templates of their own, and the cheapest is taken where the strategy says so', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.ec2.createLaunchTemplate({
      LaunchTemplateName: 'large',
      LaunchTemplateData: {
        ImageId: await lab.image(),
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'size', Value: 'large' }] }],
      },
    });
    await lab.group({
      MaxSize: 10,
      DesiredCapacity: 5,
      MixedInstancesPolicy: {
        LaunchTemplate: {
          ...template,
          // By unit of capacity the second costs 0.0052, the first 0.0104.
          Overrides: [
            { InstanceType: 't3.small', WeightedCapacity: '2' },
            { InstanceType: 't3.micro', WeightedCapacity: '2', LaunchTemplateSpecification: { LaunchTemplateName: 'large' } },
          ],
        },
        InstancesDistribution: { OnDemandAllocationStrategy: 'lowest-price' },
      },
    });
    const { Instances = [] } = await lab.settled(3);
    expect(Instances.map(({ InstanceType, WeightedCapacity }) => [InstanceType, WeightedCapacity])).toEqual(
      Array.from({ length: 3 }, () => ['t3.micro', '2']),
    );
    expect(Instances[0]?.LaunchTemplate?.LaunchTemplateName).toBe('large');
    expect((await lab.instances())[0]?.Tags).toEqual(expect.arrayContaining([{ Key: 'size', Value: 'large' }]));
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 3 });
    await lab.settled(2);
    await lab.asg.updateAutoScalingGroup({
      AutoScalingGroupName: 'web',
      DesiredCapacity: 9,
      MixedInstancesPolicy: {
        LaunchTemplate: { ...template, Overrides: [{ InstanceType: 't3.small' }, { InstanceType: 't3.nano' }] },
        InstancesDistribution: {
          OnDemandPercentageAboveBaseCapacity: 0,
          SpotAllocationStrategy: 'lowest-price',
          SpotInstancePools: 2,
        },
      },
    });
    await lab.settled(7);
    const types = (await lab.instances()).flatMap((one) => (one.InstanceLifecycle === 'spot' ? [one.InstanceType ?? ''] : []));
    expect(new Set(types)).toEqual(new Set(['t3.nano', 't3.small']));
  });

  test('policies that cannot be are refused', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    const refusedPolicy = (overrides: object[], distribution: object, message: string | RegExp) =>
      refused(
        lab.group({
          MixedInstancesPolicy: { LaunchTemplate: { ...template, Overrides: overrides }, InstancesDistribution: distribution },
        }),
        'ValidationError',
        message,
      );
    await refusedPolicy(
      [{ InstanceType: 't3.nano', WeightedCapacity: '1' }, { InstanceType: 't3.micro' }],
      {},
      'WeightedCapacity must be given for all of the overrides or for none.',
    );
    await refusedPolicy([{ InstanceType: 't3.nano', WeightedCapacity: '1000' }], {}, /^WeightedCapacity must be a number/);
    await refusedPolicy(
      [{ InstanceType: 't3.nano', LaunchTemplateSpecification: { LaunchTemplateName: 'none' } }],
      {},
      /^You must use a valid fully-formed launch template\. /,
    );
    await refusedPolicy([], { SpotMaxPrice: 'cheap' }, 'Invalid SpotMaxPrice: cheap.');
    await refusedPolicy(
      [],
      { SpotAllocationStrategy: 'capacity-optimized', SpotInstancePools: 3 },
      'SpotInstancePools is only supported with the SpotAllocationStrategy lowest-price.',
    );
    await refusedPolicy([], { OnDemandPercentageAboveBaseCapacity: 101 }, /between 0 and 100/);
  });
});
