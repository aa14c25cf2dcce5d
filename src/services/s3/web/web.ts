/** What browsers ask of S3 beside its operations: websites, preflights, forms. */
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { bucketAndKey } from './address.ts';
import { answerPreflight } from './cors.ts';
import { answerForm } from './post-form.ts';
import { answerWebsite, isWebsite } from './website.ts';

/** Answers a request that no operation of the model is for; undefined for what S3 does not know either. Throws InvalidURI for broken percent-encoding. */
export async function answerBrowser(web: WebRequest): Promise<WireResponse | undefined> {
  if (isWebsite(web)) return answerWebsite(web);
  const { method, headers } = web.request;
  if (method === 'OPTIONS') return answerPreflight(web);
  if (method === 'POST' && headers['content-type']?.startsWith('multipart/form-data') === true) return answerForm(web);
  // No operation takes a path that cannot be read.
  bucketAndKey(web.request);
  return undefined;
}
