import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import { IAM } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Scaling } from './support.ts';

describe('groups', () => {
  let cloud: OwnCloud;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  test('ASG-002 ASG-009 ASG-010 ASG-026 a group is refused without template or with wrong sizes, and shows its defaults', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    const sizes = { AutoScalingGroupName: 'web', MinSize: 0, MaxSize: 1, AvailabilityZones: ['us-east-1a'] };
    await refused(
      lab.asg.createAutoScalingGroup(sizes),
      'ValidationError',
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
      400,
    );
    await refused(
      lab.group({ MinSize: 3, MaxSize: 2 }),
      'ValidationError',
      'Max bound, 2, must be greater than or equal to min bound, 3',
    );
    await refused(
      lab.group({ MinSize: 1, MaxSize: 3, DesiredCapacity: 4 }),
      'ValidationError',
      'Desired capacity:4 must be between the specified min size:1 and max size:3',
    );
    await refused(
      lab.group({ LaunchTemplate: { LaunchTemplateName: 'none' } }),
      'ValidationError',
      /^You must use a valid fully-formed launch template\. /,
    );
    await refused(
      lab.group({ AvailabilityZones: [] }),
      'ValidationError',
      'At least one Availability Zone or VPC Subnet is required.',
    );
    await refused(
      lab.group({ VPCZoneIdentifier: 'subnet-00000000000000000' }),
      'ValidationError',
      "The subnet ID 'subnet-00000000000000000' does not exist",
    );
    await lab.group({ MinSize: 2, MaxSize: 3 });
    await refused(
      lab.group(),
      'AlreadyExists',
      'AutoScalingGroup by this name already exists - A group with the name web already exists',
    );
    const group = await lab.show();
    expect(group).toMatchObject({
      DesiredCapacity: 2,
      DefaultCooldown: 300,
      HealthCheckType: 'EC2',
      TerminationPolicies: ['Default'],
    });
    await refused(
      lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 4 }),
      'ValidationError',
      'New SetDesiredCapacity value 4 is above max value 3 for the AutoScalingGroup.',
    );
    await refused(
      lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 0 }),
      'ValidationError',
      'New SetDesiredCapacity value 0 is below min value 2 for the AutoScalingGroup.',
    );
    const [one] = (await lab.settled(2)).Instances ?? [];
    expect(one).toMatchObject({ InstanceType: 't3.nano', HealthStatus: 'Healthy', LaunchTemplate: { Version: '1' } });
  });

  test('ASG-001 ASG-007 instances come and go with the desired capacity, spread over the zones', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ DesiredCapacity: 4, Tags: [{ Key: 'team', Value: 'time', PropagateAtLaunch: true }] });
    await lab.settled(4);
    const zones = async () => (await lab.instances()).map(({ Placement }) => Placement?.AvailabilityZone).sort();
    expect(await zones()).toEqual(['us-east-1a', 'us-east-1a', 'us-east-1b', 'us-east-1b']);
    expect((await lab.instances())[0]?.Tags).toEqual(expect.arrayContaining([{ Key: 'team', Value: 'time' }]));
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 3 });
    await lab.settled(3);
    const left = await zones();
    expect([...new Set(left)]).toEqual(['us-east-1a', 'us-east-1b']);
    const causes = (await lab.activities()).map(({ Cause }) => Cause);
    expect(causes[0]).toMatch(
      /^At \S+Z a user request explicitly set group desired capacity changing the desired capacity from 4 to 3\. {2}At \S+Z an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from 4 to 3\. {2}At \S+Z instance i-[0-9a-f]{17} was selected for termination\.$/,
    );
    expect(causes.at(-1)).toMatch(
      /^At \S+Z a user request created an AutoScalingGroup changing the desired capacity from 0 to 4\. {2}At \S+Z an instance was started in response to a difference between desired and actual capacity, increasing the capacity from 0 to 4\.$/,
    );
    const PolicyName = 'half';
    await lab.asg.putScalingPolicy({
      AutoScalingGroupName: 'web',
      PolicyName,
      AdjustmentType: 'ExactCapacity',
      ScalingAdjustment: 4,
    });
    await lab.asg.executePolicy({ AutoScalingGroupName: 'web', PolicyName });
    await lab.settled(4);
    expect((await lab.instances()).map(({ InstanceType }) => InstanceType)).toEqual(['t3.nano', 't3.nano', 't3.nano', 't3.nano']);
  });

  test('ASG-011 ASG-015 what ends or is called unhealthy is replaced', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    await lab.group({ MinSize: 2, MaxSize: 2 });
    const [first, second] = (await lab.settled(2)).Instances ?? [];
    const replaced = async (id: string | undefined) => {
      await eventually(async () => expect((await lab.show()).Instances?.map(({ InstanceId }) => InstanceId)).not.toContain(id), {
        timeoutMs: 60_000,
        why: 'the instance has left',
      });
      return lab.settled(2);
    };
    await lab.ec2.terminateInstances({ InstanceIds: [first?.InstanceId ?? ''] });
    await replaced(first?.InstanceId);
    await refused(
      lab.asg.setInstanceHealth({ InstanceId: 'i-00000000000000000', HealthStatus: 'Unhealthy' }),
      'ValidationError',
      'Instance Id not found - No managed instance found for instance ID: i-00000000000000000',
    );
    await lab.asg.setInstanceHealth({ InstanceId: second?.InstanceId, HealthStatus: 'Unhealthy' });
    const { Instances: now = [] } = await replaced(second?.InstanceId);
    await lab.ec2.stopInstances({ InstanceIds: [now[0]?.InstanceId ?? ''] });
    await replaced(now[0]?.InstanceId);
    const causes = (await lab.activities()).map(({ Cause }) => Cause).join('\n');
    expect(causes).toMatch(
      /an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped\./,
    );
    expect(causes).toMatch(/an instance was taken out of service in response to a user health-check\./);
    expect(causes).toMatch(/an instance was launched in response to an unhealthy instance needing to be replaced\./);
  });

  test('ASG-004 a new version of the template applies to instances launched later', async () => {
    const lab = new Scaling(cloud.endpoint);
    const LaunchTemplateId = await lab.template();
    await lab.group({ DesiredCapacity: 1 });
    const [old] = (await lab.settled(1)).Instances ?? [];
    await lab.ec2.createLaunchTemplateVersion({
      LaunchTemplateId,
      SourceVersion: '1',
      LaunchTemplateData: { InstanceType: 't3.micro' },
    });
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 2 });
    const { Instances = [] } = await lab.settled(2);
    expect(Instances.find(({ InstanceId }) => InstanceId === old?.InstanceId)).toMatchObject({ InstanceType: 't3.nano' });
    expect(Instances.find(({ InstanceId }) => InstanceId !== old?.InstanceId)).toMatchObject({
      InstanceType: 't3.micro',
      LaunchTemplate: { Version: '2' },
    });
  });

  test('ASG-005 a launch configuration defines what a group launches, and new accounts are barred from it', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.ec2.createKeyPair({ KeyName: 'old' });
    const { GroupId = '' } = await lab.ec2.createSecurityGroup({ GroupName: 'old', Description: 'old' });
    const given = {
      LaunchConfigurationName: 'old',
      ImageId: await lab.image(),
      InstanceType: 't3.micro',
      KeyName: 'old',
      SecurityGroups: [GroupId],
      InstanceMonitoring: { Enabled: false },
    };
    await lab.asg.createLaunchConfiguration(given);
    await refused(
      lab.asg.createLaunchConfiguration(given),
      'AlreadyExists',
      'Launch Configuration by this name already exists - A launch configuration already exists with the name old',
    );
    await refused(
      lab.group({ LaunchConfigurationName: 'none' }),
      'ValidationError',
      'Launch configuration name not found - A launch configuration with the name: none does not exist',
    );
    await refused(
      lab.group({ LaunchConfigurationName: 'old', LaunchTemplate: { LaunchTemplateName: 'web' } }),
      'ValidationError',
      'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
    );
    await lab.group({ LaunchConfigurationName: 'old', DesiredCapacity: 1 });
    const { Instances } = await lab.settled(1);
    expect(Instances).toMatchObject([{ InstanceType: 't3.micro', LaunchConfigurationName: 'old' }]);
    expect(await lab.instances()).toMatchObject([
      { KeyName: 'old', SecurityGroups: [{ GroupId }], Monitoring: { State: 'disabled' }, ImageId: given.ImageId },
    ]);
    const own = await startOwnCloud({ args: ['--strict-images', '--new-accounts'] });
    try {
      const barred = new Scaling(own.endpoint);
      await refused(
        barred.asg.createLaunchConfiguration({ ...given, ImageId: await barred.image() }),
        'UnsupportedOperation',
        'The Launch Configuration creation operation is not available in your account. Use launch templates to create configuration templates for your Auto Scaling groups.',
      );
    } finally {
      await own.stop();
    }
    await refused(
      lab.asg.deleteLaunchConfiguration({ LaunchConfigurationName: 'old' }),
      'ResourceInUse',
      'Cannot delete launch configuration old because it is attached to AutoScalingGroup web',
    );
    await refused(
      lab.asg.deleteAutoScalingGroup({ AutoScalingGroupName: 'web' }),
      'ResourceInUse',
      /^You cannot delete an AutoScalingGroup while there are instances/,
    );
    await lab.asg.deleteAutoScalingGroup({ AutoScalingGroupName: 'web', ForceDelete: true });
    await eventually(async () => expect((await lab.asg.describeAutoScalingGroups({})).AutoScalingGroups).toEqual([]), {
      timeoutMs: 60_000,
      why: 'the group is gone',
    });
    expect(await lab.instances()).toEqual([]);
    await lab.asg.deleteLaunchConfiguration({ LaunchConfigurationName: 'old' });
    await refused(
      lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 1 }),
      'ValidationError',
      'AutoScalingGroup name not found - AutoScalingGroup: web not found',
    );
  });

  test('ASG-006 subnets, target groups and sizes belong to the group, and a change of them moves its instances', async () => {
    const lab = new Scaling(cloud.endpoint);
    const elb = new ElasticLoadBalancingV2(lab.account.config({ endpoint: cloud.endpoint }));
    const { Subnets = [] } = await lab.ec2.describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
    const subnet = (zone: string) => Subnets.find(({ AvailabilityZone }) => AvailabilityZone === zone)?.SubnetId ?? '';
    const { TargetGroups = [] } = await elb.createTargetGroup({
      Name: 'web',
      Protocol: 'HTTP',
      Port: 80,
      VpcId: Subnets[0]?.VpcId,
    });
    const TargetGroupArn = TargetGroups[0]?.TargetGroupArn ?? '';
    const registered = async () =>
      (await elb.describeTargetHealth({ TargetGroupArn })).TargetHealthDescriptions?.map(({ Target }) => Target?.Id);
    await lab.template();
    await lab.group({
      AvailabilityZones: undefined,
      VPCZoneIdentifier: subnet('us-east-1a'),
      TargetGroupARNs: [TargetGroupArn],
      DesiredCapacity: 1,
    });
    await lab.settled(1);
    const [first] = await lab.instances();
    expect(first?.SubnetId).toBe(subnet('us-east-1a'));
    expect(await registered()).toEqual([first?.InstanceId]);
    const web = { AutoScalingGroupName: 'web' };
    await refused(
      lab.asg.updateAutoScalingGroup({ ...web, VPCZoneIdentifier: 'subnet-00000000000000000' }),
      'ValidationError',
      "The subnet ID 'subnet-00000000000000000' does not exist",
    );
    await lab.asg.updateAutoScalingGroup({ ...web, VPCZoneIdentifier: subnet('us-east-1b'), MinSize: 2, MaxSize: 2 });
    await eventually(
      async () =>
        expect((await lab.instances()).map(({ SubnetId }) => SubnetId)).toEqual([subnet('us-east-1b'), subnet('us-east-1b')]),
      { timeoutMs: 60_000, why: 'both are in the new subnet' },
    );
    const { Instances = [] } = await lab.settled(2);
    expect((await registered())?.sort()).toEqual(Instances.map(({ InstanceId }) => InstanceId).sort());
    await lab.asg.detachLoadBalancerTargetGroups({ ...web, TargetGroupARNs: [TargetGroupArn] });
    await eventually(async () => expect(await registered()).toEqual([]), { why: 'they have left the target group' });
  });

  test('TRAIL-006 what a group launches is on the record as the call of its role, invoked by Auto Scaling', async () => {
    const lab = new Scaling(cloud.endpoint);
    const trail = new CloudTrail(lab.account.config({ endpoint: cloud.endpoint }));
    const iam = new IAM(lab.account.config({ endpoint: cloud.endpoint }));
    await lab.template();
    await lab.group({ DesiredCapacity: 0 });
    const roleArn = `arn:aws:iam::${lab.account.id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`;
    expect((await iam.getRole({ RoleName: 'AWSServiceRoleForAutoScaling' })).Role?.Arn).toBe(roleArn);
    expect((await lab.show()).ServiceLinkedRoleARN).toBe(roleArn);
    await refused(
      iam.detachRolePolicy({
        RoleName: 'AWSServiceRoleForAutoScaling',
        PolicyArn: 'arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy',
      }),
      'UnmodifiableEntity',
    );
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 1 });
    const { Instances = [] } = await lab.settled(1);
    const event = await eventually(
      async () => {
        const { Events = [] } = await trail.lookupEvents({
          LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'RunInstances' }],
        });
        expect(Events).toHaveLength(1);
        return JSON.parse(Events[0]?.CloudTrailEvent ?? '{}') as object;
      },
      { why: 'the call is in the history' },
    );
    expect(event).toMatchObject({
      eventSource: 'ec2.amazonaws.com',
      sourceIPAddress: 'autoscaling.amazonaws.com',
      userAgent: 'autoscaling.amazonaws.com',
      userIdentity: {
        type: 'AssumedRole',
        arn: `arn:aws:sts::${lab.account.id}:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling`,
        invokedBy: 'autoscaling.amazonaws.com',
      },
      responseElements: { instances: [{ instanceId: Instances[0]?.InstanceId }] },
    });
  });

  test('instances wait at hooks, stand by, are protected, attached and detached', async () => {
    const lab = new Scaling(cloud.endpoint);
    await lab.template();
    const hook = { AutoScalingGroupName: 'web', LifecycleHookName: 'warm' };
    await lab.group({ DesiredCapacity: 0 });
    await refused(
      lab.asg.putLifecycleHook({ ...hook, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING', HeartbeatTimeout: 5 }),
      'ValidationError',
      'Heartbeat Timeout must be between 30 and 7200 seconds.',
    );
    await lab.asg.putLifecycleHook({ ...hook, LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING' });
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 1 });
    const InstanceId = await eventually(
      async () => {
        const [one] = (await lab.show()).Instances ?? [];
        expect(one?.LifecycleState).toBe('Pending:Wait');
        return one?.InstanceId ?? '';
      },
      { timeoutMs: 60_000, why: 'the instance waits' },
    );
    await refused(
      lab.asg.completeLifecycleAction({ ...hook, InstanceId: 'i-00000000000000000', LifecycleActionResult: 'CONTINUE' }),
      'ValidationError',
      'No active Lifecycle Action found with instance ID i-00000000000000000',
    );
    await lab.asg.completeLifecycleAction({ ...hook, InstanceId, LifecycleActionResult: 'CONTINUE' });
    await lab.settled(1);
    await lab.asg.deleteLifecycleHook(hook);
    const one = { AutoScalingGroupName: 'web', InstanceIds: [InstanceId] };
    await lab.asg.enterStandby({ ...one, ShouldDecrementDesiredCapacity: true });
    await eventually(
      async () => expect(await lab.show()).toMatchObject({ DesiredCapacity: 0, Instances: [{ LifecycleState: 'Standby' }] }),
      { why: 'it stands by' },
    );
    await lab.asg.exitStandby(one);
    await lab.settled(1);
    await refused(lab.asg.exitStandby(one), 'ValidationError', `The instance ${InstanceId} is not in Standby state.`);
    await lab.asg.setInstanceProtection({ ...one, ProtectedFromScaleIn: true });
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 2 });
    await lab.settled(2);
    await lab.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 1 });
    expect((await lab.settled(1)).Instances).toMatchObject([{ InstanceId, ProtectedFromScaleIn: true }]);
    await lab.asg.detachInstances({ ...one, ShouldDecrementDesiredCapacity: true });
    await lab.settled(0);
    expect((await lab.ec2.describeInstances({ InstanceIds: [InstanceId] })).Reservations?.[0]?.Instances?.[0]?.State?.Name).toBe(
      'running',
    );
    await lab.asg.attachInstances(one);
    expect((await lab.settled(1)).Instances).toMatchObject([{ InstanceId }]);
    await refused(
      lab.asg.attachInstances(one),
      'ValidationError',
      `Instance ${InstanceId} is already part of AutoScalingGroup:web.`,
    );
  });

  test('ASG-003 ASG-008 ASG-013 the template holds what an instance is, the group how many', {
    timeout: 90_000,
  }, async (context) => {
    context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
    const lab = new Scaling(cloud.endpoint);
    const iam = new IAM(lab.account.config({ endpoint: cloud.endpoint }));
    const service = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
    await iam.createRole({
      RoleName: 'web',
      AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [service] }),
    });
    const { InstanceProfile } = await iam.createInstanceProfile({ InstanceProfileName: 'web' });
    await iam.addRoleToInstanceProfile({ InstanceProfileName: 'web', RoleName: 'web' });
    await lab.ec2.createKeyPair({ KeyName: 'web' });
    const { GroupId = '' } = await lab.ec2.createSecurityGroup({ GroupName: 'web', Description: 'web' });
    await lab.template({
      InstanceType: 't3.micro',
      KeyName: 'web',
      SecurityGroupIds: [GroupId],
      IamInstanceProfile: { Name: 'web' },
      BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } }],
      UserData: Buffer.from('#!/bin/sh\necho the user data ran > /dev/console\n').toString('base64'),
    });
    await lab.group({ MinSize: 0, MaxSize: 2 });
    expect(await lab.show()).toMatchObject({ MinSize: 0, MaxSize: 2, DesiredCapacity: 0 });
    await lab.asg.updateAutoScalingGroup({ AutoScalingGroupName: 'web', MaxSize: 3 });
    const policy = { AutoScalingGroupName: 'web', AdjustmentType: 'ChangeInCapacity' };
    await lab.asg.putScalingPolicy({ ...policy, PolicyName: 'out', ScalingAdjustment: 1 });
    await lab.asg.putScalingPolicy({ ...policy, PolicyName: 'in', ScalingAdjustment: -1 });
    await lab.asg.executePolicy({ AutoScalingGroupName: 'web', PolicyName: 'out' });
    await eventually(async () => expect((await lab.show()).Instances?.[0]?.LifecycleState).toMatch(/^Pending|^InService/), {
      why: 'it launches',
    });
    await lab.settled(1);
    expect(await lab.show()).toMatchObject({ MaxSize: 3, DesiredCapacity: 1 });
    const [one] = await lab.instances();
    expect(one).toMatchObject({
      ImageId: await lab.image(),
      InstanceType: 't3.micro',
      KeyName: 'web',
      SecurityGroups: [{ GroupId }],
      IamInstanceProfile: { Arn: InstanceProfile?.Arn },
    });
    expect(one?.BlockDeviceMappings?.map(({ DeviceName }) => DeviceName)).toContain('/dev/sdf');
    await eventually(
      async () => {
        const { Output = '' } = await lab.ec2.getConsoleOutput({ InstanceId: one?.InstanceId, Latest: true });
        expect(Buffer.from(Output, 'base64').toString()).toContain('the user data ran');
      },
      { timeoutMs: 30_000, why: 'user data runs' },
    );
    await lab.asg.executePolicy({ AutoScalingGroupName: 'web', PolicyName: 'in' });
    await lab.settled(0);
    expect(await lab.activities()).toMatchObject([
      {
        Description: `Terminating EC2 instance: ${one?.InstanceId}`,
        Progress: 100,
        StatusCode: 'Successful',
        Cause: expect.stringMatching(/executed policy in changing the desired capacity from 1 to 0/),
      },
      {
        Description: `Launching a new EC2 instance: ${one?.InstanceId}`,
        Progress: 100,
        StatusCode: 'Successful',
        Cause: expect.stringMatching(/executed policy out changing the desired capacity from 0 to 1/),
      },
    ]);
  });
});
