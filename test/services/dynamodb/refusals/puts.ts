import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const puts: readonly Refusal[] = [
  [
    'PutItem',
    '{}',
    "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'item' failed to satisfy constraint: Member must not be null",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}}}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":""}',
    "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a"}',
    "1 validation error detected: Value 'a' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"ab"}',
    "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a;b"}',
    "1 validation error detected: Value 'a;b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"nope"}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'PutItem',
    '{"Item":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/x"}',
    "1 validation error detected: Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnItemCollectionMetrics":"x"}',
    "1 validation error detected: Value 'x' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]",
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValues":"x"}',
    '1 validation error detected: Failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionalOperator":"x"}',
    "1 validation error detected: Value 'x' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionalOperator":"AND"}',
    '1 validation error detected: One or more parameter values were invalid: ConditionalOperator cannot be used without Expected',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValuesOnConditionCheckFailure":"x"}',
    "1 validation error detected: Value 'x' at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]",
  ],
  [
    'PutItem',
    '{"TableName":"tab"}',
    "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null",
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":""}',
    '1 validation error detected: Invalid ConditionExpression: The expression can not be empty;',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"   "}',
    '1 validation error detected: Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "   "',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #x',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"}}}',
    '1 validation error detected: Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#y":"x"}}',
    '1 validation error detected: Value provided in ExpressionAttributeNames unused in expressions: keys: {#y}',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{"a":{"S":"a"}}}',
    '1 validation error detected: ExpressionAttributeValues contains invalid key: Syntax error; key: "a"',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"x":"x"}}',
    '1 validation error detected: ExpressionAttributeNames contains invalid key: Syntax error; key: "x"',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#x":""}}',
    '1 validation error detected: ExpressionAttributeNames contains invalid value: Empty attribute name for key #x',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :a',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a","N":"1"}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes for key :a',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"N":"abc"}}}',
    '1 validation error detected: The parameter cannot be converted to a numeric value: abc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Expected":{"y":{"Exists":false}}}',
    '1 validation error detected: Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{}}}',
    '1 validation error detected: One or more parameter values were invalid: Value must be provided when Exists is null for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Exists":true}}}',
    '1 validation error detected: One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Exists":false,"Value":{"S":"a"}}}}',
    '1 validation error detected: One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Value":{"S":"a"},"AttributeValueList":[{"S":"a"}]}}}',
    '1 validation error detected: One or more parameter values were invalid: Value and AttributeValueList cannot be used together for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"AttributeValueList":[{"S":"a"}]}}}',
    '1 validation error detected: One or more parameter values were invalid: AttributeValueList can only be used with a ComparisonOperator for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"EQ"}}}',
    '1 validation error detected: One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"x"}}}',
    '1 validation error detected: One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: x for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"EQ","Exists":true,"Value":{"S":"a"}}}}',
    '1 validation error detected: One or more parameter values were invalid: Exists and ComparisonOperator cannot be used together for Attribute: y',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Value":{}}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{"S":"a","N":"1"}}}',
    'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"x":{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"L":[{"S":"x"}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}]}}}',
    '1 validation error detected: Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":""},"s":{"N":"1"}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"S":""}}}',
    'One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: lix, IndexKey: l',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"S":""}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: S IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"S":""}}}',
    'One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: inc, IndexKey: h',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"N":"1"},"s":{"N":"1"}}}',
    'One or more parameter values were invalid: Type mismatch for key p expected: S actual: N',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"N":"1"}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: N IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"N":"1"}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: N IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"B":"AA=="}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: B IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"B":"AA=="}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: B IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"B":"AA=="}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: B IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"SS":["a"]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: SS IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"SS":["a"]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: SS IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"SS":["a"]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: SS IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"BOOL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: BOOL IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"BOOL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: BOOL IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"BOOL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: BOOL IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"NULL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: NULL IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"NULL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: NULL IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"NULL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: NULL IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"L":[]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: L IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"L":[]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: L IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"L":[]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: L IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"l":{"M":{}}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: M IndexName: lix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"g":{"M":{}}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key g Expected: N Actual: M IndexName: gix',
  ],
  [
    'PutItem',
    '{"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"h":{"M":{}}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key h Expected: S Actual: M IndexName: inc',
  ],
  [
    'PutItem',
    '{"TableName":"bin","Item":{"p":{"B":""},"s":{"B":"AA=="}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: p',
  ],
];
