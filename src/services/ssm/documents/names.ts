/** Names of documents, which requests also give as ARNs: always, when the document is another account's. */
import { parseArn } from '../../../base/arn.ts';
import { invalidDocument } from '../errors.ts';

/** The bare name of a document that a request names by name or ARN. */
export const documentName = (text: string): string =>
  parseArn(text)?.resource.replace(/^(document|automation-definition)\//, '') ?? text;

/** Account and Region of a document of another account, which only its ARN can name; undefined for an account's own and the provider's. */
export function foreignScope(
  { account, region }: { account: string; region: string },
  text: string,
): { account: string; region: string } | undefined {
  const arn = parseArn(text);
  if (arn === undefined || arn.account === '' || (arn.account === account && arn.region === region)) return undefined;
  return { account: arn.account, region: arn.region };
}

/** ARN of a document for authorisation; the provider's belong to no account. */
export function documentArn(here: { account: string; region: string }, text: string): string {
  const name = documentName(text);
  const { account, region } = foreignScope(here, text) ?? here;
  return `arn:aws:ssm:${region}:${/^AWS-/.test(name) ? '' : account}:document/${name}`;
}

/** The name of a document that only its owner may touch. Throws InvalidDocument for another account's. */
export function ownName(here: { account: string; region: string }, text: string | undefined): string {
  if (foreignScope(here, text ?? '') !== undefined) throw invalidDocument(text ?? '');
  return documentName(text ?? '');
}
