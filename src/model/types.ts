/**
 * A service model in memory, as the codecs read it. Loaded from models/<service>.json, which the generator packs from the official schemas.
 * Names are the model's own (AWS spelling).
 */

/** An HTTP request as the wire layer sees it: head parsed, body complete (or a stream for blob payloads). */
export interface WireRequest {
  method: string;
  /** Path as sent, percent-encoded, without the query. */
  path: string;
  /** Query parameters in order, decoded. */
  query: readonly (readonly [string, string])[];
  /** Header names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  /** Bucket or other name taken from a virtual host, when there is one. */
  hostPrefix?: string | undefined;
}

export interface WireResponse {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array | string | AsyncIterable<Uint8Array>;
}

export type Protocol = 'awsJson1_0' | 'awsJson1_1' | 'restJson1' | 'restXml' | 'awsQuery' | 'ec2Query' | 'rpcv2Cbor';

/** Entry of models/index.json: all that is needed to recognise a request without loading the service's model. */
export interface ServiceIndexEntry {
  /** Pilvi's name of the service: the name of its SDK package without `client-` (`sts`, `ec2`, `elastic-load-balancing-v2`). */
  name: string;
  /** `serviceId` of the model, as `Elastic Load Balancing v2`. */
  serviceId: string;
  /** Name in the SigV4 credential scope. */
  signingName: string;
  /** First label of the host name. */
  endpointPrefix: string;
  apiVersion: string;
  /** Prefix of X-Amz-Target (or the service name in an rpcv2Cbor path), where the protocol has one. */
  targetPrefix: string;
  xmlNamespace: string;
  /** What its own SDK speaks first; others of the list are accepted too. */
  protocols: readonly Protocol[];
  operations: number;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

/** What handlers take and return: structures as plain objects, timestamps as Date, blobs as Uint8Array. */
export type Shape = Record<string, unknown>;

/** Failure to read a request. `code` is AWS's error code for this protocol (`SerializationException`, `MalformedInput`, `ValidationError`, `MissingParameter`). */
export class ParseError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** An error to put on the wire. */
export interface WireError {
  /** Code on the wire, as `NoSuchEntity`. */
  code: string;
  message: string;
  status: number;
  /** Whose fault it is; the query protocols print it as <Type>. */
  fault: 'client' | 'server';
  /** Members of a modelled error beyond the message. */
  members?: Shape | undefined;
}
