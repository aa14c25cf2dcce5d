/**
 * The client of the Runtime API that runs handlers written for Python: a program of its own inside the sandbox, kept as text. Words errors and log
 * lines as AWS's own client does ("Define Lambda function handler in Python", "Log and monitor Python Lambda functions").
 */
export const pythonClient = String.raw`
import base64, decimal, http.client, importlib, json, logging, os, sys, time, traceback

host = os.environ['AWS_LAMBDA_RUNTIME_API']
base = '/2018-06-01/runtime'
connection = http.client.HTTPConnection(host)
as_json = os.environ.get('AWS_LAMBDA_LOG_FORMAT') == 'JSON'

def call(method, path, headers=None, body=None):
    global connection
    try:
        connection.request(method, base + path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
    except (http.client.RemoteDisconnected, BrokenPipeError):
        connection.close()
        connection = http.client.HTTPConnection(host)
        connection.request(method, base + path, body, headers or {})
        response = connection.getresponse()
        return response, response.read()

class Filter(logging.Filter):
    request_id = ''
    def filter(self, record):
        record.aws_request_id = Filter.request_id
        return True

class Text(logging.Formatter):
    converter = time.gmtime

class Json(logging.Formatter):
    converter = time.gmtime
    def format(self, record):
        line = {
            'timestamp': self.formatTime(record, '%Y-%m-%dT%H:%M:%SZ'), 'level': record.levelname, 'message': record.getMessage(),
            'logger': record.name, 'requestId': record.aws_request_id or None,
        }
        if record.exc_info:
            line['errorType'] = record.exc_info[0].__name__
            line['errorMessage'] = str(record.exc_info[1])
            line['stackTrace'] = traceback.format_tb(record.exc_info[2])
        return json.dumps({name: value for name, value in line.items() if value is not None})

class Handler(logging.Handler):
    def emit(self, record):
        sys.stdout.write(self.format(record).replace('\n', '\r') + '\n')

sink = Handler()
sink.setFormatter(Json() if as_json else Text('[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s', '%Y-%m-%dT%H:%M:%S'))
sink.addFilter(Filter())
logging.getLogger().addHandler(sink)
if as_json:
    names = {'TRACE': 5, 'DEBUG': 10, 'INFO': 20, 'WARN': 30, 'ERROR': 40, 'FATAL': 50}
    logging.getLogger().setLevel(names.get(os.environ.get('AWS_LAMBDA_LOG_LEVEL', 'INFO'), 20))
sys.stdout.reconfigure(line_buffering=True)
sys.stderr.reconfigure(line_buffering=True)

class Context:
    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers['Lambda-Runtime-Aws-Request-Id']
        self.invoked_function_arn = headers['Lambda-Runtime-Invoked-Function-Arn']
        self.function_name = env['AWS_LAMBDA_FUNCTION_NAME']
        self.function_version = env['AWS_LAMBDA_FUNCTION_VERSION']
        self.memory_limit_in_mb = env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
        self.log_group_name = env['AWS_LAMBDA_LOG_GROUP_NAME']
        self.log_stream_name = env['AWS_LAMBDA_LOG_STREAM_NAME']
        self._deadline = int(headers['Lambda-Runtime-Deadline-Ms'])
        client = headers.get('Lambda-Runtime-Client-Context')
        self.client_context = Record(json.loads(client)) if client else None
        identity = headers.get('Lambda-Runtime-Cognito-Identity')
        parsed = json.loads(identity) if identity else {}
        self.identity = Record({'cognito_identity_id': parsed.get('cognitoIdentityId'), 'cognito_identity_pool_id': parsed.get('cognitoIdentityPoolId')})
    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))
    def log(self, message):
        sys.stdout.write(str(message))

class Record:
    def __init__(self, values):
        self.__dict__.update(values)

def told(error, request_id=None):
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(('/var/runtime/', '<frozen'))]
    trace = traceback.format_list(own)
    body = {'errorMessage': str(error), 'errorType': type(error).__name__}
    if request_id is not None:
        body['requestId'] = request_id
    body['stackTrace'] = trace
    return body

def show(body):
    if as_json:
        sys.stdout.write(json.dumps({'timestamp': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 'log_level': 'ERROR', **body}) + '\n')
        return
    lines = ['[ERROR] ' + body['errorType'] + (': ' + body['errorMessage'] if body['errorMessage'] else '')]
    if body.get('stackTrace'):
        lines.append('Traceback (most recent call last):')
        lines.extend(line.rstrip('\n') for line in body['stackTrace'])
    sys.stdout.write('\r'.join(line.replace('\n', '\r') for line in lines) + '\n')

def fail_init(kind, message, trace=()):
    body = {'errorMessage': message, 'errorType': kind, 'requestId': '', 'stackTrace': list(trace)}
    show(body)
    call('POST', '/init/error', {'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': kind}, json.dumps(body))
    sys.exit(1)

def load(name):
    parts = name.rsplit('.', 1)
    if len(parts) != 2:
        fail_init('Runtime.MalformedHandlerName', "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name, function = parts
    root = os.environ['LAMBDA_TASK_ROOT']
    sys.path[:] = [root, '/opt/python/lib/python%d.%d/site-packages' % sys.version_info[:2], '/opt/python'] + [
        p for p in sys.path if p not in ('', '/var/runtime', root)]
    try:
        module = importlib.import_module(module_name.replace('/', '.'))
    except ImportError as error:
        fail_init('Runtime.ImportModuleError', "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        fail_init('Runtime.UserCodeSyntaxError', "Syntax error in module '%s': %s" % (module_name, error),
                  ['  File "%s" Line %s\n    %s\n' % (error.filename, error.lineno, (error.text or '').strip())])
    except Exception as error:
        body = told(error)
        fail_init(body['errorType'], body['errorMessage'], body['stackTrace'])
    if not hasattr(module, function):
        fail_init('Runtime.HandlerNotFound', "Handler '%s' missing on module '%s'" % (function, module_name))
    return getattr(module, function)

def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError('Object of type %s is not JSON serializable' % type(value).__name__)

handler = load(os.environ['_HANDLER'])
while True:
    response, payload = call('GET', '/invocation/next')
    headers = response.headers
    request_id = headers['Lambda-Runtime-Aws-Request-Id']
    Filter.request_id = request_id
    if headers.get('Lambda-Runtime-Trace-Id'):
        os.environ['_X_AMZN_TRACE_ID'] = headers['Lambda-Runtime-Trace-Id']
    try:
        event = json.loads(payload)
        value = handler(event, Context(headers))
        try:
            text = json.dumps(value, ensure_ascii=False, default=plain)
        except Exception as error:
            body = {'errorMessage': 'Unable to marshal response: %s' % error, 'errorType': 'Runtime.MarshalError', 'requestId': request_id, 'stackTrace': []}
            show(body)
            call('POST', '/invocation/%s/error' % request_id, {'Lambda-Runtime-Function-Error-Type': body['errorType']}, json.dumps(body))
            continue
        sys.stdout.flush()
        call('POST', '/invocation/%s/response' % request_id, {'Content-Type': 'application/json'}, text.encode())
    except Exception as error:
        body = told(error, request_id)
        show(body)
        sys.stdout.flush()
        call('POST', '/invocation/%s/error' % request_id, {'Lambda-Runtime-Function-Error-Type': body['errorType']}, json.dumps(body))
`;
