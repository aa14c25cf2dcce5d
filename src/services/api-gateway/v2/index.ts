/** HTTP and WebSocket APIs: the second generation of API Gateway, with an endpoint of its own. Calls come in with those of REST APIs (../run/edge.ts). */
import type { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { type AuthorisationsOf, defineService, type HandlersOf } from '../../../kernel/service.ts';
import { checkByRoute } from '../authorise.ts';
import { apiHandlers } from './apis.ts';
import { authorizerHandlers } from './authorizers.ts';
import { domainHandlers } from './domains.ts';
import { integrationHandlers } from './integrations.ts';
import { closeLink, linkHandlers, openLink } from './links.ts';
import { modelHandlers } from './models.ts';
import { openApiHandlers } from './openapi.ts';
import { routeHandlers } from './routes.ts';
import { stageHandlers } from './stages.ts';
import { Apis, Connections, Definitions, Deployments, OwnLinks, Snapshots, Stages } from './state.ts';
import { tagHandlers } from './tags.ts';

const handlers: HandlersOf<ApiGatewayV2> = {
  ...apiHandlers,
  ...routeHandlers,
  ...integrationHandlers,
  ...linkHandlers,
  ...authorizerHandlers,
  ...stageHandlers,
  ...domainHandlers,
  ...openApiHandlers,
  ...modelHandlers,
  ...tagHandlers,
};

const check = checkByRoute('apigatewayv2', async ([kind, id = ''], ctx) =>
  kind === 'apis' ? (await ctx.table(Apis).get(id))?.tags : undefined,
);

export default defineService({
  name: 'apigatewayv2',
  uses: ['ec2'],
  tables: [Apis, Definitions, Deployments, Snapshots, Stages, Connections, OwnLinks],
  handlers,
  tasks: { openLink, closeLink },
  authorise: Object.fromEntries(Object.keys(handlers).map((operation) => [operation, check])) as AuthorisationsOf<ApiGatewayV2>,
});
