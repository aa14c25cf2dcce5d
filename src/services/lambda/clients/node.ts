/**
 * The client of the Runtime API that runs handlers written for Node.js: a program of its own inside the sandbox, kept as text because nothing of Pilvi
 * is there. Loads CommonJS and ES modules, takes promises, callbacks and streams, and words errors and log lines as AWS's own client does
 * ("Lambda function handler in Node.js", "Node.js runtime log formats").
 */
export const nodeClient = String.raw`
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import util from 'node:util';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
const base = '/2018-06-01/runtime';
const asJson = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const least = asJson ? Math.max(0, levels.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? 'INFO')) : 0;
let requestId;

function call(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: base + path, headers }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function isError(value) {
  return value !== null && typeof value === 'object' && (value instanceof Error || Object.prototype.toString.call(value) === '[object Error]');
}

function errorOf(error) {
  try {
    if (isError(error)) {
      const trace = (error.stack ?? '').replace(/\x7f/g, '%7F').split('\n');
      return { errorType: error.name?.replace(/\x7f/g, '%7F') ?? 'Error', errorMessage: error.message ?? '', trace };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return { errorType: 'handled', errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack', trace: [] };
  }
}

function write(line) {
  fs.writeSync(1, line.replaceAll('\n', '\r') + '\n');
}

function log(level, values) {
  if (levels.indexOf(level) < least) return;
  const timestamp = new Date().toISOString();
  if (!asJson) return write(timestamp + '\t' + (requestId ?? 'undefined') + '\t' + level + '\t' + util.format(...values));
  const [first] = values;
  const message = values.length === 1 && typeof first === 'object' && first !== null && !isError(first) ? first : util.format(...values);
  const failed = values.find(isError);
  const told = failed === undefined ? {} : { errorType: failed.name, errorMessage: failed.message, stackTrace: (failed.stack ?? '').split('\n').slice(1) };
  write(JSON.stringify({ timestamp, level, requestId, message, ...told }));
}

for (const [name, level] of [['log', 'INFO'], ['info', 'INFO'], ['debug', 'DEBUG'], ['trace', 'TRACE'], ['warn', 'WARN'], ['error', 'ERROR']])
  console[name] = (...values) => log(level, values);
console.fatal = (...values) => log('FATAL', values);

const symbolStream = Symbol.for('aws.lambda.runtime.handler.streaming');
globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[symbolStream] = 'response';
    if (typeof options?.highWaterMark === 'number') handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = options.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.write(JSON.stringify(prelude));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

class Failure extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
  }
}

const missing = ['.js', '.mjs', '.cjs'];

async function load(root, file) {
  const stem = path.resolve(root, file);
  const found = missing.map((extension) => stem + extension).find((name) => fs.existsSync(name));
  const require = createRequire(path.join(root, 'index.js'));
  try {
    if (found === undefined) return require(require.resolve(stem));
    if (found.endsWith('.cjs') || (found.endsWith('.js') && !isModule(found))) return require(found);
    return await import(pathToFileURL(found).href);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Failure('Runtime.UserCodeSyntaxError', String(error));
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') throw new Failure('Runtime.ImportModuleError', String(error));
    throw error;
  }
}

function isModule(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type === 'module';
    } catch {
      if (folder === path.dirname(folder) || folder === '/var/task') return false;
    }
  }
}

async function findHandler(name) {
  const [folder, last] = [path.dirname(name), path.basename(name)];
  const parts = /^([^.]*)\.(.*)$/.exec(last);
  if (name.includes('..')) throw new Failure('Runtime.MalformedHandlerName', "'" + name + "' is not a valid handler name. Use absolute paths when specifying root directories in handler names.");
  if (parts === null) throw new Failure('Runtime.MalformedHandlerName', 'Bad handler');
  const module = await load(path.resolve(process.env.LAMBDA_TASK_ROOT, folder), parts[1]);
  const pick = (from) => parts[2].split('.').reduce((value, member) => value?.[member], from);
  const handler = pick(module) ?? pick(module.default);
  if (handler === undefined) throw new Failure('Runtime.HandlerNotFound', name + ' is undefined or not exported');
  if (typeof handler !== 'function') throw new Failure('Runtime.HandlerNotFound', name + ' is not a function');
  return handler;
}

function contextOf(headers) {
  const { env } = process;
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const parsed = (name) => (headers[name] === undefined ? undefined : JSON.parse(headers[name]));
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed('lambda-runtime-client-context'),
    identity: parsed('lambda-runtime-cognito-identity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

let idle;
let settleNow;
process.on('beforeExit', () => {
  if (idle !== undefined) {
    const done = idle;
    idle = undefined;
    done();
  } else if (settleNow !== undefined) {
    settleNow(new Failure('Runtime.NodeJsExit', 'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
  }
});

function run(handler, event, context) {
  return new Promise((resolve, reject) => {
    settleNow = reject;
    let done = false;
    const callback = (error, value) => {
      if (done) return;
      done = true;
      const settle = () => (error !== null && error !== undefined ? reject(error) : resolve(value));
      if (context.callbackWaitsForEmptyEventLoop) idle = settle;
      else settle();
    };
    context.done = callback;
    context.fail = (error) => { context.callbackWaitsForEmptyEventLoop = false; callback(error ?? 'handled'); };
    context.succeed = (value) => { context.callbackWaitsForEmptyEventLoop = false; callback(null, value); };
    const returned = handler(event, context, callback);
    if (typeof returned?.then === 'function') returned.then((value) => { if (!done) { done = true; resolve(value); } }, (error) => { done = true; reject(error); });
  });
}

function stream(handler, event, context, id) {
  return new Promise((resolve, reject) => {
    settleNow = reject;
    let type = 'application/octet-stream';
    let request;
    const open = () => {
      request ??= http.request({
        host, port, agent, method: 'POST', path: base + '/invocation/' + id + '/response',
        headers: { 'Lambda-Runtime-Function-Response-Mode': 'streaming', 'Transfer-Encoding': 'chunked', 'Content-Type': type, Trailer: ['Lambda-Runtime-Function-Error-Type', 'Lambda-Runtime-Function-Error-Body'] },
      }, (response) => { response.resume(); response.on('end', resolve); });
      request.on('error', reject);
      return request;
    };
    const body = new Stream({
      write(piece, encoding, done) { open().write(piece, encoding, done); },
      final(done) { open().end(done); },
    });
    body.setContentType = (value) => { type = value; };
    const fail = (error) => {
      if (request === undefined) return reject(error);
      const told = errorOf(error);
      request.addTrailers({ 'Lambda-Runtime-Function-Error-Type': told.errorType, 'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(told)).toString('base64') });
      log('ERROR', ['Invoke Error', '\t' + JSON.stringify(told)]);
      request.end();
    };
    Promise.resolve().then(() => handler(event, body, context)).then((value) => { if (!body.writableEnded) body.end(); }, fail);
  });
}

const { Writable: Stream } = await import('node:stream');

async function report(where, error) {
  const told = errorOf(error);
  log('ERROR', [where === '/init/error' ? 'Uncaught Exception' : 'Invoke Error', '\t' + JSON.stringify({ ...told, stack: told.trace, trace: undefined })]);
  await call('POST', where, { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': told.errorType }, JSON.stringify(told));
}

let working;
async function fatal(error, type, code) {
  const failure = type === undefined ? error : new Failure(type, String(error));
  if (type !== undefined && isError(error)) failure.stack = type + ': ' + error.stack;
  try {
    await report(working === undefined ? '/init/error' : '/invocation/' + working + '/error', failure);
  } finally {
    process.exit(code);
  }
}
process.on('uncaughtException', (error) => fatal(error, undefined, 129));
process.on('unhandledRejection', (error) => fatal(error, 'Runtime.UnhandledPromiseRejection', 128));

let handler;
try {
  handler = await findHandler(process.env._HANDLER);
} catch (error) {
  await report('/init/error', error);
  process.exit(1);
}
for (;;) {
  const { headers, body } = await call('GET', '/invocation/next', {});
  const id = headers['lambda-runtime-aws-request-id'];
  requestId = working = id;
  if (headers['lambda-runtime-trace-id'] !== undefined) process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  const context = contextOf(headers);
  try {
    const event = JSON.parse(body);
    if (handler[symbolStream] === 'response') await stream(handler, event, context, id);
    else {
      const value = await run(handler, event, context);
      settleNow = undefined;
      let text;
      try {
        text = JSON.stringify(value === undefined ? null : value);
      } catch {
        throw new Failure('Runtime.MarshalError', 'Unable to stringify response body');
      }
      await call('POST', '/invocation/' + id + '/response', { 'Content-Type': 'application/json' }, text);
    }
  } catch (error) {
    settleNow = undefined;
    await report('/invocation/' + id + '/error', error);
  }
  settleNow = undefined;
  working = undefined;
}
`;
