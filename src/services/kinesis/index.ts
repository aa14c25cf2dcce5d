/** Kinesis Data Streams. Files are one per noun; each exports its handlers and what they are authorised on. */
import { defineService } from '../../kernel/service.ts';
import { recordChecks, recordHandlers } from './records.ts';
import { settle, streamChecks, streamHandlers, trim } from './streams.ts';
import { tables } from './state.ts';

export default defineService({
  name: 'kinesis',
  tables,
  handlers: { ...streamHandlers, ...recordHandlers },
  authorise: { ...streamChecks, ...recordChecks },
  dataOperations: ['PutRecord', 'PutRecords', 'GetRecords', 'GetShardIterator'],
  tasks: { settle, trim },
});
