/** How jobs are told: to clients, and in notices. */
import type { GlacierJobDescription } from '@aws-sdk/client-glacier';
import type { Scope } from '../../kernel/context.ts';
import { vaultArn } from './lookup.ts';
import type { InventoryAsk, JobRow } from './state.ts';

/** A job as the API and notifications describe it. */
export function describeJob(scope: Scope, row: JobRow): GlacierJobDescription {
  const { archive, inventory } = row;
  return {
    JobId: row.id,
    ...(row.description === undefined ? {} : { JobDescription: row.description }),
    Action: row.action,
    VaultARN: vaultArn(scope, row.vault),
    CreationDate: new Date(row.created).toISOString(),
    Completed: row.status !== 'InProgress',
    StatusCode: row.status,
    ...(row.message === undefined ? {} : { StatusMessage: row.message }),
    ...(row.completed === undefined ? {} : { CompletionDate: new Date(row.completed).toISOString() }),
    ...(row.topic === undefined ? {} : { SNSTopic: row.topic }),
    ...(archive === undefined
      ? {}
      : {
          ArchiveId: archive.id,
          ArchiveSizeInBytes: archive.bytes,
          ArchiveSHA256TreeHash: archive.treeHash,
          RetrievalByteRange: `${archive.start}-${archive.end - 1}`,
          Tier: row.tier,
          ...(archive.rangeHash === undefined ? {} : { SHA256TreeHash: archive.rangeHash }),
        }),
    ...(row.output === undefined ? {} : { InventorySizeInBytes: row.output.bytes }),
    ...(inventory === undefined ? {} : { InventoryRetrievalParameters: describeAsk(inventory) }),
  };
}

function describeAsk({ format, from, until, limit, next, marker }: InventoryAsk) {
  const position = next ?? marker;
  return {
    Format: format,
    ...(from === undefined ? {} : { StartDate: new Date(from).toISOString() }),
    ...(until === undefined ? {} : { EndDate: new Date(until).toISOString() }),
    ...(limit === undefined ? {} : { Limit: String(limit) }),
    ...(position === undefined ? {} : { Marker: position }),
  };
}
