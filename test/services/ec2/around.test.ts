/** What EC2 has around instances: volumes, load balancers, Auto Scaling groups, all with instances of one account. */
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  AttachVolumeCommand,
  CreateLaunchTemplateCommand,
  CreateVolumeCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2';
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { expect, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { agentScript, base64, Lab } from './support.ts';

test('EC2-005 volumes, load balancers and Auto Scaling groups work with the instances of an account', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const lab = new Lab();
  const network = await lab.network('10.85');
  const second = await lab.subnet(network.vpcId, '10.85.2.0/24', 'us-east-1b', true);
  const guest = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
  const { VolumeId } = await lab.ec2.send(new CreateVolumeCommand({ AvailabilityZone: 'us-east-1a', Size: 1 }));
  await eventually(
    () => lab.ec2.send(new AttachVolumeCommand({ VolumeId: VolumeId!, InstanceId: guest.InstanceId!, Device: '/dev/sdf' })),
    { why: 'the volume can be attached' },
  );
  await eventually(() => lab.run(guest.PublicIpAddress!, 'test -b /dev/sdf'), { why: 'the guest has the volume' });
  const shown = await lab.ec2.send(new DescribeVolumesCommand({ VolumeIds: [VolumeId!] }));
  expect(shown.Volumes![0]!.Attachments![0]!.InstanceId).toBe(guest.InstanceId);

  const elb = new ElasticLoadBalancingV2Client(lab.account.config());
  const made = await elb.send(
    new CreateLoadBalancerCommand({ Name: 'around', Subnets: [network.subnetId, second], SecurityGroups: [network.groupId] }),
  );
  const targets = await elb.send(
    new CreateTargetGroupCommand({
      Name: 'around',
      Protocol: 'HTTP',
      Port: 80,
      VpcId: network.vpcId,
      HealthCheckPath: '/?true',
      HealthCheckIntervalSeconds: 5,
      HealthyThresholdCount: 2,
      HealthCheckTimeoutSeconds: 2,
    }),
  );
  const TargetGroupArn = targets.TargetGroups![0]!.TargetGroupArn!;
  await elb.send(
    new CreateListenerCommand({
      LoadBalancerArn: made.LoadBalancers![0]!.LoadBalancerArn!,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [{ Type: 'forward', TargetGroupArn }],
    }),
  );
  await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: guest.InstanceId! }] }));
  await eventually(
    async () => {
      const found = await elb.send(new DescribeTargetHealthCommand({ TargetGroupArn }));
      expect(found.TargetHealthDescriptions!.map(({ TargetHealth }) => TargetHealth!.State)).toEqual(['healthy']);
    },
    { why: 'the instance is a healthy target', timeoutMs: 40_000 },
  );

  await lab.ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'around',
      LaunchTemplateData: {
        ImageId: await lab.image(),
        InstanceType: 't3.micro',
        SecurityGroupIds: [network.groupId],
        UserData: base64(agentScript),
      },
    }),
  );
  const scaling = new AutoScalingClient(lab.account.config());
  const AutoScalingGroupName = 'around';
  await scaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName,
      LaunchTemplate: { LaunchTemplateName: 'around' },
      MinSize: 1,
      MaxSize: 1,
      VPCZoneIdentifier: second,
    }),
  );
  const member = await eventually(
    async () => {
      const found = await scaling.send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [AutoScalingGroupName] }));
      const [one] = found.AutoScalingGroups![0]!.Instances!;
      expect(one?.LifecycleState).toBe('InService');
      return lab.instance(one!.InstanceId!);
    },
    { why: 'the group has an instance in service', timeoutMs: 40_000 },
  );
  await lab.answers(member.PublicIpAddress!);
  await scaling.send(new DeleteAutoScalingGroupCommand({ AutoScalingGroupName, ForceDelete: true }));
}, 120_000);
