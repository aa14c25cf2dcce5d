/** Pages of lists, and the lists of words that the API offers. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import { type Page, type PageKey, compareKeys, pageOf } from '../../base/paging.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidToken, validationError } from './errors.ts';

export const processes = [
  'AZRebalance',
  'AddToLoadBalancer',
  'AlarmNotification',
  'HealthCheck',
  'InstanceRefresh',
  'Launch',
  'ReplaceUnhealthy',
  'ScheduledActions',
  'Terminate',
] as const;

export const terminationPolicies = [
  'AllocationStrategy',
  'ClosestToNextInstanceHour',
  'Default',
  'NewestInstance',
  'OldestInstance',
  'OldestLaunchConfiguration',
  'OldestLaunchTemplate',
] as const;

export const notificationTypes = [
  'autoscaling:EC2_INSTANCE_LAUNCH',
  'autoscaling:EC2_INSTANCE_LAUNCH_ERROR',
  'autoscaling:EC2_INSTANCE_TERMINATE',
  'autoscaling:EC2_INSTANCE_TERMINATE_ERROR',
  'autoscaling:TEST_NOTIFICATION',
] as const;

export const groupMetrics = [
  'GroupMinSize',
  'GroupMaxSize',
  'GroupDesiredCapacity',
  'GroupInServiceInstances',
  'GroupPendingInstances',
  'GroupStandbyInstances',
  'GroupTerminatingInstances',
  'GroupTotalInstances',
  'WarmPoolDesiredCapacity',
  'WarmPoolWarmedCapacity',
  'WarmPoolPendingCapacity',
  'WarmPoolTerminatingCapacity',
  'WarmPoolTotalCapacity',
  'GroupAndWarmPoolDesiredCapacity',
  'GroupAndWarmPoolTotalCapacity',
] as const;

const recordsDefault = 50;

/** One page, in the order of the keys, of 50 entries unless asked otherwise. Throws ValidationError and InvalidNextToken. */
export function pageFor<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => PageKey,
  { NextToken, MaxRecords }: { NextToken?: string | undefined; MaxRecords?: number | undefined },
  most = 100,
): Page<T> {
  if (MaxRecords !== undefined && (MaxRecords < 1 || MaxRecords > most))
    throw validationError(`MaxRecords must be between 1 and ${most}.`);
  const sorted = [...items].sort((a, b) => compareKeys(keyOf(a), keyOf(b)));
  const page = pageOf(sorted, keyOf, { scope, token: NextToken, limit: MaxRecords ?? Math.min(recordsDefault, most) });
  if (page === undefined) throw invalidToken(NextToken ?? '');
  return page;
}

export const listHandlers: HandlersOf<AutoScaling> = {
  DescribeAdjustmentTypes() {
    const names = ['ChangeInCapacity', 'ExactCapacity', 'PercentChangeInCapacity'];
    return { AdjustmentTypes: names.map((AdjustmentType) => ({ AdjustmentType })) };
  },
  DescribeAutoScalingNotificationTypes: () => ({ AutoScalingNotificationTypes: [...notificationTypes] }),
  DescribeLifecycleHookTypes: () => ({
    LifecycleHookTypes: ['autoscaling:EC2_INSTANCE_LAUNCHING', 'autoscaling:EC2_INSTANCE_TERMINATING'],
  }),
  DescribeMetricCollectionTypes: () => ({
    Metrics: groupMetrics.map((Metric) => ({ Metric })),
    Granularities: [{ Granularity: '1Minute' }],
  }),
  DescribeScalingProcessTypes: () => ({ Processes: processes.map((ProcessName) => ({ ProcessName })) }),
  DescribeTerminationPolicyTypes: () => ({ TerminationPolicyTypes: [...terminationPolicies] }),
};
