/** Secrets Manager: secrets, their versions, who may read them, and their rotation by functions. */
import { defineService } from '../../kernel/service.ts';
import { secretChecks } from './authorise.ts';
import { passwordHandlers } from './passwords.ts';
import { policyHandlers } from './policies.ts';
import { replicate, replicationHandlers } from './replication.ts';
import { rotate, rotationDue, rotationHandlers } from './rotation.ts';
import { purge, secretHandlers } from './secrets.ts';
import { Secrets, Values } from './state.ts';
import { versionHandlers } from './versions.ts';

export default defineService({
  name: 'secrets-manager',
  uses: ['kms', 'lambda'],
  tables: [Secrets, Values],
  handlers: {
    ...secretHandlers,
    ...versionHandlers,
    ...policyHandlers,
    ...passwordHandlers,
    ...replicationHandlers,
    ...rotationHandlers,
  },
  authorise: secretChecks,
  tasks: { purge, replicate, rotationDue, rotate },
});
