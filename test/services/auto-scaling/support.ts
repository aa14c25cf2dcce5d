/** What tests of Auto Scaling share: a cloud of their own whose clock they move, and groups in its default VPC. */
import { type Activity, AutoScaling, type AutoScalingGroup, type CreateAutoScalingGroupType } from '@aws-sdk/client-auto-scaling';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { EC2, type Instance } from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { eventually, freshAccount } from '../../support/cloud.ts';

export class Scaling {
  readonly account: ReturnType<typeof freshAccount>;
  readonly asg: AutoScaling;
  readonly ec2: EC2;
  readonly cloudwatch: CloudWatch;

  constructor(endpoint: string, account = freshAccount(endpoint)) {
    this.account = account;
    const config = this.account.config({ endpoint });
    this.asg = new AutoScaling(config);
    this.ec2 = new EC2(config);
    this.cloudwatch = new CloudWatch(config);
  }

  async image(): Promise<string> {
    const found = await this.ec2.describeImages({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] });
    return found.Images?.[0]?.ImageId ?? '';
  }

  /** A launch template named `web` of the smallest type; returns its id. */
  async template(more: object = {}): Promise<string> {
    const made = await this.ec2.createLaunchTemplate({
      LaunchTemplateName: 'web',
      LaunchTemplateData: { ImageId: await this.image(), InstanceType: 't3.nano', ...more },
    });
    return made.LaunchTemplate?.LaunchTemplateId ?? '';
  }

  /** The group `web` from the template `web` in two zones, unless told otherwise. */
  async group(more: Partial<CreateAutoScalingGroupType> = {}): Promise<void> {
    const own = more.LaunchConfigurationName ?? more.MixedInstancesPolicy;
    await this.asg.createAutoScalingGroup({
      AutoScalingGroupName: 'web',
      ...(own === undefined ? { LaunchTemplate: { LaunchTemplateName: 'web', Version: '$Latest' } } : {}),
      MinSize: 0,
      MaxSize: 4,
      AvailabilityZones: ['us-east-1a', 'us-east-1b'],
      ...more,
    });
  }

  async show(): Promise<AutoScalingGroup> {
    return (await this.asg.describeAutoScalingGroups({ AutoScalingGroupNames: ['web'] })).AutoScalingGroups![0]!;
  }

  /** Waits until as many as desired are in service and nothing else is in the group. */
  async settled(count: number): Promise<AutoScalingGroup> {
    return eventually(
      async () => {
        const group = await this.show();
        const states = group.Instances?.map(({ LifecycleState }) => LifecycleState);
        expect(states).toEqual(Array.from({ length: count }, () => 'InService'));
        return group;
      },
      { timeoutMs: 60_000, why: `${count} instances in service` },
    );
  }

  async activities(): Promise<Activity[]> {
    return (await this.asg.describeScalingActivities({ AutoScalingGroupName: 'web' })).Activities ?? [];
  }

  async instances(): Promise<Instance[]> {
    const { Reservations = [] } = await this.ec2.describeInstances({
      Filters: [
        { Name: 'tag:aws:autoscaling:groupName', Values: ['web'] },
        { Name: 'instance-state-name', Values: ['pending', 'running'] },
      ],
    });
    return Reservations.flatMap(({ Instances = [] }) => Instances);
  }
}
