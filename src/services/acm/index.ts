/** Certificate Manager: certificates requested of the cloud's own authority, and imported ones. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { certificateChecks } from './authorise.ts';
import { certificateHandlers } from './certificates.ts';
import { lifecycle, validate } from './issuing.ts';
import { Certificates, Uses } from './state.ts';

export default defineService({
  name: 'acm',
  tables: [Certificates, Uses],
  handlers: certificateHandlers,
  authorise: certificateChecks,
  tasks: { validate, lifecycle },
  api: createApi,
});
