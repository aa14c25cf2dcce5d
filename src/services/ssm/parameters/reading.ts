/** Reading parameters: by name, version or label, by ARN, by path; customers' own, AWS's public ones, and secrets by reference. */
import type { Parameter, ParameterStringFilter, SSM } from '@aws-sdk/client-ssm';
import { formatArn, parseArn } from '../../../base/arn.ts';
import { formatPageToken, pageOf, parsePageToken } from '../../../base/paging.ts';
import type { Context, Scope } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { matchesFilters } from './filters.ts';
import { invalidNextToken, notFound, validation, versionNotFound } from './errors.ts';
import { type PublicParameter, publicParameters, publicPrefix } from './public-parameters.ts';
import { splitSelector } from './rules.ts';
import { type ParameterRow, Parameters, Versions, type VersionRow } from './state.ts';
import { openValue } from './values.ts';

const secretPrefix = '/aws/reference/secretsmanager/';
const pageItemsMax = 10;
const chunkRows = 64;

/** The ARN has one slash between `parameter` and the name, whether the name begins with one or not. */
export function parameterArn({ account, region }: Scope, name: string): string {
  const owner = name.startsWith(publicPrefix) ? '' : account;
  return formatArn({ service: 'ssm', region, account: owner, resource: `parameter/${name.replace(/^\//, '')}` });
}

/** Name and account that a request means, by name or ARN. */
export function readName(ctx: Scope, text: string): { scope: Scope; name: string } {
  const arn = text.startsWith('arn:') ? parseArn(text) : undefined;
  const own = { account: ctx.account, region: ctx.region };
  if (arn === undefined) return { scope: own, name: text };
  const path = arn.resource.replace(/^parameter/, '');
  // Names of one level are given without their slash.
  const name = path.indexOf('/', 1) < 0 ? path.slice(1) : path;
  return { scope: { account: arn.account === '' ? ctx.account : arn.account, region: arn.region }, name };
}

/** A parameter by name; one whose name is a single level may have been made with its slash or without. */
async function findRow(ctx: Context, scope: Scope, name: string, byArn: boolean): Promise<ParameterRow | undefined> {
  const table = ctx.tableIn(scope, Parameters);
  return (await table.get(name)) ?? (byArn && !name.startsWith('/') ? await table.get(`/${name}`) : undefined);
}

/** The version that a selector means. Throws ParameterVersionNotFound. */
async function findVersion(ctx: Context, scope: Scope, row: ParameterRow, selector: string | undefined): Promise<VersionRow> {
  const table = ctx.tableIn(scope, Versions);
  let found: VersionRow | undefined;
  if (selector === undefined) found = await table.get(row.name, row.version);
  else if (/^\d+$/.test(selector)) found = await table.get(row.name, Number(selector));
  else found = (await table.list({ prefix: [row.name] })).find(({ labels }) => labels.includes(selector));
  if (found === undefined) throw versionNotFound(row.name, selector ?? String(row.version));
  return found;
}

async function describeValue(
  ctx: Context,
  scope: Scope,
  version: VersionRow,
  decrypt: boolean | undefined,
  selector?: string,
): Promise<Parameter> {
  const arn = parameterArn(scope, version.parameter);
  return {
    Name: version.parameter,
    Type: version.type,
    Value: await openValue(ctx, arn, version.value, decrypt),
    Version: version.version,
    ...(selector === undefined ? {} : { Selector: `:${selector}` }),
    LastModifiedDate: new Date(version.modified),
    ARN: arn,
    DataType: version.dataType,
  };
}

function describePublic(ctx: Context, { name, value, dataType }: PublicParameter): Parameter {
  return {
    Name: name,
    Type: 'String',
    Value: value,
    Version: 1,
    LastModifiedDate: new Date(0),
    ARN: parameterArn(ctx, name),
    DataType: dataType,
  };
}

/** A secret of Secrets Manager, read with the caller's rights. Source: "Referencing AWS Secrets Manager secrets from Parameter Store parameters". */
async function readSecret(ctx: Context, text: string, decrypt: boolean | undefined): Promise<Parameter> {
  if (decrypt !== true) throw validation('WithDecryption flag must be True for retrieving a Secret Manager secret.');
  const [id = '', stage, version] = text.slice(secretPrefix.length).split(':');
  try {
    const secret = await ctx.call('secrets-manager').getSecretValue({
      SecretId: id,
      ...(stage ? { VersionStage: stage } : {}),
      ...(version ? { VersionId: version } : {}),
    });
    return {
      Name: text,
      Type: 'SecureString',
      Value: secret.SecretString ?? Buffer.from(secret.SecretBinary ?? []).toString('base64'),
      Version: 0,
      SourceResult: JSON.stringify({ ...secret, SecretBinary: undefined }),
      LastModifiedDate: secret.CreatedDate,
      ARN: secret.ARN,
    };
  } catch (error) {
    if (error instanceof AwsError && error.code === 'ResourceNotFoundException')
      throw new AwsError(
        'ParameterNotFound',
        `An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret ${text} not found.`,
      );
    throw error;
  }
}

/** One parameter. Throws ParameterNotFound, ParameterVersionNotFound, InvalidKeyId. */
async function readParameter(ctx: Context, text: string, decrypt: boolean | undefined): Promise<Parameter> {
  if (text.startsWith(secretPrefix)) return readSecret(ctx, text, decrypt);
  const { name: given, selector } = splitSelector(text);
  const { scope, name } = readName(ctx, given);
  if (name.startsWith(publicPrefix)) {
    const found = (await publicParameters(ctx, name)).find((one) => one.name === name);
    if (found === undefined) throw notFound();
    return describePublic(ctx, found);
  }
  const row = await findRow(ctx, scope, name, given.startsWith('arn:'));
  if (row === undefined) throw notFound();
  return describeValue(ctx, scope, await findVersion(ctx, scope, row, selector), decrypt, selector);
}

const pathWords =
  'The parameter doesn\'t meet the parameter name requirements. The parameter name must begin with a forward slash "/". It can\'t be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.';

interface PathInput {
  Path?: string | undefined;
  Recursive?: boolean | undefined;
  ParameterFilters?: ParameterStringFilter[] | undefined;
}

/** Rows below a path, in order of their names, read no further than a page needs: `limit` of them, and one more. */
async function rowsBelow(ctx: Context, input: PathInput, after: string | undefined, limit: number): Promise<VersionRow[]> {
  const path = input.Path ?? '/';
  const below = path.endsWith('/') ? path : `${path}/`;
  // '0' is the character after '/', so everything below lies between the two. Names without a slash lie below the root.
  const range = path === '/' ? {} : { before: [`${below.slice(0, -1)}0`] };
  const isDeeper = (name: string): boolean => name.slice(name.startsWith('/') ? below.length : 0).includes('/');
  const found: VersionRow[] = [];
  let position = after ?? (path === '/' ? '' : below);
  while (found.length <= limit) {
    const rows = await ctx.table(Parameters).list({ ...range, after: [position], limit: chunkRows });
    for (const row of rows) {
      if (input.Recursive !== true && isDeeper(row.name)) continue;
      const version = await ctx.table(Versions).get(row.name, row.version);
      if (version !== undefined && matchesFilters(row, version, input.ParameterFilters)) found.push(version);
    }
    const last = rows.at(-1);
    if (rows.length < chunkRows || last === undefined) break;
    position = last.name;
  }
  return found;
}

export const readingHandlers: HandlersOf<SSM> = {
  async GetParameter(input, ctx) {
    new RequestCheck().length('name', input.Name, 1, 2048).done();
    return { Parameter: await readParameter(ctx, input.Name ?? '', input.WithDecryption) };
  },

  /** What is not there is listed, not an error. */
  async GetParameters(input, ctx) {
    new RequestCheck().count('names', input.Names, 1, pageItemsMax).done();
    const found: Parameter[] = [];
    const missing: string[] = [];
    for (const name of new Set(input.Names)) {
      try {
        found.push(await readParameter(ctx, name, input.WithDecryption));
      } catch (error) {
        if (!(error instanceof AwsError) || !/^Parameter(Version)?NotFound$/.test(error.code)) throw error;
        missing.push(name);
      }
    }
    return { Parameters: found, InvalidParameters: missing };
  },

  async GetParametersByPath(input, ctx) {
    const { Path: path = '', MaxResults: limit = pageItemsMax } = input;
    new RequestCheck().range('maxResults', limit, 1, pageItemsMax).done();
    if (!/^\/[a-zA-Z0-9_.\-/]*$/.test(path)) throw validation(pathWords);
    const scope = `GetParametersByPath ${path} ${input.Recursive === true} ${JSON.stringify(input.ParameterFilters ?? [])}`;
    if (`${path}/`.startsWith(publicPrefix)) return readPublicPath(ctx, input, scope, limit);
    const after = input.NextToken === undefined ? undefined : parsePageToken(scope, input.NextToken);
    if (input.NextToken !== undefined && after === undefined) throw invalidNextToken();
    const rows = await rowsBelow(ctx, input, after === undefined ? undefined : String(after[0]), limit);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const Parameters = [];
    for (const version of page) Parameters.push(await describeValue(ctx, ctx, version, input.WithDecryption));
    return {
      Parameters,
      ...(rows.length > limit && last !== undefined ? { NextToken: formatPageToken(scope, [last.parameter]) } : {}),
    };
  },
};

async function readPublicPath(ctx: Context, input: PathInput & { NextToken?: string | undefined }, scope: string, limit: number) {
  const below = `${(input.Path ?? '').replace(/\/$/, '')}/`;
  const all = (await publicParameters(ctx, below)).filter(
    ({ name }) => input.Recursive === true || !name.slice(below.length).includes('/'),
  );
  const page = pageOf(all, ({ name }) => [name], { scope, token: input.NextToken, limit });
  if (page === undefined) throw invalidNextToken();
  return {
    Parameters: page.items.map((one) => describePublic(ctx, one)),
    ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
  };
}
