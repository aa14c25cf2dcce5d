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
  /** The body while it is still arriving; operations whose payload is a stream get it instead of `body`. */
  stream?: BodyStream | undefined;
  /** Bucket taken from a virtual host, when there is one. `identify` sets it. */
  hostPrefix?: string | undefined;
}

/** A body on its way. Can be read once; whatever is wrong with it (signature, hash, length) is thrown to its reader, at the latest at its end. */
export interface BodyStream extends AsyncIterable<Uint8Array> {
  /** Plain bytes that will come; undefined when the request does not say. */
  readonly bytes: number | undefined;
  /** Name of the checksum header that follows the body, as announced; it is compared with the bytes before `trailers` resolves. */
  readonly announcedTrailer: string | undefined;
  /** Headers that followed the body, once it has been read to its end. */
  readonly trailers: Promise<Readonly<Record<string, string>>>;
}

export interface WireResponse {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array | string | AsyncIterable<Uint8Array>;
}

/** `awsCbor1_1` is awsJson1_1 with CBOR for JSON, times in milliseconds: what the SDKs for Java speak to Kinesis. No model names it. */
export type Protocol =
  | 'awsJson1_0'
  | 'awsJson1_1'
  | 'awsCbor1_1'
  | 'restJson1'
  | 'restXml'
  | 'awsQuery'
  | 'ec2Query'
  | 'rpcv2Cbor';

/** Entry of models/index.json: all that is needed to recognise a request without loading the service's model. */
export interface ServiceIndexEntry {
  /** Pilvi's name of the service: the name of its SDK package without `client-` (`sts`, `ec2`, `elastic-load-balancing-v2`). */
  name: string;
  /** `serviceId` of the model, as `Elastic Load Balancing v2`. */
  serviceId: string;
  /** Name in the SigV4 credential scope. */
  signingName: string;
  /** Further names in the credential scope that its clients use (S3's for Outposts, directory buckets, object lambdas). */
  signingAliases?: readonly string[];
  /** What stands before the region in the host name. */
  endpointPrefix: string;
  apiVersion: string;
  /** Prefix of X-Amz-Target (or the service name in an rpcv2Cbor path), where the protocol has one. */
  targetPrefix: string;
  xmlNamespace: string;
  /** What its own SDK speaks first; others of the list are accepted too. */
  protocols: readonly Protocol[];
  operations: number;
  /** Namespace of its error types on the wire, as `com.amazonaws.sqs`. */
  namespace: string;
  /** True where JSON errors also name the code of the former query protocol (x-amzn-query-error). */
  queryCompatible?: boolean;
  /** Label that a virtual host stands for: `Bucket` for S3. Its routes begin with that label. */
  virtualHost?: string;
  /** Signing names whose requests have something else before the service's name in the host. */
  noVirtualHost?: readonly string[];
  /** Name of the service that answers what both have: Neptune and DocumentDB share RDS's endpoint, signing name and version. */
  yieldsTo?: string;
  /** True where the routes may come after a path of the user's own (the stage of an execute-api endpoint). */
  anyBasePath?: boolean;
  /** Headers, any of which tells its requests from those of a service with the same signing name. */
  markedByHeaders?: readonly string[];
}

export type TimestampFormat = 'date-time' | 'http-date' | 'epoch-seconds';

/** How one member looks on the wire, beyond its name and type. Absent: nothing special. Written by the generator, read by the codecs. */
export interface MemberTraits {
  /** Element name in XML, and key in the query protocols. */
  xml?: string;
  /** Key in the ec2 query protocol, where it is not the capitalised XML name. */
  ec2?: string;
  /** Key in restJson bodies. */
  json?: string;
  /** List or map without a wrapping element. */
  flat?: 1;
  /** XML attribute instead of element. */
  attribute?: 1;
  /** Prefix and URI of an XML namespace declared on the element. */
  namespace?: readonly [string, string];
  header?: string;
  /** Prefix of the headers that hold a map. */
  prefixHeaders?: string;
  query?: string;
  /** Map of all query parameters that no other member takes. */
  queryMap?: 1;
  label?: 1;
  payload?: 1;
  /** Holds the HTTP status of the answer. */
  status?: 1;
  /** Clients fill it with a random token. */
  token?: 1;
  /** Not to be shown in logs and trails. */
  sensitive?: 1;
  /** Part of the host name. */
  hostLabel?: 1;
  /** Union of events sent as a stream. */
  events?: 1;
  /** All of an event's payload, as it is. */
  eventPayload?: 1;
}

/** What is special about a modelled error. */
export interface ErrorTraits {
  fault: 'client' | 'server';
  status: number;
  /** Code in the query protocols, where it is not the shape's name. */
  queryCode?: string;
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
