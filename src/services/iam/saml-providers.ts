/** SAML providers: the metadata of an identity provider, whose assertions roles may trust. Encrypted assertions are not implemented. */
import type { IAM } from '@aws-sdk/client-iam';
import { X509Certificate } from 'node:crypto';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { requestTags, resourceTags } from './authorise.ts';
import { dateOf } from './dates.ts';
import { entityAlreadyExists, invalidInput, noSuchEntity, quotaExceeded } from './errors.ts';
import { RequestCheck } from './rules.ts';
import type { Reading, TagMap } from './state.ts';
import { checkNewTags, checkTagKeys, checkTagMembers, describeTags, pageTags, readTags, withoutTags, withTags } from './tags.ts';

const providersMax = 100;
const metadataNamespace = 'urn:oasis:names:tc:SAML:2.0:metadata';
const signatureNamespace = 'http://www.w3.org/2000/09/xmldsig#';
/** "SAML metadata documents … valid until", when the document does not say. */
const validYears = 100;

export interface SamlProviderRow {
  name: string;
  uuid: string;
  created: Millis;
  metadata: string;
  /** Issuer of its assertions. */
  entityId: string;
  /** Certificates it signs with, in PEM. */
  certificates: readonly string[];
  validUntil: Millis;
  tags: TagMap;
}

export const SamlProviders = defineTable<SamlProviderRow>()({
  name: 'iam.samlProviders',
  scope: 'account',
  key: (row) => [row.name],
});

/** ARN of a SAML provider. */
export function samlArn(account: string, name: string): string {
  return `arn:aws:iam::${account}:saml-provider/${name}`;
}

function nameOf(account: string, arn: string | undefined): string | undefined {
  const prefix = samlArn(account, '');
  return arn?.startsWith(prefix) === true ? arn.slice(prefix.length) : undefined;
}

async function requireProvider(reading: Reading, account: string, arn: string | undefined): Promise<SamlProviderRow> {
  const row = await reading.table(SamlProviders).get(nameOf(account, arn) ?? '');
  if (row === undefined) throw noSuchEntity(`Manifest not found for arn ${arn}`);
  return row;
}

type Metadata = Pick<SamlProviderRow, 'metadata' | 'entityId' | 'certificates' | 'validUntil'>;

/** Reads an identity provider's metadata. Throws InvalidInput when it is none, or holds no certificate to check signatures with. */
async function readMetadata(metadata: string, now: Millis): Promise<Metadata> {
  // Loaded by the first provider, so that nobody else waits for it.
  const { DOMParser } = await import('@xmldom/xmldom');
  const unreadable = (): Error => invalidInput('Could not parse metadata');
  // Entities could expand without bound, and metadata needs none.
  if (/<!DOCTYPE/i.test(metadata)) throw unreadable();
  const onError = (): never => {
    throw unreadable();
  };
  const document = new DOMParser({ onError }).parseFromString(metadata, 'text/xml');
  const root = document.documentElement;
  const entityId = root?.getAttribute('entityID');
  const descriptor = document.getElementsByTagNameNS(metadataNamespace, 'IDPSSODescriptor')[0];
  if (root?.localName !== 'EntityDescriptor' || entityId === null || entityId === undefined || descriptor === undefined)
    throw unreadable();
  const certificates = [...descriptor.getElementsByTagNameNS(metadataNamespace, 'KeyDescriptor')]
    .filter((key) => key.getAttribute('use') !== 'encryption')
    .flatMap((key) => [...key.getElementsByTagNameNS(signatureNamespace, 'X509Certificate')])
    .map((element) => readCertificate(element.textContent ?? ''));
  if (certificates.length === 0) throw unreadable();
  const until = Date.parse(root.getAttribute('validUntil') ?? '');
  const validUntil = Number.isNaN(until) ? now + validYears * 365 * 86_400_000 : until;
  return { metadata, entityId, certificates, validUntil };
}

function readCertificate(base64: string): string {
  const pem = `-----BEGIN CERTIFICATE-----\n${base64.replace(/\s/g, '').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  try {
    return new X509Certificate(pem).toString();
  } catch {
    throw invalidInput('Could not parse metadata');
  }
}

const checkArn = (arn: string | undefined): RequestCheck => new RequestCheck().length('sAMLProviderArn', arn, 20, 2048);

function checkMetadata(check: RequestCheck, document: string | undefined): RequestCheck {
  return check.length('sAMLMetadataDocument', document, 1000, 10_000_000);
}

/** Encrypted assertions need keys of the provider's that this cloud does not keep. */
function refuseEncryption(operation: string, input: Readonly<Record<string, unknown>>): void {
  for (const member of ['AssertionEncryptionMode', 'AddPrivateKey', 'RemovePrivateKey'])
    if (input[member] !== undefined) throw parameterNotImplemented(operation, member);
}

async function change(ctx: Context, arn: string | undefined, body: (row: SamlProviderRow) => SamlProviderRow): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(SamlProviders).put(body(await requireProvider(tx, ctx.account, arn)));
  });
}

export const samlProviderHandlers: HandlersOf<IAM> = {
  /** Throws ValidationError, InvalidInput, EntityAlreadyExists, LimitExceeded. */
  async CreateSAMLProvider(input, ctx) {
    const { Name: name = '', SAMLMetadataDocument: document = '', Tags } = input;
    refuseEncryption('CreateSAMLProvider', { ...input });
    const check = new RequestCheck().length('name', name, 1, 128).pattern('name', name, /^[\w._-]*$/, '[\\w._-]+');
    const tags = checkNewTags(checkMetadata(check, document), Tags, 'sensitive');
    const row: SamlProviderRow = { name, uuid: ctx.uuid(), created: ctx.now, tags, ...(await readMetadata(document, ctx.now)) };
    await ctx.transact(async (tx) => {
      const providers = tx.table(SamlProviders);
      if ((await providers.get(name)) !== undefined) throw entityAlreadyExists(`Provider with name ${name} already exists.`);
      if ((await providers.count()) >= providersMax) throw quotaExceeded('SamlProvidersPerAccount', providersMax);
      await providers.put(row);
    });
    return { SAMLProviderArn: samlArn(ctx.account, name), Tags: describeTags(tags) };
  },

  async GetSAMLProvider({ SAMLProviderArn: arn }, ctx) {
    checkArn(arn).done();
    const row = await requireProvider(ctx, ctx.account, arn);
    return {
      SAMLProviderUUID: row.uuid,
      SAMLMetadataDocument: row.metadata,
      CreateDate: dateOf(row.created),
      ValidUntil: dateOf(row.validUntil),
      Tags: describeTags(row.tags),
    };
  },

  async ListSAMLProviders(_input, ctx) {
    const rows = await ctx.table(SamlProviders).list();
    return {
      SAMLProviderList: rows.map(({ name, created, validUntil }) => ({
        Arn: samlArn(ctx.account, name),
        CreateDate: dateOf(created),
        ValidUntil: dateOf(validUntil),
      })),
    };
  },

  async UpdateSAMLProvider(input, ctx) {
    const { SAMLProviderArn: arn = '', SAMLMetadataDocument: document } = input;
    refuseEncryption('UpdateSAMLProvider', { ...input });
    checkMetadata(checkArn(arn), document).done();
    const metadata = document === undefined ? {} : await readMetadata(document, ctx.now);
    await change(ctx, arn, (row) => ({ ...row, ...metadata }));
    return { SAMLProviderArn: arn };
  },

  async DeleteSAMLProvider({ SAMLProviderArn: arn }, ctx) {
    checkArn(arn).done();
    await ctx.transact(async (tx) => {
      const row = await requireProvider(tx, ctx.account, arn);
      await tx.table(SamlProviders).delete(row.name);
    });
    return {};
  },

  async TagSAMLProvider({ SAMLProviderArn: arn, Tags }, ctx) {
    checkTagMembers(checkArn(arn), Tags).done();
    const added = readTags(Tags, 'sensitive');
    await change(ctx, arn, (row) => ({ ...row, tags: withTags(row.tags, added, 'sensitive') }));
    return {};
  },

  async UntagSAMLProvider({ SAMLProviderArn: arn, TagKeys }, ctx) {
    checkTagKeys(checkArn(arn), TagKeys);
    await change(ctx, arn, (row) => ({ ...row, tags: withoutTags(row.tags, TagKeys ?? [], 'sensitive') }));
    return {};
  },

  async ListSAMLProviderTags(input, ctx) {
    checkArn(input.SAMLProviderArn).paging(input).done();
    const row = await requireProvider(ctx, ctx.account, input.SAMLProviderArn);
    return pageTags(`ListSAMLProviderTags ${row.uuid}`, row.tags, input);
  },
};

async function onProvider(
  input: {
    SAMLProviderArn?: string | undefined;
    Tags?: Parameters<typeof requestTags>[0]['Tags'];
    TagKeys?: readonly string[] | undefined;
  },
  ctx: Context,
): Promise<Check[]> {
  const { SAMLProviderArn: resource = '' } = input;
  const row = await ctx.table(SamlProviders).get(nameOf(ctx.account, resource) ?? '');
  return [{ resource, conditions: { ...resourceTags(row?.tags), ...requestTags(input) } }];
}

export const samlProviderChecks: AuthorisationsOf<IAM> = {
  CreateSAMLProvider: (input, ctx) => [{ resource: samlArn(ctx.account, input.Name ?? ''), conditions: requestTags(input) }],
  GetSAMLProvider: onProvider,
  UpdateSAMLProvider: onProvider,
  DeleteSAMLProvider: onProvider,
  TagSAMLProvider: onProvider,
  UntagSAMLProvider: onProvider,
  ListSAMLProviderTags: onProvider,
};
