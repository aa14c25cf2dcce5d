/** Detailed monitoring, and the CPU credits of burstable types. */
import type { EC2, InstanceMonitoring } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged } from '../tags.ts';
import { Instances } from './state.ts';
import { instanceTypes } from './type-catalogue.ts';

async function setMonitoring(ctx: Context, ids: readonly string[] | undefined, on: boolean): Promise<InstanceMonitoring[]> {
  if (ids === undefined || ids.length === 0) throw missingParameter('InstanceId');
  return ctx.transact(async (tx) => {
    const rows = await rowsByIds(tx, Instances, 'instance', ids);
    for (const row of rows) {
      if (row.state === 'terminated' || row.state === 'shutting-down')
        throw new AwsError(
          'IncorrectInstanceState',
          `The instance '${row.id}' is not in a state from which it can be monitored.`,
        );
      await tx.table(Instances).put({ ...row, monitoring: on });
    }
    return rows.map((row) => ({ InstanceId: row.id, Monitoring: { State: on ? 'pending' : 'disabling' } }));
  });
}

export const monitoringHandlers: HandlersOf<EC2> = {
  async MonitorInstances(input, ctx) {
    return { InstanceMonitorings: await setMonitoring(ctx, input.InstanceIds, true) };
  },

  async UnmonitorInstances(input, ctx) {
    return { InstanceMonitorings: await setMonitoring(ctx, input.InstanceIds, false) };
  },

  async DescribeInstanceCreditSpecifications(input, ctx) {
    const rows = await rowsByIds(ctx, Instances, 'instance', input.InstanceIds);
    const burstable = rows.filter((row) => instanceTypes.get(row.type)?.burstable === true && row.state !== 'terminated');
    const passing = applyFilters(burstable, input.Filters, { 'instance-id': (row) => row.id });
    const found = page('DescribeInstanceCreditSpecifications', passing, (row) => row.id, input, { ids: input.InstanceIds });
    return {
      InstanceCreditSpecifications: found.rows.map((row) => ({
        InstanceId: row.id,
        CpuCredits: row.cpuCredits ?? 'standard',
      })),
      NextToken: found.nextToken,
    };
  },
};

export const monitoringAuthorisations: AuthorisationsOf<EC2> = {
  MonitorInstances: (input, ctx) => checkTagged(input.InstanceIds ?? [], ctx),
  UnmonitorInstances: (input, ctx) => checkTagged(input.InstanceIds ?? [], ctx),
};
