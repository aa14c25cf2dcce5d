/** Whether a Task's resource can be had, for definitions. */
import { notRecognised } from '../asl/validate-map.ts';
import { readResource } from '../resources.ts';
import type { MachineType } from '../state.ts';
import { optimisedOf, sdkCallOf } from './catalogue.ts';

/** Why a resource cannot be, in AWS's words; undefined when it can. */
export async function resourceProblem(text: string, type: MachineType): Promise<string | undefined> {
  const resource = readResource(text);
  if (resource === undefined) return text.startsWith('arn:') ? notRecognised(text) : 'Value is not a valid resource ARN';
  if (resource.kind === 'activity') return type === 'EXPRESS' ? 'Express state machine does not support Activity ARN' : undefined;
  if (resource.kind === 'lambda') return undefined;
  const { pattern } = resource;
  if (type === 'EXPRESS' && pattern !== 'response') {
    const suffix = pattern === 'token' ? '.waitForTaskToken' : `.${pattern}`;
    return `Express state machine does not support '${suffix}' service integration `;
  }
  if (resource.sdk) {
    if (pattern === 'sync' || pattern === 'sync:2') return notRecognised(text);
    return (await sdkCallOf(resource)) === undefined ? notRecognised(text) : undefined;
  }
  if ((resource.service === 'http' || resource.service === 'apigateway') && resource.action === 'invoke')
    return pattern === 'response' ? undefined : notRecognised(text);
  return optimisedOf(resource)?.patterns.includes(pattern) === true ? undefined : notRecognised(text);
}
