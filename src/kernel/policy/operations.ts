/**
 * Which IAM action authorises an API operation. The rule is prefix and operation name; this table holds the services whose prefix differs from
 * Pilvi's name of them, and the operations that break the rule.
 *
 * Source: AWS Service Authorization Reference ("API operations defined by …", "Actions defined by …"), S3 User Guide "Required permissions
 * for Amazon S3 API operations", API Gateway Developer Guide "Actions … supported by API Gateway" (actions are HTTP verbs there). The test beside
 * it compares every operation of every model with the packed authorisation data.
 */

/** Service prefix of IAM actions by Pilvi's name of the service, where the two differ. */
const prefixes: Readonly<Record<string, string>> = {
  accessanalyzer: 'access-analyzer',
  'api-gateway': 'apigateway',
  apigatewaymanagementapi: 'execute-api',
  apigatewayv2: 'apigateway',
  'application-auto-scaling': 'application-autoscaling',
  'auto-scaling': 'autoscaling',
  'auto-scaling-plans': 'autoscaling-plans',
  cloudcontrol: 'cloudformation',
  'cloudwatch-logs': 'logs',
  'cognito-identity-provider': 'cognito-idp',
  'cost-explorer': 'ce',
  'database-migration-service': 'dms',
  'direct-connect': 'directconnect',
  docdb: 'rds',
  'dynamodb-streams': 'dynamodb',
  efs: 'elasticfilesystem',
  'elastic-beanstalk': 'elasticbeanstalk',
  'elastic-load-balancing': 'elasticloadbalancing',
  'elastic-load-balancing-v2': 'elasticloadbalancing',
  eventbridge: 'events',
  'global-accelerator': 'globalaccelerator',
  neptune: 'rds',
  opensearch: 'es',
  'resource-groups-tagging-api': 'tag',
  'route-53': 'route53',
  'route-53-domains': 'route53domains',
  's3-control': 's3',
  'sagemaker-runtime': 'sagemaker',
  'secrets-manager': 'secretsmanager',
  'service-quotas': 'servicequotas',
  sfn: 'states',
  'storage-gateway': 'storagegateway',
};

/** Names of actions, without the prefix when it is the service's own. Several: each for the part of the request that needs it, main one first. */
type Exceptions = Readonly<Record<string, string | readonly string[]>>;

const partiQl = ['PartiQLSelect', 'PartiQLInsert', 'PartiQLUpdate', 'PartiQLDelete'];

const s3: Exceptions = {
  CompleteMultipartUpload: 'PutObject',
  CopyObject: ['PutObject', 'GetObject'],
  CreateBucketMetadataConfiguration: 'CreateBucketMetadataTableConfiguration',
  CreateMultipartUpload: 'PutObject',
  CreateSession: 's3express:CreateSession',
  DeleteBucketAnalyticsConfiguration: 'PutAnalyticsConfiguration',
  DeleteBucketCors: 'PutBucketCORS',
  DeleteBucketEncryption: 'PutEncryptionConfiguration',
  DeleteBucketIntelligentTieringConfiguration: 'PutIntelligentTieringConfiguration',
  DeleteBucketInventoryConfiguration: 'PutInventoryConfiguration',
  DeleteBucketLifecycle: 'PutLifecycleConfiguration',
  DeleteBucketMetadataConfiguration: 'DeleteBucketMetadataTableConfiguration',
  DeleteBucketMetricsConfiguration: 'PutMetricsConfiguration',
  DeleteBucketOwnershipControls: 'PutBucketOwnershipControls',
  DeleteBucketReplication: 'PutReplicationConfiguration',
  DeleteBucketTagging: 'PutBucketTagging',
  DeleteObjects: 'DeleteObject',
  DeletePublicAccessBlock: 'PutBucketPublicAccessBlock',
  GetBucketAccelerateConfiguration: 'GetAccelerateConfiguration',
  GetBucketAnalyticsConfiguration: 'GetAnalyticsConfiguration',
  GetBucketCors: 'GetBucketCORS',
  GetBucketEncryption: 'GetEncryptionConfiguration',
  GetBucketIntelligentTieringConfiguration: 'GetIntelligentTieringConfiguration',
  GetBucketInventoryConfiguration: 'GetInventoryConfiguration',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  GetBucketMetadataConfiguration: 'GetBucketMetadataTableConfiguration',
  GetBucketMetricsConfiguration: 'GetMetricsConfiguration',
  GetBucketNotificationConfiguration: 'GetBucketNotification',
  GetBucketReplication: 'GetReplicationConfiguration',
  GetObjectAttributes: ['GetObjectAttributes', 'GetObject'],
  GetObjectLockConfiguration: 'GetBucketObjectLockConfiguration',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  HeadBucket: 'ListBucket',
  HeadObject: 'GetObject',
  ListBucketAnalyticsConfigurations: 'GetAnalyticsConfiguration',
  ListBucketIntelligentTieringConfigurations: 'GetIntelligentTieringConfiguration',
  ListBucketInventoryConfigurations: 'GetInventoryConfiguration',
  ListBucketMetricsConfigurations: 'GetMetricsConfiguration',
  ListBuckets: 'ListAllMyBuckets',
  ListDirectoryBuckets: 's3express:ListAllMyDirectoryBuckets',
  ListMultipartUploads: 'ListBucketMultipartUploads',
  ListObjects: 'ListBucket',
  ListObjectsV2: 'ListBucket',
  ListObjectVersions: 'ListBucketVersions',
  ListParts: 'ListMultipartUploadParts',
  PutBucketAccelerateConfiguration: 'PutAccelerateConfiguration',
  PutBucketAnalyticsConfiguration: 'PutAnalyticsConfiguration',
  PutBucketCors: 'PutBucketCORS',
  PutBucketEncryption: 'PutEncryptionConfiguration',
  PutBucketIntelligentTieringConfiguration: 'PutIntelligentTieringConfiguration',
  PutBucketInventoryConfiguration: 'PutInventoryConfiguration',
  PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
  PutBucketMetricsConfiguration: 'PutMetricsConfiguration',
  PutBucketNotificationConfiguration: 'PutBucketNotification',
  PutBucketReplication: 'PutReplicationConfiguration',
  PutObjectLockConfiguration: 'PutBucketObjectLockConfiguration',
  PutPublicAccessBlock: 'PutBucketPublicAccessBlock',
  RenameObject: 's3express:CreateSession',
  SelectObjectContent: 'GetObject',
  UploadPart: 'PutObject',
  UploadPartCopy: ['PutObject', 'GetObject'],
  WriteGetObjectResponse: 's3-object-lambda:WriteGetObjectResponse',
};

/** Bucket operations of S3 Control are those of S3 on Outposts; the public access block there is the account's. */
const s3Control: Exceptions = {
  CreateBucket: 's3-outposts:CreateBucket',
  DeleteAccessPointScope: 's3express:DeleteAccessPointScope',
  DeleteBucket: 's3-outposts:DeleteBucket',
  DeleteBucketLifecycleConfiguration: 's3-outposts:PutLifecycleConfiguration',
  DeleteBucketPolicy: 's3-outposts:DeleteBucketPolicy',
  DeleteBucketReplication: 's3-outposts:PutReplicationConfiguration',
  DeleteBucketTagging: 's3-outposts:PutBucketTagging',
  DeletePublicAccessBlock: 'PutAccountPublicAccessBlock',
  GetAccessPointScope: 's3express:GetAccessPointScope',
  GetBucket: 's3-outposts:GetBucket',
  GetBucketLifecycleConfiguration: 's3-outposts:GetLifecycleConfiguration',
  GetBucketPolicy: 's3-outposts:GetBucketPolicy',
  GetBucketReplication: 's3-outposts:GetReplicationConfiguration',
  GetBucketTagging: 's3-outposts:GetBucketTagging',
  GetBucketVersioning: 's3-outposts:GetBucketVersioning',
  GetPublicAccessBlock: 'GetAccountPublicAccessBlock',
  ListAccessPointsForDirectoryBuckets: 's3express:ListAccessPointsForDirectoryBuckets',
  ListRegionalBuckets: 's3-outposts:ListRegionalBuckets',
  PutAccessPointScope: 's3express:PutAccessPointScope',
  PutBucketLifecycleConfiguration: 's3-outposts:PutLifecycleConfiguration',
  PutBucketPolicy: 's3-outposts:PutBucketPolicy',
  PutBucketReplication: 's3-outposts:PutReplicationConfiguration',
  PutBucketTagging: 's3-outposts:PutBucketTagging',
  PutBucketVersioning: 's3-outposts:PutBucketVersioning',
  PutPublicAccessBlock: 'PutAccountPublicAccessBlock',
};

/** "Schema conversion" operations of DMS took other names than the actions that were there before them. */
const dms: Exceptions = {
  DescribeDataProviders: 'ListDataProviders',
  DescribeExtensionPackAssociations: 'ListExtensionPacks',
  DescribeInstanceProfiles: 'ListInstanceProfiles',
  DescribeMetadataModelAssessments: 'ListMetadataModelAssessments',
  DescribeMetadataModelConversions: 'ListMetadataModelConversions',
  DescribeMetadataModelExportsAsScript: 'ListMetadataModelExports',
  DescribeMetadataModelExportsToTarget: 'ListMetadataModelExports',
  DescribeMigrationProjects: 'ListMigrationProjects',
  ModifyConversionConfiguration: 'UpdateConversionConfiguration',
  ModifyDataProvider: 'UpdateDataProvider',
  ModifyInstanceProfile: 'UpdateInstanceProfile',
  ModifyMigrationProject: 'UpdateMigrationProject',
  StartExtensionPackAssociation: 'AssociateExtensionPack',
  StartMetadataModelExportAsScript: 'StartMetadataModelExportAsScripts',
};

const exceptions: Readonly<Record<string, Exceptions>> = {
  accessanalyzer: { GetFindingV2: 'GetFinding', ListFindingsV2: 'ListFindings' },
  'api-gateway': {
    CreateDomainNameAccessAssociation: ['POST', 'CreateAccessAssociation'],
    RejectDomainNameAccessAssociation: ['POST', 'RejectAccessAssociation'],
  },
  apigatewayv2: { PutRoutingRule: 'UpdateRoutingRule' },
  cloudfront: { CreateDistributionWithTags: ['CreateDistribution', 'TagResource'] },
  'database-migration-service': dms,
  dynamodb: {
    BatchExecuteStatement: partiQl,
    ExecuteStatement: partiQl,
    ExecuteTransaction: partiQl,
    TransactGetItems: 'GetItem',
    TransactWriteItems: ['PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'],
  },
  ecr: { ListImageReferrers: 'BatchGetImage' },
  kms: { ReEncrypt: ['ReEncryptFrom', 'ReEncryptTo'] },
  lambda: { GetLayerVersionByArn: 'GetLayerVersion', Invoke: 'InvokeFunction', InvokeWithResponseStream: 'InvokeFunction' },
  s3,
  's3-control': s3Control,
  sns: { PublishBatch: 'Publish' },
  sqs: {
    ChangeMessageVisibilityBatch: 'ChangeMessageVisibility',
    DeleteMessageBatch: 'DeleteMessage',
    SendMessageBatch: 'SendMessage',
  },
};

interface Families {
  /** Operations of this form keep to the rule. */
  except?: RegExp;
  /** Start (or form) of the operation's name, and the action. First match counts. */
  forms: readonly (readonly [RegExp, string])[];
}

/** Services in which whole kinds of operations share an action. */
const families: Readonly<Record<string, Families>> = {
  'api-gateway': {
    forms: [
      [/^Get/, 'GET'],
      [/^(Create|Generate|Test|Reject|ImportApiKeys|ImportRestApi)/, 'POST'],
      [/^(Put|ImportDocumentationParts|TagResource)/, 'PUT'],
      [/^Update/, 'PATCH'],
      [/^(Delete|Flush|UntagResource)/, 'DELETE'],
    ],
  },
  apigatewayv2: {
    // Portals and routing rules came later, with actions of their own.
    except: /Portal|ProductPage|ProductRestEndpointPage|RoutingRule/,
    forms: [
      [/^(Get|ExportApi)/, 'GET'],
      [/^(Create|TagResource)/, 'POST'],
      [/^(ImportApi|ReimportApi)/, 'PUT'],
      [/^Update/, 'PATCH'],
      [/^(Delete|Reset|UntagResource)/, 'DELETE'],
    ],
  },
  apigatewaymanagementapi: { forms: [[/./, 'ManageConnections']] },
  budgets: {
    forms: [
      [/^(Create|Delete|Update)(Budget|Notification|Subscriber)$/, 'ModifyBudget'],
      [/^Describe(?!BudgetAction)/, 'ViewBudget'],
    ],
  },
};

/** Answers given before: a cache of a bounded set, the operations of the models. */
const actionsCache = new Map<string, readonly string[]>();

function lookUp(service: string, operation: string): readonly string[] {
  const table = Object.hasOwn(exceptions, service) ? exceptions[service] : undefined;
  const own = table !== undefined && Object.hasOwn(table, operation) ? table[operation] : undefined;
  const family = Object.hasOwn(families, service) ? families[service] : undefined;
  const shared = family?.except?.test(operation) === true ? undefined : family?.forms.find(([form]) => form.test(operation))?.[1];
  const names = own ?? shared ?? operation;
  const prefix = iamPrefix(service);
  return (typeof names === 'string' ? [names] : names).map((name) => (name.includes(':') ? name : `${prefix}:${name}`));
}

/** Prefix of a service's IAM actions (`elasticloadbalancing`) by Pilvi's name of it (`elastic-load-balancing-v2`). */
export function iamPrefix(service: string): string {
  return (Object.hasOwn(prefixes, service) ? prefixes[service] : undefined) ?? service;
}

/**
 * All IAM actions that authorise an operation. More than one where a request touches several things (CopyObject reads and writes) or may do one
 * of several (ExecuteStatement); the service's `authorise` then says which its input needs.
 */
export function actionsOf(service: string, operation: string): readonly string[] {
  const key = `${service} ${operation}`;
  let actions = actionsCache.get(key);
  if (actions === undefined) {
    actions = lookUp(service, operation);
    actionsCache.set(key, actions);
  }
  return actions;
}

/** The IAM action that authorises an operation: the main one where there are several. Service by Pilvi's name, operation as in its model. */
export function actionOf(service: string, operation: string): string {
  return actionsOf(service, operation)[0]!;
}
