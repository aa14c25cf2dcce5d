/** Finding certificates, and describing them as the API does. */
import type { CertificateDetail, CertificateSummary, DomainValidation } from '@aws-sdk/client-acm';
import { formatArn, parseArn } from '../../base/arn.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import type { Table, TableReader } from '../../store/tables.ts';
import { invalidArn, notFound } from './errors.ts';
import { Certificates, type CertificateRow, Uses } from './state.ts';

interface Reading {
  table<Row, Index extends string>(table: Table<Row, Index>): TableReader<Row, Index>;
}

const extendedUsages: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'TLS_WEB_SERVER_AUTHENTICATION',
  '1.3.6.1.5.5.7.3.2': 'TLS_WEB_CLIENT_AUTHENTICATION',
};

export function certificateArn({ account, region }: Scope, id: string): string {
  return formatArn({ service: 'acm', region, account, resource: `certificate/${id}` });
}

/** Id in an ARN. Throws InvalidArnException; ResourceNotFoundException for other accounts and Regions, where nobody may look. */
export function readArn(ctx: Scope, text: string | undefined): string {
  const arn = parseArn(text ?? '');
  const id = arn?.service === 'acm' ? /^certificate\/([0-9a-f-]{36})$/.exec(arn.resource)?.[1] : undefined;
  if (arn === undefined || id === undefined) throw invalidArn(text ?? '');
  if (arn.account !== ctx.account || arn.region !== ctx.region) throw notFound(text ?? '');
  return id;
}

/** The certificate of a request. Throws InvalidArnException, ResourceNotFoundException. */
export async function requireCertificate(ctx: Scope, reading: Reading, arn: string | undefined): Promise<CertificateRow> {
  const row = await reading.table(Certificates).get(readArn(ctx, arn));
  if (row === undefined) throw notFound(arn ?? '');
  return row;
}

/** ARNs of what uses a certificate. */
export async function usersOf(reading: Reading, id: string): Promise<string[]> {
  return (await reading.table(Uses).list({ prefix: [id] })).map(({ user }) => user);
}

const date = (time: number | undefined): Date | undefined => (time === undefined ? undefined : new Date(time));

function describeDomains({ domains }: CertificateRow): DomainValidation[] {
  return domains.map(({ domain, record, status }) => ({
    DomainName: domain,
    ValidationDomain: domain,
    ValidationStatus: status,
    ResourceRecord: { Name: record.name, Type: 'CNAME', Value: record.value },
    ValidationMethod: 'DNS',
  }));
}

const eligible = (row: CertificateRow, inUse: boolean): 'ELIGIBLE' | 'INELIGIBLE' =>
  row.type === 'AMAZON_ISSUED' && (inUse || row.exported) ? 'ELIGIBLE' : 'INELIGIBLE';

/** Without members that have no value. */
function present<T extends object>(shape: T): T {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as T;
}

export async function describeCertificate(ctx: Context, row: CertificateRow): Promise<CertificateDetail> {
  const { body } = row;
  const users = await usersOf(ctx, row.id);
  const issued = row.type === 'AMAZON_ISSUED';
  return present<CertificateDetail>({
    CertificateArn: certificateArn(ctx, row.id),
    DomainName: row.domain,
    SubjectAlternativeNames: [...row.names],
    DomainValidationOptions: issued ? describeDomains(row) : undefined,
    Serial: body?.serial,
    Subject: body?.subject ?? (issued ? `CN=${row.domain}` : undefined),
    Issuer: body?.issuer ?? (issued ? 'Amazon' : undefined),
    CreatedAt: new Date(row.created),
    IssuedAt: issued ? date(row.since) : undefined,
    ImportedAt: issued ? undefined : date(row.since),
    Status: row.status,
    NotBefore: date(body?.notBefore),
    NotAfter: date(body?.notAfter),
    KeyAlgorithm: row.keyAlgorithm as CertificateDetail['KeyAlgorithm'],
    InUseBy: users,
    Type: row.type,
    RenewalSummary:
      row.renewal === undefined
        ? undefined
        : {
            RenewalStatus: row.renewal.status,
            DomainValidationOptions: describeDomains(row),
            UpdatedAt: new Date(row.renewal.at),
          },
    ExtendedKeyUsages: body?.extendedKeyUsages.map((OID) => ({
      OID,
      Name: (extendedUsages[OID] ?? 'CUSTOM') as 'TLS_WEB_SERVER_AUTHENTICATION',
    })),
    RenewalEligibility: eligible(row, users.length > 0),
    Options: { CertificateTransparencyLoggingPreference: row.logging, Export: row.exportable ? 'ENABLED' : 'DISABLED' },
  });
}

export async function summarise(ctx: Context, row: CertificateRow): Promise<CertificateSummary> {
  const inUse = (await usersOf(ctx, row.id)).length > 0;
  const issued = row.type === 'AMAZON_ISSUED';
  return present<CertificateSummary>({
    CertificateArn: certificateArn(ctx, row.id),
    DomainName: row.domain,
    SubjectAlternativeNameSummaries: row.names.slice(0, 100),
    HasAdditionalSubjectAlternativeNames: row.names.length > 100,
    Status: row.status,
    Type: row.type,
    KeyAlgorithm: row.keyAlgorithm as CertificateSummary['KeyAlgorithm'],
    ExportOption: row.exportable ? 'ENABLED' : 'DISABLED',
    InUse: inUse,
    Exported: row.exported,
    RenewalEligibility: eligible(row, inUse),
    NotBefore: date(row.body?.notBefore),
    NotAfter: date(row.body?.notAfter),
    CreatedAt: new Date(row.created),
    IssuedAt: issued ? date(row.since) : undefined,
    ImportedAt: issued ? undefined : date(row.since),
  });
}
