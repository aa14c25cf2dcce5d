/** Handlers in each language that the machine has: what they get, what comes back, what is told of those that fail. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CreateFunctionCommandInput } from '@aws-sdk/client-lambda';
import { beforeEach, expect, test } from 'vitest';
import { machinesRefused, refused } from '../../support/cloud.ts';
import { serverless } from './support.ts';
import { zipOf } from '../../support/zip.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

function isThere(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What aws-lambda-java-core says, as far as handlers of these tests are compiled against it; the function does not bring it. */
const core = {
  'com/amazonaws/services/lambda/runtime/Context.java':
    'package com.amazonaws.services.lambda.runtime; public interface Context { String getAwsRequestId(); String getFunctionName(); int getRemainingTimeInMillis(); LambdaLogger getLogger(); }',
  'com/amazonaws/services/lambda/runtime/LambdaLogger.java':
    'package com.amazonaws.services.lambda.runtime; public interface LambdaLogger { void log(String message); }',
  'com/amazonaws/services/lambda/runtime/RequestHandler.java':
    'package com.amazonaws.services.lambda.runtime; public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }',
  'com/amazonaws/services/lambda/runtime/RequestStreamHandler.java':
    'package com.amazonaws.services.lambda.runtime; import java.io.*; public interface RequestStreamHandler { void handleRequest(InputStream in, OutputStream out, Context context) throws IOException; }',
};

/** Compiles sources; gives the classes by file, but those that the runtime has itself. */
function compiled(sources: Readonly<Record<string, string>>): Record<string, Buffer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'pilvi-java-'));
  try {
    const all = { ...core, ...sources };
    for (const [name, text] of Object.entries(all)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    execFileSync('javac', ['-d', `${folder}/out`, ...Object.keys(all).map((name) => path.join(folder, name))]);
    const made = readdirSync(`${folder}/out`, { recursive: true, encoding: 'utf8' });
    return Object.fromEntries(
      made
        .filter((name) => name.endsWith('.class') && !Object.hasOwn(core, name.replace(/\.class$/, '.java')))
        .map((name) => [name, readFileSync(`${folder}/out/${name}`)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const orders = `package app;
import com.amazonaws.services.lambda.runtime.*;
import java.util.*;
public class Orders implements RequestHandler<Orders.Order, Map<String, Object>> {
  public enum Size { SMALL, LARGE }
  public record Place(String street, int number) {}
  public static class Order {
    private String name; private List<Integer> counts; private Size size; private Map<String, Place> places; private double price;
    public String getName() { return name; } public void setName(String v) { name = v; }
    public List<Integer> getCounts() { return counts; } public void setCounts(List<Integer> v) { counts = v; }
    public Size getSize() { return size; } public void setSize(Size v) { size = v; }
    public Map<String, Place> getPlaces() { return places; } public void setPlaces(Map<String, Place> v) { places = v; }
    public double getPrice() { return price; } public void setPrice(double v) { price = v; }
  }
  public Map<String, Object> handleRequest(Order order, Context context) {
    if (order.name == null) throw new IllegalStateException("no name");
    context.getLogger().log("two\\nlines");
    int sum = 0;
    for (int count : order.counts) sum += count;
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("order", order); all.put("sum", sum); all.put("function", context.getFunctionName()); all.put("left", context.getRemainingTimeInMillis() > 0);
    return all;
  }
}`;
const others = `package app;
import com.amazonaws.services.lambda.runtime.*;
import java.io.*;
import java.util.*;
public class Others {
  private int calls;
  public int count(List<String> words) { return words.size() + ++calls; }
  public String greet(String name, Context context) { return "hello " + name + " \\u00e4\\"" ; }
  public static class Copy implements RequestStreamHandler {
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException { out.write('['); in.transferTo(out); out.write(']'); }
  }
  public static class Broken { static { if (true) throw new IllegalArgumentException("not today"); } public String run(String x) { return x; } }
  public static class Greedy { public Object run(Object x) { List<byte[]> all = new ArrayList<>(); for (;;) all.add(new byte[8000000]); } }
}`;

/** What aws-lambda-java-events and slf4j say, as far as this handler needs them: S3's events have no setters, and no constructor without values. */
const events = 'com/amazonaws/services/lambda/runtime/events';
const brought = {
  [`${events}/models/s3/S3EventNotification.java`]: `package ${`${events}/models/s3`.replaceAll('/', '.')}; import java.util.*;
public class S3EventNotification {
  private final List<S3EventNotificationRecord> records;
  public S3EventNotification(List<S3EventNotificationRecord> records) { this.records = records; }
  public List<S3EventNotificationRecord> getRecords() { return records; }
  public static class S3EventNotificationRecord {
    private final String eventName; private java.time.OffsetDateTime eventTime; private final ResponseElementsEntity responseElements;
    public S3EventNotificationRecord(String name, String time, ResponseElementsEntity elements) { eventName = name; responseElements = elements; }
    public String told() { return eventName + " " + eventTime.getYear() + " " + responseElements.xAmzId2; }
  }
  public static class ResponseElementsEntity {
    private final String xAmzId2;
    public ResponseElementsEntity(String id) { xAmzId2 = id; }
  }
}`,
  [`${events}/S3Event.java`]: `package ${events.replaceAll('/', '.')}; import java.util.*; import ${`${events}/models/s3`.replaceAll('/', '.')}.*;
public class S3Event extends S3EventNotification { public S3Event() { this(null); } public S3Event(List<S3EventNotificationRecord> records) { super(records); } }`,
  [`${events}/ScheduledEvent.java`]: `package ${events.replaceAll('/', '.')};
public class ScheduledEvent { private String type; public void setDetailType(String type) { this.type = type; } public String getDetailType() { return type; } }`,
  'org/slf4j/MDC.java': `package org.slf4j; import java.util.*;
public class MDC { private static final Map<String, String> all = new HashMap<>(); public static void put(String key, String value) { all.put(key, value); } public static String get(String key) { return all.get(key); } }`,
  'app/Notified.java': `package app; import ${events.replaceAll('/', '.')}.*; import com.amazonaws.services.lambda.runtime.*;
public class Notified {
  public String stored(S3Event event, Context context) { return event.getRecords().get(0).told() + " " + context.getAwsRequestId().equals(org.slf4j.MDC.get("AWSRequestId")); }
  public String timed(ScheduledEvent event) { return event.getDetailType(); }
  public String own(Sealed given) { return "never"; }
  public static class Sealed { private final String name; public Sealed(String name) { this.name = name; } }
}`,
};

test('events of S3 and of schedules reach the classes that AWS gives for them, and loggers know the call', {
  timeout: 90_000,
}, async (context) => {
  context.skip(!isThere('javac'), 'javac is not installed');
  const { lambda, make, call, settled } = await serverless();
  const shape: Partial<CreateFunctionCommandInput> = { Runtime: 'java17', MemorySize: 512, Timeout: 20 };
  await make('java', '', { ...shape, Code: { ZipFile: zipOf(compiled(brought)) }, Handler: 'app.Notified::stored' });
  const as = async (Handler: string): Promise<void> => {
    await lambda.updateFunctionConfiguration({ FunctionName: 'java', Handler });
    await settled('java');
  };
  const record = {
    eventName: 'ObjectCreated:Put',
    eventTime: '2026-01-01T00:00:00.000Z',
    responseElements: { 'x-amz-id-2': 'id' },
  };
  expect((await call('java', { Records: [record] })).body).toBe('ObjectCreated:Put 2026 id true');
  await as('app.Notified::timed');
  expect((await call('java', { 'detail-type': 'Scheduled Event', unknown: 1 })).body).toBe('Scheduled Event');
  // A class of one's own needs what AWS's serialiser needs.
  await as('app.Notified::own');
  expect(await call('java', { name: 'x' })).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'java.lang.RuntimeException', errorMessage: 'An error occurred during JSON parsing' },
  });
});

test('handlers in Java take and give beans, records, lists, streams and scalars, and tell what fails', {
  timeout: 90_000,
}, async (context) => {
  context.skip(!isThere('javac'), 'javac is not installed');
  const { lambda, make, call, settled } = await serverless();
  const ZipFile = zipOf(compiled({ 'app/Orders.java': orders, 'app/Others.java': others }));
  const shape: Partial<CreateFunctionCommandInput> = { Runtime: 'java17', MemorySize: 512, Timeout: 20, Code: { ZipFile } };
  await make('java', '', { ...shape, Handler: 'app.Orders::handleRequest' });
  const as = async (Handler: string): Promise<void> => {
    await lambda.updateFunctionConfiguration({ FunctionName: 'java', Handler });
    await settled('java');
  };
  const order = { name: 'tea', counts: [1, 2, 3], size: 'LARGE', places: { home: { street: 'a', number: 7 } }, price: 2.5 };
  const answer = await call('java', { ...order, unknown: [true, null] });
  expect(answer.body).toEqual({ order, sum: 6, function: 'java', left: true });
  expect(answer.log).toContain('two\nlines\n');
  expect(answer.log).toMatch(/Init Duration: [\d.]+ ms/);
  await as('app.Orders');
  expect((await call('java', order)).body).toMatchObject({ sum: 6 });
  expect(await call('java', {})).toMatchObject({
    error: 'Unhandled',
    body: {
      errorType: 'java.lang.IllegalStateException',
      errorMessage: 'no name',
      stackTrace: [expect.stringMatching(/^app\.Orders\.handleRequest\(Orders\.java:\d+\)$/), expect.any(String)],
    },
  });
  expect(await call('java', { counts: {} })).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'java.lang.RuntimeException', errorMessage: 'An error occurred during JSON parsing' },
  });
  await as('app.Others::count');
  expect([(await call('java', ['a', 'b'])).body, (await call('java', ['a', 'b'])).body]).toEqual([3, 4]);
  await as('app.Others::greet');
  expect((await call('java', 'ö')).body).toBe('hello ö ä"');
  await as('app.Others$Copy');
  expect((await call('java', { a: 1 })).body).toEqual([{ a: 1 }]);
  for (const [handler, errorMessage, errorType] of [
    ['app.None::run', 'Class not found: app.None', 'java.lang.ClassNotFoundException'],
    ['app.Others::none', 'No public method named none with appropriate method signature found on class app.Others', undefined],
    ['app.Others$Broken::run', 'not today', 'java.lang.IllegalArgumentException'],
    ['app.Others$Greedy::run', 'Java heap space', 'java.lang.OutOfMemoryError'],
  ] as const) {
    await as(handler);
    const { error, body } = await call('java', 'x');
    expect([handler, error, body]).toEqual([
      handler,
      'Unhandled',
      expect.objectContaining({ errorMessage, ...(errorType === undefined ? {} : { errorType }) }),
    ]);
  }
});

test('handlers in Ruby are methods of files and classes, find gems of layers, and tell what fails', {
  timeout: 60_000,
}, async (context) => {
  context.skip(!isThere('ruby'), 'ruby is not installed');
  const { lambda, make, call, settled } = await serverless();
  const source = `require 'json'
require 'shouting'
$calls = 0
def handler(event:, context:)
  raise ArgumentError, 'bad' if event['bad']
  no_such_method if event['missing']
  exit 3 if event['exit']
  puts "say #{event['n']}"
  { n: event['n'] + 1, calls: $calls += 1, id: context.aws_request_id.length, left: context.get_remaining_time_in_millis.positive?, text: shout('ä') }
end
module Shop
  class Orders
    def self.run(event:, context:) = [context.function_name, event]
  end
end
`;
  const { LayerVersionArn = '' } = await lambda.publishLayerVersion({
    LayerName: 'shouting',
    Content: { ZipFile: zipOf({ 'ruby/lib/shouting.rb': 'def shout(text) = text.upcase + "!"\n' }) },
  });
  await make('ruby', '', {
    Runtime: 'ruby3.4',
    MemorySize: 512,
    Timeout: 10,
    Handler: 'app.handler',
    Layers: [LayerVersionArn],
    Code: { ZipFile: zipOf({ 'app.rb': source }) },
  });
  const answer = await call('ruby', { n: 1 });
  expect(answer.body).toEqual({ n: 2, calls: 1, id: 36, left: true, text: 'Ä!' });
  expect(answer.log).toContain('say 1\n');
  expect(await call('ruby', { bad: true })).toMatchObject({
    error: 'Unhandled',
    body: {
      errorType: 'Function<ArgumentError>',
      errorMessage: 'bad',
      stackTrace: [expect.stringMatching(/^\/var\/task\/app\.rb:5:in/)],
    },
  });
  expect(await call('ruby', { missing: true })).toMatchObject({
    error: 'Unhandled',
    body: {
      errorType: 'Function<NameError>',
      errorMessage: expect.stringContaining("undefined local variable or method `no_such_method'"),
    },
  });
  expect((await call('ruby', { n: 1 })).body).toMatchObject({ calls: 2 });
  expect(await call('ruby', { exit: true })).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'Function<SystemExit>', errorMessage: 'exit' },
  });
  // What was critical ended the process: a new one counts from the start.
  expect((await call('ruby', { n: 1 })).body).toMatchObject({ calls: 1 });
  const as = async (Handler: string): Promise<void> => {
    await lambda.updateFunctionConfiguration({ FunctionName: 'ruby', Handler });
    await settled('ruby');
  };
  await as('app.Shop::Orders.run');
  expect((await call('ruby', { a: 1 })).body).toEqual(['ruby', { a: 1 }]);
  await as('none.handler');
  expect(await call('ruby')).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'Init<LoadError>', errorMessage: 'cannot load such file -- none' },
  });
  await as('app');
  expect(await call('ruby')).toMatchObject({
    error: 'Unhandled',
    body: {
      errorType: 'Init<ArgumentError>',
      errorMessage: expect.stringMatching(/^Invalid handler app, must be of form FILENAME\.METHOD/),
    },
  });
});

test('a runtime that is no more, never was, or has no toolchain here is refused by name', async () => {
  const { make } = await serverless();
  const invalid = 'InvalidParameterValueException';
  for (const Runtime of ['nodejs14.x', 'python3.7', 'ruby2.7', 'java8', 'go1.x', 'provided'] as const)
    await refused(
      make('former', '', { Runtime }),
      invalid,
      `The runtime parameter of ${Runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`,
    );
  await refused(
    make('never', '', { Runtime: 'ruby3.5' as never }),
    invalid,
    /^Value ruby3\.5 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[nodejs26\.x, /,
  );
  await refused(
    make('dotnet', '', { Runtime: 'dotnet8', Handler: 'App::App.Function::Run' }),
    invalid,
    /^The runtime dotnet8 cannot be used here: (dotnet is not installed on this machine .*the \.NET SDK from dot\.net|Pilvi has no client of the Runtime API for dotnet yet)/,
  );
  await refused(
    make('image', '', { PackageType: 'Image', Code: { ImageUri: '1.dkr.ecr.us-east-1.amazonaws.com/a:b' } }),
    'NotImplemented',
    /PackageType=Image/,
  );
});
