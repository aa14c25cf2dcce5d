/**
 * SAML responses: their XML signature, and what the assertion says. Pure. Whatever is read comes from the bytes that the signature covers, parsed
 * anew, so that elements moved around the signed ones are never seen (signature wrapping). Sources: SAML 2.0 Core, XML Signature, and "Configure SAML
 * assertions for the authentication response", IAM User Guide.
 */
import { DOMParser, type Element } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';

const assertionNamespace = 'urn:oasis:names:tc:SAML:2.0:assertion';
const protocolNamespace = 'urn:oasis:names:tc:SAML:2.0:protocol';
const signatureNamespace = 'http://www.w3.org/2000/09/xmldsig#';

/** What an assertion says, as far as STS needs it. */
export interface Assertion {
  issuer: string;
  subject: string;
  /** Format of the name, without its URN prefix where it is one of SAML's own. */
  subjectType: string;
  /** Where the response was to be sent. */
  recipient: string;
  audiences: readonly string[];
  /** The assertion counts from the latest of its starts to the earliest of its ends; milliseconds, absent when it does not say. */
  notBefore?: number | undefined;
  notOnOrAfter?: number | undefined;
  /** When the session at the provider ends. */
  sessionEnd?: number | undefined;
  attributes: ReadonlyMap<string, readonly string[]>;
}

function parseXml(text: string): Element | undefined {
  // Entities could expand without bound, and no response needs them.
  if (/<!DOCTYPE/i.test(text)) return undefined;
  const failed = new Error('not well formed');
  try {
    const onError = (): never => {
      throw failed;
    };
    return new DOMParser({ onError }).parseFromString(text, 'text/xml').documentElement ?? undefined;
  } catch {
    return undefined;
  }
}

function childrenOf(element: Element, namespace: string, name: string): Element[] {
  return [...element.childNodes].filter((node): node is Element => {
    const child = node as Partial<Element>;
    return child.namespaceURI === namespace && child.localName === name;
  });
}

function isElement(element: Element, namespace: string, name: string): boolean {
  return element.namespaceURI === namespace && element.localName === name;
}

/** XML of what one of the certificates (PEM) has signed by this signature; undefined when none has. */
function signedBy(xml: string, signature: Element, certificates: readonly string[]): string | undefined {
  for (const publicCert of certificates) {
    const signed = new SignedXml({ publicCert, getCertFromKeyInfo: () => null });
    try {
      signed.loadSignature(signature.toString());
      if (!signed.checkSignature(xml)) continue;
    } catch {
      // Malformed, or of an algorithm that is not taken: no signature of this certificate's.
      continue;
    }
    const references = signed.getSignedReferences();
    return references.length === 1 ? references[0] : undefined;
  }
  return undefined;
}

/** The assertion element that the provider signed, by itself or inside a signed response. */
function signedAssertion(xml: string, certificates: readonly string[]): Element | undefined {
  const root = parseXml(xml);
  if (root === undefined || !isElement(root, protocolNamespace, 'Response')) return undefined;
  const holders = [root, ...childrenOf(root, assertionNamespace, 'Assertion')];
  for (const signature of holders.flatMap((holder) => childrenOf(holder, signatureNamespace, 'Signature'))) {
    const text = signedBy(xml, signature, certificates);
    const signed = text === undefined ? undefined : parseXml(text);
    if (signed === undefined) continue;
    if (isElement(signed, assertionNamespace, 'Assertion')) return signed;
    const [assertion] = childrenOf(signed, assertionNamespace, 'Assertion');
    if (isElement(signed, protocolNamespace, 'Response') && assertion !== undefined) return assertion;
  }
  return undefined;
}

function textOf(element: Element | undefined): string {
  return element?.textContent?.trim() ?? '';
}

function timesOf(elements: readonly (Element | undefined)[], attribute: string): number[] {
  return elements.map((element) => Date.parse(element?.getAttribute(attribute) ?? '')).filter((time) => !Number.isNaN(time));
}

function readAttributes(assertion: Element): Map<string, string[]> {
  const attributes = new Map<string, string[]>();
  for (const statement of childrenOf(assertion, assertionNamespace, 'AttributeStatement')) {
    for (const attribute of childrenOf(statement, assertionNamespace, 'Attribute')) {
      const name = attribute.getAttribute('Name') ?? '';
      const values = childrenOf(attribute, assertionNamespace, 'AttributeValue').map(textOf);
      attributes.set(name, [...(attributes.get(name) ?? []), ...values]);
    }
  }
  return attributes;
}

function readAssertion(assertion: Element): Assertion {
  const child = (element: Element | undefined, name: string): Element | undefined =>
    element === undefined ? undefined : childrenOf(element, assertionNamespace, name)[0];
  const subject = child(assertion, 'Subject');
  const name = child(subject, 'NameID');
  const data = child(child(subject, 'SubjectConfirmation'), 'SubjectConfirmationData');
  const conditions = child(assertion, 'Conditions');
  const restriction = child(conditions, 'AudienceRestriction');
  const ends = timesOf([conditions, data], 'NotOnOrAfter');
  const starts = timesOf([conditions, data], 'NotBefore');
  return {
    issuer: textOf(child(assertion, 'Issuer')),
    subject: textOf(name),
    subjectType: (name?.getAttribute('Format') ?? '').replace(/^urn:oasis:names:tc:SAML:2\.0:nameid-format:/, ''),
    recipient: data?.getAttribute('Recipient') ?? '',
    audiences: restriction === undefined ? [] : childrenOf(restriction, assertionNamespace, 'Audience').map(textOf),
    notBefore: starts.length === 0 ? undefined : Math.max(...starts),
    notOnOrAfter: ends.length === 0 ? undefined : Math.min(...ends),
    sessionEnd: timesOf([child(assertion, 'AuthnStatement')], 'SessionNotOnOrAfter')[0],
    attributes: readAttributes(assertion),
  };
}

/** Issuer that a response claims, for the message when it is not the provider's; nothing of it is trusted. */
export function claimedIssuer(xml: string): string | undefined {
  const root = parseXml(xml);
  if (root === undefined) return undefined;
  const [assertion] = childrenOf(root, assertionNamespace, 'Assertion');
  return textOf(childrenOf(assertion ?? root, assertionNamespace, 'Issuer')[0]);
}

/** What the provider has signed; undefined when its certificates signed no assertion of this response. */
export function verifyResponse(xml: string, certificates: readonly string[]): Assertion | undefined {
  const assertion = signedAssertion(xml, certificates);
  return assertion === undefined ? undefined : readAssertion(assertion);
}
