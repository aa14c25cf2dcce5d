/**
 * Rows of API Gateway's REST APIs. What an API consists of (resources, methods, models, authorizers…) is one document per API, because a deployment is
 * a copy of the whole of it, an import replaces the whole of it, and an API has at most 300 resources. Rejected: a row for each resource, whose
 * snapshot would be hundreds of rows.
 */
import type {
  AccessLogSettings,
  ApiStage,
  Authorizer,
  CanarySettings,
  DocumentationPartLocation,
  EndpointConfiguration,
  GatewayResponse,
  Method,
  MethodSetting,
  Model,
  QuotaSettings,
  RequestValidator,
  ThrottleSettings,
} from '@aws-sdk/client-api-gateway';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

/** Facts of an API that take effect with the next deployment, as everything in its definition does. */
export interface ApiFacts {
  binaryMediaTypes?: string[] | undefined;
  minimumCompressionSize?: number | undefined;
  apiKeySource: 'HEADER' | 'AUTHORIZER';
  policy?: string | undefined;
}

export interface RestApiRow extends ApiFacts {
  id: string;
  name: string;
  description?: string | undefined;
  version?: string | undefined;
  created: Millis;
  endpoint: EndpointConfiguration;
  disableExecuteApiEndpoint: boolean;
  rootResourceId: string;
  tags: TagMap;
}

export const RestApis = defineTable<RestApiRow>()({ name: 'apigateway.restapis', scope: 'region', key: (row) => [row.id] });

export interface ResourceDef {
  id: string;
  parentId?: string | undefined;
  pathPart?: string | undefined;
  path: string;
  methods: Record<string, Method>;
}

export interface Definition {
  resources: Record<string, ResourceDef>;
  /** By name. */
  models: Record<string, Model>;
  authorizers: Record<string, Authorizer>;
  validators: Record<string, RequestValidator>;
  /** Changed ones, by type. */
  gatewayResponses: Record<string, GatewayResponse>;
}

export interface DefinitionRow {
  api: string;
  definition: Definition;
}

export const Definitions = defineTable<DefinitionRow>()({
  name: 'apigateway.definitions',
  scope: 'region',
  key: (row) => [row.api],
});

export interface DeploymentRow {
  api: string;
  id: string;
  description?: string | undefined;
  created: Millis;
}

export const Deployments = defineTable<DeploymentRow>()({
  name: 'apigateway.deployments',
  scope: 'region',
  key: (row) => [row.api, row.id],
});

/** What a deployment serves. Never changes. */
export interface SnapshotRow {
  api: string;
  deployment: string;
  facts: ApiFacts;
  definition: Definition;
}

export const Snapshots = defineTable<SnapshotRow>()({
  name: 'apigateway.snapshots',
  scope: 'region',
  key: (row) => [row.api, row.deployment],
});

export interface StageRow {
  api: string;
  name: string;
  deploymentId: string;
  description?: string | undefined;
  cacheClusterEnabled: boolean;
  cacheClusterSize?: string | undefined;
  /** By `resource path/METHOD`, with `*` for all. */
  methodSettings: Record<string, MethodSetting>;
  variables?: Record<string, string> | undefined;
  accessLogSettings?: AccessLogSettings | undefined;
  canarySettings?: CanarySettings | undefined;
  clientCertificateId?: string | undefined;
  documentationVersion?: string | undefined;
  tracingEnabled: boolean;
  tags: TagMap;
  created: Millis;
  updated: Millis;
  /** Counts up with FlushStageCache and FlushStageAuthorizersCache. */
  cacheEpoch: number;
}

export const Stages = defineTable<StageRow>()({
  name: 'apigateway.stages',
  scope: 'region',
  key: (row) => [row.api, row.name],
});

export interface ApiKeyRow {
  id: string;
  value: string;
  name?: string | undefined;
  customerId?: string | undefined;
  description?: string | undefined;
  enabled: boolean;
  created: Millis;
  updated: Millis;
  stageKeys: string[];
  tags: TagMap;
}

export const ApiKeys = defineTable<ApiKeyRow>()({
  name: 'apigateway.apikeys',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { value: (row) => [row.value] },
});

export interface UsagePlanRow {
  id: string;
  name: string;
  description?: string | undefined;
  apiStages: ApiStage[];
  throttle?: ThrottleSettings | undefined;
  quota?: QuotaSettings | undefined;
  productCode?: string | undefined;
  tags: TagMap;
}

export const UsagePlans = defineTable<UsagePlanRow>()({
  name: 'apigateway.usageplans',
  scope: 'region',
  key: (row) => [row.id],
});

export interface PlanKeyRow {
  plan: string;
  key: string;
}

export const PlanKeys = defineTable<PlanKeyRow>()({
  name: 'apigateway.usageplankeys',
  scope: 'region',
  key: (row) => [row.plan, row.key],
  indexes: { key: (row) => [row.key] },
});

/** What a key has used of a plan on a day of the cloud (UTC). */
export interface UsageRow {
  plan: string;
  key: string;
  /** `2026-11-21` */
  day: string;
  used: number;
  /** What UpdateUsage granted beyond the quota. */
  extra: number;
}

export const Usages = defineTable<UsageRow>()({
  name: 'apigateway.usage',
  scope: 'region',
  key: (row) => [row.plan, row.key, row.day],
});

/** Authorities of clients' certificates, as they were when they were read. */
export interface TruststoreRow {
  uri: string;
  version?: string | undefined;
  pem: string;
  warnings: string[];
}

export interface DomainRow {
  name: string;
  created: Millis;
  certificateArn?: string | undefined;
  regionalCertificateArn?: string | undefined;
  endpoint: EndpointConfiguration;
  securityPolicy: string;
  truststore?: TruststoreRow | undefined;
  /** First label of its own name, as `d-1a2b3c4d5e`. */
  alias: string;
  /** Made by which API: its form of answers differs. */
  tags: TagMap;
}

export const Domains = defineTable<DomainRow>()({ name: 'apigateway.domains', scope: 'region', key: (row) => [row.name] });

export interface MappingRow {
  domain: string;
  /** `(none)` for the root. */
  basePath: string;
  id: string;
  api: string;
  /** Absent: the first part of the path names it. */
  stage?: string | undefined;
}

export const Mappings = defineTable<MappingRow>()({
  name: 'apigateway.mappings',
  scope: 'region',
  key: (row) => [row.domain, row.basePath],
});

export interface ClientCertificateRow {
  id: string;
  description?: string | undefined;
  /** PEM. */
  certificate: string;
  /** PEM in the vault. */
  sealedKey: Uint8Array;
  created: Millis;
  expires: Millis;
  tags: TagMap;
}

export const ClientCertificates = defineTable<ClientCertificateRow>()({
  name: 'apigateway.clientcertificates',
  scope: 'region',
  key: (row) => [row.id],
});

/** A text about a part of an API. */
export interface DocumentationRow {
  api: string;
  id: string;
  location: DocumentationPartLocation;
  /** JSON. */
  properties: string;
}

export const Documentations = defineTable<DocumentationRow>()({
  name: 'apigateway.documentation',
  scope: 'region',
  key: (row) => [row.api, row.id],
});

/** All texts of an API as they were. */
export interface DocumentationVersionRow {
  api: string;
  version: string;
  description?: string | undefined;
  created: Millis;
  parts: readonly { location: DocumentationPartLocation; properties: string }[];
}

export const DocumentationVersions = defineTable<DocumentationVersionRow>()({
  name: 'apigateway.documentationversions',
  scope: 'region',
  key: (row) => [row.api, row.version],
});

/** A way to a network load balancer, for REST and WebSocket APIs. */
export interface VpcLinkRow {
  id: string;
  name: string;
  description?: string | undefined;
  targetArns: string[];
  status: 'PENDING' | 'AVAILABLE' | 'DELETING' | 'FAILED';
  statusMessage?: string | undefined;
  tags: TagMap;
}

export const VpcLinks = defineTable<VpcLinkRow>()({ name: 'apigateway.vpclinks', scope: 'region', key: (row) => [row.id] });

/** Where a host name or an API's id leads: names are unique in the cloud, whatever account and Region they belong to. */
export interface AddressRow {
  /** An API's id, or a custom domain's name. */
  name: string;
  account: string;
  region: string;
  kind: 'rest' | 'http' | 'websocket' | 'domain';
}

export const Addresses = defineTable<AddressRow>()({ name: 'apigateway.addresses', scope: 'cloud', key: (row) => [row.name] });

/** Settings of an account in a Region. */
export interface AccountRow {
  cloudwatchRoleArn?: string | undefined;
}

export const Accounts = defineTable<AccountRow>()({ name: 'apigateway.account', scope: 'region', key: () => ['account'] });
