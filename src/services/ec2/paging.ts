/** Paging of EC2's Describe calls: MaxResults and NextToken, with AWS's refusals. */
import { pageOf } from '../../base/paging.ts';
import { AwsError } from '../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue } from './errors.ts';

export interface PageInput {
  MaxResults?: number | undefined;
  NextToken?: string | undefined;
}

/** Bounds of MaxResults for most Describe calls ("between 5 and 1000"). */
const maxResultsLeast = 5;
const maxResultsMost = 1000;

/**
 * One page of rows that are in order of id. Throws InvalidParameterValue for a MaxResults out of bounds, InvalidParameterCombination when ids are
 * given with it, InvalidNextToken for a token that is not of this call.
 */
export function page<Row>(
  operation: string,
  rows: readonly Row[],
  idOf: (row: Row) => string,
  input: PageInput,
  options: { ids?: readonly string[] | undefined; least?: number } = {},
): { rows: Row[]; nextToken: string | undefined } {
  const { MaxResults: limit, NextToken: token } = input;
  const least = options.least ?? maxResultsLeast;
  if (limit !== undefined && (options.ids?.length ?? 0) > 0) {
    throw invalidParameterCombination('The parameter MaxResults cannot be used with the parameter that names resources by id.');
  }
  if (limit !== undefined && (limit < least || limit > maxResultsMost)) {
    throw invalidParameterValue(
      `Value ( ${limit} ) for parameter maxResults is invalid. Expecting a value between ${least} and ${maxResultsMost}.`,
    );
  }
  const found = pageOf(rows, (row) => [idOf(row)], { scope: `ec2:${operation}`, token, limit: limit ?? maxResultsMost });
  if (found === undefined) throw new AwsError('InvalidNextToken', 'The specified token is not valid.');
  return { rows: found.items, nextToken: found.nextToken };
}
