import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { bodies, counts, makeQueue, queues, receive } from './support.ts';

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

test('SQS-001 a message stays until it is deleted, and never comes back then', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs', { VisibilityTimeout: '0' });
  const sent = await sqs.sendMessage({ QueueUrl, MessageBody: 'work' });
  expect(sent.MD5OfMessageBody).toBe(md5('work'));
  const [first] = await receive(sqs, QueueUrl);
  const [again] = await receive(sqs, QueueUrl);
  expect([first?.MessageId, again?.MessageId]).toEqual([sent.MessageId, sent.MessageId]);
  expect(again?.Attributes?.ApproximateReceiveCount).toBe('2');
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: again?.ReceiptHandle });
  expect(await receive(sqs, QueueUrl)).toEqual([]);
  // Deleting what is gone is no error.
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: again?.ReceiptHandle });
});

test('SQS-004 the visibility timeout of a message can be lengthened and ended', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs', { VisibilityTimeout: '1' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'work' });
  const [message] = await receive(sqs, QueueUrl);
  const { ReceiptHandle } = message!;
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 600 });
  // Longer than the queue's own second.
  expect(await receive(sqs, QueueUrl, { WaitTimeSeconds: 2 })).toEqual([]);
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
  const [back] = await receive(sqs, QueueUrl);
  expect(back?.MessageId).toBe(message?.MessageId);
  await refused(
    sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 43_201 }),
    'InvalidParameterValue',
    'Value 43201 for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200.',
  );
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle: back?.ReceiptHandle, VisibilityTimeout: 0 });
  await refused(sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 5 }), 'MessageNotInflight');
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
  await refused(
    sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 5 }),
    'InvalidParameterValue',
    `Value ${ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
  );
});

test('a long poll is answered when a hidden message comes back, and when its visibility is ended', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs', { VisibilityTimeout: '2' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'work' });
  await receive(sqs, QueueUrl);
  const began = performance.now();
  const [back] = await receive(sqs, QueueUrl, { WaitTimeSeconds: 20, VisibilityTimeout: 300 });
  expect(back?.Body).toBe('work');
  expect(performance.now() - began).toBeGreaterThan(1000);
  expect(performance.now() - began).toBeLessThan(10_000);
  const waiting = receive(sqs, QueueUrl, { WaitTimeSeconds: 20 });
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle: back?.ReceiptHandle, VisibilityTimeout: 0 });
  expect((await waiting).map(({ Body }) => Body)).toEqual(['work']);
});

test('a consumer that hangs up takes no message with it', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs);
  const abort = new AbortController();
  const poll = sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 20 }, { abortSignal: abort.signal });
  await receive(sqs, QueueUrl, { WaitTimeSeconds: 1 });
  abort.abort();
  await expect(poll).rejects.toThrow('aborted');
  // Only the second poll gets it: the first is gone, whichever waited longer.
  const second = receive(sqs, QueueUrl, { WaitTimeSeconds: 20 });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'work' });
  expect((await second).map(({ Body }) => Body)).toEqual(['work']);
});

test('SQS-007 a standard queue loses nothing under parallel consumers', { timeout: 120_000 }, async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs);
  const total = 10_000;
  const numbers = Array.from({ length: total / 10 }, (_, batch) => Array.from({ length: 10 }, (_, i) => batch * 10 + i));
  const produce = async (): Promise<void> => {
    for (let batch = numbers.pop(); batch !== undefined; batch = numbers.pop())
      await sqs.sendMessageBatch({ QueueUrl, Entries: batch.map((n) => ({ Id: String(n), MessageBody: String(n) })) });
  };
  const seen = new Set<string>();
  const consume = async (): Promise<void> => {
    while (seen.size < total) {
      const messages = await receive(sqs, QueueUrl, { WaitTimeSeconds: 1 });
      for (const { Body = '' } of messages) seen.add(Body);
      if (messages.length > 0)
        await sqs.deleteMessageBatch({
          QueueUrl,
          Entries: messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle })),
        });
    }
  };
  await Promise.all([produce(), produce(), consume(), consume(), consume(), consume()]);
  expect(seen.size).toBe(total);
  expect(await counts(sqs, QueueUrl)).toEqual([0, 0, 0]);
});

test('attributes come with their MD5, those asked for only', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs', { VisibilityTimeout: '0' });
  const sent = await sqs.sendMessage({
    QueueUrl,
    MessageBody: 'msg',
    MessageAttributes: {
      General: { DataType: 'String', StringValue: 'Kenobi' },
      Hello: { DataType: 'String', StringValue: 'There' },
      'Help.Me': { DataType: 'String', StringValue: 'Me' },
    },
    MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1-5759e988-bd862e3fe1be46a994272793' } },
  });
  // Digests as the real service computes them.
  expect(sent.MD5OfMessageAttributes).toBe('4c360f3fdafd970e05fae2f149d997f5');
  const digests = async (...MessageAttributeNames: string[]) =>
    (await receive(sqs, QueueUrl, { MessageAttributeNames }))[0]?.MD5OfMessageAttributes;
  expect(await digests('All')).toBe('4c360f3fdafd970e05fae2f149d997f5');
  expect(await digests('General', 'Hello')).toBe('fca026605781cb4126a1e9044df24232');
  expect(await digests('Hello', 'nobody')).toBe('a311262e065454b75da111d535b8dacd');
  expect(await digests('Hel.*')).toBe('83fee93c1bcd8b9a5a923ffacdc636c7');
  expect(await digests('nobody')).toBeUndefined();
  const [plain] = await receive(sqs, QueueUrl, { MessageAttributeNames: [], MessageSystemAttributeNames: [] });
  expect(plain).toMatchObject({ Body: 'msg' });
  expect([plain?.Attributes, plain?.MessageAttributes]).toEqual([undefined, undefined]);
  const [traced] = await receive(sqs, QueueUrl, { MessageSystemAttributeNames: ['AWSTraceHeader', 'SenderId'] });
  expect(Object.keys(traced?.Attributes ?? {}).sort()).toEqual(['AWSTraceHeader', 'SenderId']);
});

test('messages are refused in AWS’s words', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs', { MaximumMessageSize: '1024' });
  const send = (more: Partial<Parameters<typeof sqs.sendMessage>[0]>) => sqs.sendMessage({ QueueUrl, MessageBody: 'm', ...more });
  const one = (value: object, name = 'a') => send({ MessageAttributes: { [name]: value as never } });
  const wrong = 'InvalidParameterValue';
  await refused(send({ MessageBody: '' }), 'MissingParameter', 'The request must contain the parameter MessageBody.');
  await refused(
    send({ MessageBody: 'x'.repeat(1025) }),
    wrong,
    'One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.',
  );
  await refused(
    send({ MessageBody: 'é'.repeat(512), MessageAttributes: { a: { DataType: 'String', StringValue: 'x' } } }),
    wrong,
    /shorter than 1024 bytes/,
  );
  await refused(
    send({ MessageBody: 'bad \u0001' }),
    'InvalidMessageContents',
    'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
  );
  await refused(
    send({ DelaySeconds: 901 }),
    wrong,
    'Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.',
  );
  await refused(
    send({ MessageDeduplicationId: 'x' }),
    wrong,
    'The request include parameter MessageDeduplicationId which is not valid for this queue type',
  );
  const text = { DataType: 'String', StringValue: 'x' };
  const named: [name: string, message: string][] = [
    ['', 'The request must contain non-empty message (user) attribute names.'],
    ['x'.repeat(257), 'Message (user) attribute name must be shorter than 256 bytes.'],
    [
      'aws.x',
      "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.",
    ],
    ['.x', "Message (user) attribute name must not begin with character '.'."],
    ['x.', "Message (user) attribute name must not end with character '.'."],
    ['x..y', "Message (user) attribute name must not have successive '.' characters."],
  ];
  for (const [name, message] of named) await refused(one(text, name), wrong, message);
  await refused(one(text, 'a b'), wrong, /^Message \(user\) attributes name can only contain/);
  const bytes = Buffer.from('x');
  const valued: [value: object, message: string][] = [
    [{ DataType: '', StringValue: 'x' }, "The message (user) attribute 'a' must contain a non-empty message attribute type."],
    [
      { DataType: 'Text', StringValue: 'x' },
      "The type of message (user) attribute 'a' is invalid. You must use only the following supported type prefixes: Binary, Number, String.",
    ],
    [
      { DataType: `String.${'x'.repeat(250)}`, StringValue: 'x' },
      'Message (user) attribute type must be shorter than 256 bytes.',
    ],
    [{ DataType: 'String' }, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."],
    [{ DataType: 'String', StringValue: '' }, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."],
    [{ ...text, BinaryValue: bytes }, "Message (user) attribute 'a' must have a single value."],
    [{ DataType: 'Binary', StringValue: 'x' }, "Message (user) attribute 'a' with type 'Binary' must use field 'Binary'."],
    [{ DataType: 'Number', BinaryValue: bytes }, "Message (user) attribute 'a' with type 'Number' must use field 'String'."],
    [{ DataType: 'Number', StringValue: 'ten' }, "Can't cast the value of message (user) attribute 'a' to a number."],
  ];
  for (const [value, message] of valued) await refused(one(value), wrong, message);
  await refused(one({ DataType: 'String', StringListValues: ['x'] }), 'UnsupportedOperation');
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`a${i}`, { DataType: 'String', StringValue: 'x' }]));
  await refused(
    send({ MessageAttributes: eleven }),
    wrong,
    'Number of message attributes [11] exceeds the allowed maximum [10].',
  );
  expect(await counts(sqs, QueueUrl)).toEqual([0, 0, 0]);
});

test('receives are refused in AWS’s words', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs);
  const wrong = 'InvalidParameterValue';
  const of = (value: number, name: string, reason: string): string =>
    `Value ${value} for parameter ${name} is invalid. Reason: ${reason}`;
  for (const MaxNumberOfMessages of [0, 11])
    await refused(
      sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages }),
      wrong,
      of(MaxNumberOfMessages, 'MaxNumberOfMessages', 'Must be between 1 and 10, if provided.'),
    );
  await refused(
    sqs.receiveMessage({ QueueUrl, VisibilityTimeout: 43_201 }),
    wrong,
    of(43_201, 'VisibilityTimeout', 'Must be >= 0 and <= 43200, if provided.'),
  );
  await refused(
    sqs.receiveMessage({ QueueUrl, MessageSystemAttributeNames: ['Nothing' as never] }),
    'InvalidAttributeName',
    'Unknown Attribute Nothing.',
  );
  await refused(
    sqs.receiveMessage({ QueueUrl, ReceiveRequestAttemptId: 'one' }),
    wrong,
    'The request include parameter ReceiveRequestAttemptId which is not valid for this queue type',
  );
  await refused(
    sqs.deleteMessage({ QueueUrl, ReceiptHandle: 'nonsense' }),
    'ReceiptHandleIsInvalid',
    'The input receipt handle "nonsense" is not a valid receipt handle.',
    404,
  );
});

test('batches answer for each entry, and are refused as a whole', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs);
  const { Successful = [], Failed = [] } = await sqs.sendMessageBatch({
    QueueUrl,
    Entries: [
      { Id: 'good', MessageBody: 'fine' },
      { Id: 'late', MessageBody: 'fine', DelaySeconds: 901 },
    ],
  });
  expect(Successful.map(({ Id, MD5OfMessageBody }) => [Id, MD5OfMessageBody])).toEqual([['good', md5('fine')]]);
  expect(Failed).toEqual([
    {
      Id: 'late',
      SenderFault: true,
      Code: 'InvalidParameterValue',
      Message: 'Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.',
    },
  ]);
  const [message] = await receive(sqs, QueueUrl);
  const { Successful: deleted, Failed: wrong } = await sqs.deleteMessageBatch({
    QueueUrl,
    Entries: [
      { Id: 'a', ReceiptHandle: 'nonsense' },
      { Id: 'b', ReceiptHandle: message?.ReceiptHandle },
    ],
  });
  expect([deleted, wrong?.map(({ Id, Code }) => [Id, Code])]).toEqual([[{ Id: 'b' }], [['a', 'ReceiptHandleIsInvalid']]]);
  const empty = await sqs.sendMessageBatch({ QueueUrl, Entries: [{ Id: 'a', MessageBody: '' }] });
  const Message = 'The request must contain the parameter SendMessageBatchRequestEntry.1.MessageBody.';
  expect(empty.Failed).toEqual([{ Id: 'a', SenderFault: true, Code: 'MissingParameter', Message }]);
  const entry = (Id: string, MessageBody = 'm') => ({ Id, MessageBody });
  const batch = (...Entries: ReturnType<typeof entry>[]) => sqs.sendMessageBatch({ QueueUrl, Entries });
  await refused(batch(), 'EmptyBatchRequest', 'There should be at least one SendMessageBatchRequestEntry in the request.');
  await refused(
    batch(...Array.from({ length: 11 }, (_, i) => entry(String(i)))),
    'TooManyEntriesInBatchRequest',
    'Maximum number of entries per request are 10. You have sent 11.',
  );
  await refused(batch(entry('a'), entry('a')), 'BatchEntryIdsNotDistinct', 'Id a repeated.');
  for (const id of ['', 'invalid:id', 'x'.repeat(81)])
    await refused(
      batch(entry(id)),
      'InvalidBatchEntryId',
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
    );
  await refused(
    batch(entry('a', 'x'.repeat(524_288)), entry('b', 'x'.repeat(524_289))),
    'BatchRequestTooLong',
    'Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.',
  );
  expect(await bodies(sqs, QueueUrl)).toEqual([]);
});

test('a message of one mebibyte passes, one byte more does not', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs);
  const body = 'x'.repeat(1_048_576);
  await sqs.sendMessage({ QueueUrl, MessageBody: body });
  expect((await receive(sqs, QueueUrl))[0]?.MD5OfBody).toBe(md5(body));
  await refused(
    sqs.sendMessage({ QueueUrl, MessageBody: `${body}x` }),
    'InvalidParameterValue',
    'One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.',
  );
});
