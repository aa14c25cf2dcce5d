/** SQS: queues, messages, and what moves them. Files are one per noun; each exports its handlers and, beside them, what they are authorised on. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { deleteChecks, deleteHandlers } from './deletes.ts';
import { deskOf } from './desk.ts';
import { publishMetrics } from './metrics.ts';
import { move, moveChecks, moveHandlers } from './moves.ts';
import { permissionChecks, permissionHandlers } from './permissions.ts';
import { queueChecks, queueHandlers } from './queues.ts';
import { receiveChecks, receiveHandlers } from './receive.ts';
import { sendChecks, sendHandlers } from './send.ts';
import { tables } from './state.ts';
import { tagChecks, tagHandlers } from './tags.ts';
import { clearShelf, forgetAttempt, sweep } from './tasks.ts';

export default defineService({
  name: 'sqs',
  uses: ['cloudwatch', 'kms'],
  tables,
  handlers: {
    ...queueHandlers,
    ...sendHandlers,
    ...receiveHandlers,
    ...deleteHandlers,
    ...tagHandlers,
    ...permissionHandlers,
    ...moveHandlers,
  },
  authorise: {
    ...queueChecks,
    ...sendChecks,
    ...receiveChecks,
    ...deleteChecks,
    ...tagChecks,
    ...permissionChecks,
    ...moveChecks,
  },
  dataOperations: [
    'SendMessage',
    'SendMessageBatch',
    'ReceiveMessage',
    'DeleteMessage',
    'DeleteMessageBatch',
    'ChangeMessageVisibility',
    'ChangeMessageVisibilityBatch',
  ],
  api: createApi,
  watches: ['publishMetrics'],
  tasks: { sweep, clearShelf, forgetAttempt, move, publishMetrics },
  async start(ctx) {
    return async () => deskOf(ctx).clear(true);
  },
  async onReset(_account, ctx) {
    deskOf(ctx).clear(false);
  },
});
