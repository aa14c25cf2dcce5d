/** Numbers of the item protocol: what follows the number of a method, members of requests and answers, and the sequences that name errors. */
import type { CacheRefusal } from '../types.ts';
import { integer, list, nothing, text } from './cbor.ts';

/** Every answer begins with it, an empty list: no error. */
export const success: Buffer = Buffer.of(0x80);
export const protocolName = 'J7yne5G';

/** Methods: how many values follow. */
export const methods: Readonly<Record<number, { name: string; values: number }>> = {
  1489122155: { name: 'authorize', values: 5 },
  670678385: { name: 'list-names', values: 1 },
  [-1230579644]: { name: 'list-number', values: 1 },
  [-742646399]: { name: 'key-shape', values: 1 },
  455855874: { name: 'endpoints', values: 0 },
  263244906: { name: 'GetItem', values: 3 },
  [-2106490455]: { name: 'PutItem', values: 4 },
  1013539361: { name: 'DeleteItem', values: 3 },
  1425579023: { name: 'UpdateItem', values: 3 },
  [-931250863]: { name: 'Query', values: 3 },
  [-1875390620]: { name: 'Scan', values: 2 },
  [-697851100]: { name: 'BatchGetItem', values: 2 },
  116217951: { name: 'BatchWriteItem', values: 2 },
  1866287579: { name: 'TransactGetItems', values: 4 },
  [-1160037738]: { name: 'TransactWriteItems', values: 9 },
};

/** Members of requests. */
export const asked = {
  projection: 0,
  consistent: 2,
  capacity: 3,
  condition: 4,
  collectionMetrics: 6,
  returnValues: 7,
  update: 8,
  startKey: 9,
  filter: 10,
  index: 11,
  limit: 13,
  forward: 14,
  select: 15,
  segment: 16,
  segments: 17,
  token: 19,
} as const;

/** Members of answers. */
export const answered = {
  item: 0,
  capacity: 1,
  attributes: 2,
  collectionMetrics: 3,
  items: 7,
  count: 8,
  lastKey: 9,
  scanned: 10,
} as const;

export const capacityModes = ['NONE', 'TOTAL', 'INDEXES'] as const;
export const returnValues = ['', 'NONE', 'ALL_OLD', 'UPDATED_OLD', 'ALL_NEW', 'UPDATED_NEW'] as const;
export const selections = ['', 'ALL_ATTRIBUTES', 'ALL_PROJECTED_ATTRIBUTES', 'COUNT', 'SPECIFIC_ATTRIBUTES'] as const;
export const writes: Readonly<Record<number, 'Put' | 'Delete' | 'Update' | 'ConditionCheck'>> = {
  2: 'Put',
  7: 'Delete',
  9: 'Update',
  12: 'ConditionCheck',
};

/** The last number of an error of the table, after 4.37.38.39. */
const tableErrors: Readonly<Record<string, number>> = {
  ProvisionedThroughputExceededException: 40,
  ResourceNotFoundException: 41,
  ConditionalCheckFailedException: 43,
  ResourceInUseException: 45,
  ValidationException: 46,
  InternalServerError: 47,
  ItemCollectionSizeLimitExceededException: 48,
  LimitExceededException: 49,
  ThrottlingException: 50,
  TransactionCanceledException: 58,
  RequestLimitExceeded: 61,
};
/** For errors that clients know by their code only. */
const otherError = 51;
/** The client's own rights, and proof of who it is. */
const notAuthorised = [4, 23, 31, 32];
const notAuthenticated = [4, 23, 31, 33];

/** An error's answer: the sequence, its text, and request id, code and status. `reasons` are encoded, three values for each part of a transaction. */
export function encodeRefusal(refusal: Pick<CacheRefusal, 'code' | 'message' | 'status'>, reasons?: readonly Buffer[]): Buffer {
  const { code, message, status } = refusal;
  const sequence =
    code === 'AccessDenied.Client'
      ? notAuthorised
      : code === 'Unauthenticated'
        ? notAuthenticated
        : [4, 37, 38, 39, tableErrors[code] ?? otherError];
  const shown =
    code === 'AccessDenied.Client' ? 'AccessDeniedException' : code === 'Unauthenticated' ? 'UnrecognizedClientException' : code;
  const details = [nothing, text(shown), integer(status), ...(reasons === undefined ? [] : [list(reasons)])];
  return Buffer.concat([list(sequence.map(integer)), text(message), list(details)]);
}
