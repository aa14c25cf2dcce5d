/** What follows from calls as they are recorded: calls on data that trails asked for, and events for EventBridge while a trail logs. */
import type { Context } from '../../kernel/context.ts';
import { rowOf } from '../../kernel/recorder.ts';
import type { CallRecord } from '../../kernel/service.ts';
import type { Value } from '../../store/store.ts';
import { wantsCall } from './delivery.ts';
import { eventOf, eventSource } from './event.ts';
import { DataCalls, type TrailRow, Trails } from './state.ts';

/** Resource types of data events, by service. */
const dataTypes: Readonly<Record<string, string>> = {
  s3: 'AWS::S3::Object',
  lambda: 'AWS::Lambda::Function',
  dynamodb: 'AWS::DynamoDB::Table',
};

/** What the call is about, as selectors' values begin. */
function resourceOf(call: CallRecord): string {
  const input = (call.input ?? {}) as Record<string, unknown>;
  if (call.service === 's3') return `arn:aws:s3:::${String(input['Bucket'] ?? '')}/${String(input['Key'] ?? '')}`;
  const name = String(input[call.service === 'lambda' ? 'FunctionName' : 'TableName'] ?? '');
  if (name.startsWith('arn:')) return name;
  const kind = call.service === 'lambda' ? 'function:' : 'table/';
  return `arn:aws:${call.service}:${call.region}:${call.account}:${kind}${name}`;
}

/** Whether a trail's selectors take a call on data. A value of the service alone (`arn:aws:s3`) takes all. */
function wantsData(row: TrailRow, call: CallRecord): boolean {
  const type = dataTypes[call.service];
  const resource = resourceOf(call);
  return row.selectors.some(
    (selector) =>
      (selector.readWrite === 'All' || (selector.readWrite === 'ReadOnly') === call.readOnly) &&
      selector.data.some((data) => data.type === type && data.values.some((value) => resource.startsWith(value))),
  );
}

/** Takes a batch of finished calls. */
export async function onCalls(batch: readonly CallRecord[], system: Context): Promise<void> {
  const trails = (await system.everywhere(Trails)).filter(({ row }) => row.logging);
  if (trails.length === 0) return;
  for (const call of batch) {
    // CloudTrail's own deliveries are not told of, or one file would lead to the next.
    if (call.invokedBy === 'cloudtrail.amazonaws.com') continue;
    const watching = trails.filter(
      ({ scope, row }) => scope.account === call.account && (row.multiRegion || scope.region === call.region),
    );
    if (watching.length === 0) continue;
    const there = system.inScope({ account: call.account, region: call.region });
    await there.transact(async (tx) => {
      if (call.data === true) {
        for (const { row } of watching)
          if (wantsData(row, call)) await tx.table(DataCalls).put({ ...rowOf(call), trail: row.name });
        return;
      }
      // "Events from API actions that start with the keywords List, Get, or Describe are not processed by EventBridge" by default.
      if (call.readOnly || !watching.some(({ row }) => wantsCall(row, call))) return;
      await tx.emit({
        source: `aws.${eventSource(call.service).replace(/\.amazonaws\.com$/, '')}`,
        detailType: 'AWS API Call via CloudTrail',
        detail: eventOf(there, rowOf(call)) as Value,
        resources: [],
      });
    });
  }
}
