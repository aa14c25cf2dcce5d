/**
 * API Gateway's REST APIs: what they consist of (`rest/`), and how calls pass through them (`run/`). Mapping templates are in `vtl/`. Calls come in by the
 * gateway's web stage, under names and paths of their own.
 */
import type { APIGateway } from '@aws-sdk/client-api-gateway';
import { type AuthorisationsOf, defineService, type HandlersOf } from '../../kernel/service.ts';
import { checkByRoute } from './authorise.ts';
import { accountHandlers } from './rest/account.ts';
import { apiHandlers } from './rest/apis.ts';
import { authorizerHandlers } from './rest/authorizers.ts';
import { clientCertificateHandlers } from './rest/client-certificates.ts';
import { deploymentHandlers } from './rest/deployments.ts';
import { documentationHandlers } from './rest/documentation.ts';
import { serveDomains } from './rest/domain-rows.ts';
import { domainHandlers } from './rest/domains.ts';
import { integrationHandlers } from './rest/integrations.ts';
import { linkHandlers, openLink } from './rest/links.ts';
import { keyHandlers } from './rest/keys.ts';
import { openApiHandlers } from './rest/openapi.ts';
import { planHandlers } from './rest/plans.ts';
import { methodHandlers } from './rest/methods.ts';
import { modelHandlers } from './rest/models.ts';
import { resourceHandlers } from './rest/resources.ts';
import { stageHandlers } from './rest/stages.ts';
import { testHandlers } from './rest/test-invoke.ts';
import { tagHandlers } from './rest/tags.ts';
import { publishMetrics } from './run/metrics.ts';
import { startSockets } from './v2/sockets.ts';
import { answerUpgrade, answerWeb, forgetAccount } from './run/edge.ts';
import {
  Accounts,
  Addresses,
  ApiKeys,
  ClientCertificates,
  Definitions,
  Deployments,
  Documentations,
  DocumentationVersions,
  Domains,
  Mappings,
  PlanKeys,
  RestApis,
  Snapshots,
  Stages,
  UsagePlans,
  Usages,
  VpcLinks,
} from './state.ts';

const handlers: HandlersOf<APIGateway> = {
  ...apiHandlers,
  ...resourceHandlers,
  ...methodHandlers,
  ...integrationHandlers,
  ...authorizerHandlers,
  ...modelHandlers,
  ...deploymentHandlers,
  ...stageHandlers,
  ...keyHandlers,
  ...clientCertificateHandlers,
  ...documentationHandlers,
  ...linkHandlers,
  ...planHandlers,
  ...accountHandlers,
  ...openApiHandlers,
  ...domainHandlers,
  ...testHandlers,
  ...tagHandlers,
};

const check = checkByRoute('api-gateway', async ([kind, id = ''], ctx) => {
  if (kind === 'restapis') return (await ctx.table(RestApis).get(id))?.tags;
  if (kind === 'apikeys') return (await ctx.table(ApiKeys).get(id))?.tags;
  if (kind === 'usageplans') return (await ctx.table(UsagePlans).get(id))?.tags;
  return undefined;
});

export default defineService({
  name: 'api-gateway',
  uses: [
    'acm',
    'cloudwatch',
    'cloudwatch-logs',
    'cognito-identity-provider',
    'ec2',
    'elastic-load-balancing-v2',
    'firehose',
    'lambda',
    's3',
    'sts',
  ],
  tables: [
    ...[RestApis, Definitions, Deployments, Snapshots, Stages, ApiKeys, UsagePlans, PlanKeys, Usages],
    ...[Domains, Mappings, Addresses, Accounts, VpcLinks, ClientCertificates, Documentations, DocumentationVersions],
  ],
  handlers,
  authorise: Object.fromEntries(Object.keys(handlers).map((operation) => [operation, check])) as AuthorisationsOf<APIGateway>,
  tasks: { publishMetrics, openLink },
  web: answerWeb,
  upgrade: answerUpgrade,
  async start(ctx) {
    await serveDomains(ctx);
    return startSockets(ctx);
  },
  onReset: forgetAccount,
});
