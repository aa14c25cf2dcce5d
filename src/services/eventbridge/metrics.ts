/** What CloudWatch is told of rules ("Monitoring Amazon EventBridge"): counted as it happens, published by minute. */
import type { Context } from '../../kernel/context.ts';
import { Meter } from '../../kernel/meter.ts';
import { defaultBus } from './buses.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';

/** Publishes by the task `publishMetrics`, whose key is bus and rule. */
export const meter = new Meter('AWS/Events', 'publishMetrics', (ctx) => ctx.internal<CloudWatchApi>('cloudwatch'));

type Counter =
  | 'MatchedEvents'
  | 'TriggeredRules'
  | 'InvocationAttempts'
  | 'RetryInvocationAttempts'
  | 'SuccessfulInvocationAttempts'
  | 'Invocations'
  | 'FailedInvocations'
  | 'InvocationsSentToDlq'
  | 'InvocationsFailedToBeSentToDlq';

/** Counts for a rule. Rules of the default bus are known by their name alone. */
export function count(ctx: Context, { bus, name: rule }: { bus: string; name: string }, name: Counter): void {
  const dimensions = { RuleName: rule, ...(bus === defaultBus ? {} : { EventBusName: bus }) };
  meter.count(ctx, `${bus} ${rule}`, { name, dimensions, unit: 'Count', value: 1 });
}
