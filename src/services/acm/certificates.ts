/** Certificates: requesting, importing, reading, exporting, deleting. Validation and renewal run by themselves (issuing.ts). */
import { createHash, createPrivateKey } from 'node:crypto';
import type { ACM, RequestCertificateRequest, Tag } from '@aws-sdk/client-acm';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { inProgress, invalidDomain, invalidTag, resourceInUse, validation } from './errors.ts';
import { announce, bodyOf, openKey, scheduleLifecycle } from './issuing.ts';
import { namesOf, readImport } from './pem.ts';
import { certificateArn, describeCertificate, readArn, requireCertificate, summarise, usersOf } from './rows.ts';
import { Certificates, type CertificateRow, type DomainRow, issuedAlgorithms, type TagMap } from './state.ts';

const domainForm = /^(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])$/;
const domainPattern = '^(\\*\\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])$';
const namesMax = 10;
const tagsMax = 50;
const tokenLife = 3_600_000;
const pageItemsMax = 1000;

/** Tags on top of those that were there. Throws InvalidTagException, TooManyTagsException. */
function readTags(tags: readonly Tag[] | undefined, old: TagMap = {}): TagMap {
  const all: Record<string, string> = { ...old };
  for (const { Key = '', Value = '' } of tags ?? []) {
    if (Key === '' || Key.length > 128 || Value.length > 256)
      throw invalidTag('A tag key has 1 to 128 characters, a value at most 256.');
    if (/^aws:/i.test(Key)) throw invalidTag('Tag keys that start with aws: are reserved.');
    all[Key] = Value;
  }
  if (Object.keys(all).length > tagsMax)
    throw new AwsError('TooManyTagsException', `A certificate can have at most ${tagsMax} tags.`);
  return all;
}

/** The CNAME that proves control of a domain: the same for a domain and its wildcard, in every request of an account. */
function recordOf(account: string, domain: string): DomainRow['record'] {
  const base = domain.replace(/^\*\./, '').toLowerCase();
  const hex = createHash('sha256').update(`${account} ${base}`).digest('hex');
  const zone = hex.slice(54).replace(/\d/g, (digit) => 'ghijklmnop'.charAt(Number(digit)));
  return { name: `_${hex.slice(0, 32)}.${base}.`, value: `_${hex.slice(22, 54)}.${zone}.acm-validations.aws.` };
}

function checkRequest(input: RequestCertificateRequest): void {
  const check = new RequestCheck()
    .length('domainName', input.DomainName, 1, 253)
    .pattern('domainName', input.DomainName, domainForm, domainPattern)
    .count('subjectAlternativeNames', input.SubjectAlternativeNames, 1, 100)
    .oneOf('validationMethod', input.ValidationMethod, ['EMAIL', 'DNS', 'HTTP'])
    .length('idempotencyToken', input.IdempotencyToken, 1, 32);
  for (const [index, name] of (input.SubjectAlternativeNames ?? []).entries())
    check.pattern(`subjectAlternativeNames.${index + 1}.member`, name, domainForm, domainPattern);
  check.done();
  const { CertificateAuthorityArn, ManagedBy, ValidationMethod: method = 'EMAIL', DomainValidationOptions: options } = input;
  if (CertificateAuthorityArn !== undefined) throw parameterNotImplemented('RequestCertificate', 'CertificateAuthorityArn');
  if (ManagedBy !== undefined) throw parameterNotImplemented('RequestCertificate', 'ManagedBy');
  // Without a method AWS sends mails, which this cloud does not.
  if (method !== 'DNS') throw parameterNotImplemented('RequestCertificate', `ValidationMethod ${method}`);
  if (options !== undefined) throw invalidDomain('DomainValidationOptions are for validation by e-mail.');
}

/** An export of keys is only for certificates that were asked for as exportable. Throws ValidationException. */
function checkExportable(row: CertificateRow): void {
  if (!row.exportable) throw validation(`Certificate ${row.domain} is not exportable.`);
}

/** The answer to a request repeated within an hour under its token. */
async function findRepeated(
  ctx: Context,
  token: string | undefined,
  names: readonly string[],
): Promise<CertificateRow | undefined> {
  if (token === undefined) return undefined;
  const rows = await ctx.table(Certificates).byIndex('byToken', [token]);
  return rows.find((row) => row.created > ctx.now - tokenLife && row.names.join() === names.join());
}

export const certificateHandlers: HandlersOf<ACM> = {
  async RequestCertificate(input, ctx) {
    checkRequest(input);
    const keyAlgorithm = issuedAlgorithms.find((one) => one === (input.KeyAlgorithm ?? 'RSA_2048'));
    if (keyAlgorithm === undefined)
      throw validation(`KeyAlgorithm ${input.KeyAlgorithm} is not supported for requested certificates.`);
    const names = [
      ...new Set([input.DomainName ?? '', ...(input.SubjectAlternativeNames ?? [])].map((name) => name.toLowerCase())),
    ];
    if (names.length > namesMax)
      throw new AwsError('LimitExceededException', `A certificate can have at most ${namesMax} domain names.`);
    const tags = readTags(input.Tags);
    const repeated = await findRepeated(ctx, input.IdempotencyToken, names);
    if (repeated !== undefined) return { CertificateArn: certificateArn(ctx, repeated.id) };
    const { Export, CertificateTransparencyLoggingPreference: logging = 'ENABLED' } = input.Options ?? {};
    const row: CertificateRow = {
      id: ctx.uuid(),
      type: 'AMAZON_ISSUED',
      status: 'PENDING_VALIDATION',
      domain: names[0] ?? '',
      names,
      keyAlgorithm,
      created: ctx.now,
      domains: names.map((domain) => ({ domain, record: recordOf(ctx.account, domain), status: 'PENDING_VALIDATION' })),
      exportable: Export === 'ENABLED',
      exported: false,
      logging,
      tags,
      token: input.IdempotencyToken,
    };
    await ctx.transact(async (tx) => {
      await tx.table(Certificates).put(row);
      await tx.schedule({ task: 'validate', key: row.id, due: ctx.now });
    });
    return { CertificateArn: certificateArn(ctx, row.id) };
  },

  /** With an ARN: puts a new certificate in the place of an imported one, under the same ARN. */
  async ImportCertificate(input, ctx) {
    const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
    const chainText = input.CertificateChain === undefined ? undefined : text(input.CertificateChain);
    const { certificate, chain, key, keyAlgorithm } = readImport(
      text(input.Certificate),
      text(input.PrivateKey),
      chainText,
      ctx.now,
    );
    if (input.CertificateArn !== undefined && input.Tags !== undefined)
      throw validation('Tagging is not permitted on re-import.');
    const id = input.CertificateArn === undefined ? ctx.uuid() : readArn(ctx, input.CertificateArn);
    const names = namesOf(certificate);
    const tags = readTags(input.Tags);
    const body = bodyOf(ctx, id, certificate, chain, key.export({ type: 'pkcs8', format: 'pem' }) as string);
    await ctx.transact(async (tx) => {
      const old = input.CertificateArn === undefined ? undefined : await requireCertificate(ctx, tx, input.CertificateArn);
      if (old !== undefined && old.type !== 'IMPORTED') throw validation('Only imported certificates can be re-imported.');
      if (old !== undefined && old.keyAlgorithm !== keyAlgorithm)
        throw validation('The key algorithm and size of the new certificate must be those of the original one.');
      const row: CertificateRow = {
        id,
        type: 'IMPORTED',
        status: 'ISSUED',
        domain: names[0] ?? '',
        names,
        keyAlgorithm,
        created: old?.created ?? ctx.now,
        since: ctx.now,
        domains: [],
        exportable: false,
        exported: false,
        logging: 'DISABLED',
        tags: old?.tags ?? tags,
        body,
      };
      await tx.table(Certificates).put(row);
      await scheduleLifecycle(tx, row, ctx.now);
      await announce(ctx, tx, row, 'ACM Certificate Available', old === undefined ? 'IMPORT' : 'REIMPORT');
    });
    return { CertificateArn: certificateArn(ctx, id) };
  },

  async DescribeCertificate(input, ctx) {
    return { Certificate: await describeCertificate(ctx, await requireCertificate(ctx, ctx, input.CertificateArn)) };
  },

  /** Unless told, certificates under RSA keys of 1024 and 2048 bits only ("Default filtering returns only …"). */
  async ListCertificates(input, ctx) {
    const { CertificateStatuses: statuses, Includes: includes = {}, MaxItems: limit = pageItemsMax } = input;
    new RequestCheck().range('maxItems', limit, 1, pageItemsMax).done();
    for (const name of ['extendedKeyUsage', 'keyUsage', 'managedBy'] as const)
      if (includes[name] !== undefined) throw parameterNotImplemented('ListCertificates', `Includes.${name}`);
    if (input.SortBy !== undefined) throw parameterNotImplemented('ListCertificates', 'SortBy');
    if (input.CertificateKeyPairOrigins !== undefined)
      throw parameterNotImplemented('ListCertificates', 'CertificateKeyPairOrigins');
    const types: readonly string[] = includes.keyTypes ?? ['RSA_1024', 'RSA_2048'];
    const rows = (await ctx.table(Certificates).list()).filter(
      (row) =>
        types.includes(row.keyAlgorithm) &&
        (statuses === undefined || statuses.includes(row.status)) &&
        (includes.exportOption === undefined || row.exportable === (includes.exportOption === 'ENABLED')),
    );
    const page = pageOf(rows, ({ id }) => [id], { scope: 'ListCertificates', token: input.NextToken, limit });
    if (page === undefined) throw validation('The NextToken is not valid.');
    const CertificateSummaryList = await Promise.all(page.items.map((row) => summarise(ctx, row)));
    return { CertificateSummaryList, ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },

  /** Certificate and chain, never the key. Throws RequestInProgressException before it is issued. */
  async GetCertificate(input, ctx) {
    const { body } = await requireCertificate(ctx, ctx, input.CertificateArn);
    if (body === undefined) throw inProgress(input.CertificateArn ?? '');
    return { Certificate: body.certificate, ...(body.chain === undefined ? {} : { CertificateChain: body.chain }) };
  },

  /** The key leaves encrypted under the passphrase (PKCS #8). */
  async ExportCertificate(input, ctx) {
    new RequestCheck().size('passphrase', input.Passphrase, 4, 128).done();
    const row = await requireCertificate(ctx, ctx, input.CertificateArn);
    checkExportable(row);
    if (row.body === undefined) throw inProgress(input.CertificateArn ?? '');
    const passphrase = Buffer.from(input.Passphrase ?? []);
    const key = createPrivateKey(openKey(ctx, row)).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
    await ctx.transact((tx) => tx.table(Certificates).update([row.id], (now) => ({ ...now, exported: true })));
    return { Certificate: row.body.certificate, CertificateChain: row.body.chain, PrivateKey: key as string };
  },

  async DeleteCertificate(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireCertificate(ctx, tx, input.CertificateArn);
      if ((await usersOf(tx, id)).length > 0) throw resourceInUse(input.CertificateArn ?? '');
      await tx.table(Certificates).delete(id);
      for (const task of ['validate', 'lifecycle']) await tx.unschedule(task, id);
    });
    return {};
  },

  async AddTagsToCertificate(input, ctx) {
    await changeTags(ctx, input.CertificateArn, (tags) => readTags(input.Tags, tags));
    return {};
  },

  /** A tag given with a value is removed only if it has that value. */
  async RemoveTagsFromCertificate(input, ctx) {
    const gone = (key: string, value: string): boolean =>
      (input.Tags ?? []).some(({ Key, Value }) => Key === key && (Value === undefined || Value === value));
    await changeTags(ctx, input.CertificateArn, (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key, value]) => !gone(key, value))),
    );
    return {};
  },

  async ListTagsForCertificate(input, ctx) {
    const { tags } = await requireCertificate(ctx, ctx, input.CertificateArn);
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },
};

async function changeTags(ctx: Context, arn: string | undefined, change: (tags: TagMap) => TagMap): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await requireCertificate(ctx, tx, arn);
    await tx.table(Certificates).put({ ...row, tags: change(row.tags) });
  });
}
