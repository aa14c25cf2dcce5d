/**
 * Status checks: of the system (the host under the instance), of the instance (its machine), and of the volumes attached to it ("Status checks for
 * Amazon EC2 instances").
 */
import type { EC2, InstanceStatus, StatusType, SummaryStatus } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { cutSince, hungSince } from '../faults.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { volumesOf } from '../volumes/attachments.ts';
import { describeState, stateCodes } from './describe.ts';
import { type InstanceRow, Instances } from './state.ts';

interface Check {
  /** Since when it fails; undefined while it passes. */
  failedSince?: number | undefined;
  initializing?: boolean;
}

function summary(
  row: InstanceRow,
  { failedSince, initializing }: Check,
): { Status: SummaryStatus; Details: { Name: 'reachability'; Status: StatusType; ImpairedSince: Date | undefined }[] } {
  if (row.state !== 'running') return { Status: 'not-applicable', Details: [] };
  const passed = failedSince !== undefined ? 'failed' : initializing === true ? 'initializing' : 'passed';
  const status = failedSince !== undefined ? 'impaired' : initializing === true ? 'initializing' : 'ok';
  const since = failedSince === undefined ? undefined : new Date(failedSince);
  return { Status: status, Details: [{ Name: 'reachability', Status: passed, ImpairedSince: since }] };
}

/** Since when the check of the system and that of the instance fail: the host is down; the operating system or the link does not answer. */
export async function failingSince(ctx: Context, row: InstanceRow): Promise<Record<'system' | 'instance', number | undefined>> {
  const system = ctx.part('zones').downSince(row.place ?? row.zone);
  const primary = (await ctx.table(Interfaces).byIndex('byInstance', [row.id])).find(
    ({ attachment }) => attachment?.deviceIndex === 0,
  );
  // An instance on a host that is down cannot be reached either.
  const instance = system ?? hungSince(row) ?? (primary === undefined ? undefined : await cutSince(ctx, primary.id));
  return { system, instance };
}

async function describeStatus(ctx: Context, row: InstanceRow): Promise<InstanceStatus> {
  const machines = ctx.part('machines');
  const settled =
    machines.unavailable !== undefined || hungSince(row) !== undefined || (await machines.status(row.id))?.state === 'running';
  const failing = await failingSince(ctx, row);
  const stalled = (await volumesOf(ctx, row.id))
    .map(({ row: volume }) => volume.stalledSince)
    .filter((since) => since !== undefined);
  const volumes = summary(row, { failedSince: stalled.length === 0 ? undefined : Math.min(...stalled) });
  return {
    InstanceId: row.id,
    AvailabilityZone: row.zone,
    InstanceState: describeState(row.state),
    InstanceStatus: summary(row, { failedSince: failing.instance, initializing: !settled }),
    SystemStatus: summary(row, { failedSince: failing.system, initializing: !settled }),
    AttachedEbsStatus: row.state === 'running' ? volumes : undefined,
    Events: [],
  };
}

export const instanceStatusHandlers: HandlersOf<EC2> = {
  /** Only running instances, unless IncludeAllInstances. */
  async DescribeInstanceStatus(input, ctx) {
    const rows = await rowsByIds(ctx, Instances, 'instance', input.InstanceIds);
    const listed = rows.filter(
      (row) => row.state === 'running' || (input.IncludeAllInstances === true && row.state !== 'terminated'),
    );
    const statuses = await Promise.all(listed.map(async (row) => ({ ...row, shown: await describeStatus(ctx, row) })));
    const passing = applyFilters(statuses, input.Filters, {
      'availability-zone': (row) => row.zone,
      'instance-state-name': (row) => row.state,
      'instance-state-code': (row) => stateCodes[row.state],
      'instance-status.status': (row) => row.shown.InstanceStatus?.Status,
      'instance-status.reachability': (row) => row.shown.InstanceStatus?.Details?.[0]?.Status,
      'system-status.status': (row) => row.shown.SystemStatus?.Status,
      'system-status.reachability': (row) => row.shown.SystemStatus?.Details?.[0]?.Status,
      'attached-ebs-status.status': (row) => row.shown.AttachedEbsStatus?.Status,
    });
    const found = page('DescribeInstanceStatus', passing, (row) => row.id, input, { ids: input.InstanceIds });
    return { InstanceStatuses: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },
};
