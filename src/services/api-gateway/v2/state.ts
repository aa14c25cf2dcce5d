/** Rows of HTTP and WebSocket APIs: as those of REST APIs (../state.ts), one document per API for what it consists of, and a copy of it per deployment. */
import type {
  AccessLogSettings,
  Authorizer,
  Cors,
  Integration,
  IntegrationResponse,
  Model,
  Route,
  RouteResponse,
  RouteSettings,
} from '@aws-sdk/client-apigatewayv2';
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../state.ts';

export interface ApiRow {
  id: string;
  name: string;
  protocol: 'HTTP' | 'WEBSOCKET';
  description?: string | undefined;
  version?: string | undefined;
  routeSelectionExpression: string;
  apiKeySelectionExpression: string;
  cors?: Cors | undefined;
  disableExecuteApiEndpoint: boolean;
  ipAddressType?: string | undefined;
  created: Millis;
  tags: TagMap;
}

export const Apis = defineTable<ApiRow>()({ name: 'apigatewayv2.apis', scope: 'region', key: (row) => [row.id] });

export interface RouteDef extends Route {
  RouteId: string;
  responses: Record<string, RouteResponse>;
}

export interface IntegrationDef extends Integration {
  IntegrationId: string;
  responses: Record<string, IntegrationResponse>;
}

export interface Definition {
  routes: Record<string, RouteDef>;
  integrations: Record<string, IntegrationDef>;
  authorizers: Record<string, Authorizer>;
  models: Record<string, Model>;
}

export interface DefinitionRow {
  api: string;
  definition: Definition;
}

export const Definitions = defineTable<DefinitionRow>()({
  name: 'apigatewayv2.definitions',
  scope: 'region',
  key: (row) => [row.api],
});

export interface DeploymentRow {
  api: string;
  id: string;
  description?: string | undefined;
  autoDeployed: boolean;
  created: Millis;
}

export const Deployments = defineTable<DeploymentRow>()({
  name: 'apigatewayv2.deployments',
  scope: 'region',
  key: (row) => [row.api, row.id],
});

/** What a deployment serves. Never changes. */
export interface SnapshotRow {
  api: string;
  deployment: string;
  definition: Definition;
}

export const Snapshots = defineTable<SnapshotRow>()({
  name: 'apigatewayv2.snapshots',
  scope: 'region',
  key: (row) => [row.api, row.deployment],
});

export interface StageRow {
  api: string;
  name: string;
  deploymentId?: string | undefined;
  autoDeploy: boolean;
  description?: string | undefined;
  variables: Record<string, string>;
  accessLogSettings?: AccessLogSettings | undefined;
  defaultRouteSettings: RouteSettings;
  routeSettings: Record<string, RouteSettings>;
  tags: TagMap;
  created: Millis;
  updated: Millis;
  lastDeployment?: string | undefined;
  /** Counts up with ResetAuthorizersCache. */
  cacheEpoch?: number | undefined;
}

export const Stages = defineTable<StageRow>()({
  name: 'apigatewayv2.stages',
  scope: 'region',
  key: (row) => [row.api, row.name],
});

/** A way into a VPC through interfaces of its own. */
export interface OwnLinkRow {
  id: string;
  name: string;
  subnetIds: string[];
  groupIds: string[];
  vpcId: string;
  status: 'PENDING' | 'AVAILABLE' | 'DELETING' | 'FAILED';
  statusMessage: string;
  created: Millis;
  tags: TagMap;
}

export const OwnLinks = defineTable<OwnLinkRow>()({ name: 'apigatewayv2.vpclinks', scope: 'region', key: (row) => [row.id] });

/** An open WebSocket connection: what the management API tells of it. The socket itself is the process's. */
export interface ConnectionRow {
  id: string;
  api: string;
  stage: string;
  connected: Millis;
  active: Millis;
  sourceIp: string;
  userAgent: string;
}

export const Connections = defineTable<ConnectionRow>()({
  name: 'apigatewayv2.connections',
  scope: 'region',
  key: (row) => [row.id],
});
