/**
 * The original Glacier: archives in vaults, which are no S3 objects. Provisioned capacity is left out: no retrieval ever waits for any. Select jobs are no
 * longer offered by the service.
 */
import { garbageReconciler, sortPending } from '../../kernel/sealed-bytes.ts';
import { defineService } from '../../kernel/service.ts';
import { archiveHandlers } from './archives.ts';
import { glacierContents } from './bytes.ts';
import { takeInventory } from './inventories.ts';
import { outputHandlers } from './job-outputs.ts';
import { finishJob, jobExpired, jobHandlers } from './jobs.ts';
import { checksOf } from './lookup.ts';
import { notificationHandlers, tell } from './notifications.ts';
import { retrievalPolicyHandlers } from './retrieval-policies.ts';
import { lockExpired, settingHandlers } from './settings.ts';
import { Archives, Contents, Garbage, Jobs, Parts, RetrievalPolicies, Uploads, Vaults } from './state.ts';
import { uploadExpired, uploadHandlers } from './uploads.ts';
import { dropBytes, vaultHandlers } from './vaults.ts';

const handlers = {
  ...vaultHandlers,
  ...archiveHandlers,
  ...uploadHandlers,
  ...jobHandlers,
  ...outputHandlers,
  ...notificationHandlers,
  ...retrievalPolicyHandlers,
  ...settingHandlers,
};

export default defineService({
  name: 'glacier',
  uses: ['sns'],
  tables: [Vaults, Archives, Uploads, Parts, Jobs, RetrievalPolicies, Contents, Garbage],
  handlers,
  authorise: checksOf(handlers),
  tasks: { inventory: takeInventory, uploadExpired, finishJob, jobExpired, tell, lockExpired },
  reconcilers: { [glacierContents.reconciler]: garbageReconciler(glacierContents) },
  async start(ctx) {
    await sortPending(ctx, glacierContents);
    return () => Promise.resolve();
  },
  async onReset(account, ctx) {
    // A reset of all clears every blob with S3's; one of an account gives back its own.
    if (account !== undefined) await dropBytes(account, ctx);
  },
});
