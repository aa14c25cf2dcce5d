/**
 * Who outside an account a resource's policy lets in: pure. Source: IAM User Guide, "How IAM Access Analyzer findings work". A statement counts
 * unless its conditions hold it to the account, or a statement without conditions denies the same to the same. Service principals are no outsiders.
 */
import { parseArn } from '../../base/arn.ts';

/** One way in. */
export interface ExternalAccess {
  principal: Readonly<Record<string, string>>;
  action: readonly string[];
  condition: Readonly<Record<string, string>>;
  isPublic: boolean;
}

interface Statement {
  Effect?: string;
  Principal?: '*' | Readonly<Record<string, string | readonly string[]>>;
  Action?: string | readonly string[];
  Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

const listOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

/** Keys by which a policy holds access to principals or resources of an account; ARNs carry the account. */
const accountKeys = new Set([
  'aws:principalaccount',
  'aws:sourceaccount',
  'aws:sourceowner',
  'aws:principalarn',
  'aws:sourcearn',
]);
const positive = /^(?:StringEquals|StringEqualsIgnoreCase|StringLike|ArnEquals|ArnLike)$/;

/** What the policy of a resource of `account` lets in from outside. Texts that are no policy let nobody in. */
export function externalAccess(policy: string, account: string): ExternalAccess[] {
  const statements = statementsOf(policy);
  const denies = statements.filter(({ Effect, Condition }) => Effect === 'Deny' && Condition === undefined);
  return statements
    .filter((statement) => statement.Effect === 'Allow' && !heldToAccount(statement, account))
    .flatMap((statement) =>
      principalsOf(statement)
        .filter(([kind, name]) => isOutside(kind, name, account))
        .map(([kind, name]) => ({
          principal: { [kind]: shownAs(name) },
          action: actionsLeft(listOf(statement.Action), denies, name),
          condition: describeCondition(statement),
          isPublic: name === '*' && statement.Condition === undefined,
        })),
    )
    .filter(({ action }) => action.length > 0);
}

function statementsOf(policy: string): Statement[] {
  const { Statement: found } = JSON.parse(policy) as { Statement?: Statement | Statement[] };
  return found === undefined ? [] : Array.isArray(found) ? found : [found];
}

function principalsOf({ Principal }: Statement): [kind: string, name: string][] {
  if (Principal === undefined) return [];
  if (Principal === '*') return [['AWS', '*']];
  return Object.entries(Principal).flatMap(([kind, names]) => listOf(names).map((name): [string, string] => [kind, name]));
}

/** A whole account is shown by its id, however the policy names it. */
function shownAs(name: string): string {
  return /^arn:[^:]+:iam::(\d{12}):root$/.exec(name)?.[1] ?? name;
}

function isOutside(kind: string, name: string, account: string): boolean {
  if (kind === 'Service') return false;
  if (kind !== 'AWS' || name === '*') return true;
  const owner = /^\d{12}$/.test(name) ? name : parseArn(name)?.account;
  return owner !== undefined && owner !== account;
}

/** Whether a condition lets in nobody but the account's own. */
function heldToAccount({ Condition = {} }: Statement, account: string): boolean {
  return Object.entries(Condition).some(
    ([operator, tests]) =>
      positive.test(operator) &&
      Object.entries(tests).some(
        ([key, values]) =>
          accountKeys.has(key.toLowerCase()) &&
          listOf(values).every((value) => value === account || parseArn(value)?.account === account),
      ),
  );
}

/** Actions that no unconditional deny takes back from this principal. */
function actionsLeft(actions: readonly string[], denies: readonly Statement[], name: string): readonly string[] {
  const denied = denies
    .filter((statement) => principalsOf(statement).some(([, other]) => other === '*' || other === name))
    .flatMap(({ Action }) => listOf(Action))
    .map((action) => action.toLowerCase());
  return actions.filter((action) => {
    const prefix = action.slice(0, action.indexOf(':')).toLowerCase();
    return !denied.some((other) => other === '*' || other === `${prefix}:*` || other === action.toLowerCase());
  });
}

/** Condition keys with their values, as findings show them. */
function describeCondition({ Condition = {} }: Statement): Record<string, string> {
  const entries = Object.values(Condition).flatMap((tests) => Object.entries(tests));
  return Object.fromEntries(entries.map(([key, values]) => [key, listOf(values).join(',')]));
}
