/** Scalable targets: registered with bounds, described, deregistered, tagged; and the change of a target's capacity, which every policy and schedule makes here. */
import type { ApplicationAutoScaling, ScalableTarget, ScalingActivity } from '@aws-sdk/client-application-auto-scaling';
import { compareKeys, type Page, type PageKey, pageOf } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { dimensionOf } from './dimensions.ts';
import { invalidToken, targetNotFound, validationException } from './errors.ts';
import { Actions, Activities, type ActivityRow, Policies, type TargetName, type TargetRow, Targets } from './state.ts';

const pageMax = 50;

interface Named {
  ServiceNamespace?: TargetName['namespace'] | undefined;
  ResourceId?: string | undefined;
  ScalableDimension?: TargetName['dimension'] | undefined;
}

/** The name of a target as requests give it; the wire has checked that all three are there where they must be. */
export function nameOf({ ServiceNamespace, ResourceId = '', ScalableDimension }: Named): TargetName {
  return {
    namespace: ServiceNamespace as TargetName['namespace'],
    resource: ResourceId,
    dimension: ScalableDimension as TargetName['dimension'],
  };
}

/** A target. Throws ObjectNotFoundException. */
export async function requireTarget(reader: Pick<Context | Transaction, 'table'>, name: TargetName): Promise<TargetRow> {
  const row = await reader.table(Targets).get(name.namespace, name.resource, name.dimension);
  if (row === undefined) throw targetNotFound(name.namespace, name.resource, name.dimension);
  return row;
}

/** Whether a row is what a list asks for. */
export function isAsked(row: TargetName, { ServiceNamespace, ResourceId, ScalableDimension }: Named): boolean {
  return (
    row.namespace === ServiceNamespace &&
    (ResourceId === undefined || row.resource === ResourceId) &&
    (ScalableDimension === undefined || row.dimension === ScalableDimension)
  );
}

/** One page, of 50 entries unless asked for fewer. Throws InvalidNextTokenException. */
export function pageFor<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => PageKey,
  { NextToken, MaxResults }: { NextToken?: string | undefined; MaxResults?: number | undefined },
): Page<T> {
  const sorted = [...items].sort((a, b) => compareKeys(keyOf(a), keyOf(b)));
  const page = pageOf(sorted, keyOf, { scope, token: NextToken, limit: Math.min(pageMax, MaxResults ?? pageMax) });
  if (page === undefined) throw invalidToken();
  return page;
}

/** `AWSServiceRoleForApplicationAutoScaling_DynamoDBTable` as AWS names it; what is done is done as the service itself. */
function roleOf(ctx: Context, { namespace }: TargetName): string {
  return `arn:aws:iam::${ctx.account}:role/aws-service-role/${namespace}.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable`;
}

/**
 * Sets a target's capacity and writes the activity, also when the other service refuses. Resolves with whether it was set. Raising or lowering by less
 * than the bounds allow is the caller's business.
 */
export async function scaleTo(ctx: Context, row: TargetRow, from: number, to: number, cause: string): Promise<boolean> {
  const what = row.dimension.split(':').at(-1)?.replace('CapacityUnits', '').toLowerCase();
  const activity: ActivityRow = {
    namespace: row.namespace,
    resource: row.resource,
    dimension: row.dimension,
    id: ctx.uuid(),
    at: ctx.now,
    end: ctx.now,
    description: `Setting ${what} capacity units to ${to}.`,
    cause,
    status: 'Successful',
    message: `Successfully set ${what} capacity units to ${to}. Change successfully fulfilled by ${row.namespace}.`,
  };
  let failure: AwsError | undefined;
  try {
    await dimensionOf(row).set(ctx, row, to);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    failure = error;
  }
  await ctx.transact(async (tx) => {
    await tx.table(Activities).put(
      failure === undefined
        ? activity
        : {
            ...activity,
            status: 'Failed',
            message: `Failed to set ${what} capacity units to ${to}. Reason: ${failure.message}`,
          },
    );
    const current = await tx.table(Targets).get(row.namespace, row.resource, row.dimension);
    if (failure === undefined && current !== undefined)
      await tx.table(Targets).put(to > from ? { ...current, scaledOut: ctx.now } : { ...current, scaledIn: ctx.now });
  });
  return failure === undefined;
}

/** Brings a capacity that is out of its bounds back inside, at once ("RegisterScalableTarget"). */
export async function intoBounds(ctx: Context, row: TargetRow, cause: string): Promise<void> {
  const { current } = await dimensionOf(row).read(ctx, row);
  const wanted = Math.max(row.min, Math.min(row.max, current));
  if (wanted !== current) await scaleTo(ctx, row, current, wanted, cause);
}

function describeTarget(ctx: Context, row: TargetRow): ScalableTarget {
  return {
    ServiceNamespace: row.namespace,
    ResourceId: row.resource,
    ScalableDimension: row.dimension,
    MinCapacity: row.min,
    MaxCapacity: row.max,
    RoleARN: roleOf(ctx, row),
    CreationTime: new Date(row.created),
    SuspendedState: row.suspended,
    ScalableTargetARN: row.arn,
  };
}

function describeActivity(row: ActivityRow): ScalingActivity {
  return {
    ActivityId: row.id,
    ServiceNamespace: row.namespace,
    ResourceId: row.resource,
    ScalableDimension: row.dimension,
    Description: row.description,
    Cause: row.cause,
    StartTime: new Date(row.at),
    EndTime: row.end === undefined ? undefined : new Date(row.end),
    StatusCode: row.status,
    StatusMessage: row.message,
    NotScaledReasons: row.notScaled === undefined ? undefined : [...row.notScaled],
  };
}

async function byArn(tx: Pick<Context | Transaction, 'table'>, arn = ''): Promise<TargetRow> {
  const row = await tx.table(Targets).firstByIndex('byArn', [arn]);
  if (row === undefined)
    throw new AwsError('ResourceNotFoundException', `The resource ${arn} doesn't exist.`, { members: { ResourceName: arn } });
  return row;
}

export const targetHandlers: HandlersOf<ApplicationAutoScaling> = {
  /** Registers, or changes what is given. The resource must be there; a first registration needs both bounds. */
  async RegisterScalableTarget(input, ctx) {
    const name = nameOf(input);
    // Terraform registers a target again with the role that it was told of.
    if (input.RoleARN !== undefined && input.RoleARN !== roleOf(ctx, name))
      throw parameterNotImplemented('RegisterScalableTarget', `RoleARN=${input.RoleARN}`);
    const dimension = dimensionOf(name);
    const before = await ctx.table(Targets).get(name.namespace, name.resource, name.dimension);
    const [min, max] = [input.MinCapacity ?? before?.min, input.MaxCapacity ?? before?.max];
    if (min === undefined || max === undefined)
      throw validationException('MinCapacity and MaxCapacity are required to register a scalable target.');
    if (min > max) throw validationException('Maximum capacity cannot be less than minimum capacity');
    try {
      await dimension.read(ctx, name);
    } catch (error) {
      if (error instanceof AwsError && error.code === 'ResourceNotFoundException')
        throw validationException(`DynamoDB table does not exist: ${name.resource}`);
      throw error;
    }
    const id = ctx.uuid().replaceAll('-', '').slice(0, 32);
    const suspended = { DynamicScalingInSuspended: false, DynamicScalingOutSuspended: false, ScheduledScalingSuspended: false };
    const row: TargetRow = {
      ...name,
      id: before?.id ?? id,
      arn: before?.arn ?? `arn:aws:application-autoscaling:${ctx.region}:${ctx.account}:scalable-target/${id}`,
      min,
      max,
      suspended: { ...suspended, ...before?.suspended, ...input.SuspendedState },
      created: before?.created ?? ctx.now,
      tags: before?.tags ?? input.Tags ?? {},
      scaledOut: before?.scaledOut,
      scaledIn: before?.scaledIn,
    };
    await ctx.transact((tx) => tx.table(Targets).put(row));
    await intoBounds(ctx, row, 'minimum or maximum capacity was updated');
    return { ScalableTargetARN: row.arn };
  },

  /** Its policies, their alarms and its scheduled actions go with it. */
  async DeregisterScalableTarget(input, ctx) {
    const name = nameOf(input);
    const alarms = await ctx.transact(async (tx) => {
      await requireTarget(tx, name);
      const prefix = [name.namespace, name.resource, name.dimension] as const;
      const policies = await tx.table(Policies).list({ prefix: [...prefix] });
      for (const row of policies) await tx.table(Policies).delete(...prefix, row.name);
      for (const row of await tx.table(Actions).list({ prefix: [...prefix] })) {
        await tx.unschedule('runAction', row.arn);
        await tx.table(Actions).delete(...prefix, row.name);
      }
      await tx.table(Targets).delete(...prefix);
      return policies.flatMap((row) => row.alarms.map((alarm) => alarm.name));
    });
    if (alarms.length > 0) await ctx.asService().call('cloudwatch').deleteAlarms({ AlarmNames: alarms });
    return {};
  },

  async DescribeScalableTargets(input, ctx) {
    const { ResourceIds: ids = [] } = input;
    const rows = (await ctx.table(Targets).list()).filter(
      (row) => isAsked(row, { ...input, ResourceId: undefined }) && (ids.length === 0 || ids.includes(row.resource)),
    );
    const page = pageFor('targets', rows, (row) => [row.resource, row.dimension], input);
    return { ScalableTargets: page.items.map((row) => describeTarget(ctx, row)), NextToken: page.nextToken };
  },

  /** The newest first. */
  async DescribeScalingActivities(input, ctx) {
    const rows = (await ctx.table(Activities).list()).filter(
      (row) => isAsked(row, input) && (input.IncludeNotScaledActivities === true || row.notScaled === undefined),
    );
    const page = pageFor('activities', rows, (row) => [-row.at, row.id], input);
    return { ScalingActivities: page.items.map(describeActivity), NextToken: page.nextToken };
  },

  async ListTagsForResource({ ResourceARN }, ctx) {
    return { Tags: { ...(await byArn(ctx, ResourceARN)).tags } };
  },

  async TagResource({ ResourceARN, Tags = {} }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await byArn(tx, ResourceARN);
      await tx.table(Targets).put({ ...row, tags: { ...row.tags, ...Tags } });
    });
    return {};
  },

  async UntagResource({ ResourceARN, TagKeys = [] }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await byArn(tx, ResourceARN);
      await tx
        .table(Targets)
        .put({ ...row, tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !TagKeys.includes(key))) });
    });
    return {};
  },
};

async function onTarget(input: Named & { Tags?: Record<string, string> | undefined }, ctx: Context): Promise<Check[]> {
  const name = nameOf(input);
  const row = await ctx.table(Targets).get(name.namespace, name.resource, name.dimension);
  const { Tags = {} } = input;
  return [
    {
      resource: row?.arn ?? `arn:aws:application-autoscaling:${ctx.region}:${ctx.account}:scalable-target/*`,
      conditions: {
        'application-autoscaling:service-namespace': name.namespace,
        'application-autoscaling:scalable-dimension': name.dimension,
        ...Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
        ...Object.fromEntries(Object.entries(Tags).map(([key, value]) => [`aws:RequestTag/${key}`, value])),
        'aws:TagKeys': Object.keys(Tags).length === 0 ? undefined : Object.keys(Tags),
      },
    },
  ];
}

/** Tags are on the target that an ARN names. */
async function onArn({ ResourceARN: arn = '' }: { ResourceARN?: string | undefined }, ctx: Context): Promise<Check[]> {
  const row = await ctx.table(Targets).firstByIndex('byArn', [arn]);
  const conditions = Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
  return [{ resource: arn, conditions }];
}

export const targetChecks: AuthorisationsOf<ApplicationAutoScaling> = {
  RegisterScalableTarget: onTarget,
  DeregisterScalableTarget: onTarget,
  PutScalingPolicy: onTarget,
  DeleteScalingPolicy: onTarget,
  PutScheduledAction: onTarget,
  DeleteScheduledAction: onTarget,
  ListTagsForResource: onArn,
  TagResource: onArn,
  UntagResource: onArn,
};
