import { defineService } from '../../kernel/service.ts';

export default defineService({
  name: 'cloudwatch-logs',
  tables: [],
  handlers: {},
});
