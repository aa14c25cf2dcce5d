/** X.509 signing certificates of users, at most two each. */
import { X509Certificate } from 'node:crypto';
import type { IAM, SigningCertificate } from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onUser } from './authorise.ts';
import { dateOf } from './dates.ts';
import { idCannotBeFound, quotaExceeded } from './errors.ts';
import { pageItems } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type Reading, type SigningCertificateRow, SigningCertificates } from './state.ts';
import { type Owner, requireOwner } from './users.ts';

/** Fingerprint of a certificate in PEM. Throws MalformedCertificate, InvalidCertificate when it has expired. */
function fingerprintOf(body: string, ctx: Context): string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(body);
  } catch {
    throw new AwsError('MalformedCertificate', `Certificate ${body} is malformed.`);
  }
  if (Date.parse(certificate.validTo) <= ctx.now) throw new AwsError('InvalidCertificate', 'The certificate is invalid.');
  return certificate.fingerprint256;
}

async function requireCertificate(reading: Reading, owner: Owner, id: string): Promise<SigningCertificateRow> {
  const row = await reading.table(SigningCertificates).get(id);
  if (row === undefined || row.user !== owner.id) throw idCannotBeFound('Certificate', id);
  return row;
}

function describeCertificate(owner: Owner, row: SigningCertificateRow): SigningCertificate {
  return {
    UserName: owner.name,
    CertificateId: row.id,
    CertificateBody: row.body,
    Status: row.active ? 'Active' : 'Inactive',
    UploadDate: dateOf(row.created),
  };
}

function checkMembers(name: string | undefined, id?: string): RequestCheck {
  return new RequestCheck()
    .name('userName', name, sizes.existingUserName)
    .length('certificateId', id, 24, 128)
    .pattern('certificateId', id, /^\w+$/, '[\\w]+');
}

export const signingCertificateHandlers: HandlersOf<IAM> = {
  /** A certificate can be registered once in the account. */
  async UploadSigningCertificate({ UserName, CertificateBody: body = '' }, ctx) {
    checkMembers(UserName).length('certificateBody', body, 1, 16_384).done();
    await requireOwner(ctx, ctx, UserName);
    const fingerprint = fingerprintOf(body, ctx);
    const id = ctx.id('signingCertificate');
    return ctx.transact(async (tx) => {
      const owner = await requireOwner(tx, ctx, UserName);
      const certificates = tx.table(SigningCertificates);
      if ((await certificates.firstByIndex('byFingerprint', [fingerprint])) !== undefined) {
        throw new AwsError(
          'DuplicateCertificate',
          'The same certificate is already associated with an IAM user in the account.',
          {
            status: 409,
          },
        );
      }
      if ((await certificates.byIndex('byUser', [owner.id])).length >= quotas.CertificatesPerUser) {
        throw quotaExceeded('CertificatesPerUser', quotas.CertificatesPerUser);
      }
      const row: SigningCertificateRow = { id, user: owner.id, created: ctx.now, body, fingerprint, active: true };
      await certificates.put(row);
      return { Certificate: describeCertificate(owner, row) };
    });
  },

  async ListSigningCertificates(input, ctx) {
    checkMembers(input.UserName).paging(input).done();
    const owner = await requireOwner(ctx, ctx, input.UserName);
    const rows = await ctx.table(SigningCertificates).byIndex('byUser', [owner.id]);
    const { items, page } = pageItems(`ListSigningCertificates ${owner.id}`, rows, (row) => [row.created, row.id], input);
    return { Certificates: items.map((row) => describeCertificate(owner, row)), ...page };
  },

  async UpdateSigningCertificate({ UserName, CertificateId: id = '', Status: status }, ctx) {
    checkMembers(UserName, id).oneOf('status', status, ['Active', 'Inactive']).done();
    await ctx.transact(async (tx) => {
      const row = await requireCertificate(tx, await requireOwner(tx, ctx, UserName), id);
      await tx.table(SigningCertificates).put({ ...row, active: status === 'Active' });
    });
    return {};
  },

  async DeleteSigningCertificate({ UserName, CertificateId: id = '' }, ctx) {
    checkMembers(UserName, id).done();
    await ctx.transact(async (tx) => {
      const row = await requireCertificate(tx, await requireOwner(tx, ctx, UserName), id);
      await tx.table(SigningCertificates).delete(row.id);
    });
    return {};
  },
};

export const signingCertificateChecks: AuthorisationsOf<IAM> = {
  UploadSigningCertificate: onUser,
  ListSigningCertificates: onUser,
  UpdateSigningCertificate: onUser,
  DeleteSigningCertificate: onUser,
};
