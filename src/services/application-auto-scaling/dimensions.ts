/**
 * What can be scaled, and how: reading a capacity, setting it, and the metric of its use. DynamoDB's tables and global indexes for now; another service
 * is another entry. Source: Application Auto Scaling User Guide, "AWS services that you can use with Application Auto Scaling".
 */
import type { PredefinedMetricSpecification } from '@aws-sdk/client-application-auto-scaling';
import type { PutMetricAlarmInput } from '@aws-sdk/client-cloudwatch';
import type { Context } from '../../kernel/context.ts';
import { validationException } from './errors.ts';
import type { TargetName } from './state.ts';

export interface Capacity {
  current: number;
  /** It is being changed, and takes no other change now. */
  busy: boolean;
}

export interface Dimension {
  resource: RegExp;
  /** Throws the other service's errors, also when the resource is not there. */
  read(ctx: Context, name: TargetName): Promise<Capacity>;
  set(ctx: Context, name: TargetName, capacity: number): Promise<void>;
  /** The predefined metric: use in the period's seconds, and how much use a unit of capacity may have in them when it is full. */
  predefined: string;
  metric(name: TargetName): Pick<PutMetricAlarmInput, 'Namespace' | 'MetricName' | 'Dimensions'>;
  usePerUnit(seconds: number): number;
}

type Kind = 'Read' | 'Write';

/** `table/orders/index/by-day` taken apart. */
function partsOf({ resource }: TargetName): { TableName: string; IndexName: string | undefined } {
  const [, TableName = '', , IndexName] = resource.split('/');
  return { TableName, IndexName };
}

async function throughputOf(ctx: Context, name: TargetName) {
  const { TableName, IndexName } = partsOf(name);
  const { Table } = await ctx.asService().call('dynamodb').describeTable({ TableName });
  const index = Table?.GlobalSecondaryIndexes?.find((one) => one.IndexName === IndexName);
  if (IndexName !== undefined && index === undefined)
    throw validationException(`DynamoDB index does not exist: ${name.resource}`);
  return {
    throughput: (index ?? Table)?.ProvisionedThroughput,
    busy: Table?.TableStatus !== 'ACTIVE' || (index?.IndexStatus ?? 'ACTIVE') !== 'ACTIVE',
  };
}

function dynamo(kind: Kind, resource: RegExp): Dimension {
  return {
    resource,
    async read(ctx, name) {
      const { throughput, busy } = await throughputOf(ctx, name);
      return { current: throughput?.[`${kind}CapacityUnits`] ?? 0, busy };
    },
    async set(ctx, name, capacity) {
      const { TableName, IndexName } = partsOf(name);
      const { throughput } = await throughputOf(ctx, name);
      const { ReadCapacityUnits, WriteCapacityUnits } = throughput ?? {};
      const ProvisionedThroughput = { ReadCapacityUnits, WriteCapacityUnits, [`${kind}CapacityUnits`]: capacity };
      await ctx
        .asService()
        .call('dynamodb')
        .updateTable({
          TableName,
          ...(IndexName === undefined
            ? { ProvisionedThroughput }
            : { GlobalSecondaryIndexUpdates: [{ Update: { IndexName, ProvisionedThroughput } }] }),
        });
    },
    predefined: `DynamoDB${kind}CapacityUtilization`,
    metric(name) {
      const { TableName, IndexName } = partsOf(name);
      return {
        Namespace: 'AWS/DynamoDB',
        MetricName: `Consumed${kind}CapacityUnits`,
        Dimensions: [
          { Name: 'TableName', Value: TableName },
          ...(IndexName === undefined ? [] : [{ Name: 'GlobalSecondaryIndexName', Value: IndexName }]),
        ],
      };
    },
    usePerUnit: (seconds) => seconds,
  };
}

const table = /^table\/[\w.-]{3,255}$/;
const index = /^table\/[\w.-]{3,255}\/index\/[\w.-]{3,255}$/;

const dimensions: Readonly<Record<string, Dimension>> = {
  'dynamodb:table:ReadCapacityUnits': dynamo('Read', table),
  'dynamodb:table:WriteCapacityUnits': dynamo('Write', table),
  'dynamodb:index:ReadCapacityUnits': dynamo('Read', index),
  'dynamodb:index:WriteCapacityUnits': dynamo('Write', index),
};

/** The dimension of a target. Throws ValidationException where names do not fit each other; dimensions that are not built are named so. */
export function dimensionOf({ namespace, resource, dimension }: TargetName): Dimension {
  if (dimension.split(':')[0] !== namespace)
    throw validationException(`Unsupported service namespace, resource type or scalable dimension: ${namespace}, ${dimension}`);
  const found = Object.hasOwn(dimensions, dimension) ? dimensions[dimension] : undefined;
  if (found === undefined) throw validationException(`Pilvi does not scale the dimension ${dimension}.`);
  if (!found.resource.test(resource))
    throw validationException(`Unsupported resource ID for the scalable dimension ${dimension}: ${resource}`);
  return found;
}

/** Checks a predefined metric against its dimension. Throws ValidationException. */
export function checkPredefined(
  dimension: Dimension,
  { PredefinedMetricType: type, ResourceLabel: label }: PredefinedMetricSpecification,
): void {
  if (type !== dimension.predefined)
    throw validationException(`The predefined metric type ${type} does not belong to the scalable dimension.`);
  if (label !== undefined) throw validationException(`ResourceLabel is not supported for the predefined metric type ${type}.`);
}
