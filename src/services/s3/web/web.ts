/** What browsers ask of S3 beside its operations: websites, preflights, forms. */
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { answerPreflight } from './cors.ts';
import { noSuchMethod } from '../requests.ts';
import { answerForm } from './post-form.ts';
import { answerWebsite, isWebsite } from './website.ts';

/**
 * Answers a request that no operation of the model is for; undefined for reads that S3 does not know either. Throws MethodNotAllowed for other methods, InvalidURI for
 * broken percent-encoding.
 */
export async function answerBrowser(web: WebRequest): Promise<WireResponse | undefined> {
  if (isWebsite(web)) return answerWebsite(web);
  const { method, headers } = web.request;
  if (method === 'OPTIONS') return answerPreflight(web);
  if (method === 'POST' && headers['content-type']?.startsWith('multipart/form-data') === true) return answerForm(web);
  const refusal = noSuchMethod(web.request);
  if (method === 'GET' || method === 'HEAD') return undefined;
  throw refusal;
}
