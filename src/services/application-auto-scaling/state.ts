/** Rows of Application Auto Scaling: scalable targets, their policies and scheduled actions, and what they did. */
import type {
  NotScaledReason,
  ScalableDimension,
  ScalableTargetAction,
  ScalingActivityStatusCode,
  ServiceNamespace,
  StepScalingPolicyConfiguration,
  SuspendedState,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

/** What names a target. */
export interface TargetName {
  namespace: ServiceNamespace;
  resource: string;
  dimension: ScalableDimension;
}

export interface TargetRow extends TargetName {
  id: string;
  arn: string;
  min: number;
  max: number;
  suspended: Required<SuspendedState>;
  created: Millis;
  tags: Readonly<Record<string, string>>;
  /** Times of the last changes that policies made, for cooldowns. */
  scaledOut?: Millis | undefined;
  scaledIn?: Millis | undefined;
}

export interface PolicyRow extends TargetName {
  name: string;
  arn: string;
  step?: StepScalingPolicyConfiguration | undefined;
  tracking?: TargetTrackingScalingPolicyConfiguration | undefined;
  alarms: readonly { name: string; arn: string }[];
  created: Millis;
}

export interface ActionRow extends TargetName {
  name: string;
  arn: string;
  schedule: string;
  timeZone?: string | undefined;
  start?: Millis | undefined;
  end?: Millis | undefined;
  action: ScalableTargetAction;
  created: Millis;
}

export interface ActivityRow extends TargetName {
  id: string;
  at: Millis;
  end?: Millis | undefined;
  description: string;
  cause: string;
  status: ScalingActivityStatusCode;
  message?: string | undefined;
  notScaled?: readonly NotScaledReason[] | undefined;
}

const keyOf = ({ namespace, resource, dimension }: TargetName) => [namespace, resource, dimension];

export const Targets = defineTable<TargetRow>()({
  name: 'application-auto-scaling.targets',
  scope: 'region',
  key: keyOf,
  indexes: { byArn: (row) => [row.arn] },
});

export const Policies = defineTable<PolicyRow>()({
  name: 'application-auto-scaling.policies',
  scope: 'region',
  key: (row) => [...keyOf(row), row.name],
  indexes: { byArn: (row) => [row.arn] },
});

export const Actions = defineTable<ActionRow>()({
  name: 'application-auto-scaling.actions',
  scope: 'region',
  key: (row) => [...keyOf(row), row.name],
});

export const Activities = defineTable<ActivityRow>()({
  name: 'application-auto-scaling.activities',
  scope: 'region',
  key: (row) => [...keyOf(row), row.at, row.id],
});
