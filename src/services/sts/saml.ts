/** AssumeRoleWithSAML: a role by a signed assertion of a SAML provider. Unsigned as a request: the assertion says who calls. */
import type { STS } from '@aws-sdk/client-sts';
import { createHash } from 'node:crypto';
import { parseArn } from '../../base/arn.ts';
import type { Millis } from '../../base/clock.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import type { IamApi } from '../iam/api.ts';
import { findRole } from './assume-role.ts';
import { expiredToken, invalidIdentityToken, notAuthorizedToPerform } from './errors.ts';
import { openFederated } from './federation.ts';
import { durations, readSessionTags, StsCheck } from './rules.ts';
import type { Assertion } from './saml-assertion.ts';

const action = 'sts:AssumeRoleWithSAML';
const attributePrefix = 'https://aws.amazon.com/SAML/Attributes/';
const audiences = ['https://signin.aws.amazon.com/saml', 'urn:amazon:webservices'];
const recipientForm = /^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml(\/acs\/[\w-]+)?$/;
/** Milliseconds by which the provider's clock may be off. */
const skewMax: Millis = 300_000;

function attribute(assertion: Assertion, name: string): readonly string[] {
  return assertion.attributes.get(`${attributePrefix}${name}`) ?? [];
}

/** Throws InvalidIdentityToken, ExpiredTokenException. */
function checkAssertion(assertion: Assertion, now: Millis): void {
  if (!assertion.audiences.some((audience) => audiences.includes(audience)))
    throw invalidIdentityToken('Audience restriction is not satisfied');
  if (!recipientForm.test(assertion.recipient)) throw invalidIdentityToken('Subject confirmation recipient is not valid');
  if (assertion.notOnOrAfter === undefined) throw invalidIdentityToken('NotOnOrAfter is required in SubjectConfirmationData');
  if (assertion.notOnOrAfter <= now) throw expiredToken('Token must be redeemed within 5 minutes of issuance');
  if (assertion.notBefore !== undefined && assertion.notBefore > now + skewMax)
    throw invalidIdentityToken('Response is not valid yet');
  if (attribute(assertion, 'RoleSessionName').length === 0)
    throw invalidIdentityToken('RoleSessionName is required in AuthnResponse');
}

/** The session lasts no longer than asked for, than the assertion's SessionDuration, and than the provider's own session. */
function secondsOf(assertion: Assertion, wanted: number | undefined, now: Millis): number {
  const claimed = Number(attribute(assertion, 'SessionDuration')[0] ?? Number.NaN);
  const seconds = Math.min(wanted ?? durations.role.max, Number.isNaN(claimed) ? (wanted ?? durations.role.default) : claimed);
  const left = assertion.sessionEnd === undefined ? seconds : Math.floor((assertion.sessionEnd - now) / 1000);
  return Math.max(Math.min(seconds, left), durations.role.min);
}

function tagsOf(assertion: Assertion): Record<string, string> {
  const prefix = `${attributePrefix}PrincipalTag:`;
  const list = [...assertion.attributes]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, [Value = '']]) => ({ Key: name.slice(prefix.length), Value }));
  new StsCheck().tags(list).done();
  return readSessionTags(list);
}

export const samlHandlers: HandlersOf<STS> = {
  /** Throws ValidationError, InvalidIdentityToken, ExpiredTokenException, AccessDenied. */
  async AssumeRoleWithSAML(input, ctx) {
    const { RoleArn: roleArn = '', PrincipalArn: providerArn = '', SAMLAssertion: encoded = '' } = input;
    const { role: limits } = durations;
    new StsCheck()
      .arn('roleArn', roleArn)
      .arn('principalArn', providerArn)
      .length('sAMLAssertion', encoded, 4, 100_000)
      .range('durationSeconds', input.DurationSeconds, limits.min, limits.max)
      .done();
    if (input.MinimumSessionTokenSize !== undefined)
      throw parameterNotImplemented('AssumeRoleWithSAML', 'MinimumSessionTokenSize');
    const role = await findRole(ctx, roleArn);
    const provider = await (await ctx.internal<IamApi>('iam')).findSamlProvider(providerArn);
    if (provider === undefined || provider.account !== parseArn(roleArn)?.account)
      throw invalidIdentityToken("Specified provider doesn't exist");
    // The XML library is loaded by the first assertion, so that nobody else waits for it.
    const { claimedIssuer, verifyResponse } = await import('./saml-assertion.ts');
    const xml = Buffer.from(encoded, 'base64').toString();
    const claimed = claimedIssuer(xml);
    if (claimed === undefined) throw invalidIdentityToken('Invalid base64 SAMLResponse');
    const { row, account } = provider;
    if (claimed !== row.entityId) throw invalidIdentityToken('Issuer not present in specified provider');
    const assertion = row.validUntil <= ctx.now ? undefined : verifyResponse(xml, row.certificates);
    if (assertion === undefined || assertion.issuer !== row.entityId) throw invalidIdentityToken('Response signature invalid');
    checkAssertion(assertion, ctx.now);
    const pairs = attribute(assertion, 'Role').map((value) => value.split(',').map((arn) => arn.trim()));
    if (!pairs.some((pair) => pair.length === 2 && pair.includes(roleArn) && pair.includes(providerArn)))
      throw notAuthorizedToPerform(action);
    const sessionName = attribute(assertion, 'RoleSessionName')[0] ?? '';
    const sourceIdentity = attribute(assertion, 'SourceIdentity')[0];
    new StsCheck().name('roleSessionName', sessionName, 64).name('sourceIdentity', sourceIdentity, 64).done();
    const { issuer, subject, subjectType, recipient } = assertion;
    const qualifier = createHash('sha1').update(`${issuer}${account}/${row.name}`).digest('base64');
    const opened = await openFederated(ctx, role, input, {
      action,
      type: 'Saml',
      provider: providerArn,
      sessionName,
      seconds: secondsOf(assertion, input.DurationSeconds, ctx.now),
      claims: {
        'saml:aud': [recipient],
        'saml:iss': [issuer],
        'saml:sub': [subject],
        'saml:sub_type': [subjectType],
        'saml:namequalifier': [qualifier],
        'saml:doc': [`${account}/${row.name}`],
      },
      tags: tagsOf(assertion),
      transitiveTagKeys: attribute(assertion, 'TransitiveTagKeys'),
      sourceIdentity,
    });
    return {
      ...opened,
      Subject: subject,
      SubjectType: subjectType,
      Issuer: issuer,
      Audience: recipient,
      NameQualifier: qualifier,
    };
  },
};

export const samlChecks: AuthorisationsOf<STS> = {
  /** The assertion proves who calls; the handler asks the role. */
  AssumeRoleWithSAML: 'anonymous',
};
