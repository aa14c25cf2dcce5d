/** Lambda. Files are one per noun; each exports its handlers and what they are authorised on; `execution/` runs what is called. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { functionChecks, functionHandlers, settle } from './functions.ts';
import { invokeChecks, invokeHandlers } from './invoke.ts';
import { tables } from './state.ts';

export default defineService({
  name: 'lambda',
  uses: ['cloudwatch-logs', 's3', 'sts'],
  tables,
  handlers: { ...functionHandlers, ...invokeHandlers },
  authorise: { ...functionChecks, ...invokeChecks },
  dataOperations: ['Invoke'],
  tasks: { settle },
  api: createApi,
});
