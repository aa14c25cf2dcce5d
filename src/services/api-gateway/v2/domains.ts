/** Custom domain names and API mappings, as HTTP APIs' clients speak of them. The rows are those of REST APIs' domains. */
import type { ApiGatewayV2, ApiMapping, DomainName, DomainNameConfiguration } from '@aws-sdk/client-apigatewayv2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import {
  aliasOf,
  changeDomain,
  checkBasePath,
  createDomain,
  deleteDomain,
  regionalZone,
  requireDomain,
} from '../rest/domain-rows.ts';
import { readTruststore } from '../rest/domain-tls.ts';
import { checkTags } from '../rest/tags.ts';
import { Addresses, type DomainRow, Domains, type MappingRow, Mappings, Stages as RestStages } from '../state.ts';
import { pageItems } from './lookup.ts';
import { Stages } from './state.ts';

function describeDomain(ctx: Context, row: DomainRow): DomainName {
  const configuration: DomainNameConfiguration = {
    ApiGatewayDomainName: aliasOf(ctx, row),
    CertificateArn: row.regionalCertificateArn ?? row.certificateArn,
    DomainNameStatus: 'AVAILABLE',
    EndpointType: (row.endpoint.types?.[0] ?? 'REGIONAL') as 'REGIONAL',
    HostedZoneId: regionalZone,
    IpAddressType: 'ipv4',
    SecurityPolicy: row.securityPolicy as 'TLS_1_2',
  };
  return {
    ApiMappingSelectionExpression: '$request.basepath',
    DomainName: row.name,
    DomainNameArn: `arn:aws:apigateway:${ctx.region}::/domainnames/${row.name}`,
    DomainNameConfigurations: [configuration],
    ...(row.truststore === undefined
      ? {}
      : {
          MutualTlsAuthentication: {
            TruststoreUri: row.truststore.uri,
            ...(row.truststore.version === undefined ? {} : { TruststoreVersion: row.truststore.version }),
            ...(row.truststore.warnings.length === 0 ? {} : { TruststoreWarnings: row.truststore.warnings }),
          },
        }),
    RoutingMode: 'API_MAPPING_ONLY',
    Tags: { ...row.tags },
  };
}

function describeMapping({ api, id, basePath, stage }: MappingRow): ApiMapping {
  return { ApiId: api, ApiMappingId: id, ApiMappingKey: basePath === '(none)' ? '' : basePath, Stage: stage ?? '' };
}

async function requireMapping(
  from: Pick<Context, 'table'> | Pick<Transaction, 'table'>,
  domain = '',
  id = '',
): Promise<MappingRow> {
  const row = (await from.table(Mappings).list({ prefix: [domain] })).find((own) => own.id === id);
  if (row === undefined) throw notFound('Invalid API mapping identifier specified');
  return row;
}

/** The stage must be one of the API's, of whichever kind. */
async function checkTarget(tx: Transaction, ctx: Context, api = '', stage = ''): Promise<void> {
  const address = await tx.table(Addresses).get(api);
  if (address === undefined || address.account !== ctx.account || address.region !== ctx.region)
    throw badRequest('Invalid API identifier specified');
  const found = address.kind === 'rest' ? await tx.table(RestStages).get(api, stage) : await tx.table(Stages).get(api, stage);
  if (found === undefined) throw badRequest('Invalid stage identifier specified');
}

export const domainHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateDomainName(input, ctx) {
    const { TruststoreUri: uri, TruststoreVersion } = input.MutualTlsAuthentication ?? {};
    if (input.RoutingMode !== undefined && input.RoutingMode !== 'API_MAPPING_ONLY')
      throw parameterNotImplemented('CreateDomainName', 'RoutingMode');
    const [config, ...more] = input.DomainNameConfigurations ?? [];
    if (config === undefined || more.length > 0) throw badRequest('Exactly one domain name configuration must be specified');
    if (config.OwnershipVerificationCertificateArn !== undefined)
      throw parameterNotImplemented('CreateDomainName', 'OwnershipVerificationCertificateArn');
    const row = await createDomain(ctx, {
      name: input.DomainName ?? '',
      regionalCertificateArn: config.CertificateArn,
      endpoint: { types: [config.EndpointType ?? 'REGIONAL'] },
      securityPolicy: config.SecurityPolicy ?? 'TLS_1_2',
      truststore: uri === undefined ? undefined : await readTruststore(ctx, uri, TruststoreVersion),
      tags: checkTags(input.Tags),
    });
    return describeDomain(ctx, row);
  },

  async GetDomainName(input, ctx) {
    return describeDomain(ctx, await requireDomain(ctx, input.DomainName));
  },

  async GetDomainNames(input, ctx) {
    const { Items, ...page } = pageItems('GetDomainNames', await ctx.table(Domains).list(), ({ name }) => name, input);
    return { Items: Items.map((row) => describeDomain(ctx, row)), ...page };
  },

  async UpdateDomainName(input, ctx) {
    const before = await requireDomain(ctx, input.DomainName);
    if (input.RoutingMode !== undefined && input.RoutingMode !== 'API_MAPPING_ONLY')
      throw parameterNotImplemented('UpdateDomainName', 'RoutingMode');
    const [config] = input.DomainNameConfigurations ?? [];
    if (config?.OwnershipVerificationCertificateArn !== undefined)
      throw parameterNotImplemented('UpdateDomainName', 'OwnershipVerificationCertificateArn');
    const changed: DomainRow = {
      ...before,
      regionalCertificateArn: config?.CertificateArn ?? before.regionalCertificateArn,
      endpoint: config?.EndpointType === undefined ? before.endpoint : { types: [config.EndpointType] },
      securityPolicy: config?.SecurityPolicy ?? before.securityPolicy,
    };
    const { MutualTlsAuthentication: mutual } = input;
    if (mutual !== undefined) {
      const uri = mutual.TruststoreUri ?? before.truststore?.uri ?? '';
      // An empty address ends mutual TLS.
      changed.truststore = uri === '' ? undefined : await readTruststore(ctx, uri, mutual.TruststoreVersion);
    }
    await changeDomain(ctx, before, changed);
    return describeDomain(ctx, changed);
  },

  async DeleteDomainName(input, ctx) {
    await deleteDomain(ctx, input.DomainName ?? '');
    return {};
  },

  async CreateApiMapping(input, ctx) {
    const basePath = checkBasePath(input.ApiMappingKey);
    return ctx.transact(async (tx) => {
      const { name } = await requireDomain(tx, input.DomainName);
      await checkTarget(tx, ctx, input.ApiId, input.Stage);
      if ((await tx.table(Mappings).get(name, basePath)) !== undefined)
        throw conflict('ApiMapping key already exists for this domain name');
      const row: MappingRow = { domain: name, basePath, id: ctx.id('gatewayPart'), api: input.ApiId ?? '', stage: input.Stage };
      await tx.table(Mappings).put(row);
      return describeMapping(row);
    });
  },

  async GetApiMapping(input, ctx) {
    return describeMapping(await requireMapping(ctx, input.DomainName, input.ApiMappingId));
  },

  async GetApiMappings(input, ctx) {
    const { name } = await requireDomain(ctx, input.DomainName);
    const rows = await ctx.table(Mappings).list({ prefix: [name] });
    const { Items, ...page } = pageItems(`GetApiMappings ${name}`, rows, ({ id }) => id, input);
    return { Items: Items.map(describeMapping), ...page };
  },

  async UpdateApiMapping(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireMapping(tx, input.DomainName, input.ApiMappingId);
      const basePath = input.ApiMappingKey === undefined ? row.basePath : checkBasePath(input.ApiMappingKey);
      const changed: MappingRow = { ...row, basePath, api: input.ApiId ?? row.api, stage: input.Stage ?? row.stage };
      await checkTarget(tx, ctx, changed.api, changed.stage);
      if (basePath !== row.basePath) {
        if ((await tx.table(Mappings).get(row.domain, basePath)) !== undefined)
          throw conflict('ApiMapping key already exists for this domain name');
        await tx.table(Mappings).delete(row.domain, row.basePath);
      }
      await tx.table(Mappings).put(changed);
      return describeMapping(changed);
    });
  },

  async DeleteApiMapping(input, ctx) {
    await ctx.transact(async (tx) => {
      const { domain, basePath } = await requireMapping(tx, input.DomainName, input.ApiMappingId);
      await tx.table(Mappings).delete(domain, basePath);
    });
    return {};
  },
};
