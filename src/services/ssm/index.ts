/** Systems Manager: Parameter Store. Its other capabilities answer 501. */
import { defineService } from '../../kernel/service.ts';
import { parameterChecks } from './parameters/authorise.ts';
import { listingHandlers } from './parameters/listing.ts';
import { parameterPolicy } from './parameters/policies.ts';
import { readingHandlers } from './parameters/reading.ts';
import { Parameters, Versions } from './parameters/state.ts';
import { writingHandlers } from './parameters/writing.ts';

export default defineService({
  name: 'ssm',
  uses: ['kms', 'ec2', 'secrets-manager'],
  tables: [Parameters, Versions],
  handlers: { ...readingHandlers, ...writingHandlers, ...listingHandlers },
  authorise: parameterChecks,
  tasks: { parameterPolicy },
});
