import type { Refusal } from './refusal.ts';

/** Requests that AWS refuses. */
export const statements: readonly Refusal[] = [
  [
    'ExecuteStatement',
    '{"Statement":""}',
    "1 validation error detected: Value '' at 'statement' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  ['ExecuteStatement', '{"Statement":"SELECT * FROM nope"}', 'Requested resource not found', 'ResourceNotFoundException'],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM tab WHERE p = ?"}',
    "Number of parameters in request and statement don't match.",
  ],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM \\"tab\\".\\"nope\\" WHERE g = 1"}',
    'The table does not have the specified index',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM tab LIMIT 1"}',
    "Statement wasn't well formed, can't be processed: Unexpected token after expression",
  ],
  [
    'ExecuteStatement',
    '{"Statement":"INSERT INTO tab VALUE {\'p\':1,\'s\':1}"}',
    'One or more parameter values were invalid: Type mismatch for key p expected: S actual: N',
  ],
  [
    'ExecuteStatement',
    "{\"Statement\":\"INSERT INTO tab VALUE {'p':'','s':1}\"}",
    'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p',
  ],
  [
    'ExecuteStatement',
    "{\"Statement\":\"INSERT INTO tab VALUE {'p':'q','s':3,'l':1}\"}",
    'One or more parameter values were invalid: Type mismatch for Index Key l Expected: S Actual: N IndexName: lix',
  ],
  [
    'ExecuteStatement',
    "{\"Statement\":\"INSERT INTO tab VALUE {'p':'q','s':6,'x':<<1,1>>}\"}",
    'Input collection contains duplicates',
  ],
  [
    'ExecuteStatement',
    "{\"Statement\":\"INSERT INTO tab VALUE {'p':'q','s':7,'x':123456789012345678901234567890123456789012}\"}",
    'Attempting to store more than 38 significant digits in a Number',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"UPDATE tab SET x = 1 WHERE p = \'q\'"}',
    'Where clause does not contain a mandatory equality on all key attributes',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"UPDATE tab SET p = \'r\' WHERE p = \'q\' AND s = 1"}',
    'One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"DELETE FROM tab WHERE p = \'q\' AND s = 1 RETURNING ALL NEW *"}',
    'Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in DELETE statements.',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"DELETE FROM tab WHERE p = 1 AND s = 1"}',
    'The provided key element does not match the schema',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"EXISTS(SELECT * FROM tab WHERE p = \'a\' AND s = 1)"}',
    'EXISTS can only be used in ExecuteTransaction write requests.',
  ],
  [
    'ExecuteStatement',
    '{}',
    "1 validation error detected: Value null at 'statement' failed to satisfy constraint: Member must not be null",
  ],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM tab WHERE p = ?","Parameters":[{}]}',
    'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM tab","Limit":0}',
    "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  ['ExecuteStatement', '{"Statement":"SELECT * FROM tab","NextToken":""}', 'Invalid NextToken'],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM \\"tab\\".\\"gix\\"","ConsistentRead":true}',
    'Strongly consistent read is not supported on Global Secondary Indexes',
  ],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM tab","ReturnConsumedCapacity":"x"}',
    "1 validation error detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
  ],
  [
    'ExecuteStatement',
    '{"Statement":"SELECT * FROM tab","ReturnValuesOnConditionCheckFailure":"x"}',
    "1 validation error detected: Value 'x' at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]",
  ],
  [
    'BatchExecuteStatement',
    '{}',
    "1 validation error detected: Value null at 'statements' failed to satisfy constraint: Member must not be null",
  ],
  [
    'BatchExecuteStatement',
    '{"Statements":[]}',
    "1 validation error detected: Value '[]' at 'statements' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'BatchExecuteStatement',
    '{"Statements":[{}]}',
    "1 validation error detected: Value null at 'statements.1.member.statement' failed to satisfy constraint: Member must not be null",
  ],
  [
    'ExecuteTransaction',
    '{}',
    "1 validation error detected: Value null at 'transactStatements' failed to satisfy constraint: Member must not be null",
  ],
  [
    'ExecuteTransaction',
    '{"TransactStatements":[]}',
    "1 validation error detected: Value '[]' at 'transactStatements' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'ExecuteTransaction',
    '{"TransactStatements":[{}]}',
    "1 validation error detected: Value null at 'transactStatements.1.member.statement' failed to satisfy constraint: Member must not be null",
  ],
  [
    'ExecuteTransaction',
    "{\"TransactStatements\":[{\"Statement\":\"INSERT INTO tab VALUE {'p':'t1','s':1}\"},{\"Statement\":\"INSERT INTO tab VALUE {'p':'t1','s':1}\"}]}",
    'Transaction request cannot include multiple operations on one item',
  ],
  [
    'ExecuteTransaction',
    '{"TransactStatements":[{"Statement":"SELECT * FROM nope WHERE p = \'a\'"}]}',
    'Requested resource not found',
    'ResourceNotFoundException',
  ],
];
