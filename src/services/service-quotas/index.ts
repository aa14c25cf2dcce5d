/** Service Quotas: what services ask for with `quotaOf`, shown and raised. Templates of organizations, automatic management and reports are not built. */
import { RaisedQuotas } from '../../kernel/quotas.ts';
import { defineService } from '../../kernel/service.ts';
import { decideRequest, quotaChecks, quotaHandlers } from './quotas.ts';
import { Requests } from './state.ts';

export default defineService({
  name: 'service-quotas',
  tables: [RaisedQuotas, Requests],
  handlers: quotaHandlers,
  authorise: quotaChecks,
  tasks: { decideRequest },
});
