/**
 * The gateway's pipeline: the stages of a request, in order, one file each. AWS checks the signature before it reads the body's members, so
 * `authenticate` comes before `parse`; authorisation and the record belong to the kernel's `invoke`, behind `dispatch`, because calls between
 * services pass them too.
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { ServiceIndex } from '../model/service-model.ts';
import { authenticateStage } from './authenticate.ts';
import { dispatchStage } from './dispatch.ts';
import type { Exchange, Stage } from './exchange.ts';
import { identifyStage } from './identify.ts';
import { locateStage } from './locate.ts';
import { parseStage } from './parse.ts';
import { receiveSmallStage, receiveStage } from './receive.ts';
import { serialiseFailure, serialiseStage } from './serialise.ts';
import { addAnswerHeaders, hostedStage, webStage } from './web.ts';

export interface PipelineOptions {
  kernel: Kernel;
  index: ServiceIndex;
  /** Check every output against its model. */
  validateOutput: boolean;
}

/** Builds the pipeline: a function that takes an exchange to its response and never throws. */
export function createPipeline({ kernel, index, validateOutput }: PipelineOptions): (exchange: Exchange) => Promise<void> {
  const stages: readonly Stage[] = [
    receiveSmallStage,
    hostedStage(kernel),
    identifyStage(index),
    receiveStage,
    webStage(kernel),
    authenticateStage(kernel),
    locateStage,
    parseStage(kernel),
    dispatchStage(kernel, validateOutput),
    serialiseStage,
  ];
  return async (exchange) => {
    try {
      for (const stage of stages) {
        const pending = stage(exchange);
        if (pending !== undefined) await pending;
        if (exchange.response !== undefined) break;
      }
    } catch (error) {
      serialiseFailure(exchange, error, kernel.log);
    }
    if (exchange.head.headers['origin'] !== undefined) await addAnswerHeaders(kernel, exchange);
  };
}
