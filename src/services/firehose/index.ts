/** Data Firehose: records in, buffered, objects or requests out. Files are one per noun; each exports its handlers and what they are authorised on. */
import { defineService } from '../../kernel/service.ts';
import { flush } from './delivery.ts';
import { recordChecks, recordHandlers } from './records.ts';
import { pull } from './source.ts';
import { tables } from './state.ts';
import { settle, streamChecks, streamHandlers } from './streams.ts';

export default defineService({
  name: 'firehose',
  uses: ['cloudwatch-logs', 'kinesis', 'lambda', 's3', 'sts'],
  tables,
  handlers: { ...streamHandlers, ...recordHandlers },
  authorise: { ...streamChecks, ...recordChecks },
  dataOperations: ['PutRecord', 'PutRecordBatch'],
  watches: ['pull'],
  tasks: { settle, flush, pull },
});
