/** Files of inventories in their three formats, and how manifests describe them ("Locating your inventory list", Inventory manifest). */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { formatOrc, type OrcColumn } from '../../../base/orc.ts';
import type { InventoryCell, InventoryColumn } from './inventory-columns.ts';

const compress = promisify(gzip);

export type InventoryFormat = 'CSV' | 'ORC' | 'Parquet';

interface FileFormat {
  extension: string;
  /** `fileSchema` of the manifest. */
  describe: (columns: readonly InventoryColumn[]) => string;
  write: (columns: readonly InventoryColumn[], rows: readonly (readonly InventoryCell[])[]) => Promise<Uint8Array>;
}

function csvText({ field, type }: InventoryColumn, cell: InventoryCell): string {
  if (cell === null) return '';
  if (field === 'Key') return encodeURIComponent(String(cell)).replaceAll('%2F', '/');
  return type === 'timestamp' ? new Date(Number(cell)).toISOString() : String(cell);
}

/** Every value in quotes, keys URL-encoded, no line of names. */
const csv: FileFormat = {
  extension: 'csv.gz',
  describe: (columns) => columns.map(({ field }) => field).join(', '),
  write: (columns, rows) => {
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const line = (cells: readonly InventoryCell[]) =>
      columns.map((column, index) => quote(csvText(column, cells[index] ?? null))).join(',');
    return compress(rows.map((cells) => `${line(cells)}\n`).join(''));
  },
};

const orcTypes: Readonly<Record<InventoryColumn['type'], string>> = {
  boolean: 'boolean',
  long: 'bigint',
  string: 'string',
  timestamp: 'timestamp',
};

const orc: FileFormat = {
  extension: 'orc',
  describe: (columns) => `struct<${columns.map(({ name, type }) => `${name}:${orcTypes[type]}`).join(',')}>`,
  write: async (columns, rows) => {
    const lists = columns.map(({ name, type }, index): OrcColumn => {
      return { name, type, values: rows.map((cells) => cells[index] ?? null) };
    });
    return formatOrc(lists, rows.length);
  },
};

const parquetTypes: Readonly<
  Record<InventoryColumn['type'], { text: string; logical: string; element: Partial<SchemaElement> }>
> = {
  boolean: { text: 'boolean', logical: '', element: { type: 'BOOLEAN' } },
  long: { text: 'int64', logical: '', element: { type: 'INT64' } },
  string: {
    text: 'binary',
    logical: ' (STRING)',
    element: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  },
  timestamp: {
    text: 'int64',
    logical: ' (TIMESTAMP(MILLIS,true))',
    element: {
      type: 'INT64',
      converted_type: 'TIMESTAMP_MILLIS',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
    },
  },
};

function parquetValue({ type }: InventoryColumn, cell: InventoryCell | undefined): bigint | Date | InventoryCell {
  if (cell === null || cell === undefined) return null;
  if (type === 'long') return BigInt(cell);
  return type === 'timestamp' ? new Date(Number(cell)) : cell;
}

/** Written by hyparquet-writer, loaded by the first such inventory. */
const parquet: FileFormat = {
  extension: 'parquet',
  describe: (columns) => {
    const fields = columns.map(
      ({ name, type, required }) =>
        `  ${required ? 'required' : 'optional'} ${parquetTypes[type].text} ${name}${parquetTypes[type].logical};`,
    );
    return `message s3.inventory {${fields.join('')}}`;
  },
  write: async (columns, rows) => {
    const { parquetWriteBuffer } = await import('hyparquet-writer');
    const schema: SchemaElement[] = [
      { name: 's3.inventory', num_children: columns.length },
      ...columns.map(
        ({ name, type, required }): SchemaElement => ({
          name,
          repetition_type: required ? 'REQUIRED' : 'OPTIONAL',
          ...parquetTypes[type].element,
        }),
      ),
    ];
    const columnData = columns.map((column, index) => ({
      name: column.name,
      data: rows.map((cells) => parquetValue(column, cells[index])),
    }));
    return new Uint8Array(parquetWriteBuffer({ columnData, schema }));
  },
};

export const inventoryFormats: Readonly<Record<InventoryFormat, FileFormat>> = { CSV: csv, ORC: orc, Parquet: parquet };
