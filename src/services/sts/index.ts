import { defineService } from '../../kernel/service.ts';
import { callerIdentityAuthorisations, callerIdentityHandlers } from './caller-identity.ts';

export default defineService({
  name: 'sts',
  global: true,
  tables: [],
  handlers: { ...callerIdentityHandlers },
  authorise: { ...callerIdentityAuthorisations },
});
