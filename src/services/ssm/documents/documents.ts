/** Documents of the account, and those of the provider beside them. Source: User Guide, "AWS Systems Manager documents"; API Reference, CreateDocument. */
import { createHash } from 'node:crypto';
import type { DocumentDescription, DocumentIdentifier, DocumentParameter, SSM, Tag } from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import type { Context, Scope } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { Authorisation, AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import {
  documentExists,
  invalidDocument,
  invalidDocumentContent,
  invalidDocumentOperation,
  invalidDocumentVersion,
  invalidFilter,
  invalidNextToken,
} from '../errors.ts';
import { type Content, readContent } from './content.ts';
import { documentArn, documentName, foreignScope, ownName } from './names.ts';
import { providedDocuments } from './provided.ts';
import { type DocumentFormat, type DocumentRow, Documents, type DocumentVersionFacts } from './state.ts';

const contentCharsMax = 65_536;
const pageItemsMax = 50;
/** Actions that run here, by type of document. A document with another is refused when it is made, not when it is used. */
const actions: Readonly<Record<DocumentRow['type'], readonly string[]>> = {
  Command: ['aws:runShellScript'],
  Automation: [
    'aws:assertAwsResourceProperty',
    'aws:branch',
    'aws:changeInstanceState',
    'aws:createImage',
    'aws:executeAwsApi',
    'aws:runCommand',
    'aws:sleep',
    'aws:waitForAwsResourceProperty',
  ],
};
/** Properties of steps beside name, action and inputs that are carried out here. */
const properties: Readonly<Record<DocumentRow['type'], readonly string[]>> = {
  Command: ['onFailure'],
  Automation: ['description', 'isEnd', 'maxAttempts', 'nextStep', 'onFailure', 'outputs', 'timeoutSeconds'],
};

type DocumentFilters = readonly { Key?: string | undefined; Values?: string[] | undefined }[] | undefined;

/** A document as what uses it knows it. */
export interface FoundDocument {
  name: string;
  type: 'Command' | 'Automation';
  owner: string;
  platforms: readonly string[];
  version: string;
  content: Content;
}

function pick(row: DocumentRow, version: string | undefined, versionName?: string): DocumentVersionFacts {
  const wanted = version === undefined || version === '$DEFAULT' ? row.defaultVersion : version;
  const found =
    versionName !== undefined
      ? row.versions.find((one) => one.versionName === versionName)
      : wanted === '$LATEST'
        ? row.versions.at(-1)
        : row.versions.find((one) => one.version === wanted);
  if (found === undefined) throw invalidDocumentVersion();
  return found;
}

/** The document of a request. Throws InvalidDocument, InvalidDocumentVersion. */
export async function requireDocument(ctx: Context, text: string | undefined, version?: string): Promise<FoundDocument> {
  const name = documentName(text ?? '');
  const provided = providedDocuments.find((one) => one.name === name);
  if (provided !== undefined) {
    if (version !== undefined && !['1', '$DEFAULT', '$LATEST'].includes(version)) throw invalidDocumentVersion();
    return { ...provided, owner: 'Amazon', version: '1' };
  }
  const { row, owner } = await requireUsable(ctx, text ?? '');
  const facts = pick(row, version);
  const content = readContent(facts.content, facts.format);
  const platforms = ['Linux', 'MacOS', 'Windows'];
  // What uses another account's document later must find it again, and only its ARN leads there.
  const shown = owner === ctx.account ? name : (text ?? '');
  return { name: shown, type: row.type, owner, platforms, version: facts.version, content };
}

/** A document that may be read and run: one's own by name or ARN, another account's by its ARN when that account shares it (User Guide, "Sharing SSM documents"). */
async function requireUsable(ctx: Context, text: string): Promise<{ row: DocumentRow; owner: string }> {
  const scope = foreignScope(ctx, text);
  if (scope === undefined) return { row: await requireOwn(ctx, documentName(text)), owner: ctx.account };
  const row = scope.region === ctx.region ? await ctx.tableIn(scope, Documents).get(documentName(text)) : undefined;
  if (row === undefined || !sharedWith(row, ctx.account)) throw invalidDocument(text);
  return { row, owner: scope.account };
}

const sharedWith = (row: DocumentRow, account: string): boolean =>
  (row.sharedWith ?? []).some((one) => one === 'all' || one === account);

async function requireOwn(ctx: Pick<Context, 'table'>, name: string): Promise<DocumentRow> {
  const row = await ctx.table(Documents).get(name);
  if (row === undefined) throw invalidDocument(name);
  return row;
}

function parametersOf({ parameters }: Content): DocumentParameter[] {
  return Object.entries(parameters).map(([Name, { type, description, default: value }]) => ({
    Name,
    Type: /List|Array/i.test(type) ? 'StringList' : 'String',
    Description: description,
    DefaultValue: value === undefined ? undefined : typeof value === 'string' ? value : JSON.stringify(value),
  }));
}

function describe({ account }: Scope, row: DocumentRow, facts: DocumentVersionFacts, owner = account): DocumentDescription {
  const content = readContent(facts.content, facts.format);
  return {
    Name: row.name,
    DisplayName: row.displayName,
    VersionName: facts.versionName,
    Owner: owner,
    CreatedDate: new Date(facts.created),
    Status: 'Active',
    DocumentVersion: facts.version,
    Description: content.description,
    Parameters: parametersOf(content),
    PlatformTypes: ['Windows', 'Linux', 'MacOS'],
    DocumentType: row.type,
    SchemaVersion: content.schemaVersion,
    LatestVersion: row.versions.at(-1)?.version,
    DefaultVersion: row.defaultVersion,
    DocumentFormat: facts.format,
    TargetType: row.targetType,
    Hash: createHash('sha256').update(facts.content).digest('hex'),
    HashType: 'Sha256',
    Tags: owner === account ? tagsOf(row) : [],
  };
}

const tagsOf = ({ tags }: DocumentRow): Tag[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

/** Reads the content of a new document or version. Throws InvalidDocumentContent. */
function checked(content: string | undefined, format: string | undefined, type: DocumentRow['type']): DocumentFormat {
  if (format !== undefined && format !== 'JSON' && format !== 'YAML')
    throw parameterNotImplemented('CreateDocument', 'DocumentFormat TEXT');
  const read = readContent(content ?? '', format ?? 'JSON');
  if ((read.schemaVersion === '0.3') !== (type === 'Automation'))
    throw invalidDocumentContent(`The schemaVersion ${read.schemaVersion} is not one of documents of type ${type}.`);
  for (const { name, action, rest } of read.steps) {
    const odd = Object.keys(rest).find((key) => !properties[type].includes(key));
    if (odd !== undefined) throw invalidDocumentContent(`The property ${odd} of step ${name} is not supported here.`);
    if (!actions[type].includes(action))
      throw invalidDocumentContent(`The action ${action} of step ${name} is not supported here.`);
  }
  return format ?? 'JSON';
}

function identifier(
  name: string,
  owner: string,
  found: Pick<FoundDocument, 'type' | 'platforms' | 'version' | 'content'>,
): DocumentIdentifier {
  return {
    Name: name,
    Owner: owner,
    DocumentType: found.type,
    DocumentVersion: found.version,
    SchemaVersion: found.content.schemaVersion,
    PlatformTypes: found.platforms as DocumentIdentifier['PlatformTypes'],
    DocumentFormat: 'JSON',
    Tags: [],
  };
}

function listed(row: DocumentRow, owner: string, name: string, Tags: Tag[]): DocumentIdentifier {
  const facts = pick(row, undefined);
  const found = { type: row.type, platforms: ['Windows', 'Linux', 'MacOS'], version: facts.version };
  const shown = identifier(name, owner, { ...found, content: readContent(facts.content, facts.format) });
  return { ...shown, DocumentFormat: facts.format, CreatedDate: new Date(facts.created), Tags };
}

/** Documents that others share, by ARN, when a filter asks for them: `Private` are those shared with this account, `Public` those shared with all. */
async function others(ctx: Context, filters: DocumentFilters): Promise<DocumentIdentifier[]> {
  const asked = new Set(filters?.flatMap(({ Key, Values = [] }) => (Key === 'Owner' ? Values : [])));
  if (!asked.has('Private') && !asked.has('Public')) return [];
  const rows = (await ctx.everywhere(Documents)).filter(
    ({ scope, row }) =>
      scope.region === ctx.region &&
      scope.account !== ctx.account &&
      ((asked.has('Private') && row.sharedWith?.includes(ctx.account)) ||
        (asked.has('Public') && row.sharedWith?.includes('all'))),
  );
  return rows.map(({ scope, row }) => listed(row, scope.account, documentArn(scope, row.name), []));
}

export const documentHandlers: HandlersOf<SSM> = {
  async CreateDocument(input, ctx) {
    const { Name: name = '', DocumentType: type = 'Command' } = input;
    for (const member of ['Requires', 'Attachments'] as const)
      if (input[member] !== undefined) throw parameterNotImplemented('CreateDocument', member);
    if (type !== 'Command' && type !== 'Automation') throw parameterNotImplemented('CreateDocument', `DocumentType ${type}`);
    new RequestCheck()
      .pattern('name', name, /^[a-zA-Z0-9_\-.]{3,128}$/, '^[a-zA-Z0-9_\\-.]{3,128}$')
      .length('content', input.Content, 1, contentCharsMax)
      .done();
    if (/^(aws|amazon|amzn)/i.test(name)) throw invalidDocumentOperation(`The name ${name} begins with a reserved prefix.`);
    const format = checked(input.Content, input.DocumentFormat, type);
    const tags = Object.fromEntries((input.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
    const facts = { version: '1', versionName: input.VersionName, content: input.Content ?? '', format, created: ctx.now };
    const { DisplayName: displayName, TargetType: targetType } = input;
    const row: DocumentRow = { name, type, displayName, targetType, defaultVersion: '1', versions: [facts], tags };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Documents).get(name)) !== undefined) throw documentExists(name);
      await tx.table(Documents).put(row);
    });
    return { DocumentDescription: { ...describe(ctx, row, facts), Status: 'Creating' } };
  },

  /** A new version; the default stays until UpdateDocumentDefaultVersion. */
  async UpdateDocument(input, ctx) {
    if (input.Attachments !== undefined) throw parameterNotImplemented('UpdateDocument', 'Attachments');
    return ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ownName(ctx, input.Name));
      if (input.DocumentVersion !== undefined && input.DocumentVersion !== '$LATEST') pick(row, input.DocumentVersion);
      const format = checked(input.Content, input.DocumentFormat, row.type);
      const version = String(Number(row.versions.at(-1)?.version) + 1);
      const facts = { version, versionName: input.VersionName, content: input.Content ?? '', format, created: ctx.now };
      const changed = {
        ...row,
        displayName: input.DisplayName ?? row.displayName,
        targetType: input.TargetType ?? row.targetType,
        versions: [...row.versions, facts],
      };
      await tx.table(Documents).put(changed);
      return { DocumentDescription: describe(ctx, changed, facts) };
    });
  },

  async UpdateDocumentDefaultVersion(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ownName(ctx, input.Name));
      const { version, versionName } = pick(row, input.DocumentVersion);
      await tx.table(Documents).put({ ...row, defaultVersion: version });
      return { Description: { Name: row.name, DefaultVersion: version, DefaultVersionName: versionName } };
    });
  },

  async DescribeDocument(input, ctx) {
    const name = documentName(input.Name ?? '');
    const provided = providedDocuments.find((one) => one.name === name);
    if (provided !== undefined) {
      const shown = identifier(name, 'Amazon', { ...provided, version: '1' });
      const { description } = provided.content;
      return {
        Document: {
          ...shown,
          Description: description,
          Status: 'Active',
          LatestVersion: '1',
          DefaultVersion: '1',
          Parameters: parametersOf(provided.content),
        },
      };
    }
    const { row, owner } = await requireUsable(ctx, input.Name ?? '');
    return { Document: describe(ctx, row, pick(row, input.DocumentVersion, input.VersionName), owner) };
  },

  async GetDocument(input, ctx) {
    const name = documentName(input.Name ?? '');
    const provided = providedDocuments.find((one) => one.name === name);
    if (provided !== undefined) {
      const { schemaVersion, description, assumeRole, parameters, steps, outputs } = provided.content;
      const mainSteps = steps.map(({ name: step, action, inputs }) => ({ name: step, action, inputs }));
      const Content = JSON.stringify({ schemaVersion, description, assumeRole, parameters, mainSteps, outputs });
      return { Name: name, DocumentVersion: '1', Status: 'Active', Content, DocumentType: provided.type, DocumentFormat: 'JSON' };
    }
    const { row } = await requireUsable(ctx, input.Name ?? '');
    const facts = pick(row, input.DocumentVersion, input.VersionName);
    if (input.DocumentFormat !== undefined && input.DocumentFormat !== facts.format)
      throw parameterNotImplemented('GetDocument', `DocumentFormat other than the document's own, ${facts.format}`);
    return {
      Name: name,
      CreatedDate: new Date(facts.created),
      DisplayName: row.displayName,
      VersionName: facts.versionName,
      DocumentVersion: facts.version,
      Status: 'Active',
      Content: facts.content,
      DocumentType: row.type,
      DocumentFormat: facts.format,
    };
  },

  async ListDocuments(input, ctx) {
    if (input.DocumentFilterList !== undefined) throw parameterNotImplemented('ListDocuments', 'DocumentFilterList');
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const own = (await ctx.table(Documents).list()).map((row) => listed(row, ctx.account, row.name, tagsOf(row)));
    const provided = providedDocuments.map((one) => identifier(one.name, 'Amazon', { ...one, version: '1' }));
    const all = [...own, ...provided, ...(await others(ctx, input.Filters))].filter((one) =>
      (input.Filters ?? []).every((filter) => passes(one, filter, ctx.account)),
    );
    const page = pageOf(
      all.sort((a, b) => Buffer.compare(Buffer.from(a.Name ?? ''), Buffer.from(b.Name ?? ''))),
      ({ Name = '' }) => [Name],
      { scope: 'ListDocuments', token: input.NextToken, limit: input.MaxResults ?? pageItemsMax },
    );
    if (page === undefined) throw invalidNextToken();
    return { DocumentIdentifiers: page.items, NextToken: page.nextToken };
  },

  async ListDocumentVersions(input, ctx) {
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const row = await requireOwn(ctx, ownName(ctx, input.Name));
    const page = pageOf(row.versions, ({ version }) => [Number(version)], {
      scope: `ListDocumentVersions ${row.name}`,
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    const DocumentVersions = page.items.map((one) => ({
      Name: row.name,
      DisplayName: row.displayName,
      DocumentVersion: one.version,
      VersionName: one.versionName,
      CreatedDate: new Date(one.created),
      IsDefaultVersion: one.version === row.defaultVersion,
      DocumentFormat: one.format,
      Status: 'Active' as const,
    }));
    return { DocumentVersions, NextToken: page.nextToken };
  },

  /** All of it, or one version that is not the default. */
  async DeleteDocument(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ownName(ctx, input.Name));
      if ((row.sharedWith ?? []).length > 0)
        throw invalidDocumentOperation('The document is still shared. You must stop sharing it before you can delete it.');
      if (input.DocumentVersion === undefined && input.VersionName === undefined) return tx.table(Documents).delete(row.name);
      const { version } = pick(row, input.DocumentVersion, input.VersionName);
      if (version === row.defaultVersion)
        throw invalidDocumentOperation('The default version of the document cannot be deleted.');
      await tx.table(Documents).put({ ...row, versions: row.versions.filter((one) => one.version !== version) });
    });
    return {};
  },
};

function passes(
  one: DocumentIdentifier,
  filter: { Key?: string | undefined; Values?: string[] | undefined },
  account: string,
): boolean {
  const { Key: key = '', Values: values = [] } = filter;
  switch (key) {
    case 'Name':
      return values.some((value) => one.Name?.startsWith(value));
    case 'Owner':
      return values.some((value) => ownedBy(value, one.Owner, account));
    case 'DocumentType':
      return values.includes(one.DocumentType ?? '');
    case 'PlatformTypes':
      return (one.PlatformTypes ?? []).some((platform) => values.includes(platform));
    case 'SchemaVersion':
      return values.includes(one.SchemaVersion ?? '');
    default: {
      const tag = /^tag:(.+)$/.exec(key)?.[1];
      if (tag === undefined) throw invalidFilter(key);
      return (one.Tags ?? []).some(({ Key, Value = '' }) => Key === tag && values.includes(Value));
    }
  }
}

function ownedBy(value: string, owner: string | undefined, account: string): boolean {
  if (value === 'All') return true;
  if (value === 'Self') return owner === account;
  if (value === 'Private' || value === 'Public') return owner !== account && owner !== 'Amazon';
  return owner === value;
}

const onDocument: Authorisation<{ Name?: string | undefined }> = async ({ Name = '' }, ctx) => {
  if (foreignScope(ctx, Name) !== undefined) return [{ resource: documentArn(ctx, Name), resourceAccount: ctx.account }];
  const row = await ctx.table(Documents).get(documentName(Name));
  const tags = Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]);
  return [{ resource: documentArn(ctx, Name), resourceAccount: ctx.account, conditions: Object.fromEntries(tags) }];
};

export const documentChecks: AuthorisationsOf<SSM> = {
  CreateDocument({ Name = '', Tags = [], DocumentType }, ctx) {
    const tags = Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value]));
    const keys = Tags.length === 0 ? {} : { ...tags, 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) };
    return [{ resource: documentArn(ctx, Name), conditions: { 'ssm:DocumentType': DocumentType, ...keys } }];
  },
  UpdateDocument: onDocument,
  UpdateDocumentDefaultVersion: onDocument,
  DescribeDocument: onDocument,
  GetDocument: onDocument,
  ListDocumentVersions: onDocument,
  DeleteDocument: onDocument,
  ModifyDocumentPermission: onDocument,
  DescribeDocumentPermission: onDocument,
};
