/**
 * Who a statement of a resource-based policy is about, and how directly it names the caller. The degree matters: within one account an allow
 * that names the caller itself stands although other policies allow nothing, one that names the caller's role is still bounded by boundary and
 * session policy, and one that names the account only lets the account's own policies decide.
 *
 * Source: IAM User Guide, "AWS JSON policy elements: Principal", "NotPrincipal", and "Policy evaluation for requests within a single account".
 */
import type { PrincipalElement } from './document.ts';
import type { PolicyContext } from './pattern.ts';
import type { PolicyPrincipal } from './types.ts';

/** Not named. */
export const notNamed = 0;
/** The caller's account is named. */
export const accountNamed = 1;
/** The role behind the session, or the user behind the federated session, is named. */
export const roleNamed = 2;
/** The caller itself, or everybody, is named. */
export const callerNamed = 3;
export type Naming = typeof notNamed | typeof accountNamed | typeof roleNamed | typeof callerNamed;

export interface PrincipalMatcher {
  everyone: boolean;
  /** Account ids of `123456789012` and `arn:aws:iam::123456789012:root`. */
  accounts: ReadonlySet<string>;
  /** Other values of AWS: ARNs and unique ids. */
  names: ReadonlySet<string>;
  services: ReadonlySet<string>;
  federated: ReadonlySet<string>;
  canonicalUsers: ReadonlySet<string>;
}

const accountPattern = /^(?:\d{12}|arn:[a-z-]+:iam::(\d{12}):root)$/;

/** Account that a value of `Principal.AWS` names as a whole, or undefined. */
function accountOf(value: string): string | undefined {
  const match = accountPattern.exec(value);
  return match === null ? undefined : (match[1] ?? value);
}

/** Makes sets of a Principal or NotPrincipal element. `*` and `{"AWS": "*"}` both mean everybody, also callers without credentials. */
export function compilePrincipal(element: PrincipalElement): PrincipalMatcher {
  const aws = element.byKind.get('AWS') ?? [];
  const accounts = aws.map(accountOf);
  return {
    everyone: element.everyone || aws.includes('*'),
    accounts: new Set(accounts.filter((account) => account !== undefined)),
    names: new Set(aws.filter((_, index) => accounts[index] === undefined)),
    services: new Set(element.byKind.get('Service')),
    federated: new Set(element.byKind.get('Federated')),
    canonicalUsers: new Set(element.byKind.get('CanonicalUser')),
  };
}

/** A service has several names (with and without Region); all are in `aws:PrincipalServiceNamesList`. */
function serviceNamed(matcher: PrincipalMatcher, principal: PolicyPrincipal, context: PolicyContext): boolean {
  if (matcher.services.size === 0) return false;
  if (matcher.services.has(principal.arn)) return true;
  return context.get('aws:principalservicenameslist')?.some((name) => matcher.services.has(name)) ?? false;
}

/** How directly a Principal element names the caller. */
export function namingOf(matcher: PrincipalMatcher, principal: PolicyPrincipal, context: PolicyContext): Naming {
  if (matcher.everyone) return callerNamed;
  switch (principal.type) {
    case 'Anonymous':
      return notNamed;
    case 'AWSService':
      return serviceNamed(matcher, principal, context) || matcher.names.has(principal.arn) ? callerNamed : notNamed;
    case 'WebIdentity':
    case 'Saml':
      return matcher.federated.has(principal.arn) ? callerNamed : notNamed;
    default:
      return accountPrincipalNaming(matcher, principal);
  }
}

function accountPrincipalNaming(matcher: PrincipalMatcher, principal: PolicyPrincipal): Naming {
  const { names } = matcher;
  if (names.has(principal.arn)) return callerNamed;
  const { roleArn, userArn, uniqueId } = principal;
  if (uniqueId !== undefined && names.has(uniqueId)) return principal.type === 'User' ? callerNamed : roleNamed;
  if ((roleArn !== undefined && names.has(roleArn)) || (userArn !== undefined && names.has(userArn))) return roleNamed;
  return namesAccount(matcher, principal) ? accountNamed : notNamed;
}

function namesAccount(matcher: PrincipalMatcher, principal: PolicyPrincipal): boolean {
  if (principal.account !== '' && matcher.accounts.has(principal.account)) return true;
  return principal.canonicalUser !== undefined && matcher.canonicalUsers.has(principal.canonicalUser);
}

/**
 * Whether a NotPrincipal element spares the caller from its Deny. AWS looks at the account, then the role, then the session, and denies when one
 * of them is missing from the list; so all that the caller consists of must be listed.
 */
export function sparedBy(matcher: PrincipalMatcher, principal: PolicyPrincipal, context: PolicyContext): boolean {
  if (matcher.everyone) return true;
  if (
    principal.type === 'Anonymous' ||
    principal.type === 'AWSService' ||
    principal.type === 'WebIdentity' ||
    principal.type === 'Saml'
  ) {
    return namingOf(matcher, principal, context) === callerNamed;
  }
  if (!namesAccount(matcher, principal)) return false;
  if (principal.type === 'Account') return true;
  const { names } = matcher;
  const behind = principal.roleArn ?? principal.userArn;
  return names.has(principal.arn) && (behind === undefined || names.has(behind));
}
