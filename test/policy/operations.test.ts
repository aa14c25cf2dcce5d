/**
 * Every operation of every model has an IAM action that exists. What the authorisation data lacks stands here, with the reason.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  conditionKeys,
  findAction,
  loadActions,
  resourcePatterns,
  serviceNames,
  underResourceControl,
} from '../../src/kernel/policy/authorisation.ts';
import { actionOf, actionsOf, iamPrefix } from '../../src/kernel/policy/operations.ts';

interface ModelOperation {
  http?: readonly [string, string, number];
}

interface Model {
  name: string;
  operations: Record<string, ModelOperation>;
}

/**
 * Operations that the official schemas have and the Service Authorization Reference, as packed, does not yet: they are newer. Their action is
 * AWS's rule for all new operations, prefix and name. Each goes from this list when an update of the data brings it; the test says so.
 */
const newerThanTheReference: Readonly<Record<string, string>> = {
  cloudformation: 'RemoveAlias SetAlias',
  cloudfront: 'ListDistributionsByOwnedResource',
  cloudtrail: 'ListInsightsMetricData',
  cloudwatch:
    'AssociateDatasetKmsKey CreateResourceMetricsConfiguration DeleteResourceMetricsConfiguration DescribeAlarmContributors DisassociateDatasetKmsKey ' +
    'GetResourceMetricsConfiguration UpdateOTelEnrichment UpdateResourceMetricsConfiguration',
  'cloudwatch-logs': 'GetLogObject',
  dynamodb: 'CancelBulkOperation DescribeBulkOperation ListBulkOperations StartBulkPutItems',
  ec2:
    'AssociateNetworkingFlexCostAllocationPolicy CreateCapacityReservationDateChangeQuote CreateMetricCategory CreateNetworkingFlexCostAllocationPolicy ' +
    'DeleteClientVpnEndpointAuthorizationPolicy DeleteMetricCategory DeleteNetworkingFlexCostAllocationPolicies ' +
    'DescribeCapacityReservationDateChangeQuotes DescribeMetricCategories DescribeNetworkingFlexCostAllocationPolicies ' +
    'DescribeNetworkingFlexCostAllocationPolicyAssociations DisassociateNetworkingFlexCostAllocationPolicy GetCapacityManagerSupportabilityScores ' +
    'GetClientVpnEndpointAuthorizationPolicy GetImageFindings GetNetworkingFlexCostAllocationPolicyVersions ' +
    'GetTransitGatewayAttachmentNatConfiguration ModifyClientVpnEndpointAuthorizationPolicy ModifyMetricCategory ' +
    'ModifyNetworkingFlexCostAllocationPolicy ModifyTransitGatewayAttachmentNatConfiguration',
  'cognito-identity-provider':
    'AdminListUserSessions AdminRevokeUserSession CompleteWebAuthnRegistration DeleteWebAuthnCredential DescribeTermsByClient GetClientToken ' +
    'GetUserAuthFactors GetUserPoolClientSessionConfiguration GetUserPoolSessionConfiguration ListUserSessions ListWebAuthnCredentials ' +
    'RevokeUserSession SetUserPoolClientSessionConfiguration SetUserPoolSessionConfiguration StartWebAuthnRegistration',
  ecr: 'DescribeReplicationBackfillResults ListReplicationBackfills StartReplicationBackfill StopReplicationBackfill',
  ecs:
    'AssociateGatewayWithCluster CreateGateway DeleteGateway DescribeGateway DescribeGatewayResources DescribeGatewayRoute ' +
    'DisassociateGatewayFromCluster ListGatewayClusterAssociations ListGatewayRoutes ListGateways UpdateGateway',
  iam: 'AcquireRole UpdateDelegationRequest',
  kms: 'Decapsulate Encapsulate',
  outposts: 'StartOutpostDecommission',
  rds:
    'CancelDBCapacityReservation CreateDBCapacityReservation DescribeDBCapacityReservations DescribeServerlessV2PlatformVersions ' +
    'ModifyDBCapacityReservation',
  redshift: 'ModifyLakehouseConfiguration',
  'route-53': 'CreateResourceRecordSetProtections DeleteResourceRecordSetProtections ListResourceRecordSetProtections',
  ssm: 'DeregisterDefaultHostManagementConfiguration RegisterDefaultHostManagementConfiguration',
};

function readModels(): Model[] {
  const index = JSON.parse(readFileSync(join('models', 'index.json'), 'utf8')) as { name: string }[];
  return index.map(({ name }) => {
    const { operations } = JSON.parse(readFileSync(join('models', `${name}.json`), 'utf8')) as {
      operations: Record<string, ModelOperation>;
    };
    return { name, operations };
  });
}

const models = readModels();

describe('every operation of every model', () => {
  it('is in a model: there are services and operations to check', () => {
    expect(models.length).toBeGreaterThan(70);
    expect(models.reduce((sum, { operations }) => sum + Object.keys(operations).length, 0)).toBeGreaterThan(5_000);
  });

  it.each(models)('of $name is authorised by actions that exist', async ({ name, operations }) => {
    const newer = new Set(newerThanTheReference[name]?.split(' '));
    const unknown: string[] = [];
    for (const operation of Object.keys(operations)) {
      for (const action of actionsOf(name, operation)) {
        const found = await findAction(action);
        if (found === undefined) unknown.push(operation);
        // The case is AWS's own, since error messages show it.
        else expect(action.split(':')[1]).toBe(found.name);
      }
    }
    expect(unknown.sort()).toEqual([...newer].sort());
  });

  it('names only services that have a model in the list of newer operations', () => {
    const names = new Set(models.map(({ name }) => name));
    expect(Object.keys(newerThanTheReference).filter((name) => !names.has(name))).toEqual([]);
  });

  it('of API Gateway has its HTTP method as action, unless an action of its own exists', async () => {
    for (const { name, operations } of models.filter((model) => model.name === 'api-gateway' || model.name === 'apigatewayv2')) {
      for (const [operation, { http }] of Object.entries(operations)) {
        const [, action = ''] = actionOf(name, operation).split(':');
        if (/^[A-Z]+$/.test(action)) expect(`${operation} ${action}`).toBe(`${operation} ${http?.[0]}`);
        else expect(action).toBe(operation === 'PutRoutingRule' ? 'UpdateRoutingRule' : operation);
      }
    }
  });
});

describe('actionOf', () => {
  it.each([
    ['s3', 'ListBuckets', 's3:ListAllMyBuckets'],
    ['s3', 'HeadBucket', 's3:ListBucket'],
    ['s3', 'HeadObject', 's3:GetObject'],
    ['s3', 'ListObjectsV2', 's3:ListBucket'],
    ['s3', 'UploadPart', 's3:PutObject'],
    ['s3', 'GetObject', 's3:GetObject'],
    ['s3', 'PutBucketCors', 's3:PutBucketCORS'],
    ['elastic-load-balancing-v2', 'CreateLoadBalancer', 'elasticloadbalancing:CreateLoadBalancer'],
    ['cloudwatch', 'PutMetricData', 'cloudwatch:PutMetricData'],
    ['eventbridge', 'PutEvents', 'events:PutEvents'],
    ['sfn', 'StartExecution', 'states:StartExecution'],
    ['efs', 'CreateFileSystem', 'elasticfilesystem:CreateFileSystem'],
    ['lambda', 'Invoke', 'lambda:InvokeFunction'],
    ['api-gateway', 'CreateRestApi', 'apigateway:POST'],
    ['apigatewayv2', 'GetApis', 'apigateway:GET'],
    ['apigatewaymanagementapi', 'PostToConnection', 'execute-api:ManageConnections'],
    ['budgets', 'CreateBudget', 'budgets:ModifyBudget'],
    ['budgets', 'CreateBudgetAction', 'budgets:CreateBudgetAction'],
    ['budgets', 'DescribeBudgetActionsForAccount', 'budgets:DescribeBudgetActionsForAccount'],
    ['budgets', 'DescribeBudgetNotificationsForAccount', 'budgets:ViewBudget'],
    ['sts', 'AssumeRole', 'sts:AssumeRole'],
    ['sqs', 'SendMessageBatch', 'sqs:SendMessage'],
  ])('of %s %s is %s', (service, operation, action) => {
    expect(actionOf(service, operation)).toBe(action);
  });

  it('gives all actions of an operation that needs several', () => {
    expect(actionsOf('kms', 'ReEncrypt')).toEqual(['kms:ReEncryptFrom', 'kms:ReEncryptTo']);
  });

  it('is not confused by names that objects inherit', () => {
    expect(iamPrefix('constructor')).toBe('constructor');
    expect(actionOf('s3', 'toString')).toBe('s3:toString');
  });
});

describe('authorisation data', () => {
  it('of an action has level, resources and keys', async () => {
    const { actions, resourceTypes, conditionKeyTypes, name } = await loadActions('ec2');
    expect(name).toBe('Amazon EC2');
    const run = actions.get('runinstances')!;
    expect(run).toMatchObject({ name: 'RunInstances', accessLevel: 'Write' });
    const instance = run.resources.find(({ type }) => type === 'instance')!;
    expect(instance).toMatchObject({ required: true });
    expect(instance.conditionKeys).toContain('ec2:InstanceType');
    expect(resourceTypes.get('instance')!.arnPattern).toBe(
      `arn:\${Partition}:ec2:\${Region}:\${Account}:instance/\${InstanceId}`,
    );
    expect(conditionKeyTypes.get('ec2:ebsoptimized')).toBe('Bool');
  });

  it('gives the ARN forms of what an action works on', async () => {
    expect(await resourcePatterns('sqs:SendMessage')).toEqual([
      { type: 'queue', arnPattern: `arn:\${Partition}:sqs:\${Region}:\${Account}:\${QueueName}`, required: true },
    ]);
    expect(await resourcePatterns('S3:GETOBJECT')).toContainEqual({
      type: 'object',
      arnPattern: `arn:\${Partition}:s3:::\${BucketName}/\${ObjectName}`,
      required: false,
    });
    expect(await resourcePatterns('s3:ListAllMyBuckets')).toEqual([]);
  });

  it('gives the condition keys of an action and its resources', async () => {
    const keys = await conditionKeys('ec2:RunInstances');
    expect(keys).toContain('ec2:InstanceType');
    expect(keys).toContain('aws:TagKeys');
    expect(new Set(keys).size).toBe(keys.length);
  });

  it.each(['ec2:NoSuchThing', 'nosuchservice:Do', 'constructor:x', 'garbage', ''])('knows nothing of %j', async (action) => {
    expect(await findAction(action)).toBeUndefined();
    expect(await resourcePatterns(action)).toEqual([]);
    expect(await conditionKeys(action)).toEqual([]);
  });

  it('refuses to load a service that does not exist', async () => {
    await expect(loadActions('nosuchservice')).rejects.toThrow('No service has the IAM prefix nosuchservice.');
    await expect(loadActions('../index')).rejects.toThrow('No service has the IAM prefix');
  });

  it('knows the services by name and those that resource control policies reach', async () => {
    expect((await serviceNames()).get('s3')).toBe('Amazon S3');
    expect(await underResourceControl('s3')).toBe(true);
    expect(await underResourceControl('iam')).toBe(false);
  });

  it('has one file per service of the index, and no other', async () => {
    const files = readdirSync(join('models', 'iam')).filter((file) => file !== 'index.json');
    expect(files.sort()).toEqual([...(await serviceNames()).keys()].map((prefix) => `${prefix}.json`).sort());
  });
});
