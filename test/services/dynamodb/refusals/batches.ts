import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const batches: readonly Refusal[] = [
  [
    'BatchGetItem',
    '{}',
    "1 validation error detected: Value null at 'requestItems' failed to satisfy constraint: Member must not be null",
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{}}',
    "1 validation error detected: Value at 'RequestItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"x":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}}}',
    '1 validation error detected: Value \'{"x":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}}\' at \'requestItems\' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"nope":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}}}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{}}}',
    "1 validation error detected: Value null at 'requestItems.tab.member.keys' failed to satisfy constraint: Member must not be null",
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[]}}}',
    "1 validation error detected: Value '[]' at 'requestItems.tab.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  ['BatchGetItem', '{"RequestItems":{"tab":{"Keys":[{}]}}}', 'The provided key element does not match the schema'],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}},{"p":{"S":"a"},"s":{"N":"1"}}]}}}',
    'Provided list of item keys contains duplicates',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{},"s":{"N":"1"}}]}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"ProjectionExpression":""}}}',
    'Invalid ProjectionExpression: The expression can not be empty;',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"ProjectionExpression":"a,a"}}}',
    'Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"AttributesToGet":[]}}}',
    "1 validation error detected: Value '[]' at 'requestItems.tab.member.attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"AttributesToGet":["a","a"]}}}',
    'One or more parameter values were invalid: Duplicate value in attribute name: a',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"AttributesToGet":["a"],"ProjectionExpression":"a"}}}',
    'Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"ExpressionAttributeNames":{"#a":"a"}}}}',
    'ExpressionAttributeNames can only be specified when using expressions',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"ProjectionExpression":"b","ExpressionAttributeNames":{"#a":"a"}}}}',
    'Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"ProjectionExpression":"#b"}}}',
    'Invalid ProjectionExpression: An expression attribute name used in the document path is not defined; attribute name: #b',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":""},"s":{"N":"1"}}]}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"tab":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}],"ProjectionExpression":"p.x"}}}',
    "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: p",
  ],
  [
    'BatchGetItem',
    '{"RequestItems":{"a":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]},"bb":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}}}',
    '1 validation error detected: Value \'{"a":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]},"bb":{"Keys":[{"p":{"S":"a"},"s":{"N":"1"}}]}}\' at \'requestItems\' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]',
  ],
  [
    'BatchWriteItem',
    '{}',
    "1 validation error detected: Value null at 'requestItems' failed to satisfy constraint: Member must not be null",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{}}',
    "1 validation error detected: Value at 'RequestItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"x":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}}',
    '1 validation error detected: Value \'{"x":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}\' at \'requestItems\' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"nope":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[]}}',
    "1 validation error detected: Value '{tab=[]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{}]}}',
    'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}},{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}}',
    'Provided list of item keys contains duplicates',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{}}}]}}',
    'The provided key element does not match the schema',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{}}}}]}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{"SS":[]}}}}]}}',
    'One or more parameter values were invalid: An string set  may not be empty',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{"N":"x"}}}}]}}',
    'The parameter cannot be converted to a numeric value: x',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"N":"1"}}}}]}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: N IndexName: lix',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"S":""}}}}]}}',
    'One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: lix, IndexKey: l',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":""},"s":{"N":"1"}}}}]}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{}}]}}',
    "1 validation error detected: Value null at 'requestItems.tab.member.1.member.putRequest.item' failed to satisfy constraint: Member must not be null",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"DeleteRequest":{}}]}}',
    "1 validation error detected: Value null at 'requestItems.tab.member.1.member.deleteRequest.key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"tab":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]},"ReturnItemCollectionMetrics":"x"}',
    "1 validation error detected: Value 'x' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]",
  ],
  [
    'BatchWriteItem',
    '{"RequestItems":{"a":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}],"bb":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}}',
    '1 validation error detected: Value \'{"a":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}],"bb":[{"PutRequest":{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}\' at \'requestItems\' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]',
  ],
  [
    'TransactWriteItems',
    '{}',
    "1 validation error detected: Value null at 'transactItems' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[]}',
    "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}},"Delete":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    'TransactItems can only contain one of Check, Put, Update or Delete',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}}},{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    'Transaction request cannot include multiple operations on one item',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"x","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"nope","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{}}]}',
    "2 validation errors detected: Value null at 'transactItems.1.member.put.item' failed to satisfy constraint: Member must not be null; Value null at 'transactItems.1.member.put.tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab"}}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.put.item' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Update":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.update.updateExpression' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"ConditionCheck":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.conditionCheck.conditionExpression' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Delete":{"TableName":"tab"}}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.delete.key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{}}}}]}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{"N":"x"}}}}]}',
    'The parameter cannot be converted to a numeric value: x',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"S":""}}}}]}',
    'One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: lix, IndexKey: l',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":""},"s":{"N":"1"}}}}]}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Update":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":""}}]}',
    'Invalid UpdateExpression: The expression can not be empty;',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Update":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET"}}]}',
    'Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"foo(x)"}}]}',
    'Invalid ConditionExpression: Invalid function name; function: foo',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":""}}]}',
    'Invalid ConditionExpression: The expression can not be empty;',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"attribute_exists(x)","ExpressionAttributeValues":{":a":{"S":"a"}}}}]}',
    'Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ExpressionAttributeValues":{":a":{"S":"a"}}}}]}',
    'ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ExpressionAttributeNames":{"#a":"a"}}}]}',
    'ExpressionAttributeNames can only be specified when using expressions',
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValuesOnConditionCheckFailure":"x"}}]}',
    "1 validation error detected: Value 'x' at 'transactItems.1.member.put.returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}],"ClientRequestToken":""}',
    "1 validation error detected: Value '' at 'clientRequestToken' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}],"ClientRequestToken":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}],"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Put":{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}}}}],"ReturnItemCollectionMetrics":"x"}',
    "1 validation error detected: Value 'x' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]",
  ],
  [
    'TransactWriteItems',
    '{"TransactItems":[{"Update":{"TableName":"tab","UpdateExpression":"REMOVE x"}}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.update.key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactGetItems',
    '{}',
    "1 validation error detected: Value null at 'transactItems' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[]}',
    "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.get' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{}}]}',
    "2 validation errors detected: Value null at 'transactItems.1.member.get.key' failed to satisfy constraint: Member must not be null; Value null at 'transactItems.1.member.get.tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab"}}]}',
    "1 validation error detected: Value null at 'transactItems.1.member.get.key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}}}},{"Get":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    'Transaction request cannot include multiple operations on one item',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"x","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    "1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"nope","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}]}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{"S":""},"s":{"N":"1"}}}}]}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{},"s":{"N":"1"}}}}]}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":""}}]}',
    'Invalid ProjectionExpression: The expression can not be empty;',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ProjectionExpression":"a,a"}}]}',
    'Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ExpressionAttributeNames":{"#a":"a"}}}]}',
    'ExpressionAttributeNames can only be specified when using expressions',
  ],
  [
    'TransactGetItems',
    '{"TransactItems":[{"Get":{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}}}}],"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
];
