/** Lambda functions behind methods: addresses of functions, events of proxy integrations, and their answers. */
import type { Integration } from '@aws-sdk/client-api-gateway';
import type { BackendRequest } from './backends.ts';
import { type Answer, type Call, internalError } from './call.ts';

/** `arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:…:function:name/invocations` */
const uriForm = /^arn:aws[a-z-]*:apigateway:[^:]+:lambda:path\/[^/]+\/functions\/(.+)\/invocations$/;

/** Whether an integration's address is a function's. */
export function isFunctionUri(uri: string): boolean {
  return uriForm.test(uri);
}

/** A Lambda function behind a method without proxying. */
export async function callFunction(
  call: Call,
  _integration: Integration,
  request: BackendRequest,
): Promise<{ answer: Answer; selected: string | undefined }> {
  throw internalError(`Execution failed due to configuration error: no Lambda functions in this cloud: ${request.uri}`, call);
}

/** A Lambda function that gets the whole request and answers with the whole response. */
export async function proxyFunction(call: Call, integration: Integration): Promise<Answer> {
  throw internalError(`Execution failed due to configuration error: no Lambda functions in this cloud: ${integration.uri}`, call);
}
