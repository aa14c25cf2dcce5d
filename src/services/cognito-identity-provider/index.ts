/**
 * Cognito user pools: users who sign up and sign in, and the tokens that prove it. Files are one per noun. ClientMetadata and ValidationData are
 * taken and go nowhere, as in AWS: "If your user pool configuration doesn't include triggers, the ClientMetadata parameter serves no purpose".
 */
import { defineService } from '../../kernel/service.ts';
import { adminUserHandlers } from './admin-users.ts';
import { createApi } from './api.ts';
import { poolChecks } from './authorise.ts';
import { clientHandlers } from './clients.ts';
import { groupHandlers } from './groups.ts';
import { ownAccountHandlers } from './own-account.ts';
import { poolHandlers } from './pools.ts';
import { forgetSession } from './sessions.ts';
import { signInHandlers } from './sign-in.ts';
import { signUpHandlers } from './sign-up.ts';
import { Clients, Groups, Memberships, Places, Pools, Sessions, Users } from './state.ts';
import { serveDocuments } from './web.ts';

export default defineService({
  name: 'cognito-identity-provider',
  tables: [Pools, Clients, Places, Users, Groups, Memberships, Sessions],
  handlers: {
    ...poolHandlers,
    ...clientHandlers,
    ...adminUserHandlers,
    ...groupHandlers,
    ...signUpHandlers,
    ...signInHandlers,
    ...ownAccountHandlers,
  },
  authorise: poolChecks,
  tasks: { forgetSession },
  web: serveDocuments,
  // Browsers sign in by themselves.
  answerHeaders: async () => ({
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'x-amzn-requestid,x-amzn-errortype',
  }),
  api: createApi,
});
