/** STS: temporary credentials. Each file exports its handlers and, beside them, what each operation is authorised on. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { assumeRoleChecks, assumeRoleHandlers } from './assume-role.ts';
import { callerIdentityAuthorisations, callerIdentityHandlers } from './caller-identity.ts';
import { messageHandlers } from './messages.ts';
import { samlChecks, samlHandlers } from './saml.ts';
import { credentialSource, sweep } from './sessions.ts';
import { refuseSessions, tokenChecks, tokenHandlers } from './tokens.ts';
import { Sessions } from './state.ts';
import { webIdentityChecks, webIdentityHandlers } from './web-identity.ts';

export default defineService({
  name: 'sts',
  global: true,
  uses: ['iam'],
  tables: [Sessions],
  handlers: {
    ...callerIdentityHandlers,
    ...assumeRoleHandlers,
    ...tokenHandlers,
    ...messageHandlers,
    ...webIdentityHandlers,
    ...samlHandlers,
  },
  authorise: { ...callerIdentityAuthorisations, ...assumeRoleChecks, ...tokenChecks, ...webIdentityChecks, ...samlChecks },
  before: refuseSessions,
  tasks: { sweep },
  credentials: credentialSource,
  api: createApi,
});
