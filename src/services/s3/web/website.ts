/** Static websites: a bucket under a host name of its own, with index and error documents and redirects ("Hosting a static website using Amazon S3"). */
import type { RedirectAllRequestsTo, RoutingRule, S3, WebsiteConfiguration } from '@aws-sdk/client-s3';
import { escapeXmlText } from '../../../base/xml.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { bucketCheck } from '../access/checks.ts';
import { readConfig, writeConfig } from '../buckets/settings.ts';
import { invalidArgument, malformedXml, noSuchBucket, noSuchSetting, s3Error } from '../errors.ts';
import { Buckets, Configs } from '../state.ts';

/** `bucket.s3-website.localhost`, `bucket.s3-website-us-east-1.amazonaws.com`, `bucket.s3-website.eu-west-1.localhost`. */
const hostForm = /^(.+)\.s3-website[.-]/;

function noWebsite(bucket: string): AwsError {
  return noSuchSetting('NoSuchWebsiteConfiguration', 'The specified bucket does not have a website configuration', bucket);
}

function checkConfiguration(config: WebsiteConfiguration): void {
  const { RedirectAllRequestsTo: all, IndexDocument: index, RoutingRules: rules = [] } = config;
  if (all !== undefined) {
    if (all.HostName === undefined || all.HostName === '' || index !== undefined || rules.length > 0) throw malformedXml();
    return;
  }
  if (index === undefined)
    throw invalidArgument('A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty', 'IndexDocument');
  if (index.Suffix === undefined || index.Suffix === '' || index.Suffix.includes('/')) {
    throw invalidArgument('The IndexDocument Suffix is not well formed', 'IndexDocument', index.Suffix ?? '');
  }
  if (rules.length > 50) throw invalidArgument('50 routing rules is the limit');
  for (const { Redirect: redirect } of rules) {
    if (redirect?.ReplaceKeyWith !== undefined && redirect.ReplaceKeyPrefixWith !== undefined) {
      throw invalidArgument('You can only define ReplaceKeyPrefix or ReplaceKey but not both.');
    }
    if (redirect?.HttpRedirectCode !== undefined && !/^3(?!00|04)\d\d$/.test(redirect.HttpRedirectCode)) {
      throw invalidArgument(
        `The provided HTTP redirect code (${redirect.HttpRedirectCode}) is not valid. Valid codes are 3XX except 300.`,
      );
    }
  }
}

export const websiteHandlers: HandlersOf<S3> = {
  async PutBucketWebsite(input, ctx) {
    const config = input.WebsiteConfiguration ?? {};
    checkConfiguration(config);
    await writeConfig(ctx, input, 'website', config);
    return {};
  },

  async GetBucketWebsite(input, ctx) {
    const config = await readConfig(ctx, input, 'website');
    if (config === undefined) throw noWebsite(input.Bucket ?? '');
    return config as WebsiteConfiguration;
  },

  async DeleteBucketWebsite(input, ctx) {
    await writeConfig(ctx, input, 'website', undefined);
    return {};
  },
};

export const websiteChecks: AuthorisationsOf<S3> = {
  PutBucketWebsite: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketWebsite: async (input, ctx) => [await bucketCheck(ctx, input)],
  DeleteBucketWebsite: async (input, ctx) => [await bucketCheck(ctx, input)],
};

/** True for a request to a website: by its host, or because it came to the address of websites, whose host may be any name that leads there (an alias). */
export function isWebsite(web: WebRequest): boolean {
  return web.toOwnAddress || hostForm.test(web.host);
}

interface Visit {
  web: WebRequest;
  bucket: string;
  region: string;
  config: WebsiteConfiguration;
}

/** Answers a visitor of a website, by the name of the server that S3 gives itself. */
export async function answerWebsite(web: WebRequest): Promise<WireResponse> {
  const answer = await answerVisitor(web);
  return { ...answer, headers: { ...answer.headers, server: 'AmazonS3' } };
}

/** Everything is read as an unsigned request would, errors are pages. */
async function answerVisitor(web: WebRequest): Promise<WireResponse> {
  const bucket = hostForm.exec(web.host)?.[1] ?? web.host;
  if (web.request.method !== 'GET' && web.request.method !== 'HEAD') {
    const members = { Method: web.request.method, ResourceType: 'OBJECT' };
    return errorPage(
      s3Error('MethodNotAllowed', 'The specified method is not allowed against this resource.', 405, members),
      web,
    );
  }
  const row = await web.ctx.table(Buckets).get(bucket);
  if (row === undefined) return errorPage(noSuchBucket(bucket), web);
  const config = (await web.ctx.table(Configs).get(bucket, 'website', ''))?.config as WebsiteConfiguration | undefined;
  if (config === undefined) return errorPage(noWebsite(bucket), web);
  if (config.RedirectAllRequestsTo !== undefined) return redirectAll(config.RedirectAllRequestsTo, web);
  return visit({ web, bucket, region: row.region, config });
}

async function visit(at: Visit): Promise<WireResponse> {
  const { web, config } = at;
  let path: string;
  try {
    path = decodeURIComponent(web.request.path.slice(1));
  } catch {
    return errorPage(s3Error('InvalidURI', "Couldn't parse the specified URI.", 400), web);
  }
  const before = config.RoutingRules?.find(
    (rule) => rule.Condition?.HttpErrorCodeReturnedEquals === undefined && hasPrefix(rule, path),
  );
  if (before !== undefined) return redirect(before, path, web);
  const suffix = config.IndexDocument?.Suffix ?? '';
  const key = path === '' || path.endsWith('/') ? path + suffix : path;
  try {
    return await fetchObject(at, key, 200);
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    if (error.status === 304) return { status: 304, headers: { ...error.headers }, body: '' };
    // A folder without its slash leads to the folder, when that has an index document. Visitors who may not list hear 403 of what is missing.
    if ((error.status === 404 || error.status === 403) && key === path && (await exists(at, `${path}/${suffix}`))) {
      return { status: 302, headers: { location: `/${encodePath(path)}/` }, body: '' };
    }
    return answerError(at, path, error);
  }
}

async function answerError(at: Visit, path: string, error: AwsError): Promise<WireResponse> {
  const { web, config } = at;
  const code = String(error.status);
  const after = config.RoutingRules?.find(
    (rule) => rule.Condition?.HttpErrorCodeReturnedEquals === code && hasPrefix(rule, path),
  );
  if (after !== undefined) return redirect(after, path, web);
  const document = config.ErrorDocument?.Key;
  if (document !== undefined && error.status < 500) {
    try {
      return await fetchObject(at, document, error.status);
    } catch (second) {
      if (!(second instanceof AwsError)) throw second;
    }
  }
  return errorPage(error, web);
}

async function fetchObject({ web, bucket, region }: Visit, key: string, status: number): Promise<WireResponse> {
  const { headers } = web.request;
  const modified = headers['if-modified-since'];
  const since = modified === undefined ? undefined : new Date(modified);
  const input = {
    Bucket: bucket,
    Key: key,
    ...(headers['if-none-match'] === undefined ? {} : { IfNoneMatch: headers['if-none-match'] }),
    ...(since === undefined || Number.isNaN(since.getTime()) ? {} : { IfModifiedSince: since }),
    ...(headers['range'] === undefined || status !== 200 ? {} : { Range: headers['range'] }),
  };
  const found = await web.invoke('GetObject', input, { region });
  const location = found['WebsiteRedirectLocation'];
  if (typeof location === 'string') return { status: 301, headers: { location }, body: '' };
  const answer: Record<string, string> = { 'x-amz-request-id': web.requestId, 'content-length': String(found['ContentLength']) };
  const shown = {
    ContentType: 'content-type',
    ETag: 'etag',
    CacheControl: 'cache-control',
    ContentEncoding: 'content-encoding',
    ContentLanguage: 'content-language',
    ContentDisposition: 'content-disposition',
    ContentRange: 'content-range',
  };
  for (const [member, header] of Object.entries(shown)) if (typeof found[member] === 'string') answer[header] = found[member];
  if (found['LastModified'] instanceof Date) answer['last-modified'] = found['LastModified'].toUTCString();
  return {
    status: found['ContentRange'] === undefined ? status : 206,
    headers: answer,
    body: found['Body'] as WireResponse['body'],
  };
}

async function exists({ web, bucket, region }: Visit, key: string): Promise<boolean> {
  try {
    await web.invoke('HeadObject', { Bucket: bucket, Key: key }, { region });
    return true;
  } catch (error) {
    if (error instanceof AwsError) return false;
    throw error;
  }
}

function hasPrefix({ Condition: condition }: RoutingRule, path: string): boolean {
  return path.startsWith(condition?.KeyPrefixEquals ?? '');
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function redirect({ Condition: condition, Redirect: to = {} }: RoutingRule, path: string, web: WebRequest): WireResponse {
  const rest = path.slice((condition?.KeyPrefixEquals ?? '').length);
  const key = to.ReplaceKeyWith ?? (to.ReplaceKeyPrefixWith === undefined ? path : to.ReplaceKeyPrefixWith + rest);
  const host = to.HostName ?? web.request.headers['host'] ?? web.host;
  const location = `${to.Protocol ?? 'http'}://${host}/${encodePath(key)}`;
  return { status: Number(to.HttpRedirectCode ?? 301), headers: { location }, body: '' };
}

function redirectAll(
  { HostName: host, Protocol: protocol = 'http' }: RedirectAllRequestsTo,
  { request }: WebRequest,
): WireResponse {
  return { status: 301, headers: { location: `${protocol}://${host}${request.path}` }, body: '' };
}

/** The website endpoint answers errors as HTML. */
function errorPage(error: AwsError, { requestId }: WebRequest): WireResponse {
  const title = `${error.status} ${statusText[error.status] ?? 'Error'}`;
  const members = Object.entries({
    Code: error.code,
    Message: error.message,
    ...error.members,
    RequestId: requestId,
    HostId: requestId,
  });
  const list = members.map(([name, value]) => `<li>${name}: ${escapeXmlText(String(value))}</li>`).join('\n');
  const body = `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${list}\n</ul>\n<hr/>\n</body>\n</html>\n`;
  return {
    status: error.status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'x-amz-error-code': error.code, 'x-amz-request-id': requestId },
    body,
  };
}

const statusText: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
};
