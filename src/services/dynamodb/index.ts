/** DynamoDB: tables, items, expressions, indexes, capacity. `tables/` holds what a table is, `items/` what is done with items, `expressions/` the languages. */
import { defineService } from '../../kernel/service.ts';
import { checks } from './authorise.ts';
import { batchHandlers } from './items/batch.ts';
import { getHandlers } from './items/get.ts';
import { putHandlers } from './items/put.ts';
import { queryHandlers } from './items/query.ts';
import { updateHandlers } from './items/update.ts';
import { Changes, Counts, Entries, Items, Tables, Tokens } from './state.ts';
import { createHandlers } from './tables/create.ts';
import { tableHandlers } from './tables/tables.ts';
import { tagHandlers } from './tables/tags.ts';
import { removeTable, sweepTokens } from './tasks.ts';

export default defineService({
  name: 'dynamodb',
  uses: ['kms'],
  tables: [Tables, Items, Entries, Counts, Changes, Tokens],
  handlers: {
    ...createHandlers,
    ...tableHandlers,
    ...tagHandlers,
    ...putHandlers,
    ...getHandlers,
    ...updateHandlers,
    ...queryHandlers,
    ...batchHandlers,
  },
  authorise: checks,
  tasks: { removeTable, sweepTokens },
});
