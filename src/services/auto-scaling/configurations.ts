/** Launch configurations, the launch template's predecessor: made, shown, deleted, never changed. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { alreadyExists, creationNotAvailable, resourceInUse, validationError } from './errors.ts';
import { pageFor } from './lists.ts';
import { type ConfigurationRow, Configurations, Groups } from './state.ts';

const absent = ['ClassicLinkVPCId', 'InstanceId', 'KernelId', 'RamdiskId', 'SpotPrice'] as const;

export const configurationHandlers: HandlersOf<AutoScaling> = {
  /** Throws UnsupportedOperation where accounts are new, AlreadyExists for the name. What it holds is checked by EC2 when an instance is launched. */
  async CreateLaunchConfiguration(input, ctx) {
    if (ctx.part('settings').newAccounts) throw creationNotAvailable();
    for (const name of absent) if (input[name]) throw parameterNotImplemented('CreateLaunchConfiguration', name);
    if (input.ClassicLinkVPCSecurityGroups?.length)
      throw parameterNotImplemented('CreateLaunchConfiguration', 'ClassicLinkVPCSecurityGroups');
    const { LaunchConfigurationName: name = '', ...rest } = input;
    if (input.ImageId === undefined || input.InstanceType === undefined)
      throw validationError(
        'Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters.',
      );
    const row = {
      ...(JSON.parse(JSON.stringify(rest)) as typeof rest),
      name,
      arn: `arn:aws:autoscaling:${ctx.region}:${ctx.account}:launchConfiguration:${ctx.uuid()}:launchConfigurationName/${name}`,
      created: ctx.now,
    } as ConfigurationRow;
    await ctx.transact(async (tx) => {
      if ((await tx.table(Configurations).get(name)) !== undefined)
        throw alreadyExists(
          `Launch Configuration by this name already exists - A launch configuration already exists with the name ${name}`,
        );
      await tx.table(Configurations).put(row);
    });
    return {};
  },

  async DeleteLaunchConfiguration({ LaunchConfigurationName: name = '' }, ctx) {
    await ctx.transact(async (tx) => {
      if ((await tx.table(Configurations).get(name)) === undefined)
        throw validationError(`Launch configuration name not found - Launch configuration ${name} not found`);
      const user = await tx.table(Groups).firstByIndex('byConfiguration', [name]);
      if (user !== undefined)
        throw resourceInUse(`Cannot delete launch configuration ${name} because it is attached to AutoScalingGroup ${user.name}`);
      await tx.table(Configurations).delete(name);
    });
    return {};
  },

  async DescribeLaunchConfigurations(input, ctx) {
    const names = input.LaunchConfigurationNames ?? [];
    const rows = (await ctx.table(Configurations).list()).filter((row) => names.length === 0 || names.includes(row.name));
    const page = pageFor('configurations', rows, (row) => [row.name], input);
    const LaunchConfigurations = page.items.map(({ name, arn, created, ...rest }) => ({
      ...rest,
      LaunchConfigurationName: name,
      LaunchConfigurationARN: arn,
      CreatedTime: new Date(created),
      ImageId: rest.ImageId,
      InstanceType: rest.InstanceType,
      KeyName: rest.KeyName ?? '',
      SecurityGroups: rest.SecurityGroups ?? [],
      UserData: rest.UserData ?? '',
      KernelId: '',
      RamdiskId: '',
      BlockDeviceMappings: rest.BlockDeviceMappings ?? [],
      ClassicLinkVPCSecurityGroups: [],
      InstanceMonitoring: { Enabled: rest.InstanceMonitoring?.Enabled !== false },
      EbsOptimized: rest.EbsOptimized === true,
    }));
    return { LaunchConfigurations, NextToken: page.nextToken };
  },
};
