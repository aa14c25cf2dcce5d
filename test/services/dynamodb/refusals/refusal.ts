/** A request that AWS refuses, as it is sent, and its words; the code is ValidationException unless it is given. */
export type Refusal = readonly [operation: string, input: string, message: string, code?: string];
