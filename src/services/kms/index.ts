/** KMS: keys and their use. Files are one per noun; what each operation is authorised on stands in authorise.ts, because all of it is about one key. */
import { defineService } from '../../kernel/service.ts';
import { aliasHandlers } from './aliases.ts';
import { createApi } from './api.ts';
import { kmsChecks } from './authorise.ts';
import { dataKeyHandlers } from './data-keys.ts';
import { deleteKey, deletionHandlers } from './deletion.ts';
import { encryptionHandlers } from './encryption.ts';
import { grantHandlers } from './grants.ts';
import { expireMaterial, importHandlers } from './imports.ts';
import { keyHandlers } from './keys.ts';
import { macHandlers } from './macs.ts';
import { policyHandlers } from './policies.ts';
import { publicKeyHandlers } from './public-keys.ts';
import { replicaHandlers } from './replicas.ts';
import { rotateKey, rotationHandlers } from './rotation.ts';
import { signingHandlers } from './signing.ts';
import { Aliases, Grants, Keys, Materials } from './state.ts';
import { tagHandlers } from './tags.ts';

export default defineService({
  name: 'kms',
  uses: ['iam'],
  tables: [Keys, Materials, Aliases, Grants],
  handlers: {
    ...keyHandlers,
    ...aliasHandlers,
    ...policyHandlers,
    ...tagHandlers,
    ...encryptionHandlers,
    ...dataKeyHandlers,
    ...deletionHandlers,
    ...signingHandlers,
    ...publicKeyHandlers,
    ...macHandlers,
    ...grantHandlers,
    ...rotationHandlers,
    ...importHandlers,
    ...replicaHandlers,
  },
  authorise: kmsChecks,
  tasks: { deleteKey, rotateKey, expireMaterial },
  api: createApi,
});
