/** What ACM's operations are authorised on ("Actions … for AWS Certificate Manager"). */
import type { ACM, Tag } from '@aws-sdk/client-acm';
import type { Authorisation, AuthorisationsOf, Check } from '../../kernel/service.ts';
import { readArn } from './rows.ts';
import { Certificates } from './state.ts';

type Conditions = NonNullable<Check['conditions']>;

function tagConditions(tags: readonly Tag[] | undefined): Conditions {
  if (tags === undefined || tags.length === 0) return {};
  return {
    'aws:TagKeys': tags.map(({ Key = '' }) => Key),
    ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
  };
}

type Named = { CertificateArn?: string | undefined };

function onCertificate<Input extends Named>(conditionsOf: (input: Input) => Conditions = () => ({})): Authorisation<Input> {
  return async (input, ctx) => {
    const row = await ctx.table(Certificates).get(readArn(ctx, input.CertificateArn));
    const tags = Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]);
    const conditions = { 'acm:DomainNames': row?.names, ...Object.fromEntries(tags), ...conditionsOf(input) };
    return [{ resource: input.CertificateArn ?? '*', conditions }];
  };
}

export const certificateChecks: AuthorisationsOf<ACM> = {
  RequestCertificate: (input) => [
    {
      resource: '*',
      conditions: {
        'acm:DomainNames': [input.DomainName ?? '', ...(input.SubjectAlternativeNames ?? [])],
        'acm:ValidationMethod': input.ValidationMethod,
        'acm:KeyAlgorithm': input.KeyAlgorithm ?? 'RSA_2048',
        'acm:Export': input.Options?.Export ?? 'DISABLED',
        'acm:CertificateTransparencyLogging': input.Options?.CertificateTransparencyLoggingPreference ?? 'ENABLED',
        ...tagConditions(input.Tags),
      },
    },
  ],
  async ImportCertificate(input, ctx) {
    const fresh = { resource: `arn:aws:acm:${ctx.region}:${ctx.account}:certificate/*`, conditions: tagConditions(input.Tags) };
    const check = onCertificate<Named>();
    return input.CertificateArn === undefined || typeof check === 'string' ? [fresh] : check(input, ctx);
  },
  DescribeCertificate: onCertificate(),
  GetCertificate: onCertificate(),
  ExportCertificate: onCertificate(),
  DeleteCertificate: onCertificate(),
  AddTagsToCertificate: onCertificate((input) => tagConditions(input.Tags)),
  RemoveTagsFromCertificate: onCertificate((input) => tagConditions(input.Tags)),
  ListTagsForCertificate: onCertificate(),
};
