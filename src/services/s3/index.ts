/**
 * S3: buckets, objects, and what happens to them later. One folder per noun: buckets and their settings, objects, uploads in parts, access. Bytes are
 * the blobs plane's; who may do what is the policy engine's, ACLs included (access/grants.ts).
 */
import { defineService } from '../../kernel/service.ts';
import { bucketChecks, bucketHandlers } from './buckets/buckets.ts';
import { garbageReconciler } from './contents.ts';
import { emptyAccount, removeGarbage, sortPending } from './housekeeping.ts';
import { deleteChecks, deleteHandlers } from './objects/delete.ts';
import { getChecks, getHandlers } from './objects/get.ts';
import { listChecks, listHandlers } from './objects/list.ts';
import { putChecks, putHandlers } from './objects/put.ts';
import { Accounts, Buckets, Configs, Contents, Garbage, Objects, Parts, Uploads, Versions } from './state.ts';
import { partChecks, partHandlers } from './uploads/parts.ts';
import { uploadChecks, uploadHandlers } from './uploads/uploads.ts';

export default defineService({
  name: 's3',
  uses: ['kms'],
  unsigned: true,
  tables: [Buckets, Configs, Objects, Versions, Contents, Garbage, Uploads, Parts, Accounts],
  handlers: {
    ...bucketHandlers,
    ...putHandlers,
    ...getHandlers,
    ...deleteHandlers,
    ...listHandlers,
    ...uploadHandlers,
    ...partHandlers,
  },
  authorise: {
    ...bucketChecks,
    ...putChecks,
    ...getChecks,
    ...deleteChecks,
    ...listChecks,
    ...uploadChecks,
    ...partChecks,
  },
  reconcilers: { [garbageReconciler]: removeGarbage },
  start: sortPending,
  onReset: emptyAccount,
});
