/** Custom domain names and base path mappings, as REST APIs' clients speak of them. */
import type { APIGateway, BasePathMapping, DomainName } from '@aws-sdk/client-api-gateway';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict } from '../errors.ts';
import { pageItems, requireApi, requireStage } from '../lookup.ts';
import { applyPatch, type PatchRules } from '../patch.ts';
import { type DomainRow, Domains, type MappingRow, Mappings } from '../state.ts';
import { checkEndpoint } from './apis.ts';
import {
  aliasOf,
  changeDomain,
  checkBasePath,
  createDomain,
  deleteDomain,
  regionalZone,
  requireDomain,
  requireMapping,
} from './domain-rows.ts';
import { readTruststore } from './domain-tls.ts';
import { checkTags } from './tags.ts';

function describeDomain(ctx: Context, row: DomainRow): DomainName {
  const regional = row.endpoint.types?.[0] === 'REGIONAL';
  return {
    domainName: row.name,
    domainNameArn: `arn:aws:apigateway:${ctx.region}::/domainnames/${row.name}`,
    domainNameStatus: 'AVAILABLE',
    endpointConfiguration: { ...row.endpoint, ipAddressType: row.endpoint.ipAddressType ?? 'ipv4' },
    securityPolicy: row.securityPolicy as 'TLS_1_2',
    tags: { ...row.tags },
    ...(row.truststore === undefined
      ? {}
      : {
          mutualTlsAuthentication: {
            truststoreUri: row.truststore.uri,
            ...(row.truststore.version === undefined ? {} : { truststoreVersion: row.truststore.version }),
            ...(row.truststore.warnings.length === 0 ? {} : { truststoreWarnings: row.truststore.warnings }),
          },
        }),
    ...(regional
      ? {
          regionalCertificateArn: row.regionalCertificateArn,
          regionalDomainName: aliasOf(ctx, row),
          regionalHostedZoneId: regionalZone,
        }
      : {
          certificateArn: row.certificateArn,
          certificateUploadDate: new Date(row.created),
          distributionDomainName: aliasOf(ctx, row),
          distributionHostedZoneId: 'Z2FDTNDATAQYW2',
        }),
  };
}

function describeMapping({ basePath, api, stage }: MappingRow): BasePathMapping {
  return { basePath, restApiId: api, stage };
}

const refusedMembers = [
  ...(['certificateName', 'certificateBody', 'certificatePrivateKey', 'certificateChain', 'regionalCertificateName'] as const),
  ...(['ownershipVerificationCertificateArn', 'policy', 'routingMode', 'endpointAccessMode'] as const),
];

interface TruststoreDraft {
  truststoreUri: string | undefined;
  truststoreVersion: string | undefined;
}

const domainRules: PatchRules<DomainRow & TruststoreDraft> = {
  '/certificateArn': 'text',
  '/regionalCertificateArn': 'text',
  '/securityPolicy': 'text',
  '/mutualTlsAuthentication/truststoreUri'(draft, { op, value }) {
    draft.truststoreUri = op === 'remove' ? undefined : value;
    draft.truststoreVersion = undefined;
  },
  '/mutualTlsAuthentication/truststoreVersion'(draft, { op, value }) {
    draft.truststoreVersion = op === 'remove' ? undefined : value;
  },
};

export const domainHandlers: HandlersOf<APIGateway> = {
  async CreateDomainName(input, ctx) {
    for (const name of refusedMembers) if (input[name] !== undefined) throw parameterNotImplemented('CreateDomainName', name);
    const endpoint = checkEndpoint(input.endpointConfiguration);
    if (endpoint.types?.[0] === 'PRIVATE')
      throw parameterNotImplemented('CreateDomainName', 'endpointConfiguration.types PRIVATE');
    const { truststoreUri: uri, truststoreVersion } = input.mutualTlsAuthentication ?? {};
    const row = await createDomain(ctx, {
      name: input.domainName ?? '',
      certificateArn: input.certificateArn,
      regionalCertificateArn: input.regionalCertificateArn,
      endpoint,
      securityPolicy: input.securityPolicy ?? 'TLS_1_2',
      truststore: uri === undefined ? undefined : await readTruststore(ctx, uri, truststoreVersion),
      tags: checkTags(input.tags),
    });
    return describeDomain(ctx, row);
  },

  async GetDomainName(input, ctx) {
    return describeDomain(ctx, await requireDomain(ctx, input.domainName));
  },

  async GetDomainNames(input, ctx) {
    const { items, ...page } = pageItems('GetDomainNames', await ctx.table(Domains).list(), ({ name }) => name, input);
    return { items: items.map((row) => describeDomain(ctx, row)), ...page };
  },

  async UpdateDomainName(input, ctx) {
    const before = await requireDomain(ctx, input.domainName);
    const { truststoreUri, truststoreVersion, ...given } = applyPatch<DomainRow & TruststoreDraft>(
      { ...before, truststoreUri: before.truststore?.uri, truststoreVersion: before.truststore?.version },
      input.patchOperations,
      domainRules,
    );
    const same = truststoreUri === before.truststore?.uri && truststoreVersion === before.truststore?.version;
    const changed: DomainRow = same
      ? given
      : {
          ...given,
          // An empty address ends mutual TLS ("UpdateDomainName").
          truststore:
            (truststoreUri ?? '') === '' ? undefined : await readTruststore(ctx, truststoreUri ?? '', truststoreVersion),
        };
    await changeDomain(ctx, before, changed);
    return describeDomain(ctx, changed);
  },

  async DeleteDomainName(input, ctx) {
    await deleteDomain(ctx, input.domainName ?? '');
    return {};
  },

  async CreateBasePathMapping(input, ctx) {
    const basePath = checkBasePath(input.basePath);
    return ctx.transact(async (tx) => {
      const { name } = await requireDomain(tx, input.domainName);
      const { id: api } = await requireApi(tx, ctx, input.restApiId);
      if (input.stage !== undefined) await requireStage(tx, api, input.stage);
      if ((await tx.table(Mappings).get(name, basePath)) !== undefined)
        throw conflict('Base path already exists for this domain name');
      const row: MappingRow = { domain: name, basePath, id: ctx.id('gatewayPart'), api, stage: input.stage };
      await tx.table(Mappings).put(row);
      return describeMapping(row);
    });
  },

  async GetBasePathMapping(input, ctx) {
    await requireDomain(ctx, input.domainName);
    return describeMapping(await requireMapping(ctx, input.domainName, input.basePath));
  },

  async GetBasePathMappings(input, ctx) {
    const { name } = await requireDomain(ctx, input.domainName);
    const rows = await ctx.table(Mappings).list({ prefix: [name] });
    const { items, ...page } = pageItems(`GetBasePathMappings ${name}`, rows, ({ basePath }) => basePath, input);
    return { items: items.map(describeMapping), ...page };
  },

  async UpdateBasePathMapping(input, ctx) {
    return ctx.transact(async (tx) => {
      await requireDomain(tx, input.domainName);
      const row = await requireMapping(tx, input.domainName, input.basePath);
      const changed = applyPatch(row, input.patchOperations, {
        '/basePath': (draft, { value }) => {
          draft.basePath = checkBasePath(value);
        },
        '/restapiId': (draft, { value = '' }) => {
          draft.api = value;
        },
        '/stage': 'text',
      });
      await requireApi(tx, ctx, changed.api);
      if (changed.basePath !== row.basePath) {
        if ((await tx.table(Mappings).get(row.domain, changed.basePath)) !== undefined)
          throw badRequest('Base path already exists for this domain name');
        await tx.table(Mappings).delete(row.domain, row.basePath);
      }
      await tx.table(Mappings).put(changed);
      return describeMapping(changed);
    });
  },

  async DeleteBasePathMapping(input, ctx) {
    await ctx.transact(async (tx) => {
      await requireDomain(tx, input.domainName);
      const { domain, basePath } = await requireMapping(tx, input.domainName, input.basePath);
      await tx.table(Mappings).delete(domain, basePath);
    });
    return {};
  },
};
