/** Requests of browsers as services see them: HTTP that no operation of the model is for. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Shape, WireRequest } from '../model/types.ts';
import type { Identity } from './caller.ts';
import type { Context, Scope } from './context.ts';
import type { NetworkPath } from './service.ts';

/** A signature over a text, as HTML forms carry it. */
export interface FormProof {
  /** `key/date/region/service/aws4_request`; the key alone for Signature Version 2. */
  credential: string;
  text: string;
  /** Hexadecimal; base 64 for Version 2. */
  signature: string;
  sessionToken?: string | undefined;
}

export interface WebRequest {
  readonly request: WireRequest;
  /** In lower case and without the port. */
  readonly host: string;
  readonly requestId: string;
  /** Query as sent, without the question mark; header names and values as sent, in turn. */
  readonly rawQuery: string;
  readonly rawHeaders: readonly string[];
  readonly sourceIp: string;
  /** Whether it came to the address at which the service alone serves the web. */
  readonly toOwnAddress: boolean;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  /** Where the host name asks its clients for one; undefined when the client has none. */
  clientCertificate(): ClientCertificate | undefined;
  /** The network's own path that it came by; undefined for what came over the internet. Throws AwsError for a path to another service. */
  network(): Promise<NetworkPath | undefined>;
  /** To read rows with; it acts for the service, at the time when it is taken. */
  readonly ctx: Context;
  /** Who signed the request (Signature Version 4), undefined when nobody did. Throws an AwsError for a signature that is not right. */
  signer(): Promise<Identity | undefined>;
  /** A context in which the sender asks: for `permit`, with the address and agent of the request. */
  contextOf(identity: Identity, scope: Scope): Promise<Context>;
  /** The identity that signed. Throws what is wrong with the signature, in the service's words. */
  prove(proof: FormProof): Promise<Identity>;
  /** Runs one of the service's own operations, authorised and recorded like any request; without an identity as an unsigned one. */
  invoke(operation: string, input: Shape, as: { region: string; identity?: Identity }): Promise<Shape>;
}

/** The certificate that a client of TLS showed. */
export interface ClientCertificate {
  pem: string;
  /** `CN=client,O=Example,C=FI` */
  subject: string;
  issuer: string;
  /** `a1:b2:…` */
  serialNumber: string;
  /** `May 28 12:30:02 2026 GMT` */
  notBefore: string;
  notAfter: string;
  /** Why it is not one of the authorities that are asked for; undefined when it is. */
  problem: string | undefined;
}

/** A connection that asks for another protocol. The body of its request is empty. */
export interface WebUpgrade {
  readonly web: WebRequest;
  /** For libraries that shake hands. */
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  /** What followed the head already. */
  readonly head: Buffer;
}
