/** Faults of dynalite that its answers are known to have: where it differs from what AWS documents, or from what newer AWS answers. */
import { type Answer, comparable, inOlderWords } from './answers.ts';
import type { Difference } from './compare.ts';

const told = ({ body }: Answer): string => inOlderWords(String(body['message'] ?? body['Message'] ?? ''));
const failed = (answer: Answer): boolean => answer.status !== 200;
const conditionFailed = (answer: Answer): boolean => told(answer) === 'The conditional request failed';

interface Fault {
  why: string;
  is: (difference: Difference) => boolean;
}

const beforeTypeSet = (text: string): string => text.replace(/, typeSet: \w+$/, '');
const mismatch = /Type mismatch for Index Key \w Expected: \w Actual: \w+ IndexName: \w+$/;

function withoutCapacity({ status, body: { ConsumedCapacity: _, ...body } }: Answer): string {
  return comparable({ status, body });
}

/** Items in an order of their own. */
const itemsOf = ({ body }: Answer): string =>
  (body['Items'] as object[])
    .map((item) => comparable({ status: 0, body: { ...item } }))
    .sort()
    .join();

const faults: readonly Fault[] = [
  {
    why: 'Syntax errors name neither token nor place any more since version 4, and bare # and : are names there.',
    is: ({ ours, theirs }) =>
      / Syntax error; token: /.test(told(ours)) && / Syntax error; Expected |attribute (name|value): [#:]$/.test(told(theirs)),
  },
  {
    why: 'A reserved word where none may stand is told before the syntax.',
    is: ({ ours, theirs }) => /reserved keyword: /.test(told(ours)) && / Syntax error; Expected /.test(told(theirs)),
  },
  {
    why: 'AWS names the set of types that ADD and DELETE allow.',
    is: ({ ours, theirs }) => told(ours) !== told(theirs) && beforeTypeSet(told(ours)) === told(theirs),
  },
  {
    why: 'Of several mistakes in an update AWS tells the last one first; of those in a condition the first, whatever it is.',
    is: ({ ours, theirs, operation }) =>
      / (Update|Condition|Filter|KeyCondition|Projection)Expression: /.test(told(ours)) &&
      told(ours).split(': ')[0] === told(theirs).split(': ')[0] &&
      (operation === 'UpdateItem' || !/ Syntax error; /.test(told(ours) + told(theirs))),
  },
  {
    why: 'Words of the grammar are never names, functions have operands, and sums stand in no function.',
    is: ({ ours, theirs }) =>
      / Syntax error; token: "(SET|REMOVE|ADD|DELETE|AND|OR|NOT|BETWEEN|IN|[)+-])"/i.test(told(ours)) &&
      told(ours) !== told(theirs),
  },
  {
    why: 'A list that is appended to is a value by itself, not part of another.',
    is: ({ ours }) => told(ours).endsWith('not allowed to be used this way in an expression; function: list_append'),
  },
  {
    why: 'Parentheses around parentheses are redundant around operands, too.',
    is: ({ ours, theirs }) => told(ours).includes('redundant parentheses') && !told(theirs).includes('redundant parentheses'),
  },
  {
    why: 'Select is not checked against the projection ("Scan": Select).',
    is: ({ ours }) => /SPECIFIC_ATTRIBUTES|Cannot specify the ProjectionExpression|ALL_PROJECTED/.test(told(ours)),
  },
  {
    why: 'Operators of order take strings, numbers and binary only ("Comparison operator and function reference").',
    is: ({ ours }) => /Incorrect operand type for operator or function; operator or function: (BETWEEN|[<>]=?)/.test(told(ours)),
  },
  {
    why: 'A refused name of a table is told alone, since it may be an ARN, too.',
    is: ({ ours, theirs }) => / at '[tT]ableName' /.test(told(ours)) && / at 'tableName' /.test(told(theirs)),
  },
  {
    why: 'Capacity leaves out indexes that are written, consistent scans, and the least that a query costs ("Read/write capacity mode").',
    is: ({ ours, theirs }) => !failed(ours) && !failed(theirs) && withoutCapacity(ours) === withoutCapacity(theirs),
  },
  {
    why: 'Attributes of UPDATED_OLD and UPDATED_NEW are there even when they are empty.',
    is: ({ ours, theirs }) => ours.body['Attributes'] === undefined && JSON.stringify(theirs.body['Attributes']) === '{}',
  },
  {
    why: 'Two operands that are missing are equal; the size of an empty string is missing; begins_with finds nothing in what it is not.',
    is: ({ ours, theirs, input }) =>
      (conditionFailed(ours) || conditionFailed(theirs) || (input['FilterExpression'] !== undefined && !failed(ours))) &&
      !(failed(ours) && !conditionFailed(ours)) &&
      /size\(|[\w\])] (=|<>|<=?|>=?) [\w#]/.test(String(input['ConditionExpression'] ?? input['FilterExpression'])),
  },
  {
    why: 'Conditions may look into keys.',
    is: ({ ours }) => told(ours).startsWith('Key attributes must be scalars'),
  },
  {
    why: 'Which of several indexes with a key of a wrong type is named is free.',
    is: ({ ours, theirs }) => mismatch.test(told(ours)) && mismatch.test(told(theirs)),
  },
  {
    why: 'Empty strings and binaries may be attributes since 2020, and the refusal of empty keys got other words.',
    is: ({ ours, theirs }) =>
      told(ours).startsWith('One or more parameter values are not valid. The AttributeValue for a key attribute cannot') &&
      /cannot contain an empty/.test(told(theirs)),
  },
  {
    why: 'Values are refused in newer words: without their placeholder, members of sets in quotes.',
    is: ({ ours, theirs }) =>
      (told(theirs).startsWith('ExpressionAttributeValues contains invalid value: ') &&
        told(theirs).includes(told(ours).slice(0, 40))) ||
      / contains duplicates\.?$/.test(told(ours)) ||
      (told(ours).endsWith('to a numeric value: ') && told(theirs).includes('to a numeric value')),
  },
  {
    why: 'ReturnValues is refused in newer words, and alone by UpdateItem; a missing expression is not named.',
    is: ({ ours, theirs }) =>
      told(ours).includes('Failed to satisfy constraint: ') ||
      (told(ours).endsWith('can only be specified when using expressions') && told(theirs).startsWith(told(ours))),
  },
  {
    why: 'Key conditions are counted, and of one key alone.',
    is: ({ ours }) => /^The number of query conditions|only contain one condition per key$/.test(told(ours)),
  },
  {
    why: 'A sum of more than 38 digits is refused ("Naming rules and data types": Number).',
    is: ({ ours, theirs }) => told(ours).includes('more than 38 significant digits') && !failed(theirs),
  },
  {
    why: 'A local index fetches what it does not project from the table ("Local secondary indexes": fetches).',
    is: ({ ours, theirs, input }) =>
      !failed(ours) && !failed(theirs) && input['IndexName'] === 'local' && input['ProjectionExpression'] !== undefined,
  },
  {
    why: 'Entries of a local index with the same key come in any order.',
    is: ({ ours, theirs, input }) =>
      !failed(ours) &&
      !failed(theirs) &&
      input['IndexName'] === 'local' &&
      (input['Limit'] !== undefined || itemsOf(ours) === itemsOf(theirs)),
  },
  {
    why: 'No consistent reads on global indexes ("Scan": ConsistentRead).',
    is: ({ ours }) => told(ours) === 'Consistent reads are not supported on global secondary indexes',
  },
  {
    why: 'Key conditions are read as the older KeyConditions, in whose words types are refused.',
    is: ({ ours, theirs }) => failed(ours) && /ComparisonOperator EQ is not valid for/.test(told(theirs)),
  },
  {
    why: 'A value that cannot be read is told before placeholders without an expression.',
    is: ({ ours, theirs }) =>
      told(ours).startsWith('Supplied AttributeValue is') && told(theirs).includes('when using expressions'),
  },
  {
    why: 'What may be left out of a request is told together there, and a missing table first here.',
    is: ({ ours, theirs }) => / at 'tableName' failed/.test(told(ours)) && /validation errors? detected/.test(told(theirs)),
  },
];

/** Why a difference is dynalite's fault; undefined when it is not known to be. */
export function knownFault(difference: Difference): string | undefined {
  return faults.find(({ is }) => is(difference))?.why;
}

/** A refusal without what is the request's own. */
export function kindOf(answer: Answer): string {
  if (!failed(answer)) return 'ok';
  return told(answer).replace(/"[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\d+|: ?:?[\w.#-]+/g, '…');
}
