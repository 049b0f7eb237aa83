import type { JsonObject, StepError } from '@taskmaster/contracts';

/** Lines at the end of a screen that are looked at; older ones may quote anything. */
export const TAIL_LINES_MAX = 20;
const WAIT_MS_MAX = 24 * 3_600_000;

const DIALOG = [
  /^\s*[❯›>]\s*1\.\s/m,
  /\(y\/n\)\s*$/im,
  /\[y\/N\]\s*$/im,
  /do you trust the files/i,
  /press enter to continue/i,
  /do you want to (create|make|proceed|run|allow)/i,
];
const LOGIN = [/not logged in/i, /please run \/login/i, /invalid api key/i, /authentication[_ ]error/i, /oauth token (has )?expired/i];
const LIMIT = [/usage limit/i, /rate limit/i, /too many requests/i, /quota (has been )?exceeded/i, /overloaded_error/i];

/**
 * Tells what a silent screen is waiting for: a dialog, a login or a limit; undefined when it looks like a prompt. Only asked when the
 * answer is not marked as complete, since a finished answer may talk about logins and limits. `now` is milliseconds since the epoch.
 */
export function classifyTail(screen: string, now: number): StepError | undefined {
  const tail = screen.split('\n').slice(-TAIL_LINES_MAX).join('\n');
  const detail = (name: string): JsonObject => ({ class: name, screen: redact(tail).slice(-2000) });
  if (LIMIT.some((pattern) => pattern.test(tail))) {
    const retryAfterMs = waitOf(tail, now);
    const message = 'The agent has reached a usage limit.';
    return {
      type: 'rate_limit',
      message,
      retryable: true,
      detail: detail('rate_limited'),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
  if (LOGIN.some((pattern) => pattern.test(tail))) {
    return { type: 'agent', message: 'The agent is not logged in.', retryable: true, detail: detail('auth_required') };
  }
  if (DIALOG.some((pattern) => pattern.test(tail))) {
    return { type: 'agent', message: 'The agent waits for an answer in a dialog.', retryable: true, detail: detail('needs_input') };
  }
  return undefined;
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** The wait that a limit's text names: "in 30 seconds", "in 2h", or an ISO instant after "resets at". */
function waitOf(tail: string, now: number): number | undefined {
  const span = /\bin (\d{1,6})\s*(s|m|h)(ec|econd|in|inute|our|r)?s?\b/i.exec(tail);
  if (span !== null) return Math.min(Number(span[1]) * (UNITS[(span[2] ?? 's').toLowerCase()] ?? 1000), WAIT_MS_MAX);
  const instant = /\bresets? (?:at )?(\d{4}-\d{2}-\d{2}T[0-9:.]+Z)/i.exec(tail)?.[1];
  const at = instant === undefined ? Number.NaN : Date.parse(instant);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - now), WAIT_MS_MAX);
}

const SECRETS = [
  /\bsk-[A-Za-z0-9_-]{16,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_\w{20,}/g,
  /\bAKIA[A-Z0-9]{16}\b/g,
  /\bBearer\s+[A-Za-z0-9._~+/-]{16,}=*/gi,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
];

/** Blanks what looks like a credential before a text is kept. */
export const redact = (text: string): string => SECRETS.reduce((rest, pattern) => rest.replace(pattern, '[redacted]'), text);
