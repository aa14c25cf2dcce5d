/** The row of a table that is restored: as the source was, without what AWS does not restore (streams, tags, expiry, protection, recovery). */
import type { BillingMode, ProvisionedThroughput } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import { invalidParameters } from '../errors.ts';
import type { IndexRow, TableRow } from '../state.ts';
import { newSpace, tableArn } from '../tables/create.ts';
import { readThroughput } from '../tables/definition.ts';

interface Overrides {
  BillingModeOverride?: BillingMode | undefined;
  ProvisionedThroughputOverride?: ProvisionedThroughput | undefined;
}

/** A new row after a source, in state CREATING until its items are there. Throws ValidationException. */
export function readRestored(ctx: Context, source: TableRow, name: string, overrides: Overrides): TableRow {
  const billing = overrides.BillingModeOverride ?? source.billing;
  const given = overrides.ProvisionedThroughputOverride;
  if (billing === 'PAY_PER_REQUEST' && given !== undefined)
    throw invalidParameters('ProvisionedThroughputOverride cannot be specified when BillingMode is PAY_PER_REQUEST');
  const throughput = given === undefined ? { ...source.throughput, decreases: 0 } : readThroughput(given);
  if (billing === 'PROVISIONED' && throughput.read === 0)
    throw invalidParameters('ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED');
  const onDemand = billing === 'PAY_PER_REQUEST';
  return {
    name,
    id: ctx.uuid(),
    space: newSpace(ctx),
    arn: tableArn(ctx, name),
    created: ctx.now,
    status: 'CREATING',
    attributes: source.attributes,
    hash: source.hash,
    range: source.range,
    billing,
    billingSince: source.billingSince === undefined && !onDemand ? undefined : ctx.now,
    throughput: onDemand ? { read: 0, write: 0, decreases: 0 } : throughput,
    onDemand: onDemand ? source.onDemand : undefined,
    indexes: source.indexes
      .filter((index) => index.status !== 'DELETING' && index.backfilling !== true)
      .map((index): IndexRow => {
        const copy: IndexRow = { ...index, space: newSpace(ctx), status: 'ACTIVE', until: undefined };
        return onDemand || !index.global
          ? { ...copy, throughput: undefined }
          : { ...copy, throughput: index.throughput ?? throughput };
      }),
    deletionProtection: false,
    tableClass: source.tableClass,
    encryption: source.encryption,
    tags: {},
  };
}
