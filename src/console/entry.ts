/**
 * The way into the console: password, code of an MFA device, and what a user must do before anything else (set a new password, register a
 * device). Each try is recorded as CloudTrail's ConsoleLogin ("AWS Management Console sign-in events"); who signs in gets a session of STS.
 */
import type { CreateVirtualMFADeviceResponse } from '@aws-sdk/client-iam';
import type { Millis } from '../base/clock.ts';
import { anonymousIdentity, type Caller, type Identity } from '../kernel/caller.ts';
import { findCredential } from '../kernel/identity.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Door } from './door.ts';
import { base, codePage, demandMfaPage, newPasswordPage, registerMfaPage, rootSignInPage, signInPage } from './pages.ts';
import type { HalfSignIn, SignIn, SignIns } from './sign-ins.ts';
import { type Answer, callerOf, goTo, invoke, shown, type Visit, wordsOf } from './visit.ts';

/** Seconds that a console session lasts by the cloud's clock ("IAM users … 12 hours"). */
const sessionSeconds = 43_200;
/** Cloud milliseconds between the password and the code. */
const codeMillisMax = 300_000;
const day: Millis = 86_400_000;
export const defaultRegion = 'us-east-1';
const home = `${base}/ec2/instances`;
const wrongWords = 'Your authentication information is incorrect. Please try again.';
const waitWords = 'Too many attempts. Please wait and try again.';
/** CloudTrail's error message of a sign-in that failed. */
const failedWords = 'Failed authentication';
/** What CloudTrail shows in place of a name that may be a password typed in the wrong field. */
const hiddenName = 'HIDDEN_DUE_TO_SECURITY_REASONS';

/** Who has given a right password, and what is still to come. */
interface Entrant {
  identity: Identity;
  devices: readonly { readonly serial: string }[];
  mustChange: boolean;
  mfaDemandedAt?: Millis | undefined;
}

export class Entry {
  readonly #kernel: Kernel;
  readonly #door: Door;
  readonly #signIns: SignIns;

  constructor(kernel: Kernel, door: Door, signIns: SignIns) {
    this.#kernel = kernel;
    this.#door = door;
    this.#signIns = signIns;
  }

  /** Answers the forms of the way in; undefined for everything else. */
  async answer(visit: Visit): Promise<Answer | undefined> {
    switch (`${visit.request.method} ${visit.url.pathname.slice(base.length)}`) {
      case 'POST /sign-in':
        return this.#signInUser(visit);
      case 'POST /root':
        return this.#signInRoot(visit);
      case 'POST /mfa':
        return this.#takeCode(visit);
      case 'POST /mfa/register':
        return this.#register(visit);
      case 'POST /mfa/enable':
        return this.#enable(visit);
      case 'POST /mfa/skip':
        return this.#skip(visit);
      case 'POST /password':
        return this.#changePassword(visit);
      default:
        return undefined;
    }
  }

  /** The caller as it is now, by the session's key; or where to go when nobody is signed in, or something else must come first. */
  async signedIn(visit: Visit): Promise<Caller | Answer> {
    const { signIn } = visit;
    if (signIn?.step !== 'in') return goTo(`${base}/`);
    if (signIn.mustChange) return shown(newPasswordPage());
    if (signIn.mfaDemandedAt !== undefined) return this.#demandMfa(signIn);
    const caller = await this.#callerNow(visit, signIn);
    if (caller !== undefined) return caller;
    this.#signIns.forget(visit.cookie);
    return goTo(`${base}/`, '');
  }

  async #signInUser(visit: Visit): Promise<Answer> {
    const [account = '', user = '', password = ''] = ['account', 'user', 'password'].map((name) => visit.form.get(name) ?? '');
    const name = `${account}/${user.toLowerCase()}`;
    if (!/^\d{12}$/.test(account) || !/^[\w+=,.@-]{1,64}$/.test(user)) return shown(signInPage(wrongWords), 401);
    if (!this.#mayTry(name)) return shown(signInPage(waitWords), 429);
    const found = await this.#door.checkUser(account, user, password);
    if (found.state === 'wrong') {
      this.#record(visit, { ...anonymousIdentity, account, userName: hiddenName }, false, failedWords);
      return shown(signInPage(wrongWords), 401);
    }
    this.#signIns.succeeded(name);
    if (found.state === 'expired')
      return shown(signInPage('Your password has expired. Contact your administrator to set a new one.'), 403);
    const { identity, devices } = found;
    return this.#admit(visit, { identity, devices, mustChange: found.state === 'change' });
  }

  async #signInRoot(visit: Visit): Promise<Answer> {
    const [email = '', password = ''] = ['email', 'password'].map((name) => visit.form.get(name) ?? '');
    const name = `root ${email.toLowerCase()}`;
    if (!this.#mayTry(name)) return shown(rootSignInPage(waitWords), 429);
    const found = await this.#door.checkRoot(email, password);
    if (found.state === 'wrong') return shown(rootSignInPage(wrongWords), 401);
    this.#signIns.succeeded(name);
    const { identity, devices, mfaDemandedAt } = found;
    return this.#admit(visit, { identity, devices, mustChange: false, ...(devices.length === 0 ? { mfaDemandedAt } : {}) });
  }

  /** A right password lets in, or leads to the code. */
  async #admit(visit: Visit, { identity, devices, mustChange, mfaDemandedAt }: Entrant): Promise<Answer> {
    if (devices.length === 0) return this.#open(visit, { identity, mustChange, mfaDemandedAt }, false);
    const serials = devices.map(({ serial }) => serial);
    const cookie = this.#kernel.ids.next('token');
    const expires = this.#kernel.clock.now() + codeMillisMax;
    this.#signIns.keep(cookie, { step: 'code', identity, serials, mustChange, expires });
    return { ...shown(codePage(serials)), cookie };
  }

  async #takeCode(visit: Visit): Promise<Answer> {
    const { signIn, form } = visit;
    if (signIn?.step !== 'code') return goTo(`${base}/`);
    const { identity, serials } = signIn;
    const [serial = '', code = ''] = [form.get('serial') ?? '', form.get('code') ?? ''];
    const name = `code ${identity.userId}`;
    if (!serials.includes(serial) || !/^\d{6}$/.test(code)) return shown(codePage(serials, wrongWords), 401);
    if (!this.#mayTry(name)) return shown(codePage(serials, waitWords), 429);
    if (!(await this.#door.takeCode(identity, serial, code))) {
      this.#record(visit, identity, true, failedWords);
      return shown(codePage(serials, wrongWords), 401);
    }
    this.#signIns.succeeded(name);
    this.#signIns.forget(visit.cookie);
    return this.#open(visit, signIn, true);
  }

  /** Opens a session of STS, and one of the console that stands on it. */
  async #open(
    visit: Visit,
    { identity, mustChange, mfaDemandedAt }: Pick<HalfSignIn, 'identity' | 'mustChange' | 'mfaDemandedAt'>,
    mfa: boolean,
  ): Promise<Answer> {
    const { accessKeyId, expires } = await this.#door.openSession(identity, sessionSeconds, mfa);
    this.#record(visit, identity, mfa);
    const cookie = this.#kernel.ids.next('token');
    const signIn: SignIn = { step: 'in', identity, accessKeyId, mustChange, mfaDemandedAt, expires };
    this.#signIns.keep(cookie, signIn);
    if (mustChange) return { ...shown(newPasswordPage()), cookie };
    return mfaDemandedAt === undefined ? goTo(home, cookie) : { ...this.#demandMfa(signIn), cookie };
  }

  #demandMfa({ mfaDemandedAt = 0, registering }: SignIn, words?: string): Answer {
    const status = words === undefined ? 200 : 403;
    if (registering !== undefined)
      return shown(registerMfaPage(registering.serial, registering.seed, registering.picture, words), status);
    const daysLeft = Math.ceil((mfaDemandedAt - this.#kernel.clock.now()) / day);
    return shown(demandMfaPage(Math.max(daysLeft, 0), words), status);
  }

  /** Makes the device whose seed the user puts into an app. */
  async #register(visit: Visit): Promise<Answer> {
    const { signIn, form } = visit;
    if (signIn?.step !== 'in' || signIn.mfaDemandedAt === undefined) return goTo(`${base}/`);
    try {
      const { VirtualMFADevice: device } = (await this.#asSignedIn(visit, signIn, 'CreateVirtualMFADevice', {
        VirtualMFADeviceName: form.get('name') ?? '',
      })) as CreateVirtualMFADeviceResponse;
      const seed = Buffer.from(device?.Base32StringSeed ?? []).toString();
      const registering = { serial: device?.SerialNumber ?? '', seed, picture: device?.QRCodePNG ?? new Uint8Array() };
      this.#signIns.keep(visit.cookie, { ...signIn, registering });
      return this.#demandMfa({ ...signIn, registering });
    } catch (error) {
      return this.#demandMfa(signIn, wordsOf(error));
    }
  }

  async #enable(visit: Visit): Promise<Answer> {
    const { signIn, form } = visit;
    if (signIn?.step !== 'in' || signIn.registering === undefined) return goTo(`${base}/`);
    const [first = '', second = ''] = [form.get('first') ?? '', form.get('second') ?? ''];
    const codes = { AuthenticationCode1: first, AuthenticationCode2: second };
    try {
      await this.#asSignedIn(visit, signIn, 'EnableMFADevice', {
        UserName: signIn.identity.account,
        SerialNumber: signIn.registering.serial,
        ...codes,
      });
    } catch (error) {
      return this.#demandMfa(signIn, wordsOf(error));
    }
    this.#signIns.keep(visit.cookie, { ...signIn, registering: undefined, mfaDemandedAt: undefined });
    return goTo(home);
  }

  /** For as long as there is grace. */
  #skip(visit: Visit): Answer {
    const { signIn } = visit;
    if (signIn?.step !== 'in' || signIn.mfaDemandedAt === undefined) return goTo(`${base}/`);
    if (signIn.mfaDemandedAt <= this.#kernel.clock.now())
      return this.#demandMfa(signIn, 'You must register an MFA device before you can go on.');
    this.#signIns.keep(visit.cookie, { ...signIn, mfaDemandedAt: undefined, registering: undefined });
    return goTo(home);
  }

  /** With the user's own right to change it: the account's policy may leave that to administrators. */
  async #changePassword(visit: Visit): Promise<Answer> {
    const { signIn, form } = visit;
    if (signIn?.step !== 'in' || !signIn.mustChange) return goTo(`${base}/`);
    const name = `change ${signIn.identity.userId}`;
    if (!this.#mayTry(name)) return shown(newPasswordPage(waitWords), 429);
    const input = { OldPassword: form.get('old') ?? '', NewPassword: form.get('new') ?? '' };
    try {
      await this.#asSignedIn(visit, signIn, 'ChangePassword', input);
    } catch (error) {
      return shown(newPasswordPage(wordsOf(error)), 403);
    }
    this.#signIns.succeeded(name);
    this.#signIns.keep(visit.cookie, { ...signIn, mustChange: false });
    return goTo(home);
  }

  /** An operation of IAM as who has signed in. Throws AwsError. */
  async #asSignedIn(visit: Visit, signIn: SignIn, operation: string, input: unknown): Promise<unknown> {
    const caller = (await this.#callerNow(visit, signIn)) ?? callerOf(visit, anonymousIdentity);
    return invoke(this.#kernel, ['iam', operation], defaultRegion, caller, input);
  }

  /** Who the session's key stands for now; undefined once the user is gone. */
  async #callerNow(visit: Visit, { accessKeyId }: SignIn): Promise<Caller | undefined> {
    const { registry } = this.#kernel;
    const credential = await findCredential(registry, accessKeyId, (service) =>
      this.#kernel.systemContext(service, { account: '', region: '' }, 'ConsoleLogin'),
    );
    return credential === undefined ? undefined : callerOf(visit, credential.identity, accessKeyId);
  }

  #mayTry(name: string): boolean {
    return this.#signIns.mayTry(name, this.#kernel.clock.realNow());
  }

  /** CloudTrail's record of a try; `failure` is its error message. */
  #record(visit: Visit, identity: Identity, mfa: boolean, failure?: string): void {
    const { sourceIp, userAgent } = callerOf(visit, identity);
    this.#kernel.recorder.record({
      at: this.#kernel.clock.now(),
      service: 'signin',
      operation: 'ConsoleLogin',
      action: 'signin:ConsoleLogin',
      account: identity.account,
      region: defaultRegion,
      identity,
      sourceIp,
      userAgent,
      requestId: this.#kernel.ids.uuid(),
      readOnly: false,
      errorMessage: failure,
      input: { MFAUsed: mfa ? 'Yes' : 'No' },
    });
  }
}
