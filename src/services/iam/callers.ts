/** Callers that IAM does not serve, whatever their policies allow. */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';

/**
 * "You cannot call any IAM API operations" with credentials of GetFederationToken, nor with those of GetSessionToken "unless MFA authentication
 * information is included in the request" (STS API Reference). The real service answers as if the token were none. Throws InvalidClientTokenId.
 */
export function refuseWeakSessions(_input: unknown, { caller }: Context): void {
  const { kind, session } = caller;
  const strong = session === undefined || session.mfaAt !== undefined || session.console === true;
  if (kind === 'federated' || ((kind === 'user' || kind === 'root') && !strong))
    throw new AwsError('InvalidClientTokenId', 'The security token included in the request is invalid', { status: 403 });
}
