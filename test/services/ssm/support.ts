/** What tests of Systems Manager on instances share: an account with a role for agents, and instances that are managed. */
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { SSM } from '@aws-sdk/client-ssm';
import { expect, type TestContext } from 'vitest';
import { eventually, freshAccount } from '../../support/cloud.ts';

export function needsMachines(context: TestContext, limits: readonly string[]): void {
  context.skip(limits.length > 0, `machines do not run here: ${limits[0]}`);
}

export async function fleet(endpoint?: string) {
  const account = freshAccount(endpoint);
  const [ec2, iam, ssm] = [new EC2(account.config()), new IAM(account.config()), new SSM(account.config())];
  const trust = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  await iam.createRole({ RoleName: 'node', AssumeRolePolicyDocument });
  await iam.attachRolePolicy({ RoleName: 'node', PolicyArn: 'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore' });
  await iam.createInstanceProfile({ InstanceProfileName: 'node' });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: 'node', RoleName: 'node' });
  const image = await ssm.getParameter({ Name: '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64' });
  const ImageId = image.Parameter?.Value;

  const launch = async (tags: Record<string, string>, { count = 1, profile = 'node', subnet = '' } = {}): Promise<string[]> => {
    const { Instances = [] } = await ec2.runInstances({
      ImageId,
      InstanceType: 't3.micro',
      MinCount: count,
      MaxCount: count,
      ...(profile === '' ? {} : { IamInstanceProfile: { Name: profile } }),
      ...(subnet === '' ? {} : { SubnetId: subnet }),
      TagSpecifications: [{ ResourceType: 'instance', Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }],
    });
    const ids = Instances.map(({ InstanceId = '' }) => InstanceId);
    await eventually(
      async () => {
        const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: ids });
        for (const { Instances: shown = [] } of Reservations) for (const one of shown) expect(one.State?.Name).toBe('running');
      },
      { timeoutMs: 60_000, why: 'the instances run' },
    );
    return ids;
  };

  const managed = (ids: readonly string[]) =>
    eventually(
      async () => {
        const { InstanceInformationList: list = [] } = await ssm.describeInstanceInformation({});
        expect(list.filter(({ PingStatus }) => PingStatus === 'Online').map(({ InstanceId }) => InstanceId)).toEqual(
          expect.arrayContaining([...ids]),
        );
        return list;
      },
      { timeoutMs: 60_000, why: 'the agents report' },
    );

  /** Waits for a command to end; its invocation on one instance. */
  const ended = (CommandId: string | undefined, InstanceId: string | undefined) =>
    eventually(
      async () => {
        const invocation = await ssm.getCommandInvocation({ CommandId, InstanceId });
        expect(invocation.Status).not.toMatch(/Pending|InProgress|Cancelling/);
        return invocation;
      },
      { timeoutMs: 60_000, why: 'the command ends' },
    );

  const run = async (InstanceId: string, commands: string[], more: Record<string, unknown> = {}) => {
    const { Command } = await ssm.sendCommand({
      DocumentName: 'AWS-RunShellScript',
      InstanceIds: [InstanceId],
      Parameters: { commands },
      ...more,
    });
    return ended(Command?.CommandId, InstanceId);
  };
  return { account, ec2, iam, ssm, launch, managed, ended, run };
}
