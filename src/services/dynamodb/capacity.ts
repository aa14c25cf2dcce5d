/** Capacity units: what an operation consumes, and ConsumedCapacity as answers carry it ("DynamoDB read and write operations"). */
import type { Capacity, ConsumedCapacity } from '@aws-sdk/client-dynamodb';
import type { IndexRow, TableRow } from './state.ts';

const readUnitBytes = 4096;
const writeUnitBytes = 1024;

/** Units of reading so many bytes: one per 4 KB begun, half of that when eventually consistent. Nothing found costs one block too. */
export function readUnits(bytes: number, consistent: boolean): number {
  return Math.max(1, Math.ceil(bytes / readUnitBytes)) * (consistent ? 1 : 0.5);
}

/** Units of writing so many bytes: one per 1 KB begun. */
export function writeUnits(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / writeUnitBytes));
}

/** What one operation consumes of one table and its indexes. */
export class Consumption {
  table = 0;
  readonly indexes = new Map<IndexRow, number>();

  addIndex(index: IndexRow, units: number): void {
    if (units > 0) this.indexes.set(index, (this.indexes.get(index) ?? 0) + units);
  }

  add(other: Consumption): void {
    this.table += other.table;
    for (const [index, units] of other.indexes) this.addIndex(index, units);
  }

  /** Transactions cost twice: to prepare and to commit. */
  doubled(): Consumption {
    const twice = new Consumption();
    twice.add(this);
    twice.add(this);
    return twice;
  }

  get total(): number {
    let units = this.table;
    for (const more of this.indexes.values()) units += more;
    return units;
  }
}

/** ConsumedCapacity for ReturnConsumedCapacity; undefined when it was not asked for. `kind` adds the member that transactions show. */
export function describeConsumption(
  mode: string | undefined,
  table: Pick<TableRow, 'name'>,
  used: Consumption,
  kind?: 'read' | 'write',
): ConsumedCapacity | undefined {
  if (mode !== 'TOTAL' && mode !== 'INDEXES') return undefined;
  const unitsOf = (units: number): Capacity => ({
    CapacityUnits: units,
    ...(kind === 'read' ? { ReadCapacityUnits: units } : {}),
    ...(kind === 'write' ? { WriteCapacityUnits: units } : {}),
  });
  const total = { TableName: table.name, ...unitsOf(used.total) };
  if (mode === 'TOTAL') return total;
  const ofIndexes = (global: boolean): Record<string, Capacity> | undefined => {
    const some = [...used.indexes].filter(([index]) => index.global === global);
    return some.length === 0 ? undefined : Object.fromEntries(some.map(([index, units]) => [index.name, unitsOf(units)]));
  };
  return {
    ...total,
    Table: unitsOf(used.table),
    LocalSecondaryIndexes: ofIndexes(false),
    GlobalSecondaryIndexes: ofIndexes(true),
  };
}
