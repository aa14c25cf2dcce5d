import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const itemUpdates: readonly Refusal[] = [
  [
    'UpdateItem',
    '{}',
    "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}}}',
    "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":""}',
    "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a"}',
    "1 validation error detected: Value 'a' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"ab"}',
    "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"a;b"}',
    "1 validation error detected: Value 'a;b' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"nope"}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
  [
    'UpdateItem',
    '{"Key":{"p":{"S":"a"},"s":{"N":"1"}},"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/x"}',
    "1 validation error detected: Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnItemCollectionMetrics":"x"}',
    "1 validation error detected: Value 'x' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValues":"x"}',
    '1 validation error detected: Failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionalOperator":"x"}',
    "1 validation error detected: Value 'x' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionalOperator":"AND"}',
    '1 validation error detected: One or more parameter values were invalid: ConditionalOperator cannot be used without Expected',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ReturnValuesOnConditionCheckFailure":"x"}',
    "1 validation error detected: Value 'x' at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab"}',
    "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":""}',
    '1 validation error detected: Invalid ConditionExpression: The expression can not be empty;',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"   "}',
    '1 validation error detected: Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "   "',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #x',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"}}}',
    '1 validation error detected: Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#y":"x"}}',
    '1 validation error detected: Value provided in ExpressionAttributeNames unused in expressions: keys: {#y}',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{"a":{"S":"a"}}}',
    '1 validation error detected: ExpressionAttributeValues contains invalid key: Syntax error; key: "a"',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"x":"x"}}',
    '1 validation error detected: ExpressionAttributeNames contains invalid key: Syntax error; key: "x"',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"#x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"ExpressionAttributeNames":{"#x":""}}',
    '1 validation error detected: ExpressionAttributeNames contains invalid value: Empty attribute name for key #x',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :a',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a","N":"1"}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes for key :a',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"N":"abc"}}}',
    '1 validation error detected: The parameter cannot be converted to a numeric value: abc',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}},"Expected":{"y":{"Exists":false}}}',
    '1 validation error detected: Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{}}}',
    '1 validation error detected: One or more parameter values were invalid: Value must be provided when Exists is null for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Exists":true}}}',
    '1 validation error detected: One or more parameter values were invalid: Value must be provided when Exists is true for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Exists":false,"Value":{"S":"a"}}}}',
    '1 validation error detected: One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Value":{"S":"a"},"AttributeValueList":[{"S":"a"}]}}}',
    '1 validation error detected: One or more parameter values were invalid: Value and AttributeValueList cannot be used together for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"AttributeValueList":[{"S":"a"}]}}}',
    '1 validation error detected: One or more parameter values were invalid: AttributeValueList can only be used with a ComparisonOperator for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"EQ"}}}',
    '1 validation error detected: One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"x"}}}',
    '1 validation error detected: One or more parameter values were invalid: Value or AttributeValueList must be used with ComparisonOperator: x for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"ComparisonOperator":"EQ","Exists":true,"Value":{"S":"a"}}}}',
    '1 validation error detected: One or more parameter values were invalid: Exists and ComparisonOperator cannot be used together for Attribute: y',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"Expected":{"y":{"Value":{}}}}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :v',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a","N":"1"},"s":{"N":"1"}}}',
    'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"S":"a","N":"1"}}}',
    'ExpressionAttributeValues contains invalid value: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes for key :v',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":""},"s":{"N":"1"}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET #p = :v","ExpressionAttributeNames":{"#p":"p"},"ExpressionAttributeValues":{":v":{"S":""}}}',
    'One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key',
  ],
  ['UpdateItem', '{"TableName":"tab","Key":{"p":{"N":"1"},"s":{"N":"1"}}}', 'The provided key element does not match the schema'],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"N":"1"}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: N IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"B":"AA=="}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: B IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"SS":["a"]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: SS IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"BOOL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: BOOL IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"NULL":true}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: NULL IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"L":[]}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: L IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET l = :v","ExpressionAttributeValues":{":v":{"M":{}}}}',
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: M IndexName: lix',
  ],
  [
    'UpdateItem',
    '{"TableName":"bin","Key":{"p":{"B":""},"s":{"B":"AA=="}}}',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: p',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"ADD x :B","ExpressionAttributeValues":{":B":{"B":"AA=="}}}',
    '1 validation error detected: Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: BINARY, typeSet: ALLOWED_FOR_ADD_OPERAND',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET x = :a","ConditionExpression":"x = :b","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"b"},":c":{"S":"c"}}}',
    '1 validation error detected: Value provided in ExpressionAttributeValues unused in expressions: keys: {:c}',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET","ConditionExpression":"x =","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "SET"',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"","ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Invalid UpdateExpression: The expression can not be empty;',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET name = :a","ConditionExpression":"foo(x)","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET x = :a","ConditionExpression":"foo(x)","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Invalid ConditionExpression: Invalid function name; function: foo',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"SET x = :a","AttributeUpdates":{"x":{"Action":"DELETE"}},"ExpressionAttributeValues":{":a":{"S":"a"}}}',
    '1 validation error detected: Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributeUpdates} Expression parameters: {UpdateExpression}',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"UpdateExpression":"REMOVE x","ConditionExpression":"attribute_exists(x)","AttributeUpdates":{"x":{"Action":"DELETE"}},"Expected":{"x":{"Exists":false}}}',
    '1 validation error detected: Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributeUpdates, Expected} Expression parameters: {UpdateExpression, ConditionExpression}',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"a"},"s":{"N":"1"}},"AttributeUpdates":{"x":{"Action":"x","Value":{"S":"a"}}}}',
    "1 validation error detected: Value 'x' at 'attributeUpdates.x.member.action' failed to satisfy constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]",
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"zz"},"s":{"N":"1"}},"UpdateExpression":"SET x.y = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}',
    'The document path provided in the update expression is invalid for update',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"zz"},"s":{"N":"1"}},"UpdateExpression":"SET x = x + :a","ExpressionAttributeValues":{":a":{"N":"1"}}}',
    'The provided expression refers to an attribute that does not exist in the item',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"zz"},"s":{"N":"1"}},"UpdateExpression":"SET x = :a + :b","ExpressionAttributeValues":{":a":{"N":"9e125"},":b":{"N":"9e125"}}}',
    'Number overflow. Attempting to store a number with magnitude larger than supported range',
  ],
  [
    'UpdateItem',
    '{"TableName":"tab","Key":{"p":{"S":"zz"},"s":{"N":"1"}},"UpdateExpression":"SET x = :a + :b","ExpressionAttributeValues":{":a":{"N":"1e30"},":b":{"N":"1e-30"}}}',
    'Attempting to store more than 38 significant digits in a Number',
  ],
];
