/** AssumeRoleWithWebIdentity: a role by a token of an OpenID Connect provider. Unsigned: the token says who calls. */
import type { STS } from '@aws-sdk/client-sts';
import { parseArn } from '../../base/arn.ts';
import type { Millis } from '../../base/clock.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import type { IamApi } from '../iam/api.ts';
import { findRole } from './assume-role.ts';
import { expiredToken, invalidIdentityToken, validationError } from './errors.ts';
import { openFederated } from './federation.ts';
import { fetchKeys } from './issuer-keys.ts';
import { isSignedBy, type Jwt, parseJwt } from './jwt.ts';
import { durations, readSessionTags, StsCheck } from './rules.ts';

const tagsClaim = 'https://aws.amazon.com/tags';
const sourceIdentityClaim = 'https://aws.amazon.com/source_identity';
/** Milliseconds by which the provider's clock may be ahead. */
const skewMax: Millis = 300_000;

function textsOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === 'string');
}

/** Throws ExpiredTokenException, InvalidIdentityToken. Times are judged by the cloud's clock. */
function checkTimes({ claims }: Jwt, now: Millis): void {
  const { exp, iat, nbf } = claims;
  const seconds = Math.floor(now / 1000);
  if (typeof exp !== 'number' || typeof iat !== 'number') throw invalidIdentityToken('Missing a required claim: exp, iat');
  if (exp <= seconds) {
    throw expiredToken(`Token expired: current date/time ${seconds} must be before the expiration date/time ${exp}`);
  }
  for (const from of [iat, nbf])
    if (typeof from === 'number' && from * 1000 > now + skewMax) throw invalidIdentityToken('Token is not valid yet');
}

interface ClaimedTags {
  tags: Record<string, string>;
  transitiveTagKeys: string[];
}

/** Session tags in a token: `{principal_tags: {Key: ["Value"]}, transitive_tag_keys: ["Key"]}` ("Pass session tags in AWS STS"). */
function readClaimedTags(value: unknown): ClaimedTags {
  if (typeof value !== 'object' || value === null) return { tags: {}, transitiveTagKeys: [] };
  const { principal_tags: given, transitive_tag_keys: keys } = value as Record<string, unknown>;
  const entries = Object.entries(typeof given === 'object' && given !== null ? given : {});
  const list = entries.map(([Key, values]) => ({ Key, Value: textsOf(values)[0] ?? '' }));
  new StsCheck().tags(list).done();
  return { tags: readSessionTags(list), transitiveTagKeys: textsOf(keys) };
}

export const webIdentityHandlers: HandlersOf<STS> = {
  /** Throws ValidationError, InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError, AccessDenied. */
  async AssumeRoleWithWebIdentity(input, ctx) {
    const { RoleArn: roleArn = '', RoleSessionName: sessionName = '', WebIdentityToken: token = '' } = input;
    const { role: limits } = durations;
    new StsCheck()
      .arn('roleArn', roleArn)
      .name('roleSessionName', sessionName, 64)
      .range('durationSeconds', input.DurationSeconds, limits.min, limits.max)
      .done();
    if (token.length < 4 || token.length > 20_000) throw validationError('Invalid length of webIdentityToken');
    if (input.ProviderId !== undefined) throw parameterNotImplemented('AssumeRoleWithWebIdentity', 'ProviderId');
    if (input.MinimumSessionTokenSize !== undefined)
      throw parameterNotImplemented('AssumeRoleWithWebIdentity', 'MinimumSessionTokenSize');
    const role = await findRole(ctx, roleArn);
    const jwt = parseJwt(token);
    if (jwt === undefined) {
      throw invalidIdentityToken(
        'The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)',
      );
    }
    const { iss: issuer, sub: subject, aud, azp, amr, email } = jwt.claims;
    if (typeof issuer !== 'string' || typeof subject !== 'string')
      throw invalidIdentityToken('Missing a required claim: iss, sub');
    const iam = await ctx.internal<IamApi>('iam');
    const provider = await iam.findOidcProvider(parseArn(roleArn)?.account ?? '', issuer);
    if (provider === undefined || provider.row.issuer !== issuer.replace(/\/$/, ''))
      throw invalidIdentityToken(`No OpenIDConnect provider found in your account for ${issuer}`);
    const audiences = textsOf(aud);
    if (!audiences.some((audience) => provider.row.clients.includes(audience)))
      throw invalidIdentityToken('Incorrect token audience');
    checkTimes(jwt, ctx.now);
    if (!isSignedBy(jwt, await fetchKeys(provider.row))) throw invalidIdentityToken('Token signature invalid');
    const { url } = provider.row;
    // The authorised party, where there is one, is who the token is for.
    const audience = typeof azp === 'string' ? [azp] : audiences;
    const claims: Record<string, readonly string[]> = { [`${url}:aud`]: audience, [`${url}:sub`]: [subject] };
    if (amr !== undefined) claims[`${url}:amr`] = textsOf(amr);
    if (typeof email === 'string') claims[`${url}:email`] = [email];
    const sourceIdentity = textsOf(jwt.claims[sourceIdentityClaim])[0];
    const opened = await openFederated(ctx, role, input, {
      action: 'sts:AssumeRoleWithWebIdentity',
      type: 'WebIdentity',
      provider: provider.arn,
      sessionName,
      seconds: input.DurationSeconds ?? limits.default,
      claims,
      ...readClaimedTags(jwt.claims[tagsClaim]),
      sourceIdentity,
    });
    return { ...opened, SubjectFromWebIdentityToken: subject, Provider: provider.arn, Audience: audience[0] };
  },
};

export const webIdentityChecks: AuthorisationsOf<STS> = {
  /** The token proves who calls; the handler asks the role. */
  AssumeRoleWithWebIdentity: 'anonymous',
};
