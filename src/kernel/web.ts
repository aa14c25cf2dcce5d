/** Requests of browsers as services see them: HTTP that no operation of the model is for. */
import type { Shape, WireRequest } from '../model/types.ts';
import type { Identity } from './caller.ts';
import type { Context } from './context.ts';

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
  /** To read rows with; it acts for the service. */
  readonly ctx: Context;
  /** The identity that signed. Throws what is wrong with the signature, in the service's words. */
  prove(proof: FormProof): Promise<Identity>;
  /** Runs one of the service's own operations, authorised and recorded like any request; without an identity as an unsigned one. */
  invoke(operation: string, input: Shape, as: { region: string; identity?: Identity }): Promise<Shape>;
}
