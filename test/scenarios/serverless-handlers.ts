/**
 * The four functions of the serverless scenario, three times: for Node with AWS's own client in the archive, for Python and for a runtime of one's own
 * (a shell script that speaks the Runtime API). One archive holds all four; the variable STEP says which a function is.
 */
import { buildSync } from 'esbuild';
import { zipOf } from '../support/zip.ts';

export interface Handlers {
  runtime: 'nodejs20.x' | 'python3.11' | 'provided.al2023';
  handler: string;
  archive: () => Uint8Array;
}

const node = `
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { S3 } from '@aws-sdk/client-s3';
import { SNS } from '@aws-sdk/client-sns';
const { STEP, TABLE, RESULTS, TOPIC, BUCKET, BY } = process.env;
const dynamodb = new DynamoDB({});
const steps = {
  async ingest({ Records }) {
    for (const { s3 } of Records)
      await dynamodb.putItem({ TableName: TABLE, Item: { id: { S: s3.object.key }, size: { N: String(s3.object.size) } } });
  },
  async announce({ Records }) {
    for (const { eventName, dynamodb: { Keys } } of Records)
      if (eventName === 'INSERT') await new SNS({}).publish({ TopicArn: TOPIC, Message: Keys.id.S });
  },
  async finish({ Records }) {
    for (const { body } of Records) await dynamodb.putItem({ TableName: RESULTS, Item: { id: { S: body }, by: { S: BY } } });
  },
  async front({ rawPath, body, isBase64Encoded, requestContext: { http } }) {
    const id = rawPath.split('/').at(-1);
    if (http.method === 'POST') {
      await new S3({ forcePathStyle: true }).putObject({ Bucket: BUCKET, Key: id, Body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8') });
      return { statusCode: 202, body: id };
    }
    const { Item } = await dynamodb.getItem({ TableName: RESULTS, Key: { id: { S: id } } });
    return Item ? { statusCode: 200, body: Item.by.S } : { statusCode: 404, body: 'not yet' };
  },
};
export const handler = (event) => steps[STEP](event);
`;

const python = `
import base64, datetime, hashlib, hmac, json, os, urllib.error, urllib.parse, urllib.request
E = os.environ

def send(service, method, path, body, headers):
    endpoint = urllib.parse.urlparse(E['AWS_ENDPOINT_URL'])
    now = datetime.datetime.now(datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')
    digest = hashlib.sha256(body).hexdigest()
    headers = {**headers, 'host': endpoint.netloc, 'x-amz-date': now, 'x-amz-content-sha256': digest, 'x-amz-security-token': E['AWS_SESSION_TOKEN']}
    names = sorted(headers)
    canonical = '\\n'.join([method, path, '', *[f'{n}:{headers[n]}' for n in names], '', ';'.join(names), digest])
    scope = f"{now[:8]}/{E['AWS_REGION']}/{service}/aws4_request"
    text = '\\n'.join(['AWS4-HMAC-SHA256', now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ('AWS4' + E['AWS_SECRET_ACCESS_KEY']).encode()
    for part in scope.split('/'):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers['authorization'] = f"AWS4-HMAC-SHA256 Credential={E['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    request = urllib.request.Request(E['AWS_ENDPOINT_URL'] + path, data=body, headers=headers, method=method)
    return urllib.request.urlopen(request).read()

def dynamodb(operation, data):
    headers = {'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'DynamoDB_20120810.' + operation}
    return json.loads(send('dynamodb', 'POST', '/', json.dumps(data).encode(), headers))

def ingest(event):
    for record in event['Records']:
        item = record['s3']['object']
        dynamodb('PutItem', {'TableName': E['TABLE'], 'Item': {'id': {'S': item['key']}, 'size': {'N': str(item['size'])}}})

def announce(event):
    for record in event['Records']:
        if record['eventName'] == 'INSERT':
            form = {'Action': 'Publish', 'Version': '2010-03-31', 'TopicArn': E['TOPIC'], 'Message': record['dynamodb']['Keys']['id']['S']}
            send('sns', 'POST', '/', urllib.parse.urlencode(form).encode(), {'content-type': 'application/x-www-form-urlencoded'})

def finish(event):
    for record in event['Records']:
        dynamodb('PutItem', {'TableName': E['RESULTS'], 'Item': {'id': {'S': record['body']}, 'by': {'S': E['BY']}}})

def front(event):
    id = event['rawPath'].split('/')[-1]
    if event['requestContext']['http']['method'] == 'POST':
        body = base64.b64decode(event['body']) if event['isBase64Encoded'] else event['body'].encode()
        send('s3', 'PUT', f"/{E['BUCKET']}/{id}", body, {})
        return {'statusCode': 202, 'body': id}
    item = dynamodb('GetItem', {'TableName': E['RESULTS'], 'Key': {'id': {'S': id}}}).get('Item')
    return {'statusCode': 200, 'body': item['by']['S']} if item else {'statusCode': 404, 'body': 'not yet'}

def handler(event, context):
    return globals()[E['STEP']](event)
`;

/** Values are taken out of the event by their places in the text: ids of this scenario are plain words. */
const shell = `#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
sent() {
  service=$1; shift
  curl -sS --fail-with-body --aws-sigv4 "aws:amz:$AWS_REGION:$service" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: $AWS_SESSION_TOKEN" "$@"
}
dynamodb() {
  sent dynamodb -H 'content-type: application/x-amz-json-1.0' -H "x-amz-target: DynamoDB_20120810.$1" -d "$2" "$AWS_ENDPOINT_URL/"
}
all() { grep -o "\\"$1\\":\\"[^\\"]*\\"" <<<"$event" | cut -d'"' -f4; }
ingest() {
  for id in $(all key); do dynamodb PutItem "{\\"TableName\\":\\"$TABLE\\",\\"Item\\":{\\"id\\":{\\"S\\":\\"$id\\"}}}" >/dev/null || return 1; done
  echo null
}
announce() {
  ids=$(grep -o '"Keys":{"id":{"S":"[^"]*"' <<<"$event" | cut -d'"' -f8)
  for id in $ids; do sent sns --data-urlencode "TopicArn=$TOPIC" -d "Action=Publish&Version=2010-03-31&Message=$id" "$AWS_ENDPOINT_URL/" >/dev/null || return 1; done
  echo null
}
finish() {
  for id in $(all body); do dynamodb PutItem "{\\"TableName\\":\\"$RESULTS\\",\\"Item\\":{\\"id\\":{\\"S\\":\\"$id\\"},\\"by\\":{\\"S\\":\\"$BY\\"}}}" >/dev/null || return 1; done
  echo null
}
front() {
  path=$(all rawPath | head -1); id=\${path##*/}
  if grep -q '"method":"POST"' <<<"$event"; then
    body=$(all body | head -1)
    hash=$(printf %s "$body" | sha256sum | cut -d' ' -f1)
    sent s3 -X PUT -H "x-amz-content-sha256: $hash" -d "$body" "$AWS_ENDPOINT_URL/$BUCKET/$id" >/dev/null || return 1
    echo "{\\"statusCode\\":202,\\"body\\":\\"$id\\"}"
  else
    by=$(dynamodb GetItem "{\\"TableName\\":\\"$RESULTS\\",\\"Key\\":{\\"id\\":{\\"S\\":\\"$id\\"}}}" | grep -o '"by":{"S":"[^"]*"' | cut -d'"' -f6)
    if [ -n "$by" ]; then echo "{\\"statusCode\\":200,\\"body\\":\\"$by\\"}"; else echo '{"statusCode":404,"body":"not yet"}'; fi
  fi
}
while true; do
  headers=$(mktemp)
  event=$(curl -sS -D "$headers" "$api/next")
  id=$(grep -i '^lambda-runtime-aws-request-id:' "$headers" | tr -d '\\r' | cut -d' ' -f2)
  if answer=$($STEP); then curl -sS -d "$answer" "$api/$id/response" >/dev/null
  else curl -sS -d "{\\"errorMessage\\":\\"failed\\",\\"errorType\\":\\"Shell\\"}" "$api/$id/error" >/dev/null; fi
  rm "$headers"
done
`;

/** The handler with its packages in one file, as users build theirs. */
function bundled(): Uint8Array {
  const options = { bundle: true, platform: 'node', format: 'cjs', target: 'node20', write: false, minify: true } as const;
  const { outputFiles } = buildSync({ ...options, stdin: { contents: node, resolveDir: process.cwd(), loader: 'js' } });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

export const handlers: readonly Handlers[] = [
  { runtime: 'nodejs20.x', handler: 'index.handler', archive: () => zipOf({ 'index.js': bundled() }) },
  { runtime: 'python3.11', handler: 'index.handler', archive: () => zipOf({ 'index.py': python }) },
  {
    runtime: 'provided.al2023',
    handler: 'bootstrap',
    archive: () => zipOf({ bootstrap: shell }, { bootstrap: 0o100755 }),
  },
];
