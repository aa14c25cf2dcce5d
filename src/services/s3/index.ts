/**
 * S3: buckets, objects, and what happens to them later. One folder per noun: buckets and their settings, objects, uploads in parts, access. Bytes are
 * the blobs plane's; who may do what is the policy engine's, ACLs included (access/grants.ts).
 */
import { checkRequest } from './requests.ts';
import { garbageReconciler, sortPending } from '../../kernel/sealed-bytes.ts';
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { regionOfRequest } from './access/multi-region.ts';
import { resolvePoints } from './access/points.ts';
import { directoryChecks, directoryHandlers } from './directory/buckets.ts';
import { renameChecks, renameHandlers } from './directory/rename.ts';
import { checkDirectoryRequest } from './directory/rules.ts';
import { sessionChecks, sessionCredentials, sessionHandlers } from './directory/sessions.ts';
import { aclChecks, aclHandlers } from './access/acls.ts';
import { encryptionChecks, encryptionHandlers } from './buckets/encryption.ts';
import { policyChecks, policyHandlers } from './buckets/policies.ts';
import { taggingChecks, taggingHandlers } from './buckets/tagging.ts';
import { versioningChecks, versioningHandlers } from './buckets/versioning.ts';
import { attributeChecks, attributeHandlers } from './objects/attributes.ts';
import { copyChecks, copyHandlers } from './objects/copy.ts';
import { lifecycleChecks, lifecycleHandlers } from './buckets/lifecycle.ts';
import { tieringChecks, tieringHandlers } from './buckets/tiering.ts';
import { deliverLogs, noteRequest } from './later/access-logs.ts';
import { loggingChecks, loggingHandlers } from './buckets/logging.ts';
import { inventoryChecks, inventoryHandlers } from './buckets/inventories.ts';
import { makeInventory } from './later/inventory.ts';
import { meterRequests } from './later/metering.ts';
import { measure } from './later/storage-metrics.ts';
import { replicationChecks, replicationHandlers } from './buckets/replication.ts';
import { replicate } from './later/replicate.ts';
import { missThreshold, publishReplication } from './later/replication-metrics.ts';
import { restored, restoreChecks, restoreExpired, restoreHandlers } from './later/restore.ts';
import { sweep } from './later/lifecycle.ts';
import { notificationChecks, notificationHandlers } from './buckets/notifications.ts';
import { notify } from './later/destinations.ts';
import { checkAcceleration, isAccelerated, requestChecks, requestHandlers } from './buckets/requests.ts';
import { answerBrowser } from './web/web.ts';
import { corsChecks, corsHandlers, corsHeaders } from './web/cors.ts';
import { websiteChecks, websiteHandlers } from './web/website.ts';
import { bucketChecks, bucketHandlers } from './buckets/buckets.ts';
import { s3Contents } from './contents.ts';
import { emptyAccount } from './housekeeping.ts';
import { deleteChecks, deleteHandlers } from './objects/delete.ts';
import { getChecks, getHandlers } from './objects/get.ts';
import { listChecks, listHandlers } from './objects/list.ts';
import { putChecks, putHandlers } from './objects/put.ts';
import { ReplicationProgress, TrackedVersions } from './later/replication-state.ts';
import {
  AccessPoints,
  Accounts,
  Buckets,
  Configs,
  Contents,
  Garbage,
  LogLines,
  MultiRegionPoints,
  Objects,
  Parts,
  Uploads,
  Versions,
  Sessions,
} from './state.ts';
import { selectChecks, selectHandlers } from './select/select.ts';
import { partChecks, partHandlers } from './uploads/parts.ts';
import { uploadChecks, uploadHandlers } from './uploads/uploads.ts';

export default defineService({
  name: 's3',
  // "CloudTrail data events", Amazon S3 object-level API activity.
  dataOperations: [
    ...([
      'AbortMultipartUpload',
      'CompleteMultipartUpload',
      'CopyObject',
      'CreateMultipartUpload',
      'CreateSession',
      'DeleteObject',
    ] as const),
    ...([
      'DeleteObjectTagging',
      'DeleteObjects',
      'GetObject',
      'GetObjectAcl',
      'GetObjectAttributes',
      'GetObjectLegalHold',
    ] as const),
    ...([
      'GetObjectRetention',
      'GetObjectTagging',
      'HeadBucket',
      'HeadObject',
      'ListMultipartUploads',
      'ListObjectVersions',
    ] as const),
    ...(['ListObjects', 'ListObjectsV2', 'ListParts', 'PutObject', 'PutObjectAcl', 'PutObjectLegalHold'] as const),
    ...([
      'PutObjectRetention',
      'PutObjectTagging',
      'RenameObject',
      'RestoreObject',
      'SelectObjectContent',
      'UploadPart',
      'UploadPartCopy',
    ] as const),
  ],
  uses: ['cloudwatch', 'iam', 'kms', 'lambda', 'sns', 'sqs', 'sts'],
  unsigned: true,
  api: createApi,
  tables: [
    Buckets,
    Configs,
    Objects,
    Versions,
    Contents,
    Garbage,
    Uploads,
    Parts,
    Accounts,
    AccessPoints,
    MultiRegionPoints,
    Sessions,
    LogLines,
    TrackedVersions,
    ReplicationProgress,
  ],
  handlers: {
    ...directoryHandlers,
    ...sessionHandlers,
    ...renameHandlers,
    ...bucketHandlers,
    ...websiteHandlers,
    ...corsHandlers,
    ...requestHandlers,
    ...loggingHandlers,
    ...inventoryHandlers,
    ...notificationHandlers,
    ...lifecycleHandlers,
    ...restoreHandlers,
    ...replicationHandlers,
    ...tieringHandlers,
    ...copyHandlers,
    ...attributeHandlers,
    ...versioningHandlers,
    ...taggingHandlers,
    ...policyHandlers,
    ...encryptionHandlers,
    ...aclHandlers,
    ...putHandlers,
    ...getHandlers,
    ...deleteHandlers,
    ...listHandlers,
    ...uploadHandlers,
    ...partHandlers,
    ...selectHandlers,
  },
  authorise: {
    ...directoryChecks,
    ...sessionChecks,
    ...renameChecks,
    ...bucketChecks,
    ...websiteChecks,
    ...corsChecks,
    ...requestChecks,
    ...loggingChecks,
    ...inventoryChecks,
    ...notificationChecks,
    ...lifecycleChecks,
    ...restoreChecks,
    ...replicationChecks,
    ...tieringChecks,
    ...copyChecks,
    ...attributeChecks,
    ...versioningChecks,
    ...taggingChecks,
    ...policyChecks,
    ...encryptionChecks,
    ...aclChecks,
    ...putChecks,
    ...getChecks,
    ...deleteChecks,
    ...listChecks,
    ...uploadChecks,
    ...partChecks,
    ...selectChecks,
  },
  checkRequest,
  resolve(input, ctx) {
    checkDirectoryRequest(input, ctx);
    if (isAccelerated(ctx)) return checkAcceleration(ctx, input).then(() => resolvePoints(input, ctx));
    return resolvePoints(input, ctx);
  },
  regionOf: regionOfRequest,
  credentials: sessionCredentials,
  records: meterRequests,
  answered: noteRequest,
  tasks: {
    inventory: makeInventory,
    deliverLogs,
    notify,
    lifecycle: sweep,
    measure,
    replicate,
    replicationThreshold: missThreshold,
    replicationMetrics: publishReplication,
    restored,
    restoreExpired,
  },
  reconcilers: { [s3Contents.reconciler]: garbageReconciler(s3Contents) },
  web: answerBrowser,
  answerHeaders: corsHeaders,
  async start(ctx) {
    await sortPending(ctx, s3Contents);
    return () => Promise.resolve();
  },
  onReset: emptyAccount,
});
