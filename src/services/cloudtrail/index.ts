import { defineService } from '../../kernel/service.ts';
import { authorisations } from './authorise.ts';
import { deliver } from './delivery.ts';
import { digestHandlers } from './digests.ts';
import { onCalls } from './listen.ts';
import { lookupHandlers } from './lookup.ts';
import { DataCalls, DigestKeys, Trails } from './state.ts';
import { trailHandlers } from './trails.ts';

export default defineService({
  name: 'cloudtrail',
  uses: ['cloudwatch-logs', 's3', 'sts'],
  tables: [Trails, DataCalls, DigestKeys],
  handlers: { ...lookupHandlers, ...trailHandlers, ...digestHandlers },
  authorise: authorisations,
  tasks: { deliver },
  records: onCalls,
});
