/** Key conditions that a Query refuses, of the table or of an index. */
export const keyConditions: readonly (readonly [expression: string, message: string, index?: string])[] = [
  ['', 'Invalid KeyConditionExpression: The expression can not be empty;'],
  ['p', 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "p"'],
  ['p =', 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "="'],
  ['p = :a AND s <> :n', 'Invalid operator used in KeyConditionExpression: <>'],
  ['p <> :a', 'Invalid operator used in KeyConditionExpression: <>'],
  ['p > :a', 'Query key condition not supported'],
  ['p >= :a', 'Query key condition not supported'],
  ['p = :a AND size(s) = :n', 'KeyConditionExpressions cannot contain nested operations'],
  ['p = :a AND s = size(p)', 'KeyConditionExpressions cannot contain nested operations'],
  [
    'p = :a AND begins_with(s, :n)',
    'Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N',
  ],
  [
    'p = :a AND begins_with(s, :a)',
    'One or more parameter values were invalid: Condition parameter type does not match schema type',
  ],
  [
    'p = :a AND s BETWEEN :m AND :n',
    'Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}',
  ],
  [
    'p = :a AND s BETWEEN :n AND :a',
    'Invalid KeyConditionExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}',
  ],
  [
    'p = :a AND s = :n AND s = :m',
    'Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key',
  ],
  [
    'p = :a AND s = :n AND x = :m',
    'The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)',
  ],
  ['p = :a AND x = :n', 'Query condition missed key schema element: s'],
  ['x = :a', 'Query condition missed key schema element: p'],
  ['p = s', 'Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition'],
  [
    'p = p',
    'Invalid KeyConditionExpression: The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [p]',
  ],
  [
    'p = :a AND s = s',
    'Invalid KeyConditionExpression: The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [s]',
  ],
  ['p = :a AND s = p', 'Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition'],
  ['p = :n', 'One or more parameter values were invalid: Condition parameter type does not match schema type'],
  [
    'p = :e',
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  ['p = :a AND foo(s)', 'Invalid KeyConditionExpression: Invalid function name; function: foo'],
  ['foo(p)', 'Invalid KeyConditionExpression: Invalid function name; function: foo'],
  ['name = :a', 'Invalid KeyConditionExpression: Attribute name is a reserved keyword; reserved keyword: name'],
  [
    'p = :undefined',
    'Invalid KeyConditionExpression: An expression attribute value used in expression is not defined; attribute value: :undefined',
  ],
  [
    '#p = :a',
    'Invalid KeyConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #p',
  ],
  [
    'p = :a AND begins_with(:n, s)',
    'Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: begins_with, operand type: N',
  ],
  [
    'p = :a AND begins_with(s)',
    'Invalid KeyConditionExpression: Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1',
  ],
  [
    'p = :a AND s < :l',
    'Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: <, operand type: L',
  ],
  ['p = :a AND x.y = :n', 'KeyConditionExpressions cannot have conditions on nested attributes'],
  [
    'p = begins_with(p, :a)',
    'Invalid KeyConditionExpression: The function is not allowed to be used this way in an expression; function: begins_with',
  ],
  [
    'p BETWEEN :b AND :a AND s = :n',
    'Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}',
  ],
  [
    'h = :a AND p = :b',
    'The number of query conditions (2) exceeds the number of key attributes defined in the schema (1)',
    'inc',
  ],
  [
    'p = :a',
    "1 validation error detected: Value 'ab' at 'indexName' failed to satisfy constraint: Member must have length greater than or equal to 3",
    'ab',
  ],
  [
    'p = :a',
    "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'indexName' failed to satisfy constraint: Member must have length less than or equal to 255",
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  ],
  [
    'p = :a',
    "1 validation error detected: Value 'a;bc' at 'indexName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
    'a;bc',
  ],
  ['p = :a', 'The table does not have the specified index: nope', 'nope'],
];
