import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { makeTopic, messaging, outbox } from './support.ts';

const wrong = 'InvalidParameter';

test('devices of a platform application get what is published to them or to their topic, in the form of their push service', async () => {
  const { sns, account } = messaging();
  const make = async (Platform: string) => {
    const Attributes = { PlatformCredential: 'secret', PlatformPrincipal: 'certificate' };
    const { PlatformApplicationArn = '' } = await sns.createPlatformApplication({ Name: 'news', Platform, Attributes });
    const { EndpointArn = '' } = await sns.createPlatformEndpoint({ PlatformApplicationArn, Token: `token-${Platform}` });
    return { PlatformApplicationArn, EndpointArn };
  };
  const [android, apple] = [await make('GCM'), await make('APNS')];
  expect(android.PlatformApplicationArn).toBe(`arn:aws:sns:us-east-1:${account.id}:app/GCM/news`);
  expect(android.EndpointArn).toMatch(/:endpoint\/GCM\/news\/[0-9a-f-]{36}$/);
  const { Attributes } = await sns.getPlatformApplicationAttributes(android);
  expect(Attributes).toEqual({ Enabled: 'true' });
  await sns.publish({ TargetArn: android.EndpointArn, Message: 'to one' });
  const TopicArn = await makeTopic(sns);
  for (const { EndpointArn } of [android, apple])
    await sns.subscribe({ TopicArn, Protocol: 'application', Endpoint: EndpointArn });
  const forApple = '{"aps":{"badge":1}}';
  await sns.publish({ TopicArn, MessageStructure: 'json', Message: JSON.stringify({ default: 'to all', APNS: forApple }) });
  const pushed = await eventually(
    async () => {
      const letters = await outbox(account);
      expect(letters).toHaveLength(3);
      return letters.map(({ kind, to, body }) => [kind, to, body]).sort();
    },
    { why: 'both devices get the message' },
  );
  expect(pushed).toEqual(
    [
      ['push', 'token-APNS', forApple],
      ['push', 'token-GCM', '{"notification":{"body":"to all"}}'],
      ['push', 'token-GCM', '{"notification":{"body":"to one"}}'],
    ].sort(),
  );
});

test('applications and devices are listed, changed and deleted, and refused in AWS’s words', async () => {
  const { sns } = messaging();
  const create = (more: object = {}) =>
    sns.createPlatformApplication({ Name: 'news', Platform: 'GCM', Attributes: { PlatformCredential: 'x' }, ...more });
  await refused(create({ Platform: 'PIGEON' }), wrong, /^Invalid parameter: Platform Reason/);
  await refused(create({ Name: 'with space' }), wrong, /^Invalid parameter: Name Reason/);
  await refused(
    create({ Attributes: { PlatformPrincipal: 'x' } }),
    wrong,
    'Invalid parameter: Attributes Reason: PlatformCredential is required',
  );
  await refused(create({ Attributes: { PlatformCredential: 'x', More: 'x' } }), wrong, /Invalid attribute name: More/);
  const { PlatformApplicationArn } = await create();
  const device = (more: object = {}) => sns.createPlatformEndpoint({ PlatformApplicationArn, Token: 'token', ...more });
  const { EndpointArn = '' } = await device({ CustomUserData: 'mine' });
  expect((await device({ CustomUserData: 'mine' })).EndpointArn).toBe(EndpointArn);
  await refused(
    device({ CustomUserData: 'other' }),
    wrong,
    `Invalid parameter: Token Reason: Endpoint ${EndpointArn} already exists with the same Token, but different attributes.`,
  );
  expect((await sns.listEndpointsByPlatformApplication({ PlatformApplicationArn })).Endpoints).toEqual([
    { EndpointArn, Attributes: { Enabled: 'true', Token: 'token', CustomUserData: 'mine' } },
  ]);
  await sns.setEndpointAttributes({ EndpointArn, Attributes: { Enabled: 'false' } });
  expect((await sns.getEndpointAttributes({ EndpointArn })).Attributes).toMatchObject({ Enabled: 'false' });
  await refused(sns.publish({ TargetArn: EndpointArn, Message: 'm' }), 'EndpointDisabled', 'Endpoint is disabled');
  await refused(sns.setEndpointAttributes({ EndpointArn, Attributes: { Enabled: 'perhaps' } }), wrong, /Enabled/);
  await sns.deleteEndpoint({ EndpointArn });
  await sns.deleteEndpoint({ EndpointArn });
  await refused(sns.getEndpointAttributes({ EndpointArn }), 'NotFound', 'Endpoint does not exist', 404);
  await refused(
    sns.publish({ TargetArn: EndpointArn, Message: 'm' }),
    wrong,
    'Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified',
  );
  await sns.setPlatformApplicationAttributes({ PlatformApplicationArn, Attributes: { PlatformCredential: 'y' } });
  expect((await sns.listPlatformApplications({})).PlatformApplications).toHaveLength(1);
  await sns.deletePlatformApplication({ PlatformApplicationArn });
  await sns.deletePlatformApplication({ PlatformApplicationArn });
  await refused(
    sns.getPlatformApplicationAttributes({ PlatformApplicationArn }),
    'NotFound',
    'PlatformApplication does not exist',
    404,
  );
});
