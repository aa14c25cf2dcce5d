/**
 * One request on its way through the gateway: what each stage finds and leaves for the next.
 */
import type { ClientCertificate } from '../kernel/web.ts';
import type { Credential, Identity } from '../kernel/caller.ts';
import type { Trace } from '../kernel/trace.ts';
import type { OperationModel, ServiceModel } from '../model/service-model.ts';
import type { Protocol, ServiceIndexEntry, Shape, WireRequest, WireResponse } from '../model/types.ts';
import type { RequestBody } from './request-body.ts';
import type { HttpHead, ParsedSignature } from './signature/signature.ts';

export interface Exchange {
  readonly requestId: string;
  readonly trace: Trace;
  /** As received: the signature is computed over these exact bytes. */
  readonly head: HttpHead;
  /** Header names and values as they came, in turn: repeated ones are joined in `head`. */
  readonly rawHeaders: readonly string[];
  readonly host: string;
  readonly sourceIp: string;
  /** Address of ours that the request came to. */
  readonly arrivedAt: string;
  readonly secureTransport: boolean;
  readonly clientCertificate: () => ClientCertificate | undefined;
  /** Calls back when the client has closed the connection before its answer; returns how to forget it. */
  readonly onGone: (listener: () => void) => () => void;
  request: WireRequest;
  /** The body on its way; `request.body` or `request.stream` has it once a stage has taken it. */
  readonly arriving: RequestBody;
  /** Whether `request.body` is the whole body. */
  collected?: boolean;

  // identify
  protocol?: Protocol;
  model?: ServiceModel;
  operation?: OperationModel;
  service?: ServiceIndexEntry;
  /** The refusal of a request whose operation no model has, unless a service takes it as the web. */
  unidentified?: Error;
  // authenticate
  signature?: ParsedSignature;
  /** Real time from the signature to the request; never negative. */
  signatureAgeMillis?: number;
  credential?: Credential;
  identity?: Identity;
  // locate
  account?: string;
  region?: string;
  // parse
  input?: Shape;
  // dispatch
  output?: Shape;
  // serialise
  response?: WireResponse;
  /** Code of the error that was answered. */
  failure?: string;
}

/** A step of the pipeline: adds to the exchange, or throws an `AwsError`, `ParseError` or `SignatureError`, which `serialise` turns into an answer. */
export type Stage = (exchange: Exchange) => void | Promise<void>;
