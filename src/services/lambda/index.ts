/** Lambda. Files are one per noun; each exports its handlers and what they are authorised on; `execution/` runs what is called. */
import { defineService } from '../../kernel/service.ts';
import { aliasChecks, aliasHandlers } from './aliases.ts';
import { createApi } from './api.ts';
import { attempt } from './asynchronous/calls.ts';
import { eventInvokeChecks, eventInvokeHandlers } from './asynchronous/configs.ts';
import { answerDownload } from './code-downloads.ts';
import { sweepCode } from './code.ts';
import { concurrencyChecks, concurrencyHandlers } from './concurrency.ts';
import { functionChecks, functionHandlers, settle } from './functions.ts';
import { invokeChecks, invokeHandlers } from './invoke.ts';
import { layerChecks, layerHandlers } from './layers.ts';
import { mappingChecks, mappingHandlers, settleMapping } from './mappings/mappings.ts';
import { pollers, stopPollers } from './mappings/pollers.ts';
import { permissionChecks, permissionHandlers } from './permissions.ts';
import { provisioned, provisionedChecks, provisionedHandlers } from './provisioned.ts';
import { tables } from './state.ts';
import { tagChecks, tagHandlers } from './tags.ts';
import { updateHandlers } from './updates.ts';
import { urlChecks, urlHandlers } from './urls/configs.ts';
import { answerUrl } from './urls/web.ts';
import { versionChecks, versionHandlers } from './versions.ts';

export default defineService({
  name: 'lambda',
  uses: ['cloudwatch', 'cloudwatch-logs', 'dynamodb-streams', 'ec2', 'eventbridge', 'kinesis', 's3', 'sns', 'sqs', 'sts'],
  tables,
  handlers: {
    ...functionHandlers,
    ...updateHandlers,
    ...versionHandlers,
    ...aliasHandlers,
    ...permissionHandlers,
    ...tagHandlers,
    ...concurrencyHandlers,
    ...provisionedHandlers,
    ...eventInvokeHandlers,
    ...layerHandlers,
    ...mappingHandlers,
    ...urlHandlers,
    ...invokeHandlers,
  },
  authorise: {
    ...functionChecks,
    ...versionChecks,
    ...aliasChecks,
    ...permissionChecks,
    ...tagChecks,
    ...concurrencyChecks,
    ...provisionedChecks,
    ...eventInvokeChecks,
    ...layerChecks,
    ...mappingChecks,
    ...urlChecks,
    ...invokeChecks,
  },
  dataOperations: ['Invoke', 'InvokeWithResponseStream'],
  tasks: { settle, attempt, settleMapping },
  reconcilers: { pollers, provisioned },
  start: async (ctx) => {
    await sweepCode(ctx);
    return () => stopPollers(ctx);
  },
  web: async (request) => (await answerUrl(request)) ?? (await answerDownload(request)),
  api: createApi,
});
