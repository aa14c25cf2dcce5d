/** Rows of Auto Scaling: groups, the instances that they hold or start, and everything that hangs on a group. */
import type {
  CreateLaunchConfigurationType,
  DesiredConfiguration,
  InstanceRefreshStatus,
  LifecycleState,
  MixedInstancesPolicy,
  PutScalingPolicyType,
  RefreshPreferences,
  ScalingActivityStatusCode,
  WarmPoolState,
} from '@aws-sdk/client-auto-scaling';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

/** A launch template as a group names it: id and name both known, version as given (`$Latest`, `$Default` or a number). */
export interface TemplateChoice {
  id: string;
  name: string;
  version: string;
}

/** What a group launches: exactly one of the three. */
export interface LaunchChoice {
  template?: TemplateChoice | undefined;
  configuration?: string | undefined;
  mixed?: MixedInstancesPolicy | undefined;
}

export interface GroupTag {
  key: string;
  value: string;
  propagate: boolean;
}

/** Instances prepared beside a group ("Warm pools for Amazon EC2 Auto Scaling"). */
export interface WarmPool {
  min: number;
  /** Most instances in group and pool together; without it the group's maximum. */
  prepared?: number | undefined;
  poolState: WarmPoolState;
  /** Instances that leave the group at a scale-in come back to the pool. */
  reuse: boolean;
  /** It goes once its instances are gone; `forced`: without their hooks. */
  deleting?: 'waiting' | 'forced' | undefined;
}

/** Where an instance comes from or goes to, as hooks and activities tell it. */
export type Whereabouts = 'EC2' | 'AutoScalingGroup' | 'WarmPool';

export interface GroupRow {
  name: string;
  arn: string;
  created: Millis;
  launch: LaunchChoice;
  min: number;
  max: number;
  desired: number;
  /** Subnets as given, with their zones; none when only zones were named. */
  subnets: readonly { id: string; zone: string }[];
  zones: readonly string[];
  cooldown: number;
  healthCheckType: string;
  gracePeriod: number;
  placementGroup?: string | undefined;
  terminationPolicies: readonly string[];
  protectNew: boolean;
  /** Spot Instances at risk are replaced before they are interrupted. */
  rebalances?: boolean | undefined;
  maxLifetime?: number | undefined;
  warmup?: number | undefined;
  targetGroups: readonly string[];
  serviceLinkedRole: string;
  suspended: readonly string[];
  metrics: readonly string[];
  tags: readonly GroupTag[];
  /** Why the desired capacity is what it is, in the words of the next activities; empty once capacity is as desired. */
  cause: string;
  /** The policy that changed it last, whose instances are warming up. */
  causePolicy?: string | undefined;
  /** Unhealthy instances taken out and not yet made up for. */
  replacements: number;
  /** The cooldown that a simple scaling policy began. */
  cooling?: { seconds: number; until: Millis } | undefined;
  /** What a forecast asks for at least, during its hour: policies do not go below it. */
  floor?: { capacity: number; until: Millis } | undefined;
  /** Zones in which a launch failed, and until when others are preferred. */
  avoided: Readonly<Record<string, Millis>>;
  deleting?: boolean | undefined;
  warmPool?: WarmPool | undefined;
  /** What an instance refresh with a desired configuration launches, until it has succeeded or is over. */
  refreshing?: LaunchChoice | undefined;
}

/** A lifecycle hook's wait for one instance. */
export interface HookAction {
  hook: string;
  token: string;
  /** When it ends by itself, and when even heartbeats no longer help. */
  due: Millis;
  dueAtLast: Millis;
  result?: 'CONTINUE' | 'ABANDON' | undefined;
}

export interface MemberRow {
  group: string;
  /** Unique within the group, known before the instance is: also the client token of its launch. */
  slot: string;
  /** Unknown until EC2 has answered. */
  instanceId?: string | undefined;
  zone: string;
  subnetId?: string | undefined;
  type?: string | undefined;
  imageId?: string | undefined;
  state: LifecycleState;
  healthy: boolean;
  /** Words of the activity that takes it out. */
  unhealthyBecause?: string | undefined;
  protected: boolean;
  template?: TemplateChoice | undefined;
  configuration?: string | undefined;
  spot: boolean;
  /** Type and weight of the mixed policy's override that it was launched by. */
  chosenType?: string | undefined;
  weight?: number | undefined;
  launched: Millis;
  inService?: Millis | undefined;
  /** The activity that is under way for it. */
  activity?: string | undefined;
  /** EC2 recommends to rebalance it: it leaves once there is another, where the group rebalances. */
  atRisk?: boolean | undefined;
  /** Launched to even out the zones or in place of one at risk, beyond the desired capacity: another leaves once it is in service. */
  extra?: boolean | undefined;
  policy?: string | undefined;
  actions?: readonly HookAction[] | undefined;
  registered: readonly string[];
  /** It stays in EC2 when it leaves the group. */
  detaching?: boolean | undefined;
  /** It is on its way from the warm pool into the group, or back. */
  moving?: 'fromPool' | 'toPool' | undefined;
}

export interface ActivityRow {
  id: string;
  group: string;
  groupArn: string;
  start: Millis;
  end?: Millis | undefined;
  description: string;
  cause: string;
  status: ScalingActivityStatusCode;
  message?: string | undefined;
  progress: number;
  details: string;
  origin: Whereabouts;
  destination: Whereabouts;
  deleted?: boolean | undefined;
}

export interface HookRow {
  group: string;
  name: string;
  transition: 'autoscaling:EC2_INSTANCE_LAUNCHING' | 'autoscaling:EC2_INSTANCE_TERMINATING';
  targetArn?: string | undefined;
  roleArn?: string | undefined;
  metadata?: string | undefined;
  heartbeat: number;
  result: 'CONTINUE' | 'ABANDON';
}

export interface PolicyRow {
  group: string;
  name: string;
  id: string;
  arn: string;
  type: 'SimpleScaling' | 'StepScaling' | 'TargetTrackingScaling' | 'PredictiveScaling';
  /** As given, without the names. */
  settings: Omit<PutScalingPolicyType, 'AutoScalingGroupName' | 'PolicyName' | 'PolicyType'>;
  alarms: readonly { name: string; arn: string }[];
}

/** What a predictive policy foresees, by the beginnings of hours. */
export interface ForecastRow {
  group: string;
  policy: string;
  made: Millis;
  at: readonly Millis[];
  load: readonly number[];
  capacity: readonly number[];
}

export interface ScheduleRow {
  group: string;
  name: string;
  id: string;
  start?: Millis | undefined;
  end?: Millis | undefined;
  recurrence?: string | undefined;
  timeZone?: string | undefined;
  min?: number | undefined;
  max?: number | undefined;
  desired?: number | undefined;
  next: Millis;
}

type Needed =
  | 'MinHealthyPercentage'
  | 'CheckpointPercentages'
  | 'CheckpointDelay'
  | 'SkipMatching'
  | 'AutoRollback'
  | 'ScaleInProtectedInstances'
  | 'StandbyInstances'
  | 'BakeTime';

export interface RefreshRow {
  group: string;
  id: string;
  start: Millis;
  end?: Millis | undefined;
  status: InstanceRefreshStatus;
  reason?: string | undefined;
  preferences: Omit<RefreshPreferences, 'MaxHealthyPercentage' | Needed> &
    Required<{ [Name in Needed]: NonNullable<RefreshPreferences[Name]> }>;
  /** As given. */
  desired?: DesiredConfiguration | undefined;
  /** What the group launches once it has succeeded. */
  launch: LaunchChoice;
  warmupMillis: number;
  /** Members that are replaced. */
  slots: readonly string[];
  total: number;
  percentage: number;
  toUpdate: number;
  /** Index of the next checkpoint. */
  checkpoint: number;
  /** End of the wait at a checkpoint, or of the bake time. */
  waitUntil?: Millis | undefined;
  progressed: Millis;
  rollback?: { reason: string; start: Millis; percentage: number; toUpdate: number } | undefined;
}

export interface NotificationRow {
  group: string;
  topic: string;
  types: readonly string[];
}

export type ConfigurationRow = Omit<CreateLaunchConfigurationType, 'LaunchConfigurationName'> & {
  name: string;
  arn: string;
  created: Millis;
};

export const Groups = defineTable<GroupRow>()({
  name: 'auto-scaling.groups',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byConfiguration: (row) => (row.launch.configuration === undefined ? undefined : [row.launch.configuration]) },
});

export const Members = defineTable<MemberRow>()({
  name: 'auto-scaling.members',
  scope: 'region',
  key: (row) => [row.group, row.slot],
  indexes: { byInstance: (row) => (row.instanceId === undefined ? undefined : [row.instanceId]) },
});

export const Activities = defineTable<ActivityRow>()({
  name: 'auto-scaling.activities',
  scope: 'region',
  key: (row) => [row.group, row.start, row.id],
  indexes: { byId: (row) => [row.id] },
});

export const Hooks = defineTable<HookRow>()({
  name: 'auto-scaling.hooks',
  scope: 'region',
  key: (row) => [row.group, row.name],
});

export const Policies = defineTable<PolicyRow>()({
  name: 'auto-scaling.policies',
  scope: 'region',
  key: (row) => [row.group, row.name],
  indexes: { byArn: (row) => [row.arn] },
});

export const Forecasts = defineTable<ForecastRow>()({
  name: 'auto-scaling.forecasts',
  scope: 'region',
  key: (row) => [row.group, row.policy],
});

export const Schedules = defineTable<ScheduleRow>()({
  name: 'auto-scaling.schedules',
  scope: 'region',
  key: (row) => [row.group, row.name],
});

export const Refreshes = defineTable<RefreshRow>()({
  name: 'auto-scaling.refreshes',
  scope: 'region',
  key: (row) => [row.group, row.start, row.id],
});

export const Notifications = defineTable<NotificationRow>()({
  name: 'auto-scaling.notifications',
  scope: 'region',
  key: (row) => [row.group, row.topic],
});

export const Configurations = defineTable<ConfigurationRow>()({
  name: 'auto-scaling.configurations',
  scope: 'region',
  key: (row) => [row.name],
});
