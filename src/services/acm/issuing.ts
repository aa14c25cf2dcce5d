/**
 * What happens to requested certificates by themselves: each domain's record is looked for in the cloud's public DNS until it is there; then the
 * cloud's authority signs. Certificates that are in use are renewed 60 days before they end, under new keys, while the records are still there; all
 * end at their time. Source: ACM User Guide, "DNS validation", "Managed certificate renewal", "Troubleshooting" (72 hours).
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Millis } from '../../base/clock.ts';
import type { KeyAlgorithm } from '../../base/x509.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { oneLine, serialOf } from './pem.ts';
import { certificateArn, usersOf } from './rows.ts';
import { type Body, Certificates, type CertificateRow, type DomainRow } from './state.ts';

const second: Millis = 1000;
const day: Millis = 86_400_000;
/** "13 months". */
const validDays = 395;
const renewalDays = 60;
const noticeDays = 45;
const validationMax: Millis = 3 * day;
/** The records are looked for every ten seconds at first, every five minutes once ten minutes have passed. */
const eagerFor: Millis = 600 * second;
/** Who asks: an address of the internet that is nobody's machine. */
const asker = { address: '198.18.0.1' };

const keyLabel = (account: string, id: string): string => `acm ${account} ${id}`;

/** Seals a private key for its row. */
function sealKey(ctx: Context, id: string, pem: string): Uint8Array {
  return ctx.part('vault').seal(Buffer.from(pem), keyLabel(ctx.account, id));
}

export function openKey(ctx: Context, { id, body }: CertificateRow): string {
  if (body === undefined) throw new Error(`Certificate ${id} has no key.`);
  return ctx.part('vault').open(body.sealedKey, keyLabel(ctx.account, id)).toString();
}

/** Body of a row from a certificate and its key. */
export function bodyOf(ctx: Context, id: string, certificate: X509Certificate, chain: string | undefined, key: string): Body {
  return {
    certificate: certificate.toString(),
    chain,
    sealedKey: sealKey(ctx, id, key),
    serial: serialOf(certificate),
    subject: oneLine(certificate.subject),
    issuer: /^O=(.+)$/m.exec(certificate.issuer)?.[1] ?? oneLine(certificate.issuer),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    extendedKeyUsages: certificate.keyUsage ?? [],
  };
}

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** The domains of a row, with those whose record is found marked. */
async function lookFor(ctx: Context, { domains }: CertificateRow): Promise<DomainRow[]> {
  const dns = ctx.part('dns');
  const looked = domains.map(async (domain): Promise<DomainRow> => {
    const { answers } = await dns.resolve({ name: bare(domain.record.name), type: 'CNAME' }, asker);
    const found = answers.some((answer) => answer.type === 'CNAME' && bare(String(answer.data)) === bare(domain.record.value));
    return { ...domain, status: found ? 'SUCCESS' : 'PENDING_VALIDATION' };
  });
  return Promise.all(looked);
}

async function issue(ctx: Context, row: CertificateRow): Promise<Body> {
  const from = ctx.now - (ctx.now % second);
  const made = await ctx.part('certificates').issue({
    names: row.names,
    algorithm: row.keyAlgorithm as KeyAlgorithm,
    notBefore: from,
    notAfter: from + validDays * day,
  });
  return bodyOf(
    ctx,
    row.id,
    new X509Certificate(made.certificate),
    made.chain,
    createPrivateKey(made.privateKey).export({ type: 'pkcs8', format: 'pem' }) as string,
  );
}

/** When something next happens to a certificate by itself: renewal, notices, its end. */
export async function scheduleLifecycle(tx: Transaction, { id, body }: CertificateRow, now: Millis): Promise<void> {
  if (body === undefined) return;
  const firstDue = body.notAfter - renewalDays * day;
  const due = Math.min(body.notAfter, Math.max(firstDue, now + (now < firstDue ? 0 : day)));
  await tx.schedule({ task: 'lifecycle', key: id, due });
}

/** Looks for the records of a requested certificate once, and comes back until they are there or three days have passed. */
export const validate: Task = async ({ key: id, due }, ctx) => {
  const row = await ctx.table(Certificates).get(id);
  if (row?.status !== 'PENDING_VALIDATION') return;
  const domains = await lookFor(ctx, row);
  const proven = domains.every(({ status }) => status === 'SUCCESS');
  const body = proven ? await issue(ctx, row) : undefined;
  await ctx.transact(async (tx) => {
    const now = await tx.table(Certificates).get(id);
    if (now?.status !== 'PENDING_VALIDATION') return;
    if (body !== undefined) {
      const issued: CertificateRow = { ...now, domains, body, status: 'ISSUED', since: ctx.now };
      await tx.table(Certificates).put(issued);
      await scheduleLifecycle(tx, issued, ctx.now);
      await announce(ctx, tx, issued, 'ACM Certificate Available');
      return;
    }
    const late = due - row.created >= validationMax;
    const failed = domains.map((domain) => ({
      ...domain,
      status: late && domain.status !== 'SUCCESS' ? ('FAILED' as const) : domain.status,
    }));
    await tx.table(Certificates).put({ ...now, domains: failed, status: late ? 'VALIDATION_TIMED_OUT' : now.status });
    const pause = due - row.created < eagerFor ? 10 * second : 300 * second;
    if (!late) await tx.schedule({ task: 'validate', key: id, due: due + pause });
  });
};

/** Tells the Region's bus, and with it whoever serves the certificate ("Amazon EventBridge support for ACM"). `action` is REIMPORT and the like. */
export async function announce(
  ctx: Context,
  tx: Transaction,
  row: CertificateRow,
  detailType: string,
  action = row.renewal === undefined ? 'ISSUANCE' : 'RENEWAL',
): Promise<void> {
  const detail = {
    Action: action,
    CertificateType: row.type,
    CommonName: row.domain,
    DomainValidationMethod: row.type === 'IMPORTED' ? undefined : 'DNS',
    CertificateExpirationDate: row.body === undefined ? undefined : new Date(row.body.notAfter).toISOString(),
    DaysToExpiry: row.body === undefined ? undefined : Math.max(0, Math.ceil((row.body.notAfter - ctx.now) / day)),
    InUse: (await usersOf(tx, row.id)).length > 0,
    Exported: row.exported,
  };
  await tx.emit({ source: 'aws.acm', detailType, detail, resources: [certificateArn(ctx, row.id)] });
}

/** Renews what is eligible, gives notice of what will end, and ends what is over. Comes back daily from 60 days before the end. */
export const lifecycle: Task = async ({ key: id, due }, ctx) => {
  const row = await ctx.table(Certificates).get(id);
  if (row?.body === undefined || row.status !== 'ISSUED') return;
  const over = due >= row.body.notAfter;
  const wanted = !over && row.type === 'AMAZON_ISSUED' && (row.exported || (await usersOf(ctx, id)).length > 0);
  const domains = wanted ? await lookFor(ctx, row) : row.domains;
  const renewed = wanted && domains.every(({ status }) => status === 'SUCCESS') ? await issue(ctx, row) : undefined;
  await ctx.transact(async (tx) => {
    const now = await tx.table(Certificates).get(id);
    if (now?.body === undefined || now.status !== 'ISSUED') return;
    const changed: CertificateRow = over
      ? { ...now, status: 'EXPIRED' }
      : renewed !== undefined
        ? { ...now, domains, body: renewed, renewal: { status: 'SUCCESS', at: ctx.now } }
        : wanted
          ? { ...now, domains, renewal: { status: 'PENDING_VALIDATION', at: ctx.now } }
          : now;
    await tx.table(Certificates).put(changed);
    if (over) return announce(ctx, tx, changed, 'ACM Certificate Expired');
    if (renewed !== undefined) await announce(ctx, tx, changed, 'ACM Certificate Available');
    else if (now.body.notAfter - due <= noticeDays * day)
      await announce(ctx, tx, changed, 'ACM Certificate Approaching Expiration');
    await scheduleLifecycle(tx, changed, due);
  });
};
