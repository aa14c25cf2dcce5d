/** Names, ARNs and qualifiers of functions ("Lambda resource ARNs", API Reference: FunctionName). */
import type { Context, Scope } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { invalidParameter } from './errors.ts';

export const latest = '$LATEST';

/** A function as a request names it. */
export interface FunctionRef extends Scope {
  name: string;
  /** Version, `$LATEST` or alias. */
  qualifier?: string | undefined;
}

const forms =
  /^(?:arn:(?:aws[a-zA-Z-]*):lambda:(?<region>[a-z]{2}(?:-[a-z]+)+-\d):(?<account>\d{12}):function:|(?:(?<partial>\d{12}):)?(?:function:)?)(?<name>[a-zA-Z0-9-_]{1,64})(?::(?<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?$/;
const shownForm =
  '(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?';
const qualifierForm = /^(\$LATEST|[a-zA-Z0-9-_]{1,128})$/;

/** Reads a function's name, partial ARN or ARN, and a qualifier beside it. Throws what AWS's validator throws for other texts. */
export function readFunction(ctx: Scope, name: string | undefined, beside?: string | undefined): FunctionRef {
  const text = name ?? '';
  const groups = forms.exec(text)?.groups;
  new RequestCheck()
    .length('functionName', text, 1, 140)
    .pattern('functionName', text, groups === undefined ? /^\b$/ : /^/, shownForm)
    .pattern('qualifier', beside, qualifierForm, '(|[a-zA-Z0-9$_-]+)')
    .done();
  const { region, account, partial, name: found = '', qualifier } = groups ?? {};
  if (beside !== undefined && qualifier !== undefined && qualifier !== beside)
    throw invalidParameter('The derived qualifier from the function name does not match the specified qualifier.');
  return {
    region: region ?? ctx.region,
    account: account ?? partial ?? ctx.account,
    name: found,
    qualifier: beside ?? qualifier,
  };
}

/** ARN of a function, a version of it or an alias. */
export function functionArn({ account, region, name, qualifier }: FunctionRef): string {
  const end = qualifier === undefined || qualifier === '' ? '' : `:${qualifier}`;
  return `arn:aws:lambda:${region}:${account}:function:${name}${end}`;
}

/** How a version's number is shown. */
export function versionName(number: number): string {
  return number === 0 ? latest : String(number);
}

/** The context in the function's own account and Region. */
export function at(ctx: Context, { account, region }: Scope): Context {
  return account === ctx.account && region === ctx.region ? ctx : ctx.inScope({ account, region });
}
