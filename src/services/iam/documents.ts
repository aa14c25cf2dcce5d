/** Policy documents as IAM takes and gives them: grammar, size, encoding. */
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { malformedPolicyDocument, validationError } from './errors.ts';
import { RequestCheck, sizes } from './rules.ts';

/** The characters AWS allows: policyDocumentType of the API reference. */
const documentForm = /^[\t\n\r -\u00ff]+$/;

/** Checks the member's constraints. Throws ValidationError. */
export function checkDocumentMember(document: string, member = 'policyDocument'): void {
  new RequestCheck().length(member, document, 1, sizes.policyDocument).done();
  if (!documentForm.test(document)) {
    throw validationError(`The specified value for ${member} is invalid. It must contain only printable ASCII characters.`);
  }
}

/** Checks a permissions policy or a trust policy against IAM's grammar. Throws ValidationError, MalformedPolicyDocument. */
export function checkDocument(document: string, kind: 'identity' | 'trust', member = 'policyDocument'): void {
  checkDocumentMember(document, member);
  const result = validatePolicy(document, kind);
  if (!result.ok) throw malformedPolicyDocument(result.message);
}

/** The document as answers carry it: "URL-encoded compliant with RFC 3986" (IAM API Reference, GetPolicyVersion and others). */
export function encodeDocument(document: string): string {
  return encodeURIComponent(document).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
