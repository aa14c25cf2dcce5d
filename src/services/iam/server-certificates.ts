/** Server certificates kept in IAM, for what terminates TLS where ACM is not used. The private key goes in and never comes out. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { IAM, ServerCertificateMetadata } from '@aws-sdk/client-iam';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { serverCertificateArn } from './arns.ts';
import { onNewServerCertificate, onPath, onServerCertificate } from './authorise.ts';
import { dateOf } from './dates.ts';
import { cannotBeFound, entityAlreadyExists, quotaExceeded } from './errors.ts';
import { pageRows } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type Reading, type ServerCertificateRow, ServerCertificates } from './state.ts';
import {
  checkNewTags,
  checkTagKeys,
  checkTagMembers,
  describeTags,
  describeTagsIfAny,
  pageTags,
  readTags,
  withoutTags,
  withTags,
} from './tags.ts';

const bodyLengthMax = 16_384;
const chainLengthMax = 2_097_152;
const pemForm = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificate of this name. Throws NoSuchEntity. */
async function requireServerCertificate(reading: Reading, name: string | undefined): Promise<ServerCertificateRow> {
  const row = await reading.table(ServerCertificates).get((name ?? '').toLowerCase());
  if (row === undefined) throw cannotBeFound('Server Certificate', name ?? '');
  return row;
}

function malformed(message: string): AwsError {
  return new AwsError('MalformedCertificate', message);
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw malformed('Unable to parse certificate. Please ensure the certificate is in PEM format.');
  }
}

function parseKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw malformed('Unable to parse private key. Please ensure the private key is in unencrypted PEM format.');
  }
}

/** Each certificate of the chain must have signed the one before it. */
function checkChain(certificate: X509Certificate, chain: string): void {
  let current = certificate;
  const links = chain.match(pemForm) ?? [];
  if (links.length === 0) throw malformed('Unable to parse certificate. Please ensure the certificate is in PEM format.');
  for (const pem of links) {
    const issuer = parseCertificate(pem);
    if (!current.checkIssued(issuer) || !current.verify(issuer.publicKey)) {
      throw malformed(
        'Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order.',
      );
    }
    current = issuer;
  }
}

/** When the certificate expires, once everything fits together. Throws MalformedCertificate, KeyPairMismatch. */
function checkMaterial(body: string, privateKey: string, chain: string | undefined): number {
  const certificate = parseCertificate(body);
  if (!certificate.checkPrivateKey(parseKey(privateKey))) {
    throw new AwsError('KeyPairMismatch', 'The public key certificate and the private key do not match.');
  }
  if (chain !== undefined) checkChain(certificate, chain);
  return Date.parse(certificate.validTo);
}

function describeMetadata(account: string, row: ServerCertificateRow): ServerCertificateMetadata {
  return {
    Path: row.path,
    ServerCertificateName: row.name,
    ServerCertificateId: row.id,
    Arn: serverCertificateArn(account, row),
    UploadDate: dateOf(row.uploaded),
    Expiration: dateOf(row.expires),
  };
}

function alreadyThere(name: string): Error {
  return entityAlreadyExists(`The Server Certificate with name ${name} already exists.`);
}

const checkName = (name: string | undefined): RequestCheck =>
  new RequestCheck().name('serverCertificateName', name, sizes.serverCertificateName);

export const serverCertificateHandlers: HandlersOf<IAM> = {
  async UploadServerCertificate(input, ctx) {
    const { ServerCertificateName: name = '', Path: path = '/', CertificateBody: body = '', CertificateChain: chain } = input;
    const check = checkName(name)
      .path('path', path)
      .length('certificateBody', body, 1, bodyLengthMax)
      .length('privateKey', input.PrivateKey, 1, bodyLengthMax)
      .length('certificateChain', chain, 1, chainLengthMax);
    const tags = checkNewTags(check, input.Tags, 'sensitive');
    const privateKey = input.PrivateKey ?? '';
    const expires = checkMaterial(body, privateKey, chain);
    const id = ctx.id('serverCertificate');
    const row: ServerCertificateRow = { name, path, id, uploaded: ctx.now, expires, body, chain, privateKey, tags };
    await ctx.transact(async (tx) => {
      const certificates = tx.table(ServerCertificates);
      if ((await certificates.get(name.toLowerCase())) !== undefined) throw alreadyThere(name);
      const quota = quotas.ServerCertificatesPerAccount;
      if ((await certificates.count()) >= quota) throw quotaExceeded('ServerCertificatesPerAccount', quota);
      await certificates.put(row);
    });
    return { ServerCertificateMetadata: describeMetadata(ctx.account, row), Tags: describeTagsIfAny(tags) };
  },

  async GetServerCertificate({ ServerCertificateName: name }, ctx) {
    checkName(name).done();
    const row = await requireServerCertificate(ctx, name);
    return {
      ServerCertificate: {
        ServerCertificateMetadata: describeMetadata(ctx.account, row),
        CertificateBody: row.body,
        CertificateChain: row.chain,
        Tags: describeTags(row.tags),
      },
    };
  },

  async ListServerCertificates(input, ctx) {
    new RequestCheck().pathPrefix(input.PathPrefix).paging(input).done();
    const prefix = input.PathPrefix ?? '/';
    const accept = (row: ServerCertificateRow): boolean => row.path.startsWith(prefix);
    const { items, page } = await pageRows(`ListServerCertificates ${prefix}`, ctx.table(ServerCertificates), input, accept);
    return { ServerCertificateMetadataList: items.map((row) => describeMetadata(ctx.account, row)), ...page };
  },

  async UpdateServerCertificate({ ServerCertificateName: name, NewPath: newPath, NewServerCertificateName: newName }, ctx) {
    checkName(name).path('newPath', newPath).name('newServerCertificateName', newName, sizes.serverCertificateName).done();
    await ctx.transact(async (tx) => {
      const certificates = tx.table(ServerCertificates);
      const row = await requireServerCertificate(tx, name);
      const changed = { ...row, name: newName ?? row.name, path: newPath ?? row.path };
      const moved = changed.name.toLowerCase() !== row.name.toLowerCase();
      if (moved && (await certificates.get(changed.name.toLowerCase())) !== undefined) throw alreadyThere(changed.name);
      if (moved) await certificates.delete(row.name.toLowerCase());
      await certificates.put(changed);
    });
    return {};
  },

  async DeleteServerCertificate({ ServerCertificateName: name }, ctx) {
    checkName(name).done();
    await ctx.transact(async (tx) => {
      const row = await requireServerCertificate(tx, name);
      await tx.table(ServerCertificates).delete(row.name.toLowerCase());
    });
    return {};
  },

  async TagServerCertificate({ ServerCertificateName: name, Tags }, ctx) {
    checkTagMembers(checkName(name), Tags).done();
    const added = readTags(Tags, 'sensitive');
    await ctx.transact(async (tx) => {
      const row = await requireServerCertificate(tx, name);
      await tx.table(ServerCertificates).put({ ...row, tags: withTags(row.tags, added, 'sensitive') });
    });
    return {};
  },

  async UntagServerCertificate({ ServerCertificateName: name, TagKeys = [] }, ctx) {
    checkTagKeys(checkName(name), TagKeys);
    await ctx.transact(async (tx) => {
      const row = await requireServerCertificate(tx, name);
      await tx.table(ServerCertificates).put({ ...row, tags: withoutTags(row.tags, TagKeys, 'sensitive') });
    });
    return {};
  },

  async ListServerCertificateTags(input, ctx) {
    checkName(input.ServerCertificateName).paging(input).done();
    const row = await requireServerCertificate(ctx, input.ServerCertificateName);
    return pageTags(`ListServerCertificateTags ${row.id}`, row.tags, input);
  },
};

export const serverCertificateChecks: AuthorisationsOf<IAM> = {
  UploadServerCertificate: onNewServerCertificate,
  GetServerCertificate: onServerCertificate,
  ListServerCertificates: onPath('server-certificate'),
  UpdateServerCertificate: onServerCertificate,
  DeleteServerCertificate: onServerCertificate,
  TagServerCertificate: onServerCertificate,
  UntagServerCertificate: onServerCertificate,
  ListServerCertificateTags: onServerCertificate,
};
