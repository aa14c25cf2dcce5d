/**
 * Secrets Manager: secrets, their versions, who may read them. Rotation calls Lambda functions, which this cloud has not yet, so RotateSecret and
 * CancelRotateSecret are not here and answer 501.
 */
import { defineService } from '../../kernel/service.ts';
import { secretChecks } from './authorise.ts';
import { passwordHandlers } from './passwords.ts';
import { policyHandlers } from './policies.ts';
import { replicate, replicationHandlers } from './replication.ts';
import { purge, secretHandlers } from './secrets.ts';
import { Secrets, Values } from './state.ts';
import { versionHandlers } from './versions.ts';

export default defineService({
  name: 'secrets-manager',
  uses: ['kms'],
  tables: [Secrets, Values],
  handlers: { ...secretHandlers, ...versionHandlers, ...policyHandlers, ...passwordHandlers, ...replicationHandlers },
  authorise: secretChecks,
  tasks: { purge, replicate },
});
