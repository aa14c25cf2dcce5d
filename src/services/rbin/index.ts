import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { ruleChecks, ruleHandlers, unlockRule } from './rules.ts';
import { Rules } from './state.ts';

export default defineService({
  name: 'rbin',
  tables: [Rules],
  handlers: ruleHandlers,
  authorise: ruleChecks,
  tasks: { unlockRule },
  api: createApi,
});
