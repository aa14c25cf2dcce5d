/** How much one request may ask of the parsers. The size of bodies and heads is the gateway's to bound; these are what size does not tell. */

/** Levels of objects and arrays in a JSON body: DynamoDB allows 32 levels of values, each up to three levels of JSON. */
export const jsonDepthMax = 128;
export const cborDepthMax = 128;
export const xmlDepthMax = 64;
/** CompleteMultipartUpload may name 10,000 parts of up to nine elements. */
export const xmlElementsMax = 200_000;
/** Parameters of a query-protocol body; PutMetricData may carry 1,000 metrics with 150 values each in compressed JSON, fewer here. */
export const queryMembersMax = 100_000;
/** Parts of a parameter's name, as in `Filter.1.Value.2`. */
export const queryDepthMax = 64;
/** Digits of a list index in a parameter's name. */
export const queryIndexDigitsMax = 9;
/** Bytes to which a compressed body may unpack. */
export const plainBodyBytesMax = 16 * 1024 * 1024;
