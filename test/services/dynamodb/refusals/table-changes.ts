import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const tableChanges: readonly Refusal[] = [
  [
    'UpdateTable',
    '{}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab"}',
    'At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required',
  ],
  [
    'UpdateTable',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'UpdateTable',
    '{"TableName":"nope","BillingMode":"PROVISIONED"}',
    'Requested resource not found: Table: nope not found',
    'ResourceNotFoundException',
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","BillingMode":"x"}',
    "1 validation error detected: Value 'x' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","BillingMode":"PROVISIONED"}',
    'One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED',
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","ProvisionedThroughput":{"ReadCapacityUnits":0,"WriteCapacityUnits":0}}',
    "2 validation errors detected: Value '0' at 'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","GlobalSecondaryIndexUpdates":[{}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"},{"AttributeName":"l","AttributeType":"S"},{"AttributeName":"g","AttributeType":"N"},{"AttributeName":"h","AttributeType":"S"},{"AttributeName":"w","AttributeType":"S"}]}',
    'Requested resource not found: Index:  not found',
    'ResourceNotFoundException',
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","GlobalSecondaryIndexUpdates":[{"Create":{}}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"},{"AttributeName":"l","AttributeType":"S"},{"AttributeName":"g","AttributeType":"N"},{"AttributeName":"h","AttributeType":"S"},{"AttributeName":"w","AttributeType":"S"}]}',
    "3 validation errors detected: Value null at 'globalSecondaryIndexUpdates.1.member.create.indexName' failed to satisfy constraint: Member must not be null; Value null at 'globalSecondaryIndexUpdates.1.member.create.keySchema' failed to satisfy constraint: Member must not be null; Value null at 'globalSecondaryIndexUpdates.1.member.create.projection' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","GlobalSecondaryIndexUpdates":[{"Delete":{}}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"},{"AttributeName":"l","AttributeType":"S"},{"AttributeName":"g","AttributeType":"N"},{"AttributeName":"h","AttributeType":"S"},{"AttributeName":"w","AttributeType":"S"}]}',
    "1 validation error detected: Value null at 'globalSecondaryIndexUpdates.1.member.delete.indexName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"gix"}},{"Delete":{"IndexName":"inc"}}],"AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"},{"AttributeName":"l","AttributeType":"S"},{"AttributeName":"g","AttributeType":"N"},{"AttributeName":"h","AttributeType":"S"},{"AttributeName":"w","AttributeType":"S"}]}',
    'Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table',
    'LimitExceededException',
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"new","KeySchema":[{"AttributeName":"w","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}',
    'One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [w], AttributeDefinitions: [p, s, l, g, h]',
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"x"}}',
    "1 validation error detected: Value 'x' at 'streamSpecification.streamViewType' failed to satisfy constraint: Member must satisfy enum value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","StreamSpecification":{}}',
    "1 validation error detected: Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTable',
    '{"TableName":"tab","TableClass":"x"}',
    "1 validation error detected: Value 'x' at 'tableClass' failed to satisfy constraint: Member must satisfy enum value set: [STANDARD, STANDARD_INFREQUENT_ACCESS]",
  ],
  [
    'UpdateTable',
    '{"TableName":"prov","ProvisionedThroughput":{"ReadCapacityUnits":5}}',
    "1 validation error detected: Value null at 'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DescribeTable',
    '{}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DescribeTable',
    '{"TableName":""}',
    "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'DescribeTable',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  ['DescribeTable', '{"TableName":"nope"}', 'Requested resource not found: Table: nope not found', 'ResourceNotFoundException'],
  [
    'DescribeTable',
    '{"TableName":"a;bc"}',
    "1 validation error detected: Value 'a;bc' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'DescribeTable',
    '{"TableName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'DeleteTable',
    '{}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DeleteTable',
    '{"TableName":""}',
    "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'DeleteTable',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  ['DeleteTable', '{"TableName":"nope"}', 'Requested resource not found: Table: nope not found', 'ResourceNotFoundException'],
  [
    'DeleteTable',
    '{"TableName":"a;bc"}',
    "1 validation error detected: Value 'a;bc' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'DeleteTable',
    '{"TableName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'ListTables',
    '{"Limit":0}',
    "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'ListTables',
    '{"Limit":101}',
    "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100",
  ],
  [
    'ListTables',
    '{"Limit":-1}',
    "1 validation error detected: Value '-1' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'ListTables',
    '{"ExclusiveStartTableName":""}',
    "2 validation errors detected: Value '' at 'exclusiveStartTableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value '' at 'exclusiveStartTableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'ListTables',
    '{"ExclusiveStartTableName":"x"}',
    "1 validation error detected: Value 'x' at 'exclusiveStartTableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'ListTables',
    '{"ExclusiveStartTableName":"a;bc"}',
    "1 validation error detected: Value 'a;bc' at 'exclusiveStartTableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'DescribeTimeToLive',
    '{}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DescribeTimeToLive',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'DescribeTimeToLive',
    '{"TableName":"nope"}',
    'Requested resource not found: Table: nope not found',
    'ResourceNotFoundException',
  ],
  [
    'DescribeContinuousBackups',
    '{}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DescribeContinuousBackups',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'UpdateTimeToLive',
    '{}',
    "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'timeToLiveSpecification' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab"}',
    "1 validation error detected: Value null at 'timeToLiveSpecification' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab","TimeToLiveSpecification":{}}',
    "2 validation errors detected: Value null at 'timeToLiveSpecification.enabled' failed to satisfy constraint: Member must not be null; Value null at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true}}',
    "1 validation error detected: Value null at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab","TimeToLiveSpecification":{"AttributeName":"ttl"}}',
    "1 validation error detected: Value null at 'timeToLiveSpecification.enabled' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true,"AttributeName":""}}',
    "1 validation error detected: Value '' at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"tab","TimeToLiveSpecification":{"Enabled":false,"AttributeName":"ttl"}}',
    'TimeToLive is already disabled',
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"nope","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}',
    'Requested resource not found: Table: nope not found',
    'ResourceNotFoundException',
  ],
  [
    'UpdateTimeToLive',
    '{"TableName":"x","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'TagResource',
    '{}',
    "2 validation errors detected: Value null at 'resourceArn' failed to satisfy constraint: Member must not be null; Value null at 'tags' failed to satisfy constraint: Member must not be null",
  ],
  ['TagResource', '{"ResourceArn":"x","Tags":[]}', 'Atleast one Tag needs to be provided as Input.'],
  [
    'ListTagsOfResource',
    '{}',
    "1 validation error detected: Value null at 'resourceArn' failed to satisfy constraint: Member must not be null",
  ],
];
