import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const reads: readonly Refusal[] = [
  ['Query', '{}', "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"],
  [
    'Query',
    '{"TableName":"tab"}',
    'Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.',
  ],
  [
    'Query',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'Query',
    '{"TableName":"nope","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"g = :n","ExpressionAttributeValues":{":n":{"N":"1"}},"IndexName":"gix","ConsistentRead":true}',
    'Consistent reads are not supported on global secondary indexes',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"h = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"IndexName":"inc","Select":"ALL_ATTRIBUTES"}',
    'One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index inc because its projection type is not ALL',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"h = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"IndexName":"inc","AttributesToGet":["y"]}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {KeyConditionExpression}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"h = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"IndexName":"inc","FilterExpression":"y = :a"}',
    'One or more parameter values were invalid: Secondary index inc does not project one or more filter attributes: [y]',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"h = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"IndexName":"inc","Select":"SPECIFIC_ATTRIBUTES"}',
    'Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Select":"x"}',
    "1 validation error detected: Value 'x' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Select":"COUNT","ProjectionExpression":"x"}',
    'Cannot specify the ProjectionExpression when choosing to get only the Count',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Select":"ALL_ATTRIBUTES","ProjectionExpression":"x"}',
    'Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Select":"ALL_PROJECTED_ATTRIBUTES","ProjectionExpression":"x"}',
    'Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Select":"COUNT","IndexName":"inc","ProjectionExpression":"x"}',
    'Query condition missed key schema element: h',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Limit":0}',
    "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Limit":-1}',
    "1 validation error detected: Value '-1' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ConditionalOperator":"x"}',
    "1 validation error detected: Value 'x' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ConditionalOperator":"AND"}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {ConditionalOperator} Expression parameters: {KeyConditionExpression}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"AttributesToGet":[]}',
    "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ProjectionExpression":""}',
    'Invalid ProjectionExpression: The expression can not be empty;',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ProjectionExpression":"a,a"}',
    'Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ProjectionExpression":"p.x"}',
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: p",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ProjectionExpression":"l[0]"}',
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: l",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"FilterExpression":""}',
    'Invalid FilterExpression: The expression can not be empty;',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"FilterExpression":"x"}',
    'Invalid FilterExpression: Syntax error; token: "<EOF>", near: "x"',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"}},"FilterExpression":"p = :b"}',
    'Filter Expression can only contain non-primary key attributes: Primary key attribute: p',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"},":c":{"S":"c"}},"FilterExpression":"x = :b"}',
    'Value provided in ExpressionAttributeValues unused in expressions: keys: {:c}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"FilterExpression":"foo(x)"}',
    'Invalid FilterExpression: Invalid function name; function: foo',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"},":n":{"N":"1"}},"FilterExpression":"x BETWEEN :b AND :n"}',
    'Invalid FilterExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {N:1}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"}},"FilterExpression":"name = :b"}',
    'Invalid FilterExpression: Attribute name is a reserved keyword; reserved keyword: name',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"},":n":{"N":"1"}},"FilterExpression":"begins_with(x, :n)"}',
    'Invalid FilterExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExclusiveStartKey":{"p":{"S":"a"},"s":{"N":"x"}}}',
    'The parameter cannot be converted to a numeric value: x',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"IndexName":"nope","Select":"ALL_ATTRIBUTES"}',
    'The table does not have the specified index: nope',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ProjectionExpression":"#a"}',
    'Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #a',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{"#a":"a","#b":"b"}}',
    'Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{}}',
    'ExpressionAttributeNames must not be empty',
  ],
  [
    'Scan',
    '{"TableName":"tab","Select":"x"}',
    "1 validation error detected: Value 'x' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
  ],
  [
    'Scan',
    '{"TableName":"tab","Select":"SPECIFIC_ATTRIBUTES"}',
    'Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES',
  ],
  [
    'Scan',
    '{"TableName":"tab","Select":"COUNT","ProjectionExpression":"x"}',
    'Cannot specify the ProjectionExpression when choosing to get only the Count',
  ],
  [
    'Scan',
    '{"TableName":"tab","Select":"ALL_ATTRIBUTES","ProjectionExpression":"x"}',
    'Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES',
  ],
  [
    'Scan',
    '{"TableName":"tab","Select":"ALL_PROJECTED_ATTRIBUTES","ProjectionExpression":"x"}',
    'Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES',
  ],
  [
    'Scan',
    '{"TableName":"tab","Limit":0}',
    "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'Scan',
    '{"TableName":"tab","Limit":-1}',
    "1 validation error detected: Value '-1' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'Scan',
    '{"TableName":"tab","ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'Scan',
    '{"TableName":"tab","ConditionalOperator":"x"}',
    "1 validation error detected: Value 'x' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
  ],
  [
    'Scan',
    '{"TableName":"tab","ConditionalOperator":"AND"}',
    'One or more parameter values were invalid: ConditionalOperator cannot be used without Filter or Expected',
  ],
  [
    'Scan',
    '{"TableName":"tab","AttributesToGet":[]}',
    "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  ['Scan', '{"TableName":"tab","ProjectionExpression":""}', 'Invalid ProjectionExpression: The expression can not be empty;'],
  [
    'Scan',
    '{"TableName":"tab","ProjectionExpression":"a,a"}',
    'Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]',
  ],
  [
    'Scan',
    '{"TableName":"tab","ProjectionExpression":"p.x"}',
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: p",
  ],
  [
    'Scan',
    '{"TableName":"tab","ProjectionExpression":"l[0]"}',
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: l",
  ],
  [
    'Scan',
    '{"TableName":"tab","FilterExpression":"","ExpressionAttributeValues":{}}',
    'ExpressionAttributeValues must not be empty',
  ],
  [
    'Scan',
    '{"TableName":"tab","FilterExpression":"x = :b","ExpressionAttributeValues":{":b":{"S":"b"},":c":{"S":"c"}}}',
    'Value provided in ExpressionAttributeValues unused in expressions: keys: {:c}',
  ],
  [
    'Scan',
    '{"TableName":"tab","FilterExpression":"x BETWEEN :b AND :n","ExpressionAttributeValues":{":b":{"S":"b"},":n":{"N":"1"}}}',
    'Invalid FilterExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {N:1}',
  ],
  [
    'Scan',
    '{"TableName":"tab","FilterExpression":"name = :b","ExpressionAttributeValues":{":b":{"S":"b"}}}',
    'Invalid FilterExpression: Attribute name is a reserved keyword; reserved keyword: name',
  ],
  [
    'Scan',
    '{"TableName":"tab","FilterExpression":"begins_with(x, :n)","ExpressionAttributeValues":{":n":{"N":"1"}}}',
    'Invalid FilterExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N',
  ],
  [
    'Scan',
    '{"TableName":"tab","ExclusiveStartKey":{}}',
    'The provided starting key is invalid: The provided key element does not match the schema',
  ],
  [
    'Scan',
    '{"TableName":"tab","ExclusiveStartKey":{"p":{"S":"a"},"s":{"N":"x"}}}',
    'The parameter cannot be converted to a numeric value: x',
  ],
  [
    'Scan',
    '{"TableName":"tab","IndexName":"nope","Select":"ALL_ATTRIBUTES"}',
    'The table does not have the specified index: nope',
  ],
  [
    'Scan',
    '{"TableName":"tab","AttributesToGet":["x"],"Select":"COUNT"}',
    'Cannot specify the AttributesToGet when choosing to get only the Count',
  ],
  [
    'Scan',
    '{"TableName":"tab","AttributesToGet":["x"],"ProjectionExpression":"y"}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}',
  ],
  [
    'Scan',
    '{"TableName":"tab","ProjectionExpression":"#a"}',
    'Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #a',
  ],
  [
    'Scan',
    '{"TableName":"tab","ProjectionExpression":"#a","ExpressionAttributeNames":{"#a":"a","#b":"b"}}',
    'Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}',
  ],
  [
    'Scan',
    '{"TableName":"tab","ExpressionAttributeNames":{"#b":"b"}}',
    'ExpressionAttributeNames can only be specified when using expressions',
  ],
  ['Query', '{"TableName":"tab","KeyConditions":{}}', 'Conditions can be of length 1 or 2 only'],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{}}}',
    "1 validation error detected: Value null at 'keyConditions.p.member.comparisonOperator' failed to satisfy constraint: Member must not be null",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"GT"}}}',
    'Query key condition not supported',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"x"}}}',
    "1 validation error detected: Value 'x' at 'keyConditions.p.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"},"s":{"ComparisonOperator":"IN","AttributeValueList":[{"N":"1"}]}}}',
    'Attempted conditional constraint is not an indexable operation',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"},"s":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"N":"2"},{"N":"1"}]}}}',
    'The BETWEEN condition was provided a range where the lower bound is greater than the upper bound',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{}],"ComparisonOperator":"EQ"}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":""}],"ComparisonOperator":"EQ"}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"KeyConditionExpression":"p = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {KeyConditions} Expression parameters: {KeyConditionExpression}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"QueryFilter":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}}}',
    'QueryFilter can only contain non-primary key attributes: Primary key attribute: p',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"QueryFilter":{"x":{}}}',
    "1 validation error detected: Value null at 'queryFilter.x.member.comparisonOperator' failed to satisfy constraint: Member must not be null",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"QueryFilter":{"x":{"ComparisonOperator":"x"}}}',
    "1 validation error detected: Value 'x' at 'queryFilter.x.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"ExpressionAttributeValues":{":a":{"S":"a"}}}',
    'ExpressionAttributeValues can only be specified when using expressions: FilterExpression and KeyConditionExpression are null',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditions":{"p":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"QueryFilter":{"x":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"FilterExpression":"y = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {QueryFilter} Expression parameters: {FilterExpression}',
  ],
  [
    'Query',
    '{"TableName":"tab","KeyConditionExpression":"p = :a AND s > :n","ExpressionAttributeValues":{":a":{"S":"a"},":n":{"N":"1"}},"ExclusiveStartKey":{"p":{"S":"a"},"s":{"N":"0"}}}',
    'The provided starting key does not match the range key predicate',
  ],
  ['Scan', '{}', "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"],
  [
    'Scan',
    '{"TableName":"x"}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  ['Scan', '{"TableName":"nope"}', 'Requested resource not found', 'ResourceNotFoundException'],
  [
    'Scan',
    '{"TableName":"tab","Segment":0}',
    'The TotalSegments parameter is required but was not present in the request when Segment parameter is present',
  ],
  [
    'Scan',
    '{"TableName":"tab","TotalSegments":1}',
    'The Segment parameter is required but was not present in the request when parameter TotalSegments is present',
  ],
  [
    'Scan',
    '{"TableName":"tab","Segment":1,"TotalSegments":1}',
    'The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 1 is not less than TotalSegments: 1',
  ],
  [
    'Scan',
    '{"TableName":"tab","Segment":-1,"TotalSegments":1}',
    "1 validation error detected: Value '-1' at 'segment' failed to satisfy constraint: Member must have value greater than or equal to 0",
  ],
  [
    'Scan',
    '{"TableName":"tab","Segment":0,"TotalSegments":0}',
    "1 validation error detected: Value '0' at 'totalSegments' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'Scan',
    '{"TableName":"tab","Segment":0,"TotalSegments":1000001}',
    "1 validation error detected: Value '1000001' at 'totalSegments' failed to satisfy constraint: Member must have value less than or equal to 1000000",
  ],
  [
    'Scan',
    '{"TableName":"tab","Segment":1000000,"TotalSegments":1000000}',
    "1 validation error detected: Value '1000000' at 'segment' failed to satisfy constraint: Member must have value less than or equal to 999999",
  ],
  [
    'Scan',
    '{"TableName":"tab","Segment":5,"TotalSegments":4}',
    'The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 5 is not less than TotalSegments: 4',
  ],
  [
    'Scan',
    '{"TableName":"tab","IndexName":"gix","ConsistentRead":true}',
    'Consistent reads are not supported on global secondary indexes',
  ],
  [
    'Scan',
    '{"TableName":"tab","ScanFilter":{"x":{}}}',
    "1 validation error detected: Value null at 'scanFilter.x.member.comparisonOperator' failed to satisfy constraint: Member must not be null",
  ],
  [
    'Scan',
    '{"TableName":"tab","ScanFilter":{"x":{"AttributeValueList":[{"S":"a"}],"ComparisonOperator":"EQ"}},"FilterExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {ScanFilter} Expression parameters: {FilterExpression}',
  ],
  [
    'Scan',
    '{"TableName":"tab","ScanFilter":{"x":{"ComparisonOperator":"BETWEEN","AttributeValueList":[{"S":"b"},{"S":"a"}]}}}',
    'The BETWEEN condition was provided a range where the lower bound is greater than the upper bound',
  ],
  [
    'Scan',
    '{"TableName":"tab","ScanFilter":{"x":{"AttributeValueList":[{}],"ComparisonOperator":"EQ"}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'Scan',
    '{"TableName":"tab","ExclusiveStartKey":{"p":{"S":"z"},"s":{"N":"1"}},"Segment":0,"TotalSegments":2}',
    'The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: 2 Segment: 0',
  ],
];
