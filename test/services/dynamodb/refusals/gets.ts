import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const gets: readonly Refusal[] = [
  [
    'GetItem',
    '{}',
    "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}}}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":""}',
    "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a"}',
    "1 validation error detected: Value 'a' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"ab"}',
    "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a;b"}',
    "1 validation error detected: Value 'a;b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"nope"}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'GetItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/x"}',
    "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'GetItem',
    '{"TableName":"tab"}',
    "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ExpressionAttributeNames":{}}',
    'ExpressionAttributeNames can only be specified when using expressions',
  ],
  [
    'DeleteItem',
    '{}',
    "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}}}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":""}',
    "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a"}',
    "1 validation error detected: Value 'a' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"ab"}',
    "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a;b"}',
    "1 validation error detected: Value 'a;b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"nope"}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'DeleteItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/x"}',
    "1 validation error detected: Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnItemCollectionMetrics":"x"}',
    "1 validation error detected: Value 'x' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]",
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValues":"x"}',
    '1 validation error detected: Failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionalOperator":"x"}',
    "1 validation error detected: Value 'x' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionalOperator":"AND"}',
    '1 validation error detected: One or more parameter values were invalid: ConditionalOperator cannot be used without Expected',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValuesOnConditionCheckFailure":"x"}',
    "1 validation error detected: Value 'x' at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]",
  ],
  [
    'DeleteItem',
    '{"TableName":"tab"}',
    "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#y":"x"}}',
    '1 validation error detected: Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #x',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"}}}',
    '1 validation error detected: Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#y":"x"}}',
    '1 validation error detected: Value provided in ExpressionAttributeNames unused in expressions: keys: {#y}',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{"a":{"S":"a"}}}',
    '1 validation error detected: ExpressionAttributeValues contains invalid key: Syntax error; key: "a"',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"x":"x"}}',
    '1 validation error detected: ExpressionAttributeNames contains invalid key: Syntax error; key: "x"',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#x":""}}',
    '1 validation error detected: ExpressionAttributeNames contains invalid value: Empty attribute name for key #x',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :a',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a","N":"1"}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes for key :a',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"N":"abc"}}}',
    '1 validation error detected: The parameter cannot be converted to a numeric value: abc',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Expected":{"y":{"Exists":false}}}',
    '1 validation error detected: Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{}}}',
    '1 validation error detected: One or more parameter values were invalid: Value must be provided when Exists is null for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Exists":true}}}',
    '1 validation error detected: One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Exists":false,"Value":{"S":"a"}}}}',
    '1 validation error detected: One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Value":{"S":"a"},"AttributeValueList":[{"S":"a"}]}}}',
    '1 validation error detected: One or more parameter values were invalid: Value and AttributeValueList cannot be used together for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"AttributeValueList":[{"S":"a"}]}}}',
    '1 validation error detected: One or more parameter values were invalid: AttributeValueList can only be used with a ComparisonOperator for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"EQ"}}}',
    '1 validation error detected: One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"x"}}}',
    '1 validation error detected: One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: x for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"EQ","Exists":true,"Value":{"S":"a"}}}}',
    '1 validation error detected: One or more parameter values were invalid: Exists and ComparisonOperator cannot be used together for Attribute: y',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Value":{}}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{},"s":{"N":"1"}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a","N":"1"},"s":{"N":"1"}}}',
    'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":"a","N":"1"},"s":{"N":"1"}}}',
    'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"N":"abc"},"s":{"N":"1"}}}',
    'The parameter cannot be converted to a numeric value: abc',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"NULL":false},"s":{"N":"1"}}}',
    'One or more parameter values were invalid: Null attribute value types must have the value of true',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":""},"s":{"N":"1"}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'DeleteItem',
    '{"TableName":"tab","Key":{"p":{"S":""},"s":{"N":"1"}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  ['GetItem', '{"TableName":"tab","Key":{"p":{"N":"1"},"s":{"N":"1"}}}', 'The provided key element does not match the schema'],
  ['DeleteItem', '{"TableName":"tab","Key":{"p":{"N":"1"},"s":{"N":"1"}}}', 'The provided key element does not match the schema'],
  [
    'GetItem',
    '{"TableName":"bin","Key":{"p":{"B":""},"s":{"B":"AA=="}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: p',
  ],
  [
    'DeleteItem',
    '{"TableName":"bin","Key":{"p":{"B":""},"s":{"B":"AA=="}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: p',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{}}',
    'ExpressionAttributeNames must not be empty',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{"#a":"a","#b":"b"}}',
    'Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{"a":"a"}}',
    'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{"#a":""}}',
    'ExpressionAttributeNames contains invalid value: Empty attribute name for key #a',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a,#b","ExpressionAttributeNames":{"#a":"a","#b":"a"}}',
    'Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a.b,a.#b","ExpressionAttributeNames":{"#a":"a","#b":"b"}}',
    'Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, b]',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{"#xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":"a"}}',
    'Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #a',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a","ExpressionAttributeNames":{"#xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx":"a"}}',
    'ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too long; size of key: 256',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"#a b","ExpressionAttributeNames":{"#a":"a"}}',
    'Invalid ProjectionExpression: Syntax error; token: "b", near: "#a b"',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"a","AttributesToGet":["a"]}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}',
  ],
  [
    'GetItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"AttributesToGet":[]}',
    "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  ['GetItem', '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"AttributesToGet":[""]}', 'Empty attribute name'],
];
