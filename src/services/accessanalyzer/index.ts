/** IAM Access Analyzer: which resources of an account are reachable from outside it. Roles and buckets; other kinds of resources are not looked at. */
import { defineService } from '../../kernel/service.ts';
import { analyzerChecks, analyzerHandlers } from './analyzers.ts';
import { findingChecks, findingHandlers } from './findings.ts';
import { Analyzers, Findings } from './state.ts';

export default defineService({
  name: 'accessanalyzer',
  uses: ['iam', 's3'],
  tables: [Analyzers, Findings],
  handlers: { ...analyzerHandlers, ...findingHandlers },
  authorise: { ...analyzerChecks, ...findingChecks },
});
