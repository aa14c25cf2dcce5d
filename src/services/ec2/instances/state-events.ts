/** What EC2 announces when an instance's state changes ("Monitor state changes of your instances using EventBridge", EC2 User Guide). */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { ec2Arn } from '../tags.ts';
import type { InstanceRow, InstanceState } from './state.ts';

/** Announces a state in the transaction that makes it true. */
export async function announceState(tx: Transaction, ctx: Context, row: InstanceRow, state: InstanceState): Promise<void> {
  await tx.emit({
    source: 'aws.ec2',
    detailType: 'EC2 Instance State-change Notification',
    detail: { 'instance-id': row.id, state },
    resources: [ec2Arn(ctx, 'instance', row.id)],
  });
}
