/** What CloudWatch is told of topics ("Monitoring Amazon SNS topics using CloudWatch"): counted as it happens, published by minute. */
import type { Context } from '../../kernel/context.ts';
import { Meter } from '../../kernel/meter.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';

/** Publishes by the task `publishMetrics`, whose key is the topic's name. */
export const meter = new Meter('AWS/SNS', 'publishMetrics', (ctx) => ctx.internal<CloudWatchApi>('cloudwatch'));

type Counter =
  | 'NumberOfMessagesPublished'
  | 'PublishSize'
  | 'NumberOfNotificationsDelivered'
  | 'NumberOfNotificationsFailed'
  | 'NumberOfNotificationsFilteredOut'
  | 'NumberOfNotificationsRedrivenToDlq'
  | 'NumberOfNotificationsFailedToRedriveToDlq';

/** Counts for a topic, in the context of its account and Region. */
export function count(ctx: Context, topic: string, name: Counter, value = 1): void {
  meter.count(ctx, topic, { name, dimensions: { TopicName: topic }, unit: name === 'PublishSize' ? 'Bytes' : 'Count', value });
}
