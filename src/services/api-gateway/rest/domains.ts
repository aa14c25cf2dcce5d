/** Custom domain names and base path mappings, as REST APIs' clients speak of them. */
import type { APIGateway, BasePathMapping, DomainName } from '@aws-sdk/client-api-gateway';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict } from '../errors.ts';
import { pageItems, requireApi, requireStage } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import { type DomainRow, Domains, type MappingRow, Mappings } from '../state.ts';
import { checkEndpoint } from './apis.ts';
import {
  aliasOf,
  checkBasePath,
  checkCertificate,
  createDomain,
  deleteDomain,
  regionalZone,
  requireDomain,
  requireMapping,
} from './domain-rows.ts';
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
  ...(['mutualTlsAuthentication', 'ownershipVerificationCertificateArn', 'policy', 'routingMode', 'endpointAccessMode'] as const),
];

export const domainHandlers: HandlersOf<APIGateway> = {
  async CreateDomainName(input, ctx) {
    for (const name of refusedMembers) if (input[name] !== undefined) throw parameterNotImplemented('CreateDomainName', name);
    const endpoint = checkEndpoint(input.endpointConfiguration);
    const row = await createDomain(ctx, {
      name: input.domainName ?? '',
      certificateArn: input.certificateArn,
      regionalCertificateArn: input.regionalCertificateArn,
      endpoint,
      securityPolicy: input.securityPolicy ?? 'TLS_1_2',
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
    const changed = applyPatch(await requireDomain(ctx, input.domainName), input.patchOperations, {
      '/certificateArn': 'text',
      '/regionalCertificateArn': 'text',
      '/securityPolicy': 'text',
    });
    await checkCertificate(ctx, changed.name, changed.regionalCertificateArn ?? changed.certificateArn);
    await ctx.transact((tx) => tx.table(Domains).put(changed));
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
