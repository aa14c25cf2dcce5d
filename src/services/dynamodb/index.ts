/** DynamoDB: tables, items, expressions, indexes, capacity. `tables/` holds what a table is, `items/` what is done with items, `expressions/` the languages. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { checks } from './authorise.ts';
import { consumption } from './consumption.ts';
import { backupHandlers, copyBackup, removeBackup, restoreBackup } from './backups/backups.ts';
import { exportHandlers, writeExport } from './backups/exports.ts';
import { importHandlers, runImport } from './backups/imports.ts';
import { recoveryHandlers, restoreMoment } from './backups/recovery.ts';
import { backfill, removeIndex } from './indexes.ts';
import { batchHandlers } from './items/batch.ts';
import { getHandlers } from './items/get.ts';
import { putHandlers } from './items/put.ts';
import { queryHandlers } from './items/query.ts';
import { transactHandlers } from './items/transact.ts';
import { updateHandlers } from './items/update.ts';
import { statementHandlers } from './partiql/execute.ts';
import { removeReplicaRows, replicate, seedReplica } from './replication/replicas.ts';
import {
  Backups,
  Changes,
  Counts,
  Cursors,
  Entries,
  Expiries,
  Exports,
  Imports,
  Items,
  Stamps,
  Streams,
  Tables,
  Tokens,
} from './state.ts';
import { createHandlers } from './tables/create.ts';
import { policyHandlers } from './tables/policies.ts';
import { tableHandlers } from './tables/tables.ts';
import { tagHandlers } from './tables/tags.ts';
import { updateTableHandlers } from './tables/update.ts';
import { removeTable, sweepTokens, trim } from './tasks.ts';
import { expire, forgetAll, trackAll, ttlHandlers } from './ttl.ts';

export default defineService({
  name: 'dynamodb',
  uses: ['cloudwatch', 'cloudwatch-logs', 'kms', 's3'],
  tables: [Tables, Items, Entries, Counts, Changes, Tokens, Streams, Stamps, Cursors, Expiries, Exports, Imports, Backups],
  handlers: {
    ...createHandlers,
    ...tableHandlers,
    ...tagHandlers,
    ...putHandlers,
    ...getHandlers,
    ...updateHandlers,
    ...queryHandlers,
    ...batchHandlers,
    ...transactHandlers,
    ...statementHandlers,
    ...updateTableHandlers,
    ...policyHandlers,
    ...ttlHandlers,
    ...backupHandlers,
    ...recoveryHandlers,
    ...exportHandlers,
    ...importHandlers,
  },
  authorise: checks,
  dataOperations: [
    'PutItem',
    'GetItem',
    'UpdateItem',
    'DeleteItem',
    'Query',
    'Scan',
    'BatchGetItem',
    'BatchWriteItem',
    'TransactGetItems',
    'TransactWriteItems',
    'ExecuteStatement',
    'BatchExecuteStatement',
    'ExecuteTransaction',
  ],
  tasks: {
    removeTable,
    sweepTokens,
    trim,
    backfill,
    removeIndex,
    expire,
    trackAll,
    forgetAll,
    seedReplica,
    replicate,
    removeReplica: removeReplicaRows,
    copyBackup,
    removeBackup,
    restoreBackup,
    restoreMoment,
    writeExport,
    runImport,
    publishConsumption: consumption.publish,
  },
  api: createApi,
});
