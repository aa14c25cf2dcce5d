import { SSM } from '@aws-sdk/client-ssm';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';

const Content = JSON.stringify({
  schemaVersion: '2.2',
  mainSteps: [{ action: 'aws:runShellScript', name: 'greet', inputs: { runCommand: ['echo hello'] } }],
});

/** Two accounts, and a document of the first. */
async function shared() {
  const [owner, friend] = [freshAccount(), freshAccount()];
  const [ssm, other] = [new SSM(owner.config()), new SSM(friend.config())];
  await ssm.createDocument({ Name: 'Shared', Content, DocumentType: 'Command', Tags: [{ Key: 'team', Value: 'a' }] });
  const modify = (change: { AccountIdsToAdd?: string[]; AccountIdsToRemove?: string[] }, Name = 'Shared') =>
    ssm.modifyDocumentPermission({ Name, PermissionType: 'Share', ...change });
  const permission = () => ssm.describeDocumentPermission({ Name: 'Shared', PermissionType: 'Share' });
  return { owner, friend, ssm, other, modify, permission, arn: `arn:aws:ssm:us-east-1:${owner.id}:document/Shared` };
}

test('an account uses the document that another shares with it, by its ARN, until sharing ends', async () => {
  const { owner, friend, ssm, other, modify, permission, arn } = await shared();
  expect(await permission()).toMatchObject({ AccountIds: [], AccountSharingInfoList: [] });
  await refused(other.getDocument({ Name: arn }), 'InvalidDocument', `Document with name ${arn} does not exist.`);
  await modify({ AccountIdsToAdd: [friend.id, '123456789012'] });
  const told = await permission();
  expect(told.AccountIds?.toSorted()).toEqual([friend.id, '123456789012'].sort());
  expect(told.AccountSharingInfoList).toContainEqual({ AccountId: friend.id, SharedDocumentVersion: '$DEFAULT' });

  expect((await other.getDocument({ Name: arn })).Content).toBe(Content);
  const { Document } = await other.describeDocument({ Name: arn });
  expect(Document).toMatchObject({ Name: 'Shared', Owner: owner.id, Tags: [] });
  await refused(other.getDocument({ Name: 'Shared' }), 'InvalidDocument', 'Document with name Shared does not exist.');
  const listed = await other.listDocuments({ Filters: [{ Key: 'Owner', Values: ['Private'] }] });
  expect(listed.DocumentIdentifiers?.map(({ Name, Owner }) => [Name, Owner])).toEqual([[arn, owner.id]]);
  const sent = await other.sendCommand({ DocumentName: arn, Targets: [{ Key: 'tag:role', Values: ['none'] }] });
  expect(sent.Command?.DocumentName).toBe(arn);
  await other.createDocument({ Name: 'Shared', Content, DocumentType: 'Command' });
  await refused(other.deleteDocument({ Name: arn }), 'InvalidDocument', `Document with name ${arn} does not exist.`);
  await refused(other.modifyDocumentPermission({ Name: arn, PermissionType: 'Share' }), 'InvalidDocument');

  await refused(ssm.deleteDocument({ Name: 'Shared' }), 'InvalidDocumentOperation', /still shared/);
  await modify({ AccountIdsToAdd: [friend.id], AccountIdsToRemove: [friend.id, '123456789012'] });
  await refused(other.getDocument({ Name: arn }), 'InvalidDocument');
  await ssm.deleteDocument({ Name: 'Shared' });
});

test('what cannot be shared is refused; all accounts see at most five documents of one', async () => {
  const { ssm, other, modify, arn } = await shared();
  await refused(modify({ AccountIdsToAdd: ['12'] }), 'ValidationException', /accountIdsToAdd.*\(\?i\)all\|\[0-9\]\{12\}/);
  const many = Array.from({ length: 21 }, (_, index) => String(100_000_000_000 + index));
  await refused(modify({ AccountIdsToAdd: many }), 'ValidationException', /less than or equal to 20/);
  await refused(modify({ AccountIdsToAdd: ['all'] }, 'Nothing'), 'InvalidDocument', 'Document with name Nothing does not exist.');
  await refused(
    ssm.modifyDocumentPermission({ Name: 'Shared', PermissionType: 'Lend' as 'Share', AccountIdsToAdd: ['all'] }),
    'InvalidPermissionType',
  );
  await refused(
    ssm.modifyDocumentPermission({ Name: 'Shared', PermissionType: 'Share', SharedDocumentVersion: '1' }),
    'NotImplemented',
  );
  for (const number of [1, 2, 3, 4]) {
    await ssm.createDocument({ Name: `Open${number}`, Content, DocumentType: 'Command' });
    await modify({ AccountIdsToAdd: ['all'] }, `Open${number}`);
  }
  await modify({ AccountIdsToAdd: ['All'] });
  expect((await other.describeDocument({ Name: arn })).Document?.Name).toBe('Shared');
  await ssm.createDocument({ Name: 'OneMore', Content, DocumentType: 'Command' });
  await refused(modify({ AccountIdsToAdd: ['all'] }, 'OneMore'), 'DocumentPermissionLimit', /publicly up to 5 documents/);
});
